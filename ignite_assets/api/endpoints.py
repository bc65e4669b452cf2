"""The one table: a row for each endpoint of the Ignite API.

Assets, Arrow schemas, the client's calls, the sandbox's routes and the README's endpoint table derive
from these rows, so adding an endpoint is adding a row. What is odd about one endpoint is a small
function in its row, never an `if` elsewhere. Keep I/O, Arrow and Dagster out of this module.

Source of every row: the vendor's page "API Docs, Ignite Platform", in the section the row names.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal
from urllib.parse import quote

from ignite_assets.api.errors import ResponseShapeError
from ignite_assets.api.table import Column, History, Lineage, Table

VENDOR_PAGE = "https://launchlabs.ai/api-docs"
"""The vendor's page, which documents every endpoint."""

Record = Mapping[str, Any]
Answer = Literal["hashes", "objects"] | Callable[[object], Sequence[object]]
"""What a body holds: an array of hashes, an array of objects, or the records that a row's own function finds in it."""


@dataclass(frozen=True, kw_only=True)
class Ids:
    """Where an endpoint that answers for one id at a time finds its ids."""

    endpoint: str
    """The row whose answer lists the ids, under `id`."""
    column: str
    """The column that carries the id in the answers' table."""
    from_partition: bool
    """True: the ids of that row's partition of the same website and date. False: one call lists them."""


@dataclass(frozen=True, kw_only=True)
class Endpoint(Table):
    """One row: all that the package knows about one endpoint."""

    path: str
    """Below the base URL; `{id}` stands for the id of one entity."""
    section: str
    """The section of the vendor's page that documents it."""
    answer: Answer
    dated: bool
    """Takes `date`, the first day of the look-back window."""
    hashed: bool
    """Takes `algo`, the hash algorithm of the e-mails it answers."""
    ids: Ids | None = None
    misfit: str = "no object, or one without its key"
    """Which record of an answer can't be a row."""

    def __post_init__(self) -> None:
        """Raise `ValueError` for a column of dates: the platform sends none, so there is no rule to read one by."""
        if wrong := [column.name for column in self.columns if column.type == "date"]:
            raise ValueError(f"{self.name}: {', '.join(wrong)} can't be captured as date; allowed: timestamp, string")

    @property
    def history(self) -> History:
        """`look_back` or `current_state`."""
        from_partition = self.ids is not None and self.ids.from_partition
        return "look_back" if self.dated or from_partition else "current_state"

    @property
    def stamp(self) -> Column:
        """`captured_at`."""
        return CAPTURED_AT

    @property
    def reads(self) -> tuple[str, ...]:
        """The asset whose partition lists its ids, where one does."""
        return (self.ids.endpoint,) if self.ids and self.ids.from_partition else ()

    @property
    def lineage(self) -> Lineage:
        """The ids that are asked for, if they come from another asset. What the platform repeats has no lineage."""
        return {self.ids.column: ((self.ids.endpoint, "id"),)} if self.ids and self.ids.from_partition else {}

    @property
    def documentation_url(self) -> str:
        """A link to the section of the vendor's page."""
        # The page has no anchors, so the browser looks for the text; a hyphen would set off context there.
        return f"{VENDOR_PAGE}#:~:text={quote(self.section, safe='').replace('-', '%2D')}"


CAPTURED_AT = Column(
    name="captured_at",
    type="timestamp",
    description="When the platform was asked for this partition (UTC).",
    always=True,
    repeats=True,
)
"""The last column of every asset. It tells one capture from another and is no part of the content hash."""

EXTRA = Column(
    name="extra",
    type="json",
    description="What the platform sent that the other columns don't hold, as a JSON object; null when nothing.",
    personal=True,
)
ALGO = Column(
    name="algo",
    type="string",
    description="The hash algorithm: md5, sha1 or sha2 (SHA-256).",
    repeats=True,
)


def _hashed_email(description: str) -> Column:
    return Column(name="hashed_email", type="string", description=description, key=True, personal=True, hashed=True)


def _visitors_count(of: str) -> Column:
    return Column(
        name="visitors_count",
        type="int64",
        description=f"Visitors in the {of}. Differs by design from the number of its identifiers.",
        always_sent=True,
    )


def one_object(answer: object) -> Sequence[object]:
    """The single record of an answer that is one object."""
    return [answer]


_SALES_KINDS = {"sales": "sale", "matched_sales": "matched_sale"}


def sales_records(answer: object) -> Sequence[object]:
    """One record for each row of `sales` and of `matched_sales`; what else the answer holds, by name, as `other`.

    The rows have no documented shape, so each is kept whole; null is none.
    """
    if not isinstance(answer, dict):
        raise ResponseShapeError(expected="an object with sales and matched_sales", found=answer)
    records: list[Record | None] = []
    for name, kind in _SALES_KINDS.items():
        rows = answer.get(name)
        if not isinstance(rows, list):
            raise ResponseShapeError(expected=f"an array under {name!r}", found=rows)
        records += [None if row is None else {"kind": kind, "record": row} for row in rows]
    others = {name: value for name, value in answer.items() if name not in _SALES_KINDS}
    return [*records, *({"kind": "other", "record": {name: value}} for name, value in others.items())]


_LOCATION_COLUMNS = (
    Column(name="id", type="int64", description="The platform's id of the location.", key=True),
    Column(name="latitude", type="float64", description="Degrees north (WGS 84).", personal=True),
    Column(name="longitude", type="float64", description="Degrees east (WGS 84).", personal=True),
    Column(name="street", type="string", description="House number and street.", personal=True, always_sent=True),
    Column(name="city", type="string", description="City.", always_sent=True, repeats=True),
    Column(name="state", type="string", description="US state, lower case.", repeats=True),
    Column(
        name="zip",
        type="string",
        description="ZIP code as text: leading zeros matter.",
        repeats=True,
    ),
    Column(name="resident", type="string", description="Name of the resident.", personal=True),
)

ENDPOINTS: tuple[Endpoint, ...] = (
    Endpoint(
        name="visitors",
        path="/api/visitors",
        section="Visitors",
        description=(
            "Hashed e-mails of the identified visitors last seen on the website on or after the partition's date."
        ),
        columns=(_hashed_email("Hash of a visitor's e-mail address."), ALGO),
        answer="hashes",
        misfit="no text, or empty text",
        dated=True,
        hashed=True,
    ),
    Endpoint(
        name="products",
        path="/api/products",
        section="Products",
        description="Products listed on the website: its inventory, one row for each listing.",
        columns=(
            Column(name="url", type="url", description="Page of the listing.", always_sent=True),
            Column(name="title", type="string", description="Title of the listing.", always_sent=True),
            Column(
                name="item_condition",
                type="string",
                description="NEW, USED or as the website says.",
                repeats=True,
            ),
            Column(name="color", type="string", description="Exterior colour.", repeats=True),
            Column(name="created_at", type="timestamp", description="First listed (UTC)."),
            Column(name="updated_at", type="timestamp", description="Last changed (UTC)."),
            Column(name="year", type="int16", description="Model year.", quoted=True, repeats=True),
            Column(name="make", type="string", description="Make.", repeats=True),
            Column(name="model", type="string", description="Model.", repeats=True),
            Column(name="trim", type="string", description="Trim level.", repeats=True),
            Column(name="stock", type="string", description="The dealer's stock number."),
            Column(name="vin", type="string", description="Vehicle identification number."),
            Column(name="feature_image_url", type="url", description="Main picture."),
            EXTRA,
        ),
        answer="objects",
        misfit="no object",
        dated=True,
        hashed=True,
    ),
    Endpoint(
        name="locations",
        path="/api/locations",
        section="Locations",
        description=(
            "Verified residential locations last seen on the website on or after the partition's date, one row a "
            "location. Holds names and street addresses."
        ),
        columns=(*_LOCATION_COLUMNS, EXTRA),
        answer="objects",
        dated=True,
        hashed=False,
    ),
    Endpoint(
        name="location_details",
        path="/api/locations/{id}",
        section="Location Details",
        description=(
            "Each location of the partition's `locations` with its hashed e-mails and a summary of its visits, as of "
            "the capture. Holds names and street addresses."
        ),
        columns=(
            *_LOCATION_COLUMNS,
            Column(
                name="hashed_emails",
                type="list<string>",
                description="Hashes of the e-mail addresses known for the location.",
                personal=True,
                hashed=True,
            ),
            ALGO,
            Column(
                name="visit_last",
                type="timestamp",
                description="Latest visit (UTC).",
                path=("summary", "visit_last"),
                always_sent=True,
            ),
            Column(
                name="visit_first",
                type="timestamp",
                description="First visit (UTC).",
                path=("summary", "visit_first"),
            ),
            Column(
                name="session_count",
                type="int32",
                description="Sessions on the website.",
                path=("summary", "session_count"),
            ),
            Column(
                name="traffic_score",
                type="float64",
                description="The platform's score of the location's interest.",
                path=("summary", "traffic_score"),
            ),
            Column(
                name="page_view_count",
                type="int32",
                description="Pages viewed.",
                path=("summary", "page_view_count"),
            ),
            Column(
                name="top_topic_segments",
                type="string",
                description="Topic seen most; may name more than one.",
                path=("summary", "top_topic_segments"),
                repeats=True,
            ),
            Column(
                name="top_product_segment",
                type="string",
                description="Product segment seen most.",
                path=("summary", "top_product_segment"),
                repeats=True,
            ),
            Column(
                name="traffic_score_stars",
                type="float64",
                description="The score as stars, 0 to 5.",
                path=("summary", "traffic_score_stars"),
            ),
            Column(
                name="pages",
                type="json",
                description="Pages visited, as the platform sent them (shape not documented).",
                personal=True,
            ),
            EXTRA,
        ),
        answer=one_object,
        dated=False,
        hashed=True,
        ids=Ids(endpoint="locations", column="id", from_partition=True),
    ),
    Endpoint(
        name="audiences",
        path="/api/audiences",
        section="Audiences",
        description="The website's audiences as they stand now, one row for each audience.",
        columns=(
            Column(name="id", type="int64", description="The platform's id of the audience.", key=True),
            Column(
                name="primary_category",
                type="string",
                description="NEW, USED or another category.",
                repeats=True,
            ),
            Column(name="brand", type="string", description="Brand.", repeats=True),
            Column(name="model", type="string", description="Model."),
            _visitors_count("audience"),
            EXTRA,
        ),
        answer="objects",
        dated=False,
        hashed=False,
    ),
    Endpoint(
        name="audience_members",
        path="/api/audiences/{id}",
        section="Audience Details",
        description=(
            "Hashed e-mails of each audience's members last seen on or after the partition's date, one row a member "
            "of an audience."
        ),
        columns=(
            Column(name="audience_id", type="int64", description="The audience.", key=True, repeats=True),
            _hashed_email("Hash of a member's e-mail address."),
            ALGO,
        ),
        answer="hashes",
        misfit="no text, or empty text",
        dated=True,
        hashed=True,
        ids=Ids(endpoint="audiences", column="audience_id", from_partition=False),
    ),
    Endpoint(
        name="audience_groups",
        path="/api/audience_groups",
        section="Audience Groups",
        description="The website's custom audience groups as they stand now, one row for each group.",
        columns=(
            Column(name="id", type="int64", description="The platform's id of the group.", key=True),
            Column(name="label", type="string", description="Name given in the platform's settings."),
            Column(
                name="primary_categories",
                type="list<string>",
                description="Categories of the group; empty means any.",
            ),
            Column(name="brands", type="list<string>", description="Brands; empty means any."),
            Column(name="models", type="list<string>", description="Models; empty means any."),
            _visitors_count("group"),
            EXTRA,
        ),
        answer="objects",
        dated=False,
        hashed=False,
    ),
    Endpoint(
        name="audience_group_members",
        path="/api/audience_groups/{id}",
        section="Audience Group Details",
        description=(
            "Hashed e-mails of each audience group's members last seen on or after the partition's date, one row a "
            "member of a group."
        ),
        columns=(
            Column(name="audience_group_id", type="int64", description="The group.", key=True, repeats=True),
            _hashed_email("Hash of a member's e-mail address."),
            ALGO,
        ),
        answer="hashes",
        misfit="no text, or empty text",
        dated=True,
        hashed=True,
        ids=Ids(endpoint="audience_groups", column="audience_group_id", from_partition=False),
    ),
    Endpoint(
        name="sales",
        path="/api/sales",
        section="Sales",
        description=(
            "Sales uploaded for the website and those matched back to its visitors, one row for each record, as of now."
        ),
        columns=(
            Column(
                name="kind",
                type="string",
                description="`sale`, `matched_sale`, or `other` for what is neither.",
                repeats=True,
            ),
            Column(
                name="record",
                type="json",
                description="The record as the platform sent it, keys in the order received (shape not documented).",
                personal=True,
            ),
        ),
        answer=sales_records,
        misfit="null among the sales or matched sales",
        dated=False,
        hashed=False,
    ),
)


def by_name(endpoints: tuple[Endpoint, ...] = ENDPOINTS) -> dict[str, Endpoint]:
    """The rows by their names."""
    return {endpoint.name: endpoint for endpoint in endpoints}
