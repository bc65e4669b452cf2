"""`ignite-assets doctor`: is everything that a night needs in place? Writes nothing."""

import json
from collections.abc import Callable, Iterable, Iterator
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Literal

import click

from ignite_assets.cli.command import Command

if TYPE_CHECKING:
    import dagster as dg

    from ignite_assets.config import Settings
    from ignite_assets.dagster.resources import IgniteResource

Status = Literal["ok", "warn", "wrong"]
Findings = Iterator[tuple[Status, str]]
_EXPORTS_LOOKED_AT = 500
_MANY_WEBSITES = 50
"""With more, one schedule's many runs keep the others waiting."""
_COLOURS: dict[Status, str | None] = {"ok": None, "warn": "yellow", "wrong": "red"}


@dataclass(frozen=True)
class Line:
    """Something that works, or one problem."""

    status: Status
    subject: str
    text: str


@click.command(cls=Command, short_help="Check configuration, storage and credentials.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object instead of lines.")
def doctor(as_json: bool) -> None:
    """Check the configuration, the storage, and each website's credentials against the platform.

    Prints a line for everything that works and for each problem, and writes nothing. Warnings leave the exit status 0.

    Exit status: 0 everything works, 1 something doesn't, 2 the configuration is wrong.

    \b
    Examples:
      ignite-assets doctor
      ignite-assets doctor --json
    """
    from ignite_assets.config import load_settings

    settings = load_settings()
    subjects = dict(_subjects(settings))
    width = max(map(len, subjects))
    lines = []
    for line in _lines(subjects.items()):
        lines.append(line)
        if not as_json:
            click.secho(f"{line.status:5} {line.subject:{width}}  {line.text}", fg=_COLOURS[line.status])
    if as_json:
        click.echo(json.dumps({"checks": [asdict(line) for line in lines]}, indent=2))
    raise SystemExit(1 if any(line.status == "wrong" for line in lines) else 0)


def _lines(subjects: Iterable[tuple[str, Callable[[], Findings]]]) -> Iterator[Line]:
    """What each look at a subject finds; one that fails doesn't hide the others."""
    from ignite_assets.api.errors import CredentialsError, IgniteError

    for subject, look in subjects:
        try:
            yield from (Line(status, subject, text) for status, text in look())
        except CredentialsError as error:
            yield from (Line("wrong", subject, mistake) for mistake in error.mistakes)
        except Exception as error:  # noqa: BLE001 - what is wrong is what was looked for
            words = error.record().text if isinstance(error, IgniteError) else " ".join(str(error).split())
            yield Line("wrong", subject, words)


def _subjects(settings: "Settings") -> Iterator[tuple[str, Callable[[], Findings]]]:
    from ignite_assets.dagster.resources import IgniteResource

    ignite = IgniteResource.from_settings(settings)
    yield "configuration", lambda: _configuration(settings)
    if settings.env_file.is_file():
        yield settings.env_file.name, lambda: _env_file(settings)
    yield "storage", lambda: _storage(settings)
    yield "places", lambda: _places(settings)
    yield "instance", lambda: _instance(settings)
    yield "records", lambda: _records(settings)
    yield "lists", lambda: _lists(settings)
    for website in sorted(settings.websites):
        yield f"website {website}", lambda website=website: _website(settings, ignite, website)  # type: ignore[misc]
    yield "lake", lambda: _mistakable(settings)
    yield "opt-outs", lambda: _opt_outs(settings)


def _configuration(settings: "Settings") -> Findings:
    from ignite_assets.config.doubts import doubts

    yield "ok", str(settings.path)
    for doubt in doubts(settings):
        yield "wrong", doubt


def _env_file(settings: "Settings") -> Findings:
    """What the file of variables holds, which of it counts, and who may read it."""
    from ignite_assets.config.environment import is_open_to_others, variables_of
    from ignite_assets.dagster.instance import HOME_VARIABLE

    file = settings.env_file
    held = variables_of(file)
    yield "ok", f"{file} holds {len(held)} variables"
    if is_open_to_others(file):
        yield "warn", f"other users can read {file}: chmod 600 {file}"
    if unnamed := sorted(held.keys() - settings.variables() - {HOME_VARIABLE}):
        yield "warn", f"ignored, since ignite.toml does not name them: {', '.join(unnamed)}"


def _storage(settings: "Settings") -> Findings:
    from ignite_assets.storage.store import Store

    store = Store(settings.root)
    store.check_access()
    yield "ok", store.shown


def _places(settings: "Settings") -> Findings:
    """Which machines see each place, and whether its bucket keeps what is replaced and deleted."""
    from ignite_assets.storage.bucket import keeps_versions
    from ignite_assets.storage.location import URL_SCHEME
    from ignite_assets.storage.store import shown_root

    places = settings.places()
    local = [setting for setting, place in places.items() if not URL_SCHEME.match(place)]
    if len(local) == len(places):
        yield "ok", f"{', '.join(local)}: on this machine alone, unless others mount the disk"
        return
    for setting, place in places.items():
        if setting in local:
            yield "warn", f"{setting} {place}: the lake is elsewhere, so each machine that runs needs this disk"
            continue
        kept = keeps_versions(place)
        told = {True: "; its bucket keeps old versions", False: "; its bucket keeps no old versions", None: ""}[kept]
        yield "ok", f"{setting} {shown_root(place)}: every machine sees it{told}"
        if kept and setting == "opt_outs.inbox":
            yield "warn", "addresses stay in old versions of files that were deleted: give the inbox a lifecycle rule"
        if kept is False and setting == "storage.root":
            yield "warn", "captures that are deleted by mistake can't be had again: turn on the bucket's versioning"


def _lists(settings: "Settings") -> Findings:
    """The lists that were ever written: those that nothing asks for any more by name, and the removals that are due."""
    from itertools import groupby

    from ignite_assets.audiences import lists
    from ignite_assets.audiences.exports import owed
    from ignite_assets.storage.duck import Workspace
    from ignite_assets.storage.lake import Lake

    lake, rules, due = Lake(settings.root), settings.rules(), 0
    known = lists.in_order(lists.owed(lists.on_record(lake, None, rules)))
    with Workspace() as workspace:
        for website, of_website in groupby(known, key=lambda of: of.website):
            due += owed(workspace, lake, website, settings.opt_outs.scope, of_website)
    if due:
        people = (
            "1 removal of a person who opted out is" if due == 1 else f"{due:,} removals of people who opted out are"
        )
        yield "wrong", f"{people} due: ignite-assets export"
    else:
        yield "ok", "1 list was written" if len(known) == 1 else f"{len(known):,} lists were written"
    if gone := sorted({of.name for of in lists.orphans(known, rules)}):
        removed = "people who opt out are removed from them until ignite-assets export --retire NAME --reason REASON"
        yield "ok", f"no export asks any more for those of {', '.join(gone)}: {removed}"
    yield from _held(settings)


def _held(settings: "Settings") -> Findings:
    """The lists that each website's last export on record held, and why."""
    from ignite_assets.audiences.holding import is_well
    from ignite_assets.dagster.assets.exports import ASSET, rows_of
    from ignite_assets.dagster.instance import dagster_home, open_instance
    from ignite_assets.dagster.keys import AssetKeys
    from ignite_assets.dagster.partitions import read_key

    home = dagster_home(settings)
    if not settings.exports or not home.exists():
        return
    with open_instance(home) as instance:
        records = instance.fetch_materializations(AssetKeys.of(settings)[ASSET], limit=_EXPORTS_LOOKED_AT).records
    found = (record.asset_materialization for record in records)
    newest = {read_key(each.partition)[1]: each for each in reversed(list(found)) if each and each.partition}
    rows = [row for website in sorted(newest.keys() & settings.websites) for row in rows_of(newest[website])]
    for row in rows:
        if not is_well(str(row["status"])):
            name = " ".join(str(row[part]) for part in ("export", "website", "audience") if row[part])
            yield "warn", f"{name} was held: {row['reasons']}"


def _instance(settings: "Settings") -> Findings:
    from ignite_assets.dagster.instance import check_home, dagster_home, missing_lines, open_instance

    home = dagster_home(settings)
    check_home(home)
    if not home.exists():
        yield "ok", f"{home} (made by the first run)"
        return
    yield "ok", str(home)
    with open_instance(home) as instance:
        yield from _engine(instance, len(settings.websites))
    if lines := missing_lines(home):
        indented = "".join(f"\n        {line}" for line in lines.splitlines())
        yield "warn", f"{home}/dagster.yaml is yours, so it is left alone; it lacks:{indented}"


def _engine(instance: "dg.DagsterInstance", websites: int) -> Findings:
    """Whether runs of a website wait for each other, and whether schedules do."""
    from ignite_assets.dagster.instance import has_website_limit

    if has_website_limit(instance):
        yield "ok", "one run of a website at a time"
    else:
        yield "warn", "runs of one website may be launched side by side: they wait inside, each holding a place"
    threads = instance.get_settings("schedules") or {}
    if threads.get("use_threads"):
        yield "ok", f"schedules are evaluated by {threads.get('num_workers') or 'several'} threads"
    else:
        status: Status = "warn" if websites > _MANY_WEBSITES else "ok"
        yield status, "schedules are evaluated one after another; schedules.use_threads in dagster.yaml changes it"


def _records(settings: "Settings") -> Findings:
    """Whether what is on record is in the lake, as far as it can't be captured again."""
    from ignite_assets.api.endpoints import ENDPOINTS
    from ignite_assets.api.horizon import Horizon
    from ignite_assets.dagster.instance import dagster_home, open_instance
    from ignite_assets.dagster.keys import AssetKeys
    from ignite_assets.dagster.records import lost
    from ignite_assets.storage.lake import Lake

    home = dagster_home(settings)
    if not home.exists():
        yield "ok", "there are none yet"
        return
    with open_instance(home) as instance:
        horizon = Horizon(settings.partitions.zone)
        websites, keys = sorted(settings.websites), AssetKeys.of(settings)
        gone = lost(instance, Lake(settings.root), ENDPOINTS, websites, horizon, keys)
    for partition in gone:
        yield "wrong", f"{partition} is on record, not in the lake, and can't be captured any more: restore it"
    if not gone:
        yield "ok", "what is on record is in the lake, or can be captured again"


def _website(settings: "Settings", ignite: "IgniteResource", website: str) -> Findings:
    """Make the platform's smallest call that needs both token and secret."""
    from ignite_assets.api.endpoints import by_name
    from ignite_assets.api.patience import Tally
    from ignite_assets.api.protocol import Call

    with ignite.client(website) as client, ignite.access[website].advising():
        call = Call(endpoint=by_name()["audience_groups"])
        received = client.read(call, lambda pieces: sum(len(piece) for piece in pieces), Tally())
    yield "ok", f"the platform accepts its credentials ({received:,} bytes answered), algo {client.algo}"
    if settings.env_file.is_file():
        names = (settings.websites[website].token_env, settings.websites[website].secret_env)
        yield "ok", ", ".join(f"{name} from {settings.source(name)}" for name in names)


def _mistakable(settings: "Settings") -> Findings:
    """The lake's folders of websites whose names readers don't take for text, each with what to do."""
    from ignite_assets.api.names import taken_for
    from ignite_assets.storage.lake import Lake

    lake = Lake(settings.root)
    for asset in lake.folders():
        for name in sorted(info.base_name for info in lake.store.infos(asset, recursive=False)):
            website = name.removeprefix("website=")
            if website != name and (kind := taken_for(website)):
                yield (
                    "wrong",
                    f"{asset}/{name}: readers take the website for {kind}; rename it: docs/operations.md",
                )


def _opt_outs(settings: "Settings") -> Findings:
    """What a person has to look at, by website: rejected lines and files, held files, idle hashes."""
    from ignite_assets.audiences import inbox, ledger
    from ignite_assets.storage.lake import Lake
    from ignite_assets.storage.store import Store

    lake, place = Lake(settings.root), settings.opt_outs.inbox
    waiting = inbox.rejects(Store(settings.place(place)), settings.websites) if place else {}
    for website in sorted(settings.websites):
        for name in waiting.get(website, ()):
            yield "wrong", f"rejects wait for somebody: {name} of the inbox; deal with them and delete it"
        if held := len(ledger.held(lake, website)):
            files = "1 file of opt-outs waits" if held == 1 else f"{held:,} files of opt-outs wait"
            yield "wrong", f"{website}: {files} to be confirmed: ignite-assets opt-out --website {website} --confirm"
        if idle := ledger.idle(lake, website, settings.captured_hashes(website)):
            captured = ", ".join(sorted(settings.captured_hashes(website)))
            people = "1 person is" if idle == 1 else f"{idle:,} people are"
            yield "wrong", f"{website}: {people} known by a hash that can't take effect: captured is {captured}"
