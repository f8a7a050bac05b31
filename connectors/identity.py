"""Who the agent is: an Ed25519 key made here and never sent, the id the hub gave it, and the tokens it signs."""

from __future__ import annotations

import json
import os
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import uuid4

from joserfc import jwt
from joserfc.jwk import OKPKey

AUDIENCE = "group-hub"
TOKEN_SECONDS = 300


class NotEnrolled(Exception):
    """The agent has no key or id yet."""


@dataclass
class Identity:
    """Signs short-lived tokens; one is reused until it is nearly out."""

    agent_id: str
    key: OKPKey
    _token: str = ""
    _until: float = 0.0

    def token(self) -> str:
        now = time.time()
        if now > self._until - 60:
            claims = {"iss": self.agent_id, "sub": self.agent_id, "aud": AUDIENCE, "iat": int(now), "jti": str(uuid4())}
            claims["exp"] = int(now) + TOKEN_SECONDS
            header = {"alg": "Ed25519", "kid": self.agent_id}
            self._token, self._until = jwt.encode(header, claims, self.key, algorithms=["Ed25519"]), now + TOKEN_SECONDS
        return self._token

    def forget_token(self) -> None:
        """Sign anew at the next call (the hub did not take the last one)."""
        self._until = 0.0


def make_key() -> OKPKey:
    return OKPKey.generate_key("Ed25519")


def public_jwk(key: OKPKey) -> dict[str, Any]:
    return {k: v for k, v in key.as_dict(private=False).items() if k in {"kty", "crv", "x"}}


def save(folder: Path, agent_id: str, key: OKPKey) -> None:
    """Key and id, readable by this user alone."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, content in (
        ("agent.key", key.as_pem(private=True)),
        ("agent.json", json.dumps({"agent_id": agent_id}).encode()),
    ):
        temporary = folder / f".{name}"
        with os.fdopen(os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as file:
            file.write(content)
            os.fsync(file.fileno())
        temporary.rename(folder / name)


def read(folder: Path) -> Identity:
    """The saved identity. Raises NotEnrolled."""
    try:
        agent_id = json.loads((folder / "agent.json").read_text("utf-8"))["agent_id"]
        return Identity(str(agent_id), OKPKey.import_key((folder / "agent.key").read_bytes()))
    except FileNotFoundError:
        raise NotEnrolled(
            f"this agent is not enrolled (no key in {folder}): run `hub-agent enrol --hub URL --code CODE`"
        ) from None
