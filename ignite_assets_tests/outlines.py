"""Make `ignite_assets/report/states.json` of the npm package `us-atlas`. Done once; kept so that it can be done again.

    npm pack us-atlas@3 && tar xzf us-atlas-3.*.tgz
    python -m ignite_assets_tests.outlines package/states-10m.json

Arcs stay shared between neighbours, so that borders fit however they are rounded. Latitudes are made as coarse as
longitudes are, and points that then coincide with the one before go.
"""

import json
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from ignite_assets.report import outlines

_COARSER = 4
_HEAD = {
    "source": "us-atlas 3.0.1, states-10m.json (https://github.com/topojson/us-atlas), made of the US Census Bureau's "
    "cartographic boundary files, 2017 edition, which are in the public domain",
    "licence": "ISC, copyright 2013-2019 Michael Bostock",
    "made_by": "python -m ignite_assets_tests.outlines",
}


def converted(topology: Mapping[str, Any]) -> dict[str, Any]:
    """The document of `states.json` for a TopoJSON file of states."""
    scale, translate = topology["transform"]["scale"], topology["transform"]["translate"]
    return {
        **_HEAD,
        "scale": [scale[0], scale[1] * _COARSER],
        "translate": translate,
        "arcs": [list(_coarse(arc)) for arc in topology["arcs"]],
        "states": [
            {"name": each["properties"]["name"], "polygons": _polygons(each)}
            for each in topology["objects"]["states"]["geometries"]
        ],
    }


def _coarse(arc: list[list[int]]) -> Iterator[list[int]]:
    """The arc's steps, the first from the origin."""
    x = y = 0
    before: tuple[int, int] | None = None
    for dx, dy in arc:
        x, y = x + dx, y + dy
        point = (x, round(y / _COARSER))
        if point != before:
            yield [point[0] - (before or (0, 0))[0], point[1] - (before or (0, 0))[1]]
            before = point


def _polygons(geometry: Mapping[str, Any]) -> list[Any]:
    return geometry["arcs"] if geometry["type"] == "MultiPolygon" else [geometry["arcs"]]


if __name__ == "__main__":
    made = converted(json.loads(Path(sys.argv[1]).read_bytes()))
    outlines.FILE.write_text(json.dumps(made, separators=(",", ":")) + "\n")
