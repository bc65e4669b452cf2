"""The page of all websites."""

import datetime as dt
import json
import re
from pathlib import Path

import pytest

from ignite_assets.report import overview
from ignite_assets.report.figures import Figures
from ignite_assets.report.overview import Summary, WebsiteLine
from ignite_assets.storage.store import Store
from ignite_assets_tests.audiences.captures import DAY, NOW, WEBSITE, ago
from ignite_assets_tests.report.made import settings

OTHERS = {name: {"token_env": "TOKEN", "secret_env": "SECRET"} for name in (WEBSITE, "bayside-kia")}


def summary(**changed: object) -> Summary:
    usual: dict[str, object] = {"website": WEBSITE, "date": str(DAY), "people": 10, "new": 3, "change": 1}
    return Summary(**usual | changed)  # type: ignore[arg-type]  # of different types


@pytest.mark.parametrize(
    ("changed", "behind", "states"),
    [
        ({}, 0, []),
        ({}, 3, ["stale: 3 days behind"]),
        ({"change": -2}, 0, ["shrinking"]),
        ({"change": None}, 0, []),
        ({"held": 2, "partly": True}, 0, ["partly captured", "2 lists held"]),
    ],
)
def test_the_state_of_a_website_is_told_the_worst_first(
    changed: dict[str, object], behind: int, states: list[str]
) -> None:
    line = WebsiteLine(name="Acme", summary=summary(**changed), behind=behind)
    assert list(line.states) == states
    assert (line.rank > 0) == bool(states)


def test_a_report_leaves_its_summary_and_every_website_is_on_the_page(reported: Figures, tmp_path: Path) -> None:
    store, every = Store(str(tmp_path)), settings(websites=OTHERS)

    overview.write(store, every, reported, NOW + dt.timedelta(days=2))

    page = (tmp_path / "index.html").read_text()
    assert re.search(rf'href="website={WEBSITE}/date={DAY}/index.html">Acme Honda</a>', page)
    assert "stale: 2 days behind" in page
    assert "Bayside Kia" in page
    assert "nothing reported" in page
    assert page.index("Bayside Kia") < page.index("Acme Honda")


def test_the_report_of_an_older_day_leaves_the_newer_summary(reported: Figures, tmp_path: Path) -> None:
    store = Store(str(tmp_path))
    newer = summary(date=str(ago(-3)))
    store.put(f"website={WEBSITE}/summary.json", json.dumps(vars(newer)).encode())

    overview.write(store, settings(), reported, NOW)

    assert overview.summaries(store, settings()) == {WEBSITE: newer}


def test_a_summary_of_another_version_counts_as_none(tmp_path: Path) -> None:
    store = Store(str(tmp_path))
    store.put(f"website={WEBSITE}/summary.json", b'{"other": 1}')
    assert overview.summaries(store, settings()) == {WEBSITE: None}


def test_a_name_can_not_be_markup() -> None:
    named = {WEBSITE: {**OTHERS[WEBSITE], "name": "<script>x</script>"}}
    page = overview.page(settings(websites=named), {WEBSITE: summary()}, NOW)
    assert "&lt;script&gt;x" in page
    assert page.count("<script>") == 1
