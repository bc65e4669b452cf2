"""The ledger: hashes and times, never an address; written once whatever is repeated."""

import datetime as dt
import io
import re
from pathlib import Path

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from ignite_assets.audiences import ledger
from ignite_assets.audiences.ledger import Hashes, LedgerError
from ignite_assets.audiences.rules import Scope
from ignite_assets.storage.duck import Workspace
from ignite_assets.storage.lake import Lake
from ignite_assets_tests.audiences.captures import NOW, WEBSITE, Tally, address, hashed, somebody, tally

LATER = NOW + dt.timedelta(hours=1)
ONE, TWO = somebody(1).hashes, somebody(2).hashes


def suppressed(lake: Lake, website: str = WEBSITE, scope: Scope = "website") -> set[str]:
    with Workspace(threads=1) as workspace:
        ledger.suppress(workspace, lake, website, scope)
        found = workspace.one("SELECT list(hash) AS hashes, count(DISTINCT hash) AS n FROM suppressed")
    assert found["n"] == len(found["hashes"] or [])
    return set(found["hashes"] or [])


def test_a_person_is_suppressed_by_all_three_hashes(lake: Lake) -> None:
    ledger.record(lake, WEBSITE, [ONE], source_hash="a", at=NOW)
    assert suppressed(lake) == {hashed(1, "md5"), hashed(1, "sha1"), hashed(1, "sha2")}


def test_without_opt_outs_nobody_is_suppressed(lake: Lake) -> None:
    assert suppressed(lake) == set()


def test_recording_again_changes_nothing(lake: Lake) -> None:
    first = ledger.record(lake, WEBSITE, [ONE, TWO], source_hash="a", at=NOW)
    again = ledger.record(lake, WEBSITE, [TWO, ONE, ONE], source_hash="a", at=LATER)
    assert first == again
    (file,) = Path(lake.root).rglob("*.parquet")
    assert set(pq.ParquetFile(file).read()["first_seen"].to_pylist()) == {NOW}


def test_an_acknowledged_person_is_a_later_row(lake: Lake) -> None:
    ledger.record(lake, WEBSITE, [ONE, TWO], source_hash="a", at=NOW)
    ledger.record(lake, WEBSITE, [ONE], source_hash="a", at=LATER, kind="submitted")
    assert ledger.acknowledged(lake, WEBSITE) == {ONE.sha256}
    assert tally(lake, WEBSITE) == Tally(known=2, submitted=1, by_hash=0)
    assert len(list(Path(lake.root).rglob("*.parquet"))) == 2


def test_nobody_makes_no_file(lake: Lake) -> None:
    assert ledger.record(lake, WEBSITE, [], source_hash="a", at=NOW) is None
    assert not Path(lake.root).exists()


def test_scope_says_whose_opt_outs_count(lake: Lake) -> None:
    ledger.record(lake, "other", [ONE], source_hash="a", at=NOW)
    assert suppressed(lake) == set()
    assert ONE.sha256 in suppressed(lake, scope="all")


def test_a_website_is_not_its_name_sake(lake: Lake) -> None:
    ledger.record(lake, f"{WEBSITE}-2", [ONE], source_hash="a", at=NOW)
    assert suppressed(lake) == set()


def test_a_hash_given_alone_suppresses_that_hash(lake: Lake) -> None:
    ledger.record(lake, WEBSITE, [Hashes(md5=ONE.md5)], source_hash="a", at=NOW)
    assert suppressed(lake) == {ONE.md5}
    assert tally(lake, WEBSITE) == Tally(known=1, submitted=0, by_hash=1)


def test_a_hash_given_alone_finds_the_others_where_the_person_is_known_elsewhere(lake: Lake) -> None:
    ledger.record(lake, WEBSITE, [Hashes(md5=ONE.md5)], source_hash="a", at=NOW)
    ledger.record(lake, "other", [ONE, TWO], source_hash="b", at=NOW)
    assert suppressed(lake) == {ONE.md5, ONE.sha1, ONE.sha256}


def test_the_ledger_reads_as_any_hive_tree_and_holds_no_address(lake: Lake) -> None:
    ledger.record(lake, WEBSITE, [ONE], source_hash="a", at=NOW)
    ledger.record(lake, "other", [TWO], source_hash="b", at=NOW)
    rows = duckdb.read_parquet(f"{lake.root}/_opt_outs/*/*.parquet", hive_partitioning=True)
    assert sorted(rows.project("website, sha256, submitted_at").fetchall()) == [
        (WEBSITE, ONE.sha256, None),
        ("other", TWO.sha256, None),
    ]
    for path in Path(lake.root).rglob("*.parquet"):
        assert address(1).encode() not in path.read_bytes()
        assert "person" not in str(path.relative_to(lake.root))


EMPTY, TORN = b"", b"PAR1 torn"


def others() -> bytes:
    """A Parquet file that is no ledger's."""
    file = io.BytesIO()
    pq.write_table(pa.table({"md5": ["x"], "email": ["x"]}), file)
    return file.getvalue()


@pytest.mark.parametrize("damage", [EMPTY, TORN, others()], ids=["empty", "torn", "others"])
@pytest.mark.parametrize("scope", ["website", "all"])
def test_a_damaged_file_stops_exports_and_is_named(lake: Lake, scope: Scope, damage: bytes) -> None:
    ledger.record(lake, WEBSITE, [ONE], source_hash="a", at=NOW)
    name = ledger.record(lake, WEBSITE, [TWO], source_hash="b", at=NOW)
    assert name
    (Path(lake.root) / name).write_bytes(damage)
    with pytest.raises(LedgerError, match=re.escape(name)):
        suppressed(lake, WEBSITE, scope)
    with pytest.raises(LedgerError, match=re.escape(name)):
        tally(lake, WEBSITE)


@pytest.mark.parametrize("damage", [EMPTY, TORN])
def test_a_damaged_file_is_written_again_when_its_people_are_recorded_again(lake: Lake, damage: bytes) -> None:
    name = ledger.record(lake, WEBSITE, [ONE], source_hash="a", at=NOW)
    assert name
    (Path(lake.root) / name).write_bytes(damage)
    assert ledger.record(lake, WEBSITE, [ONE], source_hash="a", at=LATER) == name
    assert suppressed(lake) == {ONE.md5, ONE.sha1, ONE.sha256}


def test_a_file_of_other_people_is_not_taken_for_the_recorded_ones(lake: Lake) -> None:
    one = ledger.record(lake, WEBSITE, [ONE], source_hash="a", at=NOW)
    two = ledger.record(lake, WEBSITE, [TWO], source_hash="a", at=NOW)
    assert one
    assert two
    (Path(lake.root) / one).write_bytes((Path(lake.root) / two).read_bytes())
    ledger.record(lake, WEBSITE, [ONE], source_hash="a", at=LATER)
    assert suppressed(lake) == {*ONE, *TWO}


def test_people_whose_acknowledgement_is_damaged_are_submitted_again(lake: Lake) -> None:
    ledger.record(lake, WEBSITE, [ONE], source_hash="a", at=NOW)
    name = ledger.record(lake, WEBSITE, [ONE], source_hash="a", at=NOW, kind="submitted")
    assert name
    (Path(lake.root) / name).write_bytes(EMPTY)
    assert ledger.acknowledged(lake, WEBSITE) == set()
    ledger.record(lake, WEBSITE, [ONE], source_hash="a", at=LATER, kind="submitted")
    assert ledger.acknowledged(lake, WEBSITE) == {ONE.sha256}


def test_an_opt_out_comes_after_a_withdrawal_whatever_the_clock_says(lake: Lake) -> None:
    ledger.record(lake, WEBSITE, [ONE], source_hash="a", at=NOW)
    assert ledger.moment(lake, WEBSITE, LATER) == LATER
    ledger.withdraw(lake, WEBSITE, [[ONE]], reason="test", at=LATER)
    ledger.record(lake, WEBSITE, [ONE], source_hash="b", at=ledger.moment(lake, WEBSITE, NOW))
    assert hashed(1) in suppressed(lake)


def test_a_withdrawn_opt_out_suppresses_nobody_until_the_person_opts_out_again(lake: Lake) -> None:
    ledger.record(lake, WEBSITE, [ONE, TWO], source_hash="a", at=NOW)
    ledger.withdraw(lake, WEBSITE, [[ONE]], reason="test", at=LATER)
    assert hashed(2) in suppressed(lake)
    assert hashed(1) not in suppressed(lake)
    ledger.record(lake, WEBSITE, [ONE], source_hash="b", at=LATER + dt.timedelta(hours=1))
    assert hashed(1) in suppressed(lake)
