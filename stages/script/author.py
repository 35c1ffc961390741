"""A topic → a script that a model writes: asked for by a schema, checked, and repaired once."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from stages.contract import Failure, Json, StageError
from stages.script.chat import Chat, Message, Reply
from stages.script.model import Reading, Script, ScriptError, script_from, speakable
from stages.script.parse import in_language
from stages.script.settings import ScriptSettings

LONGEST_BRIEF = 200_000  # characters
_FENCED = re.compile(r"```[A-Za-z]*[ \t]*\n(.*?)(?:```|\Z)", re.DOTALL)
_FILM, _SCENE = ("title", "description", "language"), ("title", "text", "prompt")


def _object(fields: Mapping[str, Json]) -> dict[str, Json]:
    return {
        "type": "object",
        "properties": dict(fields),
        "required": list(fields),
        "additionalProperties": False,
    }


_STRING = {"type": "string"}
SCHEMA: Json = _object(
    {**dict.fromkeys(_FILM, _STRING), "scenes": {"type": "array", "items": _object(dict.fromkeys(_SCENE, _STRING))}}
)


_TASK = (
    "You write scripts for short vertical videos. A script is a list of scenes; a scene is one still picture and what "
    "a narrator says to it. Write exactly {scenes} scenes. Each text has about {words} words, is spoken as it stands, "
    "and holds no stage directions, no Markdown and no emoji. The first scene makes people want to hear on, the last "
    "one closes. Each prompt tells a painter in one or two sentences what the picture of that scene shows, with the "
    "same people, places and style in every scene, upright, without letters in it. Each scene has a title of at most "
    "five words. {language}The field language is the BCP-47 tag of the texts. "
    "Answer with one JSON object and nothing else. Its schema: {schema}"
)


@dataclass(frozen=True, slots=True)
class Written:
    """A script that a model wrote, and how it went."""

    script: Script
    notes: tuple[str, ...] = ()
    metrics: Mapping[str, float] = field(default_factory=dict)


class WrongAnswerError(Exception):
    """An answer that is no script as asked; `usable` is what could be made of it, if anything could."""

    def __init__(self, problems: list[str], usable: Reading | None = None) -> None:
        super().__init__(" · ".join(problems))
        self.problems = problems
        self.usable = usable


def write_script(config: ScriptSettings, brief: str) -> Written:
    """Have a script written about `brief`.

    Raises:
        StageError: the service's, or BAD_INPUT when the answer is wrong even after it was sent back with its problems.
    """
    chat = Chat(config, SCHEMA)
    messages = opening(config, brief)
    reply = chat.ask(messages)
    notes: list[str] = []
    try:
        reading = script_in(reply, config)
    except WrongAnswerError as wrong:
        notes.append(f"the model's first answer was wrong and sent back: {_short(wrong)}")
        reading = _second(config, chat.ask([*messages, *_repair(reply, wrong)]), notes)
    script = in_language(reading.script, config.language)
    return Written(script, (*chat.notes, *notes, *reading.notes), chat.tally.metrics("script"))


def _second(config: ScriptSettings, reply: Reply, notes: list[str]) -> Reading:
    try:
        return script_in(reply, config)
    except WrongAnswerError as wrong:
        if wrong.usable:
            notes.append(f"taken though {_short(wrong)}")
            return wrong.usable
        sentence = f"{config.url}: the script of {config.model} is wrong even after a repair ({_short(wrong)})"
        raise StageError(
            Failure.BAD_INPUT, f"{sentence}; choose another script.model, or write the scenes yourself",
            detail=reply.content[:2000],
        ) from wrong  # fmt: skip


def opening(config: ScriptSettings, brief: str) -> list[Message]:
    """What the model is told first."""
    language = f"Write title, description and texts in the language {config.language}. " if config.language else ""
    system = _TASK.format(scenes=config.scenes, words=config.words, language=language, schema=json.dumps(SCHEMA))
    return [{"role": "system", "content": system}, {"role": "user", "content": brief}]


def brief_of(config: ScriptSettings, text: str) -> str:
    """What the film is about: the settings' topic, then the text of the file."""
    parts = [part.strip() for part in (config.topic, text) if part.strip()]
    return "\n\n".join(parts)


def script_in(reply: Reply, config: ScriptSettings) -> Reading:
    """The script that an answer holds. Fields that were not asked for are let go: models like to add some.

    Raises:
        WrongAnswerError: with every problem.
    """
    if reply.cut:
        raise WrongAnswerError(["the answer was cut off at the model's limit before its end: be shorter"])
    try:
        value = json.loads(unfenced(reply.content))
    except (ValueError, RecursionError) as error:
        raise WrongAnswerError([f"the answer is no JSON ({str(error)[:80]})"]) from error
    if not isinstance(value, dict) or not isinstance(value.get("scenes"), list):
        raise WrongAnswerError(['the answer is no JSON object with a list "scenes"'])
    scenes = [_asked(scene, _SCENE) if isinstance(scene, dict) else scene for scene in value["scenes"]]
    problems = [f"scene {n}, text: is empty" for n, scene in enumerate(scenes, 1) if _is_silent(scene)]
    try:
        reading = script_from({**_asked(value, _FILM), "scenes": scenes})
    except ScriptError as error:
        raise WrongAnswerError([*problems, *error.problems]) from error
    if problems:
        raise WrongAnswerError(problems)
    if (count := len(reading.script.scenes)) != config.scenes:
        raise WrongAnswerError([f"there are {count} scenes, not {config.scenes}"], reading)
    return reading


def unfenced(content: str) -> str:
    """The JSON of an answer, out of its ``` fence or the words around it."""
    fenced = _FENCED.search(content)
    text = (fenced[1] if fenced and not content.lstrip().startswith("{") else content).strip()
    start, end = text.find("{"), text.rfind("}")
    return text[start : end + 1] if 0 <= start < end else text


def _asked(value: Mapping[str, Json], fields: tuple[str, ...]) -> dict[str, Json]:
    return {name: value[name] for name in fields if name in value}


def _is_silent(scene: Json) -> bool:
    text = scene.get("text") if isinstance(scene, dict) else scene
    return text is None or (isinstance(text, str) and not speakable(text))


def _repair(reply: Reply, wrong: WrongAnswerError) -> list[Message]:
    listed = "\n".join(f"- {problem}" for problem in wrong.problems[:40])
    told = f"That answer cannot be used:\n{listed}\nSend the whole corrected JSON object and nothing else."
    return [{"role": "assistant", "content": reply.content[:100_000]}, {"role": "user", "content": told}]


def _short(wrong: WrongAnswerError) -> str:
    said = " ".join(str(wrong).split())
    return said if len(said) <= 300 else f"{said[:300]}…"
