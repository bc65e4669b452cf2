"""Websites whose platform asks to come back later than a call can wait.

A run that is told so gives up at once and is tagged with the time. No step sleeps until then: the healer leaves the
website out, and a sensor requests what the run did not land, as far as it can still be captured.
"""

import datetime as dt
from collections.abc import Collection, Iterable, Mapping

import dagster as dg

from ignite_assets.api.errors import IgniteError, RequestError
from ignite_assets.api.horizon import Horizon
from ignite_assets.dagster.keys import PLAIN, AssetKeys
from ignite_assets.dagster.partitions import keys_of, read_key

NOT_BEFORE = "ignite/not_before"
"""A run's tag: when what it left out may be asked for, in UTC; with `/` and a website, when the platform asks to come
back for that website."""
_REMEMBERED = dt.timedelta(days=2)
_RUNS_LOOKED_AT = 1000


def told_to_wait(
    instance: dg.DagsterInstance, horizon: Horizon, websites: Collection[str], keys: AssetKeys = PLAIN
) -> dict[str, dt.datetime]:
    """By partition key, when the platform asked the last run of it to come back; past times too, of two days."""
    failed = instance.get_runs(dg.RunsFilter(statuses=[dg.DagsterRunStatus.FAILURE]), limit=_RUNS_LOOKED_AT)
    found: dict[str, dt.datetime] = {}
    for run in failed:
        for key in keys_of(run.tags, websites) if keys.concerns(run) else ():
            moment = run.tags.get(f"{NOT_BEFORE}/{read_key(key)[1]}", run.tags.get(NOT_BEFORE))
            told = dt.datetime.fromisoformat(moment) if moment else None
            if told and told > horizon.now() - _REMEMBERED:
                found[key] = max(told, found.get(key, told))
    return found


def waiting(
    instance: dg.DagsterInstance, horizon: Horizon, websites: Collection[str], keys: AssetKeys = PLAIN
) -> set[str]:
    """The websites that the platform asked to leave alone until later."""
    return {
        read_key(key)[1] for key, at in told_to_wait(instance, horizon, websites, keys).items() if at > horizon.now()
    }


def tags(errors: Iterable[IgniteError]) -> Mapping[str, str]:
    """What a run is tagged with when the platform asked to come back later for a website."""
    told = [e for e in errors if isinstance(e, RequestError)]
    moments = sorted((e.not_before, e.website) for e in told if e.not_before)
    return {f"{NOT_BEFORE}/{website}": moment.isoformat() for moment, website in moments}
