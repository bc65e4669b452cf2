"""A platform that asks to come back in an hour: the run gives up, the healer waits, a sensor takes it up again."""

import datetime as dt

import dagster as dg
from dagster._core.definitions.sensor_definition import SensorExecutionData

from ignite_assets.config import Settings
from ignite_assets.dagster.waiting import NOT_BEFORE
from ignite_assets.sandbox import Fault, SandboxServer
from ignite_assets_tests.built import build_defs, frozen
from ignite_assets_tests.conftest import ACME, EVERY, NOW, YESTERDAY, Runner

KEY = f"{YESTERDAY}|{ACME.key}"
HOUR = dt.timedelta(hours=1)


def told_to_wait(instance: dg.DagsterInstance, settings: Settings, sandbox: SandboxServer) -> Settings:
    """Settings of one website and day, of which a run was told to come back in an hour."""
    start = settings.partitions.model_copy(update={"start_date": YESTERDAY})
    one = settings.model_copy(update={"websites": {ACME.key: settings.websites[ACME.key]}, "partitions": start})
    sandbox.faults.add(Fault(retry_after=3600))
    assert not Runner(instance, build_defs(one, now=frozen(NOW), retry_policy=None)).day(["visitors", "sales"]).success
    sandbox.faults.clear()
    return one


def sensor(instance: dg.DagsterInstance, settings: Settings, now: dt.datetime) -> SensorExecutionData:
    repository = build_defs(settings, now=frozen(now), retry_policy=None).get_repository_def()
    context = dg.build_sensor_context(instance=instance, repository_def=repository)
    return repository.get_sensor_def("come_back_sensor").evaluate_tick(context)


def healer(instance: dg.DagsterInstance, settings: Settings, now: dt.datetime) -> int:
    repository = build_defs(settings, now=frozen(now), retry_policy=None).get_repository_def()
    context = dg.build_schedule_context(instance=instance, scheduled_execution_time=now, repository_def=repository)
    return len(repository.get_schedule_def("heal_schedule").evaluate_tick(context).run_requests or [])


def test_a_run_that_is_told_to_come_back_is_tagged_with_the_time_and_asks_once(
    instance: dg.DagsterInstance, settings: Settings, sandbox: SandboxServer
) -> None:
    told_to_wait(instance, settings, sandbox)
    (run,) = instance.get_runs()
    assert dt.datetime.fromisoformat(run.tags[NOT_BEFORE]) == NOW + HOUR
    assert len(sandbox.requests) == 1


def test_the_website_is_left_alone_until_then_and_taken_up_after_it(
    instance: dg.DagsterInstance, settings: Settings, sandbox: SandboxServer
) -> None:
    one = told_to_wait(instance, settings, sandbox)
    assert healer(instance, one, NOW + HOUR / 2) == 0
    assert not sensor(instance, one, NOW + HOUR / 2).run_requests
    assert healer(instance, one, NOW + HOUR) == 1

    (request,) = sensor(instance, one, NOW + HOUR).run_requests or []
    assert request.partition_key == KEY
    assets = {key.to_user_string() for key in request.asset_selection or []}
    assert {"visitors", "sales"} <= assets
    (again,) = sensor(instance, one, NOW + 2 * HOUR).run_requests or []
    assert again.run_key == request.run_key, "Dagster starts it once"


def test_what_only_tells_the_present_is_taken_up_only_while_its_day_lasts(
    instance: dg.DagsterInstance, settings: Settings, sandbox: SandboxServer
) -> None:
    one = told_to_wait(instance, settings, sandbox)
    requests = sensor(instance, one, NOW + dt.timedelta(days=1)).run_requests or []
    (late,) = (request for request in requests if request.partition_key == KEY)
    assets = {key.to_user_string() for key in late.asset_selection or []}
    assert "visitors" in assets
    assert "sales" not in assets


def test_what_has_landed_meanwhile_is_not_captured_again(
    instance: dg.DagsterInstance, settings: Settings, sandbox: SandboxServer
) -> None:
    one = told_to_wait(instance, settings, sandbox)
    assert Runner(instance, build_defs(one, now=frozen(NOW), retry_policy=None)).day(EVERY).success
    assert not sensor(instance, one, NOW + HOUR).run_requests
