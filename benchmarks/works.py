"""What is measured: the works, the variants of each, and the bars that the results are held against."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from benchmarks.sites import NIGHT_WEBSITES, SITES
from benchmarks.task import AT_ONCE

Metric = Literal["seconds", "cpu", "mib"]
UNITS: Mapping[Metric, str] = {"seconds": "s", "cpu": "CPU s", "mib": "MiB"}


@dataclass(frozen=True)
class Bar:
    """A limit: `metric` of the package at most `limit` times that of the others together, and so much more."""

    limit: float
    against: tuple[str, ...] = ()
    """Variants whose medians are added up; none: the limit is absolute."""
    metric: Metric = "seconds"
    more: float = 0.0
    """What is allowed beside the ratio, in the metric's unit."""
    given: float = 0.0
    """Seconds that nobody can save, counted with `against`: the latency bound."""
    also: str = ""
    """What `given` is."""
    websites: int = 1
    """By how many the package's cost is divided."""


@dataclass(frozen=True)
class Work:
    """Something to get done, and in how many ways."""

    name: str
    title: str
    endpoint: str
    site: str
    variants: tuple[str, ...]
    """The package's own is the first."""
    bars: tuple[Bar, ...]
    peers: tuple[str, ...] = ()
    compared: bool = True
    """Whether all variants must produce the same content."""
    rounds: tuple[int, int] = (7, 3)
    """At least so many, and in the quick benchmark."""
    slow: bool = False
    """Only in the full benchmark."""
    whole: bool = False
    """Whether whole processes are measured, from outside."""

    @property
    def ours(self) -> str:
        """The package's variant."""
        return self.variants[0]


def latency_bound() -> float:
    """What the calls of the backfill wait for the platform, so many at a time, if nothing else ever waits."""
    site, days = SITES["backfill-50ms"], 60
    calls = days * (3 + site.audiences + site.groups) + site.locations + 2
    return calls * site.latency / AT_ONCE


PEERS = ("peers.dlt.arrow", "peers.dlt.rest")
_BACKFILL_PEERS = ("peers.dlt.backfill_arrow", "peers.dlt.backfill_rest")
_FLOOR, _HAND, _OURS = "variants.floor", "variants.hand", "variants.design"
_AGAINST_PEERS = (Bar(0.6, ("peers.dlt.arrow",)), Bar(0.15, ("peers.dlt.rest",)))

_REPLAY, _TRIVIAL = "variants.backfill_replay", "command.trivial"

WHOLES = (
    Work(
        "command-sales",
        "one partition of five rows, by command",
        "sales",
        "sales",
        ("command.partition", _TRIVIAL),
        (Bar(1.3, (_TRIVIAL,)), Bar(1.3, (_TRIVIAL,), metric="cpu")),
        compared=False,
        whole=True,
    ),
    Work(
        "command-visitors-1m",
        "one partition of 1,000,000 hashes, by command",
        "visitors",
        "visitors-1m",
        ("command.partition", _HAND, _TRIVIAL),
        (Bar(1, (_TRIVIAL,), metric="mib", more=64),),
        compared=False,
        whole=True,
    ),
    Work(
        "command-captures",
        "60 days of one website's look-back assets at 20 ms, by command",
        "all",
        "backfill-20ms",
        ("command.captures", _REPLAY),
        (Bar(0.7, _BACKFILL_PEERS[:1]),),
        _BACKFILL_PEERS,
        compared=False,
        rounds=(7, 1),
        whole=True,
    ),
    Work(
        "command-backfill",
        "the same with the derived assets",
        "all",
        "backfill-20ms",
        ("command.everything", _REPLAY),
        (Bar(1.5, (_REPLAY,), more=12),),
        compared=False,
        rounds=(7, 1),
        whole=True,
    ),
    Work(
        "command-night",
        f"a night of {NIGHT_WEBSITES} websites at 50 ms, by command",
        "all",
        "night-50ms",
        ("command.night",),
        (Bar(1.2, metric="cpu", websites=NIGHT_WEBSITES),),
        compared=False,
        whole=True,
    ),
    Work(
        "command-recency",
        "visitor_recency of 30 days × 500,000 hashes, by command",
        "visitor_recency",
        "visitors-500k",
        ("command.recency",),
        (Bar(10), Bar(500, metric="mib")),
        compared=False,
        slow=True,
        whole=True,
    ),
    Work(
        "export",
        "an export of 30 days × 1,000,000 hashes",
        "visitors",
        "visitors-1m",
        ("command.export", "command.bare_export"),
        (Bar(1.2, ("command.bare_export",)), Bar(1.2, ("command.bare_export",), metric="cpu")),
        compared=False,
        slow=True,
        whole=True,
    ),
)
"""What a user waits for."""

WORKS = (
    *WHOLES,
    Work(
        "visitors-1m",
        "visitors, 1,000,000 hashes",
        "visitors",
        "visitors-1m",
        (_OURS, "variants.wire", _FLOOR, _HAND),
        (Bar(1.9, (_FLOOR,)), Bar(0.6, (_HAND,)), Bar(64, metric="mib"), *_AGAINST_PEERS),
        PEERS,
    ),
    Work(
        "products-200k",
        "products, 200,000 objects",
        "products",
        "products-200k",
        (_OURS, "variants.wire", _FLOOR, _HAND),
        (Bar(1.3, (_FLOOR,)), Bar(0.5, (_HAND,)), Bar(120, metric="mib"), *_AGAINST_PEERS),
        PEERS,
    ),
    Work(
        "locations-100k",
        "locations, 100,000 objects",
        "locations",
        "locations-100k",
        (_OURS, "variants.wire", _FLOOR, _HAND),
        (Bar(1.4, (_FLOOR,)), *_AGAINST_PEERS),
        PEERS,
    ),
    Work(
        "visitors-10k",
        "visitors, 10,000 hashes: the common case",
        "visitors",
        "visitors-10k",
        (_OURS, "variants.light", "variants.light_synced", _FLOOR, _HAND),
        (Bar(1.2, ("variants.light",)), Bar(1.15, ("variants.light_synced",)), *_AGAINST_PEERS),
        PEERS,
        rounds=(21, 7),
    ),
    Work(
        "details-50ms",
        "1,000 location details, 50 ms latency, 32 at a time",
        "location_details",
        "details-1k-50ms",
        (_OURS, "variants.wire", _FLOOR),
        (Bar(1.10, ("variants.wire",)), Bar(0.6, ("peers.dlt.arrow",))),
        ("peers.dlt.arrow",),
    ),
    Work(
        "details-0ms",
        "1,000 location details, no latency",
        "location_details",
        "details-1k",
        (_OURS, _FLOOR, _HAND),
        (Bar(0.75, (_HAND,), metric="cpu"), Bar(0.6, ("peers.dlt.arrow",))),
        ("peers.dlt.arrow",),
    ),
    Work(
        "website",
        "the nine assets of one website through Dagster",
        "all",
        "website-50ms",
        ("variants.site_dagster", "variants.site_bare", "variants.site_works"),
        (Bar(1.3, ("variants.site_bare", "variants.site_works")),),
        compared=False,
    ),
    Work(
        "backfill",
        "60 days of one website's look-back assets",
        "all",
        "backfill-50ms",
        ("variants.backfill", "variants.backfill_floor"),
        (
            Bar(1.5, ("variants.backfill_floor",), more=3, given=latency_bound(), also="latency bound"),
            *(Bar(bar.limit, (peer,)) for bar, peer in zip(_AGAINST_PEERS, _BACKFILL_PEERS, strict=True)),
        ),
        _BACKFILL_PEERS,
        compared=False,
        rounds=(7, 1),
    ),
    Work(
        "details-100k",
        "100,000 location details, no latency: memory",
        "location_details",
        "details-100k",
        (_OURS,),
        (Bar(400, metric="mib"),),
        compared=False,
        rounds=(1, 1),
        slow=True,
    ),
)


OURS = frozenset(work.ours for work in WORKS)
"""The package's own variants."""


def site_of(work: Work, variant: str) -> str:
    """The website that a variant asks: a floor that is added to a latency bound has no latency of its own."""
    return "backfill" if variant == "variants.backfill_floor" else work.site
