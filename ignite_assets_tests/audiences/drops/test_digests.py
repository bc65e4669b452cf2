"""Lists of hashes: every way to write one, and whose they are."""

import base64
import hashlib
import json

import pytest

from ignite_assets.audiences.drops.decoding import DropError
from ignite_assets.audiences.drops.digests import HashList, read_hashes
from ignite_assets.audiences.drops.reading import read_addresses
from ignite_assets.audiences.ledger import Hashes
from ignite_assets_tests.audiences.drops.shapes import ANN

MD5, SHA1, SHA256 = (getattr(hashlib, name)(ANN.encode()).hexdigest() for name in ("md5", "sha1", "sha256"))
BASE64 = base64.b64encode(bytes.fromhex(SHA256)).decode()
PHONE = hashlib.sha256(b"+15550100").hexdigest()


def read(text: str, name: str = "a.csv") -> HashList:
    return read_hashes(text.encode(), name)


@pytest.mark.parametrize(
    "text",
    [
        SHA256,
        f"hash\n{SHA256.upper()}\n",
        f"0x{SHA256}",
        f"sha256:{SHA256}",
        f"SHA-256={SHA256}",
        f"{{SHA256}}{BASE64}",
        f"ID,Hash\n1,{BASE64}\n",
        BASE64.rstrip("="),
        f"em,ph\n{SHA256},{PHONE}\n",
        f"id,email_sha256,phone_sha256\n7,{SHA256},{PHONE}\n",
        f"uuid;hash\n{MD5};{SHA256}\n",
    ],
)
def test_a_hash_is_read_in_every_way_to_write_it(text: str) -> None:
    found = read(text)
    assert found.people == (Hashes(sha256=SHA256),)
    assert found.rejects == ()


def test_hashes_of_one_row_are_one_person_whatever_the_algorithms() -> None:
    assert read(f"md5,sha1,sha256\n{MD5},{SHA1},{SHA256}\n").people == (Hashes(MD5, SHA1, SHA256),)


def test_a_phones_hash_is_no_person() -> None:
    found = read(f"email hash,phone hash\n{SHA256},{PHONE}\n,{PHONE}\n")
    assert (len(found.people), found.left_out) == (1, 2)
    assert [each.line for each in found.rejects] == [3]


def test_json_and_bad_lines() -> None:
    found = read(json.dumps([SHA256, {"hash": MD5}, "abc"]), "a.json")
    assert found.people == (Hashes(sha256=SHA256), Hashes(md5=MD5))
    assert [each.line for each in found.rejects] == [3]
    assert [each.line for each in read(f"{SHA256}\n{'g' * 64}\nmd5:{SHA1}\n", "a.txt").rejects] == [2, 3]


def test_addresses_among_hashes_and_hashes_among_addresses_are_recognised() -> None:
    with pytest.raises(DropError, match="a list of addresses, not of hashes"):
        read(f"{ANN}\n", "a.txt")
    with pytest.raises(DropError, match="a list of hashes, not of addresses"):
        read_addresses(f"hash\n{SHA256}\n".encode(), "a.csv")
