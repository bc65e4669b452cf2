"""The sandbox's clocks: what a moment is to the world. Each answers an aware moment."""

import datetime as dt
from collections.abc import Callable

Clock = Callable[[], dt.datetime]


def frozen(moment: dt.datetime) -> Clock:
    """A clock that stands still at a moment, which must be aware of its zone."""
    if moment.tzinfo is None:
        raise ValueError("the moment has no time zone")
    return lambda: moment
