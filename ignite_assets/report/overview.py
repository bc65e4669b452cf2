"""The page of all websites: which are stale, shrinking or held.

Each report leaves a summary beside its website's pages; the page is made of all of them, whoever wrote them.
"""

import base64
import datetime as dt
import functools
import hashlib
import json
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from importlib.resources import files

from ignite_assets.config import Settings
from ignite_assets.report.figures import Figures
from ignite_assets.report.page import DEALER, OPERATIONS, rendered
from ignite_assets.storage.store import Store

_THREADS = 16
_MOST_TRIES = 5


@dataclass(frozen=True, kw_only=True)
class Summary:
    """A website's newest report in a line."""

    website: str
    date: str
    people: int | None = None
    new: int | None = None
    """New households in seven days; None where that isn't known."""
    change: int | None = None
    """Against the seven days before; None where the two don't compare."""
    held: int = 0
    partly: bool = False
    """Whether the day lacks data sets."""

    @classmethod
    def of(cls, figures: Figures) -> "Summary":
        """The summary of a report."""
        weeks = figures.households.weeks.first if figures.households else {}
        compares = figures.households is not None and not figures.households.before
        return cls(
            website=figures.website,
            date=figures.date.isoformat(),
            people=figures.totals.get("visitors_week"),
            new=weeks.get("new_this_week"),
            change=weeks.get("change") if compares else None,
            held=figures.totals.get("lists_held", 0),
            partly=any(notice.severe for notice in figures.notices),
        )


@dataclass(frozen=True, kw_only=True)
class WebsiteLine:
    """A website on the page."""

    name: str
    summary: Summary | None
    """None before its first report."""
    behind: int
    """Days between its newest report and yesterday."""

    @property
    def states(self) -> Iterator[str]:
        """What somebody should know of it, the worst first."""
        if self.summary is None:
            yield "nothing reported"
            return
        if self.behind > 0:
            yield f"stale: {self.behind} {'day' if self.behind == 1 else 'days'} behind"
        if self.summary.partly:
            yield "partly captured"
        if self.summary.held:
            yield f"{self.summary.held} {'list' if self.summary.held == 1 else 'lists'} held"
        if (self.summary.change or 0) < 0:
            yield "shrinking"

    @property
    def rank(self) -> int:
        """The more, the sooner somebody should look."""
        if self.summary is None:
            return 1 << 20
        return 100 * self.behind + 50 * self.summary.partly + 10 * self.summary.held + ((self.summary.change or 0) < 0)


def write(store: Store, settings: Settings, figures: Figures, now: dt.datetime) -> None:
    """Leave a report's summary, and make the page of all websites again.

    Runs write it side by side: one whose page lacks a summary that came meanwhile makes it again.
    """
    mine, before = Summary.of(figures), _read(store, figures.website)
    if before is None or before.date <= mine.date:
        store.put(_name(figures.website), json.dumps(asdict(mine)).encode())
    known = summaries(store, settings)
    for _ in range(_MOST_TRIES):
        store.put(DEALER, page(settings, known, now).encode())
        now_known = summaries(store, settings)
        if now_known == known:
            return
        known = now_known


def summaries(store: Store, settings: Settings) -> dict[str, Summary | None]:
    """The summary of each configured website; None where there is none."""
    websites = sorted(settings.websites)
    with ThreadPoolExecutor(_THREADS) as threads:
        return dict(zip(websites, threads.map(functools.partial(_read, store), websites), strict=True))


def page(settings: Settings, known: Mapping[str, Summary | None], now: dt.datetime) -> str:
    """The page as HTML."""
    yesterday = now.astimezone(settings.partitions.zone).date() - dt.timedelta(days=1)
    lines = [
        WebsiteLine(
            name=settings.display_name(website),
            summary=summary,
            behind=max((yesterday - dt.date.fromisoformat(summary.date)).days, 0) if summary else 0,
        )
        for website, summary in known.items()
    ]
    script = _script()
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    return rendered(
        "websites.html.jinja",
        lines=sorted(lines, key=lambda line: (-line.rank, line.name)),
        agency=settings.reports.agency,
        zone=settings.partitions.zone,
        now=now,
        operations=OPERATIONS,
        script=script,
        policy=f"'sha256-{digest}'",
    )


@functools.cache
def _script() -> str:
    return (files("ignite_assets.report") / "websites.js").read_text()


def _name(website: str) -> str:
    return f"website={website}/summary.json"


def _read(store: Store, website: str) -> Summary | None:
    """A website's summary; None for none, or for one of another version."""
    try:
        return Summary(**json.loads(store.read(_name(website))))
    except (FileNotFoundError, ValueError, TypeError):
        return None
