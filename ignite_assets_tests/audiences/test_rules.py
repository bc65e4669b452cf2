"""Rules: the websites they cover, the audiences they mean, and their mistakes."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

from ignite_assets.api.table import Algo
from ignite_assets.audiences.rules import ExportRule, matching, mistakes_between
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
    return rule(Path("exports"), **changed)


def told(rules: Sequence[ExportRule], algos: Mapping[str, Algo]) -> list[str]:
    return list(mistakes_between(rules, algos))


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
    assert told([good, of(name="another", websites=("other",))], {"other": "sha2"}) == []


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({"combine": False}, "combine: found false; visitors are one list"),
        ({"match": {"brand": ("KIA",)}}, "match.brand: unknown key; allowed: none for this source"),
        ({"source": "audiences", "match": {"make": ("KIA",)}}, "match.make: unknown key; allowed: id, primary_cat"),
        ({"source": "audience_groups", "match": {"brand": ("KIA",)}}, "match.brand: unknown key; allowed: id, label"),
        ({"source": "audiences", "match": {"brand": ()}}, "match.brand: found no value"),
        ({"source": "audiences", "match": {"id": ("x",)}}, "match.id: allowed: whole numbers"),
    ],
)
def test_a_mistake_between_settings_is_told_in_a_line(changed: dict[str, Any], words: str) -> None:
    (mistake,) = told([of(**changed)], ALGOS)
    assert mistake.startswith(f"everyone: {words}")


def test_mistakes_between_rules_and_websites_are_told() -> None:
    rules = [
        of(destination="meta_custom_audience", websites=("acme-*",)),
        of(websites=("nobody-*",)),
        of(name="liveramp", destination="liveramp"),
    ]
    assert told(rules, ALGOS) == [
        "everyone: the name of more than one export",
        "everyone: destination: meta_custom_audience takes sha2, acme-kia is captured as md5",
        "everyone: websites: no website is called nobody-*; there are acme-honda, acme-kia, other",
    ]


def test_a_rule_names_the_assets_that_it_needs() -> None:
    assert of().source_assets == ("visitors",)
    assert of(source="audiences").source_assets == ("audiences", "audience_members")
    assert of(source="audience_groups").source_assets == ("audience_groups", "audience_group_members")
