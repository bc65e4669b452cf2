"""What a report says of exports: by manifests, and by what is on record of lists that left none."""

from pathlib import Path

from ignite_assets.audiences.lists import note
from ignite_assets.report import exports
from ignite_assets.report.exports import ListState, Recorded
from ignite_assets.storage.duck import Workspace
from ignite_assets.storage.lake import Lake
from ignite_assets_tests.audiences.captures import DAY, WEBSITE, ago, members, rule, run, run_one, visitors
from ignite_assets_tests.report.made import opt_out


def states(lake: Lake, to: Path, *recorded: Recorded, **changed: object) -> list[ListState]:
    return exports.read(lake, [rule(to, **changed)], WEBSITE, DAY, recorded)


def held(status: str = "held", reasons: str = "too small", audience: int | None = None) -> Recorded:
    return Recorded(rule="everyone", audience=audience, status=status, members=7, reasons=reasons)


def test_what_was_written_is_told_by_its_manifest(lake: Lake, tmp_path: Path) -> None:
    visitors(lake, ago(1), [1, 2])
    run_one(lake, rule(tmp_path), ago(1))
    visitors(lake, DAY, [2, 3, 4])
    opt_out(lake, 4)
    run_one(lake, rule(tmp_path))

    (state,) = states(lake, tmp_path)

    assert state == ListState(
        rule="everyone", audience=None, destination="plain_list", status="written", members=2, reasons="",
        last_written=DAY, export=state.export,
    )  # fmt: skip
    assert state.export
    assert state.is_written
    assert not state.is_held


def test_a_list_that_was_held_is_told_by_the_record_and_by_what_was_written_last(lake: Lake, tmp_path: Path) -> None:
    visitors(lake, ago(3), [1, 2])
    run_one(lake, rule(tmp_path), ago(3))

    (state,) = states(lake, tmp_path, held())

    assert (state.status, state.reasons, state.members, state.last_written) == ("held", "too small", 7, ago(3))
    assert (state.is_written, state.is_held) == (False, True)


def test_a_list_of_which_nothing_is_known_was_not_exported(lake: Lake, tmp_path: Path) -> None:
    (state,) = states(lake, tmp_path)

    assert (state.status, state.members, state.last_written) == (exports.UNKNOWN, None, None)


def test_of_a_list_the_newest_record_counts(lake: Lake, tmp_path: Path) -> None:
    (state,) = states(lake, tmp_path, held(reasons="the newest"), held("failed", "an old one"))

    assert (state.status, state.reasons) == ("held", "the newest")


def test_opt_outs_that_left_a_held_list_are_told(lake: Lake, tmp_path: Path) -> None:
    visitors(lake, ago(1), range(20))
    run_one(lake, rule(tmp_path), ago(1))
    opt_out(lake, 3)
    visitors(lake, DAY, [1])
    run_one(lake, rule(tmp_path, max_shrink=0.1))

    (state,) = states(lake, tmp_path)

    assert (state.status, state.is_held) == ("held, opt-outs written", True)
    assert "would leave" in state.reasons


def test_what_was_forced_says_so_with_its_reasons(lake: Lake, tmp_path: Path) -> None:
    visitors(lake, DAY, [1])
    run_one(lake, rule(tmp_path, min_members=100), force="trust me")

    (state,) = states(lake, tmp_path)

    assert (state.status, state.is_written) == ("written", True)
    assert state.reasons == "1 members, fewer than 100; forced: trust me"


def test_what_was_written_stands_when_a_later_run_was_held(lake: Lake, tmp_path: Path) -> None:
    visitors(lake, DAY, [1])
    run_one(lake, rule(tmp_path))

    (state,) = states(lake, tmp_path, held())

    assert state.status == "written"
    assert state.reasons == "made again, it was held: too small"


def test_lists_that_are_not_combined_are_told_one_by_one(lake: Lake, tmp_path: Path) -> None:
    members(lake, DAY, {5: [1, 2], 6: [3]})
    apart = {"source": "audiences", "match": {"id": (5, 6)}, "combine": False}
    run(lake, rule(tmp_path, **apart))

    found = states(lake, tmp_path, held(audience=7), **apart)

    assert [(state.audience, state.status) for state in found] == [(5, "written"), (6, "written"), (7, "held")]


def test_a_later_export_is_not_what_stood_on_the_day(lake: Lake, tmp_path: Path) -> None:
    visitors(lake, DAY, [1])
    run_one(lake, rule(tmp_path))

    (state,) = exports.read(lake, [rule(tmp_path)], WEBSITE, ago(2))

    assert (state.status, state.last_written) == (exports.UNKNOWN, None)


def test_a_rule_for_other_websites_is_left_out(lake: Lake, tmp_path: Path) -> None:
    assert states(lake, tmp_path, websites=("bayside-*",)) == []


def test_a_list_that_nothing_asks_for_any_more_is_shown_until_it_is_retired(lake: Lake, tmp_path: Path) -> None:
    visitors(lake, ago(1), [1, 2])
    written = run_one(lake, rule(tmp_path), ago(1))
    opt_out(lake, 2)

    new, old = states(lake, tmp_path, name="renamed")

    assert (new.rule, new.status) == ("renamed", exports.UNKNOWN)
    assert (old.rule, old.last_written) == ("everyone", ago(1))
    with Workspace(threads=1) as workspace:
        assert exports.removals_due(workspace, lake, WEBSITE, "website") == 1
    note(lake, written.of, "retired", reason="test")
    assert [state.rule for state in states(lake, tmp_path, name="renamed")] == ["renamed"]
