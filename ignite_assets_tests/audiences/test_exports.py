"""Exports as a whole: what is written, what follows on what, and what leaves in any case."""

import datetime as dt
import hashlib
import json
from pathlib import Path
from typing import Any

import pyarrow.fs as pafs
import pytest

from ignite_assets.audiences import history, ledger
from ignite_assets.audiences.delta import Changes
from ignite_assets.audiences.exports import OptOutsArriveError
from ignite_assets.storage.lake import Lake
from ignite_assets.storage.store import Store
from ignite_assets_tests.audiences.captures import (
    DAY,
    NOW,
    WEBSITE,
    ago,
    capture,
    hashed,
    hashes,
    members,
    rule,
    run,
    run_one,
    somebody,
    uploaded,
    visitors,
)
from ignite_assets_tests.audiences.uploader import exports, pointed_at, state


def folder(to: Path, *, audience: int | None = None) -> Path:
    """The newest export of the list."""
    inner = "" if audience is None else f"/audience={audience}"
    return pointed_at(to / f"everyone/website={WEBSITE}{inner}")


def made(to: Path) -> list[Path]:
    """The list's exports, oldest first."""
    return exports(to / f"everyone/website={WEBSITE}")


def content(path: Path, stem: str) -> str:
    """The only file of an export whose name begins so."""
    (file,) = path.glob(f"{stem}-*")
    return file.read_text()


def opt_out(lake: Lake, *numbers: int, website: str = WEBSITE) -> None:
    ledger.record(lake, website, [somebody(number).hashes for number in numbers], source_hash="a", at=NOW)


def test_the_first_delta_adds_everyone_sorted(lake: Lake, to: Path) -> None:
    visitors(lake, DAY, [3, 1, 2])
    outcome = run_one(lake, rule(to))
    assert uploaded(folder(to)) == {"add.txt": sorted(hashes([1, 2, 3]))}
    assert outcome.written is not None
    assert outcome.written.follows == ()
    assert (outcome.counts.members, outcome.counts.adds, outcome.counts.removes) == (3, 3, 0)


def test_a_later_delta_adds_and_removes_against_what_was_last_sent(lake: Lake, to: Path) -> None:
    visitors(lake, ago(3), [1, 2, 3])
    visitors(lake, ago(1), [7, 8, 9])  # a day whose export was never made
    visitors(lake, DAY, [2, 3, 4])
    run_one(lake, rule(to), ago(3))
    outcome = run_one(lake, rule(to))
    assert uploaded(folder(to)) == {"add.txt": [hashed(4)], "remove.txt": [hashed(1)]}
    assert outcome.written is not None
    (followed,) = outcome.written.follows
    assert followed.folder.startswith(f"000001-{ago(3)}-")


def test_a_full_export_lists_everyone_each_time(lake: Lake, to: Path) -> None:
    visitors(lake, ago(1), [1, 2])
    visitors(lake, DAY, [2, 3])
    run_one(lake, rule(to, mode="full"), ago(1))
    run_one(lake, rule(to, mode="full"))
    assert uploaded(folder(to)) == {"members.txt": sorted(hashes([2, 3]))}


def test_a_delta_without_changes_has_a_manifest_and_no_files(lake: Lake, to: Path) -> None:
    for day in (ago(1), DAY):
        visitors(lake, day, [1, 2])
        run_one(lake, rule(to), day)
    assert uploaded(folder(to)) == {}
    assert (folder(to) / "manifest.json").exists()


def test_the_manifest_describes_every_file(lake: Lake, to: Path) -> None:
    visitors(lake, ago(1), [1, 2])
    visitors(lake, DAY, [2, 3, "0123456789abcdef", hashed(4).upper(), hashed(5, "md5")])
    opt_out(lake, 3)
    run_one(lake, rule(to), ago(1))
    run_one(lake, rule(to, window_days=2))
    manifest = json.loads((folder(to) / "manifest.json").read_text())
    assert manifest["counts"] == {
        "members": 2,
        "adds": 0,
        "resent": 0,
        "removes": 0,
        "opted_out": 0,
        "suppressed": 1,
        "malformed": 3,
    }
    assert manifest["window"] == {
        "first": ago(1).isoformat(),
        "last": DAY.isoformat(),
        "days": 2,
        "captured": 2,
        "missing": [],
    }
    for entry in [*manifest["files"], manifest["state"]]:
        data = (folder(to) / entry["name"]).read_bytes()
        assert (entry["bytes"], entry["sha256"]) == (len(data), hashlib.sha256(data).hexdigest())
    assert {path.name for path in folder(to).iterdir()} == {"manifest.json", manifest["state"]["name"]}


def test_equal_members_make_equal_bytes_in_whatever_order_they_come(lake: Lake, to: Path, tmp_path: Path) -> None:
    other = Lake(str(tmp_path / "other"))
    visitors(lake, DAY, range(200))
    visitors(other, ago(1), range(0, 200, 3))
    visitors(other, DAY, reversed(range(200)))
    run_one(lake, rule(to / "one"))
    run_one(other, rule(to / "two", window_days=2))
    assert content(folder(to / "one"), "add") == content(folder(to / "two"), "add")


def test_a_value_that_is_no_hash_of_the_algorithm_is_counted_and_left_out(lake: Lake, to: Path) -> None:
    short = "d1540b59802754a41d5005aafa08722"  # as on the vendor's page
    visitors(lake, DAY, [1, short, short, hashed(2).upper(), hashed(3)[:-1] + "g", f"{hashed(3)}\n", ""])
    outcome = run_one(lake, rule(to))
    assert uploaded(folder(to)) == {"add.txt": [hashed(1)]}
    assert outcome.counts.malformed == 5


def test_a_window_is_the_union_of_its_days_and_of_no_other(lake: Lake, to: Path) -> None:
    for days, people in ((3, [9]), (2, [1]), (1, [2]), (0, [2, 3])):
        visitors(lake, ago(days), people)
    visitors(lake, DAY, [8], website="other-site")
    run_one(lake, rule(to, window_days=3))
    assert uploaded(folder(to)) == {"add.txt": sorted(hashes([1, 2, 3]))}


@pytest.mark.parametrize("algo", ["md5", "sha1", "sha2"])
def test_whoever_opted_out_is_in_no_export_in_any_algorithm(lake: Lake, to: Path, algo: str) -> None:
    visitors(lake, DAY, [1, 2, 3], algo)  # type: ignore[arg-type]
    opt_out(lake, 2)
    outcome = run_one(lake, rule(to), algo=algo)
    assert uploaded(folder(to)) == {"add.txt": sorted(hashes([1, 3], algo))}  # type: ignore[arg-type]
    assert outcome.counts.suppressed == 1


def test_an_opt_out_counts_for_its_website_or_for_all(lake: Lake, to: Path) -> None:
    visitors(lake, DAY, [1, 2])
    opt_out(lake, 2, website="other-site")
    run_one(lake, rule(to / "own"))
    run_one(lake, rule(to / "all"), scope="all")
    assert uploaded(folder(to / "own")) == {"add.txt": sorted(hashes([1, 2]))}
    assert uploaded(folder(to / "all")) == {"add.txt": [hashed(1)]}


def test_who_opts_out_after_being_sent_is_removed_although_the_export_is_held(lake: Lake, to: Path) -> None:
    visitors(lake, ago(2), [1, 2, 3])
    run_one(lake, rule(to), ago(2))
    visitors(lake, DAY, [1, 2, 4])  # the day between is missing
    opt_out(lake, 2)
    outcome = run_one(lake, rule(to, window_days=2))
    assert outcome.decision.held
    assert uploaded(folder(to)) == {"remove.txt": [hashed(2)]}
    assert outcome.written is not None
    assert outcome.written.allowed == "opt_outs"
    visitors(lake, ago(1), [1, 3])
    run_one(lake, rule(to, window_days=2))
    assert uploaded(folder(to)) == {"add.txt": [hashed(4)]}


def test_who_opts_out_of_a_held_full_list_is_left_out_of_the_one_that_stands(lake: Lake, to: Path) -> None:
    visitors(lake, ago(2), [1, 2, 3])
    run_one(lake, rule(to, mode="full"), ago(2))
    visitors(lake, DAY, [4])
    opt_out(lake, 2)
    run_one(lake, rule(to, mode="full", window_days=2))
    assert uploaded(folder(to)) == {"members.txt": sorted(hashes([1, 3]))}


def test_a_full_list_that_everyone_opted_out_of_is_replaced_by_an_empty_one(lake: Lake, to: Path) -> None:
    visitors(lake, DAY, [1])
    run_one(lake, rule(to, mode="full"))
    opt_out(lake, 1)
    run_one(lake, rule(to, mode="full"))
    assert uploaded(folder(to)) == {"members.txt": []}


def test_who_opts_out_by_day_is_removed_by_the_export_of_the_same_date(lake: Lake, to: Path) -> None:
    visitors(lake, DAY, [1, 2])
    run_one(lake, rule(to))
    opt_out(lake, 2)
    run_one(lake, rule(to))
    assert uploaded(folder(to)) == {"remove.txt": [hashed(2)]}


def opting_out_in_the_middle(lake: Lake, monkeypatch: pytest.MonkeyPatch, *numbers: int) -> None:
    """Let one person after the other opt out, each when an export's state was just worked out."""
    left, save = list(numbers), Changes.save

    def saving(changes: Changes) -> Path:
        if left:
            opt_out(lake, left.pop())
        return save(changes)

    monkeypatch.setattr(Changes, "save", saving)


def test_people_who_opt_out_while_the_export_is_made_are_not_in_it(
    lake: Lake, to: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    visitors(lake, DAY, [1, 2, 3])
    opting_out_in_the_middle(lake, monkeypatch, 2, 3)
    run_one(lake, rule(to))
    assert len(made(to)) == 1
    assert uploaded(folder(to)) == {"add.txt": [hashed(1)]}


def test_people_who_opt_out_during_the_commit_are_removed_right_after_it(
    lake: Lake, to: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    visitors(lake, DAY, [1, 2])
    commit, left = history.commit, [2]

    def committing(*arguments: Any) -> Any:
        if left:
            opt_out(lake, left.pop())
        return commit(*arguments)

    monkeypatch.setattr(history, "commit", committing)
    first, second = run(lake, rule(to))
    assert (first.counts.adds, second.counts.removes) == (2, 1)
    assert uploaded(folder(to)) == {"remove.txt": [hashed(2)]}


def test_an_export_gives_up_for_now_where_people_never_stop_opting_out(
    lake: Lake, to: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    visitors(lake, DAY, [1])
    opting_out_in_the_middle(lake, monkeypatch, *range(100, 200))
    with pytest.raises(OptOutsArriveError) as caught:
        run_one(lake, rule(to))
    assert caught.value.retryable
    assert not to.exists()


def test_an_export_made_again_follows_the_first_and_leaves_it_as_it_was(lake: Lake, to: Path) -> None:
    visitors(lake, ago(1), [1, 2])
    run_one(lake, rule(to), ago(1))
    visitors(lake, DAY, [1, 3])
    run_one(lake, rule(to))
    before = {path: path.read_bytes() for path in to.rglob("0*/*")}
    visitors(lake, DAY, [1, 2])
    run_one(lake, rule(to))
    assert len(made(to)) == 3
    assert uploaded(folder(to)) == {"add.txt": [hashed(2)], "remove.txt": [hashed(3)]}
    assert {path: path.read_bytes() for path in before} == before


def test_a_day_older_than_the_newest_sent_is_never_sent(lake: Lake, to: Path) -> None:
    visitors(lake, DAY, [1, 2])
    visitors(lake, ago(1), [2])
    run_one(lake, rule(to))
    opt_out(lake, 1)
    outcome = run_one(lake, rule(to), ago(1), force="really")
    assert outcome.decision.reasons == (f"a newer day was written: {DAY}",)
    assert outcome.date == DAY
    assert uploaded(folder(to)) == {"remove.txt": [hashed(1)]}


def test_a_held_export_leaves_the_last_good_one(lake: Lake, to: Path) -> None:
    visitors(lake, ago(1), range(10))
    visitors(lake, DAY, [1])
    run_one(lake, rule(to), ago(1))
    outcome = run_one(lake, rule(to, max_shrink=0.5))
    assert outcome.written is None
    assert outcome.decision.reasons == ("9 of 10 people would leave (90%), more than 50%",)
    assert (outcome.members, outcome.status) == (1, "held")
    assert len(made(to)) == 1


def test_a_forced_export_is_sent_and_says_who_knew_better(lake: Lake, to: Path) -> None:
    visitors(lake, ago(1), range(10))
    visitors(lake, DAY, [1])
    run_one(lake, rule(to), ago(1))
    run_one(lake, rule(to, max_shrink=0.5), force="the shop closed")
    manifest = json.loads((folder(to) / "manifest.json").read_text())
    assert manifest["forced"] == "the shop closed"
    assert manifest["reasons"]
    assert len(uploaded(folder(to))["remove.txt"]) == 9


def test_people_may_be_added_while_days_are_missing_where_the_rule_says_so(lake: Lake, to: Path) -> None:
    visitors(lake, ago(2), [1, 2, 3])
    run_one(lake, rule(to), ago(2))
    visitors(lake, DAY, [1, 4])
    opt_out(lake, 3)
    outcome = run_one(lake, rule(to, window_days=2, adds_when_incomplete=True))
    assert uploaded(folder(to)) == {"add.txt": [hashed(4)], "remove.txt": [hashed(3)]}
    assert outcome.counts.members == 3
    assert outcome.window is not None
    assert outcome.window.missing == (ago(1),)


def test_days_before_the_first_that_has_partitions_are_not_missing(lake: Lake, to: Path) -> None:
    visitors(lake, ago(1), [1])
    visitors(lake, DAY, [2])
    outcome = run_one(lake, rule(to, window_days=30), first_day=ago(1))
    assert not outcome.decision.held
    assert outcome.window is not None
    assert (outcome.window.first, outcome.window.days, outcome.window.missing) == (ago(1), 2, ())


def test_a_dry_run_says_what_would_happen_and_writes_nothing(lake: Lake, to: Path) -> None:
    visitors(lake, DAY, [1, 2])
    outcome = run_one(lake, rule(to), dry_run=True)
    assert (outcome.counts.adds, outcome.written, outcome.status) == (2, None, "would write")
    assert not to.exists()


def test_members_about_to_be_dropped_by_the_platform_are_sent_again(lake: Lake, to: Path) -> None:
    google = rule(to, destination="google_customer_match", min_members=1)
    for days, people in ((510, [1, 2]), (509, [1, 2, 3])):
        visitors(lake, ago(days), people)
        run_one(lake, google, ago(days))
    visitors(lake, DAY, [1, 2, 3])
    outcome = run_one(lake, google)
    assert (outcome.counts.adds, outcome.counts.resent, outcome.counts.members) == (2, 2, 3)
    assert content(folder(to), "add").split() == ["Email", *sorted(hashes([1, 2]))]
    assert {row["hash"]: (row["first_sent"], row["last_sent"]) for row in state(folder(to))} == {
        hashed(1): (ago(510), DAY),
        hashed(2): (ago(510), DAY),
        hashed(3): (ago(509), ago(509)),
    }


def audiences(lake: Lake, day: dt.date, *rows: tuple[int, str, str]) -> None:
    names = ("id", "primary_category", "brand")
    capture(lake, "audiences", day, [dict(zip(names, row, strict=True)) for row in rows])


def test_all_audiences_that_match_make_one_list(lake: Lake, to: Path) -> None:
    audiences(lake, DAY, (1, "Used", "KIA"), (2, "USED", "HONDA"), (3, "NEW", "KIA"), (4, "USED", "KIAX"))
    members(lake, DAY, {1: [1, 2], 2: [2, 3], 3: [4], 4: [5]})
    used = rule(to, source="audiences", match={"primary_category": ("USED",), "brand": ("kia", "Honda")})
    run_one(lake, used)
    assert uploaded(folder(to)) == {"add.txt": sorted(hashes([1, 2, 3]))}


def test_each_audience_makes_a_list_where_they_are_not_combined(lake: Lake, to: Path) -> None:
    audiences(lake, ago(1), (1, "USED", "KIA"), (2, "USED", "HONDA"))
    members(lake, DAY, {1: [1, 2], 2: [2, 3]})
    run(lake, rule(to, source="audiences", combine=False, match={"primary_category": ("used",)}))
    assert uploaded(folder(to, audience=1)) == {"add.txt": sorted(hashes([1, 2]))}
    assert uploaded(folder(to, audience=2)) == {"add.txt": sorted(hashes([2, 3]))}


def test_who_opts_out_leaves_the_lists_that_the_rule_gave_up(lake: Lake, to: Path) -> None:
    audiences(lake, ago(1), (1, "USED", "KIA"))
    members(lake, ago(1), {1: [1, 2]})
    each = rule(to, source="audiences", combine=False)
    run(lake, each, ago(1))
    audiences(lake, DAY, (7, "USED", "KIA"))
    members(lake, DAY, {7: [5]})
    opt_out(lake, 2)
    new, old = run(lake, each)
    assert (new.of.audience, old.of.audience) == (7, 1)
    assert (new.orphaned, old.orphaned) == (False, True)
    assert old.status == "no longer asked for, opt-outs written"
    assert uploaded(folder(to, audience=1)) == {"remove.txt": [hashed(2)]}


def test_a_list_that_was_combined_and_no_longer_is_still_loses_who_opts_out(lake: Lake, to: Path) -> None:
    audiences(lake, ago(1), (1, "USED", "KIA"))
    for day in (ago(1), DAY):
        members(lake, day, {1: [1, 2]})
    run(lake, rule(to, source="audiences"), ago(1))
    opt_out(lake, 2)
    run(lake, rule(to, source="audiences", combine=False))
    assert uploaded(folder(to)) == {"remove.txt": [hashed(2)]}
    assert uploaded(folder(to, audience=1)) == {"add.txt": [hashed(1)]}


@pytest.mark.parametrize("combine", [True, False])
def test_audiences_that_were_never_listed_can_not_be_matched(lake: Lake, to: Path, combine: bool) -> None:
    members(lake, DAY, {1: [1]})
    outcome = run_one(lake, rule(to, source="audiences", combine=combine, match={"brand": ("KIA",)}))
    assert outcome.decision.reasons == ("audiences has never been captured",)
    assert outcome.written is None


def test_all_audiences_in_one_list_need_no_list_of_audiences(lake: Lake, to: Path) -> None:
    members(lake, DAY, {1: [1], 2: [2]})
    run_one(lake, rule(to, source="audiences"))
    assert uploaded(folder(to)) == {"add.txt": sorted(hashes([1, 2]))}


def test_ids_need_no_list_of_audiences(lake: Lake, to: Path) -> None:
    members(lake, DAY, {1: [1], 2: [2]})
    run_one(lake, rule(to, source="audiences", match={"id": ("2",)}))
    assert uploaded(folder(to)) == {"add.txt": [hashed(2)]}


def test_a_rule_that_matches_nothing_is_held(lake: Lake, to: Path) -> None:
    audiences(lake, DAY, (1, "NEW", "KIA"))
    members(lake, DAY, {1: [1]})
    outcome = run_one(lake, rule(to, source="audiences", match={"brand": ("FORD",)}))
    assert outcome.written is None
    assert "no audiences match the rule" in outcome.decision.reasons


def test_a_destination_that_does_not_take_the_algorithm_is_refused_also_by_force(lake: Lake, to: Path) -> None:
    visitors(lake, DAY, [1], "md5")
    meta = rule(to, destination="meta_custom_audience", min_members=1)
    outcome = run_one(lake, meta, algo="md5", force="please")
    assert outcome.written is None
    assert outcome.decision.reasons == ("Meta Custom Audience takes sha2, the website is captured as md5",)


def test_a_list_whose_algorithm_changed_is_held_and_still_loses_who_opts_out(lake: Lake, to: Path) -> None:
    liveramp = rule(to, destination="liveramp", min_members=1)
    visitors(lake, ago(1), [1, 2], "md5")
    visitors(lake, DAY, [1, 2])
    run_one(lake, liveramp, ago(1), algo="md5")
    opt_out(lake, 2)
    outcome = run_one(lake, liveramp, algo="sha2", force="please")
    assert outcome.decision.held
    assert content(folder(to), "remove") == f'"email1_MD5"\n"{hashed(2, "md5")}"\n'
    assert not list(folder(to).glob("add-*"))


def test_exports_reach_any_file_system(lake: Lake, tmp_path: Path) -> None:
    visitors(lake, ago(1), [1, 2])
    visitors(lake, DAY, [2, 3])
    (tmp_path / "bucket").mkdir()
    url = (tmp_path / "bucket").as_uri()
    for day in (ago(1), DAY):
        run_one(lake, rule(url), day)
    assert uploaded(folder(tmp_path / "bucket")) == {"add.txt": [hashed(3)], "remove.txt": [hashed(1)]}


def test_a_store_that_is_no_local_path_does_the_same(tmp_path: Path) -> None:
    (tmp_path / "bucket").mkdir()
    store = Store("bucket", pafs.SubTreeFileSystem(str(tmp_path), pafs.LocalFileSystem()))
    assert not store.is_local
    store.filesystem.create_dir("bucket/a")
    store.put("a/one", b"1")
    store.move("a/one", "a/two")
    assert (store.files("a"), store.read("a/two"), store.exists("a/one")) == (["a/two"], b"1", False)
    store.delete("a/one")
    store.delete("a/two")
    assert store.files("a") == store.files("b") == []
