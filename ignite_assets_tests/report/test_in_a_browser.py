"""The page in headless Chromium: what it asks for, how it fits, its colours, and the numbers that stand on it."""

import base64
import itertools
import json
import re
from pathlib import Path
from typing import Any

import pytest
from selenium import webdriver
from selenium.webdriver import ActionChains, Keys

from ignite_assets.report import overview
from ignite_assets.report.figures import Figures
from ignite_assets.report.overview import Summary
from ignite_assets.report.page import DEALER, OPERATIONS, render
from ignite_assets_tests.audiences.captures import DAY, NOW
from ignite_assets_tests.chromium import IN_A_BROWSER
from ignite_assets_tests.report.made import HOSTILE, settings

pytestmark = IN_A_BROWSER


@pytest.fixture(scope="module")
def page(reported: Figures, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The dealer's page, the other beside it."""
    folder = tmp_path_factory.mktemp("page")
    for name, text in render(reported).items():
        (folder / name).write_text(text)
    return folder / DEALER


@pytest.fixture(params=[DEALER, OPERATIONS])
def either(request: pytest.FixtureRequest, page: Path) -> Path:
    return page.with_name(request.param)


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


def test_it_asks_for_nothing_and_complains_of_nothing(browser: webdriver.Chrome, either: Path) -> None:
    browser.get_log("performance")  # type: ignore[no-untyped-call]
    browser.get_log("browser")  # type: ignore[no-untyped-call]

    show(browser, either)

    events = [json.loads(entry["message"])["message"] for entry in browser.get_log("performance")]  # type: ignore[no-untyped-call]
    asked = [e["params"]["request"]["url"] for e in events if e["method"] == "Network.requestWillBeSent"]
    # The browser's own start page may still be on its way.
    assert [url for url in asked if not url.startswith(("data:", "chrome://"))] == [either.as_uri()]
    assert browser.get_log("browser") == []  # type: ignore[no-untyped-call]
    assert browser.title.endswith("20 November 2026")
    assert either.stat().st_size < 600_000


def test_it_fits_every_width_and_text_keeps_its_size(browser: webdriver.Chrome, either: Path) -> None:
    for width in (320, 414, 740, 1600):
        show(browser, either, width=width)
        assert script(browser, "innerWidth") == width
        assert script(browser, "document.documentElement.scrollWidth") <= width
        script(browser, "document.querySelectorAll('details').forEach(each => { each.open = true })")
        assert script(browser, "document.documentElement.scrollWidth") <= width
        assert script(browser, SMALLEST) >= 11


SMALLEST = """Math.min(...Array.from(document.querySelectorAll('main *')).filter(each => each.offsetParent)
    .map(each => parseFloat(getComputedStyle(each).fontSize)))"""


def test_a_table_too_wide_for_a_phone_is_scrolled_by_the_keyboard(browser: webdriver.Chrome, page: Path) -> None:
    show(browser, page.with_name(OPERATIONS), width=360)
    region = "document.querySelector('.scroll')"
    assert script(browser, f"{region}.scrollWidth > {region}.clientWidth")
    assert script(browser, f"{region}.tabIndex") == 0
    assert script(browser, f"getComputedStyle({region}).backgroundImage") != "none", "a shadow says there is more"


CONTRASTS = """(() => {
    const parts = colour => colour.match(/[\\d.]+/g).map(Number);
    const light = ([r, g, b]) => [r, g, b].map(c => c / 255)
        .map(c => c <= 0.03928 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4)
        .reduce((sum, c, n) => sum + c * [0.2126, 0.7152, 0.0722][n], 0);
    const behind = each => {
        for (; each; each = each.parentElement) {
            const back = parts(getComputedStyle(each).backgroundColor);
            if (back.length < 4 || back[3] > 0) return back;
        }
        return [255, 255, 255];
    };
    document.querySelectorAll('details').forEach(each => { each.open = true });
    return Array.from(document.querySelectorAll('body *')).filter(each => each.offsetParent &&
        !each.closest('.unseen, .mapped') && Array.from(each.childNodes).some(n => n.nodeType === 3 && n.data.trim()))
        .map(each => {
            const [low, high] = [light(parts(getComputedStyle(each).color)), light(behind(each))].sort((a, b) => a - b);
            return [(high + 0.05) / (low + 0.05), each.textContent.trim().slice(0, 40)];
        }).sort((a, b) => a[0] - b[0]);
})()"""


@pytest.mark.parametrize(("scheme", "media"), [("light", ""), ("dark", ""), ("dark", "print")])
def test_every_text_stands_out_from_what_is_behind_it(
    browser: webdriver.Chrome, either: Path, scheme: str, media: str
) -> None:
    show(browser, either, scheme=scheme, media=media)
    found = script(browser, CONTRASTS)
    assert len(found) > 30
    assert found[0][0] >= 4.5, found[0]
    marks = script(browser, MARKS)
    assert marks[0][0] >= 3, marks[0]


NAMED = {
    "Canvas", "DisclosureTriangle", "button", "columnheader", "figure", "heading", "image", "img", "link", "navigation",
    "region", "rowheader", "searchbox", "table", "textbox",
}  # fmt: skip


def tree(browser: webdriver.Chrome) -> list[tuple[str, str, int]]:
    """What a screen reader has of the page that is shown, its details open: role, name and level of each node."""
    browser.execute_script("document.querySelectorAll('details').forEach(each => { each.open = true })")
    nodes = {node["nodeId"]: node for node in browser.execute_cdp_cmd("Accessibility.getFullAXTree", {})["nodes"]}
    waiting, found = [next(iter(nodes))], []
    while waiting:
        node = nodes[waiting.pop()]
        waiting += reversed(node.get("childIds", []))
        if not node["ignored"]:
            levels = [each["value"]["value"] for each in node.get("properties", []) if each["name"] == "level"]
            found.append((node["role"]["value"], node.get("name", {}).get("value", ""), levels[0] if levels else 0))
    return found


def check_tree(nodes: list[tuple[str, str, int]]) -> None:
    roles = [role for role, _, _ in nodes]
    assert [role for role, name, _ in nodes if role in NAMED and not name.strip()] == []
    assert {role: roles.count(role) for role in ("banner", "main", "contentinfo")} == dict.fromkeys(
        ("banner", "main", "contentinfo"), 1
    )
    levels = [level for role, _, level in nodes if role == "heading"]
    assert (levels[0], levels.count(1)) == (1, 1)
    assert all(after <= before + 1 for before, after in itertools.pairwise(levels)), levels
    tables = "".join({"table": "|", "columnheader": "c", "rowheader": "r"}.get(role, "") for role in roles).split("|")
    assert all(re.fullmatch("c+r+", table) for table in tables[1:]), tables


def test_a_screen_reader_has_a_name_for_everything(browser: webdriver.Chrome, either: Path) -> None:
    show(browser, either)
    assert script(browser, "document.documentElement.lang") == "en"
    nodes = tree(browser)
    check_tree(nodes)
    roles = [role for role, _, _ in nodes]
    assert roles.count("table") >= (1 if either.name == OPERATIONS else 6)
    if either.name == DEALER:
        charts = [name for role, name, _ in nodes if role in ("img", "image")]
        assert sum("Bars of people" in name or "Map of" in name for name in charts) == 2
        assert "DescriptionList" in roles, "bars have their numbers beside them"


MARKS = """(() => {
    const box = document.body.appendChild(document.createElement('i'));
    const colour = name => {
        box.style.color = `var(--${name})`;
        return getComputedStyle(box).color.match(/[\\d.]+/g).map(Number);
    };
    const light = name => colour(name).map(c => c / 255)
        .map(c => c <= 0.03928 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4)
        .reduce((sum, c, n) => sum + c * [0.2126, 0.7152, 0.0722][n], 0);
    const pairs = [['blue', 'card'], ['orange', 'card'], ['grey', 'card'], ['gap', 'card'], ['blue', 'land']];
    const found = pairs.map(pair => {
        const [low, high] = pair.map(light).sort((a, b) => a - b);
        return [(high + 0.05) / (low + 0.05), pair.join(' on ')];
    }).sort((a, b) => a[0] - b[0]);
    box.remove();
    return found;
})()"""


@pytest.mark.parametrize(("paper", "width", "height"), [("A4", 8.27, 11.69), ("Letter", 8.5, 11)])
def test_it_prints_on_few_pages(browser: webdriver.Chrome, page: Path, paper: str, width: float, height: float) -> None:
    show(browser, page, media="print")
    assert script(browser, "getComputedStyle(document.querySelector('nav')).display") == "none"
    options = {"printBackground": True, "paperWidth": width, "paperHeight": height}
    pdf = base64.b64decode(browser.execute_cdp_cmd("Page.printToPDF", options)["data"])
    pages = len(re.findall(rb"/Type\s*/Page\b", pdf))
    assert 1 < pages <= 3, paper
    assert len(pdf) < 2_000_000


def test_all_websites_are_sorted_and_searched(browser: webdriver.Chrome, tmp_path: Path) -> None:
    names = {f"dealer-{n}": {"token_env": "T", "secret_env": "S"} for n in range(30)}
    known = {
        name: Summary(website=name, date=str(DAY), people=100 - n, new=n, change=n % 7 - 1, held=int(n == 20))
        for n, name in enumerate(names)
    }
    page = tmp_path / "index.html"
    page.write_text(overview.page(settings(websites=names), known, NOW))
    browser.get_log("browser")  # type: ignore[no-untyped-call]
    show(browser, page, width=390)

    check_tree(tree(browser))

    def press(*keys: str) -> None:
        ActionChains(browser).send_keys(*keys).perform()
        if keys[-1] == Keys.TAB:
            assert script(browser, "getComputedStyle(document.activeElement).outlineStyle") == "solid", "seen"

    rows = "[...document.querySelectorAll('tbody tr')].filter(row => !row.hidden).map(row => row.cells[0].textContent)"
    assert script(browser, rows)[0] == "Dealer 20"
    search = browser.find_element("tag name", "input")
    press(Keys.TAB)
    assert browser.switch_to.active_element == search
    press("shrinking")
    assert script(browser, "document.querySelector('output').textContent") == "5 websites"
    search.clear()
    search.send_keys("held")
    assert script(browser, rows) == ["Dealer 20"]
    browser.execute_script(
        "const it = document.querySelector('input'); it.value = ''; it.dispatchEvent(new Event('input'))"
    )
    for _ in range(5):  # the table that scrolls, then the titles up to that of people
        press(Keys.TAB)
    press(Keys.ENTER)
    assert script(browser, rows)[:2] == ["Dealer 29", "Dealer 28"]
    assert script(browser, "document.querySelectorAll('th[aria-sort=ascending]').length") == 1
    assert script(browser, "document.documentElement.scrollWidth") <= 390
    assert browser.get_log("browser") == []  # type: ignore[no-untyped-call]


def test_a_hostile_label_is_read_and_not_run(browser: webdriver.Chrome, page: Path) -> None:
    show(browser, page)

    assert script(browser, "document.querySelectorAll('script').length") == 0
    assert HOSTILE in script(browser, "document.querySelector('#inventory').textContent")
    assert HOSTILE in script(browser, "document.querySelector('#interest').textContent").replace("Used ", "")
