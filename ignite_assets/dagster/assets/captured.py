"""One asset for each row of the endpoint table. What an asset knows, it knows from its row."""

import datetime as dt
from collections.abc import Callable, Collection, Iterator, Sequence
from typing import cast

import dagster as dg
from pydantic import Field

from ignite_assets.api.endpoints import Endpoint
from ignite_assets.api.errors import IgniteError
from ignite_assets.api.horizon import Horizon
from ignite_assets.config import Settings
from ignite_assets.dagster.checks.evaluations import Evaluator
from ignite_assets.dagster.io_manager import IO_MANAGER
from ignite_assets.dagster.landing import Kept, Landings, is_late, landed_before
from ignite_assets.dagster.partitions import ASKED, LISTED, by_website, partition_key, partitions_of
from ignite_assets.dagster.resources import IGNITE, IgniteResource
from ignite_assets.dagster.specs import Specs
from ignite_assets.dagster.turns import Turns
from ignite_assets.storage.lake import Lake, Partition, Selection
from ignite_assets.tables.capture import Capture
from ignite_assets.tables.made import MadeOrFailed


class CaptureConfig(dg.Config):
    """What a run may ask for."""

    skip_captured: bool = Field(
        default=False, description="Leave partitions that the lake holds as they are; capture only what is missing."
    )
    replace_on_time: bool = Field(
        default=False, description="Replace partitions that were captured on time as well, by late captures."
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
        body, listed = _body(endpoint, endpoints, settings, specs, horizon, retry_policy)
        decorate = specs.asset(
            endpoint.name,
            ins={"listed": dg.AssetIn(specs.keys[listed])} if listed else {},
            required_resource_keys={named(IGNITE), named(IO_MANAGER)},
            io_manager_key=named(IO_MANAGER),
            backfill_policy=LISTED if listed else ASKED,
        )
        return decorate(body)

    return [build(endpoint) for endpoint in endpoints]


def _body(
    endpoint: Endpoint,
    endpoints: tuple[Endpoint, ...],
    settings: Settings,
    specs: Specs,
    horizon: Horizon,
    retry_policy: dg.RetryPolicy | None,
) -> tuple[Callable[..., Iterator[dg.Output[Landings]]], str | None]:
    """The asset's function and the asset that it reads. The capture happens while what it returns is stored."""
    resource, io_manager = settings.dagster.named(IGNITE), settings.dagster.named(IO_MANAGER)
    evaluator = Evaluator(endpoint, settings, specs.keys)

    def start(
        context: dg.AssetExecutionContext, config: CaptureConfig, listed: Selection | None
    ) -> Iterator[dg.Output[Landings]]:
        ignite = cast("IgniteResource", getattr(context.resources, resource))
        partitions = sorted(Partition(endpoint.name, of, day) for day, of in partitions_of(context, ignite.websites))
        before = landed_before(context)
        kept = list(_kept(config, getattr(context.resources, io_manager), endpoint, partitions, horizon, before))
        there = {each.partition for each in kept}
        due = by_website(each for each in partitions if each not in there)
        turns = Turns(context, ignite.websites, specs.keys)
        outcomes = (
            (Partition(endpoint.name, website, day), outcome)
            for website in turns.each(due)
            for day, outcome in of_website(ignite, website, due[website], listed and listed.of_website(website))
        )
        landings = Landings(context, outcomes, evaluator, kept, specs.keys, retry_policy=retry_policy, recorded=before)
        return landings.recorded()

    def of_website(
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

        def with_listed(
            context: dg.AssetExecutionContext, config: CaptureConfig, listed: Selection
        ) -> Iterator[dg.Output[Landings]]:
            yield from start(context, config, listed)

        return with_listed, endpoint.ids.endpoint

    def alone(context: dg.AssetExecutionContext, config: CaptureConfig) -> Iterator[dg.Output[Landings]]:
        yield from start(context, config, None)

    return alone, None


def _kept(
    config: CaptureConfig,
    io_manager: object,
    endpoint: Endpoint,
    partitions: Sequence[Partition],
    horizon: Horizon,
    before: Collection[str],
) -> Iterator[Kept]:
    """What a run leaves as it is: captured on time, where it could only be captured late; or all that is there.

    `before`: the keys of what the run itself has landed.
    """
    lake: Lake | None = getattr(io_manager, "lake", None)
    if lake is None:  # another IO manager in its place, and nobody knows what that holds
        return
    zone = horizon.timezone
    for each in partitions:
        late = is_late(horizon.now(), each.date, zone) and horizon.refusal(endpoint, each.date) is None
        whenever = config.skip_captured or partition_key(each.date, each.website) in before
        if whenever or (late and not config.replace_on_time):
            found = Kept.if_readable(lake, each)
            if found and (whenever or found.is_on_time(zone)):
                yield found


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
