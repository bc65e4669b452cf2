"""E-mail addresses as the platform answers them: hashed, in the order of their households, without the opted out.

Works on whole websites at a time. Addresses are made when they are hashed and never kept.
"""

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from ignite_assets.api.table import Algo
from ignite_assets.sandbox.draws import Words
from ignite_assets.sandbox.households import MOST_EMAILS, Households, Mask, Rows, addresses
from ignite_assets.sandbox.optouts import fingerprint, normalised

_HASHES = {"md5": hashlib.md5, "sha1": hashlib.sha1, "sha2": hashlib.sha256}


def hashed(given: Iterable[str], algo: Algo) -> list[str]:
    """The hash of each address, trimmed and in lower case, as hexadecimal text."""
    digest = _HASHES[algo]
    return [digest(normalised(address).encode()).hexdigest() for address in given]


def everyone(households: Households, rows: Rows) -> Mask:
    """Which e-mail slots of those rows are somebody's: an array of (row, slot)."""
    return np.arange(MOST_EMAILS) < households.email_counts[rows][:, None]


@dataclass(frozen=True, eq=False)
class Directory:
    """The people of one website by a prefix of their fingerprint, to find the few who opted out."""

    rows: Rows
    slots: Rows
    prefixes: Words


def directory_of(households: Households) -> Directory:
    """Fingerprint everyone: about 2 µs a person."""
    rows, slots = np.nonzero(everyone(households, households.rows))
    joined = b"".join(fingerprint(address)[:8] for address in addresses(households, rows, slots))
    return Directory(rows, slots, np.frombuffer(joined, dtype=np.uint64))


def opted_out(households: Households, directory: Directory, fingerprints: frozenset[bytes]) -> Mask:
    """Who opted out: an array of (household, slot)."""
    prefixes = np.frombuffer(b"".join(known[:8] for known in sorted(fingerprints)), dtype=np.uint64)
    found = np.flatnonzero(np.isin(directory.prefixes, prefixes))
    rows, slots = directory.rows[found], directory.slots[found]
    # Eight bytes may coincide; all thirty-two don't.
    sure = np.array([fingerprint(known) in fingerprints for known in addresses(households, rows, slots)], dtype=bool)
    out = np.zeros((len(households.rows), MOST_EMAILS), dtype=np.bool_)
    out[rows[sure], slots[sure]] = True
    return out
