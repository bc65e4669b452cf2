"""The state of the data itself: what is missing, what did not fit, and what the checks say of the day."""

import dataclasses
import datetime as dt
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from ignite_assets.api.horizon import LOOK_BACK_DAYS
from ignite_assets.api.table import Table
from ignite_assets.report.readings import Readings
from ignite_assets.storage.lake import Partition
from ignite_assets.tables.checks import CHECKS, examine
from ignite_assets.tables.derived.inputs import Inputs
from ignite_assets.tables.derived.row import Derived
from ignite_assets.tables.examination import Examination, Subject
from ignite_assets.tables.thresholds import Thresholds


@dataclass(frozen=True, kw_only=True)
class Verdict:
    """What a check found in the asset's newest partition."""

    check: str
    description: str
    passed: bool
    severe: bool
    saw: str
    expected: str
    advice: str


@dataclass(frozen=True, kw_only=True)
class AssetState:
    """One asset in the window."""

    asset: str
    newest: dt.date | None
    """The newest captured day of the window."""
    rows: int | None
    """Of that day, as are the rest."""
    days_late: int = 0
    captured: int
    wanted: int
    """Days of the window, and those of them that are there."""
    missing: tuple[dt.date, ...]
    until: dt.date | None = None
    """The last day on which the oldest missing one can still be captured; None when nothing can be made up."""
    coercions: dict[str, int] = field(default_factory=dict)
    """By column, values that did not fit."""
    stale: tuple[dt.date, ...] = ()
    """Days of the window whose derived partition was made from inputs that have changed since."""
    vanished: int | None = None
    """Entities that were listed and then not found."""
    verdicts: tuple[Verdict, ...] = ()

    @property
    def failed(self) -> tuple[Verdict, ...]:
        """What did not pass."""
        return tuple(verdict for verdict in self.verdicts if not verdict.passed)


def read(readings: Readings, tables: Sequence[Table], thresholds: Thresholds) -> tuple[AssetState, ...]:
    """The state of each asset, of captures or derived from them."""
    return tuple(_with_verdicts(readings, table, thresholds) for table in tables)


def _with_verdicts(readings: Readings, table: Table, thresholds: Thresholds) -> AssetState:
    state = _days(readings, table.name)
    footer = readings.footer(table.name, state.newest) if state.newest else None
    if not (state.newest and footer):
        return state
    examination = Examination(readings.lake, table, thresholds, readings.zone)
    subject = examination.subject(Partition(table.name, readings.website, state.newest))
    past = state.missing if table.history == "look_back" else ()
    return dataclasses.replace(
        state,
        days_late=0 if table.history == "derived" else readings.days_late(table.name, state.newest),
        until=past[0] + dt.timedelta(days=LOOK_BACK_DAYS) if past else None,
        stale=_stale(readings, table),
        coercions=json.loads(footer.get("ignite.coercions", "{}")),
        vanished=int(footer["ignite.vanished"]) if "ignite.vanished" in footer else None,
        verdicts=tuple(_verdicts(subject)),
    )


def _stale(readings: Readings, table: Table) -> tuple[dt.date, ...]:
    if not isinstance(table, Derived):
        return ()
    inputs = Inputs(
        readings.lake, table, readings.website, window_days=readings.window_days, first_day=readings.first_day
    )
    return tuple(day for day in reversed(inputs.stale(readings.window[0])) if day <= readings.day)


def _days(readings: Readings, asset: str) -> AssetState:
    missing = tuple(day for day in readings.window if not readings.has(asset, day))
    newest = readings.newest(asset)
    return AssetState(
        asset=asset,
        newest=newest,
        rows=readings.row_count(asset, newest) if newest else None,
        captured=len(readings.window) - len(missing),
        wanted=len(readings.window),
        missing=missing,
    )


def _verdicts(subject: Subject) -> Iterator[Verdict]:
    for check in CHECKS:
        if check.applies(subject.endpoint):
            found = examine(check, subject)
            told = {name: getattr(found, name) for name in ("passed", "severe", "saw", "expected", "advice")}
            yield Verdict(check=check.name, description=check.description, **told)
