"""`python -m benchmarks`: measures, prints the table of ratios, writes it as JSON and as a chart."""

import argparse
import json
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from benchmarks import startup
from benchmarks.peers import environments
from benchmarks.report import Verdict, costs_table, document, kept, table, verdicts
from benchmarks.rounds import ROOT, Result, run_work, same_content, server
from benchmarks.works import WORKS, Work

_KEPT = ROOT / "docs" / "benchmark.json"
_STARTUP_ROUNDS = {False: 9, True: 5}


def main(given: Sequence[str] | None = None) -> int:
    """Run what was asked for; 1 when variants disagree about content. A missed bar is said, and no failure."""
    options = _parser().parse_args(given)
    works = [
        work
        for work in WORKS
        if (not options.only or {work.name, "whole" if work.whole else "inner"} & set(options.only))
        and not (work.slow and options.quick and not options.only)
    ]
    done: list[tuple[Work, list[Result]]] = []
    absent: dict[str, str] = {}
    options.output.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=options.scratch, prefix="ignite-bench-") as folder, server() as address:
        scratch = Path(folder)
        for work in works:
            rounds = options.rounds or work.rounds[options.quick]
            print(f"{work.title}: {rounds} rounds", file=sys.stderr)
            variants = _variants(work, absent, peers=not (options.quick or options.no_peers))
            done.append((work, run_work(work, variants, rounds, address, scratch)))
        judged = [verdict for work, results in done for verdict in verdicts(work, results)]
        if not options.only or "startup" in options.only:
            judged += startup.measure(options.rounds or _STARTUP_ROUNDS[options.quick], scratch)
    facts = document(done, absent, {"bars": [verdict.as_json() for verdict in judged]})
    code = _tell(facts, done, judged, options.output)
    if options.keep:
        _draw(_write(kept(json.loads(_KEPT.read_text()), facts), _KEPT), _KEPT.with_name("images") / "bench.png")
    return code


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="fewer rounds, no peers, nothing slow")
    parser.add_argument("--no-peers", action="store_true", help="leave the peers out")
    names = ", ".join(["whole", "inner", *(work.name for work in WORKS), "startup"])
    parser.add_argument("--only", action="append", metavar="WORK", help=f"only this one, repeatable: {names}")
    parser.add_argument("--keep", action="store_true", help="keep the results as those of docs/benchmark.json")
    parser.add_argument("--rounds", type=int, help="so many rounds of everything")
    parser.add_argument(
        "--output", type=Path, default=ROOT / ".bench" / "results", help="folder of the JSON and the chart"
    )
    parser.add_argument("--scratch", type=Path, help="where the variants write; the file system matters to them all")
    return parser


def _variants(work: Work, absent: dict[str, str], *, peers: bool) -> dict[str, Path]:
    """Each variant with its Python; peers that can't be had are noted as absent."""
    pythons = dict.fromkeys(work.variants, Path(sys.executable))
    for peer in work.peers:
        if not peers:
            absent[peer] = "left out"
        elif peer not in absent:
            try:
                pythons[peer] = environments.python_of(peer)
            except (OSError, RuntimeError) as error:
                absent[peer] = str(error)
    return pythons


def _tell(facts: dict[str, Any], done: list[tuple[Work, list[Result]]], judged: list[Verdict], output: Path) -> int:
    print(costs_table(done), table(facts, judged), sep="\n\n")
    for peer, reason in facts["absent"].items():
        print(f"absent: {peer}: {reason}")
    different = [f"{work.name}: {name}" for work, results in done for name in same_content(results)]
    failed = [f"{work.name}: {r.variant}: {r.failed}" for work, results in done for r in results if r.failed]
    for line in [*(f"DIFFERENT CONTENT: {each}" for each in different), *(f"FAILED: {each}" for each in failed)]:
        print(line)
    _draw(_write(facts, output / "results.json"), output / "results.png")
    print(f"written to {output}")
    return 1 if different or failed else 0


def _write(facts: dict[str, Any], file: Path) -> dict[str, Any]:
    file.write_text(json.dumps(facts, indent=2) + "\n")
    return facts


def _draw(facts: dict[str, Any], file: Path) -> None:
    try:
        from benchmarks.chart import draw

        draw(facts, file)
    except ImportError:
        print("no chart: matplotlib is not installed (pip install -e '.[bench]')")


if __name__ == "__main__":
    sys.exit(main())
