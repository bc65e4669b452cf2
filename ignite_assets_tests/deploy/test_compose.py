"""deploy/compose.yaml at work: nights of five websites by its own services, some of which are killed on the way."""

import contextlib
import datetime as dt
import hashlib
import json
import os
import re
import shutil
import signal
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from zoneinfo import ZoneInfo

import dagster as dg
import pyarrow.fs as pafs
import pytest
from dagster._core.definitions.run_request import InstigatorType
from dagster._core.scheduler.instigation import ScheduleInstigatorData

from ignite_assets.api.endpoints import ENDPOINTS, Endpoint
from ignite_assets.api.horizon import Horizon
from ignite_assets.config import Settings, load_settings
from ignite_assets.dagster.liveness import PROCESS
from ignite_assets.dagster.partitions import partition_key
from ignite_assets.dagster.private import PARTITION
from ignite_assets.sandbox import Fault, SandboxServer, SandboxWebsite, frozen
from ignite_assets.storage.lake import Lake, Partition
from ignite_assets.storage.store import Store
from ignite_assets_tests.commands import until
from ignite_assets_tests.conftest import NAMES, variable, zone_at_noon
from ignite_assets_tests.deploy.services import DEPLOY, Stack, running
from ignite_assets_tests.uploads import AdPlatform
from soak.expected import record_of, world_records

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1200)]

KEYS = tuple(load_settings(DEPLOY / "ignite.toml").websites)
EXPORTED, *_, KILLED = WEBSITES = tuple(SandboxWebsite(key, 400 if key == KEYS[0] else 40) for key in KEYS)
LOCATION = {"repositoryLocationName": "ignite_assets", "repositoryName": "__repository__"}
SCHEDULE = """
query($selector: ScheduleSelector!) { scheduleOrError(scheduleSelector: $selector) {
  ... on Schedule { scheduleState { id } } } }
"""
STOP = """
mutation($id: String!) { stopRunningSchedule(id: $id) { ... on ScheduleStateResult { scheduleState { status } } } }
"""
START = """
mutation($selector: ScheduleSelector!) { startSchedule(scheduleSelector: $selector) {
  ... on ScheduleStateResult { scheduleState { status } } } }
"""
LAUNCH = """
mutation($params: ExecutionParams!) { launchRun(executionParams: $params) {
  ... on LaunchRunSuccess { run { runId } } ... on PythonError { message } } }
"""
BACKFILL = """
mutation($params: LaunchBackfillParams!) { launchPartitionBackfill(backfillParams: $params) {
  __typename ... on LaunchBackfillSuccess { backfillId } ... on PythonError { message } } }
"""
BACKFILL_STATUS = """
query($id: String!) { partitionBackfillOrError(backfillId: $id) { ... on PartitionBackfill { status } } }
"""


class Agency:
    """The services, the platform that they call, and the means to look at what they do."""

    def __init__(self, stack: Stack, platform: SandboxServer, settings: Settings, instance: dg.DagsterInstance) -> None:
        self.stack, self.platform, self.settings, self.instance = stack, platform, settings, instance
        self.lake = Lake(settings.root)
        self.horizon = Horizon(settings.partitions.zone)
        last = self.horizon.yesterday()
        self.days = [last - dt.timedelta(days=1), last]
        self.keys = [str(partition_key(day, key)) for day in self.days for key in KEYS]

    def missed(self, schedule: str) -> None:
        """Have the daemon find, when it starts, that it missed this morning's tick of a schedule."""
        selector = {**LOCATION, "scheduleName": schedule}
        self.stack.ask(STOP, id=self.stack.ask(SCHEDULE, selector=selector)["scheduleState"]["id"])
        assert self.stack.ask(START, selector=selector) == {"scheduleState": {"status": "RUNNING"}}
        states = self.instance.all_instigator_state(instigator_type=InstigatorType.SCHEDULE)
        (state,) = [state for state in states if state.instigator_name == schedule]
        assert isinstance(state.instigator_data, ScheduleInstigatorData)
        midnight = dt.datetime.combine(self.horizon.today(), dt.time(), self.horizon.timezone)
        data = ScheduleInstigatorData(state.instigator_data.cron_schedule, midnight.timestamp())
        self.instance.update_instigator_state(state.with_data(data))

    def backfill(self, asset: str, keys: Sequence[str]) -> str:
        """Launch a backfill as the pages of an asset do; its id."""
        params = {"assetSelection": [{"path": [asset]}], "partitionNames": list(keys)}
        return str(self.stack.ask(BACKFILL, params=params)["backfillId"])

    def status(self, backfill: str) -> str:
        return str(self.stack.ask(BACKFILL_STATUS, id=backfill)["status"])

    def launch(self, job: str, website: str) -> str:
        """Launch a job for the last day of a website, as the job's page does; its id."""
        key = partition_key(self.days[-1], website)
        tags = {PARTITION: str(key), **{f"{PARTITION}/{name}": part for name, part in key.keys_by_dimension.items()}}
        params = {
            "selector": {**LOCATION, "jobName": job},
            "executionMetadata": {"tags": [{"key": name, "value": value} for name, value in tags.items()]},
        }
        return str(self.stack.ask(LAUNCH, params=params)["run"]["runId"])

    def run(self, run_id: str) -> dg.DagsterRun:
        found = self.instance.get_run_by_id(run_id)
        assert found
        return found

    def workers(self, run_id: str) -> set[str]:
        """The workers of Celery that executed steps of a run."""
        logged = self.instance.all_logs(run_id, of_type=dg.DagsterEventType.ENGINE_EVENT)
        told = [entry.dagster_event.engine_event_data.metadata for entry in logged if entry.dagster_event]
        return {str(metadata["Celery worker"].value) for metadata in told if "Celery worker" in metadata}

    def runs(self, job: str) -> Sequence[dg.DagsterRun]:
        return self.instance.get_runs(dg.RunsFilter(job_name=job))

    def held_runs(self) -> list[dg.DagsterRun]:
        """The runs of the website that is to be killed, which have a process by now."""
        tags = {"ignite/website": KILLED.key}
        return [run for run in self.instance.get_runs(dg.RunsFilter(tags=tags)) if PROCESS in run.tags]

    def ended(self, *jobs: str) -> bool:
        return all(run.is_finished for job in jobs for run in self.runs(job))

    def failed(self) -> list[str]:
        return [run.run_id for run in self.instance.get_runs(dg.RunsFilter(statuses=[dg.DagsterRunStatus.FAILURE]))]

    def landed(self, assets: Sequence[str], days: Sequence[dt.date]) -> bool:
        """Whether the instance has the partitions of all websites."""
        wanted = {str(partition_key(day, key)) for day in days for key in KEYS}
        return all(wanted <= self.instance.get_materialized_partitions(dg.AssetKey(asset)) for asset in assets)

    def recorded(self, asset: str) -> Counter[str]:
        """How often each partition was materialized."""
        records = self.instance.fetch_materializations(dg.AssetKey(asset), limit=1000).records
        return Counter(str(record.partition_key) for record in records)

    def wrong(
        self, days: Sequence[dt.date], assets: Sequence[str] = NAMES, sites: Sequence[SandboxWebsite] = WEBSITES
    ) -> list[Partition]:
        """The captured partitions whose rows are not what the platform's world holds."""
        return [
            Partition(endpoint.name, site.key, day)
            for endpoint in ENDPOINTS
            for site in sites
            for day in (days if endpoint.history == "look_back" else days[-1:])
            if endpoint.name in assets and not self._is_true(endpoint, site, day)
        ]

    def _is_true(self, endpoint: Endpoint, site: SandboxWebsite, day: dt.date) -> bool:
        rows = self.lake.read([Partition(endpoint.name, site.key, day)]).drop_columns(["website", "date"]).to_pylist()
        ids: list[int] = []
        if endpoint.ids and endpoint.ids.from_partition:
            ids = self.lake.read([Partition(endpoint.ids.endpoint, site.key, day)], ["id"]).column("id").to_pylist()
        algo, now = self.settings.algo(site.key), self.platform.now()
        world = world_records(self.platform.world, site, endpoint, day, now, algo, ids, frozenset())
        return [record_of(endpoint, row) for row in rows] == world

    def hashes(self, day: dt.date) -> list[str]:
        """The visitors of the website whose list is exported."""
        partition = Partition("visitors", EXPORTED.key, day)
        return [
            str(value) for value in self.lake.read([partition], ["hashed_email"]).column("hashed_email").to_pylist()
        ]

    def members(self, folder: Path) -> set[str]:
        """Who is on the exported list when all that lies on the bucket has been applied."""
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir()
        with contextlib.suppress(FileNotFoundError):  # nothing is exported yet
            pafs.copy_files(self.settings.exports[0].to, str(folder))
        ads = AdPlatform()
        ads.take(folder)
        return set().union(*ads.lists.values())

    def pages(self) -> set[str]:
        """The websites that have their page of the last day."""
        files = Store(self.settings.reports.to)
        return {key for key in KEYS if files.exists(f"website={key}/date={self.days[-1]}/index.html")}

    def kept(self) -> set[str]:
        """The folders of the bucket."""
        return {info.base_name for info in Store("s3://ignite").infos(recursive=False)}


def configuration(text: str, url: str, zone: str) -> str:
    """The shipped ignite.toml with the sandbox for the platform, two days of partitions, and a window of as many."""
    start = Horizon(ZoneInfo(zone)).today() - dt.timedelta(days=2)
    changes = {
        r"\[partitions\]": f'[platform]\nbase_url = "{url}"\n\n[partitions]',
        'start_date = ".*"': f'start_date = "{start}"',
        'timezone = ".*"': f'timezone = "{zone}"',
        "window_days = 30": "window_days = 2\nmin_members = 1\nmax_shrink = 1.0",
    }
    for before, after in changes.items():
        text, count = re.subn(before, after, text)
        assert count == 1, before
    return text


@pytest.fixture
def platform() -> Iterator[SandboxServer]:
    with SandboxServer(WEBSITES, now=frozen(dt.datetime.now(dt.UTC))) as server:
        yield server


@pytest.fixture
def profiles() -> Sequence[str]:
    """Those of the Compose file that are switched on."""
    return ()


@pytest.fixture
def agency(profiles: Sequence[str], platform: SandboxServer, monkeypatch: pytest.MonkeyPatch) -> Iterator[Agency]:
    credentials = {variable(site.key, kind): getattr(site, kind) for site in WEBSITES for kind in ("token", "secret")}
    with running(Stack(credentials, profiles)) as stack:
        path = stack.home / "ignite.toml"
        path.write_text(configuration(path.read_text(), platform.url, zone_at_noon()))
        stack.up("database", "store", "bucket")
        for name, value in stack.environment("webserver").items():
            monkeypatch.setenv(name, value)
        with dg.DagsterInstance.from_config(str(stack.home / "dagster_home")) as instance:
            yield Agency(stack, platform, load_settings(path), instance)


def test_nights_of_five_websites_survive_kills_of_the_daemon_and_of_a_run(agency: Agency, tmp_path: Path) -> None:
    stack, platform = agency.stack, agency.platform
    platform.faults.add(Fault(endpoint="products", website=KILLED.key, delay=600))
    stack.up("webserver")
    until(stack.answers, "the webserver answers")
    agency.missed("nightly_schedule")
    stack.up()
    (run,) = until(agency.held_runs, "the run that the platform keeps waiting has a process")
    until(lambda: len(agency.runs("nightly")) == len(KEYS), "a run for each website")

    stack.kill("daemon")
    os.kill(json.loads(run.tags[PROCESS])["pid"], signal.SIGKILL)
    platform.faults.clear()
    agency.missed("heal_schedule")
    stack.start("daemon")
    until(lambda: agency.landed(["visitors", "products", "location_details"], agency.days), "both days have landed")
    until(lambda: agency.ended("nightly", "heal"), "their runs have ended")
    assert agency.wrong(agency.days) == []
    until(lambda: agency.members(tmp_path / "first"), "the list has been exported")

    stack.kill("daemon")
    agency.missed("report_schedule")
    out = platform.world.addresses(EXPORTED, agency.days[0], platform.now())[:3]
    Store(str(agency.settings.opt_outs.inbox)).put(f"{EXPORTED.key}/gone.txt", "\n".join(out).encode())
    again = [str(partition_key(day, key)) for day in agency.days for key in KEYS[1:2]]
    backfill = agency.backfill("products", again)
    stack.start("daemon")
    hashes = {hashlib.sha256(each.encode()).hexdigest() for each in out}
    until(lambda: not agency.members(tmp_path / "last") & hashes, "who opted out is removed from the list")
    until(lambda: agency.status(backfill) == "COMPLETED_SUCCESS", "the backfill has ended")
    until(lambda: agency.landed(["website_report"], agency.days[-1:]), "every website has its page")

    assert agency.recorded("products") == Counter({key: 1 + (key in again) for key in agency.keys})
    assert agency.wrong(agency.days, ["products"]) == []
    seen = {each for day in agency.days for each in agency.hashes(day)}
    assert agency.members(tmp_path / "last") == seen - hashes
    assert not set(out) & set(platform.world.addresses(EXPORTED, None, platform.now()))
    assert agency.pages() == set(KEYS)
    assert agency.failed() == [run.run_id]
    assert agency.kept() == {"dagster", "exports", "lake", "opt-outs", "reports"}
    assert not [site.key for site in WEBSITES if site.token in stack.logs() or site.secret in stack.logs()]


def test_the_example_of_an_env_file_has_every_variable_that_the_files_name() -> None:
    told = set(re.findall(r"^(\w+)=", (DEPLOY / "env.example").read_text(), re.MULTILINE))
    asked = set(re.findall(r"\$\{(\w+)", (DEPLOY / "compose.yaml").read_text()))
    assert told == asked | load_settings(DEPLOY / "ignite.toml").variables()


@pytest.mark.parametrize("profiles", [("celery",)])
def test_the_steps_of_a_run_are_spread_over_both_workers_of_celery(agency: Agency) -> None:
    stack = agency.stack
    path = stack.home / "ignite.toml"
    path.write_text(re.sub(r"^# (executor|broker_env)", r"\1", path.read_text(), flags=re.MULTILINE))
    assert load_settings(path).dagster.executor == "celery"
    stack.up()
    until(stack.answers, "the webserver answers")
    run = agency.launch("nightly", EXPORTED.key)
    until(lambda: agency.run(run).is_finished, "the run has ended")
    assert agency.run(run).is_success
    assert agency.wrong(agency.days[-1:], sites=[EXPORTED]) == []
    assert len(agency.workers(run)) == 2
