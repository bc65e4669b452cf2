"""The executors that `dagster.executor` names: what executes the steps of a run. Dagster's own, none of ours.

To add one, add a row, and its name to the setting.
"""

from collections.abc import Callable, Mapping

import dagster as dg

from ignite_assets.api.errors import ConfigurationError
from ignite_assets.config import Settings


def configured_executor(settings: Settings) -> dg.ExecutorDefinition:
    """The executor of the settings. Raises `ConfigurationError` when the package that brings it is not installed."""
    name = settings.dagster.executor
    try:
        return EXECUTORS[name](settings)
    except ImportError:
        mistake = f'dagster.executor: "{name}" needs more packages: pip install "ignite_assets[{name}]"'
        raise ConfigurationError(str(settings.path), [mistake]) from None


def _celery(settings: Settings) -> dg.ExecutorDefinition:
    from dagster_celery import celery_executor

    url = {"env": settings.dagster.broker_env}  # the name, so that no record of a run holds the password
    return celery_executor.configured({"broker": url, "backend": url})


def _k8s(_: Settings) -> dg.ExecutorDefinition:
    from dagster_k8s import k8s_job_executor

    return k8s_job_executor  # image, memory and variables are the run launcher's


EXECUTORS: Mapping[str, Callable[[Settings], dg.ExecutorDefinition]] = {
    "in_process": lambda _: dg.in_process_executor,
    "multiprocess": lambda _: dg.multiprocess_executor,
    "celery": _celery,
    "k8s": _k8s,
}
"""The executors by the name that `dagster.executor` has for them."""
