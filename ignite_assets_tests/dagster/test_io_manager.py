"""The IO manager as a user of the package meets it: in assets of their own, up and down the graph from ours."""

import datetime as dt
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import dagster as dg
import duckdb
import pandas as pd
import polars as pl
import pyarrow as pa
import pyarrow.dataset as pads
import pytest

from ignite_assets.config import Settings
from ignite_assets.dagster import private
from ignite_assets.dagster.io_manager import IO_MANAGER
from ignite_assets.dagster.partitions import build_partitions, partition_key
from ignite_assets.sandbox import SandboxServer
from ignite_assets.storage.lake import Lake, Selection
from ignite_assets_tests.built import build_defs, frozen
from ignite_assets_tests.conftest import (
    ACME,
    BAYSIDE,
    NOW,
    YESTERDAY,
    Runner,
    contents,
    days_ago,
    partition,
    reasons,
    retries,
)

TRAILING = dg.MultiPartitionMapping(
    {
        "date": dg.DimensionPartitionMapping("date", dg.TimeWindowPartitionMapping(start_offset=-2, end_offset=0)),
        "website": dg.DimensionPartitionMapping("website", dg.IdentityPartitionMapping()),
    }
)
"""Three days of the same website."""
Assets = Callable[..., Runner]


@pytest.fixture
def instance() -> Iterator[dg.DagsterInstance]:
    """An instance in memory: what is recorded is not the point here."""
    with dg.DagsterInstance.ephemeral() as instance:
        yield instance


@pytest.fixture
def with_assets(settings: Settings, instance: dg.DagsterInstance) -> Assets:
    """A runner of our assets and some of a user's."""

    def build(*assets: Any, retry_policy: dg.RetryPolicy | None = None) -> Runner:
        ours = build_defs(settings, now=frozen(NOW), retry_policy=retry_policy)
        return Runner(instance, dg.Definitions.merge(ours, dg.Definitions(assets=assets)))

    return build


class Seen:
    """What a user's asset was handed."""

    value: Any = None


def reader(
    seen: Seen, annotation: Any, partitions: dg.PartitionsDefinition[str], mapping: dg.PartitionMapping | None = None
) -> dg.AssetsDefinition:
    """An asset downstream of visitors whose input has an annotation."""

    def body(visitors: Any) -> None:
        seen.value = visitors

    body.__annotations__["visitors"] = annotation
    inputs = {"visitors": dg.AssetIn(partition_mapping=mapping)}
    return dg.asset(name="reader", partitions_def=partitions, ins=inputs)(body)


def rows_of(value: Any) -> list[dict[str, Any]]:
    """The rows that an input of any kind holds."""
    if isinstance(value, pd.DataFrame):
        value = pa.Table.from_pandas(value.drop(columns="captured_at"), preserve_index=False)
    elif isinstance(value, Selection):
        value = value.table()
    elif isinstance(value, pads.Dataset):
        value = value.to_table()
    elif isinstance(value, pl.LazyFrame | pl.DataFrame):
        value = value.lazy().collect().to_arrow()
    elif isinstance(value, duckdb.DuckDBPyRelation):
        value = value.to_arrow_table()
    rows: list[dict[str, Any]] = value.select(["hashed_email", "website", "date"]).to_pylist()
    return sorted(rows, key=lambda row: (row["date"], row["hashed_email"]))


ANNOTATIONS = pytest.mark.parametrize(
    ("annotation", "kind"),
    [
        (pa.Table, pa.Table),
        (pd.DataFrame, pd.DataFrame),
        (pads.Dataset, pads.Dataset),
        (Selection, Selection),
        (pl.DataFrame, pl.DataFrame),
        (pl.LazyFrame, pl.LazyFrame),
        (duckdb.DuckDBPyRelation, duckdb.DuckDBPyRelation),
        (Any, pa.Table),
    ],
)


@ANNOTATIONS
def test_one_partition_comes_as_its_annotation_asks_with_website_and_date(
    with_assets: Assets, settings: Settings, sandbox: SandboxServer, annotation: Any, kind: type
) -> None:
    seen = Seen()
    runner = with_assets(reader(seen, annotation, build_partitions(settings)))
    assert reasons(runner.day(["visitors", "reader"])) == {}
    assert isinstance(seen.value, kind)
    hashes = sandbox.world.visitors(ACME, YESTERDAY, NOW, "sha2")
    assert rows_of(seen.value) == [
        {"hashed_email": value, "website": ACME.key, "date": YESTERDAY} for value in sorted(hashes)
    ]


@ANNOTATIONS
def test_several_partitions_come_as_one(
    with_assets: Assets, settings: Settings, sandbox: SandboxServer, annotation: Any, kind: type
) -> None:
    seen = Seen()
    runner = with_assets(reader(seen, annotation, build_partitions(settings), TRAILING))
    runner.days(["visitors"], days_ago(3), YESTERDAY)
    assert reasons(runner.day(["reader"])) == {}
    assert isinstance(seen.value, kind)
    assert rows_of(seen.value) == [
        {"hashed_email": value, "website": ACME.key, "date": days_ago(age)}
        for age in (3, 2, 1)
        for value in sorted(sandbox.world.visitors(ACME, days_ago(age), NOW, "sha2"))
    ]


@ANNOTATIONS
def test_a_window_that_the_first_day_cuts_to_one_partition_still_has_website_and_date(
    with_assets: Assets, settings: Settings, annotation: Any, kind: type
) -> None:
    first = YESTERDAY
    late = settings.model_copy(update={"partitions": settings.partitions.model_copy(update={"start_date": first})})
    seen = Seen()
    ours = build_defs(late, now=frozen(NOW), retry_policy=None)
    theirs = dg.Definitions(assets=[reader(seen, annotation, build_partitions(late), TRAILING)])
    runner = Runner(with_assets().instance, dg.Definitions.merge(ours, theirs))
    assert reasons(runner.day(["visitors", "reader"], first)) == {}
    assert isinstance(seen.value, kind)
    assert {(row["website"], row["date"]) for row in rows_of(seen.value)} == {(ACME.key, first)}


def test_a_mapping_that_names_its_partitions_as_plain_text_finds_them(with_assets: Assets) -> None:
    seen = Seen()
    keys = [partition_key(YESTERDAY, site.key) for site in (ACME, BAYSIDE)]
    mapping = dg.SpecificPartitionsPartitionMapping([str(key) for key in keys])
    runner = with_assets(reader(seen, pa.Table, dg.StaticPartitionsDefinition(["all"]), mapping))
    for site in (ACME, BAYSIDE):
        runner.day(["visitors"], website=site.key)
    result = runner.defs.resolve_implicit_global_asset_job_def().execute_in_process(
        instance=runner.instance, asset_selection=[dg.AssetKey("reader")], partition_key="all", raise_on_error=False
    )
    # The asset returns nothing, so that its own partitions need no place in the lake.
    assert reasons(result) == {}
    assert {row["website"] for row in rows_of(seen.value)} == {ACME.key, BAYSIDE.key}


def test_a_partition_that_was_never_captured_fails_its_reader_with_one_line_and_no_retry(
    with_assets: Assets, settings: Settings
) -> None:
    policy = dg.RetryPolicy(max_retries=2, delay=0)
    line = (
        "2 of 3 partitions of visitors have not been captured, the first is 2026-11-17|acme-honda: materialize them "
        'first, or read those that are there with dagster.AssetIn(metadata={"allow_missing_partitions": True})'
    )
    for annotation in (pa.Table, pd.DataFrame, pads.Dataset):
        runner = with_assets(reader(Seen(), annotation, build_partitions(settings), TRAILING), retry_policy=policy)
        runner.day(["visitors"])
        result = runner.day(["reader"])
        assert reasons(result) == {"reader": line}
        assert retries(result) == 0


@pytest.mark.parametrize("annotation", [int, dict[str, pa.Table], str])
def test_an_annotation_that_can_not_be_loaded_is_named_with_those_that_can(
    with_assets: Assets, settings: Settings, annotation: Any
) -> None:
    runner = with_assets(reader(Seen(), annotation, build_partitions(settings)))
    error = str(reasons(runner.day(["visitors", "reader"]))["reader"])
    assert "ParquetIOManager loads pyarrow.Table, pyarrow.dataset.Dataset, pandas.DataFrame, polars.DataFrame" in error
    assert "the input is annotated" in error


def test_an_input_with_a_subset_of_columns_reads_those_alone(with_assets: Assets, settings: Settings) -> None:
    seen = Seen()
    runner = with_assets(reader(seen, Selection, build_partitions(settings)))
    runner.day(["locations", "visitors", "reader"])
    assert seen.value.table(["algo"]).schema.names == ["algo", "website", "date"]


TABLE = pa.table(
    {
        "name": ["a", "b", None],
        "flag": [True, None, False],
        "when": pa.array([dt.datetime(2026, 11, 19, tzinfo=dt.UTC), None, None], pa.timestamp("us", "UTC")),
        "nested": [{"x": [1, 2]}, None, {"x": []}],
    }
)


def stored(annotated: Any, make: Callable[[], object], partitions: dg.PartitionsDefinition[str]) -> Any:
    """A user's own asset that returns something to be stored."""

    def body() -> Any:
        return make()

    body.__annotations__["return"] = annotated
    return dg.asset(name="stored", partitions_def=partitions, io_manager_key=IO_MANAGER)(body)


MADE: Mapping[str, tuple[Any, Callable[[], object]]] = {
    "table": (pa.Table, lambda: TABLE),
    "dataset": (pads.Dataset, lambda: pads.dataset(TABLE)),
    "data frame": (pd.DataFrame, lambda: pd.DataFrame({"name": ["a", "b", None]}, index=[5, 6, 7])),
    "data frame of Polars": (pl.DataFrame, lambda: pl.DataFrame({"name": ["a", "b", None]})),
    "lazy data frame": (pl.LazyFrame, lambda: pl.LazyFrame({"name": ["a", "b", None]})),
    "relation": (duckdb.DuckDBPyRelation, lambda: duckdb.from_arrow(TABLE).select("name")),
    "anything": (Any, lambda: TABLE.slice(1)),
}


@pytest.mark.parametrize("kind", MADE)
def test_what_a_users_asset_returns_is_stored_as_a_partition_of_the_lake(
    with_assets: Assets, settings: Settings, lake: Lake, kind: str
) -> None:
    annotated, make = MADE[kind]
    runner = with_assets(stored(annotated, make, build_partitions(settings)))
    assert reasons(runner.day(["stored"])) == {}
    table = lake.read([partition("stored")])
    wanted = TABLE.slice(1) if kind == "anything" else TABLE if kind in ("table", "dataset") else TABLE.select(["name"])
    assert table.drop_columns(["website", "date"]).to_pylist() == wanted.to_pylist()
    (materialization,) = runner.materializations("stored")
    assert materialization.partition == "2026-11-19|acme-honda"
    assert materialization.metadata["dagster/row_count"].value == len(wanted)
    assert materialization.metadata["bytes"].value == lake.size(partition("stored"))
    assert materialization.metadata["path"].value == lake.location(partition("stored"))


@pytest.mark.parametrize("kind", [pa.Table, pd.DataFrame])
def test_an_input_can_be_returned_as_it_came(with_assets: Assets, settings: Settings, lake: Lake, kind: Any) -> None:
    def body(visitors: Any) -> Any:
        return visitors

    body.__annotations__ = {"visitors": kind, "return": kind}
    copy = dg.asset(name="copy", partitions_def=build_partitions(settings), io_manager_key=IO_MANAGER)(body)
    runner = with_assets(copy)
    assert reasons(runner.day(["visitors", "copy"])) == {}
    copied, original = lake.read([partition("copy")]), lake.read([partition("visitors")])
    assert copied.schema.names == original.schema.names
    assert copied.to_pylist() == original.to_pylist()


def test_a_value_that_is_no_table_is_refused_with_what_is_taken(with_assets: Assets, settings: Settings) -> None:
    runner = with_assets(stored(Any, lambda: [1, 2, 3], build_partitions(settings)))
    error = reasons(runner.day(["stored"]))["stored"]
    assert "stores pyarrow.Table, pyarrow.dataset.Dataset, pandas.DataFrame, " in error
    assert ", not list" in error


DAYS = [days_ago(3), days_ago(2), YESTERDAY]
KEYS = [f"{day}|{ACME.key}" for day in DAYS]
RANGED = pa.table({"n": [1, 2, 3], "date": pa.array([DAYS[0], DAYS[2], DAYS[2]]), "website": [ACME.key] * 3})


@pytest.mark.parametrize("kind", ["rows", "dict", "data frame"])
def test_a_ranged_run_stores_each_partition_with_its_own_count(
    with_assets: Assets, settings: Settings, lake: Lake, kind: str
) -> None:
    values = {
        "rows": RANGED,
        "data frame": pl.DataFrame(RANGED),
        "dict": {key: RANGED.slice(start, count) for key, start, count in zip(KEYS, (0, 1, 1), (1, 0, 2), strict=True)},
    }
    runner = with_assets(stored(Any, lambda: values[kind], build_partitions(settings)))
    assert reasons(runner.days(["stored"], DAYS[0], DAYS[-1])) == {}
    assert [lake.read([partition("stored", day)]).column("n").to_pylist() for day in DAYS] == [[1], [], [2, 3]]
    counts = {m.partition: m.metadata["dagster/row_count"].value for m in runner.materializations("stored")}
    assert counts == dict(zip(KEYS, (1, 0, 2), strict=True))


@pytest.mark.parametrize(
    ("value", "told"),
    [
        (TABLE, "return a dict of tables by partition key, or rows with ['website', 'date']"),
        ({KEYS[0]: TABLE}, f"one table for each of the run's partitions is wanted: {KEYS[1]}, {KEYS[2]}"),
        (RANGED.set_column(2, "website", [["other"] * 3]), "3 rows are of none of the run's partitions"),
    ],
)
def test_a_ranged_run_that_leaves_its_partitions_open_stores_none(
    with_assets: Assets, settings: Settings, lake: Lake, value: Any, told: str
) -> None:
    runner = with_assets(stored(Any, lambda: value, build_partitions(settings)))
    assert told in reasons(runner.days(["stored"], DAYS[0], DAYS[-1]))["stored"]
    assert runner.recorded("stored") == []
    assert lake.partitions("stored") == []


DAILY = dg.DailyPartitionsDefinition(str(DAYS[0]))


def own(key: list[str], partitions: dg.PartitionsDefinition[str] | None, make: Callable[..., Any]) -> Any:
    """An asset of a user's own that the lake holds."""
    policy = dg.BackfillPolicy.single_run() if partitions else None
    return dg.asset(key=key, partitions_def=partitions, io_manager_key=IO_MANAGER, backfill_policy=policy)(make)


def run(runner: Runner, *keys: str, **how: Any) -> dg.ExecuteInProcessResult:
    job = runner.defs.resolve_implicit_global_asset_job_def()
    return job.execute_in_process(
        instance=runner.instance,
        asset_selection=[dg.AssetKey.from_user_string(key) for key in keys],
        raise_on_error=False,
        **how,
    )


def test_keys_of_several_parts_are_stored_by_day_and_without_partitions_and_read_back(
    with_assets: Assets, lake: Lake
) -> None:
    seen = Seen()

    def daily(context: dg.AssetExecutionContext) -> pl.DataFrame:
        return pl.DataFrame({"date": list(map(dt.date.fromisoformat, context.partition_keys)), "n": 7})

    def total(daily: pl.LazyFrame) -> pl.LazyFrame:
        return daily.group_by("date").agg(pl.col("n").sum())

    def reader(total: duckdb.DuckDBPyRelation, daily: pa.Table) -> None:
        seen.value = total.fetchall(), daily.column("n").to_pylist()

    parts = ["marts", "daily"]
    runner = with_assets(
        own(parts, DAILY, daily),
        dg.asset(key=["marts", "total"], ins={"daily": dg.AssetIn(parts)}, io_manager_key=IO_MANAGER)(total),
        dg.asset(ins={"total": dg.AssetIn(["marts", "total"]), "daily": dg.AssetIn(parts)})(reader),
    )
    ranged = {private.RANGE_START: str(DAYS[0]), private.RANGE_END: str(DAYS[-1])}
    assert reasons(run(runner, "marts/daily", tags=ranged)) == {}
    missing = reasons(run(runner, "marts/total"))["marts__total"]
    assert "partitions of marts__daily have not been captured, the first is 2026-11-20:" in missing
    allowed = {"daily": dg.AssetIn(parts, metadata={"allow_missing_partitions": True})}
    runner = with_assets(
        own(parts, DAILY, daily),
        dg.asset(key=["marts", "total"], ins=allowed, io_manager_key=IO_MANAGER)(total),
        dg.asset(ins={"total": dg.AssetIn(["marts", "total"]), **allowed})(reader),
    )
    assert reasons(run(runner, "marts/total", "reader")) == {}
    rows, numbers = seen.value
    assert sorted(rows) == [(day, 7) for day in DAYS]
    assert numbers == [7, 7, 7]
    files = {path.relative_to(lake.root).as_posix() for path in Path(lake.root).rglob("*.parquet")}
    assert files == {"marts__total/part-0.parquet", *(f"marts__daily/date={day}/part-0.parquet" for day in DAYS)}


@pytest.mark.slow
@ANNOTATIONS
def test_an_unpartitioned_reader_that_allows_gaps_gets_what_is_there(
    with_assets: Assets, sandbox: SandboxServer, annotation: Any, kind: type
) -> None:
    seen = Seen()

    def reader(visitors: Any) -> None:
        seen.value = visitors

    reader.__annotations__["visitors"] = annotation
    allowed = {"visitors": dg.AssetIn(metadata={"allow_missing_partitions": True})}
    runner = with_assets(dg.asset(ins=allowed)(reader))
    assert reasons(run(runner, "reader")) == {}
    assert seen.value.partitions == () if annotation is Selection else rows_of(seen.value) == []
    runner.day(["visitors"])
    assert reasons(run(runner, "reader")) == {}
    assert isinstance(seen.value, kind)
    assert len(rows_of(seen.value)) == len(sandbox.world.visitors(ACME, YESTERDAY, NOW, "sha2"))


@pytest.mark.parametrize(
    "partitions",
    [dg.HourlyPartitionsDefinition("2026-11-19-00:00"), dg.StaticPartitionsDefinition(["a"])],
    ids=lambda each: type(each).__name__,
)
def test_partitions_that_the_lake_has_no_place_for_are_refused(
    with_assets: Assets, partitions: dg.PartitionsDefinition[str]
) -> None:
    runner = with_assets(own(["theirs"], partitions, lambda: TABLE))
    key = partitions.get_partition_keys()[0]
    error = reasons(run(runner, "theirs", partition_key=key))["theirs"]
    assert "stores partitions by date, by (date, website) as build_partitions has them, or none" in error


def test_an_own_asset_takes_the_place_of_no_captured_one(
    settings: Settings, instance: dg.DagsterInstance, lake: Lake
) -> None:
    ours = build_defs(settings, now=frozen(NOW), key_prefix="east")
    theirs = dg.asset(name="products", io_manager_key="east_ignite_lake")(lambda: TABLE)
    runner = Runner(instance, dg.Definitions.merge(ours, dg.Definitions(assets=[theirs])))
    assert "folder products holds what the platform answered" in reasons(run(runner, "products"))["products"]
    assert lake.folders() == []


def test_a_lake_that_can_not_be_written_to_fails_each_partition_and_is_tried_again(
    with_assets: Assets, settings: Settings
) -> None:
    Path(settings.root).write_text("a file where the lake should be")
    policy = dg.RetryPolicy(max_retries=1, delay=0)
    runner = with_assets(retry_policy=policy)
    result = runner.day(["visitors"])
    assert reasons(result)["visitors"].startswith("2026-11-19|acme-honda: ")
    assert "can't be stored" in reasons(result)["visitors"]
    assert retries(result) == 1


def test_a_partition_that_can_not_be_stored_costs_only_itself(runner: Runner, lake: Lake) -> None:
    blocked = Path(lake.location(partition("visitors", days_ago(2)))).parent
    blocked.parent.mkdir(parents=True)
    blocked.write_text("a file where a folder should be")
    result = runner.days(["visitors"], days_ago(3), YESTERDAY)
    assert reasons(result)["visitors"].startswith("2026-11-18|acme-honda: ")
    assert runner.recorded("visitors") == ["2026-11-17|acme-honda", "2026-11-19|acme-honda"]
    assert [found.date for found in lake.partitions("visitors")] == [days_ago(3), YESTERDAY]


def test_only_what_is_committed_is_in_the_lake(runner: Runner, lake: Lake) -> None:
    runner.day(["visitors", "locations"])
    assert sorted(contents(lake.root)) == [
        f"{name}/website=acme-honda/date=2026-11-19/part-0.parquet" for name in ("locations", "visitors")
    ]
