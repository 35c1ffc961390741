"""How a shot's frames come to FFmpeg: drawn by us, or made there by its filter `zoompan`, to compare with.

`zoompan` moves by whole pixels of its source, and shakes.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace

from stages.media.command import PROTOCOLS
from stages.scene.motion import STILL, ZOOMS
from stages.scene.settings import AFFINE
from stages.scene.shots import Shot

RAW = "yuv420p"


@dataclass(frozen=True, slots=True)
class Drawn:
    """What FFmpeg is fed, and what it makes the frames with.

    Attributes:
        renderer: the one that is used.
        frames: raw frames of 4:2:0, all that are fed.
        size: width and height of them, pixels.
        rate: of them, frames per second, as FFmpeg reads it.
        filters: FFmpeg's filters that make the shot's frames of them, in order.
        notes: what is not as it was asked.
    """

    renderer: str
    frames: Iterable[memoryview]
    size: tuple[int, int]
    rate: str
    filters: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()

    @property
    def options(self) -> dict[str, str]:
        """FFmpeg's options of the input `pipe:0`."""
        size = f"{self.size[0]}x{self.size[1]}"
        return {"f": "rawvideo", "pix_fmt": RAW, "s": size, "r": self.rate, "protocol_whitelist": PROTOCOLS}


def drawn(taken: Shot, renderer: str, name: str) -> Drawn:
    """The frames of a shot by the renderer that is asked for. Pans are drawn by us: the filter does not know them.

    Args:
        taken: the shot.
        renderer: `affine` or `zoompan`.
        name: of the scene, for notes.
    """
    motion = taken.camera.motion
    if renderer != AFFINE and motion in (*ZOOMS, STILL):
        return _by_filter(taken)
    notes = () if renderer == AFFINE else (f"{name}: {motion} was drawn by affine, as zoompan only zooms",)
    return Drawn(AFFINE, taken.frames(), taken.size, str(taken.fps), notes=notes)


def _by_filter(taken: Shot) -> Drawn:
    """A zoom by the filter, from the still at the frame's own size."""
    assert taken.camera.fixed is not None
    views, count, (width, height) = taken.camera.views, taken.count, taken.size
    zooms = views[:, 2].max() / views[[0, -1], 2]
    step = (zooms[1] - zooms[0]) / max(1, count - 1)
    widest = replace(taken.camera, views=views[[int(views[:, 2].argmax())]])
    corner = [f"{side}='{fixed}*(1-1/zoom)'" for side, fixed in zip("xy", taken.camera.fixed, strict=True)]
    words = [f"zoompan=z='{zooms[0]:.9f}+{step:.9f}*(on-1)'", *corner, f"d={count}", f"s={width}x{height}"]
    still = replace(taken, camera=widest)
    return Drawn("zoompan", still.frames(), taken.size, str(taken.fps), (":".join([*words, f"fps={taken.fps}"]),))
