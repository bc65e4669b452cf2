"""The products that the website lists: by how long they have been listed, by make, new and used."""

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from ignite_assets.report.comparing import Compared, rows_compared
from ignite_assets.report.readings import Readings

ASSET = "products"
_FOREVER = 1 << 30
_AGES = ((0, 7), (8, 30), (31, 60), (61, 90), (91, 180), (181, _FOREVER))
_MOST_MAKES = 8
UNKNOWN = "not known"
OTHERS = "all others"


@dataclass(frozen=True, kw_only=True)
class Stack:
    """Products of one kind, by condition."""

    label: str
    new: int
    used: int
    other: int

    @property
    def total(self) -> int:
        """All of them."""
        return self.new + self.used + self.other


@dataclass(frozen=True, kw_only=True)
class Inventory:
    """What is listed on a day."""

    date: dt.date
    """Of the partition: the report's day, or the newest of the window before it."""
    all: Stack
    median_days: int | None
    """Half of those whose first listing is known have been listed longer."""
    over_90: int
    by_age: tuple[Stack, ...]
    by_make: tuple[Stack, ...]


def compared(readings: Readings) -> Compared:
    """The headline: products listed on the day."""
    return rows_compared(readings, ASSET, name="products", label="Products listed", unit="in the inventory")


def read(readings: Readings) -> Inventory | None:
    """The inventory of the newest day of the window; None when none was captured."""
    newest = readings.newest(ASSET)
    if newest is None or not readings.view("products", ASSET, [newest]):
        return None
    readings.workspace.table("listed", _LISTED)
    told = readings.one("""
        SELECT floor(median(days))::BIGINT AS middle, count(*) FILTER (days > 90) AS over_90 FROM listed
    """)
    stacks = list(_stacks(readings, "make").values())
    rest = stacks[_MOST_MAKES:]
    return Inventory(
        date=newest,
        all=_sum("all", stacks),
        median_days=told["middle"],
        over_90=told["over_90"],
        by_age=_by_age(readings),
        by_make=(*stacks[:_MOST_MAKES], *([_sum(OTHERS, rest)] if rest else [])),
    )


# Age as of the capture: that is when the platform listed them.
_LISTED = """
    SELECT CASE WHEN created_at IS NOT NULL
            THEN greatest(floor(epoch(captured_at - created_at) / 86400), 0)::BIGINT END AS days,
        coalesce(nullif(trim(make), ''), 'not known') AS make,
        CASE upper(trim(item_condition)) WHEN 'NEW' THEN 'new' WHEN 'USED' THEN 'used' ELSE 'other' END AS condition
    FROM products
"""


def _stacks(readings: Readings, by: str) -> dict[Any, Stack]:
    """The products by some expression over `listed`."""
    rows = readings.rows(f"""
        SELECT {by} AS kind, count(*) FILTER (condition = 'new') AS new, count(*) FILTER (condition = 'used') AS used,
            count(*) FILTER (condition = 'other') AS other
        FROM listed GROUP BY kind ORDER BY count(*) DESC, kind
    """)  # noqa: S608 - an expression of our own
    return {
        row["kind"]: Stack(label=str(row["kind"]), new=row["new"], used=row["used"], other=row["other"]) for row in rows
    }


def _by_age(readings: Readings) -> tuple[Stack, ...]:
    days = _stacks(readings, "days")
    found = [
        _sum(
            f"over {first - 1} days" if last == _FOREVER else f"{first} to {last} days",
            [stack for age, stack in days.items() if age is not None and first <= age <= last],
        )
        for first, last in _AGES
    ]
    return (*found, *([_sum(UNKNOWN, [days[None]])] if None in days else []))


def _sum(label: str, stacks: Sequence[Stack]) -> Stack:
    return Stack(
        label=label,
        new=sum(stack.new for stack in stacks),
        used=sum(stack.used for stack in stacks),
        other=sum(stack.other for stack in stacks),
    )
