"""Charts become SVG to stand inside a page: colours by CSS variables, text as text, a `<title>` on each mark.

Each chart is drawn twice, wide and narrow, since text that shrinks with a chart can't be read on a phone; CSS shows
one of them. vl-convert renders without a browser and without a network.
"""

import io
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING
from xml.etree import ElementTree

from markupsafe import Markup

if TYPE_CHECKING:
    import altair as alt

FONT = "system-ui, -apple-system, 'Segoe UI', Roboto, 'Helvetica Neue', Arial, sans-serif"
_ID = re.compile(r'(id="|url\(#|href="#)(?=[A-Za-z])')
_NUMBER = re.compile(r"-?\d+\.\d+(?:e-?\d+)?")
_XMLNS = re.compile(r' xmlns(:\w+)?="[^"]*"')


@dataclass(frozen=True)
class Drawing:
    """One chart, as HTML for wide and for narrow pages."""

    wide: Markup
    narrow: Markup


def draw(
    name: str, summary: str, chart: "Callable[[int], alt.TopLevelMixin]", *, wide: int, narrow: int = 330
) -> Drawing:
    """Draw a chart at two widths. `name` sets its ids apart from other charts'; `summary` is what is read aloud."""
    return Drawing(
        wide=svg(chart(wide), name=f"{name}-wide", summary=summary),
        narrow=svg(chart(narrow), name=f"{name}-narrow", summary=summary),
    )


def svg(chart: "alt.TopLevelMixin", *, name: str, summary: str) -> Markup:
    """A chart as an `<svg>` element."""
    buffer = io.StringIO()
    _styled(chart).save(buffer, format="svg")  # type: ignore[attr-defined]  # of every chart
    text = _ID.sub(rf"\g<1>{name}-", _XMLNS.sub("", buffer.getvalue()))
    root = ElementTree.fromstring(text)  # noqa: S314 - our own renderer's
    for mark in root.iter():
        if path := mark.get("d"):
            mark.set("d", _NUMBER.sub(lambda number: f"{float(number[0]):.1f}".removesuffix(".0"), path))
        label = mark.attrib.pop("aria-label", None)
        for attribute in ("aria-roledescription", "aria-hidden", "role"):
            mark.attrib.pop(attribute, None)
        if label and mark.tag != "g":
            title = ElementTree.Element("title")
            title.text = label
            mark.insert(0, title)
    for attribute in ("width", "height", "version", "class"):
        root.attrib.pop(attribute, None)
    root.attrib.update({"class": "chart", "role": "img", "aria-label": summary})
    return Markup(ElementTree.tostring(root, encoding="unicode"))  # noqa: S704 - serialised, so escaped


def _styled(chart: "alt.TopLevelMixin") -> "alt.TopLevelMixin":
    """The look of every chart."""
    import altair as alt

    fit = alt.AutoSizeParams(type="fit-x", contains="padding")
    configured = chart.configure(background="transparent", font=FONT, padding=2, autosize=fit)  # type: ignore[attr-defined]
    return configured.configure_view(stroke=None).configure_axis(  # type: ignore[no-any-return]
        labelColor="var(--muted)",
        labelFontSize=11,
        titleColor="var(--muted)",
        titleFontSize=11,
        titleFontWeight="normal",
        gridColor="var(--line)",
        domainColor="var(--line)",
        tickColor="var(--line)",
        labelPadding=6,
    )
