"""Rules: the websites they cover, the audiences they mean, and their mistakes."""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from ignite_assets.api.table import Algo
from ignite_assets.audiences.rules import ExportRule, matching, mistakes, mistakes_together
from ignite_assets_tests.audiences.captures import rule

AUDIENCES: list[Mapping[str, Any]] = [
    {"id": 1, "primary_category": "USED", "brand": "KIA", "model": "RIO5"},
    {"id": 2, "primary_category": "NEW", "brand": "KIA", "model": None},
    {"id": 3, "primary_category": "USED", "brand": "MERCEDES-BENZ", "model": "C-CLASS"},
    {"id": 4, "primary_category": None, "brand": None, "model": None},
]
GROUPS: list[Mapping[str, Any]] = [
    {"id": 15, "label": "Used Model Visitors"},
    {"id": 16, "label": "used"},
    {"id": 17, "label": None},
]
ALGOS: Mapping[str, Algo] = {"acme-honda": "sha2", "acme-kia": "md5", "other": "sha2"}


def of(**changed: Any) -> ExportRule:
    return replace(rule(Path("exports")), **changed)


@pytest.mark.parametrize(
    ("websites", "covered"),
    [
        (("*",), ["acme-honda", "acme-kia", "other"]),
        (("acme-*",), ["acme-honda", "acme-kia"]),
        (("other", "*-kia"), ["acme-kia", "other"]),
        (("acme",), []),
        (("acme-hond?",), ["acme-honda"]),
        (("ACME-*",), []),
    ],
)
def test_websites_are_keys_or_globs(websites: tuple[str, ...], covered: list[str]) -> None:
    assert [website for website in ALGOS if of(websites=websites).covers(website)] == covered


@pytest.mark.parametrize(
    ("match", "ids"),
    [
        ({}, [1, 2, 3, 4]),
        ({"primary_category": ("used",)}, [1, 3]),
        ({"primary_category": ("USED",), "brand": ("Kia", "HONDA")}, [1]),
        ({"brand": ("MERCEDES",)}, []),
        ({"model": ("C-class",)}, [3]),
        ({"id": (2, "3")}, [2, 3]),
        ({"id": (2, 3), "brand": ("KIA",)}, [2]),
    ],
)
def test_audiences_are_matched_whole_and_without_regard_to_case(match: Any, ids: list[int]) -> None:
    assert matching(of(source="audiences", match=match), AUDIENCES) == ids


@pytest.mark.parametrize(("match", "ids"), [({"label": ("USED",)}, [16]), ({"id": (15,)}, [15])])
def test_groups_are_matched_by_label_or_id(match: Any, ids: list[int]) -> None:
    assert matching(of(source="audience_groups", match=match), GROUPS) == ids


def test_a_good_rule_has_no_mistakes() -> None:
    good = of(
        source="audiences",
        destination="meta_custom_audience",
        match={"primary_category": ("USED",), "id": ("12", 13)},
        window_days=60,
    )
    assert mistakes(good) == []
    assert mistakes_together([good, of(name="another", websites=("other",))], {"other": "sha2"}) == []


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({"name": "Used SUV"}, "name: allowed: 1 to 63 lower-case letters"),
        ({"name": "../up"}, "name: allowed"),
        ({"websites": ()}, "websites: missing"),
        ({"source": "sales"}, "source: found sales; allowed: one of visitors, audiences, audience_groups"),
        ({"mode": "diff"}, "mode: found diff; allowed: one of full, delta"),
        ({"destination": "meta"}, "destination: found meta; allowed: one of google_customer_match, meta_custom"),
        ({"window_days": 61}, "window_days: found 61; allowed: a whole number from 1 to 60"),
        ({"window_days": 0}, "window_days: found 0"),
        ({"min_members": -1}, "min_members: found -1"),
        ({"max_shrink": 1.5}, "max_shrink: found 1.5; allowed: a number from 0 to 1"),
        ({"to": " "}, "to: missing"),
        ({"combine": False}, "combine: found false; visitors are one list"),
        ({"match": {"brand": ("KIA",)}}, "match.brand: unknown key; allowed: none for this source"),
        ({"source": "audiences", "match": {"make": ("KIA",)}}, "match.make: unknown key; allowed: id, primary_cat"),
        ({"source": "audience_groups", "match": {"brand": ("KIA",)}}, "match.brand: unknown key; allowed: id, label"),
        ({"source": "audiences", "match": {"brand": ()}}, "match.brand: found no value"),
        ({"source": "audiences", "match": {"id": ("x",)}}, "match.id: allowed: whole numbers"),
    ],
)
def test_each_mistake_is_told_in_a_line(changed: dict[str, Any], words: str) -> None:
    (mistake,) = mistakes(of(**changed))
    assert mistake.startswith(words)


def test_mistakes_between_rules_and_websites_are_told() -> None:
    rules = [
        of(destination="meta_custom_audience", websites=("acme-*",)),
        of(websites=("nobody-*",)),
        of(name="liveramp", destination="liveramp"),
    ]
    assert mistakes_together(rules, ALGOS) == [
        "everyone: the name of more than one export",
        "everyone: destination: meta_custom_audience takes sha2, acme-kia is captured as md5",
        "everyone: websites: no website is called nobody-*; there are acme-honda, acme-kia, other",
    ]


def test_a_rule_names_the_assets_that_it_needs() -> None:
    assert of().source_assets == ("visitors",)
    assert of(source="audiences").source_assets == ("audiences", "audience_members")
    assert of(source="audience_groups").source_assets == ("audience_groups", "audience_group_members")
