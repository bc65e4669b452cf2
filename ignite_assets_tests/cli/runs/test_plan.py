"""Which runs a request makes, and which partitions it can't have."""

import datetime as dt

from hypothesis import given
from hypothesis import strategies as st

from ignite_assets.api.horizon import Horizon
from ignite_assets.cli.runs.plan import Plan, plan
from ignite_assets.dagster.website_runs import WebsiteRun, runs_of
from ignite_assets.sandbox import frozen
from ignite_assets.tables.registry import DERIVED
from ignite_assets.tables.windows import consecutive
from ignite_assets_tests.conftest import CURRENT_STATE, DERIVED_NAMES, EVERY, LOOK_BACK, NAMES, NOW, YESTERDAY, days_ago

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


# What is derived.

ALL_DAYS = (days_ago(3), days_ago(2), YESTERDAY)


def test_what_is_derived_joins_the_run_that_captures_what_it_reads() -> None:
    assert plan_for(YESTERDAY, assets=EVERY).runs[0] == WebsiteRun("acme", (YESTERDAY,), EVERY)
    assert plan_for(*ALL_DAYS, assets=EVERY).runs[:2] == [
        WebsiteRun("acme", (YESTERDAY,), CURRENT_STATE),
        WebsiteRun("acme", ALL_DAYS, (*LOOK_BACK, *DERIVED_NAMES)),
    ]


def test_what_is_derived_runs_after_captures_that_are_due_on_other_days() -> None:
    due = {
        "visitors": ALL_DAYS,
        "locations": ALL_DAYS[1:],
        "visitor_recency": ALL_DAYS,
        "location_recency": ALL_DAYS[1:],
    }

    assert runs_of("acme", due) == [
        WebsiteRun("acme", ALL_DAYS, ("visitors",)),
        WebsiteRun("acme", ALL_DAYS[1:], ("locations",)),
        WebsiteRun("acme", ALL_DAYS, ("visitor_recency",)),
        WebsiteRun("acme", ALL_DAYS[1:], ("location_recency",)),
    ]


@given(
    st.dictionaries(
        st.sampled_from(EVERY), st.lists(st.integers(1, 6).map(days_ago), unique=True, min_size=1).map(sorted)
    )
)
def test_runs_cover_each_day_once_and_bring_inputs_no_later_than_what_reads_them(
    due: dict[str, list[dt.date]],
) -> None:
    runs = runs_of("acme", due)

    made = [(asset, day) for run in runs for asset, day in run.partitions]
    assert sorted(made) == sorted((asset, day) for asset, days in due.items() for day in days)
    last = {asset: max(n for n, run in enumerate(runs) if asset in run.assets) for asset in due}
    first = {asset: min(n for n, run in enumerate(runs) if asset in run.assets) for asset in due}
    for row in DERIVED:
        for read in row.reads:
            if row.name in due and read in due:
                assert last[read] <= first[row.name] or set(due[read]) == set(due[row.name])


def test_a_derived_day_is_due_by_itself_only_where_its_input_can_be_there() -> None:
    old = days_ago(70)
    held = {("visitors", "bayside", old)}

    planned = plan([old], ["acme", "bayside"], EVERY, HORIZON, named=False, held=held)
    assert planned.runs == [WebsiteRun("bayside", (old,), ("visitor_recency",))]
    assert {result.asset for result in planned.refused} == set(LOOK_BACK)


def test_a_derived_day_that_was_asked_for_by_name_is_tried_however_old() -> None:
    old = days_ago(70)

    planned = plan_for(old, assets=("visitor_recency",), named=True)
    assert planned.runs == [WebsiteRun(key, (old,), ("visitor_recency",)) for key in ("acme", "bayside")]
    assert planned.refused == []
    assert "has not closed yet" in (plan_for(NOW.date(), assets=("visitor_recency",)).refused[0].error or "")


def test_days_are_cut_where_one_is_missing() -> None:
    first, second, fourth = (dt.date(2026, 11, day) for day in (1, 2, 4))

    assert consecutive([fourth, first, second]) == [(first, second), (fourth,)]
    assert consecutive([]) == []
