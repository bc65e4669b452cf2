"""How DuckDB is started, what it reads, and what its failures may say."""

import itertools
import signal
import subprocess
import sys
import threading
from pathlib import Path

import duckdb
import pytest

from ignite_assets.storage.duck import Workspace, told
from ignite_assets.storage.lake import Lake, Partition
from ignite_assets_tests.audiences.captures import hashed, visitors
from ignite_assets_tests.lakes import ACME, FIRST, SECOND

LITTLE_ROOM = """
import resource, sys
import duckdb, pyarrow.parquet
from ignite_assets.storage.duck import AddressSpaceError, Workspace
pages = int(open("/proc/self/statm").read().split()[0])
room = pages * resource.getpagesize() + (int(sys.argv[1]) << 20)
resource.setrlimit(resource.RLIMIT_AS, (room, room))
try:
    with Workspace() as workspace:
        print(workspace.one("SELECT count(DISTINCT sha256(range::VARCHAR)) AS n FROM range(200000)"))
except AddressSpaceError as error:
    print(error)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux limits and tells an address space in this way")
@pytest.mark.parametrize(("mib", "said"), [
    (40, "raise the limit of `ulimit -v`"), (300, "raise the limit of `ulimit -v`"), (1024, "{'n': 200000}"),
])  # fmt: skip
def test_a_process_with_too_little_room_is_told_so_and_lives(mib: int, said: str) -> None:
    done = subprocess.run([sys.executable, "-c", LITTLE_ROOM, str(mib)], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    assert said in done.stdout


@pytest.mark.parametrize("folder", ["a [b] lake", "date=2020-01-01", "it's", "back\\slash"])
def test_partitions_below_a_root_of_any_name_have_their_date(tmp_path: Path, folder: str) -> None:
    lake = Lake(str(tmp_path / folder / "lake"))
    partitions = [Partition("visitors", ACME, day) for day in (FIRST, SECOND)]
    for number, partition in enumerate(partitions):
        visitors(lake, partition.date, [number], website=ACME)
    with Workspace(threads=1) as workspace:
        workspace.view_partitions("seen", lake, partitions, {"hashed_email": "VARCHAR"})
        rows = workspace.rows("FROM seen ORDER BY date")
    assert rows == [{"hashed_email": hashed(0), "date": FIRST}, {"hashed_email": hashed(1), "date": SECOND}]


def failing(sql: str) -> duckdb.Error:
    with pytest.raises(duckdb.Error) as caught, duckdb.connect() as session:
        session.execute(sql).fetchall()
    return caught.value


def test_a_message_that_quotes_a_row_is_not_told() -> None:
    error = failing("SELECT CAST(hashed AS INTEGER) FROM (VALUES ('5d41402abc4b2a76')) rows(hashed)")
    assert "5d41402abc4b2a76" in str(error)
    assert told(error) == "ConversionException"


def test_of_files_and_columns_what_is_wrong_is_told() -> None:
    assert "nowhere.parquet" in told(failing("FROM '/nowhere.parquet'"))
    assert "no_such_column" in told(failing("SELECT no_such_column FROM (SELECT 1 AS id)"))
    assert told(PermissionError(13, "Permission denied")) == "PermissionError: [Errno 13] Permission denied"


class StoppedError(BaseException):
    """What the handler of a signal raises, as Dagster's does."""


@pytest.mark.parametrize("how", ["table", "write"])
def test_a_query_that_a_signal_ends_raises_an_interrupt_and_no_failure(how: str) -> None:
    def stop(_number: int, _frame: object) -> None:
        raise StoppedError

    forever = "SELECT sum(range) AS n FROM range(1000000000000000)"  # in one thread, which need not be the main one
    main = threading.main_thread().ident
    assert main

    def ask(workspace: Workspace) -> None:
        threading.Timer(0.3, signal.pthread_kill, (main, signal.SIGINT)).start()
        workspace.table("numbers", forever) if how == "table" else workspace.write("numbers", forever, {})

    before = signal.signal(signal.SIGINT, stop)
    try:
        with Workspace() as workspace, pytest.raises((StoppedError, KeyboardInterrupt)):
            ask(workspace)
    finally:
        signal.signal(signal.SIGINT, before)


def test_a_signal_at_any_other_moment_is_an_interrupt_too() -> None:
    """DuckDB looks for signals while it plans as well: what it raises then is no failure to try again after."""

    def stop(_number: int, _frame: object) -> None:
        raise StoppedError

    def name_for_ever(milliseconds: int) -> None:
        with Workspace() as workspace:
            signal.setitimer(signal.ITIMER_REAL, milliseconds / 1000)
            for number in itertools.count():
                workspace.name(f"named_{number}", "SELECT * FROM range(1000) r(n) WHERE n IN (SELECT 1)")

    before = signal.signal(signal.SIGALRM, stop)
    try:
        for milliseconds in range(5, 25):
            with pytest.raises((StoppedError, KeyboardInterrupt)):
                name_for_ever(milliseconds)
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
