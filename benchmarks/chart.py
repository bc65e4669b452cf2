"""The chart of the README: how long the others take for the same work, the package being 1. Needs matplotlib."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from benchmarks.report import short

_COLORS = {
    "floor": "#9aa5b1",
    "requests+orjson+pyarrow": "#7fb3d5",
    "requests+orjson+pyarrow, synced": "#2e86c1",
    "hand": "#e59866",
    "dlt (arrow)": "#af7ac5",
    "dlt (rest_api)": "#cd6155",
}
_TICKS = (0.25, 0.5, 1, 2, 5, 10, 20, 50, 100)
WORKS = ("visitors-1m", "products-200k", "locations-100k", "visitors-10k", "details-50ms", "backfill")
_WITHOUT_LATENCY = "variants.backfill_floor"


def draw(document: Mapping[str, Any], file: Path) -> None:
    """Write the chart of a results document."""
    import matplotlib as mpl

    mpl.use("Agg")
    import matplotlib.pyplot as plt

    works = [work for work in document["works"] if work["name"] in WORKS]
    figure, axes = plt.subplots(figsize=(9, 1.2 + 0.95 * len(works)), layout="constrained")
    place, longest = 0.0, 1.0
    ticks: list[tuple[float, str]] = []
    seen: set[str] = set()
    for work in works:
        bars = others_times(work)
        for offset, (name, times) in enumerate(bars):
            label = None if name in seen else name
            seen.add(name)
            axes.barh(place + offset, times, height=0.85, color=_COLORS[name], label=label)
            axes.text(times * 1.04, place + offset, f"{times:.2g}×", va="center", fontsize=8, backgroundcolor="white")
            longest = max(longest, times)
        ticks.append((place + (len(bars) - 1) / 2, work["title"]))
        place += len(bars) + 0.8
    axes.axvline(1, color="#1e8449", linewidth=2, label="ignite_assets")
    axes.set_xscale("log")
    axes.set_xlim(0.25, longest * 1.6)
    axes.set_xticks(shown := [at for at in _TICKS if at < longest * 1.6], [f"{at:g}×" for at in shown])
    axes.minorticks_off()
    axes.set_yticks([at for at, _ in ticks], [title for _, title in ticks], fontsize=9)
    axes.invert_yaxis()
    axes.spines[["top", "right"]].set_visible(False)
    about = document["machine"]
    axes.set_xlabel("time from the request to a closed Parquet file, ignite_assets = 1 (log scale)", fontsize=8)
    axes.set_title(
        f"medians of interleaved rounds, {about['cores']} cores, Python {about['python']}, loopback without TLS",
        fontsize=8,
    )
    axes.legend(fontsize=8, frameon=False, loc="lower right")
    figure.savefig(file, dpi=150)


def others_times(work: Mapping[str, Any]) -> list[tuple[str, float]]:
    """How long each of the others takes for a work, the package being 1."""
    variants = work["variants"]
    ours = next(iter(variants.values()))["seconds"]
    times = {
        short(variant): facts["seconds"] / ours
        for variant, facts in variants.items()
        if "seconds" in facts and variant != _WITHOUT_LATENCY
    }
    return [(name, times[name]) for name in _COLORS if name in times]
