"""Runs that are terminated in the UI, and runs whose processes are killed: real daemon, webserver, code servers.

One start of everything for both. Runs wait for a platform that answers in ten minutes, so what ends before, was ended.
"""

import contextlib
import datetime as dt
import functools
import os
import signal
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import dagster as dg
import pytest
import requests

from ignite_assets.config import Settings, load_settings
from ignite_assets.dagster.automation.healing import under_way
from ignite_assets.dagster.automation.opt_out_job import JOB as OPT_OUTS
from ignite_assets.dagster.automation.opt_out_job import OP
from ignite_assets.dagster.instance import DAGSTER_YAML, dagster_home
from ignite_assets.dagster.liveness import GIVEN_UP
from ignite_assets.dagster.partitions import partition_key
from ignite_assets.dagster.private import RANGE_END, RANGE_START
from ignite_assets.sandbox import Fault, SandboxServer
from ignite_assets.sandbox.faults import SandboxCall
from ignite_assets.storage.lake import Lake, Partition
from ignite_assets_tests.audiences import captures
from ignite_assets_tests.cli.conftest import Shop, shop_in
from ignite_assets_tests.commands import BIN, PATIENCE, ROOT, environment, until
from ignite_assets_tests.conftest import ACME, BAYSIDE, SUMMIT
from ignite_assets_tests.dagster.both_executors import ENDLESS, UNDER_WAY
from soak.processes import free_port

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]
AGES = 600.0
"""Seconds that the platform takes to answer: longer than any wait here."""
_QUEUE = """
run_coordinator:
  module: dagster.core.run_coordinator
  class: QueuedRunCoordinator
  config:
    dequeue_interval_seconds: 1
"""
EXTRA = """
[opt_outs]
inbox = "inbox"
[[exports]]
name = "everyone"
source = "visitors"
window_days = 1
destination = "plain_list"
to = "exports"
"""
LAUNCH = """
mutation($params: ExecutionParams!) { launchRun(executionParams: $params) {
  __typename ... on LaunchRunSuccess { run { runId } } ... on PythonError { message }
  ... on RunConfigValidationInvalid { errors { message } } } }
"""
TERMINATE = "mutation($run: String!) { terminateRun(runId: $run) { __typename ... on PythonError { message } } }"


class Dagster:
    """A daemon, a webserver, and a code server for each kind of executor."""

    def __init__(self, folder: Path, given: Mapping[str, str]) -> None:
        self._folder, self._environment = folder, environment(**given, PYTHONPATH=str(ROOT))
        self._started: list[subprocess.Popen[bytes]] = []
        self._web = free_port()

    def start(self) -> None:
        servers = {name: free_port() for name in ("defs", "stepwise")}
        for name, port in servers.items():
            module = "ignite_assets_tests.dagster.both_executors"
            self._run(name, "dagster", "api", "grpc", "-m", module, "-a", name, "-h", "127.0.0.1", "-p", str(port))
        listed = "".join(
            f"  - grpc_server: {{host: 127.0.0.1, port: {port}, location_name: {name}}}\n"
            for name, port in servers.items()
        )
        workspace = self._folder / "workspace.yaml"
        workspace.write_text(f"load_from:\n{listed}")
        for port in servers.values():
            until(functools.partial(_answers, port), "a code server")
        self._run("daemon", "dagster-daemon", "run", "-w", str(workspace))
        self._run("web", "dagster-webserver", "-w", str(workspace), "-h", "127.0.0.1", "-p", str(self._web))
        until(lambda: _answers(self._web), "the webserver")

    def _run(self, name: str, *command: str) -> None:
        with (self._folder / f"{name}.log").open("ab") as log:
            self._started.append(
                subprocess.Popen(
                    [BIN / command[0], *command[1:]],
                    cwd=self._folder,
                    env=self._environment,
                    stdout=log,
                    stderr=log,
                    start_new_session=True,
                )
            )

    def kill(self) -> None:
        """A power cut: everything at once, runs included."""
        for process in self._started:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
        for process in self._started:
            process.wait(60)
        self._started.clear()

    def ask(self, query: str, **variables: Any) -> Any:
        """The answer of the webserver's GraphQL."""
        url = f"http://127.0.0.1:{self._web}/graphql"
        sent = {"query": query, "variables": variables}
        answer = requests.post(url, json=sent, timeout=PATIENCE).json()
        assert "errors" not in answer, answer
        (found,) = answer["data"].values()
        return found

    def launch(
        self,
        job: str,
        tags: Mapping[str, str],
        config: object = None,
        location: str = "defs",
        assets: Sequence[str] | None = None,
    ) -> str:
        """Launch a run as the UI does; its id."""
        params = {
            "selector": {
                "repositoryLocationName": location,
                "repositoryName": "__repository__",
                "jobName": job,
                **({"assetSelection": [{"path": [asset]} for asset in assets]} if assets else {}),
            },
            "runConfigData": config or {},
            "executionMetadata": {"tags": [{"key": key, "value": value} for key, value in tags.items()]},
        }
        launched = self.ask(LAUNCH, params=params)
        assert launched["__typename"] == "LaunchRunSuccess", launched
        return str(launched["run"]["runId"])


def _answers(port: int) -> bool:
    with contextlib.suppress(OSError):
        import socket

        with socket.create_connection(("127.0.0.1", port), 1):
            return True
    return False


class Platform(SandboxServer):
    """A sandbox that knows what was asked of it before it answers."""

    asked: set[tuple[str | None, str]]

    def listen(self) -> None:
        """Note each call's website and endpoint."""
        self.asked = set()
        strike = self.faults.strike

        def noted(call: SandboxCall) -> tuple[float, Fault | None]:
            self.asked.add((call.website, call.endpoint))
            return strike(call)

        self.faults.strike = noted  # type: ignore[method-assign]


@pytest.fixture
def platform() -> Iterator[Platform]:
    with Platform((ACME, BAYSIDE, SUMMIT)) as server:
        server.listen()
        yield server


@pytest.fixture
def shop(platform: Platform, tmp_path: Path) -> Shop:
    return shop_in(tmp_path, platform.url)


def test_runs_end_when_they_are_terminated_and_are_taken_up_again_when_their_processes_died(
    shop: Shop, platform: Platform
) -> None:
    config = shop.folder / "ignite.toml"
    config.write_text(config.read_text() + EXTRA)
    settings = load_settings(config)
    home = dagster_home(settings)
    home.mkdir()
    (home / "dagster.yaml").write_text(DAGSTER_YAML + _QUEUE)
    (shop.folder / "tmp").mkdir()
    given = {"DAGSTER_HOME": str(home), "IGNITE_CONFIG": str(config), "TMPDIR": str(shop.folder / "tmp")}
    dagster = Dagster(shop.folder, {**shop.environment, **given})
    with dg.DagsterInstance.from_config(str(home)) as instance:
        try:
            dagster.start()
            terminate_runs(dagster, instance, platform, shop, settings)
            terminate_queries(dagster, instance, shop, settings)
            platform.faults.clear()
            cut_the_power(dagster, instance, platform, shop, settings)
        finally:
            dagster.kill()


def terminate_runs(
    dagster: Dagster, instance: dg.DagsterInstance, platform: Platform, shop: Shop, settings: Settings
) -> None:
    """A capture, one that waits for its next try, a ranged one with a process a step, and a submission."""
    platform.faults.add(
        Fault(website=ACME.key, endpoint="locations", delay=AGES),
        Fault(website=BAYSIDE.key, endpoint="visitors", status=500),
        Fault(website=SUMMIT.key, endpoint="audience_group_members", delay=AGES),
        Fault(endpoint="opt_outs", delay=AGES),
    )
    dropped = shop.folder / "inbox" / ACME.key / "people.csv"
    dropped.parent.mkdir(parents=True)
    dropped.write_text("email\nsomebody@example.com\n")
    days = {RANGE_START: str(partition_key(shop.days_ago(3), SUMMIT.key))}
    days[RANGE_END] = str(partition_key(shop.yesterday, SUMMIT.key))
    file = {"ops": {OP: {"config": {"website": ACME.key, "label": label(settings)}}}}
    runs = {
        "capture": dagster.launch("nightly", tags(shop.yesterday, ACME.key)),
        "waits": dagster.launch("nightly", tags(shop.yesterday, BAYSIDE.key)),
        "ranged": dagster.launch("nightly", days, location="stepwise"),
        "submission": dagster.launch(OPT_OUTS, {}, file),
    }

    for call in ((ACME.key, "locations"), (SUMMIT.key, "audience_group_members"), (ACME.key, "opt_outs")):
        until(functools.partial(platform.asked.__contains__, call), f"the platform is asked for {call}")
    kind = dg.DagsterEventType.STEP_RESTARTED
    until(lambda: instance.all_logs(runs["waits"], of_type=kind), "a step waits for its next try")
    terminate(dagster, instance, runs)
    landed = {event.asset_key.path[-1] for event in materialized(instance, runs["capture"])}
    assert "audiences" in landed
    assert not landed & {"locations", "products", "sales", "visitors"}
    assert dropped.exists()
    lake = Lake(settings.root)
    assert {each.asset for each in lake_of(lake, ACME.key)} == landed
    assert not [path for path in Path(lake.root).rglob(".*") if path.is_file()]


def terminate_queries(dagster: Dagster, instance: dg.DagsterInstance, shop: Shop, settings: Settings) -> None:
    """Derivations, with a process for all steps or for each, and an export, in the middle of their queries."""
    lake, day = Lake(settings.root), shop.yesterday
    for site in (ACME, SUMMIT, BAYSIDE):
        captures.visitors(lake, day, range(2000), website=site.key)
    before = files(shop)
    (shop.folder / ENDLESS).touch()
    derive, export = ["visitor_recency"], ["audience_exports"]
    runs = {
        "derivation": dagster.launch("heal", tags(day, ACME.key), assets=derive),
        "step": dagster.launch("heal", tags(day, SUMMIT.key), assets=derive, location="stepwise"),
        "export": dagster.launch("export_audiences", tags(day, BAYSIDE.key), assets=export),
    }
    until(lambda: len(queries(shop)) == len(runs), "the queries are under way")
    assert {str(partition_key(day, ACME.key)), str(partition_key(day, BAYSIDE.key))} <= under_way(
        instance, settings.websites
    )
    terminate(dagster, instance, runs)
    (shop.folder / ENDLESS).unlink()
    assert files(shop) == before
    assert not list((shop.folder / "tmp").glob("ignite-*"))


def queries(shop: Shop) -> list[Path]:
    """What tells of the queries that have begun."""
    return list(shop.folder.glob(UNDER_WAY.format("*")))


def files(shop: Shop) -> set[Path]:
    """What there is in the lake and of exports."""
    return {path for place in ("lake", "exports") for path in (shop.folder / place).rglob("*") if path.is_file()}


def terminate(dagster: Dagster, instance: dg.DagsterInstance, runs: Mapping[str, str]) -> None:
    """Terminate runs as the UI does, and see them end."""
    for run in runs.values():
        assert dagster.ask(TERMINATE, run=run)["__typename"] == "TerminateRunSuccess"
    for what, run in runs.items():
        ended = until(functools.partial(finished, instance, run), f"the end of {what}")
        assert ended.status == dg.DagsterRunStatus.CANCELED, what
        assert after_the_stop(instance, run) == set(), what


def cut_the_power(
    dagster: Dagster, instance: dg.DagsterInstance, platform: Platform, shop: Shop, settings: Settings
) -> None:
    """Kill everything in the middle of a night; when it is started again, the night is completed by itself."""
    platform.asked.clear()
    slow = Fault(website=BAYSIDE.key, endpoint="locations", delay=AGES)
    platform.faults.add(slow)
    run = dagster.launch("nightly", tags(shop.yesterday, BAYSIDE.key))
    until(lambda: (BAYSIDE.key, "locations") in platform.asked, "the night is under way")
    dagster.kill()
    left = instance.get_run_by_id(run)
    assert left
    assert left.status == dg.DagsterRunStatus.STARTED
    platform.faults.clear()

    dagster.start()

    ended = until(lambda: finished(instance, run), "the run is given up")
    assert ended.status == dg.DagsterRunStatus.FAILURE
    assert "died" in ended.tags[GIVEN_UP]
    sales = Partition("sales", BAYSIDE.key, shop.yesterday)
    until(lambda: Lake(settings.root).exists(sales), "the night is completed")


def label(settings: Settings) -> str:
    from ignite_assets.audiences import inbox
    from ignite_assets.storage.store import Store

    (file,) = inbox.of_website(Store(settings.place(settings.opt_outs.inbox or "")), ACME.key)
    return str(file.label)


def tags(day: dt.date, website: str) -> dict[str, str]:
    """The tags that make a run one of its partition."""
    key = partition_key(day, website)
    return {"dagster/partition": str(key), **{f"dagster/partition/{n}": v for n, v in key.keys_by_dimension.items()}}


def finished(instance: dg.DagsterInstance, run: str) -> dg.DagsterRun | None:
    found = instance.get_run_by_id(run)
    return found if found and found.is_finished else None


def materialized(instance: dg.DagsterInstance, run: str) -> list[Any]:
    events = instance.all_logs(run, of_type=dg.DagsterEventType.ASSET_MATERIALIZATION)
    return [entry.dagster_event for entry in events]


def after_the_stop(instance: dg.DagsterInstance, run: str) -> set[str]:
    """What a run still did after somebody terminated it, of what it should not have.

    A step whose process was on its way by then may say that it starts.
    """
    events = [entry.dagster_event for entry in instance.all_logs(run) if entry.dagster_event]
    stopped = [event.event_type for event in events].index(dg.DagsterEventType.PIPELINE_CANCELING)
    launched = {
        each.step_key for each in events[:stopped] if each.event_type == dg.DagsterEventType.STEP_WORKER_STARTING
    }
    begun = {dg.DagsterEventType.STEP_START, dg.DagsterEventType.STEP_UP_FOR_RETRY, dg.DagsterEventType.STEP_SUCCESS}
    return {
        event.event_type.value
        for event in events[stopped:]
        if event.event_type in begun
        and not (event.event_type == dg.DagsterEventType.STEP_START and event.step_key in launched)
    }


def lake_of(lake: Lake, website: str) -> list[Partition]:
    return [each for asset in lake.folders() for each in lake.partitions(asset) if each.website == website]
