"""Long work says how far it is: counts, rate and time left, in lines that come seldom enough. Nothing but the rule.

Work that is over within `Pace.quiet_seconds` says nothing. Later there is a line every 10 s or tenth of the work, and
one at its end: at most ten and one for each 10 s, however quickly the work is counted.
"""

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

_MINUTE, _HOUR = 60, 3_600


@dataclass(frozen=True, kw_only=True)
class Pace:
    """When there is something to say."""

    quiet_seconds: float = 10
    """What is over by then says nothing."""
    every_seconds: float = 10
    share: float = 0.1
    """Of work whose total is known: a line whenever so much was done since the last."""


class Progress:
    """Counts one piece of work from any thread, and says lines about it.

    `noun` names what is counted; `total` is None when nobody knows; `clock` tells seconds. `say` is called by whoever
    counts, one line at a time. No line holds anything but counts, the noun and times.
    """

    def __init__(
        self,
        noun: str,
        total: int | None,
        say: Callable[[str], None],
        *,
        pace: Pace | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._noun, self._total, self._say = noun, total, say
        self._pace, self._clock = pace or Pace(), clock
        self._started = self._said_at = clock()
        self._done = self._failed = self._said = 0
        self._lock = threading.Lock()

    def add(self, count: int = 1, *, failed: int = 0) -> None:
        """So much more is done; `failed` of it went wrong."""
        with self._lock:
            self._done += count
            self._failed += failed
            self._say_if_due()

    def tick(self) -> None:
        """Time has passed: for work that may not count anything for long."""
        with self._lock:
            self._say_if_due()

    def _say_if_due(self) -> None:
        now = self._clock()
        if self._is_due(now):
            self._said, self._said_at = self._done, now
            self._say(self._line(now - self._started))

    def _is_due(self, now: float) -> bool:
        if now - self._started < self._pace.quiet_seconds:
            return False
        new = self._done - self._said
        if self._total is not None and self._done >= self._total:
            return new > 0
        if self._total is not None and new >= self._total * self._pace.share:
            return True
        return now - self._said_at >= self._pace.every_seconds

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


class Counts(Protocol):
    """Whatever hears of work that is done."""

    def add(self, count: int = 1, *, failed: int = 0) -> None:
        """So much more is done; `failed` of it went wrong."""


Track = Callable[[str, int | None], Counts]
"""Begins to count work: by its noun, and its total if that is known."""


Telling = Callable[[Callable[[str], None]], Track]
"""What counts work for whoever says its lines."""


def telling(say: Callable[[str], None], pace: Pace | None = None) -> Track:
    """Work of which lines are said, once it takes long."""
    return lambda noun, total: Progress(noun, total, say, pace=pace)


def untold(noun: str, total: int | None) -> Progress:
    """A count that nobody hears of."""
    return Progress(noun, total, lambda _line: None, pace=Pace(quiet_seconds=float("inf")))


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
