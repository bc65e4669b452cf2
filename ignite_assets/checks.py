"""The checks of `quality` as Dagster's asset checks: one evaluation a check and partition.

An asset's checks are one step, after the asset's own. A run of one partition gives one evaluation a check, under the
partition's name. Of a ranged run Dagster would record one evaluation without any, and leave every partition's as
planned for ever: there each partition's is recorded, and the run's own lists what they showed.
"""

import warnings
from collections.abc import Iterator, Mapping, Sequence
from zoneinfo import ZoneInfo

import dagster as dg

from ignite_assets.api.endpoints import Table
from ignite_assets.config import Settings
from ignite_assets.examination import Examination, Finding, Thresholds
from ignite_assets.io_manager import ParquetIOManager
from ignite_assets.partitions import lake_partitions, partition_key
from ignite_assets.quality import CHECKS, Check, examine
from ignite_assets.storage import Partition


def build_checks(
    tables: Sequence[Table], settings: Settings, *, partitions: dg.PartitionsDefinition[str]
) -> list[dg.AssetChecksDefinition]:
    """The checks of every asset, of captures and of what is derived."""
    thresholds = Thresholds(**settings.checks.model_dump())
    with warnings.catch_warnings():
        # A check by partition is what we want, and Dagster still calls it a preview.
        warnings.simplefilter("ignore", dg.PreviewWarning)
        return [
            _checks_of(table, {each.name: each for each in tables}, thresholds, settings.partitions.zone, partitions)
            for table in tables
        ]


def partition_checks(table: Table) -> list[dg.AssetCheckKey]:
    """The checks of an asset that belong to each of its partitions: not its freshness, which is of every website."""
    return [dg.AssetCheckKey(dg.AssetKey(table.name), check.name) for check in CHECKS if check.applies(table)]


def _checks_of(
    table: Table,
    tables: Mapping[str, Table],
    thresholds: Thresholds,
    zone: ZoneInfo,
    partitions: dg.PartitionsDefinition[str],
) -> dg.AssetChecksDefinition:
    due = [check for check in CHECKS if check.applies(table)]

    @dg.multi_asset_check(
        name=f"{table.name}_checks",
        description=f"What can be said of a partition of {table.name}.",
        specs=[
            dg.AssetCheckSpec(check.name, asset=table.name, description=check.description, partitions_def=partitions)
            for check in due
        ],
        can_subset=True,
    )
    def checks(
        context: dg.AssetCheckExecutionContext, io_manager: dg.ResourceParam[ParquetIOManager]
    ) -> Iterator[dg.AssetCheckResult]:
        chosen = {key.name for key in context.selected_asset_check_keys}
        selected = [check for check in due if check.name in chosen]
        examination = Examination(io_manager.lake, table, tables, thresholds, zone)
        found = _found(selected, examination, lake_partitions(table.name, context.partition_keys))
        for name, findings in found.items():
            if len(findings) == 1:
                yield _result(name, *findings[0])
            else:
                for partition, finding in findings:
                    context.op_execution_context.log_event(_evaluation(name, partition, finding))  # type: ignore[arg-type]
                yield _sum(name, table.name, findings)

    return checks


Found = list[tuple[Partition, Finding]]
"""What one check found in each partition, newest first."""


def _found(checks: Sequence[Check], examination: Examination, partitions: Sequence[Partition]) -> dict[str, Found]:
    """What each check found, by its name. One partition's rows are in memory at a time."""
    found: dict[str, Found] = {check.name: [] for check in checks}
    for partition in reversed(partitions):
        subject = examination.subject(partition)
        for check in checks:
            found[check.name].append((partition, examine(check, subject)))
    return found


def _key(partition: Partition) -> str:
    return str(partition_key(partition.date, partition.website))


def _severity(findings: Sequence[Finding]) -> dg.AssetCheckSeverity:
    severe = any(finding.severe and not finding.passed for finding in findings)
    return dg.AssetCheckSeverity.ERROR if severe else dg.AssetCheckSeverity.WARN


def _metadata(finding: Finding) -> dict[str, str | int | float]:
    told = {"saw": finding.saw, "expected": finding.expected, "what_to_do": finding.advice or "nothing"}
    return {**told, **finding.numbers}


def _evaluation(check: str, partition: Partition, finding: Finding) -> dg.AssetCheckEvaluation:
    return dg.AssetCheckEvaluation(
        asset_key=dg.AssetKey(partition.asset),
        check_name=check,
        passed=finding.passed,
        severity=_severity([finding]),
        metadata=_metadata(finding),
        description=finding.saw,
        partition=_key(partition),
    )


def _result(check: str, partition: Partition, finding: Finding) -> dg.AssetCheckResult:
    """What a run of one partition found."""
    return dg.AssetCheckResult(
        asset_key=dg.AssetKey(partition.asset),
        check_name=check,
        passed=finding.passed,
        severity=_severity([finding]),
        metadata=_metadata(finding),
        description=finding.saw,
    )


def _sum(check: str, asset: str, found: Found) -> dg.AssetCheckResult:
    """What a run of several partitions found, under no partition's name."""
    failed = [finding for _, finding in found if not finding.passed]
    rows = [
        dg.TableRecord({"date": str(partition.date), "passed": finding.passed, "saw": finding.saw})
        for partition, finding in found
    ]
    return dg.AssetCheckResult(
        asset_key=dg.AssetKey(asset),
        check_name=check,
        passed=not failed,
        severity=_severity(failed),
        metadata={"partitions": dg.MetadataValue.table(rows)},
        description=f"{len(failed)} of {len(found)} partitions did not pass",
    )
