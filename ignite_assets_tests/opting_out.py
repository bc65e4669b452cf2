"""Deals with a dropped file in a process of its own, and is killed between two batches, or not.

    python -m ignite_assets_tests.opting_out <website> <label> <moment>

`IGNITE_CONFIG` and `DAGSTER_HOME` say the rest. A moment is just before or just after each change of the ledger or
the inbox, and each call of the platform; at the so-manyth the process kills itself with SIGKILL; 0: at none.
"""

import functools
import os
import signal
import sys
from collections.abc import Callable
from typing import Any

import dagster as dg

from ignite_assets.api.client import IgniteClient
from ignite_assets.config import load_settings
from ignite_assets.dagster.automation import opt_out_job as opt_outs
from ignite_assets.dagster.build import build_defs
from ignite_assets.storage.store import Store


def _killed_at(moment: int) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    passed = [0]

    def count() -> None:
        passed[0] += 1
        if passed[0] == moment:
            os.kill(os.getpid(), signal.SIGKILL)

    def around(function: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(function)
        def counting(*args: Any, **options: Any) -> Any:
            count()
            answer = function(*args, **options)
            count()
            return answer

        return counting

    return around


def main() -> None:
    """Carry out what the command line says."""
    website, label, moment = sys.argv[1:]
    around = _killed_at(int(moment))
    for owner, name in ((Store, "put"), (Store, "move"), (Store, "delete"), (IgniteClient, "opt_out")):
        setattr(owner, name, around(getattr(owner, name)))
    job = build_defs(load_settings()).resolve_job_def(opt_outs.JOB)
    config = {"website": website, "label": label}
    with dg.DagsterInstance.get() as instance:
        result = job.execute_in_process(
            instance=instance,
            run_config={"ops": {opt_outs.OP: {"config": config}}},
            raise_on_error=False,
        )
    sys.exit(0 if result.success else 1)


if __name__ == "__main__":
    main()
