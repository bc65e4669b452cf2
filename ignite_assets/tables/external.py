"""A lake's assets as external tables of a warehouse: statements made from the tables of endpoints and derived assets.

The sources of the syntax: Athena's "Partition projection", BigQuery's "CREATE EXTERNAL TABLE", Snowflake's "CREATE
EXTERNAL TABLE", Trino's "Hive connector".
"""

import datetime as dt
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, get_args

from ignite_assets.api.table import Column, ColumnType, Table
from ignite_assets.storage.lake import FILE_NAME
from ignite_assets.storage.sql import IN_PATH_DESCRIPTIONS

Warehouse = Literal["athena", "bigquery", "snowflake", "trino"]
WAREHOUSES: tuple[Warehouse, ...] = get_args(Warehouse)

_TYPES: Mapping[Warehouse, Mapping[ColumnType, str]] = {
    "athena": {"string": "string", "int16": "smallint", "int32": "int", "int64": "bigint", "float64": "double",
               "date": "date", "timestamp": "timestamp", "list<string>": "array<string>"},
    "bigquery": {"string": "STRING", "int16": "INT64", "int32": "INT64", "int64": "INT64", "float64": "FLOAT64",
                 "date": "DATE", "timestamp": "TIMESTAMP", "list<string>": "ARRAY<STRING>"},
    "snowflake": {"string": "VARCHAR", "int16": "NUMBER(5, 0)", "int32": "NUMBER(10, 0)", "int64": "NUMBER(19, 0)",
                  "float64": "DOUBLE", "date": "DATE", "timestamp": "TIMESTAMP_TZ", "list<string>": "ARRAY"},
    "trino": {"string": "varchar", "int16": "smallint", "int32": "integer", "int64": "bigint", "float64": "double",
              "date": "date", "timestamp": "timestamp(6)", "list<string>": "array(varchar)"},
}  # fmt: skip
_GLUE_COMMENT = 255
"""Characters that Athena's catalogue keeps of a comment."""


@dataclass(frozen=True, kw_only=True)
class Place:
    """Where a lake is, and what it holds."""

    url: str
    """Of its root, without a query."""
    websites: Sequence[str]
    first_day: dt.date
    schema: str = "ignite"
    """The schema, data set or database of the tables."""


def statements(warehouse: Warehouse, tables: Sequence[Table], place: Place) -> Iterator[str]:
    """SQL that makes an external table of each asset, each statement with its semicolon."""
    if warehouse == "snowflake":
        yield f"CREATE STAGE IF NOT EXISTS {place.schema}.lake\n  URL = '{place.url}/';"
    for table in tables:
        yield from _MADE[warehouse](table, place)


def _type(warehouse: Warehouse, column: Column) -> str:
    kind: ColumnType = "string" if column.type in ("url", "json") else column.type
    return _TYPES[warehouse][kind]


def _text(words: str) -> str:
    """A text as standard SQL has it."""
    return "'" + words.replace("'", "''") + "'"


def _lines(parts: Sequence[str]) -> str:
    return ",\n".join(f"  {part}" for part in parts)


def _athena(table: Table, place: Place) -> Iterator[str]:
    """Partitions are projected: those that are captured later are there at once."""

    def text(words: str) -> str:
        return "'" + words[:_GLUE_COMMENT].replace("\\", "\\\\").replace("'", "\\'") + "'"

    columns = [f"`{c.name}` {_type('athena', c)} COMMENT {text(c.description)}" for c in table.all_columns]
    properties = {
        "projection.enabled": "true",
        "projection.website.type": "enum",
        "projection.website.values": ",".join(place.websites),
        "projection.date.type": "date",
        "projection.date.format": "yyyy-MM-dd",
        "projection.date.range": f"{place.first_day},NOW",
    }
    yield (
        f"CREATE EXTERNAL TABLE {place.schema}.{table.name} (\n{_lines(columns)}\n)\n"
        f"COMMENT {text(table.description)}\n"
        "PARTITIONED BY (`website` string, `date` date)\n"
        f"STORED AS PARQUET\nLOCATION '{place.url}/{table.name}/'\n"
        f"TBLPROPERTIES (\n{_lines([f'{text(key)} = {_text(value)}' for key, value in properties.items()])}\n);"
    )


def _bigquery(table: Table, place: Place) -> Iterator[str]:
    def text(words: str) -> str:
        return '"' + words.replace("\\", "\\\\").replace('"', '\\"') + '"'

    columns = [
        f"`{c.name}` {_type('bigquery', c)} OPTIONS (description = {text(c.description)})" for c in table.all_columns
    ]
    folder = f"{place.url}/{table.name}"
    yield (
        f"CREATE OR REPLACE EXTERNAL TABLE {place.schema}.{table.name} (\n{_lines(columns)}\n)\n"
        "WITH PARTITION COLUMNS (website STRING, date DATE)\n"
        f"OPTIONS (\n  format = 'PARQUET',\n  enable_list_inference = true,\n  uris = ['{folder}/*'],\n"
        f"  hive_partition_uri_prefix = '{folder}',\n  description = {text(table.description)}\n);"
    )


def _snowflake(table: Table, place: Place) -> Iterator[str]:
    columns = [
        f'"{c.name}" {_type("snowflake", c)} AS (value:"{c.name}"::{_type("snowflake", c)})' for c in table.all_columns
    ]
    found = "regexp_substr(metadata$filename, '{}=([^/]+)', 1, 1, 'e')"
    columns += [
        f'"website" VARCHAR AS ({found.format("website")})',
        f'"date" DATE AS (to_date({found.format("date")}))',
    ]
    name = f"{place.schema}.{table.name}"
    yield (
        f"CREATE OR REPLACE EXTERNAL TABLE {name} (\n{_lines(columns)}\n)\n"
        'PARTITION BY ("website", "date")\n'
        f"LOCATION = @{place.schema}.lake/{table.name}/\nPATTERN = '.*/{FILE_NAME.replace('.', '[.]')}'\n"
        f"FILE_FORMAT = (TYPE = PARQUET)\nAUTO_REFRESH = FALSE\nCOMMENT = {_text(table.description)};"
    )
    yield f"ALTER EXTERNAL TABLE {name} REFRESH;"


def _trino(table: Table, place: Place) -> Iterator[str]:
    columns = [f'"{c.name}" {_type("trino", c)} COMMENT {_text(c.description)}' for c in table.all_columns]
    columns += [
        f'"website" varchar COMMENT {_text(IN_PATH_DESCRIPTIONS["website"])}',
        f'"date" date COMMENT {_text(IN_PATH_DESCRIPTIONS["date"])}',
    ]
    yield (
        f"CREATE TABLE hive.{place.schema}.{table.name} (\n{_lines(columns)}\n)\n"
        f"COMMENT {_text(table.description)}\n"
        f"WITH (\n  format = 'PARQUET',\n  external_location = '{place.url}/{table.name}',\n"
        "  partitioned_by = ARRAY['website', 'date']\n);"
    )
    yield f"CALL hive.system.sync_partition_metadata('{place.schema}', '{table.name}', 'FULL');"


_MADE: Mapping[Warehouse, Callable[[Table, Place], Iterator[str]]] = {
    "athena": _athena,
    "bigquery": _bigquery,
    "snowflake": _snowflake,
    "trino": _trino,
}
