"""What happens in which night. Pure, and the same for the same seed."""

import datetime as dt
import itertools
import random
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal

Victim = Literal["worker", "daemon", "everything", "run"]
"""What ends: killed with its process group, or, a run, terminated as in the UI."""
Scene = Literal["midnight", "command", "sick", "down", "credentials", "no daemon", "ahead", "back"]

SCENES: Mapping[Scene, int] = {
    "back": 1,
    "midnight": 1,
    "command": 1,
    "sick": 1,
    "credentials": 1,
    "no daemon": 2,
    "down": 2,
    "ahead": 3,
}
"""The scenes with the nights that each takes, the ones that a short soak has first."""
CALM_NIGHTS = 2
"""Nights at the end in which nothing happens, so that what is missing comes back."""
_AGAIN: Sequence[Scene | None] = ("sick", "sick", "sick", "midnight", "command", None, None, None)
"""What the other nights draw from."""
_KILLED_SHARE, _LATE_SHARE = 0.6, 0.3
_VICTIMS: Sequence[Victim] = ("worker", "worker", "run", "run", "daemon", "everything")

_PEOPLE = ("visitors", "audience_members", "audience_group_members")
SICKNESSES: Mapping[str, Sequence[str]] = {
    "other_people": _PEOPLE,
    "other_window": (*_PEOPLE, "locations"),
    "emptied": (*_PEOPLE, "products", "locations", "audiences", "audience_groups", "sales"),
    "clear_text": (*_PEOPLE, "location_details"),
    "one_list": ("audience_members", "audience_group_members"),
    "half_gone": ("audiences", "audience_groups", "products"),
    "not_found": ("location_details", "audience_members", "audience_group_members"),
    "without_hashes": ("location_details",),
    "without_places": ("locations",),
    "renamed": ("products",),
}
"""How the platform regresses (`sandbox.regressions`), and the endpoints that do."""


@dataclass(frozen=True)
class Night:
    """The night that follows a day, and what is wrong with it."""

    day: dt.date
    scene: Scene | None = None
    part: int = 0
    """Which night of its scene this is."""
    victim: Victim | None = None
    """What is killed while the nightly runs are under way."""
    victim_of_healing: Victim | None = None
    """What is killed while the healer's runs are under way."""
    sickness: str | None = None
    """One of `SICKNESSES`."""
    is_late: bool = False
    """Whether the operator captures again what is doubted the next night only."""

    @property
    def attended(self) -> bool:
        """Whether there is a daemon, and a night at all: the clock may have jumped over it."""
        return not (self.scene == "no daemon" or (self.scene == "ahead" and self.part < SCENES["ahead"] - 1))


def plan(first: dt.date, days: int, seed: int) -> list[Night]:
    """The nights of as many days, the scenes spread evenly among them and plugs pulled at random."""
    draw = random.Random(seed)  # noqa: S311 - chance that can be repeated, not secrecy
    nights = [Night(first + dt.timedelta(days=n)) for n in range(days)]
    for start, scene in _places(days):
        for part in range(SCENES[scene]):
            nights[start + part] = replace(nights[start + part], scene=scene, part=part)
    endangered = [_endangered(night, draw, first=not n) for n, night in enumerate(nights[: days - CALM_NIGHTS])]
    return [*_sickened(endangered, draw), *nights[len(endangered) :]]


def _endangered(night: Night, draw: random.Random, *, first: bool) -> Night:
    """The night with a further scene, or with something that ends; the other scenes have enough of it."""
    again = draw.choice(_AGAIN)
    victims = [draw.choice(_VICTIMS) if draw.random() < _KILLED_SHARE else None for _ in range(2)]
    if night.scene == "back":  # the healer has everything to do
        return replace(night, victim_of_healing="run")
    if night.scene or first:
        return night
    return replace(night, scene=again) if again else replace(night, victim=victims[0], victim_of_healing=victims[1])


def _sickened(nights: Sequence[Night], draw: random.Random) -> Iterator[Night]:
    """The nights, each sick one with what ails the platform: all of it in turn."""
    ways = itertools.cycle(SICKNESSES)
    for night in nights:
        sick = night.scene == "sick"
        yield replace(night, sickness=next(ways), is_late=draw.random() < _LATE_SHARE) if sick else night


def _places(days: int) -> Iterator[tuple[int, Scene]]:
    """Where each scene begins: after a first night, with nights between them where there is room."""
    room = days - 1 - CALM_NIGHTS
    chosen: list[Scene] = []
    for scene, nights in SCENES.items():
        if nights <= room - sum(SCENES[each] for each in chosen):
            chosen.append(scene)
    free = room - sum(SCENES[scene] for scene in chosen)
    at = 1.0
    for scene in chosen:
        at += free / (len(chosen) + 1)
        yield int(at), scene
        at += SCENES[scene]
