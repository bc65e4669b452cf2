"""What is told of runs that Dagster really recorded, and the cursor that keeps it from being told twice."""

import datetime as dt
import json
import tomllib
from pathlib import Path
from typing import Any

import dagster as dg
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ignite_assets.api.errors import FailureRecord
from ignite_assets.config import Settings
from ignite_assets.config.reading import EXAMPLE, judge
from ignite_assets.dagster.automation.alerts import (
    STALE,
    Cursor,
    Message,
    Ours,
    Trouble,
    failed_checks,
    failed_partitions,
    messages,
)
from ignite_assets.dagster.keys import PLAIN
from ignite_assets.dagster.partitions import build_partitions
from ignite_assets.sandbox import Fault, SandboxServer
from ignite_assets_tests.conftest import ACME, BAYSIDE, NAMES, RANGE_START, YESTERDAY, Runner, days_ago, variable

OURS = Ours(judge(tomllib.loads(EXAMPLE), Path("ignite.toml")), PLAIN)
NIGHT = dt.date(2026, 11, 20)
CANARIES = ("CANARY-token", "CANARY-secret", "canary@example.com")


def run_of(runner: Runner, result: dg.ExecuteInProcessResult) -> dg.DagsterRun:
    run = runner.instance.get_run_by_id(result.run_id)
    assert run is not None
    return run


def told(runner: Runner, result: dg.ExecuteInProcessResult) -> list[tuple[str, str]]:
    """What is told of a failed run: assets and reasons."""
    troubles = failed_partitions(runner.instance, run_of(runner, result), OURS)
    assert {trouble.website for trouble in troubles} <= {ACME.key}
    return sorted((trouble.asset, trouble.failure.words) for trouble in troubles)


def of(website: str, asset: str, reason: str) -> Trouble:
    return Trouble(website, asset, FailureRecord(kind="", reason=reason, gist=reason))


def worded(*troubles: Trouble) -> list[tuple[str, str, str]]:
    """Websites, assets and reasons."""
    return [(trouble.website, trouble.asset, trouble.failure.words) for trouble in troubles]


# What failed.


def test_each_asset_that_failed_is_told_with_a_reason_without_its_name(runner: Runner, sandbox: SandboxServer) -> None:
    sandbox.faults.add(Fault(endpoint="visitors", status=503), Fault(endpoint="sales", body=b"null"))
    failed = "expected an object with sales and matched_sales, found null (status 200, 1 try)"
    assert told(runner, runner.day(["visitors", "sales", "audiences"])) == [
        ("sales", failed),
        ("visitors", "the platform failed (status 503, 1 try)"),
    ]


def test_a_run_that_succeeded_is_not_told(runner: Runner) -> None:
    assert told(runner, runner.day(["visitors"])) == []


def test_a_ranged_run_tells_each_reason_once(runner: Runner, sandbox: SandboxServer) -> None:
    sandbox.faults.add(Fault(endpoint="visitors", status=500, times=2))
    result = runner.days(["visitors"], days_ago(4), YESTERDAY)
    assert RANGE_START in run_of(runner, result).tags
    assert told(runner, result) == [("visitors", "the platform failed (status 500, 1 try)")]


def test_missing_credentials_are_told_on_one_line(runner: Runner, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(variable(ACME.key, "token"))
    ((_, reason),) = told(runner, runner.day(["visitors"]))
    assert reason == "credentials of acme-honda: the environment variable ACME_HONDA_TOKEN is not set or empty"


@pytest.mark.parametrize("error", ["ValueError", "Failure"])
def test_a_foreign_exception_is_told_by_its_class_alone(
    instance: dg.DagsterInstance, runner: Runner, settings: Settings, error: str
) -> None:
    secrets = " ".join(CANARIES)

    def fail(context: dg.AssetExecutionContext) -> None:
        del context
        raise ValueError(secrets) if error == "ValueError" else dg.Failure(secrets, metadata={"it": secrets})

    result = dg.materialize(
        [dg.asset(name="theirs", partitions_def=build_partitions(settings))(fail)],
        instance=instance,
        partition_key=f"{YESTERDAY}|{ACME.key}",
        raise_on_error=False,
    )
    assert told(runner, result) == [("theirs", f"failed with {error}")]


def test_a_run_that_died_without_a_word_is_told_with_its_id(instance: dg.DagsterInstance, runner: Runner) -> None:
    run = dg.DagsterRun(
        job_name="nightly", status=dg.DagsterRunStatus.STARTED, tags={"dagster/partition": f"{YESTERDAY}|{ACME.key}"}
    )
    instance.add_run(run)
    instance.report_run_failed(run)
    ended = instance.get_run_by_id(run.run_id)
    assert ended is not None
    (trouble,) = failed_partitions(runner.instance, ended, OURS)
    assert worded(trouble) == [(ACME.key, "the run", f"ended as failure, see run {run.run_id}")]


@pytest.mark.parametrize(
    "tags",
    [
        {},
        {"dagster/partition": "2026-11-19"},
        {"dagster/partition": "alpha|beta"},
        {"dagster/partition": "2026-11-19|somebody-elses"},
        {"dagster/partition": ""},
        {RANGE_START: "a...b|c"},
    ],
)
def test_runs_that_are_not_ours_are_ignored(
    instance: dg.DagsterInstance, settings: Settings, tags: dict[str, str]
) -> None:
    instance.add_run(dg.DagsterRun(job_name="theirs", status=dg.DagsterRunStatus.FAILURE, tags=tags))
    records = instance.get_run_records()
    assert len(records) == 1
    for collect in (failed_partitions, failed_checks):
        assert messages(instance, records, collect, Ours(settings, PLAIN)) == []


# What checks found.


@pytest.fixture
def evaluated(instance: dg.DagsterInstance) -> Any:
    """Records evaluations of checks in one run, and tells what of it is told."""

    def record(*evaluations: dg.AssetCheckEvaluation) -> list[Trouble]:
        @dg.op
        def log(context: dg.OpExecutionContext) -> None:
            for evaluation in evaluations:
                context.log_event(evaluation)  # type: ignore[arg-type]

        @dg.job
        def checking() -> None:
            log()

        result = checking.execute_in_process(instance=instance)
        run = instance.get_run_by_id(result.run_id)
        assert run is not None
        return failed_checks(instance, run, OURS)

    return record


def evaluation(check: str = "sound", **how: Any) -> dg.AssetCheckEvaluation:
    usual: dict[str, Any] = {
        "asset_key": dg.AssetKey("visitors"),
        "passed": False,
        "severity": dg.AssetCheckSeverity.ERROR,
        "partition": f"{YESTERDAY}|{ACME.key}",
        "metadata": {},
        "description": "2 of 5 rows repeat",
    }
    return dg.AssetCheckEvaluation(check_name=check, **{**usual, **how})


def test_a_check_that_failed_as_an_error_is_told_with_what_it_saw(evaluated: Any) -> None:
    assert worded(*evaluated(evaluation())) == [(ACME.key, "visitors", "sound: 2 of 5 rows repeat")]


def test_checks_that_passed_or_only_warn_are_not_told(evaluated: Any) -> None:
    assert evaluated(evaluation(passed=True), evaluation(severity=dg.AssetCheckSeverity.WARN)) == []


def test_a_check_of_somebody_else_is_told_by_its_name_alone(evaluated: Any) -> None:
    (trouble,) = evaluated(evaluation("their_check", description=" ".join(CANARIES)))
    assert worded(trouble) == [(ACME.key, "visitors", "their_check: did not pass")]


@pytest.mark.parametrize("partition", [None, "2026-11-19", "alpha|beta"])
def test_evaluations_without_one_of_our_partitions_are_ignored(evaluated: Any, partition: str | None) -> None:
    assert [trouble for trouble in evaluated(evaluation(partition=partition)) if trouble.website] == []


def test_stale_websites_are_told_one_by_one(evaluated: Any) -> None:
    stale = {STALE: dg.MetadataValue.json({ACME.key: "2026-11-17", BAYSIDE.key: "no date yet"})}
    assert worded(*evaluated(evaluation("fresh", partition=None, metadata=stale))) == [
        (ACME.key, "visitors", "fresh: last captured for 2026-11-17"),
        (BAYSIDE.key, "visitors", "fresh: last captured for no date yet"),
    ]


# Messages.


def test_a_message_names_website_and_night_and_each_reason_once_with_its_assets() -> None:
    troubles = [of("acme", asset, "the platform failed (status 503, 5 tries)") for asset in NAMES]
    troubles += [of("acme", "sales", "timed out"), of("acme", "sales", "timed out")]
    assert Message("acme", NIGHT, troubles).text("did not land") == (
        "acme, night of 2026-11-20: did not land\n"
        f"• {', '.join(sorted(NAMES))}: the platform failed (status 503, 5 tries)\n• sales: timed out"
    )


def test_a_message_stays_short_however_many_reasons_there_are() -> None:
    troubles = [of("acme", "visitors", f"reason {n:02}") for n in range(60)]
    lines = Message("acme", NIGHT, troubles).text("did not land").splitlines()
    assert len(lines) == 12
    assert lines[-1] == "• and 50 more reasons"
    long = Message("acme", NIGHT, [of("acme", "visitors", f"{n:02}<&> " * 900) for n in range(60)])
    text = long.text("did not land", "https://dagster.example")
    assert len(text) < 4_000
    assert "00&lt;&amp;&gt; 00" in text


def test_runs_of_one_night_are_one_message_and_another_night_is_another(
    instance: dg.DagsterInstance, settings: Settings
) -> None:
    key = f"{YESTERDAY}|{ACME.key}"
    for _ in range(3):
        run = dg.DagsterRun(job_name="nightly", status=dg.DagsterRunStatus.FAILURE, tags={"dagster/partition": key})
        instance.add_run(run)
    zone, records = settings.partitions.zone, instance.get_run_records()
    (message,) = messages(instance, records, failed_partitions, Ours(settings, PLAIN))
    assert len(message.troubles) == 3
    assert message.key == f"{ACME.key}|{records[0].create_timestamp.astimezone(zone).date()}"


# The cursor.

CURSORS = st.builds(
    Cursor,
    after=st.floats(0, 2e9),
    seen=st.dictionaries(st.text(), st.floats(0, 2e9), max_size=3),
    said=st.lists(st.text(), max_size=3).map(tuple),
    failures=st.integers(0, 10**6),
    not_before=st.floats(0, 2e9),
)


@given(CURSORS)
def test_a_cursor_is_read_back_as_it_was_written(cursor: Cursor) -> None:
    assert Cursor.read(cursor.text()) == cursor


@pytest.mark.parametrize("text", [None, "", "nonsense", "1763600000.0", "null", "[]", "{}", '{"said": 3}', '{"x": 1}'])
def test_a_text_that_is_no_cursor_begins_anew(text: str | None) -> None:
    assert Cursor.read(text) is None


def test_a_cursor_does_not_grow_without_end() -> None:
    cursor = Cursor(after=0, said=tuple(f"website-{n}|2026-11-20" for n in range(50_000)))
    kept = Cursor.read(cursor.text())
    assert kept is not None
    assert kept.said == cursor.said[-2_000:]
    assert len(json.loads(cursor.text())["said"]) == 2_000


@given(st.integers(0, 10**9), st.floats(0, 2e9))
def test_each_refusal_doubles_the_wait_up_to_an_hour(failures: int, now: float) -> None:
    wait = Cursor(after=0, failures=failures).refused(0.0).not_before
    assert wait == (60 * 2**failures if failures < 6 else 3_600)
    assert Cursor(after=0, failures=failures).refused(now).not_before >= now


def test_a_delivery_ends_the_waiting() -> None:
    cursor = Cursor(after=0).refused(10.0).refused(70.0).delivered(Message("acme", NIGHT), 80.0)
    assert (cursor.failures, cursor.not_before, cursor.said) == (0, 0.0, ("acme|2026-11-20",))
