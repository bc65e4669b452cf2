"""The state of each list for the ad platforms: by the manifests, and by what was recorded of those that were held.

A list that was held leaves no manifest, so whoever runs exports hands over what is on record of the day.
"""

import datetime as dt
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from ignite_assets.audiences import folders, holding
from ignite_assets.audiences.folders import List
from ignite_assets.audiences.manifest import Manifest
from ignite_assets.audiences.rules import ExportRule
from ignite_assets.storage.store import Store

UNKNOWN = "not exported"


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
    """A `holding.Status`, `failed` or `not exported`."""
    members: int | None
    adds: int | None
    removes: int | None
    suppressed: int | None
    reasons: str
    last_sent: dt.date | None
    """The day of the export that stands, no later than the report's."""

    @property
    def is_sent(self) -> bool:
        """Whether the list was sent for the day."""
        return self.status in holding.SENT

    @property
    def is_held(self) -> bool:
        """Whether an earlier export stands."""
        return self.status.startswith("held")


def read(rules: Sequence[ExportRule], website: str, day: dt.date, recorded: Sequence[Recorded] = ()) -> list[ListState]:
    """Every list of the rules that cover a website. `recorded`: newest first; of a list the first counts."""
    return [
        state for rule in rules if rule.covers(website) for state in _of_rule(rule, website, day, _first_of(recorded))
    ]


def _first_of(recorded: Sequence[Recorded]) -> dict[tuple[str, int | None], Recorded]:
    return {(each.rule, each.audience): each for each in reversed(recorded)}


def _of_rule(
    rule: ExportRule, website: str, day: dt.date, recorded: dict[tuple[str, int | None], Recorded]
) -> Iterator[ListState]:
    store = Store(rule.to)
    known = folders.exports(store, rule.name, website)
    told = {List(rule.name, website, audience) for name, audience in recorded if name == rule.name}
    lists = sorted({*known, *told}, key=lambda of: of.audience or 0) or [List(rule.name, website)]
    for of in lists:
        days = [each for each in known.get(of, ()) if each <= day]
        manifest = folders.read(store, of, days[-1]).manifest if days else None
        yield _state(rule, of, day, manifest, recorded.get((rule.name, of.audience)))


def _state(rule: ExportRule, of: List, day: dt.date, last: Manifest | None, recorded: Recorded | None) -> ListState:
    """A manifest of the day tells what stands; what was recorded, why there is none, or why it wasn't made again."""
    mine = last if last and last.date == day else None
    counts = mine.counts if mine else None
    status = (
        holding.status(mine.allowed, mine.forced, written=True) if mine else recorded.status if recorded else UNKNOWN
    )
    reasons = "; ".join(mine.reasons) if mine else recorded.reasons if recorded else ""
    if mine and recorded and recorded.status != status and recorded.reasons:
        again = f"made again, it was {recorded.status}: {recorded.reasons}"
        reasons = f"{reasons}; {again}" if reasons else again
    return ListState(
        rule=of.rule,
        audience=of.audience,
        destination=rule.destination,
        status=status,
        members=counts.members if counts else recorded.members if recorded else None,
        adds=counts.adds if counts else None,
        removes=counts.removes if counts else None,
        suppressed=counts.suppressed if counts else None,
        reasons=reasons,
        last_sent=last.date if last else None,
    )
