"""Two runs never ask for one website at once: a run waits for the runs of its websites that started before it.

The instance's records of runs under way tell who started first, on every machine; each run waits for earlier ones only,
so no two wait for each other. The queue's limits by tag do the same before a run takes a slot, for runs that are tagged
with their website (`website_runs`); backfills of Dagster's own pages launch ranged runs without such a tag.
"""

import time
from collections.abc import Collection, Iterator

import dagster as dg

from ignite_assets.api.endpoints import ENDPOINTS
from ignite_assets.dagster.keys import AssetKeys
from ignite_assets.dagster.liveness import is_lost
from ignite_assets.dagster.partitions import keys_of, read_key

_POLL_SECONDS = 1.0
_PATIENCE_SECONDS = 2 * 3_600
_AT_WORK = [dg.DagsterRunStatus.STARTED, dg.DagsterRunStatus.CANCELING]


class Turns:
    """The websites that a run may ask, each once no run that started before it asks the same."""

    def __init__(self, context: dg.AssetExecutionContext, websites: Collection[str], keys: AssetKeys) -> None:
        """`websites`: those that are configured."""
        self._context, self._websites = context, websites
        self._captured = set(keys.all(endpoint.name for endpoint in ENDPOINTS))

    def each(self, websites: Collection[str]) -> Iterator[str]:
        """The websites, in order, but for those that have to wait: these come last."""
        due, deadline, told = list(websites), time.monotonic() + _PATIENCE_SECONDS, False
        while due:
            taken = self._taken()
            free = [website for website in due if website not in taken or time.monotonic() > deadline]
            if not free:
                if not told:
                    runs = ", ".join(sorted({taken[website] for website in due}))
                    self._context.log.info("waits for run %s, which began before, with %s", runs, ", ".join(due))
                told = True
                time.sleep(_POLL_SECONDS)
            for website in free:
                due.remove(website)
                yield website

    def _taken(self) -> dict[str, str]:
        """The websites that runs ask which started before this one, with a run for each."""
        records = self._context.instance.get_run_records(dg.RunsFilter(statuses=_AT_WORK))
        began = {each.dagster_run.run_id: (each.start_time or 0.0, each.dagster_run.run_id) for each in records}
        mine = began.get(self._context.run.run_id)
        earlier = [r.dagster_run for r in records if mine and began[r.dagster_run.run_id] < mine]
        return {
            read_key(key)[1]: run.run_id
            for run in earlier
            if (not run.asset_selection or run.asset_selection & self._captured) and not is_lost(run)
            for key in keys_of(run.tags, self._websites)
        }
