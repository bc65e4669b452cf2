"""The client: every call of the table, for one website. The only module of the package that opens a socket.

The query string carries token and secret, and `requests` and `urllib3` put whole URLs into their exceptions and logs.
So no exception of theirs ever leaves this module, not even as the context of one of ours: a failure is worked out
inside the `except` and raised outside of it. Redirects aren't followed. Retry rules live in `patience`, the reading
of bodies with the caller: a reader takes the body's pieces and is called anew for each try.
"""

import logging
import os
import socket
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Self, TypeVar
from urllib.parse import urlencode

import requests
import urllib3
from requests.adapters import HTTPAdapter

from ignite_assets import __version__
from ignite_assets.api.endpoints import Algo
from ignite_assets.api.errors import (
    BodyError,
    BodyTooLargeError,
    DateRefusedError,
    NetworkError,
    ReadingError,
    RequestError,
    ResponseShapeError,
    ShapeError,
)
from ignite_assets.api.horizon import Horizon
from ignite_assets.api.patience import Limits, Pace, Tally, wait_before_retry
from ignite_assets.api.protocol import Call, Credentials, query, refusal, retry_after

T = TypeVar("T")
Reader = Callable[[Iterator[bytes]], T]
"""Makes something of a body's pieces. Raises `ReadingError` when they aren't what they should be."""

READ_BYTES = 1 << 18
"""How much of a body is asked of the connection at a time."""


class _TooSlowError(Exception):
    """The body took longer than a call may."""


class _TooLargeError(Exception):
    """The body is larger than a call may bring."""


class IgniteClient:
    """Calls the platform for one website, over one pool of connections. Safe to share between threads.

    Close it, or use it as a context manager. Every failure is a `RequestError` that names website, endpoint, status
    and tries, or a `DateRefusedError` before anything was sent.
    """

    def __init__(
        self,
        *,
        website: str,
        base_url: str,
        credentials: Credentials,
        algo: Algo = "sha2",
        limits: Limits | None = None,
        horizon: Horizon | None = None,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self.website = website
        self.algo: Algo = algo
        self.horizon = horizon or Horizon()
        self.limits = limits or Limits()
        self._base_url = base_url.rstrip("/")
        self._credentials = credentials
        self._sleep = sleep
        self._pace = Pace(self.limits.requests_per_second, sleep=sleep)
        self._adapter = HTTPAdapter(pool_maxsize=self.limits.max_concurrency, max_retries=0)
        self._proxies = requests.utils.get_environ_proxies(self._base_url)
        self._certificates = os.environ.get("REQUESTS_CA_BUNDLE") or os.environ.get("CURL_CA_BUNDLE") or True
        self._threads: ThreadPoolExecutor | None = None
        hide_queries_in_logs()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"IgniteClient({self.website!r}, {self._base_url!r})"

    def close(self) -> None:
        """Drop the connections and threads; calls that haven't begun never will."""
        if self._threads:
            self._threads.shutdown(wait=True, cancel_futures=True)
        self._adapter.close()

    def read(self, call: Call, reader: Reader[T], tally: Tally) -> T:
        """What the reader makes of the call's answer, after as many tries as the limits allow."""
        self._refuse_beyond_look_back(call)
        started, tries = time.monotonic(), 0
        while True:
            tries += 1
            self._pace.wait()
            tally.count(retry=tries > 1)
            outcome = self._try(call, reader, tries, started + self.limits.total_seconds)
            if not isinstance(outcome, _Failure):
                return outcome
            elapsed = time.monotonic() - started
            wait = wait_before_retry(self.limits, outcome.error, tries=tries, elapsed=elapsed, asked=outcome.asked)
            if wait is None:
                raise outcome.error
            self._sleep(wait)

    def read_each(
        self, calls: Iterable[Call], reader_for: Callable[[Call], Reader[T]], tally: Tally
    ) -> Iterator[tuple[Call, T | RequestError]]:
        """Each call with what came of it, side by side, in the order given.

        At most four times `max_concurrency` answers are held at once, so memory doesn't grow with the number of calls.
        """
        if self._threads is None:
            self._threads = ThreadPoolExecutor(self.limits.max_concurrency, thread_name_prefix="ignite")
        under_way: deque[tuple[Call, Future[T | RequestError]]] = deque()
        try:
            for call in calls:
                under_way.append((call, self._threads.submit(self._read_or_failure, call, reader_for(call), tally)))
                if len(under_way) >= 4 * self.limits.max_concurrency:
                    done, future = under_way.popleft()
                    yield done, future.result()
            while under_way:
                done, future = under_way.popleft()
                yield done, future.result()
        finally:
            for _, future in under_way:
                future.cancel()

    def _read_or_failure(self, call: Call, reader: Reader[T], tally: Tally) -> T | RequestError:
        try:
            return self.read(call, reader, tally)
        except RequestError as error:
            return error

    def _refuse_beyond_look_back(self, call: Call) -> None:
        if call.look_back is not None and (reason := self.horizon.look_back_refusal(call.look_back)):
            raise DateRefusedError(reason)

    def _try(self, call: Call, reader: Reader[T], tries: int, deadline: float) -> "T | _Failure":
        """One request, its answer read; a failure is a value, so that no foreign exception is its context."""

        def failure(kind: type[RequestError], reason: str, **about: int | float | None) -> _Failure:
            status, asked = about.get("status"), about.get("asked")
            error = kind(
                website=self.website,
                endpoint=call.label,
                reason=reason,
                status=None if status is None else int(status),
                tries=tries,
            )
            return _Failure(error, asked)

        try:
            response = self._send(call)
        except requests.RequestException as error:
            return failure(NetworkError, _network_reason(error, "before the answer"))
        status = response.status_code
        try:
            if refused := refusal(status):
                asked = retry_after(response.headers.get("Retry-After"), self.horizon.now())
                return failure(*refused, status=status, asked=asked)
            return reader(self._pieces(response, deadline))
        except ReadingError as error:
            kind = ShapeError if isinstance(error, ResponseShapeError) else BodyError
            return failure(kind, str(error), status=status)
        except _TooLargeError:
            limit = self.limits.max_body_bytes
            return failure(BodyTooLargeError, f"the body is larger than {limit:,} bytes", status=status)
        except _TooSlowError:
            seconds = self.limits.total_seconds
            return failure(NetworkError, f"the call took longer than {seconds:g} s", status=status)
        except (urllib3.exceptions.HTTPError, OSError) as error:
            return failure(NetworkError, _network_reason(error, "inside the body"), status=status)
        finally:
            response.close()

    def _send(self, call: Call) -> requests.Response:
        url = f"{self._base_url}{call.path}?{urlencode(query(call, self.algo, self._credentials))}"
        request = requests.PreparedRequest()
        request.prepare(method="GET", url=url, headers=_HEADERS)
        timeout = self.limits.timeout_seconds
        return self._adapter.send(
            request,
            stream=True,
            timeout=(timeout, timeout),
            verify=self._certificates,
            proxies=self._proxies,
        )

    def _pieces(self, response: requests.Response, deadline: float) -> Iterator[bytes]:
        left = self.limits.max_body_bytes
        # `read1` returns what has arrived; `stream` would wait for a full piece, however slowly it drips in.
        while piece := response.raw.read1(READ_BYTES, decode_content=True):
            left -= len(piece)
            if left < 0:
                raise _TooLargeError
            if time.monotonic() > deadline:
                raise _TooSlowError
            yield piece


class _Failure:
    """A try that failed, and the wait that the platform asked for."""

    def __init__(self, error: RequestError, asked: float | None) -> None:
        self.error = error
        self.asked = asked


_HEADERS = {
    "User-Agent": f"ignite_assets/{__version__}",
    "Accept": "application/json",
    "Accept-Encoding": "gzip, deflate",
}


def _network_reason(error: BaseException, where: str) -> str:
    """A network failure in our own words: theirs quote the URL, and so the credentials."""
    chain = list(_chain(error))
    if any(isinstance(e, requests.exceptions.SSLError | urllib3.exceptions.SSLError) for e in chain):
        return "TLS failed: the platform's certificate or protocol isn't trusted"
    if any(isinstance(e, socket.gaierror | urllib3.exceptions.NameResolutionError) for e in chain):
        return "the platform's host name isn't known"
    if any(isinstance(e, ConnectionRefusedError) for e in chain):
        return "the connection was refused"
    if any(isinstance(e, TimeoutError | requests.Timeout | urllib3.exceptions.TimeoutError) for e in chain):
        return f"timed out {where}"
    if any(isinstance(e, urllib3.exceptions.IncompleteRead) for e in chain):
        return "the body ended early"
    if any(isinstance(e, urllib3.exceptions.DecodeError) for e in chain):
        return "the body's content encoding is broken"
    return f"the connection broke {where}"


def _chain(error: BaseException) -> Iterator[BaseException]:
    seen: set[int] = set()
    waiting: list[object] = [error]
    while waiting:
        current = waiting.pop()
        if isinstance(current, BaseException) and id(current) not in seen:
            seen.add(id(current))
            yield current
            waiting += [current.__cause__, current.__context__, getattr(current, "reason", None), *current.args]


class _QueryFilter(logging.Filter):
    """Cuts query strings out of log records."""

    def filter(self, record: logging.LogRecord) -> bool:
        if isinstance(record.args, tuple):
            record.args = tuple(_without_query(argument) for argument in record.args)
        record.msg = _without_query(record.msg)
        return True


def _without_query(value: object) -> object:
    text = value if isinstance(value, str) else repr(value)
    return text.partition("?")[0] + "?…" if "?" in text and "token" in text else value


_QUERY_FILTER = _QueryFilter()


def hide_queries_in_logs() -> None:
    """Keep query strings, and so credentials, out of `urllib3`'s debug logs."""
    for name in ("urllib3.connectionpool", "urllib3.connection", "urllib3.util.retry"):
        logging.getLogger(name).addFilter(_QUERY_FILTER)
