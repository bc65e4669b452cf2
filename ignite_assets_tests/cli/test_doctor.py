"""`ignite-assets doctor`: a line a check, nothing written."""

import datetime as dt
import re
import socket
from pathlib import Path

from ignite_assets.audiences import ledger
from ignite_assets.audiences.ledger import Hashes
from ignite_assets.storage.lake import Lake
from ignite_assets_tests.cli.conftest import Shop, shop_in


def test_all_is_well(shop: Shop) -> None:
    done = shop.run("doctor")

    assert (done.returncode, done.stderr) == (0, "")
    assert [re.split("  +", line)[:2] for line in done.stdout.splitlines()] == [
        ["ok", "configuration"],
        ["ok", "storage"],
        ["ok", "instance"],
        ["ok", "lists"],
        ["ok", "website acme-honda"],
        ["ok", "website bayside-kia"],
        ["ok", "website summit-ford"],
    ]
    assert [path.name for path in shop.folder.iterdir()] == ["ignite.toml"]


def test_what_is_wrong_with_a_website_is_one_line_and_hides_nothing_else(shop: Shop) -> None:
    shop.environment["ACME_HONDA_TOKEN"] = "mistaken-token"
    del shop.environment["BAYSIDE_KIA_SECRET"]

    done = shop.run("doctor")

    assert done.returncode == 1
    acme, bayside, summit = done.stdout.splitlines()[-3:]
    assert acme.startswith("wrong website acme-honda")
    assert "the platform refuses the website's credentials" in acme
    assert acme.endswith("check the values of ACME_HONDA_TOKEN and ACME_HONDA_SECRET")
    assert bayside == (
        "wrong website bayside-kia  credentials of bayside-kia: "
        "the environment variable BAYSIDE_KIA_SECRET is not set or empty"
    )
    assert summit.startswith("ok    website summit-ford")
    assert "mistaken-token" not in done.stdout + done.stderr


def test_a_lake_that_can_not_be_written_to_is_wrong(shop: Shop) -> None:
    (shop.folder / "lake").write_text("a file where the folder should be")

    done = shop.run("doctor")

    assert done.returncode == 1
    assert "wrong storage  " in done.stdout
    assert str(shop.folder / "lake") in done.stdout


def test_a_folder_whose_website_readers_take_for_a_number_is_wrong(shop: Shop) -> None:
    for website in ("007", "acme-honda"):
        (shop.folder / "lake" / "visitors" / f"website={website}").mkdir(parents=True)

    done = shop.run("doctor")

    assert done.returncode == 1
    (wrong,) = (line for line in done.stdout.splitlines() if line.startswith("wrong"))
    assert wrong == (
        "wrong lake visitors/website=007  readers take the website for a number; rename it: docs/operations.md"
    )


def test_a_platform_that_is_not_there_is_wrong_for_each_website(tmp_path: Path) -> None:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))  # and nobody listens
        done = shop_in(tmp_path, f"http://127.0.0.1:{listener.getsockname()[1]}").run("doctor")

    assert done.returncode == 1
    assert done.stdout.count("wrong website ") == 3
    assert done.stdout.count("no answer") == 3


def test_without_a_configuration_the_status_is_2(tmp_path: Path) -> None:
    done = Shop(tmp_path, "UTC", {}).run("doctor")

    assert (done.returncode, done.stdout) == (2, "")
    assert "there is no such file" in done.stderr


def test_rejects_and_hashes_without_effect_are_told(shop: Shop) -> None:
    with (shop.folder / "ignite.toml").open("a") as config:
        config.write('\n[opt_outs]\ninbox = "inbox"\n')
    kept = shop.folder / "inbox" / "acme-honda" / "processed" / "ab-a.txt.rejects"
    kept.parent.mkdir(parents=True)
    kept.touch()
    lake = Lake(str(shop.folder / "lake"))
    ledger.record(lake, "acme-honda", [Hashes(md5="ab" * 16)], source_hash="a", at=dt.datetime.now(dt.UTC))

    done = shop.run("doctor")

    assert done.returncode == 1
    rejects, idle = [line for line in done.stdout.splitlines() if line.startswith("wrong")]
    assert "rejects wait for somebody: acme-honda/processed/ab-a.txt.rejects" in rejects
    assert "1 person is known by a hash that can't take effect: captured is sha256" in idle
