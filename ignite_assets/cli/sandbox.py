"""`ignite-assets sandbox`: the platform, embedded, on a loopback port, with a configuration that points to it."""

import contextlib
import datetime as dt
import os
import shlex
import signal
import subprocess
import sys
import threading
import tomllib
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Literal

import click

from ignite_assets.api.names import credential_variable
from ignite_assets.cli.command import STOPPING, Command

if TYPE_CHECKING:
    from ignite_assets.sandbox import Fault, SandboxServer


@click.command(cls=Command, short_help="Serve the platform, embedded, on loopback.")
@click.option("--port", type=click.IntRange(0, 65535), default=0, help="Loopback port. Default: a free one.")
@click.option("--folder", type=click.Path(path_type=Path), default=Path(".sandbox"), show_default=True,
              help="Folder of the configuration and its lake.")  # fmt: skip
@click.option("--websites", "count", type=click.IntRange(1), help="Number of made-up websites. Default: the demo's.")
@click.option(
    "--households",
    type=click.IntRange(1),
    default=500,
    show_default=True,
    help="Households of each.",
)
@click.option("--now", type=click.DateTime(["%Y-%m-%d", "%Y-%m-%dT%H:%M:%S"]), help="Fixed time of its clock (UTC).")
@click.option("--opt-outs", type=click.Path(path_type=Path, dir_okay=False), help="File in which opt-outs are kept.")
@click.option("--latency", type=click.FloatRange(0), default=0.0, help="Seconds before every answer.")
@click.option("--failing", type=click.FloatRange(0, 1), default=0.0, help="Share of calls answered with status 503.")
@click.option(
    "--regress", "regressions", multiple=True, metavar="NAME", help="Answer wrongly in this way; repeatable. See above."
)
@click.argument("command", nargs=-1, type=click.UNPROCESSED)
def sandbox(
    port: int,
    folder: Path,
    count: int | None,
    households: int,
    now: dt.datetime | None,
    opt_outs: Path | None,
    latency: float,
    failing: float,
    regressions: tuple[str, ...],
    command: tuple[str, ...],
) -> None:
    """Serve every endpoint of the platform on loopback, and print how to use it. Stop it with Ctrl-C.

    With a COMMAND, run it with the configuration and credentials in its environment, and stop when it ends.

    Ways to answer wrongly, to see what the checks say: other_window, other_people, one_list, clear_text, renamed,
    without_places, without_hashes, half_gone, not_found, emptied.

    \b
    Examples:
      ignite-assets sandbox
      ignite-assets sandbox -- ignite-assets materialize
      ignite-assets sandbox -- dagster dev -w workspace.yaml
    """
    from ignite_assets.api.horizon import utc_now
    from ignite_assets.sandbox import DEMO_WEBSITES, SandboxServer, frozen, websites

    served = websites(count, households) if count else DEMO_WEBSITES
    faults = _faults(latency, failing, regressions)
    clock = frozen(now.replace(tzinfo=dt.UTC)) if now else utc_now
    with SandboxServer(served, port=port, now=clock, opt_outs_file=opt_outs) as server:
        server.faults.add(*faults)
        environment = write_configuration(server, folder)
        if command:
            raise SystemExit(_run(command, environment))
        _announce(server, environment)
        with contextlib.suppress(KeyboardInterrupt):  # Ctrl-C, or a signal that ends every command as Ctrl-C does
            threading.Event().wait()


def _faults(latency: float, failing: float, regressions: tuple[str, ...]) -> "list[Fault]":
    from ignite_assets.sandbox import Fault
    from ignite_assets.sandbox.regressions import REGRESSIONS

    if unknown := sorted(set(regressions) - REGRESSIONS.keys()):
        raise click.UsageError(f"--regress {', '.join(unknown)}: there are {', '.join(REGRESSIONS)}")
    delays = [Fault(delay=latency)] if latency else []
    failures = [Fault(status=503, probability=failing)] if failing else []
    wrong = [Fault(endpoint=each, regress=name) for name in regressions for each in REGRESSIONS[name].endpoints]
    return [*delays, *failures, *wrong]


def _run(command: tuple[str, ...], environment: dict[str, str]) -> int:
    """Run the command with those variables added, handing signals on to it; its exit status as shells tell it."""
    with subprocess.Popen(command, env={**os.environ, **environment}) as process:  # noqa: S603 - the user's own

        def hand_on(number: int, _frame: FrameType | None) -> None:
            if number not in (signal.SIGINT, signal.SIGQUIT) or not sys.stdin.isatty():  # a terminal tells both
                process.send_signal(number)

        before = {number: signal.signal(number, hand_on) for number in (signal.SIGINT, *STOPPING)}
        try:
            status = process.wait()
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)
    return status if status >= 0 else 128 - status


def _announce(server: "SandboxServer", environment: dict[str, str]) -> None:
    click.echo(f"The sandbox serves the platform at {server.url}\n")
    for website in server.websites:
        click.echo(f"  {website.key}  token {website.token}  secret {website.secret}  {website.households} households")
    click.echo("\nTo use it from another terminal:\n")
    for name, value in environment.items():
        click.echo(f"  export {name}={shlex.quote(value)}")
    click.echo("  ignite-assets materialize\n\nStop it with Ctrl-C.")


def write_configuration(server: "SandboxServer", folder: Path) -> dict[str, str]:
    """Write an `ignite.toml` for a running sandbox; the environment variables that make it work.

    The folder is for its owner's eyes. A start date that it had before is kept: partitions must not move.
    """
    from ignite_assets.dagster.instance import HOME_VARIABLE, prepare_home

    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    path = folder.absolute() / "ignite.toml"
    path.write_text(_toml(server, _start_date(path, server.now().date())))
    environment = {"IGNITE_CONFIG": str(path)}
    if not os.environ.get(HOME_VARIABLE):
        environment[HOME_VARIABLE] = str(prepare_home(folder.absolute() / "dagster_home"))
    for website in server.websites:
        environment[_variable(website.key, "token")] = website.token
        environment[_variable(website.key, "secret")] = website.secret
    return environment


def _start_date(path: Path, today: dt.date) -> dt.date:
    try:
        known = tomllib.loads(path.read_text())["partitions"]["start_date"]
        return known if isinstance(known, dt.date) else dt.date.fromisoformat(known)
    except (OSError, ValueError, KeyError, TypeError):
        return today - dt.timedelta(days=60)


_EXPORTS = """
[[exports]]
name = "used-shoppers-meta"
source = "audiences"
match = { primary_category = ["USED"] }
window_days = 3
destination = "meta_custom_audience"
to = "exports"

[opt_outs]
inbox = "opt-outs"
"""


def _toml(server: "SandboxServer", start: dt.date) -> str:
    lines = [
        "[platform]",
        f'base_url = "{server.url}"',
        "[partitions]",
        f'start_date = "{start}"',
        "[storage]",
        'root = "lake"',
    ]
    for website in server.websites:
        lines += [
            f'[websites."{website.key}"]',
            f'token_env = "{_variable(website.key, "token")}"',
            f'secret_env = "{_variable(website.key, "secret")}"',
        ]
    return "\n".join(lines) + _EXPORTS


def _variable(website: str, kind: Literal["token", "secret"]) -> str:
    return f"SANDBOX_{credential_variable(website, kind)}"
