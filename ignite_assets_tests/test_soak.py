"""A small soak from end to end, and what its proof is worth: it finds whatever is put wrong afterwards."""

import datetime as dt
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

import dagster as dg
import pytest

from ignite_assets.config import Settings, load_settings
from ignite_assets.sandbox import World, websites
from ignite_assets.storage.lake import Lake, Partition
from soak.driver import Options, Report, Soak
from soak.plan import CALM_NIGHTS, SCENES, plan
from soak.proof import Proof, prove

FIRST = dt.date(2026, 9, 1)


def test_a_plan_is_the_same_for_the_same_seed_and_has_every_scene_once() -> None:
    nights = plan(FIRST, 60, 1)
    assert nights == plan(FIRST, 60, 1) != plan(FIRST, 60, 2)
    assert [night.day for night in nights] == [FIRST + dt.timedelta(days=n) for n in range(60)]
    assert Counter(night.scene for night in nights if night.scene) == dict(SCENES)
    assert {night.victim for night in nights} == {"worker", "daemon", "everything", None}
    assert sum(not night.attended for night in nights) == 4


@pytest.mark.parametrize("days", [1, 2, 3, 6, 10, 17, 30])
def test_a_plan_ends_in_calm_nights_and_cuts_no_scene_short(days: int) -> None:
    nights = plan(FIRST, days, 3)
    assert len(nights) == days
    assert not any(night.scene or night.victim or night.victim_of_healing for night in nights[-CALM_NIGHTS:])
    found = Counter(night.scene for night in nights if night.scene)
    assert all(found[scene] == SCENES[scene] for scene in found)


OPTIONS = {"days": 6, "websites": 1, "households": 30, "history": 1, "seed": 2}
Prover = Callable[[], Proof]


@pytest.fixture(scope="module")
def soaked(tmp_path_factory: pytest.TempPathFactory) -> tuple[Soak, Report, Path]:
    """A soak of six days, as it ended."""
    folder = tmp_path_factory.mktemp("soak")
    soak = Soak(Options(folder=folder, seconds=560, **OPTIONS), print)
    return soak, soak.run(), folder


@pytest.fixture
def settings(soaked: tuple[Soak, Report, Path]) -> Settings:
    return load_settings(soaked[2] / "ignite.toml")


@pytest.fixture
def again(soaked: tuple[Soak, Report, Path], settings: Settings) -> Iterator[Prover]:
    """The proof of what there is now."""
    soak, _, folder = soaked
    with dg.DagsterInstance.from_config(str(folder / "dagster_home")) as instance:
        yield lambda: prove(settings, World(), websites(1, 30), instance, soak.days, soak.excuses)


@pytest.mark.slow
@pytest.mark.timeout(600)  # a minute, unless the machine is busy
def test_six_days_of_trouble_are_proved_right(soaked: tuple[Soak, Report, Path]) -> None:
    _, report, _ = soaked
    assert report.proof.problems == []
    assert report.nights == 6
    assert report.jumps == 1
    assert report.runs["SUCCESS"] >= 6
    assert sum(report.faults.values()) > 10
    assert report.retries > 0
    assert report.proof.verified == 7 * 6 + 6 * 3 - report.proof.excused["the healer's run was killed"]


@pytest.mark.slow
def test_the_proof_finds_what_is_missing_altered_misplaced_or_left_behind(
    soaked: tuple[Soak, Report, Path], settings: Settings, again: Prover
) -> None:
    soak, _, _ = soaked
    last, before = soak.days[-1], soak.days[-2]
    site = websites(1, 30)[0].key
    root = Path(Lake(settings.root).root)
    visitors, products, locations = (
        root / Partition(asset, site, last).folder / "part-0.parquet" for asset in ("visitors", "products", "locations")
    )
    visitors.unlink()
    products.write_bytes((root / Partition("products", site, before).folder / "part-0.parquet").read_bytes())
    locations.write_bytes(locations.read_bytes()[:-20])
    (visitors.parent / ".part-0.parquet.0123456789abcdef").touch()
    problems = again().problems
    for asset, fault in (
        ("visitors", "is missing"),
        ("visitors", "is materialized and not in the lake"),
        ("products", "footer is another partition's"),
        ("products", "not the version that was recorded last"),
        ("locations", "can't be verified"),
    ):
        assert any(problem.startswith(asset) and fault in problem for problem in problems), (asset, fault, problems)
    assert any("part-0.parquet.0123456789abcdef was left behind" in problem for problem in problems)
