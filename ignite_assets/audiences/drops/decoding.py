"""Bytes of a dropped file as text or as a workbook: compression, encodings, and what is neither."""

import codecs
import gzip
import io
import re
import zipfile
import zlib
from collections.abc import Iterator
from dataclasses import dataclass, replace

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


_BLANK = b"\xef\xbb\xbf\xff\xfe \t\r\n\0"
_WRONG_MARK = b"\xc3\xaf\xc2\xbb\xc2\xbf"
"""The mark of UTF-8, encoded twice."""
_MOST_GZIP = 3
_NOT_TEXT = "not text: it contains NUL bytes"
_MAIL_HEADER = (
    r"(?:From |(?:From|To|Cc|Subject|Received|Return-Path|Delivered-To|MIME-Version|Message-ID|Date|"
    r"(?:List|X)-[\w-]+):)[^\n]*\n"
)
_OTHER_TEXTS = tuple(
    (re.compile(pattern, re.IGNORECASE), told)
    for pattern, told in (
        (rf"(?:{_MAIL_HEADER}(?:[ \t][^\n]*\n)*){{2}}", "an e-mail: list the addresses"),
        (r"BEGIN:VCARD", "an address book: save it as CSV"),
        (r"<(?:!doctype|html|head|body|table|meta|\?xml)\b", "a web page or XML: save the table as CSV or a workbook"),
    )
)


class DropError(IgniteError):
    """A file can't be read at all. Says why, never quotes it."""


class EmptyError(DropError):
    """There is nothing in a file: it may still be on its way."""


@dataclass(frozen=True, kw_only=True, repr=False)
class Content:
    """A file without its compression."""

    data: bytes
    name: str
    """Lower case, without `.gz`."""
    encoding: str | None
    """Of the text; None for a workbook."""
    refused: str | None = None
    """Why nothing but suppression may follow from the text, which is no list of people."""

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
    for _ in range(_MOST_GZIP):
        if data.startswith(_GZIP):
            data, name = _gunzip(data), name.removesuffix(".gz")
    if data.startswith(_PDF):
        raise DropError("a PDF: save the list as CSV or as an Excel workbook")
    if data.startswith(_OLE) or (data.startswith(_ZIP) and _is_workbook(data)):
        return Content(data=data, name=name, encoding=None)
    if data.startswith(_ZIP):
        raise DropError("a ZIP archive: unpack it")
    if not data.strip(_BLANK):
        raise EmptyError("the file is empty")
    encoding = _encoding(data)
    if encoding is None:
        return Content(data=data.replace(b"\0", b""), name=name, encoding="utf-8", refused=_NOT_TEXT)
    content = Content(data=data.removeprefix(_WRONG_MARK), name=name, encoding=encoding)
    return replace(content, refused=_other_than_a_list(content.head()))


def _other_than_a_list(head: str) -> str | None:
    """What a text is that is no list of people, and what to do about it."""
    for pattern, told in _OTHER_TEXTS:
        if pattern.match(head.lstrip("\ufeff \t\r\n")):
            return told
    control = sum(character < " " and character not in "\t\r\n\v\f\x01\x1a" for character in head)
    return "not text: it contains control characters" if control * 20 > len(head) else None


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


def _encoding(data: bytes) -> str | None:
    """The encoding of a text; None for what has NUL bytes that belong to none."""
    for mark, encoding in _MARKS:
        if data.startswith(mark):
            return encoding
    sample = data[:_SAMPLE]
    if b"\0" not in sample:
        return None if b"\0" in data else "utf-8"
    # Latin letters of UTF-16 have a zero as every other byte.
    even, odd = sample[0::2].count(0), sample[1::2].count(0)
    half = len(sample) // 2
    if len(data) % 2 == 0 and odd > half / 2 and even < half / 10:
        return "utf-16-le"
    if len(data) % 2 == 0 and even > half / 2 and odd < half / 10:
        return "utf-16-be"
    return None
