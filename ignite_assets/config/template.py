"""A new `ignite.toml`, derived from the models: every setting with its default and its meaning.

A line that begins with `# ` is a remark; one that begins with `#` and a letter or a bracket is a setting to switch on.
"""

import datetime as dt
import textwrap
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, get_args

from pydantic import BaseModel
from pydantic.fields import FieldInfo

from ignite_assets.api.names import credential_variable
from ignite_assets.config.kinds import allowed_words, field_kind, is_list, is_mapping, item_type
from ignite_assets.config.mistakes import toml, toml_key
from ignite_assets.config.models import Settings

_WIDTH = 110
_HEAD = """\
# What ignite_assets captures, where it lands, and what comes of it.
#
# A setting with a "#" right before it is optional: it shows its default, or an example where there is none.
# `ignite-assets doctor` says whether all of it works.
"""


def new_configuration(websites: Sequence[str], *, start_date: dt.date, root: str) -> str:
    """The text of an `ignite.toml` for some websites; nothing in it is judged yet."""
    given = {"partitions": {"start_date": str(start_date)}, "storage": {"root": root}}
    lines = [_HEAD.rstrip()]
    for name, field in Settings.model_fields.items():
        annotation, _ = field_kind(field)
        lines += ["", "", *_remark(field.description or "")]
        if is_mapping(annotation):
            lines += _websites(name, get_args(annotation)[1], websites)
        elif is_list(annotation):
            lines += [
                '# An example, to take the "#" away from as a whole:',
                f"#[[{name}]]",
                *_settings(item_type(annotation), {}),
            ]
        else:
            lines += [f"[{name}]", *_settings(annotation, given.get(name, {}))]
    return "\n".join(lines) + "\n"


def _websites(name: str, table: type[BaseModel], websites: Sequence[str]) -> Iterator[str]:
    for number, website in enumerate(websites):
        if number:
            yield ""
        yield f"[{name}.{toml_key(website)}]"
        given = {
            "token_env": credential_variable(website, "token"),
            "secret_env": credential_variable(website, "secret"),
        }
        yield from _settings(table, given, remarks=not number)


def _settings(table: type[BaseModel], given: Mapping[str, Any], *, remarks: bool = True) -> Iterator[str]:
    for number, (name, field) in enumerate(table.model_fields.items()):
        if remarks:
            yield from [""] if number else []
            yield from _about(field, given=name in given)
        yield f"{name} = {toml(given[name])}" if name in given else f"#{name} = {toml(_shown(field))}"


def _about(field: FieldInfo, *, given: bool) -> list[str]:
    """What the setting means and what it may be; of a value that is no default, that it is an example."""
    allowed = allowed_words(*field_kind(field))
    if field.is_required():
        standing = "Required: "
    else:
        standing = "Allowed: " if given or _has_default(field) else "Not set by default; allowed: "
    return [*_remark(field.description or ""), *_remark(f"{standing}{allowed}.")]


def _has_default(field: FieldInfo) -> bool:
    """Whether there is a default that shows what a value looks like."""
    return not field.is_required() and field.default is not None and field.default not in ((), {})


def _shown(field: FieldInfo) -> Any:
    """A value to show: the default, else the model's own example."""
    if _has_default(field):
        return field.default
    if not field.examples:
        raise LookupError(f"a setting without a default needs an example: {field.description}")
    return field.examples[0]


def _remark(text: str) -> list[str]:
    return textwrap.wrap(text, _WIDTH, initial_indent="# ", subsequent_indent="# ", break_on_hyphens=False)
