"""Who has opted out of a website: kept as SHA-256 of the normalised address, never as the address.

With a file, every opt-out is on disk before it is answered, one `website<TAB>hash` a line, and is read at start.
Which answers the people then are left out of is `world`'s matter.
"""

import hashlib
import os
import re
import threading
from collections.abc import Iterable
from pathlib import Path

_LINE = re.compile(r"([^\t]+)\t([0-9a-f]{64})")


def normalised(address: str) -> str:
    """An address as it is hashed: trimmed, lower case."""
    return address.strip().lower()


def fingerprint(address: str) -> bytes:
    """The 32 bytes of SHA-256 of a normalised address."""
    return hashlib.sha256(normalised(address).encode()).digest()


class OptedOut:
    """The opt-outs of every website, safe to use from several threads."""

    def __init__(self, file: Path | None = None) -> None:
        """Read the file when there is one; a line torn by a crash is passed over."""
        self._file = file
        self._lock = threading.Lock()
        self._known: dict[str, frozenset[bytes]] = {}
        if file and file.exists():
            self._read(file)

    def _read(self, file: Path) -> None:
        matches = map(_LINE.fullmatch, file.read_text(encoding="utf-8", errors="replace").splitlines())
        for website, digest in (match.groups() for match in matches if match):
            self._known[website] = self.of(website) | {bytes.fromhex(digest)}

    def of(self, website: str) -> frozenset[bytes]:
        """The fingerprints of everyone who opted out of a website."""
        return self._known.get(website, frozenset())

    def add(self, website: str, addresses: Iterable[str]) -> None:
        """Opt people out; on return it is on disk."""
        with self._lock:
            fresh = {fingerprint(address) for address in addresses} - self.of(website)
            if fresh:
                self._append(website, sorted(fresh))
                self._known[website] = self.of(website) | fresh

    def _append(self, website: str, fresh: list[bytes]) -> None:
        if self._file is None:
            return
        descriptor = os.open(self._file, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o600)
        with os.fdopen(descriptor, "ab") as stream:
            # A newline first: a line torn by a crash must not swallow this one.
            lines = "".join(f"\n{website}\t{digest.hex()}" for digest in fresh) + "\n"
            stream.write(lines.encode())
            stream.flush()
            os.fsync(stream.fileno())
