"""The Dagster instance that runs are recorded in, and the folder it lives in. Telemetry is off in every one we make.

So is the dialog that greets a new user of the Dagster UI.
"""

import logging
import os
from pathlib import Path
from typing import Any

import dagster as dg
import yaml

from ignite_assets.api.errors import ConfigurationError
from ignite_assets.config import Settings
from ignite_assets.dagster.private import keep_engines, keep_migrations

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
      - key: ignite/website
        value:
          applyLimitPerUniqueValue: true
        limit: 1

# Runs are queued by several threads, and a schedule or sensor that takes long holds up no other.
schedules:
  use_threads: true
  num_workers: 4
  num_submit_workers: 4
sensors:
  use_threads: true
  num_workers: 4
  num_submit_workers: 4

# Runs that never start, and runs that never end when they are stopped, are recorded as ended.
run_monitoring:
  enabled: true
  start_timeout_seconds: 600
  cancel_timeout_seconds: 180
"""


_LIMITS = "tag_concurrency_limits"
_MATTERS_NOT = ("nux",)
"""Tables of `DAGSTER_YAML` that change what the UI shows, and nothing else."""


def dagster_home(settings: Settings) -> Path:
    """The folder that `DAGSTER_HOME` names; without it one beside the lake, or beside the configuration of a URL."""
    if named := settings.variable(HOME_VARIABLE):
        return Path(named).expanduser().absolute()
    beside = settings.path if "://" in settings.root else Path(settings.root)
    return beside.parent / "dagster_home"


def prepare_home(home: Path) -> Path:
    """Make the folder of an instance unless it is there; returns it. Raises `OSError` when it can't be used."""
    if not home.exists():
        home.mkdir(parents=True)
        (home / "dagster.yaml").write_text(DAGSTER_YAML)
    check_home(home)
    return home


def missing_lines(home: Path) -> str:
    """The lines of `DAGSTER_YAML` that the `dagster.yaml` of a folder lacks, or has otherwise; empty when it has all.

    Numbers may differ. A folder that was made by somebody else is never changed. Raises `ConfigurationError` for a file
    that is no YAML.
    """
    file = home / "dagster.yaml"
    try:
        there = yaml.safe_load(file.read_text(encoding="utf-8")) if file.exists() else None
    except (yaml.YAMLError, UnicodeDecodeError):
        there = "unreadable"
    if not isinstance(there, dict | None):
        raise ConfigurationError(str(file), ["not a table in YAML"])
    lacking = _lacking({k: v for k, v in yaml.safe_load(DAGSTER_YAML).items() if k not in _MATTERS_NOT}, there)
    return yaml.safe_dump(lacking, sort_keys=False) if lacking else ""


def _lacking(wanted: Any, there: Any) -> Any:
    """The part of a document that another lacks; None when it lacks nothing."""
    if isinstance(wanted, dict):
        of = there if isinstance(there, dict) else {}
        parts = {key: _lacking(value, of.get(key)) for key, value in wanted.items()}
        return {key: part for key, part in parts.items() if part is not None} or None
    if isinstance(wanted, list):
        return [each for each in wanted if each not in (there or [])] or None
    if there is None or (isinstance(wanted, bool) and there is not wanted):
        return wanted
    return None


def check_home(home: Path) -> None:
    """Raise `PermissionError` for a folder of records that can't be written, for which SQLite has no plain words."""
    for records in (home / "history", home / "schedules"):
        if records.exists() and not os.access(records, os.W_OK | os.X_OK):
            raise PermissionError(f"no permission to write in {records}, where Dagster keeps its records")


def open_instance(home: Path) -> dg.DagsterInstance:
    """The instance of a folder, which is made when it isn't there. Use it as a context manager.

    Sets `DAGSTER_HOME` for this process and its children, so that all of them record in the same place.
    """
    os.environ[HOME_VARIABLE] = str(prepare_home(home))
    os.environ["DAGSTER_DISABLE_TELEMETRY"] = "yes"
    return inherited_instance()


def runs_at_once(instance: dg.DagsterInstance) -> int:
    """How many runs an instance lets go on at once; `RUNS_AT_ONCE` where it has no limit."""
    queue = instance.get_concurrency_config().run_queue_config
    return queue.max_concurrent_runs if queue and queue.max_concurrent_runs > 0 else RUNS_AT_ONCE


def has_website_limit(instance: dg.DagsterInstance) -> bool:
    """Whether the queue launches one run of a website at a time."""
    queue = instance.get_concurrency_config().run_queue_config
    limits = queue.tag_concurrency_limits if queue else []
    return all(limit in limits for limit in yaml.safe_load(DAGSTER_YAML)["concurrency"]["runs"][_LIMITS])


def inherited_instance() -> dg.DagsterInstance:
    """The instance of `DAGSTER_HOME`. Use it as a context manager."""
    # An interrupt while a connection to the records closes is raised, and would be logged with a traceback as well.
    logging.getLogger("sqlalchemy.pool").setLevel(logging.CRITICAL)
    keep_migrations()
    keep_engines()
    return dg.DagsterInstance.get()
