"""The stale partitions of derived assets, as the configuration has websites and windows."""

from collections.abc import Callable, Iterable

from ignite_assets.api.horizon import Horizon
from ignite_assets.config import Settings
from ignite_assets.storage.lake import Lake, Partition
from ignite_assets.tables.derived.inputs import Inputs
from ignite_assets.tables.derived.row import Derived


def stale_partitions(settings: Settings, rows: Iterable[Derived], horizon: Horizon) -> dict[str, list[Partition]]:
    """By derived asset, the partitions whose inputs are others now; each website's newest first.

    Looks as far back as the platform can be asked: no older day can have been captured anew.
    """
    websites, since = sorted(settings.websites), horizon.oldest()

    def of(row: Derived) -> list[Partition]:
        inputs = inputs_of(settings, row)
        return [Partition(row.name, website, day) for website in websites for day in inputs(website).stale(since)]

    return {row.name: of(row) for row in rows}


def inputs_of(settings: Settings, row: Derived) -> Callable[[str], Inputs]:
    """By website, what a derived asset reads."""
    lake, window = Lake(settings.root), settings.derived.window_days
    first = settings.partitions.start_date
    return lambda website: Inputs(lake, row, website, window_days=window, first_day=first)
