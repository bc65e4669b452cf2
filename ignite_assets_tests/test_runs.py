"""Which runs a request makes, and which partitions it can't have."""

import datetime as dt

from ignite_assets.api.horizon import Horizon
from ignite_assets.runs import Plan, WebsiteRun, consecutive, plan
from ignite_assets.sandbox import frozen
from ignite_assets_tests.conftest import CURRENT_STATE, LOOK_BACK, NAMES, NOW, YESTERDAY, days_ago

HORIZON = Horizon(now=frozen(NOW))


def plan_for(*days: dt.date, assets: tuple[str, ...] = NAMES, named: bool = False) -> Plan:
    return plan(days, ["acme", "bayside"], assets, HORIZON, named=named)


def test_yesterday_is_one_run_a_website_over_every_asset() -> None:
    assert plan_for(YESTERDAY) == Plan(
        [WebsiteRun("acme", (YESTERDAY,), NAMES), WebsiteRun("bayside", (YESTERDAY,), NAMES)], []
    )


def test_an_earlier_day_is_one_run_over_what_looks_back() -> None:
    assert plan_for(days_ago(5)).runs == [
        WebsiteRun("acme", (days_ago(5),), LOOK_BACK),
        WebsiteRun("bayside", (days_ago(5),), LOOK_BACK),
    ]
    assert plan_for(days_ago(5)).refused == []


def test_days_that_end_with_yesterday_are_one_ranged_run_and_one_for_the_present() -> None:
    days = (days_ago(3), days_ago(2), days_ago(1))

    assert plan_for(*days).runs[:2] == [
        WebsiteRun("acme", (YESTERDAY,), CURRENT_STATE),
        WebsiteRun("acme", days, LOOK_BACK),
    ]


def test_days_beyond_the_window_are_refused_and_the_others_run() -> None:
    planned = plan_for(days_ago(61), days_ago(60), assets=("visitors",))

    assert [run.days for run in planned.runs] == [(days_ago(60),)] * 2
    assert [(r.asset, r.website, r.date, r.status) for r in planned.refused] == [
        ("visitors", "acme", days_ago(61), "refused"),
        ("visitors", "bayside", days_ago(61), "refused"),
    ]
    assert "beyond the platform's look-back window of 60 days" in (planned.refused[0].error or "")


def test_what_tells_only_the_present_is_refused_for_a_past_day_only_when_it_was_asked_for() -> None:
    assert [r.asset for r in plan_for(days_ago(5), assets=("sales",), named=True).refused] == ["sales", "sales"]
    assert plan_for(days_ago(5), assets=("sales",), named=True).runs == []
    assert plan_for(days_ago(5), assets=("sales",)) == Plan([], [])


def test_days_are_cut_where_one_is_missing() -> None:
    first, second, fourth = (dt.date(2026, 11, day) for day in (1, 2, 4))

    assert consecutive([fourth, first, second]) == [(first, second), (fourth,)]
    assert consecutive([]) == []
