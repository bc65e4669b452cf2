"""`ignite-assets export` as a process."""

import json
import re
import shutil
from dataclasses import replace
from pathlib import Path

import dagster as dg
import pytest

from ignite_assets.dagster.assets.exports import ASSET
from ignite_assets.sandbox import Fault, SandboxServer
from ignite_assets_tests.cli.conftest import Shop, on_terminal, shop_in
from ignite_assets_tests.conftest import ACME, BAYSIDE, contents

EXPORTS = """
[[exports]]
name = "everyone"
source = "visitors"
destination = "meta_custom_audience"
websites = ["acme-honda", "bayside-kia"]
window_days = 1
min_members = 1
[[exports]]
name = "large"
source = "visitors"
destination = "google_customer_match"
websites = ["acme-honda"]
window_days = 1
min_members = 100000
"""


@pytest.fixture(scope="module")
def captured(tmp_path_factory: pytest.TempPathFactory, standing_platform: SandboxServer) -> Shop:
    """A shop with two exports, and yesterday's visitors of a website: captured once, for copies of it."""
    standing_platform.faults.clear()
    shop = shop_in(tmp_path_factory.mktemp("captured"), standing_platform.url)
    path = shop.folder / "ignite.toml"
    path.write_text(path.read_text() + EXPORTS)
    partitions, _ = shop.materialize("--select", "visitors", "--website", ACME.key)
    assert [each["status"] for each in partitions] == ["materialized"]
    return shop


@pytest.fixture
def exporting(captured: Shop, tmp_path: Path) -> Shop:
    """A copy of its own."""
    shutil.copytree(captured.folder, tmp_path, dirs_exist_ok=True)
    return replace(captured, folder=tmp_path)


def table(text: str) -> list[str]:
    """The lines above the reasons and folders, without the head."""
    return [line for line in text.splitlines() if ": " not in line][1:]


def statuses(text: str) -> list[str]:
    """What became of the lists."""
    words = ("written", "would write", "held", "failed")
    return sorted(word for line in table(text) for word in words if f"  {word}  " in line)


def manifests(shop: Shop) -> list[Path]:
    """Of the exports, not of the lists."""
    return sorted((shop.folder / "exports").rglob("[0-9]*/manifest.json"))


def test_a_dry_run_says_what_would_be_sent_and_writes_nothing(exporting: Shop) -> None:
    before = contents(str(exporting.folder))
    done = exporting.run("export", "--dry-run", "--name", "everyone", "--website", ACME.key)
    assert (done.returncode, done.stderr) == (0, "")
    assert statuses(done.stdout) == ["would write"]
    members, adds, removes, *_ = map(int, table(done.stdout)[0].split()[-5:])
    assert members == adds > removes == 0
    assert contents(str(exporting.folder)) == before
    as_json = exporting.run("export", "--dry-run", "--json", "--name", "everyone", "--website", ACME.key)
    (row,) = json.loads(as_json.stdout)["lists"]
    assert (row["status"], row["members"], row["folder"]) == ("would write", members, "")
    held = exporting.run("export", "--dry-run")
    assert held.returncode == 1
    assert f"{ACME.key} large: " in held.stdout
    assert "fewer than 100,000" in held.stdout
    forced = exporting.run("export", "--dry-run", "--force", "trust me", "--website", ACME.key)
    assert forced.returncode == 0
    assert "forced: trust me" in forced.stdout
    assert contents(str(exporting.folder)) == before


def test_an_export_is_written_and_recorded(exporting: Shop) -> None:
    done = exporting.run("export")
    assert done.returncode == 1, "one list is held"
    (path,) = manifests(exporting)
    assert path.parts[-4:-2] == ("everyone", f"website={ACME.key}")
    assert path.parts[-2].startswith(f"000001-{exporting.yesterday}-")
    place = path.parent.relative_to(exporting.folder)
    assert f": {place}\n" in done.stdout
    with exporting.instance() as instance:
        (record,) = instance.fetch_materializations(dg.AssetKey(ASSET), limit=10).records
        assert record.partition_key == f"{exporting.yesterday}|{ACME.key}"
    told = exporting.run("doctor").stdout
    assert re.search(r"^warn +lists +large acme-honda was held: .*, fewer than 100,000$", told, re.MULTILINE)


def test_a_held_export_is_forced_with_a_reason(exporting: Shop) -> None:
    done = exporting.run("export", "--name", "large", "--website", ACME.key, "--force", "the platform agreed")
    assert done.returncode == 0
    assert statuses(done.stdout) == ["written"]
    assert "forced: the platform agreed" in done.stdout
    (path,) = manifests(exporting)
    assert json.loads(path.read_text())["forced"] == "the platform agreed"


def test_a_date_is_exported_as_of_that_day(exporting: Shop) -> None:
    done = exporting.run("export", "--date", str(exporting.days_ago(2)), "--name", "everyone", "--website", ACME.key)
    assert done.returncode == 1
    assert f"1 day of the window not captured: {exporting.days_ago(2)}" in done.stdout
    assert manifests(exporting) == []


def test_a_website_without_captures_is_shown_with_the_reason(exporting: Shop) -> None:
    for arguments in ([], ["--website", BAYSIDE.key], ["--website", BAYSIDE.key, "--dry-run"]):
        done = exporting.run("export", *arguments)
        assert done.returncode == 1
        assert f"{BAYSIDE.key} everyone: visitors has never been captured" in done.stdout


def test_a_website_outside_the_exports_that_were_asked_for_is_shown_with_the_reason(exporting: Shop) -> None:
    done = exporting.run("export", "--website", BAYSIDE.key, "--name", "large")
    assert done.returncode == 1
    assert "no export that was asked for covers this website" in done.stdout


@pytest.mark.slow
def test_a_list_that_was_renamed_is_owed_removals_until_it_is_retired(exporting: Shop) -> None:
    assert exporting.run("export", "--website", ACME.key, "--name", "everyone").returncode == 0
    path = exporting.folder / "ignite.toml"
    path.write_text(path.read_text().replace('name = "everyone"', 'name = "all"'))
    (member,) = manifests(exporting)
    (people,) = member.parent.glob("add-*")
    (exporting.folder / "hashes.txt").write_text(people.read_text().split()[1])
    assert exporting.run("opt-out", "--website", ACME.key, "--hashes", "hashes.txt").returncode == 0
    assert "1 removal of a person who opted out is due" in exporting.run("doctor").stdout
    done = exporting.run("export", "--website", ACME.key, "--name", "everyone")
    assert (done.returncode, "no longer asked for, opt-outs written" in done.stdout) == (0, True)
    assert "no export asks any more for those of everyone" in exporting.run("doctor").stdout
    assert exporting.run("export", "--retire", "everyone").returncode == 2, "without a reason"
    assert exporting.run("export", "--retire", "large", "--reason", "it is configured").returncode == 2
    retired = exporting.run("export", "--retire", "everyone", "--reason", "deleted in Ads Manager")
    assert (retired.returncode, retired.stderr) == (0, "")
    assert "everyone" not in exporting.run("doctor").stdout


def test_people_of_a_website_that_was_taken_out_can_still_opt_out(exporting: Shop) -> None:
    assert exporting.run("export", "--website", ACME.key, "--name", "everyone").returncode == 0
    path = exporting.folder / "ignite.toml"
    text = re.sub(rf"\[websites\.{ACME.key}\]\n(?:\w[^\n]*\n)*", "", path.read_text())
    path.write_text(
        text.replace('["acme-honda", "bayside-kia"]', '["bayside-kia"]').replace('["acme-honda"]', '["bayside-kia"]')
    )
    (exporting.folder / "a.txt").write_text("ann@example.com\n")
    done = exporting.run("opt-out", "--website", ACME.key, "a.txt")
    assert (done.returncode, done.stderr) == (0, "")
    assert "nobody is submitted, since the website is configured no more" in done.stdout
    assert exporting.run("opt-out", "--website", "nobody", "a.txt").returncode == 2


def test_an_export_that_fails_is_told_and_leaves_the_others_alone(exporting: Shop) -> None:
    (exporting.folder / "exports").mkdir()
    (exporting.folder / "exports" / "everyone").write_text("in the way")
    done = exporting.run("export", "--force", "all of it", "--website", ACME.key)
    assert done.returncode == 1
    assert statuses(done.stdout) == ["failed", "written"]
    assert "Traceback" not in done.stdout + done.stderr


@pytest.mark.slow
def test_what_isnt_sound_is_told_by_both_commands_and_ends_with_status_3(
    exporting: Shop, platform: SandboxServer
) -> None:
    twice = json.dumps([f"{n:064x}" for n in (1, 2, 2)]).encode()
    platform.faults.add(Fault(endpoint="visitors", body=twice))
    partitions, done = exporting.materialize("--select", "visitors", "--website", ACME.key, "--force")
    assert done.returncode == 3
    (doubt,) = (each for each in partitions[0]["failed_checks"] if each["check"] == "sound")
    assert doubt["found"].startswith("keys: 1 of 3 rows repeat the hashed_email of another")
    assert "count distinct keys downstream" in doubt["what_to_do"]

    again = exporting.run("materialize", "--select", "visitors", "--website", ACME.key, "--force")
    assert again.returncode == 3
    where = f"visitors {exporting.yesterday}|{ACME.key}"
    assert f"not sound: {where}: keys: 1 of 3 rows" in again.stdout

    held = exporting.run("export", "--name", "everyone", "--website", ACME.key)
    assert held.returncode == 3
    assert f"{where} isn't sound: keys: 1 of 3 rows" in held.stdout


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["--name", "nobody"], "there is no export nobody; there are everyone, large"),
        (["--website", "nobody"], "there is no website nobody; there are acme-honda"),
        (["--force", " "], "--force needs a reason"),
        (["--date", "2020-01-01"], "--date 2020-01-01: there are days from"),
        (["--date", "2999-01-01"], "--date 2999-01-01: there are days from"),
    ],
)
def test_mistakes_are_usage_errors(shop: Shop, arguments: list[str], told: str) -> None:
    path = shop.folder / "ignite.toml"
    path.write_text(path.read_text() + EXPORTS)
    done = shop.run("export", *arguments)
    assert done.returncode == 2
    assert told in done.stderr


def test_without_exports_there_is_nothing_to_use_it_for(shop: Shop) -> None:
    done = shop.run("export")
    assert done.returncode == 2
    assert "has no [[exports]]" in done.stderr


@pytest.mark.slow
def test_lists_are_counted_on_a_terminal_and_quick_ones_say_nothing_elsewhere(exporting: Shop) -> None:
    bar, printed = on_terminal(exporting, "export", "--dry-run", "--name", "everyone")
    elsewhere = exporting.run("export", "--dry-run", "--name", "everyone")

    assert "1/1" in bar
    assert printed == elsewhere.stdout
    assert elsewhere.stderr == ""
