"""A small object read whole, in one request.

Arrow asks for an object's size before it opens it. Only the fragments of its datasets take a size that is known, and of
their formats only CSV hands on the bytes that it read: to the codec of the text. So the object is read as a text of one
value, by a codec that writes bytes in hexadecimal.
"""

import codecs
from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.fs as pafs

if TYPE_CHECKING:
    from typing_extensions import Buffer

SMALL_BYTES = 1 << 16
"""What Arrow reads of the end of any Parquet file: a file of no more costs no more when it is read whole."""
_CODEC = "ignite_bytes"
_BLOCK_BYTES = 4 * SMALL_BYTES
"""The value has to fit in a block; hexadecimal doubles it."""


def read_whole(files: pafs.FileSystem, path: str, size: int) -> bytes:
    """A file of `size` bytes, at most `SMALL_BYTES`. Raises `OSError`.

    Of one that has become longer it is the beginning; what has become shorter is filled up with any bytes.
    """
    if not size:
        return b""
    import pyarrow.csv as pacsv
    import pyarrow.dataset as pads  # it imports pandas

    one_value = pacsv.ReadOptions(column_names=["value"], encoding=_CODEC, block_size=_BLOCK_BYTES, use_threads=False)
    fragment = pads.CsvFileFormat(read_options=one_value).make_fragment(path, files, file_size=size)
    table = fragment.to_table(schema=pa.schema({"value": pa.string()}), use_threads=False)
    return bytes.fromhex("".join(table["value"].to_pylist()))


class _Hexadecimal(codecs.IncrementalDecoder):
    def decode(self, data: "Buffer", final: bool = False) -> str:  # noqa: ARG002 - the protocol of codecs
        return memoryview(data).hex()


def _find(name: str) -> codecs.CodecInfo | None:
    if name != _CODEC:
        return None
    text = codecs.lookup("utf-8")
    return codecs.CodecInfo(text.encode, text.decode, incrementaldecoder=_Hexadecimal, name=name)


codecs.register(_find)
