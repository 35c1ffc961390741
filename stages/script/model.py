"""What a script is, and how one is read from plain data with everything wrong named at once."""

from __future__ import annotations

import dataclasses
import unicodedata
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from stages.contract import Json
from stages.script import fields
from stages.settings import nearest

MOST_SCENES = 999
_SHOWN_PROBLEMS = 12


@dataclass(frozen=True, slots=True)
class Scene:
    """One picture and what is said to it. Only `text` must be there.

    Attributes:
        text: what is spoken; paragraphs are parted by an empty line.
        title: heading, shown by chapters.
        prompt: what the picture shows, for whoever makes it.
        image: a given picture, as the script names it.
        voice: who speaks, by the provider's own name.
        rate: speed against the voice's own, percent.
        seed: what the picture is varied by.
        motion: one of `stages.script.fields.MOTIONS`; "" chooses.
        pause_s: silence after the speech, seconds.
        language: BCP-47.
        captions: `enabled`, `style` and more of the captions' own settings; {} for the usual.
    """

    text: str
    title: str = ""
    prompt: str = ""
    image: str = ""
    voice: str = ""
    rate: int | None = None
    seed: int | None = None
    motion: str = ""
    pause_s: float | None = None
    language: str = ""
    captions: Mapping[str, Json] = field(default_factory=dict)

    def as_data(self) -> dict[str, Json]:
        """The fields that say something, as JSON; `text` always."""
        said = {f.name: getattr(self, f.name) for f in dataclasses.fields(self)}
        in_order = {"title": self.title, **said}  # what one looks for first, first
        return {name: value for name, value in in_order.items() if name == "text" or value not in ("", None, {})}


@dataclass(frozen=True, slots=True)
class Script:
    """A film before it is made. `language` is BCP-47 or ""."""

    scenes: tuple[Scene, ...]
    title: str = ""
    description: str = ""
    language: str = ""

    def as_data(self) -> dict[str, Json]:
        """The script as JSON, in the order in which one reads it."""
        head = {"title": self.title, "description": self.description, "language": self.language}
        return {name: value for name, value in head.items() if value} | {"scenes": [s.as_data() for s in self.scenes]}


@dataclass(frozen=True, slots=True)
class Reading:
    """A script and what is worth telling about how it was read."""

    script: Script
    notes: tuple[str, ...] = ()


class ScriptError(Exception):
    """A script that cannot be made; `problems` are half-sentences that begin with scene and field."""

    def __init__(self, problems: Sequence[str]) -> None:
        self.problems = tuple(problems)
        super().__init__(self.sentence())

    def sentence(self) -> str:
        """All problems in one line; of very many the first."""
        shown = " · ".join(self.problems[:_SHOWN_PROBLEMS])
        more = len(self.problems) - _SHOWN_PROBLEMS
        return f"{shown} · and {more} more" if more > 0 else shown


SCENE_FIELDS: Mapping[str, fields.Reader] = {
    "text": fields.prose,
    "title": fields.line,
    "prompt": fields.line,
    "image": fields.name,
    "voice": fields.name,
    "rate": fields.whole_number(-50, 100),
    "seed": fields.whole_number(0, 2**31 - 1),
    "motion": fields.motion,
    "pause_s": fields.seconds,
    "language": fields.language,
    "captions": fields.captions,
}
# Said once for all scenes; a scene's own word goes before.
_SHARED = ("voice", "rate", "motion", "pause_s", "captions")
FILM_FIELDS: Mapping[str, fields.Reader] = {
    "title": fields.line,
    "description": fields.line,
    "language": fields.language,
    **{name: SCENE_FIELDS[name] for name in _SHARED},
}
ALIASES = {"pause": "pause_s", "caption": "captions", "picture": "image", "lang": "language"}


def script_from(value: Json) -> Reading:
    """A script from plain data: a group of fields with `scenes`, or the list of scenes alone.

    Scenes with nothing to speak are left out, with a note.

    Raises:
        ScriptError: with every problem.
    """
    if isinstance(value, list):
        value = {"scenes": value}
    if not isinstance(value, Mapping):
        raise ScriptError([f"the script is {fields.described(value)}; write `scenes:` and a list of scenes"])
    problems: list[str] = []
    film = _read(value, FILM_FIELDS, "", problems, more=("scenes",))
    shared = {name: film.pop(name) for name in _SHARED if name in film}
    scenes, notes = _scenes(value.get("scenes"), shared, problems)
    if not scenes and not problems:
        problems.append("no scene has anything to speak; write a text")
    if problems:
        raise ScriptError(problems)
    return Reading(Script(tuple(scenes), **film), tuple(notes))


def _scenes(value: Json, shared: Mapping[str, Any], problems: list[str]) -> tuple[list[Scene], list[str]]:
    if not isinstance(value, list) or not value:
        problems.append("scenes: there are none; write `scenes:` and a list of scenes under it")
        return [], []
    if len(value) > MOST_SCENES:
        problems.append(f"scenes: there are {len(value)}; make films of at most {MOST_SCENES}")
        return [], []
    scenes, notes = [], []
    for number, raw in enumerate(value, 1):
        read = _read(_scene_fields(raw), SCENE_FIELDS, f"scene {number}, ", problems)
        if speakable(read.get("text", "")):
            scenes.append(Scene(**{**shared, **read}))
        elif not any(problem.startswith(f"scene {number}, ") for problem in problems):
            title = f" ({read['title']})" if read.get("title") else ""
            notes.append(f"scene {number}{title} has nothing to speak and is left out")
    return scenes, notes


def _scene_fields(raw: Json) -> Json:
    """A scene written as a mere text, or as nothing at all, is a scene too."""
    return {"text": raw} if raw is None or isinstance(raw, str) else raw


def _read(
    value: Json, readers: Mapping[str, fields.Reader], where: str, problems: list[str], more: Sequence[str] = ()
) -> dict[str, Any]:
    """Fields that are there and say something; problems are added to `problems`."""
    if not isinstance(value, Mapping):
        problems.append(f"{where}text: is {fields.described(value)}; write a text, or fields such as `text: …`")
        return {}
    known = dict(_known(value, readers, where, problems, more))
    read: dict[str, Any] = {}
    for name, word in known.items():
        try:
            read[name] = readers[name](word)
        except fields.FieldError as error:
            problems.append(f"{where}{name}: {error}")
    return {name: word for name, word in read.items() if word not in ("", None, {})}


def _known(
    value: Mapping[Json, Json],
    readers: Mapping[str, fields.Reader],
    where: str,
    problems: list[str],
    more: Sequence[str],
) -> Iterator[tuple[str, Json]]:
    seen: set[str] = set()
    for key, word in value.items():
        name = ALIASES.get(str(key), str(key))
        if name in seen:
            problems.append(f"{where}{name}: is given twice; keep one")
        elif name in readers:
            seen.add(name)
            yield name, word
        elif name not in more:
            there = ", ".join([*readers, *more])
            problems.append(f"{where}{_shown_name(name)}: is no field{nearest(name, list(readers))}; use {there}")


def _shown_name(name: str) -> str:
    flat = " ".join(name.split())
    return flat if len(flat) <= 40 else f"{flat[:40]}…"


def speakable(text: str) -> bool:
    """Whether there is a letter, a number or a sign with a name (an emoji), and not marks alone."""
    return any((kind := unicodedata.category(sign))[0] in "LN" or kind == "So" for sign in text)
