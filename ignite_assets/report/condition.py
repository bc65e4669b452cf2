"""The state of the data itself: what is missing, what did not fit, and what the checks say of the day."""

import datetime as dt
import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field

from ignite_assets.api.endpoints import Endpoint, by_name
from ignite_assets.api.horizon import LOOK_BACK_DAYS
from ignite_assets.examination import Examination, Thresholds
from ignite_assets.quality import CHECKS, examine
from ignite_assets.report.readings import Readings
from ignite_assets.storage import Partition


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
    vanished: int | None = None
    """Entities that were listed and then not found."""
    verdicts: tuple[Verdict, ...] = ()

    @property
    def failed(self) -> tuple[Verdict, ...]:
        """What did not pass."""
        return tuple(verdict for verdict in self.verdicts if not verdict.passed)


def read(
    readings: Readings, endpoints: Sequence[Endpoint], thresholds: Thresholds, derived: Iterable[str]
) -> tuple[AssetState, ...]:
    """The state of each asset; of those that are derived only their days."""
    known = by_name(tuple(endpoints))
    return (
        *(_captured(readings, endpoint, known, thresholds) for endpoint in endpoints),
        *(_days(readings, asset) for asset in derived),
    )


def _captured(
    readings: Readings, endpoint: Endpoint, endpoints: dict[str, Endpoint], thresholds: Thresholds
) -> AssetState:
    state = _days(readings, endpoint.name)
    footer = readings.footer(endpoint.name, state.newest) if state.newest else None
    if not (state.newest and footer):
        return state
    examination = Examination(readings.lake, endpoint, endpoints, thresholds, readings.zone)
    past = state.missing if endpoint.history == "look_back" else ()
    return AssetState(
        **vars(state)
        | {
            "days_late": readings.days_late(endpoint.name, state.newest),
            "until": past[0] + dt.timedelta(days=LOOK_BACK_DAYS) if past else None,
            "coercions": json.loads(footer.get("ignite.coercions", "{}")),
            "vanished": int(footer["ignite.vanished"]) if "ignite.vanished" in footer else None,
            "verdicts": tuple(_verdicts(examination, Partition(endpoint.name, readings.website, state.newest))),
        }
    )


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


def _verdicts(examination: Examination, partition: Partition) -> Iterator[Verdict]:
    subject = examination.subject(partition)
    for check in CHECKS:
        if check.applies(examination.endpoint):
            found = examine(check, subject)
            yield Verdict(
                check=check.name,
                description=check.description,
                passed=found.passed,
                severe=found.severe,
                saw=found.saw,
                expected=found.expected,
                advice=found.advice,
            )
