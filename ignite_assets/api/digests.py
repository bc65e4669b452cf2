"""Hashed e-mails, told from clear text, which is never stored where the platform should send hashes. Pure."""

import numpy as np
import pyarrow as pa

from ignite_assets.api.errors import ResponseShapeError

SHORTEST, LONGEST = 28, 128
"""Characters of a digest. The vendor's samples have 30 and 31: lengths are counted, not asserted."""

_HEX = b"0123456789abcdefABCDEF"


def is_digest(text: str) -> bool:
    """Whether a text can be a hashed e-mail: hexadecimal, and long enough."""
    return SHORTEST <= len(text) <= LONGEST and not text.encode(errors="replace").translate(None, _HEX)


def are_digests(texts: pa.Array) -> bool:
    """Whether all texts of an array are digests; nulls count as such."""
    texts = texts.drop_null()
    if not len(texts):
        return True
    _, offsets, data = texts.buffers()
    bounds = np.frombuffer(offsets, dtype=np.int32, count=len(texts) + 1, offset=texts.offset * 4)
    lengths = np.diff(bounds)
    if lengths.min() < SHORTEST or lengths.max() > LONGEST:
        return False
    return not bytes(memoryview(data)[bounds[0] : bounds[-1]]).translate(None, _HEX)


def clear_text(text: str) -> ResponseShapeError:
    """What is raised for a text that is no digest; it doesn't quote it."""
    return ResponseShapeError(f"expected a hashed e-mail, found {'text with an @' if '@' in text else 'other text'}")
