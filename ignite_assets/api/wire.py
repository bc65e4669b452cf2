"""What the client needs of HTTP and its libraries: where they may connect, what failed, what their logs may say."""

import contextvars
import functools
import logging
import os
import re
import socket
import ssl
import zlib
from collections.abc import Iterator, Mapping
from http import HTTPStatus
from http.client import BadStatusLine, HTTPException, LineTooLong, RemoteDisconnected
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast
from urllib.parse import urlsplit

import requests
import urllib3
from requests.adapters import HTTPAdapter

from ignite_assets._version import __version__
from ignite_assets.api import addresses
from ignite_assets.api.deadlines import Deadline
from ignite_assets.api.errors import ConfigurationError
from ignite_assets.api.resolving import SlowResolverError, addresses_of

READ_BYTES = 1 << 18
"""How much of a body is asked of the connection at a time."""
NETWORK_ERRORS = (requests.RequestException, urllib3.exceptions.HTTPError, OSError)
"""What a call may fail with. They quote URLs: `network_reason` says it in our words."""
_HEADERS = {
    "User-Agent": f"ignite_assets/{__version__}",
    "Accept": "application/json",
    "Accept-Encoding": "gzip",
    "Cache-Control": "no-cache",  # a proxy that keeps answers is to ask the platform
}
_ONE_TRY = urllib3.Retry(total=False)
_DEADLINE: contextvars.ContextVar[Deadline] = contextvars.ContextVar("deadline")
"""Of the call that this thread makes."""


class BrokenBodyError(Exception):
    """The body can't be had to its end. Says why, in our words."""


def safe_address(base_url: str) -> str:
    """The address, when credentials may be sent there. `ConfigurationError`, which doesn't quote it, otherwise."""
    try:
        return addresses.base_url(base_url)
    except ValueError as error:
        reason = str(error)
    raise ConfigurationError("base_url", [f"{reason}; allowed: an https URL, or an http one on loopback"])


class Host(HTTPAdapter):
    """The connections to one address, kept for further calls.

    `requests` finds the way there, with proxies and certificates, and only once: each call then goes to `urllib3`
    itself, which halves its cost. Raises `ConfigurationError` when the environment names a bundle that isn't there.
    """

    def __init__(self, base_url: str, *, connections: int, timeout_seconds: float) -> None:
        super().__init__(pool_maxsize=connections)
        self._base_url = base_url
        self._path = urlsplit(base_url).path
        self._timeout = urllib3.Timeout(connect=timeout_seconds, read=timeout_seconds)
        self._certificates = _certificates()
        self._proxies = _proxies(base_url)

    @functools.cached_property
    def _connections(self) -> urllib3.HTTPConnectionPool:
        request = requests.Request("GET", self._base_url).prepare()
        pool = cast(
            "urllib3.HTTPConnectionPool",
            self.get_connection_with_tls_context(request, self._certificates, self._proxies),
        )
        self.cert_verify(pool, self._base_url, self._certificates, None)  # type: ignore[no-untyped-call]
        pool.ConnectionCls = type("_WatchedConnection", (_Watched, pool.ConnectionCls), {})
        return pool

    @property
    def proxied(self) -> bool:
        """Whether a proxy stands on the way."""
        return bool(requests.utils.select_proxy(self._base_url, self._proxies))

    def open(
        self,
        method: str,
        target: str,
        deadline: Deadline,
        *,
        body: bytes | None = None,
        headers: Mapping[str, str] = {},
    ) -> urllib3.BaseHTTPResponse:
        """The answer to a request for a path and query below the address, its body unread and as it was sent.

        Nothing is tried again and no redirect is followed. Until the deadline is released, the connection ends with
        it. Raises `NETWORK_ERRORS`.
        """
        _DEADLINE.set(deadline)
        return self._connections.urlopen(
            method,
            self._path + target,
            body=body,
            headers={**_HEADERS, **(headers or {})},
            retries=_ONE_TRY,
            redirect=False,
            assert_same_host=False,
            timeout=self._timeout,
            preload_content=False,
            decode_content=False,
        )


def as_sent(url: str) -> str:
    """A URL's path and query as they go over the wire."""
    return urllib3.util.parse_url(url).request_uri


if TYPE_CHECKING:
    _Connection = urllib3.connection.HTTPSConnection
else:
    _Connection = object


class _Watched(_Connection):
    """A connection that ends with the deadline of the call that it serves, in whatever state it is."""

    _opened: socket.socket | None = None

    def _new_conn(self) -> socket.socket:
        """A connection to the first of the host's addresses that takes one, within the call's time for all of them."""
        failure = OSError("the host has no address")
        for address in addresses_of(self._dns_host, self._seconds):
            try:
                opened = urllib3.util.connection.create_connection(
                    (address, self.port), self._seconds, socket_options=self.socket_options
                )
            except OSError as error:
                failure = error
            else:
                # Another handle, since TLS takes the socket out of the object that is returned.
                self._opened = opened.dup()
                _DEADLINE.get().watch(self._opened)
                return opened
        raise failure

    @property
    def _seconds(self) -> float:
        """How long the next step of connecting may take."""
        return min(float(self.timeout or 0), _DEADLINE.get().left)

    def connect(self) -> None:
        """Connect, through a proxy and TLS where there are such."""
        try:
            super().connect()
            self._watch()
        finally:
            if self._opened:
                self._opened.close()

    def _tunnel(self) -> None:
        try:
            super()._tunnel()
        except (OSError, HTTPException) as error:
            raise urllib3.exceptions.ProxyError("there is no tunnel", error) from error
        if _DEADLINE.get().is_over:  # the connection is shut down: its end looked like that of the proxy's answer
            raise TimeoutError

    def request(self, *args: Any, **kwargs: Any) -> None:
        """Send a request, on a new connection or one that has served before."""
        if self.sock:
            self._watch()
        super().request(*args, **kwargs)

    def _watch(self) -> None:
        # TLS within the TLS of a proxy is no socket, but holds one.
        _DEADLINE.get().watch(getattr(self.sock, "socket", self.sock))


def _proxies(base_url: str) -> dict[str, str]:
    """The environment's proxies for an address in normal form; none for loopback, where credentials travel in clear."""
    return {} if addresses.is_loopback(base_url) else dict(requests.utils.get_environ_proxies(base_url))


def _certificates() -> str | bool:
    """The bundle of certificates that the environment names, or True for the usual one; never none at all."""
    for variable in ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"):
        if bundle := os.environ.get(variable):
            if wrong := _not_a_bundle(Path(bundle)):
                raise ConfigurationError(variable, [f"names a certificate bundle that {wrong}"])
            return bundle
    return True


def _not_a_bundle(path: Path) -> str:
    """What is wrong with a file or folder of certificates; empty when nothing is."""
    if not path.exists():
        return "isn't there"
    return "" if path.is_dir() else _wrong_with(path, path.stat().st_mtime_ns)


@functools.lru_cache(maxsize=8)
def _wrong_with(path: Path, _changed: int) -> str:
    """What is wrong with a file of certificates. It is read once for each change, since that takes 30 ms."""
    try:
        ssl.create_default_context(cafile=path)
    except ssl.SSLError:
        return "holds no certificate"
    except OSError:
        return "can't be read"
    return ""


def gunzip(pieces: Iterator[bytes]) -> Iterator[bytes]:
    """The bytes that were compressed, never more than `READ_BYTES` at once, however much a piece expands to."""
    inflate = zlib.decompressobj(zlib.MAX_WBITS | 16)
    for arrived in pieces:
        piece, more = arrived, True
        while more:
            if inflate.eof:  # a file may have several members
                inflate = zlib.decompressobj(zlib.MAX_WBITS | 16)
            try:
                data = inflate.decompress(piece, READ_BYTES)
            except zlib.error:
                data = None
            if data is None:
                raise BrokenBodyError("the body's content encoding is broken")
            piece = inflate.unconsumed_tail or inflate.unused_data
            more = bool(piece) or (len(data) == READ_BYTES and not inflate.eof)
            yield data
    if not inflate.eof:
        raise BrokenBodyError("the body ended early")


def network_reason(error: BaseException, where: str, party: str = "the platform", *, proxied: bool = False) -> str:
    """A network failure in our own words, which name the party and the cause.

    The libraries' words quote the URL, and so the credentials. `proxied`: whether a proxy stands on the way.
    """
    chain = list(_chain(error))
    if _holds(chain, _PROXY_ERRORS):
        return _proxy_reason(chain, party)
    if _holds(chain, _TLS_ERRORS):
        return f"TLS failed: {_tls_reason(chain, party, proxied=proxied)}"
    told: Mapping[_Kinds, str] = {
        _UNKNOWN_HOST: f"{party}'s host name isn't known",
        (SlowResolverError,): f"{party}'s host name couldn't be looked up in time",
        (ConnectionRefusedError,): "the connection was refused",
        _TIMEOUTS: f"timed out {where}",
        (urllib3.exceptions.IncompleteRead,): "the body ended early",
        (RemoteDisconnected,): f"the connection broke {where}",
        (LineTooLong,): f"{party} sent a header that is too long",
        (BadStatusLine,): f"{party} doesn't speak HTTP",
    }
    return next((words for kinds, words in told.items() if _holds(chain, kinds)), f"the connection broke {where}")


def _proxy_reason(chain: list[BaseException], party: str) -> str:
    if refused := next(filter(None, (_TUNNEL_REFUSED.search(str(e)) for e in chain)), None):
        return _tunnel_reason(int(refused[1]), party)
    if _holds(chain, _TLS_ERRORS):
        return f"TLS failed: {_tls_reason(chain, 'the proxy', proxied=False)}"
    told: Mapping[_Kinds, str] = {
        (
            requests.exceptions.InvalidProxyURL,
            urllib3.exceptions.LocationParseError,
        ): "the proxy's address makes no sense",
        (requests.exceptions.InvalidSchema,): "the proxy is a SOCKS proxy, which needs the package PySocks",
        _UNKNOWN_HOST: "the proxy's host name isn't known",
        (SlowResolverError,): "the proxy's host name couldn't be looked up in time",
        (ConnectionRefusedError,): "the proxy refused the connection",
        _TIMEOUTS: "the proxy timed out",
    }
    return next(
        (words for kinds, words in told.items() if _holds(chain, kinds)), "the proxy's answer isn't that of a proxy"
    )


_Kinds = tuple[type[BaseException], ...]
_UNREADABLE: _Kinds = (requests.exceptions.InvalidProxyURL, urllib3.exceptions.LocationParseError)
_PROXY_ERRORS: _Kinds = (urllib3.exceptions.ProxyError, requests.exceptions.InvalidSchema, *_UNREADABLE)
"""The platform's own address is in normal form, so one that can't be read is a proxy's."""
_TLS_ERRORS: _Kinds = (ssl.SSLError, requests.exceptions.SSLError, urllib3.exceptions.SSLError)
_UNKNOWN_HOST: _Kinds = (socket.gaierror, urllib3.exceptions.NameResolutionError)
_TIMEOUTS: _Kinds = (TimeoutError, requests.Timeout, urllib3.exceptions.TimeoutError)


def _holds(chain: list[BaseException], kinds: _Kinds) -> bool:
    return any(isinstance(error, kinds) for error in chain)


_TUNNEL_REFUSED = re.compile(r"Tunnel connection failed: (\d{3})")
_UNTRUSTED = "REQUESTS_CA_BUNDLE can name the certificates to trust"
_CERTIFICATES: Mapping[int, str] = {
    9: "certificate isn't valid yet; is the clock right?",
    10: "certificate has expired",
    18: f"certificate is self-signed; {_UNTRUSTED}",
    19: f"certificate is signed by an authority that isn't trusted; {_UNTRUSTED}",
    20: f"certificate is signed by an authority that isn't trusted; {_UNTRUSTED}",
    21: f"certificate is signed by an authority that isn't trusted; {_UNTRUSTED}",
    62: "certificate is for another host",
    64: "certificate is for another host",
}
"""By OpenSSL's number of what a certificate's verification found."""
_OLD_PROTOCOL = {"TLSV1_ALERT_PROTOCOL_VERSION", "UNSUPPORTED_PROTOCOL", "NO_PROTOCOLS_AVAILABLE", "VERSION_TOO_LOW"}
_NO_TLS = {"WRONG_VERSION_NUMBER", "HTTP_REQUEST", "UNKNOWN_PROTOCOL", "RECORD_LAYER_FAILURE", "PACKET_LENGTH_TOO_LONG"}


def _tunnel_reason(status: int, party: str) -> str:
    if status == HTTPStatus.PROXY_AUTHENTICATION_REQUIRED:
        return "the proxy asks for a user and a password (status 407); they belong in its URL"
    return f"the proxy refuses to connect to {party} (status {status})"


def _tls_reason(chain: list[BaseException], party: str, *, proxied: bool) -> str:
    found = [e for e in chain if isinstance(e, ssl.SSLError)]
    codes = (e.verify_code for e in found if isinstance(e, ssl.SSLCertVerificationError))
    if told := next((_CERTIFICATES[code] for code in codes if code in _CERTIFICATES), None):
        return f"{party}'s {told}"
    reasons = {e.reason for e in found}
    if reasons & _OLD_PROTOCOL:
        return f"{party} speaks an old protocol that isn't accepted"
    if reasons & _NO_TLS:
        return f"a proxy answers in {party}'s place" if proxied else f"{party} doesn't speak TLS"
    if any(isinstance(e, (ssl.SSLEOFError, ssl.SSLZeroReturnError)) for e in found):
        return f"{'the proxy, or what is behind it,' if proxied else party} closed the connection"
    return f"{party}'s certificate or protocol isn't trusted"


def _chain(error: BaseException) -> Iterator[BaseException]:
    seen: set[int] = set()
    waiting: list[object] = [error]
    while waiting:
        current = waiting.pop()
        if isinstance(current, BaseException) and id(current) not in seen:
            seen.add(id(current))
            yield current
            waiting += [current.__cause__, current.__context__, getattr(current, "reason", None), *current.args]


class _SecretFilter(logging.Filter):
    """Cuts query strings with a token, and what else is to be hidden, out of log records."""

    def __init__(self) -> None:
        super().__init__()
        self.hidden: set[str] = set()

    def filter(self, record: logging.LogRecord) -> bool:
        if isinstance(record.args, tuple):
            record.args = tuple(self._shown(argument) for argument in record.args)
        record.msg = self._shown(record.msg)
        return True

    def _shown(self, value: object) -> object:
        shown = text = value if isinstance(value, str) else repr(value)
        if "?" in text and "token" in text:
            shown = text.partition("?")[0] + "?…"
        for hidden in self.hidden:
            shown = shown.replace(hidden, "/…")
        return value if shown == text else shown


_SECRET_FILTER = _SecretFilter()


def hide_in_logs(*urls: str) -> None:
    """Keep query strings with a token, and these URLs' paths and queries, out of `urllib3`'s debug logs."""
    for parts in map(urlsplit, urls):
        _SECRET_FILTER.hidden |= {part for part in (parts.path, parts.query) if len(part) > 1}
    for name in ("urllib3.connectionpool", "urllib3.connection", "urllib3.util.retry"):
        logging.getLogger(name).addFilter(_SECRET_FILTER)
