"""Each cause of a failed connection has its own sentence, which names the party: real TLS servers, real proxies."""

import ssl
import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from ignite_assets.api.endpoints import by_name
from ignite_assets.api.errors import ConfigurationError, NetworkError
from ignite_assets.api.protocol import Call
from ignite_assets_tests.api.conftest import QUICK, Clients, fetch
from ignite_assets_tests.api.servers import RawServer, ok, self_signed

SALES = Call(endpoint=by_name()["sales"])


def reason(clients: Clients, url: str) -> str:
    with pytest.raises(NetworkError) as failed:
        fetch(clients(base_url=url), SALES)
    return failed.value.reason


@pytest.mark.parametrize(
    ("how", "trusted", "told"),
    [
        ({"days": (-3, -2)}, True, "TLS failed: the platform's certificate has expired"),
        ({"days": (2, 3)}, True, "TLS failed: the platform's certificate isn't valid yet; is the clock right?"),
        ({"host": "elsewhere.example"}, True, "TLS failed: the platform's certificate is for another host"),
        ({}, False, "TLS failed: the platform's certificate is self-signed; REQUESTS_CA_BUNDLE can name"),
    ],
    ids=["expired", "not yet", "another host", "self-signed"],
)
def test_what_is_wrong_with_a_certificate_is_said(
    how: dict[str, object],
    *,
    trusted: bool,
    told: str,
    tmp_path: Path,
    client_for: Clients,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    context, certificate = self_signed(tmp_path, **how)  # type: ignore[arg-type]  # one of its keywords
    if trusted:
        monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(certificate))
    with RawServer(ok(b"{}"), tls=context) as server:
        assert reason(client_for, server.url).startswith(told)


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_an_old_protocol_is_said(tmp_path: Path, client_for: Clients, monkeypatch: pytest.MonkeyPatch) -> None:
    context, certificate = self_signed(tmp_path)
    context.set_ciphers("ALL:@SECLEVEL=0")
    context.minimum_version = context.maximum_version = ssl.TLSVersion.TLSv1_1
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(certificate))
    with RawServer(ok(b"{}"), tls=context) as server:
        assert reason(client_for, server.url) == "TLS failed: the platform speaks an old protocol that isn't accepted"


def test_a_server_without_tls_is_said(client_for: Clients) -> None:
    with RawServer(b"HTTP/1.1 400 Bad Request\r\n\r\n", greets=True) as server:
        assert reason(client_for, server.url.replace("http:", "https:")) == "TLS failed: the platform doesn't speak TLS"


@pytest.mark.parametrize(
    ("content", "told"), [("junk", "holds no certificate"), (None, "isn't there"), ("", "holds no certificate")]
)
def test_a_bundle_that_is_none_is_named_by_its_variable(
    content: str | None, told: str, tmp_path: Path, client_for: Clients, monkeypatch: pytest.MonkeyPatch
) -> None:
    bundle = tmp_path / "bundle.pem"
    if content is not None:
        bundle.write_text(content)
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(bundle))
    with pytest.raises(ConfigurationError, match=f"REQUESTS_CA_BUNDLE:\n  names a certificate bundle that {told}"):
        client_for(base_url="https://platform.invalid")


HTML = b"<html><body>Log in</body></html>"


@pytest.mark.parametrize(
    ("answer", "told"),
    [
        (
            b"HTTP/1.1 407 Proxy Authentication Required\r\n\r\n",
            "the proxy asks for a user and a password (status 407)",
        ),
        (b"HTTP/1.1 502 Bad Gateway\r\n\r\n", "the proxy refuses to connect to the platform (status 502)"),
        (b"HTTP/1.1 200 OK\r\n\r\n" + HTML, "TLS failed: the proxy, or what is behind it, closed the connection"),
        (HTML + b"\r\n\r\n", "the proxy's answer isn't that of a proxy"),
        (b"", "the proxy's answer isn't that of a proxy"),
    ],
    ids=["407", "502", "a page", "a page without HTTP", "nothing"],
)
def test_a_proxy_that_does_not_connect_is_named(
    answer: bytes, told: str, client_for: Clients, monkeypatch: pytest.MonkeyPatch
) -> None:
    with RawServer(answer) as proxy:
        monkeypatch.setenv("https_proxy", proxy.url)
        assert reason(client_for, "https://platform.invalid").startswith(told)


def test_a_page_that_a_proxy_sends_in_the_platforms_place_is_said(
    client_for: Clients, monkeypatch: pytest.MonkeyPatch
) -> None:
    read, wrap = threading.Event(), ssl.SSLContext.wrap_socket

    def wrapped(*args: Any, **kwargs: Any) -> ssl.SSLSocket:
        read.set()
        return wrap(*args, **kwargs)

    def page() -> Iterator[bytes]:
        yield b"HTTP/1.1 200 OK\r\n\r\n"
        assert read.wait(60)  # so that the page isn't read with the header
        yield HTML

    monkeypatch.setattr(ssl.SSLContext, "wrap_socket", wrapped)
    with RawServer(page()) as proxy:
        monkeypatch.setenv("https_proxy", proxy.url)
        client = client_for(base_url="https://platform.invalid", limits=replace(QUICK, max_tries=1))
        with pytest.raises(NetworkError, match="TLS failed: a proxy answers in the platform's place"):
            fetch(client, SALES)


@pytest.mark.parametrize(
    ("proxy", "told"),
    [
        ("http://127.0.0.1:1", "the proxy refused the connection"),
        ("http://nowhere.invalid:3128", "the proxy's host name isn't known"),
        ("http://:8080", "the proxy's address makes no sense"),
        ("http://a..b:1", "the proxy's"),
    ],
)
def test_a_proxy_that_is_not_there_is_named(
    proxy: str, told: str, client_for: Clients, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("https_proxy", proxy)
    assert reason(client_for, "https://platform.invalid").startswith(told)
