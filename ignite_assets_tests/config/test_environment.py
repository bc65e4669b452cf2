"""Variables of the environment, and of a `.env` file beside the configuration."""

import os
from pathlib import Path

import pytest

from ignite_assets.api.errors import ConfigurationError
from ignite_assets.config.environment import variable, variables_of
from ignite_assets.testing import find_leaks

SECRET = "hush-hush-77"


def test_a_variable_that_is_set_wins_even_when_it_is_empty(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / ".env"
    file.write_text(f"A={SECRET}\nB=b\n")
    monkeypatch.setenv("A", "")
    monkeypatch.delenv("B", raising=False)

    assert [variable(name, file) for name in ("A", "B", "C")] == ["", "b", None]
    assert "B" not in os.environ


@pytest.mark.parametrize(
    ("line", "value"),
    [
        ("A=t$k{n}${HOME}", "t$k{n}${HOME}"),
        ("export A='x # y'", "x # y"),
        ("A=x # a remark", "x"),
        ("\ufeffA = b\r\nB=1", "b"),
        ("# A=old\nA=new", "new"),
        ("A=é€", "é€"),
    ],
)
def test_a_line_is_read_as_shells_read_it_but_nothing_is_expanded(tmp_path: Path, line: str, value: str) -> None:
    (tmp_path / ".env").write_text(line, encoding="utf-8", newline="")

    assert variables_of(tmp_path / ".env")["A"] == value


def test_a_name_without_a_value_is_none(tmp_path: Path) -> None:
    (tmp_path / ".env").write_text("A\n")

    assert variables_of(tmp_path / ".env") == {}
    assert variables_of(tmp_path / "none") == variables_of(tmp_path) == {}


def test_a_file_that_is_no_text_is_named_and_not_quoted(tmp_path: Path) -> None:
    (tmp_path / ".env").write_bytes(f"A={SECRET}\xff".encode("latin-1"))

    with pytest.raises(ConfigurationError, match="not UTF-8") as caught:
        variable("A", tmp_path / ".env")

    assert find_leaks([SECRET], objects=[caught.value]) == []
