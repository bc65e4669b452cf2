"""The Ignite platform, embedded: a made-up world, served on loopback from the same table.

    with SandboxServer(now=frozen(moment)) as server:
        site = server.websites[0]
        requests.get(f"{server.url}/api/visitors", {"token": site.token, "secret": site.secret})
        server.world.visitors(site, None, moment, "md5")  # the same, without HTTP

The contract:

* The world is a pure function of a website (seed, key, size) and a moment; only opt-outs are remembered.
* `date=D` answers what was last seen from D 00:00 UTC to the clock's moment, so that windows nest. Without a date,
  and more than 60 days back, it answers for 30 days, silently, as the platform does.
* People who opted out are in no answer of that website from then on.
* A row that a test adds to the table is served too, with made-up values.
* Every address is on a reserved domain; no name or address is anybody's.

Nothing here imports Dagster, and nothing outside tests, demo and command line imports this.
"""

from ignite_assets.sandbox.clock import Clock, frozen
from ignite_assets.sandbox.faults import Fault
from ignite_assets.sandbox.server import SandboxServer
from ignite_assets.sandbox.websites import DEMO_WEBSITES, SandboxWebsite, websites
from ignite_assets.sandbox.world import World

__all__ = [
    "DEMO_WEBSITES",
    "Clock",
    "Fault",
    "SandboxServer",
    "SandboxWebsite",
    "World",
    "frozen",
    "websites",
]
