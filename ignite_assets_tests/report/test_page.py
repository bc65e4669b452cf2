"""The page: all its numbers are the figures', nothing is fetched, and nobody's details are on it."""

import re
import subprocess
import sys
import zipfile
from collections.abc import Callable, Iterator
from html.parser import HTMLParser
from pathlib import Path

import duckdb
import pytest

from ignite_assets.audiences import ledger
from ignite_assets.audiences.ledger import Hashes
from ignite_assets.audiences.rules import ExportRule
from ignite_assets.config.models import Reports
from ignite_assets.report.figures import Figures
from ignite_assets.report.page import DEALER, OPERATIONS, LogoError, logo_of, render
from ignite_assets.storage.lake import Lake, Partition
from ignite_assets.testing import find_leaks
from ignite_assets_tests.audiences.captures import DAY, NOW, WEBSITE, ago, hashed, rule, run, somebody
from ignite_assets_tests.commands import ROOT
from ignite_assets_tests.report.made import (
    HOSTILE,
    capture,
    figures,
    fill,
    location,
    locations,
    members,
    opt_out,
    settings,
    visitors,
)

VOID = {"meta", "link", "br", "hr", "img", "input"}


class Reader(HTMLParser):
    """What a page holds: its numbers, elements, attributes and text, and whether its tags fit."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.numbers: list[tuple[str, str, str, str]] = []
        self.queries: dict[str, str] = {}
        self._query: str | None = None
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
            self.numbers.append((given["data-query"], given["data-row"], given["data-column"], given["value"]))
        if tag == "pre":
            self._query = given["data-sql"]
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.handle_starttag(tag, attrs)
        if tag not in VOID:
            self.open.pop()

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag
        self._query = None

    def handle_data(self, data: str) -> None:
        self.text.append(data)
        if self._query:
            self.queries[self._query] = self.queries.get(self._query, "") + data

    def values(self, *names: str) -> Iterator[str]:
        return (value for _, name, value in self.attributes if name in names)


@pytest.fixture(scope="module")
def pages(reported: Figures) -> dict[str, str]:
    return render(reported)


@pytest.fixture(scope="module")
def page(pages: dict[str, str]) -> str:
    return pages[DEALER]


@pytest.fixture(scope="module")
def read(page: str) -> Reader:
    return Reader(page)


def text_of(figures: Figures, name: str = DEALER) -> str:
    return " ".join("".join(Reader(render(figures)[name]).text).split())


def check_numbers(lake: Lake, page: str) -> int:
    """Run each query that stands on a page, and compare each number on it with its row; how many there are."""
    reader = Reader(page)
    assert reader.open == []
    with duckdb.connect() as connection:
        connection.execute(f"SET TimeZone = 'UTC'; SET file_search_path = '{lake.root}'")
        answers = {name: connection.sql(sql) for name, sql in reader.queries.items()}
        rows = {name: [dict(zip(a.columns, row, strict=True)) for row in a.fetchall()] for name, a in answers.items()}
    for query, row, column, value in reader.numbers:
        found = rows[query][int(row)][column]
        assert value == ("" if found is None else str(found)), (query, row, column)
    return len(reader.numbers)


def nightly(lake: Lake) -> list[ExportRule]:
    """Beside the lake: one list written, one list of an audience, one held."""
    fill(lake)
    opt_out(lake, 1, 2)
    ledger.record(lake, WEBSITE, [Hashes(sha256=hashed(3))], source_hash="of hashes", at=NOW)
    ledger.record(lake, WEBSITE, [somebody(1).hashes], kind="submitted", source_hash="a", at=NOW)
    to = Path(lake.root).parent / "ex'ports [1]"
    alone = {"name": "alone", "source": "audiences", "match": {"id": (1, 2)}, "combine": False}
    rules = [rule(to), rule(to, **alone), rule(to, name="held", min_members=1000)]
    for each in rules:
        run(lake, each)
    return rules


def healed(lake: Lake) -> None:
    for age in range(20):
        visitors(lake, ago(age), range(40 - age), late=age)
        members(lake, ago(age), {1: range(30 - age)}, late=age)


def gapped(lake: Lake) -> None:
    for age in (0, 1, 5, 9, 12):
        visitors(lake, ago(age), range(10), late=4 if age == 5 else 0)
    capture(lake, "locations", DAY, [location(n) for n in range(9)])


def empty(lake: Lake) -> None:
    for asset in ("visitors", "locations", "location_details", "products", "audience_members", "audiences"):
        capture(lake, asset, DAY, [])


@pytest.mark.parametrize("history", [nightly, healed, gapped, empty])
def test_every_number_is_what_the_query_beside_it_gives(
    lake: Lake, history: Callable[[Lake], list[ExportRule] | None]
) -> None:
    found = figures(lake, rules=history(lake) or ())

    pages = render(found)

    assert sum(check_numbers(lake, page) for page in pages.values()) >= 5
    shown = {name for page in pages.values() for name in Reader(page).queries}
    assert {query.name for query in found.queries if query.rows} - shown <= {"map", "spots", "audiences"}
    cells = re.findall(r'<td class="right[^"]*">(.*?)</td>', "".join(pages.values()), flags=re.DOTALL)
    plain = [text for cell in cells if (text := re.sub(r"<data .*?</data>|<.*?>", "", cell)) and re.search(r"\d", text)]
    assert plain == [], "a number without a query"


def test_a_lake_whose_files_lack_newer_columns_is_read(lake: Lake) -> None:
    visitors(lake, DAY, [1, 2])
    assert check_numbers(lake, render(figures(lake))[DEALER])


def test_tags_fit_and_ids_are_unlike_each_other(read: Reader) -> None:
    assert read.open == []
    ids = [value for _, name, value in read.attributes if name == "id"]
    assert len(ids) == len(set(ids)) >= 10
    referred = [value[1:] for _, name, value in read.attributes if name == "href" and value.startswith("#")]
    referred += [value for _, name, value in read.attributes if name == "aria-labelledby"]
    assert set(referred) <= set(ids)
    assert len(referred) >= 10


def test_nothing_is_fetched_and_nothing_runs(page: str, read: Reader) -> None:
    assert "default-src 'none'" in page
    assert [tag for tag in read.elements if tag in ("iframe", "object", "embed", "img", "video", "audio")] == []
    assert "script" not in read.elements
    assert not [name for _, name, _ in read.attributes if name.startswith("on")]
    links = [value for value in read.values("href", "src", "xlink:href") if not value.startswith("#")]
    assert links == ["data:,", "operations.html"]
    assert not re.search(r"@import|url\((?!#)", page)


def test_hostile_labels_are_text(page: str, read: Reader) -> None:
    assert HOSTILE not in page
    text = "".join(read.text)
    assert HOSTILE in text
    assert "49" not in re.findall(r"\{\{.*?\}\}", text)
    assert "<script" not in page
    assert page.count("</svg>") == page.count("<svg ")


def test_charts_are_told_to_those_who_do_not_see_them(read: Reader) -> None:
    charts = [value for _, name, value in read.attributes if name == "aria-label" and len(value) > 40]
    assert len(charts) >= 2
    assert read.elements.count("h1") == 1
    assert read.elements.count("h2") == 6
    assert read.elements.count("caption") == read.elements.count("table") >= 5
    assert ("html", "lang", "en") in read.attributes


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

    text = text_of(figures(lake, opt_outs={"inbox": str(tmp_path / "inbox")}), OPERATIONS)

    assert "1 person is known by a hash of another algorithm than the captures: that opt-out can't take effect." in text
    assert "1 file of rejected opt-outs waits for somebody, in processed/ of the inbox." in text
    assert "ann@" not in text
    quiet = text_of(figures(lake, platform={"algo": "md5"}), OPERATIONS)
    assert "another algorithm" not in quiet
    assert "rejected opt-outs" not in quiet


def test_details_are_on_it_when_they_are_asked_for(full: Lake) -> None:
    page = render(figures(full, reports={"personal_details": True}))[DEALER]

    found = {leak.secret for leak in find_leaks(secrets(full), texts={"page": page})}

    assert any(name.startswith("resident") for name in found)
    assert not any(name.startswith(("latitude", "longitude", "hash")) for name in found)
    assert "Personal data: names and addresses" in page
    assert "No name, street" not in page


def test_what_is_missing_is_said_once_and_first_and_nothing_is_green(lake: Lake) -> None:
    capture(lake, "sales", DAY, [])

    dealer, operations = render(figures(lake)).values()

    for page in (dealer, operations):
        assert page.count("Partly captured:") == 1
        assert page.index("Partly captured:") < page.index("<nav")
    assert "tag good" in operations, "sales were looked at"
    assert operations.count("tag good") == 1
    assert operations.count("not checked") == 11
    assert "every check passed" not in operations
    assert "No export to an ad platform is set up" in operations


def test_a_page_of_an_empty_day_says_so(lake: Lake) -> None:
    empty(lake)
    text = text_of(figures(lake))
    assert "No household was identified" in text
    assert "Nobody was in any audience" in text
    assert "Nobody has opted out" in text


def test_the_dealers_page_has_names_and_no_system_terms(lake: Lake) -> None:
    nightly(lake)
    found = figures(lake, websites={WEBSITE: {"token_env": "TOKEN", "secret_env": "SECRET", "name": "Acme <Honda>"}})
    page = render(found, "Northwind Media", "data:image/png;base64,AA==")[DEALER]
    reader = Reader(re.sub(r"<details>.*?</details>", "", page, flags=re.DOTALL))
    text = " ".join("".join(reader.text).split())
    text = text[text.index("Northwind Media Acme") :]

    assert "Acme <Honda>" in text
    assert "From Northwind Media." in text
    assert "New FORD F-150" in text
    assert WEBSITE not in text
    assert not re.search(r"_|audience \d|visitor_recency|#\d", text)
    assert ("img", "alt", "Northwind Media") in reader.attributes


def test_a_key_makes_a_name_of_its_own() -> None:
    assert settings().display_name("acme-honda_east") == "Acme Honda East"


@pytest.mark.parametrize(
    ("name", "data", "told"),
    [("logo.gif", b"x", "is no"), ("logo.png", None, "can't be read"), ("logo.svg", b"x" * 100_001, "the most are")],
)
def test_a_logo_that_can_not_be_used_is_named(tmp_path: Path, name: str, data: bytes | None, told: str) -> None:
    if data is not None:
        (tmp_path / name).write_bytes(data)
    with pytest.raises(LogoError, match=told):
        logo_of(Reports(logo=name), tmp_path)


def test_one_location_makes_a_map(lake: Lake) -> None:
    locations(lake, DAY, [1])
    assert "Where the map lies in the United States" in render(figures(lake))[DEALER]


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
    for name in ("dealer.html.jinja", "base.html.jinja", "page.css", "states.json", "websites.js"):
        assert f"ignite_assets/report/{name}" in names
