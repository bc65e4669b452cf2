"""The map: states' outlines, the locations on them by score and standing, and where in the country that is."""

import math
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import altair as alt
from markupsafe import Markup

from ignite_assets.report import outlines
from ignite_assets.report.drawing import Chart, ChartRow, Drawing, draw, inline, svg
from ignite_assets.report.locations import CityLocations, Locations, Spot, View, step_of
from ignite_assets.report.words import count

_WIDE, _NARROW = 720, 330
_MOST_LABELS = 6
_LABEL_APART, _LABEL_ABOVE = 70, 26
"""Pixels between the labels of two cities, beside and above each other."""
_WIDE_VIEW = 25.0
"""Degrees of longitude from which on the view shows the country itself."""
_INSET_STEP = 0.25
_SMALLEST = 3.5
_COLOURS = {"new": "var(--orange)", "returning": "var(--blue)", "not known": "var(--grey)"}


def locations_map(locations: Locations) -> Drawing | None:
    """The view with its spots; None when no location has coordinates."""
    view = locations.view
    if view is None:
        return None
    summary = (
        f"Map of {count(sum(spot.locations for spot in locations.spots), 'location')}, the area of a circle for "
        "their scores added up, its colour for new or returning. The list of cities holds its numbers."
    )
    return draw("map", summary, lambda width: _map(locations, view, width), wide=_WIDE, narrow=_NARROW)


def inset(locations: Locations) -> Markup | None:
    """The whole country with the view on it; None where the view shows it already."""
    view = locations.view
    if view is None or view.east - view.west > _WIDE_VIEW:
        return None
    states = alt.Chart(_features(outlines.states(_INSET_STEP))).mark_geoshape(
        fill="var(--land)", stroke="var(--card)", strokeWidth=0.5
    )
    x, y = (view.west + view.east) / 2, (view.south + view.north) / 2
    place = alt.Chart(inline([{"x": x, "y": y}])).mark_point(
        shape="square", size=90, stroke="var(--ink)", strokeWidth=1.5, fill="transparent"
    )
    chart = alt.layer(states, place.encode(longitude="x:Q", latitude="y:Q"))
    return svg(
        chart.project("albersUsa").properties(width=170, height=105),
        name="inset",
        summary="Where the map lies in the United States.",
    )


def _map(locations: Locations, view: View, width: int) -> Chart:
    frame = _Frame(view, width)
    states = alt.Chart(_features(frame.states())).mark_geoshape(
        fill="var(--land)", stroke="var(--card)", strokeWidth=1, clip=True
    )
    layers: list[Any] = [states, _spots(locations.spots, frame)]
    layers += _labels(locations.cities, frame)
    return (
        alt.layer(*layers)
        .project("mercator", scale=frame.scale, center=frame.centre, translate=[width / 2, frame.height / 2])
        .properties(width=width, height=frame.height)
    )


class _Frame:
    """The view on a picture: a Mercator projection, and what of the country lies within."""

    def __init__(self, view: View, width: int) -> None:
        self.width, self._view = width, view
        west, east = math.radians(view.west), math.radians(view.east)
        top, bottom = _mercator(view.north), _mercator(view.south)
        tallest = 0.68 * width if width == _WIDE else 1.1 * width
        self.height = round(min(max(width * (top - bottom) / (east - west), 0.45 * width), tallest))
        self.scale = min(width / (east - west), self.height / (top - bottom))
        self._middle = ((west + east) / 2, (top + bottom) / 2)
        latitude = 2 * math.atan(math.exp(self._middle[1])) - math.pi / 2
        self.centre = [math.degrees(self._middle[0]), math.degrees(latitude)]

    @property
    def largest(self) -> float:
        """The largest spot's radius: neighbours may touch and hardly overlap."""
        cell = step_of(self._view) * math.radians(1) * self.scale
        return min(0.6 * cell, (0.035 if self.width == _WIDE else 0.045) * self.width)

    def place(self, longitude: float, latitude: float) -> tuple[float, float]:
        """Pixels from the left and from the top."""
        x = self.width / 2 + (math.radians(longitude) - self._middle[0]) * self.scale
        return x, self.height / 2 - (_mercator(latitude) - self._middle[1]) * self.scale

    def has_room(self, city: CityLocations) -> bool:
        """Whether the city is in sight, and its name would be."""
        x, y = self.place(city.longitude or 0, city.latitude or 0)
        return 25 < x < self.width - 25 and 2 * self.largest < y < self.height - 10

    def states(self) -> Iterator[outlines.State]:
        """The states' polygons that reach into the picture, no finer than its pixels."""
        degree = math.radians(1) * self.scale
        step = 0.7 / degree if degree < 140 else 0.0
        (x, y), across, up = self.centre, self.width / 2 / degree, self.height / 2 / degree
        low, high = (x - across, y - up), (x + across, y + up)
        for state in outlines.states(round(step, 3)):
            near = tuple(p for p in state.polygons if _reaches(p[0], low, high))
            if near:
                yield outlines.State(state.name, near)


def _reaches(ring: outlines.Ring, low: outlines.Point, high: outlines.Point) -> bool:
    xs, ys = [x for x, _ in ring], [y for _, y in ring]
    return max(xs) >= low[0] and min(xs) <= high[0] and max(ys) >= low[1] and min(ys) <= high[1]


def _mercator(latitude: float) -> float:
    return math.log(math.tan(math.pi / 4 + math.radians(latitude) / 2))


def _features(states: Iterable[outlines.State]) -> alt.InlineData:
    return inline(
        {
            "type": "Feature",
            "properties": {"name": state.name},
            "geometry": {"type": "MultiPolygon", "coordinates": state.polygons},
        }
        for state in states
    )


def _spots(spots: Sequence[Spot], frame: _Frame) -> alt.Chart:
    """A pie a spot: its area for the scores, its parts for new and returning locations."""
    most = max([spot.score for spot in spots] + [1e-9])
    rows = [wedge for spot in spots for wedge in _pie(spot, frame, most)]
    colours = alt.Scale(domain=list(_COLOURS), range=list(_COLOURS.values()))
    marks = alt.Chart(inline(rows)).mark_arc(opacity=0.88, stroke="var(--card)", strokeWidth=0.7, clip=True)
    encoded: alt.Chart = marks.encode(
        x=alt.X("x:Q", scale=None, axis=None),
        y=alt.Y("y:Q", scale=None, axis=None),
        radius=alt.Radius("radius:Q", scale=None),
        theta=alt.Theta("begin:Q", scale=None, stack=None),
        theta2="end:Q",
        color=alt.Color("standing:N", scale=colours, legend=None),
        description="told:N",
    )
    return encoded


def _pie(spot: Spot, frame: _Frame, most: float) -> Iterator[ChartRow]:
    x, y = frame.place(spot.longitude, spot.latitude)
    radius = max(frame.largest * math.sqrt(max(spot.score, 0) / most), _SMALLEST)
    begin = 0.0
    known = {"new": spot.new, "returning": spot.returning}
    for standing, number in (known | {"not known": spot.locations - spot.new - spot.returning}).items():
        end = begin + 2 * math.pi * number / spot.locations
        if number:
            told = (
                f"{count(number, 'location')} {standing}, of {spot.locations:,} with scores of {spot.score:,.0f} in all"
            )
            yield {"x": x, "y": y, "radius": radius, "begin": begin, "end": end, "standing": standing, "told": told}
        begin = end


def _labels(cities: Sequence[CityLocations], frame: _Frame) -> list[alt.Chart]:
    """The names of the largest cities, where there is room."""
    rows: list[ChartRow] = []
    taken: list[tuple[float, float]] = []
    for city in cities:
        if city.latitude is None or city.longitude is None or len(rows) == _MOST_LABELS:
            continue
        x, y = frame.place(city.longitude, city.latitude)
        if frame.has_room(city) and all(abs(x - a) > _LABEL_APART or abs(y - b) > _LABEL_ABOVE for a, b in taken):
            taken.append((x, y))
            rows.append({"name": city.city, "x": x, "y": y - frame.largest - 8})
    text = alt.Chart(inline(rows)).mark_text(
        fontSize=12, fontWeight=600, color="var(--ink)", stroke="var(--land)", strokeWidth=3
    )
    encoded = text.encode(
        x=alt.X("x:Q", scale=None, axis=None), y=alt.Y("y:Q", scale=None, axis=None), text=alt.Text("name:N")
    )
    return [encoded] if rows else []
