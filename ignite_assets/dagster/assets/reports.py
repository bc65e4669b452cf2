"""The asset `website_report`: two pages of each website's day, one for its dealer and one for operations.

Its partitions are those of the other assets. It stores nothing through the IO manager: the pages are files of their
own, `<to>/website=<website>/date=<date>/index.html` and `operations.html`; `<to>/index.html` lists all websites. A page
says what it lacks; the asset fails only when nothing of the day was captured.
"""

import datetime as dt
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import dagster as dg

from ignite_assets.api.endpoints import Endpoint
from ignite_assets.api.errors import FailureRecord, IgniteError
from ignite_assets.config import Settings
from ignite_assets.dagster.assets import exports as audience_exports
from ignite_assets.dagster.automation import alerts
from ignite_assets.dagster.automation.daily import Requests, daily_schedule, for_closed_day
from ignite_assets.dagster.failures import input_failure
from ignite_assets.dagster.io_manager import IO_MANAGER, lake_of
from ignite_assets.dagster.keys import REPORT, AssetKeys
from ignite_assets.dagster.partitions import partition_key, partitions_of
from ignite_assets.dagster.private import PARTITION
from ignite_assets.dagster.retrying import retrying
from ignite_assets.dagster.specs import Specs
from ignite_assets.report import overview
from ignite_assets.report.exports import Recorded
from ignite_assets.report.figures import ReportOptions, gather
from ignite_assets.report.page import DEALER, logo_of, render
from ignite_assets.storage.duck import told
from ignite_assets.storage.lake import Lake
from ignite_assets.storage.store import Store
from ignite_assets.tables.derived.row import Derived

ASSET = REPORT
JOB = "report"
_LATEST = 50
"""So many records of a day's exports are looked through."""
_LATEST_RUNS = 10
"""So many failed runs are looked through: of the partition, and of all."""


class ReportError(IgniteError):
    """A page could not be written, or what it is made of not be read."""

    retryable = True


def build_reports(
    settings: Settings,
    specs: Specs,
    *,
    endpoints: tuple[Endpoint, ...],
    derived: tuple[Derived, ...],
    executor: dg.ExecutorDefinition,
    now: Callable[[], dt.datetime],
    retry_policy: dg.RetryPolicy | None = None,
) -> tuple[dg.AssetsDefinition, Any, dg.ScheduleDefinition]:
    """The asset, its job and what starts that."""

    @specs.asset(
        ASSET,
        required_resource_keys={settings.dagster.named(IO_MANAGER)},
    )
    def website_report(context: dg.AssetExecutionContext) -> dg.MaterializeResult:  # type: ignore[type-arg]
        ((day, website),) = partitions_of(context, settings.websites)
        options = ReportOptions(
            settings=settings,
            now=now(),
            endpoints=endpoints,
            derived=derived,
            recorded=tuple(recorded(context.instance, specs.keys, context.partition_key)),
            failures=failed(context.instance, alerts.Ours(settings, specs.keys), website, day),
        )
        with retrying(context, retry_policy):
            try:
                return dg.MaterializeResult(metadata=write_report(lake_of(context, settings), website, day, options))
            except IgniteError as error:
                raise input_failure(error) from None

    job = dg.define_asset_job(
        settings.dagster.named(JOB),
        dg.AssetSelection.assets(specs.keys[ASSET]),
        description="Writes the page of one website's day, for people who never open Dagster; runs every morning.",
        executor_def=executor,
    )
    return website_report, job, _schedule(settings, job)


def _schedule(settings: Settings, job: Any) -> dg.ScheduleDefinition:
    def write_pages(day: dt.date) -> Requests:
        for website in sorted(settings.websites):
            yield dg.RunRequest(run_key=f"{day}|{website}", partition_key=partition_key(day, website))

    at = settings.reports.at
    return daily_schedule(
        settings,
        settings.dagster.named("report_schedule"),
        job,
        at,
        f"Every morning at {at:%H:%M}: writes the pages of the day that just closed, one run for each website, once "
        "the night's exports are over.",
        for_closed_day(settings, write_pages),
    )


def write_report(lake: Lake, website: str, day: dt.date, options: ReportOptions) -> dict[str, dg.MetadataValue]:
    """Write the pages of a website's day; their place and headlines. A reader sees a page before or the new one.

    Raises `NothingCapturedError` when the website has nothing of the day, `LogoError`, and `ReportError` when files
    fail.
    """
    import duckdb
    import pyarrow as pa

    settings = options.settings
    store, name = Store(settings.place(settings.reports.to)), page_name(website, day)
    logo = logo_of(settings.reports, settings.path.parent)
    try:
        figures = gather(lake, website, day, options)
        pages = {page: text.encode() for page, text in render(figures, settings.reports.agency, logo).items()}
        for page, data in sorted(pages.items(), reverse=True):  # the dealer's last: it links to the other
            store.put(name.replace(DEALER, page), data)
        overview.write(store, settings, figures, options.now)
    except (OSError, pa.ArrowException, duckdb.Error) as error:
        raise ReportError(f"the page of {website} for {day}: {told(error)}") from None
    location = store.location(name)
    return {
        "page": dg.MetadataValue.url(location if "://" in location else Path(location).as_uri()),
        "path": dg.MetadataValue.path(location),
        "bytes": dg.MetadataValue.int(len(pages[DEALER])),
        **{total: dg.MetadataValue.int(value) for total, value in figures.totals.items()},
    }


def page_name(website: str, day: dt.date) -> str:
    """Where a dealer's page is, below `reports.to`."""
    return f"website={website}/date={day.isoformat()}/{DEALER}"


def failed(
    instance: dg.DagsterInstance, ours: alerts.Ours, website: str, day: dt.date | None
) -> dict[str, FailureRecord]:
    """Why each asset's capture of a day (None: any) failed last: by runs of that partition, else by the latest runs."""
    found: dict[str, FailureRecord] = {}
    for tags in ({PARTITION: str(partition_key(day, website))} if day else {}, {}):
        failures = dg.RunsFilter(statuses=[dg.DagsterRunStatus.FAILURE], tags=tags)
        for record in instance.get_run_records(failures, limit=_LATEST_RUNS):
            for trouble in alerts.failed_partitions(instance, record.dagster_run, ours):
                if trouble.website == website and (day is None or day in (trouble.days or {day})):
                    found.setdefault(trouble.asset, trouble.failure)
    return found


def recorded(instance: dg.DagsterInstance, keys: AssetKeys, key: str) -> Iterator[Recorded]:
    """What is on record of a partition's exports, newest first."""
    wanted = dg.AssetRecordsFilter(asset_key=keys[audience_exports.ASSET], asset_partitions=[key])
    for record in instance.fetch_materializations(wanted, limit=_LATEST).records:
        if record.asset_materialization:
            yield from map(_as_recorded, audience_exports.rows_of(record.asset_materialization))


def _as_recorded(row: audience_exports.Row) -> Recorded:
    return Recorded(
        rule=str(row["export"]),
        audience=int(row["audience"]) if row["audience"] else None,
        status=str(row["status"]),
        members=int(row["members"]),
        reasons=str(row["reasons"]),
    )


def written_by(events: Sequence[dg.DagsterEvent], keys: AssetKeys) -> list[str]:
    """The places of the pages that a run's materializations tell of."""
    found = []
    for event in events:
        metadata = event.materialization.metadata
        if event.asset_key == keys[ASSET]:
            found.append(str(metadata["path"].value))
    return found
