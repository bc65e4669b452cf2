"""Charts become SVG to stand inside a page: colours by CSS variables, text as text, a `<title>` on each mark.

Each chart is drawn twice, wide and narrow, since text that shrinks with a chart can't be read on a phone; CSS shows
one of them. vl-convert renders without a browser and without a network.
"""

import io
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from xml.etree import ElementTree as ET

import altair as alt
from markupsafe import Markup

Chart = alt.Chart | alt.LayerChart | alt.FacetChart
ChartRow = Mapping[str, object]

FONT = "system-ui, -apple-system, 'Segoe UI', Roboto, 'Helvetica Neue', Arial, sans-serif"
_ID = re.compile(r'(id="|url\(#|href="#)(?=[A-Za-z])')
_XMLNS = re.compile(r' xmlns(:\w+)?="[^"]*"')
_NUMBER = re.compile(r"-?\d+\.\d+(?:e-?\d+)?")
_ARIA = ("aria-label", "aria-roledescription", "aria-hidden", "role")


@dataclass(frozen=True)
class Drawing:
    """One chart, as HTML for wide and for narrow pages."""

    wide: Markup
    narrow: Markup


def draw(name: str, summary: str, chart: Callable[[int], Chart], *, wide: int, narrow: int = 330) -> Drawing:
    """Draw a chart at two widths. `name` sets its ids apart from other charts'; `summary` is what is read aloud."""
    return Drawing(
        wide=svg(chart(wide), name=f"{name}-wide", summary=summary),
        narrow=svg(chart(narrow), name=f"{name}-narrow", summary=summary),
    )


def inline(rows: Iterable[ChartRow]) -> alt.InlineData:
    """Rows that stand in the chart itself."""
    return alt.InlineData(values=list(rows))


def svg(chart: Chart, *, name: str, summary: str) -> Markup:
    """A chart as an `<svg>` element."""
    buffer = io.StringIO()
    _styled(chart).save(buffer, format="svg")
    text = _ID.sub(rf"\g<1>{name}-", _XMLNS.sub("", buffer.getvalue()))
    root = ET.fromstring(text)  # noqa: S314 - our own renderer's
    for mark in root.iter():
        _simplify(mark)
    for attribute in ("width", "height", "version", "class"):
        root.attrib.pop(attribute, None)
    root.attrib.update({"class": "chart", "role": "img", "aria-label": summary})
    return Markup(ET.tostring(root, encoding="unicode"))  # noqa: S704 - serialised, so escaped


def _simplify(mark: ET.Element) -> None:
    """Turn what a mark says of itself into its title, and round its path to what can be seen."""
    label = mark.get("aria-label")
    for attribute in _ARIA:
        mark.attrib.pop(attribute, None)
    if path := mark.get("d"):
        mark.set("d", _NUMBER.sub(lambda number: f"{float(number[0]):.1f}".removesuffix(".0"), path))
    if label and mark.tag != "g":
        title = ET.Element("title")
        title.text = label
        mark.insert(0, title)


def _styled(chart: Chart) -> Chart:
    """The look of every chart."""
    fit = alt.AutoSizeParams(type="fit-x", contains="padding")
    configured = chart.configure(background="transparent", font=FONT, padding=2, autosize=fit)
    styled: Chart = configured.configure_view(stroke=None).configure_axis(
        labelColor="var(--muted)",
        labelFontSize=11,
        gridColor="var(--line)",
        domainColor="var(--line)",
        tickColor="var(--line)",
        labelPadding=6,
    )
    return styled
