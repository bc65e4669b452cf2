"""Tables of names and places that make households plausible. Data alone: no draw, no logic.

Every address of an e-mail made from them is on a domain reserved for documentation (RFC 2606).
"""

from typing import NamedTuple


class City(NamedTuple):
    """A real city: its state in lower case, one ZIP code as text, and its centre in degrees (WGS 84)."""

    name: str
    state: str
    zip: str
    latitude: float
    longitude: float


CITIES = (
    City("Cary", "nc", "27519", 35.8032, -78.8821),
    City("Raleigh", "nc", "27601", 35.7747, -78.6336),
    City("Durham", "nc", "27701", 35.9960, -78.8986),
    City("Boston", "ma", "02116", 42.3496, -71.0746),
    City("Providence", "ri", "02903", 41.8205, -71.4143),
    City("Hartford", "ct", "06103", 41.7670, -72.6734),
    City("Newark", "nj", "07102", 40.7357, -74.1724),
    City("Burlington", "vt", "05401", 44.4759, -73.2121),
    City("Portland", "me", "04101", 43.6591, -70.2568),
    City("Manchester", "nh", "03101", 42.9909, -71.4636),
    City("Albany", "ny", "12207", 42.6526, -73.7562),
    City("Columbus", "oh", "43215", 39.9670, -83.0051),
    City("Nashville", "tn", "37203", 36.1490, -86.7900),
    City("Atlanta", "ga", "30309", 33.7985, -84.3880),
    City("Tampa", "fl", "33602", 27.9510, -82.4572),
    City("Austin", "tx", "78701", 30.2711, -97.7437),
    City("Dallas", "tx", "75201", 32.7876, -96.7994),
    City("Denver", "co", "80202", 39.7528, -104.9992),
    City("Boise", "id", "83702", 43.6330, -116.2050),
    City("Phoenix", "az", "85004", 33.4519, -112.0700),
    City("San Diego", "ca", "92101", 32.7190, -117.1628),
    City("Sacramento", "ca", "95814", 38.5804, -121.4922),
    City("Seattle", "wa", "98101", 47.6101, -122.3344),
    City("Omaha", "ne", "68102", 41.2600, -95.9345),
)

STREETS = (
    "Daylin Dr", "Maple Ave", "Oak St", "Cedar Ln", "Birch Rd", "Elm St", "Willow Ct", "Chestnut St", "Magnolia Blvd",
    "Walnut St", "Sycamore Way", "Hickory Hill Rd", "Main St", "Park Ave", "Lake Shore Dr", "River Rd", "Church St",
    "Mill Creek Ln", "Old Post Rd", "Sunset Blvd", "Highland Ave", "Meadow Ln", "Spring Garden St", "Washington St",
)  # fmt: skip

FIRST_NAMES = (
    "jon", "arya", "maria", "james", "linda", "robert", "patricia", "michael", "jennifer", "david", "elena", "william",
    "susan", "joseph", "karen", "carlos", "nancy", "daniel", "aisha", "matthew", "grace", "anthony", "priya", "mark",
    "sofia", "steven", "olivia", "andrew", "wei", "joshua", "emma", "kevin", "fatima", "brian", "chloe", "george",
)  # fmt: skip

LAST_NAMES = (
    "snow", "smith", "johnson", "williams", "brown", "jones", "garcia", "miller", "davis", "rodriguez", "martinez",
    "hernandez", "lopez", "wilson", "anderson", "thomas", "taylor", "moore", "jackson", "lee", "perez", "thompson",
    "white", "harris", "clark", "lewis", "robinson", "walker", "young", "allen", "king", "wright", "nguyen", "patel",
)  # fmt: skip

DOMAINS = ("example.com", "example.net", "example.org")
