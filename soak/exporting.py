"""The exports of a soak: made when the package's sensor asks for them, and held against the world right afterwards."""

import datetime as dt
import tempfile
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path

import dagster as dg
import pyarrow.parquet as pq

from ignite_assets.api.endpoints import by_name
from ignite_assets.audiences import doubts, history, lists
from ignite_assets.audiences.manifest import Manifest
from ignite_assets.audiences.rules import ExportRule
from ignite_assets.cli.runs.queue import QUIET
from ignite_assets.config import Settings
from ignite_assets.dagster.assets.exports import JOB, rows_of
from ignite_assets.sandbox import SandboxWebsite, World
from ignite_assets.sandbox.catalogue import audiences_of
from ignite_assets.storage.lake import Lake, Partition
from ignite_assets.tables.checks import NOT_SOUND
from ignite_assets.tables.examination import captured_at
from ignite_assets.tables.windows import days_between
from soak.expected import world_records
from soak.proof import Excuses
from soak.ticks import Scheduler

SENSOR = "audience_export_sensor"
RULES = """
[[exports]]
name = "everyone"
source = "visitors"
window_days = 3
destination = "meta_custom_audience"
min_members = 1

[[exports]]
name = "used-shoppers"
source = "audiences"
match = { primary_category = "USED" }
window_days = 3
destination = "meta_custom_audience"
min_members = 1
"""
_CATEGORY = "USED"


class Exports:
    """What is exported, and what was found wrong with it."""

    def __init__(
        self,
        settings: Settings,
        instance: dg.DagsterInstance,
        definitions: dg.Definitions,
        scheduler: Scheduler,
        websites: Sequence[SandboxWebsite],
        excuses: Excuses,
    ) -> None:
        """Nothing is exported yet."""
        self._settings, self._instance, self._scheduler, self._excuses = settings, instance, scheduler, excuses
        self._job = definitions.resolve_job_def(JOB)
        self._sites = {site.key: site for site in websites}
        self._world, self._lake = World(), Lake(settings.root)
        self._proved: dict[lists.List, str] = {}
        self.counts: Counter[str] = Counter()
        """Lists by what happened to them."""
        self.problems: list[str] = []

    def make(self) -> None:
        """Export what the sensor asks for."""
        for request in self._scheduler.sense(SENSOR):
            result = self._job.execute_in_process(
                instance=self._instance,
                partition_key=request.partition_key,
                raise_on_error=False,
                run_config={**QUIET},
            )
            if not result.success:
                self.problems.append(f"the export of {request.partition_key} failed")
            for event in result.get_asset_materialization_events():
                self._count(event.materialization)
            for site in self._sites.values():
                self.prove(site)

    def _count(self, materialization: dg.AssetMaterialization) -> None:
        for row in rows_of(materialization):
            doubted = NOT_SOUND in str(row["reasons"])
            self.counts[f"{row['status']}{', not sound' if doubted else ''}"] += 1

    def prove(self, site: SandboxWebsite, *, again: bool = False) -> None:
        """Hold each list that was written since the last look against the world, and its captures against `sound`."""
        rules = {rule.name: rule for rule in self._settings.rules()}
        for of in lists.on_record(self._lake, site.key, self._settings.rules()):
            last = history.read(of).last
            if last is None or (self._proved.get(of) == last.folder and not again):
                continue
            self._proved[of] = last.folder
            problems = [*self._doubted(site, rules[of.name], last.manifest), *self._untrue(site, rules[of.name], last)]
            self.problems += [f"{of.title} of {last.manifest.date}: {problem}" for problem in problems]
            self.counts["proved"] += 1

    def _doubted(self, site: SandboxWebsite, rule: ExportRule, manifest: Manifest) -> Iterator[str]:
        settings = self._settings
        captures = doubts.look(
            self._lake,
            rule,
            site.key,
            manifest.date,
            thresholds=settings.checks,
            zone=settings.partitions.zone,
            first_day=settings.partitions.start_date,
        )
        yield from (f"it was written, although {reason}" for reason in captures.reasons)
        yield from (f"it counts {day} as captured" for day in captures.empty if day in _captured(manifest))

    def _untrue(self, site: SandboxWebsite, rule: ExportRule, export: history.Export) -> Iterator[str]:
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "state"
            history.fetch_state(export, path)
            rows = pq.read_table(path).to_pylist()
        listed = {row["hash"] for row in rows if row["listed"]}
        least, most = self._people(site, rule, export.manifest)
        if strangers := len(listed - most):
            yield f"{strangers} of {len(listed)} people of it were not seen by the world"
        if lacking := len(least - listed):
            yield f"it lacks {lacking} of {len(least)} people whom the world saw"

    def _people(self, site: SandboxWebsite, rule: ExportRule, manifest: Manifest) -> tuple[set[str], set[str]]:
        """Whom the list has to hold, and whom it may hold: by the world, at the moments of its captures."""
        endpoint = by_name()[rule.members_asset]
        wanted = {each.id for each in audiences_of(site) if each.primary_category == _CATEGORY}
        least: set[str] = set()
        most: set[str] = set()
        for day in _captured(manifest):
            moment = captured_at(self._lake.footer(Partition(endpoint.name, site.key, day)))
            algo = self._settings.algo(site.key)
            seen = []
            for each, gone in self._excuses.moments(endpoint.name, site.key, moment):
                records = world_records(self._world, site, endpoint, day, each, algo, [], gone)
                seen.append({r["hashed_email"] for r in records if r.get("audience_id", None) in (None, *wanted)})
                everyone = world_records(self._world, site, endpoint, day, each, algo, [], frozenset())
                most |= {r["hashed_email"] for r in everyone if r.get("audience_id", None) in (None, *wanted)}
            least |= set.intersection(*seen)
        return least, most


def _captured(manifest: Manifest) -> list[dt.date]:
    """The days of its window that it counts as captured."""
    window = manifest.window
    days = days_between(window.first, window.last) if window else []
    return [day for day in days if window and day not in window.missing]
