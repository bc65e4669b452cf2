"""`ignite-assets report`: the pages of each website's day, to open in a browser or to pass on."""

import datetime as dt
import json
import webbrowser
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING

import click

from ignite_assets.cli.choosing import DayType, chosen
from ignite_assets.cli.command import Command, project_settings

if TYPE_CHECKING:
    import dagster as dg

    from ignite_assets.cli.choosing import Day
    from ignite_assets.config import Settings


@dataclass(frozen=True)
class Page:
    """The result for one page."""

    website: str
    date: dt.date | None
    """None for a website without any data."""
    place: str
    """Where it is; empty when it could not be written."""
    trouble: str = ""

    def as_json(self) -> dict[str, str | None]:
        """The page as `ignite-assets report --json` prints it."""
        place, error, date = self.place or None, self.trouble or None, self.date.isoformat() if self.date else None
        return {"website": self.website, "date": date, "place": place, "error": error}


@click.command(cls=Command, short_help="Write the pages of each website's day.")
@click.option("--website", "websites", multiple=True, metavar="KEY", help="Only these websites: a,b or repeated.")
@click.option("--date", type=DayType(), metavar="DATE",
              help="The day: YYYY-MM-DD or yesterday. Default: each website's newest captured.")  # fmt: skip
@click.option("--open", "opened", is_flag=True, help="Open the pages in the browser, unless they are in a bucket.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object instead of lines.")
def report(websites: tuple[str, ...], date: "Day | None", opened: bool, as_json: bool) -> None:
    """Write two pages of each website's day: one to send to its dealer, and one for operations, beside it.

    The dealer's page has people, interest, places, inventory and opt-outs, each number with the DuckDB query that gives
    it. The other has data sets, checks, gaps and lists. Pages need no network. They show no name, street, address or
    exact location, unless reports.personal_details is set.

    Exit status: 0 all were written; 1 some could not be, or a website has no data; 2 bad usage or configuration.

    \b
    Examples:
      ignite-assets report --open
      ignite-assets report --website acme-honda --date 2026-11-22
    """
    from ignite_assets.cli.export import asked_day

    settings = project_settings()
    of = chosen(websites, sorted(settings.websites), "website")
    day = asked_day(date, settings)
    days = _days(settings, of, day)
    pages = []
    for page in chain(write(settings, [(key, last) for key, last in days.items() if last]), _without(days, settings)):
        pages.append(page)
        if not as_json:
            _tell(page)
        if opened and page.place and "://" not in page.place:
            webbrowser.open(Path(page.place).as_uri())
    if as_json:
        click.echo(json.dumps({"pages": [page.as_json() for page in pages]}, indent=2))
    raise SystemExit(0 if all(page.place for page in pages) else 1)


def _days(settings: "Settings", websites: Iterable[str], day: dt.date | None) -> dict[str, dt.date | None]:
    """Each website's day to report; None for one that has none."""
    from ignite_assets.report.figures import newest_day
    from ignite_assets.storage.lake import Lake

    lake = Lake(settings.root)
    return {website: day or newest_day(lake, website) for website in websites}


def _without(days: Mapping[str, dt.date | None], settings: "Settings") -> "Iterator[Page]":
    """The websites without any data, each with why and what to do."""
    without = [website for website, day in days.items() if day is None]
    if not without:
        return
    from ignite_assets.dagster.assets.reports import failed
    from ignite_assets.dagster.automation.alerts import Ours
    from ignite_assets.dagster.instance import dagster_home, open_instance
    from ignite_assets.dagster.keys import AssetKeys
    from ignite_assets.report.absence import nothing

    ours = Ours(settings, AssetKeys.of(settings))
    with open_instance(dagster_home(settings)) as instance:
        for website in without:
            yield Page(website, None, "", nothing(website, None, settings, failed(instance, ours, website, None)))


def write(settings: "Settings", due: Iterable[tuple[str, dt.date]]) -> "Iterator[Page]":
    """Write pages through Dagster, so that they are on record."""
    from ignite_assets.cli.runs.queue import QUIET
    from ignite_assets.dagster.assets.reports import JOB, written_by
    from ignite_assets.dagster.build import build_defs
    from ignite_assets.dagster.instance import dagster_home, open_instance
    from ignite_assets.dagster.keys import AssetKeys
    from ignite_assets.dagster.partitions import partition_key

    keys = AssetKeys.of(settings)
    job = build_defs(settings, retry_policy=None).resolve_job_def(settings.dagster.named(JOB))
    with open_instance(dagster_home(settings)) as instance:
        for website, day in due:
            result = job.execute_in_process(
                instance=instance,
                partition_key=partition_key(day, website),
                raise_on_error=False,
                run_config=QUIET,
            )
            places = written_by(result.get_asset_materialization_events(), keys)
            trouble = "" if places else _why(result)
            yield Page(website, day, places[0] if places else "", trouble)


def _why(result: "dg.ExecuteInProcessResult") -> str:
    """The reason of a failed step, in a line."""
    from ignite_assets.dagster.failures import failed_step

    for event in result.all_events:
        if event.is_step_failure:
            return failed_step(event, quoted=True).words
    return f"run {result.run_id} in Dagster has the reason"


def _tell(page: Page) -> None:
    place = page.place.removeprefix(f"{Path.cwd()}/")
    click.echo(f"{page.website}  {page.date or 'no data   '}  {place or f'failed: {page.trouble}'}")
