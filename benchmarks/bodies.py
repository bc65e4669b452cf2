"""The bodies that the benchmark's server answers, serialised before anything is timed. The same on every run."""

import hashlib
import json
import random
from collections.abc import Iterable, Iterator
from functools import cached_property

from benchmarks.sites import FIRST_ID, Site, shown

_MAKES = {"Honda": ("Accord", "Civic", "CR-V", "Pilot"), "Ford": ("F-150", "Escape", "Mustang"), "Kia": ("Soul", "Rio")}
_CITIES = (("Austin", "tx", "78701"), ("Newark", "nj", "07102"), ("Boise", "id", "83702"), ("Salem", "or", "97301"))
_COLORS = ("Lunar Silver", "Crystal Black", "Radiant Red", "White", "Blue")


class Array:
    """A JSON array of which any number of first elements can be had without serialising anything."""

    def __init__(self, elements: Iterable[bytes]) -> None:
        parts, ends, end = [], [0], 0
        for element in elements:
            end += len(element) + 1
            parts.append(element)
            ends.append(end)
        self._ends = ends
        self._body = b"[" + b",".join(parts) + b"]"

    def first(self, count: int) -> list[bytes | memoryview]:
        """The array of the first elements, as buffers to be sent one after the other."""
        if count >= len(self._ends) - 1:
            return [self._body]
        return [memoryview(self._body)[: self._ends[count] or 1], b"]"]


def _hashes(count: int, seed: int) -> Iterator[bytes]:
    drawn = random.Random(seed).randbytes(32 * count).hex()
    return (b'"%b"' % drawn[at : at + 64].encode() for at in range(0, len(drawn), 64))


def _product(number: int, draw: random.Random) -> bytes:
    make = draw.choice(tuple(_MAKES))
    model, color, year = draw.choice(_MAKES[make]), draw.choice(_COLORS), draw.randrange(2005, 2027)
    page = f"https://www.dealer.example/inventory/{year}-{make}-{model}-{number}/".lower()
    record = {
        "url": page,
        "title": f"{year} {make} {model} in {color}, one owner",
        "item_condition": draw.choice(("NEW", "USED")),
        "color": color,
        "created_at": f"2026-0{draw.randrange(1, 9)}-1{draw.randrange(10)}T08:{draw.randrange(10, 60)}:09.000Z",
        "updated_at": f"2026-10-1{draw.randrange(10)}T{draw.randrange(10, 24)}:05:{draw.randrange(10, 60)}.000Z",
        "year": str(year),
        "make": make,
        "model": model,
        "trim": draw.choice(("EX", "LX", "Sport")),
        "stock": f"S{number:07d}",
        "vin": f"1HGBH41J{number:09d}",
        "feature_image_url": f"https://images.dealer.example/{number * 7919 % 10_000_019}/1.jpg",
    }
    return _compact(record)


def _location(number: int, draw: random.Random) -> dict[str, object]:
    city, state, zip_code = draw.choice(_CITIES)
    return {
        "id": number,
        "latitude": round(draw.uniform(25, 48), 6),
        "longitude": round(draw.uniform(-120, -70), 6),
        "street": f"{draw.randrange(1, 9999)} {draw.choice(('Oak', 'Elm', 'Main', 'Lake'))} Street",
        "city": city,
        "state": state,
        "zip": zip_code,
        "resident": f"{draw.choice(('Ada', 'Bo', 'Cy', 'Di'))} {draw.choice(('Reyes', 'Stone', 'Young'))}",
    }


def _detail(number: int) -> bytes:
    digest = hashlib.sha256(str(number).encode()).hexdigest()
    parts = (str(number).encode(), digest.encode(), digest[::-1].encode())
    return _DETAIL % parts


_DETAIL = (
    b'{"id":%b,"latitude":30.267153,"longitude":-97.743057,"street":"12 Oak Street","city":"Austin","state":"tx",'
    b'"zip":"07102","resident":"Ada Reyes","hashed_emails":["%b","%b"],"summary":{"visit_last":'
    b'"2026-11-20T10:05:09.000Z","visit_first":"2026-10-02T18:45:10.000Z","session_count":7,"traffic_score":121,'
    b'"page_view_count":29,"top_topic_segments":"NEW,USED","top_product_segment":"USED Honda CR-V",'
    b'"traffic_score_stars":4.5},"pages":[{"url":"https://www.dealer.example/new/","title":"New",'
    b'"viewed_at":"2026-11-20T10:05:09.000Z","page_views":4},{"url":"https://www.dealer.example/used/",'
    b'"title":"Used","viewed_at":"2026-11-19T10:05:09.000Z","page_views":3}]}'
)


def _compact(record: object) -> bytes:
    return json.dumps(record, separators=(",", ":")).encode()


class Bodies:
    """One website's bodies."""

    def __init__(self, site: Site) -> None:
        self._site = site

    def of(self, path: str, age: int) -> list[bytes | memoryview] | None:
        """The body of the answer for a path below the website and a window of so many days; None for no such path."""
        name, _, entity = path.removeprefix("/api/").partition("/")
        site = self._site
        if name == "locations" and entity:
            return [self._details.get(int(entity)) or _detail(int(entity))]
        if entity and name in ("audiences", "audience_groups"):
            return self._members[int(entity) % 16].first(shown(site, site.members, age))
        if name == "visitors":
            return self._visitors.first(shown(site, site.visitors, age))
        if name == "locations":
            return self._locations.first(shown(site, site.locations, age))
        return self._whole.get(name)

    def prepare(self) -> None:
        """Serialise all there is, so that no request has to."""
        for part in (self._visitors, self._locations, self._whole, self._members, self._details):
            assert part is not None

    @cached_property
    def _visitors(self) -> Array:
        return Array(_hashes(self._site.visitors, 1))

    @cached_property
    def _locations(self) -> Array:
        draw = random.Random(3)
        return Array(_compact(_location(FIRST_ID + n, draw)) for n in range(self._site.locations))

    @cached_property
    def _details(self) -> dict[int, bytes]:
        return {FIRST_ID + n: _detail(FIRST_ID + n) for n in range(min(self._site.locations, 5_000))}

    @cached_property
    def _members(self) -> list[Array]:
        return [Array(_hashes(self._site.members, 100 + place)) for place in range(16)]

    @cached_property
    def _whole(self) -> dict[str, list[bytes | memoryview]]:
        draw = random.Random(2)
        site = self._site
        products = Array(_product(n, draw) for n in range(site.products)).first(site.products)
        sale = {"vin": "1HGBH41J000000001", "sold_at": "2026-11-20T10:05:09.000Z", "price": 21_500}
        rows = [sale] * site.sales
        audiences = [
            {"id": n, "primary_category": "NEW", "brand": "Honda", "model": "Civic", "visitors_count": site.members}
            for n in range(1, site.audiences + 1)
        ]
        filters = {"primary_categories": ["NEW"], "brands": ["Honda"], "models": []}
        groups = [
            {"id": n, "label": f"Group {n}", **filters, "visitors_count": site.members}
            for n in range(1, site.groups + 1)
        ]
        return {
            "products": products,
            "audiences": [_compact(audiences)],
            "audience_groups": [_compact(groups)],
            "sales": [_compact({"sales": rows, "matched_sales": rows[:10]})],
        }
