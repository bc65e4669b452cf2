"""The inventory in a report, against plain Python."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ignite_assets.report.inventory import OTHERS, UNKNOWN, Inventory
from ignite_assets.storage.lake import Lake
from ignite_assets_tests.audiences.captures import DAY, ago
from ignite_assets_tests.report.made import Row, capture, figures, product, visitors

BUCKETS = ((7, "0 to 7 days"), (30, "8 to 30 days"), (60, "31 to 60 days"), (90, "61 to 90 days"),
           (180, "91 to 180 days"), (10**6, "over 180 days"))  # fmt: skip
PRODUCTS = st.lists(
    st.tuples(
        st.one_of(st.integers(0, 400), st.sampled_from([-1, 7, 8, 30, 31, 90, 91, 180, 181])),
        st.sampled_from(["Ford", "Kia", None, " "]),
        st.sampled_from(["NEW", "new ", "USED", "CPO", None]),
    ),
    max_size=40,
)


def reported(lake: Lake, rows: list[Row]) -> Inventory:
    capture(lake, "products", DAY, rows)
    found = figures(lake).inventory
    assert found is not None
    return found


@given(products=PRODUCTS)
def test_every_product_is_in_one_bucket_and_of_one_make(
    tmp_path_factory: pytest.TempPathFactory, products: list[tuple[int, str | None, str | None]]
) -> None:
    lake = Lake(str(tmp_path_factory.mktemp("lake")))

    found = reported(lake, [product(age, make=make, condition=condition) for age, make, condition in products])

    ages: dict[str, list[str]] = {label: [] for _, label in BUCKETS}
    makes: dict[str, list[str]] = {}
    for age, make, condition in products:
        kind = {"NEW": "new", "new ": "new", "USED": "used"}.get(condition or "", "other")
        bucket = UNKNOWN if age < 0 else next(label for last, label in BUCKETS if age <= last)
        ages.setdefault(bucket, []).append(kind)
        makes.setdefault((make or "").strip() or UNKNOWN, []).append(kind)
    assert {s.label: [s.new, s.used, s.other] for s in found.by_age} == counted(ages)
    assert {s.label: [s.new, s.used, s.other] for s in found.by_make} == counted(makes)
    assert found.all.total == len(products)
    assert found.over_90 == sum(age > 90 for age, _, _ in products)
    known = sorted(age for age, _, _ in products if age >= 0)
    if len(known) % 2:
        assert found.median_days == known[len(known) // 2]


def counted(kinds: dict[str, list[str]]) -> dict[str, list[int]]:
    return {label: [of.count(kind) for kind in ("new", "used", "other")] for label, of in kinds.items()}


def test_makes_beyond_the_largest_are_told_together(lake: Lake) -> None:
    rows = [product(1, make=f"Make {number}") for number in range(12) for _ in range(number + 1)]

    found = reported(lake, rows)

    assert [stack.label for stack in found.by_make] == [*(f"Make {n}" for n in range(11, 3, -1)), OTHERS]
    assert found.by_make[-1].total == 1 + 2 + 3 + 4


def test_the_newest_day_of_the_window_stands_in_for_one_that_is_missing(lake: Lake) -> None:
    visitors(lake, DAY, [1])
    capture(lake, "products", ago(3), [product(1, day=ago(3))])

    found = figures(lake)

    assert found.inventory is not None
    assert (found.inventory.date, found.inventory.all.total) == (ago(3), 1)
    assert next(each for each in found.headlines if each.name == "products").value is None


def test_products_from_before_the_window_do_not(lake: Lake) -> None:
    visitors(lake, DAY, [1])
    capture(lake, "products", ago(20), [product(1, day=ago(20))])

    assert figures(lake).inventory is None


def test_ages_are_as_of_the_capture(lake: Lake) -> None:
    capture(lake, "products", DAY, [product(5)], late=3)

    found = figures(lake).inventory

    assert found is not None
    assert [stack.total for stack in found.by_age][:2] == [0, 1]
