"""`ignite-assets init`: the files of a new project, and what comes after them."""

import datetime as dt
import re
from pathlib import Path

import pytest

from ignite_assets.config import load_settings
from ignite_assets_tests.cli.conftest import Shop
from ignite_assets_tests.commands import BIN, run, run_anew
from ignite_assets_tests.conftest import contents


def today() -> dt.date:
    return dt.datetime.now(dt.UTC).date()


def test_a_new_project_is_two_files_that_work(tmp_path: Path) -> None:
    before = today()
    done = run("init", "--website", "acme-honda", "--website", "www.bayside", folder=tmp_path)

    assert (done.returncode, done.stderr) == (0, "")
    assert sorted(contents(str(tmp_path))) == ["ignite.toml", "workspace.yaml"]
    settings = load_settings(tmp_path / "ignite.toml")
    assert sorted(settings.websites) == ["acme-honda", "www.bayside"]
    assert settings.root == str(tmp_path / "data/lake")
    assert settings.partitions.start_date in {day - dt.timedelta(days=60) for day in (before, today())}


def test_start_date_and_root_are_what_was_asked_for(tmp_path: Path) -> None:
    run("init", "there", "--start-date", "2026-01-31", "--root", "s3://agency/lake", folder=tmp_path)

    settings = load_settings(tmp_path / "there/ignite.toml")
    assert (settings.partitions.start_date, settings.root) == (dt.date(2026, 1, 31), "s3://agency/lake")


def test_it_says_what_to_do_next(tmp_path: Path) -> None:
    done = run("init", "the project", "--website", "acme-honda", folder=tmp_path)

    _, _, then = done.stdout.partition("Next:\n\n")
    assert [line.strip() for line in then.splitlines()] == [
        "cd 'the project'",
        "export ACME_HONDA_TOKEN=…",
        "export ACME_HONDA_SECRET=…",
        "ignite-assets doctor",
        "ignite-assets materialize",
        "dagster dev -w workspace.yaml",
    ]


def test_without_a_website_there_is_one_to_be_renamed(tmp_path: Path) -> None:
    done = run("init", folder=tmp_path)

    assert "give the website my-website its name" in done.stdout
    assert list(load_settings(tmp_path / "ignite.toml").websites) == ["my-website"]


@pytest.mark.parametrize("there", ["ignite.toml", "workspace.yaml"])
def test_what_is_there_is_replaced_only_by_force(tmp_path: Path, there: str) -> None:
    (tmp_path / there).write_text("mine")

    done = run("init", folder=tmp_path)

    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == f"Error: {there} would be replaced; give --force to replace them\n"
    assert contents(str(tmp_path)) == {there: b"mine"}
    assert run("init", "--force", folder=tmp_path).returncode == 0
    assert sorted(contents(str(tmp_path))) == ["ignite.toml", "workspace.yaml"]
    assert (tmp_path / there).read_text() != "mine"


def test_a_link_to_nowhere_is_left_alone_too(tmp_path: Path) -> None:
    (tmp_path / "ignite.toml").symlink_to("elsewhere.toml")

    assert run("init", folder=tmp_path).returncode == 1
    assert not (tmp_path / "elsewhere.toml").exists()


@pytest.mark.parametrize(
    ("arguments", "status", "told"),
    [
        (["--website", "Acme Honda"], 2, "found this key; allowed: 1 to 63 lower-case letters"),
        (["--root", "s3://"], 2, 'storage.root: found "s3://"; allowed: a path'),
        (["--website", "a.b", "--website", "a-b"], 2, "would share the variable A_B_SECRET, A_B_TOKEN"),
        (["--start-date", "yesterday"], 2, "does not match the format"),
    ],
)
def test_what_could_not_be_loaded_is_never_written(
    tmp_path: Path, arguments: list[str], status: int, told: str
) -> None:
    done = run("init", *arguments, folder=tmp_path)

    assert (done.returncode, done.stdout) == (status, "")
    assert told in done.stderr
    assert list(tmp_path.iterdir()) == []


@pytest.mark.slow
def test_the_new_project_captures_and_loads_in_dagster(shop: Shop) -> None:
    keys = ("acme-honda", "bayside-kia", "summit-ford")
    url = re.findall('base_url = "(.*)"', (shop.folder / "ignite.toml").read_text())[0]
    made = shop.run("init", "--force", *(word for key in keys for word in ("--website", key)))
    path = shop.folder / "ignite.toml"
    path.write_text(re.sub('#base_url = ".*"', f'base_url = "{url}"', path.read_text()))

    doctor = shop.run("doctor")
    captured = shop.run("materialize", "--website", "acme-honda", "--select", "visitors")
    validated = run_anew(
        str(BIN / "dagster"), "definitions", "validate", "-w", "workspace.yaml",
        folder=shop.folder, env=shop.environment,
    )  # fmt: skip

    assert made.returncode == 0
    assert (doctor.returncode, captured.returncode) == (0, 0), doctor.stdout + captured.stdout
    assert len(list(shop.folder.glob("data/lake/visitors/website=acme-honda/date=*/part-0.parquet"))) == 1
    assert validated.returncode == 0, validated.stderr
    assert "Validation successful for code location ignite_assets" in validated.stderr + validated.stdout
