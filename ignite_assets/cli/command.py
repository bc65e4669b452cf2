"""What every command shares: `--debug`, errors as one readable line, and an end without a traceback when stopped."""

import contextlib
import io
import os
import signal
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from ignite_assets.config import Settings


class Command(click.Command):
    """A command that takes `--debug`, and without it shows errors as a line rather than a traceback.

    Exit status 2 for a wrong configuration, 1 for any other error; 130 when Ctrl-C stopped it, and 129, 131 and 143
    when SIGHUP, SIGQUIT and SIGTERM did.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.params.append(
            click.Option(["--debug"], is_flag=True, expose_value=False, is_eager=True, help="Show tracebacks.")
        )

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command."""
        from ignite_assets.api.errors import ConfigurationError, IgniteError

        _with_streams_for_any_text()
        try:
            with _stopped_as_by_ctrl_c():
                return super().invoke(ctx)
        except (click.ClickException, click.exceptions.Exit, click.Abort, BrokenPipeError):
            raise
        except KeyboardInterrupt as interrupt:
            click.echo("Interrupted.", err=True)
            raise SystemExit(128 + (interrupt.args[0] if interrupt.args else signal.SIGINT)) from None
        except Exception as error:
            if ctx.get_parameter_source("debug") == click.core.ParameterSource.COMMANDLINE:
                raise
            told = str(error) if isinstance(error, IgniteError | OSError) else f"{type(error).__name__}: {error}"
            advice = f"; {error.advice}" if isinstance(error, IgniteError) and error.advice else ""
            click.echo(f"Error: {told}{advice}", err=True)
            raise SystemExit(2 if isinstance(error, ConfigurationError) else 1) from None


def project_settings() -> "Settings":
    """The settings of the project that a command is run in; warns of a file of credentials that others can read."""
    from ignite_assets.config import load_settings
    from ignite_assets.config.environment import is_open_to_others

    settings = load_settings()
    if is_open_to_others(settings.env_file):
        click.echo(f"warning: other users can read {settings.env_file}: chmod 600 {settings.env_file}", err=True)
    return settings


def _with_streams_for_any_text() -> None:
    """Let a terminal that can't show a character show `?`, and a closed standard input be an empty one."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper) and stream.errors == "strict":
            stream.reconfigure(errors="replace")
    if sys.stdin is None:
        sys.stdin = Path(os.devnull).open(encoding="utf-8")  # noqa: SIM115 - for as long as the process lives


STOPPING = (signal.SIGHUP, signal.SIGQUIT, signal.SIGTERM)
"""The signals, beside Ctrl-C, that ask a process to end."""


@contextlib.contextmanager
def _stopped_as_by_ctrl_c() -> Iterator[None]:
    """Have the signals that ask a process to end raise `KeyboardInterrupt`, with their number.

    One that is ignored stays so: `nohup` lets a command outlive its terminal.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def stop(number: int, _frame: FrameType | None) -> None:
        raise KeyboardInterrupt(number)

    before, hook = {number: signal.getsignal(number) for number in STOPPING}, sys.unraisablehook
    for number, handler in before.items():
        if handler != signal.SIG_IGN:
            signal.signal(number, stop)
    sys.unraisablehook = deliver_again
    try:
        yield
    finally:
        sys.unraisablehook = hook
        for number, handler in before.items():
            signal.signal(number, handler)


def deliver_again(lost: "sys.UnraisableHookArgs") -> None:
    """Send a signal once more whose exception was raised in a destructor: Python drops it there, and goes on."""
    interrupt = lost.exc_value
    if interrupt is None or isinstance(interrupt, Exception | SystemExit | GeneratorExit):
        sys.__unraisablehook__(lost)
        return
    default = signal.SIGINT if isinstance(interrupt, KeyboardInterrupt) else signal.SIGTERM  # Dagster's own, in a run
    number = next(iter(interrupt.args), default) if isinstance(interrupt, KeyboardInterrupt) else default
    # By a thread, and a little later: sent from here, it would be dropped once more.
    threading.Timer(0.05, os.kill, (os.getpid(), number)).start()
