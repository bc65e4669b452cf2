"""Makes `made_by_0_1_0.tar.xz`: a lake, its ledger and exports as version 0.1.0 left them, for tests of the upgrade.

To make it again, run this module with version 0.1.0 checked out: `python -m
ignite_assets_tests.audiences.made_by_0_1_0 .venv/bin/ignite-assets`. `_story` says what each list has been through.
"""

import datetime as dt
import hashlib
import os
import subprocess
import sys
import tarfile
import tempfile
from collections.abc import Iterable
from pathlib import Path

from ignite_assets.storage.lake import Lake
from ignite_assets_tests.audiences.captures import DAY, ago, capture, hashed, members, visitors

ARCHIVE = Path(__file__).with_suffix(".tar.xz")
RULE = (
    '[[exports]]\nname = "{name}"\nsource = "{source}"\ndestination = "plain_list"\nwindow_days = 1\nmax_shrink = 1.0\n'
)
HEAD = f"""partitions.start_date = "{ago(2)}"
storage.root = "lake"
[websites.acme-honda]
token_env = "ACME_HONDA_TOKEN"
secret_env = "ACME_HONDA_SECRET"
"""
CONFIGURATION = "".join(
    [
        HEAD,
        RULE.format(name="everyone", source="visitors"),
        RULE.format(name="whole", source="visitors") + 'mode = "full"\n',
        RULE.format(name="renamed-later", source="visitors"),
        RULE.format(name="cut-short", source="visitors"),
        RULE.format(name="each", source="audiences") + "combine = false\n",
    ]
)


def _story(home: Path, command: str) -> None:
    lake = Lake(str(home / "lake"))

    def export(day: dt.date) -> None:
        _run(home, command, "export", "--date", str(day))

    def people(day: dt.date, some: Iterable[int]) -> None:
        some = list(some)
        visitors(lake, day, some)
        members(lake, day, {1: some, 2: some[:2]})
        capture(lake, "audiences", day, [{"id": 1, "primary_category": "USED"}, {"id": 2, "primary_category": "NEW"}])

    people(ago(2), [1, 2, 3, 4])
    export(ago(2))
    (home / "hashes.txt").write_text(f"{hashed(4)}\n")
    _run(home, command, "opt-out", "--website", "acme-honda", "--hashes", "hashes.txt")
    (home / "hashes.txt").unlink()
    people(ago(1), [1, 2, 3, 4, 5])
    export(ago(1))
    people(DAY, [2, 3, 5, 6])
    export(DAY)
    people(DAY, [1, 2, 3, 7])
    export(DAY)  # again: 6 was added by the first files of the day and 1 removed by them
    _cut_short(home / f"exports/cut-short/website=acme-honda/date={DAY}")


def _cut_short(folder: Path) -> None:
    """The moment after an export was decided: a kill left its files and its manifest in `.staged`."""
    staged = folder / ".staged"
    staged.mkdir()
    for path in [*folder.iterdir()]:
        if path.is_file():
            path.rename(staged / path.name)


def _run(home: Path, command: str, *arguments: str) -> None:
    environment = os.environ | {"DAGSTER_HOME": str(home / ".dagster"), "IGNITE_CONFIG": str(home / "ignite.toml")}
    subprocess.run([command, *arguments], cwd=home, env=environment, check=True)


def _pack(home: Path) -> None:
    with tarfile.open(ARCHIVE, "w:xz") as archive:
        for name in ("ignite.toml", "lake", "exports"):
            archive.add(home / name, name)


def main(command: str) -> None:
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder)
        (home / "ignite.toml").write_text(CONFIGURATION)
        _story(home, command)
        _pack(home)
    sys.stdout.write(f"{ARCHIVE.stat().st_size:,} bytes, {hashlib.sha256(ARCHIVE.read_bytes()).hexdigest()}\n")


if __name__ == "__main__":
    main(sys.argv[1])
