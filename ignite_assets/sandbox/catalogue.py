"""What a website's visitors can be interested in: its brands, its audiences and its audience groups.

Pure functions of the website. Who belongs to an audience is `households`' matter, how many `world`'s.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import accumulate

from ignite_assets.sandbox.draws import Draw
from ignite_assets.sandbox.websites import SandboxWebsite

MODELS = {
    "HONDA": ("ACCORD", "CIVIC", "CR-V", "HR-V", "PILOT", "ODYSSEY"),
    "KIA": ("SPORTAGE", "SORENTO", "TELLURIDE", "FORTE", "RIO5", "SOUL"),
    "FORD": ("F-150", "ESCAPE", "EXPLORER", "BRONCO", "MUSTANG", "EDGE"),
    "TOYOTA": ("CAMRY", "COROLLA", "RAV4", "HIGHLANDER", "TACOMA", "PRIUS"),
    "MERCEDES-BENZ": ("C-CLASS", "E-CLASS", "GLC", "GLE", "A-CLASS", "GLA"),
    "SUBARU": ("OUTBACK", "FORESTER", "CROSSTREK", "IMPREZA", "ASCENT", "LEGACY"),
}


@dataclass(frozen=True)
class Audience:
    """Visitors with one interest; a service audience has no model."""

    id: int
    primary_category: str
    brand: str
    model: str | None


@dataclass(frozen=True)
class AudienceGroup:
    """A custom union of audiences: those that pass all three filters; an empty filter lets any pass."""

    id: int
    label: str
    primary_categories: tuple[str, ...] = ()
    brands: tuple[str, ...] = ()
    models: tuple[str, ...] = ()

    def holds(self, audience: Audience) -> bool:
        """Whether the group holds that audience."""
        filters = (self.primary_categories, self.brands, self.models)
        values = (audience.primary_category, audience.brand, audience.model)
        return all(not allowed or value in allowed for allowed, value in zip(filters, values, strict=True))


def brands_of(website: SandboxWebsite) -> tuple[str, str, str]:
    """The brand that the website sells new (named in its key, or drawn), and two that it has used."""
    draw = Draw(website.seed, website.key, "brands")
    named = [brand for brand in MODELS if brand.lower() in website.key]
    own = named[0] if named else draw.pick("own", sorted(MODELS))
    others = sorted(set(MODELS) - {own}, key=lambda brand: draw.below(brand, 1 << 32))
    return own, others[0], others[1]


def _interests(website: SandboxWebsite) -> list[tuple[str, str, str | None]]:
    own, second, third = brands_of(website)
    interests: list[tuple[str, str, str | None]] = []
    for new, used in zip(MODELS[own][:5], MODELS[own][1:6], strict=True):
        interests += [("NEW", own, new), ("USED", own, used)]
    interests.insert(2, ("SERVICE", own, None))
    interests += [("USED", brand, model) for brand in (second, third) for model in MODELS[brand][:2]]
    return interests


def _ids(draw: Draw, count: int, first: int, gap: int) -> list[int]:
    return list(accumulate([1 + draw.below(f"gap {place}", gap) for place in range(count)], initial=first))[1:]


@lru_cache(maxsize=1024)
def audiences_of(website: SandboxWebsite) -> tuple[Audience, ...]:
    """The website's audiences, most popular first; ids rise."""
    draw = Draw(website.seed, website.key, "audiences")
    interests = _interests(website)
    ids = _ids(draw, len(interests), 1000 + draw.below("first", 20_000), 400)
    return tuple(Audience(number, *interest) for number, interest in zip(ids, interests, strict=True))


@lru_cache(maxsize=1024)
def groups_of(website: SandboxWebsite) -> tuple[AudienceGroup, ...]:
    """The website's audience groups; ids rise."""
    draw = Draw(website.seed, website.key, "groups")
    own, second, third = brands_of(website)
    ids = _ids(draw, 5, 10 + draw.below("first", 50), 9)
    return (
        AudienceGroup(ids[0], "Used Model Visitors", primary_categories=("USED",)),
        AudienceGroup(ids[1], f"New {own.title()} Shoppers", primary_categories=("NEW",), brands=(own,)),
        AudienceGroup(ids[2], "Conquest", brands=(second, third)),
        AudienceGroup(ids[3], "Two Favourites", primary_categories=("NEW", "USED"), models=MODELS[own][:2]),
        AudienceGroup(ids[4], "Everyone"),
    )


def places_of(audiences: Sequence[Audience], group: AudienceGroup) -> list[int]:
    """Where the audiences of a group stand among all audiences."""
    return [place for place, audience in enumerate(audiences) if group.holds(audience)]
