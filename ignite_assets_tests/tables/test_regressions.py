"""A platform that regresses, over real HTTP: what it can't mean doesn't land, what it may mean lands and is doubted."""

import datetime as dt
import shutil
from collections.abc import Iterator
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from ignite_assets.api.client import IgniteClient
from ignite_assets.api.endpoints import ENDPOINTS
from ignite_assets.api.errors import IgniteError
from ignite_assets.api.horizon import Horizon
from ignite_assets.api.protocol import Credentials
from ignite_assets.sandbox import Fault, SandboxServer, SandboxWebsite, frozen
from ignite_assets.sandbox.regressions import REGRESSIONS
from ignite_assets.storage.lake import Lake, Partition
from ignite_assets.tables.capture import Capture
from ignite_assets.tables.checks import examine
from ignite_assets.tables.examination import Examination
from ignite_assets.tables.thresholds import Thresholds
from ignite_assets.testing import find_leaks
from ignite_assets_tests.tables.conftest import LIMITS, ROWS

SITE = SandboxWebsite("acme-honda", 200)
FIRST = dt.date(2026, 11, 9)
NIGHTS = 4
"""The on-time history before the night of the regression."""
DAY = FIRST + dt.timedelta(days=NIGHTS)
MEMBERS = {"audience_members", "audience_group_members"}
VISITS = {"visitors", *MEMBERS}


def its_night(day: dt.date) -> dt.datetime:
    return dt.datetime.combine(day + dt.timedelta(days=1), dt.time(0, 31), dt.UTC)


def captured(
    platform: SandboxServer, lake: Lake, day: dt.date, *, names: set[str] | None = None, at: dt.datetime | None = None
) -> dict[str, IgniteError | None]:
    """Capture a day of some assets, or all; by asset, why it did not land."""
    moment = at or its_night(day)
    platform.now = frozen(moment)
    found: dict[str, IgniteError | None] = {}
    with IgniteClient(
        website=SITE.key,
        base_url=platform.url,
        credentials=Credentials(SITE.token, SITE.secret),
        limits=LIMITS,
        horizon=Horizon(now=frozen(moment)),
        sleep=lambda _: None,
    ) as client:
        for row in ENDPOINTS:
            if names and row.name not in names:
                continue
            try:
                ids = (
                    {day: lake.read([Partition("locations", SITE.key, day)], ["id"])["id"].to_pylist()}
                    if row.reads
                    else None
                )
                made = Capture(client, row, ids=ids).one(day)
            except IgniteError as error:
                found[row.name] = error
                continue
            with made.staged.file as file:
                lake.commit(Partition(row.name, SITE.key, day), file, made.misfits)
            found[row.name] = None
    return found


def doubted(lake: Lake, name: str, day: dt.date) -> set[str]:
    """The findings of `sound` that a partition doesn't pass."""
    examination = Examination(lake, ROWS[name], Thresholds(), ZoneInfo("UTC"))
    return set(examine(examination.subject(Partition(name, SITE.key, day)), "sound").failed)


@pytest.fixture(scope="module")
def platform() -> Iterator[SandboxServer]:
    with SandboxServer((SITE,)) as server:
        yield server


@pytest.fixture(scope="module")
def nights(platform: SandboxServer, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A lake of some nights, each captured on time."""
    root = tmp_path_factory.mktemp("nights")
    for night in range(NIGHTS):
        assert not any(captured(platform, Lake(str(root)), FIRST + dt.timedelta(days=night)).values())
    return root


@pytest.fixture
def lake(nights: Path, tmp_path: Path) -> Lake:
    shutil.copytree(nights, tmp_path / "lake")
    return Lake(str(tmp_path / "lake"))


@pytest.fixture
def regress(platform: SandboxServer) -> Iterator[SandboxServer]:
    yield platform
    platform.faults.clear()


REFUSED = "refused"
SAMPLES: dict[str, dict[str, set[str] | str]] = {
    "other_window": {name: {"window"} for name in (*VISITS, "locations")},
    "other_people": {name: {"people"} for name in VISITS},
    "one_list": {name: {"alike"} for name in MEMBERS},
    "clear_text": dict.fromkeys((*VISITS, "location_details"), REFUSED),
    "renamed": {"products": REFUSED},
    "without_places": {"locations": REFUSED},
    "without_hashes": {"location_details": {"hollow"}},
    "half_gone": {name: {"entities"} for name in ("audiences", "audience_groups", "products", *MEMBERS)},
    "emptied": {
        name: {"rows"}
        for name in (*VISITS, "products", "locations", "location_details", "audiences", "audience_groups", "sales")
    },
    "not_found": {"location_details": REFUSED, **dict.fromkeys(MEMBERS, REFUSED)},
}
"""By regression and asset: that it doesn't land, or at least what `sound` doubts of it."""


def test_every_regression_of_the_sandbox_is_a_sample() -> None:
    assert SAMPLES.keys() == REGRESSIONS.keys()


@pytest.mark.parametrize("sample", SAMPLES)
def test_a_platform_that_regresses_is_refused_or_doubted(
    regress: SandboxServer, lake: Lake, tmp_path: Path, sample: str
) -> None:
    regress.faults.add(*(Fault(endpoint=name, regress=sample) for name in REGRESSIONS[sample].endpoints))
    asked = set(SAMPLES[sample]) | ({"locations"} if "location_details" in SAMPLES[sample] else set())
    outcomes = captured(regress, lake, DAY, names=asked)
    for name, expected in SAMPLES[sample].items():
        where = Partition(name, SITE.key, DAY)
        if expected == REFUSED:
            assert outcomes[name], name
            assert not lake.exists(where)
        else:
            assert outcomes[name] is None, name
            assert doubted(lake, name, DAY) >= set(expected), name
    assert not find_leaks(["@mail.example"], folders=[tmp_path])


@pytest.mark.parametrize("age", [0, 1], ids=["a night later", "hours later"])
@pytest.mark.parametrize("sample", ["other_window", "other_people"])
def test_it_is_doubted_although_the_history_was_captured_late(
    regress: SandboxServer, tmp_path: Path, sample: str, age: int
) -> None:
    lake = Lake(str(tmp_path / "lake"))
    moment = its_night(DAY - dt.timedelta(days=1))
    for each in range(1, 9):
        captured(regress, lake, DAY - dt.timedelta(days=each), names={"visitors"}, at=moment)
    day, hours_later = DAY - dt.timedelta(days=age), moment + dt.timedelta(hours=22)
    at = hours_later if age else None
    regress.faults.add(Fault(endpoint="visitors", regress=sample))
    captured(regress, lake, day, names={"visitors"}, at=at)
    assert doubted(lake, "visitors", day)
    regress.faults.clear()
    captured(regress, lake, day, names={"visitors"}, at=at)
    assert not doubted(lake, "visitors", day)


def test_a_late_capture_among_nights_is_doubted(regress: SandboxServer, lake: Lake) -> None:
    a_night_later = its_night(DAY + dt.timedelta(days=1))
    regress.faults.add(Fault(endpoint="visitors", regress="other_window"))
    captured(regress, lake, DAY, names={"visitors"}, at=a_night_later)
    assert doubted(lake, "visitors", DAY)
    regress.faults.clear()
    captured(regress, lake, DAY, names={"visitors"}, at=a_night_later)
    assert not doubted(lake, "visitors", DAY)


def test_a_sound_platform_is_never_doubted(platform: SandboxServer, lake: Lake) -> None:
    """Nights, the first days of a website, and days that are captured late between nights."""
    captured(platform, lake, DAY)
    captured(platform, lake, DAY - dt.timedelta(days=2), names=VISITS | {"locations"})
    captured(platform, lake, DAY - dt.timedelta(days=3), names=VISITS | {"locations", "products"}, at=its_night(DAY))
    for row in ENDPOINTS:
        for night in range(NIGHTS + 1):
            assert doubted(lake, row.name, FIRST + dt.timedelta(days=night)) == set(), (row.name, night)


@pytest.mark.slow
@pytest.mark.parametrize(("nights", "households"), [(60, 60), (30, 300)])
def test_many_sound_nights_are_never_doubted(tmp_path: Path, nights: int, households: int) -> None:
    site = SandboxWebsite(SITE.key, households)
    with SandboxServer((site,)) as platform:
        lake = Lake(str(tmp_path))
        names = {"visitors", "products", "audiences", "audience_members", "sales"}
        for night in range(nights):
            assert not any(captured(platform, lake, FIRST + dt.timedelta(days=night), names=names).values())
    for name in names:  # of each night by those before it
        examination = Examination(lake, ROWS[name], Thresholds(), ZoneInfo("UTC"))
        for night in range(nights):
            subject = examination.subject(Partition(name, site.key, FIRST + dt.timedelta(days=night)))
            assert examine(subject, "sound").passed, (name, night)
