"""The drop folder: which files wait, when they are complete, when they are asked for again, where they go."""

import hashlib
import itertools
import os
from pathlib import Path

import pytest

from ignite_assets.audiences.drops.tables import Reject
from ignite_assets.audiences.inbox import Dropped, Looks, astray, clear, dropped, put_aside, put_away, rejects
from ignite_assets.storage.store import Store

WEBSITES = ("acme", "bayside")
ANN = "ann@example.com"


@pytest.fixture
def inbox(tmp_path: Path) -> Path:
    return tmp_path / "inbox"


@pytest.fixture
def store(inbox: Path) -> Store:
    return Store(str(inbox))


def drop(inbox: Path, name: str, text: str = ANN) -> Path:
    path = inbox / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return path


def the_file(store: Store) -> Dropped:
    (file,) = dropped(store, WEBSITES)
    return file


def left(inbox: Path) -> list[str]:
    return sorted(str(path.relative_to(inbox)) for path in inbox.rglob("*") if path.is_file())


# Which files wait.


def test_files_wait_by_website_addresses_and_hashes_apart(inbox: Path, store: Store) -> None:
    for name in ("acme/b.csv", "acme/a.txt", "acme/hashes/c.txt", "bayside/a.json", "other/a.txt"):
        drop(inbox, name)
    found = dropped(store, WEBSITES)
    assert [(file.path, file.of_hashes) for file in found] == [
        ("acme/a.txt", False),
        ("acme/b.csv", False),
        ("acme/hashes/c.txt", True),
        ("bayside/a.json", False),
    ]


@pytest.mark.parametrize("name", [".a.txt", "_a.txt", "a.txt.part", "a.filepart", "a.TMP", "a.txt~"])
def test_files_that_are_still_written_are_passed_over(inbox: Path, store: Store, name: str) -> None:
    drop(inbox, f"acme/{name}")
    assert dropped(store, WEBSITES) == []


def test_what_was_dealt_with_waits_no_more(inbox: Path, store: Store) -> None:
    for name in ("acme/processed/a.txt", "acme/processed/hashes/a.txt", "acme/.deleted/a.txt", "acme/deeper/a.txt"):
        drop(inbox, name)
    assert dropped(store, WEBSITES) == []


def test_an_inbox_that_is_not_there_is_empty(store: Store) -> None:
    assert dropped(store, WEBSITES) == []
    assert astray(store, WEBSITES) == 0


def test_what_is_in_no_websites_folder_is_counted(inbox: Path, store: Store) -> None:
    for name in ("acme/a.txt", "acme/hashes/a.txt", "acme/processed/a.txt", ".hidden", "other/.a"):
        drop(inbox, name)
    assert astray(store, WEBSITES) == 0
    for name in ("acme_honda/a.txt", "a.txt", "acme/deeper/a.txt"):
        drop(inbox, name)
    assert astray(store, WEBSITES) == 3


# When they are complete.


def test_a_file_is_asked_for_when_two_looks_agree(inbox: Path, store: Store) -> None:
    looks, file = Looks(), drop(inbox, "acme/a.txt")
    assert looks.take_in(dropped(store, WEBSITES), (), now=0) == []
    file.write_text(f"{ANN}\nbob@example.com")  # it grows
    assert looks.take_in(dropped(store, WEBSITES), (), now=30) == []
    ((found, tried),) = looks.take_in(dropped(store, WEBSITES), (), now=60)
    assert (found.path, tried) == ("acme/a.txt", 0)


def test_a_file_rewritten_with_the_same_size_is_not_complete(inbox: Path, store: Store) -> None:
    looks, file = Looks(), drop(inbox, "acme/a.txt")
    looks.take_in(dropped(store, WEBSITES), (), now=0)
    before = file.stat()
    file.write_text(ANN.replace("ann", "bob"))
    os.utime(file, ns=(before.st_atime_ns, before.st_mtime_ns + 1))
    assert looks.take_in(dropped(store, WEBSITES), (), now=30) == []


def test_a_file_that_stays_is_asked_for_again_after_waits_that_double_to_a_bound() -> None:
    looks, file = Looks(), Dropped("acme", "a.txt", 1, 1)
    looks.take_in([file], (), now=0)
    asked = []
    for now in range(0, 3 * 24 * 3600, 30):
        looks = Looks.read(looks.text())
        asked += [(now, tried) for _, tried in looks.take_in([file], (), now=now)]
    times = [now for now, _ in asked]
    waits = [after - before for before, after in itertools.pairwise(times)]
    assert [tried for _, tried in asked] == list(range(len(asked)))
    assert waits[:4] == [60, 120, 240, 480]
    assert waits == sorted(waits)
    assert waits[-1] == 6 * 3600


def test_a_file_that_a_run_deals_with_is_not_asked_for() -> None:
    looks, file = Looks(), Dropped("acme", "a.txt", 1, 1)
    looks.take_in([file], (), now=0)
    assert looks.take_in([file], {file.key}, now=30) == []
    assert len(looks.take_in([file], (), now=60)) == 1


def test_another_file_of_the_same_name_begins_anew() -> None:
    looks = Looks()
    for now in (0, 30, 60, 90):
        looks.take_in([Dropped("acme", "a.txt", 1, 1)], (), now=now)
    looks.take_in([Dropped("acme", "a.txt", 2, 2)], (), now=120)
    ((_, tried),) = looks.take_in([Dropped("acme", "a.txt", 2, 2)], (), now=150)
    assert tried == 0
    looks.take_in([], (), now=180)
    assert Looks.read(looks.text()) == Looks()


# Names.


@pytest.mark.parametrize("name", [f"{ANN}.csv", "ann%40example.com.csv", f"hashes/{ANN}"])
def test_a_name_that_may_be_an_address_is_kept_out_of_every_record(name: str) -> None:
    file, looks = Dropped("acme", name, 1, 1), Looks()
    looks.take_in([file], (), now=0)
    looks.take_in([file], (), now=30)
    assert "ann" not in f"{file.label} {file.key} {looks.text()}"
    assert file.label != Dropped("acme", f"x{name}", 1, 1).label


# Where they go.


def test_what_was_dealt_with_is_deleted_and_its_rejects_stay_beside_it(inbox: Path, store: Store) -> None:
    drop(inbox, "acme/a.txt")
    source = hashlib.sha256(ANN.encode()).hexdigest()[:12]
    assert put_away(
        store, the_file(store), ANN.encode(), (Reject(line=3, reason="no address", content="a, b"),), keep=False
    )
    assert left(inbox) == [f"acme/processed/{source}-a.txt.rejects"]
    assert (inbox / left(inbox)[0]).read_text() == 'line,reason,content\n3,no address,"a, b"\n'
    assert (inbox / left(inbox)[0]).stat().st_mode & 0o777 == 0o600
    assert dropped(store, WEBSITES) == []
    assert rejects(store, WEBSITES) == {"acme": left(inbox)}


def test_a_file_of_which_nothing_is_accounted_for_is_kept_whole(inbox: Path, store: Store) -> None:
    drop(inbox, f"acme/{ANN}.json", "{")
    assert put_aside(store, the_file(store), b"{")
    (kept,) = left(inbox)
    assert "@" not in kept
    assert kept.endswith(".rejects")
    assert (inbox / kept).read_text() == "{"
    assert (inbox / kept).stat().st_mode & 0o777 == 0o600
    assert astray(store, WEBSITES) == 0


def test_two_files_of_one_name_are_both_kept(inbox: Path, store: Store) -> None:
    for text in (ANN, "bob@example.com"):
        drop(inbox, "acme/a.txt", text)
        assert put_away(store, the_file(store), text.encode(), (), keep=True)
    kept = [(inbox / name).read_text() for name in left(inbox)]
    assert sorted(kept) == [ANN, "bob@example.com"]


def test_a_file_of_hashes_is_put_away_beside_the_others(inbox: Path, store: Store) -> None:
    drop(inbox, "acme/hashes/a.txt", "x")
    put_away(store, the_file(store), b"x", (), keep=True)
    (name,) = left(inbox)
    assert name.startswith("acme/processed/hashes/")
    assert name.endswith("-a.txt")


def test_a_file_that_changed_since_it_was_read_stays(inbox: Path, store: Store) -> None:
    drop(inbox, "acme/a.txt", f"{ANN}\nbob@example.com")
    assert not put_away(store, the_file(store), ANN.encode(), (), keep=False)
    assert left(inbox) == ["acme/a.txt"]


@pytest.mark.parametrize("folder", ["", "hashes/"])
def test_a_file_that_changes_while_it_is_moved_comes_back(
    inbox: Path, store: Store, folder: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = drop(inbox, f"acme/{folder}a.txt")
    move = Store.move

    def move_late(self: Store, name: str, to: str) -> None:
        monkeypatch.setattr(Store, "move", move)
        path.write_text(f"{ANN}\nbob@example.com")  # by whoever still has it open
        move(self, name, to)

    monkeypatch.setattr(Store, "move", move_late)
    assert not put_away(store, the_file(store), ANN.encode(), (), keep=False)
    assert left(inbox) == [f"acme/{folder}again-a.txt"]
    assert "bob" in (inbox / left(inbox)[0]).read_text()


def test_what_a_killed_process_was_about_to_delete_is_deleted(
    inbox: Path, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    drop(inbox, "acme/a.txt")
    with monkeypatch.context() as patch:
        patch.setattr(Store, "delete", _killed)
        with pytest.raises(KeyboardInterrupt):
            put_away(store, the_file(store), ANN.encode(), (), keep=False)
    assert len(left(inbox)) == 1
    clear(store, WEBSITES)
    assert left(inbox) == []


def _killed(*_: object) -> None:
    raise KeyboardInterrupt


def test_what_could_not_be_read_is_no_leftover(inbox: Path, store: Store) -> None:
    drop(inbox, "acme/a.json", "{")
    put_away(store, the_file(store), b"{", (), keep=True)
    clear(store, WEBSITES)
    assert len(left(inbox)) == 1
