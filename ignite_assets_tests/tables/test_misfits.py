"""Records that can't be rows: kept, counted and placed, while the others land; too many fail the partition."""

import json
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ignite_assets.api import arrow, pieces
from ignite_assets.api.errors import ResponseShapeError, ShapeError
from ignite_assets.api.fitting import masked
from ignite_assets.api.misfits import Misfit, Misfits
from ignite_assets.sandbox import Fault, SandboxServer
from ignite_assets.storage.lake import Lake, Partition
from ignite_assets.tables.made import MadePartition
from ignite_assets.testing import find_leaks
from ignite_assets_tests.tables.conftest import ROWS, SITE, YESTERDAY, Captures

HASH = "ab" * 32
BAD_HASHES = st.sampled_from(
    [
        None,
        "",
        7,
        1.5,
        True,
        [],
        {},
        ["x"],
        {"a": 1},
        "\ud800",
        "é",
        '"',
        "}, {",
        "ab" * 13,
        "ab" * 70,
        "ann@example.com",
    ]
)
BAD_OBJECTS: st.SearchStrategy[Any] = st.sampled_from(
    [None, "", "x", 7, [], {}, {"id": None}, {"id": "A-7"}, {"id": 1.5}, {"id": 2**63}]
)
GOOD_HASHES = st.sampled_from(["ab" * 14, "0" * 31, "C" * 32, "d" * 64, "e" * 128])
GOOD_OBJECTS = st.builds(
    lambda number, **more: {"id": number, **more},
    st.integers(0, 10**6),
    brand=st.sampled_from(["KIA", None, 7, "}, {"]),
    new=st.sampled_from([1, None, "x"]),
)


@pytest.mark.parametrize(
    ("name", "good", "bad"), [("visitors", GOOD_HASHES, BAD_HASHES), ("audiences", GOOD_OBJECTS, BAD_OBJECTS)]
)
@given(data=st.data(), size=st.integers(1, 60))
def test_every_record_is_a_row_or_a_misfit_in_its_place(
    name: str, good: st.SearchStrategy[Any], bad: st.SearchStrategy[Any], data: st.DataObject, size: int
) -> None:
    marked = data.draw(
        st.lists(st.tuples(st.just(True), good) | st.tuples(st.just(False), bad), min_size=1, max_size=20)
    )
    body = json.dumps([record for _, record in marked]).encode()
    misfits = Misfits()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(pieces, "PIECE_BYTES", size)
        arriving = [body[at : at + 7] for at in range(0, len(body), 7)]
        found = list(
            arrow.batches(ROWS[name], arriving, {"algo": "md5"} if name == "visitors" else {}, Counter(), misfits)
        )
    rows = [row for batch in found for row in batch.column(0).to_pylist()]
    assert rows == [record if isinstance(record, str) else record["id"] for is_row, record in marked if is_row]
    assert [(m.position, m.record) for m in misfits] == [
        (position, masked(record) if name == "visitors" else record)
        for position, (is_row, record) in enumerate(marked)
        if not is_row
    ]


@pytest.mark.parametrize(
    ("misfits", "rows", "fails"), [(20, 1, False), (20, 0, True), (21, 2079, False), (21, 2078, True), (0, 0, False)]
)
def test_a_partition_fails_past_one_in_a_hundred_and_twenty(misfits: int, rows: int, *, fails: bool) -> None:
    found = Misfits()
    found.add(*(Misfit(position=n, reason="expected x, found null", record=None) for n in range(misfits)))
    if not fails:
        found.judge(rows)
        return
    with pytest.raises(ResponseShapeError, match=f"found null at position 0; {misfits} of"):
        found.judge(rows)


def captured(capture_of: Captures, name: str, *, lake: Lake | None = None, **how: Any) -> MadePartition:
    """What is captured, and committed where there is a lake."""
    made = capture_of(ROWS[name], **how).one(YESTERDAY)
    with made.staged.file as file:
        if lake:
            lake.commit(Partition(name, SITE.key, YESTERDAY), file, made.misfits)
    return made


def test_one_bad_record_lets_the_others_land_and_is_kept_beside_them(
    platform: SandboxServer,
    capture_of: Captures,
    tmp_path: Path,
) -> None:
    body = json.dumps([HASH, None, "ann@example.com", HASH.upper(), {"e": "ann"}]).encode()
    platform.faults.add(Fault(endpoint="visitors", body=body, times=1))
    lake, partition = Lake(str(tmp_path)), Partition("visitors", SITE.key, YESTERDAY)
    made = captured(capture_of, "visitors", lake=lake)
    assert made.staged.rows == 2
    assert made.facts["misfits"] == 3
    assert "ann" not in repr(made)
    kept = json.loads((tmp_path / f"_misfits/visitors/website={SITE.key}/date={YESTERDAY}.json").read_bytes())
    assert (kept["asset"], kept["website"], kept["date"]) == ("visitors", SITE.key, str(YESTERDAY))
    assert [(m["position"], m["record"]) for m in kept["misfits"]] == [
        (1, None), (2, "(not stored: text, 15 characters)"), (4, "(not stored: an object)"),
    ]  # fmt: skip
    assert not find_leaks(["ann@example"], folders=[tmp_path], objects=[made])
    assert lake.footer(partition)["ignite.misfits"] == "3"
    assert lake.footer(partition)["ignite.misfit_places"] == '["1", "2", "4"]'
    assert lake.folders() == ["visitors"]
    assert lake.partitions("visitors") == [partition]

    captured(capture_of, "visitors", lake=lake)
    assert not list(tmp_path.glob("_misfits/**/*.json"))


def test_a_listing_with_a_bad_id_loses_no_other_audience(platform: SandboxServer, capture_of: Captures) -> None:
    before = captured(capture_of, "audience_members")
    bodies = captured(capture_of, "audiences")
    ids = bodies.preview[0]["id"], bodies.preview[1]["id"]
    listing = json.dumps([{"id": ids[0]}, {"id": None}, {"id": ids[1]}, {"id": "A-7"}]).encode()
    platform.faults.add(Fault(endpoint="audiences", body=listing))
    made = captured(capture_of, "audience_members")
    assert 0 < made.staged.rows <= before.staged.rows
    assert {request.id for request in platform.requests if request.endpoint == "audience_members"} >= set(ids)
    assert captured(capture_of, "audiences").facts["misfits"] == 2


def test_members_that_cant_be_rows_are_placed_in_their_audience(platform: SandboxServer, capture_of: Captures) -> None:
    entity = captured(capture_of, "audiences").preview[0]["id"]
    platform.faults.add(Fault(endpoint="audience_members", id=entity, body=b'[null, "%b", 7]' % HASH.encode()))
    made = captured(capture_of, "audience_members")
    assert made.misfits
    assert [(m["entity"], m["position"]) for m in json.loads(made.misfits)["misfits"]] == [(entity, 0), (entity, 2)]


def test_many_bad_members_fail_the_partition(platform: SandboxServer, capture_of: Captures) -> None:
    platform.faults.add(Fault(endpoint="audience_members", body=json.dumps([None] * 30 + [HASH]).encode()))
    with pytest.raises(ShapeError, match=r"found null at position 0 of .*records can't be rows") as failed:
        captured(capture_of, "audience_members")
    assert not failed.value.retryable


BODIES: dict[str, tuple[bytes, list[object]]] = {
    "sales": (
        b'{"sales": [{"n": 1}, null, 7], "matched_sales": [null, []], "more": null}',
        [(1, "expected an object, found null"), (3, "expected an object, found null")],
    ),
    "products": (
        b'[{"vin": "1"}, null, 7]',
        [(1, "expected an object, found null"), (2, "expected an object, found a number")],
    ),
}


@pytest.mark.parametrize("name", BODIES)
def test_each_row_says_what_a_misfit_is(name: str, platform: SandboxServer, capture_of: Captures) -> None:
    body, expected = BODIES[name]
    platform.faults.add(Fault(endpoint=name, body=body))
    made = captured(capture_of, name)
    assert made.misfits
    assert [(m["position"], m["reason"]) for m in json.loads(made.misfits)["misfits"]] == expected


@pytest.mark.parametrize("body", [b"null", b"[]", b'"gone"', b"{}", b'{"id": null}', b'{"id": "A-7"}', b'{"error": 1}'])
def test_one_locations_broken_details_cost_no_other_location(
    body: bytes, platform: SandboxServer, capture_of: Captures
) -> None:
    ids = [row["id"] for row in captured(capture_of, "locations").preview]
    platform.faults.add(Fault(endpoint="location_details", id=ids[1], body=body))
    made = captured(capture_of, "location_details", ids={YESTERDAY: ids})
    assert {row["id"] for row in made.preview} == {*ids} - {ids[1]}
    assert made.misfits
    (kept,) = json.loads(made.misfits)["misfits"]
    assert (kept["entity"], kept["position"], kept["record"]) == (ids[1], 0, json.loads(body))

    platform.faults.add(Fault(endpoint="location_details", body=body))
    with pytest.raises(ShapeError, match="records can't be rows"):
        captured(capture_of, "location_details", ids={YESTERDAY: ids})
