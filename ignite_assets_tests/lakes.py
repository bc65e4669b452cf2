"""A small lake to read, written as captures are."""

import datetime as dt
import io
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from ignite_assets.storage.lake import Lake, Partition
from ignite_assets_tests.audiences.captures import capture, visitors

FIRST, SECOND, THIRD = (dt.date(2026, 11, day) for day in (20, 21, 23))
ACME, BAYSIDE = "acme-honda", "bayside-kia"


def small_lake(root: Path) -> Lake:
    """Three days of one website's visitors, two a day, and one of another's; the 22nd was not captured."""
    lake = Lake(str(root))
    for number, day in enumerate((FIRST, SECOND, THIRD)):
        visitors(lake, day, [number, number + 1], website=ACME)
    visitors(lake, SECOND, [7], website=BAYSIDE)
    capture(lake, "locations", THIRD, [{"id": 1, "state": "ct"}], ACME)
    return lake


def store(lake: Lake, asset: str, rows: Mapping[str, Any], day: dt.date = FIRST, website: str = ACME) -> None:
    """Commit a partition of whatever columns."""
    file = io.BytesIO()
    pq.write_table(pa.table(dict(rows)), file)
    lake.commit(Partition(asset, website, day), file)
