"""Looks of captions, read from YAML: those that come along, and the user's own."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

_OWN = Path(__file__).with_name("styles.yaml")
_COLOUR = re.compile(r"^#[0-9A-Fa-f]{6}$")
_WORDS = {"weight": ("bold", "regular"), "highlight": ("word", "sung", "none")}
_RANGES = {"size": (0.5, 30.0), "outline": (0.0, 0.5), "shadow": (0.0, 0.6), "box": (0.0, 1.0)}


class StyleError(ValueError):
    """A file of styles that says something else than styles; the message names the place and the mend."""


@dataclass(frozen=True, slots=True)
class Look:
    """How captions look. Meanings and units of the fields are in `styles.yaml`."""

    size: float
    weight: str
    outline: float
    shadow: float
    box: float
    colour: str
    active_colour: str
    outline_colour: str
    box_colour: str
    highlight: str


def is_colour(text: str) -> bool:
    """Whether it is a colour such as `#FFD23F`."""
    return _COLOUR.match(text) is not None


def looks(file: str = "") -> dict[str, Look]:
    """Name → look; those of `file` go before those that come along, and may leave out what `bold` has.

    Raises:
        StyleError: when the file cannot be read, or holds what is no look.
    """
    found = _read(_OWN, {})
    if file:
        defaults = {field.name: getattr(found["bold"], field.name) for field in fields(Look)}
        found |= _read(Path(file).expanduser(), defaults)
    return found


def _read(file: Path, defaults: Mapping[str, Any]) -> dict[str, Look]:
    import yaml  # type: ignore[import-untyped]

    try:
        told = yaml.safe_load(file.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        reason = getattr(error, "strerror", None) or "it is no YAML"
        raise StyleError(f"{file} cannot be read ({reason})") from error
    if not isinstance(told, dict) or not all(isinstance(value, dict) for value in told.values()):
        raise StyleError(f"{file} is no list of styles: write `name: {{size: 5.0, …}}`")
    return {str(name): _look(f"{file.name}: {name}", {**defaults, **values}) for name, values in told.items()}


def _look(place: str, values: Mapping[str, Any]) -> Look:
    names = [field.name for field in fields(Look)]
    for wrong in sorted(set(values).symmetric_difference(names)):
        known = "is missing" if wrong in names else f"is no property of a style: use {', '.join(names)}"
        raise StyleError(f"{place}.{wrong} {known}")
    for name, value in values.items():
        if problem := _problem(name, value):
            raise StyleError(f"{place}.{name}: {value!r} {problem}")
    return Look(**values)


def _problem(name: str, value: Any) -> str:
    if name in _RANGES:
        low, high = _RANGES[name]
        fits = isinstance(value, int | float) and not isinstance(value, bool) and low <= value <= high
        return "" if fits else f"is not a number from {low:g} to {high:g}"
    if name in _WORDS:
        return "" if value in _WORDS[name] else f"is not one of {', '.join(_WORDS[name])}"
    return "" if isinstance(value, str) and is_colour(value) else "is no colour such as '#FFD23F'"
