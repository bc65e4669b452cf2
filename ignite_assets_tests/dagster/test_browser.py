"""The Dagster UI, opened in a headless browser on what the demo captured: what stands on the pages."""

import itertools
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import duckdb
import pytest
import requests
from requests.adapters import HTTPAdapter
from selenium import webdriver
from selenium.webdriver.common.by import By
from selenium.webdriver.support.wait import WebDriverWait
from urllib3.util.retry import Retry

from ignite_assets.api.endpoints import by_name
from ignite_assets_tests.chromium import IN_A_BROWSER
from ignite_assets_tests.commands import BIN, ROOT, demo, environment
from ignite_assets_tests.conftest import EVERY
from soak.processes import free_port

PATIENCE = 240

pytestmark = IN_A_BROWSER


@pytest.fixture(scope="module")
def dagster_ui() -> Iterator[str]:
    """The address of a webserver on the demo's instance."""
    folder, _ = demo()
    port = free_port()
    with subprocess.Popen(
        [BIN / "dagster-webserver", "-w", ROOT / "workspace.yaml", "-h", "127.0.0.1", "-p", str(port)],
        cwd=ROOT,
        env=environment(IGNITE_CONFIG=f"{folder}/.demo/ignite.toml", DAGSTER_HOME=f"{folder}/.demo/dagster_home"),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    ) as server:
        try:
            with requests.Session() as session:
                session.mount("http://", HTTPAdapter(max_retries=Retry(60, backoff_factor=0.1, backoff_max=2)))
                session.get(f"http://127.0.0.1:{port}/server_info", timeout=PATIENCE).raise_for_status()
            yield f"http://127.0.0.1:{port}"
        finally:
            server.terminate()


def text(browser: webdriver.Chrome) -> str:
    return browser.find_element(By.TAG_NAME, "body").text


def wait_for(browser: webdriver.Chrome, *words: str) -> str:
    """The page's text, once it holds every one of the words."""
    shown = ""

    def complete(_: object) -> bool:
        nonlocal shown
        shown = text(browser)
        return all(word in shown for word in words)

    WebDriverWait(browser, PATIENCE).until(complete, f"{words} not all in what is shown last:\n{shown}")
    return shown


def keep(browser: webdriver.Chrome, folder: Path, name: str) -> None:
    """A picture of the page, for whoever wants to look."""
    assert browser.save_screenshot(str(folder / name))


def test_the_graph_shows_every_asset_in_three_groups(
    browser: webdriver.Chrome, dagster_ui: str, tmp_path: Path
) -> None:
    browser.set_window_size(2600, 4800)  # the graph leaves out what is not in sight
    groups = ("look_back", "current_state", "derived")
    browser.get(f"{dagster_ui}/asset-groups?expanded={','.join(f'global@global:{group}' for group in groups)}")

    shown = wait_for(browser, *groups, "reports", *EVERY, "180 partitions", "5% filled")

    keep(browser, tmp_path, "graph.png")
    browser.set_window_size(1280, 800)
    assert "Failed to load" not in shown
    assert "Join the Dagster community" not in shown


def test_a_partition_shows_its_facts_and_no_personal_data(
    browser: webdriver.Chrome, dagster_ui: str, tmp_path: Path
) -> None:
    folder, _ = demo()
    newest = max((folder / ".demo/lake/locations/website=acme-honda").iterdir()).name.removeprefix("date=")
    browser.get(f"{dagster_ui}/assets/locations?view=partitions&partition={newest}%7Cacme-honda")

    shown = wait_for(browser, f"{newest}|acme-honda", "Metadata", "preview", "id latitude")

    browser.execute_script("arguments[0].scrollIntoView()", browser.find_element(By.XPATH, "//*[text() = 'requests']"))
    keep(browser, tmp_path, "partition.png")
    lines = shown.splitlines()
    facts = dict(itertools.pairwise(lines))
    assert int(facts["dagster/row_count"]) > 0
    assert facts["path"].endswith(f"lake/locations/website=acme-honda/date={newest}/part-0.parquet")
    assert facts["requests"] == "1"
    header = next(line for line in lines if line.startswith("id latitude"))
    assert header == "id latitude longitude street city state zip resident extra"
    previewed = [line for line in lines if "•••" in line]
    assert len(previewed) == 2
    assert all(re.fullmatch(r"\d+ ••• ••• ••• [\w ]+ [a-z]{2} \d{5} •••( •••)?", line) for line in previewed)


def test_a_derived_partition_shows_its_coverage_and_no_personal_data(
    browser: webdriver.Chrome, dagster_ui: str, tmp_path: Path
) -> None:
    folder, _ = demo()
    newest = max((folder / ".demo/lake/locations/website=acme-honda").iterdir()).name.removeprefix("date=")
    browser.get(f"{dagster_ui}/assets/location_recency?view=partitions&partition={newest}%7Cacme-honda")

    shown = wait_for(browser, f"{newest}|acme-honda", "Metadata", "coverage", "preview")

    keep(browser, tmp_path, "derived.png")
    lines = shown.splitlines()
    facts = dict(itertools.pairwise(lines))
    assert facts["coverage"] == "1"
    rows = duckdb.read_parquet(facts["path"])
    # NULL for a location that a late capture brought, first seen after the window.
    standings = dict(rows.aggregate("standing, count(*)").fetchall())
    assert int(facts["dagster/row_count"]) == sum(standings.values())
    assert (int(facts["new"]), int(facts["returning"])) == (standings.get("new", 0), standings.get("returning", 0))
    assert "id city state zip latitude longitude last_seen score stars sessions first_visit standing" in shown
    previewed = [line for line in lines if "•••" in line]
    assert len(previewed) == 2
    assert all(re.match(r"\d+ [\w ]+ [a-z]{2} \d{5} ••• ••• \d{4}-\d\d-\d\d ", line) for line in previewed)


def test_an_asset_says_what_its_columns_are(browser: webdriver.Chrome, dagster_ui: str, tmp_path: Path) -> None:
    browser.get(f"{dagster_ui}/assets/visitors")

    shown = wait_for(browser, "Columns", "Parquet", "nightly", "hashed_email", "Storage")

    keep(browser, tmp_path, "asset.png")
    assert "Hashed e-mails of the identified visitors last seen" in shown
    assert "Hash of a visitor's e-mail address." in shown
    assert "ignite/personal_data: true" in shown
    assert "GET /api/visitors" in shown
    assert browser.find_elements(By.CSS_SELECTOR, f"a[href='{by_name()['visitors'].documentation_url}']")
    folder, _ = demo()
    assert f"file://{folder}/.demo/lake/visitors" in shown


def test_numbers_of_partitions_are_plotted(browser: webdriver.Chrome, dagster_ui: str, tmp_path: Path) -> None:
    browser.set_window_size(1280, 1900)
    browser.get(f"{dagster_ui}/assets/location_details")
    wait_for(browser, "Columns", "Metadata", "Plots")

    browser.find_element(By.XPATH, "//button[contains(., 'Plots')]").click()

    numbers = ("bytes", "dagster/row_count", "requests", "seconds")
    wait_for(browser, *numbers, "When graphing values by partition")
    browser.execute_script("arguments[0].scrollIntoView()", browser.find_element(By.XPATH, "//*[text() = 'Plots']"))
    keep(browser, tmp_path, "plots.png")
    browser.set_window_size(1280, 800)


def test_a_check_shows_how_the_number_of_rows_has_gone(
    browser: webdriver.Chrome, dagster_ui: str, tmp_path: Path
) -> None:
    browser.get(f"{dagster_ui}/assets/visitors?view=checks&checkDetail=usual")

    shown = wait_for(browser, "usual", "Latest execution", "history", "findings")

    keep(browser, tmp_path, "check.png")
    assert re.search(r"[\d,]+ [▁▂▃▄▅▆▇█]+ [\d,]+", shown)


def test_a_backfill_is_chosen_by_date_and_website(browser: webdriver.Chrome, dagster_ui: str, tmp_path: Path) -> None:
    browser.get(f"{dagster_ui}/assets/visitors")
    wait_for(browser, "Materialize…", "Columns")

    browser.find_element(By.XPATH, "//button[contains(., 'Materialize')]").click()

    wait_for(browser, "Launch runs to materialize visitors", "Partition selection", "website")
    for button in browser.find_elements(By.XPATH, "//button[normalize-space() = 'All']"):
        button.click()
    shown = wait_for(browser, "180 partitions", "Launch backfill")
    keep(browser, tmp_path, "backfill.png")
    assert "Backfill only failed and missing partitions within selection" in shown


def test_schedules_and_sensors_are_on(browser: webdriver.Chrome, dagster_ui: str, tmp_path: Path) -> None:
    browser.get(f"{dagster_ui}/automation")

    wait_for(browser, "nightly_schedule", "At 12:30 AM", "heal_schedule", "At 02:30 AM", "audience_export_sensor")

    keep(browser, tmp_path, "automation.png")


@pytest.mark.parametrize(
    ("page", "told"),
    [
        (
            "schedules/nightly_schedule",
            "Every night at 00:30: captures the day that just closed while the platform's window",
        ),
        (
            "sensors/audience_export_sensor",
            "Every minute: exports a website's audiences once everything they need has its newest",
        ),
        ("jobs/heal", "Captures and derives what is missing of one website's day; runs every night"),
    ],
)
def test_what_runs_by_itself_says_when_what_and_what_for(
    browser: webdriver.Chrome, dagster_ui: str, page: str, told: str
) -> None:
    browser.get(f"{dagster_ui}/locations/ignite_assets/{page}")

    wait_for(browser, "Description", told)
