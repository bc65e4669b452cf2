"""What a translator changes, and what another code location that only reads is given."""

import datetime as dt
from collections.abc import Iterator

import dagster as dg
import pyarrow as pa
import pytest

import ignite_assets as ia
from ignite_assets.config import Settings
from ignite_assets.storage.lake import Lake
from ignite_assets_tests.built import build_defs, frozen
from ignite_assets_tests.conftest import ACME, EVERY, NOW, WEBSITES, YESTERDAY, Runner, partition, reasons


@pytest.fixture
def instance() -> Iterator[dg.DagsterInstance]:
    """An instance in memory."""
    with dg.DagsterInstance.ephemeral() as instance:
        yield instance


class Renamed(ia.IgniteTranslator):
    """Changes all that can be changed."""

    def get_asset_spec(self, props: ia.IgniteAssetProps) -> dg.AssetSpec:
        spec = super().get_asset_spec(props)
        return spec.replace_attributes(
            key=spec.key.with_prefix("bronze") if props.group == "look_back" else spec.key,
            group_name="marketing",
            owners=["team:growth"],
            description=f"{props.name} of the websites",
            tags={**spec.tags, "domain": "ads"},
            automation_condition=dg.AutomationCondition.eager() if props.group == "derived" else None,
        )

    def get_pool(self, props: ia.IgniteAssetProps) -> str | None:
        return "ignite" if props.table and props.group != "derived" else None


def test_a_translator_changes_what_the_assets_look_like(settings: Settings) -> None:
    defs = build_defs(settings, translator=Renamed())
    dg.Definitions.validate_loadable(defs)
    graph = defs.resolve_asset_graph()
    for name, path in (("visitors", ["bronze", "visitors"]), ("visitor_recency", ["visitor_recency"])):
        node = graph.get(dg.AssetKey(path))
        assert (node.group_name, node.owners, node.tags["domain"]) == ("marketing", ["team:growth"], "ads")
        assert node.description == f"{name} of the websites"
        assert node.tags["dagster/kind/parquet"] == ""
        assert (node.automation_condition is not None) == (name == "visitor_recency")
        assert node.pools == ({"ignite"} if name == "visitors" else set())


def test_what_depends_on_a_renamed_asset_depends_on_its_new_key(settings: Settings) -> None:
    graph = build_defs(settings, translator=Renamed()).resolve_asset_graph()
    visitors = dg.AssetKey(["bronze", "visitors"])
    assert graph.get(dg.AssetKey("visitor_recency")).parent_keys == {visitors}
    assert visitors in graph.get(dg.AssetKey("website_report")).parent_keys
    assert len(graph.get_all_asset_keys()) == len(EVERY) + 1
    assert {key.asset_key for key in graph.asset_check_keys if key.name == "fresh"} == {
        key for key in graph.get_all_asset_keys() if key != dg.AssetKey("website_report")
    }


def test_a_renamed_asset_is_captured_derived_from_and_read_in_its_usual_folder(
    settings: Settings, instance: dg.DagsterInstance, lake: Lake
) -> None:
    defs = build_defs(settings, translator=Renamed(), now=frozen(NOW), retry_policy=None)
    nightly = defs.resolve_job_def("nightly")
    result = nightly.execute_in_process(
        instance=instance, partition_key=f"{YESTERDAY}|{ACME.key}", raise_on_error=False
    )
    assert reasons(result) == {}
    assert all(lake.exists(partition(name)) for name in EVERY)


def test_a_code_location_that_only_reads_loads_what_the_specs_name(
    settings: Settings, instance: dg.DagsterInstance, lake: Lake
) -> None:
    here = build_defs(settings, now=frozen(NOW), retry_policy=None, key_prefix="east")
    capture = Runner(instance, here).defs.resolve_implicit_global_asset_job_def()
    key = f"{YESTERDAY}|{ACME.key}"
    chosen = [dg.AssetKey(["east", "visitors"])]
    assert capture.execute_in_process(instance=instance, partition_key=key, asset_selection=chosen).success

    @dg.asset(
        partitions_def=ia.build_partitions(settings), ins={"visitors": dg.AssetIn(dg.AssetKey(["east", "visitors"]))}
    )
    def visitor_count(visitors: pa.Table) -> None:
        assert visitors.num_rows == lake.read([partition("visitors")]).num_rows > 0

    named = settings.in_dagster(key_prefix="east", name_prefix=None)
    specs = [spec.with_io_manager_key("lake") for spec in ia.asset_specs(named)]
    reading = dg.Definitions(
        assets=[*specs, visitor_count], resources={"lake": ia.ParquetIOManager(root=settings.root)}
    )
    graph = reading.resolve_asset_graph()
    assert graph.materializable_asset_keys == {dg.AssetKey("visitor_count")}
    assert graph.get(dg.AssetKey(["east", "visitors"])).group_name == "east_look_back"
    job = reading.resolve_implicit_global_asset_job_def()
    assert reasons(job.execute_in_process(instance=instance, partition_key=key, raise_on_error=False)) == {}


class Automatic(ia.IgniteTranslator):
    """Declarative Automation in the place of the schedules."""

    def get_asset_spec(self, props: ia.IgniteAssetProps) -> dg.AssetSpec:
        nightly = dg.AutomationCondition.on_cron("30 0 * * *")
        eager = dg.AutomationCondition.eager()
        if props.name == "visitor_recency":
            eager = eager.without(~dg.AutomationCondition.any_deps_missing())
        condition = eager if props.group == "derived" else nightly
        return super().get_asset_spec(props).replace_attributes(automation_condition=condition)


def test_automation_asks_for_the_newest_day_alone_and_derives_in_the_same_tick_where_gaps_may_be(
    settings: Settings, instance: dg.DagsterInstance
) -> None:
    defs = build_defs(settings, translator=Automatic(), now=frozen(NOW), retry_policy=None)
    noon = NOW.replace(hour=12, minute=0, second=0)
    before = dg.evaluate_automation_conditions(defs, instance, evaluation_time=noon - dt.timedelta(days=4))
    assert before.total_requested == 0
    after = dg.evaluate_automation_conditions(defs, instance, evaluation_time=noon, cursor=before.cursor)
    asked = {name: after.get_requested_partitions(dg.AssetKey(name)) for name in EVERY}
    newest = {f"{YESTERDAY}|{site.key}" for site in WEBSITES}
    assert asked["visitors"] == newest, "the three days before it stay missing"
    assert asked["visitor_recency"] == newest
    assert asked["location_recency"] == set(), "the window has days that are missing"
