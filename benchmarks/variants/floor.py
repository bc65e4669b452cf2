"""The floor: a raw socket, the cheapest parse that is right for these bodies, Parquet with zstd 1. No promise kept."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.json as pj
import pyarrow.parquet as pq

from benchmarks.task import AT_ONCE, Task
from benchmarks.wire import Connection, get_each

_TEXT, _TIME = pa.string(), pa.timestamp("us", "UTC")
_LOCATION = {
    "id": pa.int64(),
    "latitude": pa.float64(),
    "longitude": pa.float64(),
    **dict.fromkeys(("street", "city", "state", "zip", "resident"), _TEXT),
}
_SUMMARY = {
    **dict.fromkeys(("visit_last", "visit_first"), _TIME),
    "session_count": pa.int32(),
    "traffic_score": pa.float64(),
    "page_view_count": pa.int32(),
    **dict.fromkeys(("top_topic_segments", "top_product_segment"), _TEXT),
    "traffic_score_stars": pa.float64(),
}
_PAGE = {"url": _TEXT, "title": _TEXT, "viewed_at": _TEXT, "page_views": pa.int32()}
ROWS: dict[str, pa.DataType] = {
    "visitors": _TEXT,
    "audience_members": _TEXT,
    "audience_group_members": _TEXT,
    "products": pa.struct(
        {
            **dict.fromkeys(("url", "title", "item_condition", "color"), _TEXT),
            **dict.fromkeys(("created_at", "updated_at"), _TIME),
            **dict.fromkeys(("year", "make", "model", "trim", "stock", "vin", "feature_image_url"), _TEXT),
        }
    ),
    "locations": pa.struct(_LOCATION),
    "location_details": pa.struct(
        {
            **_LOCATION,
            "hashed_emails": pa.list_(_TEXT),
            "summary": pa.struct(_SUMMARY),
            "pages": pa.list_(pa.struct(_PAGE)),
        }
    ),
}
_REPEATING = ["item_condition", "color", "make", "model", "trim", "city", "state", "zip"]


def run(task: Task) -> None:
    """One endpoint, from its request to a closed file."""
    if task.endpoint == "location_details":
        write(parsed(task.endpoint, details(task)), task.file)
        return
    with Connection(task.url) as connection:
        write(parsed(task.endpoint, [connection.get(f"/api/{task.endpoint}")]), task.file)


def details(task: Task) -> list[bytes | memoryview]:
    """One array of all the answers' objects, in parts."""
    return _array(get_each(task.url, (f"/api/locations/{number}" for number in task.ids), AT_ONCE))


def _array(bodies: Sequence[memoryview]) -> list[bytes | memoryview]:
    commas = [part for body in bodies for part in (b",", body)]
    return [b"[", *commas[1:], b"]"]


def parsed(endpoint: str, body: Sequence[bytes | memoryview]) -> pa.Table:
    """The rows of one array, which comes in parts."""
    kind = ROWS[endpoint]
    if not pa.types.is_struct(kind):
        return pa.table({"hashed_email": _hashes(b"".join(body))})
    data = b"".join((b'{"r":', *body, b"}"))
    rows = pj.read_json(
        pa.BufferReader(data),
        read_options=pj.ReadOptions(use_threads=False, block_size=len(data) + 1),
        parse_options=pj.ParseOptions(explicit_schema=pa.schema([("r", pa.list_(kind))])),
    )["r"]
    return pa.table(rows.chunk(0).flatten().flatten(), names=kind.names)


def _hashes(body: bytes) -> pa.Array:
    """An array of texts that are all as long as the first, as these are: cut where they must begin and end."""
    length = body.find(b'"', 2) - 2
    rows = np.frombuffer(body, dtype=np.uint8)[1:].reshape(-1, length + 3)
    offsets = np.arange(0, len(rows) * length + 1, length, dtype=np.int32)
    return pa.StringArray.from_buffers(len(rows), pa.py_buffer(offsets), pa.py_buffer(rows[:, 1:-2].tobytes()))


def joined(tables: list[pa.Table]) -> pa.Table:
    """The rows of several."""
    return pa.concat_tables(tables)


def write(table: pa.Table, file: Path) -> None:
    """Close a Parquet file with these rows."""
    names = [name for name in _REPEATING if name in table.schema.names]
    pq.write_table(table, file, compression="zstd", compression_level=1, use_dictionary=names or False)
