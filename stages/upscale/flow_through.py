"""The way of a frame through the model: planes to RGB, larger, steadied, and planes again, with its own time."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

from stages.media.film import Picture
from stages.platform.limits import usable_cpus
from stages.upscale.dedup import Dedup
from stages.upscale.order import Order
from stages.upscale.stabilise import Level, Stabiliser

if TYPE_CHECKING:
    from av import VideoFrame

    from stages.upscale.engine import Engine
    from stages.upscale.planes import Planes


class Passage:
    """Takes decoded frames, gives frames to encode. Frames outside of what is kept serve their neighbours alone.

    Args:
        engine: makes them larger.
        picture: what the film says of them.
        order: what is made of them.
        dedup: difference up to which a frame takes the result of an earlier one (see `Dedup`).

    Attributes:
        batch: frames that are taken at once.
    """

    def __init__(self, engine: Engine, picture: Picture, order: Order, dedup: float = 0.0) -> None:
        from stages.upscale.pixels import wire

        self._engine, self._order = engine, order
        self._pix_fmt = order.config.pix_fmt
        self._wire = wire(picture, self._pix_fmt)
        self._steady = Stabiliser(cast(Level, order.stabilise), order.scale, threads=len(usable_cpus()))
        self._dedup = Dedup(dedup, self._wire.source.depth)
        self._times: list[int | None] = []
        self.batch = engine.batch_for(picture.height, picture.width)

    def work(self, frames: list[VideoFrame]) -> list[VideoFrame]:
        """Up to `batch` frames through the model; the stabiliser may keep one back."""
        from stages.upscale.planes import stacked

        planes = stacked(frames)
        times = [frame.pts for frame in frames]
        frames.clear()  # their memory is free while the model computes
        if self._steady.window == 0:  # nobody looks at the frames in between: whole numbers go in and come out
            return self._framed(self._dedup.through(planes, self._coded_by_model), times)
        (large,) = self._dedup.through(planes, lambda new: (self._engine.run(self._wire.open(new)),))
        done: list[Any] = []
        for place, pts in enumerate(times):
            wanted = self._kept(pts)
            if wanted:
                self._times.append(pts)
            done += self._steady.push(
                _luma(planes, place, self._wire.source.depth), large[place].clone(), wanted=wanted
            )
        return self._coded(done)

    def _coded_by_model(self, planes: Planes) -> Planes:
        return self._engine.submit(planes, self._wire).result()

    @property
    def reused(self) -> int:
        """How many frames took the result of an earlier one."""
        return self._dedup.reused

    def flush(self) -> list[VideoFrame]:
        """What the stabiliser kept back."""
        return self._coded(self._steady.flush())

    def _kept(self, pts: int | None) -> bool:
        first, end = self._order.keep
        if pts is None:
            return True
        return (first is None or pts >= first) and (end is None or pts < end)

    def _coded(self, pictures: list[Any]) -> list[VideoFrame]:
        import torch

        if not pictures:
            return []
        times, self._times = self._times[: len(pictures)], self._times[len(pictures) :]
        return self._framed(self._wire.close(torch.stack(list(pictures))), times)

    def _framed(self, planes: Planes, times: list[int | None]) -> list[VideoFrame]:
        """Frames with their times, without those that served others alone."""
        from stages.upscale.planes import frames_of

        frames = frames_of(planes, self._pix_fmt)
        for frame, pts in zip(frames, times, strict=True):
            frame.pts, frame.time_base = pts, self._order.base
        return [frame for frame, pts in zip(frames, times, strict=True) if self._kept(pts)]


def _luma(planes: Planes, place: int, depth: int) -> Any:
    """Luma of the source at 8 bit, as the motion search takes it."""
    import torch

    first = planes[0][place].contiguous()  # OpenCV takes no lines with something between them
    return first if depth == 8 else (first.to(torch.int32) >> (depth - 8)).to(torch.uint8)
