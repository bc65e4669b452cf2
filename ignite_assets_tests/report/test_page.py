"""The page: all its numbers are the figures', nothing is fetched, and nobody's details are on it."""

import dataclasses
import json
import re
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path

import pytest

from ignite_assets.audiences import ledger
from ignite_assets.audiences.ledger import Hashes
from ignite_assets.report.figures import Figures
from ignite_assets.report.page import render
from ignite_assets.storage.lake import Lake, Partition
from ignite_assets.testing import find_leaks
from ignite_assets_tests.audiences.captures import DAY, NOW, WEBSITE, hashed
from ignite_assets_tests.commands import ROOT
from ignite_assets_tests.report.made import HOSTILE, capture, derive, figures, location, locations, visitors

VOID = {"meta", "link", "br", "hr", "img", "input"}


class Reader(HTMLParser):
    """What a page holds: its numbers, elements, attributes and text, and whether its tags fit."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.data: dict[str, str] = {}
        self.elements: list[str] = []
        self.attributes: list[tuple[str, str, str]] = []
        self.open: list[str] = []
        self.text: list[str] = []
        self.feed(page)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = {name: value or "" for name, value in attrs}
        self.elements.append(tag)
        self.attributes += [(tag, name, value) for name, value in given.items()]
        if tag == "data":
            self.data[given["data-name"]] = given["value"]
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.handle_starttag(tag, attrs)
        if tag not in VOID:
            self.open.pop()

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text.append(data)

    def values(self, *names: str) -> Iterator[str]:
        return (value for _, name, value in self.attributes if name in names)


@pytest.fixture(scope="module")
def page(reported: Figures) -> str:
    return render(reported)


@pytest.fixture(scope="module")
def read(page: str) -> Reader:
    return Reader(page)


def test_every_headline_is_the_figures(reported: Figures, read: Reader) -> None:
    for each in reported.headlines:
        assert read.data[each.name] == ("" if each.value is None else str(each.value))
    for day in reported.visitors.days:
        assert read.data[f"visitors-{day.date}"] == ("" if day.visitors is None else str(day.visitors))
    assert reported.audiences
    for trend in reported.audiences.trends:
        assert read.data[f"audience-{trend.audience}"] == str(trend.size)
    for state in reported.condition:
        assert read.data[f"rows-{state.asset}"] == ("" if state.rows is None else str(state.rows))


def test_the_numbers_can_be_read_by_machines(reported: Figures, page: str) -> None:
    found = re.search(r'<script type="application/json" id="figures">(.*?)</script>', page, re.DOTALL)
    assert found
    document = json.loads(found[1])
    assert document["website"] == WEBSITE
    assert {each["name"]: each["value"] for each in document["headlines"]} == {
        each.name: each.value for each in reported.headlines
    }
    assert [day["visitors"] for day in document["visitors"]["days"]] == [d.visitors for d in reported.visitors.days]
    assert document["locations"]["total"] == reported.locations.total if reported.locations else False


def test_tags_fit_and_ids_are_unlike_each_other(read: Reader) -> None:
    assert read.open == []
    ids = [value for _, name, value in read.attributes if name == "id"]
    assert len(ids) == len(set(ids)) > 10
    referred = [value[1:] for _, name, value in read.attributes if name == "href" and value.startswith("#")]
    referred += [value for _, name, value in read.attributes if name == "aria-labelledby"]
    referred += [found for value in read.values("clip-path") for found in re.findall(r"url\(#(.*?)\)", value)]
    assert set(referred) <= set(ids)
    assert len(referred) > 10


def test_nothing_is_fetched_and_nothing_runs(page: str, read: Reader) -> None:
    assert "default-src 'none'" in page
    assert [tag for tag in read.elements if tag in ("iframe", "object", "embed", "img", "video", "audio")] == []
    assert [value for tag, name, value in read.attributes if tag == "script" and name == "type"] == ["application/json"]
    assert read.elements.count("script") == 1
    assert not [name for _, name, _ in read.attributes if name.startswith("on")]
    links = [value for value in read.values("href", "src", "xlink:href") if not value.startswith("#")]
    assert links == ["data:,"]
    assert not re.search(r"@import|url\((?!#)", page)


def test_hostile_labels_are_text(page: str, read: Reader) -> None:
    assert HOSTILE not in page
    text = "".join(read.text)
    assert HOSTILE in text
    assert "49" not in re.findall(r"\{\{.*?\}\}", text)
    assert page.count("<script") == 1
    assert page.count("</svg>") == page.count("<svg ")


def test_charts_are_told_to_those_who_do_not_see_them(read: Reader) -> None:
    charts = [value for tag, name, value in read.attributes if tag == "svg" and name == "aria-label"]
    assert len(charts) >= 10
    assert all(len(label) > 20 for label in charts)
    assert read.elements.count("h1") == 1
    assert read.elements.count("h2") >= 8
    assert read.elements.count("caption") == 4
    assert ("html", "lang", "en") in read.attributes


def test_colours_are_left_to_the_style_sheet(page: str) -> None:
    svgs = "".join(re.findall(r"<svg.*?</svg>", page, re.DOTALL))
    colours = set(re.findall(r'(?:fill|stroke)="(.*?)"', svgs))
    assert {colour for colour in colours if not colour.startswith("var(--")} <= {"none", "transparent"}
    used = {colour[6:-1] for colour in colours if colour.startswith("var(")}
    assert used <= set(re.findall(r"--([a-z-]+):", page))


def test_it_is_small(page: str) -> None:
    assert len(page.encode()) < 500_000


def secrets(lake: Lake) -> dict[str, str]:
    """Everything personal that the lake's newest locations and visitors hold."""
    rows = lake.read([Partition("locations", WEBSITE, DAY)]).to_pylist()
    found = {}
    for row in rows:
        for name in ("street", "resident", "latitude", "longitude"):
            found[f"{name} {row['id']}"] = str(row[name])
    found |= {f"hash {number}": hashed(number) for number in range(60)}
    return found


def test_nobodys_name_street_place_or_hash_is_on_it(full: Lake, page: str) -> None:
    looked_for = secrets(full)
    assert len(looked_for) > 150
    assert find_leaks(looked_for, texts={"page": page}) == []


def test_opt_outs_that_wait_for_somebody_or_take_no_effect_are_told(lake: Lake, tmp_path: Path) -> None:
    visitors(lake, DAY, [1])
    ledger.record(lake, WEBSITE, [Hashes(md5="0" * 32)], source_hash="a", at=NOW)
    waiting = tmp_path / "inbox" / WEBSITE / "processed" / "0123-a.csv.rejects"
    waiting.parent.mkdir(parents=True)
    waiting.write_text("line,reason,content\n2,not an e-mail address,ann@example\n")

    page = render(figures(lake, opt_outs={"inbox": str(tmp_path / "inbox")}))
    text = " ".join("".join(Reader(page).text).split())

    assert "1 person is known by a hash of another algorithm than the captures: that opt-out can't take effect." in text
    assert "1 file of rejected opt-outs waits for somebody, in processed/ of the inbox." in text
    assert "ann@" not in text
    quiet = "".join(Reader(render(figures(lake, platform={"algo": "md5"}))).text)
    assert "another algorithm" not in quiet
    assert "rejected opt-outs" not in quiet


def test_details_are_on_it_when_they_are_asked_for(full: Lake) -> None:
    page = render(figures(full, reports={"personal_details": True}))

    found = {leak.secret for leak in find_leaks(secrets(full), texts={"page": page})}

    assert any(name.startswith("resident") for name in found)
    assert not any(name.startswith(("latitude", "longitude", "hash")) for name in found)
    assert "Personal data: names and addresses" in page
    assert "No name, street" not in page


def test_what_is_missing_is_said(lake: Lake) -> None:
    capture(lake, "sales", DAY, [])

    page = render(figures(lake))

    for told in (
        "<code>visitor_recency</code> was not derived",
        "<code>audience_trends</code> was not derived",
        "<code>location_recency</code> was not derived",
        "<code>products</code> was captured on no day",
        "No export to an ad platform is set up",
        "Nobody has opted out",
    ):
        assert told in page
    assert Reader(page).open == []


def test_empty_partitions_make_a_page_as_well(lake: Lake) -> None:
    for asset in ("visitors", "locations", "location_details", "products", "audience_members", "audiences"):
        capture(lake, asset, DAY, [])
    derive(lake, DAY)

    page = render(figures(lake))

    assert "No location was identified" in page
    assert "No audience had members" in page
    assert Reader(page).data["visitors_day"] == "0"


def test_a_late_day_says_what_it_holds(lake: Lake) -> None:
    visitors(lake, DAY, [1, 2], late=3)
    page = render(figures(lake))
    assert "captured 3 days late" in page
    assert "or since, up to the capture" in page


def test_places_without_numbers_make_no_empty_map(lake: Lake) -> None:
    capture(lake, "locations", DAY, [location(1) | {"latitude": None, "longitude": None}])
    visitors(lake, DAY, [1])
    derive(lake, DAY)
    assert "No location has coordinates" in render(figures(lake))


def test_one_location_makes_a_map(lake: Lake) -> None:
    locations(lake, DAY, [1])
    visitors(lake, DAY, [1])
    derive(lake, DAY)
    assert "Where the map lies in the United States" in render(figures(lake))


def test_a_website_of_any_key_is_escaped(reported: Figures) -> None:
    page = render(dataclasses.replace(reported, website="<i>me</i>"))
    assert "<i>me" not in page
    assert "&lt;i&gt;me&lt;/i&gt;" in page


@pytest.mark.slow
def test_the_wheel_holds_the_template_and_the_outlines(tmp_path: Path) -> None:
    subprocess.run(
        [
            sys.executable,
            "-m",
            "pip",
            "wheel",
            "-q",
            "--no-deps",
            "-w",
            str(tmp_path),
            str(ROOT),
        ],
        check=True,
    )
    (wheel,) = tmp_path.glob("*.whl")
    names = zipfile.ZipFile(wheel).namelist()
    for name in ("page.html.jinja", "page.css", "states.json"):
        assert f"ignite_assets/report/{name}" in names
