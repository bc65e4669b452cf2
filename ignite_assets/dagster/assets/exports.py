"""The asset `audience_exports`: what each night's captures become for the ad platforms, rule by rule.

Its partitions are those of the other assets. It stores nothing through the IO manager: the exports write their own
files, and their manifests are the record. A list that was held stays as it was, and the asset's check says why.

People who opt out are removed without a capture, too, by a job of its own: from every list that was ever written,
whatever the configuration says now and whether or not its website is still captured.
"""

import datetime as dt
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, cast

import dagster as dg
from pydantic import Field

from ignite_assets.api.errors import IgniteError
from ignite_assets.audiences import lists
from ignite_assets.audiences.attempt import Options, Outcome
from ignite_assets.audiences.exports import export, remove_opt_outs, unasked
from ignite_assets.audiences.holding import FAILED, HELD, is_well
from ignite_assets.config import Settings
from ignite_assets.dagster.failures import input_failure
from ignite_assets.dagster.io_manager import IO_MANAGER, lake_of
from ignite_assets.dagster.keys import EXPORTS
from ignite_assets.dagster.partitions import partitions_of
from ignite_assets.dagster.retrying import retrying
from ignite_assets.dagster.specs import Specs
from ignite_assets.storage.duck import Workspace, told
from ignite_assets.storage.lake import Lake
from ignite_assets.tables.progress import lines, showing

ASSET = EXPORTS
CHECK = "nothing_held"
JOB = "export_audiences"
REMOVALS_JOB = "remove_opt_outs"
REMOVALS_OP = "remove_opted_out_people"
LISTS = "lists"
"""The metadata key of the table of lists."""

Row = dict[str, str | int]
_SHOWN = 3
_COUNTED = ("members", "adds", "removes", "suppressed", "malformed")


class ExportConfig(dg.Config):
    """What a run may ask for."""

    names: list[str] = Field(default=[], description="Only these exports; all when empty.")
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
    """By export: one that fails leaves the others alone."""

    def rows(self) -> list[Row]:
        """A row a list, and one for each rule that failed."""
        return [*map(as_row, self.outcomes), *(self._failed(*failed) for failed in self.failures.items())]

    def _failed(self, name: str, error: IgniteError) -> Row:
        return failed_row(self.website, name, self.date, str(error))


def build_exports(
    settings: Settings,
    specs: Specs,
    *,
    executor: dg.ExecutorDefinition,
    retry_policy: dg.RetryPolicy | None = None,
) -> tuple[list[dg.AssetsDefinition], list[Any]]:
    """The asset and its job, where an export is configured; and the job that removes people who opted out."""
    if not settings.exports:
        return [], [_removals_job(settings, executor, retry_policy)]

    @specs.asset(
        ASSET,
        check_specs=[_check_spec(specs)],
        required_resource_keys={settings.dagster.named(IO_MANAGER)},
    )
    def audience_exports(context: dg.AssetExecutionContext, config: ExportConfig) -> Iterator[dg.MaterializeResult]:  # type: ignore[type-arg]
        ((day, website),) = partitions_of(context, settings.websites)
        lake = lake_of(context, settings)
        _check_names(settings, lake, config.names)
        with retrying(context, retry_policy):
            with showing(lines(context.log.info)):
                exported = run_exports(settings, lake, config.names, website, day, force=config.force or None)
            yield dg.MaterializeResult(metadata=_metadata(exported), check_results=[_check(exported)])
            if exported.failures:
                raise _failure(exported)

    job = dg.define_asset_job(
        settings.dagster.named(JOB),
        dg.AssetSelection.assets(specs.keys[ASSET]),
        description="Writes one website's lists for ad platforms; runs once its newest day is captured.",
        executor_def=executor,
    )
    return [audience_exports], [job, _removals_job(settings, executor, retry_policy)]


def _check_spec(specs: Specs) -> dg.AssetCheckSpec:
    with warnings.catch_warnings():
        # One website's list that is held must stay in sight when another website's goes well.
        warnings.simplefilter("ignore", dg.PreviewWarning)
        return dg.AssetCheckSpec(
            CHECK,
            asset=specs.keys[ASSET],
            description="Every list was written.",
            partitions_def=specs.by_name[ASSET].partitions_def,
        )


class Removals(dg.Config):
    """Which lists people who opted out are removed from."""

    website: str = Field(default="", description="Only this website's; every list's when empty.")


def _removals_job(
    settings: Settings, executor: dg.ExecutorDefinition, retry_policy: dg.RetryPolicy | None
) -> dg.JobDefinition:
    named = settings.dagster.named

    @dg.op(
        name=named(REMOVALS_OP),
        required_resource_keys={named(IO_MANAGER)},
        description="Removes people who opted out from every list that was ever written, and changes nothing else.",
    )
    def remove_opted_out_people(context: dg.OpExecutionContext, config: Removals) -> None:
        with retrying(context, retry_policy):
            with showing(lines(context.log.info)):
                exported = run_removals(settings, lake_of(context, settings), config.website or None)
            rows = exported.rows()
            for row in rows:
                context.log.info(" ".join(f"{name}={value}" for name, value in row.items() if value != ""))
            context.add_output_metadata({LISTS: _table(rows, "nobody was to be removed")})
            held = [each for each in exported.outcomes if not is_well(each.status)]
            if exported.failures or held:
                raise _failure(exported, held)

    @dg.job(
        name=named(REMOVALS_JOB),
        executor_def=executor,
        description="Writes the removals that opt-outs ask for, without waiting for a capture; started by an opt-out.",
    )
    def remove_opt_outs_everywhere() -> None:
        remove_opted_out_people()

    return remove_opt_outs_everywhere


def known_names(settings: Settings, lake: Lake) -> list[str]:
    """The names of the exports there are: configured, and of lists that are still owed removals."""
    return sorted({rule.name for rule in settings.exports} | {of.name for of in unasked(lake, settings.rules())})


def _check_names(settings: Settings, lake: Lake, names: Sequence[str]) -> None:
    known = known_names(settings, lake) if names else []
    if unknown := sorted(set(names) - set(known)):
        raise dg.Failure(f"there is no export {', '.join(unknown)}; there are {', '.join(known)}", allow_retries=False)


def run_exports(
    settings: Settings,
    lake: Lake,
    names: Sequence[str],
    website: str,
    day: dt.date,
    *,
    force: str | None = None,
    dry_run: bool = False,
) -> Exported:
    """Export each rule of these names (none: all) for a website and a date, and remove opt-outs from its other lists.

    With `dry_run` only work out what would be written.
    """
    options, rules = _options(settings, website, force=force, dry_run=dry_run), settings.rules()
    known = lists.on_record(lake, website, rules)
    if not dry_run and lists.adopt(lake, rules, known):
        known = lists.on_record(lake, website, rules)
    due = [rule for rule in rules if rule.covers(website) and (rule.name in names or not names)]
    rest = [of for of in lists.orphans(lists.owed(known), rules) if of.name in names or not names]
    run = _Run(website, day)
    with Workspace() as workspace:
        for rule in due:
            run.of(rule.name, lambda rule=rule: export(workspace, lake, rule, website, day, options, known))  # type: ignore[misc]  # mypy can't infer the default
        for of in rest:
            run.of(of.name, lambda of=of: remove_opt_outs(workspace, lake, of, options, orphaned=True))  # type: ignore[misc]  # mypy can't infer the default
    return run.exported()


def run_removals(settings: Settings, lake: Lake, website: str | None = None, *, dry_run: bool = False) -> Exported:
    """Remove people who opted out from each list that was ever written, of a website or of all; nothing else."""
    rules = settings.rules()
    if not dry_run:
        lists.adopt(lake, rules)
    known = lists.owed(lists.on_record(lake, website, rules))
    orphans = set(lists.orphans(known, rules))
    run = _Run(website or "", dt.date.min)
    with Workspace() as workspace:
        for of in lists.in_order(known):
            options = _options(settings, of.website, dry_run=dry_run)
            run.of(of.name, lambda of=of, o=options: remove_opt_outs(workspace, lake, of, o, orphaned=of in orphans))  # type: ignore[misc]  # mypy can't infer the defaults
    return run.exported(
        lambda outcome: bool(outcome.written) or "opt-outs" in outcome.status or not is_well(outcome.status)
    )


def _options(settings: Settings, website: str, *, force: str | None = None, dry_run: bool = False) -> Options:
    return Options(
        algo=settings.algo(website) if website in settings.websites else settings.platform.algo,
        first_day=settings.partitions.start_date,
        scope=settings.opt_outs.scope,
        force=force,
        dry_run=dry_run,
        thresholds=settings.checks,
        zone=settings.partitions.zone,
    )


class _Run:
    """Exports one after the other; one that fails leaves the others alone."""

    def __init__(self, website: str, date: dt.date) -> None:
        self._website, self._date = website, date
        self._outcomes: list[Outcome] = []
        self._failures: dict[str, IgniteError] = {}

    def of(self, name: str, export: Callable[[], list[Outcome]]) -> None:
        import duckdb

        try:
            self._outcomes += export()
        except IgniteError as error:
            self._failures[name] = error
        except (OSError, duckdb.Error) as error:
            self._failures[name] = ExportError(f"{name} {self._website}: {told(error)}")

    def exported(self, shown: Callable[[Outcome], bool] = lambda _: True) -> Exported:
        outcomes = tuple(filter(shown, self._outcomes))
        return Exported(website=self._website, date=self._date, outcomes=outcomes, failures=self._failures)


def as_row(outcome: Outcome) -> Row:
    """One list's outcome, as tables show it."""
    forced = [f"forced: {outcome.decision.forced}"] if outcome.decision.forced else []
    return {
        "website": outcome.of.website,
        "export": outcome.of.name,
        "audience": "" if outcome.of.audience is None else str(outcome.of.audience),
        "date": "" if outcome.date == dt.date.min else outcome.date.isoformat(),
        "status": outcome.status,
        "members": outcome.members,
        "adds": outcome.counts.adds,
        "removes": outcome.counts.removes,
        "suppressed": outcome.counts.suppressed,
        "malformed": outcome.counts.malformed,
        "reasons": "; ".join([*outcome.decision.reasons, *forced]),
        "folder": outcome.location,
    }


def held_row(website: str, name: str, reason: str) -> Row:
    """What tables show of an export that could not be looked at."""
    return failed_row(website, name, dt.date.min, reason) | {"status": HELD, "date": ""}


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


def _table(rows: Sequence[Row], otherwise: str) -> dg.MetadataValue:
    if not rows:
        return dg.MetadataValue.text(otherwise)
    return dg.MetadataValue.table([dg.TableRecord(dict(row)) for row in rows])


def _metadata(exported: Exported) -> dict[str, dg.MetadataValue]:
    rows, outcomes = exported.rows(), exported.outcomes
    totals = {
        name: dg.MetadataValue.int(sum(getattr(outcome.counts, name) for outcome in outcomes)) for name in _COUNTED
    }
    return {
        LISTS: _table(rows, "no export covers this website"),
        "written": dg.MetadataValue.int(sum(not outcome.decision.held for outcome in outcomes)),
        "held": dg.MetadataValue.int(sum(outcome.status.startswith(HELD) for outcome in outcomes)),
        "failed": dg.MetadataValue.int(len(exported.failures)),
        "folders": dg.MetadataValue.json([outcome.location for outcome in outcomes if outcome.written]),
        **totals,
    }


def _check(exported: Exported) -> dg.AssetCheckResult:
    troubled = [row for row in exported.rows() if not is_well(str(row["status"]))]
    told = {f"{row['export']} {row['audience']}".strip(): str(row["reasons"]) for row in troubled}
    advice = "look at the reasons; to write it nevertheless: ignite-assets export --force REASON"
    count = len(exported.rows())
    return dg.AssetCheckResult(
        check_name=CHECK,
        passed=not troubled,
        severity=dg.AssetCheckSeverity.ERROR,
        description="; ".join(
            [f"{len(troubled)} of {count} lists were held: their last export stands"]
            + [f"{name}: {reason}" for name, reason in list(told.items())[:_SHOWN]]
        )
        if troubled
        else f"{count} of {count} lists are well",
        metadata={**told, **({"what_to_do": advice} if troubled else {})},
    )


def _failure(exported: Exported, held: Sequence[Outcome] = ()) -> dg.Failure:
    """Retried when every rule that failed may go well then; those that were written are found as they are."""
    failed = [f"{name}: {error}" for name, error in exported.failures.items()]
    error = ExportError(
        "; ".join([*failed, *(f"{each.of.title}: {'; '.join(each.decision.reasons)}" for each in held)])
    )
    error.retryable = bool(failed) and all(each.retryable for each in exported.failures.values())
    return input_failure(error)
