"""What the checks find in partitions that were really committed to a lake, and what they say of it."""

import datetime as dt
import hashlib
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from ignite_assets.api.arrow import arrow_schema
from ignite_assets.api.endpoints import ENDPOINTS, by_name
from ignite_assets.api.table import HASH_LENGTHS, Algo
from ignite_assets.storage.lake import Lake, Partition
from ignite_assets.storage.staging import Stage
from ignite_assets.tables import facts
from ignite_assets.tables.checks import CHECKS, CRITERIA, CheckName, Verdict, examine
from ignite_assets.tables.examination import Examination
from ignite_assets.tables.finding import Finding
from ignite_assets.tables.thresholds import Thresholds
from ignite_assets_tests.conftest import LOOK_BACK, NAMES, YESTERDAY, days_ago, partition

Row = Mapping[str, Any]
UTC = ZoneInfo("UTC")
MIDNIGHT = dt.time(0, 31, tzinfo=dt.UTC)
CRITERION = {criterion.name: criterion for criterion in CRITERIA}


@pytest.fixture
def lake(tmp_path: Path) -> Lake:
    return Lake(str(tmp_path / "lake"))


def its_night(day: dt.date) -> dt.datetime:
    """When a night captures a date."""
    return dt.datetime.combine(day + dt.timedelta(days=1), MIDNIGHT)


def commit(
    lake: Lake,
    where: Partition,
    rows: Sequence[Row],
    *,
    captured_at: dt.datetime | None = None,
    algo: Algo = "sha2",
    coercions: Mapping[str, int] | None = None,
    entities: int | None = None,
    **told: str,
) -> None:
    """Land rows as a capture does; the footer tells more."""
    endpoint = by_name()[where.asset]
    at = captured_at or its_night(where.date)
    schema = arrow_schema(endpoint)
    stage, gathering = Stage(schema, dictionaries=[]), facts.Gathering(endpoint, algo if endpoint.hashed else None)
    full = [{**dict.fromkeys(schema.names), **row, "captured_at": at} for row in rows]
    for batch in pa.Table.from_pylist(full, schema=schema).to_batches():
        gathering.take(batch)
        stage.write(batch)
    footer = {"captured_at": at.isoformat(), "coercions": json.dumps(coercions or {})}
    footer |= {facts.FOOTER: gathering.entry(entities), **told}
    staged = stage.finish({**footer, "algo": algo} if endpoint.hashed else footer)
    with staged.file as file:
        lake.commit(where, file)


def hashed(number: int, algo: Algo = "sha2") -> str:
    digest: str = hashlib.new({"sha2": "sha256"}.get(algo, algo), b"%d" % number).hexdigest()
    return digest


def people(numbers: Sequence[int], algo: Algo = "sha2") -> list[Row]:
    return [{"hashed_email": hashed(number, algo), "algo": algo} for number in numbers]


def verdict_of(
    lake: Lake,
    where: Partition,
    check: CheckName = "sound",
    *,
    zone: ZoneInfo = UTC,
    thresholds: Thresholds | None = None,
) -> Verdict:
    """What a check finds in a partition."""
    examination = Examination(lake, by_name()[where.asset], thresholds or Thresholds(), zone)
    return examine(examination.subject(where), check)


def found(
    name: str, lake: Lake, where: Partition, *, zone: ZoneInfo = UTC, thresholds: Thresholds | None = None
) -> Finding:
    """What a criterion finds in a partition."""
    return verdict_of(lake, where, CRITERION[name].check, zone=zone, thresholds=thresholds).findings[name]


# Both checks.


@pytest.mark.parametrize("check", CHECKS)
def test_a_partition_that_is_not_there_is_told_to_be_materialized(lake: Lake, check: CheckName) -> None:
    for name in NAMES:
        verdict = verdict_of(lake, partition(name), check)
        assert (verdict.passed, verdict.told) == (False, "there: no partition")
        assert "materialize" in verdict.findings["there"].advice


def test_a_check_that_breaks_is_a_finding_that_quotes_nothing_of_the_partition(lake: Lake) -> None:
    where = partition("visitors")
    commit(lake, where, people(range(3)))
    Path(lake.location(where)).write_bytes(b"PAR1 jane@example.com PAR1")
    verdict = verdict_of(lake, where)
    assert verdict.told.startswith("there: the check itself failed: ArrowInvalid in ")
    assert "jane" not in str(verdict)


def test_every_finding_says_what_to_do_when_it_does_not_pass_and_nothing_when_it_does(lake: Lake) -> None:
    commit(lake, partition("visitors"), [*people([1, 2, 2]), {"hashed_email": "ab" * 15, "algo": "sha2"}])
    for check in CHECKS:
        for finding in verdict_of(lake, partition("visitors"), check).findings.values():
            assert finding.measured
            assert finding.expected
            assert bool(finding.advice) is not finding.passed


def test_a_file_of_a_version_without_facts_is_judged_by_what_it_says(lake: Lake) -> None:
    for age in (4, 3, 2, 1):
        commit(lake, partition("visitors", days_ago(age)), people(range(30)))
        path = Path(lake.location(partition("visitors", days_ago(age))))
        table = pq.ParquetFile(path).read()
        kept = {k: v for k, v in table.schema.metadata.items() if k != b"ignite.facts"}
        pq.write_table(table.replace_schema_metadata(kept), path)
    verdict = verdict_of(lake, partition("visitors"))
    assert verdict.passed
    assert "gathered no facts" in verdict.findings["keys"].measured
    commit(lake, partition("visitors"), [])
    assert verdict_of(lake, partition("visitors")).failed.keys() == {"rows"}


# What is looked at in one partition.


def test_rows_that_share_a_key_are_counted_and_not_to_be_used(lake: Lake) -> None:
    commit(lake, partition("visitors"), people([1, 2, 3, 2, 2]))
    finding = found("keys", lake, partition("visitors"))
    assert (finding.passed, finding.measured) == (False, "2 of 5 rows repeat the hashed_email of another")
    assert "distinct" in finding.advice


def test_a_member_of_two_audiences_repeats_no_key(lake: Lake) -> None:
    rows = [{"audience_id": i, **person} for i in (1, 2) for person in people([1, 2])]
    commit(lake, partition("audience_members"), rows)
    assert found("keys", lake, partition("audience_members")).passed
    commit(lake, partition("audience_members"), [*rows, rows[0]])
    assert found("keys", lake, partition("audience_members")).measured.startswith("1 of 5 rows")


@pytest.mark.parametrize("algo", HASH_LENGTHS)
@pytest.mark.parametrize("odd", [0, 1, 5, 6])
def test_hashes_of_another_form_are_worth_a_look_and_many_are_not_to_be_used(lake: Lake, algo: Algo, odd: int) -> None:
    others = ["0c7e6a405862e402eb76a70f8a26fc", hashed(1, algo).upper(), hashed(1, algo) + "0"] * 2
    rows = [*people(range(100 - odd), algo), *({"hashed_email": other, "algo": algo} for other in others[:odd])]
    commit(lake, partition("visitors"), rows, algo=algo)
    assert found("every_hash", lake, partition("visitors")).passed is (odd == 0)
    finding = found("hashes", lake, partition("visitors"))
    assert finding.passed is (odd <= 5)
    assert f"{odd} of 100 hashes are not {HASH_LENGTHS[algo]} lower-case" in finding.measured


def test_hashes_in_lists_are_looked_at_too(lake: Lake) -> None:
    lists = [[hashed(1), hashed(2)], [], None, ["ab" * 15]]
    rows = [{"id": i, "hashed_emails": each, "algo": "sha2"} for i, each in enumerate(lists)]
    commit(lake, partition("location_details"), rows)
    assert found("every_hash", lake, partition("location_details")).measured == "1 of 3 hashes have another form"


def test_a_file_with_other_columns_is_not_to_be_used_as_it_is(lake: Lake) -> None:
    where = partition("visitors")
    commit(lake, where, people([1]))
    assert found("columns", lake, where).passed
    path = Path(lake.location(where))
    table = pq.ParquetFile(path).read()
    pq.write_table(table.rename_columns(["email_hash", "algo", "captured_at"]), path)
    finding = found("columns", lake, where)
    assert not finding.passed
    assert "email_hash" in finding.measured
    assert "hashed_email" in finding.expected
    assert "capture the partition again" in finding.advice


@pytest.mark.parametrize(("odd", "passes"), [(0, True), (1, True), (2, False)])
def test_values_that_do_not_fit_are_warned_about_past_a_share_of_their_column(
    lake: Lake, odd: int, passes: bool
) -> None:
    coercions = {"year": odd, "make": min(odd, 1)} if odd else {}
    commit(lake, partition("products"), [{"url": str(n)} for n in range(100)], coercions=coercions)
    finding = found("coercions", lake, partition("products"))
    assert finding.passed is passes
    if not passes:
        assert finding.measured == "2 values of year did not fit it (2.0%)"
        assert finding.expected == "at most 1.0% of a column"
        assert "year" in finding.advice
        assert found("coercions", lake, partition("products"), thresholds=Thresholds(coercions_share=0.02)).passed


def test_records_that_are_no_rows_are_warned_about_with_their_places(lake: Lake) -> None:
    commit(lake, partition("visitors"), people([1]))
    assert found("misfits", lake, partition("visitors")).passed
    commit(lake, partition("visitors"), people([1]), misfits="6", misfit_places='["1","4","5","6","8","9"]')
    finding = found("misfits", lake, partition("visitors"))
    assert not finding.passed
    assert "6 records or hashes can't be stored as such, at positions 1, 4, 5, 6, 8, …" in finding.measured
    assert "/_misfits/visitors/website=" in finding.advice


def test_members_are_held_against_the_visitors_of_their_audience(lake: Lake) -> None:
    def members(sizes: Mapping[int, int]) -> Partition:
        rows = [{"audience_id": i, **person} for i, size in sizes.items() for person in people(range(size))]
        commit(lake, partition("audience_members"), rows)
        return partition("audience_members")

    assert found("members", lake, members({1: 50, 9: 100})).measured == "no audiences of that day"
    counts = {1: 10, 2: 3, 3: 4, 4: 0, 5: None}
    commit(lake, partition("audiences"), [{"id": i, "visitors_count": count} for i, count in counts.items()])
    finding = found("members", lake, members({1: 50, 2: 16, 3: 1}))
    assert finding.measured == "1 of 3 have more than 5 members per visitor"
    assert finding.advice == "compare with the platform's web UI: ids 2"
    assert found("members", lake, members({1: 50, 2: 15, 4: 5, 5: 99})).passed
    assert not found("members", lake, members({4: 6})).passed


# Time.

NEW_YORK, AUCKLAND = ZoneInfo("America/New_York"), ZoneInfo("Pacific/Auckland")


@pytest.mark.parametrize(
    ("zone", "captured", "late"),
    [
        (UTC, "2026-11-20T00:31:00+00:00", 0),
        (UTC, "2026-11-20T23:59:59+00:00", 0),
        (UTC, "2026-11-21T00:00:00+00:00", 1),
        (UTC, "2026-11-27T09:00:00+00:00", 7),
        # In New York the 20th ends five hours later than in UTC, and in Auckland 13 hours earlier.
        (NEW_YORK, "2026-11-21T04:59:00+00:00", 0),
        (NEW_YORK, "2026-11-21T05:00:00+00:00", 1),
        (AUCKLAND, "2026-11-20T10:59:00+00:00", 0),
        (AUCKLAND, "2026-11-20T11:00:00+00:00", 1),
    ],
)
def test_a_capture_is_on_time_until_its_day_ends_in_the_partitions_zone(
    lake: Lake, zone: ZoneInfo, captured: str, late: int
) -> None:
    commit(lake, partition("visitors"), people([1]), captured_at=dt.datetime.fromisoformat(captured))
    finding = found("on_time", lake, partition("visitors"), zone=zone)
    assert finding.passed is (late == 0)
    assert zone.key in finding.expected
    if late:
        assert finding.measured == f"captured {late} day{'s' if late > 1 else ''} late"


# Beside the history.


def history(lake: Lake, *rows: int, last: dt.date = YESTERDAY) -> Partition:
    """Nights of visitors with so many rows each, the last for the date; the partition of that.

    Half of the people of a night come every night.
    """
    for age, count in enumerate(reversed(rows)):
        regulars = count // 2
        others = range(1_000_000 * (age + 1), 1_000_000 * (age + 1) + count - regulars)
        commit(lake, partition("visitors", last - dt.timedelta(days=age)), people([*range(regulars), *others]))
    return partition("visitors", last)


@pytest.mark.parametrize(
    ("rows", "usual", "sound"),
    [
        ((100, 100, 100, 100), True, True),
        ((80, 120, 100, 50), True, True),  # half the median is still usual
        ((100, 100, 100, 40), False, True),
        ((100, 100, 100, 300), True, True),
        ((100, 100, 100, 301), False, True),
        ((100, 100, 100, 501), False, False),
        ((100, 100, 100, 19), False, False),
        ((100, 100, 100, 0), False, False),
        ((100, 0), True, False),  # one night is enough to tell that everything is gone
        ((0, 0, 0, 20, 0), True, False),  # and the last one counts
        ((100, 100, 100, 0, 0), False, False),
        ((3, 2, 4, 0), False, True),  # of so few people nobody may come
        ((0, 0, 0, 0), True, True),
        ((10, 60, 400, 2000), False, True),  # a new website's first days
        ((10, 60, 400, 2001), False, False),
    ],
)
def test_rows_are_held_against_those_of_earlier_nights(
    lake: Lake, rows: tuple[int, ...], *, usual: bool, sound: bool
) -> None:
    where = history(lake, *rows)
    assert found("usual_rows", lake, where).passed is usual
    assert found("rows", lake, where).passed is sound
    assert found("rows", lake, where).measured == f"{rows[-1]:,} rows"


def test_details_of_an_emptied_list_are_doubted_as_the_list_is(lake: Lake) -> None:
    for age in (4, 3, 2, 1):
        rows = [{"id": n} for n in range(15 if age > 1 else 0)]
        commit(lake, partition("locations", days_ago(age)), rows)
        commit(lake, partition("location_details", days_ago(age)), rows, entities=len(rows))
    for name in ("locations", "location_details"):
        assert not found("rows", lake, partition(name)).passed, name


def test_an_unusual_number_of_rows_is_told_with_what_is_usual(lake: Lake) -> None:
    finding = found("usual_rows", lake, history(lake, 8, 10, 12, 2))
    assert finding.expected == "5 to 30; usual is 10, by 3 partitions"
    assert finding.history == "8 ▆▇█▂ 2"


@pytest.mark.parametrize("earlier", [0, 1, 2])
def test_too_little_history_passes_and_says_so(lake: Lake, earlier: int) -> None:
    finding = found("usual_rows", lake, history(lake, *[100] * earlier, 1))
    assert finding.passed
    assert finding.expected == f"nothing yet: of 3 partitions to compare with, there are {earlier}"


def test_a_quiet_weekday_is_held_against_that_weekday(lake: Lake) -> None:
    week = (100, 100, 100, 100, 100, 10, 100)
    assert verdict_of(lake, history(lake, *week * 3, 100, 100, 100, 100, 100, 8)).passed
    assert not verdict_of(lake, history(lake, *week * 3, 100, 100, 100, 100, 8)).passed


def windows_since(lake: Lake, days: int, captured: dt.datetime, *, daily: int = 100) -> None:
    """Windows of visitors captured together: of each of so many days until that day, everyone since."""
    last = captured.date() - dt.timedelta(days=1)
    for age in range(days):
        day = last - dt.timedelta(days=age)
        commit(lake, partition("visitors", day), people(range(daily * (age + 1))), captured_at=captured)


@pytest.mark.parametrize(("rows", "sound"), [(60, True), (100, True), (2_000, True), (2_001, False), (19, False)])
def test_a_night_is_held_against_windows_that_were_captured_late(lake: Lake, rows: int, *, sound: bool) -> None:
    windows_since(lake, 12, its_night(days_ago(2)))
    commit(lake, partition("visitors"), people(range(50, 50 + rows)))
    assert found("rows", lake, partition("visitors")).passed is sound


@pytest.mark.parametrize(("rows", "sound"), [(100, True), (400, True), (5_500, True), (5_501, False), (19, False)])
def test_a_window_that_is_captured_late_is_held_against_nights(lake: Lake, rows: int, *, sound: bool) -> None:
    history(lake, *[100] * 20, last=days_ago(12))
    commit(lake, partition("visitors", days_ago(11)), people(range(rows)), captured_at=its_night(YESTERDAY))
    assert found("rows", lake, partition("visitors", days_ago(11))).passed is sound


def test_other_websites_and_nights_of_long_ago_are_no_history(lake: Lake) -> None:
    where = history(lake, 100)
    for age in (1, 2, 3):
        commit(lake, partition("visitors", YESTERDAY - dt.timedelta(days=age), "bayside-kia"), people(range(3)))
        commit(lake, partition("visitors", YESTERDAY - dt.timedelta(days=28 + age)), people(range(3)))
    assert found("usual_rows", lake, where).expected.endswith("there are 0")


def test_everyone_of_the_nights_before_at_once_is_a_longer_window(lake: Lake) -> None:
    where = history(lake, 100, 100, 100, 100)
    earlier = [partition("visitors", days_ago(age)) for age in (4, 3, 2)]
    everyone = sorted(set(lake.read(earlier).column("hashed_email").to_pylist()))
    commit(lake, where, [{"hashed_email": each, "algo": "sha2"} for each in everyone])
    finding = found("window", lake, where)
    assert (finding.passed, finding.measured) == (False, "it holds 100% of each earlier window, and 2.0 times its rows")


def test_people_none_of_whom_ever_came_are_another_websites(lake: Lake) -> None:
    where = history(lake, 100, 100, 100, 100)
    assert found("people", lake, where).expected == "at least 12.5%; usual is 50%"
    commit(lake, where, people(range(9_000, 9_100)))
    assert not found("people", lake, where).passed
    commit(lake, where, people(range(9_000, 9_100), "md5"), algo="md5")
    assert found("people", lake, where).passed  # hashes of another algorithm are no others' people


def test_of_few_people_only_those_none_of_whom_ever_came_are_doubted(lake: Lake) -> None:
    where = history(lake, 30, 30, 30, 30)
    commit(lake, where, people([1, *range(9_000, 9_029)]))
    assert found("people", lake, where).passed
    commit(lake, where, people(range(9_000, 9_030)))
    assert not found("people", lake, where).passed


def test_an_answer_that_was_doubted_does_not_become_the_norm(lake: Lake) -> None:
    history(lake, *[100] * 8, last=days_ago(4))
    for age in (3, 2, 1):
        commit(lake, partition("visitors", days_ago(age)), people(range(9_000, 9_100)))
        assert not found("people", lake, partition("visitors", days_ago(age))).passed


@pytest.mark.parametrize(("left", "sound"), [(10, True), (9, True), (7, True), (6, False), (5, False), (1, False)])
def test_audiences_that_are_gone_past_a_share_are_doubted(lake: Lake, left: int, *, sound: bool) -> None:
    for age in (3, 2, 1):
        rows = [{"id": n, "visitors_count": 1} for n in range(10 if age > 1 else left)]
        commit(lake, partition("audiences", days_ago(age)), rows)
        members = [{"audience_id": row["id"], **person} for row in rows for person in people([row["id"]])]
        commit(lake, partition("audience_members", days_ago(age)), members, entities=len(rows))
    for name in ("audiences", "audience_members"):
        assert found("entities", lake, partition(name)).passed is sound
    assert found("entities", lake, partition("audiences"), thresholds=Thresholds(entities_lost=0.9)).passed


def test_one_of_two_audiences_may_be_deleted(lake: Lake) -> None:
    for age, count in ((2, 2), (1, 1)):
        commit(lake, partition("audiences", days_ago(age)), [{"id": n} for n in range(count)])
    assert found("entities", lake, partition("audiences")).passed


@pytest.mark.parametrize(
    ("lists", "sound"),
    [
        ([range(20), range(20)], False),
        ([range(20), range(20, 40)], True),
        ([range(20), range(20), range(9)], False),
        ([range(20), range(20), range(9), range(10)], True),
        ([range(19), range(19)], True),  # of so few, chance
        ([range(12)] * 3, False),
        ([range(11)] * 3, True),
        ([range(4)] * 6, False),
        ([range(3)] * 9, True),
    ],
)
def test_one_list_for_most_audiences_is_doubted(lake: Lake, lists: list[range], *, sound: bool) -> None:
    rows = [
        {"audience_id": i, **person}
        for i, numbers in enumerate(lists)
        for person in people(list(numbers)[:: (-1) ** i])
    ]
    commit(lake, partition("audience_members"), rows, entities=len(lists))
    assert found("alike", lake, partition("audience_members")).passed is sound


@pytest.mark.parametrize(("filled", "sound"), [(20, True), (11, True), (9, False), (0, False)])
def test_a_column_that_is_hollow_against_its_history_is_doubted(lake: Lake, filled: int, *, sound: bool) -> None:
    for age in (3, 2, 1):
        count = 20 if age > 1 else filled
        rows = [{"url": str(n), "vin": str(n) if n < count else None, "trim": None} for n in range(20)]
        commit(lake, partition("products", days_ago(age)), rows)
    finding = found("hollow", lake, partition("products"))
    assert finding.passed is sound
    if not sound:
        assert finding.measured == f"filled are vin {filled / 20:.0%} (usually 100%)"


# Nesting.

TOGETHER = dt.datetime(2026, 11, 20, 12, tzinfo=dt.UTC)


def windows(
    lake: Lake, older: Sequence[int], newer: Sequence[int], *, later: dt.timedelta = dt.timedelta(0)
) -> Partition:
    """The windows of two days in a row; the older one captured so much later. The older partition."""
    commit(lake, partition("visitors", days_ago(2)), people(older), captured_at=TOGETHER + later)
    commit(lake, partition("visitors", days_ago(1)), people(newer), captured_at=TOGETHER)
    return partition("visitors", days_ago(2))


@pytest.mark.parametrize("size", [200, 20_000])
@pytest.mark.parametrize("seconds", [0, 86_400])
def test_a_window_holds_the_next_days_when_it_was_captured_no_earlier(lake: Lake, seconds: int, size: int) -> None:
    later = dt.timedelta(seconds=seconds)
    assert found("nested", lake, windows(lake, range(size * 2), range(size), later=later)).passed
    finding = found("nested", lake, windows(lake, range(size // 2, size * 2), range(size), later=later))
    assert not finding.passed
    assert "another window" in finding.advice


def test_a_small_share_may_have_opted_out_in_between(lake: Lake) -> None:
    assert found("nested", lake, windows(lake, range(2, 250), range(250))).passed
    where = windows(lake, range(3, 250), range(250))
    assert not found("nested", lake, where).passed
    assert found("nested", lake, where, thresholds=Thresholds(nesting_share=0.05)).passed


def test_a_window_captured_earlier_or_of_another_algorithm_says_nothing_about_nesting(lake: Lake) -> None:
    finding = found("nested", lake, windows(lake, [1], range(200), later=-dt.timedelta(seconds=1)))
    assert finding.passed
    assert "captured later" in finding.measured
    where = windows(lake, range(10), range(10))
    assert found("nested", lake, partition("visitors", days_ago(1))).measured == "no partition of the next day"
    commit(lake, partition("visitors", days_ago(1)), people(range(10), "md5"), algo="md5", captured_at=TOGETHER)
    assert "another algorithm" in found("nested", lake, where).measured


# Which are for which.


def test_each_criterion_applies_where_it_makes_sense() -> None:
    where = {each.name: {row.name for row in ENDPOINTS if each.applies(row)} for each in CRITERIA}
    everywhere = set(NAMES)
    members = {"audience_members", "audience_group_members"}
    visits = {"visitors", "locations", "location_details"} | members
    assert where == {
        "columns": everywhere,
        "keys": everywhere - {"products", "sales"},
        "hashes": {"visitors", "location_details"} | members,
        "hollow": everywhere,
        "rows": everywhere,
        "window": visits,
        "people": everywhere - {"sales"},
        "entities": {"audiences", "audience_groups", "products"} | members,
        "alike": {"location_details"} | members,
        "nested": visits - {"location_details"},
        "usual_rows": everywhere,
        "every_hash": {"visitors", "location_details"} | members,
        "coercions": everywhere - {"visitors"} - members,
        "misfits": everywhere - {"sales"},
        "vanished": {"location_details"} | members,
        "members": members,
        "on_time": set(LOOK_BACK),
        "coverage": set(),
    }
