"""Progress of long work: counts, rate and time left.

A command or a run says with `showing` how its progress is displayed; code that takes long counts what it does with
`begin`, wherever it is called from. Work that is over within `Cadence.quiet_seconds` logs nothing. After that there is
a line every 10 s or tenth of the work, and one at its end: at most ten and one for each 10 s, however quickly the work
is counted.
"""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Protocol

_MINUTE, _HOUR = 60, 3_600


class Work(Protocol):
    """A piece of work that is being counted."""

    def add(self, count: int = 1, *, failed: int = 0, at: str = "") -> None:
        """Count so much more as done, `failed` of it without success; `at` names it, for a display with room."""


Display = Callable[[str, int | None], Work]
"""Shows a new piece of work: takes the noun that is counted, and the total if that is known."""

_display: ContextVar[Display | None] = ContextVar("ignite_progress", default=None)


class _Unseen:
    """Work that nobody watches."""

    def add(self, count: int = 1, *, failed: int = 0, at: str = "") -> None:
        """Do nothing."""


def begin(noun: str, total: int | None) -> Work:
    """Begin to count a piece of work, on the display of the run or command that it is done for.

    A new thread has no display: work split over threads is counted where its results are collected.
    """
    display = _display.get()
    return display(noun, total) if display else _Unseen()


@contextmanager
def showing(display: Display) -> Iterator[None]:
    """Display the work that is begun within. The outermost display has it all: a bar isn't doubled by log lines."""
    token = _display.set(_display.get() or display)
    try:
        yield
    finally:
        _display.reset(token)


@dataclass(frozen=True, kw_only=True)
class Cadence:
    """When a line is due."""

    quiet_seconds: float = 10
    """Work that is over by then logs nothing."""
    every_seconds: float = 10
    share: float = 0.1
    """Of work whose total is known: a line whenever so much was done since the last."""


CADENCE = Cadence()


def lines(say: Callable[[str], None]) -> Display:
    """A display that says lines at `CADENCE`, for a run's log."""
    return lambda noun, total: Progress(noun, total, say)


class Progress:
    """Counts one piece of work from any thread, and says lines about it.

    `noun` names what is counted; `total` is None when it isn't known; `clock` tells seconds. `say` is called in the
    thread that counts, one line at a time. A line holds counts, the noun and times, nothing else.
    """

    def __init__(
        self,
        noun: str,
        total: int | None,
        say: Callable[[str], None],
        *,
        cadence: Cadence | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._noun, self._total, self._say = noun, total, say
        self._cadence, self._clock = cadence or CADENCE, clock
        self._started = self._said_at = clock()
        self._done = self._failed = self._said = 0
        self._lock = threading.Lock()

    def add(self, count: int = 1, *, failed: int = 0, at: str = "") -> None:  # noqa: ARG002 - lines have no room
        """Count so much more as done, `failed` of it without success."""
        with self._lock:
            self._done += count
            self._failed += failed
            self._say_if_due()

    def tick(self) -> None:
        """Say a line if one is due: for work that may count nothing for long."""
        with self._lock:
            self._say_if_due()

    def _say_if_due(self) -> None:
        now = self._clock()
        if self._is_due(now):
            self._said, self._said_at = self._done, now
            self._say(self._line(now - self._started))

    def _is_due(self, now: float) -> bool:
        if now - self._started < self._cadence.quiet_seconds:
            return False
        new = self._done - self._said
        if self._total is not None and self._done >= self._total:
            return new > 0
        if self._total is not None and new >= self._total * self._cadence.share:
            return True
        return now - self._said_at >= self._cadence.every_seconds

    def _line(self, elapsed: float) -> str:
        total = "" if self._total is None else f" of {self._total:,}"
        parts = [f"{self._done:,}{total} {self._noun}"]
        if self._failed:
            parts.append(f"{self._failed:,} failed")
        if self._done and elapsed > 0:
            parts.append(rate(self._done / elapsed))
        if self._total is not None and 0 < self._done < self._total:
            parts.append(f"{duration(elapsed / self._done * (self._total - self._done))} left")
        else:
            parts.append(duration(elapsed))
        return ", ".join(parts)


def rate(per_second: float) -> str:
    """How fast, in a unit that has something before its point."""
    if per_second >= 10:
        return f"{per_second:,.0f}/s"
    return f"{per_second:.1f}/s" if per_second >= 1 else f"{per_second * _MINUTE:.1f}/min"


def duration(seconds: float) -> str:
    """How long, in its two largest units."""
    whole = round(seconds)
    if whole < _MINUTE:
        return f"{whole} s"
    if whole < _HOUR:
        return f"{whole // _MINUTE} min {whole % _MINUTE} s"
    return f"{whole // _HOUR} h {whole % _HOUR // _MINUTE} min"
