"""Each list for the ad platforms on a day: from its manifest, or from Dagster's record where it was held."""

import datetime as dt
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from ignite_assets.api.errors import IgniteError
from ignite_assets.audiences import history, holding
from ignite_assets.audiences.exports import owed
from ignite_assets.audiences.history import DamagedError, Export
from ignite_assets.audiences.lists import UNASKED, List, in_order, on_record, stored
from ignite_assets.audiences.rules import ExportRule, Scope
from ignite_assets.report.readings import Query, Readings
from ignite_assets.storage.duck import Workspace, literal, pattern
from ignite_assets.storage.lake import Lake
from ignite_assets.storage.store import Store

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
    reasons: str
    last_written: dt.date | None
    """The day of the export that stands, no later than the report's."""
    export: Export | None = None
    """That of the day; None where there is none: `members` is what was recorded."""

    @property
    def is_written(self) -> bool:
        """Whether the list was written for the day."""
        return self.status != UNKNOWN and holding.is_well(self.status)

    @property
    def is_held(self) -> bool:
        """Whether an earlier export stands."""
        return self.status.startswith(holding.HELD)


@dataclass(frozen=True, kw_only=True)
class ListFigures:
    """The lists of a website on a day."""

    states: tuple[ListState, ...]
    counts: Query
    """A row for each manifest of the day: `people` on the list, `added`, `removed` and, left out, `opted_out`."""
    rows: Mapping[int, int]
    """By index in `states` of a list that has a manifest of the day, its row."""

    @property
    def has_records(self) -> bool:
        """Whether the people of a list are counted by what was recorded alone."""
        return any(each.members is not None and not each.export for each in self.states)


def gather(readings: Readings, rules: Sequence[ExportRule], recorded: Sequence[Recorded]) -> ListFigures:
    """The lists of the report's website and day; see `read`."""
    states = read(readings.lake, rules, readings.website, readings.day, recorded)
    made = sorted(_manifests(readings.lake, states))
    places = ", ".join(literal(pattern(place)) for _, place, _ in made)
    texts = [{"content": content} for content, _, _ in made]
    manifests = readings.known("manifests", texts, f"read_text([{places}])", ["content"])
    counts = readings.ask("lists", _COUNTS, {"manifests": manifests})
    return ListFigures(states=tuple(states), counts=counts, rows={index: row for row, (_, _, index) in enumerate(made)})


def _manifests(lake: Lake, states: Sequence[ListState]) -> Iterator[tuple[str, str, int]]:
    """The text of each manifest of the day, its place seen from the lake's folder, and its list's index."""
    for index, export in enumerate(each.export for each in states):
        if export:
            name = f"{export.path}/{history.MANIFEST}"
            yield Store(export.of.to).read(name).decode(), f"{stored(lake, export.of.to)}/{name}", index


_COUNTS = """
    SELECT coalesce(content->>'name', content->>'rule') AS list, (content->>'audience')::BIGINT AS audience,
        (content->>'$.counts.members')::BIGINT AS people, (content->>'$.counts.adds')::BIGINT AS added,
        (content->>'$.counts.removes')::BIGINT AS removed, (content->>'$.counts.suppressed')::BIGINT AS opted_out
    FROM {manifests} ORDER BY content
"""


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
        return _told(of, rules, holding.HELD, str(error), None)
    if not last or last.manifest.date != day:
        status, reasons = (recorded.status, recorded.reasons) if recorded else (UNKNOWN, "")
        state = _told(of, rules, status, reasons, last)
        return replace(state, members=recorded.members if recorded else None)
    mine = last.manifest
    label = holding.UNASKED if UNASKED in mine.reasons else holding.HELD if mine.reasons else ""
    status = holding.status(mine.allowed, wrote=True, label=label)
    why = [*mine.reasons, *([f"forced: {mine.forced}"] if mine.forced else [])]
    if recorded and recorded.status != status and recorded.reasons:
        why.append(f"made again, it was {recorded.status}: {recorded.reasons}")
    return replace(_told(of, rules, status, "; ".join(why), last), members=mine.counts.members, export=last)


def _told(of: List, rules: Sequence[ExportRule], status: str, reasons: str, last: Export | None) -> ListState:
    configured = [rule.destination for rule in rules if rule.name == of.name]
    return ListState(
        rule=of.name,
        audience=of.audience,
        destination=last.manifest.destination if last else configured[0] if configured else "plain_list",
        status=status,
        members=None,
        reasons=reasons,
        last_written=last.manifest.date if last else None,
    )
