"""People by their hashes, and batches that fit a URL."""

import hashlib
import itertools
import json
from urllib.parse import quote_plus

from hypothesis import given
from hypothesis import strategies as st

from ignite_assets.audiences.ledger import Hashes
from ignite_assets.audiences.opt_outs import Person, batches, parameter

ANN, BOB = "ann@example.com", "bob@example.org"


def test_a_person_has_the_three_hashes() -> None:
    raw = ANN.encode()
    assert Person(ANN).hashes == Hashes(
        md5=hashlib.md5(raw).hexdigest(), sha1=hashlib.sha1(raw).hexdigest(), sha256=hashlib.sha256(raw).hexdigest()
    )


def test_nothing_shows_an_address_or_a_hash() -> None:
    assert f"{Person(ANN)!r} {Person(ANN).hashes!r}" == "Person(***) Hashes(***)"


ADDRESS = st.from_regex(r"[a-z0-9+'ü]{1,40}@example\.com", fullmatch=True)


@given(st.lists(ADDRESS, max_size=60), st.integers(0, 400))
def test_batches_hold_everyone_in_order_and_fit(addresses: list[str], room: int) -> None:
    made = list(batches(map(Person, addresses), room))
    assert [one.address for batch in made for one in batch] == addresses
    for batch in made:
        assert len(batch) == 1 or len(quote_plus(parameter(batch))) <= room
    for batch, after in itertools.pairwise(made):
        assert len(quote_plus(parameter([*batch, after[0]]))) > room


def test_a_batch_is_a_json_array() -> None:
    assert json.loads(parameter([Person(ANN), Person(BOB)])) == [ANN, BOB]
