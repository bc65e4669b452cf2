"""The reference parts of docs/: settings, assets with their columns, destinations of exports, rooms of the package."""

import ast
import datetime as dt
import re
from collections.abc import Sequence
from itertools import groupby

from ignite_assets.api.arrow import arrow_schema
from ignite_assets.api.endpoints import ALGO, ENDPOINTS, EXTRA, Endpoint, one_object
from ignite_assets.api.table import Column, Table
from ignite_assets.audiences.destinations import DESTINATIONS, Destination
from ignite_assets.config.models import Settings
from ignite_assets.config.template import example
from ignite_assets.tables.derived.row import Derived
from ignite_assets.tables.registry import DERIVED
from ignite_assets_tests.docs.settings import ReferenceRow, reference
from ignite_assets_tests.layers import ALLOWED, MODULES

START = dt.date(2026, 9, 1)


def table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A Markdown table."""
    lines = [header, ["---"] * len(header), *([cell.replace("|", "\\|") for cell in row] for row in rows)]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in lines)


def settings() -> str:
    """A section for each table of `ignite.toml`: what it is for, its settings, and how it is written."""
    return "\n\n".join(
        _settings_of(name, list(rows))
        for name, rows in groupby(reference(), lambda row: row.key.split(".")[0].removesuffix("[]"))
    )


def _settings_of(name: str, rows: list[ReferenceRow]) -> str:
    field = Settings.model_fields[name]
    title = {"websites": "[websites.KEY]", "exports": "[[exports]]"}.get(name, f"[{name}]")
    told = [(f"`{_short(row.key)}`", row.allowed, _default(row), row.description) for row in rows]
    return "\n\n".join(
        [
            f"### `{title}`",
            field.description or "",
            table(("setting", "allowed", "default", ""), told),
            f"```toml\n{example(name, website='acme-honda', start_date=START)}\n```",
        ]
    )


def _short(key: str) -> str:
    """A setting's name within its table."""
    return "KEY" if key.endswith(".<key>") else key.rpartition(".")[2]


def _default(row: ReferenceRow) -> str:
    return row.default if row.default in ("required", "not set") else f"`{row.default}`"


def assets() -> str:
    """A section for each asset: what it is, where it comes from, and its columns."""
    return "\n\n".join([*map(_endpoint, ENDPOINTS), *map(_derived, DERIVED)])


def _endpoint(endpoint: Endpoint) -> str:
    dates = {"look_back": "any of the last 60 days", "current_state": "the day that just closed"}[endpoint.history]
    origin = f"`GET {endpoint.path}` (the vendor's section “{endpoint.section}”), for {dates}."
    origin += f" No row can be made of [a record](concepts.md#records-that-cant-be-rows) that is {endpoint.misfit}."
    sources = {column.name: _source(endpoint, column) for column in endpoint.all_columns}
    return _section(endpoint, origin, sources)


def _derived(derived: Derived) -> str:
    origin = f"Derived from {', '.join(f'`{name}`' for name in derived.reads)}."
    sources = {
        column.name: ", ".join(f"`{asset}.{name}`" for asset, name in derived.lineage.get(column.name, ()))
        for column in derived.all_columns
    }
    return _section(derived, origin, sources)


def _section(asset: Table, origin: str, sources: dict[str, str]) -> str:
    rows = [
        (
            f"`{column.name}`",
            _type(asset, column),
            _null(column),
            _personal(column),
            sources[column.name],
            column.description,
        )
        for column in asset.all_columns
    ]
    header = ("column", "type", "null", "personal data", "from", "")
    return "\n\n".join([f"### `{asset.name}`", asset.description, origin, table(header, rows)])


def _type(asset: Table, column: Column) -> str:
    """The column's type in Parquet, as Arrow names it."""
    found = str(arrow_schema(asset).field(column.name).type).replace("item: ", "")
    return f"`{found}`, JSON" if column.type == "json" else f"`{found}`"


def _null(column: Column) -> str:
    return "key" if column.key else "yes" if column.nullable else "never"


def _personal(column: Column) -> str:
    return "hashed e-mails" if column.hashed else "yes" if column.personal else ""


def _source(endpoint: Endpoint, column: Column) -> str:
    """Where a value stands in the platform's answer, in words or as a path."""
    if column is endpoint.stamp:
        return "the clock"
    if column is ALGO or (endpoint.ids and column.name == endpoint.ids.column and endpoint.answer == "hashes"):
        return "the call"
    if column is EXTRA:
        return "every other field"
    if endpoint.answer == "hashes":
        return "each item"
    if endpoint.answer not in ("objects", one_object):
        return "a whole record"
    return f"`{'.'.join(column.source)}`"


def destinations() -> str:
    """What each ad platform takes."""
    header = ("`destination`", "for", "file", "hashes", "members, at least", "source", "")
    return table(header, [_destination(row) for row in DESTINATIONS])


def _destination(row: Destination) -> tuple[str, ...]:
    return (
        f"`{row.name}`", row.title, f"`.{row.extension}`", ", ".join(row.algos),
        f"{row.min_members:,}" if row.min_members else "", f"{row.source}, {row.read}", " ".join(row.notes),
    )  # fmt: skip


def layout() -> str:
    """The rooms of the package with what they are for, the lowest first, then its own modules."""
    rooms = sorted((room for room in ALLOWED if room), key=lambda room: len(ALLOWED[room]))
    modules = [name for name in MODULES if "." not in name and name not in (*rooms, "", "_version")]
    told = [(f"`{room}/`", _first_sentence(room), _imports(room, rooms)) for room in rooms]
    told += [(f"`{module}.py`", _first_sentence(module), "") for module in modules]
    return table(("in `ignite_assets/`", "", "may import"), told)


def _imports(room: str, rooms: Sequence[str]) -> str:
    allowed = [f"`{other}`" for other in rooms if other in ALLOWED[room]]
    return "all rooms" if len(allowed) == len(rooms) - 1 else ", ".join(allowed)


def _first_sentence(module: str) -> str:
    """Of a module's docstring."""
    docstring = ast.get_docstring(ast.parse(MODULES[module].read_text(encoding="utf-8"))) or ""
    return re.split(r"(?<=\.)\s", docstring, maxsplit=1)[0]
