"""Several nights of a dealer, from the platform to the ad platforms' lists: captured, exported, opened, applied."""

import datetime as dt
import hashlib
import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import dagster as dg
import pytest
import requests

from ignite_assets.audiences.inbox import dropped
from ignite_assets.config import Settings, load_settings
from ignite_assets.dagster.assets import exports as audience_exports
from ignite_assets.dagster.automation import opt_out_job as opt_outs
from ignite_assets.dagster.build import build_defs
from ignite_assets.dagster.partitions import partition_key
from ignite_assets.sandbox import Fault, SandboxServer, frozen
from ignite_assets.storage.lake import Lake
from ignite_assets.storage.store import Store
from ignite_assets_tests.conftest import (
    ACME,
    BAYSIDE,
    QUIET,
    WEBSITES,
    Runner,
    config_text,
    contents,
    days_ago,
    set_credentials,
)
from ignite_assets_tests.uploads import AdPlatform, Upload, read_upload

EVERYONE, EACH, USED = "everyone-meta", "each-google", "used-microsoft"
WHOLE = "everyone-liveramp"
EXPORTS = """
[[exports]]
name = "everyone-meta"
source = "visitors"
window_days = 2
destination = "meta_custom_audience"
min_members = 1
max_shrink = 0.7
[[exports]]
name = "each-google"
source = "audiences"
match = { primary_category = ["USED"] }
window_days = 3
destination = "google_customer_match"
combine = false
min_members = 0
max_shrink = 1.0
adds_when_incomplete = true
[[exports]]
name = "used-microsoft"
source = "audiences"
match = { primary_category = ["USED"] }
window_days = 2
destination = "microsoft_ads_bulk"
list_ids = { acme-honda = "807" }
min_members = 1
max_shrink = 1.0
[[exports]]
name = "everyone-liveramp"
source = "visitors"
window_days = 2
destination = "liveramp"
mode = "full"
min_members = 1
max_shrink = 1.0
[opt_outs]
inbox = "inbox"
"""
SOURCES = ("visitors", "audiences", "audience_members")
FIRST = 8
"""Days ago of the first night."""


def sha256(address: str) -> str:
    return hashlib.sha256(address.encode()).hexdigest()


@pytest.fixture
def sandbox() -> Iterator[SandboxServer]:
    """A platform of one test's own: it remembers who opted out."""
    with SandboxServer(WEBSITES) as server:
        yield server


@pytest.fixture
def settings(tmp_path: Path, sandbox: SandboxServer, monkeypatch: pytest.MonkeyPatch) -> Settings:
    path = tmp_path / "ignite.toml"
    path.write_text(config_text(sandbox.url, [ACME, BAYSIDE], start=days_ago(FIRST), more=EXPORTS))
    set_credentials(monkeypatch)
    return load_settings(path)


class Dealer:
    """A dealer's nights, and what the ad platforms made of them."""

    def __init__(self, settings: Settings, sandbox: SandboxServer, instance: dg.DagsterInstance) -> None:
        self.settings, self.sandbox, self.instance = settings, sandbox, instance
        self.ads = AdPlatform()
        self.exports = settings.path.parent / "exports"
        self.seen: dict[dt.date, list[str]] = {}
        """The addresses of each captured day."""
        self.out: set[str] = set()
        """The addresses of everyone who opted out here."""

    def defs(self, ago: int) -> dg.Definitions:
        self.sandbox.now = frozen(dt.datetime.combine(days_ago(ago - 1), dt.time(0, 30), dt.UTC))
        return build_defs(self.settings, now=self.sandbox.now, retry_policy=None)

    def night(self, ago: int) -> dict[str, Upload]:
        """Capture the day so many days ago just after midnight and export it; what the ad platforms took."""
        self.capture(ago)
        return self.export(ago, names=[EVERYONE, WHOLE])

    def capture(self, ago: int, *assets: str) -> None:
        defs = self.defs(ago)
        day = days_ago(ago)
        self.seen[day] = self.sandbox.world.addresses(ACME, day, self.sandbox.now())
        assert Runner(self.instance, defs).day(assets or ["visitors"], day).success

    def export(self, ago: int, website: str = ACME.key, **config: Any) -> dict[str, Upload]:
        result = self.run_export(ago, website, **config)
        assert result.success
        return self.ads.take(self.exports)

    def run_export(self, ago: int, website: str = ACME.key, **config: Any) -> dg.ExecuteInProcessResult:
        job = self.defs(ago).resolve_job_def(audience_exports.JOB)
        return job.execute_in_process(
            instance=self.instance,
            partition_key=partition_key(days_ago(ago), website),
            raise_on_error=False,
            run_config={"ops": {audience_exports.ASSET: {"config": config}}, "loggers": QUIET},
        )

    def drop(self, name: str, addresses: Sequence[str]) -> dg.ExecuteInProcessResult:
        """Drop a file and deal with it, as the sensor has it done."""
        inbox = self.settings.path.parent / "inbox"
        (inbox / ACME.key).mkdir(parents=True, exist_ok=True)
        (inbox / ACME.key / name).write_text("\n".join(addresses))
        self.out |= set(addresses)
        job = build_defs(self.settings).resolve_job_def(opt_outs.JOB)
        config = {"website": ACME.key, "label": name}
        return job.execute_in_process(
            instance=self.instance,
            raise_on_error=False,
            run_config={"ops": {opt_outs.OP: {"config": config}}, "loggers": QUIET},
        )

    def members(self, ago: int, days: int = 2) -> set[str]:
        """Who was seen in the trailing window, without those who opted out here."""
        window = [days_ago(ago + more) for more in range(days)]
        return {sha256(one) for day in window for one in self.seen.get(day, []) if one not in self.out}

    def list_of(self, rule: str) -> set[str]:
        return self.ads.lists[f"{rule}/website={ACME.key}"]


@pytest.fixture
def dealer(settings: Settings, sandbox: SandboxServer, instance: dg.DagsterInstance) -> Dealer:
    return Dealer(settings, sandbox, instance)


def row(dealer: Dealer, rule: str) -> audience_exports.Row:
    """What the newest materialization says of a rule's list."""
    materialization = Runner(dealer.instance, dealer.defs(1)).materializations(audience_exports.ASSET)[-1]
    (found,) = [row for row in audience_exports.rows_of(materialization) if row["export"] == rule]
    return found


def exported_hashes(exports: Path) -> set[str]:
    """Every hash in any file for upload, however it is written there."""
    found: set[str] = set()
    for path in exports.rglob("[0-9]*/manifest.json"):
        for _, values in read_upload(path.parent).actions:
            found |= set(values)
    return found


@pytest.mark.slow
def test_people_leave_and_return_over_the_nights_and_every_list_stays_true(dealer: Dealer) -> None:
    removed: set[str] = set()
    returned: set[str] = set()
    for ago in range(FIRST, 3, -1):
        before = dict(dealer.ads.lists)
        dealer.capture(ago, *SOURCES)
        uploads = dealer.export(ago)
        upload = uploads[f"{EVERYONE}/website={ACME.key}"]
        if ago == FIRST:
            assert [action for action, _ in upload.actions] == ["add"]
        else:
            assert {action for action, _ in upload.actions} <= {"add", "remove"}
            members, sent = dealer.members(ago), before[f"{EVERYONE}/website={ACME.key}"]
            assert (upload.of("add"), upload.of("remove")) == (members - sent, sent - members)
        assert dealer.list_of(EVERYONE) == dealer.list_of(WHOLE) == dealer.members(ago)
        _audiences_are_true(dealer, ago)
        returned |= removed & upload.of("add")
        removed |= upload.of("remove")
    assert removed
    assert returned


def _audiences_are_true(dealer: Dealer, ago: int) -> None:
    """The lists of audiences against the captures, read without this package."""
    lake = Lake(dealer.settings.root)
    used = {one["id"] for one in _rows(lake, "audiences", [ago]) if str(one["primary_category"]).casefold() == "used"}
    members = _rows(lake, "audience_members", range(ago, ago + 2))
    assert dealer.list_of(USED) == {one["hashed_email"] for one in members if one["audience_id"] in used}
    members = _rows(lake, "audience_members", range(ago, ago + 3))
    for name, on_the_list in dealer.ads.lists.items():
        if audience := re.fullmatch(rf"{EACH}/website={ACME.key}/audience=(\d+)", name):
            found = {one["hashed_email"] for one in members if one["audience_id"] == int(audience[1])}
            assert on_the_list == found or not on_the_list & found, "a list that would lose everyone is held"


def _rows(lake: Lake, asset: str, ages: Sequence[int]) -> list[dict[str, Any]]:
    import pyarrow.parquet as pq

    found: list[dict[str, Any]] = []
    for ago in ages:
        path = Path(lake.root) / f"{asset}/website={ACME.key}/date={days_ago(ago)}/part-0.parquet"
        found += pq.ParquetFile(path).read().to_pylist() if path.exists() else []
    return found


def test_whoever_opts_out_leaves_every_list_at_once_and_stays_out(dealer: Dealer) -> None:
    dealer.night(8)
    here, there = dealer.seen[days_ago(8)][:2]
    assert {sha256(here), sha256(there)} <= dealer.list_of(EVERYONE)
    assert dealer.drop("unsubscribed.txt", [here]).success
    query = {"token": ACME.token, "emails": there}
    assert requests.post(f"{dealer.sandbox.url}/opt_outs/new", query, timeout=30).status_code == 200
    uploads = dealer.night(7)
    assert sha256(here) in uploads[f"{EVERYONE}/website={ACME.key}"].of("remove")
    for ago in (6, 5):
        dealer.night(ago)
        assert here not in dealer.seen[days_ago(ago)], "the platform was told"
    assert len(dealer.ads.lists) == 2
    for name, on_the_list in dealer.ads.lists.items():
        assert not {sha256(here), sha256(there)} & on_the_list, name


def test_an_export_that_is_held_still_loses_whoever_opted_out(dealer: Dealer) -> None:
    dealer.night(8)
    dealer.capture(6)  # a night was missed
    somebody = dealer.seen[days_ago(8)][0]
    dealer.drop("a.txt", [somebody])
    before = dealer.list_of(EVERYONE)
    upload = dealer.export(6, names=[EVERYONE])[f"{EVERYONE}/website={ACME.key}"]
    assert [action for action, _ in upload.actions] == ["remove"]
    assert upload.of("remove") == {sha256(somebody)}
    assert dealer.list_of(EVERYONE) == before - {sha256(somebody)}
    assert upload.manifest["reasons"] == [f"1 day of the window not captured: {days_ago(7)}"]
    assert row(dealer, EVERYONE)["status"] == "held, opt-outs written"


def test_a_list_is_held_until_it_is_forced_for_a_reason_that_the_manifest_keeps(dealer: Dealer) -> None:
    dealer.night(8)
    before = contents(str(dealer.exports / EVERYONE))
    dealer.sandbox.faults.add(Fault(endpoint="visitors", body=b"[]"))  # two nights of nothing
    dealer.capture(7)
    dealer.capture(6)
    dealer.seen[days_ago(7)] = dealer.seen[days_ago(6)] = []
    dealer.export(6, names=[EVERYONE])
    assert contents(str(dealer.exports / EVERYONE)) == before, "the last good export stands"
    held = row(dealer, EVERYONE)
    assert (held["status"], held["folder"]) == ("held", "")
    assert str(held["reasons"]).startswith("no members left")
    upload = dealer.export(6, force="the site was closed", names=[EVERYONE])[f"{EVERYONE}/website={ACME.key}"]
    assert upload.manifest["forced"] == "the site was closed"
    assert upload.manifest["reasons"]
    assert dealer.list_of(EVERYONE) == set()
    dealer.sandbox.faults.clear()
    dealer.night(5)
    assert dealer.list_of(EVERYONE) == dealer.members(5)


def test_a_crash_before_the_manifest_loses_and_doubles_nothing(dealer: Dealer, monkeypatch: pytest.MonkeyPatch) -> None:
    dealer.night(8)
    dealer.capture(7)
    with monkeypatch.context() as patch:
        patch.setattr(Store, "put", _die)
        assert not dealer.run_export(7, names=[EVERYONE, WHOLE]).success
    assert dealer.ads.take(dealer.exports) == {}, "to any reader there is no export"
    dealer.night(6)
    assert dealer.list_of(EVERYONE) == dealer.list_of(WHOLE) == dealer.members(6)


def _die(*_: object) -> None:
    raise MemoryError


def test_an_export_made_while_the_platform_is_down_holds_nobody_who_opted_out(dealer: Dealer) -> None:
    dealer.capture(8)
    somebody, another = dealer.seen[days_ago(8)][:2]
    dealer.sandbox.faults.add(Fault(endpoint="opt_outs", status=503))
    assert not dealer.drop("a.csv", [somebody, another]).success
    assert [file.name for file in dropped(Store(str(dealer.settings.path.parent / "inbox")), [ACME.key])] == ["a.csv"]
    dealer.export(8, names=[EVERYONE])
    assert not {sha256(somebody), sha256(another)} & exported_hashes(dealer.exports)
    dealer.sandbox.faults.clear()
    assert dealer.drop("a.csv", [somebody, another]).success
    assert dealer.sandbox.world.opt_outs.of(ACME.key)


def test_a_website_without_credentials_suppresses_all_the_same(dealer: Dealer, monkeypatch: pytest.MonkeyPatch) -> None:
    dealer.capture(8)
    somebody = dealer.seen[days_ago(8)][0]
    monkeypatch.delenv("ACME_HONDA_TOKEN")
    assert not dealer.drop("a.txt", [somebody]).success
    dealer.export(8, names=[EVERYONE])
    assert sha256(somebody) not in exported_hashes(dealer.exports)


@pytest.mark.parametrize("algo", ["md5", "sha1"])
def test_an_opt_out_counts_in_any_algorithm_from_any_past_partition(dealer: Dealer, algo: str) -> None:
    text = dealer.settings.path.read_text()
    text = text.replace("max_tries = 1", f'max_tries = 1\nalgo = "{algo}"').partition("[[exports]]")[0]
    rule = '[[exports]]\nname = "r"\nsource = "visitors"\ndestination = "plain_list"\nwindow_days = 1\n'
    dealer.settings.path.write_text(f'{text}{rule}[opt_outs]\ninbox = "inbox"\n')
    dealer.settings = load_settings(dealer.settings.path)
    dealer.capture(8)
    somebody, *others = dealer.seen[days_ago(8)]
    dealer.drop("a.txt", [somebody])
    assert dealer.run_export(8).success
    (file,) = dealer.exports.rglob("add-*.txt")
    hashed = {hashlib.new(algo, one.encode()).hexdigest() for one in others}
    assert set(file.read_text().split()) == hashed


def test_with_scope_all_an_opt_out_counts_for_every_website(dealer: Dealer) -> None:
    path = dealer.settings.path
    path.write_text(path.read_text() + 'scope = "all"\n')
    dealer.settings = load_settings(path)
    defs = dealer.defs(8)
    assert Runner(dealer.instance, defs).day(["visitors"], days_ago(8), BAYSIDE.key).success
    somebody, *_ = dealer.sandbox.world.addresses(BAYSIDE, days_ago(8), dealer.sandbox.now())
    dealer.drop("a.txt", [somebody])  # of the other website
    dealer.export(8, BAYSIDE.key, names=[EVERYONE])
    on_the_list = dealer.ads.lists[f"{EVERYONE}/website={BAYSIDE.key}"]
    assert on_the_list
    assert sha256(somebody) not in on_the_list
