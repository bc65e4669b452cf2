"""What the lake holds is there, whatever is on record; what was captured on time stays, unless somebody asks."""

import datetime as dt
import shutil
from pathlib import Path

import dagster as dg
import pytest

from ignite_assets.api.endpoints import ENDPOINTS
from ignite_assets.api.horizon import Horizon
from ignite_assets.config import Settings
from ignite_assets.dagster.build import build_defs
from ignite_assets.dagster.io_manager import IO_MANAGER
from ignite_assets.dagster.landing import recorded_hash
from ignite_assets.dagster.records import lost, reconcile
from ignite_assets.sandbox import SandboxServer, frozen
from ignite_assets.storage.lake import Lake, Partition
from ignite_assets.tables.registry import TABLES
from ignite_assets_tests.conftest import (
    ACME,
    EVERY,
    LOOK_BACK,
    NOW,
    RANGE_END,
    RANGE_START,
    YESTERDAY,
    Define,
    Runner,
    contents,
    days_ago,
    open_home,
    partition,
)
from ignite_assets_tests.dagster.test_waiting import healer

LATER = NOW + dt.timedelta(days=3)
KEY = f"{YESTERDAY}|{ACME.key}"


@pytest.fixture
def one(settings: Settings) -> Settings:
    """Settings of one website, from yesterday on."""
    start = settings.partitions.model_copy(update={"start_date": YESTERDAY})
    return settings.model_copy(update={"websites": {ACME.key: settings.websites[ACME.key]}, "partitions": start})


def test_when_dagsters_records_are_lost_the_healer_records_what_the_lake_holds_and_captures_nothing(
    runner: Runner, one: Settings, sandbox: SandboxServer, tmp_path: Path
) -> None:
    runner.day(EVERY)
    before, asked = contents(one.root), len(sandbox.requests)
    (tmp_path / "another_home").mkdir()
    with open_home(tmp_path / "another_home") as instance:
        assert healer(instance, one, NOW) == 0
        again = Runner(instance, runner.defs)
        for name in EVERY:
            (old,), (new,) = runner.materializations(name), again.materializations(name)
            assert new.partition == old.partition == KEY
            shown = ("dagster/row_count", "bytes", "path")
            assert [new.metadata[each] for each in shown] == [old.metadata[each] for each in shown]
            assert (new.tags or {})["dagster/data_version"] == (old.tags or {})["dagster/data_version"]
            assert set(new.metadata) - set(old.metadata) == {"skipped"}
            assert instance.get_materialized_partitions(dg.AssetKey(name)) == {KEY}
        assert healer(instance, one, NOW) == 0
        assert [len(again.materializations(name)) for name in EVERY] == [1] * len(EVERY)
    assert (contents(one.root), len(sandbox.requests)) == (before, asked)


@pytest.mark.slow
@pytest.mark.parametrize("harm", ["deleted", "cut to nothing", "its folder deleted"])
def test_a_file_that_is_gone_while_its_record_stands_is_captured_again(
    runner: Runner, one: Settings, lake: Lake, harm: str
) -> None:
    runner.day(EVERY)
    file = Path(lake.root, partition("visitors").file)
    match harm:
        case "deleted":
            file.unlink()
        case "cut to nothing":
            file.write_bytes(b"")
        case _:
            shutil.rmtree(file.parent)
    there = reconcile(runner.instance, lake, TABLES, [ACME.key], [YESTERDAY])
    assert {name for name, keys in there.items() if not keys} == {"visitors"}
    assert lost(runner.instance, lake, ENDPOINTS, [ACME.key], Horizon(now=frozen(NOW))) == []
    assert healer(runner.instance, one, NOW) == 1


def test_what_is_gone_and_can_not_be_captured_again_is_named_unless_old_days_were_deleted(
    runner: Runner, lake: Lake
) -> None:
    days = (days_ago(3), days_ago(2), YESTERDAY)
    for day in days:
        runner.day(["visitors"], day)
    later = Horizon(now=frozen(NOW + dt.timedelta(days=90)))

    def named() -> list[Partition]:
        return lost(runner.instance, lake, ENDPOINTS, [ACME.key], later)

    assert named() == []
    Path(lake.root, partition("visitors", days[1]).file).unlink()
    assert named() == [partition("visitors", days[1])]
    Path(lake.root, partition("visitors", days[0]).file).unlink()
    assert named() == []


def test_a_damaged_file_without_a_record_is_not_there(runner: Runner, lake: Lake) -> None:
    runner.day(["products"])
    file = Path(lake.root, partition("visitors").file)
    file.parent.mkdir(parents=True)
    file.write_bytes(b"PAR1 was cut in the middle")
    there = reconcile(runner.instance, lake, TABLES, [ACME.key], [YESTERDAY])
    assert there["visitors"] == set()
    assert there["products"] == {KEY}
    assert runner.recorded("visitors") == []


def test_with_an_io_manager_of_somebody_else_the_healer_goes_by_the_records(
    runner: Runner, one: Settings, lake: Lake
) -> None:
    runner.day(EVERY)
    shutil.rmtree(lake.root)
    defs = build_defs(one, now=frozen(NOW), resources={IO_MANAGER: dg.FilesystemIOManager(base_dir="elsewhere")})
    repository = defs.get_repository_def()
    context = dg.build_schedule_context(
        instance=runner.instance, scheduled_execution_time=NOW, repository_def=repository
    )
    assert not repository.get_schedule_def("heal_schedule").evaluate_tick(context).run_requests


def late(define: Define, instance: dg.DagsterInstance, sandbox: SandboxServer) -> Runner:
    """A runner three days later."""
    sandbox.now = frozen(LATER)
    return Runner(instance, define(now=frozen(LATER)))


@pytest.mark.parametrize("ranged", [False, True])
def test_a_late_capture_leaves_what_was_captured_on_time(
    define: Define, runner: Runner, sandbox: SandboxServer, lake: Lake, ranged: bool
) -> None:
    runner.day(["visitors"])
    runner.day(["visitors"], days_ago(2))  # late, and so replaced by a later one
    files = {day: Path(lake.root, partition("visitors", day).file) for day in (YESTERDAY, days_ago(2))}
    before = {day: file.read_bytes() for day, file in files.items()}
    again = late(define, runner.instance, sandbox)
    if ranged:
        assert again.days(["visitors"], days_ago(2), YESTERDAY).success
    else:
        assert again.day(["visitors"]).success
        assert again.day(["visitors"], days_ago(2)).success
    assert {day: file.read_bytes() == before[day] for day, file in files.items()} == {
        YESTERDAY: True,
        days_ago(2): False,
    }
    last = {str(each.partition): each for each in again.materializations("visitors")}[KEY]
    assert last.metadata["skipped"].value is True
    assert recorded_hash(last) == lake.footer(partition("visitors"))["ignite.content_hash"]


def test_a_run_that_is_told_to_replaces_it(define: Define, runner: Runner, sandbox: SandboxServer, lake: Lake) -> None:
    runner.day(["visitors"])
    before = lake.footer(partition("visitors"))
    again = late(define, runner.instance, sandbox)
    job = again.defs.resolve_implicit_global_asset_job_def()
    tags = {RANGE_START: KEY, RANGE_END: KEY}
    subset = job.get_subset(asset_selection={dg.AssetKey("visitors")}, asset_check_selection=set())
    forced = {"ops": {"visitors": {"config": {"replace_on_time": True}}}}
    assert subset.execute_in_process(instance=runner.instance, tags=tags, run_config=forced).success
    assert lake.footer(partition("visitors"))["ignite.captured_at"] == LATER.isoformat() != before["ignite.captured_at"]


def test_what_the_same_day_brings_anew_replaces_it(runner: Runner, lake: Lake, define: Define) -> None:
    runner.day(LOOK_BACK)
    hour = NOW + dt.timedelta(hours=1)
    Runner(runner.instance, define(now=frozen(hour))).day(["visitors"])
    assert lake.footer(partition("visitors"))["ignite.captured_at"] == hour.isoformat()
