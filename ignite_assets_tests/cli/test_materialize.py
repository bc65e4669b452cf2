"""`ignite-assets materialize`, from outside: a process, a sandbox over HTTP, a Dagster instance in a folder."""

import json
import re
import socket
from pathlib import Path

import dagster as dg
import pytest
from dagster._core.storage.partition_status_cache import get_and_update_asset_status_cache_value

from ignite_assets.config import load_settings
from ignite_assets.dagster.partitions import build_partitions
from ignite_assets.sandbox import Fault, SandboxServer
from ignite_assets_tests.cli.conftest import Shop, on_terminal, shop_in, statuses
from ignite_assets_tests.conftest import CURRENT_STATE, DERIVED_NAMES, EVERY, LOOK_BACK, RANGE_END, RANGE_START


@pytest.mark.slow
def test_a_website_that_fails_says_why_in_one_line_while_the_others_land(shop: Shop) -> None:
    shop.environment["BAYSIDE_KIA_SECRET"] = "wrong"
    del shop.environment["SUMMIT_FORD_TOKEN"]

    done = shop.run("materialize")

    table, _, reasons = done.stdout.partition("\n\n")
    assert done.returncode == 1
    missing = "the environment variable SUMMIT_FORD_TOKEN is not set or empty"
    advice = "check the values of BAYSIDE_KIA_TOKEN and BAYSIDE_KIA_SECRET"
    refused = f"the platform refuses the website's credentials (status 401, 1 try); {advice}"
    assert reasons.splitlines() == [
        f"failed: 12 partitions of bayside-kia: {refused}",
        f"failed: 12 partitions of summit-ford: credentials of summit-ford: {missing}",
    ]
    rows = [line.split() for line in table.splitlines()]
    assert rows[0] == ["asset", "website", "date", "status", "rows", "bytes", "seconds"]
    assert [row[:4] for row in rows[1:]] == [
        [asset, website, str(shop.yesterday), "materialized" if website == "acme-honda" else "failed"]
        for website in ("acme-honda", "bayside-kia", "summit-ford")
        for asset in EVERY
    ]
    assert shop.files() == sorted(f"{asset}/website=acme-honda/date={shop.yesterday}/part-0.parquet" for asset in EVERY)
    assert "wrong" not in done.stdout + done.stderr
    with shop.instance() as instance:
        for asset in ("visitors", "sales"):
            red = shown_as_failed(instance, shop, asset)
            assert red == {f"{shop.yesterday}|{website}" for website in ("bayside-kia", "summit-ford")}


@pytest.mark.slow
def test_json_is_one_object_of_the_documented_shape(shop: Shop) -> None:
    partitions, done = shop.materialize("--website", "acme-honda", "--select", "visitors,sales", "--date", "yesterday")

    assert done.returncode == 0
    assert [list(partition) for partition in partitions] == [
        ["asset", "website", "date", "status", "rows", "bytes", "path", "error", "failed_checks"]
    ] * 2
    for partition, asset in zip(partitions, ("visitors", "sales"), strict=True):
        path = shop.folder / f"lake/{asset}/website=acme-honda/date={shop.yesterday}/part-0.parquet"
        assert partition == {
            "asset": asset,
            "website": "acme-honda",
            "date": str(shop.yesterday),
            "status": "materialized",
            "rows": partition["rows"],
            "bytes": path.stat().st_size,
            "path": str(path),
            "error": None,
            "failed_checks": [],
        }
        assert partition["rows"] > 0


@pytest.mark.slow
def test_a_range_is_one_ranged_run_a_website_and_one_for_what_tells_only_the_present(shop: Shop) -> None:
    first = shop.days_ago(3)
    partitions, done = shop.materialize("--from", str(first), "--website", "acme-honda")

    assert done.returncode == 0
    assert {(p["asset"], p["date"]) for p in partitions} == {
        *((asset, str(shop.days_ago(days))) for asset in (*LOOK_BACK, *DERIVED_NAMES) for days in (1, 2, 3)),
        *((asset, str(shop.yesterday)) for asset in CURRENT_STATE),
    }
    with shop.instance() as instance:
        runs = {frozenset(planned_assets(instance, run.run_id)): run for run in instance.get_runs()}
        ranged, present = runs.pop(frozenset((*LOOK_BACK, *DERIVED_NAMES))), runs.pop(frozenset(CURRENT_STATE))
    assert not runs
    assert ranged.tags[RANGE_START] == f"{first}|acme-honda"
    assert ranged.tags[RANGE_END] == f"{shop.yesterday}|acme-honda"
    assert present.tags["dagster/partition"] == f"{shop.yesterday}|acme-honda"


def shown_as_failed(instance: dg.DagsterInstance, shop: Shop, asset: str) -> set[str]:
    """The partitions that Dagster's pages show in red."""
    partitions = build_partitions(load_settings(shop.folder / "ignite.toml"))
    status = get_and_update_asset_status_cache_value(instance, dg.AssetKey(asset), partitions)
    return set(status.deserialize_failed_partition_subsets(partitions).get_partition_keys()) if status else set()


def planned_assets(instance: dg.DagsterInstance, run_id: str) -> set[str]:
    planned = instance.all_logs(run_id, of_type=dg.DagsterEventType.ASSET_MATERIALIZATION_PLANNED)
    return {entry.dagster_event.asset_key.path[0] for entry in planned if entry.dagster_event}  # type: ignore[union-attr]


@pytest.mark.slow
def test_days_of_a_range_that_fail_cost_neither_the_others_nor_what_follows_from_them(
    shop: Shop, platform: SandboxServer
) -> None:
    platform.faults.add(Fault(endpoint="locations", times=1, status=400))

    partitions, done = shop.materialize(
        "--from", str(shop.days_ago(3)), "--website", "acme-honda", "--select", "locations", "--select",
        "location_details", "--captures-only",
    )  # fmt: skip

    assert done.returncode == 1
    failed = {(p["asset"], p["date"]): p["error"] for p in partitions if p["status"] == "failed"}
    (day,) = {day for _, day in failed}
    with shop.instance() as instance:
        for asset in ("locations", "location_details"):
            assert shown_as_failed(instance, shop, asset) == {f"{day}|acme-honda"}
    assert failed["location_details", day] == f"not run, since locations failed: {failed['locations', day]}"
    assert sum(p["status"] == "materialized" for p in partitions) == 4


@pytest.mark.slow
def test_what_is_derived_follows_the_days_that_landed(shop: Shop, platform: SandboxServer) -> None:
    platform.faults.add(Fault(endpoint="locations", times=1, status=400))

    partitions, done = shop.materialize("--from", str(shop.days_ago(3)), "--website", "acme-honda")

    assert done.returncode == 1
    results = {(p["asset"], p["date"]): p for p in partitions}
    assert len(results) == len(partitions)
    (day,) = {day for (asset, day), p in results.items() if asset == "locations" and p["status"] == "failed"}
    told = f"not run, since locations failed: {results['locations', day]['error']}"
    assert results["location_details", day]["error"] == results["location_recency", day]["error"] == told
    days = {str(shop.days_ago(age)) for age in (1, 2, 3)}
    for asset in ("location_details", "location_recency"):
        assert {d for d in days if results[asset, d]["status"] == "materialized"} == days - {day}
    assert all(results["visitor_recency", d]["status"] == "materialized" for d in days)
    with shop.instance() as instance:
        for asset in DERIVED_NAMES:
            wanted = {f"{d}|acme-honda" for d in days if results[asset, d]["status"] == "materialized"}
            assert instance.get_materialized_partitions(dg.AssetKey(asset)) == wanted


@pytest.mark.slow
def test_what_a_late_day_makes_stale_is_derived_again(shop: Shop) -> None:
    of_visitors = ("--website", "acme-honda", "--select", "visitors")
    for age in (3, 1):
        shop.materialize("--from", str(shop.days_ago(age)), "--to", str(shop.days_ago(age)), *of_visitors)
    late = ("--from", str(shop.days_ago(2)), "--to", str(shop.days_ago(2)), *of_visitors)

    captured, _ = shop.materialize(*late, "--captures-only")
    derived, done = shop.materialize(*late)

    assert done.returncode == 0
    assert [(p["asset"], p["date"]) for p in captured] == [("visitors", str(shop.days_ago(2)))]
    assert [(p["asset"], p["date"]) for p in derived] == [
        ("visitors", str(shop.days_ago(2))),  # there already
        ("visitor_recency", str(shop.days_ago(2))),
        ("visitor_recency", str(shop.days_ago(1))),
    ]


@pytest.mark.slow
def test_what_would_only_add_to_a_derived_asset_may_fail(shop: Shop, platform: SandboxServer) -> None:
    platform.faults.add(Fault(endpoint="location_details", status=400))

    partitions, done = shop.materialize(
        "--website", "acme-honda", "--select", "locations", "--select", "location_details", "--select",
        "location_recency",
    )  # fmt: skip

    assert done.returncode == 1
    assert {p["asset"]: p["status"] for p in partitions} == {
        "locations": "materialized",
        "location_details": "failed",
        "location_recency": "materialized",
    }


@pytest.mark.slow
def test_a_derived_asset_alone_is_made_of_what_is_there(shop: Shop, platform: SandboxServer) -> None:
    shop.materialize("--date", str(shop.days_ago(2)), "--website", "acme-honda", "--select", "visitors")
    platform.requests.clear()
    asked = ("--from", str(shop.days_ago(3)), "--to", str(shop.days_ago(2)), "--website", "acme-honda", "--select",
             "visitor_recency")  # fmt: skip

    partitions, done = shop.materialize(*asked)
    assert done.returncode == 1
    assert [p["status"] for p in partitions] == ["failed", "materialized"]
    assert partitions[0]["error"] == (
        f"visitors {shop.days_ago(3)}|acme-honda has not been captured: materialize it first"
    )
    assert list(platform.requests) == []

    partitions, done = shop.materialize(*asked)
    assert "1 partitions were there already" in done.stderr
    assert [p["status"] for p in partitions] == ["failed", "skipped"]
    with shop.instance() as instance:
        records = instance.fetch_materializations(dg.AssetKey("visitor_recency"), limit=10).records
        assert len(records) == 1
        shop.materialize(*asked, "--force")
        records = instance.fetch_materializations(dg.AssetKey("visitor_recency"), limit=10).records
        assert len(records) == 2


def test_what_a_date_does_not_allow_is_refused_without_a_request_or_a_run(shop: Shop, platform: SandboxServer) -> None:
    partitions, done = shop.materialize(
        "--date", str(shop.days_ago(70)), "--website", "acme-honda", "--select", "visitors", "--select", "sales"
    )

    assert done.returncode == 1
    assert statuses(partitions) == {"acme-honda": {"refused"}}
    assert "beyond the platform's look-back window of 60 days" in partitions[0]["error"]
    assert "only tells the present" in partitions[1]["error"]
    assert list(platform.requests) == []
    assert not (shop.folder / "dagster_home").exists()


def test_refusals_for_the_same_reason_share_a_line(shop: Shop) -> None:
    done = shop.run(
        "materialize", "--from", str(shop.days_ago(72)), "--to", str(shop.days_ago(70)), "--select", "visitors"
    )

    assert done.returncode == 1
    (reason,) = done.stdout.partition("\n\n")[2].splitlines()
    assert reason.startswith("refused: 9 partitions of acme-honda, bayside-kia, summit-ford: ")


def test_many_partitions_are_a_line_an_asset_unless_each_is_asked_for(shop: Shop) -> None:
    arguments = ("materialize", "--from", str(shop.days_ago(72)), "--to", str(shop.days_ago(62)))

    summary, _, reasons = shop.run(*arguments).stdout.partition("\n\n")
    verbose = shop.run(*arguments, "--verbose").stdout.partition("\n\n")[0]

    header, *lines, more = summary.splitlines()
    assert header.split() == ["asset", "websites", "dates", "refused", "rows", "bytes"]
    assert [line.split() for line in lines] == [[asset, "3", "11", "33", "0", "0"] for asset in LOOK_BACK]
    assert more == "198 partitions; --verbose lists each"
    assert reasons.startswith("refused: 198 partitions of acme-honda, bayside-kia, summit-ford: ")
    assert len(verbose.splitlines()) == 199


def test_groups_and_lists_name_several_assets(shop: Shop) -> None:
    named = ("--select", "group:look_back,sales", "--website", "acme-honda, summit-ford")

    partitions, _ = shop.materialize("--date", str(shop.days_ago(70)), *named)

    assert {p["asset"] for p in partitions} == {*LOOK_BACK, "sales"}
    assert {p["website"] for p in partitions} == {"acme-honda", "summit-ford"}


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        ("--website nobody", "there is no website nobody; there are acme-honda, bayside-kia, summit-ford"),
        ("--select nothing", f"there is no asset nothing; there are {', '.join(EVERY)}"),
        ("--website acme-hnda,bayside-kia", "there is no website acme-hnda; did you mean acme-honda?"),
        ("--website Summit", "there is no website Summit; did you mean summit-ford?"),
        ("--select visitors,prodcts", "there is no asset prodcts; did you mean products?"),
        ("--select group:lookback", "there is no asset group:lookback; did you mean group:look_back?"),
        ("--date 2026-13-01", "'2026-13-01' is not a date: write one as 2026-11-22, or yesterday"),
        ("--date today", "'today' is not a date"),
        ("--date 2999-01-01", "2999-01-01 has not closed yet"),
        ("--date 2001-01-01", "2001-01-01 is before partitions.start_date"),
        ("--date 2026-11-01 --from 2026-11-01", "give one or the other"),
        ("--to 2026-11-01", "--to needs --from"),
        ("--from {late} --to {early}", "--from {late} is after --to {early}"),
        ("--frob", "--frob"),
        ("2026-11-01", "unexpected extra argument"),
    ],
)
def test_bad_usage_is_one_line_and_status_2(shop: Shop, arguments: str, told: str) -> None:
    days = {"late": shop.days_ago(2), "early": shop.days_ago(6)}
    done = shop.run("materialize", *arguments.format(**days).split())

    assert (done.returncode, done.stdout) == (2, "")
    *_, error = done.stderr.splitlines()
    assert error.startswith("Error: ")
    assert told.format(**days) in error
    assert "Traceback" not in done.stderr


def test_without_a_configuration_it_says_how_to_begin(tmp_path: Path) -> None:
    done = Shop(tmp_path, "UTC", {}).run("materialize")

    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith(f"Error: {tmp_path}/ignite.toml:\n  there is no such file")
    assert "ignite-assets demo" in done.stderr
    assert list(tmp_path.iterdir()) == []


def test_every_mistake_of_a_configuration_is_told_at_once(shop: Shop) -> None:
    (shop.folder / "ignite.toml").write_text('[platform]\nalgo = "sha3"\n[partitions]\nstart = "2026-09-01"\n')

    done = shop.run("materialize")

    assert (done.returncode, done.stdout) == (2, "")
    for mistake in ("platform.algo: ", "partitions.start: ", "partitions.start_date: ", "websites: "):
        assert f"\n  {mistake}" in done.stderr
    assert "Traceback" not in done.stderr


def test_debug_shows_where_an_error_comes_from(tmp_path: Path) -> None:
    done = Shop(tmp_path, "UTC", {}).run("materialize", "--debug")

    assert done.returncode == 1
    assert "Traceback" in done.stderr


@pytest.mark.slow
def test_a_platform_that_is_not_there_is_one_line_for_all_websites(tmp_path: Path) -> None:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))  # and nobody listens
        shop = shop_in(tmp_path, f"http://127.0.0.1:{listener.getsockname()[1]}")
        done = shop.run("materialize", "--select", "visitors", "--select", "products")

    assert done.returncode == 1
    (reason,) = done.stdout.partition("\n\n")[2].splitlines()
    assert reason.startswith("failed: 6 partitions of acme-honda, bayside-kia, summit-ford: ")
    assert "no answer" in reason
    assert "Traceback" not in done.stderr


@pytest.mark.slow
def test_a_lake_that_can_not_be_written_to_is_said_with_its_place(shop: Shop) -> None:
    (shop.folder / "lake").write_text("a file where the folder should be")

    partitions, done = shop.materialize("--website", "acme-honda", "--select", "visitors")

    assert done.returncode == 1
    assert partitions[0]["status"] == "failed"
    assert str(shop.folder / "lake") in partitions[0]["error"]
    assert "\n" not in partitions[0]["error"]


def test_an_instance_that_can_not_be_made_is_one_line(shop: Shop) -> None:
    (shop.folder / "occupied").write_text("a file where the folder should be")
    shop.environment["DAGSTER_HOME"] = str(shop.folder / "occupied" / "home")

    done = shop.run("materialize", "--json")

    assert (done.returncode, done.stdout) == (1, "")
    starting, error = done.stderr.splitlines()
    assert starting == "starting Dagster"
    assert error.startswith("Error: ")


@pytest.mark.slow
def test_runs_are_recorded_in_the_instance_of_dagster_home_and_not_captured_again_when_it_is_lost(
    shop: Shop, platform: SandboxServer, home: Path
) -> None:
    shop.environment["DAGSTER_HOME"] = str(home)
    asked = ("--website", "acme-honda", "--select", "visitors")

    _, done = shop.materialize(*asked)

    assert done.returncode == 0
    assert not (shop.folder / "dagster_home").exists()
    with dg.DagsterInstance.from_config(str(home)) as instance:
        (run,) = instance.get_runs()
        assert instance.get_materialized_partitions(dg.AssetKey("visitors")) == {f"{shop.yesterday}|acme-honda"}
    assert run.job_name == "materialize"
    assert run.is_success

    shop.environment["DAGSTER_HOME"] = str(home.parent / "anew")
    platform.requests.clear()
    (partition,), done = shop.materialize("--date", str(shop.yesterday), *asked)
    assert (done.returncode, partition["status"], list(platform.requests)) == (0, "skipped", [])
    with dg.DagsterInstance.from_config(str(home.parent / "anew")) as instance:
        assert instance.get_materialized_partitions(dg.AssetKey("visitors")) == {f"{shop.yesterday}|acme-honda"}


@pytest.mark.slow
def test_progress_is_a_bar_on_a_terminal_and_lines_elsewhere(shop: Shop) -> None:
    arguments = ("materialize", "--website", "acme-honda", "--select", "visitors", "--select", "products", "--json")
    bar, printed = on_terminal(shop, *arguments)
    elsewhere = shop.run(*arguments, "--force")  # as they are there now

    assert "starting Dagster" in bar
    assert elsewhere.stderr.startswith("starting Dagster\n")
    assert "0 of 2" not in elsewhere.stderr
    assert "2/2" in bar
    assert "0 failed" in bar
    assert "of 2 partitions" not in bar
    assert json.loads(printed).keys() == json.loads(elsewhere.stdout).keys() == {"partitions"}
    lines = [re.sub(r"[\d.]+(?= s|/)", "…", line) for line in elsewhere.stderr.splitlines()]
    assert [line.replace("/min", "/s") for line in lines][-2:] == [
        "1 of 2 partitions, …/s, … s left", "2 of 2 partitions, …/s, … s",
    ]  # fmt: skip


PREFIXED = """
[dagster]
key_prefix = ["raw", "east"]
[[exports]]
name = "everyone"
source = "visitors"
destination = "plain_list"
window_days = 1
"""


@pytest.mark.slow
def test_under_a_key_prefix_every_command_records_and_finds_its_assets_there(
    shop: Shop, platform: SandboxServer
) -> None:
    path = shop.folder / "ignite.toml"
    path.write_text(path.read_text() + PREFIXED)
    platform.faults.add(Fault(endpoint="locations", status=404, times=1))
    chosen = [word for name in ("visitors", "locations", "location_details") for word in ("--select", name)]

    failed, done = shop.materialize("--website", "acme-honda", *chosen)
    assert done.returncode == 1
    assert {p["asset"]: p["status"] for p in failed} == {
        "visitors": "materialized", "locations": "failed", "location_details": "failed"
    }  # fmt: skip
    assert [p["error"].startswith("not run, since locations failed") for p in failed if p["error"]] == [False, True]

    there, done = shop.materialize("--website", "acme-honda", "--from", str(shop.days_ago(2)), *chosen)
    assert (done.returncode, {p["status"] for p in there} - {"skipped"}) == (0, {"materialized"})
    assert "1 partition" in done.stderr
    folders = {p["path"].split("/lake/")[1].split("/")[0] for p in there}
    assert folders == {"visitors", "locations", "location_details", "visitor_recency", "location_recency"}

    assert shop.run("export", "--website", "acme-honda").returncode == 0
    assert shop.run("report", "--website", "acme-honda").returncode == 0
    assert shop.run("doctor").returncode == 0
    with shop.instance() as instance:
        assert {tuple(key.path[:2]) for key in instance.all_asset_keys()} == {("raw", "east")}
        made = {key.path[-1] for key in instance.all_asset_keys() if instance.get_materialized_partitions(key)}
        assert made >= {"visitors", "locations", "location_details", "audience_exports", "website_report"}
        assert {run.job_name for run in instance.get_runs()} == {
            "raw_east_materialize", "raw_east_export_audiences", "raw_east_report"
        }  # fmt: skip
