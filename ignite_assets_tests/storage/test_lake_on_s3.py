"""The lake on an object store: a real S3 server on loopback, and a way to it that fails on demand."""

import contextlib
import datetime as dt
import io
import os
import signal
import socket
import socketserver
import threading
from collections.abc import Callable, Iterator

import duckdb
import pyarrow.fs as pafs
import pytest
from moto.server import ThreadedMotoServer

from ignite_assets.api.endpoints import by_name
from ignite_assets.storage.lake import Lake, Partition, StorageError
from ignite_assets.storage.reader import LakeReader
from ignite_assets.storage.store import Store
from ignite_assets.tables.registry import TABLES
from ignite_assets_tests.audiences.captures import visitors
from ignite_assets_tests.lakes import ACME, BAYSIDE, FIRST, SECOND, THIRD
from ignite_assets_tests.lakes import store as keep
from ignite_assets_tests.storage.test_lake import DAY, FILE, ONE, Torn, emails, parquet
from ignite_assets_tests.storage.test_sql import NEW, found

PUT = b"PUT /lake-bucket/lake/visitors"
SMALL, LARGE = 1_000, 24_000_000
"""Of the bytes in a file: below and above what Arrow sends as a single PUT."""
Strike = Callable[[socket.socket], object]


def refuse(client: socket.socket) -> None:
    """Answer what no client tries again, while the client is still sending."""
    client.sendall(b"HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
    raise ConnectionAbortedError


def cut(_: socket.socket) -> None:
    """Hang up while the client is sending."""
    raise ConnectionAbortedError


class Way(socketserver.ThreadingTCPServer):
    """A TCP proxy: `strike` is called with the client's connection when a PUT of a partition's file has begun.

    `changes`: how the requests begin that it is called for.
    """

    def __init__(self, port: int) -> None:
        super().__init__(("127.0.0.1", 0), Passage)
        self.target = port
        self.port: int = self.server_address[1]
        self.strike: Strike | None = None
        self.changes: tuple[bytes, ...] = (PUT,)
        self.open: set[socket.socket] = set()
        threading.Thread(target=self.serve_forever, daemon=True).start()

    def close(self) -> None:
        self.shutdown()
        for end in list(self.open):
            hang_up(end)
        self.server_close()

    def handle_error(self, request: object, client_address: object) -> None:
        """Connections that break are what this is for."""


class Passage(socketserver.BaseRequestHandler):
    """One connection on its way to the store, and the answers on their way back."""

    request: socket.socket
    server: Way

    def handle(self) -> None:
        with socket.create_connection(("127.0.0.1", self.server.target)) as store:
            self.server.open |= {self.request, store}
            back = threading.Thread(target=self.answer, args=(store,))
            back.start()
            try:
                self.ask(store)
            finally:
                hang_up(store)
                back.join()
                self.server.open -= {self.request, store}

    def ask(self, store: socket.socket) -> None:
        while data := self.request.recv(1 << 16):
            if self.server.strike and data.startswith(self.server.changes):
                self.server.strike(self.request)  # before the store, which takes half a body for a whole one, sees it
            store.sendall(data)

    def answer(self, store: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while data := store.recv(1 << 16):
                self.request.sendall(data)
        hang_up(self.request)


def hang_up(end: socket.socket) -> None:
    with contextlib.suppress(OSError):
        end.shutdown(socket.SHUT_RDWR)


@pytest.fixture(scope="module")
def store() -> Iterator[int]:
    """The port of an S3 server with one bucket."""
    with pytest.MonkeyPatch.context() as patch:
        for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
            patch.setenv(name, "testing")
        patch.setenv("AWS_EC2_METADATA_DISABLED", "true")
        server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
        server.start()
        _, port = server.get_host_and_port()
        bucket, _ = pafs.FileSystem.from_uri(url(port).replace("/lake?", "?") + "&allow_bucket_creation=true")
        bucket.create_dir("lake-bucket")
        yield port
        server.stop()


def url(port: int) -> str:
    return f"s3://lake-bucket/lake?endpoint_override=127.0.0.1:{port}&scheme=http&region=us-east-1"


@pytest.fixture
def lake(store: int) -> Iterator[Lake]:
    lake = Lake(url(store))
    yield lake
    filesystem, base = pafs.FileSystem.from_uri(url(store))
    filesystem.delete_dir_contents(base, missing_dir_ok=True)


@pytest.fixture
def way(store: int) -> Iterator[Way]:
    way = Way(store)
    yield way
    way.close()


def objects(port: int) -> list[str]:
    filesystem, base = pafs.FileSystem.from_uri(url(port))
    found = filesystem.get_file_info(pafs.FileSelector(base, recursive=True, allow_not_found=True))
    return sorted(info.path.removeprefix(f"{base}/") for info in found if info.is_file)


def test_a_partition_is_committed_replaced_and_read_back(lake: Lake, store: int) -> None:
    lake.commit(ONE, parquet("old"))
    location = lake.commit(ONE, parquet("new", rows="1"))
    assert objects(store) == [FILE]
    assert emails(lake) == ["new"]
    assert lake.dataset([ONE]).to_table().to_pylist() == [{"hashed_email": "new", "website": "acme-honda", "date": DAY}]
    assert lake.footer(ONE) == {"ignite.rows": "1"}
    assert lake.exists(ONE)
    assert lake.size(ONE) == len(parquet("new", rows="1").getvalue())
    assert not lake.store.is_local
    assert location == f"s3://lake-bucket/lake/{FILE}"


@pytest.mark.parametrize("website", ["acme", "www.acme-honda.com", "a_b-c.d", "0"])
def test_every_website_key_names_a_place_of_its_own(lake: Lake, website: str) -> None:
    partition = Partition("visitors", website, DAY)
    lake.commit(partition, parquet(website))
    lake.commit(Partition("visitors", website, DAY - dt.timedelta(days=1)), parquet("before"))
    assert lake.partitions("visitors")[-1] == partition
    assert emails(lake, partition) == [website]


def test_the_bucket_is_found_without_a_trace(lake: Lake, store: int) -> None:
    lake.store.check_access()
    assert objects(store) == []


def test_a_bucket_that_is_not_there_is_said_before_anything_is_stored(store: int) -> None:
    with pytest.raises(FileNotFoundError, match="there is no bucket no-such-bucket"):
        Store(url(store).replace("lake-bucket", "no-such-bucket")).check_access()


def test_a_bucket_that_is_not_there_is_a_failure_to_store(store: int) -> None:
    with pytest.raises(StorageError, match="can't be stored"):
        Lake(url(store).replace("lake-bucket", "no-such-bucket")).commit(ONE, parquet("a"))


def test_a_file_that_can_not_be_read_leaves_the_old_object(lake: Lake) -> None:
    lake.commit(ONE, parquet("old"))
    with pytest.raises(StorageError, match="the disk went away"):
        lake.commit(ONE, Torn())
    assert emails(lake) == ["old"]


@pytest.mark.parametrize("size", [SMALL, LARGE])
def test_an_upload_that_is_refused_halfway_leaves_the_old_object(lake: Lake, way: Way, size: int) -> None:
    lake.commit(ONE, parquet("old"))
    way.strike = struck = Once(refuse)
    with pytest.raises(StorageError, match="can't be stored"):
        Lake(url(way.port)).commit(ONE, parquet("x" * 10, os.urandom(size // 2).hex()))
    assert struck.happened.is_set()
    assert emails(lake) == ["old"]


def test_misfits_are_stored_before_their_partition_and_removed_after_one_without(
    lake: Lake, store: int, way: Way
) -> None:
    through = Lake(url(way.port))
    kept = f"_misfits/visitors/website=acme-honda/date={DAY}.json"
    through.commit(ONE, parquet("old"), b"{1}")
    assert objects(store) == [kept, FILE]
    way.strike = Once(refuse)
    with pytest.raises(StorageError):
        through.commit(ONE, parquet("x"), b"{2}")
    assert emails(lake) == ["old"]
    assert lake.store.read(kept) == b"{2}", "as of the try that failed, whose time it tells"
    through.commit(ONE, parquet("y"), b"{3}")
    assert (emails(lake), lake.store.read(kept)) == (["y"], b"{3}")
    through.commit(ONE, parquet("new"), b"")
    assert (emails(lake), objects(store)) == (["new"], [FILE])
    assert lake.folders() == ["visitors"]


@pytest.mark.parametrize("size", [SMALL, LARGE])
def test_an_upload_whose_connection_is_cut_halfway_is_sent_again_whole(lake: Lake, way: Way, size: int) -> None:
    lake.commit(ONE, parquet("old"))
    way.strike = struck = Once(cut)
    new = os.urandom(size // 2).hex()
    Lake(url(way.port)).commit(ONE, parquet(new))
    assert struck.happened.is_set()
    assert emails(lake) == [new]


@pytest.mark.parametrize("size", [SMALL, LARGE])
def test_an_interrupt_in_the_middle_of_an_upload_never_completes_a_part_of_it(lake: Lake, way: Way, size: int) -> None:
    lake.commit(ONE, parquet("old"))
    way.strike = struck = Once(lambda _: os.kill(os.getpid(), signal.SIGINT))
    new = os.urandom(size // 2).hex()
    with pytest.raises(KeyboardInterrupt):
        Lake(url(way.port)).commit(ONE, parquet(new))
    assert struck.happened.is_set()
    assert emails(lake) in (["old"], [new])


def test_a_small_file_is_one_request(lake: Lake, way: Way) -> None:
    puts: list[socket.socket] = []
    way.strike = puts.append
    Lake(url(way.port)).commit(ONE, parquet("new"))
    assert len(puts) == 1
    assert emails(lake) == ["new"]


class Once:
    """A strike that happens to the first PUT alone."""

    def __init__(self, strike: Strike) -> None:
        self._strike = strike
        self._lock = threading.Lock()
        self.happened = threading.Event()

    def __call__(self, client: socket.socket) -> None:
        with self._lock:
            first = not self.happened.is_set()
            self.happened.set()
        if first:
            self._strike(client)


def test_an_object_store_is_queried_and_read_alike(lake: Lake) -> None:
    visitors(lake, FIRST, [1, 2])
    visitors(lake, SECOND, [3], website=BAYSIDE)
    keep(lake, "visitors", {"channel": ["web"], **NEW}, THIRD, BAYSIDE)
    lake.commit(Partition("visitors", ACME, THIRD), io.BytesIO(b"no Parquet" * 50))
    reader = LakeReader(lake, TABLES)

    assert found(reader, f"SELECT count(*) FROM visitors WHERE date < '{THIRD}'") == [(3,)]
    assert found(reader, f"SELECT website, channel FROM visitors WHERE website <> '{ACME}' ORDER BY ALL") == [
        (BAYSIDE, "web"), (BAYSIDE, None),
    ]  # fmt: skip
    with pytest.raises(duckdb.Error):
        found(reader, "SELECT max(algo) FROM visitors")
    assert found(reader, "SHOW TABLES") == [(name,) for name in sorted(table.name for table in TABLES)]
    comments = found(
        reader, "SELECT comment FROM duckdb_columns() WHERE table_name = 'visitors' AND column_name = 'algo'"
    )
    assert comments == [(by_name()["visitors"].column("algo").description,)]
    assert found(reader, "FROM sales") == []
    assert len(reader.read("visitors", website=BAYSIDE)) == len(reader.polars("visitors", dates=f":{SECOND}")) - 1 == 2
