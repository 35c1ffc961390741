"""Flat patches of known numbers as small lossless films, the encode of a film through our colour, and what came out."""

from __future__ import annotations

import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import av
import numpy as np
import pytest

from stages.media.color import Colour, colour_of, conversion, output_options
from stages.media.encoders.arguments import video_options
from stages.media.encoders.carry import own_config
from stages.media.ffmpeg import ffmpeg_binary
from stages.media.hdr import Light, light_of

SIDE = 32  # of a patch, pixels
RGB = [(0, 0, 0), (1, 1, 1), (1, 0, 0), (0, 1, 0), (0, 0, 1), (0.5, 0.5, 0.5), (0.9, 0.2, 0.6), (0.1, 0.7, 0.8)]
MATRICES = {"smpte170m": (0.299, 0.114), "bt709": (0.2126, 0.0722), "bt2020nc": (0.2627, 0.0593)}
PQ = Colour("bt2020nc", "tv", "smpte2084", "bt2020")
HLG = Colour("bt2020nc", "tv", "arib-std-b67", "bt2020")
SDR = Colour("bt709", "tv", "bt709", "bt709")
DISPLAY = "G(13250,34500)B(7500,3000)R(34000,16000)WP(15635,16450)L(10000000,50)"
CONTENT = "max-cll=1000,400"
LIGHT = Light((0.68, 0.32, 0.265, 0.69, 0.15, 0.06, 0.3127, 0.329), (0.005, 1000.0), 1000, 400)
LOSSLESS = {
    "x264": {"options": {"qp": "0"}, "preset": "ultrafast", "tune": None, "quality": None},
    "x265": {"options": {"x265-params": "lossless=1:log-level=error"}, "preset": "ultrafast", "quality": None},
    "svtav1": {"preset": "11", "quality": 1.0},
}


class Patches(NamedTuple):
    """What was decoded: colour, pixel format, HDR metadata, and one Y, U, V for each patch."""

    colour: Colour
    pix_fmt: str
    light: Light | None
    values: np.ndarray


def ffmpeg(*words: object, feed: bytes | None = None) -> str:
    """Run FFmpeg; what it said."""
    command = [str(ffmpeg_binary().path), "-hide_banner", "-nostdin", "-v", "warning", "-y", *map(str, words)]
    if feed is not None:
        command.remove("-nostdin")
    done = subprocess.run(command, input=feed, capture_output=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr.decode()
    return done.stderr.decode()


def yuv_of(rgb: Sequence[tuple[float, float, float]], matrix: str, range_: str, depth: int) -> np.ndarray:
    """The definition (ITU-R BT.601, 709, 2020): R'G'B' of 0..1 → whole numbers Y, U, V, a row for each."""
    red_weight, blue_weight = MATRICES[matrix]
    red, green, blue = np.array(rgb, float).T
    luma = red_weight * red + (1 - red_weight - blue_weight) * green + blue_weight * blue
    chroma = [(blue - luma) / (2 - 2 * blue_weight), (red - luma) / (2 - 2 * red_weight)]
    if range_ == "tv":
        step = 2 ** (depth - 8)
        planes = [16 * step + 219 * step * luma, *(128 * step + 224 * step * one for one in chroma)]
    else:
        most = 2**depth - 1
        planes = [most * luma, *(2 ** (depth - 1) + most * one for one in chroma)]
    return np.clip(np.rint(np.array(planes).T), 0, 2**depth - 1).astype(int)


def film(path: Path, values: np.ndarray, colour: Colour, pix_fmt: str = "yuv420p", *extra: str) -> Path:
    """Three frames of patches, coded without loss (x264); tags are written as told, untold ones not at all."""
    kind = np.uint16 if "10" in pix_fmt else np.uint8
    planes = []
    for index, column in enumerate(values.T):
        side = SIDE // 2 if index and "420" in pix_fmt else SIDE
        planes.append(np.repeat(np.repeat(column[None, :], side, 0), side, 1).astype(kind).tobytes())
    size = f"{SIDE * len(values)}x{SIDE}"
    told = {"range": colour.range, "colorspace": colour.matrix, "color_trc": colour.transfer}
    told |= {"color_primaries": colour.primaries, "chroma_location": colour.location}
    tags = ":".join(f"{name}={value or 'unknown'}" for name, value in told.items())
    ffmpeg(
        "-f", "rawvideo", "-pix_fmt", pix_fmt, "-s", size, "-r", 25, "-i", "pipe:0", "-vf", f"setparams={tags}",
        "-c:v", "libx264", "-qp", 0, "-preset", "ultrafast", *extra, path, feed=b"".join(planes) * 3,
    )  # fmt: skip
    return path


def hdr_film(path: Path, display: str, content: str, transfer: str = "smpte2084") -> Path:
    """Moving HDR footage with HDR10 metadata in x265's own words."""
    tags = f"setparams=range=tv:colorspace=bt2020nc:color_primaries=bt2020:color_trc={transfer}"
    told = ":".join(filter(None, ["log-level=error", display and f"master-display={display}", content]))
    ffmpeg(
        "-f", "lavfi", "-i", "testsrc2=s=256x144:r=25:d=0.2", "-vf", f"format=yuv420p10le,{tags}",
        "-c:v", "libx265", "-preset", "ultrafast", "-x265-params", told, path,
    )  # fmt: skip
    return path


def patches(path: Path) -> Patches:
    """The first frame of a film of patches: the median of the middle of each patch."""
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        frame = next(container.decode(stream))
        kind = np.uint16 if frame.format.components[0].bits > 8 else np.uint8
        columns = []
        for plane in frame.planes[:3]:
            rows = np.frombuffer(plane, kind).reshape(plane.height, -1)[:, : plane.width]
            side = SIDE * plane.width // frame.width
            high = SIDE * plane.height // frame.height
            inner = rows[high // 4 : -high // 4].astype(int)
            columns.append(
                [np.median(inner[:, at + side // 4 : at + side - side // 4]) for at in range(0, plane.width, side)]
            )
        return Patches(colour_of(frame, stream.codec_context), frame.format.name, light_of(frame), np.array(columns).T)


def encoded(
    source: Path, piece: Path, name: str, pix_fmt: str, tone_map: str = "off", more: Mapping[str, str] | None = None
) -> tuple[Colour, list[str]]:
    """One piece as the transcode encodes it; the colour it must have, and our notes."""
    found = patches(source)
    light = found.light
    chain, target, notes = conversion(found.colour, found.pix_fmt, pix_fmt, tone_map, light=light)
    config = replace(own_config(name), pix_fmt=pix_fmt, **LOSSLESS[name])
    config = replace(config, options={**config.options, **(more or {})})
    options = video_options(config, 2, "fast") | output_options(target)
    words = [word for option, value in options.items() for word in (f"-{option}", value)]
    filters = ["-filter:v", ",".join(chain)] if chain else []
    ffmpeg(
        "-noautorotate", "-copyts", "-i", source, "-map", "0:v:0", *filters, *words,
        "-fps_mode", "passthrough", "-enc_time_base", "demux", piece,
    )  # fmt: skip
    return target, notes


def copied(piece: Path, target: Path) -> Path:
    """The packets of a piece in another file, stream parameters taken over as they are."""
    with av.open(str(piece)) as source, av.open(str(target), "w") as output:
        stream = output.add_stream_from_template(source.streams.video[0], opaque=True)
        for packet in source.demux(video=0):
            if packet.dts is not None:
                packet.stream = stream
                output.mux(packet)
    return target


def first_light(path: Path) -> Light | None:
    with av.open(str(path)) as container:
        return light_of(next(container.decode(video=0)))


def same_light(one: Light | None, other: Light) -> bool:
    """AV1 writes coordinates in 1/65536 and light in 1/256 and 1/16384 cd/m²."""
    if one is None or (one.max_cll, one.max_fall, one.dynamic) != (other.max_cll, other.max_fall, other.dynamic):
        return False
    pairs = zip(one.primaries + one.luminance, other.primaries + other.luminance, strict=True)
    return all(mine == pytest.approx(told, abs=6e-5, rel=1e-5) for mine, told in pairs)
