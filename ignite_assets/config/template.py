"""A new `ignite.toml`, derived from the models: every setting with its default and its meaning.

A line that begins with `# ` is a remark; one that begins with `#` and a letter or a bracket is a setting to switch on.
"""

import datetime as dt
import textwrap
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, get_args

from pydantic import BaseModel
from pydantic.fields import FieldInfo

from ignite_assets.api.errors import ConfigurationError
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


def new_configuration(websites: Sequence[str], *, start_date: dt.date, root: str, reports: str | None = None) -> str:
    """The text of an `ignite.toml` for some websites; nothing in it is judged yet."""
    given = {"partitions": {"start_date": str(start_date)}, "storage": {"root": root}}
    given |= {"reports": {"to": reports}} if reports else {}
    lines = [_HEAD.rstrip()]
    for name, field in Settings.model_fields.items():
        lines += ["", "", *_remark(field.description or ""), *_table(name, field, websites, given)]
    return "\n".join(lines) + "\n"


def variables(settings: Settings) -> list[str]:
    """The environment variables that hold the credentials. Raises `ConfigurationError` when two websites share one."""
    names = [name for site in settings.websites.values() for name in (site.token_env, site.secret_env)]
    if doubled := sorted({name for name in names if names.count(name) > 1}):
        mistake = f"these websites would share the variable {', '.join(doubled)}; rename one"
        raise ConfigurationError(str(settings.path), [mistake])
    return names


def example(name: str, *, website: str, start_date: dt.date) -> str:
    """One table of an `ignite.toml` with all of its settings switched on, without remarks."""
    given = {"partitions": {"start_date": str(start_date)}}
    lines = _table(name, Settings.model_fields[name], [website], given)
    return "\n".join(line.removeprefix("#") for line in lines if line and not line.startswith("# "))


def _table(
    name: str, field: FieldInfo, websites: Sequence[str], given: Mapping[str, Mapping[str, Any]]
) -> Iterator[str]:
    annotation, _ = field_kind(field)
    if is_mapping(annotation):
        yield from _websites(name, get_args(annotation)[1], websites)
    elif is_list(annotation):
        yield from ('# An example, to take the "#" away from as a whole:', f"#[[{name}]]")
        yield from _settings(item_type(annotation), {})
    else:
        yield f"[{name}]"
        yield from _settings(annotation, given.get(name, {}))


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
