"""The checks as Dagster runs and records them: by partition, beside the captures, never in their way."""

import json
import subprocess
import sys
from collections import Counter
from collections.abc import Collection, Sequence
from pathlib import Path
from typing import Any

import dagster as dg
import pytest
from dagster_shared.serdes import serialize_value

from ignite_assets.api.endpoints import ENDPOINTS, by_name
from ignite_assets.api.horizon import Horizon
from ignite_assets.config import Settings, load_settings
from ignite_assets.dagster.automation.healing import Gap, healing_requests
from ignite_assets.dagster.automation.schedules import nightly_requests
from ignite_assets.dagster.checks.freshness import CHECK_NAME
from ignite_assets.dagster.checks.partition_checks import partition_checks
from ignite_assets.dagster.partitions import partition_key
from ignite_assets.sandbox import Fault, SandboxServer
from ignite_assets.storage.lake import Lake
from ignite_assets.tables.checks import CHECKS
from ignite_assets_tests.built import build_defs, frozen
from ignite_assets_tests.conftest import (
    ACME,
    BAYSIDE,
    DERIVED_NAMES,
    EVERY,
    NAMES,
    NOW,
    RANGE_END,
    RANGE_START,
    WEBSITES,
    YESTERDAY,
    config_text,
    days_ago,
    partition,
)
from ignite_assets_tests.dagster.test_assets import TEST_DRIVE_GUESTS, TEST_DRIVES
from ignite_assets_tests.dagster.test_metadata import rows_of

KEY = f"{YESTERDAY}|{ACME.key}"
Evaluations = list[dg.AssetCheckEvaluation]


class Checked:
    """Runs of the nightly job with its checks, and what was recorded of them."""

    def __init__(self, defs: dg.Definitions, instance: dg.DagsterInstance) -> None:
        self.job, self.instance = defs.resolve_job_def("nightly"), instance
        self.everything = defs.resolve_implicit_global_asset_job_def()

    def run(self, assets: Collection[str], checks: Sequence[dg.AssetCheckKey] | None = None, **how: Any) -> str:
        """Run some assets as our jobs do, or with the steps of some checks; the run's id."""
        job = self.everything if checks else self.job
        job = job.get_subset(
            asset_selection={dg.AssetKey(name) for name in assets}, asset_check_selection=set(checks or ())
        )
        how = how or {"partition_key": partition_key(YESTERDAY, ACME.key)}
        result = job.execute_in_process(instance=self.instance, raise_on_error=False, **how)
        self.success = result.success
        return result.run_id

    def days(
        self, assets: Collection[str], ages: tuple[int, int], checks: Sequence[dg.AssetCheckKey] | None = None
    ) -> str:
        """Run a range of dates, from one age to another."""
        first, last = (partition_key(days_ago(age), ACME.key) for age in ages)
        return self.run(assets, checks, tags={RANGE_START: first, RANGE_END: last})

    def evaluations(self, run_id: str) -> Evaluations:
        """What a run recorded of checks."""
        logs = self.instance.all_logs(run_id, of_type=dg.DagsterEventType.ASSET_CHECK_EVALUATION)
        return [entry.dagster_event.asset_check_evaluation_data for entry in logs if entry.dagster_event]

    def status(self, asset: str, check: str) -> dict[str | None, str]:
        """How the check stands for each partition, as Dagster shows it."""
        key = dg.AssetCheckKey(dg.AssetKey(asset), check)
        found = self.instance.event_log_storage.get_asset_check_partition_info([key])
        return {each.partition_key: each.latest_execution_status.value for each in found}

    def shown(self, asset: str, check: str) -> dict[str, str]:
        """What the page of the check shows of each partition; one that is not in it has no outcome of its own."""
        key = dg.AssetCheckKey(dg.AssetKey(asset), check)
        partitions = self.job.partitions_def
        state = self.instance.event_log_storage.get_asset_check_state([(key, partitions)])[key]
        found = {status.value: subset.subset_value for status, subset in state.subsets.items() if not subset.is_empty}
        return {str(key): status for status, subset in found.items() for key in subset.get_partition_keys()}


@pytest.fixture
def checked(defs: dg.Definitions, instance: dg.DagsterInstance) -> Checked:
    return Checked(defs, instance)


def key_of(age: int) -> str:
    return f"{days_ago(age)}|{ACME.key}"


def duplicated(*hashes: str) -> Fault:
    return Fault(endpoint="visitors", body=json.dumps(hashes).encode())


# A night.


def test_a_night_evaluates_both_checks_of_every_asset_once_under_its_partitions_name(checked: Checked) -> None:
    evaluations = checked.evaluations(checked.run([*NAMES, *DERIVED_NAMES]))
    assert checked.success
    assert Counter((e.asset_key.path[0], e.check_name) for e in evaluations) == Counter(
        (name, check) for name in (*NAMES, *DERIVED_NAMES) for check in CHECKS
    )
    assert {e.partition for e in evaluations} == {KEY}
    assert {(e.check_name, e.severity.value) for e in evaluations} == {("sound", "ERROR"), ("usual", "WARN")}
    for evaluation in evaluations:
        rows = rows_of(evaluation.metadata["findings"])
        assert all(row["measured"] for row in rows)
        assert any(row["expected"] for row in rows) is not evaluation.passed
        assert ("what_to_do" in evaluation.metadata) is not evaluation.passed
    assert all(e.passed for e in evaluations if e.check_name == "sound")


def test_our_jobs_and_schedules_leave_the_steps_of_checks_out(checked: Checked, defs: dg.Definitions) -> None:
    for job in ("nightly", "heal"):
        assert {node.name for node in defs.resolve_job_def(job).nodes} == {*NAMES, *DERIVED_NAMES}
    horizon = Horizon(now=frozen(NOW))
    gap = Gap(YESTERDAY, ACME.key, ("visitors", "sales"))
    requests = [
        *nightly_requests(YESTERDAY, [ACME.key], ENDPOINTS, horizon),
        *healing_requests([gap], NOW.date(), 10, horizon),
    ]
    for request in requests:
        assert isinstance(request, dg.RunRequest)
        subset = checked.job.get_subset(
            asset_selection=set(request.asset_selection or ()),
            asset_check_selection=set(request.asset_check_keys or ()),
        )
        assert request.asset_check_keys is not None
        assert {node.name for node in subset.nodes} == {key.path[0] for key in request.asset_selection or ()}


def test_what_is_doubted_is_an_error_that_says_what_to_do(checked: Checked, sandbox: SandboxServer) -> None:
    sandbox.faults.add(duplicated("ab" * 32, "ab" * 32, "ab" * 15))
    sound, usual = checked.evaluations(checked.run(["visitors"]))
    assert checked.success
    assert (sound.check_name, sound.passed, sound.severity.value) == ("sound", False, "ERROR")
    assert str(sound.description).startswith("keys: 1 of 3 rows repeat the hashed_email of another")
    assert "keys: count distinct keys downstream" in str(sound.metadata["what_to_do"].value)
    assert (usual.check_name, usual.passed, usual.severity.value) == ("usual", False, "WARN")
    assert checked.shown("visitors", "sound") == {KEY: "FAILED"}


def test_the_thresholds_are_those_of_the_configuration(
    config_file: Path, instance: dg.DagsterInstance, sandbox: SandboxServer
) -> None:
    body = json.dumps([{"id": n, "visitors_count": "many" if n else 1} for n in range(2)]).encode()
    sandbox.faults.add(Fault(endpoint="audiences", body=body))
    text = config_file.read_text()
    passed = []
    for share in (0.4, 0.5):
        config_file.write_text(f"{text}\n[checks]\ncoercions_share = {share}\n")
        checked = Checked(build_defs(load_settings(config_file), now=frozen(NOW), retry_policy=None), instance)
        _, usual = checked.evaluations(checked.run(["audiences"]))
        passed.append(usual.passed)
    assert passed == [False, True]


def test_a_day_ends_in_the_partitions_time_zone(config_file: Path, instance: dg.DagsterInstance) -> None:
    # 9:30 in UTC is still the 19th in Honolulu, where yesterday was the 18th.
    zoned = config_file.read_text().replace("[partitions]\n", '[partitions]\ntimezone = "Pacific/Honolulu"\n')
    config_file.write_text(zoned)
    checked = Checked(build_defs(load_settings(config_file), now=frozen(NOW), retry_policy=None), instance)
    run = checked.run(["visitors"], partition_key=partition_key(days_ago(2), ACME.key))
    _, usual = checked.evaluations(run)
    assert usual.passed


# A check by itself.


def test_a_check_can_be_run_alone_and_asks_the_platform_for_nothing(checked: Checked, sandbox: SandboxServer) -> None:
    checked.run(["visitors"])
    sandbox.requests.clear()
    key = dg.AssetCheckKey(dg.AssetKey("visitors"), "sound")
    (evaluation,) = checked.evaluations(checked.run([], [key]))
    assert checked.success
    assert (evaluation.check_name, evaluation.partition, evaluation.passed) == ("sound", KEY, True)
    assert len(sandbox.requests) == 0


def test_a_check_of_a_partition_that_was_never_captured_says_so(checked: Checked) -> None:
    key = dg.AssetCheckKey(dg.AssetKey("visitors"), "sound")
    (evaluation,) = checked.evaluations(checked.run([], [key]))
    assert not evaluation.passed
    assert evaluation.description == "there: no partition"


@pytest.mark.parametrize("ages", [(1, 1), (3, 1)])
def test_what_is_launched_with_its_checks_is_evaluated_once_and_nothing_stays_planned(
    checked: Checked, ages: tuple[int, int]
) -> None:
    evaluations = checked.evaluations(checked.days(["visitors"], ages, partition_checks(by_name()["visitors"])))
    assert checked.success
    keys = [key_of(age) for age in range(ages[1], ages[0] + 1)]
    assert Counter((e.check_name, e.partition) for e in evaluations) == Counter(
        (check, key) for check in CHECKS for key in keys
    )
    for check in CHECKS:
        assert checked.status("visitors", check).keys() == set(keys)
        assert set(checked.status("visitors", check).values()) <= {"SUCCEEDED", "FAILED"}


# When something fails.


def test_an_asset_that_failed_has_no_verdict_and_the_others_have_theirs(
    checked: Checked, sandbox: SandboxServer
) -> None:
    sandbox.faults.add(Fault(endpoint="visitors", status=500))
    evaluations = checked.evaluations(checked.run(["visitors", "audiences"]))
    assert not checked.success
    assert {e.asset_key.path[0] for e in evaluations} == {"audiences"}
    assert checked.status("visitors", "sound") == {}


def test_a_check_that_breaks_never_makes_the_capture_look_failed(checked: Checked, lake: Lake) -> None:
    checked.run(["visitors"])
    Path(lake.location(partition("visitors"))).write_bytes(b"PAR1 nothing that can be read PAR1")
    evaluations = checked.evaluations(checked.run([], partition_checks(by_name()["visitors"])))
    assert checked.success
    assert {e.passed for e in evaluations} == {False}
    assert all("the check itself failed: ArrowInvalid" in str(e.description) for e in evaluations)
    assert checked.instance.get_materialized_partitions(dg.AssetKey("visitors")) == {KEY}


# Several partitions in one run.


def test_a_ranged_run_says_of_each_partition_whether_it_is_sound_and_what_is_unusual(checked: Checked) -> None:
    evaluations = checked.evaluations(checked.days(["visitors", "audiences", "visitor_recency"], (3, 1)))
    found = Counter((e.asset_key.path[0], e.check_name, e.partition) for e in evaluations)
    late = [("visitors", "sound", key_of(age)) for age in (1, 2, 3)]  # that they are late is expected of a range
    gaps = [("visitor_recency", check, key_of(age)) for check in CHECKS for age in (1, 2, 3)]
    night = [("audiences", check, key_of(1)) for check in CHECKS]  # the days before can't be had
    assert found == Counter([*late, *gaps, *night])


def test_days_that_landed_have_their_verdict_when_others_failed(checked: Checked, sandbox: SandboxServer) -> None:
    sandbox.faults.add(Fault(endpoint="visitors", status=404, times=1))
    run = checked.days(["visitors"], (3, 1))
    assert not checked.success
    landed = checked.instance.get_materialized_partitions(dg.AssetKey("visitors"))
    assert len(landed) == 2
    assert {e.partition for e in checked.evaluations(run) if e.check_name == "sound"} == landed
    assert checked.shown("visitors", "sound") == dict.fromkeys(landed, "SUCCEEDED")


@pytest.mark.parametrize("before", [[], [1, 2, 3]])
def test_what_is_launched_with_its_checks_leaves_none_planned_of_what_the_lake_holds_when_a_day_fails(
    checked: Checked, sandbox: SandboxServer, before: list[int]
) -> None:
    for age in before:
        checked.run(["visitors"], partition_key=partition_key(days_ago(age), ACME.key))
    sandbox.faults.add(Fault(endpoint="visitors", status=404, times=1))
    checked.days(["visitors"], (3, 1), partition_checks(by_name()["visitors"]))
    assert not checked.success
    there = checked.instance.get_materialized_partitions(dg.AssetKey("visitors"))
    assert len(there) == (3 if before else 2)
    for check in CHECKS:
        shown = checked.shown("visitors", check)
        assert {shown.pop(key) for key in there} <= {"SUCCEEDED", "FAILED"}
        assert set(shown.values()) <= {"EXECUTION_FAILED"}  # there is nothing to evaluate


def test_what_was_said_of_a_partition_is_said_anew_when_it_is_captured_again(
    checked: Checked, sandbox: SandboxServer
) -> None:
    sandbox.faults.add(duplicated("ab" * 32, "ab" * 32))
    checked.run(["visitors"])
    assert checked.shown("visitors", "sound") == {key_of(1): "FAILED"}
    sandbox.faults.clear()
    checked.days(["visitors"], (2, 1))
    assert checked.shown("visitors", "sound") == dict.fromkeys(map(key_of, (1, 2)), "SUCCEEDED")


# A row more.


def test_a_row_added_to_the_table_gets_the_findings_that_make_sense(
    config_file: Path, instance: dg.DagsterInstance
) -> None:
    table = (*ENDPOINTS, TEST_DRIVES, TEST_DRIVE_GUESTS)
    with SandboxServer(WEBSITES, endpoints=table, now=frozen(NOW)) as server:
        config_file.write_text(config_text(server.url, WEBSITES))
        defs = build_defs(load_settings(config_file), endpoints=table, now=frozen(NOW), retry_policy=None)
        checked = Checked(defs, instance)
        evaluations = checked.evaluations(checked.run(["test_drives", "test_drive_guests"]))
    found = {
        row["finding"]
        for e in evaluations
        for row in rows_of(e.metadata["findings"])
        if e.asset_key.path == ["test_drives"]
    }
    assert found == {
        "columns", "keys", "hollow", "rows", "window", "people", "nested", "usual_rows", "coercions", "misfits",
        "on_time",
    }  # fmt: skip
    assert {e.partition for e in evaluations} == {KEY}
    fresh = dg.AssetCheckKey(dg.AssetKey("test_drives"), CHECK_NAME)
    assert fresh in defs.resolve_job_def("freshness").asset_layer.asset_graph.asset_check_keys


# What they cost.


def cost(instance: dg.DagsterInstance, run: str) -> tuple[int, int]:
    """The events of a run and their bytes, as they are stored."""
    events = instance.all_logs(run)
    return len(events), sum(len(serialize_value(event)) for event in events)


def test_a_night_of_a_website_costs_little_more_than_dagsters_own_events(checked: Checked) -> None:
    events, size = cost(checked.instance, checked.run(EVERY))

    def nothing(name: str) -> dg.AssetsDefinition:
        return dg.asset(name=name, partitions_def=checked.job.partitions_def)(lambda: None)

    bare = dg.materialize(
        [nothing(name) for name in EVERY],
        partition_key=partition_key(YESTERDAY, ACME.key),
        instance=checked.instance,
    )
    told = {"a night": (events, size), "as many assets that do nothing": cost(checked.instance, bare.run_id)}
    assert events <= 110, told
    assert size <= 145_000, told


def test_the_checks_of_a_sound_partition_load_no_pandas(checked: Checked, settings: Settings) -> None:
    checked.run(NAMES)
    script = """
import datetime as dt, sys
from zoneinfo import ZoneInfo
from ignite_assets.api.endpoints import ENDPOINTS, by_name
from ignite_assets.storage.lake import Lake, Partition
from ignite_assets.tables.examination import Examination
from ignite_assets.tables.thresholds import Thresholds
from ignite_assets.tables.checks import CHECKS, examine
lake, day = Lake(sys.argv[1]), dt.date.fromisoformat(sys.argv[2])
for endpoint in ENDPOINTS:
    examination = Examination(lake, endpoint, Thresholds(), ZoneInfo("UTC"))
    subject = examination.subject(Partition(endpoint.name, sys.argv[3], day))
    print(*(examine(subject, check).told for check in CHECKS), sep="\\n")
print("pandas" in sys.modules)
"""
    arguments = [sys.executable, "-c", script, settings.root, str(YESTERDAY), ACME.key]
    *lines, loaded = subprocess.run(arguments, capture_output=True, text=True, check=True).stdout.splitlines()
    assert len(lines) == 2 * len(NAMES)
    assert not [line for line in lines if "the check itself failed" in line]
    assert loaded == "False"


def test_each_check_belongs_to_one_website_alone(checked: Checked) -> None:
    for site in (ACME, BAYSIDE):
        checked.run(["audiences"], partition_key=partition_key(YESTERDAY, site.key))
    assert checked.status("audiences", "sound") == {f"{YESTERDAY}|{site.key}": "SUCCEEDED" for site in (ACME, BAYSIDE)}
