"""`ignite-assets opt-out` as a process."""

import datetime as dt
from collections.abc import Iterator
from pathlib import Path

import pytest

from ignite_assets.audiences import ledger
from ignite_assets.audiences.opt_outs import hashes_of
from ignite_assets.sandbox import Fault, SandboxServer
from ignite_assets.sandbox.optouts import fingerprint
from ignite_assets.storage.lake import Lake
from ignite_assets.testing import find_leaks
from ignite_assets_tests.audiences.captures import tally
from ignite_assets_tests.audiences.drops.shapes import SHAPES, Shape
from ignite_assets_tests.cli.conftest import Shop, shop_in
from ignite_assets_tests.commands import run
from ignite_assets_tests.conftest import ACME, WEBSITES

CANARY = "c4n4ry@c4n4rymail.com"
SECRETS = {"address": CANARY, "domain": "c4n4rymail"}
WEBSITE = ("--website", ACME.key)


@pytest.fixture
def platform() -> Iterator[SandboxServer]:
    with SandboxServer(WEBSITES) as server:
        yield server


@pytest.fixture
def shop(tmp_path: Path, platform: SandboxServer) -> Shop:
    return shop_in(tmp_path, platform.url)


def known(shop: Shop) -> tuple[int, int]:
    counts = tally(Lake(str(shop.folder / "lake")), ACME.key)
    return counts.known, counts.submitted


def test_the_people_of_a_file_are_suppressed_and_submitted_at_once(shop: Shop, platform: SandboxServer) -> None:
    (shop.folder / "a.csv").write_text(f"email\n{CANARY}\nbob@example.com\n")
    done = shop.run("opt-out", *WEBSITE, "a.csv")
    told = "2 people are suppressed from now on; 2 submitted, 0 known to the platform before\n"
    told += "2 addresses found: 2 suppressed, 0 rejected, 0 left out\n"
    assert (done.returncode, done.stdout, done.stderr) == (0, told, "")
    assert platform.world.opt_outs.of(ACME.key) == {fingerprint(CANARY), fingerprint("bob@example.com")}
    assert known(shop) == (2, 2)
    assert (shop.folder / "a.csv").exists(), "the user's own file stays"
    again = shop.run("opt-out", *WEBSITE, "a.csv")
    assert "0 submitted, 2 known" in again.stdout


# One shape of each outcome: files are read as by the job, whose tests have them all.
OUTCOMES = {(shape.kept, bool(shape.suppressed), bool(shape.submitted)): shape for shape in SHAPES}


@pytest.mark.slow
@pytest.mark.parametrize("shape", OUTCOMES.values(), ids=str)
def test_each_outcome_of_a_file_is_as_the_page_says(shop: Shop, platform: SandboxServer, shape: Shape) -> None:
    (shop.folder / shape.name).write_bytes(shape.data)
    done = shop.run("opt-out", *WEBSITE, shape.name)
    assert done.returncode == (1 if shape.kept else 0)
    assert known(shop) == (len(shape.suppressed), len(shape.submitted))
    assert platform.world.opt_outs.of(ACME.key) == set(map(fingerprint, shape.submitted))
    assert "@" not in done.stdout + done.stderr


def test_standard_input_is_one_address_a_line_and_bad_lines_are_told_by_number(shop: Shop) -> None:
    done = run(
        "opt-out", *WEBSITE, "-",
        folder=shop.folder, env=shop.environment, stdin=f"{CANARY}\nnobody {CANARY}\n",
    )  # fmt: skip
    assert done.returncode == 1
    assert done.stdout.startswith("1 person is suppressed from now on; 1 submitted")
    assert "1 line rejected (line 2: an address in a sentence: suppressed, not submitted)\n" in done.stdout
    (shop.folder / "ignite.toml").unlink()
    assert not find_leaks(SECRETS, folders=[shop.folder], texts={"out": done.stdout, "err": done.stderr})


def test_a_platform_that_fails_leaves_them_suppressed_and_says_what_to_do(shop: Shop, platform: SandboxServer) -> None:
    (shop.folder / "a.txt").write_text(CANARY)
    platform.faults.add(Fault(endpoint="opt_outs", status=503, body=CANARY.encode()))
    done = shop.run("opt-out", *WEBSITE, "a.txt")
    assert done.returncode == 1
    assert "1 person is suppressed from now on; the platform does not know all of them: run it again" in done.stderr
    assert "Error: acme-honda: opt_outs: the platform failed (status 503, 1 try)" in done.stderr
    assert known(shop) == (1, 0)
    assert not find_leaks(SECRETS, texts={"out": done.stdout, "err": done.stderr})


def test_without_credentials_people_are_suppressed_all_the_same(shop: Shop) -> None:
    (shop.folder / "a.txt").write_text(CANARY)
    shop.environment.clear()
    done = shop.run("opt-out", *WEBSITE, "a.txt")
    assert done.returncode == 2
    assert "ACME_HONDA_TOKEN is not set" in done.stderr
    assert known(shop) == (1, 0)


def test_hashes_are_suppressed_and_not_submitted(shop: Shop, platform: SandboxServer) -> None:
    (shop.folder / "a.txt").write_text("ab" * 32)
    done = shop.run("opt-out", *WEBSITE, "--hashes", "a.txt")
    assert done.returncode == 0
    assert done.stdout.startswith("1 person is suppressed from now on; 1 can take effect, 0 can't; hashes aren't")
    assert len(platform.requests) == 0


def test_mistakes_are_usage_errors_that_quote_no_address(shop: Shop) -> None:
    for arguments in ([*WEBSITE, CANARY], ["--website", "nobody", "a.txt"], [CANARY]):
        done = shop.run("opt-out", *arguments)
        assert done.returncode == 2
        assert not find_leaks(SECRETS, texts={"out": done.stdout, "err": done.stderr})
    assert not (shop.folder / "lake").exists()


def test_a_hash_list_of_which_none_can_take_effect_fails_and_says_why(shop: Shop) -> None:
    (shop.folder / "a.txt").write_text("ab" * 16)
    done = shop.run("opt-out", *WEBSITE, "--hashes", "a.txt")
    assert done.returncode == 1
    assert "none of them can take effect: the hashes are md5, the captures sha256" in done.stdout


def test_columns_that_nobody_can_tell_apart_are_named_and_an_option_decides(
    shop: Shop, platform: SandboxServer
) -> None:
    (shop.folder / "a.csv").write_text(f"Email,Customer Email\nrep@example.com,{CANARY}\n")
    done = shop.run("opt-out", *WEBSITE, "a.csv")
    assert done.returncode == 1
    assert "which column is of those who opted out: Email, Customer Email" in done.stdout
    assert platform.world.opt_outs.of(ACME.key) == frozenset()
    assert shop.run("opt-out", *WEBSITE, "--column", "customer email", "a.csv").returncode == 0
    assert platform.world.opt_outs.of(ACME.key) == {fingerprint(CANARY)}
    assert shop.run("opt-out", *WEBSITE, "--column", "nobody", "a.csv").returncode == 1


def test_an_opt_out_is_withdrawn_with_a_reason(shop: Shop) -> None:
    (shop.folder / "a.txt").write_text(CANARY)
    assert shop.run("opt-out", *WEBSITE, "a.txt").returncode == 0
    assert shop.run("opt-out", *WEBSITE, "--withdraw", "a.txt").returncode == 2
    done = shop.run("opt-out", *WEBSITE, "--withdraw", "--reason", "signed up again", "a.txt")
    assert (done.returncode, known(shop)) == (0, (0, 0))
    assert shop.run("opt-out", *WEBSITE, "a.txt").returncode == 0
    assert known(shop) == (1, 1)


def test_held_files_are_confirmed_and_unclear_answers_settled_by_command(shop: Shop) -> None:
    lake, now = Lake(str(shop.folder / "lake")), dt.datetime.now(dt.UTC)
    ledger.mark(lake, ACME.key, "held", "ab", at=now)
    assert "1 file of opt-outs waits to be confirmed" in shop.run("doctor").stdout
    done = shop.run("opt-out", *WEBSITE, "--confirm", "--reason", "as meant")
    assert (done.returncode, ledger.held(lake, ACME.key)) == (0, frozenset())
    assert done.stdout.startswith("1 file is confirmed")
    for option, acknowledged in (("--not-acknowledged", 0), ("--acknowledged", 1)):
        ledger.record(lake, ACME.key, [hashes_of(CANARY)], kind="unclear", source_hash="ab", at=dt.datetime.now(dt.UTC))
        assert shop.run("opt-out", *WEBSITE, option).returncode == 2, "a reason is missing"
        done = shop.run("opt-out", *WEBSITE, option, "--reason", "they say so")
        assert (done.returncode, ledger.unclear(lake, ACME.key)) == (0, {})
        assert done.stdout.startswith("1 person is ")
        assert len(ledger.acknowledged(lake, ACME.key)) == acknowledged
