"""`[[exports]]` and `[opt_outs]` of `ignite.toml`: what is accepted, and mistakes, also between tables."""

from pathlib import Path

import pytest

from ignite_assets.api.errors import ConfigurationError
from ignite_assets.config import Settings, load_settings

HEAD = """
partitions.start_date = "2026-09-01"
[websites.acme-honda]
token_env = "A"
secret_env = "B"
[websites.bayside-kia]
token_env = "C"
secret_env = "D"
"""
EXPORT = '[[exports]]\nname = "r"\nsource = "audiences"\ndestination = "meta_custom_audience"\n'


def read(folder: Path, text: str) -> Settings:
    path = folder / "ignite.toml"
    path.write_text(HEAD + text)
    return load_settings(path)


def mistakes(folder: Path, text: str) -> tuple[str, ...]:
    with pytest.raises(ConfigurationError) as caught:
        read(folder, text)
    return caught.value.mistakes


def test_the_example_of_the_issue_is_accepted(tmp_path: Path) -> None:
    text = """
[[exports]]
name = "used-suv-meta"
websites = ["*"]
source = "audiences"
match = { primary_category = "USED", brand = ["KIA", "HONDA"] }
window_days = 30
destination = "meta_custom_audience"
to = "exports/"
mode = "delta"
combine = true
min_members = 100
max_shrink = 0.5
"""
    (rule,) = read(tmp_path, text).rules()
    assert rule.to == str(tmp_path / "exports")
    assert rule.match == {"primary_category": ("USED",), "brand": ("KIA", "HONDA")}
    assert rule.source_assets == ("audiences", "audience_members")


def test_what_is_left_out_has_defaults(tmp_path: Path) -> None:
    settings = read(tmp_path, EXPORT)
    (rule,) = settings.rules()
    assert (rule.websites, rule.window_days, rule.mode, rule.combine) == (("*",), 30, "delta", True)
    assert (rule.min_members, rule.max_shrink) == (None, 0.5)
    assert (settings.opt_outs.inbox, settings.opt_outs.keep_processed, settings.opt_outs.scope) == (
        None,
        False,
        "website",
    )


def test_a_url_stays_one(tmp_path: Path) -> None:
    (rule,) = read(tmp_path, EXPORT + 'to = "s3://bucket/exports/"\n').rules()
    assert rule.to == "s3://bucket/exports"


@pytest.mark.parametrize(
    ("line", "told"),
    [
        ("window_days = 61", "exports[0].window_days: found 61; allowed: a whole number from 1 to 60"),
        ("window_days = 0", "exports[0].window_days: found 0; allowed: a whole number from 1 to 60"),
        ("windw_days = 3", "did you mean window_days?"),
        ("max_shrink = 1.5", "exports[0].max_shrink: found 1.5"),
        ("min_members = -1", "exports[0].min_members: found -1"),
        ('mode = "all"', "one of full, delta"),
        ('to = ""', "exports[0].to: "),
        ('match = { colour = ["red"] }', "match.colour: unknown key; allowed: id, primary_category, brand, model"),
        ("match = { brand = [] }", "match.brand: found no value"),
        ('match = { id = ["x"] }', "match.id: allowed: whole numbers"),
        ('websites = ["nobody-*"]', "no website is called nobody-*; there are acme-honda, bayside-kia"),
        ("websites = []", "exports[0].websites"),
    ],
)
def test_a_mistake_is_told_with_its_place_and_what_is_allowed(tmp_path: Path, line: str, told: str) -> None:
    (mistake,) = mistakes(tmp_path, f"{EXPORT}{line}\n")
    assert told in mistake
    assert mistake.startswith("exports")


def test_an_unknown_destination_lists_those_there_are(tmp_path: Path) -> None:
    (mistake,) = mistakes(tmp_path, EXPORT.replace("meta_custom_audience", "facebook"))
    assert mistake.startswith('exports[0].destination: found "facebook"; allowed: one of google_customer_match')


def test_an_unknown_source_lists_those_there_are(tmp_path: Path) -> None:
    (mistake,) = mistakes(tmp_path, EXPORT.replace('"audiences"', '"people"'))
    assert "one of visitors, audiences, audience_groups" in mistake


@pytest.mark.parametrize("algo", ["md5", "sha1"])
def test_a_destination_for_sha256_alone_refuses_a_website_captured_otherwise(tmp_path: Path, algo: str) -> None:
    of_the_website = f'[websites.acme]\ntoken_env = "E"\nsecret_env = "F"\nalgo = "{algo}"\n'
    (mistake,) = mistakes(tmp_path, of_the_website + EXPORT)
    assert mistake == f"exports, r: destination: meta_custom_audience takes sha2, acme is captured as {algo}"
    assert len(mistakes(tmp_path, f'[platform]\nalgo = "{algo}"\n{EXPORT}')) == 2


def test_a_website_captured_otherwise_that_no_such_export_covers_is_fine(tmp_path: Path) -> None:
    of_the_website = '[websites.acme]\ntoken_env = "E"\nsecret_env = "F"\nalgo = "md5"\n'
    assert read(tmp_path, f'{of_the_website}{EXPORT}websites = ["acme-honda"]\n').exports
    assert read(tmp_path, of_the_website + EXPORT.replace("meta_custom_audience", "liveramp")).exports


def test_two_exports_of_one_name_are_a_mistake(tmp_path: Path) -> None:
    assert mistakes(tmp_path, EXPORT + EXPORT) == ("exports, r: the name of more than one export",)


def test_visitors_have_no_fields_and_are_one_list(tmp_path: Path) -> None:
    visitors = EXPORT.replace('"audiences"', '"visitors"')
    told = mistakes(tmp_path, f'{visitors}match = {{ brand = ["KIA"] }}\ncombine = false\n')
    assert sorted(told) == [
        "exports, r: combine: found false; visitors are one list",
        "exports, r: match.brand: unknown key; allowed: none for this source",
    ]


@pytest.mark.parametrize(
    ("line", "told"),
    [
        ('inbox = ""', "opt_outs.inbox"),
        ("max_url_chars = 100", "opt_outs.max_url_chars: found 100; allowed: a whole number from 500 to 16000"),
        ('scope = "everywhere"', "one of website, all"),
        ("keep_proccessed = true", "did you mean keep_processed?"),
    ],
)
def test_mistakes_of_the_opt_outs_are_told(tmp_path: Path, line: str, told: str) -> None:
    (mistake,) = mistakes(tmp_path, f"[opt_outs]\n{line}\n")
    assert told in mistake
