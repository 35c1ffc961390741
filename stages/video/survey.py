"""Looks into a film and parts it into pieces: which encoder, which filters, whole or in chunks, what is carried."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from fractions import Fraction
from typing import ClassVar

from stages.contract import EFFECTIVE, Child, Failure, Needs, Result, Stage, StageError, Work
from stages.media.containers import AUTO, Container, Fate, container_for, fates, loss_sentence
from stages.media.encoders.catalog import adapter
from stages.media.encoders.machine import machine_identity
from stages.media.ffmpeg import ffmpeg_binary
from stages.media.film import Film, look_at
from stages.media.shape import shape_problems
from stages.media.subtitle_fonts import missing_fonts
from stages.platform import usable_cpus
from stages.settings import Problem
from stages.video.carried import Carried
from stages.video.parting import Room
from stages.video.piece import SIDES, Piece
from stages.video.settings import SurveyFilmSettings
from stages.video.sketch import Sketch, sketch


class SurveyFilm(Stage[SurveyFilmSettings]):
    """One child per piece: the chunks of each video stream, and one for all sound and subtitles to be converted."""

    config_class = SurveyFilmSettings
    consumes: ClassVar[Mapping[str, str]] = {"film": "video/"}
    writes: ClassVar[tuple[str, ...]] = ("piece", "carried")
    fans_out = True

    def run(self, work: Work) -> Result:
        """Survey one film.

        Raises:
            StageError: BAD_INPUT for what is no film, damaged, or cannot be carried; ENCODER when no encoder works.
        """
        film = look_at(work.item.artifacts["film"].path)
        notes = list(self._broken(film))
        room = self._room()
        sketches = [sketch(film, picture, self.config, room) for picture in film.pictures]
        notes += [note for drawn in sketches for note in drawn.notes]
        container, why = container_for(
            film, adapter(sketches[0].encoder).family, self.config.container, sound=self.config.audio
        )
        found = self._fates(film, container)
        notes += [*([f"{film.path.name}: {why}"] if why else []), *_losses(film, found)]
        notes += _fonts(film)
        carried = _carried(film, container, found, sketches)
        children = list(self._children(sketches, container, found, carried))
        used = {**sketches[0].effective, "video.container": container.name}
        return Result(children=children, data={EFFECTIVE: used}, notes=notes)

    def _broken(self, film: Film) -> Iterator[str]:
        """Streams of which nothing decodes: refused, or left out with a note."""
        for index in film.broken:
            said = f"{film.path.name}: nothing of its video stream {index} can be decoded"
            if not self.config.salvage:
                raise StageError(Failure.BAD_INPUT, f"{said}; video.salvage=true leaves it out")
            yield f"{said}; it was left out"
        for other in film.others:
            if other.kind == "audio" and not other.codec:
                said = f"{film.path.name}: the codec of its audio stream {other.stream} is not known"
                if not self.config.salvage:
                    raise StageError(Failure.BAD_INPUT, f"{said}; video.salvage=true leaves it out")

    def _room(self) -> Room:
        """What the runner planned with; without it, what this process may use."""
        import psutil

        free = psutil.virtual_memory().available // 1024**2
        return Room(self.config.cores or len(usable_cpus()), self.config.ram_mb or free)

    def _fates(self, film: Film, container: Container) -> list[Fate]:
        found = fates(film.others, container, self.config.audio)
        if self.config.audio == "drop":
            found = [fate for fate in found if fate.other.kind != "audio"]
        lost = [fate for fate in found if fate.deed == "lost" and _could_be_held(fate)]
        if lost and self.config.on_lost == "refuse" and not self.config.salvage:
            raise StageError(Failure.BAD_INPUT, loss_sentence(film, lost))
        return found

    def _children(
        self, sketches: list[Sketch], container: Container, found: list[Fate], carried: Carried
    ) -> Iterator[Child]:
        told = {"carried": carried.to_json()}
        for place, drawn in enumerate(sketches):
            for number, piece in enumerate(drawn.pieces):
                yield Child(f"v{place}-{number:04d}", {"piece": piece.to_json(), **told})
        converted = {str(fate.other.stream): fate.codec for fate in found if fate.deed == "convert"}
        if converted:
            sides = Piece(SIDES, sides=converted, format=container.format, bitrate=self.config.audio_bitrate)
            yield Child("sides", {"piece": sides.to_json(), **told})

    @classmethod
    def needs(cls, config: SurveyFilmSettings) -> Needs:  # noqa: ARG003
        """Decodes one frame, and a window about each cut; a trial encode takes all cores for a moment."""
        return Needs(cpu_threads=1.0, ram_mb=400)

    @classmethod
    def tools(cls, config: SurveyFilmSettings) -> Mapping[str, str]:  # noqa: ARG003
        """FFmpeg, and the machine: which encoder works is its affair."""
        return {"ffmpeg": ffmpeg_binary().identity, "machine": machine_identity()}

    @classmethod
    def problems(cls, config: SurveyFilmSettings, key: str) -> Iterable[Problem]:
        """Words that no film can be treated by."""
        yield from shape_problems(config.crop, config.scale, key)
        yield from _rate_problems(config.fps, f"{key}.fps")
        if config.chunks not in ("auto", "off") and not _is_number(config.chunks, 1, 3600):
            yield Problem(f"{key}.chunks", f"{config.chunks!r} is no length of a chunk", "use auto, off, or 1 to 3600")
        family = config.encoder.get("name", AUTO)
        if config.container == "webm" and family not in (AUTO, "svtav1", "nvenc_av1"):
            mend = "use video.container=mkv, or encoder=svtav1"
            yield Problem(f"{key}.container", f"webm holds AV1 and no video of encoder={family}", mend)


def _rate_problems(fps: str, key: str) -> Iterator[Problem]:
    if not fps:
        return
    try:
        rate = Fraction(fps)
    except (ValueError, ZeroDivisionError):
        rate = Fraction(0)
    if not 0 < rate <= 1000:
        yield Problem(key, f"{fps!r} is no frame rate", "write 25, 29.97 as 30000/1001, or leave it empty")


def _is_number(text: str, low: float, high: float) -> bool:
    try:
        return low <= float(text) <= high
    except ValueError:
        return False


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


def _carried(film: Film, container: Container, found: list[Fate], sketches: list[Sketch]) -> Carried:
    return Carried(
        container=container.name,
        copied=tuple(fate.other.stream for fate in found if fate.deed == "copy"),
        converted=tuple(fate.other.stream for fate in found if fate.deed == "convert"),
        compare=sketches[0].compare,
        shift=str(film.start if film.clocked else Fraction(0)),
    )
