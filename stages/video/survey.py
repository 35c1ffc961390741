"""Looks into a film and parts it into pieces: which encoder, which filters, whole or in chunks, what is carried."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from fractions import Fraction
from typing import ClassVar

from stages.contract import EFFECTIVE, Child, Json, Needs, Result, Stage, Work
from stages.media.containers import AUTO
from stages.media.encoders.catalog import adapter
from stages.media.encoders.machine import machine_identity
from stages.media.ffmpeg import ffmpeg_binary
from stages.media.film import look_at
from stages.media.shape import shape_problems
from stages.platform.limits import usable_cpus
from stages.quality.target import aim_of, target_problems
from stages.settings import Problem
from stages.video.beside import Beside, beside
from stages.video.parting import Room
from stages.video.piece import Piece
from stages.video.settings import SurveyFilmSettings
from stages.video.sketch import Sketch, sketch
from stages.video.target import aimed, needs_of_probing, threads_of


class SurveyFilm(Stage[SurveyFilmSettings]):
    """One child per piece: the chunks of each video stream, and one for all sound and subtitles to be converted."""

    config_class = SurveyFilmSettings
    version = 2
    consumes: ClassVar[Mapping[str, str]] = {"film": "video/"}
    writes: ClassVar[tuple[str, ...]] = ("piece", "carried", "sought")
    fans_out = True

    def run(self, work: Work) -> Result:
        """Survey one film.

        Raises:
            StageError: BAD_INPUT for what is no film, damaged, or cannot be carried; ENCODER when no encoder works.
        """
        film = look_at(work.item.artifacts["film"].path)
        room = self._room()
        aim = aimed(film, [sketch(film, picture, self.config, room) for picture in film.pictures], self.config, work)
        sketches = aim.sketches
        around = beside(film, self.config, adapter(sketches[0].encoder).family)
        notes = [*(note for drawn in sketches for note in drawn.notes), *aim.notes, *around.notes]
        told = {"carried": around.carried(sketches[0].compare).to_json()}
        if aim.sought:
            told["sought"] = aim.sought.to_json()
        used = {**sketches[0].effective, "video.container": around.container.name}
        children = [Child(name, {"piece": piece.to_json(), **told}) for name, piece in self._pieces(sketches, around)]
        return Result(children=children, data={EFFECTIVE: used}, metrics=aim.metrics, notes=notes)

    def _room(self) -> Room:
        """What the runner planned with; without it, what this process may use."""
        import psutil

        free = psutil.virtual_memory().available // 1024**2
        return Room(self.config.cores or len(usable_cpus()), self.config.ram_mb or free)

    def _pieces(self, sketches: list[Sketch], around: Beside) -> Iterator[tuple[str, Piece]]:
        for place, drawn in enumerate(sketches):
            for number, piece in enumerate(drawn.pieces):
                yield f"v{place}-{number:04d}", piece
        sides = around.sides(self.config.audio_bitrate)
        if sides is not None:
            yield "sides", sides

    @classmethod
    def needs(cls, config: SurveyFilmSettings) -> Needs:
        """Decodes one frame, and a window about each cut; a trial encode takes all cores for a moment.

        Probes for a quality target take what an encode and a scoring do, one after the other.
        """
        if aim_of(config) is None:
            return Needs(cpu_threads=1.0, ram_mb=400)
        return needs_of_probing(threads_of(config.cores))

    @classmethod
    def task_needs(cls, config: SurveyFilmSettings, data: Mapping[str, Json]) -> Needs:  # noqa: ARG003
        """The same for every film: how large one is shows only when it is opened. Probes are held to `memory_mb`."""
        return cls.needs(config)

    @classmethod
    def tools(cls, config: SurveyFilmSettings) -> Mapping[str, str]:  # noqa: ARG003
        """FFmpeg, and the machine: which encoder works is its affair."""
        return {"ffmpeg": ffmpeg_binary().identity, "machine": machine_identity()}

    @classmethod
    def problems(cls, config: SurveyFilmSettings, key: str) -> Iterable[Problem]:
        """Words that no film can be treated by."""
        yield from target_problems(config, key)
        yield from _rate_or_quality(config)
        yield from shape_problems(config.crop, config.scale, key)
        yield from _rate_problems(config.fps, f"{key}.fps")
        if config.chunks not in ("auto", "off") and not _is_number(config.chunks, 1, 3600):
            yield Problem(f"{key}.chunks", f"{config.chunks!r} is no length of a chunk", "use auto, off, or 1 to 3600")
        family = config.encoder.get("name", AUTO)
        if config.container == "webm" and family not in (AUTO, "svtav1", "nvenc_av1"):
            mend = "use video.container=mkv, or encoder=svtav1"
            yield Problem(f"{key}.container", f"webm holds AV1 and no video of encoder={family}", mend)


def _rate_or_quality(config: SurveyFilmSettings) -> Iterator[Problem]:
    aim = aim_of(config)
    if aim and config.encoder.get("bitrate") and config.encoder.get("quality") is None:
        yield Problem("encoder.bitrate", f"fixes the size, and {aim.key} the quality", "set one of them")


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
