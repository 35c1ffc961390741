"""What goes beside the pictures of a film: which streams are copied, converted or left out, and in which container."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from fractions import Fraction

from stages.contract import Failure, Json, StageError
from stages.media.containers import Container, Fate, container_for, fates, loss_sentence
from stages.media.film import Film
from stages.media.subtitle_fonts import missing_fonts
from stages.video.carried import Carried
from stages.video.piece import SIDES, Piece
from stages.video.settings import FilmSettings


@dataclass(frozen=True, slots=True)
class Beside:
    """The container, what becomes of every other stream, and sentences on all that is not as it was."""

    film: Film
    container: Container
    fates: tuple[Fate, ...]
    notes: tuple[str, ...]

    def carried(self, compare: Mapping[str, Json]) -> Carried:
        """As the joiner is told."""
        return Carried(
            container=self.container.name,
            copied=tuple(fate.other.stream for fate in self.fates if fate.deed == "copy"),
            converted=tuple(fate.other.stream for fate in self.fates if fate.deed == "convert"),
            compare=dict(compare),
            shift=str(self.film.start if self.film.clocked else Fraction(0)),
        )

    def sides(self, bitrate: str) -> Piece | None:
        """The piece with all that has to be converted; None when nothing has."""
        converted = {str(fate.other.stream): fate.codec for fate in self.fates if fate.deed == "convert"}
        if not converted:
            return None
        return Piece(SIDES, sides=converted, format=self.container.format, bitrate=bitrate)


def beside(film: Film, asked: FilmSettings, family: str) -> Beside:
    """Settle what goes beside pictures of this family (h264, hevc, av1).

    Raises:
        StageError: BAD_INPUT for a stream that is broken, or that the container cannot hold, unless that was allowed.
    """
    notes = list(_broken(film, asked))
    container, why = container_for(film, family, asked.container, sound=asked.audio)
    found = _fates(film, asked, container)
    notes += [*([f"{film.path.name}: {why}"] if why else []), *_losses(film, found), *_fonts(film)]
    return Beside(film, container, tuple(found), tuple(notes))


def _broken(film: Film, asked: FilmSettings) -> Iterator[str]:
    """Streams of which nothing decodes: refused, or left out with a note."""
    for index in film.broken:
        said = f"{film.path.name}: nothing of its video stream {index} can be decoded"
        if not asked.salvage:
            raise StageError(Failure.BAD_INPUT, f"{said}; video.salvage=true leaves it out")
        yield f"{said}; it was left out"
    for other in film.others:
        if other.kind == "audio" and not other.codec and not asked.salvage:
            said = f"{film.path.name}: the codec of its audio stream {other.stream} is not known"
            raise StageError(Failure.BAD_INPUT, f"{said}; video.salvage=true leaves it out")


def _fates(film: Film, asked: FilmSettings, container: Container) -> list[Fate]:
    found = fates(film.others, container, asked.audio)
    if asked.audio == "drop":
        found = [fate for fate in found if fate.other.kind != "audio"]
    lost = [fate for fate in found if fate.deed == "lost" and _could_be_held(fate)]
    if lost and asked.on_lost == "refuse" and not asked.salvage:
        raise StageError(Failure.BAD_INPUT, loss_sentence(film, lost))
    return found


def _could_be_held(fate: Fate) -> bool:
    """Data tracks are held by no container, and sound of an unknown codec by none that could be named."""
    return fate.other.kind != "data" and bool(fate.other.codec or fate.other.kind == "attachment")


def _losses(film: Film, found: list[Fate]) -> Iterator[str]:
    for fate in found:
        where = f"{film.path.name}: stream {fate.other.stream} ({fate.other.kind} {fate.other.codec})".replace(
            " )", ")"
        )
        if fate.deed == "lost" and not (fate.other.kind == "data" and film.chapters):
            yield f"{where} was left out: {fate.why}"
        elif fate.deed == "convert" and fate.why:
            yield f"{where} was converted to {fate.codec}: {fate.why}"


def _fonts(film: Film) -> Iterator[str]:
    """Subtitles look otherwise where their font is missing, which nobody sees before the film is watched."""
    if any(other.codec in ("ass", "ssa") for other in film.others):
        for name in missing_fonts(film.path):
            said = f"{film.path.name}: its subtitles are set in {name!r}, which is not attached"
            yield f"{said}; where it is not installed, players show another font"
