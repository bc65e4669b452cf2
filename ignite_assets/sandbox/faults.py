"""Faults on demand: which requests are to go wrong, and how.

Rules alone; `damage` carries them out. A rule is found by what a request is about, never by its order of arrival
among others, so that a test that fetches side by side stays predictable.
"""

import datetime as dt
import random
import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from email.utils import format_datetime
from typing import Literal, NamedTuple

from ignite_assets.sandbox.regressions import REGRESSIONS

Cut = Literal["reset", "close", "length", "chunked"]
"""How a connection ends early: reset or closed before any byte of an answer, or after half of a body that was
announced by its length or as chunks."""
Drip = Literal[
    "status line",
    "header",
    "header lines",
    "interim answers",
    "refusal",
    "body",
    "body to the end of the connection",
    "chunks",
    "chunk size",
    "chunk extension",
    "trailer",
    "trailers",
]
"""Which part of an answer comes a drop at a time and never ends."""


class SandboxCall(NamedTuple):
    """What a request is about; None where it can't be told."""

    endpoint: str
    website: str | None
    id: int | None


@dataclass(frozen=True, kw_only=True)
class Fault:
    """One rule: the requests it concerns (every one unless limited) and what becomes of them.

    Without `status`, `body` and `drip` the true answer is made, then delayed, cut or slowed.
    """

    endpoint: str | None = None
    """Name of the row; the opt-outs are `opt_outs`."""
    website: str | None = None
    id: int | None = None
    times: int | None = None
    """Only the first so many matching requests."""
    probability: float = 1.0
    seed: int = 0
    """What the draws of `probability` start from."""

    regress: str | None = None
    """The row of `regressions` by which the answer is whole, and wrong."""
    delay: float = 0.0
    """Seconds before anything is sent. A fault that is only a delay lets later rules act too."""
    status: int | None = None
    retry_after: int | str | dt.datetime | None = None
    """`Retry-After`: seconds, any text, or a moment (sent as an HTTP date)."""
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes | None = None
    """Sent as it is, whatever `content_encoding` says."""
    content_type: str = "application/json"
    content_encoding: str | None = None
    cut: Cut | None = None
    drip: Drip | None = None
    mixed_up: bool = False
    """Answer for another id than the one asked for, as a cache that mixes them up does."""
    pause: float | None = None
    """Seconds between the pieces of a body that comes slowly, or between drops."""
    piece: int = 64
    """Bytes in a piece."""
    endless: bool = False
    """Repeat the body for ever, as chunks."""

    def __post_init__(self) -> None:
        """Refuse a rule that can't be followed."""
        if not 0 <= self.probability <= 1:
            raise ValueError(f"probability is from 0 to 1, not {self.probability}")
        if min(self.delay, self.pause or 0) < 0 or self.piece < 1:
            raise ValueError("delay and pause can't be negative, a piece has at least one byte")
        if self.regress is not None and self.regress not in REGRESSIONS:
            raise ValueError(f"regress is one of {', '.join(REGRESSIONS)}, not {self.regress}")

    @property
    def only_delays(self) -> bool:
        """Whether the true answer goes out unharmed."""
        harms = (self.cut, self.endless, self.headers, self.mixed_up, self.regress, self.pause is not None)
        return self.keeps_answer and not any(harms)

    @property
    def keeps_answer(self) -> bool:
        """Whether the true answer is needed."""
        return self.status is None and self.body is None and self.retry_after is None and self.drip is None

    @property
    def all_headers(self) -> dict[str, str]:
        """The headers that the rule adds."""
        added = dict(self.headers)
        if self.content_encoding:
            added["Content-Encoding"] = self.content_encoding
        if self.retry_after is not None:
            added["Retry-After"] = _retry_after(self.retry_after)
        return added

    def concerns(self, call: SandboxCall) -> bool:
        """Whether the rule is about such a request."""
        wanted = (self.endpoint, self.website, self.id)
        return all(want is None or want == found for want, found in zip(wanted, call, strict=True))


def _retry_after(value: int | str | dt.datetime) -> str:
    return format_datetime(value.astimezone(dt.UTC), usegmt=True) if isinstance(value, dt.datetime) else str(value)


class _Rule:
    """A fault with what it has left."""

    def __init__(self, fault: Fault) -> None:
        self.fault = fault
        self._left = fault.times
        # Chance that can be repeated, not secrecy.
        self._random = random.Random(fault.seed)  # noqa: S311

    def strikes(self, call: SandboxCall) -> bool:
        if self._left == 0 or not self.fault.concerns(call) or self._random.random() >= self.fault.probability:
            return False
        self._left = None if self._left is None else self._left - 1
        return True


class Faults:
    """The rules in force, in the order they were added; safe to use from several threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._rules: list[_Rule] = []

    def add(self, *faults: Fault) -> None:
        """Put rules in force, after those that are."""
        with self._lock:
            self._rules += map(_Rule, faults)

    def clear(self) -> None:
        """Let everything go well again."""
        with self._lock:
            self._rules.clear()

    def strike(self, call: SandboxCall) -> tuple[float, Fault | None]:
        """The seconds by which a request is delayed, and the first rule that does it other harm."""
        delay = 0.0
        with self._lock:
            for rule in self._rules:
                if rule.strikes(call):
                    delay += rule.fault.delay
                    if not rule.fault.only_delays:
                        return delay, rule.fault
        return delay, None
