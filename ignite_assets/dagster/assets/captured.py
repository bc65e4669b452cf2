"""One asset for each row of the endpoint table. What an asset knows, it knows from its row."""

import datetime as dt
import functools
from collections.abc import Callable, Collection, Iterator, Sequence
from typing import cast

import dagster as dg
from pydantic import Field

from ignite_assets.api.endpoints import Endpoint
from ignite_assets.api.errors import IgniteError
from ignite_assets.api.horizon import Horizon
from ignite_assets.config import Settings
from ignite_assets.dagster.checks.evaluations import Evaluator
from ignite_assets.dagster.io_manager import IO_MANAGER, lake_of
from ignite_assets.dagster.landing import Kept, Landings, is_late, landed_before
from ignite_assets.dagster.partitions import ASKED, LISTED, by_website, partition_key, partitions_of
from ignite_assets.dagster.resources import IGNITE, IgniteResource
from ignite_assets.dagster.specs import Specs
from ignite_assets.dagster.turns import Turns
from ignite_assets.storage.lake import Lake, Partition
from ignite_assets.tables.capture import Capture
from ignite_assets.tables.made import MadeOrFailed

_Ids = tuple[dict[dt.date, Sequence[int]], dict[dt.date, IgniteError]]
"""By date, the ids to ask for; and why a date has none."""
_IdsOf = Callable[[str, Sequence[dt.date]], _Ids]


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
        decorate = specs.asset(
            endpoint.name,
            required_resource_keys={named(IGNITE), named(IO_MANAGER)},
            io_manager_key=named(IO_MANAGER),
            backfill_policy=LISTED if _listed_by(endpoint) else ASKED,
        )
        return decorate(_body(endpoint, endpoints, settings, specs, horizon, retry_policy))

    return [build(endpoint) for endpoint in endpoints]


def _listed_by(endpoint: Endpoint) -> str | None:
    """The asset whose partitions list what an endpoint is asked for."""
    return endpoint.ids.endpoint if endpoint.ids and endpoint.ids.from_partition else None


def _body(
    endpoint: Endpoint,
    endpoints: tuple[Endpoint, ...],
    settings: Settings,
    specs: Specs,
    horizon: Horizon,
    retry_policy: dg.RetryPolicy | None,
) -> Callable[..., Iterator[dg.Output[Landings]]]:
    """The asset's function. The capture happens while what it returns is stored."""
    resource, io_manager = settings.dagster.named(IGNITE), settings.dagster.named(IO_MANAGER)
    evaluator = Evaluator(endpoint, settings, specs.keys)
    listing = _listed_by(endpoint)

    def capture(context: dg.AssetExecutionContext, config: CaptureConfig) -> Iterator[dg.Output[Landings]]:
        ignite = cast("IgniteResource", getattr(context.resources, resource))
        lake: Lake | None = getattr(getattr(context.resources, io_manager), "lake", None)
        partitions = sorted(Partition(endpoint.name, of, day) for day, of in partitions_of(context, ignite.access))
        before = landed_before(context)
        kept = list(_kept(config, lake, endpoint, partitions, horizon, before))
        there = {each.partition for each in kept}
        due = by_website(each for each in partitions if each not in there)
        turns = Turns(context, ignite.access, specs.keys)
        ids_of: _IdsOf = functools.partial(_listed, lake_of(context, settings), listing) if listing else _none_listed
        outcomes = (
            (Partition(endpoint.name, website, day), outcome)
            for website in turns.each(due)
            for day, outcome in of_website(ignite, ids_of, website, due[website])
        )
        landings = Landings(context, outcomes, evaluator, kept, retry_policy=retry_policy, recorded=before)
        yield from landings.recorded()

    def of_website(ignite: IgniteResource, ids_of: _IdsOf, website: str, days: list[dt.date]) -> Iterator[MadeOrFailed]:
        try:
            client = ignite.client(website, horizon)
        except IgniteError as error:
            yield from ((day, error) for day in days)
            return
        with client:
            ids, missing = ids_of(website, days)
            yield from missing.items()
            wanted = [day for day in days if day not in missing]
            capture = Capture(client, endpoint, ids=ids, endpoints=endpoints, thresholds=settings.checks)
            for day, outcome in capture.each(wanted):
                if isinstance(outcome, IgniteError):
                    ignite.access[website].advise(outcome)
                yield day, outcome

    return capture


def _kept(
    config: CaptureConfig,
    lake: Lake | None,
    endpoint: Endpoint,
    partitions: Sequence[Partition],
    horizon: Horizon,
    before: Collection[str],
) -> Iterator[Kept]:
    """What a run leaves as it is: captured on time, where it could only be captured late; or all that is there.

    `before`: the keys of what the run itself has landed.
    """
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


def _none_listed(_website: str, _days: Sequence[dt.date]) -> _Ids:
    return {}, {}


def _listed(lake: Lake, listing: str, website: str, days: Sequence[dt.date]) -> _Ids:
    """The ids that the listing partitions hold, by date, and the dates whose partition is not there."""
    ids: dict[dt.date, Sequence[int]] = {}
    missing: dict[dt.date, IgniteError] = {}
    for day in days:
        try:
            ids[day] = lake.read([Partition(listing, website, day)], ["id"]).column("id").to_pylist()
        except IgniteError as error:
            missing[day] = error
    return ids, missing
