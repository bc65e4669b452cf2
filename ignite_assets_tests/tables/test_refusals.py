"""What the platform can't mean does not land: the capture fails, and nothing of it is stored."""

import hashlib
import json
from pathlib import Path
from typing import Any

import pytest

from ignite_assets.api.errors import IgniteError, ShapeError, VanishedError
from ignite_assets.sandbox import Fault, SandboxServer
from ignite_assets.storage.lake import Lake, Partition
from ignite_assets.testing import find_leaks
from ignite_assets_tests.tables.conftest import ROWS, SITE, YESTERDAY, Captures, days_ago

ADDRESS = "ann.example@mail.example"


def failure(capture_of: Captures, name: str, **how: Any) -> IgniteError | None:
    """Why a capture fails; None when it is made."""
    try:
        capture_of(ROWS[name], **how).one(YESTERDAY).staged.file.close()
    except IgniteError as error:
        return error
    return None


def located(platform: SandboxServer, count: int) -> list[int]:
    """So many of the website's locations."""
    return [int(str(each["id"])) for each in platform.world.locations(SITE, days_ago(60), platform.now())][:count]


@pytest.mark.parametrize(("listed", "gone", "fails"), [(20, 4, True), (20, 3, False), (4, 4, True), (3, 3, False)])
def test_listed_locations_that_are_not_found_past_a_share_fail_the_details(
    platform: SandboxServer, capture_of: Captures, listed: int, gone: int, *, fails: bool
) -> None:
    ids = located(platform, listed)
    assert len(ids) == listed
    platform.faults.add(*(Fault(endpoint="location_details", id=each, status=404) for each in ids[:gone]))
    error = failure(capture_of, "location_details", ids={YESTERDAY: ids})
    assert isinstance(error, VanishedError) is fails
    if error:
        assert f"{gone} of {listed} entities that the platform lists are not found (404)" in str(error)
        assert error.retryable


def test_vanished_locations_are_counted_for_each_date_that_lists_them(
    platform: SandboxServer, capture_of: Captures
) -> None:
    ids = located(platform, 30)
    platform.faults.add(*(Fault(endpoint="location_details", id=each, status=404) for each in ids[:5]))
    capture = capture_of(ROWS["location_details"], ids={YESTERDAY: ids[10:], days_ago(2): ids})
    outcomes = dict(capture.each([YESTERDAY, days_ago(2)]))
    assert isinstance(outcomes[days_ago(2)], VanishedError)
    assert not isinstance(outcomes[YESTERDAY], IgniteError)


@pytest.mark.parametrize(
    ("name", "field"), [("products", "title"), ("locations", "street"), ("audiences", "visitors_count")]
)
def test_a_field_that_every_record_has_and_that_is_gone_from_all_fails_the_capture(
    platform: SandboxServer, capture_of: Captures, name: str, field: str
) -> None:
    records = [
        {"id": n, "url": f"u{n}", "title": "t", "street": "s", "city": "c", "visitors_count": 1} for n in range(9)
    ]

    def answered(*, renamed: int) -> IgniteError | None:
        for record in records[:renamed]:
            record[f"new_{field}"] = record.pop(field, None)
        platform.faults.clear()
        platform.faults.add(Fault(endpoint=name, body=json.dumps(records).encode()))
        return failure(capture_of, name)

    assert answered(renamed=8) is None
    error = answered(renamed=9)
    assert isinstance(error, ShapeError)
    assert f"none of 9 records has {field}: a field was renamed or left out" in str(error)
    records[3:] = []
    assert answered(renamed=0) is None  # of so few records all may lack it


def test_products_whose_keys_were_all_renamed_fail(platform: SandboxServer, capture_of: Captures) -> None:
    platform.faults.add(Fault(endpoint="products", body=json.dumps([{"URL": str(n)} for n in range(9)]).encode()))
    assert "none of 9 records has url, title" in str(failure(capture_of, "products"))


@pytest.mark.parametrize("clear", [ADDRESS, "5551234567", "ann", "G" * 64], ids=["address", "phone", "name", "no hex"])
def test_clear_text_among_hashes_is_never_stored(
    platform: SandboxServer, capture_of: Captures, tmp_path: Path, clear: str
) -> None:
    lake = Lake(str(tmp_path))
    hashes = [hashlib.sha256(b"%d" % n).hexdigest() for n in range(4_000)]
    (location,) = located(platform, 1)
    details = {"id": location, "street": "1 Main St", "hashed_emails": [hashes[0], clear, hashes[1]]}
    for endpoint, body in {"visitors": [*hashes[:50], clear, *hashes[50:]], "location_details": details}.items():
        platform.faults.add(Fault(endpoint=endpoint, body=json.dumps(body).encode()))
        made = capture_of(ROWS[endpoint], ids={YESTERDAY: [location]}).one(YESTERDAY)
        with made.staged.file as file:
            lake.commit(Partition(endpoint, SITE.key, YESTERDAY), file, made.misfits)
        assert made.facts["misfits"] == 1
        assert not find_leaks([clear], folders=[tmp_path], objects=[made]) if len(clear) >= 6 else True
    visitors = lake.read([Partition("visitors", SITE.key, YESTERDAY)]).column("hashed_email").to_pylist()
    assert visitors == hashes
    (kept,) = lake.read([Partition("location_details", SITE.key, YESTERDAY)]).column("hashed_emails").to_pylist()
    assert kept == hashes[:2]
    (misfit,) = json.loads((tmp_path / Partition("visitors", SITE.key, YESTERDAY).misfits).read_bytes())["misfits"]
    assert (misfit["position"], misfit["record"]) == (50, f"(not stored: text, {len(clear)} characters)")


@pytest.mark.parametrize("hashed_emails", [ADDRESS, {ADDRESS: 1}, [ADDRESS, 7]], ids=["text", "object", "mixed"])
def test_what_is_no_list_of_hashes_is_not_stored_in_extra(
    platform: SandboxServer, capture_of: Captures, tmp_path: Path, hashed_emails: object
) -> None:
    (location,) = located(platform, 1)
    body = json.dumps({"id": location, "hashed_emails": hashed_emails}).encode()
    platform.faults.add(Fault(endpoint="location_details", body=body))
    made = capture_of(ROWS["location_details"], ids={YESTERDAY: [location]}).one(YESTERDAY)
    with made.staged.file as file:
        Lake(str(tmp_path)).commit(Partition("location_details", SITE.key, YESTERDAY), file, made.misfits)
    assert made.facts["coercions_by_column"] == {"hashed_emails": 1}
    assert not find_leaks([ADDRESS], folders=[tmp_path])


def test_a_record_that_cant_be_a_row_is_kept_without_its_hashes(platform: SandboxServer, capture_of: Captures) -> None:
    good, broken = located(platform, 2)
    body = json.dumps({"id": None, "city": "Cary", "hashed_emails": [ADDRESS]}).encode()
    platform.faults.add(Fault(endpoint="location_details", id=broken, body=body))
    made = capture_of(ROWS["location_details"], ids={YESTERDAY: [good, broken]}).one(YESTERDAY)
    made.staged.file.close()
    (misfit,) = json.loads(made.misfits or b"")["misfits"]
    assert misfit["record"] == {"id": None, "city": "Cary", "hashed_emails": "(not stored: an array)"}


@pytest.mark.parametrize("name", ["visitors", "audience_members", "location_details"])
def test_an_answer_of_addresses_fails_the_partition_and_no_error_quotes_one(
    platform: SandboxServer, capture_of: Captures, name: str
) -> None:
    ids = located(platform, 30)
    addresses = [f"{n}.{ADDRESS}" for n in range(30)]
    details = {
        "street": "s",
        "city": "c",
        "summary": {"visit_last": "2026-11-19T10:00:00Z"},
        "hashed_emails": addresses,
    }
    for each in ids:
        body = json.dumps({"id": each, **details}).encode()
        platform.faults.add(Fault(endpoint="location_details", id=each, body=body))
    for endpoint in ("visitors", "audience_members"):
        platform.faults.add(Fault(endpoint=endpoint, body=json.dumps(addresses).encode()))
    error = failure(capture_of, name, ids={YESTERDAY: ids})
    assert isinstance(error, ShapeError)
    assert "expected a hashed e-mail, found text with an @ at position 0" in str(error)
    assert not find_leaks([ADDRESS], objects=[error])
