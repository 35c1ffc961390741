"""One video stream's treatment, settled: encoder and why, filters, options, and its pieces."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from stages.contract import Failure, Json, StageError
from stages.media.color import Colour, conversion, output_options
from stages.media.cuts import Cut
from stages.media.encoders.arguments import video_options
from stages.media.encoders.catalog import adapter
from stages.media.encoders.memory import TrialMemory
from stages.media.encoders.settings import EncoderConfig
from stages.media.encoders.settle import settle
from stages.media.encoders.trial import Trial, sides_of, try_encoder
from stages.media.ffmpeg import ffmpeg_binary
from stages.media.film import Film, Picture
from stages.media.hdr import hdr_options
from stages.media.pixel_format import pixel_format
from stages.media.shape import Shape, shape
from stages.media.steady import steady_filters
from stages.video.parting import Parts, Room, Times, part, times_of
from stages.video.piece import PICTURES, Piece
from stages.video.settings import SurveyFilmSettings


@dataclass(frozen=True, slots=True)
class Sketch:
    """What becomes of one video stream. `encoder` is the option that is used; `compare` see `quality.picture`."""

    encoder: str
    times: Times
    pieces: tuple[Piece, ...]
    notes: tuple[str, ...]
    effective: Mapping[str, Json] = field(default_factory=dict)
    compare: Mapping[str, Json] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class _Chosen:
    """The encoder with its settings, and what it is given."""

    config: EncoderConfig
    form: Shape
    filters: tuple[str, ...]
    colour: Colour
    notes: tuple[str, ...]


def sketch(film: Film, picture: Picture, asked: SurveyFilmSettings, room: Room) -> Sketch:
    """Settle everything about one stream.

    Raises:
        StageError: BAD_INPUT when it has no frames or the crop lies outside; ENCODER when no encoder works.
    """
    times = times_of(film, picture)
    chosen = _chosen(film, picture, asked, room)
    deinterlaced, said = _deinterlaced(picture, asked.deinterlace)
    rate = [f"fps={asked.fps}"] if asked.fps else []
    # a film that FFmpeg turns goes through its filters first: those cannot take pictures that change size
    steady = [] if chosen.form.upright else steady_filters(picture.width, picture.height, picture.pix_fmt)
    filters = (*steady, *deinterlaced, *chosen.form.filters, *chosen.filters, *rate)
    preset = chosen.config.preset or adapter(chosen.config.name).tiers[asked.tier]
    size = (chosen.form.width, chosen.form.height)
    whole = _whole(asked, times, deinterlaced)
    parts = part(
        film,
        picture,
        times,
        chosen.config,
        preset,
        size,
        room,
        wish=asked.chunks,
        workers=asked.workers,
        whole=whole,
    )
    options = video_options(chosen.config, parts.threads, asked.tier)
    options |= output_options(chosen.colour)
    base = Piece(
        PICTURES, stream=picture.stream, time_base=str(picture.time_base), options=options,
        filters=filters, size=(picture.width, picture.height) if steady else (0, 0), upright=chosen.form.upright,
        encoder=chosen.config.name, threads=parts.busy, ram_mb=parts.ram_mb,
        sessions=int(adapter(chosen.config.name).hardware), strict=not asked.salvage,
    )  # fmt: skip
    notes = [f"{film.path.name}: {note}" for note in (*said, *chosen.notes, *parts.notes)]
    compare = _compare(
        chosen.form, asked, deinterlaced, toned=bool(picture.colour != chosen.colour and asked.tone_map != "off")
    )
    return Sketch(
        chosen.config.name,
        times,
        tuple(_pieces(base, times, parts, asked)),
        tuple(notes),
        _effective(chosen.config, preset, parts),
        compare,
    )


def _effective(config: EncoderConfig, preset: str, parts: Parts) -> dict[str, Json]:
    """What is really used, by the keys that ask for it."""
    return {
        "encoder.name": config.name, "encoder.codec": config.codec, "encoder.preset": preset,
        "encoder.quality": config.quality, "encoder.pix_fmt": config.pix_fmt, "encoder.threads": parts.threads,
        "video.chunks": "off" if len(parts.chunks) == 1 else f"{len(parts.chunks)} chunks",
    }  # fmt: skip


def _pieces(base: Piece, times: Times, parts: Parts, asked: SurveyFilmSettings) -> list[Piece]:
    line = times.timeline
    if asked.salvage or asked.fps or not times.distinct:
        start = line.pts[0] if line.pts else 0
        known = not (asked.salvage or asked.fps)
        return [replace(base, expected=line.count if known else 0, exact=False, pts=(start, start))]
    return [
        replace(
            base, first=cut.first, count=cut.count, expected=cut.count, pts=(line.pts[cut.first], _after(times, cut)),
            seek=str(line.just_before(cut.first)) if cut.first else "",
        )
        for cut in parts.chunks
    ]  # fmt: skip


def _after(times: Times, cut: Cut) -> int:
    end = cut.first + cut.count
    return times.timeline.pts[end] if end < times.timeline.count else times.end


def _whole(asked: SurveyFilmSettings, times: Times, deinterlaced: tuple[str, ...]) -> str:
    """Why a film cannot be encoded in chunks; "" when it can."""
    if asked.salvage:
        return "which frames a damaged film has is known only when it was decoded"
    if asked.fps:
        return "another frame rate looks across the cuts"
    if deinterlaced:
        return "deinterlacing looks across the cuts"
    return "" if times.distinct else "its frames have no times of their own"


def _deinterlaced(picture: Picture, wish: str) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """One frame from each frame, at its own time."""
    if wish == "on" or (wish == "auto" and picture.interlaced):
        told = ("is interlaced: deinterlaced by bwdif, one frame from each",) if wish == "auto" else ()
        return ("bwdif=mode=send_frame",), told
    if picture.interlaced:
        return (), ("is interlaced and was coded as if it were not, as video.deinterlace=off asked",)
    return (), ()


def _compare(form: Shape, asked: SurveyFilmSettings, deinterlaced: tuple[str, ...], *, toned: bool) -> dict[str, Json]:
    """How the result is compared with the film."""
    if asked.fps:
        return {"not": f"the frame rate was changed to {asked.fps}"}
    if deinterlaced:
        return {"not": "it was deinterlaced, and its source is not"}
    if toned:
        return {"not": "its colours were brought from HDR to SDR"}
    found: dict[str, Json] = {}
    if form.crop:
        found["crop"] = list(form.crop)
    if form.inside:
        found["inside"] = list(form.inside)
    return found


# --- the encoder -----------------------------------------------------------------------------


def _chosen(film: Film, picture: Picture, asked: SurveyFilmSettings, room: Room) -> _Chosen:
    """The encoder that works at this size and in this pixel format, and what it is given.

    Raises:
        StageError: BAD_INPUT for a crop outside the picture; ENCODER when none works.
    """

    def trial(ready: EncoderConfig, memory: TrialMemory | None) -> Trial:
        form = _form(film, picture, ready, asked)
        return try_encoder(ready, form.width, form.height, room.cores, asked.tier, memory=memory)

    config, told = settle(EncoderConfig(**asked.encoder), picture.pix_fmt, asked.tier, asked.trials, trial)
    form = _form(film, picture, config, asked)
    given = _full_colour(picture.pix_fmt) if form.inside else picture.pix_fmt
    filters, colour, said = conversion(
        picture.colour, given, config.pix_fmt, asked.tone_map,
        size=(picture.width, picture.height), light=picture.light,
    )  # fmt: skip
    light = None if colour != picture.colour and asked.tone_map == "sdr" else picture.light
    extra, dropped = hdr_options(config.codec, light, ffmpeg_binary().major)
    config = replace(config, options={**extra, **config.options})
    return _Chosen(config, form, tuple(filters), colour, (*told, *form.notes, *said, *dropped))


def _full_colour(pix_fmt: str) -> str:
    """The planar format of the same depth whose colour has full resolution."""
    depth = pixel_format(pix_fmt).depth
    return "yuv444p" if depth == 8 else f"yuv444p{depth}le"


def _form(film: Film, picture: Picture, config: EncoderConfig, asked: SurveyFilmSettings) -> Shape:
    even = sides_of(config.pix_fmt, adapter(config.name).family) if asked.odd_size == "pad" else (1, 1)
    try:
        return shape(
            picture.width, picture.height, rotation=picture.rotation, crop=asked.crop, scale=asked.scale, even=even,
            filled_in=_full_colour(picture.pix_fmt),
        )  # fmt: skip
    except ValueError as error:
        raise StageError(Failure.BAD_INPUT, f"{film.path.name}: {error}; name a part inside of it") from error
