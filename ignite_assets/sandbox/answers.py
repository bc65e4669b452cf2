"""From a request that has been read to the body that answers it: which part of the world each endpoint shows.

A row of the endpoint table is served by the function of its name here, or else by made-up rows. Reading requests
belongs to `app`, what is true to `world`.
"""

import datetime as dt
import json
import threading
from collections.abc import Callable, Hashable, Mapping
from dataclasses import dataclass, replace

from ignite_assets.api.endpoints import Endpoint
from ignite_assets.api.table import Algo
from ignite_assets.sandbox import synthetic
from ignite_assets.sandbox.regressions import REGRESSIONS
from ignite_assets.sandbox.visits import LOOK_BACK_DAYS, window_start
from ignite_assets.sandbox.websites import SandboxWebsite
from ignite_assets.sandbox.world import UnknownIdError, World

_SMALLEST_KEPT = 1 << 16
"""Smaller bodies are quicker made than kept."""
_ROOM = 256 << 20


@dataclass(frozen=True, kw_only=True)
class Question:
    """One request to an endpoint, read and checked; `id` is 0 where the path has none."""

    website: SandboxWebsite
    now: dt.datetime
    id: int = 0
    since: dt.date | None = None
    algo: Algo = "md5"
    regress: str | None = None
    """The row of `regressions` by which it is answered wrongly."""

    @property
    def window(self) -> tuple[SandboxWebsite, dt.date | None, dt.datetime]:
        """What the look-back answers of the world take first."""
        return self.website, self.since, self.now


ANSWERS: Mapping[str, Callable[[World, Question], object]] = {
    "visitors": lambda world, asked: world.visitors(*asked.window, asked.algo),
    "products": lambda world, asked: world.products(*asked.window),
    "locations": lambda world, asked: world.locations(*asked.window),
    "location_details": lambda world, asked: world.location_details(asked.website, asked.id, asked.now, asked.algo),
    "audiences": lambda world, asked: world.audiences(asked.website, asked.now),
    "audience_members": lambda world, asked: world.audience_members(
        asked.website, asked.id, asked.since, asked.now, asked.algo
    ),
    "audience_groups": lambda world, asked: world.audience_groups(asked.website, asked.now),
    "audience_group_members": lambda world, asked: world.audience_group_members(
        asked.website, asked.id, asked.since, asked.now, asked.algo
    ),
    "sales": lambda world, asked: world.sales(asked.website, asked.now),
}


class Answers:
    """The bodies that answer questions, for every row of a table."""

    def __init__(self, world: World, endpoints: tuple[Endpoint, ...]) -> None:
        self._world = world
        self._endpoints = {endpoint.name: endpoint for endpoint in endpoints}
        self._kept: dict[Hashable, bytes] = {}
        self._keeping = threading.Lock()
        self._locks: dict[str, threading.Lock] = {}

    def body(self, endpoint: Endpoint, asked: Question) -> bytes:
        """The JSON that answers a question; `UnknownIdError` where the platform says 404."""
        # One at a time for each website: side by side, two threads would make the same million hashes twice.
        with self._locks.setdefault(asked.website.key, threading.Lock()):
            key = self._key(endpoint, asked)
            body = self._kept.get(key) or json.dumps(self._answer(endpoint, asked)).encode()
            if len(body) >= _SMALLEST_KEPT:
                self._keep(key, body)
            return body

    def _keep(self, key: Hashable, body: bytes) -> None:
        """Have a large body ready to send again; the oldest go when there is no room."""
        with self._keeping:
            self._kept[key] = body
            while sum(map(len, self._kept.values())) > _ROOM:
                del self._kept[next(iter(self._kept))]

    def mixed_up(self, endpoint: Endpoint, asked: Question) -> Question:
        """The question with the id of another entity of the website, where there is one."""
        ids = sorted(self._ids(self._endpoints[endpoint.ids.endpoint], asked)) if endpoint.ids else []
        return replace(asked, id=next((each for each in ids if each != asked.id), asked.id))

    def _key(self, endpoint: Endpoint, asked: Question) -> Hashable:
        # Products change by the millisecond, visits by the minute.
        moment = asked.now if endpoint.name == "products" else asked.now.replace(second=0, microsecond=0)
        opted_out = self._world.opt_outs.of(asked.website.key)
        since = window_start(asked.since, asked.now)
        return endpoint.name, asked.website, asked.id, since, asked.algo, moment, opted_out, asked.regress

    def _answer(self, endpoint: Endpoint, asked: Question) -> object:
        if asked.regress:
            regression = REGRESSIONS[asked.regress]
            truly = regression.ask(endpoint.name, replace(asked, regress=None))
            return regression.tell(self._answer(endpoint, truly))
        own = ANSWERS.get(endpoint.name)
        return own(self._world, asked) if own else self._made_up(endpoint, asked)

    def _made_up(self, endpoint: Endpoint, asked: Question) -> object:
        if endpoint.ids and asked.id not in self._ids(self._endpoints[endpoint.ids.endpoint], asked):
            raise UnknownIdError
        if endpoint.answer == "hashes":
            return self._world.visitors(*asked.window, asked.algo)[asked.id % 2 :: 2]
        return synthetic.body(endpoint, asked.website.key, asked.id)

    def _ids(self, parent: Endpoint, asked: Question) -> set[int]:
        widest = asked.now.astimezone(dt.UTC).date() - dt.timedelta(days=LOOK_BACK_DAYS)
        listed = self._answer(parent, Question(website=asked.website, now=asked.now, since=widest))
        records = listed if isinstance(listed, list) else []
        return {record["id"] for record in records if isinstance(record, dict) and "id" in record}
