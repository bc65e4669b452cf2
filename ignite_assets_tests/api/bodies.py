"""Answers as the platform might send them: well-formed, odd and hostile, for any row of the table; and their oracle.

Values are written by this module's own writer, so that a test decides how a number or a character stands on the wire.
"""

import datetime as dt
import json
import math
import struct
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from hypothesis import strategies as st

from ignite_assets.api.endpoints import EXTRA, Endpoint
from ignite_assets.api.table import Column


class Digits(str):
    """A number exactly as it stands on the wire."""

    __slots__ = ()


class Members(list[tuple[str, Any]]):
    """The members of an object, names repeated or not."""

    __slots__ = ()


@dataclass(frozen=True)
class Style:
    """How a body is written."""

    newline: str = ""
    ascii_only: bool = False
    bom: bool = False


def write(value: Any, style: Style) -> bytes:
    text = _text(value, style)
    return (b"\xef\xbb\xbf" if style.bom else b"") + text.encode("utf-8")


def _text(value: Any, style: Style) -> str:
    if isinstance(value, Digits):
        return str(value)
    gap = style.newline
    if isinstance(value, dict | Members):
        pairs = value if isinstance(value, Members) else list(value.items())
        inner = f",{gap}".join(f"{_text(name, style)}:{gap}{_text(item, style)}" for name, item in pairs)
        return f"{{{gap}{inner}{gap}}}"
    if isinstance(value, list):
        return f"[{gap}{f'{gap},{gap}'.join(_text(item, style) for item in value)}{gap}]"
    unwritable = isinstance(value, str) and any("\ud800" <= character <= "\udfff" for character in value)
    return json.dumps(value, ensure_ascii=style.ascii_only or unwritable)


styles = st.builds(
    Style, newline=st.sampled_from(["", " ", "\n  ", "\r\n\t"]), ascii_only=st.booleans(), bom=st.booleans()
)

texts = st.one_of(
    st.text(max_size=8),
    st.sampled_from(
        [
            "},{",
            '","',
            '"},{"',
            "\\",
            '\\"',
            "]",
            "[{",
            "<a>",
            "<",
            "<>",
            "é😀",
            "\u2028",
            "\ufeff",
            "\x00",
            "null",
            "00501",
        ]
    ),
)
unwritable_texts = st.sampled_from(["\ud800", "a\udfffb", "\ud83d"])
numbers = st.one_of(
    st.integers(-(2**70), 2**70),
    st.integers(-40_000, 40_000),
    st.floats(allow_nan=False, allow_infinity=False),
    st.sampled_from(
        [
            *("-0", "-0.0", "0.0", "1.0", "1e3", "1E+2", "1e-400", "1e400", "-1e999"),
            *("9007199254740993", "9007199254740993.0", "9223372036854775808", "-9223372036854775808"),
            *("32768", "2147483648", "0.1000000000000000055511151231257827", "12345678901234567890.5"),
        ]
    ).map(Digits),
)
scalars = st.one_of(st.none(), st.booleans(), texts, unwritable_texts, numbers)
json_values = st.recursive(
    scalars,
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(texts, inner, max_size=3)),
    max_leaves=6,
)


def _instants() -> st.SearchStrategy[str]:
    times = st.datetimes(dt.datetime(1000, 1, 1), dt.datetime(9999, 12, 30, 23, 59))  # noqa: DTZ001 - made into text
    return st.builds(lambda time, zone: time.isoformat() + zone, times, st.sampled_from(["Z", "Z", "+05:30", "-08:00"]))


_INSTANTS_REFUSED = "2020-02-30T00:00:00Z 2020-01-01 2020-01-01T00:00:00 1000-01-01T00:00:00+01:00 0001-01-01T00:00:00Z"
_FITTING: dict[str, st.SearchStrategy[Any]] = {
    "string": st.one_of(texts, st.integers(0, 99_999)),
    "url": st.one_of(texts, texts.map(lambda text: f"<https://{text}>")),
    "int16": st.one_of(st.integers(1990, 2030).map(str), st.integers(-40_000, 40_000)),
    "int32": st.integers(-(2**31), 2**31),
    "int64": st.integers(-(2**63), 2**63),
    "float64": st.one_of(st.floats(-180, 180), st.floats(-180, 180).map(repr), st.integers(-180, 180)),
    "timestamp": st.one_of(_instants(), st.sampled_from(_INSTANTS_REFUSED.split())),
    "list<string>": st.lists(st.one_of(texts, st.none()), max_size=3),
    "json": json_values,
}


def column_values(column: Column, *, odd: bool) -> st.SearchStrategy[Any]:
    if column.key:
        return st.integers(0, 2**63 - 1)
    fitting = _FITTING[column.type]
    return st.one_of(fitting, fitting, fitting, json_values) if odd else fitting


@st.composite
def records(draw: st.DrawFn, endpoint: Endpoint, *, odd: bool = True) -> dict[str, Any]:
    """One object for the row; `odd` ones have values of other kinds, unknown fields, and fields missing."""
    record: dict[str, Any] = {}
    for column in endpoint.columns:
        decided_by_the_call = column is EXTRA or column.name == "algo"
        if decided_by_the_call or not (column.key or draw(st.booleans())):
            continue
        *outer, name = column.source
        holder = record
        for step in outer:
            holder = holder.setdefault(step, {})
        holder[name] = draw(column_values(column, odd=odd))
    if odd:
        unknown = st.one_of(texts, st.sampled_from(["extra", "algo", "ID", "summary"]))
        strangers = draw(st.dictionaries(unknown, json_values, max_size=2))
        record = {**{name: value for name, value in strangers.items() if name not in record}, **record}
    return record


def answers(endpoint: Endpoint, *, odd: bool = True) -> st.SearchStrategy[Any]:
    """A whole answer of the row, in the shape that the platform documents."""
    if endpoint.answer == "hashes":
        return st.lists(texts.filter(bool), max_size=6)
    if endpoint.answer == "objects":
        return st.lists(records(endpoint, odd=odd), max_size=5)
    if endpoint.name == "sales":
        rows = st.lists(json_values, max_size=3)
        others = st.dictionaries(texts, json_values, max_size=2) if odd else st.just({})
        return st.builds(lambda a, b, other: {**other, "sales": a, "matched_sales": b}, rows, rows, others)
    return records(endpoint, odd=odd)


def oracle(body: bytes) -> Any:
    """The body as Python's own reader sees it; numbers beyond a double are infinite."""
    return json.loads(body.decode("utf-8-sig"))


def same_json(sent: Any, kept: Any) -> bool:
    """Equal JSON: kinds alike, integers exact, other numbers as doubles; one beyond a double is kept as its digits."""
    if isinstance(sent, float) and math.isinf(sent):
        return isinstance(kept, str) and float(kept) == sent
    if isinstance(sent, dict):
        return isinstance(kept, dict) and list(sent) == list(kept) and all(same_json(sent[k], kept[k]) for k in sent)
    if isinstance(sent, list):
        return isinstance(kept, list) and len(sent) == len(kept) and all(map(same_json, sent, kept))
    if isinstance(sent, bool) or isinstance(kept, bool) or not isinstance(sent, int | float):
        return type(sent) is type(kept) and sent == kept
    return isinstance(kept, int | float) and sent == kept


def _same_double(sent: Any, kept: float) -> bool:
    if isinstance(sent, int) and sent != int(kept):
        return False
    return struct.pack("d", float(sent)) == struct.pack("d", kept) or (
        sent == 0 and isinstance(sent, int) and kept == 0
    )


def _unwrapped(text: str) -> str:
    return text[1:-1] if text.startswith("<") and text.endswith(">") else text


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


_SAME: dict[str, Callable[[Any, Any], bool]] = {
    "string": lambda sent, kept: not isinstance(sent, bool | float) and str(sent) == kept,
    "url": lambda sent, kept: not isinstance(sent, bool | float) and _unwrapped(str(sent)) == kept,
    "int16": lambda sent, kept: sent == kept if _is_number(sent) else sent == str(kept),
    "int32": lambda sent, kept: sent == kept if _is_number(sent) else sent == str(kept),
    "int64": lambda sent, kept: sent == kept if _is_number(sent) else sent == str(kept),
    "float64": lambda sent, kept: not isinstance(sent, bool) and _same_double(sent, kept),
    "timestamp": lambda sent, kept: dt.datetime.fromisoformat(sent) == kept,
    "list<string>": lambda sent, kept: sent == kept,
    "json": lambda sent, kept: same_json(sent, json.loads(kept)),
}


def lost(endpoint: Endpoint, constants: frozenset[str], record: dict[str, Any], row: dict[str, Any]) -> list[str]:
    """What of a record the table's row doesn't give back. A column that is null says as much as a missing field."""
    extra = json.loads(row.get("extra") or "{}")
    left = {name: dict(value) if isinstance(value, dict) else value for name, value in record.items()}
    complaints = []
    for column in endpoint.columns:
        if column is EXTRA or column.name in constants:
            continue
        kept = row[column.name]
        *outer, name = column.source
        holder, spare = _at(left, outer), _at(extra, outer)
        if column.hashed and isinstance(spare, dict) and str(spare.get(name)).startswith("(not stored"):
            del holder[name], spare[name]  # it may be an address in clear text
            continue
        if not isinstance(holder, dict) or name not in holder or (isinstance(spare, dict) and name in spare):
            complaints += [] if kept is None else [f"{column.name} is made up"]
            continue
        sent = holder.pop(name)
        if not (kept is None if sent is None else kept is not None and _SAME[column.type](sent, kept)):
            complaints.append(f"{column.name}: {sent!r} became {kept!r}")
        if outer and not holder:
            del left[outer[0]]
    return complaints if same_json(left, extra) else [*complaints, f"extra: {left!r} became {extra!r}"]


def _at(value: Any, path: list[str]) -> Any:
    for step in path:
        value = value.get(step) if isinstance(value, dict) else None
    return value
