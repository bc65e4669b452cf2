"""One asset for each row of the endpoint table. What an asset knows, it knows from its row."""

import datetime as dt
from collections.abc import Callable, Iterator, Sequence

import dagster as dg
from pydantic import Field

from ignite_assets.api.endpoints import Endpoint
from ignite_assets.api.errors import IgniteError
from ignite_assets.api.horizon import Horizon
from ignite_assets.dagster.io_manager import IO_MANAGER, ParquetIOManager
from ignite_assets.dagster.landing import Kept, Landings
from ignite_assets.dagster.metadata import LAUNCH, column_schema, lineage_metadata, storage_kinds, storage_uri
from ignite_assets.dagster.partitions import lake_partitions
from ignite_assets.dagster.resources import IgniteResource
from ignite_assets.storage.lake import Selection
from ignite_assets.tables.capture import Capture
from ignite_assets.tables.made import MadeOrFailed
from ignite_assets.tables.thresholds import Thresholds


class CaptureConfig(dg.Config):
    """What a run may ask for."""

    skip_captured: bool = Field(
        default=False, description="Leave partitions that the lake holds as they are; capture only what is missing."
    )


def build_assets(
    endpoints: tuple[Endpoint, ...],
    *,
    partitions: dg.PartitionsDefinition[str],
    horizon: Horizon,
    root: str,
    owners: Sequence[str] = (),
    thresholds: Thresholds | None = None,
    retry_policy: dg.RetryPolicy | None = None,
) -> list[dg.AssetsDefinition]:
    """The assets of a table, in its order. Each refuses a date that its endpoint can't be asked for.

    `root` is the lake's; the asset's page shows where its partitions are.
    """

    def build(endpoint: Endpoint) -> dg.AssetsDefinition:
        body, inputs = _body(endpoint, endpoints, horizon, thresholds)
        decorate = dg.asset(
            name=endpoint.name,
            ins=inputs,
            description=endpoint.description,
            partitions_def=partitions,
            group_name=endpoint.history,
            kinds={"api", "parquet", *storage_kinds(root)},
            owners=list(owners),
            tags={
                "ignite/history": endpoint.history,
                "ignite/personal_data": str(endpoint.personal).lower(),
            },
            metadata={
                "dagster/column_schema": column_schema(endpoint),
                "dagster/uri": storage_uri(root, endpoint.name),
                "endpoint": f"GET {endpoint.path}",
                "documentation": dg.MetadataValue.url(endpoint.documentation_url),
                **LAUNCH,
                **lineage_metadata(endpoint),
            },
            io_manager_key=IO_MANAGER,
            retry_policy=retry_policy,
        )
        return decorate(body)

    return [build(endpoint) for endpoint in endpoints]


def _body(
    endpoint: Endpoint,
    endpoints: tuple[Endpoint, ...],
    horizon: Horizon,
    thresholds: Thresholds | None,
) -> tuple[Callable[..., Landings], dict[str, dg.AssetIn]]:
    """The asset's function and its inputs. It only says what to capture; the capture happens while it is stored."""

    def start(
        context: dg.AssetExecutionContext,
        config: CaptureConfig,
        ignite: IgniteResource,
        manager: ParquetIOManager,
        listed: Selection | None,
    ) -> Landings:
        partitions = lake_partitions(endpoint.name, context.partition_keys)
        (website,) = {partition.website for partition in partitions}
        there = [each for each in partitions if manager.lake.exists(each)] if config.skip_captured else []
        days = [each.date for each in partitions if each not in there]
        outcomes = _outcomes(ignite, website, days, listed) if days else iter(())
        return Landings(context, website, outcomes, [Kept.of(manager.lake, each) for each in there])

    def _outcomes(
        ignite: IgniteResource, website: str, days: list[dt.date], listed: Selection | None
    ) -> Iterator[MadeOrFailed]:
        try:
            client = ignite.client(website, horizon)
        except IgniteError as error:
            yield from ((day, error) for day in days)
            return
        with client:
            ids, missing = _ids(listed, days) if listed else ({}, {})
            yield from missing.items()
            wanted = [day for day in days if day not in missing]
            capture = Capture(client, endpoint, ids=ids, endpoints=endpoints, thresholds=thresholds)
            for day, outcome in capture.each(wanted):
                if isinstance(outcome, IgniteError):
                    ignite.websites[website].advise(outcome)
                yield day, outcome

    if endpoint.ids and endpoint.ids.from_partition:

        def with_listed(
            context: dg.AssetExecutionContext,
            config: CaptureConfig,
            ignite: IgniteResource,
            ignite_lake: dg.ResourceParam[ParquetIOManager],
            listed: Selection,
        ) -> Landings:
            return start(context, config, ignite, ignite_lake, listed)

        return with_listed, {"listed": dg.AssetIn(endpoint.ids.endpoint)}

    def alone(
        context: dg.AssetExecutionContext,
        config: CaptureConfig,
        ignite: IgniteResource,
        ignite_lake: dg.ResourceParam[ParquetIOManager],
    ) -> Landings:
        return start(context, config, ignite, ignite_lake, None)

    return alone, {}


def _ids(listed: Selection, days: Sequence[dt.date]) -> tuple[dict[dt.date, Sequence[int]], dict[dt.date, IgniteError]]:
    """The ids that the listing partitions hold, by date, and the dates whose partition is not there."""
    ids: dict[dt.date, Sequence[int]] = {}
    missing: dict[dt.date, IgniteError] = {}
    for day in days:
        try:
            ids[day] = listed.of(day).table(["id"]).column("id").to_pylist()
        except IgniteError as error:
            missing[day] = error
    return ids, missing
