"""Crop, scale, fill to an even size and turn upright: as filters, with what must be known to compare the result."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from fractions import Fraction

from stages.settings import Problem

_SCALE = re.compile(r"^(\d*)x(\d*)$")
_CROP = re.compile(r"^(\d+):(\d+):(\d+):(\d+)$")
_LARGEST = 16384
_Box = tuple[int, int, int, int]


@dataclass(frozen=True, slots=True)
class Shape:
    """What filters make of a picture.

    Attributes:
        filters: FFmpeg's filters, in order.
        width: pixels that are encoded.
        height: pixels that are encoded.
        crop: part of the source that is shown, x, y, width, height; None for all of it.
        inside: part of the result that shows the source, x, y, width, height; None for all of it.
        notes: sentences.
        upright: FFmpeg has to turn the picture before the filters, so that no player has to.
    """

    filters: tuple[str, ...]
    width: int
    height: int
    crop: _Box | None = None
    inside: _Box | None = None
    notes: tuple[str, ...] = ()
    upright: bool = False


def shape_problems(crop: str, scale: str, key: str) -> list[Problem]:
    """What is wrong with the words for crop and scale, before any film is known."""
    found = []
    if crop and not _CROP.match(crop):
        found.append(Problem(f"{key}.crop", f"{crop!r} is no crop", "write width:height:x:y, such as 1920:800:0:140"))
    elif crop and 0 in _numbers(crop)[:2]:
        found.append(Problem(f"{key}.crop", f"{crop!r} leaves no picture", "use a width and height of 1 or more"))
    sides = _sides(scale)
    if scale and sides is None:
        found.append(Problem(f"{key}.scale", f"{scale!r} is no size", "write 1280x720 (fits into it), x720 or 1280x"))
    elif sides and any(side is not None and not 1 <= side <= _LARGEST for side in sides):
        found.append(Problem(f"{key}.scale", f"{scale!r} is no size that is encoded", f"use 1 to {_LARGEST} pixels"))
    return found


def shape(
    width: int, height: int, *, rotation: int = 0, crop: str = "", scale: str = "", even: tuple[int, int] = (1, 1),
    filled_in: str = "yuv444p",
) -> Shape:  # fmt: skip
    """The filters from a coded picture to the encoded one.

    A film that players turn is turned before it is cropped or scaled: both are meant as one sees it. Pixels keep their
    aspect, so the stored shape is what is kept.

    Args:
        width: as coded.
        height: as coded.
        rotation: degrees counter-clockwise that players turn it by.
        crop: `width:height:x:y`, as seen; "" for none.
        scale: `1280x720` (fits inside), `x720`, `1280x`; "" for none.
        even: what width and height must be divisible by.
        filled_in: pixel format that a line is added in: one whose colour has full resolution, since FFmpeg's `pad` cuts
            an odd side of any other.

    Raises:
        ValueError: when the crop does not lie in the picture; the text says so.
    """
    filters: list[str] = []
    notes: list[str] = []
    upright = bool(rotation % 360) and bool(crop or scale)
    if upright:
        notes.append("turned upright, as crop and scale are meant as one sees it")
        width, height = (height, width) if rotation % 180 else (width, height)
    part = _cropped(crop, width, height)
    if part:
        left, top, width, height = part
        filters.append(f"crop={width}:{height}:{left}:{top}:exact=1")
    if scale:
        width, height = _fitted(scale, width, height, even)
        filters.append(f"scale={width}:{height}:flags=lanczos")
    wide, high = (math.ceil(side / step) * step for side, step in zip((width, height), even, strict=True))
    inside = None
    if (wide, high) != (width, height):
        filters += [
            f"format={filled_in}",
            f"pad={wide}:{high}:0:0",
            f"fillborders=right={wide - width}:bottom={high - height}:mode=smear",
        ]
        notes.append(f"{width}×{height} has an odd side: filled up to {wide}×{high} with its last line")
        inside = (0, 0, width, height)
    return Shape(tuple(filters), wide, high, part, inside, tuple(notes), upright)


def _numbers(crop: str) -> tuple[int, ...]:
    return tuple(map(int, crop.split(":")))


def _sides(scale: str) -> tuple[int | None, int | None] | None:
    match = _SCALE.match(scale)
    if match is None or not (match[1] or match[2]):
        return None
    return (int(match[1]) if match[1] else None, int(match[2]) if match[2] else None)


def _cropped(crop: str, width: int, height: int) -> _Box | None:
    if not crop:
        return None
    wide, high, left, top = _numbers(crop)
    if left + wide > width or top + high > height:
        raise ValueError(f"video.crop={crop} does not lie in its {width}×{height} pixels")
    return left, top, wide, high


def _fitted(scale: str, width: int, height: int, even: tuple[int, int]) -> tuple[int, int]:
    """The largest size of this shape inside the box."""
    sides = _sides(scale)
    assert sides is not None
    factor = min(Fraction(side, own) for side, own in zip(sides, (width, height), strict=True) if side is not None)
    across, down = (
        max(step, round(own * factor / step) * step) for own, step in zip((width, height), even, strict=True)
    )
    return across, down
