"""What follows on what: two writers, kills at every write, damage, and what version 0.1.0 left."""

import datetime as dt
import itertools
import json
import os
import shutil
import tarfile
import tomllib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from ignite_assets.audiences import exports, history, ledger, lists
from ignite_assets.audiences.attempt import Options, Outcome
from ignite_assets.audiences.lists import List
from ignite_assets.audiences.manifest import Ledger
from ignite_assets.audiences.rules import ExportRule
from ignite_assets.storage.duck import Workspace
from ignite_assets.storage.lake import Lake
from ignite_assets.storage.store import Store
from ignite_assets_tests.audiences.captures import (
    DAY,
    NOW,
    WEBSITE,
    ago,
    hashed,
    hashes,
    rule,
    run,
    run_one,
    somebody,
    uploaded,
    visitors,
)
from ignite_assets_tests.audiences.made_by_0_1_0 import ARCHIVE
from ignite_assets_tests.audiences.uploader import PlatformList, pointed_at
from ignite_assets_tests.audiences.uploader import exports as exports_in

FOLDER = f"everyone/website={WEBSITE}"


def opt_out(lake: Lake, *numbers: int) -> None:
    people = [somebody(number).hashes for number in numbers]
    ledger.record(lake, WEBSITE, people, source_hash=str(numbers), at=NOW)


@contextmanager
def in_the_middle(act: Callable[[], Any]) -> Iterator[None]:
    """Let something happen after the checks of the next export and before its commit."""
    commit, waiting = history.commit, [act]

    def interrupted(*arguments: Any) -> Any:
        if waiting:
            waiting.pop()()
        return commit(*arguments)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(history, "commit", interrupted)
        yield


def test_two_exports_that_follow_the_same_one_are_both_reckoned_with(lake: Lake, to: Path) -> None:
    visitors(lake, ago(1), [1, 2])
    run_one(lake, rule(to), ago(1))
    visitors(lake, DAY, [1, 2, 4])

    def rival() -> None:
        visitors(lake, DAY, [1, 2, 3])
        run_one(lake, rule(to))

    with in_the_middle(rival):
        run_one(lake, rule(to))
    first, *branches = exports_in(to / FOLDER)
    assert [branch.name[:6] for branch in branches] == ["000002", "000002"]
    opt_out(lake, 3, 4)
    visitors(lake, DAY, [1, 2])
    outcome = run_one(lake, rule(to))
    assert outcome.written is not None
    assert (outcome.written.number, len(outcome.written.follows)) == (4, 2)
    assert uploaded(pointed_at(to / FOLDER)) == {"remove.txt": sorted(hashes([3, 4]))}
    for taken in ([], [0], [1], [0, 1], [1, 0]):  # whichever of the two was uploaded
        platform = PlatformList(to / FOLDER)
        for export in (first, *(branches[number] for number in taken), pointed_at(to / FOLDER)):
            platform.upload(export)
        assert platform.people == hashes([1, 2])


def test_a_held_list_that_branched_loses_its_opt_outs_and_stays_uncertain_of_the_rest(lake: Lake, to: Path) -> None:
    visitors(lake, ago(2), [1])
    visitors(lake, ago(1), [1])
    run_one(lake, rule(to), ago(2))

    def rival() -> None:
        visitors(lake, ago(1), [1, 3])
        run_one(lake, rule(to), ago(1))

    visitors(lake, ago(1), [1, 2, 5])
    with in_the_middle(rival):
        run_one(lake, rule(to), ago(1))
    opt_out(lake, 2)
    held = run_one(lake, rule(to, window_days=2))
    assert held.status == "held, opt-outs written"
    assert uploaded(pointed_at(to / FOLDER)) == {"remove.txt": [hashed(2)]}
    visitors(lake, DAY, [1, 3])
    run_one(lake, rule(to))
    assert uploaded(pointed_at(to / FOLDER)) == {"add.txt": [hashed(3)], "remove.txt": [hashed(5)]}


class KilledError(BaseException):
    """Ends a process wherever it is."""


@contextmanager
def killed_after(changes: int, *, dead: bool = True) -> Iterator[list[int]]:
    """Let the stores do so many changes, then fail: for good when dead, else once. Yields how many are left."""
    left, put = [changes], Store.put

    def counted(store: Store, *arguments: Any) -> None:
        left[0] -= 1
        if left[0] == -1 or (dead and left[0] < 0):
            raise KilledError if dead else OSError("the disk is full")
        put(store, *arguments)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Store, "put", counted)
        yield left


@pytest.mark.slow
@pytest.mark.parametrize("dead", [True, False])
def test_a_crash_at_any_write_leaves_a_whole_export_and_the_next_one_goes_on(
    lake: Lake, tmp_path: Path, workspace: Workspace, dead: bool
) -> None:
    visitors(lake, ago(1), [1, 2])
    run_one(lake, rule(tmp_path / "first"), ago(1), workspace=workspace)
    visitors(lake, DAY, [2, 3])
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
        pointed_at(to / FOLDER)
        committed = len(exports_in(to / FOLDER)) == 2
        seen.append(committed)
        platform = PlatformList(to / FOLDER)
        platform.take()
        assert platform.people == hashes([2, 3] if committed else [1, 2])
        run_one(lake, rule(to), workspace=workspace)
        platform.take()
        assert platform.people == hashes([2, 3])
    assert seen == sorted(seen)
    assert set(seen) == {True, False}


def test_what_a_killed_writer_left_is_deleted_after_a_week_and_no_earlier(lake: Lake, to: Path) -> None:
    visitors(lake, DAY, [1])
    with pytest.raises(KilledError), killed_after(3):
        run_one(lake, rule(to))
    visitors(lake, DAY, [2])
    (left,) = [path for path in (to / FOLDER).iterdir() if path.is_dir()]
    for days, there in ((6, True), (8, False)):
        for path in left.iterdir():
            os.utime(path, ((NOW - dt.timedelta(days)).timestamp(),) * 2)
        run_one(lake, rule(to))
        assert any(left.glob("*")) == there


@pytest.mark.parametrize(
    ("damage", "told"),
    [
        (lambda export: export / "manifest.json", "its bytes are not those that were written"),
        (lambda export: next(export.glob("state-*")), "its bytes are not those that its manifest describes"),
    ],
)
@pytest.mark.parametrize("dry_run", [True, False])
def test_a_damaged_record_holds_its_list_by_name_and_no_other(
    lake: Lake, to: Path, damage: Callable[[Path], Path], told: str, dry_run: bool
) -> None:
    visitors(lake, DAY, [1, 2])
    run_one(lake, rule(to))
    damaged = damage(pointed_at(to / FOLDER))
    damaged.write_bytes(damaged.read_bytes()[:-1] + b"?")
    opt_out(lake, 2)
    outcome = run_one(lake, rule(to), dry_run=dry_run, force="please")
    assert (outcome.status, outcome.written) == ("held", None)
    assert told in outcome.decision.reasons[0]
    assert str(damaged) in outcome.decision.reasons[0]
    assert run_one(lake, rule(to, name="other"), dry_run=dry_run).status in ("written", "would write")


def test_a_state_that_is_gone_holds_its_list(lake: Lake, to: Path) -> None:
    visitors(lake, DAY, [1])
    run_one(lake, rule(to))
    next(pointed_at(to / FOLDER).glob("state-*")).unlink()
    assert "it is gone" in run_one(lake, rule(to)).decision.reasons[0]


def manifest_with(**changed: Any) -> bytes:
    """The manifest of one export with some fields changed."""
    with tarfile.open(ARCHIVE) as archive:
        file = archive.extractfile(f"exports/everyone/website=acme-honda/date={DAY}/manifest.json")
        assert file
        return json.dumps(json.load(file) | changed).encode()


def test_fields_of_a_newer_version_are_skipped_and_its_formats_are_not_guessed_at() -> None:
    from ignite_assets.audiences.manifest import load

    assert load(manifest_with(something="new")).name == "everyone"
    for changed in ({"format": 3}, {"destination": "mars"}, {"counts": 7}, {"window": 7}, {"written_at": "2026-01-01"}):
        with pytest.raises(ValueError, match=r"known|not a manifest"):
            load(manifest_with(**changed))
    for data in (b"", b"\0", b"[]", b"7", b"[" * 100_000):
        with pytest.raises(ValueError, match=r"Expecting|not a manifest"):
            load(data)


def test_an_export_that_was_copied_from_another_list_holds_the_list(lake: Lake, to: Path) -> None:
    visitors(lake, DAY, [1, 2])
    run_one(lake, rule(to))
    run_one(lake, rule(to, name="other"))
    (folder,) = (to / FOLDER).glob("0*")
    shutil.rmtree(folder)
    (other,) = (to / FOLDER.replace("everyone", "other")).glob("0*")
    shutil.copytree(other, folder.with_name(other.name))
    outcome = run_one(lake, rule(to))
    assert (outcome.status, "it is of another list, other acme-honda" in outcome.decision.reasons[0]) == ("held", True)


def test_a_ledger_that_holds_less_than_before_holds_the_list(lake: Lake, to: Path) -> None:
    visitors(lake, DAY, [1, 2, 3])
    opt_out(lake, 1)
    opt_out(lake, 2)
    run_one(lake, rule(to))
    next((Path(lake.root) / "_opt_outs").rglob("seen-*")).unlink()
    for gained in (3, 4):
        outcome = run_one(lake, rule(to))
        assert outcome.decision.held
        assert "the ledger of opt-outs holds less than before" in outcome.decision.reasons[0]
        opt_out(lake, gained)
    forced = run_one(lake, rule(to), force="restored by hand")
    assert forced.status == "written"
    assert run_one(lake, rule(to)).status == "written"


def test_a_manifest_of_before_says_how_many_files_the_ledger_had_and_no_more() -> None:
    now, more = Ledger.of(["a", "b"]), Ledger.of(["b", "c", "d"])
    before = replace(now, seen=None)
    assert (now.lacks(before), more.lacks(before), replace(before, sha256="").lacks(before)) == (False, False, True)
    assert (more.lacks(now), Ledger.of(["a", "b", "c"]).lacks(now), now.lacks(now)) == (True, False, False)


def test_the_last_event_of_a_list_counts_whatever_the_clock_says(lake: Lake, to: Path) -> None:
    of = List(str(to), "everyone", WEBSITE)
    lists.note(lake, of, "retired", reason="test")
    (file,) = (Path(lake.root) / "_lists").rglob("*-retired.json")
    file.rename(file.with_name("29990101T000000.000000Z-retired.json"))
    events: tuple[lists.Event, ...] = ("begun", "written")
    for event in events:
        lists.note(lake, of, event)
        assert lists.on_record(lake) == {of: event}
    file.with_name("29990101T000000.000000Z-retired.json").write_bytes(b"")
    assert lists.on_record(lake) == {of: "written"}, "the other files tell where it is"


def test_a_list_on_record_of_which_nothing_is_left_is_held_until_it_is_forced(lake: Lake, to: Path) -> None:
    visitors(lake, DAY, [1])
    run_one(lake, rule(to))
    shutil.rmtree(to)
    outcome = run_one(lake, rule(to))
    assert outcome.decision.reasons == (f"the list is on record as written, and nothing of it is left at {to}",)
    assert run_one(lake, rule(to), force="the bucket was emptied").status == "written"


def unasked(lake: Lake, *rules: ExportRule) -> list[Outcome]:
    """What a night does for lists that no rule asks for."""
    lists.adopt(lake, rules)
    with Workspace(memory_mib=256, threads=1) as workspace:
        options = Options(algo="sha2", now=NOW)
        found = exports.unasked(lake, rules)
        return [one for of in found for one in exports.remove_opt_outs(workspace, lake, of, options, orphaned=True)]


@pytest.mark.parametrize(
    "changed",
    [{"name": "renamed"}, {"to": "elsewhere"}, {"websites": ("other",)}, None],
    ids=["renamed", "moved", "narrowed", "deleted"],
)
def test_a_list_that_no_rule_asks_for_still_loses_the_people_who_opt_out(
    lake: Lake, tmp_path: Path, changed: dict[str, Any] | None
) -> None:
    visitors(lake, DAY, [1, 2])
    run_one(lake, rule(tmp_path / "exports"))
    now = [] if changed is None else [rule(tmp_path / changed.pop("to", "exports"), **changed)]
    (idle,) = unasked(lake, *now)
    assert (idle.status, idle.written) == ("no longer asked for", None)
    opt_out(lake, 2)
    visitors(lake, ago(-1), [3])
    (outcome,) = unasked(lake, *now)
    assert outcome.status == "no longer asked for, opt-outs written"
    assert uploaded(pointed_at(tmp_path / "exports" / FOLDER)) == {"remove.txt": [hashed(2)]}
    lists.note(lake, outcome.of, "retired", reason="deleted on the platform")
    assert unasked(lake, *now) == []


def test_a_list_that_is_asked_for_again_goes_on_where_it_was(lake: Lake, to: Path) -> None:
    visitors(lake, DAY, [1, 2])
    first = run_one(lake, rule(to))
    lists.note(lake, first.of, "retired", reason="by mistake")
    visitors(lake, DAY, [2, 3])
    run_one(lake, rule(to))
    assert uploaded(pointed_at(to / FOLDER)) == {"add.txt": [hashed(3)], "remove.txt": [hashed(1)]}
    assert lists.on_record(lake)[first.of] == "written"


def test_the_record_of_lists_moves_with_the_lake(lake: Lake, to: Path, tmp_path: Path) -> None:
    visitors(lake, DAY, [1])
    run_one(lake, rule(to))
    moved = tmp_path / "moved"
    moved.mkdir()
    for name in ("lake", "exports"):
        (tmp_path / name).rename(moved / name)
    (of,) = lists.on_record(Lake(str(moved / "lake")))
    assert of.to == str(moved / "exports")


@pytest.fixture
def earlier(tmp_path: Path) -> tuple[Lake, dict[str, ExportRule]]:
    """The lake and the rules of version 0.1.0, with exports of theirs."""
    with tarfile.open(ARCHIVE) as archive:
        # Python 3.11.0 to 3.11.3 know no filters.
        archive.extraction_filter = getattr(tarfile, "data_filter", None)
        archive.extractall(tmp_path)
    told = tomllib.loads((tmp_path / "ignite.toml").read_text())
    rules = [ExportRule(**each, to=str(tmp_path / "exports")) for each in told["exports"]]
    return Lake(str(tmp_path / "lake")), {of.name: of for of in rules}


def test_lists_of_version_0_1_0_go_on(earlier: tuple[Lake, dict[str, ExportRule]], tmp_path: Path) -> None:
    lake, rules = earlier
    visitors(lake, ago(-1), [2, 3, 8])
    for name in ("everyone", "cut-short"):
        outcome = run_one(lake, rules[name], ago(-1))
        assert outcome.written is not None
        assert outcome.written.follows[0].folder.startswith(f"date={DAY}")
        files = uploaded(pointed_at(tmp_path / f"exports/{name}/website={WEBSITE}"))
        # 1 and 7 leave. The last day was exported twice, and nobody knows whether the first files, which added 6 and
        # removed 1, were uploaded: so 6 leaves again.
        assert files == {"add.txt": [hashed(8)], "remove.txt": sorted(hashes([1, 5, 6, 7]))}


def test_lists_of_version_0_1_0_that_are_renamed_by_the_upgrade_are_owed_removals(
    earlier: tuple[Lake, dict[str, ExportRule]], tmp_path: Path
) -> None:
    lake, rules = earlier
    opt_out(lake, 2)
    now = [of for name, of in rules.items() if name != "renamed-later"]
    (outcome,) = unasked(lake, *now)
    assert outcome.of == List(str(tmp_path / "exports"), "renamed-later", WEBSITE)
    assert uploaded(pointed_at(tmp_path / f"exports/renamed-later/website={WEBSITE}")) == {"remove.txt": [hashed(2)]}


def test_lists_of_single_audiences_of_version_0_1_0_go_on(
    earlier: tuple[Lake, dict[str, ExportRule]], tmp_path: Path
) -> None:
    lake, rules = earlier
    lists.adopt(lake, rules.values())
    opt_out(lake, 2)
    first, second = run(lake, rules["each"])
    assert (first.of.audience, second.of.audience) == (1, 2)
    assert first.counts.removes >= 1
    assert hashed(2) in uploaded(pointed_at(tmp_path / f"exports/each/website={WEBSITE}/audience=1"))["remove.txt"]
