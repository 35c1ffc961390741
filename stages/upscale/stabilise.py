"""Steady upscaled frames: each is blended with its two neighbours along the motion between them. In memory alone.

A network that sees each frame alone draws the same detail a little differently each time, and makes the noise of its
input larger. What moved can be followed on the input pictures; there the frames before and after show the same thing
again, and the mean of the three flickers less. The neighbours are taken as they came from the network, never as they
were blended: what becomes of a frame depends on three frames and on nothing before them, so that a film made in
segments is the film made in one go.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from stages.upscale.blend import Neighbour, Strength, blend
from stages.upscale.flow import Motion, surely, warped

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from stages.upscale.flow import Flow

    Grey = NDArray[np.uint8]
    Planes = list[NDArray[np.float32]]

Level = Literal["off", "light", "strong"]

_STRENGTHS = {
    "light": Strength(neighbours=0.4, brightness=0.5, tolerance=1 / 255, limit=6 / 255),
    "strong": Strength(neighbours=1.0, brightness=1.0, tolerance=1.5 / 255, limit=10 / 255),
}
WINDOW = 1  # frames before and after that a steadied frame depends on
_NEW_SCENE = 0.6  # of the frame's own contrast: what motion does not explain when another scene begins


@dataclass(slots=True)
class _Frame:
    """A frame in the window: luma [H, W], what was handed in, its planes, these at the size of the luma [H, W, n]."""

    grey: Grey
    upscaled: Any
    planes: Planes
    small: NDArray[np.float32]
    wanted: bool


@dataclass(frozen=True, slots=True)
class _Pair:
    """Motion between two frames that follow each other, and how far it can be trusted. None over a cut."""

    to_later: Flow
    to_earlier: Flow
    later_seen: NDArray[np.float32]
    earlier_seen: NDArray[np.float32]


class Stabiliser:
    """A window of three upscaled frames: the one before, the one that is finished next, the one after.

    Give it the frames of a film in order. For a part [a, b) of it, frames a - `window` and b + `window` - 1 are given
    too, with `wanted=False`; the part is then, to the bit, what the whole film would have had there.

    Args:
        level: `off` hands frames through, at once and untouched; `light` and `strong` steady them.
        scale: how many times larger than its luma the frame is in each direction.
        threads: threads of OpenCV, which are those of the whole process; they do not change the result.

    Attributes:
        window: frames before and after that a frame depends on; also how many frames later it is handed out.
        cuts: how often a neighbour was left out because another scene began.
    """

    levels: ClassVar[tuple[str, ...]] = ("off", *_STRENGTHS)

    def __init__(self, level: Level, scale: int, *, threads: int = 1) -> None:
        if level not in self.levels:
            raise ValueError(f"stabilise={level}: no such level; use {', '.join(self.levels)}")
        self.window = 0 if level == "off" else WINDOW
        self.cuts = 0
        self._scale, self._strength = scale, _STRENGTHS.get(level)
        self._frames: list[_Frame] = []
        self._pairs: list[_Pair | None] = []
        if self._strength:
            import cv2

            cv2.setNumThreads(max(1, threads))
            self._motion = Motion()

    def push(self, luma_in: Any, upscaled: Any, *, wanted: bool = True) -> list[Any]:
        """Take the next frame; what is finished comes out: nothing for the first frame, then one frame each time.

        Args:
            luma_in: [H, W] of the picture before upscaling, uint8, or float32 of 0 … 1.
            upscaled: array or CPU tensor [n, sH, sW], or a sequence of planes [h, w] that may differ in size
                (subsampled chroma); float32 of 0 … 1. It must not be changed until two more frames were given.
            wanted: False for a frame that only serves as neighbour; it is not handed out.

        Returns:
            new frames of the same kind; with `off` the very frame that was given.

        Raises:
            ValueError: for a frame that is not `scale` times as large as its luma.
        """
        if not self._strength:
            return [upscaled] if wanted else []
        self._frames.append(self._frame(luma_in, upscaled, wanted))
        if len(self._frames) == 1:
            return []
        self._pairs.append(self._pair(*self._frames[-2:]))
        return self._finished(len(self._frames) - 2)

    def flush(self) -> list[Any]:
        """Finish the last frame. The next one given begins another film or segment."""
        done = self._finished(len(self._frames) - 1) if self._frames else []
        self._frames, self._pairs = [], []
        return done

    def _finished(self, at: int) -> list[Any]:
        frame = self._frames[at]
        done = [self._steady(at)] if frame.wanted else []
        if at == 1:
            del self._frames[0], self._pairs[0]
        return done

    def _frame(self, luma_in: Any, upscaled: Any, wanted: bool) -> _Frame:
        import cv2
        import numpy as np

        luma = np.asarray(luma_in)
        grey = luma if luma.dtype == np.uint8 else np.rint(np.clip(luma, 0, 1) * 255).astype(np.uint8)
        planes = [np.asarray(plane) for plane in upscaled]
        height, width = grey.shape
        if planes[0].shape != (height * self._scale, width * self._scale) or planes[0].dtype != np.float32:
            given = f"a frame of {planes[0].dtype} {planes[0].shape}"
            raise ValueError(f"{given} is not {self._scale} times its luma {grey.shape} in float32")
        small = [cv2.resize(plane, (width, height), interpolation=cv2.INTER_AREA) for plane in planes]
        return _Frame(grey, upscaled, planes, np.stack(small, axis=-1), wanted)

    def _pair(self, earlier: _Frame, later: _Frame) -> _Pair | None:
        to_later = self._motion.between(earlier.grey, later.grey)
        to_earlier = self._motion.between(later.grey, earlier.grey)
        if _new_scene(earlier.grey, later.grey, to_earlier):
            self.cuts += 1
            return None
        return _Pair(to_later, to_earlier, surely(to_later, to_earlier), surely(to_earlier, to_later))

    def _steady(self, at: int) -> Any:
        frame, neighbours = self._frames[at], []
        if at > 0 and (before := self._pairs[at - 1]):
            other = self._frames[at - 1]
            neighbours.append(Neighbour(other.planes, other.small, before.to_earlier, before.earlier_seen))
        if at < len(self._pairs) and (after := self._pairs[at]):
            other = self._frames[at + 1]
            neighbours.append(Neighbour(other.planes, other.small, after.to_later, after.later_seen))
        assert self._strength
        result, into = _room_like(frame.upscaled, frame.planes)
        blend(frame.planes, frame.small, neighbours, self._strength, into)
        return result


def _new_scene(earlier: Grey, later: Grey, to_earlier: Flow) -> bool:
    """Whether what motion leaves unexplained is of the order of the picture's own contrast."""
    import numpy as np

    now, then = later.astype(np.float32), warped(earlier, to_earlier).astype(np.float32)
    left = np.abs((now - now.mean()) - (then - then.mean())).mean()
    return bool(left > _NEW_SCENE * np.abs(now - now.mean()).mean() + 1)


def _room_like(upscaled: Any, planes: Planes) -> tuple[Any, Planes]:
    """Memory for a frame of the kind that was handed in, and its planes."""
    import numpy as np

    if isinstance(upscaled, list | tuple):
        room = [np.empty_like(plane) for plane in planes]
        return room, room
    stack = np.empty((len(planes), *planes[0].shape), np.float32)
    if isinstance(upscaled, np.ndarray):
        return stack, list(stack)
    import torch

    return torch.from_numpy(stack), list(stack)
