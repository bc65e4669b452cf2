"""The sensor that requests what a run left out.

Such a run was told to come back later (`waiting`), or its process died, which the sensor notices as well (`liveness`),
or it failed before it made what follows from what landed (`following`).
"""

import json
from collections.abc import Callable, Iterator
from typing import Any

import dagster as dg

from ignite_assets.api.endpoints import Endpoint
from ignite_assets.api.horizon import Horizon
from ignite_assets.config import Settings
from ignite_assets.dagster.automation.daily import sensor_status
from ignite_assets.dagster.automation.following import FOLLOWED, FOLLOWS, left_out, partitions_of, runs_to_follow
from ignite_assets.dagster.automation.healing import find_gaps, gap_requests, partitions_there, under_way
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
            "Every minute: captures what the platform asked to come back for, and what runs left out that died or "
            "failed in part."
        ),
    )
    def come_back_sensor(context: dg.SensorEvaluationContext) -> Iterator[dg.RunRequest | dg.SkipReason]:
        silence: Silence = {run: (last, looks) for run, (last, looks) in json.loads(context.cursor or "{}").items()}
        lost, silence = give_up_lost_runs(context.instance, horizon, keys, silence)
        context.update_cursor(json.dumps(silence))
        for run in lost:
            context.log.warning("run %s was given up: its process died", run.run_id)
        told = told_to_wait(context.instance, horizon, settings.websites, keys)
        due = {key: at for key, at in told.items() if at <= horizon.now()}
        failed = runs_to_follow(context.instance, settings, keys)
        if not due and not failed:
            yield dg.SkipReason("no run left out anything to be asked for now")
            return
        left = [(run, partitions_of(context.instance, settings, run)) for run in failed]
        looked_at = [read_key(key) for key in set(due).union(*(partitions for _, partitions in left))]
        websites = sorted({website for _, website in looked_at} & settings.websites.keys())
        first, last = settings.partitions.start_date, horizon.yesterday()
        days = sorted({day for day, _ in looked_at if first <= day <= last})
        there = partitions_there(context.instance, tables, websites, days, lake() if lake else None, keys)
        gaps = find_gaps(
            endpoints,
            websites,
            there,
            horizon,
            derived=derived,
            days=days,
            under_way=under_way(context.instance, settings.websites, keys),
        )
        wanted = {gap.key: gap for gap in gaps if gap.assets and gap.key in due}
        requests = []
        for at in sorted({due[key] for key in wanted}):
            then = (gap for key, gap in wanted.items() if due[key] == at)
            requests += gap_requests(then, f"come back|{at.isoformat()}", horizon, keys)
        for run, partitions in left:
            rest = [gap for gap in gaps if gap.key not in wanted]
            follow = list(left_out(context.instance, partitions, run, rest, there, endpoints, derived, keys))
            wanted.update({gap.key: gap for gap in follow})
            requests += gap_requests(follow, f"follow|{run.run_id}", horizon, keys, {FOLLOWS: run.run_id})
            context.instance.add_run_tags(run.run_id, {FOLLOWED: str(len(follow))})
        if not requests:
            yield dg.SkipReason("what runs left out is there, under way, or can't be had any more")
        yield from requests

    return come_back_sensor
