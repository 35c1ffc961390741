"""Captions of one scene: its words, set in pages, each lit up while it is spoken."""

from __future__ import annotations

import dataclasses
import importlib.metadata
import math
import wave
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, ClassVar

from stages.caption.ass import Sheet, ass_of
from stages.caption.fonts import Fonts, find_fonts
from stages.caption.machine_fonts import files_in
from stages.caption.paging import Page, Room, pages_of
from stages.caption.settings import OF_A_SCENE, CaptionSettings
from stages.caption.styles import Look, StyleError, is_colour, looks
from stages.caption.times import word_times
from stages.caption.tokens import Token, tokens_of
from stages.caption.words import set_words, width_of
from stages.contract import Failure, Json, Needs, Result, Stage, StageError, Work
from stages.settings import Problem, nearest, range_problems

_COLOURS = ("colour", "active_colour", "outline_colour")
_SHOWN = 20
_KINDS = {bool: "true or false", int: "a whole number", float: "a number", str: "text"}  # types, as users call them


class WriteCaptions(Stage[CaptionSettings]):
    """Writes `captions`: an ASS file of exactly one scene, times from its start.

    Data: `cues` is [[start s, end s, text], …] for an .srt, also of a scene whose captions are off; `words_from` says
    where the times are from (`provider`, `aligned`, `spread`); `fonts` is [{"family", "path"}, …], all that the file
    asks for, "family" being the name in it.
    """

    config_class = CaptionSettings
    consumes: ClassVar[Mapping[str, str]] = {"speech": "audio/wav"}
    produces: ClassVar[Mapping[str, str]] = {"captions": "text/x-ssa"}
    reads: ClassVar[tuple[str, ...]] = ("text",)
    may_read: ClassVar[tuple[str, ...]] = ("caption", "language", "words")
    writes: ClassVar[tuple[str, ...]] = ("cues", "words_from", "fonts")

    def run(self, work: Work) -> Result:
        """Write the captions of one scene.

        Raises:
            StageError: BAD_INPUT when the scene's own `caption` asks for what there is not.
        """
        data = work.item.data
        if problem := self.item_problem(self.config, data):
            raise StageError(Failure.BAD_INPUT, f"{work.item.key}: {problem}")
        config = _of_scene(self.config, data.get("caption"))
        look = _look(config)
        speech = work.item.artifacts["speech"].path
        tokens = [_cased(token, config) for token in tokens_of(data["text"])]
        language = str(data.get("language") or config.language)
        times = word_times([token.text for token in tokens], data.get("words"), speech, language)
        fonts = find_fonts("".join(token.text for token in tokens), config.font, config.fonts, look.weight)
        sheet = _sheet(config, look, fonts)
        words = set_words(tokens, times.spans, fonts, sheet.em, _line_width(sheet))
        pages = pages_of(words, _room(config, sheet), _duration(speech))
        target = work.scratch / "captions.ass"
        shown = pages if config.enabled else []
        target.write_text(ass_of(shown, sheet).to_string("ass"), encoding="utf-8", newline="\n")
        return Result(
            files={"captions": target},
            data={"cues": _cues(pages), "words_from": times.source, "fonts": _files(fonts) if shown else []},
            notes=(*times.notes, *fonts.notes, *(_missing(fonts) if config.enabled else ())),
        )

    def verify(self, work: Work, result: Result) -> None:
        """Read the file back: whole, in order, no page over another."""
        import pysubs2

        super().verify(work, result)
        events = pysubs2.load(str(result.files["captions"]), encoding="utf-8", format_="ass").events
        borders = [time for event in events for time in (event.start, event.end)]
        if borders != sorted(borders):
            raise StageError(Failure.BUG, f"{work.item.key}: captions.ass shows two pages at once")

    @classmethod
    def needs(cls, config: CaptionSettings) -> Needs:  # noqa: ARG003
        """Listening to five minutes of speech takes 200 MB."""
        return Needs(cpu_threads=1.0, ram_mb=300)

    @classmethod
    def tools(cls, config: CaptionSettings) -> Mapping[str, str]:
        """Versions of what shapes the file, and the content of the user's own files."""
        found = {name: importlib.metadata.version(name) for name in ("pysubs2", "espeakng-loader", "matplotlib")}
        found["font-manrope"] = _version("font-manrope")
        if config.fonts:
            found["captions.fonts"] = _listing(Path(config.fonts).expanduser())
        if config.styles:
            found["captions.styles"] = repr(looks(config.styles).get(config.style))
        return found

    @classmethod
    def problems(cls, config: CaptionSettings, key: str) -> Iterable[Problem]:
        """A style that there is not, a colour that is none, a folder without fonts, no room left for text."""
        yield from _style_problems(config, key)
        for name in _COLOURS:
            if getattr(config, name) and not is_colour(getattr(config, name)):
                yield Problem(f"{key}.{name}", f"{getattr(config, name)!r} is no colour", "write it like '#FFD23F'")
        if config.fonts and not files_in(Path(config.fonts).expanduser()):
            yield Problem(f"{key}.fonts", f"there is no font in {config.fonts}", "name a folder of .ttf or .otf files")
        if config.margin_bottom + config.margin_top > 90:
            yield Problem(
                f"{key}.margin_top", "with margin_bottom no room is left for text", "make one of them smaller"
            )

    @classmethod
    def item_problem(cls, config: CaptionSettings, data: Mapping[str, Json]) -> str | None:
        """A scene's own `caption` that cannot be followed."""
        caption = data.get("caption")
        if caption is None:
            return None
        if not isinstance(caption, dict):
            return f"caption {caption!r} is no list of settings; write caption: {{style: clean}}"
        return _unknown(caption) or _mistyped(caption) or _unfit(_of_scene(config, caption))


def _unknown(caption: Mapping[str, Json]) -> str | None:
    wrong = next((name for name in caption if name not in OF_A_SCENE), None)
    return (
        wrong and f"caption.{wrong} is no setting of a scene{nearest(wrong, OF_A_SCENE)}; use {', '.join(OF_A_SCENE)}"
    )


def _mistyped(caption: Mapping[str, Json]) -> str | None:
    for name, value in caption.items():
        wanted = type(getattr(CaptionSettings(), name))
        fits = isinstance(value, int | float) if wanted is float else isinstance(value, wanted)
        if not fits or (isinstance(value, bool) and wanted is not bool):
            return f"caption.{name} {value!r} is not {_KINDS[wanted]}; write it so"
    return None


def _unfit(config: CaptionSettings) -> str | None:
    found = (*range_problems(config, "caption"), *WriteCaptions.problems(config, "caption"))
    return next((problem.sentence() for problem in found), None)


def _of_scene(config: CaptionSettings, caption: Json) -> CaptionSettings:
    return dataclasses.replace(config, **(caption or {}))


def _style_problems(config: CaptionSettings, key: str) -> Iterable[Problem]:
    try:
        known = looks(config.styles)
    except StyleError as error:
        yield Problem(f"{key}.styles", str(error), "mend the file")
        return
    if config.style not in known:
        reason = f"{config.style!r} is no style{nearest(config.style, list(known))}"
        yield Problem(f"{key}.style", reason, f"use {', '.join(known)}")


def _look(config: CaptionSettings) -> Look:
    """The style, with what was asked for otherwise."""
    asked: dict[str, Any] = {name: getattr(config, name) for name in (*_COLOURS, "size") if getattr(config, name)}
    return dataclasses.replace(looks(config.styles)[config.style], **asked)


def _cased(token: Token, config: CaptionSettings) -> Token:
    return dataclasses.replace(token, text=token.text.upper()) if config.uppercase else token


def _sheet(config: CaptionSettings, look: Look, fonts: Fonts) -> Sheet:
    """Margins grow by what is drawn around the letters, so that all of it lies inside them."""
    em = config.height * look.size / 100
    around = (look.outline + look.shadow) * em
    end = {"bottom": config.margin_bottom, "top": config.margin_top, "middle": 0.0}[config.position]
    return Sheet(
        config.width,
        config.height,
        em,
        look,
        config.position,
        math.ceil(config.width * config.margin_sides / 100 + around + 1),
        math.ceil(config.height * end / 100 + around + 1),
        fonts.main,
    )


def _line_width(sheet: Sheet) -> float:
    return max(sheet.width - 2.0 * sheet.margin_sides, 1.0)


def _room(config: CaptionSettings, sheet: Sheet) -> Room:
    space = width_of([(sheet.main, " ")], sheet.em)
    return Room(_line_width(sheet), space, config.max_lines, config.max_s, config.pause_s)


def _duration(speech: Path) -> float:
    with wave.open(str(speech)) as file:
        return float(file.getnframes() / file.getframerate())


def _cues(pages: Iterable[Page]) -> list[list[Any]]:
    return [[round(page.start, 3), round(page.end, 3), page.text] for page in pages if page.end > page.start]


def _files(fonts: Fonts) -> list[dict[str, str]]:
    return [{"family": face.name, "path": str(face.path)} for face in fonts.faces]


def _missing(fonts: Fonts) -> Iterable[str]:
    """The sentence about characters that are left out."""
    if fonts.missing:
        signs = sorted(fonts.missing)
        named = ", ".join(f"{sign} (U+{ord(sign):04X})" for sign in signs[:_SHOWN])
        more = f" and {len(signs) - _SHOWN} more" if len(signs) > _SHOWN else ""
        mend = "put a font that has them into a folder and name it: captions.fonts=<folder>"
        yield f"captions leave out {named}{more}: no font on this machine draws them; {mend}"


def _listing(folder: Path) -> str:
    return " ".join(f"{file.name}:{file.stat().st_size}:{file.stat().st_mtime_ns}" for file in files_in(folder))


def _version(package: str) -> str:
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return "none"
