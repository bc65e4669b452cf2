"""Runs handed to the instance's own queue and launcher, through Dagster's GraphQL, and followed until they end.

`dagster-graphql` loads the code location as the daemon does; no webserver is needed.
"""

import json
import os
import subprocess
import sysconfig
import time
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import dagster as dg

from ignite_assets.api.endpoints import ENDPOINTS
from ignite_assets.api.errors import ConfigurationError, FailureRecord
from ignite_assets.cli.runs.workers import Ended
from ignite_assets.config import Settings
from ignite_assets.config.reading import CONFIG_VARIABLE
from ignite_assets.dagster.automation.schedules import COMMAND
from ignite_assets.dagster.keys import AssetKeys
from ignite_assets.dagster.partitions import dimension_tags
from ignite_assets.dagster.private import PARTITION
from ignite_assets.dagster.website_runs import WebsiteRun

SUBMITTED = "ignite/submitted"
"""A run's tag: which command submitted it, and as which of its runs."""

_LOCATIONS = """{ repositoriesOrError { ... on RepositoryConnection { nodes { name location { name } jobs { name } } }
  ... on PythonError { message } } }"""
_LAUNCH = """mutation Launch($runs: [ExecutionParams!]!) { launchMultipleRuns(executionParamsList: $runs) {
  ... on LaunchMultipleRunsResult { launchMultipleRunsResult { __typename
    ... on LaunchRunSuccess { run { runId } }
    ... on PythonError { message } ... on InvalidSubsetError { message } ... on UnauthorizedError { message }
    ... on PipelineNotFoundError { message } ... on RunConfigValidationInvalid { errors { message } } } }
  ... on PythonError { message } } }"""
QUIET = {"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}}
"""The configuration of a run that says nothing on the console: our commands say it in their own words."""
_PATIENCE_SECONDS = 60.0
_CAPTURED = frozenset(endpoint.name for endpoint in ENDPOINTS)
_WORKSPACE = "workspace.yaml"


@dataclass(frozen=True)
class Order:
    """What a process that executes a run is told, or the queue."""

    config: str
    """The path of the settings."""
    run_id: str
    run: WebsiteRun
    force: bool = False
    """Whether late captures may replace what was captured on time."""

    def run_config(self, keys: AssetKeys) -> dict[str, object]:
        """The run's configuration; it says nothing on the console."""
        captured = [asset for asset in self.run.assets if asset in _CAPTURED] if self.force else []
        return {**QUIET, "ops": {keys.step(asset): {"config": {"replace_on_time": True}} for asset in captured}}


class CodeLocation:
    """The code location that holds the job of the command line, as a workspace names it."""

    def __init__(self, settings: Settings) -> None:
        """Raises `ConfigurationError` where no code location has the job."""
        workspace = settings.path.parent / _WORKSPACE
        module = ["-m", "ignite_assets.definitions"]
        self._target = ["-w", str(workspace)] if workspace.exists() else module
        self._environment = {**os.environ, CONFIG_VARIABLE: str(settings.path)}
        self._folder = settings.path.parent
        self._job = settings.dagster.named(COMMAND)
        found = self.ask(_LOCATIONS, {})["repositoriesOrError"].get("nodes") or []
        holding = [each for each in found if self._job in {job["name"] for job in each["jobs"]}]
        if not holding:
            raise ConfigurationError(" ".join(self._target), [f"no code location in it has the job {self._job}"])
        self._repository, self._location = holding[0]["name"], holding[0]["location"]["name"]

    def ask(self, document: str, variables: Mapping[str, object]) -> dict[str, Any]:
        """What GraphQL answers. Raises `ConfigurationError` where it answers nothing."""
        command = [_program("dagster-graphql"), *self._target, "-t", document, "-v", json.dumps(variables)]
        done = subprocess.run(  # noqa: S603 - our own arguments
            command, cwd=self._folder, env=self._environment, capture_output=True, text=True, check=False
        )
        for line in reversed(done.stdout.splitlines()):
            if line.startswith("{"):
                answer: dict[str, Any] = json.loads(line).get("data") or {}
                return answer
        last = (done.stderr.strip().splitlines() or ["it answered nothing"])[-1]
        raise ConfigurationError("dagster-graphql", [last])

    def params(self, run: WebsiteRun, keys: AssetKeys, tags: Mapping[str, str], config: object) -> dict[str, object]:
        """A run as GraphQL's `ExecutionParams`."""
        key = run.partition
        partition = {PARTITION: str(key), **dimension_tags(key)} if key else {}
        every = {**run.tags, **partition, **tags}
        return {
            "selector": {
                "jobName": self._job,
                "repositoryName": self._repository,
                "repositoryLocationName": self._location,
                "assetSelection": [{"path": list(asset.path)} for asset in keys.all(run.assets)],
                "assetCheckSelection": [],
            },
            "runConfigData": config,
            "executionMetadata": {"tags": [{"key": name, "value": value} for name, value in every.items()]},
        }


class Queue:
    """Stands in for `Workers`: what is begun is submitted, and followed. Runs go on when nobody follows them."""

    has_room = True
    when_interrupted = "the runs go on in Dagster's queue"

    def get_ready(self, tasks: int) -> None:
        """Do nothing: the instance's launcher starts the processes."""

    def __init__(
        self, instance: dg.DagsterInstance, settings: Settings, keys: AssetKeys, say: Callable[[str], None]
    ) -> None:
        """`say` takes a line for the person who waits. Raises `ConfigurationError` without a code location."""
        self._instance, self._keys, self._say = instance, keys, say
        self._location = CodeLocation(settings)
        self._command = str(uuid.uuid4())
        self._due: list[Order] = []
        self._followed: dict[str, Order] = {}
        self._silent_until: float | None = time.monotonic() + _PATIENCE_SECONDS

    def begin(self, order: Order) -> None:
        """Submit a run with the next look."""
        self._due.append(order)

    def wait(self, seconds: float) -> list[Ended[Order]]:
        """Submit what is due; the runs that ended, after so many seconds at most."""
        refused = self._submit() if self._due else []
        ended = self._ended()
        if not ended and not refused:
            time.sleep(seconds)
        return refused + ended

    def run_of(self, order_id: str) -> str | None:
        """The id of the run that an order became."""
        filters = dg.RunsFilter(tags={SUBMITTED: f"{self._command}/{order_id}"})
        return next((run.run_id for run in self._instance.get_runs(filters, limit=1)), None)

    def _submit(self) -> list[Ended[Order]]:
        due, self._due = self._due, []
        runs = [self._params(order) for order in due]
        answer = self._location.ask(_LAUNCH, {"runs": runs}).get("launchMultipleRuns") or {}
        results = answer.get("launchMultipleRunsResult") or [answer] * len(due)
        refused = []
        for order, result in zip(due, results, strict=True):
            if "run" in result:
                self._followed[result["run"]["runId"]] = order
            else:
                told = result.get("message") or "; ".join(e["message"] for e in result.get("errors") or [])
                why = f"Dagster did not take the run: {(told or result.get('__typename', '')).strip().splitlines()[0]}"
                refused.append(Ended(order, FailureRecord(kind="run", reason=why, gist=why)))
        return refused

    def _params(self, order: Order) -> dict[str, object]:
        tags = {SUBMITTED: f"{self._command}/{order.run_id}"}
        return self._location.params(order.run, self._keys, tags, order.run_config(self._keys))

    def _ended(self) -> list[Ended[Order]]:
        runs = self._instance.get_runs(dg.RunsFilter(run_ids=list(self._followed))) if self._followed else []
        waiting = all(run.status == dg.DagsterRunStatus.QUEUED for run in runs)
        if not waiting:
            self._silent_until = None
        elif runs and self._silent_until and time.monotonic() > self._silent_until:
            self._silent_until = None
            self._say(
                f"{len(runs)} runs are queued and none has begun: is dagster-daemon running, or are others ahead?"
            )
        return [Ended(self._followed.pop(run.run_id)) for run in runs if run.is_finished]


def _program(name: str) -> str:
    """A program of this environment, whatever PATH says."""
    return str(Path(sysconfig.get_path("scripts"), name))
