"""One asset for each row of the endpoint table. What an asset knows, it knows from its row."""

import datetime as dt
from collections.abc import Callable, Iterator, Sequence
from typing import cast

import dagster as dg
from pydantic import Field

from ignite_assets.api.endpoints import Endpoint
from ignite_assets.api.errors import IgniteError
from ignite_assets.api.horizon import Horizon
from ignite_assets.config import Settings
from ignite_assets.dagster.io_manager import IO_MANAGER, lake_of
from ignite_assets.dagster.landing import Kept, Landings
from ignite_assets.dagster.partitions import lake_partitions
from ignite_assets.dagster.resources import IGNITE, IgniteResource
from ignite_assets.dagster.specs import Specs
from ignite_assets.storage.lake import Lake, Partition, Selection
from ignite_assets.tables.capture import Capture
from ignite_assets.tables.made import MadeOrFailed


class CaptureConfig(dg.Config):
    """What a run may ask for."""

    skip_captured: bool = Field(
        default=False, description="Leave partitions that the lake holds as they are; capture only what is missing."
    )


def build_assets(
    endpoints: tuple[Endpoint, ...],
    settings: Settings,
    specs: Specs,
    *,
    horizon: Horizon,
    retry_policy: dg.RetryPolicy | None = None,
) -> list[dg.AssetsDefinition]:
    """The assets of a table, in its order. Each refuses a date that its endpoint can't be asked for."""
    named = settings.dagster.named

    def build(endpoint: Endpoint) -> dg.AssetsDefinition:
        body, listed = _body(endpoint, endpoints, settings, specs, horizon)
        decorate = specs.asset(
            endpoint.name,
            ins={"listed": dg.AssetIn(specs.keys[listed])} if listed else {},
            required_resource_keys={named(IGNITE), named(IO_MANAGER)},
            io_manager_key=named(IO_MANAGER),
            retry_policy=retry_policy,
        )
        return decorate(body)

    return [build(endpoint) for endpoint in endpoints]


def _body(
    endpoint: Endpoint, endpoints: tuple[Endpoint, ...], settings: Settings, specs: Specs, horizon: Horizon
) -> tuple[Callable[..., Landings], str | None]:
    """The asset's function and the asset that it reads. The capture happens while what it returns is stored."""
    resource = settings.dagster.named(IGNITE)

    def start(context: dg.AssetExecutionContext, config: CaptureConfig, listed: Selection | None) -> Landings:
        ignite = cast("IgniteResource", getattr(context.resources, resource))
        partitions = lake_partitions(endpoint.name, context.partition_keys)
        (website,) = {partition.website for partition in partitions}
        kept = _kept(lake_of(context, settings), partitions) if config.skip_captured else []
        there = {each.partition for each in kept}
        days = [each.date for each in partitions if each not in there]
        outcomes = _outcomes(ignite, website, days, listed) if days else iter(())
        return Landings(context, website, outcomes, kept, specs.keys)

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
            capture = Capture(client, endpoint, ids=ids, endpoints=endpoints, thresholds=settings.checks)
            for day, outcome in capture.each(wanted):
                if isinstance(outcome, IgniteError):
                    ignite.websites[website].advise(outcome)
                yield day, outcome

    if endpoint.ids and endpoint.ids.from_partition:

        def with_listed(context: dg.AssetExecutionContext, config: CaptureConfig, listed: Selection) -> Landings:
            return start(context, config, listed)

        return with_listed, endpoint.ids.endpoint

    def alone(context: dg.AssetExecutionContext, config: CaptureConfig) -> Landings:
        return start(context, config, None)

    return alone, None


def _kept(lake: Lake, partitions: Sequence[Partition]) -> list[Kept]:
    """Those that the lake holds."""
    return [Kept.of(lake, each) for each in partitions if lake.exists(each)]


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
