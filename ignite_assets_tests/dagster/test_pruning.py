"""Old runs go, and nothing that they made: what Dagster shows, the healer plans and conditions ask for is as before."""

import datetime as dt
import multiprocessing
import shutil
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import dagster as dg
import pytest
from click.testing import CliRunner
from dagster._core.execution.backfill import BulkActionStatus, PartitionBackfill
from dagster._core.instance.ref import InstanceRef
from dagster._core.remote_origin import InProcessCodeLocationOrigin
from dagster._core.storage.runs.schema import RunsTable
from dagster._core.types.loadable_target_origin import LoadableTargetOrigin
from dagster._core.workspace.context import WorkspaceProcessContext
from dagster._core.workspace.load_target import InProcessWorkspaceLoadTarget
from dagster_graphql.test.utils import execute_dagster_graphql

from benchmarks.scale import postgres
from ignite_assets import IgniteAssetProps, IgniteTranslator
from ignite_assets.api.endpoints import ENDPOINTS
from ignite_assets.api.horizon import Horizon
from ignite_assets.cli.prune import prune as command
from ignite_assets.config import Settings, load_settings
from ignite_assets.dagster.automation.healing import find_gaps, partitions_there, stale_keys
from ignite_assets.dagster.automation.pruning import JOB, JOBS, prune
from ignite_assets.dagster.keys import PLAIN
from ignite_assets.dagster.partitions import partition_key
from ignite_assets.dagster.private import BACKFILL, RANGE_END, RANGE_START, record_files
from ignite_assets.dagster.stale import stale_partitions
from ignite_assets.sandbox import Fault, SandboxServer
from ignite_assets.storage.lake import Lake
from ignite_assets.tables.registry import DERIVED, TABLES
from ignite_assets_tests.built import build_defs, frozen
from ignite_assets_tests.conftest import (
    ACME,
    BAYSIDE,
    EVERY,
    LOOK_BACK,
    NOW,
    QUIET,
    YESTERDAY,
    Runner,
    days_ago,
    open_home,
)

SHOWN = """query Shown($keys: [AssetKeyInput!]!) { assetNodes(assetKeys: $keys) {
  assetKey { path }
  partitionStats { numMaterialized numFailed numMaterializing numPartitions }
  assetPartitionStatuses { ... on MultiPartitionStatuses { ranges { primaryDimStartKey primaryDimEndKey
    secondaryDim { ... on DefaultPartitionStatuses {
      materializedPartitions failedPartitions unmaterializedPartitions materializingPartitions } } } } }
  assetMaterializations { runOrError { __typename } timestamp partition stepKey
    tags { key value } metadataEntries { __typename label } }
  sound: assetChecksOrError { ... on AssetChecks { checks { name
    executionForLatestMaterialization { status partition } } } }
  stale: staleStatus(partition: "2026-11-19|acme-honda")
} }"""


def later() -> dt.datetime:
    """A moment after all that a test has run."""
    return dt.datetime.now(dt.UTC) + dt.timedelta(hours=1)


@pytest.fixture
def storage() -> str:
    """What the instance records in, unless a test names several."""
    return "sqlite"


@pytest.fixture
def instance(storage: str, tmp_path: Path, new_home: Path) -> Iterator[dg.DagsterInstance]:
    """An instance with no records yet."""
    if storage == "sqlite":
        shutil.copytree(new_home, tmp_path / "home")
        with open_home(tmp_path / "home") as opened:
            yield opened
        return
    if not postgres.is_there():
        pytest.skip("Postgres 15 is not installed")
    with postgres.cluster() as cluster:
        (tmp_path / "dagster.yaml").write_text(f"telemetry: {{enabled: false}}\n{cluster.storage}")
        with dg.DagsterInstance.from_config(str(tmp_path)) as opened:
            yield opened


def shown(instance: dg.DagsterInstance) -> Any:
    """What Dagster's pages show of each asset, from its caches and, with these wiped, from the records."""
    found = []
    origin = InProcessCodeLocationOrigin(LoadableTargetOrigin(module_name="ignite_assets.definitions"))
    variables = {"keys": [{"path": [name]} for name in EVERY]}
    for _ in range(2):
        with WorkspaceProcessContext(instance, InProcessWorkspaceLoadTarget([origin])) as context:
            answer = execute_dagster_graphql(context.create_request_context(), SHOWN, variables)
        assert not answer.errors, answer.errors
        found += [last_ones(node) for node in answer.data["assetNodes"]]
        instance.wipe_asset_cached_status([dg.AssetKey(name) for name in EVERY])
    return found


def last_ones(node: dict[str, Any]) -> dict[str, Any]:
    """What is shown of an asset, with the last record of each partition, whichever run it is of."""
    records: dict[str, Any] = {}
    for record in node.pop("assetMaterializations"):  # newest first
        assert record.pop("runOrError")["__typename"] in ("Run", "RunNotFoundError")
        records.setdefault(record["partition"], record)
    return {**node, "records": records}


def plan(instance: dg.DagsterInstance, settings: Settings) -> Any:
    """What the healer asks for."""
    horizon, days = Horizon(now=frozen(NOW)), [days_ago(age) for age in range(5, 0, -1)]
    websites = sorted(settings.websites)
    there = partitions_there(instance, TABLES, websites, days, Lake(settings.root), PLAIN)
    stale = stale_keys(stale_partitions(settings, DERIVED, horizon))
    return find_gaps(ENDPOINTS, websites, there, horizon, derived=DERIVED, stale=stale, days=days)


class Eager(IgniteTranslator):
    """Every derived asset is asked for when an input changes, on any day."""

    def get_asset_spec(self, props: IgniteAssetProps) -> dg.AssetSpec:
        updated = dg.AutomationCondition.any_deps_updated() | dg.AutomationCondition.missing().newly_true()
        return props.spec.replace_attributes(automation_condition=updated if props.group == "derived" else None)


def run(runner: Runner, assets: Sequence[str], first: dt.date, website: str = ACME.key, job: str = "nightly") -> None:
    """Execute a run of our jobs, of the days up to yesterday."""
    keys = {dg.AssetKey(name) for name in assets}
    subset = runner.defs.resolve_job_def(job).get_subset(asset_selection=keys, asset_check_selection=set())
    key, last = partition_key(first, website), partition_key(YESTERDAY, website)
    how: Any = {"partition_key": key} if key == last else {"tags": {RANGE_START: key, RANGE_END: last}}
    subset.execute_in_process(instance=runner.instance, raise_on_error=False, run_config={"loggers": QUIET}, **how)


@pytest.fixture
def nights(runner: Runner, sandbox: SandboxServer) -> None:
    """Two days of a website, one of them twice; of another an asset that failed and landed, and one that did not."""
    run(runner, LOOK_BACK, days_ago(2))
    run(runner, EVERY, YESTERDAY)
    sandbox.faults.add(Fault(website=BAYSIDE.key, endpoint="visitors", status=401, times=2))
    for _ in range(3):
        run(runner, ["visitors"], YESTERDAY, BAYSIDE.key)
    sandbox.faults.add(Fault(website=BAYSIDE.key, endpoint="products", status=401))
    run(runner, ["products"], YESTERDAY, BAYSIDE.key, "heal")


ON_BOTH = pytest.mark.parametrize("storage", ["sqlite", "postgres"])


@pytest.mark.slow
@ON_BOTH
@pytest.mark.usefixtures("nights")
def test_what_runs_made_is_shown_planned_and_asked_for_as_before(
    instance: dg.DagsterInstance, settings: Settings, runner: Runner
) -> None:
    eager = build_defs(settings, now=frozen(NOW), translator=Eager())
    asked = dg.evaluate_automation_conditions(eager, instance)
    asked = dg.evaluate_automation_conditions(eager, instance, cursor=asked.cursor)
    before = shown(instance), plan(instance, settings), newest(instance)
    records = len(runner.materializations("visitors"))

    done = prune(instance, settings, PLAIN, later())

    assert (done.runs, done.kept) == (5, {"a failed partition": 1})
    assert [run.status for run in instance.get_runs()] == [dg.DagsterRunStatus.FAILURE]
    assert (shown(instance), plan(instance, settings), newest(instance)) == before
    (visitors, *_) = (node for node in before[0] if node["assetKey"]["path"] == ["visitors"])
    assert visitors["partitionStats"]["numMaterialized"] == 3
    assert dg.evaluate_automation_conditions(eager, instance, cursor=asked.cursor).total_requested == 0
    assert len(runner.materializations("visitors")) == records - 1, "of one partition the older record goes"
    assert prune(instance, settings, PLAIN, later()).runs == 0


def newest(instance: dg.DagsterInstance) -> dict[str, dict[str, int]]:
    """By asset and partition, the storage id of its last record: whatever is newer is news to sensors."""
    kind = dg.DagsterEventType.ASSET_MATERIALIZATION
    return {name: dict(instance.get_latest_storage_id_by_partition(dg.AssetKey(name), kind)) for name in EVERY}


def _prune_in_a_process(ref: InstanceRef, settings: Settings, before: dt.datetime) -> None:
    with dg.DagsterInstance.from_ref(ref) as instance:
        prune(instance, settings, PLAIN, before)


@pytest.mark.slow
@ON_BOTH
@pytest.mark.usefixtures("nights")
def test_two_at_once_beside_a_night_lose_nothing(
    instance: dg.DagsterInstance, settings: Settings, runner: Runner
) -> None:
    before, moment = newest(instance), dt.datetime.now(dt.UTC)
    workers = [
        multiprocessing.get_context("spawn").Process(
            target=_prune_in_a_process, args=(instance.get_ref(), settings, moment)
        )
        for _ in range(2)
    ]
    for worker in workers:
        worker.start()
    run(runner, LOOK_BACK, YESTERDAY)
    for worker in workers:
        worker.join(240)
    assert [worker.exitcode for worker in workers] == [0, 0]
    assert len(instance.get_runs()) == 2, "the failed one, and the night's"
    after = newest(instance)
    assert {name: keys.keys() for name, keys in after.items()} == {name: keys.keys() for name, keys in before.items()}
    news = {(name, key) for name in EVERY for key, last in after[name].items() if last != before[name][key]}
    assert news == {(name, str(partition_key(YESTERDAY, ACME.key))) for name in LOOK_BACK}


def old(instance: dg.DagsterInstance, job: str, *assets: str, status: str = "SUCCESS", **tags: str) -> str:
    """A run on record of a job and of assets that were selected."""
    keys = frozenset(map(dg.AssetKey, assets))
    recorded = dg.DagsterRun(job_name=job, status=dg.DagsterRunStatus(status), asset_selection=keys or None, tags=tags)
    return instance.add_run(recorded).run_id


def test_runs_under_way_and_of_others_stay(instance: dg.DagsterInstance, settings: Settings) -> None:
    stay = [
        old(instance, "nightly", "visitors", status="STARTED"),
        old(instance, "nightly", "visitors", status="CANCELING"),
        old(instance, "their_job"),
        old(instance, "nightly", "visitors", "their_asset"),
        old(instance, "__ASSET_JOB"),
    ]
    gone = [
        old(instance, "nightly"),
        old(instance, "submit_opt_outs", status="CANCELED"),
        old(instance, "their_job", "visitors"),
        old(instance, "heal", "visitors", status="FAILURE"),
    ]
    assert str(prune(instance, settings, PLAIN, later(), dry_run=True)).startswith("4 runs of ")
    assert len(instance.get_runs()) == len(stay) + len(gone)
    done = prune(instance, settings, PLAIN, later())
    assert str(done).endswith("; kept: 3 of other jobs and assets than this configuration's")
    assert {run.run_id for run in instance.get_runs()} == set(stay)


@pytest.mark.parametrize(("status", "stays"), [("REQUESTED", 1), ("COMPLETED", 0)])
def test_runs_of_a_backfill_stay_until_it_is_over(
    instance: dg.DagsterInstance, settings: Settings, status: str, stays: int
) -> None:
    backfill = PartitionBackfill("b", BulkActionStatus(status), from_failure=False, tags={}, backfill_timestamp=0.0)
    instance.add_backfill(backfill)
    old(instance, "nightly", "visitors", **{BACKFILL: "b"})
    prune(instance, settings, PLAIN, later())
    assert len(instance.get_runs()) == stays


def test_runs_that_ended_lately_stay(instance: dg.DagsterInstance, settings: Settings) -> None:
    old(instance, "nightly")
    assert str(prune(instance, settings, PLAIN, dt.datetime.now(dt.UTC) - dt.timedelta(days=7))) == "0 runs"


def test_a_runs_own_file_goes_with_it(instance: dg.DagsterInstance, settings: Settings) -> None:
    run_id = old(instance, "nightly")
    instance.report_engine_event("It ran.", instance.get_run_by_id(run_id))
    (file, *_) = record_files(instance, run_id)
    size = file.stat().st_size
    assert prune(instance, settings, PLAIN, later()).bytes == size > 0
    assert not list(file.parent.glob(f"{run_id}*"))


def test_the_job_is_there_once_the_configuration_says_how_long_runs_are_kept(config_file: Path) -> None:
    full = '[[exports]]\nname = "r"\nsource = "visitors"\ndestination = "plain_list"\n[opt_outs]\ninbox = "inbox"\n'
    text = config_file.read_text() + full
    config_file.write_text(text)
    assert {job.name for job in build_defs(load_settings(config_file)).jobs or []} | {"freshness"} == set(JOBS) - {JOB}
    config_file.write_text(f"{text}[dagster]\nkeep_runs_days = 90\n")
    defs = build_defs(load_settings(config_file))
    assert {job.name for job in defs.jobs or []} | {"freshness"} == set(JOBS)
    assert defs.get_repository_def().get_schedule_def("prune_schedule").cron_schedule == "0 5 * * *"


def test_the_job_deletes_what_is_older(config_file: Path, instance: dg.DagsterInstance) -> None:
    config_file.write_text(f"{config_file.read_text()}[dagster]\nkeep_runs_days = 7\n")
    job = build_defs(load_settings(config_file)).resolve_job_def(JOB)
    run_id = old(instance, "nightly")
    storage: Any = instance.run_storage
    with storage.connect() as connection:
        connection.execute(RunsTable.update().values(update_timestamp=dt.datetime(2026, 1, 1)))  # noqa: DTZ001
    young = old(instance, "nightly")
    assert job.execute_in_process(instance=instance, run_config={"loggers": QUIET}).success
    assert not instance.has_run(run_id)
    assert instance.has_run(young)


@pytest.mark.parametrize(("age", "told"), [("90", "write one as 90d or 12w"), ("6d", "too young"), ("0w", "too young")])
def test_an_age_that_is_none_or_too_young_is_refused(age: str, told: str) -> None:
    result = CliRunner().invoke(command, ["--runs", age])
    assert result.exit_code == 2
    assert told in result.output


@pytest.mark.usefixtures("config_file")
def test_the_command_says_what_would_go_and_then_what_went(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DAGSTER_HOME", str(tmp_path / "home"))
    dry = CliRunner().invoke(command, ["--runs", "90d", "--dry-run"])
    assert (dry.exit_code, dry.stdout) == (0, "would delete 0 runs\n"), dry.output
    assert CliRunner().invoke(command, ["--runs", "12w"]).stdout == "deleted 0 runs\n"
