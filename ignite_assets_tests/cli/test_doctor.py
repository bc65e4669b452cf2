"""`ignite-assets doctor`: a line a check, nothing written."""

import datetime as dt
import json
import os
import re
import shutil
import socket
from pathlib import Path

import pytest

from ignite_assets.audiences import ledger
from ignite_assets.audiences.ledger import Hashes
from ignite_assets.dagster.instance import DAGSTER_YAML
from ignite_assets.storage.lake import Lake
from ignite_assets_tests.cli.conftest import Shop, shop_in
from ignite_assets_tests.commands import IGNITE_ASSETS, run_anew
from ignite_assets_tests.s3 import URL, S3Server


def test_all_is_well(shop: Shop) -> None:
    done = shop.run("doctor")

    assert (done.returncode, done.stderr) == (0, "")
    assert [re.split("  +", line)[:2] for line in done.stdout.splitlines()] == [
        ["ok", "configuration"],
        ["ok", "storage"],
        ["ok", "places"],
        ["ok", "instance"],
        ["ok", "records"],
        ["ok", "lists"],
        ["ok", "website acme-honda"],
        ["ok", "website bayside-kia"],
        ["ok", "website summit-ford"],
    ]
    assert [path.name for path in shop.folder.iterdir()] == ["ignite.toml"]


def test_what_is_wrong_with_a_website_is_one_line_and_hides_nothing_else(shop: Shop) -> None:
    shop.environment["ACME_HONDA_TOKEN"] = "mistaken-token"
    del shop.environment["BAYSIDE_KIA_SECRET"]

    done = shop.run("doctor")

    assert done.returncode == 1
    acme, bayside, summit = done.stdout.splitlines()[-3:]
    assert acme.startswith("wrong website acme-honda")
    assert "the platform refuses the website's credentials" in acme
    assert acme.endswith("check the values of ACME_HONDA_TOKEN and ACME_HONDA_SECRET")
    assert bayside == "wrong website bayside-kia  the environment variable BAYSIDE_KIA_SECRET is not set or empty"
    assert summit.startswith("ok    website summit-ford")
    assert "mistaken-token" not in done.stdout + done.stderr


def test_a_lake_that_can_not_be_written_to_is_wrong(shop: Shop) -> None:
    (shop.folder / "lake").write_text("a file where the folder should be")

    done = shop.run("doctor")

    assert done.returncode == 1
    assert "wrong storage  " in done.stdout
    assert str(shop.folder / "lake") in done.stdout


@pytest.mark.slow
def test_folders_without_permission_are_named(shop: Shop) -> None:
    # The superuser's processes may write everywhere, unless they are started without that right.
    unprivileged = [] if os.geteuid() else ["setpriv", "--bounding-set", "-dac_override,-dac_read_search"]
    if unprivileged and not shutil.which(unprivileged[0]):
        pytest.skip("the superuser's rights can't be dropped here")
    lake, records = shop.folder / "lake", shop.folder / "dagster_home" / "history"
    lake.mkdir()
    records.mkdir(parents=True)

    def told(*arguments: str, mode: int) -> str:
        for folder in (lake, records):
            folder.chmod(mode)
        done = run_anew(*unprivileged, IGNITE_ASSETS, *arguments, folder=shop.folder, env=shop.environment)
        assert done.returncode == 1
        return done.stdout + done.stderr

    reports = re.sub("  +", "  ", told("doctor", mode=0o500)).splitlines()
    assert f"wrong storage  no permission to write in {lake}" in reports
    assert f"wrong instance  no permission to write in {records}, where Dagster keeps its records" in reports
    assert told("materialize", mode=0o500).endswith(
        f"Error: no permission to write in {records}, where Dagster keeps its records\n"
    )
    assert "Permission denied" in told("sql", "FROM visitors", mode=0o000)


@pytest.mark.slow
def test_a_run_that_may_open_too_few_files_says_so(shop: Shop) -> None:
    few = f"ulimit -n 24 && exec {IGNITE_ASSETS} materialize --select visitors"
    done = run_anew("bash", "-c", few, folder=shop.folder, env=shop.environment)
    assert done.returncode == 1
    assert "raise `ulimit -n`" in done.stdout + done.stderr or "Too many open files" in done.stdout + done.stderr


def test_a_folder_whose_website_readers_take_for_a_number_is_wrong(shop: Shop) -> None:
    for website in ("007", "acme-honda"):
        (shop.folder / "lake" / "visitors" / f"website={website}").mkdir(parents=True)

    done = shop.run("doctor")

    assert done.returncode == 1
    (wrong,) = (line for line in done.stdout.splitlines() if line.startswith("wrong"))
    assert wrong == (
        "wrong lake                 visitors/website=007: readers take the website for a number; "
        "rename it: docs/operations.md"
    )


def test_a_platform_that_is_not_there_is_wrong_for_each_website(tmp_path: Path) -> None:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))  # and nobody listens
        done = shop_in(tmp_path, f"http://127.0.0.1:{listener.getsockname()[1]}").run("doctor")

    assert done.returncode == 1
    assert done.stdout.count("wrong website ") == 3
    assert done.stdout.count("no answer") == 3


def test_without_a_configuration_the_status_is_2(tmp_path: Path) -> None:
    done = Shop(tmp_path, "UTC", {}).run("doctor")

    assert (done.returncode, done.stdout) == (2, "")
    assert "there is no such file" in done.stderr


def test_rejects_and_hashes_without_effect_are_told(shop: Shop) -> None:
    with (shop.folder / "ignite.toml").open("a") as config:
        config.write('\n[opt_outs]\ninbox = "inbox"\n')
    kept = shop.folder / "inbox" / "acme-honda" / "processed" / "ab-a.txt.rejects"
    kept.parent.mkdir(parents=True)
    kept.touch()
    lake = Lake(str(shop.folder / "lake"))
    ledger.record(lake, "acme-honda", [Hashes(md5="ab" * 16)], source_hash="a", at=dt.datetime.now(dt.UTC))

    done = shop.run("doctor")

    assert done.returncode == 1
    rejects, idle = [line for line in done.stdout.splitlines() if line.startswith("wrong")]
    assert "rejects wait for somebody: acme-honda/processed/ab-a.txt.rejects" in rejects
    assert "acme-honda: 1 person is known by a hash that can't take effect: captured is sha256" in idle


def test_what_nobody_means_is_a_line_each(shop: Shop) -> None:
    path = shop.folder / "ignite.toml"
    text = path.read_text().replace("ACME_HONDA_SECRET", "ACME_HONDA_TOKEN")
    path.write_text(re.sub(r'start_date = "[\d-]+"', 'start_date = "2099-01-01"', text))
    shop.environment["BAYSIDE_KIA_TOKEN"] = shop.environment["SUMMIT_FORD_TOKEN"]

    done = shop.run("doctor")

    assert done.returncode == 1
    told = [line.split("  ")[-1] for line in done.stdout.splitlines() if line.startswith("wrong configuration")]
    assert told == [
        "partitions.start_date: 2099-01-01 has not closed yet: nothing can be captured before the day after it",
        "acme-honda: token and secret are one: both are read from ACME_HONDA_TOKEN",
        (
            "bayside-kia and summit-ford have one token, so the same data would land twice: "
            "BAYSIDE_KIA_TOKEN and SUMMIT_FORD_TOKEN hold the same value"
        ),
    ]
    assert shop.environment["SUMMIT_FORD_TOKEN"] not in done.stdout


def test_variables_of_a_file_beside_the_configuration_count_where_the_environment_has_none(shop: Shop) -> None:
    file = shop.folder / ".env"
    moved = {name: shop.environment.pop(name) for name in ("ACME_HONDA_TOKEN", "ACME_HONDA_SECRET")}
    lines = [f"{name}={value}" for name, value in moved.items()]
    file.write_text("\n".join([*lines, "BAYSIDE_KIA_TOKEN=wrong", "AWS_ACCESS_KEY_ID=unnamed"]))
    file.chmod(0o640)

    done = shop.run("doctor")

    assert done.returncode == 0, done.stdout
    told = [re.split("  +", line, maxsplit=1)[1] for line in done.stdout.splitlines() if " from " in line]
    assert told == [
        "website acme-honda   ACME_HONDA_TOKEN from .env, ACME_HONDA_SECRET from .env",
        (
            "website bayside-kia  BAYSIDE_KIA_TOKEN from the environment, which wins over .env, "
            "BAYSIDE_KIA_SECRET from the environment"
        ),
        "website summit-ford  SUMMIT_FORD_TOKEN from the environment, SUMMIT_FORD_SECRET from the environment",
    ]
    warnings = [line for line in done.stdout.splitlines() if line.startswith("warn")]
    assert [line.partition(".env  ")[2].strip() for line in warnings] == [
        f"other users can read {file}: chmod 600 {file}",
        "ignored, since ignite.toml does not name them: AWS_ACCESS_KEY_ID",
    ]
    assert f"warning: other users can read {file}" in shop.run("export").stderr
    file.chmod(0o600)
    assert "warning" not in shop.run("export").stderr


def test_a_home_of_somebody_elses_is_left_alone_and_what_it_lacks_is_shown(shop: Shop, home: Path) -> None:
    shop.environment["DAGSTER_HOME"] = str(home)
    assert "warn" not in shop.run("doctor").stdout
    (home / "dagster.yaml").write_text("concurrency: {runs: {max_concurrent_runs: 9}}\n")

    done = shop.run("doctor")

    assert done.returncode == 0
    _, _, lacking = done.stdout.partition(f"{home}/dagster.yaml is yours, so it is left alone; it lacks:\n")
    assert "        telemetry:\n          enabled: false\n" in lacking
    assert "        - key: dagster/partition/website\n" in lacking
    assert "max_concurrent_runs" not in lacking
    assert (home / "dagster.yaml").read_text() == "concurrency: {runs: {max_concurrent_runs: 9}}\n"


def test_json_holds_every_line(shop: Shop) -> None:
    shop.environment["ACME_HONDA_TOKEN"] = "mistaken-token"

    done = shop.run("doctor", "--json")

    assert done.returncode == 1
    checks = json.loads(done.stdout)["checks"]
    assert all(check.keys() == {"status", "subject", "text"} for check in checks)
    assert [check["subject"] for check in checks if check["status"] == "wrong"] == ["website acme-honda"]


@pytest.mark.slow
def test_each_place_says_which_machines_see_it_and_what_its_bucket_keeps(shop: Shop, s3: S3Server) -> None:
    file = shop.folder / "ignite.toml"
    text = file.read_text().replace('"lake"', f'"{URL}/lake"')
    file.write_text(f'{text}\n[opt_outs]\ninbox = "drop"\n[reports]\nto = "{shop.folder}/pages"\n')
    shop.environment |= s3.environment

    lines = {line for line in shop.run("doctor").stdout.splitlines() if " places" in line}
    assert {re.sub("  +", " ", line) for line in lines} == {
        "ok places storage.root s3://agency/lake: every machine sees it; its bucket keeps no old versions",
        "warn places captures that are deleted by mistake can't be had again: turn on the bucket's versioning",
        f"warn places reports.to {shop.folder}/pages: the lake is elsewhere, so each machine that runs needs this disk",
        "ok places opt_outs.inbox s3://agency/drop: every machine sees it; its bucket keeps no old versions",
    }

    s3.keep_versions()
    told = shop.run("doctor").stdout
    assert "s3://agency/lake: every machine sees it; its bucket keeps old versions" in told
    assert "addresses stay in old versions of files that were deleted" in told


@pytest.mark.slow
def test_the_instance_says_whether_runs_and_schedules_wait(shop: Shop) -> None:
    home = shop.folder / "dagster_home"
    home.mkdir()
    told = shop.run("doctor").stdout
    assert "runs of one website may be launched side by side" in told
    assert "schedules are evaluated one after another" in told

    more = "schedules:\n  use_threads: true\n  num_workers: 4\n"
    (home / "dagster.yaml").write_text(DAGSTER_YAML + more)
    told = shop.run("doctor").stdout
    assert "one run of a website at a time" in told
    assert "schedules are evaluated by 4 threads" in told
