"""A Postgres of our own on loopback, and PgBouncer before it, as Debian's packages bring them; never the system's."""

import contextlib
import os
import pwd
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

BIN = Path("/usr/lib/postgresql/15/bin")
_POOL = shutil.which("pgbouncer", path=os.pathsep.join([*os.get_exec_path(), "/usr/sbin"]))
_NOBODY = "nobody"


@dataclass(frozen=True)
class Cluster:
    """A server that answers on loopback, and its folder."""

    port: int
    folder: Path

    @property
    def storage(self) -> str:
        """The lines of a `dagster.yaml` that record in it."""
        return (
            "storage:\n  postgres:\n    postgres_db:\n      hostname: 127.0.0.1\n      username: dagster\n"
            f"      password: ''\n      db_name: postgres\n      scheme: postgresql+psycopg2\n      port: {self.port}\n"
        )


def is_there() -> bool:
    """Whether Postgres 15 and PgBouncer are installed, and what Dagster needs to record in it."""
    try:
        import dagster_postgres  # noqa: F401 - whether it can be imported
    except ImportError:
        return False
    return bool(_POOL) and (BIN / "postgres").exists()


@contextlib.contextmanager
def cluster(folder: Path | None = None) -> Iterator[Cluster]:
    """Make a cluster, start it, and stop and remove it when the block ends. It runs as a user without rights."""
    user = _user()
    base = Path(tempfile.mkdtemp(prefix="scale-pg-", dir=folder))
    if user:
        of = pwd.getpwnam(user)
        os.chown(base, of.pw_uid, of.pw_gid)
    base.chmod(0o700)
    data, port = base / "data", _free_port()
    initdb = [str(BIN / "initdb"), "-D", str(data), "-U", "dagster", "-A", "trust", "-E", "UTF8", "--no-locale"]
    subprocess.run(initdb, check=True, user=user, cwd="/", stdout=subprocess.DEVNULL)
    settings = [f"port={port}", "listen_addresses=127.0.0.1", f"unix_socket_directories={base}", "max_connections=200"]
    options = [part for setting in settings for part in ("-c", setting)]
    with (base / "log").open("wb") as log:
        server = subprocess.Popen(
            [BIN / "postgres", "-D", data, *options], user=user, cwd="/", stdout=log, stderr=log, start_new_session=True
        )
    try:
        _wait(server, port, base / "log")
        yield Cluster(port, base)
    finally:
        server.terminate()
        server.wait(60)
        shutil.rmtree(base)


@contextlib.contextmanager
def pooled(cluster: Cluster) -> Iterator[Cluster]:
    """PgBouncer before a cluster until the block ends, in session mode as in deploy/compose.yaml."""
    port, log = _free_port(), cluster.folder / "pool.log"
    (cluster.folder / "users").write_text('"dagster" ""\n')
    (cluster.folder / "pool.ini").write_text(
        f"[databases]\npostgres = host=127.0.0.1 port={cluster.port}\n[pgbouncer]\nlisten_addr = 127.0.0.1\n"
        f"listen_port = {port}\nunix_socket_dir =\nauth_type = trust\nauth_file = {cluster.folder}/users\n"
        "pool_mode = session\nmax_client_conn = 1000\ndefault_pool_size = 100\n"
        "log_connections = 0\nlog_disconnections = 0\n"
    )
    with log.open("wb") as told:
        server = subprocess.Popen(
            [str(_POOL), cluster.folder / "pool.ini"], user=_user(), stdout=told, stderr=told, start_new_session=True
        )
    try:
        _wait(server, port, log)
        yield replace(cluster, port=port)
    finally:
        server.terminate()
        server.wait(60)


def _user() -> str | None:
    return _NOBODY if os.geteuid() == 0 else None


def _wait(server: "subprocess.Popen[bytes]", port: int, log: Path) -> None:
    """Until a server takes connections."""
    ready = [str(BIN / "pg_isready"), "-q", "-h", "127.0.0.1", "-p", str(port), "-t", "1"]
    while subprocess.run(ready, check=False).returncode:
        if server.poll() is not None:
            raise RuntimeError(log.read_text())


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as free:
        return int(free.getsockname()[1])
