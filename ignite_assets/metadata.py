"""What Dagster shows of an asset and of a partition. No personal data: previews are masked here."""

from collections.abc import Mapping, Sequence
from typing import Any

import dagster as dg

from ignite_assets.api.endpoints import Column, Table
from ignite_assets.derived.derivation import Derivation
from ignite_assets.derived.row import Derived
from ignite_assets.snapshots import Snapshot

MASK = "•••"


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


def column_lineage(derived: Derived) -> dg.TableColumnLineage:
    """The columns of captures that each column's values are made from."""
    return dg.TableColumnLineage(
        {
            name: [dg.TableColumnDep(dg.AssetKey(asset), column) for asset, column in sources]
            for name, sources in derived.lineage.items()
        }
    )


def snapshot_metadata(snapshot: Snapshot, location: str, seconds: float) -> dict[str, dg.MetadataValue]:
    """A partition's facts: where it is, how large, how it was got, its first rows masked."""
    return {
        "dagster/row_count": dg.MetadataValue.int(snapshot.staged.rows),
        "bytes": dg.MetadataValue.int(snapshot.staged.bytes),
        "path": dg.MetadataValue.path(location),
        "seconds": dg.MetadataValue.float(round(seconds, 3)),
        "captured_at": dg.MetadataValue.timestamp(snapshot.captured_at),
        "look_back_date": dg.MetadataValue.text(snapshot.date.isoformat()),
        "requests": dg.MetadataValue.int(snapshot.requests),
        "retries": dg.MetadataValue.int(snapshot.retries),
        "coercions": dg.MetadataValue.int(sum(snapshot.coercions.values())),
        "coercions_by_column": dg.MetadataValue.json(dict(snapshot.coercions)),
        "vanished": dg.MetadataValue.int(snapshot.vanished),
        "content_hash": dg.MetadataValue.text(snapshot.staged.content_hash),
        "preview": preview(snapshot.endpoint, snapshot.preview),
    }


def derivation_metadata(derivation: Derivation, location: str, seconds: float) -> dict[str, dg.MetadataValue]:
    """A derived partition's facts: where it is, how large, what of its window was there, its first rows masked."""
    window = derivation.window
    numbers = {
        name: dg.MetadataValue.float(number) if isinstance(number, float) else dg.MetadataValue.int(number)
        for name, number in derivation.numbers.items()
    }
    return {
        "dagster/row_count": dg.MetadataValue.int(derivation.staged.rows),
        "bytes": dg.MetadataValue.int(derivation.staged.bytes),
        "path": dg.MetadataValue.path(location),
        "seconds": dg.MetadataValue.float(round(seconds, 3)),
        "derived_at": dg.MetadataValue.timestamp(derivation.derived_at),
        "window": dg.MetadataValue.text(f"{window.first} to {window.last}"),
        "coverage": dg.MetadataValue.float(window.coverage),
        "missing_days": dg.MetadataValue.json([day.isoformat() for day in window.missing]),
        **numbers,
        "content_hash": dg.MetadataValue.text(derivation.staged.content_hash),
        "dagster/column_lineage": dg.MetadataValue.column_lineage(column_lineage(derivation.derived)),
        "preview": preview(derivation.derived, derivation.preview),
    }


def preview(table: Table, rows: Sequence[Mapping[str, Any]]) -> dg.MetadataValue:
    """A partition's first rows as a table, personal data masked."""
    columns = table.all_columns
    return dg.MetadataValue.table(
        records=[dg.TableRecord(_shown(columns, row)) for row in rows],
        schema=dg.TableSchema([dg.TableColumn(c.name, _shown_type(c)) for c in columns]),
    )


def _shown_type(column: Column) -> str:
    return "string" if column.personal or column.type in ("date", "timestamp", "list<string>") else column.type


def _shown(columns: tuple[Column, ...], row: Mapping[str, Any]) -> dict[str, str | int | float | bool | None]:
    return {column.name: _shown_value(column, row[column.name]) for column in columns}


def _shown_value(column: Column, value: Any) -> str | int | float | bool | None:
    if value is None:
        return None
    if column.personal:
        return MASK
    return value if isinstance(value, int | float) else str(value)
