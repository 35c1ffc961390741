"""Frames that show what an earlier one showed take its result: drawings held for two or three frames, screens, slides.

A frame is compared with the last one that the model made larger, never with one that took a result itself, so that
small differences cannot add up. Equal frames give equal results to the bit, and are always taken; a tolerance takes
those too that differ by what a lossy encoder left between two frames of the same drawing.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from stages.upscale.threads import torch_threads

if TYPE_CHECKING:
    from torch import Tensor

    from stages.upscale.planes import Planes

BLOCK = 16  # px; as large as a macroblock: a mouth that opens must not drown in a still picture


class Dedup:
    """Hands frames that are new to the model, and the others what it made of the frame that they repeat.

    Args:
        tolerance: largest difference of a repeated frame, mean over any block of `BLOCK` × `BLOCK` samples of a plane,
            in levels of 8 bit; 0: only equal frames are repeated.
        depth: bits of the planes' numbers.

    Attributes:
        reused: how many frames took the result of another.
    """

    def __init__(self, tolerance: float = 0.0, depth: int = 8) -> None:
        self.reused = 0
        self._limit = tolerance * 2 ** (depth - 8)
        self._shown: Planes | None = None  # each [h, w]
        self._made: Planes | None = None

    def through(self, planes: Planes, model: Callable[[Planes], Planes]) -> Planes:
        """The model's results for all frames, of which it got the new ones.

        Args:
            planes: of frames, each [N, h, w].
            model: planes [M, h, w] → results, each [M, …].

        Returns:
            results, each [N, …].
        """
        import torch

        new, sources = self._sorted(planes)
        self.reused += len(sources) - len(new)
        made = model(tuple(plane[new] for plane in planes) if len(new) < len(sources) else planes) if new else None
        if len(new) < len(sources):
            known = self._joined(made)
            made = tuple(torch.stack([part[source] for source in sources]) for part in known)
        assert made is not None
        self._made = tuple(part[-1:].clone() for part in made)
        return made

    def _sorted(self, planes: Planes) -> tuple[list[int], list[int]]:
        """Places of new frames, and for each frame whose result it takes: 0 is the one before this batch's new ones."""
        new: list[int] = []
        sources: list[int] = []
        for place in range(len(planes[0])):
            frame = tuple(plane[place] for plane in planes)
            if self._shown is None or not self._same(frame, self._shown):
                new.append(place)
                self._shown = frame
            sources.append(len(new) - (self._made is None))
        self._shown = tuple(plane.clone() for plane in self._shown or ())  # lets go of the batch
        return new, sources

    def _joined(self, made: Planes | None) -> list[list[Tensor]]:
        """Per plane: the result of the batch before, where there was one, and those of this one."""
        before = [list(part) for part in self._made or ()]
        now = [list(part) for part in made or ()]
        if not before or not now:
            return before or now
        return [first + second for first, second in zip(before, now, strict=True)]

    def _same(self, frame: Planes, other: Planes) -> bool:
        import torch

        if all(torch.equal(one, two) for one, two in zip(frame, other, strict=True)):
            return True
        if not self._limit:
            return False
        with torch_threads(1):
            return all(_furthest(one, two) <= self._limit for one, two in zip(frame, other, strict=True))


def _furthest(one: Tensor, two: Tensor) -> float:
    """The largest mean difference of a block; what is left over at the edges counts as blocks of its own."""
    from torch.nn.functional import avg_pool2d

    apart = (one.float() - two.float()).abs_()[None]
    return float(avg_pool2d(apart, BLOCK, ceil_mode=True).max())
