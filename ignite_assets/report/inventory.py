"""The products that the website lists: by how long they have been listed, and beside the people who look at them."""

import datetime as dt
from dataclasses import dataclass

from ignite_assets.report.readings import Query, Readings

ASSET = "products"


@dataclass(frozen=True, kw_only=True)
class Inventory:
    """What is listed on a day."""

    date: dt.date
    """Of the partition: the report's day, or the newest of the window before it."""
    all: Query
    """`products`; of them `new`, `used` and `other`, and those listed `over_90` days; the median of `days`."""
    ages: Query
    """`listed`, and of these days `products`, `new`, `used`, `other`; in order of age."""
    interest: Query
    """By condition and make: `people` of its audiences in the window beside `products`; most people first."""


def read(readings: Readings) -> Inventory | None:
    """The inventory of the newest day of the window; None when none was captured."""
    newest = readings.newest(ASSET)
    if newest is None:
        return None
    names = readings.newest("audiences") or readings.day
    values = {"listed": newest, "first": readings.window[0], "day": readings.day, "names": names}
    return Inventory(
        date=newest,
        all=readings.ask("inventory", _LISTED + _BY_CONDITION, what=_TIMES, order="", **values),
        ages=readings.ask("inventory_by_age", _LISTED + _BY_CONDITION, what=_AGE, order=_BY_AGE, **values),
        interest=readings.ask("interest", _LISTED + _INTEREST, **values),
    )


# Age as of the capture: that is when the platform listed them.
_LISTED = """
    WITH listed AS (
        SELECT CASE WHEN created_at IS NOT NULL
                THEN greatest(floor(epoch(captured_at - created_at) / 86400), 0)::BIGINT END AS days,
            coalesce(nullif(trim(make), ''), 'Make not known') AS make,
            CASE upper(trim(item_condition)) WHEN 'NEW' THEN 'new' WHEN 'USED' THEN 'used' ELSE 'other' END AS condition
        FROM {products} WHERE date = {listed}
    )
"""
_BY_CONDITION = """
    SELECT {what}, count(*) AS products, count(*) FILTER (condition = 'new') AS new,
        count(*) FILTER (condition = 'used') AS used, count(*) FILTER (condition = 'other') AS other
    FROM listed {order}
"""

_TIMES = "count(*) FILTER (days > 90) AS over_90, floor(median(days))::BIGINT AS days"

_AGE = """CASE
            WHEN days IS NULL THEN 'not known' WHEN days <= 7 THEN 'up to 7 days' WHEN days <= 30 THEN '8 to 30 days'
            WHEN days <= 60 THEN '31 to 60 days' WHEN days <= 90 THEN '61 to 90 days'
            WHEN days <= 180 THEN '91 to 180 days' ELSE 'over 180 days'
        END AS age"""

_BY_AGE = "GROUP BY age ORDER BY min(days) NULLS LAST"

_INTEREST = """    , stock AS (
        SELECT condition, lower(make) AS key, min(make) AS make, count(*) AS products
        FROM listed WHERE condition <> 'other' GROUP BY condition, key
    ), looking AS (
        SELECT lower(primary_category) AS condition, lower(trim(brand)) AS key, min(trim(brand)) AS make,
            count(DISTINCT hashed_email) AS people
        FROM {audience_members} AS members JOIN {audiences} AS names ON names.id = members.audience_id
        WHERE members.date BETWEEN {first} AND {day} AND names.date = {names}
            AND lower(primary_category) IN ('new', 'used') AND trim(brand) <> ''
        GROUP BY lower(primary_category), lower(trim(brand))
    )
    SELECT condition, coalesce(stock.make, looking.make) AS make, coalesce(people, 0) AS people,
        coalesce(products, 0) AS products
    FROM stock FULL JOIN looking USING (condition, key)
    ORDER BY people DESC, products DESC, condition, make LIMIT 12
"""
