"""The README stays short, in its order, and shows what the program prints and the code says."""

import re

import pytest

from ignite_assets_tests.commands import ROOT, demo
from ignite_assets_tests.docs import readme
from ignite_assets_tests.docs.blocks import blocks, normalised
from ignite_assets_tests.docs.readme import PAGES, README, part

TEXT = README.read_text()
SECTIONS = [
    "Try it", "Install", "What a date means", "Read the lake", "In your Dagster", "Audiences and opt-outs", "Promises",
    "Links",
]  # fmt: skip


@pytest.mark.parametrize("name", readme.GENERATED)
def test_what_is_made_from_the_code_is_up_to_date(name: str) -> None:
    assert part(name).rstrip("\n") == readme.GENERATED[name](), "run `make docs`"


def test_the_readme_stays_short_and_in_its_order() -> None:
    assert len(TEXT) <= 10_000
    assert re.findall(r"^## (.*)$", TEXT, flags=re.MULTILINE) == SECTIONS
    assert len(re.findall(r"!\[", TEXT)) == 1


@pytest.mark.parametrize(("kind", "lines"), [("toml", 6), ("python", 5)])
def test_the_first_example_of_a_kind_is_short(kind: str, lines: int) -> None:
    first = next(block for block in blocks(README) if block.kind == kind)

    assert len(first.text.splitlines()) <= lines


def test_the_transcript_is_twelve_lines() -> None:
    assert len([line for line in part("transcript").splitlines() if line not in ("```", "…")]) == 12


def test_the_promises_are_eleven_half_lines() -> None:
    promises = part("promises").splitlines()

    assert len(promises) == 11
    assert max(map(len, promises)) <= 66


def test_nobody_takes_silence_for_a_licence() -> None:
    """To be changed with the line itself, once a licence is chosen."""
    assert not list(ROOT.glob("LICEN[CS]E*"))
    assert "No licence has been chosen yet" in TEXT


@pytest.mark.slow
def test_the_transcript_is_what_the_demo_prints() -> None:
    _, done = demo()

    assert done.returncode == 0
    assert normalised(part("transcript")) == normalised(readme.transcript(done.stdout)), "run `make docs`"


def test_pictures_are_small_enough_to_load() -> None:
    for picture in (ROOT / "docs/images").iterdir():
        assert picture.stat().st_size < 200_000


def test_no_page_speaks_of_a_place_on_anybodys_machine() -> None:
    for page in PAGES:
        assert not re.search(r"/(home/(?!ignite)|root/|work/|Users/)", page.read_text()), page.name
