"""Each list for the ad platforms on a day: by the manifests, and by what was recorded of those that were held.

A list that was held leaves no manifest, so the caller hands over what Dagster has on record of the day.
"""

import datetime as dt
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, replace

from ignite_assets.api.errors import IgniteError
from ignite_assets.audiences import history, holding
from ignite_assets.audiences.exports import owed
from ignite_assets.audiences.history import DamagedError
from ignite_assets.audiences.lists import UNASKED, List, in_order, on_record
from ignite_assets.audiences.manifest import Manifest
from ignite_assets.audiences.rules import ExportRule, Scope
from ignite_assets.storage.duck import Workspace
from ignite_assets.storage.lake import Lake

UNKNOWN = "not exported"


def removals_due(workspace: Workspace, lake: Lake, website: str, scope: Scope) -> int | None:
    """How many removals opt-outs are owed on the website's lists; None where that can't be reckoned."""
    known = [of for of, event in on_record(lake, website).items() if event != "retired"]
    try:
        return owed(workspace, lake, website, scope, known)
    except (IgniteError, OSError):
        return None


@dataclass(frozen=True, kw_only=True)
class Recorded:
    """What was last recorded of a list for the report's day."""

    rule: str
    audience: int | None
    status: str
    members: int
    reasons: str


@dataclass(frozen=True, kw_only=True)
class ListState:
    """One list on the report's day."""

    rule: str
    audience: int | None
    destination: str
    status: str
    """One of `holding.status`, `failed` or `not exported`."""
    members: int | None
    adds: int | None
    removes: int | None
    suppressed: int | None
    reasons: str
    last_written: dt.date | None
    """The day of the export that stands, no later than the report's."""

    @property
    def is_written(self) -> bool:
        """Whether the list was written for the day."""
        return self.status != UNKNOWN and holding.is_well(self.status)

    @property
    def is_held(self) -> bool:
        """Whether an earlier export stands."""
        return self.status.startswith(holding.HELD)


def read(
    lake: Lake, rules: Sequence[ExportRule], website: str, day: dt.date, recorded: Sequence[Recorded] = ()
) -> list[ListState]:
    """Every list of the rules that cover a website, and those that are still owed removals.

    `recorded`: newest first; of a list the first counts.
    """
    told = {(each.rule, each.audience): each for each in reversed(recorded)}
    covering = [rule for rule in rules if rule.covers(website)]
    owed = {of for of, event in on_record(lake, website, rules).items() if event != "retired"}
    return [_state(of, covering, day, told.get((of.name, of.audience))) for of in _lists(covering, website, owed, told)]


def _lists(
    rules: Sequence[ExportRule], website: str, owed: set[List], told: Collection[tuple[str, int | None]]
) -> Iterator[List]:
    for rule in rules:
        mine = {of for of in owed if (of.name, of.to) == (rule.name, rule.to)}
        mine |= {List(rule.to, name, website, audience) for name, audience in told if name == rule.name}
        owed = owed - mine
        yield from in_order(mine) or [List(rule.to, rule.name, website)]
    yield from in_order(owed)


def _state(of: List, rules: Sequence[ExportRule], day: dt.date, recorded: Recorded | None) -> ListState:
    """A manifest of the day tells what stands; what was recorded, why there is none, or why it wasn't made again."""
    try:
        last = history.newest(of, day)
    except DamagedError as error:
        return _told(of, rules, None, holding.HELD, str(error), None)
    mine = last.manifest if last and last.manifest.date == day else None
    if not mine:
        status, reasons = (recorded.status, recorded.reasons) if recorded else (UNKNOWN, "")
        state = _told(of, rules, None, status, reasons, last.manifest if last else None)
        return replace(state, members=recorded.members if recorded else None)
    label = holding.UNASKED if UNASKED in mine.reasons else holding.HELD if mine.reasons else ""
    status = holding.status(mine.allowed, wrote=True, label=label)
    why = [*mine.reasons, *([f"forced: {mine.forced}"] if mine.forced else [])]
    if recorded and recorded.status != status and recorded.reasons:
        why.append(f"made again, it was {recorded.status}: {recorded.reasons}")
    return _told(of, rules, mine, status, "; ".join(why), mine)


def _told(
    of: List, rules: Sequence[ExportRule], mine: Manifest | None, status: str, reasons: str, last: Manifest | None
) -> ListState:
    configured = [rule.destination for rule in rules if rule.name == of.name]
    return ListState(
        rule=of.name,
        audience=of.audience,
        destination=last.destination if last else configured[0] if configured else "plain_list",
        status=status,
        **{name: getattr(mine.counts, name) if mine else None for name in ("members", "adds", "removes", "suppressed")},
        reasons=reasons,
        last_written=last.date if last else None,
    )
