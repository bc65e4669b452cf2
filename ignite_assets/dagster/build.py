"""Where everything is put together: settings in, Dagster definitions out. Opens no socket, needs no secret."""

import functools
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Any

import dagster as dg

from ignite_assets.api.endpoints import ENDPOINTS, Endpoint
from ignite_assets.api.horizon import Horizon, utc_now
from ignite_assets.config import Settings
from ignite_assets.dagster.assets.captured import build_assets
from ignite_assets.dagster.assets.derived import build_derived
from ignite_assets.dagster.assets.exports import build_exports
from ignite_assets.dagster.assets.reports import build_reports
from ignite_assets.dagster.automation.alert_sensors import build_sensors
from ignite_assets.dagster.automation.audience_sensors import build_audience_sensors
from ignite_assets.dagster.automation.opt_out_job import build_opt_out_job
from ignite_assets.dagster.automation.pruning import build_pruning
from ignite_assets.dagster.automation.returning import build_come_back_sensor
from ignite_assets.dagster.automation.schedules import build_schedules
from ignite_assets.dagster.checks.freshness import build_freshness
from ignite_assets.dagster.checks.partition_checks import build_checks
from ignite_assets.dagster.executors import configured_executor
from ignite_assets.dagster.failures import RETRY_POLICY
from ignite_assets.dagster.io_manager import IO_MANAGER, ParquetIOManager
from ignite_assets.dagster.partitions import build_partitions
from ignite_assets.dagster.resources import IGNITE, IgniteResource
from ignite_assets.dagster.specs import IgniteTranslator, build_specs
from ignite_assets.storage.lake import Lake
from ignite_assets.tables.derived.row import Derived
from ignite_assets.tables.registry import DERIVED


def build_defs(
    settings: Settings,
    *,
    endpoints: tuple[Endpoint, ...] = ENDPOINTS,
    derived: tuple[Derived, ...] = DERIVED,
    now: Callable[[], datetime] = utc_now,
    retry_policy: dg.RetryPolicy | None = RETRY_POLICY,
    resources: Mapping[str, Any] | None = None,
    executor: dg.ExecutorDefinition | None = None,
    key_prefix: str | Sequence[str] | None = None,
    name_prefix: str | None = None,
    translator: IgniteTranslator | None = None,
) -> dg.Definitions:
    """The definitions that a configuration describes; `resources` replace those of the same name.

    `key_prefix` and `name_prefix` take the place of those under `[dagster]`, for two configurations in one code
    location: state them there if the command line is used as well, which reads the configuration alone.
    `translator` changes what the assets look like in Dagster. `executor`: the jobs' own; the configured one unless
    given. Launches that name no job, such as those from the asset graph, use the code location's.
    """
    settings = settings.in_dagster(key_prefix=key_prefix, name_prefix=name_prefix)
    executor = executor or configured_executor(settings)
    partitions = build_partitions(settings)
    specs = build_specs(settings, endpoints=endpoints, derived=derived, translator=translator)
    keys, named = specs.keys, settings.dagster.named
    horizon = Horizon(settings.partitions.zone, now)
    lake = None if named(IO_MANAGER) in (resources or {}) else functools.partial(Lake, settings.root)
    schedules, jobs = build_schedules(settings, endpoints, derived, horizon, executor, keys, lake)
    exports, export_jobs = build_exports(settings, specs, executor=executor, retry_policy=retry_policy)
    report, report_job, report_schedule = build_reports(
        settings, specs, endpoints=endpoints, derived=derived, executor=executor, now=now, retry_policy=retry_policy
    )
    freshness_checks, freshness_schedule = build_freshness(settings, endpoints, derived, horizon, executor, keys)
    prune_jobs, prune_schedules = build_pruning(settings, executor, keys)
    return dg.Definitions(
        assets=[
            *build_assets(endpoints, settings, specs, horizon=horizon, retry_policy=retry_policy),
            *build_derived(derived, settings, specs, tables=endpoints, now=now, retry_policy=retry_policy),
            *exports,
            report,
        ],
        asset_checks=[
            *build_checks((*endpoints, *derived), settings, keys, partitions=partitions),
            *freshness_checks,
        ],
        jobs=[
            *jobs,
            *export_jobs,
            report_job,
            *([build_opt_out_job(settings, executor)] if settings.opt_outs.inbox else []),
            *prune_jobs,
        ],
        schedules=[*schedules, freshness_schedule, report_schedule, *prune_schedules],
        sensors=[
            build_come_back_sensor(settings, endpoints, derived, horizon, jobs[1], keys, lake),
            *build_sensors(settings, keys),
            *build_audience_sensors(settings, keys),
        ],
        resources={
            named(IGNITE): IgniteResource.from_settings(settings),
            named(IO_MANAGER): ParquetIOManager(root=settings.root),
            **(resources or {}),
        },
    )
