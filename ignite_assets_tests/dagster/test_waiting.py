"""A platform that asks to come back in an hour: the run gives up, the healer waits, a sensor takes it up again."""

import datetime as dt

import dagster as dg
from dagster._core.definitions.sensor_definition import SensorExecutionData

from ignite_assets.config import Settings
from ignite_assets.dagster.automation.following import FOLLOWS
from ignite_assets.dagster.partitions import keys_of, partition_key
from ignite_assets.dagster.private import PARTITION, RANGE_END, RANGE_START
from ignite_assets.dagster.waiting import NOT_BEFORE
from ignite_assets.sandbox import Fault, SandboxServer
from ignite_assets_tests.built import build_defs, frozen
from ignite_assets_tests.conftest import ACME, EVERY, NOW, YESTERDAY, Runner, days_ago

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
    assert dt.datetime.fromisoformat(run.tags[f"{NOT_BEFORE}/{ACME.key}"]) == NOW + HOUR
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


def test_what_a_run_left_out_since_another_day_failed_is_requested_once_for_the_days_that_landed(
    instance: dg.DagsterInstance, settings: Settings, sandbox: SandboxServer
) -> None:
    runner = Runner(instance, build_defs(settings, now=frozen(NOW), retry_policy=None))
    sandbox.faults.add(Fault(endpoint="locations", status=400, times=1))
    failed = runner.days(["locations", "location_details", "location_recency"], days_ago(3), YESTERDAY)
    landed = runner.recorded("locations")
    assert (len(landed), runner.recorded("location_details")) == (2, [])

    found = sensor(instance, settings, NOW).run_requests or []

    asked = sorted(key for request in found for key in keys_of({PARTITION: str(request.partition_key), **request.tags}))
    assert asked == landed
    assert {request.tags[FOLLOWS] for request in found} == {failed.run_id}
    selected = {key.to_user_string() for request in found for key in request.asset_selection or []}
    assert selected == {"location_details", "location_recency"}
    assert not sensor(instance, settings, NOW).run_requests


def test_nothing_follows_a_run_of_the_command_line_or_what_a_failed_run_was_not_asked_for(
    instance: dg.DagsterInstance, settings: Settings, sandbox: SandboxServer
) -> None:
    defs = build_defs(settings, now=frozen(NOW), retry_policy=None)
    first, last = (str(partition_key(day, ACME.key)) for day in (days_ago(2), YESTERDAY))
    for job, assets in (("heal", ["locations", "visitors"]), ("materialize", ["locations", "location_details"])):
        sandbox.faults.add(Fault(endpoint="locations", status=400, times=1))
        defs.resolve_job_def(job).execute_in_process(
            instance=instance,
            tags={RANGE_START: first, RANGE_END: last},
            asset_selection=[dg.AssetKey(name) for name in assets],
            raise_on_error=False,
        )
    assert [run.status for run in instance.get_runs()] == [dg.DagsterRunStatus.FAILURE] * 2
    assert not sensor(instance, settings, NOW).run_requests
