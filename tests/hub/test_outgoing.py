"""No request leaves for a place that nobody outside should reach through the hub, however its address is written."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Callable, Iterator

import pytest

from hub import outgoing
from hub.outgoing import Unreachable, ask, check_url, permitted
from hub.settings import settings

HOSTILE = [
    "http://example.com/", "ftp://example.com/", "file:///etc/passwd", "gopher://x/", "//example.com/", "", "https://",
    "https://user@example.com/", "https://user:pw@example.com/", "https://example.com#f", "https://example.com:0/",
    "https://example.com:99999/", "https://exa mple.com/", "https://example.com\\@evil/", "https://ex\nample.com/",
    "https://例子.example/", "https://[::1", "javascript:alert(1)",
]  # fmt: skip
PRIVATE = [
    "127.0.0.1", "127.1", "2130706433", "0x7f000001", "0177.0.0.1", "0.0.0.0", "0", "10.0.0.1", "172.16.0.1",
    "192.168.1.1", "169.254.169.254", "100.64.0.1", "198.18.0.1", "192.0.2.1", "224.0.0.1", "255.255.255.255", "::1",
    "::", "fe80::1", "fc00::1", "fd12::1", "ff02::1", "::ffff:127.0.0.1", "::ffff:10.0.0.1", "64:ff9b::7f00:1",
    "64:ff9b::a9fe:a9fe", "2002:7f00:1::", "2001:0:7f00:1::", "::127.0.0.1", "2001:db8::1", "localhost",
]  # fmt: skip


@pytest.mark.parametrize("url", HOSTILE)
def test_what_is_no_plain_https_address_is_not_asked(url) -> None:
    with pytest.raises(Unreachable):
        check_url(url)


@pytest.mark.parametrize("host", PRIVATE)
def test_private_places_are_not_asked(host) -> None:
    with pytest.raises(Unreachable):
        permitted(host, 443, is_plain=False)


@pytest.mark.parametrize("host", ["8.8.8.8", "::ffff:8.8.8.8", "2606:4700::1111"])
def test_public_places_are(host) -> None:
    assert len(permitted(host, 443, is_plain=False)) == 1


def test_a_name_with_one_private_address_is_refused_whole(monkeypatch) -> None:
    found = [(2, 1, 6, "", (address, 443)) for address in ("8.8.8.8", "10.0.0.1")]
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: found)
    with pytest.raises(Unreachable, match="network"):
        permitted("rebind.example", 443, is_plain=False)


def test_networks_that_the_settings_open_are_asked_though_never_in_the_clear(monkeypatch) -> None:
    monkeypatch.setattr(settings(), "outgoing_networks", "10.1.0.0/16 127.0.0.0/8")
    assert permitted("10.1.2.3", 443, is_plain=False) == ["10.1.2.3"]
    assert permitted("127.0.0.1", 80, is_plain=True) == ["127.0.0.1"]
    for host, is_plain in (("10.2.0.1", False), ("10.1.2.3", True), ("8.8.8.8", True)):
        with pytest.raises(Unreachable):
            permitted(host, 443, is_plain=is_plain)


@pytest.fixture
def serve(monkeypatch) -> Iterator[Callable[..., str]]:
    """A server that answers one connection with these parts, waiting in between."""
    monkeypatch.setattr(settings(), "outgoing_networks", "127.0.0.0/8")
    listening = socket.create_server(("127.0.0.1", 0))

    def start(*parts: bytes, wait: float = 0) -> str:
        def answer() -> None:
            made, _ = listening.accept()
            with made:
                made.recv(4096)
                for part in parts:
                    try:
                        made.sendall(part)
                    except OSError:
                        return
                    time.sleep(wait)

        threading.Thread(target=answer, daemon=True).start()
        return f"http://127.0.0.1:{listening.getsockname()[1]}/"

    yield start
    listening.close()


def test_the_address_judged_is_the_one_asked(monkeypatch, serve) -> None:
    """A name that answers differently the second time (rebinding) leads nowhere else."""
    url = serve(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}")
    port = int(url.rsplit(":", 1)[1].strip("/"))
    answers = iter(["127.0.0.1", "10.9.9.9"])
    asked: list[str] = []

    def resolve(host: str, port: int, **_: object) -> list[object]:
        asked.append(host)
        return [(2, 1, 6, "", (next(answers), port))]

    original = socket.getaddrinfo
    monkeypatch.setattr(outgoing.socket, "getaddrinfo", lambda h, p, *a, **k: resolve(h, p) if h == "name.example" else original(h, p, *a, **k))  # noqa: E501 # fmt: skip
    assert ask(f"http://name.example:{port}/").json() == {} and asked == ["name.example"]


def test_redirects_are_not_followed(serve) -> None:
    url = serve(b"HTTP/1.1 302 Found\r\nlocation: http://169.254.169.254/\r\ncontent-length: 0\r\n\r\n")
    assert ask(url).status == 302


def test_too_much_is_not_read(serve) -> None:
    with pytest.raises(Unreachable, match="larger"):
        ask(serve(b"HTTP/1.1 200 OK\r\n\r\n" + b"x" * (outgoing.LARGEST + 1)))


@pytest.mark.parametrize("parts", [[b"H"] * 40, [b"HTTP/1.1 200 OK\r\n\r\n", *[b"x"] * 40]])
def test_who_answers_drop_by_drop_is_left(serve, parts) -> None:
    began = time.monotonic()
    with pytest.raises(Unreachable, match="no answer"):
        ask(serve(*parts, wait=0.1), seconds=0.5)
    assert time.monotonic() - began < 2


@pytest.mark.parametrize("said", [b"", b"HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\n{", b"hello\r\n\r\n"])
def test_half_an_answer_is_none(serve, said) -> None:
    with pytest.raises(Unreachable):
        ask(serve(said))


@pytest.mark.parametrize("said", [b"not json", b"", b"[" * 100_000])
def test_what_is_no_json_is_said(serve, said) -> None:
    with pytest.raises(Unreachable, match="no JSON"):
        ask(serve(b"HTTP/1.1 200 OK\r\n\r\n" + said)).json()
