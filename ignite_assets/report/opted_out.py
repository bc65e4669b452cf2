"""Who opted out, counted: never an address, a hash or the name of a file."""

import datetime as dt
from dataclasses import dataclass

from ignite_assets.audiences import inbox, ledger
from ignite_assets.config import Settings
from ignite_assets.report.readings import WEEK
from ignite_assets.storage.lake import Lake
from ignite_assets.storage.store import Store


@dataclass(frozen=True, kw_only=True)
class OptOutFigures:
    """The opt-outs of a website when the report was made."""

    people: int
    """Known to the website's ledger: in no export."""
    submitted: int
    """Of them, acknowledged by the platform."""
    by_hash: int
    """Of them, known by a hash alone: never submitted."""
    in_week: int
    """Of them, those of the last seven days."""
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


def read(lake: Lake, website: str, settings: Settings, now: dt.datetime) -> OptOutFigures:
    """Count a website's opt-outs."""
    tally, arrivals = ledger.tally(lake, website), ledger.arrivals(lake, website)
    box = Store(settings.place(settings.opt_outs.inbox)) if settings.opt_outs.inbox else None
    return OptOutFigures(
        people=tally.known,
        submitted=tally.submitted,
        by_hash=tally.by_hash,
        in_week=sum(at > now - WEEK for at in arrivals),
        since=arrivals[0] if arrivals else None,
        elsewhere=len(ledger.arrivals(lake, None)) if settings.opt_outs.scope == "all" else None,
        waiting=len(inbox.of_website(box, website)) if box else None,
        rejects=len(inbox.rejects(box, [website]).get(website, ())) if box else 0,
        idle=ledger.idle(lake, website, settings.captured_hashes(website)),
    )
