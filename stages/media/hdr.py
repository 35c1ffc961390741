"""HDR metadata of a frame: how bright the master is, kept for every player after; and what cannot be kept."""

from __future__ import annotations

import struct
from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from av import VideoFrame

# FFmpeg's own names of side data → what people call it.
_DYNAMIC = {
    "DOVI_METADATA": "Dolby Vision", "DOVI_RPU_BUFFER": "Dolby Vision", "DYNAMIC_HDR_PLUS": "HDR10+",
    "DYNAMIC_HDR_VIVID": "HDR Vivid",
}  # fmt: skip
# From this FFmpeg on, x264, x265 and SVT-AV1 take HDR10 metadata from the frames by themselves (a test holds that).
_CARRIES = 8
_DOLBY = ("libx265", "libsvtav1")


@dataclass(frozen=True, slots=True)
class Light:
    """HDR metadata of a film.

    Attributes:
        primaries: of the mastering display: x and y of red, green, blue and white (8 numbers, CIE 1931); () untold.
        luminance: of the mastering display: darkest and brightest, cd/m²; () untold.
        max_cll: brightest pixel of the film, cd/m²; 0 untold.
        max_fall: brightest frame on average, cd/m²; 0 untold.
        dynamic: metadata that changes by scene: `Dolby Vision`, `HDR10+`, `HDR Vivid`.
    """

    primaries: tuple[float, ...] = ()
    luminance: tuple[float, ...] = ()
    max_cll: int = 0
    max_fall: int = 0
    dynamic: tuple[str, ...] = ()


def light_of(frame: VideoFrame) -> Light | None:
    """What a decoded frame tells; None when it tells nothing. Ask the first frame: it speaks for the film."""
    sides: Iterable[Any] = frame.side_data  # its own types say a mapping, which it is not when gone through
    data = {side.type.name: bytes(side) for side in sides}
    dynamic = tuple(dict.fromkeys(_DYNAMIC[name] for name in data if name in _DYNAMIC))
    primaries, luminance = _mastering(data.get("MASTERING_DISPLAY_METADATA"))
    cll, fall = struct.unpack_from("=2I", data.get("CONTENT_LIGHT_LEVEL", bytes(8)))
    found = Light(primaries, luminance, cll, fall, dynamic)
    return found if found != Light() else None


def _mastering(data: bytes | None) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """AVMasteringDisplayMetadata: ten fractions (red, green, blue, white as x y; min, max), then which of them hold."""
    if data is None:
        return (), ()
    numbers = struct.unpack_from("=22i", data)
    values = tuple(top / bottom if bottom else 0.0 for top, bottom in zip(numbers[:20:2], numbers[1:20:2], strict=True))
    return (values[:8] if numbers[20] else ()), (values[8:] if numbers[21] else ())


def hdr_options(
    codec: str, light: Light | None, ffmpeg_major: int, *, explicit: bool = False
) -> tuple[dict[str, str], list[str]]:
    """Further options of the encoder that keep HDR metadata, for `encoder.options`, and what is lost all the same.

    Args:
        codec: FFmpeg's name of the encoder.
        light: of the source; None: nothing to keep.
        ffmpeg_major: first number of FFmpeg's version; 0: built from development sources, taken for new.
        explicit: frames were made and carry no metadata, so that the encoder must be told in words of its own.
    """
    if light is None:
        return {}, []
    if explicit:
        return _told(codec, light)
    by_itself = ffmpeg_major == 0 or ffmpeg_major >= _CARRIES
    options: dict[str, str] = {}
    notes = _left(light)
    if not by_itself:
        options = _static(codec, light)
    elif "Dolby Vision" in light.dynamic and codec in _DOLBY:
        options = {"dolbyvision": "0"}  # else it is tried, and x265 refuses to begin without a maxrate
    if not by_itself and not options and (light.luminance or light.max_cll):
        notes.append(f"{codec} of this FFmpeg writes no HDR10 metadata; unset REELTUNE_FFMPEG to keep it")
    return options, notes


def _left(light: Light) -> list[str]:
    return [f"{name} metadata is not kept: only the HDR beneath it is" for name in light.dynamic]


def _told(codec: str, light: Light) -> tuple[dict[str, str], list[str]]:
    """What an encoder is told of frames that carry no metadata."""
    options = _static(codec, light)
    if codec == "libx264":
        options = _named("x264-params", "mastering-display", "cll", _display(light, 50_000, 10_000), light)
    if not options and (light.luminance or light.max_cll):
        return {}, [*_left(light), f"{codec} writes no HDR10 metadata into its pictures: only the container tells it"]
    return options, _left(light)


def _static(codec: str, light: Light) -> dict[str, str]:
    """HDR10 metadata in the words of an encoder; {} for one that has none."""
    if codec == "libx265":
        return _named("x265-params", "master-display", "max-cll", _display(light, 50_000, 10_000), light)
    if codec == "libsvtav1":
        return _named("svtav1-params", "mastering-display", "content-light", _display(light, 1, 1), light)
    return {}


def _named(params: str, display: str, content: str, mastering: str, light: Light) -> dict[str, str]:
    values = {f"{params}:{display}": mastering}
    if light.max_cll or light.max_fall:
        values[f"{params}:{content}"] = f"{light.max_cll},{light.max_fall}"
    return {name: value for name, value in values.items() if value}


def _display(light: Light, places: int, steps: int) -> str:
    """`G(x,y)B(x,y)R(x,y)WP(x,y)L(max,min)`, in `places` of a coordinate and `steps` of a cd/m²."""
    if not light.primaries or not light.luminance:
        return ""
    red, green, blue, white = (
        ",".join(_number(value * places) for value in light.primaries[at : at + 2]) for at in (0, 2, 4, 6)
    )
    darkest, brightest = (_number(value * steps) for value in light.luminance)
    return f"G({green})B({blue})R({red})WP({white})L({brightest},{darkest})"


def _number(value: float) -> str:
    return f"{round(value, 5):g}" if abs(value) < 1000 and value != round(value) else f"{round(value)}"
