"""The inventory in a report, against plain Python."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ignite_assets.report.inventory import Inventory
from ignite_assets.storage.lake import Lake
from ignite_assets_tests.audiences.captures import DAY, ago
from ignite_assets_tests.report.made import Row, audiences, capture, figures, members, product, visitors

BUCKETS = ((7, "up to 7 days"), (30, "8 to 30 days"), (60, "31 to 60 days"), (90, "61 to 90 days"),
           (180, "91 to 180 days"), (10**6, "over 180 days"))  # fmt: skip
PRODUCTS = st.lists(
    st.tuples(
        st.one_of(st.integers(0, 400), st.sampled_from([-1, 7, 8, 30, 31, 90, 91, 180, 181])),
        st.sampled_from(["NEW", "new ", "USED", "CPO", None]),
    ),
    max_size=40,
)


def reported(lake: Lake, rows: list[Row]) -> Inventory:
    capture(lake, "products", DAY, rows)
    found = figures(lake).inventory
    assert found is not None
    return found


@settings(max_examples=15)
@given(products=PRODUCTS)
def test_every_product_is_of_one_age_and_one_condition(
    tmp_path_factory: pytest.TempPathFactory, products: list[tuple[int, str | None]]
) -> None:
    lake = Lake(str(tmp_path_factory.mktemp("lake")))

    found = reported(lake, [product(age, condition=condition) for age, condition in products])

    ages: dict[str, list[str]] = {}
    for age, condition in products:
        kind = {"NEW": "new", "new ": "new", "USED": "used"}.get(condition or "", "other")
        bucket = "not known" if age < 0 else next(label for last, label in BUCKETS if age <= last)
        ages.setdefault(bucket, []).append(kind)
    kinds = ("new", "used", "other")
    assert {row["age"]: [row[kind] for kind in kinds] for row in found.ages.rows} == {
        label: [of.count(kind) for kind in kinds] for label, of in ages.items()
    }
    assert (found.all.first["products"], sum(row["products"] for row in found.ages.rows)) == (len(products),) * 2
    assert found.all.first["over_90"] == sum(age > 90 for age, _ in products)
    known = sorted(age for age, _ in products if age >= 0)
    if len(known) % 2:
        assert found.all.first["days"] == known[len(known) // 2]


def test_people_looking_stand_beside_what_is_listed_however_it_is_spelled(lake: Lake) -> None:
    audiences(lake, DAY, {1: ("NEW", "FORD", "F-150"), 2: ("New", "ford", "Edge"), 3: ("USED", "KIA", None)})
    members(lake, DAY, {1: range(6), 2: range(4, 9), 3: range(2)})
    rows = [product(n, make="Ford", condition="NEW") for n in range(3)] + [product(1, make="Honda", condition="USED")]

    found = reported(lake, rows)

    assert [(row["condition"], row["make"], row["people"], row["products"]) for row in found.interest.rows] == [
        ("new", "Ford", 9, 3), ("used", "KIA", 2, 0), ("used", "Honda", 0, 1),
    ]  # fmt: skip


def test_the_newest_day_of_the_window_stands_in_for_one_that_is_missing(lake: Lake) -> None:
    visitors(lake, DAY, [1])
    capture(lake, "products", ago(3), [product(1, day=ago(3))])

    found = figures(lake).inventory

    assert found is not None
    assert (found.date, found.all.first["products"]) == (ago(3), 1)


def test_products_from_before_the_window_do_not(lake: Lake) -> None:
    visitors(lake, DAY, [1])
    capture(lake, "products", ago(20), [product(1, day=ago(20))])

    assert figures(lake).inventory is None
