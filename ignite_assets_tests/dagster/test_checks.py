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

from ignite_assets.api.endpoints import ENDPOINTS, by_name
from ignite_assets.api.horizon import Horizon
from ignite_assets.config import Settings, load_settings
from ignite_assets.dagster.automation.schedules import Gap, healing_requests, nightly_requests
from ignite_assets.dagster.checks.freshness import CHECK_NAME
from ignite_assets.dagster.checks.partition_checks import partition_checks
from ignite_assets.dagster.partitions import partition_key
from ignite_assets.sandbox import Fault, SandboxServer
from ignite_assets.storage.lake import Lake
from ignite_assets.tables.checks import CHECKS
from ignite_assets.tables.registry import TABLES
from ignite_assets_tests.built import build_defs, frozen
from ignite_assets_tests.conftest import (
    ACME,
    BAYSIDE,
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

KEY = f"{YESTERDAY}|{ACME.key}"
Evaluations = list[dg.AssetCheckEvaluation]


class Checked:
    """Runs of the nightly job with its checks, and what was recorded of them."""

    def __init__(self, defs: dg.Definitions, instance: dg.DagsterInstance) -> None:
        self.job, self.instance = defs.resolve_job_def("nightly"), instance

    def run(self, assets: Collection[str], checks: Sequence[dg.AssetCheckKey] | None = None, **how: Any) -> str:
        """Run some assets with their checks, or with those given; the run's id."""
        chosen = checks if checks is not None else [k for name in assets for k in partition_checks(by_name()[name])]
        job = self.job.get_subset(
            asset_selection={dg.AssetKey(name) for name in assets}, asset_check_selection=set(chosen)
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


@pytest.fixture
def by_run(settings: Settings, instance: dg.DagsterInstance) -> Checked:
    """As our own command launches ranged runs: with checks that are planned for the run."""
    return Checked(build_defs(settings, now=frozen(NOW), retry_policy=None, ranged=True), instance)


def names_for(asset: str) -> set[str]:
    return {check.name for check in CHECKS if check.applies(by_name()[asset])}


def key_of(age: int) -> str:
    return f"{days_ago(age)}|{ACME.key}"


def duplicated(*hashes: str) -> Fault:
    return Fault(endpoint="visitors", body=json.dumps(hashes).encode())


def one_doubled(checked: Checked, sandbox: SandboxServer) -> None:
    """Two days of visitors; in the newer one a hash stands twice."""
    checked.run(["visitors"], [], partition_key=partition_key(days_ago(2), ACME.key))
    sandbox.faults.add(duplicated("ab" * 32, "ab" * 32))
    checked.run(["visitors"], [])
    sandbox.faults.clear()


# One partition.


def test_a_night_evaluates_every_check_once_under_its_partitions_name(checked: Checked) -> None:
    evaluations = checked.evaluations(checked.run(NAMES))
    assert checked.success
    assert Counter((e.asset_key.path[0], e.check_name) for e in evaluations) == Counter(
        (name, check) for name in NAMES for check in names_for(name)
    )
    assert {e.partition for e in evaluations} == {KEY}
    assert all(e.target_materialization_data for e in evaluations)
    for evaluation in evaluations:
        assert {"saw", "expected", "what_to_do"} <= evaluation.metadata.keys()
        assert evaluation.description == evaluation.metadata["saw"].value
    members = [e for e in evaluations if e.check_name == "members_plausible"]
    assert all("members per visitor" in str(e.description) for e in members)  # the counts of the same night were there


def test_the_whole_nightly_job_leaves_freshness_out(checked: Checked) -> None:
    keys = checked.job.asset_layer.asset_graph.asset_check_keys
    assert keys == {key for table in TABLES for key in partition_checks(table)}
    assert CHECK_NAME not in {key.name for key in keys}


def test_what_the_schedules_start_leaves_freshness_out(checked: Checked) -> None:
    horizon = Horizon(now=frozen(NOW))
    gap = Gap(YESTERDAY, ACME.key, ("visitors", "sales"))
    requests = [
        *nightly_requests(YESTERDAY, [ACME.key], ENDPOINTS, horizon),
        *healing_requests([gap], NOW.date(), 10, horizon),
    ]
    for request, assets in zip(requests, (NAMES, gap.assets), strict=True):
        assert isinstance(request, dg.RunRequest)
        assert set(request.asset_check_keys or ()) == {k for name in assets for k in partition_checks(by_name()[name])}
        subset = checked.job.get_subset(
            asset_selection=set(request.asset_selection or ()),
            asset_check_selection=set(request.asset_check_keys or ()),
        )
        assert CHECK_NAME not in {key.name for key in subset.asset_layer.asset_graph.asset_check_keys}


def test_data_to_look_at_warns_and_data_not_to_be_used_is_an_error(checked: Checked, sandbox: SandboxServer) -> None:
    sandbox.faults.add(duplicated("ab" * 32, "ab" * 32, "short"))
    evaluations = {e.check_name: e for e in checked.evaluations(checked.run(["visitors"]))}
    assert checked.success
    assert (evaluations["keys_unique"].passed, evaluations["keys_unique"].severity.value) == (False, "ERROR")
    assert (evaluations["hashes_well_formed"].passed, evaluations["hashes_well_formed"].severity.value) == (
        False,
        "WARN",
    )
    assert evaluations["columns_as_declared"].passed
    assert checked.status("visitors", "keys_unique") == {KEY: "FAILED"}


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
        key = dg.AssetCheckKey(dg.AssetKey("audiences"), "coercions_few")
        (evaluation,) = checked.evaluations(checked.run(["audiences"], [key]))
        passed.append(evaluation.passed)
    assert passed == [False, True]


def test_a_day_ends_in_the_partitions_time_zone(config_file: Path, instance: dg.DagsterInstance) -> None:
    # 9:30 in UTC is still the 19th in Honolulu, where yesterday was the 18th.
    zoned = config_file.read_text().replace("[partitions]\n", '[partitions]\ntimezone = "Pacific/Honolulu"\n')
    config_file.write_text(zoned)
    checked = Checked(build_defs(load_settings(config_file), now=frozen(NOW), retry_policy=None), instance)
    key = dg.AssetCheckKey(dg.AssetKey("visitors"), "captured_on_time")
    run = checked.run(["visitors"], [key], partition_key=partition_key(days_ago(2), ACME.key))
    (evaluation,) = checked.evaluations(run)
    assert evaluation.passed
    assert "Pacific/Honolulu" in str(evaluation.metadata["expected"].value)


# A check by itself.


def test_a_check_can_be_run_alone_and_asks_the_platform_for_nothing(checked: Checked, sandbox: SandboxServer) -> None:
    checked.run(["visitors"], [])
    sandbox.requests.clear()
    key = dg.AssetCheckKey(dg.AssetKey("visitors"), "keys_unique")
    (evaluation,) = checked.evaluations(checked.run([], [key]))
    assert checked.success
    assert (evaluation.check_name, evaluation.partition, evaluation.passed) == ("keys_unique", KEY, True)
    assert len(sandbox.requests) == 0


def test_a_check_of_a_partition_that_was_never_captured_says_so(checked: Checked) -> None:
    key = dg.AssetCheckKey(dg.AssetKey("visitors"), "keys_unique")
    (evaluation,) = checked.evaluations(checked.run([], [key]))
    assert not evaluation.passed
    assert evaluation.description == "no partition"


# When something fails.


def test_the_checks_of_an_asset_that_failed_are_skipped_and_the_others_evaluated(
    checked: Checked, sandbox: SandboxServer
) -> None:
    sandbox.faults.add(Fault(endpoint="visitors", status=500))
    run = checked.run(["visitors", "audiences"])
    evaluations = checked.evaluations(run)
    assert not checked.success
    assert {e.asset_key.path[0] for e in evaluations} == {"audiences"}
    assert {e.check_name for e in evaluations} == names_for("audiences")
    assert checked.status("visitors", "keys_unique").get(KEY) in {None, "PLANNED"}


def test_a_check_that_breaks_never_makes_the_capture_look_failed(checked: Checked, lake: Lake) -> None:
    checked.run(["visitors"], [])
    Path(lake.location(partition("visitors"))).write_bytes(b"PAR1 nothing that can be read PAR1")
    evaluations = checked.evaluations(checked.run([], partition_checks(by_name()["visitors"])))
    assert checked.success
    assert {e.check_name for e in evaluations} == names_for("visitors")
    assert {(e.passed, e.severity.value) for e in evaluations} == {(False, "ERROR")}
    assert all("the check itself failed: ArrowInvalid" in str(e.description) for e in evaluations)
    assert checked.instance.get_materialized_partitions(dg.AssetKey("visitors")) == {KEY}


# Several partitions in one run.


def test_a_ranged_run_sums_each_check_up_with_what_each_partition_showed(checked: Checked) -> None:
    run = checked.days(["visitors", "locations"], (3, 1))
    assert checked.success
    evaluations = checked.evaluations(run)
    sums = {(e.asset_key.path[0], e.check_name): e for e in evaluations if e.partition is None}
    assert set(sums) == {(asset, check) for asset in ("visitors", "locations") for check in names_for(asset)}
    for evaluation in sums.values():
        table = evaluation.metadata["partitions"]
        assert isinstance(table, dg.TableMetadataValue)
        assert [record.data["date"] for record in table.records] == [str(days_ago(age)) for age in (1, 2, 3)]
        assert all(record.data["saw"] for record in table.records)
    nested = sums["visitors", "nested"]
    assert nested.passed
    assert nested.description == "0 of 3 partitions did not pass"


def test_a_ranged_run_records_every_partition_and_leaves_none_as_planned(checked: Checked) -> None:
    evaluations = checked.evaluations(checked.days(["visitors"], (3, 1)))
    keys = {f"{days_ago(age)}|{ACME.key}" for age in (3, 2, 1)}
    assert Counter((e.check_name, e.partition) for e in evaluations) == Counter(
        (check, key) for check in names_for("visitors") for key in (*keys, None)
    )
    late = {e.partition: e.severity.value for e in evaluations if e.check_name == "captured_on_time" and not e.passed}
    assert late == dict.fromkeys([*(keys - {KEY}), None], "WARN")
    for check in names_for("visitors"):
        status = checked.status("visitors", check)
        assert status.keys() >= keys
        assert set(status.values()) <= {"SUCCEEDED", "FAILED"}


def test_a_partition_that_passes_in_a_ranged_run_after_it_failed_is_recorded_as_passed(
    checked: Checked, sandbox: SandboxServer
) -> None:
    sandbox.faults.add(duplicated("ab" * 32, "ab" * 32))
    checked.run(["visitors"])
    assert checked.status("visitors", "keys_unique") == {KEY: "FAILED"}
    sandbox.faults.clear()
    checked.days(["visitors"], (2, 1))
    assert checked.status("visitors", "keys_unique")[KEY] == "SUCCEEDED"


def test_a_partition_that_is_unusable_in_a_ranged_run_is_an_error_of_its_own(
    checked: Checked, sandbox: SandboxServer
) -> None:
    one_doubled(checked, sandbox)
    key = dg.AssetCheckKey(dg.AssetKey("visitors"), "keys_unique")
    evaluations = checked.evaluations(checked.days([], (2, 1), [key]))
    by_partition = {e.partition: (e.passed, e.severity.value) for e in evaluations}
    good = f"{days_ago(2)}|{ACME.key}"
    assert by_partition == {KEY: (False, "ERROR"), good: (True, "WARN"), None: (False, "ERROR")}


def test_each_partition_of_a_ranged_run_is_shown_with_its_outcome(checked: Checked) -> None:
    checked.days(["visitors"], (3, 1))
    assert checked.shown("visitors", "keys_unique") == dict.fromkeys(map(key_of, (1, 2, 3)), "SUCCEEDED")
    assert checked.shown("visitors", "captured_on_time") == {
        key_of(1): "SUCCEEDED", key_of(2): "FAILED", key_of(3): "FAILED",
    }  # fmt: skip


# Several partitions in a run of our own command.


def test_what_is_planned_for_a_run_is_summed_up_and_names_the_partitions_that_did_not_pass(
    by_run: Checked, checked: Checked, sandbox: SandboxServer
) -> None:
    sandbox.faults.add(duplicated("ab" * 32, "ab" * 32))
    evaluations = by_run.evaluations(by_run.days(["visitors", "locations"], (3, 1)))
    assert by_run.success
    planned = {(asset, check) for asset in ("visitors", "locations") for check in names_for(asset)}
    assert {(e.asset_key.path[0], e.check_name) for e in evaluations if e.partition is None} == planned
    doubled = dict.fromkeys(map(key_of, (1, 2, 3)), "FAILED")
    named = [e for e in evaluations if e.partition]
    assert {(e.check_name, e.severity.value) for e in named} == {("keys_unique", "ERROR")}
    assert {e.partition for e in named} == doubled.keys()
    assert checked.shown("visitors", "keys_unique") == doubled
    for asset, check in planned:
        each = doubled if (asset, check) == ("visitors", "keys_unique") else {}
        statuses = checked.status(asset, check)
        assert statuses.pop(None) == ("FAILED" if each or check == "captured_on_time" else "SUCCEEDED")
        assert statuses == each


def test_what_is_planned_for_a_run_lists_what_every_partition_showed(by_run: Checked) -> None:
    evaluations = by_run.evaluations(by_run.days(["visitors"], (3, 1)))
    (late,) = (e for e in evaluations if e.check_name == "captured_on_time")
    table = late.metadata["partitions"]
    assert isinstance(table, dg.TableMetadataValue)
    assert [(record.data["date"], record.data["passed"]) for record in table.records] == [
        (str(days_ago(1)), True), (str(days_ago(2)), False), (str(days_ago(3)), False),
    ]  # fmt: skip
    assert late.description == "2 of 3 partitions did not pass"


def test_what_was_said_of_a_partition_is_said_anew_when_it_is_captured_again(
    checked: Checked, by_run: Checked, sandbox: SandboxServer
) -> None:
    sandbox.faults.add(duplicated("ab" * 32, "ab" * 32))
    checked.run(["visitors"])
    assert checked.shown("visitors", "keys_unique") == {key_of(1): "FAILED"}
    sandbox.faults.clear()
    again = by_run.evaluations(by_run.days(["visitors"], (2, 1)))
    assert {e.check_name for e in again if e.partition == key_of(1)} == names_for("visitors")
    assert {e.partition for e in again} == {key_of(1), None}
    assert checked.shown("visitors", "keys_unique") == {key_of(1): "SUCCEEDED"}


def test_a_partition_that_did_not_pass_is_the_headline_of_a_ranged_run(
    checked: Checked, by_run: Checked, sandbox: SandboxServer
) -> None:
    one_doubled(checked, sandbox)
    key = dg.AssetCheckKey(dg.AssetKey("visitors"), "keys_unique")
    by_run.days([], (2, 1), [key])
    assert checked.shown("visitors", "keys_unique") == {key_of(1): "FAILED", key_of(2): "SUCCEEDED"}
    latest = checked.instance.event_log_storage.get_latest_asset_check_execution_by_key([key])[key]
    assert (latest.partition, latest.status.value) == (key_of(1), "FAILED")


def test_when_a_ranged_capture_fails_no_check_of_it_seems_to_be_under_way(
    by_run: Checked, checked: Checked, sandbox: SandboxServer
) -> None:
    sandbox.faults.add(Fault(endpoint="visitors", status=404, times=1))
    run = by_run.days(["visitors"], (3, 1))
    assert not by_run.success
    assert len(by_run.instance.get_materialized_partitions(dg.AssetKey("visitors"))) == 2
    assert by_run.evaluations(run) == []
    assert all(checked.shown("visitors", check) == {} for check in names_for("visitors"))


def test_a_range_of_one_date_is_one_partition(checked: Checked) -> None:
    evaluations = checked.evaluations(checked.days(["audiences"], (1, 1)))
    assert Counter(e.check_name for e in evaluations) == Counter(names_for("audiences"))


# A row more.


def test_a_row_added_to_the_table_gets_the_checks_that_make_sense(
    config_file: Path, instance: dg.DagsterInstance
) -> None:
    table = (*ENDPOINTS, TEST_DRIVES, TEST_DRIVE_GUESTS)
    with SandboxServer(WEBSITES, endpoints=table, now=frozen(NOW)) as server:
        config_file.write_text(config_text(server.url, WEBSITES))
        defs = build_defs(load_settings(config_file), endpoints=table, now=frozen(NOW), retry_policy=None)
        checked = Checked(defs, instance)
        keys = [*partition_checks(TEST_DRIVES), *partition_checks(TEST_DRIVE_GUESTS)]
        evaluations = checked.evaluations(checked.run(["test_drives", "test_drive_guests"], keys))
    found = {name: {e.check_name for e in evaluations if e.asset_key.path == [name]} for name in ("test_drives",)}
    assert found["test_drives"] == {
        "keys_unique", "columns_as_declared", "coercions_few", "misfits_none", "rows_usual", "captured_on_time",
        "nested",
    }  # fmt: skip
    assert {e.check_name for e in evaluations} - found["test_drives"] == set()
    assert {e.partition for e in evaluations} == {KEY}
    fresh = dg.AssetCheckKey(dg.AssetKey("test_drives"), CHECK_NAME)
    assert fresh in defs.resolve_job_def("freshness").asset_layer.asset_graph.asset_check_keys


# What they cost.


def test_a_check_of_a_night_costs_three_events_and_its_asset_two(checked: Checked) -> None:
    alone = len(checked.instance.all_logs(checked.run(["visitors"], [])))
    with_checks = len(checked.instance.all_logs(checked.run(["visitors"])))
    assert with_checks - alone == 3 * len(names_for("visitors")) + 2


def test_the_checks_of_a_sound_partition_load_no_pandas(checked: Checked, settings: Settings) -> None:
    checked.run(NAMES, [])
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
    print(*(examine(check, subject).saw for check in CHECKS if check.applies(endpoint)), sep="\\n")
print("pandas" in sys.modules)
"""
    arguments = [sys.executable, "-c", script, settings.root, str(YESTERDAY), ACME.key]
    *lines, loaded = subprocess.run(arguments, capture_output=True, text=True, check=True).stdout.splitlines()
    assert len(lines) == sum(len(names_for(name)) for name in NAMES)
    assert not [line for line in lines if "the check itself failed" in line]
    assert loaded == "False"


def test_each_check_belongs_to_one_website_alone(checked: Checked) -> None:
    for site in (ACME, BAYSIDE):
        checked.run(["audiences"], partition_key=partition_key(YESTERDAY, site.key))
    assert checked.status("audiences", "keys_unique") == {
        f"{YESTERDAY}|{site.key}": "SUCCEEDED" for site in (ACME, BAYSIDE)
    }
