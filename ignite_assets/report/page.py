"""The page: numbers and drawings in one HTML file that needs nothing else, neither network nor scripts."""

import datetime as dt
import functools
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

from markupsafe import Markup

from ignite_assets._version import __version__
from ignite_assets.report import words
from ignite_assets.report.charts import audiences_chart, inventory_chart, visitors_chart
from ignite_assets.report.drawing import require_charts
from ignite_assets.report.figures import Figures
from ignite_assets.report.maps import inset, locations_map

if TYPE_CHECKING:
    import jinja2

TEMPLATE = "page.html.jinja"


def render(figures: Figures) -> str:
    """The report as HTML. Raises `MissingExtraError` without the libraries that draw charts."""
    require_charts()
    drawn = {"visitors": visitors_chart(figures.visitors.days)}
    if figures.audiences and any(trend.joined or trend.left for trend in figures.audiences.trends):
        drawn["audiences"] = audiences_chart(figures.audiences)
    if figures.inventory and figures.inventory.all.total:
        drawn["ages"] = inventory_chart("ages", "days since they were listed", figures.inventory.by_age)
        drawn["makes"] = inventory_chart("makes", "make", figures.inventory.by_make)
    if figures.locations and (drawing := locations_map(figures.locations)):
        drawn["map"] = drawing
    return (
        _environment()
        .get_template(TEMPLATE)
        .render(
            figures=figures,
            document=figures.document(),
            drawn=drawn,
            inset=inset(figures.locations) if figures.locations else None,
            zone=ZoneInfo(figures.zone),
            version=__version__,
        )
    )


@functools.cache
def _environment() -> "jinja2.Environment":
    import jinja2

    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("ignite_assets.report", ""),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {
        "number": _number,
        "signed": _signed,
        "percent": lambda share: f"{_sign(share)}{abs(share):.1%}",
        "decimal": lambda value: "–" if value is None else f"{value:,.1f}",
        "share": lambda share: f"{share:.0%}",
        "day_words": words.day_words,
        "short_day": words.short_day,
        "weekday": lambda day: f"{day:%A}",
        "ranges": words.day_ranges,
        "moment": _moment,
        "count": words.count,
        "title": lambda name: name.replace("_", " "),
        "coded": _coded,
    }
    environment.policies["json.dumps_kwargs"] = {"default": _as_text, "sort_keys": True}
    return environment


def _coded(text: str) -> Markup:
    """Text with what stands between backticks as code."""
    plain, code = Markup("{}"), Markup("<code>{}</code>")
    return Markup().join((code if n % 2 else plain).format(part) for n, part in enumerate(text.split("`")))


def _number(value: float | None) -> str:
    return "–" if value is None else f"{value:,}"


def _signed(value: int) -> str:
    return f"{_sign(value)}{abs(value):,}"


def _sign(value: float) -> str:
    return "+" if value > 0 else "−" if value < 0 else "±"


def _moment(moment: dt.datetime, zone: ZoneInfo) -> str:
    local = moment.astimezone(zone)
    return f"{words.short_day(local)} {local:%Y, %H:%M} {'UTC' if zone.key == 'UTC' else zone.key}"


def _as_text(value: dt.date) -> str:
    return value.isoformat()
