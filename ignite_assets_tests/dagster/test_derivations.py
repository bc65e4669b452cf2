"""The derived assets in Dagster: what they need, what they record, what becomes of them when captures fail."""

import datetime as dt
import warnings
from dataclasses import replace

import dagster as dg
import pytest
from dagster._core.asset_graph_view.asset_graph_view import AssetGraphView
from dagster._core.definitions.assets.graph.asset_graph import AssetGraph
from dagster._core.definitions.events import AssetKeyPartitionKey

from ignite_assets.api.endpoints import ENDPOINTS, by_name
from ignite_assets.config import Settings
from ignite_assets.dagster.landing import recorded_hash
from ignite_assets.dagster.partitions import partition_key
from ignite_assets.sandbox import Fault, SandboxServer
from ignite_assets.storage.lake import Lake
from ignite_assets.tables.checks import criteria_of
from ignite_assets.tables.derived.row import Derived
from ignite_assets.tables.derived.visitor_recency import VISITOR_RECENCY
from ignite_assets.tables.registry import DERIVED
from ignite_assets_tests.built import build_defs, frozen
from ignite_assets_tests.conftest import (
    ACME,
    DERIVED_NAMES,
    EVERY,
    LOOK_BACK,
    NOW,
    YESTERDAY,
    Define,
    Runner,
    days_ago,
    partition,
    reasons,
    retries,
)
from ignite_assets_tests.dagster.test_assets import specs_of
from ignite_assets_tests.dagster.test_metadata import rows_of

ROW = pytest.mark.parametrize("row", DERIVED, ids=lambda row: row.name)
START = days_ago(10)


@pytest.fixture
def settings(settings: Settings) -> Settings:
    """With a start date that windows are clipped at."""
    partitions = settings.partitions.model_copy(update={"start_date": START})
    return settings.model_copy(update={"partitions": partitions})


def facts_of(materialization: dg.AssetMaterialization) -> dict[str, object]:
    return {name: value.value for name, value in materialization.metadata.items()}


# One night.


def test_a_night_captures_nine_assets_and_derives_three(runner: Runner, lake: Lake) -> None:
    result = runner.day(EVERY)

    assert result.success
    for name in EVERY:
        assert runner.recorded(name) == [f"{YESTERDAY}|{ACME.key}"]
        assert lake.exists(partition(name))


def test_a_derived_partition_says_what_it_holds_and_what_was_missing(runner: Runner, lake: Lake) -> None:
    runner.day(EVERY)

    for name in DERIVED_NAMES:
        (recorded,) = runner.materializations(name)
        facts, footer = facts_of(recorded), lake.footer(partition(name))
        assert facts["dagster/row_count"] == int(footer["ignite.rows"]) > 0
        assert facts["bytes"] == lake.size(partition(name))
        assert facts["path"] == lake.location(partition(name))
        assert recorded_hash(recorded) == footer["ignite.content_hash"]
        assert facts["coverage"] == float(footer["ignite.coverage"]) == 0.1
        assert facts["missing_days"] == f"{days_ago(10)} to {days_ago(2)}"
        assert facts["window"] == f"{START} to {YESTERDAY}"
        assert (footer["ignite.asset"], footer["ignite.website"]) == (name, ACME.key)
        assert (footer["ignite.date"], footer["ignite.window_days"]) == (str(YESTERDAY), "30")
    numbers = {name: facts_of(runner.materializations(name)[0]) for name in DERIVED_NAMES}
    assert numbers["visitor_recency"]["seen_that_day"] == numbers["visitor_recency"]["dagster/row_count"]
    assert numbers["audience_trends"]["audiences"] == numbers["audience_trends"]["dagster/row_count"]
    assert "coverage_before" not in numbers["audience_trends"]
    assert "joined" not in numbers["audience_trends"]  # there is nothing to compare with
    assert numbers["location_recency"]["new"] + numbers["location_recency"]["returning"] > 0  # type: ignore[operator]


def test_rows_agree_with_the_captures_that_they_are_made_from(runner: Runner, lake: Lake) -> None:
    runner.day(EVERY)

    rows = {name: lake.read([partition(name)]) for name in EVERY}
    hashes = rows["visitors"].column("hashed_email").to_pylist()
    assert rows["visitor_recency"].column("hashed_email").to_pylist() == sorted(hashes)
    trends = rows["audience_trends"].to_pylist()
    members = rows["audience_members"].column("audience_id").to_pylist()
    assert {row["audience_id"]: row["size"] for row in trends} == {each: members.count(each) for each in members}
    labels = {row["id"]: row for row in rows["audiences"].to_pylist()}
    assert all(
        {name: row[name] for name in ("primary_category", "brand", "model")}.items()
        <= labels[row["audience_id"]].items()
        for row in trends
    )
    details = {row["id"]: row for row in rows["location_details"].to_pylist()}
    for row in rows["location_recency"].to_pylist():
        detail = details[row["id"]]
        names = {"score": "traffic_score", "stars": "traffic_score_stars", "sessions": "session_count"}
        assert {name: row[name] for name in names} == {name: detail[column] for name, column in names.items()}
        assert (row["first_visit"], row["city"], row["zip"]) == (detail["visit_first"], detail["city"], detail["zip"])
        opens = dt.datetime.combine(START, dt.time(), dt.UTC)
        assert row["standing"] == ("new" if detail["visit_first"] >= opens else "returning")


def test_what_is_shown_of_a_partition_holds_no_personal_data(runner: Runner, lake: Lake) -> None:
    runner.day(EVERY)

    for row in DERIVED:
        (recorded,) = runner.materializations(row.name)
        shown = repr(recorded)
        assert rows_of(recorded.metadata["preview"])
        for column in (column for column in row.columns if column.personal):
            values = {str(value) for value in lake.read([partition(row.name)]).column(column.name).to_pylist()}
            assert not any(value in shown for value in values - {"None"})


@pytest.mark.slow
def test_a_second_derivation_of_the_same_captures_has_the_same_content(
    runner: Runner, define: Define, lake: Lake
) -> None:
    runner.day(EVERY)
    before = {name: lake.footer(partition(name)) for name in DERIVED_NAMES}
    later = Runner(runner.instance, define(now=frozen(NOW + dt.timedelta(hours=1))))
    later.day(DERIVED_NAMES)

    for name in DERIVED_NAMES:
        footer = lake.footer(partition(name))
        assert footer["ignite.content_hash"] == before[name]["ignite.content_hash"]
        assert footer["ignite.derived_at"] != before[name]["ignite.derived_at"]


# What is missing.


@pytest.mark.slow
@ROW
def test_without_the_days_own_partition_it_fails_for_good_and_says_which(
    row: Derived, instance: dg.DagsterInstance, define: Define, lake: Lake, sandbox: SandboxServer
) -> None:
    runner = Runner(instance, define(retry_policy=dg.RetryPolicy(max_retries=2)))
    runner.day(LOOK_BACK, days_ago(2))
    sandbox.requests.clear()
    result = runner.day([row.name])

    assert not result.success
    assert reasons(result)[row.name] == (
        f"{YESTERDAY}|{ACME.key}: {row.main} {YESTERDAY}|{ACME.key} has not been captured: materialize it first"
    )
    assert retries(result) == 0
    assert not lake.exists(partition(row.name))
    assert list(sandbox.requests) == []


def test_what_fails_takes_only_what_is_derived_from_it_along(runner: Runner, sandbox: SandboxServer) -> None:
    sandbox.faults.add(Fault(endpoint="visitors", status=400))
    result = runner.day(EVERY)

    assert set(reasons(result)) == {"visitors"}
    assert {name: bool(runner.recorded(name)) for name in DERIVED_NAMES} == {
        "visitor_recency": False,
        "audience_trends": True,
        "location_recency": True,
    }


def test_a_day_that_was_never_captured_is_told_by_the_coverage_until_the_day_is_derived_again(
    runner: Runner, lake: Lake
) -> None:
    names = ["visitors", "visitor_recency"]
    runner.days(names, days_ago(4), days_ago(3))
    runner.days(names, days_ago(1), days_ago(1))
    assert float(lake.footer(partition("visitor_recency"))["ignite.coverage"]) == 0.3

    runner.day(names, days_ago(2))
    assert float(lake.footer(partition("visitor_recency", days_ago(2)))["ignite.coverage"]) == 3 / 9
    assert float(lake.footer(partition("visitor_recency"))["ignite.coverage"]) == 0.3  # not by itself

    runner.day(["visitor_recency"])
    assert float(lake.footer(partition("visitor_recency"))["ignite.coverage"]) == 0.4


def test_any_day_since_the_start_can_be_derived_however_old(runner: Runner, define: Define, lake: Lake) -> None:
    runner.day(LOOK_BACK, START)
    much_later = Runner(runner.instance, define(now=frozen(NOW + dt.timedelta(days=200))))

    assert much_later.day(DERIVED_NAMES, START).success
    assert all(lake.exists(partition(name, START)) for name in DERIVED_NAMES)


# Ranges.


@pytest.mark.slow
def test_a_ranged_run_derives_each_day_from_the_days_before_it(runner: Runner, lake: Lake) -> None:
    names = [*LOOK_BACK, *DERIVED_NAMES]
    assert runner.days(names, START, days_ago(6)).success

    for name in DERIVED_NAMES:
        assert runner.recorded(name) == [f"{days_ago(age)}|{ACME.key}" for age in range(10, 5, -1)]
        for each in lake.partitions(name):
            assert float(lake.footer(each)["ignite.coverage"]) == 1
    sizes = {
        day: {row["audience_id"]: row for row in lake.read([partition("audience_trends", day)]).to_pylist()}
        for day in (days_ago(7), days_ago(6))
    }
    for audience, row in sizes[days_ago(6)].items():
        before = sizes[days_ago(7)].get(audience, {"size": 0})
        assert row["size"] == before["size"] + row["joined"] - row["left"]


def test_a_day_of_a_range_that_fails_leaves_the_others_recorded(runner: Runner) -> None:
    for age in (10, 9, 7):
        runner.day(["visitors"], days_ago(age))
    result = runner.days(["visitor_recency"], days_ago(10), days_ago(7))

    assert not result.success
    assert reasons(result)["visitor_recency"] == (
        f"{days_ago(8)}|{ACME.key}: visitors {days_ago(8)}|{ACME.key} has not been captured: materialize it first"
    )
    assert runner.recorded("visitor_recency") == [f"{days_ago(age)}|{ACME.key}" for age in (10, 9, 7)]
    recorded = {m.partition: facts_of(m)["coverage"] for m in runner.materializations("visitor_recency")}
    assert recorded[f"{days_ago(7)}|{ACME.key}"] == 0.75


# How Dagster sees them.


def graph_of(settings: Settings) -> AssetGraph:
    return build_defs(settings).resolve_asset_graph()


@ROW
@pytest.mark.parametrize("age", [1, 9, 10])
def test_the_partitions_that_a_day_is_made_from_are_those_of_its_window(
    row: Derived, age: int, settings: Settings, instance: dg.DagsterInstance
) -> None:
    graph = graph_of(settings)
    view = AssetGraphView.for_test(build_defs(settings), instance, effective_dt=NOW)
    key = str(partition_key(days_ago(age), ACME.key))
    asset = dg.AssetKey(row.name)
    day = view.get_asset_subset_from_asset_partitions(asset, {AssetKeyPartitionKey(asset, key)})
    for each in row.inputs:
        parents, impossible = view.compute_parent_subset_and_required_but_nonexistent_subset(
            dg.AssetKey(each.asset), day
        )
        assert impossible.is_empty
        assert {parent.partition_key for parent in parents.expensively_compute_asset_partitions()} == {
            f"{days_ago(earlier)}|{ACME.key}" for earlier in range(age, 11)
        }
    assert graph.get(dg.AssetKey(row.name)).parent_keys == {dg.AssetKey(each.asset) for each in row.inputs}


@ROW
def test_every_derived_asset_is_described(row: Derived, settings: Settings) -> None:
    defs = build_defs(
        settings.model_copy(update={"assets": settings.assets.model_copy(update={"owners": ("team:data",)})})
    )
    node = defs.resolve_asset_graph().get(dg.AssetKey(row.name))

    assert node.group_name == "derived"
    assert set(node.kinds) == {"duckdb", "parquet"}
    assert node.owners == ["team:data"]
    assert node.tags["ignite/personal_data"] == ("false" if row.name == "audience_trends" else "true")
    assert "coverage" in (node.description or "")
    assert "the heal schedule derives it" in (node.description or "")
    schema = node.metadata["dagster/column_schema"]
    assert [column.name for column in schema.columns] == [*(c.name for c in row.columns), "derived_at"]
    assert all(column.description for column in schema.columns)


@ROW
def test_lineage_names_columns_that_there_are(row: Derived) -> None:
    names = {column.name for column in row.columns}
    assert set(row.lineage) <= names
    read = {(each.asset, column) for each in row.inputs for column in each.columns}
    assert {source for sources in row.lineage.values() for source in sources} <= read
    for asset, column in read:
        assert column in {each.name for each in by_name()[asset].columns}


def test_lineage_is_the_assets(defs: dg.Definitions) -> None:
    lineage = specs_of(defs)["visitor_recency"].metadata["dagster/column_lineage"].value
    assert isinstance(lineage, dg.TableColumnLineage)
    assert lineage.deps_by_column["hashed_email"] == [dg.TableColumnDep(dg.AssetKey("visitors"), "hashed_email")]


@ROW
def test_derived_assets_are_checked_for_their_keys_columns_coverage_and_freshness(
    row: Derived, settings: Settings
) -> None:
    keys = graph_of(settings).get_check_keys_for_assets({dg.AssetKey(row.name)})
    assert {key.name for key in keys} == {"sound", "usual", "fresh"}
    assert {criterion.name for criterion in criteria_of(row)} == {"keys", "columns", "coverage"}


# One table.


def test_adding_a_row_makes_an_asset(settings: Settings, instance: dg.DagsterInstance, lake: Lake) -> None:
    counts = replace(
        VISITOR_RECENCY,
        name="algos",
        columns=(replace(by_name()["visitors"].column("algo"), key=True), VISITOR_RECENCY.column("coverage")),
        sql="SELECT algo, getvariable('coverage') AS coverage FROM visitors GROUP BY algo ORDER BY algo",
        numbers="count(*) AS algos",
        sources={"algo": (("visitors", "algo"),)},
    )
    defs = build_defs(settings, derived=(*DERIVED, counts), now=frozen(NOW), retry_policy=None)
    runner = Runner(instance, defs)

    assert runner.day(["visitors", "algos"]).success
    assert lake.read([partition("algos")], ["algo", "coverage"]).to_pylist() == [
        {"algo": "sha2", "coverage": 0.1, "website": ACME.key, "date": YESTERDAY}
    ]
    assert facts_of(runner.materializations("algos")[0])["algos"] == 1
    assert {"nightly", "heal"} <= set(defs.get_repository_def().job_names)
    for job in ("nightly", "heal"):
        assert dg.AssetKey("algos") in defs.resolve_job_def(job).asset_layer.selected_asset_keys


def test_definitions_are_made_without_a_warning(settings: Settings) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        build_defs(settings, endpoints=ENDPOINTS)
