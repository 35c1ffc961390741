"""HDR10 metadata in the header of an MP4 file, where players and copies look for it before a picture is decoded.

FFmpeg's muxer writes it for what the program encodes, but PyAV has no way to tell it: so the two boxes are put in
afterwards (ISO/IEC 14496-12, 12.1.5 and 12.1.6; the layout of `mdcv` and `clli` is that of 23001-8 and CTA 861.3).
"""

from __future__ import annotations

import struct
from pathlib import Path

from stages.contract import Failure, StageError
from stages.media.hdr import Light
from stages.media.mp4 import outer_boxes

_PATH = (b"trak", b"mdia", b"minf", b"stbl", b"stsd")
_GREEN_BLUE_RED_WHITE = (2, 4, 0, 6)  # where their x lies in `Light.primaries`
_COORDINATE, _CANDELA = 50_000, 10_000  # units of a coordinate, and of cd/m²


def light_boxes(light: Light) -> bytes:
    """The boxes `mdcv` and `clli`, as far as the metadata tells them; b"" for none."""
    boxes = b""
    if light.primaries and light.luminance:
        places = [light.primaries[at + axis] for at in _GREEN_BLUE_RED_WHITE for axis in (0, 1)]
        darkest, brightest = (round(value * _CANDELA) for value in light.luminance)
        body = struct.pack(">8H2I", *(round(place * _COORDINATE) for place in places), brightest, darkest)
        boxes += _box(b"mdcv", body)
    if light.max_cll or light.max_fall:
        boxes += _box(b"clli", struct.pack(">2H", light.max_cll, light.max_fall))
    return boxes


def _box(name: bytes, body: bytes) -> bytes:
    return struct.pack(">I4s", 8 + len(body), name) + body


def add_light(path: Path, light: Light) -> None:
    """Put the boxes into the sample entry of the only track of a closed file whose index comes last.

    Raises:
        StageError: ENCODER when the file is laid out otherwise; BAD_INPUT when it is cut off.
        OSError: it cannot be written.
    """
    boxes, last = light_boxes(light), outer_boxes(path)[-1]
    if not boxes:
        return
    if last.name != "moov":
        raise StageError(Failure.ENCODER, f"{path.name}: its index is not at its end, so HDR metadata cannot be added")
    with path.open("r+b") as file:
        file.seek(last.start)
        moov = bytearray(file.read(last.size))
        _grow(moov, boxes, path)
        file.seek(last.start)  # behind all pictures: nothing that the index points to is moved
        file.write(moov)


def _grow(moov: bytearray, boxes: bytes, path: Path) -> None:
    """Append boxes to the first sample entry, and tell all the boxes around it that they are longer."""
    around = [0]
    for name in _PATH:
        around.append(_child(moov, around[-1], name, path))
    around.append(around[-1] + 16)  # the entry, after version, flags and their count
    end = around[-1] + _size(moov, around[-1])
    for at in around:
        struct.pack_into(">I", moov, at, _size(moov, at) + len(boxes))
    moov[end:end] = boxes


def _child(data: bytearray, parent: int, name: bytes, path: Path) -> int:
    at, end = parent + 8, parent + _size(data, parent)
    while at + 8 <= end:
        if data[at + 4 : at + 8] == name:
            return at
        at += max(8, _size(data, at))
    raise StageError(Failure.ENCODER, f"{path.name}: its index holds no {name.decode()!r}")


def _size(data: bytearray, at: int) -> int:
    return int(struct.unpack_from(">I", data, at)[0])
