"""What every table of settings is, and how a value says what it may be. Pure; no I/O."""

from dataclasses import dataclass

from pydantic import BaseModel, ConfigDict


class Section(BaseModel):
    """A table of settings: no unknown keys, no conversions, no changes once it is read."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, allow_inf_nan=False, hide_input_in_errors=True)


@dataclass(frozen=True)
class AllowedText:
    """What a kind of value may be, in words; for kinds whose type alone doesn't say it."""

    phrase: str


@dataclass(frozen=True)
class Unshown:
    """What messages say in place of a mistaken value that must not be shown."""

    phrase: str
