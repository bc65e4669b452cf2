"""What a configuration allows and nobody means: a start in the future, credentials that are used twice."""

from collections.abc import Iterator
from itertools import combinations

from ignite_assets.api.horizon import Horizon
from ignite_assets.config.models import Settings


def doubts(settings: Settings) -> Iterator[str]:
    """A line for each, with names of variables, never a value."""
    start, today = settings.partitions.start_date, Horizon(settings.partitions.zone).today()
    if start >= today:
        yield f"partitions.start_date: {start} has not closed yet: nothing can be captured before the day after it"
    for key, website in settings.websites.items():
        if same := _same(settings, website.token_env, website.secret_env):
            yield f"{key}: token and secret are one: {same}"
    for (one, first), (other, second) in combinations(settings.websites.items(), 2):
        if same := _same(settings, first.token_env, second.token_env):
            yield f"{one} and {other} have one token, so the same data would land twice: {same}"


def _same(settings: Settings, one: str, other: str) -> str:
    """How two variables are the same; empty when they differ."""
    if one == other:
        return f"both are read from {one}"
    value = settings.variable(one)
    return f"{one} and {other} hold the same value" if value and value == settings.variable(other) else ""
