"""Runs that our own command launches: which there are for a request, and what is said of each partition of it.

A run is of one website, over a day or consecutive days. How runs are executed is `execution`'s business.
"""

import datetime as dt
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from ignite_assets.api.endpoints import ENDPOINTS, Endpoint
from ignite_assets.api.horizon import Horizon

Status = Literal["materialized", "failed", "refused"]


@dataclass(frozen=True)
class WebsiteRun:
    """One Dagster run to be: some assets of a website, for a day or for consecutive days."""

    website: str
    days: tuple[dt.date, ...]
    assets: tuple[str, ...]

    @property
    def partitions(self) -> list[tuple[str, dt.date]]:
        """Each asset with each day."""
        return [(asset, day) for asset in self.assets for day in self.days]


@dataclass(frozen=True, kw_only=True)
class PartitionResult:
    """What became of one partition."""

    asset: str
    website: str
    date: dt.date
    status: Status
    rows: int | None = None
    bytes: int | None = None
    seconds: float | None = None
    path: str | None = None
    error: str | None = None

    def as_json(self) -> dict[str, Any]:
        """The result as `ignite-assets materialize --json` prints it."""
        return {
            "asset": self.asset,
            "website": self.website,
            "date": self.date.isoformat(),
            "status": self.status,
            "rows": self.rows,
            "bytes": self.bytes,
            "path": self.path,
            "error": self.error,
        }


@dataclass(frozen=True)
class Plan:
    """The runs of a request, and the partitions of it that can't be asked for."""

    runs: list[WebsiteRun]
    refused: list[PartitionResult]
    landed: list[PartitionResult] = field(default_factory=list)
    """What was there already, and is not captured again."""


def plan(
    days: Sequence[dt.date],
    websites: Sequence[str],
    assets: Collection[str],
    horizon: Horizon,
    *,
    named: bool,
    landed: Collection[PartitionResult] = (),
    endpoints: tuple[Endpoint, ...] = ENDPOINTS,
) -> Plan:
    """One run a website over the days; assets that tell only the present get their one day in a run of their own.

    `named`: the assets were asked for by name, so one that a day doesn't allow is refused. Otherwise assets that
    tell only the present are simply not due on other days. What `landed` before is left out; the days that remain make
    a ranged run for each stretch without a gap.
    """
    chosen = [endpoint for endpoint in endpoints if endpoint.name in assets]
    refused = [
        PartitionResult(asset=endpoint.name, website=website, date=day, status="refused", error=reason)
        for website in websites
        for day in days
        for endpoint in chosen
        if (reason := horizon.refusal(endpoint, day)) and (named or endpoint.history == "look_back")
    ]
    there = {(each.website, each.asset, each.date): each for each in landed}
    runs: list[WebsiteRun] = []
    kept: list[PartitionResult] = []
    for website in websites:
        due = {endpoint.name: [day for day in days if horizon.refusal(endpoint, day) is None] for endpoint in chosen}
        keys = [(website, asset, day) for asset, allowed in due.items() for day in allowed]
        kept += [there[key] for key in keys if key in there]
        missing = {a: [day for day in allowed if (website, a, day) not in there] for a, allowed in due.items()}
        runs += _runs_of(website, missing)
    return Plan(runs, refused, kept)


def _runs_of(website: str, due: Mapping[str, Sequence[dt.date]]) -> Iterator[WebsiteRun]:
    """The runs for each asset's days: assets that are due on the same days share theirs."""
    by_days: dict[tuple[dt.date, ...], list[str]] = {}
    for asset, days in due.items():
        by_days.setdefault(tuple(days), []).append(asset)
    for days, assets in by_days.items():
        for stretch in consecutive(days):
            yield WebsiteRun(website, stretch, tuple(assets))


def consecutive(days: Sequence[dt.date]) -> list[tuple[dt.date, ...]]:
    """The days cut where one is missing: a ranged run takes no gaps."""
    stretches: list[list[dt.date]] = []
    for day in sorted(days):
        if stretches and day - stretches[-1][-1] == dt.timedelta(days=1):
            stretches[-1].append(day)
        else:
            stretches.append([day])
    return [tuple(stretch) for stretch in stretches]
