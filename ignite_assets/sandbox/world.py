"""The world behind the sandbox: what the platform would truly answer, without HTTP.

A pure function of website (seed, key, size), moment and the opt-outs; nothing is stored, and the caches here only
save time. The answers of the app are these, so that a test can ask either. Dates and moments are UTC, moments are
aware; `since` is the look-back date, and None or one more than 60 days back means 30 days, as on the platform.
Parsing requests and writing JSON belong to `app` and `answers`.
"""

import datetime as dt
from collections.abc import Sequence
from functools import lru_cache

import numpy as np

from ignite_assets.api.table import Algo
from ignite_assets.sandbox import details, inventory
from ignite_assets.sandbox.catalogue import Audience, AudienceGroup, audiences_of, groups_of, places_of
from ignite_assets.sandbox.details import JsonObject
from ignite_assets.sandbox.households import MOST_EMAILS, Households, Mask, Rows, addresses, households_of, locations
from ignite_assets.sandbox.identities import directory_of, everyone, hashed, opted_out
from ignite_assets.sandbox.optouts import OptedOut
from ignite_assets.sandbox.visits import (
    DayNumbers,
    day_and_minute,
    last_days_before,
    visitors_on,
    visits_of,
    window_start,
)
from ignite_assets.sandbox.websites import SandboxWebsite

_WEBSITES_KEPT = 64


class UnknownIdError(LookupError):
    """The website has nothing under that id, or nothing any more: the platform's 404."""


class World:
    """What each endpoint answers, for any website and moment; every list is in the order of the ids."""

    def __init__(self, opt_outs: OptedOut | None = None) -> None:
        """A world without the people in `opt_outs`."""
        self.opt_outs = opt_outs or OptedOut()
        kept = lru_cache(maxsize=_WEBSITES_KEPT)
        self._households = kept(households_of)
        self._directory = kept(lambda website: directory_of(self._households(website)))
        self._last_days = kept(lambda website, day: last_days_before(self._households(website), day))
        self._opted_out = kept(self._find_opted_out)

    def visitors(self, website: SandboxWebsite, since: dt.date | None, now: dt.datetime, algo: Algo) -> list[str]:
        """The hashed e-mails of everyone last seen in the window."""
        return self._hashes(website, self._seen(website, since, now), algo)

    def products(self, website: SandboxWebsite, since: dt.date | None, now: dt.datetime) -> list[JsonObject]:
        """The vehicles listed at some moment of the window."""
        start = dt.datetime.combine(window_start(since, now), dt.time(tzinfo=dt.UTC))
        return [inventory.product(listing, now) for listing in inventory.listings(website, start, now)]

    def locations(self, website: SandboxWebsite, since: dt.date | None, now: dt.datetime) -> list[JsonObject]:
        """The households last seen in the window, whose resident has not opted out."""
        shown = self._seen(website, since, now) & self._residents(website)
        return list(locations(self._households(website), np.flatnonzero(shown)))

    def location_details(self, website: SandboxWebsite, location_id: int, now: dt.datetime, algo: Algo) -> JsonObject:
        """One location with its hashed e-mails and a summary of the visits that are remembered."""
        households = self._households(website)
        row = households.row(location_id)
        visits = [] if row is None else visits_of(households, row, now)
        if row is None or not visits or self._out(website)[row, 0]:
            raise UnknownIdError
        hashes = hashed(self._addresses(website, np.array([row])), algo)
        return details.location_details(households, row, visits, hashes)

    def audiences(self, website: SandboxWebsite, now: dt.datetime) -> list[JsonObject]:
        """The website's audiences with the households of each that were seen in 30 days."""
        every = audiences_of(website)
        return [details.audience(each, self._count(website, [place], now)) for place, each in enumerate(every)]

    def audience_members(
        self, website: SandboxWebsite, audience_id: int, since: dt.date | None, now: dt.datetime, algo: Algo
    ) -> list[str]:
        """The hashed e-mails of an audience's households last seen in the window."""
        place = _place(audiences_of(website), audience_id)
        return self._members(website, [place], since, now, algo)

    def audience_groups(self, website: SandboxWebsite, now: dt.datetime) -> list[JsonObject]:
        """The website's groups with the households of each that were seen in 30 days."""
        every = audiences_of(website)
        return [details.group(each, self._count(website, places_of(every, each), now)) for each in groups_of(website)]

    def audience_group_members(
        self, website: SandboxWebsite, group_id: int, since: dt.date | None, now: dt.datetime, algo: Algo
    ) -> list[str]:
        """The hashed e-mails of a group's households last seen in the window."""
        groups = groups_of(website)
        places = places_of(audiences_of(website), groups[_place(groups, group_id)])
        return self._members(website, places, since, now, algo)

    def sales(self, website: SandboxWebsite, now: dt.datetime) -> dict[str, list[JsonObject]]:
        """The sales of 90 days, and those whose buyer had visited the website before."""
        households, allowed = self._households(website), self._residents(website)
        sold = [sale for sale in inventory.sales(website, now) if allowed[sale.buyer]]
        buyers = locations(households, np.array([sale.buyer for sale in sold], dtype=np.int64))
        pairs = list(zip(sold, buyers, strict=True))
        matched = [details.matched_sale(households, *pair) for pair in pairs]
        return {
            "sales": [inventory.sale_record(*pair) for pair in pairs],
            "matched_sales": [record for record in matched if record],
        }

    def addresses(self, website: SandboxWebsite, since: dt.date | None, now: dt.datetime) -> list[str]:
        """The plain e-mail addresses behind `visitors`, in the same order. No endpoint answers these."""
        return self._addresses(website, np.flatnonzero(self._seen(website, since, now)))

    def _addresses(self, website: SandboxWebsite, rows: Rows) -> list[str]:
        households = self._households(website)
        places, slots = np.nonzero(everyone(households, rows) & ~self._out(website)[rows])
        return list(addresses(households, rows[places], slots))

    def _hashes(self, website: SandboxWebsite, chosen: Mask, algo: Algo) -> list[str]:
        return hashed(self._addresses(website, np.flatnonzero(chosen)), algo)

    def _members(
        self, website: SandboxWebsite, places: Sequence[int], since: dt.date | None, now: dt.datetime, algo: Algo
    ) -> list[str]:
        interested = self._households(website).interested(places)
        return self._hashes(website, interested & self._seen(website, since, now), algo)

    def _count(self, website: SandboxWebsite, places: Sequence[int], now: dt.datetime) -> int:
        seen = self._seen(website, None, now) & self._residents(website)
        return int(np.count_nonzero(seen & self._households(website).interested(places)))

    def _seen(self, website: SandboxWebsite, since: dt.date | None, now: dt.datetime) -> Mask:
        """Which households were last seen in the window."""
        first = window_start(since, now).toordinal()
        today, minute = day_and_minute(now)
        last: DayNumbers = self._last_days(website, today)
        seen: Mask = last >= first
        return seen | visitors_on(self._households(website), today, minute) if first <= today else seen

    def _residents(self, website: SandboxWebsite) -> Mask:
        """Which households have a resident that is still to be shown."""
        return ~self._out(website)[:, 0]

    def _out(self, website: SandboxWebsite) -> Mask:
        """Who has opted out: an array of (household, slot)."""
        out: Mask = self._opted_out(website, self.opt_outs.of(website.key))
        return out

    def _find_opted_out(self, website: SandboxWebsite, fingerprints: frozenset[bytes]) -> Mask:
        households: Households = self._households(website)
        if not fingerprints:
            return np.zeros((len(households.rows), MOST_EMAILS), dtype=np.bool_)
        return opted_out(households, self._directory(website), fingerprints)


def _place(things: Sequence[Audience] | Sequence[AudienceGroup], wanted: int) -> int:
    ids = [thing.id for thing in things]
    if wanted not in ids:
        raise UnknownIdError
    return ids.index(wanted)
