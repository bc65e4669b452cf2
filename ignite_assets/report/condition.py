"""The state of the data itself: what is missing, what did not fit, and what the checks say of the day."""

import dataclasses
import datetime as dt
import json
from collections.abc import Sequence
from dataclasses import dataclass, field

from ignite_assets.api.horizon import LOOK_BACK_DAYS
from ignite_assets.api.table import Table
from ignite_assets.report.readings import Query, Readings
from ignite_assets.storage.lake import Partition
from ignite_assets.tables.checks import CHECKS, examine
from ignite_assets.tables.derived.inputs import Inputs
from ignite_assets.tables.derived.row import Derived
from ignite_assets.tables.examination import Examination
from ignite_assets.tables.finding import Finding
from ignite_assets.tables.thresholds import Thresholds


@dataclass(frozen=True, kw_only=True)
class AssetState:
    """One asset in the window."""

    asset: str
    newest: dt.date | None
    """The newest captured day of the window."""
    days_late: int = 0
    """Of that day, as are the rest."""
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
    findings: dict[str, Finding] = field(default_factory=dict)
    """By criterion of the checks, what was found in the newest partition."""
    sound: bool = True
    """Whether that can be used."""

    @property
    def failed(self) -> dict[str, Finding]:
        """Those that did not pass."""
        return {name: finding for name, finding in self.findings.items() if not finding.passed}


def read(readings: Readings, tables: Sequence[Table], thresholds: Thresholds) -> tuple[AssetState, ...]:
    """The state of each asset, of captures or derived from them."""
    return tuple(_state(readings, table, thresholds) for table in tables)


def rows(readings: Readings, states: Sequence[AssetState]) -> Query:
    """How many rows the newest day of each data set has: `data_set`, `rows`."""
    each = [
        _ROWS.format(asset=state.asset, day=state.newest)
        for state in states
        if state.newest and readings.knows(state.asset)
    ]
    return readings.ask("rows", "\nUNION ALL ".join(each) + "\nORDER BY data_set")


_ROWS = "SELECT '{asset}' AS data_set, count(*) AS rows FROM {{{asset}}} WHERE date = DATE '{day}'"


def _state(readings: Readings, table: Table, thresholds: Thresholds) -> AssetState:
    name, window = table.name, readings.window
    newest, missing = readings.newest(name), tuple(day for day in window if not readings.has(name, day))
    state = AssetState(
        asset=name,
        newest=newest,
        captured=len(window) - len(missing),
        wanted=len(window),
        missing=missing,
    )
    footer = readings.footer(name, newest) if newest else None
    if not (newest and footer):
        return state
    examination = Examination(readings.lake, table, thresholds, readings.zone)
    subject = examination.subject(Partition(name, readings.website, newest))
    verdicts = [examine(subject, check) for check in CHECKS]
    past = missing if table.history == "look_back" else ()
    return dataclasses.replace(
        state,
        days_late=0 if table.history == "derived" else readings.days_late(name, newest),
        until=past[0] + dt.timedelta(days=LOOK_BACK_DAYS) if past else None,
        stale=_stale(readings, table),
        coercions=json.loads(footer.get("ignite.coercions", "{}")),
        vanished=int(footer["ignite.vanished"]) if "ignite.vanished" in footer else None,
        findings={name: finding for verdict in verdicts for name, finding in verdict.findings.items()},
        sound=all(verdict.passed for verdict in verdicts if verdict.check == "sound"),
    )


def _stale(readings: Readings, table: Table) -> tuple[dt.date, ...]:
    if not isinstance(table, Derived):
        return ()
    inputs = Inputs(
        readings.lake, table, readings.website, window_days=readings.window_days, first_day=readings.first_day
    )
    return tuple(day for day in reversed(inputs.stale(readings.window[0])) if day <= readings.day)
