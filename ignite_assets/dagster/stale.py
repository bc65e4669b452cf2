"""The stale partitions of derived assets, as the configuration has websites and windows."""

import datetime as dt
from collections.abc import Callable, Iterable, Iterator, Sequence

from ignite_assets.api.horizon import Horizon
from ignite_assets.config import Settings
from ignite_assets.storage.lake import Lake, Partition
from ignite_assets.tables.derived.inputs import Inputs
from ignite_assets.tables.derived.row import Derived
from ignite_assets.tables.windows import days_between


def stale_partitions(
    settings: Settings,
    rows: Iterable[Derived],
    horizon: Horizon,
    lake: Lake | None = None,
    websites: Iterable[str] | None = None,
) -> dict[str, list[Partition]]:
    """By derived asset, the partitions whose inputs are others now; each website's newest first.

    Looks as far back as the platform can be asked: no older day can have been captured anew. `lake`: that of the
    configuration, as the caller sees it. `websites`: all that are configured unless given.
    """
    since = horizon.oldest()
    # A window before the first day that is looked at, and the one that ended the day before that window.
    first = since - dt.timedelta(days=settings.derived.window_days + 1)
    looked_at = days_between(first, horizon.yesterday())

    def of(row: Derived) -> Iterator[Partition]:
        recent, inputs = inputs_of(settings, row, lake, looked_at), inputs_of(settings, row, lake)
        for website in sorted(settings.websites if websites is None else websites):
            if recent(website).any_may_be_stale(since):
                yield from (Partition(row.name, website, day) for day in inputs(website).stale(since))

    return {row.name: list(of(row)) for row in rows}


def inputs_of(
    settings: Settings, row: Derived, lake: Lake | None = None, looked_at: Sequence[dt.date] | None = None
) -> Callable[[str], Inputs]:
    """By website, what a derived asset reads; of some days, or of all."""
    held, window = lake or Lake(settings.root), settings.derived.window_days
    first = settings.partitions.start_date
    return lambda website: Inputs(held, row, website, window_days=window, first_day=first, looked_at=looked_at)
