"""What the models say of a setting: its type, its bounds and what is allowed, in words."""

from collections.abc import Mapping, Sequence
from types import UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from annotated_types import Ge, Gt, Le
from pydantic import BaseModel
from pydantic.fields import FieldInfo

from ignite_assets.api.section import AllowedText
from ignite_assets.config.models import Settings

Kind = tuple[Any, Sequence[object]]
"""A type and what its annotation says besides."""


def kind_of(annotation: Any, metadata: Sequence[object] = ()) -> Kind:
    """Take `Annotated[…]` and `… | None` apart."""
    if get_origin(annotation) is Annotated:
        inner, *more = get_args(annotation)
        return kind_of(inner, [*metadata, *more])
    if get_origin(annotation) in (Union, UnionType):
        some = [each for each in get_args(annotation) if each is not type(None)]
        return kind_of(some[0], metadata)
    return annotation, metadata


def field_kind(field: FieldInfo) -> Kind:
    """A field's type, and what is said of it."""
    return kind_of(field.annotation, field.metadata)


def kind_at(loc: Sequence[int | str]) -> Kind:
    """What the models allow at a place of the file."""
    kind: Kind = (Settings, ())
    for part in loc:
        annotation = kind[0]
        kind = field_kind(annotation.model_fields[part]) if is_table(annotation) else kind_of(item_type(annotation))
    return kind


def item_type(annotation: Any) -> Any:
    """What stands under each key of `Mapping[K, V]`, or in each place of `tuple[V, ...]`."""
    first, second = get_args(annotation)
    return second if is_mapping(annotation) else first


def is_mapping(annotation: Any) -> bool:
    """Whether it is a table of tables or values under keys of the user's."""
    return get_origin(annotation) is Mapping


def is_list(annotation: Any) -> bool:
    """Whether it is a list."""
    return get_origin(annotation) in (tuple, list)


def is_table(annotation: Any) -> bool:
    """Whether it is a table with fields of ours."""
    return isinstance(annotation, type) and issubclass(annotation, BaseModel)


def choices_of(annotation: Any) -> tuple[str, ...]:
    """The values of a closed set; empty for any other type."""
    return get_args(annotation) if get_origin(annotation) is Literal else ()


def allowed_words(annotation: Any, metadata: Sequence[object]) -> str:
    """What a value may be, in words."""
    for mark in metadata:
        if isinstance(mark, AllowedText):
            return mark.phrase
    if is_table(annotation):
        return f"a table with {', '.join(annotation.model_fields)}"
    if choices := choices_of(annotation):
        return f"one of {', '.join(choices)}"
    if is_list(annotation):
        return f"a list, each {allowed_words(*kind_of(item_type(annotation)))}"
    name = {bool: "true or false", int: "a whole number", float: "a number", str: "text"}[annotation]
    return name + _bounds(metadata)


def _bounds(metadata: Sequence[object]) -> str:
    low = next((mark.ge for mark in metadata if isinstance(mark, Ge)), None)
    above = next((mark.gt for mark in metadata if isinstance(mark, Gt)), None)
    high = next((mark.le for mark in metadata if isinstance(mark, Le)), None)
    if low is not None and high is not None:
        return f" from {low} to {high}"
    bounds = [
        f"{words} {bound}"
        for words, bound in (("at least", low), ("above", above), ("at most", high))
        if bound is not None
    ]
    return f", {' and '.join(bounds)}" if bounds else ""
