"""What happens in which night. Pure, and the same for the same seed."""

import datetime as dt
import random
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal

Victim = Literal["worker", "daemon", "everything"]
Scene = Literal["down", "credentials", "no daemon", "ahead", "back"]

SCENES: Mapping[Scene, int] = {"back": 1, "credentials": 1, "no daemon": 2, "down": 2, "ahead": 3}
"""The scenes with the nights that each takes, the ones that a short soak has first."""
CALM_NIGHTS = 2
"""Nights at the end in which nothing happens, so that what is missing comes back."""
_KILLED_SHARE = 0.6
_VICTIMS: Sequence[Victim] = ("worker", "worker", "worker", "daemon", "everything")


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
    return [_endangered(night, draw) if n < days - CALM_NIGHTS else night for n, night in enumerate(nights)]


def _endangered(night: Night, draw: random.Random) -> Night:
    """The night with something killed in it, perhaps; those with a scene have enough of it."""
    victim = draw.choice(_VICTIMS) if draw.random() < _KILLED_SHARE else None
    healing = draw.choice(_VICTIMS) if draw.random() < _KILLED_SHARE else None
    return night if night.scene else replace(night, victim=victim, victim_of_healing=healing)


def _places(days: int) -> Iterator[tuple[int, Scene]]:
    """Where each scene begins: after a first night, with nights between them where there is room."""
    room = days - 1 - CALM_NIGHTS
    chosen: list[Scene] = []
    for scene, nights in SCENES.items():
        if nights + 1 <= room - sum(SCENES[each] + 1 for each in chosen):
            chosen.append(scene)
    free = room - sum(SCENES[scene] for scene in chosen)
    at = 1.0
    for scene in chosen:
        at += free / (len(chosen) + 1)
        yield int(at), scene
        at += SCENES[scene]
