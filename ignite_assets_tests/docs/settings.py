"""The configuration reference: a row for each setting, derived from the models."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import get_args

from pydantic import (
    BaseModel,
)
from pydantic.fields import FieldInfo

from ignite_assets.config.kinds import allowed_words, field_kind, is_list, is_mapping, is_table, item_type, kind_of
from ignite_assets.config.mistakes import toml
from ignite_assets.config.models import Settings


@dataclass(frozen=True)
class ReferenceRow:
    """One setting, as the configuration reference shows it."""

    key: str
    allowed: str
    default: str
    """As TOML writes it; `required` or `not set` where there is none."""
    description: str


def reference() -> list[ReferenceRow]:
    """Every setting, in the order of the models; `<key>` stands for a website's key."""
    return list(_rows(Settings, ""))


def _rows(table: type[BaseModel], prefix: str) -> Iterator[ReferenceRow]:
    for name, field in table.model_fields.items():
        annotation, metadata = field_kind(field)
        key = f"{prefix}{name}"
        if is_table(annotation):
            yield from _rows(annotation, f"{key}.")
        elif is_list(annotation) and is_table(item_type(annotation)):
            yield from _rows(item_type(annotation), f"{key}[].")
        elif is_mapping(annotation) and is_table(get_args(annotation)[1]):
            key_type, table_type = get_args(annotation)
            yield ReferenceRow(f"{key}.<key>", allowed_words(*kind_of(key_type)), "required", field.description or "")
            yield from _rows(table_type, f"{key}.<key>.")
        else:
            yield ReferenceRow(key, allowed_words(annotation, metadata), _default(field), field.description or "")


def _default(field: FieldInfo) -> str:
    if field.is_required():
        return "required"
    return "not set" if field.default is None else toml(field.default)
