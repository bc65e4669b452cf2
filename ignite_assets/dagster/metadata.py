"""What Dagster shows of an asset and of a partition. No personal data: previews are masked here."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import dagster as dg

from ignite_assets.api.endpoints import Endpoint
from ignite_assets.api.table import Column, Table
from ignite_assets.storage.lake import shown_root
from ignite_assets.storage.staging import Staged
from ignite_assets.tables.derived.derivation import Derivation
from ignite_assets.tables.derived.row import Derived
from ignite_assets.tables.snapshots import Snapshot

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


def ids_lineage(endpoint: Endpoint) -> dict[str, dg.MetadataValue]:
    """The columns that come from another asset: the ids that are asked for. What the platform repeats does not."""
    ids = endpoint.ids
    if ids is None or not ids.from_partition:
        return {}
    source = dg.TableColumnDep(asset_key=dg.AssetKey(ids.endpoint), column_name="id")
    return {"dagster/column_lineage": dg.MetadataValue.column_lineage(dg.TableColumnLineage({ids.column: [source]}))}


def place(location: str) -> dg.MetadataValue:
    """Where something is: a URL as a link, a path to copy, since browsers open no local files from a page."""
    return dg.MetadataValue.url(location) if "://" in location else dg.MetadataValue.path(location)


def storage_uri(root: str, asset: str) -> str:
    """Where an asset's partitions are, as a URI."""
    folder = shown_root(root) if "://" in root else Path(root).absolute().as_uri()
    return f"{folder}/{asset}"


def storage_kinds(root: str) -> set[str]:
    """What Dagster's UI has a picture of: the object store that the lake is in."""
    kind = {"s3": "s3", "gs": "gcs", "gcs": "gcs"}.get(root.partition("://")[0])
    return {kind} if kind else set()


def _stored(staged: Staged, location: str, seconds: float) -> dict[str, dg.MetadataValue]:
    return {
        "dagster/row_count": dg.MetadataValue.int(staged.rows),
        "bytes": dg.MetadataValue.int(staged.bytes),
        "path": place(location),
        "seconds": dg.MetadataValue.float(round(seconds, 3)),
        "content_hash": dg.MetadataValue.text(staged.content_hash),
    }


def snapshot_metadata(snapshot: Snapshot, location: str, seconds: float) -> dict[str, dg.MetadataValue]:
    """A partition's facts: where it is, how large, how it was got, its first rows masked."""
    return {
        **_stored(snapshot.staged, location, seconds),
        "captured_at": dg.MetadataValue.timestamp(snapshot.captured_at),
        "look_back_date": dg.MetadataValue.text(snapshot.date.isoformat()),
        "requests": dg.MetadataValue.int(snapshot.requests),
        "retries": dg.MetadataValue.int(snapshot.retries),
        "coercions": dg.MetadataValue.int(sum(snapshot.coercions.values())),
        "coercions_by_column": dg.MetadataValue.json(dict(snapshot.coercions)),
        "vanished": dg.MetadataValue.int(snapshot.vanished),
        "documentation": dg.MetadataValue.url(snapshot.endpoint.documentation_url),
        "preview": preview(snapshot.endpoint, snapshot.preview),
        **ids_lineage(snapshot.endpoint),
    }


def derivation_metadata(derivation: Derivation, location: str, seconds: float) -> dict[str, dg.MetadataValue]:
    """A derived partition's facts: where it is, how large, what of its window was there, its first rows masked."""
    window = derivation.window
    numbers = {
        name: dg.MetadataValue.float(number) if isinstance(number, float) else dg.MetadataValue.int(number)
        for name, number in derivation.numbers.items()
    }
    return {
        **_stored(derivation.staged, location, seconds),
        "derived_at": dg.MetadataValue.timestamp(derivation.derived_at),
        "window": dg.MetadataValue.text(f"{window.first} to {window.last}"),
        "coverage": dg.MetadataValue.float(window.coverage),
        "missing_days": dg.MetadataValue.json([day.isoformat() for day in window.missing]),
        **numbers,
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
