"""A small strict OpenID provider on this machine: one client, PKCE, codes that are good once; it can attack, too."""

from __future__ import annotations

import hmac
import json
import secrets
import threading
import time
from base64 import b64decode, urlsafe_b64encode
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from hashlib import sha256
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, parse_qsl, unquote, urlencode, urlsplit

from joserfc import jws, jwt
from joserfc.jwk import ECKey, RSAKey

KEY = RSAKey.generate_key(2048, {"kid": "one"})
CLIENT, SECRET = "group hub", "s3cret/with:signs"


@dataclass
class Provider:
    """`person` is who signs in there; `lies` change claims, `header` a token's header, `answer` the token response."""

    issuer: str
    keys: list[RSAKey] = field(default_factory=lambda: [KEY])
    person: dict[str, Any] = field(default_factory=dict)
    lies: dict[str, Any] = field(default_factory=dict)
    header: dict[str, Any] = field(default_factory=dict)
    answer: dict[str, Any] = field(default_factory=dict)
    describes: dict[str, Any] = field(default_factory=dict)
    signer: RSAKey | ECKey | bytes | None = None
    codes: dict[str, dict[str, str]] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)

    def authorize(self, address: str) -> dict[str, str]:
        """What the browser brings back; the request must be one of OAuth 2.1."""
        asked = dict(parse_qsl(urlsplit(address).query))
        assert asked["response_type"] == "code" and asked["client_id"] == CLIENT
        assert asked["code_challenge_method"] == "S256" and len(asked["code_challenge"]) == 43
        assert "openid" in asked["scope"].split() and len(asked["nonce"]) > 20
        code = secrets.token_urlsafe(16)
        self.codes[code] = asked
        return {"code": code, "state": asked["state"], "iss": self.issuer}

    def document(self) -> dict[str, Any]:
        own = {
            "issuer": self.issuer,
            "authorization_endpoint": f"{self.issuer}/authorize?tenant=1",
            "token_endpoint": f"{self.issuer}/token",
            "jwks_uri": f"{self.issuer}/jwks",
            "userinfo_endpoint": f"{self.issuer}/userinfo",
            "end_session_endpoint": f"{self.issuer}/logout",
            "authorization_response_iss_parameter_supported": True,
        }
        return own | self.describes

    def token(self, authorization: str, form: dict[str, str]) -> dict[str, Any]:
        name, _, secret = b64decode(authorization.removeprefix("Basic ")).decode().partition(":")
        assert (unquote(name), unquote(secret)) == (CLIENT, SECRET)
        asked = self.codes.pop(form["code"])
        challenge = urlsafe_b64encode(sha256(form["code_verifier"].encode()).digest()).rstrip(b"=").decode()
        assert challenge == asked["code_challenge"] and form["redirect_uri"] == asked["redirect_uri"]
        claims = {"aud": CLIENT, "nonce": asked["nonce"], "sid": "their-session"} | self.person
        given = {"access_token": "at", "token_type": "Bearer", "id_token": self.sign(claims)} | self.answer
        return {k: v for k, v in given.items() if v is not None}

    def sign(self, claims: dict[str, Any]) -> str:
        now = int(time.time())
        claims = {"iss": self.issuer, "iat": now, "exp": now + 300} | claims | self.lies
        claims = {k: v for k, v in claims.items() if v is not None}
        header = {"alg": "RS256", "kid": self.keys[-1].kid} | self.header
        if header["alg"].lower() == "none" or isinstance(self.signer, bytes):
            signed = ".".join(_part(json.dumps(part).encode()) for part in (header, claims))
            mac = hmac.digest(self.signer, signed.encode(), "sha256") if isinstance(self.signer, bytes) else b""
            return f"{signed}.{_part(mac)}"
        registry = jws.JWSRegistry(algorithms=["RS256", "ES256"], strict_check_header=False)
        return jwt.encode(header, claims, self.signer or self.keys[-1], registry=registry)


def _part(raw: bytes) -> str:
    return urlsafe_b64encode(raw).rstrip(b"=").decode()


class _Handler(BaseHTTPRequestHandler):
    provider: Provider

    def do_GET(self) -> None:
        self.provider.asked.append(self.path)
        pages: dict[str, Any] = {
            "/.well-known/openid-configuration": self.provider.document,
            "/jwks": lambda: {"keys": [k.as_dict(private=False) for k in self.provider.keys]},
            "/userinfo": lambda: {"sub": "x", "email": "somebody@alpha.example", "email_verified": True},
        }
        self._say(pages[self.path]())

    def do_POST(self) -> None:
        form = parse_qs(self.rfile.read(int(self.headers["content-length"])).decode())
        try:
            self._say(self.provider.token(self.headers["authorization"], {k: v[0] for k, v in form.items()}))
        except (AssertionError, KeyError):
            self._say({"error": "invalid_grant"}, 400)

    def _say(self, answer: dict[str, Any], status: int = 200) -> None:
        body = json.dumps(answer).encode()
        self.send_response(status)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *args: Any) -> None:
        """Quiet."""


@contextmanager
def serving() -> Iterator[Provider]:
    handler = type("Handler", (_Handler,), {})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    handler.provider = Provider(f"http://127.0.0.1:{server.server_port}")  # type: ignore[attr-defined]
    threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
    try:
        yield handler.provider  # type: ignore[attr-defined]
    finally:
        server.shutdown()
        server.server_close()


def back(address: str, answer: dict[str, str]) -> str:
    """The hub's own path that the provider sends the browser to."""
    redirect = dict(parse_qsl(urlsplit(address).query))["redirect_uri"]
    return f"{urlsplit(redirect).path}?{urlencode(answer)}"
