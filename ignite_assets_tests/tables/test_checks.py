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
from ignite_assets.api.endpoints import ENDPOINTS, Endpoint, by_name
from ignite_assets.api.table import HASH_LENGTHS, Algo
from ignite_assets.dagster.io_manager import IO_MANAGER
from ignite_assets.sandbox import Fault, SandboxServer, frozen
from ignite_assets.storage.lake import Lake, Partition
from ignite_assets.storage.staging import Stage
from ignite_assets.tables.checks import CHECKS, Check, examine
from ignite_assets.tables.examination import Examination, Finding
from ignite_assets.tables.thresholds import Thresholds
from ignite_assets_tests.conftest import ACME, LOOK_BACK, NAMES, NOW, YESTERDAY, Define, Runner, days_ago, partition

Row = Mapping[str, Any]
UTC = ZoneInfo("UTC")
MIDNIGHT = dt.time(0, 31, tzinfo=dt.UTC)
CHECK = {check.name: check for check in CHECKS}


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
    **told: str,
) -> None:
    """Land rows as a capture does; the footer tells more."""
    endpoint = by_name()[where.asset]
    at = captured_at or its_night(where.date)
    schema = arrow_schema(endpoint)
    stage = Stage(schema, dictionaries=[])
    full = [{**dict.fromkeys(schema.names), **row, "captured_at": at} for row in rows]
    for batch in pa.Table.from_pylist(full, schema=schema).to_batches():
        stage.write(batch)
    footer = {"captured_at": at.isoformat(), "coercions": json.dumps(coercions or {}), **told}
    staged = stage.finish({**footer, "algo": algo} if endpoint.hashed else footer)
    with staged.file as file:
        lake.commit(where, file)


def hashed(number: int, algo: Algo = "sha2") -> str:
    digest: str = hashlib.new({"sha2": "sha256"}.get(algo, algo), b"%d" % number).hexdigest()
    return digest


def people(numbers: Sequence[int], algo: Algo = "sha2") -> list[Row]:
    return [{"hashed_email": hashed(number, algo), "algo": algo} for number in numbers]


def check_of(
    name: str, lake: Lake, where: Partition, *, zone: ZoneInfo = UTC, thresholds: Thresholds | None = None
) -> Finding:
    """What a check finds in a partition."""
    examination = Examination(lake, by_name()[where.asset], thresholds or Thresholds(), zone)
    return examine(CHECK[name], examination.subject(where))


def captured_lake(runner: Runner) -> Lake:
    """Where the runner's captures land."""
    return Lake((runner.defs.resources or {})[IO_MANAGER].root)


# All of them.


def applicable(names: Sequence[str]) -> list[tuple[Endpoint, Check]]:
    return [(each, check) for each in ENDPOINTS if each.name in names for check in CHECKS if check.applies(each)]


def test_what_a_night_captures_of_a_sound_platform_passes_every_check(runner: Runner) -> None:
    runner.day(NAMES)
    lake = captured_lake(runner)
    found = {
        (each.name, check.name): check_of(check.name, lake, partition(each.name)) for each, check in applicable(NAMES)
    }
    known_to_be_odd = {("products", "coercions_few")}  # the sandbox's products have years that are no numbers
    assert {which: finding for which, finding in found.items() if not finding.passed}.keys() <= known_to_be_odd
    assert all(finding.saw and finding.expected for finding in found.values())
    assert [finding.advice for finding in found.values() if finding.passed] == [""] * sum(
        finding.passed for finding in found.values()
    )


def test_what_a_backfill_captures_nests_and_is_told_to_be_late(runner: Runner) -> None:
    runner.days(LOOK_BACK, days_ago(3), YESTERDAY)
    lake = captured_lake(runner)
    for each, check in applicable(LOOK_BACK):
        for age in (3, 2, 1):
            finding = check_of(check.name, lake, partition(each.name, days_ago(age)))
            if check.name == "captured_on_time":
                assert finding.passed is (age == 1)
            elif check.name != "coercions_few":
                assert finding.passed, (each.name, check.name, finding)
            if check.name == "nested" and age > 1:
                assert "are not in it" in finding.saw


def test_a_partition_that_is_not_there_is_told_to_be_materialized(lake: Lake) -> None:
    for each, check in applicable(NAMES):
        finding = check_of(check.name, lake, partition(each.name))
        assert (finding.passed, finding.severe, finding.saw) == (False, False, "no partition")
        assert "materialize" in finding.advice


def test_a_check_that_breaks_is_a_finding_that_quotes_nothing_of_the_partition(lake: Lake) -> None:
    where = partition("visitors")
    commit(lake, where, people(range(3)))
    Path(lake.location(where)).write_bytes(b"PAR1 jane@example.com PAR1")
    for check in (check for each, check in applicable(["visitors"])):
        finding = check_of(check.name, lake, where)
        assert not finding.passed
        assert finding.severe
        assert finding.saw.startswith("the check itself failed: ArrowInvalid in ")
        assert "jane" not in str(finding)


# Keys.


def test_rows_that_share_a_key_are_counted_and_not_to_be_used(lake: Lake) -> None:
    commit(lake, partition("visitors"), people([1, 2, 3, 2, 2]))
    finding = check_of("keys_unique", lake, partition("visitors"))
    assert not finding.passed
    assert finding.severe
    assert finding.saw == "2 of 5 rows repeat the hashed_email of another"
    assert finding.numbers == {"repeated": 2}
    assert "distinct" in finding.advice


def test_a_member_of_two_audiences_repeats_no_key(lake: Lake) -> None:
    rows = [{"audience_id": i, **person} for i in (1, 2) for person in people([1, 2])]
    commit(lake, partition("audience_members"), rows)
    assert check_of("keys_unique", lake, partition("audience_members")).passed
    commit(lake, partition("audience_members"), [*rows, rows[0]])
    assert check_of("keys_unique", lake, partition("audience_members")).numbers == {"repeated": 1}


# Hashes.


@pytest.mark.parametrize("algo", HASH_LENGTHS)
def test_hashes_of_the_algorithms_length_pass(lake: Lake, algo: Algo) -> None:
    commit(lake, partition("visitors"), people(range(5), algo), algo=algo)
    finding = check_of("hashes_well_formed", lake, partition("visitors"))
    assert finding.passed
    assert finding.numbers == {"malformed": 0, "hashes": 5}


@pytest.mark.parametrize("algo", HASH_LENGTHS)
@pytest.mark.parametrize(
    "odd",
    ["0c7e6a405862e402eb76a70f8a26fc", "", "G" * 64, hashed(1).upper(), hashed(1) + "0", "jane@example.com"],
    ids=["short, as the vendor's sample", "empty", "not hexadecimal", "upper case", "long", "an address"],
)
def test_a_malformed_hash_is_counted_and_kept_and_only_warned_about(lake: Lake, algo: Algo, odd: str) -> None:
    rows = [*people(range(3), algo), {"hashed_email": odd, "algo": algo}]
    commit(lake, partition("visitors"), rows, algo=algo)
    finding = check_of("hashes_well_formed", lake, partition("visitors"))
    assert not finding.passed
    assert not finding.severe
    assert finding.numbers == {"malformed": 1, "hashes": 4}
    assert f"1 of 4 hashes are not {HASH_LENGTHS[algo]} lower-case" in finding.saw
    assert algo in finding.expected
    assert "left out of exports" in finding.advice
    assert len(lake.read([partition("visitors")])) == 4
    assert odd not in str(finding) or not odd


def test_hashes_in_lists_are_looked_at_too(lake: Lake) -> None:
    lists = [[hashed(1), hashed(2)], [], None, ["short"]]
    rows = [{"id": i, "hashed_emails": each, "algo": "sha2"} for i, each in enumerate(lists)]
    commit(lake, partition("location_details"), rows)
    assert check_of("hashes_well_formed", lake, partition("location_details")).numbers == {"malformed": 1, "hashes": 3}


def test_no_hashes_are_well_formed_hashes(lake: Lake) -> None:
    commit(lake, partition("visitors"), [])
    commit(lake, partition("location_details"), [])
    for name in ("visitors", "location_details"):
        assert check_of("hashes_well_formed", lake, partition(name)).passed
        assert check_of("keys_unique", lake, partition(name)).passed


# Columns.


def test_a_file_with_other_columns_is_not_to_be_used_as_it_is(lake: Lake) -> None:
    where = partition("visitors")
    commit(lake, where, people([1]))
    assert check_of("columns_as_declared", lake, where).passed
    path = Path(lake.location(where))
    table = pq.ParquetFile(path).read()
    pq.write_table(table.rename_columns(["email_hash", "algo", "captured_at"]), path)
    finding = check_of("columns_as_declared", lake, where)
    assert not finding.passed
    assert finding.severe
    assert "email_hash" in finding.saw
    assert "hashed_email" in finding.expected
    assert "capture the partition again" in finding.advice


def test_a_column_of_another_type_is_not_the_declared_one(lake: Lake) -> None:
    where = partition("audiences")
    commit(lake, where, [{"id": 1, "visitors_count": 3}])
    path = Path(lake.location(where))
    table = pq.ParquetFile(path).read()
    position = table.schema.get_field_index("visitors_count")
    text = table.column("visitors_count").cast(pa.string())
    pq.write_table(table.set_column(position, "visitors_count", text), path)
    assert "visitors_count: string" in check_of("columns_as_declared", lake, where).saw


# Coercions.


@pytest.mark.parametrize(("odd", "passes"), [(0, True), (1, True), (2, False)])
def test_values_that_do_not_fit_are_warned_about_past_a_share_of_their_column(
    lake: Lake, odd: int, passes: bool
) -> None:
    coercions = {"year": odd, "make": min(odd, 1)} if odd else {}
    commit(lake, partition("products"), [{"vin": str(n)} for n in range(100)], coercions=coercions)
    finding = check_of("coercions_few", lake, partition("products"))
    assert finding.passed is passes
    assert not finding.severe
    assert finding.numbers == {"coercions": sum(coercions.values()), "share": odd / 100}
    if not passes:
        assert finding.saw == "2 values of year did not fit it (2.0%)"
        assert finding.expected == "at most 1.0% of a column"
        assert "year" in finding.advice
        assert check_of(
            "coercions_few", lake, partition("products"), thresholds=Thresholds(coercions_share=0.02)
        ).passed


def test_records_that_are_no_rows_are_warned_about_with_their_places(lake: Lake) -> None:
    commit(lake, partition("visitors"), [{"hashed_email": "h"}])
    assert check_of("misfits_none", lake, partition("visitors")).passed
    commit(lake, partition("visitors"), [{"hashed_email": "h"}], misfits="6", misfit_places='["1","4","5","6","8","9"]')
    finding = check_of("misfits_none", lake, partition("visitors"))
    assert (finding.passed, finding.severe, finding.numbers) == (False, False, {"misfits": 6})
    assert finding.saw == "6 records can't be rows, at positions 1, 4, 5, 6, 8, …"
    assert "/_misfits/visitors/website=" in finding.advice


def test_an_empty_partition_has_no_share_of_anything(lake: Lake) -> None:
    commit(lake, partition("products"), [])
    assert check_of("coercions_few", lake, partition("products")).passed


# Rows.


def history(lake: Lake, *rows: int, last: dt.date = YESTERDAY) -> Partition:
    """Nights of visitors with so many rows each, the last for the date; the partition of that."""
    for age, count in enumerate(reversed(rows)):
        commit(lake, partition("visitors", last - dt.timedelta(days=age)), people(range(count)))
    return partition("visitors", last)


@pytest.mark.parametrize(
    ("rows", "passes", "severe"),
    [
        ((10, 10, 10, 10), True, False),
        ((8, 12, 10, 5), True, False),  # half the median is still usual
        ((10, 10, 10, 4), False, False),
        ((10, 10, 10, 30), True, False),
        ((10, 10, 10, 31), False, False),
        ((10, 10, 10, 0), False, True),
        ((10, 0), False, True),  # one night is enough to tell that everything is gone
        ((0, 0, 0, 10, 0), False, True),  # and the last one counts
        ((10, 10, 10, 0, 0), False, True),
        ((0, 0, 0, 0), True, False),
        ((0, 0), True, False),
    ],
)
def test_rows_are_held_against_the_median_of_earlier_nights(
    lake: Lake, rows: tuple[int, ...], passes: bool, severe: bool
) -> None:
    finding = check_of("rows_usual", lake, history(lake, *rows))
    assert finding.passed is passes
    assert (finding.severe and not finding.passed) is severe
    assert finding.saw == f"{rows[-1]} rows"
    assert finding.numbers["rows"] == rows[-1]
    assert ("tracking" in finding.advice) is not passes


def test_an_unusual_number_of_rows_is_told_with_what_is_usual(lake: Lake) -> None:
    finding = check_of("rows_usual", lake, history(lake, 8, 10, 12, 2))
    assert finding.expected == "5 to 30, the median of 3 earlier partitions being 10"
    assert finding.history == "8 ▆▇█▂ 2"


@pytest.mark.parametrize("earlier", [0, 1, 2])
def test_too_little_history_passes_and_says_so(lake: Lake, earlier: int) -> None:
    finding = check_of("rows_usual", lake, history(lake, *[100] * earlier, 1))
    assert finding.passed
    assert finding.expected.startswith("nothing yet: of 3 earlier partitions")
    assert finding.expected.endswith(f"there are {earlier}")
    assert finding.history == f"{100 if earlier else 1} {'█' * (earlier or 1)}{'▁' if earlier else ''} 1"


def test_only_partitions_captured_as_late_are_comparable(lake: Lake) -> None:
    where = history(lake, 10, 10, 10, 100)
    for age in (1, 2, 3):  # a backfill a month later: those windows are longer
        day = YESTERDAY - dt.timedelta(days=age)
        commit(lake, partition("visitors", day), people(range(100)), captured_at=its_night(day + dt.timedelta(days=30)))
    finding = check_of("rows_usual", lake, where)
    assert finding.passed
    assert finding.expected.endswith("there are 0")


def test_windows_of_nearly_one_length_are_comparable(lake: Lake) -> None:
    captured = dt.datetime(2026, 11, 20, 12, tzinfo=dt.UTC)
    for age in range(40, 46):
        day = days_ago(age)
        commit(lake, partition("visitors", day), people(range(4 if age == 40 else 10)), captured_at=captured)
    finding = check_of("rows_usual", lake, partition("visitors", days_ago(40)))
    assert not finding.passed
    assert "the median of 3 earlier" in finding.expected


def test_other_websites_and_nights_of_long_ago_are_no_history(lake: Lake) -> None:
    where = history(lake, 100)
    for age in (1, 2, 3):
        commit(lake, partition("visitors", YESTERDAY - dt.timedelta(days=age), "bayside-kia"), people(range(3)))
        commit(lake, partition("visitors", YESTERDAY - dt.timedelta(days=28 + age)), people(range(3)))
    assert check_of("rows_usual", lake, where).expected.endswith("there are 0")


# Members.


def audiences(lake: Lake, counts: Mapping[int, int | None]) -> None:
    commit(lake, partition("audiences"), [{"id": i, "visitors_count": count} for i, count in counts.items()])


def members(lake: Lake, sizes: Mapping[int, int]) -> Partition:
    rows = [{"audience_id": i, **person} for i, size in sizes.items() for person in people(range(size))]
    commit(lake, partition("audience_members"), rows)
    return partition("audience_members")


def test_members_are_held_against_the_visitors_of_their_audience(lake: Lake) -> None:
    audiences(lake, {1: 10, 2: 3, 3: 4})
    finding = check_of("members_plausible", lake, members(lake, {1: 50, 2: 16, 3: 1}))
    assert not finding.passed
    assert not finding.severe
    assert finding.saw == "1 of 3 have more than 5 members per visitor"
    assert finding.expected.endswith("67 members of 17 visitors")
    assert finding.advice == "compare with the platform's web UI: ids 2"
    assert check_of("members_plausible", lake, members(lake, {1: 50, 2: 15})).passed


def test_an_audience_without_visitors_may_have_a_few_members(lake: Lake) -> None:
    audiences(lake, {1: 0})
    assert check_of("members_plausible", lake, members(lake, {1: 5})).passed
    assert not check_of("members_plausible", lake, members(lake, {1: 6})).passed


def test_members_without_a_count_to_compare_with_pass(lake: Lake) -> None:
    where = members(lake, {1: 50, 9: 100})
    finding = check_of("members_plausible", lake, where)
    assert finding.passed
    assert finding.saw == "no audiences of that day"
    audiences(lake, {1: None, 2: 10})
    assert check_of("members_plausible", lake, where).saw == "0 of 0 have more than 5 members per visitor"


def test_nobody_in_any_audience_is_plausible(lake: Lake) -> None:
    audiences(lake, {1: 10})
    assert check_of("members_plausible", lake, members(lake, {})).passed


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
        (NEW_YORK, "2026-11-20T05:31:00+00:00", 0),
        (NEW_YORK, "2026-11-21T04:59:00+00:00", 0),
        (NEW_YORK, "2026-11-21T05:00:00+00:00", 1),
        (AUCKLAND, "2026-11-19T11:31:00+00:00", 0),
        (AUCKLAND, "2026-11-20T10:59:00+00:00", 0),
        (AUCKLAND, "2026-11-20T11:00:00+00:00", 1),
    ],
)
def test_a_capture_is_on_time_until_its_day_ends_in_the_partitions_zone(
    lake: Lake, zone: ZoneInfo, captured: str, late: int
) -> None:
    commit(lake, partition("visitors"), people([1]), captured_at=dt.datetime.fromisoformat(captured))
    finding = check_of("captured_on_time", lake, partition("visitors"), zone=zone)
    assert finding.passed is (late == 0)
    assert not finding.severe
    assert finding.numbers == {"days_late": late}
    assert zone.key in finding.expected
    if late:
        assert finding.saw == f"captured {late} day{'s' if late > 1 else ''} late"
        assert "last seen since its date" in finding.advice


def test_nights_of_a_zone_east_of_utc_are_comparable(lake: Lake) -> None:
    for age, rows in enumerate((0, 10, 10, 10)):
        day = YESTERDAY - dt.timedelta(days=age)
        midnight = dt.datetime.combine(day + dt.timedelta(days=1), dt.time(0, 31), AUCKLAND)
        commit(lake, partition("visitors", day), people(range(rows)), captured_at=midnight.astimezone(dt.UTC))
    finding = check_of("rows_usual", lake, partition("visitors"), zone=AUCKLAND)
    assert finding.severe
    assert "the median of 3 earlier partitions being 10" in finding.expected


# Nesting.

TOGETHER = dt.datetime(2026, 11, 20, 12, tzinfo=dt.UTC)


def windows(
    lake: Lake, older: Sequence[int], newer: Sequence[int], *, later: dt.timedelta = dt.timedelta(0)
) -> Partition:
    """The windows of two days in a row; the older one captured so much later. The older partition."""
    commit(lake, partition("visitors", days_ago(2)), people(older), captured_at=TOGETHER + later)
    commit(lake, partition("visitors", days_ago(1)), people(newer), captured_at=TOGETHER)
    return partition("visitors", days_ago(2))


@pytest.mark.parametrize("seconds", [0, 1, 86_400])
def test_a_window_holds_the_next_days_when_it_was_captured_no_earlier(lake: Lake, seconds: int) -> None:
    later = dt.timedelta(seconds=seconds)
    assert check_of("nested", lake, windows(lake, range(300), range(200), later=later)).passed
    finding = check_of("nested", lake, windows(lake, range(100, 300), range(200), later=later))
    assert not finding.passed
    assert finding.severe
    assert finding.saw == "100 of the 200 of 2026-11-19 are not in it"
    assert finding.numbers == {"missing": 100}
    assert "another window" in finding.advice


def test_a_small_share_may_have_opted_out_in_between(lake: Lake) -> None:
    assert check_of("nested", lake, windows(lake, range(3, 300), range(300))).passed
    where = windows(lake, range(4, 300), range(300))
    assert not check_of("nested", lake, where).passed
    assert check_of("nested", lake, where, thresholds=Thresholds(nesting_share=0.05)).passed


def test_a_window_captured_earlier_says_nothing_about_nesting(lake: Lake) -> None:
    finding = check_of("nested", lake, windows(lake, [1], range(200), later=-dt.timedelta(seconds=1)))
    assert finding.passed
    assert "captured later" in finding.saw


def test_without_a_next_day_or_with_another_algorithm_there_is_nothing_to_nest(lake: Lake) -> None:
    where = windows(lake, range(10), range(10))
    assert check_of("nested", lake, partition("visitors", days_ago(1))).saw == "no partition of the next day"
    commit(lake, partition("visitors", days_ago(1)), people(range(10), "md5"), algo="md5", captured_at=TOGETHER)
    finding = check_of("nested", lake, where)
    assert finding.passed
    assert "another algorithm" in finding.saw


def test_a_platform_that_answers_for_a_shorter_window_is_found_out(
    define: Define, runner: Runner, sandbox: SandboxServer
) -> None:
    runner.day(["visitors"])
    lake = captured_lake(runner)
    nobody = json.dumps(sandbox.world.visitors(ACME, days_ago(1), NOW, "sha2")[:2]).encode()
    sandbox.faults.add(Fault(endpoint="visitors", body=nobody))
    Runner(runner.instance, define(now=frozen(NOW))).day(["visitors"], days_ago(2))
    assert check_of("nested", lake, partition("visitors", days_ago(2))).severe


# Which are for which.


def test_each_check_is_made_where_it_makes_sense() -> None:
    where = {check.name: {each.name for each in ENDPOINTS if check.applies(each)} for check in CHECKS}
    everywhere = set(NAMES)
    assert where == {
        "keys_unique": everywhere - {"products", "sales"},
        "hashes_well_formed": {"visitors", "location_details", "audience_members", "audience_group_members"},
        "columns_as_declared": everywhere,
        "coercions_few": everywhere - {"visitors", "audience_members", "audience_group_members"},
        "misfits_none": everywhere - {"location_details", "sales"},
        "rows_usual": everywhere,
        "members_plausible": {"audience_members", "audience_group_members"},
        "captured_on_time": set(LOOK_BACK),
        "nested": {"visitors", "locations", "audience_members", "audience_group_members"},
    }
