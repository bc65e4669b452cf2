"""An export's files, in the destination's form, and their commit."""

from collections.abc import Callable, Iterator

from ignite_assets.audiences.delta import Changes
from ignite_assets.audiences.destinations import Action, Destination, ListFacts
from ignite_assets.audiences.folders import SENT, Draft, pieces_of
from ignite_assets.audiences.manifest import FileEntry, Manifest
from ignite_assets.audiences.rendering import file_names, part_of, render, rows_per_file
from ignite_assets.audiences.rules import Mode


class MoreOptOutsError(Exception):
    """Somebody opted out since the ledger was read: what was written may name them."""


Describe = Callable[[tuple[FileEntry, ...], FileEntry], Manifest]
"""Makes the manifest of the files to upload and of the list of what was sent."""


def write(
    draft: Draft,
    changes: Changes,
    mode: Mode,
    destination: Destination,
    facts: ListFacts,
    describe: Describe,
    is_current: Callable[[], bool],
) -> Manifest:
    """Write the changes and commit them, unless somebody has opted out meanwhile (`MoreOptOutsError`).

    Whatever fails before the commit leaves the folder as it was.
    """
    try:
        files = tuple(_files(draft, changes, mode, destination, facts))
        with changes.save().open("rb") as state:
            sent = draft.write(SENT, pieces_of(state), rows=changes.members)
        manifest = describe(files, sent)
        _commit(draft, manifest, is_current)
    except BaseException:
        draft.abandon()
        raise
    return manifest


def _commit(draft: Draft, manifest: Manifest, is_current: Callable[[], bool]) -> None:
    if not is_current():
        raise MoreOptOutsError
    draft.commit(manifest)


def _files(
    draft: Draft, changes: Changes, mode: Mode, destination: Destination, facts: ListFacts
) -> Iterator[FileEntry]:
    parts: list[tuple[Action, int, Iterator[str]]] = [
        ("add", changes.adds, changes.added()),
        ("remove", changes.removes, changes.removed()),
    ]
    if mode == "full":
        parts = [("replace", changes.members, changes.listed())]
    for action, count, hashes in parts:
        most = rows_per_file(destination, facts, action) or count
        names = file_names(destination, facts, action, count)
        made = zip(names, render(destination, facts, hashes, action), strict=True)
        for number, (name, pieces) in enumerate(made):
            rows = min(most, count - number * most)
            yield draft.write(name, pieces, rows=rows, action=part_of(action, number))
