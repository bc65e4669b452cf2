"""Where credentials may be sent: https, or this machine's loopback. Pure; no I/O."""

import ipaddress
import re
from urllib.parse import urlsplit


def base_url(url: str) -> str:
    """The address without a slash at its end. Raises `ValueError`, which doesn't quote it, unless it is safe.

    It is https, or http on loopback, and holds no user, query or fragment.
    """
    if not re.fullmatch(r"[!-~]+", url) or set(url) & set("@?#\\"):
        raise ValueError("not a base URL")
    parts = urlsplit(url)
    host = parts.hostname or ""
    if parts.port == 0 or not re.fullmatch(r"[a-z0-9.-]+|[0-9a-f:]+", host):
        raise ValueError("not a base URL")
    if parts.scheme != "https" and not (parts.scheme == "http" and is_loopback(host)):
        raise ValueError("neither https nor loopback")
    return url.rstrip("/")


def is_loopback(host: str) -> bool:
    """Whether a host name or address is this machine's own."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
