"""Which fonts draw a text: a handsome one first, and for what it lacks those that the machine has."""

from __future__ import annotations

import functools
import importlib.util
import unicodedata
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from stages.caption.face import Face, faces_of
from stages.caption.machine_fonts import files_in, machine_fonts

_WEIGHTS = {"bold": 700, "regular": 400}
_CARRIED = {"bold": "Manrope-ExtraBold.ttf", "regular": "Manrope-Medium.ttf"}
_FALLBACK = {"bold": "DejaVuSans-Bold.ttf", "regular": "DejaVuSans.ttf"}
_JOINS = frozenset("\u034f\u200c\u200d\u2060\ufeff")


@dataclass(frozen=True, slots=True)
class Fonts:
    """The fonts of one text.

    Attributes:
        faces: those that are used, the main one first.
        missing: characters that nothing on this machine draws.
        notes: what was asked for and is not there.
    """

    faces: tuple[Face, ...]
    missing: frozenset[str] = frozenset()
    notes: tuple[str, ...] = ()

    @property
    def main(self) -> Face:
        """The font of everything that it can draw."""
        return self.faces[0]

    def of(self, word: str) -> list[tuple[Face, str]]:
        """A word as runs of one font each: one for all between two spaces where one has it, so that letters join.

        What nothing draws is left out.
        """
        parts = (self._of_part(part) for part in self.drawable(word).split())
        return [run for number, part in enumerate(parts) for run in ([(self.main, " ")] if number else []) + part]

    def _of_part(self, part: str) -> list[tuple[Face, str]]:
        whole = self._first(part)
        if whole is not None:
            return [(whole, part)]
        runs: list[tuple[Face, str]] = []
        for cluster in clusters(part):
            face = self._first(cluster) or self._first(cluster[0]) or self.main
            if runs and runs[-1][0] is face:
                runs[-1] = (face, runs[-1][1] + cluster)
            else:
                runs.append((face, cluster))
        return runs

    def _first(self, text: str) -> Face | None:
        needed = [sign for sign in text if needs_glyph(sign)]
        return next((face for face in self.faces if all(map(face.covers, needed))), None)

    def drawable(self, text: str) -> str:
        """A text without what nothing draws, and without the signs that only joined or varied that."""
        kept = (cluster for cluster in clusters(text) if cluster[0] not in self.missing)
        return "".join(sign for cluster in kept for sign in cluster if sign not in self.missing).strip("\u200d\ufe0f")


def needs_glyph(sign: str) -> bool:
    """False for space and for signs that are not seen (joiners, variation selectors, direction marks)."""
    return not (sign.isspace() or sign in _JOINS or is_selector(sign) or unicodedata.category(sign) in ("Cf", "Cc"))


def is_selector(sign: str) -> bool:
    """Whether it only says how the sign before it looks."""
    return "\ufe00" <= sign <= "\ufe0f" or "\U000e0100" <= sign <= "\U000e01ef" or "\U0001f3fb" <= sign <= "\U0001f3ff"


def clusters(text: str) -> Iterator[str]:
    """What is seen as one sign: a letter with its marks, an emoji with what varies it."""
    cluster = ""
    for sign in text:
        hangs = unicodedata.category(sign).startswith("M") or sign in _JOINS or is_selector(sign)
        if cluster and (hangs or cluster[-1] == "\u200d"):
            cluster += sign
            continue
        if cluster:
            yield cluster
        cluster = sign
    if cluster:
        yield cluster


def find_fonts(text: str, family: str = "", folder: str = "", weight: str = "bold") -> Fonts:
    """The fonts that a text needs.

    Args:
        text: all that is to be drawn.
        family: name of the font to take first; "" for the one that is carried along.
        folder: a folder of fonts that are looked at before those of the system.
        weight: `bold` or `regular`.
    """
    own = _faces(files_in(Path(folder).expanduser())) if folder else []
    named = _named(family, own, weight) if family else None
    notes = () if named or not family else (_no_such(family),)
    first = [face for face in (named, *_carried(weight)) if face is not None]
    order = [first[0], *_best_first(own, weight), *first[1:]]
    wanted = frozenset(filter(needs_glyph, text))
    used, missing = _take(order[:1], order[1:], wanted)
    if missing:
        used, missing = _take(used, _best_first(_faces(machine_fonts(missing)), weight), missing)
    return Fonts(tuple(used), missing, notes)


def _no_such(family: str) -> str:
    carried = "the one that comes with reeltune is used"
    return f"captions.font: no font is named {family!r} on this machine; {carried}; put it into captions.fonts=<folder>"


def _take(used: list[Face], order: Iterable[Face], wanted: frozenset[str]) -> tuple[list[Face], frozenset[str]]:
    """Add each font that draws something which those before it do not."""
    missing = frozenset(sign for sign in wanted if not any(face.covers(sign) for face in used))
    for face in order:
        gained = frozenset(filter(face.covers, missing))
        if gained:
            used, missing = [*used, face], missing - gained
        if not missing:
            break
    return used, missing


def _faces(files: Iterable[Path]) -> list[Face]:
    return [face for file in files for face in faces_of(file)]


def _best_first(faces: Iterable[Face], weight: str) -> list[Face]:
    target = _WEIGHTS[weight]
    return sorted(faces, key=lambda face: (not face.plain, abs(face.weight - target), face.name, str(face.path)))


def _named(family: str, own: list[Face], weight: str) -> Face | None:
    """The font of that family or full name: of the folder, else carried along, else of the system."""
    for faces in (own, _carried_all(), _system_all()):
        near = [face for face in faces if face.family.casefold() == family.casefold()]
        near = near or [face for face in faces if face.name.casefold() == family.casefold()]
        if near:
            return _best_first(near, weight)[0]
    return None


def _carried(weight: str) -> list[Face]:
    """Manrope (OFL) for Latin, Greek and Cyrillic; DejaVu Sans (free) for much more."""
    files = [home / name for home, name in zip(_homes(), (_CARRIED[weight], _FALLBACK[weight]), strict=True)]
    return [face for file in files for face in faces_of(file)]


def _carried_all() -> list[Face]:
    return [face for home in _homes() for file in files_in(home) for face in faces_of(file)]


@functools.cache
def _homes() -> tuple[Path, Path]:
    """The folders of the packages that carry fonts. Neither package is imported: that would cost a second."""
    return _package("font_manrope") / "files", _package("matplotlib") / "mpl-data" / "fonts" / "ttf"


def _package(name: str) -> Path:
    spec = importlib.util.find_spec(name)
    return Path(next(iter(spec.submodule_search_locations or ["."]))) if spec else Path(f"no package {name}")


@functools.cache
def _system_all() -> tuple[Face, ...]:
    return tuple(_faces(machine_fonts(frozenset("a"))))
