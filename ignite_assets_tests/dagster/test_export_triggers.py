"""When exports are due, without Dagster: over any order of captures, looked at in any portions."""

import datetime as dt
from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ignite_assets.audiences.rules import ExportRule, Source
from ignite_assets.dagster.automation.export_triggers import Captured, Due, Watch

FIRST = dt.date(2026, 11, 1)
WEBSITES = ("acme", "bayside")


def rule(source: Source = "audiences", *websites: str) -> ExportRule:
    return ExportRule(name="r", websites=websites or ("*",), source=source, destination="plain_list", to="x")


def record(storage_id: int, asset: str, day: int, content: str = "a", website: str = "acme") -> Captured:
    return Captured(storage_id, asset, f"{FIRST + dt.timedelta(day)}|{website}", content)


def look(watch: Watch, records: Sequence[Captured], *rules: ExportRule) -> list[Due]:
    """Take records in and ask what is due, by way of the cursor's text."""
    watch.take_in(records)
    watch.__dict__.update(Watch.read(watch.text()).__dict__)
    return list(watch.due(rules or [rule()], WEBSITES))


def test_a_website_is_due_once_all_sources_have_the_newest_day() -> None:
    watch = Watch()
    assert look(watch, [record(1, "audiences", 3)]) == []
    (due,) = look(watch, [record(2, "audience_members", 3)])
    assert (due.website, due.date) == ("acme", FIRST + dt.timedelta(3))
    assert look(watch, []) == []


def test_a_source_that_is_a_day_behind_holds_the_export_back() -> None:
    watch = Watch()
    look(watch, [record(1, "audiences", 3), record(2, "audience_members", 3)])
    assert look(watch, [record(3, "audience_members", 4)]) == []
    assert len(look(watch, [record(4, "audiences", 4)])) == 1


def test_the_sources_of_all_rules_that_cover_the_website_count_and_no_others() -> None:
    rules = [rule("visitors"), rule("audience_groups", "bayside")]
    watch = Watch()
    both = [record(1, "visitors", 3), record(2, "visitors", 3, website="bayside")]
    assert [due.website for due in look(watch, both, *rules)] == ["acme"]
    groups = [
        record(n, name, 3, website="bayside") for n, name in enumerate(("audience_groups", "audience_group_members"), 3)
    ]
    assert [due.website for due in look(watch, groups, *rules)] == ["bayside"]


def test_other_content_for_the_newest_day_is_due_again_and_equal_content_is_not() -> None:
    watch = Watch()
    (first,) = look(watch, [record(1, "visitors", 3)], rule("visitors"))
    assert look(watch, [record(2, "visitors", 3)], rule("visitors")) == []
    (second,) = look(watch, [record(3, "visitors", 3, "b")], rule("visitors"))
    (third,) = look(watch, [record(4, "visitors", 3, "a")], rule("visitors"))
    assert len({first.occasion, second.occasion, third.occasion}) == 3, "or Dagster would take the third for the first"


def test_content_that_came_back_between_two_looks_is_not_due_again() -> None:
    watch = Watch()
    look(watch, [record(1, "visitors", 3)], rule("visitors"))
    assert look(watch, [record(2, "visitors", 3, "b"), record(3, "visitors", 3)], rule("visitors")) == []


@pytest.mark.parametrize("content", ["a", "b"])
def test_older_days_change_nothing(content: str) -> None:
    watch = Watch()
    look(watch, [record(1, "visitors", 3)], rule("visitors"))
    older = [record(n + 2, "visitors", n, content) for n in range(3)]
    assert look(watch, older, rule("visitors")) == []


def test_without_rules_or_captures_nothing_is_due() -> None:
    assert list(Watch().due([rule()], WEBSITES)) == []
    watch = Watch()
    watch.take_in([record(1, "visitors", 3)])
    assert list(watch.due([], WEBSITES)) == []


HISTORIES = st.lists(
    st.tuples(
        st.sampled_from(["audiences", "audience_members"]),
        st.integers(0, 3),
        st.sampled_from("abc"),
        st.sampled_from(WEBSITES),
    ),
    max_size=25,
)


@given(HISTORIES, st.lists(st.integers(0, 25), max_size=6), st.integers(0, 8))
def test_looks_at_any_time_that_overlap_find_no_old_day_and_end_at_the_newest_content(
    history: list[tuple[str, int, str, str]], cuts: list[int], overlap: int
) -> None:
    records = [record(n, *each) for n, each in enumerate(history, 1)]
    plain, overlapping = Watch(), Watch()
    days: dict[str, list[dt.date]] = {}
    for begin, end in zip([0, *sorted(cuts)], [*sorted(cuts), len(records)], strict=True):
        due = look(plain, records[begin:end])
        assert look(overlapping, records[max(0, begin - overlap) : end]) == due
        for each in due:
            days.setdefault(each.website, []).append(each.date)
    assert all(found == sorted(found) for found in days.values())
    for website in WEBSITES:
        newest = {
            asset: max((r.key for r in records if r.asset == asset and r.key.endswith(website)), default=None)
            for asset in ("audiences", "audience_members")
        }
        if newest["audiences"] and newest["audiences"] == newest["audience_members"]:
            assert days[website][-1].isoformat() == newest["audiences"].partition("|")[0]
            last = {a: [r.content_hash for r in records if (r.asset, r.key) == (a, newest[a])][-1] for a in newest}
            assert {a: plain.newest[website][a].content_hash for a in newest} == last


def test_a_website_that_waits_is_told_with_the_assets_it_waits_for() -> None:
    watch = Watch()
    look(
        watch,
        [record(1, "audiences", 3), record(2, "audience_members", 4), record(3, "audiences", 4, website="bayside")],
    )
    assert watch.lacking([rule()], WEBSITES) == {"acme": ["audiences"], "bayside": ["audience_members"]}
    look(watch, [record(4, "audiences", 4), record(5, "audience_members", 4, website="bayside")])
    assert watch.lacking([rule()], WEBSITES) == {}
    assert Watch().lacking([], WEBSITES) == {}


def test_an_older_day_that_arrives_late_makes_the_newest_due_again_once_no_more_arrive() -> None:
    watch = Watch()
    visitors = rule("visitors")
    watch.take_in([Captured(1, "visitors", "2026-11-20|acme-honda", "a")], 30)
    assert len(list(watch.due([visitors], ["acme-honda"]))) == 1
    assert list(watch.due([visitors], ["acme-honda"])) == []
    watch.take_in([Captured(2, "visitors", "2026-11-18|acme-honda", "b")], 30)
    assert list(watch.due([visitors], ["acme-honda"])) == []
    watch.take_in([Captured(3, "visitors", "2026-11-17|acme-honda", "c")], 30)
    assert list(watch.due([visitors], ["acme-honda"])) == []
    watch = Watch.read(watch.text())
    (due,) = watch.due([visitors], ["acme-honda"])
    assert (str(due.date), due.occasion.endswith("@3")) == ("2026-11-20", True)
    assert list(watch.due([visitors], ["acme-honda"])) == []
    watch.take_in([Captured(4, "visitors", "2026-10-01|acme-honda", "d")], 30)  # outside of every window
    assert [*watch.due([visitors], ["acme-honda"]), *watch.due([visitors], ["acme-honda"])] == []
