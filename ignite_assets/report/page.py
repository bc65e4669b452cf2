"""The pages: numbers in HTML that needs nothing else, neither network nor scripts."""

import base64
import datetime as dt
import functools
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

from markupsafe import Markup

from ignite_assets._version import __version__
from ignite_assets.api.errors import IgniteError
from ignite_assets.config.models import Reports
from ignite_assets.report import words
from ignite_assets.report.figures import Figures
from ignite_assets.report.maps import households_map

if TYPE_CHECKING:
    import jinja2

DEALER, OPERATIONS = "index.html", "operations.html"
"""The names of a day's two pages."""
_LOGO_TYPES = {".svg": "image/svg+xml", ".png": "image/png", ".jpg": "image/jpeg", ".jpeg": "image/jpeg"}
_LOGO_BYTES = 100_000


class LogoError(IgniteError):
    """The logo of `reports.logo` can't be read, or is none."""

    retryable = False


def render(figures: Figures, agency: str | None = None, logo: str | None = None) -> dict[str, str]:
    """The pages as HTML by name. `agency` and `logo` (a `data:` URL): of those who send the dealer's page."""
    shared = {"figures": figures, "agency": agency, "logo": logo, "zone": ZoneInfo(figures.zone)}
    plan = households_map(figures.households) if figures.households else None
    return {
        DEALER: rendered("dealer.html.jinja", **shared, map=plan),
        OPERATIONS: rendered("operations.html.jinja", **shared),
    }


def logo_of(reports: Reports, folder: Path) -> str | None:
    """The agency's logo as a `data:` URL; None where none is set. Raises `LogoError`."""
    if reports.logo is None:
        return None
    path = folder / reports.logo
    kind = _LOGO_TYPES.get(path.suffix.lower())
    if kind is None:
        raise LogoError(f"reports.logo: {path.name} is no {', '.join(sorted(_LOGO_TYPES))} file")
    try:
        data = path.read_bytes()
    except OSError as error:
        raise LogoError(f"reports.logo: {path} can't be read: {error.strerror}") from None
    if len(data) > _LOGO_BYTES:
        raise LogoError(f"reports.logo: {path.name} has {len(data):,} bytes; the most are {_LOGO_BYTES:,}")
    return f"data:{kind};base64,{base64.b64encode(data).decode()}"


def rendered(template: str, **values: Any) -> str:
    """A page as HTML, from one of the folder's templates."""
    return _environment().get_template(template).render(**values, version=__version__)


@functools.cache
def _environment() -> "jinja2.Environment":
    import jinja2  # definitions import this module, and most processes render nothing

    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("ignite_assets.report", ""),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= _FILTERS
    return environment


def _coded(text: str) -> Markup:
    """Text with what stands between backticks as code."""
    plain, code = Markup("{}"), Markup("<code>{}</code>")
    return Markup().join((code if n % 2 else plain).format(part) for n, part in enumerate(text.split("`")))


def _moment(moment: dt.datetime, zone: ZoneInfo) -> str:
    local = moment.astimezone(zone)
    return f"{words.short_day(local)} {local:%Y, %H:%M} {zone.key}"


def _shown(value: object) -> str:
    """A value of a query as a table shows it."""
    if value is None:
        return "–"
    if isinstance(value, dt.date):
        return words.day_words(value)
    if isinstance(value, int | float):
        return f"{value:,.0f}".replace("-", "−") if isinstance(value, int) or abs(value) >= 200 else f"{value:,.2f}"
    return str(value)


_FILTERS: dict[str, Callable[..., Any]] = {
    "number": _shown,
    "day_words": words.day_words,
    "short_day": words.short_day,
    "weekday": lambda day: f"{day:%A}",
    "ranges": words.day_ranges,
    "moment": _moment,
    "count": words.count,
    "title_words": lambda name: name.replace("_", " "),
    "coded": _coded,
}
