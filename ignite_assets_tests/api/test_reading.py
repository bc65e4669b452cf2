"""Bodies to tables: nothing lost, nothing made up, whatever the platform sends and however it arrives."""

import json
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import pairwise
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ignite_assets.api import arrow, fitting, pieces
from ignite_assets.api.endpoints import ENDPOINTS, Endpoint, by_name
from ignite_assets.api.errors import ReadingError, ResponseShapeError, UnparsableError
from ignite_assets.storage.staging import Stage
from ignite_assets_tests.api import bodies
from ignite_assets_tests.api.bodies import Digits, Members, Style, write

ROWS = by_name()
every_row = pytest.mark.parametrize("endpoint", ENDPOINTS, ids=lambda row: row.name)
rows_of_objects = pytest.mark.parametrize(
    "endpoint", [row for row in ENDPOINTS if row.answer == "objects"], ids=lambda row: row.name
)
few = settings(max_examples=40, deadline=None, suppress_health_check=list(HealthCheck))


def constants_of(endpoint: Endpoint) -> dict[str, str | int]:
    given_by_call: dict[str, str | int] = {"algo": "sha2"} if endpoint.hashed else {}
    if endpoint.ids and endpoint.answer == "hashes":
        given_by_call[endpoint.ids.column] = 7
    return given_by_call


class Read:
    """An answer, read: its table, its content hash, and what didn't fit."""

    def __init__(self, endpoint: Endpoint, arriving: list[bytes]) -> None:
        schema = arrow.arrow_schema(endpoint)
        self.schema = schema.remove(len(schema) - 1)
        self.coercions: Counter[str] = Counter()
        found = list(arrow.batches(endpoint, arriving, constants_of(endpoint), self.coercions))
        self.table = pa.Table.from_batches(found, schema=self.schema)
        self.table.validate(full=True)
        self.pieces = len(found)
        stage = Stage(self.schema, dictionaries=[])
        for batch in found:
            stage.write(batch)
        staged = stage.finish({})
        staged.file.close()
        self.content_hash = staged.content_hash

    def equals(self, other: "Read") -> bool:
        mine, others = ((r.table.to_pylist(), r.content_hash, r.coercions) for r in (self, other))
        return self.table.schema.equals(other.table.schema) and mine == others


def read(endpoint: Endpoint, body: bytes | list[bytes]) -> Read:
    return Read(endpoint, [body] if isinstance(body, bytes) else body)


def outcome(endpoint: Endpoint, body: bytes | list[bytes]) -> Read | None:
    """What is read, or None for a body that is refused as it should be; any other exception is a bug."""
    try:
        return read(endpoint, body)
    except (UnparsableError, ResponseShapeError):
        return None


@contextmanager
def pieces_of(size: int) -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(pieces, "PIECE_BYTES", size)
        yield


@contextmanager
def only_the_careful_path() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(arrow._Reading, "_objects", arrow._Reading._careful_objects)
        patch.setattr(arrow, "_equally_long", lambda _: None)
        yield


def cut(body: bytes, where: list[int]) -> list[bytes]:
    ends = sorted({0, len(body), *(place % (len(body) + 1) for place in where)})
    return [body[start:end] for start, end in pairwise(ends)] or [b""]


cuts = st.lists(st.integers(0, 10_000), max_size=12)
sizes = st.integers(1, 80)


def sent_records(endpoint: Endpoint, body: bytes) -> list[Any]:
    answer = bodies.oracle(body)
    return list(endpoint.answer(answer)) if callable(endpoint.answer) else list(answer)


# --- nothing lost -----------------------------------------------------------------------------------------------


@every_row
@few
@given(data=st.data(), style=bodies.styles)
def test_the_table_and_extra_give_back_every_field(endpoint: Endpoint, data: st.DataObject, style: Style) -> None:
    body = write(data.draw(bodies.answers(endpoint)), style)
    try:
        rows = read(endpoint, body).table.to_pylist()
    except ResponseShapeError:
        assert endpoint.name == "sales"  # the one row without `extra`, for a kind that can't be text
        assert b"\\ud" in body or None in sent_records(endpoint, body)  # null is a misfit
        return
    sent = sent_records(endpoint, body)
    assert len(rows) == len(sent)
    fixed = constants_of(endpoint)
    for record, row in zip(sent, rows, strict=True):
        assert {name: row[name] for name in fixed if name in row} == {n: fixed[n] for n in fixed if n in row}
        if endpoint.answer == "hashes":
            assert row["hashed_email"] == record
        else:
            assert bodies.lost(endpoint, frozenset(fixed), record, row) == []


@every_row
@few
@given(data=st.data(), style=bodies.styles)
def test_well_formed_answers_fit_their_columns_and_leave_extra_empty(
    endpoint: Endpoint, data: st.DataObject, style: Style
) -> None:
    if endpoint.name == "sales":
        pytest.skip("the rows of sales have no documented shape")
    well_formed = {
        "string": "x", "url": "<https://x>", "int16": "2020", "int32": 3, "int64": 4, "float64": -1.5,
        "timestamp": "2020-01-01T00:00:00.000Z", "list<string>": ["a"], "json": [{"a": 1}],
    }  # fmt: skip
    shape = data.draw(bodies.answers(endpoint, odd=False))
    if endpoint.answer == "hashes":
        assert not read(endpoint, write(shape, style)).coercions
        return
    listed = shape if isinstance(shape, list) else [shape]
    for record in listed:
        for column in endpoint.columns:
            holder = record if len(column.source) == 1 else record.get(column.source[0], {})
            if column.source[-1] in holder:
                holder[column.source[-1]] = well_formed[column.type]
    found = read(endpoint, write(shape, style))
    assert not found.coercions
    assert found.table.column("extra").null_count == found.table.num_rows


@rows_of_objects
@few
@given(data=st.data(), style=bodies.styles, odd=st.booleans())
def test_the_fast_path_and_the_careful_path_agree(
    endpoint: Endpoint, data: st.DataObject, style: Style, *, odd: bool
) -> None:
    body = write(data.draw(bodies.answers(endpoint, odd=odd)), style)
    fast = read(endpoint, body)
    with only_the_careful_path():
        assert fast.equals(read(endpoint, body))


@every_row
@few
@given(data=st.data(), style=bodies.styles, where=cuts, size=sizes)
def test_how_a_body_is_cut_never_matters(
    endpoint: Endpoint, data: st.DataObject, style: Style, where: list[int], size: int
) -> None:
    body = write(data.draw(bodies.answers(endpoint)), style)
    whole = outcome(endpoint, body)
    with pieces_of(size):
        in_pieces = outcome(endpoint, cut(body, where))
    assert (whole is None) == (in_pieces is None)
    if whole and in_pieces:
        assert whole.equals(in_pieces)


@st.composite
def texts_of_one_length(draw: st.DrawFn) -> bytes:
    length = draw(st.integers(1, 5))
    character = st.one_of(st.sampled_from(b"0f"), st.sampled_from(b'",\\ \x00\x1f\x7f\x80\xe9[]'))
    text = st.lists(character, min_size=length, max_size=length).map(bytes)
    return b"[%b]" % b",".join(b'"%b"' % each for each in draw(st.lists(text, min_size=1, max_size=6)))


@settings(parent=few, max_examples=300)
@given(body=texts_of_one_length(), size=st.integers(1, 80))
def test_texts_of_one_length_are_read_as_any_others(body: bytes, size: int) -> None:
    endpoint = ROWS["visitors"]
    with pieces_of(size):
        fast = outcome(endpoint, body)
    with only_the_careful_path():
        careful = outcome(endpoint, body)
    assert (fast is None) == (careful is None)
    if fast and careful:
        assert fast.equals(careful)


def test_hashes_are_read_without_a_parser() -> None:
    array = arrow._equally_long(bytearray(b'["0f","f0"]'))
    assert array is not None
    assert array.to_pylist() == ["0f", "f0"]


@pytest.mark.parametrize("endpoint", [ROWS["visitors"], ROWS["audiences"]], ids=lambda row: row.name)
@pytest.mark.parametrize("gap", ["", "\n  "])
def test_a_large_body_is_read_in_many_pieces(endpoint: Endpoint, gap: str) -> None:
    answer: list[Any] = (
        [f"h{n}" for n in range(500)]
        if endpoint.answer == "hashes"
        else [{"id": n, "brand": "},{"} for n in range(500)]
    )
    body = write(answer, Style(newline=gap))
    with pieces_of(512):
        found = read(endpoint, [body[at : at + 100] for at in range(0, len(body), 100)])
    assert found.pieces > 5
    assert found.equals(read(endpoint, body))


# --- hostile bodies ---------------------------------------------------------------------------------------------

BREAKERS = [
    b"NaN", b"Infinity", b"-Infinity", b"1e400", b"-0", b"01", b"+1", b"1.", b".5", b"0x10", b"null", b"true", b"/**/",
    *(bytes([character]) for character in b',:][{}"\\\x00\x01\n\xff\xc3\xe9'),
    b"\\u", b"\\ud800", b"\\udc00", b"\\u0000", b"\xed\xa0\x80", b"\xef\xbb\xbf", b"},{", b"}]}\n{", b'"],["',
    b'"id":1,', b'"url":"a","url":"b",', b"9" * 5000, b"[" * 1200, b'{"a":' * 1200,
]  # fmt: skip


@every_row
@settings(parent=few, max_examples=80)
@given(data=st.data(), style=bodies.styles, where=cuts, size=sizes)
def test_a_broken_body_ends_in_a_table_that_every_way_agrees_on_or_in_a_refusal(
    endpoint: Endpoint, data: st.DataObject, style: Style, where: list[int], size: int
) -> None:
    body = write(data.draw(bodies.answers(endpoint)), style)
    for _ in range(data.draw(st.integers(1, 3))):
        at, until = sorted(data.draw(st.tuples(*[st.integers(0, len(body))] * 2)))
        keep = data.draw(st.booleans())
        body = body[:at] + data.draw(st.sampled_from(BREAKERS)) + body[at if keep else min(until, at + 4) :]
    whole = outcome(endpoint, body)
    with only_the_careful_path():
        careful = outcome(endpoint, body)
    with pieces_of(size):
        in_pieces = outcome(endpoint, cut(body, where))
    assert (whole is None) == (careful is None) == (in_pieces is None)
    if whole and careful and in_pieces:
        assert whole.equals(careful)
        assert whole.equals(in_pieces)


@every_row
@few
@given(body=st.binary(max_size=60), size=sizes)
def test_any_bytes_at_all_end_in_a_table_or_a_refusal(endpoint: Endpoint, body: bytes, size: int) -> None:
    with pieces_of(size):
        outcome(endpoint, body)


@every_row
@settings(parent=few, max_examples=15)
@given(data=st.data(), style=bodies.styles, size=sizes)
def test_a_body_that_ends_early_never_yields_a_table(
    endpoint: Endpoint, data: st.DataObject, style: Style, size: int
) -> None:
    body = write(data.draw(bodies.answers(endpoint)), style)
    for end in range(len(body)):
        with pieces_of(size), pytest.raises(UnparsableError):
            read(endpoint, [body[:end]])


@every_row
@pytest.mark.parametrize("depth", [*range(900, 1010, 10), 10_000, 200_000])
def test_deep_nesting_is_kept_or_refused(endpoint: Endpoint, depth: int) -> None:
    for opened, closed in ((b"[", b"]"), (b'{"a":', b"}")):
        nest = opened * depth + b"1" + closed * depth
        for body in (nest, b"[%b]" % nest, b'[{"id":1,"x":%b}]' % nest, b'{"id":1,"pages":%b}' % nest,
                     b'{"sales":[%b],"matched_sales":[]}' % nest, opened * depth):  # fmt: skip
            outcome(endpoint, body)


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (b"", "empty"),
        (b" \n ", "empty"),
        (b"\xef\xbb\xbf", "empty"),
        (b"<html>", "HTML"),
        (b"not json", "isn't JSON"),
        (b"[1", "ends inside the array"),
        (b'["a",]', "isn't JSON"),
        (b'["\xe9"]', "isn't UTF-8"),
        (b"[NaN]", "NaN is not a JSON value"),
        (b"[1]\x00", "ends inside the array"),
        (b"7" * 5000, "more than 4300 digits"),
        (b"[" * 5000 + b"]" * 5000, "nested too deeply"),
        ('["é"]'.encode("utf-16"), "isn't UTF-8"),
    ],
)
@pytest.mark.parametrize("endpoint", [ROWS["visitors"], ROWS["audiences"]], ids=lambda row: row.name)
def test_a_body_that_is_not_json_is_called_so(endpoint: Endpoint, body: bytes, reason: str) -> None:
    with pytest.raises(UnparsableError, match=reason):
        read(endpoint, body)


@pytest.mark.parametrize(
    ("name", "body", "reason"),
    [
        ("visitors", b"{}", "expected an array, found an object"),
        ("visitors", b"null", "expected an array, found null"),
        ("visitors", b" 5", "expected an array, found a number"),
        ("visitors", b'"a"', "expected an array, found text"),
        ("visitors", b"[[]]", "expected a hashed e-mail, found an array"),
        ("visitors", b'["a",null]', "found null"),
        ("visitors", b'["a",""]', "found empty text"),
        ("visitors", b'["\\ud800"]', "expected a hashed e-mail, found text that isn't Unicode"),
        ("audiences", b"{}", "expected an array, found an object"),
        ("audiences", b"[[]]", "expected an object, found an array"),
        ("audiences", b"[null]", "expected an object, found null"),
        ("audiences", b"[{}]", "expected an object with its id"),
        ("audiences", b'[{"id":1e400}]', "expected an object with its id"),
        ("audiences", b'[{"id":9223372036854775808}]', "expected an object with its id"),
        ("location_details", b"[]", "expected an object, found an array"),
        ("location_details", b"null", "expected an object, found null"),
        ("sales", b"[]", "expected an object with sales and matched_sales, found an array"),
        ("sales", b'{"sales":[]}', "expected an array under 'matched_sales'"),
        ("sales", b'{"sales":{},"matched_sales":[]}', "expected an array under 'sales', found an object"),
    ],
)
def test_json_of_another_shape_is_called_so(name: str, body: bytes, reason: str) -> None:
    with pytest.raises(ResponseShapeError, match=reason):
        read(ROWS[name], body)


@every_row
def test_a_message_never_quotes_the_body(endpoint: Endpoint) -> None:
    bodies_refused = [b'["canary",', b"[canary]", b'["canary\xff"]', b"<canary", b'{"canary":"\xff"}', b'[["canary"]]']
    for body in bodies_refused:
        with pytest.raises(ReadingError) as caught:
            read(endpoint, body)
        error = caught.value
        assert "canary" not in f"{error} {error!r} {error.__cause__!r} {error.__context__!r}"


@pytest.mark.parametrize("size", [1, 1 << 20])
@pytest.mark.parametrize("opened", [b"{", b'"', b"7"])
def test_a_large_body_that_is_no_array_is_not_read_to_its_end(opened: bytes, size: int) -> None:
    taken = 0

    def endless() -> Iterator[bytes]:
        nonlocal taken
        yield opened
        while taken < 1 << 26:
            taken += 1 << 20
            yield b"7" * (1 << 20)

    with pytest.raises(UnparsableError, match="too large"), pieces_of(size):
        read(ROWS["visitors"], endless())  # type: ignore[arg-type]
    assert taken < 1 << 25


@pytest.mark.parametrize("gaps", [[1], [2], [1, 2]])
def test_a_byte_order_mark_may_arrive_in_parts(gaps: list[int]) -> None:
    assert read(ROWS["visitors"], cut(b'\xef\xbb\xbf["a"]', gaps)).table.num_rows == 1


# --- single values ----------------------------------------------------------------------------------------------


def kept(name: str, column: str, value: Any) -> tuple[Any, str | None]:
    record = {"id": 1, column: value} if name != "products" else {column: value}
    (row,) = read(ROWS[name], write([record], Style())).table.to_pylist()
    return row[column], row["extra"]


@pytest.mark.parametrize(
    ("name", "column", "value", "expected"),
    [
        ("products", "year", "2020", 2020),
        ("products", "year", 2020, 2020),
        ("products", "year", Digits("2020.0"), 2020),
        ("products", "title", 501, "501"),
        ("products", "title", 10**30, "1" + "0" * 30),
        ("products", "url", "<https://x/>", "https://x/"),
        ("products", "url", "<", "<"),
        ("locations", "zip", "00501", "00501"),
        ("locations", "zip", 501, "501"),
        ("locations", "latitude", "1.5", 1.5),
        ("locations", "latitude", 1, 1.0),
        ("locations", "latitude", Digits("1e-400"), 0.0),
        ("audiences", "visitors_count", "12", 12),
        ("audiences", "visitors_count", Digits("1e3"), 1000),
        ("audience_groups", "brands", ["a", None], ["a", None]),
        ("audience_groups", "brands", [], []),
        ("audiences", "brand", "\x00", "\x00"),
    ],
)
def test_a_value_that_says_the_same_in_its_column_stays_there(
    name: str, column: str, value: Any, expected: Any
) -> None:
    assert kept(name, column, value) == (expected, None)


@pytest.mark.parametrize(
    ("name", "column", "value", "extra"),
    [
        ("products", "year", "unknown", '{"year":"unknown"}'),
        ("products", "year", "02020", '{"year":"02020"}'),
        ("products", "year", 99_999, '{"year":99999}'),
        ("products", "title", True, '{"title":true}'),
        ("products", "title", Digits("1.0"), '{"title":1.0}'),
        ("products", "title", Digits("-0"), '{"title":-0.0}'),
        ("products", "title", ["x"], '{"title":["x"]}'),
        ("products", "title", "\ud800", '{"title":"\\ud800"}'),
        ("products", "title", Digits("1e400"), '{"title":"1e400"}'),
        ("products", "created_at", "yesterday", '{"created_at":"yesterday"}'),
        ("products", "created_at", "2020-01-01T00:00:00.1234567Z", '{"created_at":"2020-01-01T00:00:00.1234567Z"}'),
        ("locations", "latitude", "1.50", '{"latitude":"1.50"}'),
        ("locations", "latitude", "nan", '{"latitude":"nan"}'),
        ("locations", "latitude", 2**53 + 1, '{"latitude":9007199254740993}'),
        ("audiences", "visitors_count", 2**63, '{"visitors_count":9223372036854775808}'),
        ("audiences", "visitors_count", Digits("1.5"), '{"visitors_count":1.5}'),
        ("audience_groups", "brands", "x", '{"brands":"x"}'),
        ("audience_groups", "brands", ["x", 1], '{"brands":["x",1]}'),
        ("audiences", "new field", None, '{"new field":null}'),
    ],
)
def test_a_value_that_does_not_fit_goes_to_extra(name: str, column: str, value: Any, extra: str) -> None:
    record = {"id": 1, column: value} if name != "products" else {column: value}
    found = read(ROWS[name], write([record], Style()))
    (row,) = found.table.to_pylist()
    assert (row.get(column), row["extra"]) == (None, extra)
    assert found.coercions == ({column: 1} if column in row else {})


def test_a_number_that_is_minus_zero_is_one_value_whichever_path_it_takes() -> None:
    plain, strange = ({"id": 1, "latitude": Digits("-0"), **more} for more in ({}, {"strange": 1}))
    both = read(ROWS["locations"], write([plain, strange], Style())).table.column("latitude").to_pylist()
    alone = read(ROWS["locations"], write([plain], Style())).table.column("latitude").to_pylist()
    assert [str(value) for value in both + alone] == ["-0.0"] * 3


@pytest.mark.parametrize("second", ["b", None, True, 1, Digits("1.0"), []])
def test_an_object_that_gives_one_name_two_values_is_refused(second: Any) -> None:
    first: Any = "a" if second != 1 else True
    for name in ("title", "strange"):
        body = write([Members([(name, first), (name, second)])], Style())
        if first is not second:
            with pytest.raises(UnparsableError, match="one name two values"):
                read(ROWS["products"], body)


def test_an_object_may_say_the_same_twice() -> None:
    body = write([Members([("title", "a"), ("title", "a")])], Style())
    assert read(ROWS["products"], body).table.column("title").to_pylist() == ["a"]


def test_sales_keep_their_keys_in_the_order_received() -> None:
    body = b'{"sales":[{"b":1,"a":{"d":1,"c":2}}],"matched_sales":[]}'
    (row,) = read(ROWS["sales"], body).table.to_pylist()
    assert row == {"kind": "sale", "record": '{"b":1,"a":{"d":1,"c":2}}'}


def test_a_field_with_the_name_of_a_constant_goes_to_extra() -> None:
    (row,) = read(ROWS["products"], b'[{"algo":"theirs"}]').table.to_pylist()
    assert row["extra"] == '{"algo":"theirs"}'


@every_row
def test_the_schema_describes_every_column_and_allows_nulls_but_in_keys(endpoint: Endpoint) -> None:
    schema = arrow.arrow_schema(endpoint)
    assert [field.name for field in schema] == [*(column.name for column in endpoint.columns), "captured_at"]
    assert all(field.metadata[b"description"] for field in schema)
    assert {field.name for field in schema if not field.nullable} == {*endpoint.keys, "captured_at"}


@pytest.mark.parametrize("rows", [0, 1, 5])
@pytest.mark.parametrize(("kind", "value"), [(pa.string(), "é"), (pa.int64(), 7), (pa.string(), None)])
def test_a_constant_column_repeats_its_value(kind: pa.DataType, value: Any, rows: int) -> None:
    array = arrow.constant(kind, value, rows)
    array.validate(full=True)
    assert array.to_pylist() == [value] * rows
    assert array.type == kind


def test_reading_staging_and_gathering_facts_do_not_import_pandas() -> None:
    program = """
import sys
from collections import Counter
from ignite_assets.tables import capture# noqa: F401
from ignite_assets.tables import assembly# noqa: F401
from ignite_assets.api import arrow
from ignite_assets.api.endpoints import by_name
from ignite_assets.storage.staging import Stage, first_rows
from ignite_assets.tables.facts import Gathering
bodies = {
    "visitors": b'["a","b"]', "products": b'[{"year":"2020","created_at":"2020-01-01T00:00:00Z","x":1},{"title":null}]',
    "locations": b'[{"id":1,"latitude":1.5}]', "audience_groups": b'[{"id":1,"brands":["a",null]},{"id":2}]',
    "location_details": b'{"id":1,"hashed_emails":["a"],"pages":[1],"summary":{"visit_last":"2020-01-01T00:00:00Z"}}',
    "sales": b'{"sales":[{}],"matched_sales":[]}',
}
for name, body in bodies.items():
    schema = arrow.arrow_schema(by_name()[name])
    stage = Stage(schema.remove(len(schema) - 1), dictionaries=[])
    gathering = Gathering(by_name()[name], "md5")
    for batch in arrow.batches(by_name()[name], [body], {"algo": "md5"} if name != "locations" else {}, Counter()):
        stage.write(batch)
        first_rows(batch, 5)
        gathering.take(batch)
    stage.finish({})
    gathering.entry(1)
assert "pyarrow" in sys.modules
print("pandas" in sys.modules)
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=240, check=False)
    assert (done.stdout.strip(), done.stderr) == ("False", "")


def test_compact_json_is_valid_for_any_text() -> None:
    for text in ("é", "\ud800", '"', "\u2028"):
        written = fitting.to_json({text: text})
        assert json.loads(written.encode()) == {text: text}
