"""Answers for rows of the endpoint table that the world has no answer of its own for: made up from their columns.

So a row added to the table is served at once. The values are plausible in type alone, and none is a person's.
"""

import datetime as dt
from collections.abc import Callable, Iterator

from ignite_assets.api.endpoints import Endpoint
from ignite_assets.api.errors import IgniteError
from ignite_assets.api.table import Column, ColumnType
from ignite_assets.sandbox.draws import Draw
from ignite_assets.sandbox.visits import as_text

_START = dt.datetime(2020, 1, 1, tzinfo=dt.UTC)
_STAMPED = frozenset({"captured_at", "algo", "extra"})
"""Columns that the package fills in itself."""

_VALUES: dict[ColumnType, Callable[[Draw], object]] = {
    "string": lambda draw: f"text {draw.below('text', 1000)}",
    "url": lambda draw: f"<https://www.example.com/{draw.below('url', 10_000)}/>",
    "int16": lambda draw: draw.below("int16", 1 << 15),
    "int32": lambda draw: draw.below("int32", 1 << 20),
    "int64": lambda draw: draw.below("int64", 1 << 40),
    "float64": lambda draw: draw.below("float64", 100_000) / 64,
    "timestamp": lambda draw: as_text(_START + dt.timedelta(seconds=draw.below("timestamp", 10**8))),
    "list<string>": lambda draw: [f"item {place}" for place in range(draw.below("list", 4))],
    "json": lambda draw: {"made_up": draw.below("json", 1000)},
}


def rows(endpoint: Endpoint, *parts: object) -> list[dict[str, object]]:
    """Three to twelve records, the same for the same endpoint and parts; an `id` column counts up."""
    draw = Draw("synthetic", endpoint.name, *parts)
    first = 100 + draw.below("first id", 900)
    return [record(endpoint, first + place, *parts, place) for place in range(3 + draw.below("rows", 10))]


def record(endpoint: Endpoint, number: int, *parts: object) -> dict[str, object]:
    """One record with a value for each column, where the column says it stands; `number` is its id."""
    made: dict[str, object] = {}
    for column in endpoint.columns:
        if column.name not in _STAMPED:
            _put(made, column.source, _value(column, number, Draw("synthetic", endpoint.name, column.name, *parts)))
    return made


def _value(column: Column, number: int, draw: Draw) -> object:
    if column.key and column.type in {"int16", "int32", "int64"}:
        return number
    value = f"{column.name} {number}" if column.key else _VALUES[column.type](draw)
    return str(value) if column.quoted else value


def _put(made: dict[str, object], path: tuple[str, ...], value: object) -> None:
    *outer, last = path
    for name in outer:
        inner = made.setdefault(name, {})
        made = inner if isinstance(inner, dict) else {}
    made[last] = value


def body(endpoint: Endpoint, *parts: object) -> object:
    """A whole answer that the row's own reading accepts: an array, or an object where it wants one."""
    return next(_accepted(endpoint, *parts), rows(endpoint, *parts))


def _accepted(endpoint: Endpoint, *parts: object) -> Iterator[object]:
    if not callable(endpoint.answer):
        return
    single = record(endpoint, int(parts[-1]) if isinstance(parts[-1], int) else 1, *parts)
    for candidate in (rows(endpoint, *parts), single):
        try:
            records = endpoint.answer(candidate)
        except (IgniteError, LookupError, TypeError, ValueError, AttributeError):
            continue
        if all(isinstance(each, dict) for each in records):
            yield candidate
