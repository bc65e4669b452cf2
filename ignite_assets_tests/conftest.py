"""A sandbox on loopback, a real `ignite.toml` that names it, the definitions made of that, and a Dagster instance."""

import contextlib
import datetime as dt
import functools
import gc
import os
import shutil
import signal
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

import dagster as dg
import hypothesis
import pytest
from dagster._core.storage.defs_state import base as state_storage
from dagster._core.storage.event_log.sqlite import sqlite_event_log
from sqlalchemy import create_engine
from sqlalchemy.engine import Engine
from sqlalchemy.pool import NullPool

from ignite_assets.api.endpoints import ENDPOINTS, Endpoint
from ignite_assets.api.horizon import Horizon
from ignite_assets.config import Settings, load_settings
from ignite_assets.dagster.partitions import partition_key
from ignite_assets.dagster.private import keep_migrations
from ignite_assets.sandbox import SandboxServer, SandboxWebsite
from ignite_assets.storage.lake import Lake, Partition
from ignite_assets.tables import progress
from ignite_assets.tables.registry import DERIVED
from ignite_assets_tests.built import build_defs, frozen
from ignite_assets_tests.chromium import browser as browser  # noqa: PLC0414 - a fixture
from ignite_assets_tests.forks import wait_for_no_disk

if TYPE_CHECKING:
    from ignite_assets_tests.s3 import S3Server

for number in (signal.SIGINT, signal.SIGHUP, signal.SIGQUIT):
    if signal.getsignal(number) is signal.SIG_IGN:
        # Started in the background of a script, or by nohup: every process would inherit that the signal does nothing.
        signal.signal(number, signal.default_int_handler if number == signal.SIGINT else signal.SIG_DFL)

os.environ["DAGSTER_DISABLE_TELEMETRY"] = "yes"  # before anything of Dagster's runs
LONGEST = (
    "test_compose", "test_soak", "test_daemon", "test_ends_of_runs", "test_pruning", "test_browser", "test_component",
    "test_rounds", "test_audience_sensors", "test_faults", "test_opt_out_job", "test_interrupts", "test_kill",
    "test_dbt", "test_blocks", "test_packaging",
)  # fmt: skip
"""Modules whose long tests take longest, which begin first: no worker is left alone with one at the end."""
THOROUGH = "thorough"
"""The profile of hypothesis in which a property has all of its examples; without it, a quarter of them."""
hypothesis.settings.register_profile(
    THOROUGH,
    deadline=None,  # the machine may be busy
    suppress_health_check=[hypothesis.HealthCheck.too_slow],
    derandomize="CI" in os.environ,  # there, the same examples every time: a release does not depend on a draw
)
hypothesis.settings.load_profile(THOROUGH)

NOW = dt.datetime(2026, 11, 20, 9, 30, 12, tzinfo=dt.UTC)
YESTERDAY = dt.date(2026, 11, 19)
START = dt.date(2026, 9, 1)
WEBSITES = (
    SandboxWebsite("acme-honda", 100),
    SandboxWebsite("bayside-kia", 80),
    SandboxWebsite("summit-ford", 60),
)
ACME, BAYSIDE, SUMMIT = WEBSITES
NAMES = tuple(endpoint.name for endpoint in ENDPOINTS)
LOOK_BACK = tuple(endpoint.name for endpoint in ENDPOINTS if endpoint.history == "look_back")
CURRENT_STATE = tuple(endpoint.name for endpoint in ENDPOINTS if endpoint.history == "current_state")
DERIVED_NAMES = tuple(row.name for row in DERIVED)
EVERY = (*NAMES, *DERIVED_NAMES)
QUIET = {"console": {"config": {"log_level": "CRITICAL"}}}
RANGE_START = "dagster/asset_partition_range_start"
RANGE_END = "dagster/asset_partition_range_end"


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Bound long tests; leave a quarter of each property's examples, at least five, unless all are asked for."""
    ranks = {name: rank for rank, name in enumerate(LONGEST)}
    items.sort(key=lambda item: ranks.get(item.path.stem, len(LONGEST)))
    for item in items:
        if item.get_closest_marker("slow") and not item.get_closest_marker("timeout"):
            item.add_marker(pytest.mark.timeout(900))  # three minutes on a busy machine, and no hang
    if config.getoption("--hypothesis-profile") == THOROUGH:
        return
    functions = {item.function for item in items if isinstance(item, pytest.Function)}
    for test in functions:
        if not getattr(test, "is_hypothesis_test", False):
            continue
        full = test._hypothesis_internal_use_settings
        fewer = min(full.max_examples, max(5, full.max_examples // 4))
        test._hypothesis_internal_use_settings = hypothesis.settings(full, max_examples=fewer)


def pytest_collection_finish() -> None:
    """Keep out of garbage collection what importing and collecting made, which outlives the tests."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(10_000, 20, 20)


def pytest_unconfigure() -> None:
    """Let the modules go at the end, which libraries of extensions look for."""
    gc.unfreeze()


def days_ago(days: int) -> dt.date:
    """A date before the sandbox's today."""
    return NOW.date() - dt.timedelta(days=days)


def variable(website: str, kind: str) -> str:
    """The environment variable of a website's token or secret."""
    return f"{website.upper().replace('-', '_')}_{kind.upper()}"


def config_text(
    url: str, websites: Sequence[SandboxWebsite], *, start: dt.date = START, platform: str = "", more: str = ""
) -> str:
    """An `ignite.toml` for websites of a sandbox."""
    tables = [
        f'[websites.{site.key}]\ntoken_env = "{variable(site.key, "token")}"\n'
        f'secret_env = "{variable(site.key, "secret")}"'
        for site in websites
    ]
    head = (
        f'[platform]\nbase_url = "{url}"\nmax_tries = 1\nmax_concurrency = 4\n{platform}\n'
        f'[partitions]\nstart_date = "{start}"\n[storage]\nroot = "lake"\n'
    )
    return "\n".join([head, *tables, more])


def zone_at_noon() -> str:
    """A time zone in which no test meets midnight."""
    offset = 12 - dt.datetime.now(dt.UTC).hour
    return f"Etc/GMT{-offset:+d}" if offset else "Etc/GMT"


def living_config(url: str, days: int, *, more: str = "") -> str:
    """An `ignite.toml` for a sandbox and processes that go by the machine's clock; partitions start some days ago."""
    zone = zone_at_noon()
    start = Horizon(ZoneInfo(zone)).today() - dt.timedelta(days=days)
    text = config_text(url, WEBSITES, start=start, more=more)
    return text.replace("[partitions]", f'[partitions]\ntimezone = "{zone}"')


@pytest.fixture(scope="session")
def standing_sandbox() -> Iterator[SandboxServer]:
    """One sandbox for all tests that bring none of their own."""
    with SandboxServer(WEBSITES) as server:
        yield server


@pytest.fixture
def sandbox(standing_sandbox: SandboxServer) -> SandboxServer:
    """The sandbox as new: at the one moment, with no faults and an empty journal."""
    standing_sandbox.now = frozen(NOW)
    standing_sandbox.faults.clear()
    standing_sandbox.requests.clear()
    return standing_sandbox


def set_credentials(monkeypatch: pytest.MonkeyPatch) -> None:
    """Put every website's token and secret where the configuration says they are."""
    for site in WEBSITES:
        monkeypatch.setenv(variable(site.key, "token"), site.token)
        monkeypatch.setenv(variable(site.key, "secret"), site.secret)


@pytest.fixture(scope="session")
def standing_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of the configuration and the lake of one test after the other, whose definitions are equal so."""
    return tmp_path_factory.mktemp("configured") / "here"


@pytest.fixture
def config_file(standing_folder: Path, sandbox: SandboxServer, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The configuration of the three websites, found through `IGNITE_CONFIG`, in a folder of nothing else."""
    shutil.rmtree(standing_folder, ignore_errors=True)
    standing_folder.mkdir()
    path = standing_folder / "ignite.toml"
    path.write_text(config_text(sandbox.url, WEBSITES))
    set_credentials(monkeypatch)
    monkeypatch.setenv("IGNITE_CONFIG", str(path))
    return path


@pytest.fixture
def settings(config_file: Path) -> Settings:
    return load_settings(config_file)


@pytest.fixture
def lake(settings: Settings) -> Lake:
    return Lake(settings.root)


def open_home(home: Path) -> dg.DagsterInstance:
    """A Dagster instance that keeps its records in files of a folder.

    It doesn't capture the output of steps, which would start four processes a run.
    """
    no_output = {"module": "dagster._core.storage.noop_compute_log_manager", "class": "NoOpComputeLogManager"}
    return dg.DagsterInstance.local_temp(
        str(home), overrides={"telemetry": {"enabled": False}, "compute_logs": no_output}
    )


@functools.lru_cache(maxsize=64)
def _engine(url: str, timeout: int) -> Engine:
    return create_engine(url, poolclass=NullPool, connect_args={"timeout": timeout})


def _kept_engine(url: str, *, poolclass: type[NullPool], connect_args: Mapping[str, int]) -> Engine:
    """The engine of a URL. Raises `TypeError` when Dagster makes its engines in another way."""
    assert poolclass is NullPool
    return _engine(url, **connect_args)


@pytest.fixture(scope="session", autouse=True)
def dagster_keeps_no_state_of_definitions() -> Iterator[None]:
    """Dagster keeps none of the storage that state-backed components read, as ours do not.

    A tick's context opens an instance that nobody closes but the garbage collector. That sets the storage back to the
    one before, of an earlier test, whose instance is gone by then; no definitions can be loaded after it.
    """
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(state_storage, "set_defs_state_storage", lambda _: contextlib.nullcontext())
        yield


@pytest.fixture(scope="session", autouse=True)
def dagster_sets_up_once() -> Iterator[None]:
    """Read the scripts of Dagster's migrations once a process, and keep the engine of each of its SQLite files.

    Dagster reads the scripts for every database of every run, and makes an engine for every event, whose statements
    are compiled anew. The engines hold no connections. Nothing waits for the disk.
    """
    wait_for_no_disk()
    keep_migrations()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sqlite_event_log, "create_engine", _kept_engine)
        yield


@pytest.fixture(scope="session")
def new_home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of an instance that was just made; copying it is quicker than making another."""
    home = tmp_path_factory.mktemp("new_home")
    with open_home(home) as instance:
        assert instance.get_runs() == []
        assert instance.all_asset_keys() == []
        assert instance.all_instigator_state() == []
    return home


@pytest.fixture
def instance(tmp_path: Path, new_home: Path) -> Iterator[dg.DagsterInstance]:
    """A Dagster instance with no records yet."""
    home = tmp_path / "dagster_home"
    shutil.copytree(new_home, home)
    with open_home(home) as instance:
        yield instance


@pytest.fixture
def chatty(monkeypatch: pytest.MonkeyPatch) -> None:
    """Progress logs a line for every count, from the first moment on."""
    monkeypatch.setattr(progress, "CADENCE", progress.Cadence(quiet_seconds=0, every_seconds=0))


@pytest.fixture
def defs(settings: Settings) -> dg.Definitions:
    """What the configuration describes, at the sandbox's moment; steps are not retried."""
    return build_defs(settings, now=frozen(NOW), retry_policy=None)


@dataclass(frozen=True)
class Runner:
    """Runs assets in process, as Dagster does, and tells what the instance recorded."""

    instance: dg.DagsterInstance
    defs: dg.Definitions

    def day(
        self, assets: Sequence[str], day: dt.date = YESTERDAY, website: str = ACME.key, **config: Any
    ) -> dg.ExecuteInProcessResult:
        """Materialize one partition of some assets, each with the configuration given."""
        return self._execute(assets, config, partition_key=partition_key(day, website))

    def days(
        self,
        assets: Sequence[str],
        first: dt.date,
        last: dt.date,
        website: str = ACME.key,
        last_website: str | None = None,
        **config: Any,
    ) -> dg.ExecuteInProcessResult:
        """Materialize a range of dates in one run, each asset with the configuration given."""
        tags = {RANGE_START: partition_key(first, website), RANGE_END: partition_key(last, last_website or website)}
        return self._execute(assets, config, tags=tags)

    def _execute(self, assets: Sequence[str], config: Mapping[str, Any], **how: Any) -> dg.ExecuteInProcessResult:
        job = self.defs.resolve_implicit_global_asset_job_def()
        # Without the assets' checks, which have tests of their own.
        subset = job.get_subset(asset_selection={dg.AssetKey(name) for name in assets}, asset_check_selection=set())
        ops = {name: {"config": dict(config)} for name in assets if config}
        return subset.execute_in_process(
            instance=self.instance, raise_on_error=False, run_config={"loggers": QUIET, "ops": ops}, **how
        )

    def materializations(self, asset: str) -> list[dg.AssetMaterialization]:
        """Everything recorded of an asset, oldest first."""
        records = self.instance.fetch_materializations(dg.AssetKey(asset), limit=1000, ascending=True).records
        return [record.asset_materialization for record in records if record.asset_materialization]

    def recorded(self, asset: str) -> list[str]:
        """The keys recorded of an asset, sorted; one that was recorded twice stands there twice."""
        return sorted(str(materialization.partition) for materialization in self.materializations(asset))


@pytest.fixture
def runner(instance: dg.DagsterInstance, defs: dg.Definitions) -> Runner:
    return Runner(instance, defs)


def reasons(result: dg.ExecuteInProcessResult) -> dict[str, str]:
    """What each failed step says of why, as Dagster shows it first."""
    found = {}
    for event in result.all_events:
        if event.is_step_failure:
            failure = event.step_failure_data.user_failure_data
            found[str(event.step_key)] = str(failure.description if failure else event.step_failure_data.error)
    return found


def retries(result: dg.ExecuteInProcessResult) -> int:
    """How often a step was put up for another try."""
    return sum(event.event_type == dg.DagsterEventType.STEP_UP_FOR_RETRY for event in result.all_events)


def partition(asset: str, day: dt.date = YESTERDAY, website: str = ACME.key) -> Partition:
    return Partition(asset, website, day)


def contents(root: str) -> dict[str, bytes]:
    """Every file below a folder, hidden ones too, byte for byte."""
    return {str(path.relative_to(root)): path.read_bytes() for path in Path(root).rglob("*") if path.is_file()}


Define = Callable[..., dg.Definitions]


@pytest.fixture
def define(settings: Settings) -> Define:
    """Builds definitions that differ from the usual ones."""

    def build(endpoints: tuple[Endpoint, ...] = ENDPOINTS, **how: Any) -> dg.Definitions:
        return build_defs(settings, endpoints=endpoints, **{"now": frozen(NOW), "retry_policy": None, **how})

    return build


@pytest.fixture(scope="module")
def s3() -> "Iterator[S3Server]":
    """A real S3 server on loopback with one empty bucket, which the environment names."""
    from ignite_assets_tests.s3 import S3Server  # a second

    with S3Server() as server, pytest.MonkeyPatch.context() as patch:
        for name, value in server.environment.items():
            patch.setenv(name, value)
        yield server


@pytest.fixture
def bucket(s3: "S3Server") -> str:
    """The URL of an empty bucket."""
    from ignite_assets_tests.s3 import URL

    s3.empty()
    return URL
