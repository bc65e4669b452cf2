"""Runs that our own command launches: which there are for a request, and what is said of each partition of it.

A run is of one website, over a day or consecutive days. How runs are executed is `execution`'s business.
"""

import datetime as dt
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
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


def plan(
    days: Sequence[dt.date],
    websites: Sequence[str],
    assets: Collection[str],
    horizon: Horizon,
    *,
    named: bool,
    endpoints: tuple[Endpoint, ...] = ENDPOINTS,
) -> Plan:
    """One run a website over the days; assets that tell only the present get their one day in a run of their own.

    `named`: the assets were asked for by name, so one that a day doesn't allow is refused. Otherwise assets that
    tell only the present are simply not due on other days.
    """
    chosen = [endpoint for endpoint in endpoints if endpoint.name in assets]
    refused = [
        PartitionResult(asset=endpoint.name, website=website, date=day, status="refused", error=reason)
        for website in websites
        for day in days
        for endpoint in chosen
        if (reason := horizon.refusal(endpoint, day)) and (named or endpoint.history == "look_back")
    ]
    runs = [run for website in websites for run in _runs_of(website, days, chosen, horizon)]
    return Plan(runs, refused)


def _runs_of(
    website: str, days: Sequence[dt.date], chosen: Sequence[Endpoint], horizon: Horizon
) -> Iterator[WebsiteRun]:
    """Assets that are allowed for the same days share a run."""
    by_days: dict[tuple[dt.date, ...], list[str]] = {}
    for endpoint in chosen:
        allowed = tuple(day for day in days if horizon.refusal(endpoint, day) is None)
        if allowed:
            by_days.setdefault(allowed, []).append(endpoint.name)
    for allowed, assets in by_days.items():
        yield WebsiteRun(website, allowed, tuple(assets))


def consecutive(days: Sequence[dt.date]) -> list[tuple[dt.date, ...]]:
    """The days cut where one is missing: a ranged run takes no gaps."""
    stretches: list[list[dt.date]] = []
    for day in sorted(days):
        if stretches and day - stretches[-1][-1] == dt.timedelta(days=1):
            stretches[-1].append(day)
        else:
            stretches.append([day])
    return [tuple(stretch) for stretch in stretches]
