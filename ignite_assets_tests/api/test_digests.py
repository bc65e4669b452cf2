"""What is counted of hashed e-mails, against the rule in a regular expression."""

import re

import pyarrow as pa
from hypothesis import example, given
from hypothesis import strategies as st

from ignite_assets.api.digests import are_digests, is_digest, malformed

TEXTS = st.lists(st.text("0aFé", max_size=33) | st.text("0a", min_size=32, max_size=32), max_size=6)


@given(TEXTS, st.integers(0, 2))
@example([], 0)
@example([""], 0)
@example(["é" * 16], 0)
@example(["F" * 32, "a" * 32], 0)
def test_arrays_are_judged_as_their_texts_are(texts: list[str], skipped: int) -> None:
    array, texts = pa.array(texts, pa.string()).slice(skipped), texts[skipped:]
    assert malformed(array, 32) == sum(not re.fullmatch("[0-9a-f]{32}", text) for text in texts)
    assert are_digests(array) == all(map(is_digest, texts))
