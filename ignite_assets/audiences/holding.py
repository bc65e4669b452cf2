"""Whether an export may be written, and how much of it. Pure: counts in, a decision out.

A held export leaves the last good one standing, with one exception: people who opted out are removed at once, whatever
else is wrong.
"""

import datetime as dt
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

Allowed = Literal["everything", "adds", "opt_outs"]
"""`adds`: nobody is removed but those who opted out; `opt_outs`: nothing but that."""

WRITTEN, WOULD_WRITE, HELD, UNASKED, FAILED = "written", "would write", "held", "no longer asked for", "failed"


def status(allowed: Allowed, *, wrote: bool, dry_run: bool = False, label: str = HELD) -> str:
    """What happened to a list.

    `wrote`: whether files were written for it, or would be without `dry_run`; `label`: why nothing but opt-outs was
    looked at, empty where nothing else was asked for.
    """
    if allowed != "opt_outs":
        return WOULD_WRITE if dry_run else WRITTEN
    wrote_them = "would write opt-outs" if dry_run else "opt-outs written"
    return ", ".join(filter(None, [label, wrote_them if wrote else ""])) or "nothing due"


def is_well(status: str) -> bool:
    """Whether a list needs nobody's attention."""
    return not status.startswith((HELD, FAILED))


@dataclass(frozen=True, kw_only=True)
class Standing:
    """How many people there are, of a list's members and of those on the list now."""

    members: int
    written: int
    """On the list now."""
    new: int
    """Members that are not on the list."""
    leaving: int
    """On the list, no members any more, and not because they opted out."""
    opted_out: int
    """On the list, and opted out since."""
    kept: int = 0
    """On the list, and opted out by a file that nobody has confirmed yet: neither added again nor removed."""
    owed: int = 0
    """Possibly on the platform's list, and opted out since: to be removed whatever else is wrong."""
    missing: tuple[dt.date, ...] = ()
    """Days of the window that were not captured."""


@dataclass(frozen=True, kw_only=True)
class Decision:
    """What may be written, why not more, and the reason to write it nevertheless."""

    allowed: Allowed
    reasons: tuple[str, ...] = ()
    """Why the export is held; also those that were overridden."""
    forced: str | None = None
    """The reason given for writing it nevertheless."""

    @property
    def held(self) -> bool:
        """Whether the last good export stands."""
        return self.allowed == "opt_outs"


def decide(
    standing: Standing,
    *,
    min_members: int | None,
    max_shrink: float,
    max_growth: float = math.inf,
    max_replaced: float = 1.0,
    adds_when_incomplete: bool = False,
    refusals: Sequence[str] = (),
    doubts: Sequence[str] = (),
    force: str | None = None,
) -> Decision:
    """Judge an export. `refusals` hold it whatever is forced, since the platform would not take it; `doubts`, unless.

    `doubts` are reasons that the counts don't show. The limits are shares of the people on the list who did not opt
    out: who would leave, by how many it would grow, who would be replaced by others.
    """
    if refusals:
        return Decision(allowed="opt_outs", reasons=tuple(refusals))
    only_adds = adds_when_incomplete and bool(standing.missing)
    suspicions = [*doubts, *_small(standing, min_members, only_adds)]
    suspicions += [] if only_adds else [*_shrunk(standing, max_shrink), *_replaced(standing, max_replaced)]
    suspicions += _grown(standing, max_growth)
    reasons = (*_incomplete(standing.missing), *suspicions)
    if force is not None:
        return Decision(allowed="everything", reasons=reasons, forced=force if reasons else None)
    if only_adds and not suspicions:
        return Decision(allowed="adds", reasons=reasons)
    return Decision(allowed="opt_outs" if reasons else "everything", reasons=reasons)


def _incomplete(missing: Sequence[dt.date]) -> Iterator[str]:
    """Without its missing days a window lacks people who would be taken for leaving."""
    if missing:
        days = "1 day" if len(missing) == 1 else f"{len(missing)} days"
        shown = ", ".join(day.isoformat() for day in missing[:3]) + (", …" if len(missing) > 3 else "")
        yield f"{days} of the window not captured: {shown}"


def _small(standing: Standing, min_members: int | None, only_adds: bool) -> Iterator[str]:
    after = standing.written - standing.opted_out + standing.new if only_adds else standing.members
    emptied = standing.written > standing.opted_out and not after
    if min_members is not None and after < min_members and not emptied:
        yield f"{after:,} members, fewer than {min_members:,}"


def _shrunk(standing: Standing, max_shrink: float) -> Iterator[str]:
    """Opt-outs are no part of it: they leave in any case."""
    stayed = standing.written - standing.opted_out
    if stayed and not standing.members:
        yield f"no members left, {stayed:,} were on it before"
    elif stayed and standing.leaving / stayed > max_shrink:
        share = f"{standing.leaving:,} of {stayed:,} people would leave"
        yield f"{share} ({standing.leaving / stayed:.0%}), more than {max_shrink:.0%}"


def _grown(standing: Standing, max_growth: float) -> Iterator[str]:
    stayed = standing.written - standing.opted_out
    grown = standing.new - standing.leaving
    if stayed and grown / stayed > max_growth:
        told = f"{standing.new:,} people would join a list of {stayed:,}"
        yield f"{told} (it grows by {grown / stayed:.0%}), more than {max_growth:.0%}"


def _replaced(standing: Standing, max_replaced: float) -> Iterator[str]:
    stayed = standing.written - standing.opted_out
    replaced = min(standing.new, standing.leaving)
    if stayed and replaced / stayed > max_replaced:
        told = f"{replaced:,} of {stayed:,} people would be replaced by others"
        yield f"{told} ({replaced / stayed:.0%}), more than {max_replaced:.0%}"
