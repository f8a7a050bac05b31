"""Requests to addresses that others name (providers, webhooks, proofs): https to public addresses only, connected to
the very address that was judged, no redirects, and an end to how long and how much."""

from __future__ import annotations

import json
import socket
import ssl
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import cache
from ipaddress import IPv4Address, IPv6Address, IPv6Network, ip_address, ip_network
from typing import Any
from urllib.parse import urlsplit

import httpcore

from hub.errors import Unprocessable
from hub.settings import settings

SECONDS, LARGEST = 8.0, 256 * 1024
PORTS = {"https": 443, "http": 80}
# Ways to write an IPv4 address as one of version 6, which would lead round the judgement of the former.
TRANSLATED = tuple(IPv6Network(n) for n in ("64:ff9b::/96", "64:ff9b:1::/48", "2002::/16", "2001::/32", "::/96"))

Address = IPv4Address | IPv6Address


class Unreachable(Unprocessable):
    """The other side did not answer as it must, or may not be asked."""

    title = "Not reachable"


@dataclass(frozen=True, slots=True)
class Answer:
    status: int
    headers: Mapping[str, str]
    body: bytes = field(repr=False)

    def json(self) -> Any:
        try:
            return json.loads(self.body)
        except (ValueError, RecursionError):
            raise Unreachable("The answer is no JSON.") from None


def ask(
    url: str,
    *,
    method: str = "GET",
    headers: Mapping[str, str] | None = None,
    body: bytes | None = None,
    seconds: float = SECONDS,
) -> Answer:
    """The answer whatever its status, redirects too: they are not followed. Raises Unreachable where there is none
    within `seconds` and LARGEST bytes, or where the address is none that may be asked."""
    host = check_url(url)
    sent = {"host": _authority(url), "accept": "application/json", "user-agent": "group-hub"} | dict(headers or {})
    if body is not None:
        sent["content-length"] = str(len(body))
    backend = _Guarded(time.monotonic() + seconds, is_plain=url.startswith("http:"))
    try:
        with (
            httpcore.ConnectionPool(ssl_context=_trust(), network_backend=backend) as pool,
            pool.stream(method, url, headers=list(sent.items()), content=body) as answer,
        ):
            given = {k.decode("latin-1").lower(): v.decode("latin-1") for k, v in answer.headers}
            return Answer(answer.status, given, _read(answer.iter_stream()))
    except (*TROUBLE, OSError, ssl.SSLError) as error:
        raise Unreachable(f"{host} gave no answer ({type(error).__name__}). Check its address and try again.") from None


TROUBLE = (
    httpcore.NetworkError,
    httpcore.TimeoutException,
    httpcore.ProtocolError,
    httpcore.UnsupportedProtocol,
)


def check_url(url: str) -> str:
    """The host of an address that may be asked, as far as its spelling tells; raises Unreachable."""
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        raise Unreachable("This is no address.") from None
    is_plain_ascii = url.isascii() and url.isprintable() and " " not in url and "\\" not in url
    if not is_plain_ascii or not parts.hostname or "@" in parts.netloc or parts.fragment or port == 0:
        raise Unreachable("This is no address of the kind https://host/path.")
    if parts.scheme not in PORTS or (parts.scheme == "http" and not settings().outgoing_networks):
        raise Unreachable("An address must begin with https://.")
    return parts.hostname


def _authority(url: str) -> str:
    parts = urlsplit(url)
    host = f"[{parts.hostname}]" if ":" in (parts.hostname or "") else parts.hostname or ""
    return host if parts.port in (None, PORTS[parts.scheme]) else f"{host}:{parts.port}"


def permitted(host: str, port: int, *, is_plain: bool) -> list[str]:
    """The addresses of a host, all of which may be asked: public ones, or within HUB_OUTGOING_NETWORKS. Unencrypted
    requests stay on this machine. Raises Unreachable."""
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError):
        raise Unreachable(f"{host} is not known to the name service. Check the address.") from None
    addresses = list(dict.fromkeys(str(one[4][0]).split("%")[0] for one in found))
    if not addresses or not all(_may_ask(ip_address(a), is_plain=is_plain) for a in addresses):
        raise Unreachable(f"{host} lies in a network that the hub does not ask.")
    return addresses


def _may_ask(address: Address, *, is_plain: bool) -> bool:
    if isinstance(address, IPv6Address) and address.ipv4_mapped is not None:
        address = address.ipv4_mapped
    is_opened = any(address in network for network in _opened(settings().outgoing_networks))
    if is_plain:
        return is_opened and address.is_loopback
    return is_opened or (address.is_global and not address.is_multicast and not _is_translated(address))


def _is_translated(address: Address) -> bool:
    return isinstance(address, IPv6Address) and any(address in network for network in TRANSLATED)


@cache
def _opened(networks: str) -> tuple[Any, ...]:
    return tuple(ip_network(one) for one in networks.split())


@cache
def _trust() -> ssl.SSLContext:
    return ssl.create_default_context()


def _read(parts: Iterable[bytes]) -> bytes:
    body = bytearray()
    for part in parts:
        body += part
        if len(body) > LARGEST:
            raise Unreachable(f"The answer is larger than {LARGEST >> 10} KiB.")
    return bytes(body)


class _Guarded(httpcore.NetworkBackend):
    """Connects to judged addresses alone, and reads no longer than to the end of its time."""

    def __init__(self, ends: float, *, is_plain: bool) -> None:
        self._ends, self._is_plain = ends, is_plain

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Any = None,
    ) -> httpcore.NetworkStream:
        error: Exception = httpcore.ConnectError("no address")
        left = _left(self._ends, timeout)
        for address in permitted(host, port, is_plain=self._is_plain):
            try:
                made = httpcore.SyncBackend().connect_tcp(address, port, left, local_address, socket_options)
                return _Timed(made, self._ends)
            except (httpcore.ConnectError, httpcore.ConnectTimeout) as failed:
                error = failed
        raise error


class _Timed(httpcore.NetworkStream):
    """Every wait of the stream ends with the time of its request."""

    def __init__(self, stream: httpcore.NetworkStream, ends: float) -> None:
        self._stream, self._ends = stream, ends

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        return self._stream.read(max_bytes, _left(self._ends, timeout))

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        self._stream.write(buffer, _left(self._ends, timeout))

    def close(self) -> None:
        self._stream.close()

    def start_tls(
        self, ssl_context: ssl.SSLContext, server_hostname: str | None = None, timeout: float | None = None
    ) -> httpcore.NetworkStream:
        return _Timed(self._stream.start_tls(ssl_context, server_hostname, _left(self._ends, timeout)), self._ends)

    def get_extra_info(self, info: str) -> Any:
        return self._stream.get_extra_info(info)


def _left(ends: float, wanted: float | None) -> float:
    left = ends - time.monotonic()
    if left <= 0:
        raise httpcore.ReadTimeout("the time of the request is over")
    return left if wanted is None else min(left, wanted)
