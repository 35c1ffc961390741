"""The same zooms by FFmpeg's filter `zoompan`, which moves by whole pixels of its source and shakes: for comparison."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace

from stages.scene.motion import STILL, ZOOMS
from stages.scene.shots import Shot


@dataclass(frozen=True, slots=True)
class ZoomPan:
    """What FFmpeg is fed, and what it makes the frames with.

    Attributes:
        name: `affine`: the frames are fed as they are. `zoompan`: the filter makes them of one.
        frames: raw frames.
        size: width and height of what is fed, pixels.
        filters: FFmpeg's filters, in order.
    """

    name: str
    frames: Iterable[memoryview]
    size: tuple[int, int]
    filters: tuple[str, ...]


def zoompan(taken: Shot) -> ZoomPan | None:
    """A zoom by the filter, from the still at the frame's own size; None for a pan."""
    if taken.camera.motion not in (*ZOOMS, STILL):
        return None
    assert taken.camera.fixed is not None
    views, count, (width, height) = taken.camera.views, taken.count, taken.size
    zooms = views[:, 2].max() / views[[0, -1], 2]
    step = (zooms[1] - zooms[0]) / max(1, count - 1)
    widest = replace(taken.camera, views=views[[int(views[:, 2].argmax())]])
    still = replace(taken, camera=widest)
    corner = [f"{side}='{fixed}*(1-1/zoom)'" for side, fixed in zip("xy", taken.camera.fixed, strict=True)]
    words = [f"zoompan=z='{zooms[0]:.9f}+{step:.9f}*(on-1)'", *corner, f"d={count}", f"s={width}x{height}"]
    return ZoomPan("zoompan", still.frames(), taken.size, (":".join([*words, f"fps={taken.fps}"]),))
