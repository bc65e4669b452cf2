"""Which partitions a reader means by websites and dates. What isn't there is an error that says what is."""

import datetime as dt
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from ignite_assets.api.errors import SelectionError
from ignite_assets.api.names import closest
from ignite_assets.storage.lake import Partition

Websites = str | Iterable[str] | None
"""One key, several, or None for all."""

Dates = str | dt.date | Iterable[str | dt.date] | None
"""One date, `first:last` (either may be left out), several dates, or None for all."""


@dataclass(frozen=True)
class Days:
    """Dates that are meant: those named one by one, else all from the first to the last."""

    named: tuple[dt.date, ...] | None = None
    first: dt.date = dt.date.min
    last: dt.date = dt.date.max

    def __contains__(self, day: dt.date) -> bool:
        return day in self.named if self.named is not None else self.first <= day <= self.last


def days(dates: Dates) -> Days:
    """The dates that are meant. Raises `SelectionError` for what is no date."""
    if dates is None:
        return Days()
    if isinstance(dates, str) and ":" in dates:
        return _range(dates)
    named = [dates] if isinstance(dates, str) or not isinstance(dates, Iterable) else list(dates)
    return Days(named=tuple(_day(each) for each in named))


def choose(asset: str, there: Sequence[Partition], websites: Websites, dates: Dates) -> list[Partition]:
    """The partitions that are meant, of those of an asset that are there, in their order.

    A range takes the days that there are. A website or a date that is named has to be there; when both are named, each
    date for each website. Raises `SelectionError`, also when nothing is left.
    """
    keys = _keys(asset, there, websites)
    wanted = days(dates)
    chosen = [partition for partition in there if partition.website in keys and partition.date in wanted]
    mine = [partition for partition in there if partition.website in keys]
    apart = [[partition for partition in mine if partition.website == key] for key in keys] if websites else [mine]
    for partitions in apart:
        for day in wanted.named or ():
            if day not in {partition.date for partition in partitions}:
                raise SelectionError(f"{_of(asset, partitions)} has no {day}; it has {span(partitions)}")
    if not chosen:
        asked = f"{asset} has no date in {dates!r}" if isinstance(dates, str) else "no date is asked for"
        raise SelectionError(f"{asked}; {asset} has {span(mine)}")
    return chosen


def unknown(what: str, name: object, known: Sequence[str], shown: Callable[[str], str] = str) -> SelectionError:
    """That there is nothing of that name, what may have been meant, and what there is."""
    close = closest(name or "", known)
    meant = f"; did you mean {close}?" if close else ";"
    return SelectionError(f"{what} {str(name)!r}{meant} there are {', '.join(map(shown, known)) or 'none yet'}")


def span(partitions: Sequence[Partition]) -> str:
    """How many dates some partitions have, and the oldest and newest."""
    dates = {partition.date for partition in partitions}
    if len(dates) == 1:
        return f"1 date, {min(dates)}"
    return f"{len(dates)} dates, {min(dates)} to {max(dates)}"


def _keys(asset: str, there: Sequence[Partition], websites: Websites) -> list[str]:
    known = sorted({partition.website for partition in there})
    if websites is None:
        return known
    wanted = [websites] if isinstance(websites, str) else list(websites)
    for key in wanted:
        if key not in known:
            raise unknown(f"{asset} has no website", key, known)
    if not wanted:
        raise SelectionError(f"no website is asked for; {asset} has {', '.join(known)}")
    return wanted


def _of(asset: str, partitions: Sequence[Partition]) -> str:
    websites = {partition.website for partition in partitions}
    return f"{asset} of {partitions[0].website}" if len(websites) == 1 else asset


def _range(text: str) -> Days:
    first, _, last = (part.strip() for part in text.partition(":"))
    found = Days(first=_day(first) if first else dt.date.min, last=_day(last) if last else dt.date.max)
    if found.first > found.last:
        raise SelectionError(f"dates: {text!r} ends before it begins")
    return found


def _day(value: object) -> dt.date:
    if isinstance(value, dt.datetime):
        return value.date()
    if isinstance(value, dt.date):
        return value
    try:
        return dt.datetime.strptime(str(value).strip(), "%Y-%m-%d").date()  # noqa: DTZ007 - a date has no zone
    except ValueError:
        raise SelectionError(f"dates: {value!r} is neither a date (YYYY-MM-DD) nor a range first:last") from None
