"""`ignite-assets doctor`: is everything that a night needs in place? Writes nothing."""

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

import click

from ignite_assets.cli.command import Command

if TYPE_CHECKING:
    from ignite_assets.config import Settings
    from ignite_assets.dagster.resources import IgniteResource


@click.command(cls=Command, short_help="Check configuration, storage and credentials.")
def doctor() -> None:
    """Check the configuration, the storage, and each website's credentials against the platform.

    Prints a line for each and writes nothing.

    Exit status: 0 everything works, 1 something doesn't, 2 the configuration is wrong.

    \b
    Example:
      ignite-assets doctor
    """
    from ignite_assets.api.errors import IgniteError
    from ignite_assets.config import load_settings

    settings = load_settings()
    click.echo(f"ok    configuration  {settings.path}")
    bad = 0
    for subject, check in _checks(settings):
        try:
            click.echo(f"ok    {subject}  {check()}")
        except Exception as error:  # noqa: BLE001 - one thing that is wrong doesn't hide the others
            words = error.record().text if isinstance(error, IgniteError) else " ".join(str(error).split())
            click.echo(f"wrong {subject}  {words}")
            bad += 1
    raise SystemExit(1 if bad else 0)


def _checks(settings: "Settings") -> Iterator[tuple[str, Callable[[], str]]]:
    from ignite_assets.dagster.resources import IgniteResource

    ignite = IgniteResource.from_settings(settings)
    yield "storage", lambda: _storage(settings)
    yield "instance", lambda: _instance(settings)
    yield "lists", lambda: _lists(settings)
    for website in sorted(settings.websites):
        yield f"website {website}", lambda website=website: _website(ignite, website)  # type: ignore[misc]
    for folder, trouble in _mistakable(settings):
        yield f"lake {folder}", lambda trouble=trouble: _fail(trouble)  # type: ignore[misc]
    for website, trouble in _opt_outs(settings):
        yield f"opt-outs {website}", lambda trouble=trouble: _fail(trouble)  # type: ignore[misc]


def _storage(settings: "Settings") -> str:
    from ignite_assets.storage.store import Store

    store = Store(settings.root)
    store.check_access()
    return store.shown


def _lists(settings: "Settings") -> str:
    """The lists that were ever written: those that nothing asks for any more by name, and the removals that are due."""
    from itertools import groupby

    from ignite_assets.api.errors import IgniteError
    from ignite_assets.audiences import lists
    from ignite_assets.audiences.exports import owed
    from ignite_assets.storage.duck import Workspace
    from ignite_assets.storage.lake import Lake

    lake, rules, due = Lake(settings.root), settings.rules(), 0
    known = lists.in_order(of for of, event in lists.on_record(lake, None, rules).items() if event != "retired")
    with Workspace() as workspace:
        for website, of_website in groupby(known, key=lambda of: of.website):
            due += owed(workspace, lake, website, settings.opt_outs.scope, of_website)
    if due:
        people = (
            "1 removal of a person who opted out is" if due == 1 else f"{due:,} removals of people who opted out are"
        )
        raise IgniteError(f"{people} due: ignite-assets export")
    told = ["1 list was written" if len(known) == 1 else f"{len(known):,} lists were written"]
    if gone := sorted({of.name for of in lists.orphans(known, rules)}):
        told.append(
            f"no export asks any more for those of {', '.join(gone)}: people who opt out are removed from them until "
            "ignite-assets export --retire NAME --reason REASON"
        )
    return "; ".join(told)


def _instance(settings: "Settings") -> str:
    from ignite_assets.dagster.instance import dagster_home

    home = dagster_home(settings)
    return str(home) if home.exists() else f"{home} (made by the first run)"


def _website(ignite: "IgniteResource", website: str) -> str:
    """Make the platform's smallest call that needs both token and secret."""
    from ignite_assets.api.endpoints import by_name
    from ignite_assets.api.patience import Tally
    from ignite_assets.api.protocol import Call

    with ignite.client(website) as client, ignite.websites[website].advising():
        call = Call(endpoint=by_name()["audience_groups"])
        received = client.read(call, lambda pieces: sum(len(piece) for piece in pieces), Tally())
    return f"the platform accepts its credentials ({received:,} bytes answered), algo {client.algo}"


def _mistakable(settings: "Settings") -> Iterator[tuple[str, str]]:
    """The lake's folders of websites whose names readers don't take for text, each with what to do."""
    from ignite_assets.api.names import taken_for
    from ignite_assets.storage.lake import Lake

    lake = Lake(settings.root)
    for asset in lake.folders():
        for name in sorted(info.base_name for info in lake.store.infos(asset, recursive=False)):
            website = name.removeprefix("website=")
            if website != name and (kind := taken_for(website)):
                yield f"{asset}/{name}", f"readers take the website for {kind}; rename it: docs/operations.md"


def _opt_outs(settings: "Settings") -> Iterator[tuple[str, str]]:
    """What a person has to look at, by website: rejected lines and files, held files, idle hashes."""
    from ignite_assets.audiences import inbox, ledger
    from ignite_assets.storage.lake import Lake
    from ignite_assets.storage.store import Store

    lake, place = Lake(settings.root), settings.opt_outs.inbox
    waiting = inbox.rejects(Store(settings.place(place)), settings.websites) if place else {}
    for website in sorted(settings.websites):
        for name in waiting.get(website, ()):
            yield website, f"rejects wait for somebody: {name} of the inbox; deal with them and delete it"
        if held := len(ledger.held(lake, website)):
            files = "1 file of opt-outs waits" if held == 1 else f"{held:,} files of opt-outs wait"
            yield website, f"{files} to be confirmed: ignite-assets opt-out --website {website} --confirm"
        if idle := ledger.idle(lake, website, settings.captured_hashes(website)):
            captured = ", ".join(sorted(settings.captured_hashes(website)))
            people = "1 person is" if idle == 1 else f"{idle:,} people are"
            yield website, f"{people} known by a hash that can't take effect: captured is {captured}"


def _fail(trouble: str) -> str:
    raise ValueError(trouble)
