"""`python -m soak`: run one, print its report; exit status 0 when everything was proved."""

import signal
from pathlib import Path
from types import FrameType

import click

from soak.driver import Options, Report, Soak


@click.command()
@click.option("--days", default=Options.days, show_default=True, help="Simulated days.")
@click.option("--websites", default=Options.websites, show_default=True, help="Websites of the sandbox.")
@click.option("--households", default=Options.households, show_default=True, help="Households of each website.")
@click.option("--history", default=Options.history, show_default=True, help="Days before the first night.")
@click.option("--trouble", default=Options.trouble, show_default=True, help="Share of calls that go wrong.")
@click.option("--seed", default=Options.seed, show_default=True, help="What chance starts from.")
@click.option("--seconds", default=Options.seconds, show_default=True, help="The longest that it may take.")
@click.option("--folder", default=".soak", show_default=True, type=click.Path(path_type=Path), help="Emptied first.")
def main(**options: object) -> None:
    """Run simulated nights against the sandbox with faults, kills and clock jumps; then prove the lake right."""
    signal.signal(signal.SIGTERM, _stop)
    report = Soak(Options(**options), click.echo).run()  # type: ignore[arg-type]
    click.echo(summary(report))
    raise SystemExit(bool(report.proof.problems))


def _stop(number: int, _frame: FrameType | None) -> None:
    """End as usual, so that the processes are ended too."""
    raise SystemExit(128 + number)


def summary(report: Report) -> str:
    """The report in words."""
    proof = report.proof
    lines = [
        "",
        f"nights      {report.nights}, {report.unattended} of them without anybody; {report.jumps} clock jumps",
        f"midnights   {report.midnights} came while a run waited for answers",
        f"sick        {sum(report.sick.values())} nights: {_counts(report.sick)}",
        f"runs        {sum(report.runs.values())}: {_counts(report.runs)}",
        f"kills       {sum(report.kills.values())}: {_counts(report.kills)}",
        f"requests    {report.requests}, the oldest date {report.oldest_asked} days back",
        f"faults hit  {sum(report.faults.values())}: {_counts(report.faults)}",
        f"retries     {report.retries} in the captures that landed",
        f"refused     {report.refused} days beyond the look-back window, without a request",
        f"partitions  {proof.verified} equal to the world, {proof.rows} rows",
        f"doubted     {proof.doubted} partitions that the platform answered wrongly, and `sound` fails",
        f"kept        {proof.kept} partitions as they were captured on time",
        f"exports     {_counts(report.exports)}",
        f"vanished    {proof.gone} entities between their list and their details",
        *(f"missing     {number} legitimately: {reason}" for reason, number in sorted(proof.excused.items())),
        f"seconds     {report.seconds:.0f}",
    ]
    lines += [f"unrecorded  {each} (its run was killed)" for each in proof.unrecorded]
    lines += [f"PROBLEM     {problem}" for problem in proof.problems]
    lines.append("FAILED" if proof.problems else "PROVED: the lake is what the world says")
    return "\n".join(lines)


def _counts(counts: dict[str, int]) -> str:
    return ", ".join(f"{number} {name.lower()}" for name, number in sorted(counts.items())) or "none"


if __name__ == "__main__":
    main()
