"""Addresses: one normal form, which our rules and the HTTP library read alike."""

import re
import string
from urllib.parse import urlsplit

import pytest
import urllib3
from hypothesis import given, settings
from hypothesis import strategies as st

from ignite_assets.api.addresses import base_url, is_loopback, webhook_url


@pytest.mark.parametrize(
    ("spelled", "normal"),
    [
        ("https://e.atrc.link", "https://e.atrc.link"),
        ("https://e.atrc.link/api", "https://e.atrc.link"),
        ("HTTPS://E.ATRC.LINK:443/api/", "https://e.atrc.link"),
        ("https://e.atrc.link.:0443//", "https://e.atrc.link"),
        ("https://gate.example:8443/Ignite/api", "https://gate.example:8443/Ignite"),
        ("https://gate.example/xapi", "https://gate.example/xapi"),
        ("https://gate.example/api/v1", "https://gate.example/api/v1"),
        ("HTTP://LocalHost.:80", "http://localhost"),
        ("http://[::1]:8000/", "http://[::1]:8000"),
        ("http://[0:0:0:0:0:0:0:1]", "http://[::1]"),
        ("http://[::ffff:127.0.0.1]:1", "http://127.0.0.1:1"),
        ("https://10.0.0.1", "https://10.0.0.1"),
        ("https://xn--bcher-kva.example", "https://xn--bcher-kva.example"),
    ],
)
def test_an_address_has_one_normal_form(spelled: str, normal: str) -> None:
    assert base_url(spelled) == base_url(normal) == normal


@pytest.mark.parametrize(
    "url",
    [
        "https://a..b", "https://-", "https://-a", "https://a-", "https://.", "https://a..", "https://a_b",
        "https://" + "x" * 64, "https://" + ".".join(["x" * 50] * 6), "https://b\u00fccher.example",
        "https://e.atrc.link%0a", "https://e.atrc.link/%0d%0aX:y", "https://e.atrc.link/%61pi", "https://e.atrc.link/%",
        "https://e.atrc.link\n", "https://e.atrc\t.link", "https://e.atrc.link/\x00", "https://e.atrc.link/a/../b",
        "https://e.atrc.link/.", "https://e.atrc.link/a//b", "https://e.atrc.link/a;b",
        "https://127.1", "https://0x7f.1", "https://2130706433", "https://0", "https://0.0.0.0", "https://127.0.0.01",
        "https://1.2.3.4.5", "https://a.1", "https://a.0x1", "https://[::]", "https://[::1%25lo]", "https://[127.0.0.1]",
        "https://u@e.atrc.link", "https://@e.atrc.link", "https://e.atrc.link:0", "https://e.atrc.link:65536",
        "https://e.atrc.link:+1", "https://e.atrc.link?", "https://e.atrc.link#", "http://evil.example\\@127.0.0.1",
        "http://[::ffff:10.0.0.1]", "http://127.0.0.1.example", "https:e.atrc.link", "https:///e.atrc.link",
    ],
)  # fmt: skip
def test_an_address_that_programs_read_in_different_ways_is_refused(url: str) -> None:
    with pytest.raises(ValueError, match=r"^(not a URL of a host|not a base URL|neither https nor loopback)$"):
        base_url(url)


ODD = st.text(alphabet=string.ascii_letters + string.digits + ".:/@[]%\\?#-_ \t\n\u0430\u3002", max_size=12)


@given(st.sampled_from(["http://", "HTTP://", "https://", "hTTps://"]), ODD, ODD, ODD)
@settings(max_examples=300)
def test_what_is_accepted_is_normal_and_read_alike_by_the_http_library(scheme: str, a: str, b: str, c: str) -> None:
    for make in (base_url, webhook_url):
        for host in (a, "127.0.0.1" + a, "localhost" + a, a + "@127.0.0.1"):
            try:
                normal = make(scheme + host + b + c)
            except ValueError:
                continue
            assert make(normal) == normal
            ours, theirs = urlsplit(normal), urllib3.util.parse_url(normal)
            assert (ours.scheme, ours.hostname, ours.port) == (
                theirs.scheme,
                (theirs.host or "").strip("[]"),
                theirs.port,
            )
            assert ours.scheme == "https" or is_loopback(normal)
            assert theirs.auth is None
            assert not re.search(r"[\x00-\x20\x7f]", normal)


@pytest.mark.parametrize(
    ("spelled", "normal"),
    [
        ("HTTPS://Hooks.Slack.com:443/services/T/B/x", "https://hooks.slack.com/services/T/B/x"),
        ("https://outlook.example/webhook/a@b/In%2Fcoming?sig=A%3D&x=@", None),
        ("http://LOCALHOST:8080?key=1", "http://localhost:8080/?key=1"),
    ],
)
def test_a_webhook_keeps_its_path_and_query(spelled: str, normal: str | None) -> None:
    assert webhook_url(spelled) == (normal or spelled)


@pytest.mark.parametrize(
    "url", ["https://h/%0aX", "https://h/a?b=%0D", "https://u:p@h/x", "http://evil.example\\@127.0.0.1/x", "http://h/x"]
)
def test_a_webhook_that_could_be_read_otherwise_is_refused(url: str) -> None:
    with pytest.raises(ValueError, match=r"^(not a URL|not a URL of a host|neither https nor loopback)$"):
        webhook_url(url)
