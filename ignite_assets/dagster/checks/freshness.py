"""The check `fresh`, over all websites: Dagster's own freshness is an asset's, so one website would hide another.

A captured asset is fresh when every website has the last day that is due; a derived one when no partition is stale.
One check an asset, and the job and schedule that evaluate them at the deadline.
"""

import datetime as dt
from collections.abc import Collection, Mapping

import dagster as dg

from ignite_assets.api.endpoints import Endpoint
from ignite_assets.api.horizon import Horizon
from ignite_assets.config import Settings
from ignite_assets.dagster.automation.alerts import STALE
from ignite_assets.dagster.automation.daily import daily_schedule
from ignite_assets.dagster.keys import AssetKeys
from ignite_assets.dagster.partitions import partition_key, read_key
from ignite_assets.dagster.stale import stale_partitions
from ignite_assets.tables.derived.row import Derived

CHECK_NAME = "fresh"


def due_day(horizon: Horizon, deadline: dt.time) -> dt.date:
    """The newest date that should have landed: yesterday, once today's deadline has passed."""
    late = horizon.now().astimezone(horizon.timezone).time() >= deadline
    return horizon.yesterday() if late else horizon.yesterday() - dt.timedelta(days=1)


def stale(materialized: Collection[str], websites: Collection[str], day: dt.date) -> dict[str, str]:
    """The websites that lack the day, each with the newest date it was captured for."""
    newest: dict[str, dt.date] = {}
    for captured, website in map(read_key, materialized):
        newest[website] = max(captured, newest.get(website, captured))
    lacking = [website for website in sorted(websites) if partition_key(day, website) not in materialized]
    return {website: str(newest.get(website, "no date yet")) for website in lacking}


def build_freshness(
    settings: Settings,
    endpoints: tuple[Endpoint, ...],
    derived: tuple[Derived, ...],
    horizon: Horizon,
    executor: dg.ExecutorDefinition,
    keys: AssetKeys,
) -> tuple[list[dg.AssetChecksDefinition], dg.ScheduleDefinition]:
    """The check of each asset, and the schedule that evaluates them at the deadline."""
    checks = [
        *(_check(settings, horizon, keys[endpoint.name]) for endpoint in endpoints),
        *(_derived_check(settings, row, horizon, keys[row.name]) for row in derived),
    ]
    deadline = settings.alerts.deadline
    job = dg.define_asset_job(
        settings.dagster.named("freshness"),
        dg.AssetSelection.checks(*(key for check in checks for key in check.check_keys)),
        description="Checks that every website has the last day that is due; runs at the deadline.",
        executor_def=executor,
    )
    return checks, daily_schedule(
        settings,
        settings.dagster.named("freshness_schedule"),
        job,
        deadline,
        f"Every day at {deadline:%H:%M}: checks that every website has the day that just closed.",
    )


def _check(settings: Settings, horizon: Horizon, asset: dg.AssetKey) -> dg.AssetChecksDefinition:
    @dg.asset_check(asset=asset, name=CHECK_NAME, description="Every website has the last day that is due.")
    def fresh(context: dg.AssetCheckExecutionContext) -> dg.AssetCheckResult:
        day = due_day(horizon, settings.alerts.deadline)
        if day < settings.partitions.start_date:
            return dg.AssetCheckResult(passed=True, description="no day is due yet")
        found = context.instance.get_materialized_partitions(asset)
        return _result(stale(found, settings.websites, day), day, len(settings.websites))

    return fresh


def _derived_check(settings: Settings, row: Derived, horizon: Horizon, asset: dg.AssetKey) -> dg.AssetChecksDefinition:
    @dg.asset_check(asset=asset, name=CHECK_NAME, description="Every partition reflects its inputs as they are now.")
    def fresh() -> dg.AssetCheckResult:
        days: dict[str, list[str]] = {}
        for partition in stale_partitions(settings, [row], horizon)[row.name]:
            days.setdefault(partition.website, []).append(str(partition.date))
        count = sum(map(len, days.values()))
        return dg.AssetCheckResult(
            passed=not days,
            severity=dg.AssetCheckSeverity.WARN,
            description=f"{count} partitions of {len(days)} websites are stale",
            metadata={
                "saw": f"{count} stale partitions",
                "expected": "none: each is derived from its inputs as they are now",
                "what_to_do": f"the heal schedule derives them again; at once: ignite-assets materialize --from "
                f"{min(map(min, days.values()))} --select {row.name}"
                if days
                else "nothing",
                "stale_days": dg.MetadataValue.json(days),
            },
        )

    return fresh


def _result(lacking: Mapping[str, str], day: dt.date, websites: int) -> dg.AssetCheckResult:
    return dg.AssetCheckResult(
        passed=not lacking,
        severity=dg.AssetCheckSeverity.ERROR,
        description=f"{len(lacking)} of {websites} websites lack {day}",
        metadata={
            "saw": f"{len(lacking)} of {websites} websites lack {day}",
            "expected": "every website has it",
            "what_to_do": "see the runs of those websites; the gap healer tries again tonight"
            if lacking
            else "nothing",
            STALE: dg.MetadataValue.json(dict(lacking)),
        },
    )
