"""The careful way: any JSON, made to fit a row value by value, losing nothing. Pure.

A value stays in its column when writing it back would give the same value. Any other value, and any field that the
row doesn't know, goes to `extra` under its own name. Numbers count as IEEE doubles, as JSON's readers agree to
(RFC 8259, section 6); integers are exact at any size.
"""

import datetime as dt
import json
import math
import re
from collections import Counter
from collections.abc import Callable, Collection, Mapping
from functools import partial
from typing import Any

from ignite_assets.api.endpoints import EXTRA, Endpoint
from ignite_assets.api.errors import ResponseShapeError, UnparsableError, json_kind
from ignite_assets.api.table import Column, ColumnType

_INT_TEXT = re.compile(r"0|-?[1-9][0-9]{0,18}", re.ASCII)
_INSTANT = re.compile(r"[1-9]\d{3}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,6})?(Z|[+-]\d\d:\d\d)", re.ASCII)
_EXACT_INT = 2**53
_MOST_DIGITS = 4300
"""Of an integer; Python's own bound."""


class _MisfitError(ValueError):
    """The value can't stand in its column without losing something."""


class _Overflow(str):
    """The digits of a number beyond the range of a double."""

    __slots__ = ()


def decode(body: bytes) -> Any:
    """Any JSON value, strictly: UTF-8, no NaN, no name given two values.

    Raises `UnparsableError`, which never quotes the body.
    """
    try:
        return _DECODER.decode(body.decode("utf-8-sig"))
    except UnicodeDecodeError:
        reason = "the body isn't UTF-8"
    except RecursionError:
        reason = "the body is nested too deeply"
    except ValueError as error:
        detail = error.msg if isinstance(error, json.JSONDecodeError) else str(error)
        reason = f"the body isn't JSON: {detail}"
    # Not while the other is handled: as the context of ours it would keep the body.
    raise UnparsableError(reason)


def _no_constant(name: str) -> Any:
    raise ValueError(f"{name} is not a JSON value")


def _one_value_a_name(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    members = dict(pairs)
    if len(members) != len(pairs) and any(to_json(members[name]) != to_json(value) for name, value in pairs):
        raise ValueError("an object gives one name two values")
    return members


def _int_or_minus_zero(digits: str) -> int | float:
    if len(digits) > _MOST_DIGITS:
        raise ValueError(f"a number has more than {_MOST_DIGITS} digits")
    return -0.0 if digits == "-0" else int(digits)


def _float(digits: str) -> float | str:
    value = float(digits)
    return value if math.isfinite(value) else _Overflow(digits)


_DECODER = json.JSONDecoder(
    object_pairs_hook=_one_value_a_name,
    parse_constant=_no_constant,
    parse_float=_float,
    parse_int=_int_or_minus_zero,
)


def fit(
    endpoint: Endpoint, record: object, coercions: Counter[str], *, without: Collection[str] = ()
) -> dict[str, Any]:
    """One record with the row's columns, each value in the kind the platform documents; the rest under `extra`.

    `without` names columns that don't come from the record. Raises `ResponseShapeError` for what isn't an object, or
    lacks its key.
    """
    if not isinstance(record, dict):
        raise ResponseShapeError(expected="an object", found=record)
    left = _copy(record)
    columns = [column for column in endpoint.columns if column is not EXTRA and column.name not in without]
    spoiled: list[str] = []
    fitted = {column.name: _take(column, left, spoiled) for column in columns}
    for column in columns:
        if column.key and fitted[column.name] is None:
            raise ResponseShapeError(expected=f"an object with its {column.name}", found=record)
    if left:
        if EXTRA not in endpoint.columns:
            raise ResponseShapeError(expected="an object that its columns can hold", found=record)
        fitted[EXTRA.name] = to_json(left)
    coercions.update(spoiled)
    return fitted


def _copy(value: dict[str, Any]) -> dict[str, Any]:
    """The record, its nested objects copied too: what is taken out must not touch the original."""
    return {k: dict(v) if isinstance(v, dict) else v for k, v in value.items()}


def _take(column: Column, left: dict[str, Any], spoiled: list[str]) -> Any:
    """Move a column's value out of what is left of the record, if it fits; leave it there if it doesn't."""
    *outer, name = column.source
    holder: Any = left
    for step in outer:
        holder = holder.get(step) if isinstance(holder, dict) else None
    if not isinstance(holder, dict) or name not in holder:
        return None
    try:
        value = _FIT[column.type](holder[name])
    except _MisfitError:
        spoiled.append(column.name)
        if column.hashed:
            holder[name] = masked(holder[name])
        return None
    del holder[name]
    if outer and not holder:
        del left[outer[0]]
    return str(value) if column.quoted and value is not None else value


def _string(value: Any) -> str | None:
    if value is None:
        return None
    if is_text(value):
        return str(value)
    if isinstance(value, int) and not isinstance(value, bool):
        return str(value)
    raise _MisfitError


def is_text(value: Any) -> bool:
    """Whether it is text that UTF-8 can hold."""
    return isinstance(value, str) and not isinstance(value, _Overflow) and _is_unicode(value)


def _is_unicode(text: str) -> bool:
    """False for a lone surrogate, which JSON can write and UTF-8 can't."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def _int(value: Any, *, bits: int) -> int | None:
    if value is None:
        return None
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    if isinstance(value, str) and _INT_TEXT.fullmatch(value):
        value = int(value)
    bound = 1 << (bits - 1)
    if not isinstance(value, int) or isinstance(value, bool) or not -bound <= value < bound:
        raise _MisfitError
    return value


def _float64(value: Any) -> float | None:
    if value is None:
        return None
    if isinstance(value, str) and not isinstance(value, _Overflow):
        value = _float_of_text(value)
    if isinstance(value, bool) or not isinstance(value, int | float) or abs(value) >= _EXACT_INT:
        raise _MisfitError
    return float(value)


def _float_of_text(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        raise _MisfitError from None
    if text not in (repr(value), repr(value).removesuffix(".0")) or not math.isfinite(value):
        raise _MisfitError
    return value


def _timestamp(value: Any) -> str | None:
    if value is None:
        return None
    if not isinstance(value, str) or not _INSTANT.fullmatch(value):
        raise _MisfitError
    try:
        instant = dt.datetime.fromisoformat(value).astimezone(dt.UTC)
    except (ValueError, OverflowError):
        raise _MisfitError from None
    if instant.year < 1000:  # the shift to UTC left the years of four digits
        raise _MisfitError
    return instant.strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def _strings(value: Any) -> list[str | None] | None:
    if value is None:
        return None
    if not isinstance(value, list) or not all(v is None or is_text(v) for v in value):
        raise _MisfitError
    return value


def _json(value: Any) -> str | None:
    return None if value is None else to_json(value)


_FIT: Mapping[ColumnType, Callable[[Any], Any]] = {
    "string": _string,
    "url": _string,
    "int16": partial(_int, bits=16),
    "int32": partial(_int, bits=32),
    "int64": partial(_int, bits=64),
    "float64": _float64,
    "timestamp": _timestamp,
    "list<string>": _strings,
    "json": _json,
}


def masked(value: object) -> object:
    """What may be an e-mail address in clear text, by its kind and length alone."""
    if value is None or isinstance(value, bool):
        return value
    length = f", {len(value)} characters" if isinstance(value, str) else ""
    return f"(not stored: {json_kind(value)}{length})"


def to_json(value: Any) -> str:
    """Compact JSON, keys in the order received; escaped to ASCII only where UTF-8 can't hold the text.

    Raises `UnparsableError` for a value nested deeper than JSON can be written.
    """
    try:
        text = json.dumps(value, ensure_ascii=False, separators=(",", ":"))
        return text if _is_unicode(text) else json.dumps(value, separators=(",", ":"))
    except RecursionError:
        raise UnparsableError("the body is nested too deeply") from None
