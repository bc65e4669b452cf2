"""The sensors: thin shells over `alerts`. Each looks through finished runs with a cursor of its own."""

import time
from collections.abc import Callable, Sequence

import dagster as dg

from ignite_assets.api.errors import ConfigurationError
from ignite_assets.config import Settings
from ignite_assets.dagster.automation import alerts
from ignite_assets.dagster.automation.daily import sensor_status
from ignite_assets.dagster.automation.webhook import NotDeliveredError, post, webhook_url
from ignite_assets.dagster.keys import PLAIN, AssetKeys

_SECONDS_A_TICK = 20
"""Dagster ends a tick after a minute and forgets its cursor, and so what was delivered; a delivery may take 20 s."""

_EVERY_MINUTE = "Every minute: posts one message for each website and night about {}."


def build_sensors(
    settings: Settings, keys: AssetKeys = PLAIN, *, now: Callable[[], float] = time.time
) -> list[dg.SensorDefinition]:
    """The alerts, when the configuration names a webhook for them. `now` tells seconds since 1970."""
    if settings.alerts.webhook_env is None:
        return []
    ours, named = alerts.Ours(settings, keys), settings.dagster.named
    failures = _Alert(ours, settings.alerts.webhook_env, "did not land", alerts.failed_partitions, now)
    checks = _Alert(ours, settings.alerts.webhook_env, "checks failed", alerts.failed_checks, now)
    return [
        _sensor(
            settings, named("run_failure_alert_sensor"), _EVERY_MINUTE.format("partitions that did not land"), failures
        ),
        _sensor(settings, named("failed_check_alert_sensor"), _EVERY_MINUTE.format("checks that failed"), checks),
    ]


def _sensor(settings: Settings, name: str, description: str, alert: "_Alert") -> dg.SensorDefinition:
    @dg.sensor(
        name=name,
        description=description,
        minimum_interval_seconds=60,
        default_status=sensor_status(settings),
    )
    def look(context: dg.SensorEvaluationContext) -> dg.SensorResult:
        said, cursor = alert.tick(context.instance, context.cursor)
        return dg.SensorResult(skip_reason=said, cursor=cursor.text())

    return look


class _Alert:
    """What one sensor tells, and to whom."""

    def __init__(
        self, ours: alerts.Ours, variable: str, headline: str, collect: alerts.Collect, now: Callable[[], float]
    ) -> None:
        self._ours, self._variable = ours, variable
        self._headline, self._collect, self._now = headline, collect, now

    def tick(self, instance: dg.DagsterInstance, text: str | None) -> tuple[str, alerts.Cursor]:
        """What one look led to, in words, and where the next begins."""
        now = self._now()
        cursor = alerts.Cursor.read(text)
        if cursor is None:
            return "starts now: runs that ended before are not reported", alerts.Cursor.first(instance, now)
        try:
            url = webhook_url(self._variable, self._ours.settings.env_file)
        except ConfigurationError as error:
            return f"nothing can be sent: {error.mistakes[0]}", cursor
        if now < cursor.not_before:
            return f"delivery is tried again in {cursor.not_before - now:.0f} s, after {cursor.failures} failed", cursor
        return self._deliver(instance, cursor, url)

    def _deliver(self, instance: dg.DagsterInstance, cursor: alerts.Cursor, url: str) -> tuple[str, alerts.Cursor]:
        began = self._now()
        records = alerts.finished(instance, cursor)
        due = self._due(instance, records, cursor)
        for count, message in enumerate(due):
            if self._now() - began > _SECONDS_A_TICK:
                return f"{count} of {len(due)} messages delivered, the others follow", cursor
            try:
                post(url, message.text(self._headline, self._ours.settings.alerts.dagster_url))
            except NotDeliveredError as error:
                return f"{count} of {len(due)} messages delivered: {error}", cursor.refused(self._now())
            cursor = cursor.delivered(message, self._now())
        return self._recover(instance, cursor.past(records), url, f"{len(due)} messages delivered")

    def _recover(
        self, instance: dg.DagsterInstance, cursor: alerts.Cursor, url: str, said: str
    ) -> tuple[str, alerts.Cursor]:
        """Tell of websites whose missing partitions have landed since."""
        for website, text in alerts.recovered(instance, cursor, self._ours, self._now()):
            try:
                if text:
                    post(url, text)
            except NotDeliveredError as error:
                return f"{said}, {website} has recovered: {error}", cursor.refused(self._now())
            cursor = cursor.recovered(website)
        return said, cursor

    def _due(
        self, instance: dg.DagsterInstance, records: Sequence[dg.RunRecord], cursor: alerts.Cursor
    ) -> list[alerts.Message]:
        found = alerts.messages(instance, records, self._collect, self._ours)
        return [message for message in found if message.key not in cursor.said]
