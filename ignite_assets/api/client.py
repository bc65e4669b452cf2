"""The client: every call of the table, for one website. With `wire`, the only one that asks Ignite.

The query string carries token and secret, and `requests` and `urllib3` put whole URLs into their exceptions and logs.
So no exception of theirs ever leaves this module, not even as the context of one of ours: a failure is worked out
inside the `except` and raised outside of it. Redirects aren't followed. Retry rules live in `patience`, the reading
of bodies with the caller: a reader takes the body's pieces and is called anew for each try.
"""

import contextlib
import datetime as dt
import math
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Self, TypeVar
from urllib.parse import urlencode

import urllib3

from ignite_assets.api import fitting
from ignite_assets.api.deadlines import Deadline
from ignite_assets.api.endpoints import Record
from ignite_assets.api.errors import (
    BodyError,
    BodyTooLargeError,
    MismatchError,
    NetworkError,
    OtherEntityError,
    ReadingError,
    RequestError,
    ResponseShapeError,
    ShapeError,
    StoppedError,
)
from ignite_assets.api.fanout import in_order
from ignite_assets.api.horizon import Horizon
from ignite_assets.api.patience import Breaker, Heard, Limits, Tally, outage, overloaded, wait_before_retry
from ignite_assets.api.protocol import Call, Credentials, OptOutCall, opt_out_query, query, refusal, retry_after
from ignite_assets.api.table import Algo
from ignite_assets.api.wire import (
    NETWORK_ERRORS,
    READ_BYTES,
    BrokenBodyError,
    Host,
    gunzip,
    hide_in_logs,
    network_reason,
    safe_address,
)

T = TypeVar("T")
AnyCall = Call | OptOutCall
_YEAR = 365 * 86400.0
_ENDING_SECONDS = 5.0
"""So long is waited for calls under way to end when their connections are shut down."""
Reader = Callable[[Iterator[bytes]], T]
"""Makes something of a body's pieces. Raises `ReadingError` when they aren't what they should be."""


_READING_ERRORS: Mapping[type[ReadingError], type[RequestError]] = {
    ResponseShapeError: ShapeError,
    MismatchError: OtherEntityError,
}


class _TooLargeError(Exception):
    """The body is larger than a call may bring."""


class IgniteClient:
    """Calls the platform for one website, over one pool of connections. Safe to share between threads.

    Close it, or use it as a context manager. Every failure is a `RequestError` that names website, endpoint, status
    and tries, or a `DateRefusedError` before anything was sent. After refused credentials, or too many failures in a
    row, it asks no more: the remaining calls are `StoppedError`s. Raises `ConfigurationError` for an address that is
    neither https nor loopback, and when the environment names a certificate bundle that isn't there.
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
        sleep: Callable[[float], None] | None = None,
        run: str | None = None,
    ) -> None:
        """A client; `sleep` stands in for waiting, which otherwise ends early when the client stops.

        The clients of a `run` know together when the website is down.
        """
        self.website = website
        self.algo: Algo = algo
        self.horizon = horizon or Horizon()
        self.limits = limits or Limits()
        self._base_url = safe_address(base_url)
        self._credentials = credentials
        self._breaker = Breaker(self.limits.max_failures_in_a_row)
        self._sleep = sleep or self._breaker.sleep
        self._outage = outage(self._base_url, website, run, self.limits)
        self._traffic = self._outage.traffic
        self._host = Host(
            self._base_url, connections=self.limits.max_concurrency, timeout_seconds=self.limits.timeout_seconds
        )
        self._closed = False
        self._calls: set[Deadline] = set()
        self._calls_changed = threading.Condition()
        self._threads = ThreadPoolExecutor(self.limits.max_concurrency, thread_name_prefix="ignite")
        hide_in_logs()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"IgniteClient({self.website!r}, {self._base_url!r})"

    def close(self) -> None:
        """Drop the connections and threads; calls that haven't begun never will, and those under way end."""
        self.stop()
        self._host.close()

    def stop(self) -> None:
        """Begin no further call, and end those under way at once.

        One that is still connecting is left behind when it takes longer: nothing but its timeout ends that.
        """
        self._closed = True
        self._breaker.stop("the client was closed")
        self._threads.shutdown(wait=False, cancel_futures=True)
        with self._calls_changed:
            for deadline in self._calls:
                deadline.end()
            ended = self._calls_changed.wait_for(lambda: not self._calls, _ENDING_SECONDS)
        self._threads.shutdown(wait=ended)

    @contextlib.contextmanager
    def _under_way(self, deadline: Deadline) -> Iterator[None]:
        """Have `stop` end a call. Once it did, none begins."""
        with self._calls_changed:
            self._calls.add(deadline)
            if self._closed:
                deadline.end()
        try:
            yield
        finally:
            with self._calls_changed:
                self._calls.discard(deadline)
                self._calls_changed.notify_all()

    def read(self, call: AnyCall, reader: Reader[T], tally: Tally) -> T:
        """What the reader makes of the call's answer, after as many tries as the limits allow."""
        self._refuse_beyond_look_back(call)
        outcome = self._outcome(call, reader, tally)
        if isinstance(outcome, _Failure):
            raise outcome.error
        return outcome

    def _outcome(self, call: AnyCall, reader: Reader[T], tally: Tally) -> "T | _Failure":
        """The answer, or the failure that no further try can help."""
        started, tries, overloads = 0.0, 0, 0
        while True:
            outcome = self._turn(call, reader, tally, tries, started)
            if not isinstance(outcome, _Failure):
                self._outage.answered()
                self._breaker.succeeded()
                return outcome
            if isinstance(outcome.error, StoppedError):
                return outcome
            tries, started = outcome.error.tries, outcome.started
            overloads += overloaded(outcome.error)
            wait = wait_before_retry(
                self.limits,
                outcome.error,
                tries=tries,
                overloads=overloads,
                elapsed=time.monotonic() - started,
                asked=outcome.asked,
            )
            if down := self._down(call, outcome, wait or 0.0):
                return down
            if wait is None:
                self._breaker.failed(outcome.error)
                return outcome
            self._sleep(wait)

    def _down(self, call: AnyCall, failed: "_Failure", wait: float) -> "_Failure | None":
        """The call's failure when its website is down, now or once the wait for its next try is over; else None."""
        error = failed.error
        if not error.retryable and error.not_before is None:
            self._outage.answered()
            return None
        self._outage.failed(call.name, error, began=failed.began, now=time.monotonic() + wait)
        if error.not_before:
            return failed
        return _Failure(stopped, failed.started) if (stopped := self._stops(call, error.tries)) else None

    def _turn(self, call: AnyCall, reader: Reader[T], tally: Tally, tries: int, started: float) -> "T | _Failure":
        """One more try, when its turn has come. A call's time begins with its first."""
        heard: Heard = "trouble"
        entered = self._traffic.gate.enter()
        try:
            self._traffic.pace.wait(self._sleep)
            if stopped := self._stops(call, tries):
                return _Failure(stopped, started)
            began = time.monotonic()
            started = started or began
            tally.count(retry=tries > 0)
            outcome = self._try(call, reader, tries + 1, started)
            heard = _heard(outcome)
            if isinstance(outcome, _Failure):
                outcome.began = began
            return outcome
        finally:
            self._traffic.gate.leave(entered, heard)

    def _stops(self, call: AnyCall, tries: int) -> StoppedError | None:
        """Why the call isn't to be made, or made again; None when it is."""
        if self._breaker.reason:
            return self._stopped(call, self._breaker.reason, tries)
        if down := self._outage.stops(call.name):
            reason, cause = down
            return StoppedError(
                website=self.website, endpoint=call.label, reason=reason, tries=tries, cause=cause, final=True
            )
        return None

    def _stopped(self, call: AnyCall, reason: str, tries: int) -> StoppedError:
        return StoppedError(
            website=self.website, endpoint=call.label, reason=reason, tries=tries, cause=self._breaker.cause
        )

    def read_each(
        self, calls: Iterable[Call], reader_for: Callable[[Call], Reader[T]], tally: Tally
    ) -> Iterator[tuple[Call, T | RequestError]]:
        """Each call with what came of it, side by side, in the order given.

        At most four times `max_concurrency` answers are held at once, so memory doesn't grow with the number of calls.
        """
        work = ((call, partial(self._read_or_failure, call, reader_for(call), tally)) for call in calls)
        yield from in_order(self._threads, work, ahead=4 * self.limits.max_concurrency)

    def _read_or_failure(self, call: Call, reader: Reader[T], tally: Tally) -> T | RequestError:
        try:
            return self.read(call, reader, tally)
        except RequestError as error:
            return error

    def _refuse_beyond_look_back(self, call: AnyCall) -> None:
        if call.look_back is not None and (too_old := self.horizon.look_back_refusal(call.look_back)):
            raise too_old

    def _try(self, call: AnyCall, reader: Reader[T], tries: int, started: float) -> "T | _Failure":
        """One request, its answer read; a failure is a value, so that no foreign exception is its context."""
        failure = partial(self._failure, call, tries, started)
        with Deadline(self.limits.call_seconds, began=started) as deadline, self._under_way(deadline):
            try:
                response = self._send(call, deadline)
            except NETWORK_ERRORS as error:
                reason = self._no_further(deadline) or self._network_reason(error, "before the answer")
                return failure(NetworkError, reason)
            try:
                return self._read(response, reader, deadline, failure)
            finally:
                response.close()
                response.release_conn()

    def _read(
        self,
        response: urllib3.BaseHTTPResponse,
        reader: Reader[T],
        deadline: Deadline,
        failure: "Callable[..., _Failure]",
    ) -> "T | _Failure":
        status = response.status
        if over := self._no_further(deadline):
            return failure(NetworkError, over, status)
        if refused := refusal(status):
            asked = retry_after(response.headers.get("Retry-After"), self.horizon.now())
            return failure(*refused, status, asked)
        try:
            return reader(self._pieces(response, deadline))
        except ReadingError as error:
            return failure(_READING_ERRORS.get(type(error), BodyError), str(error), status)
        except _TooLargeError:
            return failure(BodyTooLargeError, f"the body is larger than {self.limits.max_body_bytes:,} bytes", status)
        except BrokenBodyError as error:
            return failure(NetworkError, str(error), status)

    def _failure(
        self,
        call: AnyCall,
        tries: int,
        started: float,
        kind: type[RequestError],
        reason: str,
        status: int | None = None,
        asked: float | None = None,
    ) -> "_Failure":
        long = min(asked, _YEAR) if asked is not None and asked > self.limits.longest_wait_seconds else None
        if long:
            reason = f"{reason}; the platform asks to come back in {math.ceil(long / 60):,} min"
        error = kind(website=self.website, endpoint=call.label, reason=reason, status=status, tries=tries)
        if long:
            error.retryable = False
            error.not_before = self.horizon.now().astimezone(dt.UTC) + dt.timedelta(seconds=long)
        return _Failure(error, started, asked)

    def opt_out(self, emails: str, tally: Tally) -> Record:
        """Tell the platform of people who opted out: one address, or a JSON array. A repeat harms nothing.

        Returns its answer, an object: empty is the acknowledgement that the vendor documents.
        """
        return self.read(OptOutCall(emails=emails), _acknowledgement, tally)

    @property
    def opt_out_url_chars(self) -> int:
        """How long the URL of an opt-out is without its addresses."""
        return len(self._base_url + self._target(OptOutCall(emails="")))

    def _target(self, call: AnyCall) -> str:
        if isinstance(call, OptOutCall):
            parameters = opt_out_query(call, self._credentials)
        else:
            parameters = query(call, self.algo, self._credentials)
        return f"{call.path}?{urlencode(parameters)}"

    def _send(self, call: AnyCall, deadline: Deadline) -> urllib3.BaseHTTPResponse:
        return self._host.open("POST" if isinstance(call, OptOutCall) else "GET", self._target(call), deadline)

    def _pieces(self, response: urllib3.BaseHTTPResponse, deadline: Deadline) -> Iterator[bytes]:
        encoding = response.headers.get("Content-Encoding", "identity").strip().lower()
        pieces = self._arriving(response, deadline)
        if encoding in {"gzip", "x-gzip"}:
            pieces = gunzip(pieces)
        elif encoding not in {"", "identity"}:
            raise BrokenBodyError("the body's content encoding isn't one that was asked for")
        left = self.limits.max_body_bytes
        for piece in pieces:
            left -= len(piece)
            if left < 0:
                raise _TooLargeError
            yield piece

    def _arriving(self, response: urllib3.BaseHTTPResponse, deadline: Deadline) -> Iterator[bytes]:
        while True:
            piece, reason = b"", ""
            try:
                # `read1` returns what has arrived; `stream` would wait for a full piece, however slowly it drips in.
                piece = response.read1(READ_BYTES, decode_content=False)
            except NETWORK_ERRORS as error:
                reason = self._network_reason(error, "inside the body")
            if reason := self._no_further(deadline) or reason:
                raise BrokenBodyError(reason)
            if not piece:
                deadline.release()  # the connection may serve the next call from now on
                return
            yield piece

    def _network_reason(self, error: BaseException, where: str) -> str:
        return network_reason(error, where, proxied=self._host.proxied)

    def _no_further(self, deadline: Deadline) -> str:
        return "the client was closed" if self._closed else deadline.late


def _acknowledgement(pieces: Iterator[bytes]) -> Record:
    answer = fitting.decode(b"".join(pieces))
    if not isinstance(answer, dict):
        raise ResponseShapeError(expected="an object", found=answer)
    return answer


class _Failure:
    """A try that failed, when its call and it itself began, and the wait that the platform asked for."""

    def __init__(self, error: RequestError, started: float, asked: float | None = None) -> None:
        self.error = error
        self.started = self.began = started
        self.asked = asked


def _heard(outcome: object) -> Heard:
    if not isinstance(outcome, _Failure):
        return "answer"
    return "overload" if overloaded(outcome.error) else "trouble"
