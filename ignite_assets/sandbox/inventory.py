"""What a website lists and sells: a slot of its lot holds one vehicle after the other, with a gap between.

Pure functions of website and days. Who buys is drawn here; whether the buyer had visited is `world`'s matter.
"""

import datetime as dt
from collections.abc import Iterator
from dataclasses import dataclass

from ignite_assets.sandbox.catalogue import MODELS, brands_of
from ignite_assets.sandbox.draws import Draw
from ignite_assets.sandbox.visits import as_text
from ignite_assets.sandbox.websites import SandboxWebsite

SALES_DAYS = 90
"""How far back the uploaded sales reach."""

_VIN_ALPHABET = "0123456789ABCDEFGHJKLMNPRSTUVWXYZ"
_COLORS = ("PLATINUM", "BLACK", "WHITE", "RED", "BLUE", "SILVER", "GREEN")
_TRIMS = ("LX", "EX", "EX-L", "SPORT", "TOURING", "LIMITED")


@dataclass(frozen=True)
class Listing:
    """One vehicle on the website, from its listing to its removal (UTC)."""

    website: SandboxWebsite
    slot: int
    turn: int
    listed: dt.datetime
    removed: dt.datetime

    @property
    def draw(self) -> Draw:
        """The draws of this vehicle."""
        return Draw(self.website.seed, self.website.key, "vehicle", self.slot, self.turn)

    @property
    def sold(self) -> bool:
        """Whether it left the lot for a buyer."""
        return self.draw.below("sold", 10) < 6

    def updated(self, now: dt.datetime) -> dt.datetime:
        """When the listing last changed: every one to seven days while it is up."""
        every = dt.timedelta(days=1 + self.draw.below("update", 7))
        return self.listed + (min(now, self.removed) - self.listed) // every * every


def slots_of(website: SandboxWebsite) -> int:
    """How many vehicles the website has room for."""
    return min(2000, max(40, website.households // 6))


def listings(website: SandboxWebsite, since: dt.datetime, now: dt.datetime) -> Iterator[Listing]:
    """Every vehicle that was listed at some moment from `since` to `now`, slot by slot, oldest first."""
    for slot in range(slots_of(website)):
        for listing in _turns(website, slot, since.astimezone(dt.UTC).toordinal(), now.astimezone(dt.UTC).toordinal()):
            if listing.listed <= now and listing.removed >= since:
                yield listing


def _turns(website: SandboxWebsite, slot: int, first_day: int, last_day: int) -> Iterator[Listing]:
    draw = Draw(website.seed, website.key, "slot", slot)
    length = 30 + draw.below("length", 90)
    phase = draw.below("phase", length)
    for turn in range((first_day + phase) // length, (last_day + phase) // length + 1):
        yield _listing(website, slot, turn, turn * length - phase, length)


def _listing(website: SandboxWebsite, slot: int, turn: int, day: int, length: int) -> Listing:
    draw = Draw(website.seed, website.key, "turn", slot, turn)
    start = dt.datetime.combine(dt.date.fromordinal(day), dt.time(tzinfo=dt.UTC))
    listed = start + dt.timedelta(milliseconds=draw.below("listed", 86_400_000))
    removed = start + dt.timedelta(days=length - 2 - draw.below("gap", 14), minutes=draw.below("removed", 1440))
    return Listing(website, slot, turn, listed, removed)


def vehicle(listing: Listing) -> dict[str, str]:
    """What identifies a vehicle, every value as text; spellings as in the vendor's example."""
    draw = listing.draw
    own, *others = brands_of(listing.website)
    condition = "USED" if draw.below("condition", 5) < 2 else "NEW"
    brand = draw.pick("other brand", others) if condition == "USED" and draw.one_in("other", 3) else own
    vin = draw.text("vin", _VIN_ALPHABET, 17)
    return {
        "item_condition": condition,
        "year": str(listing.listed.year - (1 + draw.below("age", 8) if condition == "USED" else 0)),
        "make": brand.title(),
        "model": draw.pick("model", MODELS[brand]).title(),
        "trim": draw.pick("trim", _TRIMS),
        "stock": vin[-8:],
        "vin": vin,
    }


def product(listing: Listing, now: dt.datetime) -> dict[str, object]:
    """A listing in the documented shape and with the platform's oddities."""
    car, draw = vehicle(listing), listing.draw
    host = f"https://www.{listing.website.key}.example"
    slug = "-".join([car["item_condition"], car["year"], car["make"], car["model"], car["vin"]]).lower()
    record: dict[str, object] = {
        "url": f"<{host}/inventory/{slug}/>",
        "title": f"{car['item_condition'].title()} {car['year']} {car['make']} {car['model']} #{car['stock']}",
        "item_condition": car["item_condition"],
        "color": draw.pick("color", _COLORS),
        "created_at": as_text(listing.listed),
        "updated_at": as_text(listing.updated(now)),
        **{name: car[name] for name in ("year", "make", "model", "trim", "stock", "vin")},
        "feature_image_url": f"<{host}/images/{car['vin'].lower()}.png>",
    }
    if draw.one_in("odd year", 40):
        record["year"] = "unknown"
    for name in ("trim", "feature_image_url", "color"):
        if draw.one_in(f"missing {name}", 15):
            del record[name]
    if record["item_condition"] == "USED":
        record["mileage"] = 5000 + draw.below("mileage", 90_000)
    return record


@dataclass(frozen=True)
class Sale:
    """A vehicle sold, and the row of the household that bought it."""

    listing: Listing
    buyer: int


def sales(website: SandboxWebsite, now: dt.datetime) -> list[Sale]:
    """The sales of the last 90 days, slot by slot."""
    if not website.households:
        return []
    return [
        Sale(listing, listing.draw.below("buyer", website.households))
        for listing in listings(website, now - dt.timedelta(days=SALES_DAYS), now)
        if listing.removed <= now and listing.sold
    ]


def sale_record(sale: Sale, buyer: dict[str, object]) -> dict[str, object]:
    """A sale as the dealer uploads it: the vehicle, the price and the buyer's name and place."""
    car, draw = vehicle(sale.listing), sale.listing.draw
    return {
        "sale_id": f"D{draw.below('deal', 10**9):09d}",
        "sale_date": sale.listing.removed.date().isoformat(),
        **{name: car[name] for name in ("stock", "vin", "year", "make", "model", "item_condition")},
        "sale_price": 9_000 + draw.below("price", 50_000),
        "customer": buyer.get("resident"),
        **{name: buyer[name] for name in ("city", "state", "zip")},
    }
