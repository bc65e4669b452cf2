"""What an asset returns: partitions that are captured one by one, while they are stored."""

import contextlib
import signal
import threading
from collections.abc import Iterator

import dagster as dg
import pytest

from ignite_assets.api.endpoints import by_name
from ignite_assets.api.errors import MissingPartitionError
from ignite_assets.api.horizon import Horizon
from ignite_assets.config import Settings
from ignite_assets.dagster.build import build_defs
from ignite_assets.dagster.checks.evaluations import Evaluator
from ignite_assets.dagster.landing import LandedOrFailed, Landing, Landings
from ignite_assets.dagster.partitions import build_partitions
from ignite_assets.dagster.resources import IgniteResource
from ignite_assets.sandbox import Fault, SandboxServer, frozen
from ignite_assets.sandbox.faults import SandboxCall
from ignite_assets.storage.lake import Lake
from ignite_assets.tables.capture import Capture
from ignite_assets.tables.made import MadePartition
from ignite_assets_tests.conftest import ACME, NOW, YESTERDAY, Runner, days_ago, partition, reasons

VISITORS = by_name()["visitors"]
DAYS = [YESTERDAY, days_ago(2), days_ago(3)]


@pytest.fixture
def outcomes(settings: Settings) -> Iterator[Iterator[LandedOrFailed]]:
    """Three dates' snapshots, each captured when it is asked for."""
    with (
        IgniteResource.from_settings(settings).client(ACME.key, Horizon(now=frozen(NOW))) as client,
        contextlib.ExitStack() as files,
    ):

        def captured() -> Iterator[LandedOrFailed]:
            for day, outcome in Capture(client, VISITORS).each(DAYS):
                assert isinstance(outcome, MadePartition)
                files.enter_context(outcome.staged.file)
                yield partition("visitors", day), outcome

        yield captured()


@pytest.fixture
def context(instance: dg.DagsterInstance) -> Iterator[dg.AssetExecutionContext]:
    """What an asset's body is given, outside of a run."""
    with dg.build_asset_context(instance=instance) as context:
        yield context


def test_each_date_is_committed_before_the_next_is_asked_for(
    context: dg.AssetExecutionContext, outcomes: Iterator[LandedOrFailed], settings: Settings, lake: Lake
) -> None:
    landings = iter(Landings(context, outcomes, Evaluator(VISITORS, settings)))
    for count, day in enumerate(DAYS, 1):
        landing = next(landings)
        assert landing.partition.date == day
        landing.store(lake)
        assert landing.location == lake.location(landing.partition)
        assert len(lake.partitions("visitors")) == count


def test_a_stored_snapshot_lets_go_of_its_memory(
    context: dg.AssetExecutionContext, outcomes: Iterator[LandedOrFailed], settings: Settings, lake: Lake
) -> None:
    landings = iter(Landings(context, outcomes, Evaluator(VISITORS, settings)))
    for landing in (next(landings) for _ in DAYS):
        landing.store(lake)
        assert landing.made.staged.file.closed


def in_a_run(
    settings: Settings, instance: dg.DagsterInstance, made: list[LandedOrFailed]
) -> tuple[Runner, list[Landing]]:
    """A runner of one asset that returns captures of what was made beforehand, and those that came by."""
    seen: list[Landing] = []

    class Store(dg.ConfigurableIOManager):
        def handle_output(self, context: dg.OutputContext, obj: Landings) -> None:  # noqa: ARG002
            seen.extend(obj)

        def load_input(self, context: dg.InputContext) -> None:
            raise NotImplementedError

    def body(context: dg.AssetExecutionContext) -> Landings:
        return Landings(context, iter(made), Evaluator(VISITORS, settings))

    asset = dg.asset(name="visitors", partitions_def=build_partitions(settings))(body)
    defs = dg.Definitions(assets=[asset], resources={"io_manager": Store()}, executor=dg.in_process_executor)
    return Runner(instance, defs), seen


def test_several_partitions_share_one_data_version_that_their_order_does_not_change(
    settings: Settings, instance: dg.DagsterInstance, outcomes: Iterator[LandedOrFailed]
) -> None:
    made = list(outcomes)
    runners = [in_a_run(settings, instance, order)[0] for order in (made, made[::-1])]
    for runner in runners:
        assert reasons(runner.days(["visitors"], DAYS[-1], DAYS[0])) == {}
    recorded = runners[0].materializations("visitors")
    assert len(recorded) == 2 * len(DAYS)
    versions = {(each.tags or {})["dagster/data_version"] for each in recorded}
    assert len(versions) == 1


def test_what_failed_is_told_after_everything_else_landed(
    settings: Settings, instance: dg.DagsterInstance, outcomes: Iterator[LandedOrFailed]
) -> None:
    missing: LandedOrFailed = (partition("visitors", DAYS[0]), MissingPartitionError("its locations are missing"))
    runner, seen = in_a_run(settings, instance, [missing, *list(outcomes)[1:]])
    result = runner.days(["visitors"], DAYS[-1], DAYS[0])
    assert reasons(result) == {"visitors": "2026-11-19|acme-honda: its locations are missing"}
    assert [landing.partition.date for landing in seen] == DAYS[1:]
    assert runner.recorded("visitors") == [f"{day}|acme-honda" for day in sorted(DAYS[1:])]


def test_when_nothing_landed_nothing_is_recorded(settings: Settings, instance: dg.DagsterInstance) -> None:
    made: list[LandedOrFailed] = [(partition("visitors", day), MissingPartitionError("no")) for day in DAYS]
    runner, _ = in_a_run(settings, instance, made)
    assert not runner.days(["visitors"], DAYS[-1], DAYS[0]).success
    assert runner.recorded("visitors") == []


AGES = 600.0


def test_a_ranged_run_that_is_stopped_ends_at_once_and_records_what_landed(
    settings: Settings,
    instance: dg.DagsterInstance,
    sandbox: SandboxServer,
    lake: Lake,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    one_at_a_time = settings.platform.model_copy(update={"max_concurrency": 1})
    defs = build_defs(settings.model_copy(update={"platform": one_at_a_time}), now=frozen(NOW))
    main, asked = threading.main_thread().ident, []
    assert main

    def stop_at_the_second(call: SandboxCall) -> tuple[float, Fault | None]:
        asked.append(call)
        if len(asked) == 2:
            signal.pthread_kill(main, signal.SIGINT)
        return (AGES if len(asked) > 1 else 0.0), None

    monkeypatch.setattr(sandbox.faults, "strike", stop_at_the_second)
    result = Runner(instance, defs).days(["visitors", "products"], days_ago(3), YESTERDAY)
    assert not result.success
    kinds = [event.event_type for event in result.all_events]
    assert dg.DagsterEventType.STEP_UP_FOR_RETRY not in kinds
    assert kinds.count(dg.DagsterEventType.STEP_START) == 1, "no other step begins"
    (asset,) = lake.folders()
    assert [each.date for each in lake.partitions(asset)] == [YESTERDAY]
    assert Runner(instance, defs).recorded(asset) == [f"{YESTERDAY}|{ACME.key}"]
