"""The page in headless Chromium: what it asks for, how it fits, its colours, and the numbers that stand on it."""

import base64
import json
from pathlib import Path
from typing import Any

import duckdb
import pytest
from selenium import webdriver

from ignite_assets.report.figures import Figures
from ignite_assets.report.page import render
from ignite_assets.storage.lake import Lake
from ignite_assets_tests.audiences.captures import DAY, WEBSITE, ago
from ignite_assets_tests.chromium import IN_A_BROWSER
from ignite_assets_tests.report.made import HOSTILE

pytestmark = IN_A_BROWSER


@pytest.fixture(scope="module")
def page(reported: Figures, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("page") / "index.html"
    path.write_text(render(reported))
    return path


def show(
    browser: webdriver.Chrome, page: Path, *, width: int = 1200, scheme: str = "light", media: str = ""
) -> webdriver.Chrome:
    """Open the page on a screen of that width, in a light or a dark scheme, for the screen or for paper."""
    size = {"width": width, "height": 800, "deviceScaleFactor": 1, "mobile": width < 500}
    browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
    features = [{"name": "prefers-color-scheme", "value": scheme}]
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": media, "features": features})
    browser.get(page.as_uri())
    return browser


def script(browser: webdriver.Chrome, source: str) -> Any:
    return browser.execute_script(f"return {source}")


def test_it_asks_for_nothing_and_complains_of_nothing(browser: webdriver.Chrome, page: Path) -> None:
    browser.get_log("performance")  # type: ignore[no-untyped-call]
    browser.get_log("browser")  # type: ignore[no-untyped-call]

    show(browser, page)

    events = [json.loads(entry["message"])["message"] for entry in browser.get_log("performance")]  # type: ignore[no-untyped-call]
    asked = [e["params"]["request"]["url"] for e in events if e["method"] == "Network.requestWillBeSent"]
    assert [url for url in asked if not url.startswith("data:")] == [page.as_uri()]
    assert browser.get_log("browser") == []  # type: ignore[no-untyped-call]
    assert browser.title == f"{WEBSITE} · 20 November 2026"


@pytest.mark.parametrize("width", [320, 360, 414, 600, 740, 1024, 1600])
def test_it_fits_every_width_without_being_moved_sideways(browser: webdriver.Chrome, page: Path, width: int) -> None:
    show(browser, page, width=width)

    assert script(browser, "innerWidth") == width
    assert script(browser, "document.documentElement.scrollWidth") <= width
    assert script(browser, "document.body.scrollWidth") <= width
    open_all = "document.querySelectorAll('details').forEach(each => { each.open = true })"
    script(browser, open_all)
    assert script(browser, "document.documentElement.scrollWidth") <= width


def shown_charts(browser: webdriver.Chrome) -> list[str]:
    labels = script(
        browser,
        "Array.from(document.querySelectorAll('svg.chart')).filter(svg => svg.getBoundingClientRect().width > 0)"
        ".map(svg => svg.parentNode.className)",
    )
    return list(labels)


def test_phones_get_the_charts_that_are_drawn_for_them(browser: webdriver.Chrome, page: Path) -> None:
    show(browser, page)
    desktop = shown_charts(browser)
    show(browser, page, width=360)
    phone = shown_charts(browser)

    assert set(desktop) - {"inset"} == {"wide"}
    assert set(phone) - {"inset"} == {"narrow"}
    assert len(desktop) == len(phone) >= 5
    smallest = script(
        browser,
        "Math.min(...Array.from(document.querySelectorAll('.narrow text')).map(t => t.getBoundingClientRect().height))",
    )
    assert smallest > 9


COLOURS = """(() => {
    const style = selector => getComputedStyle(document.querySelector(selector));
    return {
        paper: style('body').backgroundColor, ink: style('h1').color, quiet: style('.quiet').color,
        card: style('.card').backgroundColor, bar: style('.wide path[fill="var(--blue)"]').fill,
        good: style('.good').color, warn: style('.warn').color, link: style('nav a').color,
    };
})()"""


def luminance(colour: str) -> float:
    parts = [int(part) / 255 for part in colour[colour.index("(") + 1 : -1].split(",")[:3]]
    red, green, blue = (part / 12.92 if part <= 0.03928 else ((part + 0.055) / 1.055) ** 2.4 for part in parts)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def contrast(one: str, other: str) -> float:
    darker, lighter = sorted((luminance(one), luminance(other)))
    return (lighter + 0.05) / (darker + 0.05)


def test_dark_is_another_page_and_both_can_be_read(browser: webdriver.Chrome, page: Path) -> None:
    light = script(show(browser, page), COLOURS)
    dark = script(show(browser, page, scheme="dark"), COLOURS)

    assert luminance(light["paper"]) > 0.9
    assert luminance(dark["paper"]) < 0.02
    assert light["bar"] != dark["bar"]
    for colours in (light, dark):
        for name in ("ink", "quiet", "link"):
            assert contrast(colours[name], colours["paper"]) >= 4.5
        for name in ("ink", "quiet", "good", "warn"):
            assert contrast(colours[name], colours["card"]) >= 4.5
        assert contrast(colours["bar"], colours["card"]) >= 3


def test_paper_is_white_whatever_the_screen_is(browser: webdriver.Chrome, page: Path) -> None:
    show(browser, page, scheme="dark", media="print")
    printed = script(browser, COLOURS)
    assert luminance(printed["paper"]) == 1
    assert contrast(printed["ink"], printed["paper"]) > 10
    assert script(browser, "getComputedStyle(document.querySelector('nav')).display") == "none"

    pdf = base64.b64decode(browser.execute_cdp_cmd("Page.printToPDF", {"printBackground": True})["data"])
    assert pdf.startswith(b"%PDF")
    assert len(pdf) < 2_000_000


def test_the_numbers_on_it_are_the_lakes(browser: webdriver.Chrome, page: Path, full: Lake) -> None:
    show(browser, page)
    shown = script(
        browser,
        "Object.fromEntries(Array.from(document.querySelectorAll('data'))"
        ".map(data => [data.dataset.name, [data.value, data.textContent]]))",
    )
    document = script(browser, "JSON.parse(document.getElementById('figures').textContent)")

    def one(query: str, *files: str) -> int:
        row = duckdb.connect().execute(query, [[f"{full.root}/{file}/part-0.parquet" for file in files]]).fetchone()
        assert row
        return int(row[0])

    week = [f"visitors/website={WEBSITE}/date={ago(age)}" for age in range(7) if age != 4]
    lake = {
        "visitors_day": one("SELECT count(*) FROM read_parquet(?)", week[0]),
        "visitors_week": one("SELECT count(DISTINCT hashed_email) FROM read_parquet(?)", *week),
        "products": one("SELECT count(*) FROM read_parquet(?)", f"products/website={WEBSITE}/date={DAY}"),
        "memberships": one("SELECT sum(size) FROM read_parquet(?)", f"audience_trends/website={WEBSITE}/date={DAY}"),
        "people": one("SELECT count(*) FROM read_parquet(?)", f"visitor_recency/website={WEBSITE}/date={DAY}"),
        "locations": one("SELECT count(*) FROM read_parquet(?)", f"location_recency/website={WEBSITE}/date={DAY}"),
        "locations_new": one(
            "SELECT count(*) FROM read_parquet(?) WHERE standing = 'new'",
            f"location_recency/website={WEBSITE}/date={DAY}",
        ),
        "inventory_used": one(
            "SELECT count(*) FROM read_parquet(?) WHERE item_condition = 'USED'",
            f"products/website={WEBSITE}/date={DAY}",
        ),
    }
    for name, number in lake.items():
        assert shown[name] == [str(number), f"{number:,}"], name
    told = {each["name"]: each["value"] for each in document["headlines"]}
    assert {name: told[name] for name in told.keys() & lake} == {name: lake[name] for name in told.keys() & lake}
    assert len(told.keys() & lake) == 4


def test_a_hostile_label_is_read_and_not_run(browser: webdriver.Chrome, page: Path) -> None:
    show(browser, page)

    assert script(browser, "document.querySelectorAll('script').length") == 1
    assert HOSTILE in script(browser, "document.querySelector('#inventory').textContent")
    assert HOSTILE in script(browser, "document.querySelector('#audiences table').textContent")
    assert script(browser, "document.querySelectorAll('main > section').length") == 7
