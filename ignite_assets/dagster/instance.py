"""The Dagster instance that runs are recorded in, and the folder it lives in. Telemetry is off in every one we make.

So is the dialog that greets a new user of the Dagster UI.
"""

import logging
import os
from pathlib import Path

import dagster as dg

from ignite_assets.config import Settings

HOME_VARIABLE = "DAGSTER_HOME"

RUNS_AT_ONCE = 4
"""Websites that are captured side by side. Each waits for the platform more than half of its time, and asks it for as
many answers at once as `platform.max_concurrency` says: more websites would be quicker, and less polite."""

UNFINISHED = (
    dg.DagsterRunStatus.QUEUED,
    dg.DagsterRunStatus.NOT_STARTED,
    dg.DagsterRunStatus.STARTING,
    dg.DagsterRunStatus.STARTED,
    dg.DagsterRunStatus.CANCELING,
)
"""The statuses of runs that are under way or about to be; what they make isn't asked for again."""

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
    return inherited_instance()


def inherited_instance() -> dg.DagsterInstance:
    """The instance of `DAGSTER_HOME`. Use it as a context manager."""
    # An interrupt while a connection to the records closes is raised, and would be logged with a traceback as well.
    logging.getLogger("sqlalchemy.pool").setLevel(logging.CRITICAL)
    return dg.DagsterInstance.get()
