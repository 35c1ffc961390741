"""Text of a script file → the script, whatever it is written in."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Mapping
from functools import lru_cache

from stages.contract import Json
from stages.script.markdown import markdown_value
from stages.script.model import Reading, Script, ScriptError, script_from
from stages.script.notation import load
from stages.script.settings import ScriptSettings

FORMATS: Mapping[str, str] = {".txt": "txt", ".md": "md", ".markdown": "md", ".yaml": "yaml", ".yml": "yaml"}


@lru_cache(maxsize=4)  # the source, the planner and the stage ask one after the other
def parse_script(text: str, written: str) -> Reading:
    """The script of a text that is `txt`, `md` or `yaml`.

    Raises:
        ScriptError: with every problem that could be seen.
    """
    if not text.strip():
        raise ScriptError(["the file is empty; write at least one scene into it"])
    if written == "txt":
        return script_from([part for part in re.split(r"\n[ \t]*\n", text) if part.strip()])
    if written == "md":
        value, notes = markdown_value(text)
        reading = script_from(value)
        return dataclasses.replace(reading, notes=(*notes, *reading.notes))
    if written == "yaml":
        return script_from(load(text))
    raise ValueError(f"{written!r} is none of {', '.join(sorted(set(FORMATS.values())))}")


def script_of(config: ScriptSettings, data: Mapping[str, Json]) -> Reading:
    """The script that an input item holds, with the settings' language where it names none.

    Raises:
        ScriptError: with every problem that could be seen.
    """
    reading = parse_script(str(data["source_text"]), str(data["source_format"]))
    return dataclasses.replace(reading, script=in_language(reading.script, config.language))


def in_language(script: Script, language: str) -> Script:
    """The script, in this language where it says none."""
    return script if script.language or not language else dataclasses.replace(script, language=language)
