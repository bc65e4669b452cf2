"""Who visits when: pure functions of households and days.

A visit happens at a whole minute of a day (UTC) and shows from the next minute on, so that at midnight all of the
day before is there. Days are proleptic ordinals (`date.toordinal`). Caches belong to `world`.
"""

import datetime as dt
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from ignite_assets.sandbox.draws import Words, key_of, pair_words, words
from ignite_assets.sandbox.households import CYCLE_DAYS, Households, Mask

LOOK_BACK_DAYS = 60
"""The longest look-back window."""
DEFAULT_LOOK_BACK_DAYS = 30
MINUTES = 24 * 60

DayNumbers = npt.NDArray[np.int32]

_WEEKDAYS = np.array([0.9, 0.85, 0.9, 1.0, 1.15, 1.4, 0.8], dtype=np.float32)
"""Visits from Monday to Sunday, as shares of an average day."""
_HOURS = (3, 2, 1, 1, 1, 2, 3, 4, 5, 6, 7, 7, 8, 7, 6, 6, 7, 8, 9, 10, 11, 10, 8, 5)
_MINUTE_TABLE = np.repeat(np.arange(MINUTES, dtype=np.int32), np.repeat(_HOURS, 60))


def window_start(since: dt.date | None, now: dt.datetime) -> dt.date:
    """The first day of the window that the platform answers for: 30 days unless asked for at most 60."""
    today = now.astimezone(dt.UTC).date()
    oldest = today - dt.timedelta(days=LOOK_BACK_DAYS)
    return since if since and since >= oldest else today - dt.timedelta(days=DEFAULT_LOOK_BACK_DAYS)


def day_and_minute(now: dt.datetime) -> tuple[int, int]:
    """The ordinal of the day (UTC) and the minutes of it that have passed."""
    moment = now.astimezone(dt.UTC)
    return moment.date().toordinal(), moment.hour * 60 + moment.minute


def _draws(households: Households, days: DayNumbers, part: slice) -> Words:
    key = key_of(households.website.seed, households.website.key, "visits")
    return pair_words(words(key, days), households.rows[part])


def _minutes(draws: Words) -> DayNumbers:
    minutes: DayNumbers = _MINUTE_TABLE[(draws & np.uint64(0xFFFF)) % np.uint64(len(_MINUTE_TABLE))]
    return minutes


def _visited(households: Households, days: DayNumbers, part: slice, draws: Words) -> Mask:
    interested = (days + households.phases[part]) % CYCLE_DAYS < households.spans[part]
    # A household that comes once comes for sure: no weekday may lower its odds.
    rhythm = np.where(households.spans[part] == 1, np.float32(1), _WEEKDAYS[(days + 6) % 7])
    chance = (draws >> np.uint64(40)).astype(np.float32) / np.float32(1 << 24)
    return interested & (chance < households.odds[part] * rhythm)


def visitors_on(households: Households, day: int, before_minute: int = MINUTES) -> Mask:
    """Which households visited on a day, before a minute of it."""
    days, everyone = np.array([day], dtype=np.int32), slice(None)
    draws = _draws(households, days, everyone)
    visited = _visited(households, days, everyone, draws)
    return visited if before_minute >= MINUTES else visited & (_minutes(draws) < before_minute)


def last_days_before(households: Households, day: int) -> DayNumbers:
    """The last day, before `day`, on which each household was seen; 0 when not within the longest window."""
    last: DayNumbers = np.zeros(len(households.rows), dtype=np.int32)
    for earlier in range(day - LOOK_BACK_DAYS, day):
        last[visitors_on(households, earlier)] = earlier
    return last


@dataclass(frozen=True)
class Visit:
    """One session of a household: when (UTC), and a draw for what was looked at."""

    moment: dt.datetime
    drawn: int

    @property
    def page_count(self) -> int:
        """Pages viewed."""
        return 1 + self.drawn % 6


def visits_of(households: Households, row: int, now: dt.datetime) -> list[Visit]:
    """The visits of one household that the platform remembers at `now`, oldest first."""
    today, minute = day_and_minute(now)
    days = np.arange(today - CYCLE_DAYS + 1, today + 1, dtype=np.int32)
    part = slice(row, row + 1)
    draws = _draws(households, days, part)
    minutes = _minutes(draws)
    seen = _visited(households, days, part, draws) & ((days < today) | (minutes < minute))
    columns = (days[seen], minutes[seen], draws[seen] >> np.uint64(16))
    return [Visit(_moment(*visit), visit[2]) for visit in zip(*(column.tolist() for column in columns), strict=True)]


def _moment(day: int, minute: int, drawn: int) -> dt.datetime:
    start = dt.datetime.combine(dt.date.fromordinal(day), dt.time(tzinfo=dt.UTC))
    return start + dt.timedelta(minutes=minute, seconds=drawn % 60)


def as_text(moment: dt.datetime) -> str:
    """A moment as the platform writes it: UTC, milliseconds, `Z`."""
    return moment.astimezone(dt.UTC).strftime("%Y-%m-%dT%H:%M:%S.") + f"{moment.microsecond // 1000:03d}Z"
