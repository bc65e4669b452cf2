"""The verdicts of `tables.checks` as the evaluations that Dagster records, each under its partition's name.

An asset's own step logs them, once its partitions are recorded. They need no step, no planned event and no output of
their own: a check in the run's plan costs three events and more.
"""

from collections.abc import Collection, Iterator, Mapping, Sequence

import dagster as dg
import pyarrow.parquet as pq

from ignite_assets.api.table import Table
from ignite_assets.config import Settings
from ignite_assets.dagster.keys import PLAIN, AssetKeys
from ignite_assets.dagster.metadata import markdown
from ignite_assets.dagster.partitions import partition_key
from ignite_assets.dagster.private import TargetMaterialization
from ignite_assets.storage.lake import Lake, Partition
from ignite_assets.tables.checks import CHECKS, CheckName, Doubt, Verdict, examine
from ignite_assets.tables.examination import NONE_WRITTEN, Examination

FINDINGS = "findings"
"""The metadata key of a check's table: finding, measured and, where that did not pass, expected."""

ADVICE = "what_to_do"
"""The metadata key of what to do about findings that did not pass."""

_COLUMNS = ("finding", "measured", "expected")
_PAGE = 500
_EXPECTED_OF_RANGES = {"on_time"}
"""Criteria of `usual` that the past days of a ranged run fail, as whoever asks for them knows."""
_SEVERITY: Mapping[CheckName, dg.AssetCheckSeverity] = {
    "sound": dg.AssetCheckSeverity.ERROR,
    "usual": dg.AssetCheckSeverity.WARN,
}


class Evaluator:
    """Evaluates the checks of one asset's partitions."""

    def __init__(self, table: Table, settings: Settings, keys: AssetKeys = PLAIN) -> None:
        self.table, self.key = table, keys[table.name]
        self._thresholds, self._zone = settings.checks, settings.partitions.zone

    def evaluations(
        self,
        instance: dg.DagsterInstance,
        lake: Lake,
        partitions: Sequence[Partition],
        written: Mapping[Partition, pq.FileMetaData],
    ) -> Iterator[dg.AssetCheckEvaluation]:
        """Those of a step's recorded partitions, newest first. `written`: as `Examination` takes it.

        `sound` of each; of several partitions `usual` only where it finds more than lateness, since each evaluation
        costs as much as the capture of a small partition.
        """
        for verdict, partition, target in self._verdicts(instance, lake, partitions, CHECKS, (), written):
            if verdict.check == "sound" or len(partitions) == 1 or verdict.failed.keys() - _EXPECTED_OF_RANGES:
                yield evaluation(self.key, verdict, partition, target)

    def is_planned(self, instance: dg.DagsterInstance, run: str) -> bool:
        """Whether a run has a step for the asset's checks."""
        logs = instance.all_logs(run, of_type=dg.DagsterEventType.ASSET_CHECK_EVALUATION_PLANNED)
        events = (log.dagster_event for log in logs if log.dagster_event)
        return any(event.asset_check_planned_data.asset_key == self.key for event in events)

    def each(
        self,
        instance: dg.DagsterInstance,
        lake: Lake,
        partitions: Sequence[Partition],
        checks: Collection[str],
        said: Collection[tuple[str, str | None]] = (),
        written: Mapping[Partition, pq.FileMetaData] = NONE_WRITTEN,
    ) -> Iterator[dg.AssetCheckEvaluation]:
        """Some checks of each partition, newest first, but for what was `said`: checks with keys of partitions."""
        found = self._verdicts(instance, lake, partitions, checks, said, written)
        return (evaluation(self.key, *each) for each in found)

    def _verdicts(
        self,
        instance: dg.DagsterInstance,
        lake: Lake,
        partitions: Sequence[Partition],
        checks: Collection[str],
        said: Collection[tuple[str, str | None]],
        written: Mapping[Partition, pq.FileMetaData],
    ) -> Iterator[tuple[Verdict, Partition, TargetMaterialization | None]]:
        examination = Examination(lake, self.table, self._thresholds, self._zone, written)
        targets = _targets(instance, self.key, partitions)
        for partition in sorted(partitions, reverse=True):
            for check in CHECKS:
                if check in checks and (check, _key(partition)) not in said:
                    yield examine(examination.subject(partition), check), partition, targets.get(_key(partition))


def _key(partition: Partition) -> str:
    return str(partition_key(partition.date, partition.website))


def _targets(
    instance: dg.DagsterInstance, asset: dg.AssetKey, partitions: Sequence[Partition]
) -> dict[str, TargetMaterialization]:
    """By key, the last materialization of some partitions of one asset.

    Dagster takes an evaluation for outdated unless it names the materialization that it is of.
    """
    found: dict[str, TargetMaterialization] = {}
    keys = list(map(_key, partitions))
    wanted = dg.AssetRecordsFilter(asset_key=asset, asset_partitions=keys)
    cursor, more = None, True
    while more and len(found) < len(keys):
        page = instance.fetch_materializations(wanted, limit=_PAGE, cursor=cursor)
        for record in page.records:  # newest first
            target = TargetMaterialization(
                storage_id=record.storage_id, run_id=record.run_id, timestamp=record.timestamp
            )
            found.setdefault(str(record.partition_key), target)
        cursor, more = page.cursor, page.has_more
    return found


def doubt(evaluation: dg.AssetCheckEvaluation) -> Doubt | None:
    """What one of our checks doubts of a partition, read back; None where it passed."""
    if evaluation.passed or evaluation.check_name not in CHECKS:
        return None
    advice = evaluation.metadata.get(ADVICE)
    return Doubt(
        check=evaluation.check_name,
        found=evaluation.description or "did not pass",
        what_to_do=str(advice.value) if advice else "",
    )


def evaluation(
    asset: dg.AssetKey, verdict: Verdict, partition: Partition, target: TargetMaterialization | None
) -> dg.AssetCheckEvaluation:
    """A verdict as Dagster records it, of a materialization."""
    rows = [[name, each.measured, "" if each.passed else each.expected] for name, each in verdict.findings.items()]
    advice = {f"{name}: {each.advice}": None for name, each in verdict.failed.items()}
    histories = {each.history: None for each in verdict.findings.values() if each.history}
    return dg.AssetCheckEvaluation(
        asset_key=asset,
        check_name=verdict.check,
        passed=verdict.passed,
        severity=_SEVERITY[verdict.check],
        metadata={
            FINDINGS: markdown(_COLUMNS, rows),
            **({ADVICE: "\n".join(advice)} if advice else {}),
            **({"history": "\n".join(histories)} if histories else {}),
        },
        description=None if verdict.passed else verdict.told,
        partition=_key(partition),
        target_materialization_data=target,
    )
