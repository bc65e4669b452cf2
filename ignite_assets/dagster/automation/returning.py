"""The sensor that captures what a run left out that was told to come back later (`waiting`), or whose process died.

It is also what notices that a process died (`liveness`).
"""

import json
from collections.abc import Callable, Iterator
from typing import Any

import dagster as dg

from ignite_assets.api.endpoints import Endpoint
from ignite_assets.api.horizon import Horizon
from ignite_assets.config import Settings
from ignite_assets.dagster.automation.daily import sensor_status
from ignite_assets.dagster.automation.schedules import find_gaps, gap_request, partitions_there, under_way
from ignite_assets.dagster.keys import AssetKeys
from ignite_assets.dagster.liveness import Silence, give_up_lost_runs
from ignite_assets.dagster.partitions import read_key
from ignite_assets.dagster.waiting import told_to_wait
from ignite_assets.storage.lake import Lake
from ignite_assets.tables.derived.row import Derived

_SECONDS_BETWEEN_TICKS = 60


def build_come_back_sensor(
    settings: Settings,
    endpoints: tuple[Endpoint, ...],
    derived: tuple[Derived, ...],
    horizon: Horizon,
    job: Any,
    keys: AssetKeys,
    lake: Callable[[], Lake] | None,
) -> dg.SensorDefinition:
    """The sensor that requests what the platform asked to come back for."""
    tables = (*endpoints, *derived)

    @dg.sensor(
        name=settings.dagster.named("come_back_sensor"),
        job=job,
        minimum_interval_seconds=_SECONDS_BETWEEN_TICKS,
        default_status=sensor_status(settings),
        description=(
            "Every minute: captures what the platform asked to come back for, once that time has come, and what runs "
            "left out whose process died."
        ),
    )
    def come_back_sensor(context: dg.SensorEvaluationContext) -> Iterator[dg.RunRequest | dg.SkipReason]:
        silence: Silence = {run: (last, looks) for run, (last, looks) in json.loads(context.cursor or "{}").items()}
        lost, silence = give_up_lost_runs(context.instance, horizon, keys, silence)
        context.update_cursor(json.dumps(silence))
        for run in lost:
            context.log.warning("run %s was given up: its process died", run.run_id)
        due = {key: at for key, at in told_to_wait(context.instance, horizon, keys).items() if at <= horizon.now()}
        if not due:
            yield dg.SkipReason("no run left out anything to be asked for now")
            return
        gaps = find_gaps(
            endpoints,
            sorted({read_key(key)[1] for key in due} & settings.websites.keys()),
            partitions_there(context.instance, settings, tables, lake, keys),
            horizon,
            derived=derived,
            start=settings.partitions.start_date,
            under_way=under_way(context.instance, keys),
        )
        wanted = [gap for gap in gaps if gap.assets and gap.key in due]
        if not wanted:
            yield dg.SkipReason("what runs left out is there, under way, or can't be had any more")
        for gap in wanted:
            yield gap_request(gap, f"come back|{due[gap.key].isoformat()}", horizon, keys)

    return come_back_sensor
