"""Long work says how far it is, seldom enough; short work says nothing. By a clock of the test's own."""

import re
from concurrent.futures import ThreadPoolExecutor

import dagster as dg
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ignite_assets.sandbox import Fault, SandboxServer
from ignite_assets.storage.lake import Lake
from ignite_assets.tables.progress import Cadence, Progress, begin, duration, lines, rate, showing
from ignite_assets_tests.conftest import YESTERDAY, Define, Runner, days_ago, partition


class Work:
    """Counted work, the clock it goes by, and what was said of it when."""

    def __init__(self, total: int | None, noun: str = "locations", **cadence: float) -> None:
        self.now = 0.0
        self.said: list[tuple[float, str]] = []
        self.progress = Progress(noun, total, self._hear, cadence=Cadence(**cadence), clock=lambda: self.now)

    def _hear(self, line: str) -> None:
        self.said.append((self.now, line))

    def goes_on(self, seconds: float, done: int = 1, failed: int = 0) -> None:
        self.now += seconds
        self.progress.add(done, failed=failed)

    @property
    def lines(self) -> list[str]:
        return [line for _, line in self.said]


def test_work_that_takes_long_tells_count_rate_and_time_left() -> None:
    work = Work(100_000)
    work.goes_on(28.571, 12_000)
    assert work.lines == ["12,000 of 100,000 locations, 420/s, 3 min 30 s left"]


def test_work_that_is_over_in_no_time_says_nothing() -> None:
    work = Work(1_000)
    for _ in range(1_000):
        work.goes_on(0.009)
    assert work.lines == []


def test_a_slow_fan_out_is_told_of_every_ten_seconds_and_at_its_end() -> None:
    work = Work(400)
    for _ in range(400):
        work.goes_on(1)
    assert [when for when, _ in work.said] == [*range(10, 400, 10), 400]
    assert work.lines[0] == "10 of 400 locations, 1.0/s, 6 min 30 s left"
    assert work.lines[-1] == "400 of 400 locations, 1.0/s, 6 min 40 s"


def test_work_of_a_middling_length_is_told_of_every_tenth_once_it_has_lasted() -> None:
    work = Work(100)
    for _ in range(100):
        work.goes_on(0.25)
    assert [when for when, _ in work.said] == [10, 12.5, 15, 17.5, 20, 22.5, 25]


def test_what_failed_is_counted_too() -> None:
    work = Work(4, "days", quiet_seconds=0)
    work.goes_on(60, 2, failed=1)
    assert work.lines == ["2 of 4 days, 1 failed, 2.0/min, 1 min 0 s left"]


def test_without_a_total_no_time_is_left_but_some_has_passed() -> None:
    work = Work(None, "rows")
    work.goes_on(75, 1_500_000)
    assert work.lines == ["1,500,000 rows, 20,000/s, 1 min 15 s"]


def test_time_that_passes_without_anything_done_is_told_too() -> None:
    work = Work(3)
    work.now = 12
    work.progress.tick()
    work.progress.tick()
    assert work.lines == ["0 of 3 locations, 12 s"]


def test_nothing_is_said_after_the_end() -> None:
    work = Work(2)
    work.goes_on(20, 2)
    work.now = 60
    work.progress.tick()
    assert len(work.lines) == 1


@given(
    st.integers(1, 5_000),
    st.lists(st.tuples(st.floats(0, 30), st.integers(1, 900)), max_size=60),
    st.floats(0, 20),
)
def test_lines_are_at_most_ten_and_one_for_each_ten_seconds(
    total: int, steps: list[tuple[float, int]], quiet: float
) -> None:
    work = Work(total, quiet_seconds=quiet)
    for seconds, done in steps:
        work.goes_on(seconds, min(done, total - work.progress._done))
    assert len(work.said) <= 10 + work.now / 10
    assert all(when >= quiet for when, _ in work.said)


def test_nothing_counted_by_several_threads_is_lost() -> None:
    work = Work(10_000)
    with ThreadPoolExecutor(8) as threads:
        for _ in range(8_000):
            threads.submit(work.progress.add)
    work.goes_on(16, 0)
    assert work.lines == ["8,000 of 10,000 locations, 500/s, 4 s left"]


@pytest.mark.parametrize(
    ("per_second", "told"), [(0.05, "3.0/min"), (1.0, "1.0/s"), (9.9, "9.9/s"), (420.4, "420/s"), (80_000, "80,000/s")]
)
def test_a_rate_has_something_before_its_point(per_second: float, told: str) -> None:
    assert rate(per_second) == told


@pytest.mark.parametrize(
    ("seconds", "told"),
    [
        (0.4, "0 s"),
        (59.4, "59 s"),
        (59.6, "1 min 0 s"),
        (209, "3 min 29 s"),
        (3_600, "1 h 0 min"),
        (7_520, "2 h 5 min"),
    ],
)
def test_a_duration_is_told_in_its_two_largest_units(seconds: float, told: str) -> None:
    assert duration(seconds) == told


@pytest.mark.usefixtures("chatty")
def test_work_is_shown_by_the_outermost_display_and_by_none_afterwards() -> None:
    outer: list[str] = []
    inner: list[str] = []
    with showing(lines(outer.append)):
        with showing(lines(inner.append)):
            begin("rows", 2).add()
        begin("rows", 2).add(2)
        with ThreadPoolExecutor(1) as threads:
            threads.submit(lambda: begin("rows", 2).add(2)).result()
    begin("rows", 2).add(2)
    assert [line.partition(",")[0] for line in outer] == ["1 of 2 rows", "2 of 2 rows"]
    assert inner == []


def told(instance: dg.DagsterInstance, result: dg.ExecuteInProcessResult) -> dict[str, list[str]]:
    """What a run's steps wrote into the event log in words, by step; times as …"""
    found: dict[str, list[str]] = {}
    for entry in instance.all_logs(result.run_id):
        if entry.dagster_event is None:
            line = re.sub(r", [\d.,]+/(s|min), .*", ", …", entry.user_message)
            found.setdefault(entry.step_key or "", []).append(line)
    return found


def test_quick_captures_write_no_progress(instance: dg.DagsterInstance, define: Define) -> None:
    runner = Runner(instance, define())
    assert told(instance, runner.day(["visitors", "locations", "location_details", "audience_members"])) == {}
    assert told(instance, runner.days(["visitors", "audience_members"], days_ago(4), YESTERDAY)) == {}


@pytest.mark.usefixtures("chatty")
def test_long_ones_tell_the_event_log_of_entities_rows_and_days(
    instance: dg.DagsterInstance, define: Define, lake: Lake
) -> None:
    runner = Runner(instance, define())

    one = told(instance, runner.day(["visitors", "locations", "location_details", "audience_members"]))
    several = told(instance, runner.days(["audience_members", "visitors", "visitor_recency"], days_ago(5), YESTERDAY))

    visitors, locations = (lake.read([partition(name)]).num_rows for name in ("visitors", "locations"))
    assert one["visitors"] == [f"{visitors} rows, …"]
    assert one["location_details"] == [f"{done} of {locations} locations, …" for done in range(1, locations + 1)]
    assert re.fullmatch(r"1 of \d+ audiences, …", one["audience_members"][0])
    days = [f"{done} of 5 days, …" for done in range(1, 6)]
    assert several == dict.fromkeys(["audience_members", "visitors", "visitor_recency"], days)


@pytest.mark.usefixtures("chatty")
def test_days_and_entities_that_fail_are_counted_as_failed(
    instance: dg.DagsterInstance, define: Define, sandbox: SandboxServer
) -> None:
    runner = Runner(instance, define())
    sandbox.faults.add(Fault(endpoint="visitors", times=1, status=400))

    said = told(instance, runner.days(["visitors"], days_ago(3), YESTERDAY))["visitors"]

    assert said[-1] == "3 of 3 days, 1 failed, …"


@pytest.mark.usefixtures("chatty")
def test_a_vanished_entity_is_no_failure(instance: dg.DagsterInstance, define: Define, sandbox: SandboxServer) -> None:
    runner = Runner(instance, define())
    sandbox.faults.add(Fault(endpoint="location_details", times=1, status=404))

    said = told(instance, runner.day(["locations", "location_details"]))["location_details"]

    assert said
    assert not any("failed" in line for line in said)
