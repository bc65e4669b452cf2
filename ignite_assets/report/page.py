"""The page: numbers and drawings in one HTML file that needs nothing else, neither network nor scripts."""

import datetime as dt
import functools
from zoneinfo import ZoneInfo

import jinja2
from markupsafe import Markup

from ignite_assets._version import __version__
from ignite_assets.api.errors import IgniteError
from ignite_assets.report import words
from ignite_assets.report.figures import Figures

TEMPLATE = "page.html.jinja"


class MissingExtraError(IgniteError):
    """A report needs libraries that only the extra `ignite_assets[report]` installs."""


def require_charts() -> None:
    """Raise `MissingExtraError` when the libraries that draw charts are not installed."""
    try:
        import altair as alt  # noqa: F401 - only whether it can be imported
        import vl_convert  # noqa: F401 - altair imports it when it draws
    except ImportError as error:
        raise MissingExtraError(
            f"reports need {error.name}, which is not installed: pip install 'ignite_assets[report]'"
        ) from None


def render(figures: Figures) -> str:
    """The report as HTML. Raises `MissingExtraError` without the libraries that draw charts."""
    require_charts()
    from ignite_assets.report.charts import audiences_chart, inventory_chart, visitors_chart
    from ignite_assets.report.maps import inset, locations_map

    drawn = {"visitors": visitors_chart(figures.visitors.days)}
    if figures.audiences and any(trend.joined or trend.left for trend in figures.audiences.trends):
        drawn["audiences"] = audiences_chart(figures.audiences)
    if figures.inventory and figures.inventory.all.total:
        drawn["ages"] = inventory_chart("ages", "days since they were listed", figures.inventory.by_age)
        drawn["makes"] = inventory_chart("makes", "make", figures.inventory.by_make)
    if figures.locations and (drawing := locations_map(figures.locations)):
        drawn["map"] = drawing
    template = _environment().get_template(TEMPLATE)
    return template.render(
        figures=figures,
        document=figures.document(),
        drawn=drawn,
        inset=inset(figures.locations) if figures.locations else None,
        zone=ZoneInfo(figures.zone),
        version=__version__,
    )


@functools.cache
def _environment() -> jinja2.Environment:
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("ignite_assets.report", ""),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {
        "number": lambda value: "–" if value is None else f"{value:,}",
        "signed": lambda value: f"{_sign(value)}{abs(value):,}",
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
    environment.policies["json.dumps_kwargs"] = {"default": lambda day: day.isoformat(), "sort_keys": True}
    return environment


def _coded(text: str) -> Markup:
    """Text with what stands between backticks as code."""
    plain, code = Markup("{}"), Markup("<code>{}</code>")
    return Markup().join((code if n % 2 else plain).format(part) for n, part in enumerate(text.split("`")))


def _sign(value: float) -> str:
    return "+" if value > 0 else "−" if value < 0 else "±"


def _moment(moment: dt.datetime, zone: ZoneInfo) -> str:
    local = moment.astimezone(zone)
    return f"{words.short_day(local)} {local:%Y, %H:%M} {zone.key}"
