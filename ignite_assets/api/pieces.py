"""A JSON array's body, cut while it arrives into pieces that hold whole elements. Pure.

A cut is tried at an element separator near the end of what has arrived, and it is right exactly when the part before
it can be read as elements: inside a string or a nested value that part would end unbalanced. So no tokenizer is
needed; the reader that has to read the piece anyway is the judge.
"""

import re
from collections.abc import Callable, Iterable, Iterator
from itertools import islice
from typing import TypeVar

from ignite_assets.api import fitting
from ignite_assets.api.errors import ResponseShapeError, UnparsableError

T = TypeVar("T")

PIECE_BYTES = 1 << 21
"""A piece is cut when this much has arrived: large enough to be fast, small enough to bound memory."""
_CUTS_TRIED = 8
_LARGEST_OTHER = 1 << 24
"""Of a body that isn't an array, this much is read to say what it is instead."""
_BOM = b"\xef\xbb\xbf"
_SPACE = b" \t\r\n"

HASHES = re.compile(rb",[ \t\r\n]*(?=\")")
"""Separates the elements of an array of strings."""
OBJECTS = re.compile(rb"(?<=\})[ \t\r\n]*,[ \t\r\n]*(?=\{)")
"""Separates the elements of an array of objects."""


def split(body: Iterable[bytes], separator: re.Pattern[bytes], read: Callable[[bytes], T]) -> Iterator[T]:
    """What `read` makes of each piece of the body's array, in order.

    `read` takes elements joined by commas, without the brackets, and raises `UnparsableError` for anything else; an
    empty array is read as one empty piece. Raises `UnparsableError` when the body isn't JSON or ends early,
    `ResponseShapeError` when it is JSON but not an array.
    """
    buffer = bytearray()
    threshold = PIECE_BYTES
    arriving = iter(body)
    _open_array(buffer, arriving)
    pieces_read = 0
    for piece in arriving:
        buffer += piece
        while len(buffer) >= threshold:
            cut = _cut(buffer, separator, read)
            if cut is None:
                threshold *= 2
                break
            value, end = cut
            del buffer[:end]
            threshold, pieces_read = PIECE_BYTES, pieces_read + 1
            yield value
    yield read(_last_piece(buffer, first=pieces_read == 0))


def _open_array(buffer: bytearray, arriving: Iterator[bytes]) -> None:
    """Take in the body's start, up to and without the bracket that opens the array."""
    bom = _BOM
    for piece in arriving:
        buffer += piece
        if bom and bom != buffer and bom.startswith(buffer):
            continue
        del buffer[: len(buffer) - len(buffer.removeprefix(bom).lstrip(_SPACE))]
        bom = b""
        if buffer:
            break
    if not buffer:
        raise UnparsableError("the body is empty")
    if buffer[:1] != b"[":
        raise _not_an_array(bytes(buffer), arriving)
    del buffer[:1]


def _not_an_array(start: bytes, arriving: Iterator[bytes]) -> ResponseShapeError:
    if start[:1] == b"<":
        raise UnparsableError("the body is HTML or XML, not JSON")
    body = bytearray(start)
    while len(body) <= _LARGEST_OTHER and (piece := next(arriving, None)) is not None:
        body += piece
    if len(body) > _LARGEST_OTHER:
        raise UnparsableError("the body is no array, and too large to be told what it is")
    return ResponseShapeError(expected="an array", found=fitting.decode(bytes(body)))


def _cut(buffer: bytearray, separator: re.Pattern[bytes], read: Callable[[bytes], T]) -> tuple[T, int] | None:
    """The value read from the longest prefix of whole elements that was found, and where the rest starts."""
    for match in islice(_separators_from_the_end(buffer, separator), _CUTS_TRIED):
        try:
            return read(bytes(buffer[: match.start()])), match.end()
        except UnparsableError:
            continue
    return None


def _separators_from_the_end(buffer: bytearray, separator: re.Pattern[bytes]) -> Iterator[re.Match[bytes]]:
    reach = 1 << 12
    end = len(buffer)
    while end > 0:
        start = max(0, len(buffer) - reach)
        found = [m for m in separator.finditer(bytes(buffer), start) if m.start() < end]
        yield from reversed(found)
        end, reach = start, reach * 8


def _last_piece(buffer: bytearray, *, first: bool) -> bytes:
    rest = bytes(buffer).rstrip(_SPACE)
    if not rest.endswith(b"]"):
        raise UnparsableError("the body ends inside the array")
    rest = rest[:-1].strip(_SPACE)
    if not rest and not first:
        raise UnparsableError("the array ends with a comma")
    return rest
