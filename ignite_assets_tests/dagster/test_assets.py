"""The assets, materialized by Dagster from the sandbox over HTTP: what they are, what they hold, how they fail."""

import datetime as dt
import json
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import dagster as dg
import pytest

from ignite_assets.api.endpoints import CAPTURED_AT, ENDPOINTS, EXTRA, Endpoint, Ids, by_name
from ignite_assets.api.table import ALGOS, Algo, Column, ColumnType
from ignite_assets.config import Settings, load_settings
from ignite_assets.dagster.failures import failed_partitions
from ignite_assets.dagster.landing import recorded_hash
from ignite_assets.dagster.metadata import MASK
from ignite_assets.dagster.partitions import partition_key
from ignite_assets.dagster.private import PARTITION, RANGE_END, RANGE_START
from ignite_assets.sandbox import Fault, SandboxServer, SandboxWebsite, World
from ignite_assets.storage.lake import Lake
from ignite_assets_tests.built import build_defs, frozen
from ignite_assets_tests.conftest import (
    ACME,
    BAYSIDE,
    CURRENT_STATE,
    EVERY,
    LOOK_BACK,
    NAMES,
    NOW,
    SUMMIT,
    WEBSITES,
    YESTERDAY,
    Define,
    Runner,
    config_text,
    contents,
    days_ago,
    partition,
    reasons,
    retries,
    variable,
)
from ignite_assets_tests.dagster.test_metadata import rows_of

Rows = list[dict[str, Any]]


# What they are.


def specs_of(defs: dg.Definitions) -> dict[str, dg.AssetSpec]:
    return {spec.key.to_user_string(): spec for spec in defs.resolve_all_asset_specs()}


@pytest.mark.parametrize("endpoint", ENDPOINTS, ids=lambda endpoint: endpoint.name)
def test_each_row_of_the_table_is_an_asset_that_tells_what_it_is(define: Define, endpoint: Endpoint) -> None:
    spec = specs_of(define())[endpoint.name]
    assert spec.description == endpoint.description
    assert spec.group_name == endpoint.history
    assert spec.kinds == {"api", "parquet"}
    assert spec.tags["ignite/history"] == endpoint.history
    assert spec.tags["ignite/personal_data"] == ("true" if endpoint.personal else "false")
    assert spec.metadata["endpoint"] == f"GET {endpoint.path}"
    assert spec.metadata["documentation"].url == endpoint.documentation_url
    assert spec.metadata["dagster/uri"].startswith("file:///")
    assert spec.metadata["dagster/uri"].endswith(f"/lake/{endpoint.name}")
    assert isinstance(spec.partitions_def, dg.MultiPartitionsDefinition)
    columns = spec.metadata["dagster/column_schema"].columns
    assert [column.name for column in columns] == [*(column.name for column in endpoint.columns), CAPTURED_AT.name]
    assert [column.description for column in columns] == [
        *(column.description for column in endpoint.columns),
        CAPTURED_AT.description,
    ]
    assert {c.name for c in columns if c.tags.get("ignite/personal_data")} == {
        c.name for c in endpoint.columns if c.personal
    }


def test_there_is_no_asset_without_a_row(define: Define) -> None:
    ours = [name for name, spec in specs_of(define()).items() if "ignite/history" in spec.tags]
    assert sorted(ours) == sorted(NAMES)


def test_owners_are_those_of_the_configuration(config_file: Path) -> None:
    owners = '[assets]\nowners = ["team:data", "ann@agency.example"]\n'
    config_file.write_text(config_file.read_text() + owners)
    specs = specs_of(build_defs(load_settings(config_file)))
    assert [list(specs[name].owners) for name in NAMES] == [["team:data", "ann@agency.example"]] * 9


def test_location_details_depend_on_locations_and_nothing_else_depends_on_anything(define: Define) -> None:
    specs = specs_of(define())
    upstream = {name: [dep.asset_key.to_user_string() for dep in specs[name].deps] for name in NAMES}
    assert upstream == {name: ["locations"] if name == "location_details" else [] for name in NAMES}


# What they hold.


def picked(records: list[Any], *names: str) -> Rows:
    return [{name: record.get(name) for name in names} for record in records]


def truth(world: World, site: SandboxWebsite, day: dt.date, algo: Algo) -> dict[str, Callable[[], Rows]]:
    """What each asset must hold, from the world itself: every column whose value stands in the answer as it is."""

    def of_hashes(hashes: list[str], **more: Any) -> Rows:
        return [{**more, "hashed_email": value, "algo": algo} for value in hashes]

    def products() -> Rows:
        found = picked(world.products(site, day, NOW), "title", "vin", "make", "stock", "trim")
        urls = [str(product["url"]).strip("<>") for product in world.products(site, day, NOW)]
        return [{**row, "url": url} for row, url in zip(found, urls, strict=True)]

    place = ("id", "latitude", "longitude", "street", "city", "state", "zip", "resident")

    def details() -> Rows:
        ids = sorted(int(str(record["id"])) for record in world.locations(site, day, NOW))
        found: list[Any] = [world.location_details(site, number, NOW, algo) for number in ids]
        summaries = picked([record["summary"] for record in found], "session_count", "top_product_segment")
        whole = picked(found, *place, "hashed_emails", "pages")
        return [{**row, **summary, "algo": algo} for row, summary in zip(whole, summaries, strict=True)]

    def members(column: str, parents: Rows, of: Callable[..., list[str]]) -> Rows:
        ids = sorted(parent["id"] for parent in parents)
        return [row for each in ids for row in of_hashes(of(site, each, day, NOW, algo), **{column: each})]

    def sales() -> Rows:
        answer = world.sales(site, NOW)
        kinds = (("sale", "sales"), ("matched_sale", "matched_sales"))
        return [{"kind": kind, "record": record} for kind, name in kinds for record in answer[name]]

    audiences, groups = world.audiences(site, NOW), world.audience_groups(site, NOW)
    return {
        "visitors": lambda: of_hashes(world.visitors(site, day, NOW, algo)),
        "products": products,
        "locations": lambda: picked(world.locations(site, day, NOW), *place),
        "location_details": details,
        "audiences": lambda: picked(audiences, "id", "primary_category", "brand", "model", "visitors_count"),
        "audience_members": lambda: members("audience_id", audiences, world.audience_members),
        "audience_groups": lambda: picked(groups, "id", "label", "primary_categories", "brands", "visitors_count"),
        "audience_group_members": lambda: members("audience_group_id", groups, world.audience_group_members),
        "sales": sales,
    }


def held(lake: Lake, name: str, day: dt.date, columns: list[str]) -> Rows:
    """The rows of a partition, JSON read."""
    rows: Rows = lake.read([partition(name, day)]).select(columns).to_pylist()
    json_columns = {column.name for column in by_name()[name].columns if column.type == "json"}
    return [{k: json.loads(v) if k in json_columns and v else v for k, v in row.items()} for row in rows]


@pytest.mark.parametrize("algo", ALGOS)
def test_every_asset_holds_what_the_platform_answers_in_each_algorithm(
    config_file: Path, sandbox: SandboxServer, instance: dg.DagsterInstance, algo: Algo
) -> None:
    config_file.write_text(config_text(sandbox.url, WEBSITES, platform=f'algo = "{algo}"'))
    settings = load_settings(config_file)
    runner = Runner(instance, build_defs(settings, now=frozen(NOW), retry_policy=None))
    assert reasons(runner.day(NAMES)) == {}
    for name, rows in truth(sandbox.world, ACME, YESTERDAY, algo).items():
        wanted = rows()
        assert wanted, name
        assert held(Lake(settings.root), name, YESTERDAY, list(wanted[0])) == wanted, name


@pytest.mark.slow
@pytest.mark.parametrize("age", [2, 7, 30, 60])
def test_look_back_assets_hold_everyone_seen_since_their_date(
    runner: Runner, lake: Lake, sandbox: SandboxServer, age: int
) -> None:
    day = days_ago(age)
    assert reasons(runner.day(LOOK_BACK, day)) == {}
    rows = truth(sandbox.world, ACME, day, "sha2")
    for name in LOOK_BACK:
        wanted = rows[name]()
        assert wanted, name
        assert held(lake, name, day, list(wanted[0])) == wanted, name


def test_a_website_may_have_an_algorithm_of_its_own(
    config_file: Path, sandbox: SandboxServer, instance: dg.DagsterInstance
) -> None:
    text = config_text(sandbox.url, [ACME, BAYSIDE])
    config_file.write_text(f'{text}\nalgo = "md5"\n')
    settings = load_settings(config_file)
    runner = Runner(instance, build_defs(settings, now=frozen(NOW), retry_policy=None))
    for site in (ACME, BAYSIDE):
        runner.day(["visitors"], website=site.key)
    lake = Lake(settings.root)
    for site, algo in ((ACME, "sha2"), (BAYSIDE, "md5")):
        table = lake.read([partition("visitors", website=site.key)])
        assert set(table.column("algo").to_pylist()) == {algo}
        assert lake.footer(partition("visitors", website=site.key))["ignite.algo"] == algo


def test_what_the_columns_do_not_hold_is_kept_in_extra(runner: Runner, lake: Lake, sandbox: SandboxServer) -> None:
    runner.day(["products"])
    known = {column.name for column in by_name()["products"].columns}

    def fits(name: str, value: object) -> bool:
        return name in known and (name != "year" or value is None or str(value).isdigit())

    unknown = [
        {name: value for name, value in record.items() if not fits(name, value)} or None
        for record in sandbox.world.products(ACME, YESTERDAY, NOW)
    ]
    assert any(unknown)
    assert [row["extra"] for row in held(lake, "products", YESTERDAY, ["extra"])] == unknown


def test_nobody_in_the_window_is_a_good_answer_without_rows(runner: Runner, lake: Lake, sandbox: SandboxServer) -> None:
    sandbox.faults.add(Fault(endpoint="visitors", body=b"[]"), Fault(endpoint="locations", body=b"[]"))
    assert reasons(runner.day(["visitors", "locations", "location_details"])) == {}
    for name in ("visitors", "locations", "location_details"):
        table = lake.read([partition(name)])
        assert len(table) == 0
        assert table.schema.names[:-2] == [*(c.name for c in by_name()[name].columns), CAPTURED_AT.name]


def test_the_file_says_what_it_is(runner: Runner, lake: Lake) -> None:
    runner.day(["visitors"])
    footer = lake.footer(partition("visitors"))
    assert footer["ignite.endpoint"] == "visitors"
    assert footer["ignite.website"] == ACME.key
    assert footer["ignite.look_back_date"] == YESTERDAY.isoformat()
    assert footer["ignite.captured_at"] == NOW.isoformat()
    assert footer["ignite.algo"] == "sha2"
    assert int(footer["ignite.rows"]) == len(lake.read([partition("visitors")]))


# What Dagster knows of a partition.


def test_dagster_knows_each_partitions_facts(runner: Runner, lake: Lake, sandbox: SandboxServer) -> None:
    runner.day(NAMES)
    asked = Counter(request.endpoint for request in sandbox.requests)
    lists = {"audience_members": "audiences", "audience_group_members": "audience_groups"}
    for name in NAMES:
        (materialization,) = runner.materializations(name)
        facts: dict[str, Any] = {key: value.value for key, value in materialization.metadata.items()}
        where = partition(name)
        assert materialization.partition == "2026-11-19|acme-honda"
        assert facts["dagster/row_count"] == len(lake.read([where]))
        assert facts["bytes"] == lake.size(where)
        assert facts["path"] == lake.location(where)
        assert facts["captured_at"] == NOW.timestamp()
        assert facts["requests"] == asked[name] - (name in lists.values()) + (name in lists), name
        assert facts.get("coercions", 0) == sum(facts.get("coercions_by_column", {}).values())
        assert not {"retries", "vanished", "misfits"} & facts.keys()  # there were none
        assert recorded_hash(materialization) == lake.footer(where)["ignite.content_hash"]


def test_values_that_do_not_fit_are_counted_by_column(runner: Runner, sandbox: SandboxServer) -> None:
    sandbox.faults.add(Fault(endpoint="products", body=b'[{"vin": "1", "year": "unknown"}, {"vin": "2", "year": "x"}]'))
    runner.day(["products"])
    (materialization,) = runner.materializations("products")
    assert materialization.metadata["coercions"].value == 2
    assert materialization.metadata["coercions_by_column"].value == {"year": 2}


def test_an_entity_that_vanishes_between_list_and_details_is_counted(
    runner: Runner, lake: Lake, sandbox: SandboxServer
) -> None:
    gone = int(str(sandbox.world.audiences(ACME, NOW)[0]["id"]))
    sandbox.faults.add(Fault(endpoint="audience_members", id=gone, status=404))
    assert reasons(runner.day(["audience_members"])) == {}
    (materialization,) = runner.materializations("audience_members")
    assert materialization.metadata["vanished"].value == 1
    assert gone not in lake.read([partition("audience_members")]).column("audience_id").to_pylist()


def test_the_preview_shows_the_first_rows_with_personal_data_masked(runner: Runner, sandbox: SandboxServer) -> None:
    runner.day(["locations"])
    preview = runner.materializations("locations")[0].metadata["preview"]
    first, *_ = rows_of(preview)
    truth = sandbox.world.locations(ACME, YESTERDAY, NOW)[0]
    assert first["id"] == str(truth["id"])
    assert first["city"] == truth["city"]
    assert {name for name, value in first.items() if value == MASK} == {
        "latitude",
        "longitude",
        "street",
        "resident",
    }


def test_nothing_that_dagster_stores_holds_personal_data_or_credentials(
    runner: Runner, sandbox: SandboxServer, tmp_path: Path, lake: Lake
) -> None:
    runner.day(NAMES)
    sandbox.faults.add(Fault(endpoint="locations", body=b'{"resident": "JANE ROE", "street": "1 Elm St"}'))
    runner.day(["locations"])
    since = days_ago(60)
    people = sandbox.world.locations(ACME, since, NOW)
    private = {str(person[field]) for person in people for field in ("resident", "street") if person.get(field)}
    for algo in ALGOS:
        private.update(sandbox.world.visitors(ACME, since, NOW, algo))
    private |= {*sandbox.world.addresses(ACME, since, NOW), ACME.token, ACME.secret, "JANE ROE", "1 Elm St"}
    stored = b"".join(contents(str(tmp_path / "dagster_home")).values())
    assert b"row_count" in stored
    assert [word for word in private if word.encode() in stored] == []
    assert any(word.encode() in b"".join(contents(lake.root).values()) for word in private)


def test_equal_content_is_an_equal_data_version_however_often_it_is_captured(
    runner: Runner, define: Define, instance: dg.DagsterInstance
) -> None:
    runner.day(NAMES)
    later = define(now=frozen(NOW + dt.timedelta(seconds=20)))
    Runner(instance, later).day([name for name in NAMES if name != "products"])
    for name in NAMES:
        versions = [(each.tags or {})["dagster/data_version"] for each in runner.materializations(name)]
        assert len(versions) == (1 if name == "products" else 2)
        assert len(set(versions)) == 1, name


def test_other_content_is_another_data_version(runner: Runner) -> None:
    runner.day(["visitors"])
    runner.day(["visitors"], days_ago(2))
    versions = [(each.tags or {})["dagster/data_version"] for each in runner.materializations("visitors")]
    assert len(set(versions)) == 2


# What they refuse.

WITH_RETRIES = dg.RetryPolicy(max_retries=2, delay=0)


@pytest.mark.parametrize(
    ("names", "age", "why"),
    [
        (LOOK_BACK, 61, "2026-09-20 is 61 days back, beyond the platform's look-back window of 60 days"),
        (CURRENT_STATE, 2, "only tells the present, and 2026-11-18 is not the day that just closed (2026-11-19)"),
    ],
    ids=["look-back", "current state"],
)
def test_a_date_that_can_not_be_asked_for_fails_before_any_request_and_touches_nothing(
    define: Define,
    instance: dg.DagsterInstance,
    sandbox: SandboxServer,
    lake: Lake,
    names: tuple[str, ...],
    age: int,
    why: str,
) -> None:
    day = days_ago(age)
    captured_then = define(now=frozen(NOW - dt.timedelta(days=age - 1)))
    Runner(instance, captured_then).day(names, day)
    before = contents(lake.root)
    assert len(before) == len(names)
    sandbox.requests.clear()
    result = Runner(instance, define(retry_policy=WITH_RETRIES)).day(names, day)
    found = reasons(result)
    independent = set(names) - {"location_details"}
    assert set(found) == independent
    assert all(why in reason and reason.startswith(f"{day}|acme-honda: ") for reason in found.values())
    assert retries(result) == 0
    assert len(sandbox.requests) == 0
    assert contents(lake.root) == before


def test_location_details_refuse_an_old_date_before_any_request(
    runner: Runner, define: Define, sandbox: SandboxServer
) -> None:
    day = days_ago(61)
    Runner(runner.instance, define(now=frozen(NOW - dt.timedelta(days=60)))).day(["locations"], day)
    sandbox.requests.clear()
    assert "61 days back" in reasons(runner.day(["location_details"], day))["location_details"]
    assert len(sandbox.requests) == 0


def test_location_details_without_their_locations_say_what_is_missing(runner: Runner, sandbox: SandboxServer) -> None:
    result = runner.day(["location_details"])
    assert reasons(result) == {
        "location_details": "2026-11-19|acme-honda: locations 2026-11-19|acme-honda has not been captured: "
        "materialize it first"
    }
    assert len(sandbox.requests) == 0


def test_a_failure_lists_each_partition_with_its_status(runner: Runner) -> None:
    result = runner.day(["visitors"], days_ago(61))
    (failed,) = (event for event in result.all_events if event.is_step_failure)
    record = failed_partitions(failed)["2026-09-20|acme-honda"]
    assert (record.kind, record.refused) == ("DateRefusedError", True)


# How they fail.


def test_a_website_with_wrong_credentials_fails_with_one_line_and_the_others_land(
    runner: Runner, lake: Lake, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(variable(BAYSIDE.key, "secret"), "not-the-secret")
    results = {site.key: runner.day(["visitors"], website=site.key) for site in WEBSITES}
    assert reasons(results[ACME.key]) == reasons(results[SUMMIT.key]) == {}
    (line,) = reasons(results[BAYSIDE.key])["visitors"].splitlines()
    assert line.startswith("2026-11-19|bayside-kia: visitors: ")
    assert line.endswith("(status 401, 1 try); check the values of BAYSIDE_KIA_TOKEN and BAYSIDE_KIA_SECRET")
    assert [found.website for found in lake.partitions("visitors")] == [ACME.key, SUMMIT.key]


def test_a_missing_environment_variable_fails_its_website_alone_and_is_named(
    runner: Runner, lake: Lake, sandbox: SandboxServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("BAYSIDE_KIA_TOKEN")
    results = {site.key: runner.day(["visitors", "audiences"], website=site.key) for site in WEBSITES}
    assert reasons(results[ACME.key]) == reasons(results[SUMMIT.key]) == {}
    for reason in reasons(results[BAYSIDE.key]).values():
        assert "the environment variable BAYSIDE_KIA_TOKEN is not set or empty" in reason
    assert set(reasons(results[BAYSIDE.key])) == {"visitors", "audiences"}
    assert [found.website for found in lake.partitions("visitors")] == [ACME.key, SUMMIT.key]
    assert {request.website for request in sandbox.requests} == {ACME.key, SUMMIT.key}


@pytest.mark.parametrize(
    ("fault", "tries"),
    [
        (Fault(endpoint="visitors", status=503), 3),
        (Fault(endpoint="visitors", cut="reset"), 3),
        (Fault(endpoint="visitors", body=b"<html>"), 3),
        (Fault(endpoint="visitors", status=401), 1),
        (Fault(endpoint="visitors", body=b"{}"), 1),
        (Fault(endpoint="visitors", body=b"null"), 1),
        (Fault(endpoint="visitors", status=302, headers={"Location": "/elsewhere"}), 1),
    ],
    ids=["503", "reset", "not JSON", "401", "object", "null", "redirect"],
)
def test_only_what_another_try_can_help_is_tried_again_and_the_old_file_stays(
    define: Define, instance: dg.DagsterInstance, sandbox: SandboxServer, lake: Lake, fault: Fault, tries: int
) -> None:
    runner = Runner(instance, define(retry_policy=WITH_RETRIES))
    runner.day(["visitors"])
    before = contents(lake.root)
    sandbox.requests.clear()
    sandbox.faults.add(fault)
    result = runner.day(["visitors"])
    assert not result.success
    assert retries(result) == tries - 1
    assert len(sandbox.requests) == tries
    assert contents(lake.root) == before
    assert len(runner.materializations("visitors")) == 1


def test_a_step_that_is_tried_again_lands_when_the_platform_has_recovered(
    define: Define, instance: dg.DagsterInstance, sandbox: SandboxServer
) -> None:
    runner = Runner(instance, define(retry_policy=WITH_RETRIES))
    sandbox.faults.add(Fault(endpoint="visitors", status=503, times=2))
    result = runner.day(["visitors"])
    assert result.success
    assert retries(result) == 2
    assert runner.recorded("visitors") == ["2026-11-19|acme-honda"]


def test_an_asset_that_fails_leaves_the_others_of_the_run_alone(runner: Runner, sandbox: SandboxServer) -> None:
    sandbox.faults.add(Fault(endpoint="locations", status=500))
    result = runner.day(NAMES)
    assert set(reasons(result)) == {"locations"}
    landed = {name for name in NAMES if runner.recorded(name)}
    assert landed == set(NAMES) - {"locations", "location_details"}


# Several dates in one run.


def test_a_ranged_run_records_each_date_once_with_its_own_facts(runner: Runner, lake: Lake) -> None:
    result = runner.days(LOOK_BACK, days_ago(4), YESTERDAY)
    assert reasons(result) == {}
    for name in LOOK_BACK:
        assert runner.recorded(name) == [f"{days_ago(age)}|acme-honda" for age in (4, 3, 2, 1)]
        for materialization in runner.materializations(name):
            day = dt.date.fromisoformat(str(materialization.partition)[:10])
            facts = materialization.metadata
            assert facts["path"].value == lake.location(partition(name, day))
            assert facts["dagster/row_count"].value == len(lake.read([partition(name, day)]))
            assert recorded_hash(materialization) == lake.footer(partition(name, day))["ignite.content_hash"]


def test_a_ranged_run_asks_for_each_location_once_however_many_dates_list_it(
    runner: Runner, sandbox: SandboxServer
) -> None:
    runner.days(["locations", "location_details"], days_ago(10), YESTERDAY)
    asked = Counter(request.id for request in sandbox.requests.of("location_details"))
    assert set(asked) == {record["id"] for record in sandbox.world.locations(ACME, days_ago(10), NOW)}
    assert set(asked.values()) == {1}


def test_a_date_that_fails_in_a_ranged_run_costs_only_itself(
    runner: Runner, lake: Lake, sandbox: SandboxServer
) -> None:
    sandbox.faults.add(Fault(endpoint="visitors", status=500, times=1))
    result = runner.days(["visitors"], days_ago(4), YESTERDAY)
    (reason,) = reasons(result)["visitors"].splitlines()
    key, _, why = reason.partition(": ")
    assert why == "visitors: the platform failed (status 500, 1 try)"
    good = [days_ago(age) for age in (4, 3, 2, 1) if f"{days_ago(age)}|acme-honda" != key]
    assert len(good) == 3
    assert runner.recorded("visitors") == [f"{day}|acme-honda" for day in good]
    assert [found.date for found in lake.partitions("visitors")] == good
    for materialization in runner.materializations("visitors"):
        day = dt.date.fromisoformat(str(materialization.partition)[:10])
        assert materialization.metadata["path"].value == lake.location(partition("visitors", day))
        tags = materialization.tags or {}
        assert tags["dagster/data_version"] == lake.footer(partition("visitors", day))["ignite.content_hash"]
        assert tags["dagster/partition/website"] == ACME.key
        assert tags["dagster/partition/date"] == day.isoformat()
    assert [event.step_key for event in result.get_step_failure_events()] == ["visitors"]


def test_a_ranged_run_that_reaches_beyond_the_window_lands_what_is_within(runner: Runner) -> None:
    result = runner.days(["visitors"], days_ago(62), days_ago(59))
    assert [line[:10] for line in reasons(result)["visitors"].splitlines()] == ["2026-09-19", "2026-09-20"]
    assert runner.recorded("visitors") == ["2026-09-21|acme-honda", "2026-09-22|acme-honda"]


def test_a_run_told_to_skip_captures_only_what_the_lake_lacks(
    runner: Runner, lake: Lake, sandbox: SandboxServer
) -> None:
    assets, first = ["locations", "location_details"], days_ago(3)
    runner.days(assets, first, YESTERDAY)
    missing = partition("locations", days_ago(2))
    before = {each: lake.footer(each)["ignite.content_hash"] for each in lake.partitions("locations")}
    Path(lake.location(missing)).unlink()
    sandbox.requests.clear()

    assert runner.days(assets, first, YESTERDAY, skip_captured=True).success

    assert [(each.endpoint, each.date) for each in sandbox.requests] == [("locations", str(days_ago(2)))]
    told = runner.materializations("locations")[3:]
    assert {each.partition for each in told if "skipped" in each.metadata} == {
        f"{first}|{ACME.key}",
        f"{YESTERDAY}|{ACME.key}",
    }
    hashes = {each.partition: recorded_hash(each) for each in told}
    assert hashes == {f"{each.date}|{each.website}": content for each, content in before.items()}


def test_what_a_run_skips_is_recorded_when_the_rest_fails(runner: Runner, sandbox: SandboxServer) -> None:
    runner.day(["visitors"])
    sandbox.faults.add(Fault(endpoint="visitors", status=400))

    assert not runner.days(["visitors"], days_ago(2), YESTERDAY, skip_captured=True).success

    assert runner.recorded("visitors") == [f"{YESTERDAY}|{ACME.key}"] * 2


def test_a_retry_of_a_ranged_run_asks_for_what_failed_alone(
    define: Define, instance: dg.DagsterInstance, sandbox: SandboxServer
) -> None:
    runner = Runner(instance, define(retry_policy=WITH_RETRIES))
    sandbox.faults.add(Fault(endpoint="visitors", status=503, times=1))
    result = runner.days(["visitors"], days_ago(3), YESTERDAY)
    assert result.success
    assert retries(result) == 1
    assert len(sandbox.requests.of("visitors")) == 4
    assert set(runner.recorded("visitors")) == {f"{days_ago(age)}|{ACME.key}" for age in (1, 2, 3)}


def test_a_run_of_several_websites_lands_each_and_refused_credentials_cost_one_website_alone(
    runner: Runner, lake: Lake, sandbox: SandboxServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(variable(BAYSIDE.key, "secret"), "wrong")
    result = runner.days(["visitors", "audiences"], days_ago(2), YESTERDAY, website=ACME.key, last_website=SUMMIT.key)
    told = reasons(result)["visitors"].splitlines()
    assert [line.partition(": ")[0] for line in told] == [f"{days_ago(age)}|{BAYSIDE.key}" for age in (2, 1)]
    assert all(
        line.endswith(f"check the values of {variable(BAYSIDE.key, 'token')} and {variable(BAYSIDE.key, 'secret')}")
        for line in told[1:]
    )
    good = {f"{days_ago(age)}|{site.key}" for age in (2, 1) for site in (ACME, SUMMIT)}
    assert set(runner.recorded("visitors")) == good
    assert {f"{each.date}|{each.website}" for each in lake.partitions("visitors")} == good
    for site in (ACME, SUMMIT):
        algos = lake.read([partition("visitors", YESTERDAY, site.key)], ["algo"]).column("algo").unique().to_pylist()
        assert algos == ["sha2"]
    assert {request.website for request in sandbox.requests.of("visitors")} == {ACME.key, BAYSIDE.key, SUMMIT.key}


@pytest.mark.parametrize("selection", [["visitors"], ["locations", "location_details"]])
def test_a_run_of_a_jobs_own_backfill_fails_with_what_to_do_instead(
    defs: dg.Definitions, instance: dg.DagsterInstance, sandbox: SandboxServer, selection: list[str]
) -> None:
    first, last = (partition_key(day, ACME.key) for day in (days_ago(3), YESTERDAY))
    job = defs.resolve_job_def("nightly").get_subset(asset_selection={dg.AssetKey(name) for name in selection})
    dimensions = {f"{PARTITION}/{name}": value for name, value in first.keys_by_dimension.items()}
    tags = {RANGE_START: first, RANGE_END: last, **dimensions}
    result = job.execute_in_process(instance=instance, tags=tags, raise_on_error=False)
    (words,) = reasons(result).values()
    assert "Launch the backfill from the assets instead" in words
    assert list(sandbox.requests) == []


def test_a_date_whose_locations_are_missing_costs_only_itself(runner: Runner) -> None:
    runner.day(["locations"], days_ago(3))
    runner.day(["locations"], YESTERDAY)
    result = runner.days(["location_details"], days_ago(3), YESTERDAY)
    assert reasons(result)["location_details"].startswith("2026-11-18|acme-honda: locations 2026-11-18|acme-honda has")
    assert runner.recorded("location_details") == ["2026-11-17|acme-honda", "2026-11-19|acme-honda"]


# A row more.

TYPES: tuple[ColumnType, ...] = (
    "string",
    "url",
    "int16",
    "int32",
    "int64",
    "float64",
    "timestamp",
    "list<string>",
    "json",
)
TEST_DRIVES = Endpoint(
    name="test_drives",
    path="/api/test_drives",
    section="Test Drives",
    description="Test drives that were booked on the website.",
    columns=(
        Column(name="id", type="int64", description="The booking.", key=True),
        *(Column(name=f"a_{kind.strip('<>').replace('<', '_')}", type=kind, description=kind) for kind in TYPES),
        Column(name="year", type="int16", description="Model year.", quoted=True),
        Column(name="driver", type="string", description="Who drives.", path=("person", "name"), personal=True),
        EXTRA,
    ),
    answer="objects",
    dated=True,
    hashed=False,
)
TEST_DRIVE_GUESTS = Endpoint(
    name="test_drive_guests",
    path="/api/test_drives/{id}",
    section="Test Drive Details",
    description="Hashed e-mails of those who come along.",
    columns=(
        Column(name="test_drive_id", type="int64", description="The booking.", key=True),
        Column(name="hashed_email", type="string", description="A guest.", key=True, personal=True),
        Column(name="algo", type="string", description="The hash algorithm."),
    ),
    answer="hashes",
    dated=True,
    hashed=True,
    ids=Ids(endpoint="test_drives", column="test_drive_id", from_partition=True),
)


def test_a_row_added_to_the_table_is_an_asset_that_lands(config_file: Path, instance: dg.DagsterInstance) -> None:
    table = (*ENDPOINTS, TEST_DRIVES, TEST_DRIVE_GUESTS)
    with SandboxServer(WEBSITES, endpoints=table, now=frozen(NOW)) as server:
        config_file.write_text(config_text(server.url, WEBSITES))
        settings = load_settings(config_file)
        defs = build_defs(settings, endpoints=table, now=frozen(NOW), retry_policy=None)
        runner = Runner(instance, defs)
        assert reasons(runner.day(["test_drives", "test_drive_guests", "visitors"])) == {}
    lake = Lake(settings.root)
    drives = lake.read([partition("test_drives")])
    assert len(drives) >= 3
    assert drives.schema.names == [*(c.name for c in TEST_DRIVES.columns), "captured_at", "website", "date"]
    assert drives.select([f"a_{kind}" for kind in ("string", "int16", "float64", "json")]).column(0).null_count == 0
    guests = lake.read([partition("test_drive_guests")])
    assert len(guests)
    assert set(guests.column("test_drive_id").to_pylist()) <= set(drives.column("id").to_pylist())
    spec = specs_of(defs)["test_drives"]
    assert spec.description == TEST_DRIVES.description
    preview = runner.materializations("test_drives")[0].metadata["preview"]
    assert {row["driver"] for row in rows_of(preview)} == {MASK}


# A website that was taken out of the configuration while its runs wait.


def test_a_run_of_a_website_that_is_no_longer_configured_fails_in_words(
    settings: Settings, instance: dg.DagsterInstance, runner: Runner, lake: Lake
) -> None:
    runner.day(EVERY)
    rest = settings.model_copy(update={"websites": {BAYSIDE.key: settings.websites[BAYSIDE.key]}})
    job = build_defs(rest, now=frozen(NOW), retry_policy=None).resolve_job_def("nightly")
    key = partition_key(YESTERDAY, ACME.key)
    tags = {"dagster/partition": str(key), **{f"dagster/partition/{n}": v for n, v in key.keys_by_dimension.items()}}
    before = contents(lake.root)
    result = job.execute_in_process(instance=instance, tags=tags, raise_on_error=False)
    assert not result.success
    told = reasons(result)
    assert {"visitors", "sales"} <= set(told)
    assert all("acme-honda is not configured any more; there are ['bayside-kia']" in words for words in told.values())
    assert contents(lake.root) == before
