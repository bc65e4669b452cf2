"""A path or a URL as users write it: the kind of value that says where files are. Pure; no I/O."""

import posixpath
import re
from typing import Annotated

from pydantic import AfterValidator

from ignite_assets.api.section import AllowedText

URL_SCHEME = re.compile(r"[a-z][a-z0-9+.-]+://")
_SECRET_IN_QUERY = re.compile(r"[?&][^=&]*(?:secret|password|token|key|sig)[^=&]*=", re.IGNORECASE)


def beside(root: str, place: str) -> str:
    """A relative place, taken beside the folder that a URL names, or in its bucket; the URL's query is kept."""
    url, mark, query = root.partition("?")
    scheme, _, path = url.partition("://")
    bucket, _, folder = path.rstrip("/").partition("/")
    inner = posixpath.normpath(posixpath.join("/", posixpath.dirname(folder), place))
    return f"{scheme}://{bucket}{inner}{mark}{query}"


def _location(root: str) -> str:
    """Keep paths and URLs; credentials of object storage belong in the environment."""
    if not root.strip() or not root.isprintable():
        raise ValueError("neither a path nor a URL")
    scheme = URL_SCHEME.match(root)
    if "://" in root and not scheme:
        raise ValueError("not a URL")
    if scheme and (not root[scheme.end() :].strip("/") or "@" in root or _SECRET_IN_QUERY.search(root)):
        raise ValueError("a URL without a place, or with credentials")
    return root


Location = Annotated[
    str,
    AfterValidator(_location),
    AllowedText("a path, relative to the configuration's folder or absolute, or a URL such as s3://bucket/lake"),
]
