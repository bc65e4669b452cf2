"""The same on an object store: lake, ledger and exports on S3, of a server on loopback."""

import io
import json
import re

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from ignite_assets.audiences import history, ledger, lists
from ignite_assets.audiences.ledger import LedgerError
from ignite_assets.audiences.lists import List
from ignite_assets.storage.duck import Workspace
from ignite_assets.storage.lake import Lake
from ignite_assets.storage.store import Store
from ignite_assets_tests.audiences.captures import (
    DAY,
    NOW,
    WEBSITE,
    ago,
    hashed,
    rule,
    run_one,
    somebody,
    visitors,
)


def test_exports_follow_on_each_other_on_an_object_store(bucket: str) -> None:
    lake, to = Lake(f"{bucket}/lake"), Store(f"{bucket}/exports")
    of = rule(to.root)
    visitors(lake, ago(1), [1, 2])
    visitors(lake, DAY, [2, 3, 4])
    run_one(lake, of, ago(1))
    ledger.record(lake, WEBSITE, [somebody(4).hashes], source_hash="a", at=NOW)
    run_one(lake, of)
    run_one(lake, of)
    found = history.read(List(to.root, "everyone", WEBSITE))
    assert [(head.manifest.number, head.manifest.counts.suppressed) for head in found.heads] == [(3, 1)]
    second = sorted(name for name in to.files(f"everyone/website={WEBSITE}") if "/000002-" in name)
    assert [name.rpartition("/")[2].partition("-")[0] for name in second] == ["add", "manifest.json", "remove", "state"]
    assert to.read(second[0]).decode().split() == [hashed(3)]
    assert to.read(second[2]).decode().split() == [hashed(1)]
    pointer = json.loads(to.read(f"everyone/website={WEBSITE}/manifest.json"))
    assert pointer["folder"] == found.heads[0].folder
    assert list(lists.on_record(lake)) == [List(to.root, "everyone", WEBSITE)]


@pytest.mark.parametrize("last", [True, False])
def test_a_file_of_other_columns_in_the_ledger_stops_exports_and_is_named(bucket: str, last: bool) -> None:
    lake = Lake(f"{bucket}/lake")
    names = [ledger.record(lake, WEBSITE, [somebody(n).hashes], source_hash="a", at=NOW) for n in range(2)]
    name = sorted(filter(None, names))[-1 if last else 0]
    file = io.BytesIO()
    pq.write_table(pa.table({"md5": ["x"], "email": ["x"]}), file)
    lake.store.put(name, file.getvalue())
    with Workspace(threads=1) as workspace, pytest.raises(LedgerError, match=re.escape(name)):
        ledger.suppress(workspace, lake, WEBSITE)
