"""The outlines of the US states, for maps that need no network. Where they come from stands in the file's head."""

import functools
import itertools
import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

FILE = Path(__file__).with_name("states.json")

Point = tuple[float, float]
"""Longitude and latitude in degrees (WGS 84)."""
Ring = tuple[Point, ...]


@dataclass(frozen=True)
class State:
    """A state's polygons, each an outer ring and its holes, closed."""

    name: str
    polygons: tuple[tuple[Ring, ...], ...]


@functools.lru_cache(maxsize=8)
def states(step: float = 0.0) -> tuple[State, ...]:
    """Every state, its points on a grid of so many degrees (0: as they are); islands smaller than that are gone.

    Neighbours' borders fit at every step: they share their arcs.
    """
    document = json.loads(FILE.read_bytes())
    arcs = [tuple(_on_grid(_points(arc, document), step)) for arc in document["arcs"]]
    return tuple(State(each["name"], tuple(_polygons(each["polygons"], arcs))) for each in document["states"])


def _points(arc: list[list[int]], document: dict[str, Any]) -> Iterator[Point]:
    (kx, ky), (x0, y0) = document["scale"], document["translate"]
    for x, y in itertools.accumulate(arc, lambda at, by: [at[0] + by[0], at[1] + by[1]]):
        yield round(x * kx + x0, 4), round(y * ky + y0, 4)


def _on_grid(points: Iterator[Point], step: float) -> Iterator[Point]:
    before: Point | None = None
    for x, y in points:
        point = (round(round(x / step) * step, 4), round(round(y / step) * step, 4)) if step else (x, y)
        if point != before:
            yield point
            before = point


def _polygons(polygons: list[list[list[int]]], arcs: list[tuple[Point, ...]]) -> Iterator[tuple[Ring, ...]]:
    for polygon in polygons:
        rings = tuple(ring for ring in (_ring(indices, arcs) for indices in polygon) if len(set(ring)) >= 3)
        if rings:
            yield rings


def _ring(indices: list[int], arcs: list[tuple[Point, ...]]) -> Ring:
    """The arcs one after the other, each without its first point, which the one before ends with; ~i is i reversed."""
    ring: list[Point] = []
    for index in indices:
        arc = arcs[index] if index >= 0 else arcs[~index][::-1]
        ring += arc[1:] if ring else arc
    return tuple(ring)
