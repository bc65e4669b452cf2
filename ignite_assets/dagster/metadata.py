"""What Dagster shows of an asset and of a partition. No personal data: previews are masked here."""

import datetime as dt
import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import dagster as dg

from ignite_assets.api.table import Column, Table
from ignite_assets.dagster.keys import PLAIN, AssetKeys
from ignite_assets.storage.store import shown_root
from ignite_assets.tables.made import MadePartition

MASK = "•••"
LINEAGE = "dagster/column_lineage"
_PREVIEWED = 2
"""Rows of a preview."""
_SYNTAX = re.compile(r"\s+|[\\`*\[\]<>|]")
"""What means something in a table of Markdown. A value of the platform's must be shown as it is."""


def column_schema(table: Table) -> dg.TableSchema:
    """The asset's columns with their types and descriptions."""
    return dg.TableSchema(
        columns=[
            dg.TableColumn(
                name=column.name,
                type=column.type,
                description=column.description,
                constraints=dg.TableColumnConstraints(nullable=column.nullable),
                tags={"ignite/personal_data": "true"} if column.personal else {},
            )
            for column in table.all_columns
        ]
    )


def lineage_metadata(table: Table, keys: AssetKeys = PLAIN) -> dict[str, dg.MetadataValue]:
    """The columns of other assets that a table's columns are made from; empty when there are none."""
    deps = {
        name: [dg.TableColumnDep(keys[asset], column) for asset, column in sources]
        for name, sources in table.lineage.items()
    }
    return {LINEAGE: dg.MetadataValue.column_lineage(dg.TableColumnLineage(deps))} if deps else {}


def place(location: str) -> dg.MetadataValue:
    """Where something is: a URL as a link, a path to copy, since browsers open no local files from a page."""
    return dg.MetadataValue.url(location) if "://" in location else dg.MetadataValue.path(location)


def storage_uri(root: str, asset: str) -> str:
    """Where an asset's partitions are, as a URI."""
    folder = shown_root(root) if "://" in root else Path(root).absolute().as_uri()
    return f"{folder}/{asset}"


def storage_kinds(root: str) -> set[str]:
    """What Dagster's UI has a picture of: the object store that the lake is in."""
    return {"s3"} if root.startswith("s3://") else set()


def partition_metadata(made: MadePartition, location: str, seconds: float) -> dict[str, Any]:
    """A partition's facts: where it is, how large, how it was made, its first rows masked.

    Nothing that the asset, the key or the data version says, and no fact that is zero or empty: Dagster keeps this for
    each partition for ever.
    """
    table = made.table
    return {
        "dagster/row_count": made.staged.rows,
        "bytes": made.staged.bytes,
        "path": place(location),
        "seconds": round(seconds, 3),
        table.stamp.name: dg.MetadataValue.timestamp(made.made_at),
        **{name: fact for name, fact in made.facts.items() if fact},
        "preview": preview(table, made.preview),
    }


def kept_metadata(footer: Mapping[str, str], location: str, size: int) -> dict[str, Any]:
    """What a partition that was there already says of itself in its footer, and that it was not captured again."""
    moments = {name: footer.get(f"ignite.{name}") for name in ("captured_at", "derived_at")}
    return {
        "dagster/row_count": int(footer["ignite.rows"]),
        "bytes": size,
        "path": place(location),
        **{n: dg.MetadataValue.timestamp(dt.datetime.fromisoformat(at)) for n, at in moments.items() if at},
        "skipped": True,
    }


def preview(table: Table, rows: Sequence[Mapping[str, Any]]) -> dg.MetadataValue:
    """A partition's first rows, personal data masked."""
    return markdown(
        [column.name for column in table.columns],
        ([_shown(column, row[column.name]) for column in table.columns] for row in rows[:_PREVIEWED]),
    )


def _shown(column: Column, value: Any) -> str:
    if value is None:
        return ""
    return MASK if column.personal else str(value)


def markdown(header: Sequence[str], rows: Iterable[Sequence[str]]) -> dg.MetadataValue:
    """A table of texts.

    A `TableMetadataValue` has a schema of its own in every event, 200 bytes a column; of a record that is most.
    """
    lines = [header, ["-"] * len(header), *([_SYNTAX.sub(_escaped, cell) for cell in row] for row in rows)]
    return dg.MetadataValue.md("\n".join(f"|{'|'.join(line)}|" for line in lines))


def _escaped(syntax: re.Match[str]) -> str:
    return " " if syntax[0].isspace() else f"\\{syntax[0]}"
