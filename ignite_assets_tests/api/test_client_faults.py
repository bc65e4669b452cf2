"""Every fault ends in the right data, or in a failure that says where it happened and holds no secret."""

import datetime as dt
import gzip
import logging
import re
import socket
import ssl
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

from ignite_assets.api.client import IgniteClient
from ignite_assets.api.endpoints import ENDPOINTS, Endpoint, by_name
from ignite_assets.api.errors import (
    BodyError,
    BodyTooLargeError,
    ConfigurationError,
    NetworkError,
    NotFoundError,
    RateLimitedError,
    RedirectedError,
    RequestError,
    ServerError,
    ShapeError,
    UnauthorizedError,
)
from ignite_assets.api.patience import Limits, Tally
from ignite_assets.api.protocol import Call
from ignite_assets.sandbox import Fault, SandboxServer
from ignite_assets_tests.api.conftest import NOW, QUICK, SECRET, SITE, TOKEN, Clients, call_of, fetch
from ignite_assets_tests.api.leaks import leaks, text_of
from ignite_assets_tests.api.servers import RawServer, ok, self_signed

ROWS = by_name()
VISITORS = Call(endpoint=ROWS["visitors"])
every_row = pytest.mark.parametrize("endpoint", ENDPOINTS, ids=lambda row: row.name)
one_row_of_each_kind = pytest.mark.parametrize(
    "endpoint", [ROWS[name] for name in ("visitors", "products", "location_details", "sales")], ids=lambda row: row.name
)


@dataclass(frozen=True)
class Expected:
    """A failure: its class, its reason, its status, and how often it was tried with three tries allowed."""

    kind: type[RequestError]
    reason: str
    status: int | None
    tries: int


def failure(client: IgniteClient, call: Call, caplog: pytest.LogCaptureFixture) -> RequestError:
    """The failure of a call, with nothing of the credentials in it, in its chain or in any log."""
    caplog.set_level(logging.DEBUG)
    caplog.set_level(logging.DEBUG, "urllib3")  # the client of Kubernetes quiets it where it is imported
    with pytest.raises(RequestError) as caught:
        fetch(client, call)
    error = caught.value
    assert (error.__cause__, error.__context__) == (None, None)
    left_behind = "\n".join(
        [text_of(error), caplog.text, *(repr(vars(record)) for record in caplog.records), repr(client)]
    )
    assert leaks(left_behind, TOKEN, SECRET) == []
    assert "token=" not in left_behind
    return error


def check(error: RequestError, call: Call, expected: Expected) -> None:
    assert type(error) is expected.kind
    assert (error.website, error.endpoint, error.status) == (SITE.key, call.label, expected.status)
    assert error.tries == expected.tries
    answered = "no answer" if expected.status is None else f"status {expected.status}"
    assert re.fullmatch(
        rf"{SITE.key}: {call.label}: .*{expected.reason}.* \({answered}, {expected.tries} (try|tries)\)", str(error)
    )


CREDENTIALS_REFUSED = "refuses the website's credentials"
FAULTS: dict[str, tuple[Fault, Expected]] = {
    "reset": (Fault(cut="reset"), Expected(NetworkError, "the connection broke before the answer", None, 3)),
    "closed": (Fault(cut="close"), Expected(NetworkError, "the connection broke before the answer", None, 3)),
    "truncated": (Fault(cut="length"), Expected(NetworkError, "the body ended early", 200, 3)),
    "truncated chunks": (Fault(cut="chunked"), Expected(NetworkError, "(ended early|broke inside)", 200, 3)),
    "empty": (Fault(body=b""), Expected(BodyError, "(is empty|isn't JSON)", 200, 3)),
    "not JSON": (Fault(body=b"so sorry"), Expected(BodyError, "isn't JSON", 200, 3)),
    "HTML": (Fault(body=b"<!doctype html><p>Hi", content_type="text/html"), Expected(BodyError, "JSON", 200, 3)),
    "cut off": (Fault(body=b'[{"id":1,'), Expected(BodyError, "(ends inside|isn't JSON)", 200, 3)),
    "NaN": (Fault(body=b"[NaN]"), Expected(BodyError, "NaN", 200, 3)),
    "latin-1": (Fault(body='["é"]'.encode("latin-1")), Expected(BodyError, "isn't UTF-8", 200, 3)),
    "utf-16": (Fault(body='["é"]'.encode("utf-16")), Expected(BodyError, "isn't UTF-8", 200, 3)),
    "too deep": (Fault(body=b"[" * 5000 + b"]" * 5000), Expected(BodyError, "nested too deeply", 200, 3)),
    "null": (Fault(body=b"null"), Expected(ShapeError, "found null", 200, 1)),
    "number": (Fault(body=b"5"), Expected(ShapeError, "found a number", 200, 1)),
    "text": (Fault(body=b'"x"'), Expected(ShapeError, "found text", 200, 1)),
    "nested array": (Fault(body=b"[[[]]]"), Expected(ShapeError, "found an array", 200, 1)),
    "another object": (Fault(body=b'{"error":"no"}'), Expected(ShapeError, "expected", 200, 1)),
    "401": (Fault(status=401), Expected(UnauthorizedError, CREDENTIALS_REFUSED, 401, 1)),
    "403": (Fault(status=403), Expected(UnauthorizedError, CREDENTIALS_REFUSED, 403, 1)),
    "404": (Fault(status=404), Expected(NotFoundError, "not found", 404, 1)),
    "400": (Fault(status=400), Expected(RequestError, "refuses the request", 400, 1)),
    "204": (Fault(status=204, body=b""), Expected(RequestError, "a status that carries no data", 204, 1)),
    "408": (Fault(status=408), Expected(ServerError, "the platform timed out", 408, 3)),
    "429": (Fault(status=429), Expected(RateLimitedError, "too many requests", 429, 9)),
    "429, in seconds": (Fault(retry_after=2), Expected(RateLimitedError, "too many requests", 429, 9)),
    "429, as a date": (Fault(retry_after=NOW), Expected(RateLimitedError, "too many requests", 429, 9)),
    "429, absurdly long": (Fault(retry_after="9" * 400), Expected(RateLimitedError, "asks to come back in", 429, 1)),
    "429, in no form": (Fault(retry_after="soon \xff"), Expected(RateLimitedError, "too many", 429, 9)),
    "500": (Fault(status=500), Expected(ServerError, "the platform failed", 500, 3)),
    "502": (Fault(status=502), Expected(ServerError, "the platform failed", 502, 3)),
    "503": (Fault(status=503), Expected(ServerError, "the platform failed", 503, 9)),
    "504": (Fault(status=504, body=b"<html>"), Expected(ServerError, "the platform failed", 504, 3)),
    "broken gzip": (
        Fault(body=b"[]", content_encoding="gzip"),
        Expected(NetworkError, "content encoding is broken", 200, 3),
    ),
    "truncated gzip": (
        Fault(body=gzip.compress(b"[]", mtime=0)[:-9], content_encoding="gzip"),
        Expected(NetworkError, "the body ended early", 200, 3),
    ),
    "gzip without its checksum": (
        Fault(body=gzip.compress(b"[]" + b" " * 9999, mtime=0)[:-8], content_encoding="gzip"),
        Expected(NetworkError, "the body ended early", 200, 3),
    ),
    "another encoding": (
        Fault(body=b"[]", content_encoding="br"),
        Expected(NetworkError, "content encoding isn't one that was asked for", 200, 3),
    ),
}


@every_row
@pytest.mark.parametrize("fault", FAULTS)
def test_a_fault_ends_in_a_failure_that_says_where(
    fault: str, endpoint: Endpoint, platform: SandboxServer, client_for: Clients, caplog: pytest.LogCaptureFixture
) -> None:
    struck, expected = FAULTS[fault]
    call = call_of(platform, endpoint)
    platform.faults.add(struck)
    check(failure(client_for(sleep=lambda _: None), call, caplog), call, expected)
    assert len(platform.requests) == expected.tries


@every_row
@pytest.mark.parametrize(
    "fault",
    [
        *[Fault(cut=cut, times=2) for cut in ("reset", "close", "length", "chunked")],
        *[Fault(status=status, times=2) for status in (408, 429, 500, 502, 503, 504)],
        Fault(body=b"", times=2),
        Fault(body=b"<html>", times=2),
        Fault(body=b"[]", content_encoding="gzip", times=2),
        Fault(retry_after=1, times=2),
    ],
    ids=lambda fault: str(fault.cut or fault.status or fault.body or "Retry-After"),
)
def test_a_fault_that_passes_ends_in_the_right_data(
    fault: Fault, endpoint: Endpoint, platform: SandboxServer, client_for: Clients
) -> None:
    call, tally = call_of(platform, endpoint), Tally()
    client = client_for(sleep=lambda _: None)
    truth = fetch(client, call)
    platform.faults.add(fault)
    assert fetch(client, call, tally).equals(truth)
    assert (tally.requests, tally.retries) == (3, 2)


@every_row
@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_a_redirect_is_not_followed(
    status: int, endpoint: Endpoint, platform: SandboxServer, client: IgniteClient, caplog: pytest.LogCaptureFixture
) -> None:
    call = call_of(platform, endpoint)
    with RawServer(ok(b"[]")) as elsewhere:
        platform.faults.add(Fault(status=status, headers={"Location": elsewhere.url}))
        error = failure(client, call, caplog)
    check(error, call, Expected(RedirectedError, "redirects, which is not followed", status, 1))
    assert elsewhere.requests == []


@one_row_of_each_kind
@pytest.mark.parametrize(
    ("fault", "seconds", "expected"),
    [
        (Fault(delay=5.0), 0.1, Expected(NetworkError, "timed out before the answer", None, 2)),
        (Fault(pause=5.0, piece=5), 1.0, Expected(NetworkError, "timed out inside the body", 200, 1)),
    ],
    ids=["before the body", "inside the body"],
)
def test_a_timeout_ends_the_try(
    fault: Fault,
    seconds: float,
    expected: Expected,
    endpoint: Endpoint,
    platform: SandboxServer,
    client_for: Clients,
    caplog: pytest.LogCaptureFixture,
) -> None:
    call = call_of(platform, endpoint)
    platform.faults.add(fault)
    client = client_for(limits=replace(QUICK, timeout_seconds=seconds, max_tries=expected.tries))
    check(failure(client, call, caplog), call, expected)


@one_row_of_each_kind
def test_a_body_that_drips_for_ever_is_ended_by_the_total_time(
    endpoint: Endpoint, platform: SandboxServer, client_for: Clients, caplog: pytest.LogCaptureFixture
) -> None:
    call = call_of(platform, endpoint)
    platform.faults.add(Fault(body=b" ", endless=True, pause=0.01, piece=1))
    client = client_for(limits=replace(QUICK, call_seconds=1))
    check(failure(client, call, caplog), call, Expected(NetworkError, "took longer than 1 s", 200, 1))


@one_row_of_each_kind
@pytest.mark.parametrize("body", [b'["a",' * 200, b" " * 1000, b'{"a":[' * 200])
def test_an_endless_body_is_ended_by_the_size_limit(
    body: bytes, endpoint: Endpoint, platform: SandboxServer, client_for: Clients, caplog: pytest.LogCaptureFixture
) -> None:
    call = call_of(platform, endpoint)
    platform.faults.add(Fault(body=body, endless=True, piece=1000))
    client = client_for(limits=replace(QUICK, max_body_bytes=50_000))
    check(failure(client, call, caplog), call, Expected(BodyTooLargeError, "larger than 50,000 bytes", 200, 1))


@one_row_of_each_kind
def test_a_body_over_the_limit_is_refused_whether_packed_or_not(
    endpoint: Endpoint, platform: SandboxServer, client_for: Clients, caplog: pytest.LogCaptureFixture
) -> None:
    call = call_of(platform, endpoint)
    large = b"[" + b" " * 5_000_000 + b"]"
    client = client_for(limits=replace(QUICK, max_body_bytes=1_000_000))
    packed = gzip.compress(large, mtime=0)
    for fault in (Fault(body=large, times=1), Fault(body=packed, content_encoding="gzip", times=1)):
        platform.faults.add(fault)
        check(failure(client, call, caplog), call, Expected(BodyTooLargeError, "larger than 1,000,000", 200, 1))


def test_a_body_of_exactly_the_limit_is_read(platform: SandboxServer, client_for: Clients) -> None:
    platform.faults.add(Fault(body=b'["abc"]'))
    assert fetch(client_for(limits=replace(QUICK, max_body_bytes=7)), VISITORS).num_rows == 1


def test_a_refused_connection_is_a_network_failure(client_for: Clients, caplog: pytest.LogCaptureFixture) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        free = listener.getsockname()[1]
    error = failure(client_for(base_url=f"http://127.0.0.1:{free}"), VISITORS, caplog)
    check(error, VISITORS, Expected(NetworkError, "the connection was refused", None, 3))


def test_an_unknown_host_is_a_network_failure(client_for: Clients, caplog: pytest.LogCaptureFixture) -> None:
    error = failure(client_for(base_url="https://nowhere.invalid"), VISITORS, caplog)
    assert isinstance(error, NetworkError)
    assert error.tries == 3


@pytest.fixture(scope="module")
def tls(tmp_path_factory: pytest.TempPathFactory) -> tuple[ssl.SSLContext, Path]:
    return self_signed(tmp_path_factory.mktemp("tls"))


def test_a_certificate_that_nobody_signed_is_a_tls_failure(
    tls: tuple[ssl.SSLContext, Path], client_for: Clients, caplog: pytest.LogCaptureFixture
) -> None:
    with RawServer(ok(b"[]"), tls=tls[0]) as server:
        error = failure(client_for(base_url=server.url), VISITORS, caplog)
    check(error, VISITORS, Expected(NetworkError, "TLS failed", None, 3))
    assert server.requests == []


def test_a_server_that_speaks_no_tls_is_a_tls_failure(
    platform: SandboxServer, client_for: Clients, caplog: pytest.LogCaptureFixture
) -> None:
    error = failure(client_for(base_url=platform.url.replace("http:", "https:")), VISITORS, caplog)
    check(error, VISITORS, Expected(NetworkError, "TLS failed", None, 3))


@pytest.mark.parametrize("variable", ["REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"])
def test_a_certificate_that_the_environment_vouches_for_is_trusted(
    variable: str, tls: tuple[ssl.SSLContext, Path], client_for: Clients, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("REQUESTS_CA_BUNDLE", raising=False)
    monkeypatch.setenv(variable, str(tls[1]))
    with RawServer(ok(b'["a"]'), tls=tls[0]) as server:
        assert fetch(client_for(base_url=server.url), VISITORS).num_rows == 1


def test_an_empty_bundle_leaves_certificates_checked(
    tls: tuple[ssl.SSLContext, Path], client_for: Clients, monkeypatch: pytest.MonkeyPatch
) -> None:
    for variable in ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"):
        monkeypatch.setenv(variable, "")
    with RawServer(ok(b"[]"), tls=tls[0]) as server, pytest.raises(NetworkError, match="TLS failed"):
        fetch(client_for(base_url=server.url), VISITORS)


def test_a_missing_bundle_is_a_wrong_configuration(client_for: Clients, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", "/nowhere/bundle.pem")
    with pytest.raises(ConfigurationError, match="REQUESTS_CA_BUNDLE"):
        client_for()


PROXY_VARIABLES = ("http_proxy", "HTTP_PROXY", "https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY")


@pytest.mark.parametrize(
    "spelled",
    ["http://127.0.0.1", "HTTP://127.0.0.1", "hTTp://LocalHost", "http://localhost.", "HTTP://[::ffff:127.0.0.1]"],
)
def test_loopback_is_never_reached_through_a_proxy_however_it_is_spelled(
    spelled: str, platform: SandboxServer, client_for: Clients, monkeypatch: pytest.MonkeyPatch
) -> None:
    port = platform.url.rpartition(":")[2]
    with RawServer(ok(b"[]")) as proxy:
        for variable in PROXY_VARIABLES:
            monkeypatch.setenv(variable, proxy.url)
        monkeypatch.setenv("no_proxy", "elsewhere.example")
        assert fetch(client_for(base_url=f"{spelled}:{port}/api/"), VISITORS).num_rows
    assert proxy.requests == []
    assert len(platform.requests) == 1


def test_loopback_is_not_reached_through_a_proxy_with_tls_either(
    tls: tuple[ssl.SSLContext, Path], client_for: Clients, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(tls[1]))
    with RawServer(ok(b'["a"]'), tls=tls[0]) as server, RawServer(ok(b"[]")) as proxy:
        for variable in PROXY_VARIABLES:
            monkeypatch.setenv(variable, proxy.url)
        assert fetch(client_for(base_url=server.url.replace("https", "HTTPS")), VISITORS).num_rows == 1
    assert proxy.requests == []


@pytest.mark.parametrize("left_out", ["platform.invalid", ".invalid", "*", "PLATFORM.invalid"])
def test_no_proxy_is_heeded(left_out: str, client_for: Clients, monkeypatch: pytest.MonkeyPatch) -> None:
    with RawServer(b"HTTP/1.1 403 Forbidden\r\n\r\n") as proxy:
        for variable in PROXY_VARIABLES:
            monkeypatch.setenv(variable, proxy.url)
        monkeypatch.setenv("no_proxy", left_out)
        with pytest.raises(NetworkError):
            fetch(client_for(base_url="HTTPS://Platform.INVALID"), VISITORS)
    assert proxy.requests == []


def test_a_proxy_is_asked_for_a_tunnel_and_sees_no_credentials(
    client_for: Clients, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    with RawServer(b"HTTP/1.1 403 Forbidden\r\n\r\n") as proxy:
        monkeypatch.setenv("https_proxy", proxy.url.replace("//", "//guest:door@"))
        monkeypatch.setenv("no_proxy", "")
        error = failure(client_for(base_url="HTTPS://Platform.invalid:443/api"), VISITORS, caplog)
    check(error, VISITORS, Expected(NetworkError, r"the proxy refuses to connect .* \(status 403\)", None, 3))
    assert len(proxy.requests) == 3
    assert all(request.startswith(b"CONNECT platform.invalid:443 ") for request in proxy.requests)
    assert all(b"Proxy-Authorization: Basic" in request for request in proxy.requests)
    assert not leaks(b"".join(proxy.requests).decode())


def test_an_address_of_a_proxy_that_makes_no_sense_is_a_network_failure(
    client_for: Clients, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("https_proxy", "http://:8080")
    monkeypatch.setenv("no_proxy", "")
    error = failure(client_for(base_url="https://platform.invalid"), VISITORS, caplog)
    check(error, VISITORS, Expected(NetworkError, "the proxy's address makes no sense", None, 3))


CHUNKED = b"Transfer-Encoding: chunked"


@pytest.mark.parametrize(
    ("answer", "rows"),
    [
        (ok(b'["a","b"]'), 2),
        (ok(b'["a","b"]', b"Content-Encoding: identity"), 2),
        (ok(gzip.compress(b'["a","b"]', mtime=0), b"Content-Encoding: gzip"), 2),
        (ok(gzip.compress(b'["a",', mtime=0) + gzip.compress(b'"b"]', mtime=0), b"Content-Encoding: GZIP"), 2),
        (ok(b'5\r\n["a",\r\n4;x=y\r\n"b"]\r\n0\r\n\r\n', CHUNKED), 2),
        (ok(b'\xef\xbb\xbf["\xc3\xa9"]', b"Content-Type: application/json; charset=latin-1"), 1),
        (ok(b" \r\n[ ]\n", b"Content-Type: text/html"), 0),
        (b'HTTP/1.0 200 OK\r\n\r\n["a"]', 1),
    ],
)
def test_any_sound_framing_and_encoding_is_read(answer: bytes, rows: int, client_for: Clients) -> None:
    with RawServer(answer) as server:
        assert fetch(client_for(base_url=server.url), VISITORS).num_rows == rows


@pytest.mark.parametrize("size", [1, 1000, (1 << 18) - 1, 1 << 18, (1 << 18) + 1, 5_000_000])
def test_what_gzip_packed_comes_out_whole(size: int, client_for: Clients) -> None:
    packed = gzip.compress(b'["' + b"a" * size + b'"]', mtime=0)
    dripping = b"".join(b"1\r\n%b\r\n" % packed[at : at + 1] for at in range(len(packed))) + b"0\r\n\r\n"
    for answer in (
        ok(packed, b"Content-Encoding: gzip"),
        ok(dripping, CHUNKED, b"Content-Encoding: x-gzip"),
    ):
        with RawServer(answer) as server:
            (only,) = fetch(client_for(base_url=server.url), VISITORS).column("hashed_email").to_pylist()
        assert only == "a" * size


@pytest.mark.parametrize(
    "answer",
    [
        b"",
        b"\r\n\r\n",
        b"nonsense\r\n\r\n",
        b"HTTP/9.9 200 OK\r\n\r\n[]",
        b"HTTP/1.1 OK\r\n\r\n[]",
        b"HTTP/1.1 200 OK\r\n" + b"X: y\r\n" * 200 + b"\r\n[]",
        b"HTTP/1.1 200 OK\r\nX: " + b"y" * 70_000 + b"\r\n\r\n[]",
        ok(b'["a"]', b"Content-Length: 100"),
        ok(b"zz\r\n[]\r\n0\r\n\r\n", CHUNKED),
        ok(b"5\r\n[]", CHUNKED),
        ok(b"2\r\n[]\r\n", CHUNKED),
        ok(b"-2\r\n[]\r\n0\r\n\r\n", CHUNKED),
        ok(gzip.compress(b"[]", mtime=0)[:9], b"Content-Encoding: gzip"),
        ok(gzip.compress(b"[]", mtime=0) + b"junk", b"Content-Encoding: gzip"),
        ok(b"", b"Content-Encoding: gzip"),
        ok(gzip.compress(b"[]", mtime=0), b"Content-Encoding: gzip, gzip"),
    ],
)
def test_an_answer_that_breaks_http_is_a_network_failure(
    answer: bytes, client_for: Clients, caplog: pytest.LogCaptureFixture
) -> None:
    with RawServer(answer) as server:
        error = failure(client_for(base_url=server.url, limits=replace(QUICK, max_tries=2)), VISITORS, caplog)
    assert isinstance(error, NetworkError)
    assert (error.website, error.endpoint, error.tries) == (SITE.key, "visitors", 2)


def test_a_gzip_that_yields_nothing_for_ever_is_ended_by_the_total_time(
    client_for: Clients, caplog: pytest.LogCaptureFixture
) -> None:
    nothing = gzip.compress(b"", mtime=0)

    def endless() -> Iterator[bytes]:
        yield b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\n\r\n"
        while True:
            yield nothing * 100

    with RawServer(endless()) as server:
        client = client_for(base_url=server.url, limits=replace(QUICK, call_seconds=0.3))
        error = failure(client, VISITORS, caplog)
    assert "took longer than 0.3 s" in str(error)


def test_headers_that_break_the_rules_leak_nothing_into_the_logs(
    client_for: Clients, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    caplog.set_level(logging.DEBUG, "urllib3")  # the client of Kubernetes quiets it where it is imported
    with RawServer(b"HTTP/1.1 200 OK\r\nno colon\r\nContent-Length: 2\r\n\r\n[]") as server:
        fetch(client_for(base_url=server.url), VISITORS)
    assert any(record.name.startswith("urllib3") for record in caplog.records)
    assert leaks(caplog.text, TOKEN, SECRET) == []
    assert "token=" not in caplog.text


def test_a_good_call_leaves_no_secret_in_the_logs(client: IgniteClient, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    caplog.set_level(logging.DEBUG, "urllib3")  # the client of Kubernetes quiets it where it is imported
    fetch(client, VISITORS)
    assert "/api/visitors" in caplog.text
    assert leaks(caplog.text, TOKEN, SECRET) == []
    assert "token=" not in caplog.text


def test_the_credentials_arrive_as_they_are(platform: SandboxServer, client: IgniteClient) -> None:
    assert fetch(client, VISITORS).num_rows
    assert [request.website for request in platform.requests] == [SITE.key]


def test_a_request_says_who_asks(client_for: Clients) -> None:
    with RawServer(ok(b"[]")) as server:
        fetch(client_for(base_url=server.url + "/gate/"), VISITORS)
    (request,) = server.requests
    assert request.startswith(b"GET /gate/api/visitors?token=")
    assert re.search(rb"\r\nUser-Agent: ignite_assets/[\d.]+\r\n", request)
    assert re.search(rb"\r\nAccept-Encoding: gzip\r\n", request)


def test_a_readers_own_trouble_is_not_taken_for_the_networks(client: IgniteClient) -> None:
    def full_disk(pieces: Iterator[bytes]) -> Any:
        next(pieces)
        raise OSError(28, "No space left on device")

    tally = Tally()
    with pytest.raises(OSError, match="No space left"):
        client.read(VISITORS, full_disk, tally)
    assert tally.requests == 1
    assert fetch(client, VISITORS).num_rows


def test_a_further_try_is_read_anew(platform: SandboxServer, client: IgniteClient) -> None:
    platform.faults.add(Fault(cut="length", times=1))
    seen: list[int] = []

    def read(pieces: Iterator[bytes]) -> bytes:
        seen.append(1)
        return b"".join(pieces)

    assert client.read(VISITORS, read, Tally()).endswith(b"]")
    assert len(seen) == 2


def test_the_default_limits_are_those_promised() -> None:
    assert Limits().max_body_bytes == 1 << 30
    assert Limits().max_concurrency == 32
    assert dt.timedelta(seconds=Limits().call_seconds) <= dt.timedelta(minutes=15)
