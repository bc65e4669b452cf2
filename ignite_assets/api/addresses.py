"""Where secrets may be sent: https, or this machine's loopback. Pure; no I/O.

An address has one normal form, made where it enters, and every later rule (proxy, message, connection) reads that
form: lower-case scheme and host, no default port, no dot at the host's end, IP addresses as `ipaddress` writes them.
The URL parsers of the standard library and of `urllib3` disagree about odd spellings, so those are refused.
"""

import ipaddress
import re
from urllib.parse import SplitResult, urlsplit

_LABEL = r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?"
_NAME = re.compile(rf"{_LABEL}(?:\.{_LABEL})*")
_NUMBER = re.compile(r"[0-9]+|0x[0-9a-f]*")
_BASE_PATH = re.compile(r"(?:/(?!\.{1,2}(?:/|$))[A-Za-z0-9._~+-]+)*")
_LINE_BREAK = re.compile(r"%0[ad]", re.IGNORECASE)
_DEFAULT_PORTS = {"https": 443, "http": 80}


def base_url(url: str) -> str:
    """The platform's address in its normal form, without a slash or `/api` at its end.

    The vendor's page writes the address with `/api`, and opt-outs, which are not below it, without. Idempotent.
    Raises `ValueError`, which doesn't quote the address, unless it is https, or http on loopback, without user, query,
    fragment or escapes.
    """
    origin, parts = _split(url)
    path = re.sub(r"(?:/+(?:api)?)+$", "", parts.path)
    if "?" in url or not _BASE_PATH.fullmatch(path):
        raise ValueError("not a base URL")
    return origin + path


def webhook_url(url: str) -> str:
    """A webhook's URL with its origin in normal form, its path and query as they are.

    Raises `ValueError`, which doesn't quote it, unless it is https, or http on loopback, without user or fragment.
    """
    origin, parts = _split(url)
    if _LINE_BREAK.search(url):
        raise ValueError("not a URL")
    return f"{origin}{parts.path or '/'}{f'?{parts.query}' if parts.query else ''}"


def is_loopback(url: str) -> bool:
    """Whether an address in normal form is this machine's own, which no proxy may see."""
    return _is_loopback(urlsplit(url).hostname or "")


def _split(url: str) -> tuple[str, SplitResult]:
    """The origin in normal form (scheme, host and port), and the parts as they were."""
    try:
        parts, host, port = _taken_apart(url)
    except ValueError:  # the libraries' own messages quote
        raise ValueError("not a URL of a host") from None
    if parts.scheme != "https" and not (parts.scheme == "http" and _is_loopback(host)):
        raise ValueError("neither https nor loopback")
    shown_port = "" if port in (None, _DEFAULT_PORTS[parts.scheme]) else f":{port}"
    return f"{parts.scheme}://{f'[{host}]' if ':' in host else host}{shown_port}", parts


def _taken_apart(url: str) -> tuple[SplitResult, str, int | None]:
    parts = urlsplit(url)
    if not re.fullmatch(r"[!-~]+", url) or set(url) & set("#\\") or "@" in parts.netloc or parts.port == 0:
        raise ValueError
    return parts, _host(parts.hostname or ""), parts.port


def _host(host: str) -> str:
    """A host name or IP address, in lower case, as `ipaddress` writes it; refuses what other programs read otherwise.

    Resolvers take `127.1`, `0x7f.1` and `2130706433` for IP addresses, so a name doesn't end in a number.
    """
    if ":" in host:
        v6 = ipaddress.IPv6Address(host)
        return _ip(v6.ipv4_mapped or v6)
    host = host.removesuffix(".")
    if _NUMBER.fullmatch(host.rpartition(".")[2]):
        return _ip(ipaddress.IPv4Address(host))
    if len(host) > 253 or not _NAME.fullmatch(host):
        raise ValueError
    return host


def _ip(ip: ipaddress.IPv4Address | ipaddress.IPv6Address) -> str:
    if ip.is_unspecified or "%" in str(ip):
        raise ValueError
    return str(ip)


def _is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
