"""A number beside that of the week before, or the reason why the two can't be compared."""

import datetime as dt
import functools
from collections.abc import Callable
from dataclasses import dataclass

from ignite_assets.report.readings import WEEK, Readings


@dataclass(frozen=True, kw_only=True)
class Compared:
    """A headline number."""

    name: str
    label: str
    value: int | None
    """None when nothing is known."""
    before: int | None = None
    """A week before; None when there is nothing to compare with."""
    note: str = ""
    """What the number lacks, or why there is nothing to compare with."""
    unit: str = ""
    """What is counted, in small print."""

    @property
    def change(self) -> int | None:
        """How much more it is than a week before."""
        return None if self.value is None or self.before is None else self.value - self.before

    @property
    def share(self) -> float | None:
        """The change as a share of the number before; None where that was nothing."""
        return self.change / self.before if self.change is not None and self.before else None


def rows_compared(readings: Readings, asset: str, *, name: str, label: str, unit: str) -> Compared:
    """The rows of a day beside those of the same day a week before, if both were captured in their own nights."""
    return _compared(readings, asset, 1, lambda _, day: readings.row_count(asset, day), name, label, unit)


def week_compared(readings: Readings, asset: str, column: str, *, name: str, label: str, unit: str) -> Compared:
    """The different values of a column over seven days, beside those of the seven days before."""
    values = functools.partial(readings.distinct, asset, column)
    return _compared(readings, asset, 7, values, name, label, unit)


def _compared(
    readings: Readings,
    asset: str,
    days: int,
    counted: Callable[[dt.date, dt.date], int | None],
    name: str,
    label: str,
    unit: str,
) -> Compared:
    """What is counted over the days up to the report's, beside that of as many days a week before."""
    span = dt.timedelta(days=days - 1)
    last, last_before = readings.day, readings.day - WEEK
    mine = readings.trouble(asset, last - span, last)
    trouble = mine or readings.trouble(asset, last_before - span, last_before)
    return Compared(
        name=name,
        label=label,
        value=counted(last - span, last),
        before=None if trouble else counted(last_before - span, last_before),
        note=_why(trouble, of_before=not mine),
        unit=unit,
    )


def _why(trouble: str, *, of_before: bool) -> str:
    if not trouble:
        return ""
    return f"No comparison with the week before: {trouble}." if of_before else f"{trouble[0].upper()}{trouble[1:]}."
