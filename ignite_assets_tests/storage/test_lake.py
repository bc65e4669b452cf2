"""The lake: its layout, commits that leave the old version or the new one, and what other tools read in it."""

import datetime as dt
import io
import os
import re
import signal
import subprocess
import sys
import threading
from pathlib import Path
from typing import IO

import duckdb
import polars as pl
import pyarrow as pa
import pyarrow.dataset as pads
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ignite_assets.api.errors import MissingPartitionError
from ignite_assets.api.names import is_website_key
from ignite_assets.storage.lake import FILE_NAME, Lake, Partition, Selection, StorageError
from ignite_assets.storage.store import Store

DAY = dt.date(2026, 11, 19)
ONE = Partition("visitors", "acme-honda", DAY)
FILE = "visitors/website=acme-honda/date=2026-11-19/part-0.parquet"


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return tmp_path / "lake"


@pytest.fixture
def lake(root: Path) -> Lake:
    return Lake(str(root))


def parquet(*values: object, column: str = "hashed_email", **footer: str) -> io.BytesIO:
    """A finished Parquet file."""
    file = io.BytesIO()
    table = pa.table({column: pa.array(values)})
    pq.write_table(table.replace_schema_metadata({f"ignite.{k}": v for k, v in footer.items()}), file)
    return file


class Torn(io.BytesIO):
    """A file whose second half can't be read."""

    def read(self, size: int | None = -1, /) -> bytes:
        if self.tell() >= len(self.getvalue()) // 2:
            raise OSError("the disk went away")
        return super().read(min(size or -1, 64) if (size or -1) > 0 else len(self.getvalue()) // 2)


def files(root: Path) -> list[str]:
    return sorted(str(path.relative_to(root)) for path in root.rglob("*") if path.is_file())


def emails(lake: Lake, partition: Partition = ONE) -> list[object]:
    found: list[object] = lake.read([partition]).column("hashed_email").to_pylist()
    return found


def test_a_partition_is_one_file_under_its_asset_website_and_date(lake: Lake, root: Path) -> None:
    location = lake.commit(ONE, parquet("a"))
    assert files(root) == [FILE]
    assert location == lake.location(ONE) == str(root / FILE)


def test_the_path_holds_website_and_date_and_the_file_does_not(lake: Lake, root: Path) -> None:
    lake.commit(ONE, parquet("a"))
    assert pq.ParquetFile(root / FILE).schema_arrow.names == ["hashed_email"]
    assert lake.read([ONE]).to_pylist() == [{"hashed_email": "a", "website": "acme-honda", "date": DAY}]


def test_a_commit_replaces_the_version_before(lake: Lake, root: Path) -> None:
    lake.commit(ONE, parquet("old"))
    lake.commit(ONE, parquet("new"))
    assert emails(lake) == ["new"]
    assert files(root) == [FILE]


def test_a_commit_syncs_its_folder_and_every_other_that_a_power_cut_could_take(
    lake: Lake, root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    website = root / "visitors" / "website=acme-honda"
    synced: list[int] = []
    monkeypatch.setattr(os, "fsync", lambda file: synced.append(os.fstat(file).st_ino))

    def commit(day: int) -> list[str]:
        """The folders below the root that the commit of a day syncs, in order."""
        synced.clear()
        lake.commit(Partition("visitors", "acme-honda", dt.date(2026, 11, day)), parquet(day))
        folders = {path.stat().st_ino: path for path in (root, *root.rglob("*")) if path.is_dir()}
        return [folders[inode].name for inode in synced if inode in folders]

    whole_way = ["website=acme-honda", "visitors", "lake"]
    assert commit(1) == ["date=2026-11-01", *whole_way]
    assert commit(2) == ["date=2026-11-02", "website=acme-honda"]
    assert commit(2) == ["date=2026-11-02"]
    website.rename(root / "old")  # so that its inode is not used again
    assert commit(2) == ["date=2026-11-02", "website=acme-honda", "visitors"]


def test_a_reader_that_opened_the_old_version_reads_it_to_its_end(lake: Lake, root: Path) -> None:
    lake.commit(ONE, parquet("old"))
    with (root / FILE).open("rb") as reader:
        lake.commit(ONE, parquet("new", "newer"))
        assert pq.read_table(reader).to_pylist() == [{"hashed_email": "old"}]


def test_a_copy_that_fails_halfway_leaves_the_old_version_byte_for_byte_and_nothing_else(
    lake: Lake, root: Path
) -> None:
    lake.commit(ONE, parquet("old"))
    before = (root / FILE).read_bytes()
    with pytest.raises(StorageError, match=r"part-0\.parquet can't be stored: the disk went away") as failure:
        lake.commit(ONE, Torn(parquet("new").getvalue()))
    assert failure.value.retryable
    assert (root / FILE).read_bytes() == before
    assert files(root) == [FILE]


def test_a_first_copy_that_fails_halfway_leaves_no_partition(lake: Lake, root: Path) -> None:
    with pytest.raises(StorageError):
        lake.commit(ONE, Torn(parquet("new").getvalue()))
    assert not lake.exists(ONE)
    assert lake.partitions("visitors") == []
    assert files(root) == []


WRITER = """
import io, sys
from pathlib import Path
from ignite_assets.storage.lake import Lake, Partition
import datetime as dt

class Waiting(io.BytesIO):
    def read(self, size=-1, /):
        if self.tell():
            print("half written", flush=True)
            sys.stdin.readline()
        return super().read(4)

Lake(sys.argv[1]).commit(Partition("visitors", "acme-honda", dt.date(2026, 11, 19)), Waiting(b"PAR1PAR1"))
"""


class Writer:
    """A process that stands still between writing a partition and renaming it."""

    def __init__(self, root: Path) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-c", WRITER, str(root)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        assert self.process.stdout
        assert self.process.stdout.readline() == "half written\n"

    def kill(self) -> None:
        self.process.send_signal(signal.SIGKILL)
        self.process.communicate()

    def finish(self) -> int:
        self.process.communicate("\n" * 10)
        return self.process.returncode


def test_what_a_killed_writer_left_is_removed_by_the_next_commit(lake: Lake, root: Path) -> None:
    lake.commit(ONE, parquet("old"))
    Writer(root).kill()
    assert len(files(root)) == 2
    assert emails(lake) == ["old"]
    assert lake.partitions("visitors") == [ONE]
    lake.commit(ONE, parquet("new"))
    assert files(root) == [FILE]
    assert emails(lake) == ["new"]


def test_what_a_living_writer_is_at_is_left_to_it(lake: Lake, root: Path) -> None:
    writer = Writer(root)
    lake.commit(ONE, parquet("new"))
    assert len(files(root)) == 2
    assert writer.finish() == 0
    assert files(root) == [FILE]
    assert (root / FILE).read_bytes() == b"PAR1PAR1"


def test_the_hidden_file_of_a_writer_is_in_no_ones_way(lake: Lake, root: Path) -> None:
    lake.commit(ONE, parquet("old"))
    writer = Writer(root)
    try:
        for table in (read_by_duckdb(root), read_by_polars(root), pads.dataset(root / "visitors").to_table()):
            assert table.column("hashed_email").to_pylist() == ["old"]
    finally:
        writer.kill()


def test_two_writers_at_once_leave_the_whole_version_of_one(lake: Lake, root: Path) -> None:
    versions = [parquet(*(f"{writer}-{row}" for row in range(500))) for writer in range(8)]
    start = threading.Barrier(len(versions))

    def write(version: IO[bytes]) -> None:
        start.wait()
        for _ in range(5):
            lake.commit(ONE, version)

    threads = [threading.Thread(target=write, args=(version,)) for version in versions]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (root / FILE).read_bytes() in {version.getvalue() for version in versions}
    assert files(root) == [FILE]


def test_the_partitions_of_an_asset_come_by_website_and_date(lake: Lake, root: Path) -> None:
    wanted = [
        Partition("visitors", website, DAY - dt.timedelta(days=age)) for website in ("a", "b") for age in (2, 1, 0)
    ]
    for partition in reversed(wanted):
        lake.commit(partition, parquet("x"))
    lake.commit(Partition("locations", "a", DAY), parquet("x"))
    (root / "visitors" / "notes.txt").write_text("not a partition")
    assert lake.partitions("visitors") == wanted
    assert lake.partitions("sales") == []


def test_a_lake_that_is_not_there_yet_has_no_partitions(lake: Lake) -> None:
    assert lake.partitions("visitors") == []
    assert not lake.exists(ONE)


WEBSITE_KEYS = st.from_regex(r"[a-z0-9]([a-z0-9._-]{0,20}[a-z0-9])?", fullmatch=True).filter(is_website_key)


@settings(max_examples=30, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(
    website=WEBSITE_KEYS,
    day=st.dates(dt.date(1990, 1, 1), dt.date(2200, 1, 1)),
    values=st.lists(st.text(st.characters(codec="utf-8"))),
)
def test_what_is_committed_is_read_back_for_any_website_key_and_date(
    lake: Lake, website: str, day: dt.date, values: list[str]
) -> None:
    partition = Partition("round_trip", website, day)
    file = io.BytesIO()
    pq.write_table(pa.table({"value": pa.array(values, pa.string())}), file)
    lake.commit(partition, file)
    rows = [{"value": value, "website": website, "date": day} for value in values]
    assert lake.read([partition]).to_pylist() == rows
    assert lake.dataset([partition]).to_table().to_pylist() == rows
    assert partition in lake.partitions("round_trip")
    assert lake.size(partition) == len(file.getvalue())


def test_several_partitions_are_read_in_the_order_given(lake: Lake) -> None:
    later, other = Partition("visitors", "acme-honda", DAY + dt.timedelta(days=1)), Partition("visitors", "b", DAY)
    for partition, value in ((ONE, "1"), (later, "2"), (other, "3")):
        lake.commit(partition, parquet(value))
    wanted = (other, later, ONE)
    assert lake.read(wanted).column("hashed_email").to_pylist() == ["3", "2", "1"]
    selection = Selection(lake, wanted)
    assert selection.table(["hashed_email"]).column("date").to_pylist() == [DAY, later.date, DAY]
    assert selection.of(DAY).partitions == (other, ONE)
    assert (
        selection.dataset().to_table().sort_by("hashed_email").to_pylist()
        == selection.table().sort_by("hashed_email").to_pylist()
    )


def test_a_dataset_reads_only_the_partitions_that_are_asked_for(lake: Lake) -> None:
    later = Partition("visitors", "acme-honda", DAY + dt.timedelta(days=1))
    lake.commit(ONE, parquet("1"))
    lake.commit(later, parquet("2"))
    dataset = lake.dataset([ONE, later])
    rows = dataset.to_table(filter=pads.field("date") == pa.scalar(later.date, pa.date32()))
    assert rows.to_pylist() == [{"hashed_email": "2", "website": "acme-honda", "date": later.date}]
    assert lake.dataset([later]).count_rows() == 1


def test_a_partition_with_a_column_that_older_ones_lack_is_read_with_them(lake: Lake) -> None:
    newer = Partition("visitors", "acme-honda", DAY + dt.timedelta(days=1))
    lake.commit(ONE, parquet("a"))
    lake.commit(newer, parquet(7, column="score"))
    table = lake.read([ONE, newer])
    assert table.column("hashed_email").to_pylist() == ["a", None]
    assert table.column("score").to_pylist() == [None, 7]
    assert table.column("date").to_pylist() == [DAY, newer.date]


@pytest.mark.parametrize("how", ["read", "dataset", "footer"])
def test_a_partition_that_is_not_there_is_named(lake: Lake, how: str) -> None:
    lake.commit(ONE, parquet("a"))
    missing = Partition("visitors", "bayside-kia", DAY)
    with pytest.raises(
        MissingPartitionError,
        match=re.escape("visitors 2026-11-19|bayside-kia has not been captured: materialize it first"),
    ):
        getattr(lake, how)(missing if how == "footer" else [ONE, missing])


def test_the_footer_tells_what_the_file_is_without_reading_its_rows(lake: Lake) -> None:
    lake.commit(ONE, parquet("a", rows="1", website="acme-honda"))
    assert lake.footer(ONE) == {"ignite.rows": "1", "ignite.website": "acme-honda"}


def read_by_duckdb(root: Path) -> pa.Table:
    query = f"select * from read_parquet('{root}/visitors/**/*.parquet', hive_partitioning = true)"
    with duckdb.connect() as connection:
        return connection.sql(query).to_arrow_table()


def read_by_polars(root: Path) -> pa.Table:
    return pl.read_parquet(root / "visitors" / "**" / "*.parquet", hive_partitioning=True).to_arrow()


def read_by_pandas(root: Path) -> pa.Table:
    import pandas as pd

    frame = pd.read_parquet(root / "visitors")
    return pa.Table.from_pandas(frame.astype({"website": str, "date": str}), preserve_index=False)


def test_duckdb_polars_and_pandas_read_the_same_rows_in_the_tree(lake: Lake, root: Path) -> None:
    for website in ("acme-honda", "bayside-kia"):
        for age in range(3):
            lake.commit(Partition("visitors", website, DAY - dt.timedelta(days=age)), parquet(f"{website}{age}", "ü"))
    wanted = sorted(
        (str(row["hashed_email"]), str(row["website"]), str(row["date"]))
        for row in lake.read(lake.partitions("visitors")).to_pylist()
    )
    for read in (read_by_duckdb, read_by_polars, read_by_pandas):
        rows = read(root).select(["hashed_email", "website", "date"]).to_pylist()
        assert sorted(tuple(map(str, row.values())) for row in rows) == wanted


def test_a_lake_that_can_be_written_to_is_found_so_without_a_trace(lake: Lake, root: Path) -> None:
    lake.store.check_access()
    assert not root.exists()


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_a_lake_that_can_not_be_written_to_is_found_so(tmp_path: Path) -> None:
    tmp_path.chmod(0o500)
    with pytest.raises(PermissionError, match="no permission to write in"):
        Store(str(tmp_path / "lake")).check_access()


def test_a_file_in_the_place_of_a_folder_is_a_failure_to_store(lake: Lake, root: Path) -> None:
    root.mkdir()
    (root / "visitors").write_text("in the way")
    with pytest.raises(StorageError, match="can't be stored"):
        lake.commit(ONE, parquet("a"))
    assert (root / "visitors").read_text() == "in the way"


def test_a_file_url_is_a_local_lake(root: Path) -> None:
    lake = Lake(f"file://{root}/")
    location = lake.commit(ONE, parquet("a"))
    assert lake.store.is_local
    assert (root / FILE).exists()
    assert location == f"file://{root}/{FILE}"
    assert Path(location).name == FILE_NAME


@pytest.mark.parametrize(
    "folder", ["website=acme/date=2026-99-99", "website=..evil/date=2026-11-20", "website=acme", "somebody/else"]
)
def test_folders_that_are_not_the_lakes_are_no_partitions(lake: Lake, root: Path, folder: str) -> None:
    lake.commit(ONE, parquet("old"))
    stray = root / "visitors" / folder / "part-0.parquet"
    stray.parent.mkdir(parents=True, exist_ok=True)
    stray.write_bytes(b"")
    assert lake.partitions("visitors") == [ONE]
