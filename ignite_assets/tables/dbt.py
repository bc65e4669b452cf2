"""A lake's assets as sources of a dbt project: columns, descriptions, tests and freshness, made from their tables.

dbt-duckdb reads the lake itself, by `external_location`; other adapters read tables of the same names.
"""

from collections.abc import Iterator, Sequence
from typing import Any

import yaml

from ignite_assets.api.table import Column, Table
from ignite_assets.storage.duck import IN_PATH, SQL_TYPES, literal, pattern
from ignite_assets.storage.lake import FILE_NAME
from ignite_assets.storage.sql import IN_PATH_DESCRIPTIONS

SOURCE = "ignite"
_STALE_HOURS, _LOST_HOURS = 36, 72
"""A night's capture is at most a day old when the next one lands."""
_HEAD = "# Written by `ignite-assets dbt`: write it anew after an upgrade.\n"


def sources(tables: Sequence[Table], root: str, schema: str = SOURCE) -> str:
    """The text of a `sources.yml`; `root`: of the lake, an absolute path or a URL without a query."""
    found = f"{pattern(root)}/{{name}}/website=*/date=*/{FILE_NAME}"
    # Without braces but those of the table's name, which dbt-duckdb fills in, and none that dbt takes for Jinja's.
    types = ", ".join(f"{name} := {literal(kind)}" for name, kind in IN_PATH.items())
    scan = (
        f"read_parquet({literal(found)}, hive_partitioning = true, hive_types = struct_pack({types}), "
        "union_by_name = true)"
    )
    source = {
        "name": SOURCE,
        "schema": schema,
        "description": "What the Ignite platform answered, by website and look-back date, and what is derived of it.",
        "config": {"meta": {"external_location": scan}},
        "tables": [_table(table) for table in tables],
    }
    document = {"version": 2, "sources": [source]}
    text: str = yaml.safe_dump(document, sort_keys=False, allow_unicode=True, width=120)
    return _HEAD + text


def _table(table: Table) -> dict[str, Any]:
    in_path = [
        {"name": name, "description": IN_PATH_DESCRIPTIONS[name], "data_type": kind, "data_tests": ["not_null"]}
        for name, kind in IN_PATH.items()
    ]
    freshness = {
        "warn_after": {"count": _STALE_HOURS, "period": "hour"},
        "error_after": {"count": _LOST_HOURS, "period": "hour"},
        "filter": "date > current_date - 7",
    }
    return {
        "name": table.name,
        "description": table.description,
        "config": {"loaded_at_field": table.stamp.name, "freshness": freshness},
        **({"data_tests": [{"unique": _identity(table)}]} if table.keys else {}),
        "columns": [*map(dict, map(_column, table.all_columns)), *in_path],
    }


def _identity(table: Table) -> dict[str, str]:
    """What no two rows of a table share, as one text: dbt's own test takes one expression."""
    values = (f"cast({name} as varchar)" for name in (*IN_PATH, *table.keys))
    return {"name": f"{table.name}_keys_are_unique", "column_name": " || '|' || ".join(values)}


def _column(column: Column) -> Iterator[tuple[str, Any]]:
    yield "name", column.name
    yield "description", column.description
    yield "data_type", SQL_TYPES[column.type]
    if not column.nullable:
        yield "data_tests", ["not_null"]
