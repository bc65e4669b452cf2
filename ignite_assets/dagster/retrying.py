"""Other tries of a step, which somebody who stops the run ends as well.

Dagster's own `retry_policy` takes a stop for one more failure to try again after, and its wait between two tries hears
of none. So a step asks for its next try itself, and waits for it at that try's beginning.
"""

import contextlib
import time
from collections.abc import Iterator

import dagster as dg

Context = dg.AssetExecutionContext | dg.OpExecutionContext


@contextlib.contextmanager
def retrying(context: Context, policy: dg.RetryPolicy | None) -> Iterator[None]:
    """Have a step tried again as the policy says, for what another try may help; no policy, no other try.

    A stop ends the step and the run, in the middle of a wait too. Failures with `allow_retries=False` are final.
    """
    if policy is None:
        yield
        return
    if context.retry_number:
        _wait(context, policy)
    try:
        yield
    except (dg.RetryRequested, dg.DagsterError):
        raise
    except Exception as error:
        if isinstance(error, dg.Failure) and not error.allow_retries:
            raise
        raise dg.RetryRequested(max_retries=policy.max_retries) from error


def _wait(context: Context, policy: dg.RetryPolicy) -> None:
    """Return when the policy's wait, counted from the last try's end, is over. Other steps may have run meanwhile."""
    step = context.op_execution_context if isinstance(context, dg.AssetExecutionContext) else context
    events = context.instance.all_logs(context.run.run_id, of_type=dg.DagsterEventType.STEP_UP_FOR_RETRY)
    ended = [event.timestamp for event in events if event.step_key == str(step.op_handle)]
    delay = policy.calculate_delay(context.retry_number)
    time.sleep(min(delay, max(0.0, max(ended, default=time.time()) + delay - time.time())))
