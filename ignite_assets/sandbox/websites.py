"""The websites of a sandbox and their credentials. What happens on them belongs to `world`."""

import re
from collections.abc import Sequence
from dataclasses import dataclass, field

from ignite_assets.sandbox.draws import key_of

DEFAULT_SEED = 2020
_KEY = re.compile(r"[a-z0-9](?:[a-z0-9._-]*[a-z0-9])?")


@dataclass(frozen=True)
class SandboxWebsite:
    """One website: how many households know it, and the credentials that open it.

    Token and secret follow from seed and key unless given. Equal seed, key and size: an equal world.
    """

    key: str
    households: int = 500
    token: str = field(default="", repr=False)
    secret: str = field(default="", repr=False)
    seed: int = DEFAULT_SEED

    def __post_init__(self) -> None:
        """Check the key and fill in the credentials."""
        if not _KEY.fullmatch(self.key) or self.households < 0:
            raise ValueError(f"not a website: key {self.key!r}, {self.households} households")
        for name in ("token", "secret"):
            if not getattr(self, name):
                object.__setattr__(self, name, f"sandbox-{name}-{key_of(self.seed, self.key, name):016x}")


def websites(count: int, households: int = 500) -> tuple[SandboxWebsite, ...]:
    """`count` websites of one size, named `dealer-001` and on."""
    return tuple(SandboxWebsite(f"dealer-{number:03d}", households) for number in range(1, count + 1))


def distinct(given: Sequence[SandboxWebsite]) -> tuple[SandboxWebsite, ...]:
    """The websites, provided that no two share a key or a token: the token tells the website."""
    for names in ([site.key for site in given], [site.token for site in given]):
        if len(set(names)) != len(names):
            raise ValueError("two websites of one sandbox share a key or a token")
    return tuple(given)


DEMO_WEBSITES = (
    SandboxWebsite("acme-honda", 450),
    SandboxWebsite("bayside-kia", 300),
    SandboxWebsite("summit-ford", 800),
)
"""The three demo dealers: a few hundred households each, so that a night takes seconds."""
