"""How often and how fast the platform is asked: retries, backoff, how many calls at once, when to stop. No network.

The client retries seconds; whoever runs it may retry minutes. Both are bounded. `Traffic` (`Gate` and `Pace`) is shared
by all clients of one website in a process, `Outage` by those of one run; a `Breaker` belongs to one client. A website's
trouble is no other's.
"""

import random
import threading
import time
import weakref
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from ignite_assets.api.errors import NotFoundError, RateLimitedError, RequestError, UnauthorizedError


@dataclass(frozen=True, kw_only=True)
class Limits:
    """What the client allows itself. Times in seconds."""

    max_concurrency: int = 32
    """Calls under way at once."""
    requests_per_second: float = 0
    """Calls begun in a second; 0: no cap."""
    max_tries: int = 5
    """Tries of one call, the first included. One that is refused for overload (429, 503) counts a quarter."""
    call_seconds: float = 600
    """From a call's first try to its last byte."""
    website_seconds: float = 300
    """A website whose calls have failed for so long, without one answer in between, is down: it is asked no more."""
    timeout_seconds: float = 60
    """To connect, and between two reads."""
    max_body_bytes: int = 1 << 30
    """Of one answer, decoded."""
    backoff_seconds: float = 0.5
    """The longest wait before the second try; it doubles with each further one."""
    longest_backoff_seconds: float = 15
    """Where the doubling ends."""
    longest_wait_seconds: float = 120
    """The longest wait before any try. When `Retry-After` asks for more, there is no further try."""
    max_failures_in_a_row: int = 10
    """Calls that fail for good, one after the other, before the remaining ones aren't made."""


def overloaded(error: RequestError) -> bool:
    """Whether the platform asks for patience (429, 503), rather than being in trouble."""
    return isinstance(error, RateLimitedError) or error.status == 503


def wait_before_retry(
    limits: Limits, error: RequestError, *, tries: int, overloads: int = 0, elapsed: float, asked: float | None
) -> float | None:
    """Seconds to wait before another try; None when there should be none.

    `overloads` of the tries were refused for overload, `asked` is what `Retry-After` asked for. Backoff is
    exponential with full jitter, so that callers which failed together don't come back together.
    """
    if not error.retryable or tries - overloads >= limits.max_tries or overloads > 4 * (limits.max_tries - 1):
        return None
    if asked is not None and asked > limits.longest_wait_seconds:
        return None
    longest = min(limits.backoff_seconds * 2 ** (tries - 1), limits.longest_backoff_seconds)
    wait = random.uniform(0, longest)  # noqa: S311 - jitter, not a secret
    wait = max(wait, asked or 0.0)
    return wait if elapsed + wait < limits.call_seconds else None


class Pace:
    """A cap on calls begun in a second, shared by threads: each call reserves the next free moment."""

    def __init__(
        self,
        per_second: float,
        *,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._interval = 1 / per_second if per_second else 0.0
        self._clock = clock
        self._lock = threading.Lock()
        self._next = clock()

    def wait(self, sleep: Callable[[float], None] = time.sleep) -> None:
        """Return when the next call may begin."""
        if not self._interval:
            return
        with self._lock:
            moment = max(self._next, self._clock())
            self._next = moment + self._interval
        if (delay := moment - self._clock()) > 0:
            sleep(delay)


Heard = Literal["answer", "overload", "trouble"]
"""What came of a try: a good answer, a request for patience (429, 503), or anything else."""


class Gate:
    """How many calls are under way at once: half as many when the platform asks for patience, more as it answers.

    Additive increase, multiplicative decrease: a full round of answers adds one. Calls that were under way together
    and are refused together halve it once.
    """

    def __init__(self, widest: int) -> None:
        self._widest = self._width = widest
        self._under_way = self._answers = self._round = 0
        self._changed = threading.Condition()

    @property
    def width(self) -> int:
        """Calls that may be under way now: from 1 to the widest."""
        return self._width

    def enter(self) -> int:
        """Return when one more call may be under way, with the number of the round that it belongs to."""
        with self._changed:
            self._changed.wait_for(lambda: self._under_way < self._width)
            self._under_way += 1
            return self._round

    def leave(self, round_entered: int, heard: Heard) -> None:
        """End a call. What is heard of a call from an earlier round is old news."""
        with self._changed:
            self._under_way -= 1
            if round_entered == self._round:
                self._adapt(heard)
            self._changed.notify_all()

    def _adapt(self, heard: Heard) -> None:
        if heard == "overload":
            self._width, self._answers, self._round = max(1, self._width // 2), 0, self._round + 1
        elif heard == "answer":
            self._answers += 1
            if self._answers >= self._width:
                self._width, self._answers = min(self._widest, self._width + 1), 0


class Traffic:
    """How fast one website is asked, by all of a process's clients together."""

    def __init__(self, limits: Limits) -> None:
        self.gate = Gate(limits.max_concurrency)
        self.pace = Pace(limits.requests_per_second)


class Outage:
    """Says when a website is down: its calls have failed for some time, without one answer in between.

    One endpoint's trouble is no outage of the website. When calls of a single endpoint have failed, those of another
    are still made: an answer ends the outage, a failure confirms it.
    """

    def __init__(self, traffic: Traffic, seconds: float) -> None:
        self.traffic = traffic
        self._seconds = seconds
        self._lock = threading.Lock()
        self._since: float | None = None
        self._endpoints: set[str] = set()
        self._stopped: tuple[str, RequestError] | None = None

    def answered(self) -> None:
        """The website answered a call, be it that there is no such entity."""
        if self._since is None and self._stopped is None:
            return
        with self._lock:
            self._since, self._stopped = None, None
            self._endpoints.clear()

    def failed(self, endpoint: str, error: RequestError, *, began: float, now: float) -> None:
        """A try has failed that began then; the next is to be made `now`, or when its wait is over."""
        with self._lock:
            self._since = min(self._since or began, began)
            self._endpoints.add(endpoint)
            if error.not_before is not None:
                self._stopped = error.reason, error
            elif now - self._since >= self._seconds:
                reason = f"the website is down: no answer for {self._seconds:g} s; the last failure: {error.about}"
                self._stopped = reason, error

    def stops(self, endpoint: str) -> tuple[str, RequestError] | None:
        """Why no call of the endpoint is to be made, and the last failure; None when it is to be made."""
        with self._lock:
            if self._stopped and (
                endpoint in self._endpoints or len(self._endpoints) > 1 or self._stopped[1].not_before is not None
            ):
                return self._stopped
            return None


_RUNS_REMEMBERED = 1000
_TRAFFIC: "weakref.WeakValueDictionary[tuple[object, ...], Traffic]" = weakref.WeakValueDictionary()
_OUTAGES: OrderedDict[tuple[object, ...], Outage] = OrderedDict()
_SHARING = threading.Lock()


def outage(base_url: str, website: str, run: str | None, limits: Limits) -> Outage:
    """What the clients of a website in a run know of its being down, with what all its clients in this process share.

    Without a run, nothing is remembered beyond the client. A website that recovers is asked again by the next run.
    """
    with _SHARING:
        place = (base_url, website, limits.max_concurrency, limits.requests_per_second)
        traffic = _TRAFFIC.get(place)
        if traffic is None:
            traffic = _TRAFFIC[place] = Traffic(limits)
        if run is None:
            return Outage(traffic, limits.website_seconds)
        known = _OUTAGES.setdefault((*place, run), Outage(traffic, limits.website_seconds))
        if len(_OUTAGES) > _RUNS_REMEMBERED:
            _OUTAGES.popitem(last=False)
        return known


class Breaker:
    """Says when a client is to stop asking: after too many failures in a row, for good.

    Wrong credentials don't heal, so one refusal is enough. An entity that isn't found is no failure.
    """

    def __init__(self, failures_allowed: int) -> None:
        self._allowed = failures_allowed
        self._in_a_row = 0
        self._lock = threading.Lock()
        self._stopped = threading.Event()
        self.reason: str | None = None
        """Why no more is asked; None while all is well."""
        self.cause: RequestError | None = None
        """The last failure, if failures were the reason."""

    def succeeded(self) -> None:
        """A call was answered."""
        with self._lock:
            self._in_a_row = 0

    def failed(self, error: RequestError) -> None:
        """A call has failed for good."""
        if isinstance(error, NotFoundError):
            return
        with self._lock:
            self._in_a_row += 1
            if self._in_a_row >= self._allowed or isinstance(error, UnauthorizedError):
                calls = "1 failed call" if self._in_a_row == 1 else f"{self._in_a_row} failed calls in a row"
                self._stop(f"stopped after {calls}; the last: {error.about}", error)

    def stop(self, reason: str) -> None:
        """Let no more be asked."""
        with self._lock:
            self._stop(reason, None)

    def _stop(self, reason: str, cause: RequestError | None) -> None:
        if self.reason is None:
            self.cause, self.reason = cause, reason
            self._stopped.set()

    def sleep(self, seconds: float) -> None:
        """Wait, but no longer than until the stop."""
        self._stopped.wait(seconds)


class Tally:
    """Requests made and tries repeated, counted by threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self.requests = 0
        self.retries = 0

    def count(self, *, retry: bool) -> None:
        """Count one request."""
        with self._lock:
            self.requests += 1
            self.retries += retry
