"""Scripts in Markdown.

    ---
    title: The Lighthouse        (front matter, if wanted: fields of the film, and voice, rate … for all scenes)
    ---
    # The Lighthouse             (the only `#` is the film's title; where there are several they are scenes)
    language: en                 (options of the film stand under it)

    ## Morning                   (`##`, `###` … and rules `---` part scenes)
    prompt: a lighthouse at dawn
    motion: zoom_in
    voice: en-gb

    What is spoken, with *marks* taken out. ![what the picture shows](given-picture.png)

Options stand before the text of a scene, one a line; an indented line goes on with the one above. HTML comments are
neither spoken nor shown.
"""

from __future__ import annotations

import html
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import cache
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote

from stages.contract import Json
from stages.script.fields import joined
from stages.script.model import ALIASES, FILM_FIELDS, SCENE_FIELDS, ScriptError
from stages.script.notation import load
from stages.settings import nearest

if TYPE_CHECKING:
    from markdown_it import MarkdownIt
    from markdown_it.token import Token

_FRONT = re.compile(r"---[ \t]*\n(.*?\n)(?:---|\.\.\.)[ \t]*(?:\n|$)", re.DOTALL)
_FIELD = re.compile(r"[ \t]*([A-Za-z_]{2,20})[ \t]*[:：][ \t]*(.*)$")
_BULLET = re.compile(r"^[ \t]*[-*+][ \t]+(?![-*_ \t]*$)", re.MULTILINE)
# Markdown takes no spaces in a name; people write them
_LEFT_PICTURE = re.compile(r"!\[([^\]\n]*)\]\(([^()\n]+(?:\([^()\n]*\)[^()\n]*)*)\)")
_COMMENT = re.compile(r"<!--.*?-->", re.DOTALL)
_TAG = re.compile(r"</?[A-Za-z][^<>]*>")


@dataclass(slots=True)
class _Part:
    """What stands between two headings or rules."""

    title: str = ""
    film: bool = False  # stands under the film's title
    options: dict[str, str] = field(default_factory=dict)
    texts: list[str] = field(default_factory=list)
    pictures: list[tuple[str, str]] = field(default_factory=list)  # name, what it shows

    def is_nothing(self) -> bool:
        """A rule beside a heading makes a part without anything in it."""
        return not (self.title or self.options or self.texts or self.pictures)


def markdown_value(text: str) -> tuple[dict[str, Json], list[str]]:
    """The plain data of a script in Markdown, for `script_from`, and notes.

    Raises:
        ScriptError: for front matter that is no YAML, a comment without end, two pictures in a scene.
    """
    film, body = _front_matter(text)
    parts = _parts(_BULLET.sub("\n", body))
    problems = _part_problems(parts, body)
    if problems:
        raise ScriptError(problems)
    for part in parts:
        if part.film:
            film = {"title": part.title, **part.options, **film}
            part.title, part.options = "", {}
    scenes = [part for part in parts if not part.is_nothing()]
    notes = list(_notes(scenes, parts))
    return {**film, "scenes": [_scene(part) for part in scenes]}, notes


def _scene(part: _Part) -> dict[str, Json]:
    scene: dict[str, Json] = {"title": part.title, **part.options, "text": "\n\n".join(part.texts)}
    for name, shows in part.pictures:
        scene["image"] = name
        scene.setdefault("prompt", shows)
    return scene


def _part_problems(parts: Sequence[_Part], body: str) -> list[str]:
    problems = []
    if "<!--" in _COMMENT.sub("", body):
        problems.append("a comment is opened with <!-- and never closed; write --> at its end")
    number = 0
    for part in parts:
        number += not part.is_nothing() and (not part.film or bool(part.texts or part.pictures))
        if len(part.pictures) + ("image" in part.options) > 1:
            problems.append(f"scene {number}, image: there are several; part the scene with a rule (---), or keep one")
    return problems


def _notes(scenes: Sequence[_Part], parts: Sequence[_Part]) -> Iterator[str]:
    if len(parts) == 1 and len(scenes) == 1 and len(scenes[0].texts) > 1:
        yield "no headings or rules part the text: it is one scene"
    for number, part in enumerate(scenes, 1):
        for text in part.texts:
            word = match[1].lower() if (match := _FIELD.match(text)) else ""
            known = word in _OPTIONS or word in _NO_OPTIONS
            hint = "" if known else nearest(word, sorted(_OPTIONS))
            if known or hint:
                said = text if len(text) <= 40 else f"{text[:40]}…"
                yield f"scene {number}: {said!r} is spoken; options such as prompt: stand before the text{hint}"


# --- front matter and options ------------------------------------------------------------------

_NO_OPTIONS = frozenset({"text", "title"})  # they are written as such
_OPTIONS = frozenset({*SCENE_FIELDS, *FILM_FIELDS, *ALIASES} - _NO_OPTIONS)


def _front_matter(text: str) -> tuple[dict[str, Json], str]:
    """Fields between two lines of dashes at the very top, and the rest. A rule there is no front matter."""
    match = _FRONT.match(text)
    first = next((line for line in match[1].split("\n") if line.strip()), "") if match else ""
    if match is None or not _FIELD.match(first):
        return {}, text
    try:
        value = load(match[1])
    except ScriptError as error:
        raise ScriptError([f"front matter, {problem}" for problem in error.problems]) from error
    if not isinstance(value, dict):
        return {}, text
    return value, text[match.end() :]


def _take_options(part: _Part, content: str) -> str:
    """Take `name: value` lines off the top of a paragraph; what is left is text."""
    lines = content.split("\n")
    name = ""
    while lines:
        match = _FIELD.match(lines[0])
        if match and match[1].lower() in _OPTIONS:
            name = _option_name(part, match[1].lower())
            part.options[name] = _unquoted(match[2].strip())
        elif name and lines[0][:1] in (" ", "\t"):
            part.options[name] += f" {lines[0].strip()}"
        else:
            break
        lines.pop(0)
    return "\n".join(lines)


def _option_name(part: _Part, word: str) -> str:
    name = ALIASES.get(word, word)
    if name in part.options:
        title = f" under {part.title!r}" if part.title else ""
        raise ScriptError([f"the option {word!r}{title} is given twice; keep one"])
    return name


def _unquoted(value: str) -> str:
    whole = len(value) > 1 and value[0] == value[-1] == '"' and '"' not in value[1:-1]
    return value[1:-1] if whole else value


# --- the text ----------------------------------------------------------------------------------


@cache
def _markdown() -> MarkdownIt:
    """CommonMark, less what would take words out of a text that people read aloud.

    `reference` would swallow `[Cat]: Hello`, `code` an indented line, `list` the year of `1984. A bad year.`
    """
    from markdown_it import MarkdownIt

    return MarkdownIt("commonmark").enable("strikethrough").disable(["reference", "code", "list"])


def _parts(body: str) -> list[_Part]:
    tokens = _markdown().parse(body)
    one_title = sum(_heading_level(token) == 1 for token in tokens) == 1
    parts = [_Part()]
    for token, inside in zip(tokens, [None, *tokens], strict=False):
        if token.type == "hr" and token.level == 0:
            parts.append(_Part())
        elif token.type == "html_block":
            _add_text(parts[-1], html.unescape(_TAG.sub("", _COMMENT.sub("", token.content))))
        elif token.type == "fence":
            _add_text(parts[-1], token.content)
        elif token.type == "inline":
            level = _heading_level(inside)
            if level:
                parts.append(_Part(title=joined(_plain(token, _Part())), film=level == 1 and one_title))
            else:
                _add_paragraph(parts[-1], token)
            if inside is not None and inside.markup == "-" and inside.type == "heading_open":
                parts.append(_Part())
    return parts


def _heading_level(token: Token | None) -> int:
    """1 to 6, or 0 for what is none: quoted ones, and a paragraph that Markdown takes for one for the rule under it."""
    if token is None or token.type != "heading_open" or token.level or token.markup == "-":
        return 0
    return int(token.tag[1:])


def _add_paragraph(part: _Part, token: Token) -> None:
    content = token.content
    if not part.texts:
        content = _take_options(part, content)
    if content != token.content:
        token = _markdown().parseInline(content)[0]
    _add_text(part, _plain(token, part))


def _add_text(part: _Part, text: str) -> None:
    def picture(match: re.Match[str]) -> str:
        part.pictures.append((match[2].strip(" <>"), match[1]))
        return ""

    for paragraph in re.split(r"\n[ \t]*\n", _LEFT_PICTURE.sub(picture, text)):
        if said := joined(paragraph):
            part.texts.append(said)


def _plain(token: Token, part: _Part) -> str:
    """Inline Markdown as it is read aloud; pictures go to the part."""
    return "".join(_said(child, part) for child in token.children or ())


def _said(child: Any, part: _Part) -> str:
    if child.type == "image":
        part.pictures.append((unquote(str(child.attrs.get("src", ""))), child.content))
        return ""
    if child.type in ("softbreak", "hardbreak"):
        return "\n"
    if child.type == "html_inline":
        return " " if child.content.lower().startswith("<br") else ""
    return str(child.content)
