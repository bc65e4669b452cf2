"""How often and how fast the platform is asked: retries, backoff, the cap on requests per second. No network.

The client retries seconds; whoever runs it may retry minutes. Both are bounded.
"""

import random
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass

from ignite_assets.api.errors import RequestError


@dataclass(frozen=True, kw_only=True)
class Limits:
    """What the client allows itself. Times in seconds."""

    max_concurrency: int = 32
    """Calls under way at once."""
    requests_per_second: float = 0
    """Calls begun in a second; 0: no cap."""
    max_tries: int = 5
    """Tries of one call, the first included."""
    total_seconds: float = 900
    """From a call's first try to its last byte."""
    timeout_seconds: float = 60
    """To connect, and between two reads."""
    max_body_bytes: int = 1 << 30
    """Of one answer, decoded."""
    backoff_seconds: float = 0.5
    """The longest wait before the second try; it doubles with each further one."""
    longest_wait_seconds: float = 120
    """The longest wait before any try, whatever `Retry-After` asks for."""


def wait_before_retry(
    limits: Limits, error: RequestError, *, tries: int, elapsed: float, asked: float | None
) -> float | None:
    """Seconds to wait before another try; None when there should be none.

    `asked` is what `Retry-After` asked for. Backoff is exponential with full jitter, so that callers which failed
    together don't come back together.
    """
    if not error.retryable or tries >= limits.max_tries:
        return None
    wait = random.uniform(0, limits.backoff_seconds * 2 ** (tries - 1))  # noqa: S311 - jitter, not a secret
    wait = min(max(wait, asked or 0.0), limits.longest_wait_seconds)
    return wait if elapsed + wait < limits.total_seconds else None


class Pace:
    """A cap on calls begun in a second, shared by threads: each call reserves the next free moment."""

    def __init__(
        self,
        per_second: float,
        *,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._interval = 1 / per_second if per_second else 0.0
        self._clock, self._sleep = clock, sleep
        self._lock = threading.Lock()
        self._next = clock()

    def wait(self) -> None:
        """Return when the next call may begin."""
        if not self._interval:
            return
        with self._lock:
            moment = max(self._next, self._clock())
            self._next = moment + self._interval
        if (delay := moment - self._clock()) > 0:
            self._sleep(delay)


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
