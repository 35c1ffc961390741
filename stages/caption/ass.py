"""Pages to an ASS file, by pysubs2. What a user wrote is made harmless here and nowhere else."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from stages.caption.face import Face
from stages.caption.paging import Page
from stages.caption.styles import Look
from stages.caption.tokens import is_right_to_left

if TYPE_CHECKING:
    import pysubs2

_STYLE = "Caption"
_ALIGNMENT = {"bottom": 2, "middle": 5, "top": 8}  # of the numeric keypad
_OPAQUE_BOX = 4  # libass's own: one box behind the whole caption
_OUTLINED = 1
_AUTO_DIRECTION = -1  # libass: let the text say whether it runs from right to left
_WORD_JOINER = "\u2060"
_ESCAPES = {"\\": f"\\{_WORD_JOINER}", "{": "\\{", "}": "\\}"}
_ESCAPED = re.compile(rf"\\([{{}}{_WORD_JOINER}])")


@dataclass(frozen=True, slots=True)
class Sheet:
    """Where captions stand, px, and how they look. `em` is the size of the letters; margins hold the outline too."""

    width: int
    height: int
    em: float
    look: Look
    position: str
    margin_sides: int
    margin_end: int
    main: Face


def escape(text: str) -> str:
    r"""A text that libass shows as it is: no `{\an8}` or `\N` in it has a meaning.

    A backslash gets a word joiner behind it, which is not drawn: libass knows no escaped backslash.
    """
    return "".join(_ESCAPES.get(sign, sign) for sign in text)


def unescape(text: str) -> str:
    """What `escape` was given."""
    return _ESCAPED.sub(lambda match: "\\" if match[1] == _WORD_JOINER else match[1], text)


def ass_of(pages: Sequence[Page], sheet: Sheet) -> pysubs2.SSAFile:
    """The captions of one scene, times from its start."""
    import pysubs2

    file = pysubs2.SSAFile()
    file.info.clear()
    file.info |= {"ScriptType": "v4.00+", "PlayResX": str(sheet.width), "PlayResY": str(sheet.height)}
    file.info |= {"WrapStyle": "2", "ScaledBorderAndShadow": "yes", "YCbCr Matrix": "None"}
    file.styles = {_STYLE: _style(sheet)}
    for page in pages:
        start, end = centiseconds(page.start), centiseconds(page.end)
        if end > start and any(word.runs for word in page.words):
            text = "".join(_text(page, sheet, start, end))
            file.events.append(pysubs2.SSAEvent(start * 10, end * 10, text, style=_STYLE))
    return file


def centiseconds(seconds: float) -> int:
    """A time as ASS knows it."""
    return round(seconds * 100)


def _style(sheet: Sheet) -> pysubs2.SSAStyle:
    import pysubs2

    look = sheet.look
    plain, active = _colour(look.colour), _colour(look.active_colour)
    return pysubs2.SSAStyle(
        fontname=sheet.main.name,
        fontsize=round(sheet.em * sheet.main.line, 2),
        # of karaoke the first colour is what a word becomes, the second what it was
        primarycolor=plain if look.highlight == "none" else active,
        secondarycolor=plain,
        outlinecolor=_colour(look.outline_colour),
        backcolor=_colour(look.box_colour, look.box if look.box else 0.55),
        bold=look.weight == "bold",
        borderstyle=_OPAQUE_BOX if look.box else _OUTLINED,
        outline=round(look.outline * sheet.em, 2),
        shadow=round(look.shadow * sheet.em, 2),
        alignment=pysubs2.Alignment(_ALIGNMENT[sheet.position]),
        marginl=sheet.margin_sides,
        marginr=sheet.margin_sides,
        marginv=sheet.margin_end if sheet.position != "middle" else 0,
        encoding=_AUTO_DIRECTION,
    )


def _colour(text: str, opacity: float = 1.0) -> pysubs2.Color:
    import pysubs2

    red, green, blue = bytes.fromhex(text[1:])
    return pysubs2.Color(red, green, blue, 255 - round(255 * opacity))


def _text(page: Page, sheet: Sheet, start: int, end: int) -> Iterator[str]:
    """The tags and words of a page. Each word's time is rounded by itself, so that no error adds up."""
    borders = [start, *(min(max(centiseconds(word.start), start), end) for word in page.words[1:]), end]
    turned = is_right_to_left(page.text)
    face: Face | None = sheet.main if page.scale == 1.0 else None
    number = 0
    for row, line in enumerate(page.lines):
        yield "\\N" if row else ""
        for place, word in enumerate(line):
            yield " " if place and word.spaced else ""
            yield _karaoke(sheet.look, borders[number] - start, borders[number + 1] - start, turned)
            for used, text in word.runs:
                yield "" if used is face else _font(used, sheet.em * page.scale)
                face = used
                yield escape(text)
            number += 1


def _font(face: Face, em: float) -> str:
    return f"{{\\fn{face.name}\\fs{em * face.line:.2f}}}"


def _karaoke(look: Look, begin: int, end: int, turned: bool) -> str:
    """The tag in front of a word that is spoken from `begin` to `end`, centiseconds from the start of its page.

    `word`: after its time it goes back to what it was; what one word's change left is set right again for the next.
    `sung`: filled from the left, but at once where the text runs from right to left.
    """
    if look.highlight == "none":
        return ""
    length = end - begin
    if look.highlight == "sung":
        return f"{{\\k{length}}}" if turned else f"{{\\kf{length}}}"
    active, plain = _bgr(look.active_colour), _bgr(look.colour)
    return f"{{\\k{length}\\1c{active}\\t({end * 10},{end * 10},\\1c{plain})}}"


def _bgr(text: str) -> str:
    red, green, blue = text[1:3], text[3:5], text[5:7]
    return f"&H{blue}{green}{red}&".upper()
