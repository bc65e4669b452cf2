"""HouseholdFigures in a report: counted right, told no finer than they may be."""

from collections import Counter
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from ignite_assets.report.locations import FINEST, HouseholdFigures, View, step_of
from ignite_assets.storage.lake import Lake
from ignite_assets_tests.audiences.captures import DAY, ago
from ignite_assets_tests.report.made import CITIES, capture, details, figures, location, locations

DEGREES = st.floats(-170, 170)


def reported(lake: Lake, *, personal_details: bool = False) -> HouseholdFigures:
    found = figures(lake, reports={"personal_details": personal_details}).households
    assert found is not None
    return found


def spots(found: HouseholdFigures) -> list[dict[str, Any]]:
    return list(found.spots.rows) if found.spots else []


def test_every_household_of_the_window_counts_once(lake: Lake) -> None:
    locations(lake, ago(3), range(20, 40))
    locations(lake, DAY, range(30))

    found = reported(lake)

    totals = found.weeks.first
    assert (totals["households"], totals["new_households"]) == (40, 20)
    assert (totals["this_week"], totals["new_this_week"], totals["returning"]) == (40, 20, 20)
    assert sum(spot["households"] for spot in spots(found)) <= 40


def test_new_households_of_two_weeks_compare_by_their_first_visits(lake: Lake) -> None:
    for age in range(14):
        rows = [details(n, score=1.0, first=ago(n)) for n in range(age, 14)]
        capture(lake, "locations", ago(age), [location(n) for n in range(age, 14)], late=age)
        capture(lake, "location_details", ago(age), rows, late=age)

    found = reported(lake)

    totals = found.weeks.first
    assert (totals["new_this_week"], totals["new_before"], totals["change"], found.before) == (7, 7, 0, "")


def test_cities_are_counted_however_they_are_spelled_and_the_largest_come_first(lake: Lake) -> None:
    spelled = ["Austin", " AUSTIN", "austin "]
    rows = [location(n * 3) | {"city": spelled[n % 3], "state": "tx"} for n in range(9)]
    rows += [location(n) for n in range(100, 160)]
    capture(lake, "locations", DAY, rows)

    found = reported(lake)

    names = Counter(CITIES[n % 3][0] for n in range(100, 160)) + Counter({"Austin": 9})
    assert {row["city"].title(): row["households"] for row in found.cities.rows} == names
    assert [row["households"] for row in found.cities.rows] == sorted(names.values(), reverse=True)


def test_no_coordinate_is_finer_than_a_kilometre(lake: Lake) -> None:
    locations(lake, DAY, range(60))

    found = reported(lake)

    shown = [row[name] for row in (*spots(found), *found.cities.rows) for name in ("latitude", "longitude")]
    assert len(shown) > 10
    assert all(round(degrees, 2) == degrees for degrees in shown)
    assert found.people is None


def test_a_town_on_the_border_of_cells_is_one_circle(lake: Lake) -> None:
    for offset in (0.0, 0.13, 0.25, 0.37):
        places = [(30.0, -98.0), (40.0, -82.0), (35.0 + offset, -90.0 + offset)]
        rows = []
        for n in range(300):
            latitude, longitude = places[n % 3]
            rows.append(location(n) | {"latitude": latitude + n % 7 * 0.01, "longitude": longitude + n % 5 * 0.01})
        capture(lake, "locations", DAY, rows)

        assert [spot["households"] for spot in spots(reported(lake))] == [100, 100, 100]


def test_places_that_can_not_be_are_left_out(lake: Lake) -> None:
    odd = [(None, None), (0.0, 0.0), (95.0, -97.0), (30.0, -190.0)]
    rows = [location(n) for n in range(9)]
    rows += [location(9 + n) | {"latitude": y, "longitude": x} for n, (y, x) in enumerate(odd)]
    capture(lake, "locations", DAY, rows)

    found = reported(lake)

    assert found.weeks.first["households"] == 13
    assert sum(spot["households"] for spot in spots(found)) == 9


def test_one_who_lives_far_away_does_not_make_the_map_smaller(lake: Lake) -> None:
    rows = [location(n * 3) for n in range(99)]
    rows.append(location(1000) | {"latitude": 64.84, "longitude": -147.72})
    capture(lake, "locations", DAY, rows)

    found = reported(lake)

    assert found.view is not None
    assert found.view.north < 40


def test_where_nobody_has_a_place_there_is_no_view(lake: Lake) -> None:
    capture(lake, "locations", DAY, [location(1) | {"latitude": None, "longitude": None}])

    found = reported(lake)

    assert (found.view, found.spots) == (None, None)


@given(west=DEGREES, south=st.floats(-70, 70), width=st.floats(0.4, 120), height=st.floats(0.2, 60))
def test_a_cell_is_never_finer_than_a_kilometre_and_cells_are_never_too_many(
    west: float, south: float, width: float, height: float
) -> None:
    view = View(west=west, south=south, east=west + width, north=south + height)
    step = step_of(view)
    assert step >= FINEST
    assert max(width, height) < 0.28 or max(width, height) / step <= 29


def test_names_and_streets_come_only_when_asked_for(lake: Lake) -> None:
    locations(lake, ago(2), range(10, 40))
    locations(lake, DAY, range(30))

    assert reported(lake).people is None
    people = reported(lake, personal_details=True).people

    assert people is not None
    assert [person["score"] for person in people.rows] == [10.0 * n for n in reversed(range(25, 40))]
    assert (people.first["resident"], people.first["street"]) == ("RESIDENT NUMBER 39", "1039 Chestnut Street")
    assert (people.first["last_day"], people.rows[-1]["last_day"]) == (ago(2), DAY)


def test_a_household_without_details_is_neither_new_nor_returning(lake: Lake) -> None:
    capture(lake, "locations", DAY, [location(1), location(2)])
    totals = reported(lake).weeks.first
    assert (totals["households"], totals["new_this_week"], totals["returning"]) == (2, 0, 0)
