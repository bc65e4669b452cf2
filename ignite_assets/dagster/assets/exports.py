"""The asset `audience_exports`: what each night's captures become for the ad platforms, rule by rule.

Its partitions are those of the other assets. It stores nothing through the IO manager: the exports write their own
files, and their manifests are what there is. A list that was held stays as it was, and the asset's check says why.
"""

import datetime as dt
import warnings
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, cast

import dagster as dg
from pydantic import Field

from ignite_assets.api.errors import IgniteError
from ignite_assets.audiences.exports import Options, Outcome, export
from ignite_assets.audiences.holding import status
from ignite_assets.audiences.rules import ExportRule
from ignite_assets.config import Settings
from ignite_assets.dagster.io_manager import ParquetIOManager
from ignite_assets.dagster.partitions import read_key
from ignite_assets.storage.duck import Workspace, told
from ignite_assets.storage.lake import Lake
from ignite_assets.tables.progress import lines, showing

ASSET = "audience_exports"
CHECK = "nothing_held"
JOB = "export_audiences"
LISTS = "lists"
"""The metadata key of the table that says what became of each list."""

FAILED = "failed"
"""The status of an export that failed."""

Row = dict[str, str | int]
_SHOWN = 3
_COUNTED = ("members", "adds", "removes", "suppressed", "malformed")


class ExportConfig(dg.Config):
    """What a run may ask for."""

    names: list[str] = Field(default_factory=list, description="Only these exports; all when empty.")
    force: str = Field(default="", description="Write held lists, for this reason, which the manifest records.")


class ExportError(IgniteError):
    """An export's files, or the captures it is made of, could not be read or written."""

    retryable = True


@dataclass(frozen=True, kw_only=True)
class Exported:
    """What came of some rules for a website and a date."""

    website: str
    date: dt.date
    outcomes: tuple[Outcome, ...]
    failures: Mapping[str, IgniteError]
    """By rule: one that fails leaves the others alone."""

    def rows(self) -> list[Row]:
        """A row a list, and one for each rule that failed."""
        return [*map(as_row, self.outcomes), *(self._failed(*failed) for failed in self.failures.items())]

    def _failed(self, name: str, error: IgniteError) -> Row:
        return failed_row(self.website, name, self.date, str(error))


def build_exports(
    settings: Settings,
    *,
    partitions: dg.PartitionsDefinition[str],
    retry_policy: dg.RetryPolicy | None = None,
) -> tuple[list[dg.AssetsDefinition], list[Any]]:
    """The asset and its job; nothing where no export is configured."""
    rules = settings.rules()
    if not rules:
        return [], []
    sources = sorted({asset for rule in rules for asset in rule.source_assets})

    @dg.asset(
        name=ASSET,
        deps=sources,
        description="Files for ad platforms: people who joined and left each audience, without anyone who opted out.",
        partitions_def=partitions,
        group_name="exports",
        kinds={rule.row.platform for rule in rules},
        owners=list(settings.assets.owners),
        tags={"ignite/personal_data": "true"},
        check_specs=[_check_spec(partitions)],
        retry_policy=retry_policy,
    )
    def audience_exports(
        context: dg.AssetExecutionContext, config: ExportConfig, ignite_lake: dg.ResourceParam[ParquetIOManager]
    ) -> Iterator[dg.MaterializeResult]:  # type: ignore[type-arg]
        day, website = read_key(context.partition_key)
        due = [rule for rule in _named(rules, config.names) if rule.covers(website)]
        with showing(lines(context.log.info)):
            exported = run_exports(settings, ignite_lake.lake, due, website, day, force=config.force or None)
        yield dg.MaterializeResult(metadata=_metadata(exported), check_results=[_check(exported)])
        if exported.failures:
            raise _failure(exported)

    job = dg.define_asset_job(
        JOB,
        dg.AssetSelection.assets(ASSET),
        description="Writes one website's lists for ad platforms; runs once its newest day is captured.",
    )
    return [audience_exports], [job]


def _check_spec(partitions: dg.PartitionsDefinition[str]) -> dg.AssetCheckSpec:
    with warnings.catch_warnings():
        # One website's list that is held must stay in sight when another website's goes well.
        warnings.simplefilter("ignore", dg.PreviewWarning)
        return dg.AssetCheckSpec(CHECK, asset=ASSET, description="Every list was written.", partitions_def=partitions)


def _named(rules: Sequence[ExportRule], names: Sequence[str]) -> list[ExportRule]:
    known = [rule.name for rule in rules]
    if unknown := sorted(set(names) - set(known)):
        raise dg.Failure(f"there is no export {', '.join(unknown)}; there are {', '.join(known)}", allow_retries=False)
    return [rule for rule in rules if rule.name in names or not names]


def run_exports(
    settings: Settings,
    lake: Lake,
    rules: Sequence[ExportRule],
    website: str,
    day: dt.date,
    *,
    force: str | None = None,
    dry_run: bool = False,
) -> Exported:
    """Export each rule for a website and a date; with `dry_run` only work out what would be sent."""
    options = Options(
        algo=settings.algo(website),
        first_day=settings.partitions.start_date,
        scope=settings.opt_outs.scope,
        force=force,
        dry_run=dry_run,
    )
    outcomes: list[Outcome] = []
    failures: dict[str, IgniteError] = {}
    with Workspace() as workspace:
        for rule in rules:
            try:
                outcomes += _export(workspace, lake, rule, website, day, options)
            except IgniteError as error:
                failures[rule.name] = error
    return Exported(website=website, date=day, outcomes=tuple(outcomes), failures=failures)


def _export(
    workspace: Workspace, lake: Lake, rule: ExportRule, website: str, day: dt.date, options: Options
) -> list[Outcome]:
    import duckdb

    try:
        return export(workspace, lake, rule, website, day, options)
    except (OSError, duckdb.Error) as error:
        raise ExportError(f"{rule.name} {website}: {told(error)}") from None


def as_row(outcome: Outcome) -> Row:
    """One list's outcome, as tables show it."""
    return {
        "website": outcome.of.website,
        "export": outcome.of.rule,
        "audience": "" if outcome.of.audience is None else str(outcome.of.audience),
        "date": outcome.date.isoformat(),
        "status": status(outcome.decision.allowed, outcome.decision.forced, written=bool(outcome.written)),
        "members": outcome.counts.members,
        "adds": outcome.counts.adds,
        "removes": outcome.counts.removes,
        "suppressed": outcome.counts.suppressed,
        "malformed": outcome.counts.malformed,
        "reasons": "; ".join(outcome.decision.reasons),
        "folder": outcome.location if outcome.written else "",
    }


def failed_row(website: str, name: str, day: dt.date, reason: str) -> Row:
    """What tables show of an export that failed."""
    counts: Row = dict.fromkeys(_COUNTED, 0)
    told: Row = {"reasons": reason, "folder": ""}
    return (
        {"website": website, "export": name, "audience": "", "date": day.isoformat(), "status": FAILED} | counts | told
    )


def rows_of(materialization: dg.AssetMaterialization) -> list[Row]:
    """The rows that a materialization of the asset was recorded with."""
    table = materialization.metadata.get(LISTS)
    return (
        [cast("Row", dict(record.data)) for record in table.records] if isinstance(table, dg.TableMetadataValue) else []
    )


def _metadata(exported: Exported) -> dict[str, dg.MetadataValue]:
    rows, outcomes = exported.rows(), exported.outcomes
    totals = {
        name: dg.MetadataValue.int(sum(getattr(outcome.counts, name) for outcome in outcomes)) for name in _COUNTED
    }
    return {
        LISTS: dg.MetadataValue.table([dg.TableRecord(dict(row)) for row in rows])
        if rows
        else dg.MetadataValue.text("no export covers this website"),
        "sent": dg.MetadataValue.int(sum(not outcome.decision.held for outcome in outcomes)),
        "held": dg.MetadataValue.int(sum(outcome.decision.held for outcome in outcomes)),
        "failed": dg.MetadataValue.int(len(exported.failures)),
        "folders": dg.MetadataValue.json([outcome.location for outcome in outcomes if outcome.written]),
        **totals,
    }


def _check(exported: Exported) -> dg.AssetCheckResult:
    troubled = [row for row in exported.rows() if row["status"] == FAILED or str(row["status"]).startswith("held")]
    told = {f"{row['export']} {row['audience']}".strip(): str(row["reasons"]) for row in troubled}
    advice = "look at the reasons; to send it nevertheless: ignite-assets export --force REASON"
    lists = len(exported.rows())
    return dg.AssetCheckResult(
        check_name=CHECK,
        passed=not troubled,
        severity=dg.AssetCheckSeverity.ERROR,
        description="; ".join(
            [f"{len(troubled)} of {lists} lists were held: their last export stands"]
            + [f"{name}: {reason}" for name, reason in list(told.items())[:_SHOWN]]
        )
        if troubled
        else f"{lists} of {lists} lists were sent",
        metadata={**told, **({"what_to_do": advice} if troubled else {})},
    )


def _failure(exported: Exported) -> dg.Failure:
    """Retried when every rule that failed may go well then; those that were sent are found as they are."""
    errors = exported.failures
    return dg.Failure(
        "\n".join(f"{name}: {error}" for name, error in errors.items()),
        allow_retries=all(error.retryable for error in errors.values()),
    )
