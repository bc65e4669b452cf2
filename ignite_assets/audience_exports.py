"""The asset `audience_exports`: what each night's captures become for the ad platforms, rule by rule.

Its partitions are those of the other assets. It stores nothing through the IO manager: the exports write their own
files, and their manifests are what there is. A list that was held stays as it was, and the asset's check says why.
"""

import datetime as dt
from collections.abc import Iterator, Sequence
from typing import Any, cast

import dagster as dg
from pydantic import Field

from ignite_assets.audiences.exports import Options, Outcome, export
from ignite_assets.audiences.rules import ExportRule
from ignite_assets.audiences.workspace import Workspace
from ignite_assets.config import Settings
from ignite_assets.io_manager import ParquetIOManager
from ignite_assets.lake import Lake
from ignite_assets.partitions import read_key

ASSET = "audience_exports"
CHECK = "nothing_held"
JOB = "export_audiences"
LISTS = "lists"
"""The metadata key of the table that says what became of each list."""

Row = dict[str, str | int]


class ExportConfig(dg.Config):
    """What a run may ask for."""

    names: list[str] = Field(default_factory=list)
    """Only these exports; all when empty."""
    force: str = ""
    """Send what is held, for this reason."""


def build_exports(
    settings: Settings, *, partitions: dg.PartitionsDefinition[str]
) -> tuple[list[dg.AssetsDefinition], list[Any]]:
    """The asset and its job; nothing where no export is configured."""
    rules = settings.rules()
    if not rules:
        return [], []
    sources = sorted({asset for rule in rules for asset in rule.source_assets})

    @dg.asset(
        name=ASSET,
        deps=sources,
        description="Files for the ad platforms: who joined and left each audience, without anyone who opted out.",
        partitions_def=partitions,
        group_name="exports",
        kinds={"file"},
        owners=list(settings.assets.owners),
        tags={"ignite/personal_data": "true"},
        check_specs=[dg.AssetCheckSpec(CHECK, asset=ASSET, description="Every list could be sent.")],
    )
    def audience_exports(
        context: dg.AssetExecutionContext, config: ExportConfig, io_manager: dg.ResourceParam[ParquetIOManager]
    ) -> Iterator[dg.MaterializeResult]:  # type: ignore[type-arg]
        day, website = read_key(context.partition_key)
        due = [rule for rule in rules if rule.covers(website) and (rule.name in config.names or not config.names)]
        outcomes = run_exports(settings, io_manager.lake, due, website, day, force=config.force or None)
        yield dg.MaterializeResult(metadata=_metadata(outcomes), check_results=[_check(outcomes)])

    job = dg.define_asset_job(
        JOB, dg.AssetSelection.assets(ASSET), description="Exports one website's audiences for its newest day."
    )
    return [audience_exports], [job]


def run_exports(
    settings: Settings,
    lake: Lake,
    rules: Sequence[ExportRule],
    website: str,
    day: dt.date,
    *,
    force: str | None = None,
    dry_run: bool = False,
) -> list[Outcome]:
    """Export each rule for a website and a date; with `dry_run` only work out what would be sent."""
    options = Options(
        algo=settings.algo(website),
        first_day=settings.partitions.start_date,
        scope=settings.opt_outs.scope,
        force=force,
        dry_run=dry_run,
    )
    with Workspace() as workspace:
        return [outcome for rule in rules for outcome in export(workspace, lake, rule, website, day, options)]


def as_row(outcome: Outcome) -> Row:
    """One list's outcome, as tables show it."""
    return {
        "website": outcome.of.website,
        "export": outcome.of.rule,
        "audience": "" if outcome.of.audience is None else str(outcome.of.audience),
        "date": outcome.date.isoformat(),
        "status": _status(outcome),
        "members": outcome.counts.members,
        "adds": outcome.counts.adds,
        "removes": outcome.counts.removes,
        "suppressed": outcome.counts.suppressed,
        "malformed": outcome.counts.malformed,
        "reasons": "; ".join(outcome.decision.reasons),
        "folder": outcome.location if outcome.written else "",
    }


def rows_of(materialization: dg.AssetMaterialization) -> list[Row]:
    """The rows that a materialization of the asset was recorded with."""
    table = materialization.metadata.get(LISTS)
    return (
        [cast("Row", dict(record.data)) for record in table.records] if isinstance(table, dg.TableMetadataValue) else []
    )


def _status(outcome: Outcome) -> str:
    if not outcome.decision.held:
        return "forced" if outcome.decision.forced else "sent"
    return "held, opt-outs removed" if outcome.written else "held"


def _metadata(outcomes: Sequence[Outcome]) -> dict[str, dg.MetadataValue]:
    rows = [dg.TableRecord(dict(as_row(outcome))) for outcome in outcomes]
    totals = {
        name: dg.MetadataValue.int(sum(getattr(outcome.counts, name) for outcome in outcomes))
        for name in ("members", "adds", "removes", "suppressed", "malformed")
    }
    written = [outcome.location for outcome in outcomes if outcome.written]
    return {
        LISTS: dg.MetadataValue.table(rows) if rows else dg.MetadataValue.text("no export covers this website"),
        "sent": dg.MetadataValue.int(sum(not outcome.decision.held for outcome in outcomes)),
        "held": dg.MetadataValue.int(sum(outcome.decision.held for outcome in outcomes)),
        "folders": dg.MetadataValue.json(written),
        **totals,
    }


def _check(outcomes: Sequence[Outcome]) -> dg.AssetCheckResult:
    # A list that no rule asks for any more is kept for its opt-outs alone; that is no news every night.
    held = [outcome for outcome in outcomes if outcome.decision.held and not outcome.retired]
    told = {f"{o.of.rule} {o.of.audience or ''}".strip(): "; ".join(o.decision.reasons) for o in held}
    return dg.AssetCheckResult(
        check_name=CHECK,
        passed=not held,
        severity=dg.AssetCheckSeverity.ERROR,
        description=f"{len(held)} of {len(outcomes)} lists were held; their last export stands",
        metadata={
            **told,
            "what_to_do": "look at the reasons; to send it nevertheless: ignite-assets export --force REASON",
        },
    )
