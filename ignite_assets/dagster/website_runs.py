"""Runs that the package requests or launches itself.

Of one website, over a day or consecutive days; or of several websites' night.
"""

import datetime as dt
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import dagster as dg

from ignite_assets.api.table import History
from ignite_assets.dagster.keys import AssetKeys
from ignite_assets.dagster.partitions import partition_key
from ignite_assets.dagster.private import RANGE_END, RANGE_START
from ignite_assets.tables.registry import TABLES
from ignite_assets.tables.windows import consecutive, day_ranges

WEBSITE_TAG = "ignite/website"
DATES_TAG = "ignite/dates"
WEBSITES_TAG = "ignite/websites"
"""Tags of these runs, for those who look for one: the website, or the first and the last; and the same of dates."""

_ORDER: tuple[History, ...] = ("current_state", "look_back", "derived")


@dataclass(frozen=True)
class WebsiteRun:
    """One Dagster run to be: some assets of a website, for a day or for consecutive days."""

    website: str
    days: tuple[dt.date, ...]
    assets: tuple[str, ...]

    @property
    def partitions(self) -> list[tuple[str, dt.date]]:
        """Each asset with each day."""
        return [(asset, day) for asset in self.assets for day in self.days]

    @property
    def dates(self) -> str:
        """The date, or the first and the last."""
        return day_ranges(self.days)

    @property
    def partition(self) -> dg.MultiPartitionKey | None:
        """The key, where it is of one day."""
        return partition_key(self.days[0], self.website) if len(self.days) == 1 else None

    @property
    def tags(self) -> dict[str, str]:
        """The tags of the run; several days are a range."""
        first, last = (partition_key(day, self.website) for day in (self.days[0], self.days[-1]))
        ranged = {} if self.partition else {RANGE_START: str(first), RANGE_END: str(last)}
        return {WEBSITE_TAG: self.website, DATES_TAG: self.dates, **ranged}

    def request(
        self, keys: AssetKeys, occasion: str | None = None, tags: Mapping[str, str] | None = None
    ) -> dg.RunRequest:
        """What a schedule or sensor asks for, once an occasion."""
        return dg.RunRequest(
            run_key="|".join(filter(None, (occasion, self.dates, self.website))),
            partition_key=self.partition,
            asset_selection=keys.all(self.assets),
            asset_check_keys=[],  # the assets' own steps evaluate them
            tags={**self.tags, **(tags or {})},
        )


def night_request(websites: Sequence[str], day: dt.date, assets: Sequence[str], keys: AssetKeys) -> dg.RunRequest:
    """What the nightly schedule asks for of one website, or of several that follow each other among the configured.

    Dagster takes a run of several partitions as a range.
    """
    if len(websites) == 1:
        return WebsiteRun(websites[0], (day,), tuple(assets)).request(keys)
    first, last = (str(partition_key(day, website)) for website in (websites[0], websites[-1]))
    named = f"{websites[0]} to {websites[-1]}"
    return dg.RunRequest(
        run_key=f"{day}|{named}",
        asset_selection=keys.all(assets),
        asset_check_keys=[],  # the assets' own steps evaluate them
        tags={WEBSITES_TAG: named, DATES_TAG: str(day), RANGE_START: first, RANGE_END: last},
    )


def runs_of(website: str, due: Mapping[str, Sequence[dt.date]]) -> list[WebsiteRun]:
    """The runs for each asset's days, in the order in which they are to be executed.

    Assets that are due on the same days share their run. What tells the present comes first, and what is derived last,
    since it reads what the others bring.
    """
    groups: list[tuple[tuple[dt.date, ...], list[str]]] = []
    for table in sorted(TABLES, key=lambda table: _ORDER.index(table.history)):
        days = tuple(due.get(table.name, ()))
        # What is derived may join the last of the captures, and no earlier ones: others that it reads come after them.
        open_groups = groups[-1:] if table.history == "derived" else groups
        group = next((names for known, names in open_groups if known == days), None)
        if group is not None:
            group.append(table.name)
        elif days:
            groups.append((days, [table.name]))
    order = [table.name for table in TABLES]
    return [
        WebsiteRun(website, stretch, tuple(sorted(names, key=order.index)))
        for days, names in groups
        for stretch in consecutive(days)  # a ranged run takes no gaps
    ]
