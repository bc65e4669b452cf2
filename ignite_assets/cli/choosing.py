"""What is named on the command line: `a,b`, `group:look_back`, `yesterday`; mistaken names with what was meant."""

import datetime as dt
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from ignite_assets.api.horizon import Horizon

    Day = Callable[[Horizon], dt.date]
    """A date, once it is known which day it is."""

_GROUP = "group:"


class DayType(click.ParamType):  # type: ignore[type-arg]  # click is generic from 8.4 on alone
    """A date as `2026-11-22`, or `yesterday`: the day that closed last in the configured time zone."""

    name = "date"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> "Day":
        """The date as a function of the horizon."""
        if value.strip().lower() == "yesterday":
            return lambda horizon: horizon.yesterday()
        try:
            day = dt.datetime.strptime(value.strip(), "%Y-%m-%d").date()  # noqa: DTZ007 - a date has no zone
        except ValueError:
            self.fail(f"{value!r} is not a date: write one as 2026-11-22, or yesterday", param, ctx)
        return lambda _: day


def chosen(
    named: Iterable[str],
    known: Sequence[str],
    what: str,
    *,
    groups: Mapping[str, Collection[str]] = MappingProxyType({}),
) -> list[str]:
    """The named ones in the order known; all when none is named. Names may be joined by commas, or name a group.

    Raises `click.UsageError` for one that isn't known.
    """
    names = split(named)
    known_groups = {f"{_GROUP}{group}": members for group, members in groups.items()}
    if strangers := [name for name in dict.fromkeys(names) if name not in known and name not in known_groups]:
        raise unknown(strangers, [*known, *known_groups], what)
    meant = {each for name in names for each in known_groups.get(name, (name,))}
    return [name for name in known if name in meant or not names]


def split(named: Iterable[str]) -> list[str]:
    """The names of an option that is repeated, or takes several joined by commas."""
    return [name.strip() for each in named for name in each.split(",") if name.strip()]


def unknown(names: Sequence[str], known: Sequence[str], what: str) -> click.UsageError:
    """The error about names that are none, with what was meant, else with all there are."""
    from ignite_assets.config.mistakes import did_you_mean

    meant = "".join(did_you_mean(name, known) for name in names)
    return click.UsageError(f"there is no {what} {', '.join(names)}" + (meant or f"; there are {', '.join(known)}"))
