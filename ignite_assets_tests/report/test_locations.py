"""Locations in a report: counted right, told no finer than they may be."""

import dataclasses
from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ignite_assets.report.locations import FINEST, Locations, View, step_of
from ignite_assets.storage.lake import Lake
from ignite_assets_tests.audiences.captures import DAY, ago
from ignite_assets_tests.report.made import CITIES, capture, derive, details, figures, location, locations, visitors

DEGREES = st.floats(-170, 170)


def reported(lake: Lake, *, personal_details: bool = False) -> Locations:
    visitors(lake, DAY, [1])
    derive(lake, DAY)
    found = figures(lake, reports={"personal_details": personal_details}).locations
    assert found is not None
    return found


def test_everyone_of_the_window_is_counted_once(lake: Lake) -> None:
    locations(lake, ago(3), range(20, 40))
    locations(lake, DAY, range(30))

    found = reported(lake)

    assert (found.total, found.new, found.returning) == (40, 20, 20)
    assert found.score == pytest.approx(sum(10 * n for n in range(40)) / 40)
    assert found.unplaced == 0
    assert sum(spot.locations for spot in found.spots) + found.outside == 40
    assert sum(spot.score for spot in found.spots) <= sum(10 * n for n in range(40))


def test_cities_are_counted_however_they_are_spelled(lake: Lake) -> None:
    spelled = ["Austin", " AUSTIN", "austin "]
    rows = [location(n * 3) | {"city": spelled[n % 3], "state": "tx"} for n in range(9)]
    capture(lake, "locations", DAY, rows)

    (city,) = reported(lake).cities

    assert (city.city.casefold(), city.state, city.locations, city.new, city.score) == ("austin", "TX", 9, 0, None)


def test_cities_come_by_the_number_of_their_locations(lake: Lake) -> None:
    locations(lake, DAY, range(100))

    found = reported(lake)

    names = Counter(CITIES[n % 3][0] for n in range(100))
    assert [(city.city, city.locations) for city in found.cities] == sorted(
        names.items(), key=lambda item: (-item[1], item[0])
    )
    for city in found.cities:
        mine = [n for n in range(100) if CITIES[n % 3][0] == city.city]
        assert city.score == pytest.approx(sum(10 * n for n in mine) / len(mine))
        assert city.new == sum(n % 2 == 0 for n in mine)


def test_no_coordinate_is_finer_than_a_kilometre(lake: Lake) -> None:
    locations(lake, DAY, range(60))

    found = reported(lake)

    shown = [(spot.latitude, spot.longitude) for spot in found.spots]
    shown += [(city.latitude, city.longitude) for city in found.cities if city.latitude and city.longitude]
    for degrees in (degree for place in shown for degree in place):
        assert round(degrees, 2) == degrees
    assert found.people == ()


def test_places_that_can_not_be_are_left_out_and_counted(lake: Lake) -> None:
    odd = [(None, None), (0.0, 0.0), (95.0, -97.0), (30.0, -190.0)]
    rows = [location(n) for n in range(9)]
    rows += [location(9 + n) | {"latitude": y, "longitude": x} for n, (y, x) in enumerate(odd)]
    capture(lake, "locations", DAY, rows)

    found = reported(lake)

    assert (found.total, found.unplaced) == (13, 4)


def test_one_who_lives_far_away_does_not_make_the_map_smaller(lake: Lake) -> None:
    rows = [location(n * 3) for n in range(99)]
    rows.append(location(1000) | {"latitude": 64.84, "longitude": -147.72})
    capture(lake, "locations", DAY, rows)

    found = reported(lake)

    assert found.view is not None
    assert found.view.north < 40
    assert found.outside >= 1


def test_where_nobody_has_a_place_there_is_no_view(lake: Lake) -> None:
    capture(lake, "locations", DAY, [location(1) | {"latitude": None, "longitude": None}])

    found = reported(lake)

    assert (found.view, found.spots, found.unplaced) == (None, (), 1)


@given(west=DEGREES, south=st.floats(-70, 70), width=st.floats(0.4, 120), height=st.floats(0.2, 60))
def test_a_cell_is_never_finer_than_a_kilometre_and_cells_are_never_too_many(
    west: float, south: float, width: float, height: float
) -> None:
    view = View(west=west, south=south, east=west + width, north=south + height)
    step = step_of(view)
    assert step >= FINEST
    assert step >= FINEST if max(width, height) < 0.28 else max(width, height) / step <= 29


def test_a_city_on_the_border_of_two_cells_is_one_spot(lake: Lake) -> None:
    here = [location(n) | {"latitude": 39.75 + n % 2 * 0.01 - 0.005, "longitude": -105.0} for n in range(40)]
    far = [location(n) | {"latitude": 30.0, "longitude": -82.5} for n in range(40, 50)]
    capture(lake, "locations", DAY, [*here, *far])

    found = reported(lake)

    assert sorted(spot.locations for spot in found.spots) == [10, 40]


def test_names_and_streets_come_only_when_asked_for(lake: Lake) -> None:
    locations(lake, ago(2), range(10, 40))
    locations(lake, DAY, range(30))

    assert reported(lake).people == ()
    people = reported(lake, personal_details=True).people

    assert [person.score for person in people] == [10.0 * n for n in reversed(range(25, 40))]
    assert people[0].resident == "RESIDENT NUMBER 39"
    assert people[0].street == "1039 Chestnut Street"
    assert (people[0].last_seen, people[-1].last_seen) == (ago(2), DAY)


def test_details_are_no_part_of_the_document(lake: Lake) -> None:
    locations(lake, DAY, range(5))
    visitors(lake, DAY, [1])
    derive(lake, DAY)

    document = figures(lake, reports={"personal_details": True}).document()

    assert "people" not in document["locations"]
    assert "RESIDENT" not in str(document)


def test_recency_that_was_never_derived_is_not_known(lake: Lake) -> None:
    locations(lake, DAY, range(5))
    assert figures(lake).locations is None


def test_a_location_without_details_has_no_score(lake: Lake) -> None:
    capture(lake, "locations", DAY, [location(1), location(2)])
    capture(lake, "location_details", DAY, [details(1, score=7.0, first=None)])

    found = reported(lake)

    assert (found.score, found.new, found.returning) == (7.0, 0, 0)
    assert dataclasses.asdict(found.spots[0])["locations"] >= 1
