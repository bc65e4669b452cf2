"""The one table of ad platforms: a row for each destination of an export, with what its documentation says.

Figures that no documentation gives are None. Every platform wants the address trimmed and in lower case before it is
hashed; Ignite hashes on its side, so that can't be checked here. What is odd about one destination is a small
function in its row, never an `if` elsewhere.
"""

import base64
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Literal

from ignite_assets.api.table import ALGOS, Algo

Action = Literal["add", "remove", "replace"]
"""What the platform is to do with a file's people; `replace` makes them the whole list."""


@dataclass(frozen=True, kw_only=True)
class ListFacts:
    """What a file has to know of the list that it is for."""

    name: str
    """The list's name on the platform, where a file carries one."""
    algo: Algo
    exists: bool = False
    """Whether something was sent to this list on an earlier day."""
    platform_id: str | None = None
    """The platform's own id of the list."""


@dataclass(frozen=True, kw_only=True)
class Destination:
    """One row: what a platform takes."""

    name: str
    title: str
    platform: str
    """Whom the files are for, in a word."""
    extension: str
    head: Callable[[ListFacts, Action], tuple[str, ...]]
    """The lines above the people's."""
    line: Callable[[str, ListFacts], str]
    """The line of one person, of the hash in lower-case hex."""
    encoding: Literal["hex", "base64 of the bytes"]
    algos: tuple[Algo, ...]
    min_members: int | None = None
    """Fewest members of a list that the platform takes, or serves ads to."""
    longest_membership_days: int | None = None
    """After so many days without being sent again, a member is dropped."""
    max_file_bytes: int | None = None
    max_file_rows: int | None = None
    """Header rows included."""
    max_list_name: int | None = None
    """Characters."""
    needs_list_id: bool = False
    """Whether a list that exists is changed by the platform's own id of it alone."""
    source: str
    read: str
    """The month in which the source was read, as YYYY-MM."""
    notes: tuple[str, ...] = ()
    """What else a user of the destination has to know."""


def _no_head(_facts: ListFacts, _action: Action) -> tuple[str, ...]:
    return ()


def _column(name: str) -> Callable[[ListFacts, Action], tuple[str, ...]]:
    return lambda _facts, _action: (name,)


def _hex(value: str, _facts: ListFacts) -> str:
    return value


def _base64(value: str, _facts: ListFacts) -> str:
    return base64.b64encode(bytes.fromhex(value)).decode()


def _quoted(value: str, _facts: ListFacts) -> str:
    doubled = value.replace('"', '""')
    return f'"{doubled}"'


def _liveramp_head(facts: ListFacts, _action: Action) -> tuple[str, ...]:
    names: Mapping[Algo, str] = {"md5": "MD5", "sha1": "SHA-1", "sha2": "SHA-256"}
    return (f'"email1_{names[facts.algo]}"',)


_MICROSOFT_COLUMNS = (
    "Type", "Status", "Id", "Parent Id", "Client Id", "Modified Time", "Name", "Description", "Scope", "Audience",
    "Action Type", "Sub Type", "Text", "Membership Duration", "Accept Customer Match Term",
)  # fmt: skip
_MICROSOFT_DAYS = 180
"""The longest membership that ends."""


def _microsoft_row(**values: str) -> str:
    """A row of the bulk file, of the columns' names without their spaces; names and hashes need no quotes."""
    return ",".join(values.get(column.replace(" ", ""), "") for column in _MICROSOFT_COLUMNS)


def _microsoft_id(facts: ListFacts) -> str:
    """The platform's id; for a list that is made by this file a negative one; for one known by name alone, none."""
    return facts.platform_id or ("" if facts.exists else "-10")


def _microsoft_head(facts: ListFacts, action: Action) -> tuple[str, ...]:
    # "UTF-8 files must include the byte order mark" (bulk download and upload).
    head = "\ufeff" + ",".join(_MICROSOFT_COLUMNS), _microsoft_row(Type="Format Version", Name="6.0")
    number = _microsoft_id(facts)
    if not number:  # a row for the list would be refused, or make a second one of that name
        return head
    new = {} if facts.platform_id else {"Status": "Active", "Scope": "Customer"}
    customer_list = _microsoft_row(
        Type="Customer List",
        Id=number,
        Audience=facts.name,
        ActionType=action.capitalize(),
        MembershipDuration=str(_MICROSOFT_DAYS),
        AcceptCustomerMatchTerm="True",
        **new,
    )
    return (*head, customer_list)


def _microsoft_line(value: str, facts: ListFacts) -> str:
    number = _microsoft_id(facts)
    belongs = {"ParentId": number} if number else {"Audience": facts.name, "ActionType": "Remove"}
    return _microsoft_row(Type="Customer List Item", SubType="Email", Text=value, **belongs)


DESTINATIONS: tuple[Destination, ...] = (
    Destination(
        name="google_customer_match",
        title="Google Customer Match",
        platform="google",
        extension="csv",
        head=_column("Email"),
        line=_hex,
        encoding="hex",
        algos=("sha2",),
        min_members=100,
        longest_membership_days=540,
        source="Google Ads help 7659867, 7475964, 7476585",
        read="2026-11",
        notes=("Serves from 100 members active in 30 days.", "The header must be in English."),
    ),
    Destination(
        name="meta_custom_audience",
        title="Meta Custom Audience",
        platform="meta",
        extension="csv",
        head=_column("email"),
        line=_hex,
        encoding="hex",
        algos=("sha2",),
        min_members=100,
        source="Meta business help 2082575038703844",
        read="2026-11",
        notes=("Lists under 100 people are to be avoided.",),
    ),
    Destination(
        name="tiktok_customer_file",
        title="TikTok Customer File",
        platform="tiktok",
        extension="csv",
        head=_column("Email_SHA256"),
        line=_hex,
        encoding="hex",
        algos=("sha2",),
        min_members=1_000,
        max_file_bytes=10**9 - 1,
        source="TikTok Ads help, customer file",
        read="2026-11",
        notes=("One replacement in 24 hours.",),
    ),
    Destination(
        name="microsoft_ads_bulk",
        title="Microsoft Ads, bulk file",
        platform="microsoft",
        extension="csv",
        head=_microsoft_head,
        line=_microsoft_line,
        encoding="hex",
        algos=("sha2",),
        min_members=300,
        longest_membership_days=_MICROSOFT_DAYS,
        max_list_name=128,
        needs_list_id=True,
        max_file_bytes=100_000_000,
        max_file_rows=4_000_000,
        source="Bulk service: customer list, customer list item, bulk download and upload",
        read="2026-11",
        notes=(
            "The terms for customer lists are accepted once in the platform's own pages.",
            "From the second export on the list's id is needed (`list_ids`); without it only opt-outs are written.",
        ),
    ),
    Destination(
        name="the_trade_desk_uid2",
        title="The Trade Desk, UID2",
        platform="thetradedesk",
        extension="txt",
        head=_no_head,
        line=_base64,
        encoding="base64 of the bytes",
        algos=("sha2",),
        min_members=1_500,
        source="UID2 documentation, normalisation and encoding",
        read="2026-11",
        notes=("At most one upload a day.",),
    ),
    Destination(
        name="liveramp",
        title="LiveRamp onboarding",
        platform="liveramp",
        extension="csv",
        head=_liveramp_head,
        line=_quoted,
        encoding="hex",
        algos=ALGOS,
        min_members=25,
        source="LiveRamp documentation, identifier formatting",
        read="2026-11",
        notes=("A changed header breaks the feed: a website's hash algorithm must stay.",),
    ),
    Destination(
        name="x_audience",
        title="X",
        platform="x",
        extension="txt",
        head=_no_head,
        line=_hex,
        encoding="hex",
        algos=("sha2",),
        min_members=100,
        source="X Ads API documentation, audiences",
        read="2026-11",
        notes=("The minimum counts the members that X can match.",),
    ),
    Destination(
        name="plain_list",
        title="A plain list",
        platform="file",
        extension="txt",
        head=_no_head,
        line=_hex,
        encoding="hex",
        algos=ALGOS,
        source="this package",
        read="2026-11",
    ),
)


def by_name() -> dict[str, Destination]:
    """The rows by their names."""
    return {destination.name: destination for destination in DESTINATIONS}
