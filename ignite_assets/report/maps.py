"""The map as SVG: the states' outlines, a circle for each place, and where in the country that is.

Colours are the style sheet's. Names of cities are no part of the drawing, so that they keep their size on a phone: they
come with their places in per cent.
"""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from markupsafe import Markup

from ignite_assets.report import outlines
from ignite_assets.report.locations import HouseholdFigures, View, step_of
from ignite_assets.report.words import count

_WIDTH = 720
_LOWEST, _TALLEST = 0.45, 0.68
"""Of the width."""
_MOST_LABELS = 6
_APART, _ABOVE = 12.0, 7.0
"""Per cent between the names of two cities, beside and above each other."""
_WIDE_VIEW = 25.0
"""Degrees of longitude from which on the view shows the country itself."""
_COUNTRY = View(west=-125.0, south=24.5, east=-66.5, north=49.5)
_SMALLEST = 4.0


@dataclass(frozen=True)
class Label:
    """A city's name, and its place in per cent from the left and the top."""

    name: str
    left: float
    top: float


@dataclass(frozen=True)
class Map:
    """The drawing and what lies on it."""

    svg: Markup
    labels: tuple[Label, ...]
    inset: Markup | None


def households_map(households: HouseholdFigures) -> Map | None:
    """The map; None when no household has coordinates."""
    view, spots = households.view, households.spots
    if view is None or spots is None or not spots.rows:
        return None
    frame = _Frame(view, _WIDTH)
    circles = Markup("").join(_spots(spots.rows, frame))
    shown = sum(row["households"] for row in spots.rows)
    summary = f"Map of {count(shown, 'household')}: the larger a circle, the more live there; its core are those new."
    svg = _svg(frame, _land(frame) + circles, label=summary)
    return Map(svg, tuple(_labels(households.cities.rows, frame)), _inset(view))


class _Frame:
    """A view on a picture, by Mercator's projection."""

    def __init__(self, view: View, width: int) -> None:
        self.view, self.width = view, width
        self._west, east = math.radians(view.west), math.radians(view.east)
        self._top, bottom = _mercator(view.north), _mercator(view.south)
        height = width * (self._top - bottom) / (east - self._west)
        self.height = round(min(max(height, _LOWEST * width), _TALLEST * width))
        self.scale = min(width / (east - self._west), self.height / (self._top - bottom))
        self._x = (width - (east - self._west) * self.scale) / 2
        self._y = (self.height - (self._top - bottom) * self.scale) / 2

    def place(self, longitude: float, latitude: float) -> tuple[float, float]:
        """Pixels from the left and from the top."""
        x = self._x + (math.radians(longitude) - self._west) * self.scale
        return x, self._y + (self._top - _mercator(latitude)) * self.scale

    @property
    def largest(self) -> float:
        """The largest circle's radius: neighbours may touch and hardly overlap."""
        return min(0.6 * math.radians(step_of(self.view)) * self.scale, 0.04 * self.width)

    def rings(self) -> Iterator[outlines.Ring]:
        """The states' outlines that reach into the picture, no finer than its pixels."""
        degree = math.radians(1) * self.scale
        for state in outlines.states(round(0.7 / degree, 3) if degree < 140 else 0.0):
            for polygon in state.polygons:
                for ring in polygon:
                    if self._reaches([self.place(x, max(min(y, 84.0), -84.0)) for x, y in ring]):
                        yield ring

    def _reaches(self, points: Sequence[tuple[float, float]]) -> bool:
        xs, ys = [x for x, _ in points], [y for _, y in points]
        return max(xs) >= 0 and min(xs) <= self.width and max(ys) >= 0 and min(ys) <= self.height


def _mercator(latitude: float) -> float:
    return math.log(math.tan(math.pi / 4 + math.radians(latitude) / 2))


def _svg(frame: _Frame, inside: Markup, *, label: str) -> Markup:
    return Markup('<svg viewBox="0 0 {} {}" role="img" aria-label="{}">{}</svg>').format(
        frame.width, frame.height, label, inside
    )


def _land(frame: _Frame) -> Markup:
    """The states, one path each ring; far points are cut off so that no path is longer than the picture needs."""
    paths = []
    for ring in frame.rings():
        points = (frame.place(x, y) for x, y in ring)
        paths.append("M" + "L".join(f"{_near(x, frame.width)} {_near(y, frame.height)}" for x, y in points) + "Z")
    return Markup('<path class="land" fill-rule="evenodd" d="{}"/>').format("".join(paths))


def _near(value: float, size: int) -> str:
    return f"{max(min(value, 20 * size), -20 * size):.1f}".removesuffix(".0")


def _spots(spots: Sequence[dict[str, Any]], frame: _Frame) -> Iterator[Markup]:
    """A circle a place, its area for all households, and in it one for those that are new."""
    most = max(spot["households"] for spot in spots)
    for spot in spots:
        x, y = frame.place(spot["longitude"], spot["latitude"])
        radius = max(frame.largest * math.sqrt(spot["households"] / most), _SMALLEST)
        core = radius * math.sqrt(spot["new_households"] / spot["households"])
        told = f"{count(spot['households'], 'household')}, {spot['new_households']:,} new"
        yield Markup('<g><title>{}</title><circle class="all" cx="{:.1f}" cy="{:.1f}" r="{:.1f}"/>').format(
            told, x, y, radius
        ) + (Markup('<circle class="new" cx="{:.1f}" cy="{:.1f}" r="{:.1f}"/></g>').format(x, y, core))


def _labels(cities: Sequence[dict[str, Any]], frame: _Frame) -> Iterator[Label]:
    """The names of the largest cities, where there is room."""
    taken: list[Label] = []
    for city in cities:
        if city["latitude"] is None or city["longitude"] is None or len(taken) == _MOST_LABELS:
            continue
        x, y = frame.place(city["longitude"], city["latitude"])
        label = Label(city["city"], round(100 * x / frame.width, 1), round(100 * y / frame.height, 1))
        free = all(abs(label.left - a.left) > _APART or abs(label.top - a.top) > _ABOVE for a in taken)
        if free and 5 < label.left < 95 and 10 < label.top < 97:
            taken.append(label)
            yield label


def _inset(view: View) -> Markup | None:
    """The country with the view's place on it; None where the view shows it already or lies elsewhere."""
    frame = _Frame(_COUNTRY, 170)
    x, y = frame.place((view.west + view.east) / 2, (view.south + view.north) / 2)
    if view.east - view.west > _WIDE_VIEW or not (0 < x < frame.width and 0 < y < frame.height):
        return None
    mark = Markup('<rect class="here" x="{:.1f}" y="{:.1f}" width="10" height="10"/>').format(x - 5, y - 5)
    return _svg(frame, _land(frame) + mark, label="Where the map lies in the United States.")
