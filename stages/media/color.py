"""Colour: what a picture's numbers mean. Carried as it is, converted only where the pixel format must change.

FFmpeg settles matrix and range between its filters and the encoder and converts pictures to agree without a word.
So what is told to the encoder is exactly what the frames hold, and each conversion names both of its sides.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from stages.media.ffmpeg import ffmpeg_binary
from stages.media.hdr import Light
from stages.media.pixel_format import PixelFormat, pixel_format
from stages.media.tonemap import to_sdr

if TYPE_CHECKING:
    from av import VideoFrame

# Numbers of ITU-T H.273, which every codec writes → FFmpeg's names; 2 is "not told". Matrix 0 (`gbr`) is told by the
# pixel format: broken files have it on YUV, where FFmpeg refuses it as an option.
_MATRIX = {
    1: "bt709", 4: "fcc", 5: "bt470bg", 6: "smpte170m", 7: "smpte240m", 8: "ycgco", 9: "bt2020nc",
    10: "bt2020c", 11: "smpte2085", 12: "chroma-derived-nc", 13: "chroma-derived-c", 14: "ictcp", 15: "ipt-c2",
    16: "ycgco-re", 17: "ycgco-ro",
}  # fmt: skip
_TRANSFER = {
    1: "bt709", 4: "bt470m", 5: "bt470bg", 6: "smpte170m", 7: "smpte240m", 8: "linear", 9: "log100", 10: "log316",
    11: "iec61966-2-4", 12: "bt1361e", 13: "iec61966-2-1", 14: "bt2020-10", 15: "bt2020-12", 16: "smpte2084",
    17: "smpte428", 18: "arib-std-b67",
}  # fmt: skip
_PRIMARIES = {
    1: "bt709", 4: "bt470m", 5: "bt470bg", 6: "smpte170m", 7: "smpte240m", 8: "film", 9: "bt2020", 10: "smpte428",
    11: "smpte431", 12: "smpte432", 22: "ebu3213",
}  # fmt: skip
_RANGE = {1: "tv", 2: "pc"}
_HDR = {"smpte2084": "PQ", "arib-std-b67": "HLG"}
# The matrices that FFmpeg's `scale` has numbers for; between others it changes no matrix, so none is named.
_SCALE = {"bt709", "fcc", "bt470bg", "smpte170m", "smpte240m", "bt2020nc"}
_FLAGS = "bicubic+accurate_rnd+full_chroma_int+full_chroma_inp"
TONE_MAPS = ("off", "sdr")


@dataclass(frozen=True, slots=True)
class Colour:
    """What the numbers of a picture mean, in FFmpeg's names; "" where nobody told.

    Attributes:
        matrix: from RGB to YUV (`bt709`); `gbr` for RGB itself.
        range: `tv` (black is 16 at 8 bit) or `pc` (black is 0).
        transfer: from light to signal (`bt709`, `smpte2084` for PQ, `arib-std-b67` for HLG).
        primaries: which red, green and blue (`bt2020`).
        location: where colour samples lie (`left`, `topleft`). FFmpeg hands it on by itself when nothing is told here.
    """

    matrix: str = ""
    range: str = ""
    transfer: str = ""
    primaries: str = ""
    location: str = ""


def colour_of(frame: VideoFrame, context: Any = None) -> Colour:
    """The colour of a decoded frame.

    Args:
        frame: as PyAV decoded it.
        context: codec context of its stream, which knows what only the container tells.
    """
    sides = [frame] if context is None else [frame, context]
    shape = frame.format
    rgb = bool(shape.is_rgb or shape.has_palette)
    full = rgb or shape.name.startswith("yuvj")
    return Colour(
        matrix="gbr" if rgb else _told(_MATRIX, sides, "colorspace"),
        range="pc" if full else _told(_RANGE, sides, "color_range"),
        transfer=_told(_TRANSFER, sides, "color_trc"),
        primaries=_told(_PRIMARIES, sides, "color_primaries"),
    )


def _told(names: dict[int, str], sides: list[Any], field: str) -> str:
    return next((names[number] for number in (int(getattr(side, field)) for side in sides) if number in names), "")


def is_hdr(colour: Colour) -> bool:
    """Whether it is PQ or HLG."""
    return colour.transfer in _HDR


def assumed(colour: Colour, width: int, height: int) -> Colour:
    """The colour with what is not told filled in as players do: BT.601 up to 576 lines, BT.709 above, tv range.

    Args:
        colour: what is told.
        width: of the coded picture, pixels.
        height: of the coded picture, pixels. 0 by 0 counts as HD.
    """
    if is_hdr(colour) or colour.primaries == "bt2020":
        known = Colour("bt2020nc", "tv", "bt2020-10", "bt2020")
    elif (width, height) == (0, 0) or width >= 1280 or height > 576:
        known = Colour("bt709", "tv", "bt709", "bt709")
    else:
        system = "bt470bg" if height == 576 else "smpte170m"
        known = Colour(system, "tv", "smpte170m", system)
    return Colour(
        colour.matrix or known.matrix, colour.range or known.range, colour.transfer or known.transfer,
        colour.primaries or known.primaries, colour.location,
    )  # fmt: skip


def output_options(colour: Colour) -> dict[str, str]:
    """FFmpeg's output options that write the tags. What is not told stays untold, but for the range.

    A range that nobody told may be written as `tv` by FFmpeg itself, which is what every player takes it for.
    """
    options = {
        "colorspace": colour.matrix,
        "color_range": colour.range,
        "color_trc": colour.transfer,
        "color_primaries": colour.primaries,
        "chroma_sample_location": colour.location,
    }
    return {name: value for name, value in options.items() if value}


def conversion(
    source: Colour,
    source_pix_fmt: str,
    target_pix_fmt: str,
    tone_map: str = "off",
    *,
    size: tuple[int, int] = (0, 0),
    light: Light | None = None,
    filters: Collection[str] | None = None,
) -> tuple[list[str], Colour, list[str]]:
    """The filters that bring frames to the pixel format that is encoded, at the end of all others; often none.

    Args:
        source: colour of the decoded frames.
        source_pix_fmt: their pixel format.
        target_pix_fmt: what the encoder gets, never `auto`.
        tone_map: `off`, or `sdr`: HDR becomes BT.709 in tv range.
        size: width and height of the source, pixels, on which hangs what is assumed of RGB and of untold colour;
            (0, 0) counts as HD.
        light: HDR metadata of the source.
        filters: names of the filters that FFmpeg has; None: those of the FFmpeg that is used.

    Returns:
        filters in order, the colour of what they give, and sentences on what was assumed or may be seen.

    Raises:
        StageError: ENCODER, when FFmpeg lacks a filter; BAD_INPUT for a colour that cannot be tone-mapped.
        ValueError: a pixel format or a `tone_map` that is none.
    """
    if tone_map not in TONE_MAPS:
        raise ValueError(f"tone_map={tone_map!r} is none of {', '.join(TONE_MAPS)}")
    known = ffmpeg_binary().filters if filters is None else filters
    if tone_map == "sdr" and is_hdr(source):
        chain, note = to_sdr(assumed(source, *size), target_pix_fmt, light, known)
        return chain, Colour("bt709", "tv", "bt709", "bt709", source.location), [note]
    notes = [_nothing_to_map(source)] if tone_map == "sdr" else []
    if is_hdr(source) and pixel_format(target_pix_fmt).depth < 10:
        notes.append(_banding(source, target_pix_fmt))
    if source_pix_fmt == target_pix_fmt:
        return [], source, notes
    before, after = pixel_format(source_pix_fmt), pixel_format(target_pix_fmt)
    target, said = as_coded(source, source_pix_fmt, target_pix_fmt, size)
    notes += said
    if "zscale" in known and _depth_alone(before, after):
        first = f"zscale=rangein={source.range or 'tv'}:range={source.range or 'tv'}:dither=ordered"
    else:
        first = _scale(source, target)
    return [first, f"format={target_pix_fmt}", _tags(target)], target, notes


def as_coded(
    source: Colour, source_pix_fmt: str, target_pix_fmt: str, size: tuple[int, int]
) -> tuple[Colour, list[str]]:
    """The colour of a picture in the pixel format that is encoded, and what is assumed: RGB becomes YUV, in tv range.

    Arguments as for `conversion`.
    """
    if not pixel_format(source_pix_fmt).rgb or pixel_format(target_pix_fmt).rgb:
        return source, []
    target = replace(source, matrix=assumed(replace(source, matrix=""), *size).matrix, range="tv")
    return target, [f"RGB is converted to YUV by the matrix {target.matrix}, in tv range"]


def _depth_alone(before: PixelFormat, after: PixelFormat) -> bool:
    """Nothing but bits is changed. Then colour samples stay where they are, which `scale` moves to the left."""
    same = (before.across, before.down) == (after.across, after.down) and not before.rgb and not before.alpha
    return same and before.depth != after.depth and before.planar and after.planar


def _scale(source: Colour, target: Colour) -> str:
    """A change of layout, with both sides named."""
    given = {
        "in_color_matrix": source.matrix if source.matrix in _SCALE else "",
        "out_color_matrix": target.matrix if target.matrix in _SCALE else "",
        "in_range": source.range or "tv",
        "out_range": target.range or "tv",
        "interl": "-1",  # lines of two fields are not mixed when colour is halved
        "flags": _FLAGS,
    }
    return "scale=" + ":".join(f"{name}={value}" for name, value in given.items() if value)


def _tags(colour: Colour) -> str:
    """Sets the tags again after a conversion: `scale` knows only one of the names of BT.601."""
    told = {
        "range": colour.range,
        "colorspace": colour.matrix,
        "color_trc": colour.transfer,
        "color_primaries": colour.primaries,
    }
    return "setparams=" + ":".join(f"{name}={value or 'unknown'}" for name, value in told.items())


def _nothing_to_map(source: Colour) -> str:
    told = f"its transfer is {source.transfer}" if source.transfer else "no transfer is told"
    return f"nothing to tone-map: the source is not HDR ({told})"


def _banding(source: Colour, target_pix_fmt: str) -> str:
    name = _HDR[source.transfer]
    return f"HDR ({name}) in {target_pix_fmt} has 8 bit and may show bands; use 10 bit, or tone-map it to SDR"
