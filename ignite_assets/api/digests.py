"""Hashed e-mails, told from clear text, which is never stored where the platform should send hashes. Pure."""

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from ignite_assets.api.errors import ResponseShapeError

SHORTEST, LONGEST = 28, 128
"""Characters of a digest. The vendor's samples have 30 and 31: lengths are counted, not asserted."""

_LOWER_HEX = b"0123456789abcdef"
_HEX = _LOWER_HEX + b"ABCDEF"


def is_digest(text: str) -> bool:
    """Whether a text can be a hashed e-mail: hexadecimal, and long enough."""
    return SHORTEST <= len(text) <= LONGEST and not text.encode(errors="replace").translate(None, _HEX)


def are_digests(texts: pa.Array) -> bool:
    """Whether all texts of an array are digests; nulls count as such."""
    shortest, longest, characters = _measured(texts.drop_null())
    return shortest >= SHORTEST and longest <= LONGEST and not characters.translate(None, _HEX)


def malformed(hashes: pa.Array, length: int) -> int:
    """How many texts of an array without nulls aren't so many lower-case hexadecimal characters."""
    shortest, longest, characters = _measured(hashes)
    if not len(hashes) or (shortest == longest == length and not characters.translate(None, _LOWER_HEX)):
        return 0
    good = pc.sum(pc.match_substring_regex(hashes, f"^[0-9a-f]{{{length}}}$")).as_py()
    return len(hashes) - int(good or 0)


def _measured(texts: pa.Array) -> tuple[int, int, bytes]:
    """The lengths of the shortest and the longest text in bytes, and all texts' bytes; of no text those of a digest."""
    if not len(texts):
        return SHORTEST, SHORTEST, b""
    _, offsets, data = texts.buffers()
    bounds = np.frombuffer(offsets, dtype=np.int32, count=len(texts) + 1, offset=texts.offset * 4)
    lengths = np.diff(bounds)
    characters = bytes(memoryview(data)[bounds[0] : bounds[-1]]) if data else b""
    return int(lengths.min()), int(lengths.max()), characters


def clear_text(text: str) -> ResponseShapeError:
    """What is raised for a text that is no digest; it doesn't quote it."""
    return ResponseShapeError(f"expected a hashed e-mail, found {'text with an @' if '@' in text else 'other text'}")
