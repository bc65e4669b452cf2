"""What a report says of exports: by manifests, and by what is on record of lists that left none."""

from pathlib import Path

from ignite_assets.report import exports
from ignite_assets.report.exports import ListState, Recorded
from ignite_assets.storage.lake import Lake
from ignite_assets_tests.audiences.captures import DAY, WEBSITE, ago, members, rule, run, run_one, visitors
from ignite_assets_tests.report.made import opt_out


def states(to: Path, *recorded: Recorded, **changed: object) -> list[ListState]:
    return exports.read([rule(to, **changed)], WEBSITE, DAY, recorded)


def held(status: str = "held", reasons: str = "too small", audience: int | None = None) -> Recorded:
    return Recorded(rule="everyone", audience=audience, status=status, members=7, reasons=reasons)


def test_what_was_sent_is_told_by_its_manifest(lake: Lake, tmp_path: Path) -> None:
    visitors(lake, ago(1), [1, 2])
    run_one(lake, rule(tmp_path), ago(1))
    visitors(lake, DAY, [2, 3, 4])
    opt_out(lake, 4)
    run_one(lake, rule(tmp_path))

    (state,) = states(tmp_path)

    assert state == ListState(
        rule="everyone", audience=None, destination="plain_list", status="sent", members=2, adds=1, removes=1,
        suppressed=1, reasons="", last_sent=DAY,
    )  # fmt: skip
    assert state.is_sent
    assert not state.is_held


def test_a_list_that_was_held_is_told_by_the_record_and_by_what_was_sent_last(lake: Lake, tmp_path: Path) -> None:
    visitors(lake, ago(3), [1, 2])
    run_one(lake, rule(tmp_path), ago(3))

    (state,) = states(tmp_path, held())

    assert (state.status, state.reasons, state.members, state.last_sent) == ("held", "too small", 7, ago(3))
    assert (state.is_sent, state.is_held) == (False, True)


def test_a_list_of_which_nothing_is_known_was_not_exported(tmp_path: Path) -> None:
    (state,) = states(tmp_path)

    assert (state.status, state.members, state.last_sent) == (exports.UNKNOWN, None, None)


def test_of_a_list_the_newest_record_counts(tmp_path: Path) -> None:
    (state,) = states(tmp_path, held(reasons="the newest"), held("failed", "an old one"))

    assert (state.status, state.reasons) == ("held", "the newest")


def test_opt_outs_that_left_a_held_list_are_told(lake: Lake, tmp_path: Path) -> None:
    visitors(lake, ago(1), range(20))
    run_one(lake, rule(tmp_path), ago(1))
    opt_out(lake, 3)
    visitors(lake, DAY, [1])
    run_one(lake, rule(tmp_path, max_shrink=0.1))

    (state,) = states(tmp_path)

    assert (state.status, state.removes, state.is_held) == ("held, opt-outs removed", 1, True)
    assert "would leave" in state.reasons


def test_what_was_forced_says_so_with_its_reasons(lake: Lake, tmp_path: Path) -> None:
    visitors(lake, DAY, [1])
    run_one(lake, rule(tmp_path, min_members=100), force="trust me")

    (state,) = states(tmp_path)

    assert (state.status, state.is_sent) == ("forced", True)
    assert "fewer than 100" in state.reasons


def test_what_was_sent_stands_when_a_later_run_was_held(lake: Lake, tmp_path: Path) -> None:
    visitors(lake, DAY, [1])
    run_one(lake, rule(tmp_path))

    (state,) = states(tmp_path, held())

    assert state.status == "sent"
    assert state.reasons == "made again, it was held: too small"


def test_lists_that_are_not_combined_are_told_one_by_one(lake: Lake, tmp_path: Path) -> None:
    members(lake, DAY, {5: [1, 2], 6: [3]})
    apart = {"source": "audiences", "match": {"id": (5, 6)}, "combine": False}
    run(lake, rule(tmp_path, **apart))

    found = states(tmp_path, held(audience=7), **apart)

    assert [(state.audience, state.status) for state in found] == [(5, "sent"), (6, "sent"), (7, "held")]


def test_a_later_export_is_not_what_stood_on_the_day(lake: Lake, tmp_path: Path) -> None:
    visitors(lake, DAY, [1])
    run_one(lake, rule(tmp_path))

    (state,) = exports.read([rule(tmp_path)], WEBSITE, ago(2))

    assert (state.status, state.last_sent) == (exports.UNKNOWN, None)


def test_a_rule_for_other_websites_is_left_out(tmp_path: Path) -> None:
    assert states(tmp_path, websites=("bayside-*",)) == []
