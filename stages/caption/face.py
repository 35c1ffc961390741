"""One font, as far as captions have to know it: its name, its characters, how wide they are."""

from __future__ import annotations

import functools
import logging
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

_FORBIDDEN = frozenset(",{}\\")  # they would end the name inside an ASS file
_UPRIGHT_WIDTH = 5


@dataclass(frozen=True, slots=True)
class Face:
    """A font of a file.

    Attributes:
        name: its full name, by which ASS asks for exactly this one (`Manrope ExtraBold`).
        family: family and, as old programs write it, weight (`DejaVu Sans`).
        path: the file; `index`: its place in a collection.
        weight: 100 to 900.
        plain: upright, of normal width, of one fixed weight.
        line: height of a line as libass counts it, in em.
    """

    name: str
    family: str
    path: Path
    index: int
    weight: int
    plain: bool
    line: float

    def covers(self, sign: str) -> bool:
        """Whether it can draw a character as an outline: libass does not draw coloured pictures."""
        return sign in _glyphs(self.path, self.index) and _drawn(self.path, self.index, sign)

    def advance(self, sign: str) -> float:
        """Width of a character in em; 0 for one that it does not have."""
        return _advances(self.path, self.index).get(sign, 0.0)


@functools.lru_cache(maxsize=512)
def faces_of(path: Path) -> tuple[Face, ...]:
    """The fonts of a file; none when it is no font that can be read."""
    from fontTools.ttLib import TTLibError
    from fontTools.ttLib.sfnt import readTTCHeader

    try:
        with path.open("rb") as file:
            header = readTTCHeader(file) if file.read(4) == b"ttcf" else None
        count = header.numFonts if header else 1
        found = [_face(path, index) for index in range(count)]
    except (TTLibError, OSError, KeyError, AssertionError, ValueError):
        return ()
    return tuple(face for face in found if face is not None)


def _face(path: Path, index: int) -> Face | None:
    font = _opened(path, index)
    names, os2 = font["name"], font["OS/2"]
    name, family = names.getDebugName(4), names.getDebugName(1)
    if not name or not family or _FORBIDDEN & {*name, *family} or not ("glyf" in font or "CFF " in font):
        return None
    plain = "fvar" not in font and not os2.fsSelection & 1 and os2.usWidthClass == _UPRIGHT_WIDTH
    return Face(name, family, path, index, int(os2.usWeightClass), plain, _line(font))


def _line(font: Any) -> float:
    """Libass sets a font so that winAscent + winDescent is the size that is asked for (`ass_font.c`)."""
    os2, head = font["OS/2"], font["head"]
    height = os2.usWinAscent + os2.usWinDescent or font["hhea"].ascent - font["hhea"].descent
    return float(height / head.unitsPerEm) or 1.0


@functools.lru_cache(maxsize=64)
def _opened(path: Path, index: int) -> Any:
    from fontTools.ttLib import TTFont

    logging.getLogger("fontTools").setLevel(logging.ERROR)  # it remarks on dates inside of fonts
    return TTFont(path, fontNumber=index, lazy=True)


@functools.lru_cache(maxsize=256)
def _glyphs(path: Path, index: int) -> Mapping[str, str]:
    """Character → name of its glyph."""
    return {chr(code): glyph for code, glyph in (_opened(path, index).getBestCmap() or {}).items()}


@functools.lru_cache(maxsize=64)
def _advances(path: Path, index: int) -> Mapping[str, float]:
    font = _opened(path, index)
    metrics, em = font["hmtx"].metrics, font["head"].unitsPerEm
    return {sign: metrics[glyph][0] / em for sign, glyph in _glyphs(path, index).items() if glyph in metrics}


@functools.lru_cache(maxsize=8192)
def _drawn(path: Path, index: int, sign: str) -> bool:
    """Fonts of coloured pictures have characters whose outline is empty."""
    font = _opened(path, index)
    if sign.isspace() or "glyf" not in font:
        return True
    return bool(font["glyf"][_glyphs(path, index)[sign]].numberOfContours)
