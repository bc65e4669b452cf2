"""Runs that our own command launches: which there are for a request, and what is said of each partition of it.

How runs are executed is `execution`'s business.
"""

import dataclasses
import datetime as dt
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from ignite_assets.api.errors import FailureRecord
from ignite_assets.api.horizon import Horizon
from ignite_assets.dagster.website_runs import WebsiteRun, runs_of
from ignite_assets.tables.checks import Doubt
from ignite_assets.tables.registry import TABLES

PartitionStatus = Literal["materialized", "skipped", "failed", "refused"]
"""`skipped`: it was there already, and was not captured again."""
Held = tuple[str, str, dt.date]
"""A partition that the lake holds: asset, website, date."""


@dataclass(frozen=True, kw_only=True)
class PartitionResult:
    """The result of one partition."""

    asset: str
    website: str
    date: dt.date
    status: PartitionStatus
    rows: int | None = None
    bytes: int | None = None
    seconds: float | None = None
    path: str | None = None
    failure: FailureRecord | None = None
    doubts: tuple[Doubt, ...] = ()
    """By check that did not pass, what it found."""
    since: str | None = None
    """The asset whose failure kept this one from running."""

    @property
    def is_there(self) -> bool:
        """Whether the lake holds it."""
        return self.status in ("materialized", "skipped")

    @property
    def error(self) -> str | None:
        """Why it did not land, in words."""
        if self.failure is None:
            return None
        return f"not run, since {self.since} failed: {self.failure.text}" if self.since else self.failure.text

    @property
    def is_sound(self) -> bool:
        """Whether the check `sound` doubts nothing."""
        return not any(doubt.check == "sound" for doubt in self.doubts)

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
            "failed_checks": [dataclasses.asdict(doubt) for doubt in self.doubts],
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
    held: Collection[Held] = (),
) -> Plan:
    """One run a website over the days; assets that tell only the present get their one day in a run of their own.

    `named`: the assets were asked for by name, so one that a day doesn't allow is refused. Otherwise assets that
    tell only the present are simply not due on other days, and what is derived is not due where its main input can't be
    captured, unless the lake holds it (`held`). What `landed` before is left out; the days that remain make a ranged
    run for each stretch without a gap.
    """
    chosen = [table for table in TABLES if table.name in assets]
    refused = [
        PartitionResult(asset=table.name, website=website, date=day, status="refused", failure=refusal.record())
        for website in websites
        for day in days
        for table in chosen
        if (refusal := horizon.refusal(table, day)) and (named or table.history != "current_state")
    ]
    there = {(each.website, each.asset, each.date): each for each in landed}
    runs: list[WebsiteRun] = []
    kept: list[PartitionResult] = []
    for website in websites:
        missing: dict[str, list[dt.date]] = {}
        for table in chosen:
            due = [day for day in days if horizon.refusal(table, day) is None]
            if table.history == "derived" and not named:
                main = next(each for each in TABLES if each.name == table.reads[0])
                due = [day for day in due if horizon.refusal(main, day) is None or (main.name, website, day) in held]
            kept += [there[website, table.name, day] for day in due if (website, table.name, day) in there]
            missing[table.name] = [day for day in due if (website, table.name, day) not in there]
        runs += runs_of(website, missing)
    return Plan(runs, refused, kept)
