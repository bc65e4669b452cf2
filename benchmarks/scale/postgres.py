"""A Postgres of our own on loopback, as Debian's packages bring it; never the system's."""

import contextlib
import os
import pwd
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

BIN = Path("/usr/lib/postgresql/15/bin")
_NOBODY = "nobody"


@dataclass(frozen=True)
class Cluster:
    """A server that answers on loopback, and the folder of its data."""

    port: int
    data: Path

    @property
    def storage(self) -> str:
        """The lines of a `dagster.yaml` that record in it."""
        return (
            "storage:\n  postgres:\n    postgres_db:\n      hostname: 127.0.0.1\n      username: dagster\n"
            f"      password: ''\n      db_name: postgres\n      scheme: postgresql+psycopg2\n      port: {self.port}\n"
        )


def is_there() -> bool:
    """Whether Postgres 15 is installed, and what Dagster needs to record in it."""
    try:
        import dagster_postgres  # noqa: F401 - whether it can be imported
    except ImportError:
        return False
    return (BIN / "postgres").exists()


@contextlib.contextmanager
def cluster(folder: Path | None = None) -> Iterator[Cluster]:
    """Make a cluster, start it, and stop and remove it when the block ends. It runs as a user without rights."""
    user = _NOBODY if os.geteuid() == 0 else None
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
        ready = [str(BIN / "pg_isready"), "-q", "-h", "127.0.0.1", "-p", str(port), "-t", "1"]
        while subprocess.run(ready, check=False).returncode:
            if server.poll() is not None:
                raise RuntimeError((base / "log").read_text())
        yield Cluster(port, data)
    finally:
        server.terminate()
        server.wait(60)
        shutil.rmtree(base)


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as free:
        return int(free.getsockname()[1])
