"""When an export is held, why, and what may leave nevertheless."""

import datetime as dt
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ignite_assets.audiences.holding import Decision, Standing, decide

MISSING = (dt.date(2026, 11, 3), dt.date(2026, 11, 4))


def standing(**changed: Any) -> Standing:
    usual = {"members": 1000, "written": 1000, "new": 10, "leaving": 10, "opted_out": 0}
    return Standing(**usual | changed)


def judged(of: Standing, **changed: Any) -> Decision:
    usual: dict[str, Any] = {"min_members": 100, "max_shrink": 0.5}
    return decide(of, **usual | changed)


def test_an_export_with_nothing_against_it_goes() -> None:
    assert judged(standing()) == Decision(allowed="everything")


@pytest.mark.parametrize(
    ("of", "reason"),
    [
        (standing(missing=MISSING), "2 days of the window not captured: 2026-11-03, 2026-11-04"),
        (standing(missing=MISSING[:1]), "1 day of the window not captured: 2026-11-03"),
        (standing(members=99, leaving=0), "99 members, fewer than 100"),
        (standing(members=400, leaving=600), "600 of 1,000 people would leave (60%), more than 50%"),
        (standing(members=0, leaving=1000), "no members left, 1,000 were on it before"),
    ],
)
def test_each_reason_holds_it_alone(of: Standing, reason: str) -> None:
    decision = judged(of)
    assert decision == Decision(allowed="opt_outs", reasons=(reason,))
    assert decision.held


def test_every_reason_is_told() -> None:
    assert len(judged(standing(members=99, leaving=901, missing=MISSING)).reasons) == 3


def test_exactly_the_share_allowed_may_leave() -> None:
    assert not judged(standing(members=500, leaving=500)).held
    assert judged(standing(members=499, leaving=501)).held


def test_those_who_opted_out_do_not_count_as_shrinking() -> None:
    assert not judged(standing(written=1000, members=100, leaving=0, opted_out=900)).held


def test_an_empty_source_holds_even_where_any_shrinking_is_allowed() -> None:
    assert judged(standing(members=0, leaving=1000), min_members=0, max_shrink=1.0).held


def test_an_empty_first_export_is_held_by_the_minimum_alone() -> None:
    nobody = standing(members=0, written=0, new=0, leaving=0)
    assert judged(nobody).reasons == ("0 members, fewer than 100",)
    assert judged(nobody, min_members=None) == Decision(allowed="everything")


def test_missing_days_allow_adds_where_the_rule_says_so() -> None:
    decision = judged(standing(missing=MISSING, leaving=900), adds_when_incomplete=True)
    assert decision.allowed == "adds"
    assert not decision.held


def test_missing_days_allow_no_adds_to_a_list_that_is_too_small() -> None:
    small = standing(missing=MISSING, members=20, written=20, new=9, leaving=9)
    assert judged(small, adds_when_incomplete=True).held


def test_force_overrides_and_is_recorded_with_what_it_overrode() -> None:
    decision = judged(standing(members=99), force="agreed with the dealer")
    assert decision.allowed == "everything"
    assert decision.forced == "agreed with the dealer"
    assert decision.reasons == ("99 members, fewer than 100",)
    assert judged(standing(), force="just in case").forced is None


def test_force_does_not_override_what_the_platform_refuses() -> None:
    assert judged(standing(), refusals=["it takes sha2"], force="please") == Decision(
        allowed="opt_outs", reasons=("it takes sha2",)
    )


@given(st.integers(0, 50), st.integers(0, 50), st.integers(0, 50), st.integers(0, 50), st.floats(0, 1))
def test_no_more_than_the_share_allowed_ever_leaves_unforced(
    stay: int, new: int, leaving: int, opted_out: int, share: float
) -> None:
    of = Standing(members=stay + new, written=stay + leaving + opted_out, new=new, leaving=leaving, opted_out=opted_out)
    if decide(of, min_members=None, max_shrink=share).allowed == "everything" and leaving:
        assert leaving / (stay + leaving) <= share
