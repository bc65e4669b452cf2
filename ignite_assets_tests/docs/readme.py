"""The parts of README.md and docs/ that are made from the code. `make docs` writes them.

A part stands between the comments `<!-- name -->` and `<!-- /name -->`, in whichever page; its name stands in one.
"""

import json
import re
import shutil
import tempfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from benchmarks.chart import WORKS, others_times
from benchmarks.report import Verdict, row
from benchmarks.works import WHOLES
from ignite_assets.api.horizon import Horizon
from ignite_assets.cli import main
from ignite_assets.cli.endpoints import as_markdown, table_rows
from ignite_assets_tests.audiences.drops import shapes
from ignite_assets_tests.commands import IGNITE_ASSETS, ROOT, run_anew
from ignite_assets_tests.docs import reference
from ignite_assets_tests.docs.blocks import WRITTEN, blocks, moved, normalised
from ignite_assets_tests.docs.project import project, with_outputs

README = ROOT / "README.md"
DOCS = ROOT / "docs"
PAGES = (README, *sorted(DOCS.glob("*.md")), ROOT / "benchmarks/README.md")

TRANSCRIPT = (
    *(r"asset ", r"visitors +3 +30 ", r"products +3 +3 ", r"locations +3 +30 ", r"location_details +3 +30 "),
    *(r"audiences +3 +1 ", r"\d+ Parquet files under ", r"  \S+\.parquet"),
    *(r"website +export ", r"summit-ford +\S+ +\d{4}-", r"summit-ford \S+: ", r"  \S+=acme-honda\S+index\.html"),
)
"""How the twelve lines of the demo that the README shows begin; of several lines the last is shown."""


def page_of(name: str) -> Path:
    """The page that has a part; `LookupError` unless there is one such page."""
    found = [page for page in PAGES if f"<!-- {name} -->\n" in page.read_text()]
    if len(found) != 1:
        raise LookupError(f"{len(found)} pages have a part {name}")
    return found[0]


def part(name: str) -> str:
    """What stands between a part's comments."""
    found = re.search(rf"<!-- {name} -->\n(.*?)<!-- /{name} -->", page_of(name).read_text(), re.DOTALL)
    if found is None:
        raise LookupError(f"the part {name} has no end")
    return found[1]


def code(name: str) -> str:
    """The code of a part, without its fence."""
    return re.sub(r"^```.*\n", "", part(name), flags=re.MULTILINE)


def endpoints() -> str:
    return as_markdown(table_rows())


def commands() -> str:
    lines = ["| command | |", "|---|---|"]
    lines += [f"| `ignite-assets {name}` | {main.commands[name].get_short_help_str(100)} |" for name in main.commands]
    return "\n".join(lines)


def benchmark() -> str:
    """What the last `make bench` whose results are kept here measured, as ratios."""
    others = ("floor", "requests+orjson+pyarrow, synced", "hand", "dlt (arrow)", "dlt (rest_api)")
    document = _measured()
    shown = [work for work in document["works"] if work["name"] in WORKS]
    lines = [_rounds(document, shown), ""]
    lines += [f"| work | {' | '.join(f'÷ {other}' for other in others)} | memory over imports |", f"|{'---|' * 7}"]
    for work in shown:
        ours, longer = next(iter(work["variants"].values())), dict(others_times(work))
        ratios = [f"{1 / longer[other]:.2f}" if other in longer else "–" for other in others]
        lines.append(f"| {work['title']} | {' | '.join(ratios)} | {ours['mib']:.0f} MiB |")
    return "\n".join(lines)


def waits() -> str:
    """The bars of whole processes, as the last kept results have them."""
    document = _measured()
    measured = {work["title"]: work for work in document["works"]}
    shown = [measured[work.title] for work in WHOLES if work.title in measured]
    lines = [
        _rounds(document, shown),
        "",
        "| what a user waits for | measured | quartiles | limit | |",
        f"|{'---|' * 5}",
    ]
    for bar in (bar for work in shown for bar in work["bars"]):
        _, what, found, spread, limit, met = row(Verdict(**{name: bar[name] for name in bar if name != "met"}))
        lines.append(f"| {bar['work']}: {what} | {found} | {spread} | {limit} | {met} |")
    return "\n".join(lines) if shown else "No results are kept yet: run the first command above with `--keep`."


def _measured() -> dict[str, Any]:
    kept: dict[str, Any] = json.loads((DOCS / "benchmark.json").read_text())
    return kept


def _rounds(document: Mapping[str, Any], works: Sequence[Mapping[str, Any]]) -> str:
    """How often some works were measured, and where."""
    counts = {variant["rounds"] for work in works for variant in work["variants"].values() if "rounds" in variant}
    rounds = " to ".join(map(str, sorted({min(counts, default=0), max(counts, default=0)})))
    cores = document["machine"]["cores"]
    return f"Medians of {rounds} interleaved rounds on one machine with {cores} cores."


def scale() -> str:
    """What the last `make bench-scale` whose results are kept here measured."""
    document = json.loads((DOCS / "scale.json").read_text())
    heads = [
        f"{_STORAGES[of]}, {size.replace('x', ' × ')}" for of, _, size in (name.partition("-") for name in document)
    ]
    lines = [f"| | {' | '.join(heads)} |", f"|{'---|' * (len(heads) + 1)}"]
    for title, tell in _SCALE.items():
        lines.append(f"| {title} | {' | '.join(_told(tell, cell) for cell in document.values())} |")
    return "\n".join(lines)


def _told(tell: Callable[[dict[str, Any]], str], cell: dict[str, Any]) -> str:
    try:
        return tell(cell)
    except KeyError:  # not measured
        return "–"


_STORAGES = {"sqlite": "SQLite", "postgres": "Postgres"}
_SCALE: Mapping[str, Callable[[dict[str, Any]], str]] = {
    "queueing a night, one website in a run, by the clock": lambda cell: f"{cell['queue_1']['seconds']:.0f} s",
    "in CPU seconds of daemon + code server": lambda cell: _queueing(cell["queue_1"]),
    "queueing a night, 25 websites in a run, by the clock": lambda cell: f"{cell['queue_25']['seconds']:.0f} s",
    "in CPU seconds": lambda cell: _queueing(cell["queue_25"]),
    "the healer's tick": lambda cell: f"{cell['heal']['cpu']:.1f}",
    "the export sensor's first look": lambda cell: f"{cell['sensors']['audience_export_sensor']['cpu']:.2f}",
    "its look that finds nothing new": lambda cell: f"{cell['sensors']['audience_export_sensor']['idle_cpu']:.2f}",
    "an asset's partitions page, the second time": lambda cell: f"{cell['page']['cpu']:.1f}",
    "loading the definitions": lambda cell: f"{cell['definitions']['cpu']:.1f}",
    "deleting the runs of one night": lambda cell: f"{cell['prune']['cpu']:.0f}",
    "memory of the daemon, of the code server, MiB": lambda cell: _memory(cell["queue_1"], cell["heal"]),
    "records read across runs, GB": lambda cell: f"{cell['disk']['shared'] / 1e9:.1f}",
}
"""The lines of the table, each with what it tells of a storage and size: CPU seconds unless it names a unit."""


def _memory(queue: dict[str, Any], heal: dict[str, Any]) -> str:
    return f"{queue['daemon_mib']:.0f}, {max(queue['code_server_mib'], heal['process_mib']):.0f}"


def _queueing(cost: dict[str, Any]) -> str:
    daemon, server = cost["cpu"], cost["code_server_cpu"]
    return f"{daemon:.0f} + {server:.0f}" if daemon >= 10 else f"{daemon:.1f} + {server:.1f}"


def transcript(printed: str) -> str:
    """The lines of `TRANSCRIPT`, in the pages' time; `LookupError` where the demo printed none that begins so."""
    lines = moved(printed, (WRITTEN - Horizon().yesterday()).days - 1).splitlines()
    shown = [max(_matching(lines, beginning)) for beginning in TRANSCRIPT]
    gaps = [any(lines[line + 1 : later]) for line, later in zip(shown, [*shown[1:], shown[-1]], strict=True)]
    told = [f"{lines[line]}\n…" if gap else lines[line] for line, gap in zip(shown, gaps, strict=True)]
    return "\n".join(["```", *told, "```"])


def _matching(lines: list[str], beginning: str) -> list[int]:
    found = [number for number, line in enumerate(lines) if re.match(beginning, line)]
    if not found:
        raise LookupError(f"the demo prints no line that begins with {beginning}")
    return found


def shown_demo() -> str:
    """The demo's transcript, run as `make run` does."""
    folder = Path(tempfile.mkdtemp(prefix="ignite-readme-"))
    try:
        return transcript(run_anew(IGNITE_ASSETS, "demo", folder=folder).stdout)
    finally:
        shutil.rmtree(folder)


def promises() -> str:
    """The titles of the promises, one on each line."""
    titles = re.findall(r"^## (.*)$", (DOCS / "promises.md").read_text(), flags=re.MULTILINE)
    return "\n".join(f"- {title}" for title in titles)


GENERATED: Mapping[str, Callable[[], str]] = {
    "endpoints": endpoints,
    "commands": commands,
    "waits": waits,
    "benchmark": benchmark,
    "scale": scale,
    "promises": promises,
    "layout": reference.layout,
    "destinations": reference.destinations,
    "settings": reference.settings,
    "assets": reference.assets,
    "opt-out-shapes": shapes.as_markdown,
}


def write() -> None:
    """Bring all pages up to date."""
    for name, make in GENERATED.items():
        if part(name).rstrip("\n") != (made := make()):
            _replace(name, made)
    if normalised(part("transcript")) != normalised(shown := shown_demo()):
        _replace("transcript", shown)
    write_outputs()


def _replace(name: str, made: str) -> None:
    page = page_of(name)
    before, rest = page.read_text().split(f"<!-- {name} -->\n")
    _, after = rest.split(f"<!-- /{name} -->")
    page.write_text(f"{before}<!-- {name} -->\n{made}\n<!-- /{name} -->{after}")


def write_outputs() -> None:
    """Bring what the commands of the pages print up to date, where more than numbers has changed.

    Each block has a project of its own.
    """
    folder = Path(tempfile.mkdtemp(prefix="ignite-docs-"))
    try:
        (folder / "project").mkdir()
        with project(folder / "project") as standing:
            for block in [block for page in PAGES for block in blocks(page) if block.kind == "console"]:
                here = standing.copy(folder / str(block))
                printed = with_outputs(block.text, here)
                if normalised(block.text) != normalised(printed):
                    block.page.write_text(block.page.read_text().replace(block.text, printed))
    finally:
        shutil.rmtree(folder)


if __name__ == "__main__":
    write()
