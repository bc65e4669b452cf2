"""All that the pages of a website's day show: one website, one day, and the window that ends with it."""

import datetime as dt
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, fields, is_dataclass

from ignite_assets.api.endpoints import ENDPOINTS, Endpoint
from ignite_assets.api.errors import FailureRecord, IgniteError
from ignite_assets.config import Settings
from ignite_assets.report import absence, audiences, condition, exports, inventory, locations, opted_out, visitors
from ignite_assets.report.absence import Notice
from ignite_assets.report.audiences import Audiences
from ignite_assets.report.condition import Condition
from ignite_assets.report.exports import ListFigures, Recorded
from ignite_assets.report.inventory import Inventory
from ignite_assets.report.locations import HouseholdFigures
from ignite_assets.report.opted_out import OptOutFigures
from ignite_assets.report.readings import Query, Readings
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
    failures: Mapping[str, FailureRecord] = field(default_factory=dict)
    """By asset, what is on record of the last capture of the day that failed."""


@dataclass(frozen=True, kw_only=True)
class Figures:
    """The numbers and words of the two pages."""

    website: str
    name: str
    """What people call it."""
    date: dt.date
    first: dt.date
    """Of the window, which ends with the date."""
    zone: str
    written_at: dt.datetime
    captured_at: dt.datetime
    """When the last of the day's partitions was captured."""
    notices: tuple[Notice, ...]
    visitors: Visitors
    audiences: Audiences | None
    households: HouseholdFigures | None
    inventory: Inventory | None
    lists: ListFigures
    names: dict[int, str]
    """What people call the audiences, by id."""
    removals_due: int | None
    opt_outs: OptOutFigures
    condition: Condition

    @property
    def days(self) -> int:
        """How long the window is."""
        return (self.date - self.first).days + 1

    @property
    def queries(self) -> tuple[Query, ...]:
        """Every query whose numbers are shown."""
        return tuple(_queries(self))

    @property
    def totals(self) -> dict[str, int]:
        """The headlines by name, as far as they are known."""
        found: dict[str, int | None] = {"opted_out": self.opt_outs.known.first["people"]}
        if self.visitors.weeks:
            found["visitors_week"] = self.visitors.weeks.first["this_week"]
        if self.households:
            found |= {
                f"households_{name}": self.households.weeks.first[name] for name in ("new_this_week", "returning")
            }
        if self.inventory:
            found["products"] = self.inventory.all.first["products"]
        if states := self.lists.states:
            found["lists_written"] = sum(each.is_written for each in states)
            found["lists_held"] = sum(each.is_held for each in states)
        return {name: value for name, value in found.items() if value is not None}


def _queries(value: object) -> Iterator[Query]:
    if isinstance(value, Query):
        yield value
    elif is_dataclass(value):
        for each in fields(value):
            yield from _queries(getattr(value, each.name))


def newest_day(lake: Lake, website: str, endpoints: Sequence[Endpoint] = ENDPOINTS) -> dt.date | None:
    """The newest day of which a website has anything; None when it has nothing."""
    return max((day for endpoint in endpoints for day in lake.dates(endpoint.name, website)), default=None)


def gather(lake: Lake, website: str, day: dt.date, options: ReportOptions) -> Figures:
    """Read a report's numbers. Raises `NothingCapturedError` when the website has nothing of the day."""
    with Workspace() as workspace:
        return _gather(workspace, Readings(lake, workspace, website, day, options.settings), options)


def _gather(workspace: Workspace, readings: Readings, options: ReportOptions) -> Figures:
    lake, website, day, settings = readings.lake, readings.website, readings.day, options.settings
    footers = [footer for each in options.endpoints if (footer := readings.footer(each.name, day))]
    if not footers:
        raise NothingCapturedError(absence.nothing(website, day, settings, options.failures))
    names = audiences.names_of(readings)
    state = condition.read(readings, (*options.endpoints, *options.derived), settings.checks)
    return Figures(
        website=website,
        name=settings.display_name(website),
        date=day,
        first=readings.window[0],
        zone=readings.zone.key,
        written_at=options.now,
        captured_at=max(captured_at(footer) for footer in footers),
        notices=tuple(absence.notices(readings, state.states, options.endpoints, options.failures)),
        visitors=visitors.read(readings),
        audiences=audiences.read(readings, names),
        households=locations.read(readings, personal_details=settings.reports.personal_details),
        inventory=inventory.read(readings),
        lists=exports.gather(readings, settings.rules(), options.recorded),
        names=names,
        removals_due=exports.removals_due(workspace, lake, website, settings.opt_outs.scope),
        opt_outs=opted_out.read(readings, settings, options.now),
        condition=state,
    )
