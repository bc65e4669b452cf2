"""Whether variants produced the same content: the platform's fields in one canonical form, whatever the types."""

import hashlib
from pathlib import Path

import orjson
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

_KEYS = {"visitors": "hashed_email", "products": "vin", "locations": "id", "location_details": "id"}
_TIMES = {"created_at", "updated_at", "visit_last", "visit_first"}
FIELDS = {
    "visitors": ["hashed_email"],
    "products": [
        "url", "title", "item_condition", "color", "created_at", "updated_at", "year", "make", "model", "trim", "stock",
        "vin", "feature_image_url",
    ],
    "locations": ["id", "latitude", "longitude", "street", "city", "state", "zip", "resident"],
    "location_details": [
        "id", "latitude", "longitude", "street", "city", "state", "zip", "resident", "hashed_emails", "visit_last",
        "visit_first", "session_count", "traffic_score", "page_view_count", "top_topic_segments", "top_product_segment",
        "traffic_score_stars", "pages",
    ],
}  # fmt: skip


def content(endpoint: str, folder: Path) -> dict[str, object]:
    """How many rows the Parquet files below a folder hold, and a hash of them that ignores order and types."""
    files = [path for path in sorted(folder.rglob("*.parquet")) if "warm" not in path.parts and _is_data(path)]
    tables = [_flat(pq.ParquetFile(path).read()).select(FIELDS[endpoint]) for path in files]
    table = pa.table(
        {
            name: pa.chunked_array([chunk for table in tables for chunk in _canonical(name, table[name]).chunks])
            for name in FIELDS[endpoint]
        }
    )
    lines = pc.binary_join_element_wise(*table.columns, "\x1f").take(pc.sort_indices(table[_KEYS[endpoint]]))
    digest = hashlib.sha256()
    for chunk in lines.chunks:
        digest.update("\x1e".join(chunk.to_pylist()).encode())
    return {"rows": len(table), "hash": digest.hexdigest()[:16]}


def _is_data(path: Path) -> bool:
    return not any(part.startswith("_dlt") for part in path.parts)


def _flat(table: pa.Table) -> pa.Table:
    """With what stands under `summary` as columns of its own, under whichever name a tool gave it."""
    if "summary" in table.schema.names:
        table = table.flatten()
    return table.rename_columns(
        [name.removeprefix("summary.").removeprefix("summary__") for name in table.schema.names]
    )


def _canonical(name: str, column: pa.ChunkedArray) -> pa.ChunkedArray:
    if name == "pages":
        texts = [_as_json(value) for value in column.to_pylist()]
        return pa.chunked_array([texts], pa.string())
    if name in _TIMES:
        column = column.cast(pa.timestamp("us", "UTC")).cast(pa.int64())
    elif pa.types.is_list(column.type):
        column = pc.binary_join(column, " ")
    elif pa.types.is_dictionary(column.type):
        column = column.cast(column.type.value_type)
    elif name in ("latitude", "longitude", "traffic_score", "traffic_score_stars"):
        column = column.cast(pa.float64())
    return pc.fill_null(column.cast(pa.string()), "\x00")


def _as_json(value: object) -> str:
    value = orjson.loads(value) if isinstance(value, str) else value
    return orjson.dumps(value, option=orjson.OPT_SORT_KEYS).decode()
