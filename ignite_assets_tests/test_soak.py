"""A small soak from end to end, and what its proof is worth: it finds whatever is put wrong afterwards."""

import datetime as dt
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, get_args

import dagster as dg
import pytest

from ignite_assets.api.endpoints import ENDPOINTS
from ignite_assets.config import Settings, load_settings
from ignite_assets.sandbox import World, websites
from ignite_assets.sandbox.regressions import REGRESSIONS
from ignite_assets.storage.lake import Lake, Partition
from soak.driver import Options, Report, Soak
from soak.plan import CALM_NIGHTS, SCENES, SICKNESSES, Victim, plan
from soak.proof import Proof, prove

FIRST = dt.date(2026, 9, 1)


def test_a_plan_is_the_same_for_the_same_seed_and_has_everything() -> None:
    nights = plan(FIRST, 60, 1)
    assert nights == plan(FIRST, 60, 1) != plan(FIRST, 60, 2)
    assert [night.day for night in nights] == [FIRST + dt.timedelta(days=n) for n in range(60)]
    assert {night.scene for night in nights} == {*SCENES, None}
    assert {night.sickness for night in nights} == {*SICKNESSES, None}
    assert {night.victim for night in nights} == {*get_args(Victim), None}
    assert sum(not night.attended for night in nights) == 4


def test_the_platform_is_sick_in_every_way_that_the_sandbox_knows() -> None:
    assert SICKNESSES.keys() == REGRESSIONS.keys()


@pytest.mark.parametrize("days", [1, 2, 3, 7, 10, 17, 30])
def test_a_plan_ends_in_calm_nights_and_cuts_no_scene_short(days: int) -> None:
    nights = plan(FIRST, days, 3)
    assert len(nights) == days
    assert not any(night.scene or night.victim or night.victim_of_healing for night in nights[-CALM_NIGHTS:])
    found = Counter(night.scene for night in nights if night.scene)
    assert all(found[scene] % SCENES[scene] == 0 for scene in found)


HOUSEHOLDS = 200
OPTIONS: dict[str, Any] = {"first": FIRST, "days": 7, "websites": 1, "households": HOUSEHOLDS, "history": 1, "seed": 2}
Prover = Callable[[], Proof]


@pytest.fixture(scope="module")
def soaked(tmp_path_factory: pytest.TempPathFactory) -> tuple[Soak, Report, Path]:
    """A soak of seven days, as it ended."""
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
        yield lambda: prove(settings, World(), websites(1, HOUSEHOLDS), instance, soak.days, soak.excuses)


@pytest.mark.slow
@pytest.mark.timeout(600)  # a minute, unless the machine is busy
def test_seven_days_of_trouble_are_proved_right(soaked: tuple[Soak, Report, Path]) -> None:
    _, report, _ = soaked
    proof = report.proof
    assert proof.problems == []
    assert report.nights == 7
    assert (report.jumps, report.midnights, report.sick.total()) == (1, 1, 1)
    assert report.kills.keys() >= {"command", "run"}
    assert report.runs["SUCCESS"] >= 7
    assert report.runs["CANCELED"] >= 1
    assert sum(report.faults.values()) > 10
    assert report.retries > 0
    assert report.exports["held, not sound"] > 0
    assert report.exports["proved"] >= report.nights
    assert proof.kept > 0
    assert proof.verified + proof.doubted == len(ENDPOINTS) * 8 - proof.excused.total()


@pytest.mark.slow
def test_an_export_is_proved_wrong_that_has_people_whom_the_world_did_not_see(
    soaked: tuple[Soak, Report, Path],
) -> None:
    soak, _, _ = soaked
    soak.exports.prove(websites(1, HOUSEHOLDS // 2)[0], again=True)
    assert any("people of it were not seen by the world" in problem for problem in soak.exports.problems)


@pytest.mark.slow
def test_the_proof_finds_what_is_missing_altered_misplaced_or_left_behind(
    soaked: tuple[Soak, Report, Path], settings: Settings, again: Prover
) -> None:
    soak, _, _ = soaked
    last, before = soak.days[-1], soak.days[-2]
    site = websites(1, HOUSEHOLDS)[0].key
    root = Path(Lake(settings.root).root)
    visitors, products, locations = (
        root / Partition(asset, site, last).folder / "part-0.parquet" for asset in ("visitors", "products", "locations")
    )
    visitors.unlink()
    products.write_bytes((root / Partition("products", site, before).folder / "part-0.parquet").read_bytes())
    locations.write_bytes(locations.read_bytes()[:-20])
    (visitors.parent / ".part-0.parquet.0123456789abcdef").touch()
    kept = next(partition for partition in soak.excuses.on_time if partition.asset == "sales")
    soak.excuses.on_time[kept] -= dt.timedelta(seconds=1)
    problems = again().problems
    for asset, fault in (
        ("visitors", "is missing"),
        ("visitors", "is materialized and not in the lake"),
        ("products", "footer is another partition's"),
        ("products", "not the version that was recorded last"),
        ("locations", "can't be verified"),
        ("sales", "was captured on time, at"),
    ):
        assert any(problem.startswith(asset) and fault in problem for problem in problems), (asset, fault, problems)
    assert any("part-0.parquet.0123456789abcdef was left behind" in problem for problem in problems)
