"""From HDR (PQ, HLG) to SDR: light in cd/m², made to fit BT.709."""

from __future__ import annotations

from collections.abc import Collection
from typing import TYPE_CHECKING

from stages.contract import Failure, StageError
from stages.media.hdr import Light

if TYPE_CHECKING:
    from stages.media.color import Colour

# White of a page in HDR (ITU-R BT.2408), which becomes the 1.0 of the curve.
REFERENCE_WHITE = 203
# What most HDR is graded for, and the display that HLG is defined on (BT.2100).
ASSUMED_PEAK = 1000
# Leaves colours up to 0.3 of white as they are and bends what is brighter; Hable's curve darkens all of it.
_CURVE = "tonemap=mobius:param=0.3:desat=0"
# FFmpeg gives zscale slices of the picture, and each slice takes its edge for the edge of the picture: colour of half
# resolution is then wrong in some lines. One thread sees all of it.
_ONE = "threads=1"
_NEEDED = ("zscale", "tonemap", "sidedata")
_MATRICES = {"gbr", "bt709", "fcc", "bt470bg", "smpte170m", "ycgco", "bt2020nc", "bt2020c", "ictcp"}
_PLANAR = {"nv12": "yuv420p", "nv16": "yuv422p", "p010le": "yuv420p10le", "p210le": "yuv422p10le"}
# The brightness of the HDR master says nothing about the SDR picture, and FFmpeg would hand it on to the encoder.
_STATIC = ("MASTERING_DISPLAY_METADATA", "CONTENT_LIGHT_LEVEL")
_DOLBY = ("DOVI_METADATA", "DOVI_RPU_BUFFER")


def to_sdr(source: Colour, target_pix_fmt: str, light: Light | None, filters: Collection[str]) -> tuple[list[str], str]:
    """Filters that give BT.709 in tv range, and a sentence that says how.

    Args:
        source: PQ or HLG, with nothing untold.
        target_pix_fmt: of the result.
        light: HDR metadata of the source, which may tell how bright it gets.
        filters: names of the filters that FFmpeg has.

    Raises:
        StageError: ENCODER, when FFmpeg lacks a filter; BAD_INPUT for a matrix that cannot be undone.
    """
    _refuse(source.matrix, filters)
    peak, told = _peak(source.transfer, light)
    planar = _PLANAR.get(target_pix_fmt, target_pix_fmt)
    given = f"matrixin={source.matrix}:rangein={source.range}"
    light_in = f"transferin={source.transfer}:primariesin={source.primaries}"
    chain = [
        f"zscale={given}:{light_in}:transfer=linear:npl={REFERENCE_WHITE}:{_ONE}",
        "format=gbrpf32le",
        "zscale=primaries=bt709",
        f"tonemap={_CURVE}:peak={max(peak, REFERENCE_WHITE) / REFERENCE_WHITE:.4f}",
        f"zscale=transfer=bt709:matrix=bt709:primaries=bt709:range=tv:dither=ordered:{_ONE}",
        f"format={planar}",
        *(f"sidedata=mode=delete:type={kind}" for kind in _gone(light)),
    ]
    if planar != target_pix_fmt:
        chain.append(f"format={target_pix_fmt}")
    note = f"HDR was tone-mapped to SDR (BT.709) by zscale and tonemap=mobius, for a peak of {peak:g} cd/m² ({told})"
    return chain, note


def _refuse(matrix: str, filters: Collection[str]) -> None:
    missing = [name for name in _NEEDED if name not in filters]
    if missing:
        raise StageError(
            Failure.ENCODER,
            f"tone-mapping to SDR needs the filter {missing[0]}, which this FFmpeg lacks; unset REELTUNE_FFMPEG, "
            "or do not tone-map",
        )
    if matrix not in _MATRICES:
        raise StageError(
            Failure.BAD_INPUT, f"a picture in the colour matrix {matrix} cannot be tone-mapped to SDR; do not tone-map"
        )


def _gone(light: Light | None) -> tuple[str, ...]:
    dolby = light is not None and "Dolby Vision" in light.dynamic
    return (*_STATIC, *_DOLBY) if dolby else _STATIC


def _peak(transfer: str, light: Light | None) -> tuple[float, str]:
    """The brightest light to make room for, cd/m², and where that comes from."""
    if transfer == "arib-std-b67":
        return ASSUMED_PEAK, "that of HLG"
    if light is not None and light.max_cll:
        return float(light.max_cll), "its MaxCLL"
    if light is not None and light.luminance:
        return light.luminance[1], "its mastering display"
    return ASSUMED_PEAK, "assumed: the source does not tell"
