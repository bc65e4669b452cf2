"""Bytes of a dropped file as text or as a workbook: compression, encodings, and what is neither."""

import codecs
import gzip
import io
import zipfile
import zlib
from collections.abc import Iterator
from dataclasses import dataclass

from ignite_assets.api.errors import IgniteError

MAX_BYTES = 2 << 30
"""Largest file after decompression."""

_MARKS = (  # the marks of UTF-32 begin with those of UTF-16
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
_GZIP, _ZIP, _OLE, _PDF = b"\x1f\x8b", b"PK\x03\x04", b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", b"%PDF"
_SAMPLE = 4096
_HEAD = 1 << 16


class DropError(IgniteError):
    """A file can't be read at all. Says why, never quotes it."""


@dataclass(frozen=True, kw_only=True, repr=False)
class Content:
    """A file without its compression."""

    data: bytes
    name: str
    """Lower case, without `.gz`."""
    encoding: str | None
    """Of the text; None for a workbook."""

    def lines(self) -> Iterator[str]:
        """The lines of the text, without their ends; bytes that are not of the encoding become lone surrogates."""
        text = io.TextIOWrapper(io.BytesIO(self.data), self.encoding, errors=self._errors, newline=None)
        return (line.removesuffix("\n") for line in text)

    def head(self) -> str:
        """The first characters of the text."""
        codec = codecs.getincrementaldecoder(self.encoding or "utf-8")(errors=self._errors)
        return codec.decode(self.data[:_HEAD])

    def text(self) -> str:
        """The whole text."""
        return self.data.decode(self.encoding or "utf-8", errors=self._errors)

    @property
    def _errors(self) -> str:
        return "surrogateescape" if self.encoding in ("utf-8", "utf-8-sig") else "replace"


def decode(data: bytes, name: str) -> Content:
    """Unpack a file and find its encoding. Raises `DropError` for what is neither text nor a workbook."""
    name = name.lower()
    if data.startswith(_GZIP):
        data, name = _gunzip(data), name.removesuffix(".gz")
    if data.startswith(_PDF):
        raise DropError("a PDF: save the list as CSV or as an Excel workbook")
    if data.startswith(_OLE) or (data.startswith(_ZIP) and _is_workbook(data)):
        return Content(data=data, name=name, encoding=None)
    if data.startswith(_ZIP):
        raise DropError("a ZIP archive: unpack it")
    return Content(data=data, name=name, encoding=_encoding(data))


def _gunzip(data: bytes) -> bytes:
    try:
        with gzip.open(io.BytesIO(data)) as file:
            unpacked = file.read(MAX_BYTES + 1)
    except (OSError, EOFError, zlib.error):
        unpacked = None
    if unpacked is None:
        raise DropError("damaged gzip")
    if len(unpacked) > MAX_BYTES:
        raise DropError(f"larger than {MAX_BYTES:,} bytes when it is unpacked")
    return unpacked


def _is_workbook(data: bytes) -> bool:
    try:
        names = zipfile.ZipFile(io.BytesIO(data)).namelist()
    except (zipfile.BadZipFile, OSError, ValueError):
        return False
    return any(name.startswith("xl/") or name == "content.xml" for name in names)


def _encoding(data: bytes) -> str:
    for mark, encoding in _MARKS:
        if data.startswith(mark):
            return encoding
    sample = data[:_SAMPLE]
    if b"\0" not in sample:
        if b"\0" in data:
            raise DropError("not text: it contains NUL bytes")
        return "utf-8"
    # Latin letters of UTF-16 have a zero as every other byte.
    even, odd = sample[0::2].count(0), sample[1::2].count(0)
    half = len(sample) // 2
    if len(data) % 2 == 0 and odd > half / 2 and even < half / 10:
        return "utf-16-le"
    if len(data) % 2 == 0 and even > half / 2 and odd < half / 10:
        return "utf-16-be"
    raise DropError("not text: it contains NUL bytes")
