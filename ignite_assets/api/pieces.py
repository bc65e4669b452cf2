"""A JSON array's body, cut while it arrives into pieces that hold whole elements. Pure.

A cut is tried at an element separator near the end of what has arrived, and it is right exactly when the part before
it can be read as elements: inside a string or a nested value that part would end unbalanced. So no tokenizer is
needed; the reader that has to read the piece anyway is the judge.
"""

import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
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


@dataclass(frozen=True)
class Elements:
    """How an array's elements are told apart, and what a piece of them stands between when it is read."""

    separator: re.Pattern[bytes]
    opening: bytes
    closing: bytes

    def array(self, piece: bytearray) -> bytes:
        """A piece as an array of its own."""
        return b"[%b]" % bytes(piece[len(self.opening) : -len(self.closing)])


HASHES = Elements(re.compile(rb"(?<=\")[ \t\r\n]*,[ \t\r\n]*(?=\")"), b"[", b"]")
OBJECTS = Elements(re.compile(rb"(?<=\})[ \t\r\n]*,[ \t\r\n]*(?=\{)"), b'{"r":[', b"]}")
"""Arrow reads an object on each line, so an array is read as the one member of such an object."""


def split(body: Iterable[bytes], elements: Elements, read: Callable[[bytearray], T]) -> Iterator[T]:
    """What `read` makes of each piece of the body's array, in order.

    `read` takes elements joined by commas between the opening and the closing, which is its to keep, and raises
    `UnparsableError` for anything else; an empty array is read as one empty piece. Raises `UnparsableError` when the
    body isn't JSON or ends early, `ResponseShapeError` when it is JSON but not an array.
    """
    arriving = iter(body)
    buffer = bytearray(elements.opening)
    buffer += _start_of_array(arriving)
    threshold = PIECE_BYTES
    pieces_read = 0
    for piece in arriving:
        buffer += piece
        while len(buffer) >= threshold:
            value, buffer = _cut(buffer, elements, read)
            if value is None:
                threshold *= 2
                break
            threshold, pieces_read = PIECE_BYTES, pieces_read + 1
            yield value
    yield read(_last_piece(buffer, elements, first=pieces_read == 0))


def _start_of_array(arriving: Iterator[bytes]) -> bytearray:
    """What comes after the bracket that opens the array, as far as it has arrived."""
    buffer = bytearray()
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
    return buffer


def _not_an_array(start: bytes, arriving: Iterator[bytes]) -> ResponseShapeError:
    if start[:1] == b"<":
        raise UnparsableError("the body is HTML or XML, not JSON")
    if start.startswith(_BOM):
        raise UnparsableError("the body begins with two byte order marks")
    body = bytearray(start)
    while len(body) <= _LARGEST_OTHER and (piece := next(arriving, None)) is not None:
        body += piece
    if len(body) > _LARGEST_OTHER:
        raise UnparsableError("the body is no array, and too large to be told what it is")
    return ResponseShapeError(expected="an array", found=fitting.decode(bytes(body)))


def _cut(buffer: bytearray, elements: Elements, read: Callable[[bytearray], T]) -> tuple[T | None, bytearray]:
    """The value read from the longest prefix of whole elements that was found, if any, and the rest.

    A buffer that a reader has seen isn't touched again: the reader may hold it.
    """
    start = len(buffer)
    for _ in range(_CUTS_TRIED):
        separator = _last_separator(buffer, elements.separator, before=start)
        if separator is None:
            break
        start, end = separator
        between, after = bytes(buffer[start:end]), bytes(buffer[end:])
        buffer[start:] = elements.closing
        try:
            return read(buffer), bytearray(elements.opening + after)
        except UnparsableError:
            buffer = buffer[:start] + between + after
    return None, buffer


def _last_separator(buffer: bytearray, separator: re.Pattern[bytes], *, before: int) -> tuple[int, int] | None:
    """Where the last separator that begins before a place begins and ends."""
    reach = 1 << 12
    while True:
        start = max(0, before - reach)
        found = [match.span() for match in separator.finditer(buffer, start) if match.start() < before]
        if found or not start:
            return found[-1] if found else None
        reach *= 8


def _last_piece(buffer: bytearray, elements: Elements, *, first: bool) -> bytearray:
    buffer = _stripped(buffer)
    if not buffer.endswith(b"]"):
        raise UnparsableError("the body ends inside the array")
    del buffer[-1:]
    if not first and len(_stripped(buffer)) <= len(elements.opening):
        raise UnparsableError("the array ends with a comma")
    buffer += elements.closing
    return buffer


def _stripped(buffer: bytearray) -> bytearray:
    """Without white space at its end; a copy only where there is some."""
    return buffer.rstrip(_SPACE) if buffer[-1:].isspace() else buffer
