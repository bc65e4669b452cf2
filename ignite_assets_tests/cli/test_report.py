"""`ignite-assets report` as a process."""

import json
import shutil
from dataclasses import replace
from pathlib import Path

import dagster as dg
import pytest

from ignite_assets.dagster.assets.reports import ASSET
from ignite_assets.sandbox import SandboxServer
from ignite_assets_tests.cli.conftest import Shop, shop_in
from ignite_assets_tests.commands import run
from ignite_assets_tests.conftest import ACME, BAYSIDE, SUMMIT, variable

pytestmark = pytest.mark.usefixtures("platform")  # in order again, whatever other tests left of it


@pytest.fixture(scope="module")
def captured(tmp_path_factory: pytest.TempPathFactory, standing_platform: SandboxServer) -> Shop:
    """A shop with visitors of two websites, one of them a day behind: captured once, for copies of it."""
    standing_platform.faults.clear()
    shop = shop_in(tmp_path_factory.mktemp("captured"), standing_platform.url)
    for website, day in ((ACME.key, shop.yesterday), (BAYSIDE.key, shop.days_ago(2))):
        partitions, _ = shop.materialize("--select", "visitors", "--website", website, "--date", str(day))
        assert [each["status"] for each in partitions] == ["materialized"]
    return shop


@pytest.fixture
def reporting(captured: Shop, tmp_path: Path) -> Shop:
    """A copy of its own."""
    shutil.copytree(captured.folder, tmp_path, dirs_exist_ok=True)
    return replace(captured, folder=tmp_path)


def pages(shop: Shop) -> list[str]:
    folder = shop.folder / "reports"
    return sorted(str(path.relative_to(shop.folder)) for path in folder.rglob("*.html") if path.parent != folder)


def page(website: str, day: object) -> str:
    return f"reports/website={website}/date={day}/index.html"


def both(website: str, day: object) -> list[str]:
    return [page(website, day), page(website, day).replace("index", "operations")]


def test_each_website_gets_pages_of_its_newest_day_and_one_without_data_fails(reporting: Shop) -> None:
    done = reporting.run("report")

    expected = [(ACME.key, reporting.yesterday), (BAYSIDE.key, reporting.days_ago(2))]
    assert (done.returncode, done.stderr) == (1, "")
    *written, without = done.stdout.splitlines()
    assert written == [f"{website}  {day}  {page(website, day)}" for website, day in expected]
    assert without.startswith(f"{SUMMIT.key}  no data     failed: nothing of {SUMMIT.key} was captured yet")
    assert pages(reporting) == [name for website, day in expected for name in both(website, day)]
    with reporting.instance() as instance:
        recorded = instance.get_materialized_partitions(dg.AssetKey(ASSET))
    assert recorded == {f"{day}|{website}" for website, day in expected}


@pytest.mark.slow
def test_a_day_without_anything_fails_in_a_line_and_leaves_the_others_alone(reporting: Shop) -> None:
    refused = {**reporting.environment, variable(SUMMIT.key, "secret"): "wrong"}
    run("materialize", "--select", "visitors", "--website", SUMMIT.key, folder=reporting.folder, env=refused)

    done = reporting.run("report", "--date", str(reporting.yesterday), "--website", ACME.key, "--website", BAYSIDE.key)
    without = reporting.run("report", "--website", SUMMIT.key)

    assert (without.returncode, without.stderr) == (1, "")
    assert "The platform refused the website's credentials. Set the website's token and secret" in without.stdout
    assert done.returncode == 1
    assert f"{BAYSIDE.key}  {reporting.yesterday}  failed: nothing of {BAYSIDE.key} was captured" in done.stdout
    assert pages(reporting) == both(ACME.key, reporting.yesterday)
    assert "Traceback" not in done.stdout + done.stderr


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["--website", "nobody"], "there is no website nobody; there are acme-honda"),
        (["--date", "2020-01-01"], "--date 2020-01-01: there are days from"),
        (["--date", "2999-01-01"], "--date 2999-01-01: there are days from"),
    ],
)
def test_mistakes_are_usage_errors(shop: Shop, arguments: list[str], told: str) -> None:
    done = shop.run("report", *arguments)
    assert done.returncode == 2
    assert told in done.stderr


@pytest.mark.slow
def test_open_shows_the_pages_in_the_browser(reporting: Shop) -> None:
    browser = reporting.folder / "browser"
    browser.write_text('#!/bin/sh\necho "$1" > opened\n')
    browser.chmod(0o755)

    done = run(
        "report", "--open", "--json", "--website", ACME.key, "--date", "yesterday",
        folder=reporting.folder, env={**reporting.environment, "BROWSER": f"{browser} %s"},
    )  # fmt: skip

    assert done.returncode == 0
    place = reporting.folder / page(ACME.key, reporting.yesterday)
    assert (reporting.folder / "opened").read_text().strip() == place.as_uri()
    assert place.exists()
    told = {"website": ACME.key, "date": str(reporting.yesterday), "place": str(place), "error": None}
    assert json.loads(done.stdout) == {"pages": [told]}
