"""The export and inbox sensors, tick by tick on a real instance, and once with the real daemon that is killed."""

import contextlib
import datetime as dt
import os
import signal
import subprocess
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import dagster as dg
import pytest
from click.testing import CliRunner

from ignite_assets.api.horizon import Horizon
from ignite_assets.audiences import ledger, lists
from ignite_assets.audiences.ledger import Hashes
from ignite_assets.audiences.lists import List
from ignite_assets.audiences.opt_outs import Person
from ignite_assets.cli.doctor import doctor
from ignite_assets.config import Settings, load_settings
from ignite_assets.dagster.assets import exports as audience_exports
from ignite_assets.dagster.automation import opt_out_job as opt_outs
from ignite_assets.dagster.automation.alerts import Ours, failed_partitions, messages
from ignite_assets.dagster.automation.audience_sensors import build_audience_sensors
from ignite_assets.dagster.instance import prepare_home
from ignite_assets.dagster.keys import PLAIN
from ignite_assets.dagster.partitions import partition_key
from ignite_assets.report.exports import removals_due
from ignite_assets.sandbox import Fault, SandboxServer, SandboxWebsite
from ignite_assets.storage.duck import Workspace
from ignite_assets.storage.lake import Lake
from ignite_assets_tests.built import build_defs, frozen
from ignite_assets_tests.conftest import (
    ACME,
    BAYSIDE,
    NOW,
    QUIET,
    WEBSITES,
    YESTERDAY,
    Runner,
    config_text,
    days_ago,
    living_config,
    set_credentials,
)
from ignite_assets_tests.dagster.test_daemon import BIN, PATIENCE_SECONDS, REPOSITORY

EXPORT, INBOX = "audience_export_sensor", "opt_out_inbox_sensor"
VISITORS = '[[exports]]\nname = "r"\nsource = "visitors"\ndestination = "plain_list"\nwindow_days = 1\n'
AUDIENCES = '[[exports]]\nname = "a"\nsource = "audiences"\ndestination = "plain_list"\nwebsites = ["acme-honda"]\n'
OPT_OUTS = '[opt_outs]\ninbox = "inbox"\n'


class Sensor:
    """A sensor and its cursor, built anew for each tick as after a restart."""

    def __init__(self, name: str, settings: Settings, instance: dg.DagsterInstance) -> None:
        self.name, self.settings, self.instance = name, settings, instance
        self.cursor: str | None = None
        self.now = 0.0
        self.said: str | None = None
        self._repository = build_defs(settings, now=frozen(NOW)).get_repository_def()

    def tick(self, *, forget: bool = False) -> Sequence[dg.RunRequest]:
        """Evaluate it; with `forget` as if the daemon died before it kept the cursor."""
        (sensor,) = (s for s in build_audience_sensors(self.settings, now=lambda: self.now) if s.name == self.name)
        context = dg.build_sensor_context(
            instance=self.instance, cursor=self.cursor, sensor_name=self.name, repository_def=self._repository
        )
        data = sensor.evaluate_tick(context)
        self.said = data.skip_message
        if not forget:
            self.cursor = data.cursor
        return data.run_requests or []

    def keys(self) -> list[str]:
        """The partitions that a tick asks for."""
        return [str(request.partition_key) for request in self.tick()]


@pytest.fixture
def settings(config_file: Path) -> Settings:
    config_file.write_text(config_file.read_text() + VISITORS + AUDIENCES + OPT_OUTS)
    return load_settings(config_file)


@pytest.fixture
def exports(settings: Settings, instance: dg.DagsterInstance) -> Sensor:
    return Sensor(EXPORT, settings, instance)


def land(instance: dg.DagsterInstance, asset: str, day: dt.date, website: str = ACME.key, content: str = "a") -> None:
    """Record a capture without making it."""
    instance.report_runless_asset_event(
        dg.AssetMaterialization(asset, partition=partition_key(day, website), metadata={"content_hash": content})
    )


# Whether there are any.


def test_without_exports_and_inbox_there_is_the_one_for_lists_that_were_written_before(config_file: Path) -> None:
    (sensor,) = build_audience_sensors(load_settings(config_file))
    assert sensor.name == "opt_out_removal_sensor"


def test_none_is_on_where_the_schedules_are_off(settings: Settings) -> None:
    off = settings.model_copy(update={"schedule": settings.schedule.model_copy(update={"enabled": False})})
    sensors = build_audience_sensors(off)
    assert {sensor.default_status for sensor in sensors} == {dg.DefaultSensorStatus.STOPPED}


def test_both_run_from_the_start(settings: Settings) -> None:
    sensors = {sensor.name: sensor for sensor in build_defs(settings, now=frozen(NOW)).sensors or []}
    for name, job in ((EXPORT, audience_exports.JOB), (INBOX, opt_outs.JOB)):
        sensor = sensors[name]
        assert isinstance(sensor, dg.SensorDefinition)
        assert sensor.default_status == dg.DefaultSensorStatus.RUNNING
        assert sensor.job_name == job


# Exports.


def test_a_night_is_exported_once_all_its_sources_have_landed(exports: Sensor, runner: Runner) -> None:
    runner.day(["visitors"])
    runner.day(["visitors"], website=BAYSIDE.key)
    assert exports.keys() == [f"{YESTERDAY}|{BAYSIDE.key}"], "acme's audiences are still to come"
    assert exports.keys() == []
    waits = "acme-honda waits for audience_members, audiences; summit-ford waits for visitors"
    assert exports.said == f"{waits}; nothing else is new"
    runner.day(["audiences", "audience_members"])
    assert exports.keys() == [f"{YESTERDAY}|{ACME.key}"]
    assert exports.keys() == []


def test_it_is_exported_again_when_a_source_has_other_content(
    exports: Sensor, runner: Runner, sandbox: SandboxServer
) -> None:
    runner.day(["visitors"], website=BAYSIDE.key)
    (first,) = exports.tick()
    runner.day(["visitors"], website=BAYSIDE.key)
    assert exports.tick() == [], "equal content"
    sandbox.faults.add(Fault(endpoint="visitors", body=b'["' + b"ab" * 32 + b'"]', times=1))
    runner.day(["visitors"], website=BAYSIDE.key)
    (second,) = exports.tick()
    runner.day(["visitors"], website=BAYSIDE.key)
    (third,) = exports.tick()
    assert len({first.run_key, second.run_key, third.run_key}) == 3
    assert {str(each.partition_key) for each in (first, second, third)} == {f"{YESTERDAY}|{BAYSIDE.key}"}


def test_a_ranged_run_asks_for_its_newest_day_alone(exports: Sensor, runner: Runner) -> None:
    runner.days(["visitors"], days_ago(4), YESTERDAY, website=BAYSIDE.key)
    assert exports.keys() == [f"{YESTERDAY}|{BAYSIDE.key}"]
    runner.days(["visitors"], days_ago(9), days_ago(5), website=BAYSIDE.key)
    assert exports.keys() == [], "older days change nothing"
    runner.days(["visitors"], days_ago(4), YESTERDAY, website=BAYSIDE.key)
    assert exports.keys() == [], "equal content"


def test_a_tick_whose_cursor_was_lost_asks_for_the_same_runs(exports: Sensor, instance: dg.DagsterInstance) -> None:
    land(instance, "visitors", YESTERDAY, BAYSIDE.key)
    first = [request.run_key for request in exports.tick(forget=True)]
    assert [request.run_key for request in exports.tick()] == first, "so that Dagster launches them once"


@pytest.fixture
def many(config_file: Path) -> Settings:
    """500 websites."""
    sites = [SandboxWebsite(f"dealer-{number:03d}") for number in range(500)]
    config_file.write_text(config_text("http://127.0.0.1:9", sites, more=VISITORS))
    return load_settings(config_file)


@pytest.mark.slow
def test_500_partitions_between_two_ticks_are_asked_for_once_each(many: Settings, instance: dg.DagsterInstance) -> None:
    exports = Sensor(EXPORT, many, instance)
    assert exports.tick() == []
    for website in many.websites:
        land(instance, "visitors", YESTERDAY, website)
    asked = Counter(exports.keys())
    assert asked == Counter(f"{YESTERDAY}|{website}" for website in many.websites)
    assert exports.tick() == []


def test_the_first_tick_over_a_long_history_reads_and_asks_for_the_newest_days_alone(
    exports: Sensor, instance: dg.DagsterInstance, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ignite_assets.dagster.automation.audience_sensors._AGAIN", 5)
    for age in (*range(50, 2, -1), 1, 2):  # a day that was healed came last
        land(instance, "visitors", days_ago(age), BAYSIDE.key)
    read: list[dg.EventLogRecord] = []
    fetch = instance.fetch_materializations

    def count(*args: Any, **how: Any) -> Any:
        found = fetch(*args, **how)
        read.extend(found.records)
        return found

    monkeypatch.setattr(instance, "fetch_materializations", count)
    assert exports.keys() == [f"{YESTERDAY}|{BAYSIDE.key}"]
    assert [record.partition_key for record in read] == [f"{YESTERDAY}|{BAYSIDE.key}"]
    assert exports.keys() == []


def test_a_tick_whose_time_is_over_asks_for_nothing_before_every_source_is_looked_at(
    exports: Sensor, instance: dg.DagsterInstance, monkeypatch: pytest.MonkeyPatch
) -> None:
    for asset in ("visitors", "audiences", "audience_members"):
        land(instance, asset, YESTERDAY)
    with monkeypatch.context() as patch:
        patch.setattr("ignite_assets.dagster.automation.audience_sensors._SECONDS_A_TICK", -1.0)
        assert exports.keys() == []
    assert exports.said == "more records of audience_members, audiences, visitors are to be read first"
    assert exports.keys() == [f"{YESTERDAY}|{ACME.key}"]


def test_the_job_takes_what_the_sensor_asks_for(
    exports: Sensor, runner: Runner, settings: Settings, instance: dg.DagsterInstance
) -> None:
    runner.day(["visitors"], website=BAYSIDE.key)
    (request,) = exports.tick()
    job = runner.defs.resolve_job_def(audience_exports.JOB)
    result = job.execute_in_process(
        instance=instance, partition_key=request.partition_key, run_config={"loggers": QUIET}
    )
    assert result.success
    assert list((settings.path.parent / "exports" / "r").rglob("manifest.json"))


# The inbox.


@pytest.fixture
def inbox(settings: Settings, instance: dg.DagsterInstance) -> Sensor:
    return Sensor(INBOX, settings, instance)


def drop(settings: Settings, name: str, text: str = "ann@example.com") -> Path:
    path = settings.path.parent / "inbox" / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return path


def test_a_dropped_file_is_submitted_once_it_is_complete(inbox: Sensor, settings: Settings) -> None:
    assert inbox.tick() == []
    file = drop(settings, f"{ACME.key}/a.csv")
    assert inbox.tick() == []
    file.write_text("ann@example.com\nbob@example.com")
    assert inbox.tick() == [], "it grew"
    (request,) = inbox.tick()
    assert request.run_config["ops"] == {
        opt_outs.OP: {"config": {"website": ACME.key, "label": "a.csv", "again": False}}
    }
    assert inbox.tick() == []
    assert inbox.said == "1 file waits: to be complete, for its run, or to be tried again"


def test_a_file_that_stays_is_asked_for_again_with_another_key(inbox: Sensor, settings: Settings) -> None:
    drop(settings, f"{ACME.key}/a.csv")
    inbox.tick()
    (first,) = inbox.tick()
    inbox.now += 59
    assert inbox.tick() == []
    inbox.now += 1
    (second,) = inbox.tick()
    inbox.now += 60
    assert inbox.tick() == []
    inbox.now += 60
    (third,) = inbox.tick()
    assert len({first.run_key, second.run_key, third.run_key}) == 3
    told = [each.run_config["ops"][opt_outs.OP]["config"]["again"] for each in (first, second, third)]
    assert told == [False, True, True]


def test_a_file_is_not_asked_for_while_a_run_deals_with_it(
    inbox: Sensor, settings: Settings, instance: dg.DagsterInstance
) -> None:
    drop(settings, f"{ACME.key}/a.csv")
    inbox.tick()
    (request,) = inbox.tick()
    run = dg.DagsterRun(job_name=opt_outs.JOB, status=dg.DagsterRunStatus.STARTED, tags=dict(request.tags))
    instance.add_run(run)
    inbox.now += 3600
    assert inbox.tick() == []
    instance.report_run_failed(run)
    assert len(inbox.tick()) == 1


def test_files_in_no_websites_folder_are_told_of(inbox: Sensor, settings: Settings) -> None:
    drop(settings, "acme_honda/a.csv")
    inbox.tick()
    assert inbox.said == "no files; 1 file stands where nobody reads it"


def test_a_name_that_may_be_an_address_is_nowhere_in_the_tick(inbox: Sensor, settings: Settings) -> None:
    drop(settings, f"{ACME.key}/ann@example.com.csv")
    inbox.tick()
    (request,) = inbox.tick()
    assert "ann" not in f"{request} {inbox.cursor} {inbox.said}"


# With the daemon.


@pytest.fixture
def living(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Settings]:
    """A configuration whose sandbox goes by the machine's clock, as the daemon's processes do."""
    set_credentials(monkeypatch)
    with SandboxServer(WEBSITES) as server:
        path = tmp_path / "ignite.toml"
        far = '"00:30"'  # where it is noon: no schedule has a tick while a test lasts
        times = f"[schedule]\nnightly = {far}\nheal = {far}\n[alerts]\ndeadline = {far}\n[reports]\nat = {far}\n"
        more = f"{VISITORS}{OPT_OUTS}{times}"
        path.write_text(living_config(server.url, 5, more=more))
        yield load_settings(path)


def start_daemon(settings: Settings, home: Path) -> subprocess.Popen[bytes]:
    environment = {**os.environ, "IGNITE_CONFIG": str(settings.path), "DAGSTER_HOME": str(home)}
    with (home.parent / "daemon.log").open("ab") as log:
        return subprocess.Popen(
            [BIN / "dagster-daemon", "run", "-w", "workspace.yaml"],
            cwd=REPOSITORY,
            env=environment,
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )


def wait_for(instance: dg.DagsterInstance, daemon: subprocess.Popen[bytes], finished: int, launched: int) -> None:
    """Until so many exports were launched and finished."""
    deadline = time.monotonic() + PATIENCE_SECONDS / 2
    while time.monotonic() < deadline:
        assert daemon.poll() is None
        runs = instance.get_runs(dg.RunsFilter(job_name=audience_exports.JOB))
        if len(runs) >= launched and sum(run.is_finished for run in runs) >= finished:
            return
        time.sleep(0.3)
    pytest.fail(f"{launched} exports were not launched in time")


@pytest.mark.slow
def test_a_daemon_that_is_killed_between_misses_and_doubles_no_export(living: Settings, tmp_path: Path) -> None:
    home = prepare_home(tmp_path / "home")
    yesterday = Horizon(living.partitions.zone).yesterday()
    daemons = []
    with dg.DagsterInstance.from_config(str(home)) as instance:
        runner = Runner(instance, build_defs(living))
        for site in WEBSITES:
            assert runner.day(["visitors"], yesterday, site.key).success
        try:
            daemons.append(start_daemon(living, home))
            wait_for(instance, daemons[0], 0, 1)
            daemons[0].kill()  # SIGKILL, the moment its first run is there
            daemons[0].wait()
            daemons.append(start_daemon(living, home))
            wait_for(instance, daemons[1], 3, 3)
        finally:
            for daemon in daemons:
                with contextlib.suppress(ProcessLookupError):
                    os.killpg(daemon.pid, signal.SIGKILL)
                daemon.wait()
        runs = instance.get_runs(dg.RunsFilter(job_name=audience_exports.JOB))
        wanted = Counter(f"{yesterday}|{site.key}" for site in WEBSITES)
        assert Counter(run.tags["dagster/partition"] for run in runs) == wanted
        assert {run.status for run in runs} == {dg.DagsterRunStatus.SUCCESS}
        assert Counter(runner.recorded(audience_exports.ASSET)) == wanted
    written = [path.parent.name for path in (tmp_path / "exports").glob("*/website=*/*/manifest.json")]
    assert [name.partition("-")[0] for name in written] == ["000001"] * 3
    assert len(list((tmp_path / "exports").glob("*/website=*/manifest.json"))) == 3


# Removals.


def test_an_opt_out_has_removals_written_for_each_website_that_has_lists(
    settings: Settings, instance: dg.DagsterInstance
) -> None:
    removals = Sensor("opt_out_removal_sensor", settings, instance)
    lake, to = Lake(settings.root), settings.place("elsewhere")
    lists.note(lake, List(to, "gone", ACME.key), "written")
    assert removals.tick() == []
    ledger.record(lake, BAYSIDE.key, [Person("a@example.com").hashes], source_hash="a", at=dt.datetime.now(dt.UTC))
    assert removals.tick() == [], "that website has no lists"
    ledger.record(lake, ACME.key, [Person("a@example.com").hashes], source_hash="a", at=dt.datetime.now(dt.UTC))
    (request,) = removals.tick()
    assert request.run_config["ops"]["remove_opted_out_people"]["config"] == {"website": ACME.key}
    assert removals.tick() == []


class Removals:
    """An export of a website whose captures have stopped, and what its sensor has done about it."""

    def __init__(self, settings: Settings, instance: dg.DagsterInstance) -> None:
        self.settings, self.instance = settings, instance
        self.sensor = Sensor("opt_out_removal_sensor", settings, instance)
        self.folder = settings.path.parent / "exports" / "r" / f"website={BAYSIDE.key}"
        self.defs = build_defs(settings, now=frozen(NOW), retry_policy=None)

    def opt_out(self, value: str) -> None:
        person = Hashes(sha256=value)
        ledger.record(Lake(self.settings.root), BAYSIDE.key, [person], source_hash=value, at=dt.datetime.now(dt.UTC))

    def run(self, request: dg.RunRequest) -> bool:
        """Do what the sensor asks for."""
        config = {**request.run_config, "loggers": QUIET}
        job = self.defs.resolve_job_def(audience_exports.REMOVALS_JOB)
        tags = {**request.tags, "dagster/run_key": request.run_key or ""}
        return job.execute_in_process(
            instance=self.instance, run_config=config, tags=tags, raise_on_error=False
        ).success

    def removed(self) -> list[str]:
        """The people in the remove files, by export."""
        return ["".join(path.read_text().split()) for path in sorted(self.folder.glob("*/remove-*"))]


@pytest.fixture
def stopped(settings: Settings, runner: Runner, instance: dg.DagsterInstance) -> Removals:
    """A list that was written of captures that came to an end eight days ago."""
    assert runner.day(["visitors"], days_ago(8), BAYSIDE.key).success
    job = runner.defs.resolve_job_def(audience_exports.JOB)
    config = {"ops": {audience_exports.ASSET: {"config": {"force": "a test"}}}, "loggers": QUIET}
    key = partition_key(days_ago(8), BAYSIDE.key)
    assert job.execute_in_process(instance=instance, partition_key=key, run_config=config).success
    return Removals(settings, instance)


def test_an_opt_out_is_removed_by_the_run_that_the_sensor_asks_for_though_captures_have_stopped(
    stopped: Removals,
) -> None:
    (added,) = stopped.folder.glob("*/add-*")
    first, second, *_ = added.read_text().split()
    stopped.opt_out(first)
    (request,) = stopped.sensor.tick()
    assert stopped.run(request)
    assert stopped.removed() == [first]
    assert stopped.sensor.tick() == []

    (state,) = (path for path in stopped.folder.glob("000002-*/state-*"))
    whole = state.read_bytes()
    state.write_bytes(b"")
    stopped.opt_out(second)
    (request,) = stopped.sensor.tick()
    assert not stopped.run(request)
    nobodys = stopped.settings.model_copy(update={"websites": {}})
    (message,) = messages(stopped.instance, stopped.instance.get_run_records(), failed_partitions, Ours(nobodys, PLAIN))
    assert (message.website, message.file) == (BAYSIDE.key, "removals")
    assert "held, opt-outs too" in message.text("did not land")
    assert stopped.sensor.tick() == [], "not at once"
    keys = {request.run_key}
    for _ in range(3):
        stopped.sensor.now += 6 * 3600
        (request,) = stopped.sensor.tick()
        keys.add(request.run_key)
        assert not stopped.run(request)
    assert len(keys) == 4
    state.write_bytes(whole)
    stopped.sensor.now += 6 * 3600
    (request,) = stopped.sensor.tick()
    assert stopped.run(request)
    assert stopped.removed() == [first, second]
    stopped.sensor.now += 6 * 3600
    assert stopped.sensor.tick() == []


def test_with_the_schedules_off_nothing_starts_and_doctor_and_page_say_what_is_due(
    stopped: Removals, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = stopped.settings.path
    path.write_text(path.read_text() + "[schedule]\nenabled = false\n")
    off = load_settings(path)
    defs = build_defs(off, now=frozen(NOW))
    starting = [*(defs.sensors or []), *(defs.schedules or [])]
    running = {each.name for each in starting if each.default_status.value == "RUNNING"}
    assert running == set()
    (added,) = stopped.folder.glob("*/add-*")
    stopped.opt_out(added.read_text().split()[0])
    monkeypatch.setenv("IGNITE_CONFIG", str(path))
    assert "1 removal of a person who opted out is due" in CliRunner().invoke(doctor).output
    with Workspace() as workspace:
        assert removals_due(workspace, Lake(off.root), BAYSIDE.key, "website") == 1
