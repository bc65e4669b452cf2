"""All numbers of a report: one website, one day, and the window that ends with it."""

import datetime as dt
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from ignite_assets.api.endpoints import ENDPOINTS, Endpoint
from ignite_assets.api.errors import IgniteError
from ignite_assets.config import Settings
from ignite_assets.report import audiences, condition, exports, inventory, locations, opted_out, visitors
from ignite_assets.report.audiences import Audiences
from ignite_assets.report.comparing import Compared
from ignite_assets.report.condition import AssetState
from ignite_assets.report.exports import ListState, Recorded
from ignite_assets.report.inventory import Inventory
from ignite_assets.report.locations import Locations
from ignite_assets.report.opted_out import OptOutFigures
from ignite_assets.report.readings import Readings
from ignite_assets.report.visitors import Visitors
from ignite_assets.storage.duck import Workspace
from ignite_assets.storage.lake import Lake
from ignite_assets.tables.derived.row import Derived
from ignite_assets.tables.examination import captured_at
from ignite_assets.tables.registry import DERIVED


class NothingCapturedError(IgniteError):
    """A website has nothing of a day, so there is nothing to report."""

    retryable = False


@dataclass(frozen=True, kw_only=True)
class ReportOptions:
    """What a report is made with."""

    settings: Settings
    now: dt.datetime
    endpoints: tuple[Endpoint, ...] = ENDPOINTS
    derived: tuple[Derived, ...] = DERIVED
    recorded: tuple[Recorded, ...] = ()
    """What is on record of the day's exports, newest first."""


@dataclass(frozen=True, kw_only=True)
class Figures:
    """A report's numbers."""

    website: str
    date: dt.date
    first: dt.date
    """Of the window, which ends with the date."""
    zone: str
    written_at: dt.datetime
    captured_at: dt.datetime
    """When the last of the day's partitions was captured."""
    days_late: int
    """Of the day's visitors."""
    newer: dt.date | None
    """The newest captured day, when that is a later one."""
    there: int
    """Assets that have the day, of those that are captured."""
    wanted: int
    visitors: Visitors
    audiences: Audiences | None
    locations: Locations | None
    inventory: Inventory | None
    lists: tuple[ListState, ...]
    """Empty where no export covers the website."""
    removals_due: int | None
    opt_outs: OptOutFigures
    condition: tuple[AssetState, ...]
    headlines: tuple[Compared, ...]

    @property
    def days(self) -> int:
        """How long the window is."""
        return (self.date - self.first).days + 1

    def document(self) -> dict[str, Any]:
        """The numbers as JSON has them; never anyone's details."""
        document = asdict(self)
        if document["locations"]:
            del document["locations"]["people"]
        return document


def newest_day(lake: Lake, website: str, endpoints: Sequence[Endpoint] = ENDPOINTS) -> dt.date | None:
    """The newest day of which a website has anything; None when it has nothing."""
    return max((day for endpoint in endpoints for day in lake.dates(endpoint.name, website)), default=None)


def gather(lake: Lake, website: str, day: dt.date, options: ReportOptions) -> Figures:
    """Read a report's numbers. Raises `NothingCapturedError` when the website has nothing of the day."""
    with Workspace() as workspace:
        return _gather(Readings(lake, workspace, website, day, options.settings), options)


def _gather(readings: Readings, options: ReportOptions) -> Figures:
    names = [endpoint.name for endpoint in options.endpoints]
    there = [name for name in names if readings.has(name)]
    if not there:
        raise NothingCapturedError(f"nothing of {readings.website} was captured for {readings.day}")
    lake, website, day, settings = readings.lake, readings.website, readings.day, options.settings
    footers = [footer for name in there if (footer := readings.footer(name, day))]
    seen = visitors.read(readings)
    trends = audiences.read(readings)
    lists = exports.read(lake, settings.rules(), website, day, options.recorded)
    opt_outs = opted_out.read(lake, website, settings, options.now)
    newest = max(day for name in names for day in readings.captured(name)[-1:])
    return Figures(
        website=website,
        date=day,
        first=readings.window[0],
        zone=readings.zone.key,
        written_at=options.now,
        captured_at=max(captured_at(footer) for footer in footers),
        days_late=readings.days_late(visitors.ASSET, day),
        newer=newest if newest > day else None,
        there=len(there),
        wanted=len(names),
        visitors=seen,
        audiences=trends,
        locations=locations.read(readings, personal_details=settings.reports.personal_details),
        inventory=inventory.read(readings),
        lists=tuple(lists),
        removals_due=exports.removals_due(readings.workspace, lake, website, settings.opt_outs.scope),
        opt_outs=opt_outs,
        condition=condition.read(readings, (*options.endpoints, *options.derived), settings.checks),
        headlines=tuple(_headlines(readings, seen, trends, lists, opt_outs)),
    )


def _headlines(
    readings: Readings,
    seen: Visitors,
    trends: Audiences | None,
    lists: Sequence[ListState],
    opt_outs: OptOutFigures,
) -> list[Compared]:
    found = [seen.today, seen.week, locations.compared(readings), inventory.compared(readings)]
    if trends:
        found.append(trends.memberships)
    if lists:
        written, held = sum(each.is_written for each in lists), sum(each.is_held for each in lists)
        note, unit = f"{held:,} held." if held else "", f"of {len(lists)} for the day"
        found.append(Compared(name="lists_written", label="Lists written", value=written, unit=unit, note=note))
    people = opt_outs.people
    found.append(
        Compared(
            name="opted_out",
            label="Opted out",
            value=people,
            before=people - opt_outs.in_week,
            unit="people in no export",
        )
    )
    return found
