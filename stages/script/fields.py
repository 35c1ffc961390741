"""Fields of a script, each read from what people and models write: `"10"`, `10` and `+10%` are one rate."""

from __future__ import annotations

import math
import re
import unicodedata
from collections.abc import Callable, Mapping
from typing import Any

from stages.contract import Json
from stages.settings import nearest

MOTIONS = ("zoom_in", "zoom_out", "pan_left", "pan_right", "pan_up", "pan_down", "still")
LONGEST_TEXT = 50_000  # characters of one scene: about an hour of speech
LONGEST_PAUSE_S = 30.0
_LONGEST_LINE = 4000
_LANGUAGE = re.compile(r"^[A-Za-z]{2,3}(-[A-Za-z0-9]{1,8})*$")
# A colour such as 000000 is no number.
_NUMBER = re.compile(r"^[+-]?(0|[1-9]\d{0,12})(\.\d{1,20})?([eE][+-]?\d{1,2})?$")
_YES, _NO = ("true", "yes", "on"), ("false", "no", "off", "none")
# Scripts written without spaces, where a line end is no gap between words. Korean has spaces.
_UNSPACED = r"[\u3000-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\uff00-\uff9f\U00020000-\U0003ffff]"
_UNSPACED_BREAK = re.compile(rf"(?<={_UNSPACED})[ \t]*\n[ \t]*(?={_UNSPACED})")

Reader = Callable[[Json], Any]


class FieldError(ValueError):
    """A field that is not what it should be; the message is the reason and the mend."""


def described(value: Json) -> str:
    """A value for a message: short, whatever it is."""
    if isinstance(value, Mapping | list | tuple):
        return "a list" if not isinstance(value, Mapping) else "a group of fields"
    shown = repr(value)
    return shown if len(shown) <= 60 else f"{shown[:60]}…"


def joined(text: str) -> str:
    """A text broken into lines as one line; between Chinese or Japanese characters without a space."""
    return " ".join(_UNSPACED_BREAK.sub("", text).split())


def prose(value: Json) -> str:
    """A text of paragraphs: control characters and line breaks inside a paragraph become spaces."""
    text = _text(value).replace("\r\n", "\n").replace("\r", "\n")
    paragraphs = [joined(_clean(part)) for part in re.split(r"\n[ \t]*\n", text)]
    whole = "\n\n".join(part for part in paragraphs if part)
    if len(whole) > LONGEST_TEXT:
        raise FieldError(f"has {len(whole)} characters; part it into scenes of at most {LONGEST_TEXT}")
    return whole


def line(value: Json) -> str:
    """A text in one line."""
    text = joined(_clean(_text(value)))
    if len(text) > _LONGEST_LINE:
        raise FieldError(f"has {len(text)} characters; use at most {_LONGEST_LINE}")
    return text


def name(value: Json) -> str:
    """The name of a file or a voice, as it is written."""
    text = _text(value).strip()
    if any(unicodedata.category(sign) == "Cc" for sign in text) or len(text) > _LONGEST_LINE:
        raise FieldError(f"{described(text)} is no name; write it in one line")
    return text


def language(value: Json) -> str:
    """A BCP-47 tag such as `en` or `pt-BR`."""
    tag = line(value).replace("_", "-")
    if tag and not _LANGUAGE.match(tag):
        raise FieldError(f"{described(tag)} is no language tag; write one like en or pt-BR")
    return tag


def motion(value: Json) -> str:
    """One of `MOTIONS`; `auto` is as good as none."""
    word = line(value).lower().replace(" ", "_").replace("-", "_")
    if word in ("", "auto"):
        return ""
    if word not in MOTIONS:
        raise FieldError(f"{described(word)} is no motion{nearest(word, MOTIONS)}; use {', '.join(MOTIONS)}")
    return word


def whole_number(low: int, high: int) -> Reader:
    """A reader of whole numbers within a span; `+10%` is 10."""

    def read(value: Json) -> int | None:
        number = _number(value, low, high)
        if number is not None and number != int(number):
            raise FieldError(f"{described(value)} is no whole number; use {low} to {high}")
        return None if number is None else int(number)

    return read


def seconds(value: Json) -> float | None:
    """A time in seconds; `0.5 s` is 0.5. Kept to the millisecond."""
    if isinstance(value, str):
        value = re.sub(r"\s*s$", "", value.strip())
    number = _number(value, 0, LONGEST_PAUSE_S)
    return None if number is None else round(number, 3)


def captions(value: Json) -> dict[str, Json]:
    """`off`, `on`, the name of a style, or a group of fields of which `enabled` and `style` are the usual ones."""
    if isinstance(value, Mapping):
        fields = {line(name): line(word) if name == "style" else _setting(word) for name, word in value.items()}
        return {"enabled": True, **fields, **_enabled(fields)}
    word = "off" if value is False else "on" if value is True else line(value)
    if not word:
        return {}
    if word.lower() in (*_YES, *_NO):
        return {"enabled": word.lower() in _YES}
    return {"enabled": True, "style": word}


def _enabled(fields: Mapping[str, Json]) -> dict[str, Json]:
    """`enabled` as true or false, where it is given."""
    if "enabled" not in fields:
        return {}
    word = str(fields["enabled"]).lower()
    if word not in (*_YES, *_NO):
        raise FieldError(f"enabled is {described(fields['enabled'])}; use true or false")
    return {"enabled": word in _YES}


def _setting(value: Json) -> Json:
    if value is None or isinstance(value, bool | int | float):
        return value
    text = line(value)
    if text.lower() in ("true", "false"):
        return text.lower() == "true"
    if _NUMBER.match(text):
        return int(text) if text.lstrip("+-").isdigit() else float(text)
    return text


def _number(value: Json, low: float, high: float) -> float | None:
    if value is None or value == "":
        return None
    span = f"use {low:g} to {high:g}" if high < 1e6 else f"use {low:.0f} to {high:.0f}"
    text = str(value).strip().removesuffix("%").strip()
    if isinstance(value, bool) or not isinstance(value, int | float | str) or not _NUMBER.match(text):
        raise FieldError(f"{described(value)} is no number; {span}")
    if not (math.isfinite(float(text)) and low <= float(text) <= high):
        raise FieldError(f"{described(value)} is out of range; {span}")
    return float(text)


def _text(value: Json) -> str:
    if value is None:
        return ""
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        raise FieldError(f"is {described(value)}, not a text; put it in quotes")
    text = str(value)
    if any("\ud800" <= sign <= "\udfff" for sign in text):
        raise FieldError("holds half a character (a lone surrogate); write the whole one")
    return text


def _clean(text: str) -> str:
    """Control characters can be neither spoken nor shown."""
    if text.isprintable():
        return text
    return "".join(" " if unicodedata.category(sign) == "Cc" and sign != "\n" else sign for sign in text)
