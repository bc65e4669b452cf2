"""Who opted out, counted: never an address, a hash or the name of a file."""

import datetime as dt
from dataclasses import dataclass

from ignite_assets.audiences import inbox, ledger
from ignite_assets.config import Settings
from ignite_assets.report.readings import WEEK, Query, Readings
from ignite_assets.storage.duck import pattern
from ignite_assets.storage.store import Store


@dataclass(frozen=True, kw_only=True)
class OptOutFigures:
    """The opt-outs of a website when the report was made."""

    known: Query
    """`people` of the website's ledger, in no export, and of them `this_week`: of the seven days before the report."""
    submitted: int
    """Of them, acknowledged by the platform."""
    by_hash: int
    """Of them, known by a hash alone: never submitted."""
    since: dt.datetime | None
    """When the first was written down; None for nobody."""
    elsewhere: int | None
    """People of all websites' ledgers, where these count as well; None where they don't."""
    waiting: int | None
    """Files of the inbox not yet dealt with; None without an inbox."""
    rejects: int
    """Files of rejected lines, and whole files, that wait for a person."""
    idle: int
    """Of the people, those known by a hash that can't take effect: the captures are of another algorithm."""


def read(readings: Readings, settings: Settings, now: dt.datetime) -> OptOutFigures:
    """Count a website's opt-outs."""
    lake, website = readings.lake, readings.website
    tally, arrivals = ledger.tally(lake, website), ledger.arrivals(lake, website)
    box = Store(settings.place(settings.opt_outs.inbox)) if settings.opt_outs.inbox else None
    return OptOutFigures(
        known=_known(readings, now),
        submitted=tally.submitted,
        by_hash=tally.by_hash,
        since=arrivals[0] if arrivals else None,
        elsewhere=len(ledger.arrivals(lake, None)) if settings.opt_outs.scope == "all" else None,
        waiting=len(inbox.of_website(box, website)) if box else None,
        rejects=len(inbox.rejects(box, [website]).get(website, ())) if box else 0,
        idle=ledger.idle(lake, website, settings.captured_hashes(website)),
    )


def _known(readings: Readings, now: dt.datetime) -> Query:
    files = readings.lake.store.files(f"{ledger.FOLDER}/website={readings.website}")
    columns = dict.fromkeys(ledger.COLUMNS.values(), "VARCHAR") | {"first_seen": "TIMESTAMPTZ"}
    sources = {}
    for kind in ("seen", "withdrawn"):
        mine = [file for file in files if file.rpartition("/")[2].startswith(f"{kind}-") and file.endswith(".parquet")]
        shown = f"{ledger.FOLDER}/website={pattern(readings.website)}/{kind}-*.parquet"
        sources[kind] = readings.files(kind, mine, shown, columns)
    return readings.ask("opt_outs", _KNOWN, sources, since=now - WEEK)


_KNOWN = """
    SELECT count(*) AS people, count(*) FILTER (since > {since}) AS this_week
    FROM (
        SELECT md5, sha1, sha256, min(first_seen) AS since FROM {seen} AS seen
        WHERE NOT EXISTS (
            FROM {withdrawn} AS back WHERE back.first_seen > seen.first_seen
                AND (back.md5 = seen.md5 OR back.sha1 = seen.sha1 OR back.sha256 = seen.sha256)
        )
        GROUP BY md5, sha1, sha256
    )
"""
