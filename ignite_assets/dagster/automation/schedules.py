"""The jobs and what starts them: the nightly capture, and the healer that brings missing days back (`healing`).

What is derived from captures follows them in the same runs.

Thin shells over pure functions. Backfills need no job: launch them from an asset's page in Dagster, or with
`ignite-assets materialize --from … --to …`.
"""

import datetime as dt
import warnings
from collections.abc import Callable, Sequence
from typing import Any

import dagster as dg

from ignite_assets.api.endpoints import Endpoint
from ignite_assets.api.horizon import Horizon
from ignite_assets.api.table import Table
from ignite_assets.config import Settings
from ignite_assets.dagster.automation.daily import Requests, daily_schedule, for_closed_day
from ignite_assets.dagster.automation.healing import Healer
from ignite_assets.dagster.keys import PLAIN, AssetKeys
from ignite_assets.dagster.website_runs import night_request
from ignite_assets.storage.lake import Lake
from ignite_assets.tables.derived.row import Derived

COMMAND = "materialize"
"""The job of the runs that the command line launches."""


def build_schedules(
    settings: Settings,
    endpoints: tuple[Endpoint, ...],
    derived: tuple[Derived, ...],
    horizon: Horizon,
    executor: dg.ExecutorDefinition,
    keys: AssetKeys = PLAIN,
    lake: Callable[[], Lake] | None = None,
) -> tuple[list[dg.ScheduleDefinition], list[Any]]:
    """The two schedules, and their jobs with that of the command line.

    Without a lake of ours, Dagster's records say what is there.
    """
    named = settings.dagster.named
    # Dagster warns, where a job is used, that a backfill of it would take the smallest policy of its assets'. These
    # jobs take no backfills of many partitions: `partitions_of` tells what to do instead.
    warnings.filterwarnings("ignore", ".*materializes assets with varying BackfillPolicies", UserWarning)
    tables: tuple[Table, ...] = (*endpoints, *derived)
    selection = dg.AssetSelection.assets(*keys.all(t.name for t in tables)).without_checks()
    nightly = dg.define_asset_job(
        named("nightly"),
        selection,
        description=(
            "Captures every endpoint of one website for the day that just closed, and derives from it; runs every "
            "night."
        ),
        executor_def=executor,
    )
    heal = dg.define_asset_job(
        named("heal"),
        selection,
        description="Captures and derives what is missing of one website's day; runs every night.",
        executor_def=executor,
    )

    command = dg.define_asset_job(
        named(COMMAND),
        selection,
        description="Captures and derives days of one website; started by `ignite-assets materialize`.",
        executor_def=executor,
    )

    def capture(day: dt.date) -> Requests:
        websites, at_once = sorted(settings.websites), settings.schedule.websites_per_run
        yield from nightly_requests(day, websites, endpoints, horizon, derived, keys, websites_per_run=at_once)

    at, heal_at = settings.schedule.nightly, settings.schedule.heal
    nightly_schedule = daily_schedule(
        settings,
        named("nightly_schedule"),
        nightly,
        at,
        f"Every night at {at:%H:%M}: captures the day that just closed while the platform's window holds only that "
        f"day, {_runs_of(settings)}.",
        for_closed_day(settings, capture),
    )
    healer = Healer(settings, endpoints, derived, horizon, keys, nightly.name, lake)
    heal_schedule = daily_schedule(
        settings,
        named("heal_schedule"),
        heal,
        heal_at,
        f"Every night at {heal_at:%H:%M}: captures missing days that the platform can still answer for, oldest first, "
        "and derives from them.",
        healer.requests,
    )
    return [nightly_schedule, heal_schedule], [nightly, heal, command]


def _runs_of(settings: Settings) -> str:
    several = settings.schedule.websites_per_run
    return "one run for each website" if several == 1 else f"in runs of {several} websites"


def nightly_requests(
    day: dt.date,
    websites: Sequence[str],
    endpoints: Sequence[Endpoint],
    horizon: Horizon,
    derived: Sequence[Derived] = (),
    keys: AssetKeys = PLAIN,
    *,
    websites_per_run: int = 1,
) -> Requests:
    """Runs of so many websites over the assets that the day allows: a tick that comes late finds the present gone.

    `websites`: all that are configured, in order, since a run of several names its first and its last.
    """
    allowed = [endpoint for endpoint in endpoints if horizon.refusal(endpoint, day) is None]
    if not allowed:
        early = day > horizon.yesterday()
        yield dg.SkipReason(f"{day} has not closed yet" if early else f"{day} can't be captured any more")
        return
    captured = {endpoint.name for endpoint in allowed}
    due: list[Table] = [*allowed, *(row for row in derived if row.main in captured)]
    for at in range(0, len(websites), websites_per_run):
        yield night_request(websites[at : at + websites_per_run], day, [table.name for table in due], keys)
