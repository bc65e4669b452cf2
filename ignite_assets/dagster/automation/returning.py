"""The sensor that asks a website again when the time has come that its platform asked to wait for (`waiting`)."""

from collections.abc import Iterator
from typing import Any

import dagster as dg

from ignite_assets.api.endpoints import Endpoint
from ignite_assets.api.horizon import Horizon
from ignite_assets.config import Settings
from ignite_assets.dagster.automation.daily import sensor_status
from ignite_assets.dagster.automation.schedules import find_gaps, gap_request, under_way
from ignite_assets.dagster.keys import AssetKeys
from ignite_assets.dagster.partitions import read_key
from ignite_assets.dagster.waiting import told_to_wait
from ignite_assets.tables.derived.row import Derived

_SECONDS_BETWEEN_TICKS = 300


def build_come_back_sensor(
    settings: Settings,
    endpoints: tuple[Endpoint, ...],
    derived: tuple[Derived, ...],
    horizon: Horizon,
    job: Any,
    keys: AssetKeys,
) -> dg.SensorDefinition:
    """The sensor that requests what the platform asked to come back for."""
    tables = (*endpoints, *derived)

    @dg.sensor(
        name=settings.dagster.named("come_back_sensor"),
        job=job,
        minimum_interval_seconds=_SECONDS_BETWEEN_TICKS,
        default_status=sensor_status(settings),
        description="Every 5 minutes: captures what the platform asked to come back for, once that time has come.",
    )
    def come_back_sensor(context: dg.SensorEvaluationContext) -> Iterator[dg.RunRequest | dg.SkipReason]:
        due = {key: at for key, at in told_to_wait(context.instance, horizon, keys).items() if at <= horizon.now()}
        if not due:
            yield dg.SkipReason("the platform asked to come back for nothing, or later")
            return
        gaps = find_gaps(
            endpoints,
            sorted({read_key(key)[1] for key in due} & settings.websites.keys()),
            {t.name: context.instance.get_materialized_partitions(keys[t.name]) for t in tables},
            horizon,
            derived=derived,
            start=settings.partitions.start_date,
            under_way=under_way(context.instance, keys),
        )
        wanted = [gap for gap in gaps if gap.assets and gap.key in due]
        if not wanted:
            yield dg.SkipReason("what it asked to come back for is there, under way, or can't be had any more")
        for gap in wanted:
            yield gap_request(gap, f"come back|{due[gap.key].isoformat()}", horizon, tables, keys)

    return come_back_sensor
