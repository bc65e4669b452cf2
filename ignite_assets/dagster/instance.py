"""The Dagster instance that runs are recorded in, and the folder it lives in. Telemetry is off in every one we make.

So is the dialog that greets a new user of the Dagster UI.
"""

import contextlib
import os
import sqlite3
from collections.abc import Iterator
from pathlib import Path

import dagster as dg

from ignite_assets.config import Settings

HOME_VARIABLE = "DAGSTER_HOME"

RUNS_AT_ONCE = 4
"""Websites that are captured side by side. Each waits for the platform more than half of its time, and asks it for as
many answers at once as `platform.max_concurrency` says: more websites would be quicker, and less polite."""

DAGSTER_YAML = f"""\
telemetry:
  enabled: false
nux:
  enabled: false

# One run of a website at a time: two would capture the same partition twice.
concurrency:
  runs:
    max_concurrent_runs: {RUNS_AT_ONCE}
    tag_concurrency_limits:
      - key: dagster/partition/website
        value:
          applyLimitPerUniqueValue: true
        limit: 1
"""


def dagster_home(settings: Settings) -> Path:
    """The folder that `DAGSTER_HOME` names; without it one beside the lake, or beside the configuration of a URL."""
    if named := os.environ.get(HOME_VARIABLE):
        return Path(named).expanduser().absolute()
    beside = settings.path if "://" in settings.root else Path(settings.root)
    return beside.parent / "dagster_home"


def prepare_home(home: Path) -> Path:
    """Make the folder of an instance unless it is there; returns it."""
    if not home.exists():
        home.mkdir(parents=True)
        (home / "dagster.yaml").write_text(DAGSTER_YAML)
    return home


def open_instance(home: Path) -> dg.DagsterInstance:
    """The instance of a folder, which is made when it isn't there. Use it as a context manager.

    Sets `DAGSTER_HOME` for this process and its children, so that all of them record in the same place.
    """
    os.environ[HOME_VARIABLE] = str(prepare_home(home))
    os.environ["DAGSTER_DISABLE_TELEMETRY"] = "yes"
    return dg.DagsterInstance.get()


@contextlib.contextmanager
def held_open(instance: dg.DagsterInstance, *runs: str) -> Iterator[None]:
    """Keep the SQLite files open that an instance records in: the index, and those of some runs. Changes no record.

    Dagster opens and closes a connection for every event. Whoever closes the last one of a file has SQLite write its
    journal back, sync it and delete it, which is a third of what an event costs. An idle connection spares that, holds
    no lock that anybody waits for, and is nothing to clean up after a crash. An instance that records elsewhere is
    left alone.
    """
    with contextlib.ExitStack() as connections:
        for name in ("index", *runs):
            file = Path(instance.root_directory, "history", "runs", f"{name}.db")
            with contextlib.suppress(sqlite3.Error):  # it isn't there, or not to be read: as good as without
                # Dagster may end a run in another thread than it began it in.
                connection = sqlite3.connect(f"{file.as_uri()}?mode=rw", uri=True, check_same_thread=False)
                connections.callback(connection.close)
                connection.execute("SELECT 1 FROM sqlite_master").fetchall()  # only now the file is opened
        yield
