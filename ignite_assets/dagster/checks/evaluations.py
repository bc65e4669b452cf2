"""What checks found, as the evaluations that Dagster records.

A run of one partition gives one evaluation a check, under the partition's name. A ranged run gives one a check that
lists what every partition showed. Beside it stand evaluations under partitions' own names: of those that did not
pass, and of those that were captured before, since what was said of these no longer holds. Each costs a ranged run
as much as it costs to capture a small partition, so there is none to say that a new partition is as it should be.

Dagster takes an evaluation for outdated unless it names the materialization that it is of; for those that a ranged
run records by itself nobody else looks that up.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import dagster as dg

from ignite_assets.dagster.keys import AssetKeys
from ignite_assets.dagster.partitions import partition_key
from ignite_assets.dagster.private import TargetMaterialization
from ignite_assets.storage.lake import Partition
from ignite_assets.tables.checks import Check
from ignite_assets.tables.examination import Finding

Found = list[tuple[Partition, Finding]]
"""What one check found in each partition, newest first."""

_PAGE = 500


@dataclass(frozen=True)
class _Recorded:
    """What the instance has of a partition."""

    latest: TargetMaterialization
    """Its last materialization."""
    before: bool
    """Whether an earlier run materialized it too."""


def of_one_partition(
    context: dg.AssetCheckExecutionContext, found: Mapping[Check, Found], keys: AssetKeys
) -> Iterator[Any]:
    """What Dagster makes of an `AssetCheckResult`, but with one look at the partition's records for all checks."""
    recorded = _recorded(context, found, keys)
    for check, ((partition, finding),) in found.items():
        spec = dg.AssetCheckSpec(check.name, asset=keys[partition.asset])
        yield dg.Output(None, output_name=spec.get_python_identifier())
        yield _evaluation(check, partition, finding, keys, recorded.get(partition))


def of_several_partitions(
    context: dg.AssetCheckExecutionContext, found: Mapping[Check, Found], keys: AssetKeys, *, each: bool
) -> Iterator[Any]:
    """A sum for each check, after what is recorded under partitions' own names.

    `each`: that is every partition, since the run planned one evaluation for each; one that is missing would seem to
    be under way while the run is, and skipped from then on.
    """
    recorded = _recorded(context, found, keys)
    for check, findings in found.items():
        # What did not pass comes last: the last that was recorded is what a check's headline shows.
        for partition, finding in sorted(findings, key=lambda one: not one[1].passed):
            known = recorded.get(partition)
            tells = not finding.passed and not check.expected_of_backfills
            if each or tells or (known and known.before):
                yield _evaluation(check, partition, finding, keys, known)
        yield _sum(check, findings, keys)


def _recorded(
    context: dg.AssetCheckExecutionContext, findings: Mapping[Check, Found], keys: AssetKeys
) -> dict[Partition, _Recorded]:
    """What the instance has of the partitions, all of one asset, that findings are about."""
    by_key = {_key(partition): partition for each in findings.values() for partition, _ in each}
    filters = dg.AssetRecordsFilter(asset_key=keys[next(iter(by_key.values())).asset], asset_partitions=list(by_key))
    found: dict[Partition, _Recorded] = {}
    cursor, more = None, True
    while more:
        page = context.instance.fetch_materializations(filters, limit=_PAGE, cursor=cursor)
        for record in page.records:  # newest first
            partition = by_key[str(record.partition_key)]
            if known := found.get(partition):
                found[partition] = _Recorded(known.latest, before=known.before or record.run_id != context.run.run_id)
            else:
                target = TargetMaterialization(
                    storage_id=record.storage_id, run_id=record.run_id, timestamp=record.timestamp
                )
                found[partition] = _Recorded(target, before=record.run_id != context.run.run_id)
        cursor, more = page.cursor, page.has_more
    return found


def _key(partition: Partition) -> str:
    return str(partition_key(partition.date, partition.website))


def _evaluation(
    check: Check, partition: Partition, finding: Finding, keys: AssetKeys, recorded: _Recorded | None
) -> dg.AssetCheckEvaluation:
    return dg.AssetCheckEvaluation(
        asset_key=keys[partition.asset],
        check_name=check.name,
        passed=finding.passed,
        severity=_severity([finding]),
        metadata={
            "saw": finding.saw,
            "expected": finding.expected,
            "what_to_do": finding.advice or "nothing",
            **_history(finding),
            **finding.numbers,
        },
        description=finding.saw,
        partition=_key(partition),
        target_materialization_data=recorded.latest if recorded else None,
    )


def _sum(check: Check, found: Found, keys: AssetKeys) -> dg.AssetCheckResult:
    """What a run of several partitions found, under no partition's name; the history is the newest's."""
    failed = [finding for _, finding in found if not finding.passed]
    rows = [
        dg.TableRecord({"date": str(partition.date), "passed": finding.passed, "saw": finding.saw})
        for partition, finding in found
    ]
    return dg.AssetCheckResult(
        asset_key=keys[found[0][0].asset],
        check_name=check.name,
        passed=not failed,
        severity=_severity(failed),
        metadata={**_history(found[0][1]), "partitions": dg.MetadataValue.table(rows)},
        description=f"{len(failed)} of {len(found)} partitions did not pass",
    )


def _history(finding: Finding) -> dict[str, str]:
    return {"history": finding.history} if finding.history else {}


def _severity(findings: Sequence[Finding]) -> dg.AssetCheckSeverity:
    severe = any(finding.severe and not finding.passed for finding in findings)
    return dg.AssetCheckSeverity.ERROR if severe else dg.AssetCheckSeverity.WARN
