"""The outlines and the map."""

import dataclasses
import itertools
import json
from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ignite_assets.report import outlines
from ignite_assets.report.locations import HouseholdFigures, View
from ignite_assets.report.maps import _Frame, households_map
from ignite_assets.report.readings import Query

AUSTIN = View(west=-98.0, south=30.0, east=-97.4, north=30.5)
COUNTRY = View(west=-125.0, south=25.0, east=-67.0, north=49.0)


def placed(view: View | None, *spots: dict[str, Any], cities: Sequence[dict[str, Any]] = ()) -> HouseholdFigures:
    nothing, bounds = Query("nothing", "", ()), Query("map", "", ({"west": None},))
    found = HouseholdFigures(weeks=nothing, trouble="", before="", bounds=bounds, spots=Query("spots", "", spots),
                       cities=Query("cities", "", tuple(cities)), people=None)  # fmt: skip
    if view:
        half = {"west": view.west, "south": view.south, "east": view.east, "north": view.north}
        found = dataclasses.replace(found, bounds=Query("map", "", (half,)))
    return found


def spot(latitude: float, longitude: float, *, households: int = 2, new: int = 1) -> dict[str, Any]:
    return {"latitude": latitude, "longitude": longitude, "households": households, "new_households": new}


def test_the_file_names_its_source_and_licence() -> None:
    document = json.loads(outlines.FILE.read_text())
    assert "us-atlas" in document["source"]
    assert "Census" in document["source"]
    assert document["licence"].startswith("ISC")
    assert outlines.FILE.stat().st_size < 120_000


@pytest.mark.parametrize("step", [0.0, 0.05, 0.25])
def test_every_ring_is_closed_and_the_states_are_all_there(step: float) -> None:
    states = outlines.states(step)
    assert len(states) == 56
    assert {"Texas", "Alaska", "Hawaii", "District of Columbia"} <= {state.name for state in states}
    for ring in (ring for state in states for polygon in state.polygons for ring in polygon):
        assert ring[0] == ring[-1]
        assert all(a != b for a, b in itertools.pairwise(ring))


def test_texas_is_where_it_is() -> None:
    (texas,) = [state for state in outlines.states() if state.name == "Texas"]
    points = [point for polygon in texas.polygons for ring in polygon for point in ring]
    assert -106.7 < min(x for x, _ in points) < -106.5
    assert 36.4 < max(y for _, y in points) < 36.6


def test_neighbours_share_their_border_at_every_step() -> None:
    for step in (0.0, 0.1):
        states = {state.name: state for state in outlines.states(step)}
        edges = {
            name: {
                frozenset(edge)
                for polygon in states[name].polygons
                for ring in polygon
                for edge in itertools.pairwise(ring)
            }
            for name in ("Texas", "Oklahoma")
        }
        assert len(edges["Texas"] & edges["Oklahoma"]) > 20


def test_a_wide_view_needs_no_inset_and_a_narrow_one_has_it() -> None:
    wide, narrow = (households_map(placed(view, spot(30.3, -97.7))) for view in (COUNTRY, AUSTIN))
    assert wide
    assert narrow
    assert narrow.inset
    assert wide.inset is None
    assert "United States" in narrow.inset


def test_there_is_no_map_of_nowhere() -> None:
    assert households_map(placed(None)) is None


def test_spots_and_the_names_of_cities_are_on_the_map() -> None:
    cities = [
        {"city": name, "latitude": 30.3 + y, "longitude": -97.7}
        for name, y in (("Austin", 0.0), ("Next Door", 0.001), ("Far", -0.15))
    ]
    drawn = households_map(placed(AUSTIN, spot(30.3, -97.7), spot(30.4, -97.6, households=1, new=0), cities=cities))

    assert drawn is not None
    assert [label.name for label in drawn.labels] == ["Austin", "Far"], "there is no room for the other"
    assert "<title>2 households, 1 new</title>" in drawn.svg
    assert "<title>1 household, 0 new</title>" in drawn.svg


@given(west=st.floats(-170, 100), south=st.floats(-79, 70), width=st.floats(0.4, 120), height=st.floats(0.24, 20))
def test_any_view_can_be_drawn(west: float, south: float, width: float, height: float) -> None:
    frame = _Frame(View(west=west, south=south, east=west + width, north=south + height), 720)
    assert 0.44 * 720 <= frame.height <= 0.69 * 720
    for x, y in (frame.place(west, south + height), frame.place(west + width, south)):
        assert -1e-6 <= x <= 720 + 1e-6
        assert -1e-6 <= y <= frame.height + 1e-6
