"""The sensors, tick by tick, over runs that a real instance recorded, with a webhook on loopback."""

import json
import re
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import dagster as dg
import pytest

from ignite_assets.config import Settings, load_settings
from ignite_assets.config.models import Alerts
from ignite_assets.dagster.automation.alert_sensors import build_sensors
from ignite_assets.sandbox import Fault, SandboxServer
from ignite_assets_tests.built import build_defs, frozen
from ignite_assets_tests.conftest import (
    ACME,
    BAYSIDE,
    NOW,
    SUMMIT,
    WEBSITES,
    YESTERDAY,
    Runner,
    days_ago,
    variable,
)
from ignite_assets_tests.webhook import SECRETS, Receiver

VARIABLE = "ALERTS_WEBHOOK"
FAILURES, CHECKS = "run_failure_alert_sensor", "failed_check_alert_sensor"


@pytest.fixture
def receiver(monkeypatch: pytest.MonkeyPatch) -> Iterator[Receiver]:
    with Receiver() as receiver:
        monkeypatch.setenv(VARIABLE, receiver.url)
        yield receiver


@pytest.fixture
def settings(config_file: Path) -> Settings:
    config_file.write_text(config_file.read_text() + f'[alerts]\nwebhook_env = "{VARIABLE}"\n')
    return load_settings(config_file)


class Clock:
    """The time, moved on by hand: what Dagster records stands at the real one."""

    def __init__(self) -> None:
        self.ahead = 0.0

    def __call__(self) -> float:
        return time.time() + self.ahead


class Watch:
    """A sensor and its cursor, which outlives whoever evaluates it."""

    def __init__(self, name: str, settings: Settings, instance: dg.DagsterInstance) -> None:
        self.name, self.settings, self.instance = name, settings, instance
        self.clock = Clock()
        self.cursor: str | None = None

    def tick(self) -> str:
        """Evaluate a sensor that was built anew, as after a restart; what it says of the tick."""
        (sensor,) = (s for s in build_sensors(self.settings, now=self.clock) if s.name == self.name)
        context = dg.build_sensor_context(instance=self.instance, cursor=self.cursor, sensor_name=self.name)
        data = sensor.evaluate_tick(context)
        assert not data.run_requests
        self.cursor = data.cursor
        return str(data.skip_message)


@pytest.fixture
def failures(settings: Settings, instance: dg.DagsterInstance, receiver: Receiver) -> Watch:
    """The failure sensor, after its first tick."""
    del receiver
    watch = Watch(FAILURES, settings, instance)
    assert watch.tick() == "starts now: runs that ended before are not reported"
    return watch


def fail(instance: dg.DagsterInstance, *websites: str, job: str = "nightly", tag: str = "dagster/partition") -> None:
    """Record failed runs without executing any."""
    for website in websites:
        run = dg.DagsterRun(job_name=job, status=dg.DagsterRunStatus.STARTED, tags={tag: f"{YESTERDAY}|{website}"})
        instance.add_run(run)
        instance.report_run_failed(run)


def of_websites(texts: Sequence[str]) -> list[str]:
    """The websites that messages are about."""
    return [text.partition(",")[0] for text in texts if "night of" in text]


# Whether there are any.


def test_without_a_webhook_there_are_no_sensors(config_file: Path) -> None:
    assert build_sensors(load_settings(config_file)) == []


def test_with_a_webhook_both_run_from_the_start(settings: Settings) -> None:
    sensors = {sensor.name: sensor for sensor in build_defs(settings, now=frozen(NOW)).sensors or []}
    for name in (FAILURES, CHECKS):
        sensor = sensors[name]
        assert isinstance(sensor, dg.SensorDefinition)
        assert sensor.default_status == dg.DefaultSensorStatus.RUNNING


# What is told.


def test_a_night_that_failed_is_one_message_a_website_with_grouped_reasons(
    runner: Runner, sandbox: SandboxServer, failures: Watch, receiver: Receiver
) -> None:
    sandbox.faults.add(Fault(website=ACME.key, status=503), Fault(website=BAYSIDE.key, endpoint="sales", status=500))
    names = ["visitors", "locations", "location_details", "sales"]
    for site in WEBSITES:
        runner.day(names, website=site.key)
    assert failures.tick() == "2 messages delivered"
    acme, bayside = receiver.texts
    head, line = acme.splitlines()
    assert re.fullmatch(r"acme-honda, night of \d{4}-\d\d-\d\d: did not land", head)
    # Location details did not run.
    assert line == "• locations, sales, visitors of 2026-11-19: the platform failed (status 503, 1 try)"
    assert bayside.splitlines()[1:] == ["• sales of 2026-11-19: the platform failed (status 500, 1 try)"]


def test_a_run_of_several_websites_is_told_to_each_that_failed_with_its_days_the_variables_and_the_run(
    config_file: Path, instance: dg.DagsterInstance, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    del receiver
    linked = load_settings(config_file).model_copy(
        update={"alerts": Alerts(webhook_env=VARIABLE, dagster_url="http://dagster.example:3000/ui/")}
    )
    with Receiver() as there:
        monkeypatch.setenv(VARIABLE, there.url)
        watch = Watch(FAILURES, linked, instance)
        watch.tick()
        monkeypatch.setenv(variable(BAYSIDE.key, "secret"), "wrong")
        runner = Runner(instance, build_defs(linked, now=frozen(NOW), retry_policy=None))
        result = runner.days(["visitors"], days_ago(9), YESTERDAY, last_website=SUMMIT.key)
        watch.tick()
        (text,) = there.texts
        head, *reasons, link = text.splitlines()
        assert head.startswith(f"{BAYSIDE.key}, night of ")
        advice = f"check the values of {variable(BAYSIDE.key, 'token')} and {variable(BAYSIDE.key, 'secret')}"
        assert all(re.match(r"• visitors of (\d days from )?2026-11-\d\d", reason) for reason in reasons)
        assert all(reason.endswith(advice) for reason in reasons)
        assert link == f"<http://dagster.example:3000/ui/runs/{result.run_id}|The run in Dagster>"

        monkeypatch.setenv(variable(BAYSIDE.key, "secret"), BAYSIDE.secret)
        runner.days(["visitors"], days_ago(9), days_ago(5), website=BAYSIDE.key)
        watch.tick()
        assert len(there.texts) == 1  # there are days missing yet
        runner.days(["visitors"], days_ago(4), YESTERDAY, website=BAYSIDE.key)
        watch.tick()
        watch.tick()
        assert there.texts[1:] == [f"{BAYSIDE.key}: landed after all: visitors of 9 days from 2026-11-11 to 2026-11-19"]


def test_a_day_that_is_missing_since_a_run_failed_is_no_second_message(
    settings: Settings, runner: Runner, sandbox: SandboxServer, failures: Watch, receiver: Receiver
) -> None:
    checks = Watch(CHECKS, settings, runner.instance)
    checks.tick()
    sandbox.faults.add(Fault(website=ACME.key, status=500))
    runner.day(["visitors"])
    job = runner.defs.resolve_job_def("freshness")
    job.execute_in_process(instance=runner.instance)
    failures.tick()
    checks.tick()
    assert sorted(of_websites(receiver.texts)) == [ACME.key, BAYSIDE.key, SUMMIT.key]


def test_a_ranged_run_that_failed_is_told_too(
    runner: Runner, sandbox: SandboxServer, failures: Watch, receiver: Receiver
) -> None:
    sandbox.faults.add(Fault(endpoint="visitors", status=500, times=1))
    runner.days(["visitors"], days_ago(3), YESTERDAY)
    failures.tick()
    (text,) = receiver.texts
    assert re.search(r"\n• visitors of 2026-11-1\d: the platform failed \(status 500, 1 try\)$", text)


def test_nothing_that_failed_is_nothing_to_tell(runner: Runner, failures: Watch, receiver: Receiver) -> None:
    runner.day(["audiences"])
    assert failures.tick() == "0 messages delivered"
    assert receiver.texts == []


def test_a_check_that_found_unusable_data_is_told_and_one_that_warns_is_not(
    settings: Settings, instance: dg.DagsterInstance, sandbox: SandboxServer, receiver: Receiver
) -> None:
    watch = Watch(CHECKS, settings, instance)
    watch.tick()
    twice = json.dumps(["ab" * 32, "ab" * 32, "ab" * 15]).encode()
    sandbox.faults.add(Fault(endpoint="visitors", body=twice))
    job = build_defs(settings, now=frozen(NOW)).resolve_job_def("nightly")
    result = job.execute_in_process(
        instance=instance, partition_key=f"{YESTERDAY}|{ACME.key}", asset_selection=[dg.AssetKey("visitors")]
    )
    assert result.success
    watch.tick()
    (text,) = [text for text in receiver.texts if text.startswith("acme-honda")]
    assert "\n• visitors of 2026-11-19: sound: keys: 1 of 3 rows repeat the hashed_email of another" in text
    assert "usual" not in text


def test_messages_hold_no_secret(
    runner: Runner,
    sandbox: SandboxServer,
    failures: Watch,
    receiver: Receiver,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv(variable(ACME.key, "secret"), "CANARY-secret")
    canaries = ("CANARY", "jane", ACME.token, *SECRETS)
    body = b'{"email": "jane@example.com", "x": "CANARY"}'
    sandbox.faults.add(Fault(endpoint="visitors", body=body), Fault(endpoint="products", status=500, body=body))
    runner.day(["visitors", "products", "sales"])
    receiver.refuse(500)
    said = [failures.tick()]
    failures.clock.ahead += 61
    said.append(failures.tick())
    assert len(receiver.texts) == 2
    written = " ".join([*receiver.texts, *said, str(failures.cursor)])
    assert [canary for canary in canaries if canary in written] == []


# Once.


def test_the_first_tick_tells_no_history(settings: Settings, instance: dg.DagsterInstance, receiver: Receiver) -> None:
    fail(instance, ACME.key, BAYSIDE.key)
    watch = Watch(FAILURES, settings, instance)
    watch.tick()
    watch.tick()
    assert receiver.texts == []
    fail(instance, SUMMIT.key)
    watch.tick()
    assert of_websites(receiver.texts) == [SUMMIT.key]


def test_a_website_and_night_is_told_once_across_runs_and_ticks_and_restarts(
    instance: dg.DagsterInstance, failures: Watch, receiver: Receiver
) -> None:
    fail(instance, ACME.key, ACME.key)
    failures.tick()
    failures.tick()
    fail(instance, ACME.key)
    failures.tick()
    fail(instance, ACME.key, tag="dagster/asset_partition_range_start")
    failures.tick()
    assert of_websites(receiver.texts) == [ACME.key]


def test_runs_that_are_not_ours_are_not_told(instance: dg.DagsterInstance, failures: Watch, receiver: Receiver) -> None:
    fail(instance, "somebody-elses", "", tag="dagster/partition")
    for key in ("a|b", "2026-11-19", "nonsense"):
        instance.add_run(
            dg.DagsterRun(job_name="theirs", status=dg.DagsterRunStatus.FAILURE, tags={"dagster/partition": key})
        )
    assert failures.tick() == "0 messages delivered"
    assert receiver.texts == []


def test_more_runs_than_a_tick_can_take_are_all_told_in_the_end(
    instance: dg.DagsterInstance, failures: Watch, receiver: Receiver
) -> None:
    key = {"dagster/partition": f"{YESTERDAY}|{ACME.key}"}
    for _ in range(110):
        instance.add_run(dg.DagsterRun(job_name="nightly", status=dg.DagsterRunStatus.SUCCESS, tags=key))
    fail(instance, BAYSIDE.key)
    ticks = 0
    while not receiver.texts and ticks < 10:
        failures.tick()
        ticks += 1
    assert of_websites(receiver.texts) == [BAYSIDE.key]
    assert ticks == 2
    failures.tick()
    assert len(receiver.texts) == 1


def test_what_can_not_be_delivered_within_a_tick_follows_in_the_next(
    settings: Settings, instance: dg.DagsterInstance, receiver: Receiver
) -> None:
    watch = Watch(FAILURES, settings, instance)
    watch.tick()
    fail(instance, *(site.key for site in WEBSITES))
    real = receiver.take

    def slowly(path: str, body: bytes) -> tuple[int, dict[str, str]]:
        watch.clock.ahead += 15
        return real(path, body)

    receiver.take = slowly  # type: ignore[method-assign]
    assert watch.tick() == "2 of 3 messages delivered, the others follow"
    assert watch.tick() == "1 messages delivered"
    assert of_websites(receiver.texts) == [ACME.key, BAYSIDE.key, SUMMIT.key]


# When the webhook fails.


def test_a_webhook_that_fails_is_tried_again_ever_later_until_all_is_delivered_once(
    instance: dg.DagsterInstance, failures: Watch, receiver: Receiver
) -> None:
    fail(instance, ACME.key, BAYSIDE.key)
    receiver.refuse(500, 429, 503)
    for wait in (60, 120, 240):
        sent = len(receiver.texts)
        assert "0 of 2 messages delivered: the webhook answered with status" in failures.tick()
        assert len(receiver.texts) == sent + 1
        failures.clock.ahead += wait - 5
        assert re.match(r"delivery is tried again in \d s, after \d failed", failures.tick())
        assert len(receiver.texts) == sent + 1
        failures.clock.ahead += 6
    assert failures.tick() == "2 messages delivered"
    assert of_websites(receiver.texts) == [ACME.key] * 4 + [BAYSIDE.key]
    assert failures.tick() == "0 messages delivered"
    fail(instance, SUMMIT.key)
    assert failures.tick() == "1 messages delivered"  # without waiting: the last delivery went well


def test_a_batch_that_was_half_delivered_goes_on_where_it_stopped(
    instance: dg.DagsterInstance, failures: Watch, receiver: Receiver
) -> None:
    fail(instance, ACME.key, BAYSIDE.key, SUMMIT.key)
    receiver.refuse(200, 500)
    assert failures.tick() == "1 of 3 messages delivered: the webhook answered with status 500"
    fail(instance, ACME.key)
    failures.clock.ahead += 61
    assert failures.tick() == "2 messages delivered"
    assert of_websites(receiver.texts) == [ACME.key, BAYSIDE.key, BAYSIDE.key, SUMMIT.key]


def test_what_fails_while_the_webhook_is_down_is_not_lost(
    instance: dg.DagsterInstance, failures: Watch, receiver: Receiver
) -> None:
    fail(instance, BAYSIDE.key)
    receiver.refuse(500)
    failures.tick()
    fail(instance, ACME.key)
    failures.tick()
    failures.clock.ahead += 61
    failures.tick()
    assert of_websites(receiver.texts) == [BAYSIDE.key, ACME.key, BAYSIDE.key]


def test_a_webhook_that_is_not_there_loses_nothing(
    instance: dg.DagsterInstance, failures: Watch, monkeypatch: pytest.MonkeyPatch
) -> None:
    fail(instance, ACME.key)
    with Receiver() as gone:
        pass
    monkeypatch.setenv(VARIABLE, gone.url)
    assert failures.tick() == "0 of 1 messages delivered: the webhook can't be reached: the connection was refused"
    with Receiver() as there:
        monkeypatch.setenv(VARIABLE, there.url)
        failures.clock.ahead += 61
        failures.tick()
        assert of_websites(there.texts) == [ACME.key]


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        ("", "the environment variable ALERTS_WEBHOOK is not set or empty"),
        ("http://hooks.example/T0CANARY", "the environment variable ALERTS_WEBHOOK holds no URL that is https or loop"),
        ("https://[", "the environment variable ALERTS_WEBHOOK holds no URL that is https or loopback"),
    ],
)
def test_a_variable_without_a_usable_url_is_told_at_every_tick_and_loses_nothing(
    instance: dg.DagsterInstance,
    settings: Settings,
    receiver: Receiver,
    monkeypatch: pytest.MonkeyPatch,
    value: str,
    reason: str,
) -> None:
    monkeypatch.setenv(VARIABLE, value)
    watch = Watch(FAILURES, settings, instance)
    watch.tick()
    fail(instance, ACME.key)
    for _ in range(3):
        said = watch.tick()
        assert said.startswith(f"nothing can be sent: {reason}")
        assert "CANARY" not in said
    monkeypatch.setenv(VARIABLE, receiver.url)
    assert watch.tick() == "1 messages delivered"  # at once: nothing had been tried
    assert of_websites(receiver.texts) == [ACME.key]


def test_a_cursor_that_can_not_be_read_begins_anew_rather_than_fail_for_ever(
    instance: dg.DagsterInstance, failures: Watch, receiver: Receiver
) -> None:
    failures.cursor = "written by hand"
    assert failures.tick().startswith("starts now")
    fail(instance, ACME.key)
    failures.tick()
    assert of_websites(receiver.texts) == [ACME.key]


def test_the_daemon_sees_no_failed_tick(instance: dg.DagsterInstance, failures: Watch, receiver: Receiver) -> None:
    fail(instance, ACME.key)
    receiver.refuse(*[500] * 3)
    said: list[Any] = [failures.tick() for _ in range(3)]
    assert all(isinstance(each, str) for each in said)
