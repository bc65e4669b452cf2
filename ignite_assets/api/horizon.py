"""Which dates the platform can be asked for, and when a day has closed. Pure, but for the clock it is given.

Source: the vendor's page, "Look-back Date": the window is at most 60 days, and a request beyond it is answered
for 30 days instead, without any error. So an older date is refused before anything is sent.
"""

import datetime as dt
from collections.abc import Callable
from dataclasses import dataclass, replace
from zoneinfo import ZoneInfo

from ignite_assets.api.endpoints import Endpoint
from ignite_assets.api.errors import DateRefusedError, LateAnswerError
from ignite_assets.api.table import Table

LOOK_BACK_DAYS = 60
"""The platform's longest look-back window."""


UTC = ZoneInfo("UTC")


def utc_now() -> dt.datetime:
    """The time, aware, in UTC."""
    return dt.datetime.now(dt.UTC)


@dataclass(frozen=True)
class Horizon:
    """The dates that can be captured, as seen from one time zone and one clock."""

    timezone: ZoneInfo = UTC
    now: Callable[[], dt.datetime] = utc_now

    def today(self) -> dt.date:
        """Today in the configured zone: the day that is still open."""
        return self.now().astimezone(self.timezone).date()

    def yesterday(self) -> dt.date:
        """The day that closed last in the configured zone."""
        return self.today() - dt.timedelta(days=1)

    def age(self, day: dt.date) -> int:
        """Days between a date and the later of today in the configured zone and in UTC.

        The platform doesn't document its own zone, so the stricter reckoning counts.
        """
        return (max(self.today(), self.now().astimezone(dt.UTC).date()) - day).days

    def oldest(self) -> dt.date:
        """The oldest date that the platform can be asked for."""
        return self.today() - dt.timedelta(days=LOOK_BACK_DAYS - self.age(self.today()))

    def refusal(self, table: Table, day: dt.date) -> DateRefusedError | None:
        """Why an asset can't be made for a date; None when it can. What is derived only needs a day that closed."""
        if day > self.yesterday():
            return DateRefusedError(
                f"{day} has not closed yet; the newest date is {self.yesterday()}", gist="not closed yet"
            )
        if table.history == "current_state" and day != self.yesterday():
            refusal = DateRefusedError(
                f"{table.name} only tells the present, and {day} is not the day that just closed "
                f"({self.yesterday()}): today's answer under a past date would be wrong",
                gist=f"{table.name} only tells the present",
            )
            refusal.advice = "leave it out for past dates: those of the group look_back can be captured"
            return refusal
        return None if table.history == "derived" else self.look_back_refusal(day)

    def look_back_refusal(self, day: dt.date) -> DateRefusedError | None:
        """Why the platform can't be asked for a look-back date; None when it can."""
        if self.age(day) <= LOOK_BACK_DAYS:
            return None
        return DateRefusedError(
            f"{day} is {self.age(day)} days back, beyond the platform's look-back window of {LOOK_BACK_DAYS} days: "
            f"it would silently answer for 30 days; the oldest date is {self.oldest()}",
            gist="beyond the look-back window",
        )

    def check_answer(self, endpoint: Endpoint, day: dt.date, answered: dt.datetime) -> None:
        """Raise `LateAnswerError` when an answer came at a time at which its date can't be asked for any more.

        It was asked for before midnight, and is of the day or the window after it, or may be.
        """
        if refusal := replace(self, now=lambda: answered).refusal(endpoint, day):
            moment = answered.astimezone(self.timezone)
            raise LateAnswerError(
                f"the answer came too late, at {moment:%Y-%m-%d %H:%M:%S}: {refusal}",
                gist=f"the answer came after midnight: {refusal.gist}",
            )

    def check(self, endpoint: Endpoint, day: dt.date) -> None:
        """Raise `DateRefusedError` when the endpoint can't be captured for a date."""
        if refusal := self.refusal(endpoint, day):
            raise refusal
