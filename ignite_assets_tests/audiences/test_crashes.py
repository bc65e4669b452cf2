"""An export that dies anywhere leaves the last good one, and the next one finds its way."""

import itertools
import json
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest

from ignite_assets.audiences import folders
from ignite_assets.audiences.folders import List, Sent
from ignite_assets.storage.duck import Workspace
from ignite_assets.storage.lake import Lake
from ignite_assets.storage.store import Store
from ignite_assets_tests.audiences.captures import DAY, WEBSITE, ago, hashed, rule, run_one, uploaded, visitors

OF = List("everyone", WEBSITE)
CHANGES = ("put", "move", "delete", "delete_folder", "writing")
FIRST = {"add.txt": [hashed(2)]}
SECOND = {"add.txt": [hashed(3)], "remove.txt": sorted([hashed(1), hashed(2)])}


class KilledError(BaseException):
    """Ends a process wherever it is."""


@contextmanager
def killed_after(changes: int, *, dead: bool = True) -> Iterator[list[int]]:
    """Let the store do so many changes, then fail: for good when dead, else once. Yields how many changes are left."""
    left = [changes]

    def counted(change: Callable[..., Any]) -> Callable[..., Any]:
        def counting(*args: Any, **options: Any) -> Any:
            left[0] -= 1
            if left[0] == -1 or (dead and left[0] < 0):
                raise KilledError if dead else OSError("the disk is full")
            return change(*args, **options)

        return counting

    with pytest.MonkeyPatch.context() as patch:
        for name in CHANGES:
            patch.setattr(Store, name, counted(getattr(Store, name)))
        yield left


def read_by_anyone(to: Path) -> dict[str, list[str]] | None:
    """The export of the date as its manifest describes it; None without a manifest. Fails for one that lies."""
    folder = to / OF.folder(DAY)
    if not (folder / "manifest.json").exists():
        return None
    manifest = json.loads((folder / "manifest.json").read_text())
    for entry in [*manifest["files"], manifest["sent"]]:
        assert sha256((folder / entry["name"]).read_bytes()).hexdigest() == entry["sha256"]
    return {entry["name"]: (folder / entry["name"]).read_text().split() for entry in manifest["files"]}


def read_by_us(sent: Sent) -> dict[str, list[str]]:
    return {entry.name: Path(sent.location(entry.name)).read_text().split() for entry in sent.manifest.files}


@pytest.mark.parametrize("dead", [True, False])
def test_a_crash_at_any_step_leaves_the_old_export_or_the_new_one(
    lake: Lake, tmp_path: Path, workspace: Workspace, dead: bool
) -> None:
    visitors(lake, ago(1), [1])
    run_one(lake, rule(tmp_path / "first"), ago(1), workspace=workspace)
    visitors(lake, DAY, [1, 2])
    run_one(lake, rule(tmp_path / "first"), workspace=workspace)
    visitors(lake, DAY, [3])
    seen = []
    for changes in itertools.count():
        to = tmp_path / str(changes)
        shutil.copytree(tmp_path / "first", to)
        try:
            with killed_after(changes, dead=dead) as left:
                run_one(lake, rule(to), workspace=workspace)
        except (KilledError, OSError):
            pass
        else:
            assert left == [0]
            break
        last = folders.last_sent(Store(str(to)), OF)
        assert last is not None
        ours, anyone_s = read_by_us(last), read_by_anyone(to)
        assert ours in (FIRST, SECOND)
        assert anyone_s in (FIRST, SECOND, None)
        seen.append((ours == SECOND, anyone_s is None))
        run_one(lake, rule(to), workspace=workspace)
        assert read_by_anyone(to) == SECOND
        assert not list(to.rglob(".*"))
    decided = [second for second, _ in seen]
    assert decided == sorted(decided)
    assert set(seen) == {(False, False), (True, False), (True, True)}


def test_a_crash_before_the_first_manifest_leaves_nothing_to_any_reader(lake: Lake, to: Path) -> None:
    visitors(lake, DAY, [1])
    with pytest.raises(KilledError), killed_after(3):
        run_one(lake, rule(to))
    assert list(to.rglob("*.txt"))
    assert folders.last_sent(Store(str(to)), OF) is None
    assert folders.exports(Store(str(to)), "everyone", WEBSITE) == {}
    run_one(lake, rule(to))
    assert read_by_anyone(to) == {"add.txt": [hashed(1)]}


def test_an_error_while_writing_clears_away_what_was_written(
    lake: Lake, to: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    visitors(lake, DAY, [1])

    def full(*_: Any) -> None:
        raise OSError("no space left")

    monkeypatch.setattr(Store, "put", full)
    with pytest.raises(OSError, match="no space left"):
        run_one(lake, rule(to))
    assert [path for path in to.rglob("*") if path.is_file()] == []


def test_the_files_of_an_earlier_version_go_and_those_of_other_lists_stay(lake: Lake, to: Path) -> None:
    visitors(lake, DAY, [1])
    run_one(lake, rule(to))
    stale = to / OF.folder(DAY) / "add-0002.txt"
    stale.write_text("stale")
    other = to / OF.folder(DAY) / "audience=7" / "add.txt"
    other.parent.mkdir()
    other.write_text("another list's")
    run_one(lake, rule(to))
    assert not stale.exists()
    assert other.exists()
    assert uploaded(to / OF.folder(DAY)) == {"add.txt": [hashed(1)]}
