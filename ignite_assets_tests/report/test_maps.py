"""The outlines and the map."""

import itertools
import json
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ignite_assets.report import outlines
from ignite_assets.report.locations import CityLocations, Locations, Spot, View
from ignite_assets.report.maps import inset, locations_map

AUSTIN = View(west=-98.0, south=30.0, east=-97.4, north=30.5)
COUNTRY = View(west=-125.0, south=25.0, east=-67.0, north=49.0)


def placed(view: View, *spots: Spot, cities: tuple[CityLocations, ...] = ()) -> Locations:
    return Locations(
        total=sum(spot.locations for spot in spots), new=0, returning=0, score=None, coverage=1.0, unplaced=0,
        outside=0, view=view, spots=spots, cities=cities, people=(),
    )  # fmt: skip


def spot(latitude: float, longitude: float, *, score: float = 5.0, locations: int = 2, new: int = 1) -> Spot:
    return Spot(
        latitude=latitude, longitude=longitude, locations=locations, new=new, returning=locations - new, score=score
    )


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
    assert inset(placed(COUNTRY, spot(30.3, -97.7))) is None
    shown = inset(placed(AUSTIN, spot(30.3, -97.7)))
    assert shown is not None
    assert "United States" in shown


def test_there_is_no_map_of_nowhere() -> None:
    nowhere = Locations(
        total=1, new=0, returning=0, score=None, coverage=None, unplaced=1, outside=0, view=None, spots=(), cities=(),
        people=(),
    )  # fmt: skip
    assert locations_map(nowhere) is None
    assert inset(nowhere) is None


def test_spots_and_the_names_of_cities_are_on_the_map() -> None:
    cities = tuple(
        CityLocations(city=name, state="TX", locations=3, new=1, score=1.0, latitude=30.3 + y, longitude=-97.7)
        for name, y in (("Austin", 0.0), ("Next Door", 0.001), ("<b>Far</b>", -0.15))
    )
    drawn = locations_map(placed(AUSTIN, spot(30.3, -97.7), spot(30.4, -97.6, new=0), cities=cities))

    assert drawn is not None
    for svg in (drawn.wide, drawn.narrow):
        assert ">Austin<" in svg
        assert "Next Door" not in svg, "there is no room for it"
        assert "&lt;b&gt;Far" in svg
        assert svg.count("<title>1 location new, of 2 with scores of 5 in all</title>") == 1
        assert svg.count("<title>2 locations returning, of 2") == 1


@given(
    west=st.floats(-170, 100), south=st.floats(-79, 70), width=st.floats(0.4, 120), height=st.floats(0.24, 20),
    score=st.floats(0, 1e6),
)  # fmt: skip
def test_any_view_can_be_drawn(west: float, south: float, width: float, height: float, score: float) -> None:
    from ignite_assets.report.maps import _Frame

    frame = _Frame(View(west=west, south=south, east=west + width, north=min(south + height, 80)), 720)
    x, y = frame.place(west + width / 2, math.degrees(math.radians(frame.centre[1])))
    assert x == pytest.approx(360, abs=1e-6)
    assert y == pytest.approx(frame.height / 2, abs=1e-3)
    assert 0.4 * 720 <= frame.height <= 0.7 * 720
    left, top = frame.place(west, min(south + height, 80))
    assert left >= -1e-6
    assert top >= -1e-6
    assert score >= 0
