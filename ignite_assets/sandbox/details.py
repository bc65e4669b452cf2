"""The records that join what the world's other modules know, in the documented shapes with the platform's oddities.

Location details, audiences, audience groups and matched sales. Which of them are shown is `world`'s matter.
"""

import datetime as dt
from collections.abc import Sequence

import numpy as np

from ignite_assets.sandbox.catalogue import Audience, AudienceGroup, audiences_of
from ignite_assets.sandbox.households import Households, locations
from ignite_assets.sandbox.inventory import Sale, sale_record
from ignite_assets.sandbox.visits import Visit, as_text, visits_of

JsonObject = dict[str, object]
PAGES_SHOWN = 10
MATCH_DAYS = 30
"""How long before a sale a visit may lie to be matched with it."""


def location_details(households: Households, row: int, visits: Sequence[Visit], hashes: list[str]) -> JsonObject:
    """One location, its hashed e-mails, a summary of its visits and the pages of the latest."""
    return {
        **next(locations(households, np.array([row]))),
        "hashed_emails": hashes,
        "summary": _summary(visits, _interests(households, row)),
        "pages": _pages(households, row, visits),
    }


def _interests(households: Households, row: int) -> list[Audience]:
    audiences = audiences_of(households.website)
    return [audiences[place] for place in households.interests[row].tolist() if place >= 0]


def _summary(visits: Sequence[Visit], interests: Sequence[Audience]) -> JsonObject:
    pages = sum(visit.page_count for visit in visits)
    score = 9 * len(visits) + 2 * pages
    summary: JsonObject = {
        "visit_last": as_text(visits[-1].moment),
        "visit_first": as_text(visits[0].moment),
        "session_count": len(visits),
        "traffic_score": score,
        "page_view_count": pages,
        "top_topic_segments": _topics(interests, visits[0].drawn),
        "top_product_segment": _segment(interests[0]),
        "traffic_score_stars": min(5.0, (score // 12) / 2),
    }
    if visits[0].drawn % 29 == 0:
        del summary["top_product_segment"]
    return summary


def _topics(interests: Sequence[Audience], drawn: int) -> str | list[str]:
    """Mostly one topic; several are one text, and once in a while an array: the name is a plural after all."""
    topics = list(dict.fromkeys(interest.primary_category for interest in interests))
    return topics if len(topics) > 1 and drawn % 25 == 0 else ",".join(topics)


def _segment(interest: Audience) -> str:
    return " ".join(filter(None, (interest.primary_category, interest.brand, interest.model)))


def _pages(households: Households, row: int, visits: Sequence[Visit]) -> list[JsonObject]:
    interests = _interests(households, row)
    host = f"https://www.{households.website.key}.example"
    viewed = [(visit, _segment(interests[visit.drawn % len(interests)])) for visit in visits[-PAGES_SHOWN:]]
    return [
        {
            "url": f"<{host}/{segment.lower().replace(' ', '-')}/>",
            "title": segment.title(),
            "viewed_at": as_text(visit.moment),
            "page_views": visit.page_count,
        }
        for visit, segment in viewed
    ]


def audience(given: Audience, visitors: int) -> JsonObject:
    """An audience; one without a model lacks the field, and some have one more than the vendor documents."""
    record: JsonObject = {"id": given.id, "primary_category": given.primary_category, "brand": given.brand}
    if given.model is not None:
        record["model"] = given.model
    record["visitors_count"] = visitors
    if given.id % 5 == 0:
        record["trending"] = given.id % 2 == 0
    return record


def group(given: AudienceGroup, visitors: int) -> JsonObject:
    """An audience group and its filters."""
    return {
        "id": given.id,
        "label": given.label,
        "primary_categories": list(given.primary_categories),
        "brands": list(given.brands),
        "models": list(given.models),
        "visitors_count": visitors,
    }


def matched_sale(households: Households, sale: Sale, buyer: JsonObject) -> JsonObject | None:
    """A sale with the visits that came before it; None when the buyer can't be matched to any recent one."""
    visits = visits_of(households, sale.buyer, sale.listing.removed)
    if not visits or not households.email_counts[sale.buyer]:
        return None
    days = (sale.listing.removed - visits[-1].moment) // dt.timedelta(days=1)
    if days > MATCH_DAYS:
        return None
    return {
        **sale_record(sale, buyer),
        "location_id": buyer["id"],
        "visit_first": as_text(visits[0].moment),
        "visit_last": as_text(visits[-1].moment),
        "session_count": len(visits),
        "days_to_sale": days,
        "attribution": "last_visit" if days <= 7 else "assisted",
    }
