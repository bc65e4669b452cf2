"""The results as one table of ratios, and as a JSON document."""

import datetime as dt
import os
import platform
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

from benchmarks.rounds import Result
from benchmarks.works import OURS, UNITS, WORKS, Bar, Metric, Work

_PACKAGES = ("pyarrow", "orjson", "requests", "urllib3", "pandas", "dagster")


@dataclass(frozen=True)
class Verdict:
    """One bar, and what was measured against it."""

    work: str
    bar: str
    measured: float | None
    """None when a variant that it needs is absent."""
    limit: float
    unit: str
    spread: tuple[float, float] | None = None
    """The quartiles of the same over the single rounds."""

    @property
    def met(self) -> bool | None:
        """None when it was not measured."""
        return None if self.measured is None else self.measured <= self.limit

    def as_json(self) -> dict[str, Any]:
        """For the JSON document."""
        return {**vars(self), "met": self.met}


def verdicts(work: Work, results: Sequence[Result]) -> list[Verdict]:
    """The bars of a work."""
    by_name = {result.variant: result for result in results if result.costs}
    return [_verdict(work, bar, by_name) for bar in work.bars]


def _verdict(work: Work, bar: Bar, results: Mapping[str, Result]) -> Verdict:
    about, unit = _described(bar)
    if any(name not in results for name in (work.ours, *bar.against)):
        return Verdict(work.title, about, None, bar.limit, unit)
    ours = _medians(results[work.ours], bar.metric)
    others = [_medians(results[name], bar.metric) for name in bar.against]
    rounds = [
        _ratio(bar, ours_once, others_once)
        for ours_once, *others_once in zip(
            *(_all(results[n], bar.metric) for n in (work.ours, *bar.against)), strict=False
        )
    ]
    return Verdict(work.title, about, _ratio(bar, ours, others), bar.limit, unit, quartiles(rounds))


def _ratio(bar: Bar, ours: float, others: Sequence[float]) -> float:
    return (ours - bar.more) / (sum(others) + bar.given) if bar.against else ours / bar.websites


def _described(bar: Bar) -> tuple[str, str]:
    names = " + ".join([*(short(name) for name in bar.against), *([bar.also] if bar.also else [])])
    ours = "ignite_assets" + (f" - {bar.more:g} {UNITS[bar.metric]}" if bar.more else "")
    if not bar.against:
        named = {"mib": "memory", "seconds": "time", "cpu": "CPU"}[bar.metric]
        return f"{named} a website" if bar.websites > 1 else named, UNITS[bar.metric]
    metric = {"mib": ", memory", "seconds": "", "cpu": ", CPU"}[bar.metric]
    return f"{ours} ÷ {f'({names})' if '+' in names else names}{metric}", "×"


def short(variant: str) -> str:
    """How a variant is called in tables."""
    known = {
        **dict.fromkeys(OURS, "ignite_assets"),
        "command.trivial": "Dagster, an asset that does nothing",
        "command.bare_export": "DuckDB's bare query",
        "variants.backfill_replay": "replay of the calls",
        "variants.site_bare": "bare Dagster run",
        "variants.site_works": "the nine works",
        "variants.backfill_floor": "floor",
        "variants.light": "requests+orjson+pyarrow",
        "variants.light_synced": "requests+orjson+pyarrow, synced",
        "variants.wire": "raw client",
        "peers.dlt.arrow": "dlt (arrow)",
        "peers.dlt.rest": "dlt (rest_api)",
        "peers.dlt.backfill_arrow": "dlt (arrow)",
        "peers.dlt.backfill_rest": "dlt (rest_api)",
    }
    return known.get(variant, variant.rpartition(".")[2])


def _all(result: Result, metric: Metric) -> list[float]:
    return [cost[metric] for cost in result.costs]


def _medians(result: Result, metric: str) -> float:
    return statistics.median(cost[metric] for cost in result.costs)


def quartiles(values: Sequence[float]) -> tuple[float, float]:
    """The first and the third; of a single value twice itself."""
    if len(values) < 2:
        return values[0], values[0]
    low, _, high = statistics.quantiles(values, n=4, method="inclusive")
    return low, high


def machine() -> dict[str, Any]:
    """Where this was measured, with what, and how busy the machine was."""
    return {
        "when": _now(),
        "cores": os.cpu_count(),
        "processor": _processor(),
        "memory_gib": round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30, 1),
        "system": f"{platform.system()} {platform.machine()}",
        "python": platform.python_version(),
        "load": round(os.getloadavg()[0], 2),
        "versions": {name: version(name) for name in _PACKAGES},
    }


def _now() -> str:
    return dt.datetime.now(dt.UTC).isoformat(timespec="seconds")


def _processor() -> str:
    path = Path("/proc/cpuinfo")
    lines = path.read_text().splitlines() if path.exists() else []
    names = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return next(names, platform.processor() or "unknown")


def document(
    done: Sequence[tuple[Work, list[Result]]], absent: Mapping[str, str], extra: Mapping[str, Any]
) -> dict[str, Any]:
    """Everything that was measured."""
    return {
        "machine": machine(),
        "absent": dict(absent),
        "works": [
            {
                "name": work.name,
                "when": _now(),
                "title": work.title,
                "variants": {result.variant: _summary(result) for result in results},
                "bars": [verdict.as_json() for verdict in verdicts(work, results)],
            }
            for work, results in done
        ],
        **extra,
    }


def kept(before: Mapping[str, Any], facts: Mapping[str, Any]) -> dict[str, Any]:
    """A document with the works and bars of a newer one in place of its own, in the order of `WORKS`."""
    order = [work.name for work in WORKS]
    works = {work["name"]: work for work in [*before["works"], *facts["works"]]}
    measured = {bar["work"] for bar in facts["bars"]}
    return {
        **facts,
        "works": sorted(
            (work for work in works.values() if work["name"] in order), key=lambda w: order.index(w["name"])
        ),
        "bars": [bar for bar in before.get("bars", []) if bar["work"] not in measured] + list(facts["bars"]),
    }


def _summary(result: Result) -> dict[str, Any]:
    if not result.costs:
        return {"failed": result.failed}
    metrics = result.costs[0]
    return {
        "rounds": len(result.costs),
        **{name: _medians(result, name) for name in metrics},
        "quartiles": {name: quartiles([cost[name] for cost in result.costs]) for name in metrics},
        "content": result.content,
        "failed": result.failed,
    }


def table(facts: Mapping[str, Any], judged: Sequence[Verdict]) -> str:
    """The one table of ratios, with the machine above it."""
    about = facts["machine"]
    versions = ", ".join(f"{name} {number}" for name, number in about["versions"].items())
    hardware = f"{about['cores']} cores ({about['processor']}), {about['memory_gib']} GiB, {about['system']}"
    head = [
        f"{hardware}, Python {about['python']}",
        f"{versions}; load {about['load']} at {about['when']}",
        "",
    ]
    rows: list[tuple[str, ...]] = [("work", "bar", "measured", "quartiles", "limit", "")]
    rows += [row(verdict) for verdict in judged]
    widths = [max(len(row[place]) for row in rows) for place in range(len(rows[0]))]
    lines = ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows]
    return "\n".join([*head, *lines])


def row(verdict: Verdict) -> tuple[str, ...]:
    """A bar as a line of the table of ratios."""
    digits = 0 if verdict.unit == "MiB" else 2
    said = {True: "met", False: "MISSED", None: "not measured"}[verdict.met]
    measured = "" if verdict.measured is None else f"{verdict.measured:.{digits}f} {verdict.unit}"
    spread = "" if verdict.spread is None else "–".join(f"{end:.{digits}f}" for end in verdict.spread)
    return verdict.work, verdict.bar, measured, spread, f"≤ {verdict.limit:g} {verdict.unit}", said


def costs_table(done: Sequence[tuple[Work, list[Result]]]) -> str:
    """What each variant cost: for reading, not for quoting."""
    rows: list[tuple[str, ...]] = [("work", "variant", "rounds", "seconds", "CPU", "MiB", "server's CPU", "content")]
    for work, results in done:
        for result in results:
            if not result.costs:
                rows.append((work.name, short(result.variant), "0", "", "", "", "", result.failed))
                continue
            numbers = [f"{_medians(result, name):.3f}" for name in ("seconds", "cpu")]
            told = "" if not result.content else "same" if result.content == results[0].content else "DIFFERENT"
            rows.append(
                (
                    work.name,
                    short(result.variant),
                    str(len(result.costs)),
                    *numbers,
                    f"{_medians(result, 'mib'):.0f}",
                    f"{_medians(result, 'server_cpu'):.3f}",
                    told,
                )
            )
    widths = [max(len(row[place]) for row in rows) for place in range(len(rows[0]))]
    return "\n".join("  ".join(c.ljust(w) for c, w in zip(row, widths, strict=True)).rstrip() for row in rows)
