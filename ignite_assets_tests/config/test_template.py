"""A new `ignite.toml`: derived from the models, right as it is, and right with everything in it switched on."""

import datetime as dt
import re
import tomllib
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ignite_assets.api.names import credential_variable, is_website_key
from ignite_assets.config import Settings
from ignite_assets.config.reading import judge
from ignite_assets.config.template import new_configuration
from ignite_assets_tests.docs.settings import reference

START = dt.date(2026, 9, 1)
PATH = Path("/project/ignite.toml")
TEXT = new_configuration(["acme-honda", "www.bayside"], start_date=START, root="s3://lake")


def switched_on(text: str) -> str:
    """The file with every setting's `#` taken away."""
    return re.sub(r"^#(?=[a-z\[])", "", text, flags=re.MULTILINE)


def keys(table: Any, prefix: str = "") -> set[str]:
    """The keys of a document as the configuration reference writes them."""
    found = set()
    for name, value in table.items():
        key = f"{prefix}{'<key>' if prefix == 'websites.' else name}"
        if key in ("exports[].match", "exports[].list_ids", "opt_outs.columns") or not isinstance(value, dict | list):
            found.add(key)
        elif isinstance(value, dict):
            found |= keys(value, f"{key}.")
        else:
            tables = [each for each in value if isinstance(each, dict)]
            found |= set().union(*(keys(each, f"{key}[].") for each in tables)) if tables else {key}
    return found


def test_as_it_is_everything_has_its_default_but_what_was_given() -> None:
    settings = judge(tomllib.loads(TEXT), PATH)

    shortest = {
        "partitions": {"start_date": START},
        "storage": {"root": "s3://lake"},
        "websites": {
            "acme-honda": {"token_env": "ACME_HONDA_TOKEN", "secret_env": "ACME_HONDA_SECRET"},
            "www.bayside": {"token_env": "WWW_BAYSIDE_TOKEN", "secret_env": "WWW_BAYSIDE_SECRET"},
        },
    }
    assert settings == judge(shortest, PATH)


def test_switched_on_it_holds_every_setting_and_is_still_right() -> None:
    document = tomllib.loads(switched_on(TEXT))

    settings = judge(document, PATH)

    wanted = {row.key for row in reference()} - {"websites.<key>"}
    assert keys(document) == wanted
    assert [export.name for export in settings.exports] == ["used-shoppers-meta"]


def test_switched_on_the_defaults_stay_what_they_are() -> None:
    as_it_is, on = (judge(tomllib.loads(text), PATH) for text in (TEXT, switched_on(TEXT)))

    for name in ("platform", "partitions", "storage", "schedule", "checks"):
        assert getattr(on, name) == getattr(as_it_is, name)


def test_every_setting_is_explained_with_what_is_allowed() -> None:
    told = " ".join(re.sub("^# ?", "", line) for line in TEXT.splitlines() if line.startswith("# "))

    for row in reference():
        if row.key != "websites.<key>":
            assert row.description in told
            assert f": {row.allowed}." in told


def test_a_setting_without_a_default_and_an_example_is_a_mistake_of_ours(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Settings.model_fields["alerts"].annotation.model_fields["webhook_env"], "examples", None)  # type: ignore[union-attr]

    with pytest.raises(LookupError, match="needs an example"):
        new_configuration(["acme-honda"], start_date=START, root="lake")


@given(st.from_regex(r"[a-z0-9]([a-z0-9._-]{0,61}[a-z0-9])?", fullmatch=True).filter(is_website_key))
def test_any_website_key_gets_its_table_and_names_of_variables(key: str) -> None:
    text = new_configuration([key], start_date=START, root="lake")

    website = tomllib.loads(text)["websites"][key]
    assert website == {"token_env": credential_variable(key, "token"), "secret_env": credential_variable(key, "secret")}
    assert all(re.fullmatch("[A-Z_][A-Z0-9_]*", name) for name in website.values())


@given(st.text(st.characters(exclude_categories=["Cc", "Cs"]), min_size=1))
def test_any_root_arrives_as_it_was_given(root: str) -> None:
    text = new_configuration(["acme-honda"], start_date=START, root=root)

    assert tomllib.loads(text)["storage"]["root"] == root
