"""Schedules that start a job once a day in the configured time zone.

Where `schedule.enabled` is false, no schedule and no sensor is on until somebody switches it on.
"""

import datetime as dt
from collections.abc import Callable, Iterator
from typing import Any

import dagster as dg

from ignite_assets.config import Settings

Requests = Iterator[dg.RunRequest | dg.SkipReason]
Evaluate = Callable[[dg.ScheduleEvaluationContext], Requests]


def sensor_status(settings: Settings) -> dg.DefaultSensorStatus:
    """Whether sensors are on when the code is first deployed."""
    return dg.DefaultSensorStatus.RUNNING if settings.schedule.enabled else dg.DefaultSensorStatus.STOPPED


def daily_schedule(
    settings: Settings, name: str, job: Any, at: dt.time, description: str, evaluate: Evaluate | None = None
) -> dg.ScheduleDefinition:
    """A schedule that starts the job's runs every day at a time; one run of it without `evaluate`."""
    enabled = settings.schedule.enabled
    how: dict[str, Any] = {
        "name": name,
        "job": job,
        "cron_schedule": f"{at.minute} {at.hour} * * *",
        "execution_timezone": settings.partitions.timezone,
        "default_status": dg.DefaultScheduleStatus.RUNNING if enabled else dg.DefaultScheduleStatus.STOPPED,
        "description": description,
    }
    return dg.schedule(**how)(evaluate) if evaluate else dg.ScheduleDefinition(**how)


def night_of(context: dg.ScheduleEvaluationContext, settings: Settings) -> dt.date:
    """The date that a tick is of, in the configured time zone."""
    return context.scheduled_execution_time.astimezone(settings.partitions.zone).date()


def for_closed_day(settings: Settings, requests: Callable[[dt.date], Requests]) -> Evaluate:
    """The requests for the day that closed before a tick; none for a day before the first partition."""

    def evaluate(context: dg.ScheduleEvaluationContext) -> Requests:
        day = night_of(context, settings) - dt.timedelta(days=1)
        if day < settings.partitions.start_date:
            yield dg.SkipReason(f"{day} is before the start date, {settings.partitions.start_date}")
        else:
            yield from requests(day)

    return evaluate
