"""`ignite-assets export` as a process."""

import json
import shutil
from dataclasses import replace
from pathlib import Path

import dagster as dg
import pytest

from ignite_assets.dagster.assets.exports import ASSET
from ignite_assets.sandbox import SandboxServer
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
    return sorted(word for line in table(text) for word in line.split() if word in ("sent", "held", "forced", "failed"))


def manifests(shop: Shop) -> list[Path]:
    return sorted((shop.folder / "exports").rglob("manifest.json"))


def test_a_dry_run_says_what_would_be_sent_and_writes_nothing(exporting: Shop) -> None:
    before = contents(str(exporting.folder))
    done = exporting.run("export", "--dry-run", "--name", "everyone")
    assert (done.returncode, done.stderr) == (0, "")
    assert statuses(done.stdout) == ["sent"]
    members, adds, removes, *_ = map(int, table(done.stdout)[0].split()[-5:])
    assert members == adds > removes == 0
    assert contents(str(exporting.folder)) == before
    held = exporting.run("export", "--dry-run")
    assert held.returncode == 1
    assert f"{ACME.key} large: " in held.stdout
    assert "fewer than 100,000" in held.stdout
    forced = exporting.run("export", "--dry-run", "--force", "trust me")
    assert forced.returncode == 0
    assert "forced" in forced.stdout
    assert contents(str(exporting.folder)) == before


def test_an_export_is_written_and_recorded(exporting: Shop) -> None:
    done = exporting.run("export")
    assert done.returncode == 1, "one list is held"
    assert [path.parts[-4:-1] for path in manifests(exporting)] == [
        ("everyone", f"website={ACME.key}", f"date={exporting.yesterday}")
    ]
    place = manifests(exporting)[0].parent.relative_to(exporting.folder)
    assert f": {place}\n" in done.stdout
    with exporting.instance() as instance:
        (record,) = instance.fetch_materializations(dg.AssetKey(ASSET), limit=10).records
        assert record.partition_key == f"{exporting.yesterday}|{ACME.key}"


def test_a_held_export_is_forced_with_a_reason(exporting: Shop) -> None:
    done = exporting.run("export", "--name", "large", "--force", "the platform agreed")
    assert done.returncode == 0
    assert statuses(done.stdout) == ["forced"]
    (path,) = manifests(exporting)
    assert json.loads(path.read_text())["forced"] == "the platform agreed"


def test_a_date_is_exported_as_of_that_day(exporting: Shop) -> None:
    done = exporting.run("export", "--date", str(exporting.days_ago(2)), "--name", "everyone", "--website", ACME.key)
    assert done.returncode == 1
    assert f"1 day of the window not captured: {exporting.days_ago(2)}" in done.stdout
    assert manifests(exporting) == []


def test_a_website_without_captures_is_nothing_to_export(exporting: Shop) -> None:
    done = exporting.run("export", "--website", BAYSIDE.key)
    assert (done.returncode, done.stdout) == (
        0,
        "nothing to export: no website of an export has a captured day\n",
    )


def test_an_export_that_fails_is_told_and_leaves_the_others_alone(exporting: Shop) -> None:
    (exporting.folder / "exports").mkdir()
    (exporting.folder / "exports" / "everyone").write_text("in the way")
    done = exporting.run("export", "--force", "all of it")
    assert done.returncode == 1
    assert statuses(done.stdout) == ["failed", "forced"]
    assert "Traceback" not in done.stdout + done.stderr


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
