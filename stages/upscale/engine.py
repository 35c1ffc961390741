"""Frames through a model, within the memory there is: batches and tiles are planned, and made smaller when it runs out.

A batch that did not fit is done again, smaller. Batches, tiles and threads change no number of the result (see
`stages.upscale.tiles`), so that a run that had to step down gives the frames that a clean one gives.
"""

from __future__ import annotations

import copy
import math
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from stages.contract import Failure, StageError
from stages.platform.limits import usable_cpus
from stages.upscale.lanes import CpuLane, Ends, Lane, Pending
from stages.upscale.memory import activations, is_out_of_memory
from stages.upscale.precision import Choice, choose, cpu_units
from stages.upscale.tiles import Tiling

if TYPE_CHECKING:
    from torch import Tensor

    from stages.upscale.planes import Planes

EXACT_OVERLAP = 64  # px; nets that see further are tiled with this much, and a note says so
_BATCH = {"cpu": 4, "cuda": 8}
# Bytes of one layer's output up to which C libraries take freed memory again. Larger ones are mapped and cleared anew
# at every layer, which took 30 % of the time of small nets at 720p, and 20 % of usual ones.
_RECYCLED = 32 << 20


@dataclass(frozen=True, slots=True)
class Plan:
    """How frames of one size are done: how many at once, and the side of a tile (0: the whole frame)."""

    batch: int
    tile: int


class Engine:
    """A model that upscales frames on one device.

    Args:
        model: `torch.nn.Module`, fp32, [N, 3, H, W] → [N, 3, H * scale, W * scale], with `.spec` (see
            `models.spec.ModelSpec`: scale, radius, align), and perhaps `.mixed` (see `lanes.input_type`). It is copied,
            and stays as it is.
        device: `auto`, `cpu`, `cuda`, `cuda:<number>`.
        precision: `auto`, `fp32`, `bf16`, `fp16`. A model without weights runs in fp32 on `auto`.
        tile: side of a tile, pixels of the source; 0: from free memory.
        batch: frames at once; 0: from free memory.
        threads: of the CPU; 0: all that this process may use.
        vram_mb: GPU memory taken at most.
        ram_mb: memory planned with on a CPU, the weights not counted.
        on_oom: `degrade` (smaller batch, smaller tile, CPU) or `fail`.
        injector: called with the number of a batch's first frame before it is tried; for tests of running out.

    Attributes:
        choice: device and precision, with the reason.
        steps: what was made smaller because memory ran out, a sentence each.
        notes: sentences on what is not exact.
        scale: how many times larger frames become.

    Raises:
        StageError: BAD_INPUT, when device or precision cannot be had; GPU_OOM, HOST_OOM, when nothing smaller is left.
    """

    def __init__(
        self,
        model: Any,
        *,
        device: str = "auto",
        precision: str = "auto",
        tile: int = 0,
        batch: int = 0,
        threads: int = 0,
        vram_mb: int = 6144,
        ram_mb: int = 1024,
        on_oom: str = "degrade",
        injector: Callable[[int], None] | None = None,
    ) -> None:
        if on_oom not in ("degrade", "fail"):
            raise ValueError(f"on_oom={on_oom!r} is neither degrade nor fail")
        self._model, self._injector, self._on_oom = model, injector, on_oom
        self._threads, self._vram_mb, self._ram_mb = threads or len(usable_cpus()), vram_mb, ram_mb
        self._asked = self._limits = Plan(batch, tile)
        self._precision = precision  # asked for, as the threads and limits above
        self._plans: dict[tuple[int, int], Plan] = {}
        self._begun = self._peak_mb = 0
        self.scale = int(model.spec.scale)
        self.steps: list[str] = []
        self.notes: list[str] = []
        spec = model.spec
        self._tiling = Tiling(0, min(int(spec.radius), EXACT_OVERLAP), self.scale, int(getattr(spec, "align", 1)))
        self.choice = _chosen(model, device, precision)
        self._lane: Lane = self._lane_of(self.choice)
        self._per_pixel = activations(model, self._tiling) * self.choice.dtype.itemsize  # bytes

    def run(self, frames: Tensor) -> Tensor:
        """Upscale frames.

        Args:
            frames: [N, 3, H, W], float32, 0..1, on the CPU.

        Returns:
            [N, 3, H * scale, W * scale], float32, clamped to 0..1, contiguous, on the CPU.
        """
        return self.submit((frames,), _Floats()).result()[0]

    def map(self, batches: Iterable[Planes], ends: Ends) -> Iterator[Planes]:
        """Planes → planes of the upscaled frames, in order, with as many batches under way as the device wants."""
        waiting: deque[Pending] = deque()
        for batch in batches:
            waiting.append(self.submit(batch, ends))
            if len(waiting) >= self._lane.depth:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()

    def submit(self, planes: Planes, ends: Ends) -> Pending:
        """Begin with some frames. On a CPU the model has run when this returns; a GPU works on.

        Args:
            planes: of one size, each [N, h, w] (or [N, 3, h, w]), on the CPU.
            ends: what makes RGB of them, and planes of the upscaled RGB (`pixels.Wire`). Hashable.
        """
        height, width = planes[0].shape[-2:]
        parts, done, count = [], 0, len(planes[0])
        while done < count:
            plan = self.plan(height, width)
            part = tuple(plane[done : done + plan.batch] for plane in planes)
            found = self._tried(part, ends, plan)
            if isinstance(found, str):
                self._step_down(plan, height, width, found)
                continue
            parts.append(found)
            done += len(part[0])
            self._begun += len(part[0])
        return parts[0] if len(parts) == 1 else Pending(lambda: _joined(parts), sum(part.nbytes for part in parts))

    def _tried(self, planes: Planes, ends: Ends, plan: Plan) -> Pending | str:
        """The batch under way, or what was said when memory ran out; by then nothing holds its tensors any more."""
        try:
            if self._injector is not None:
                self._injector(self._begun)
            return self._lane.submit(planes, ends, replace(self._tiling, tile=plan.tile))
        except Exception as error:  # ONNX Runtime's errors have no parent of their own
            if not is_out_of_memory(error):
                raise
            said = str(error).strip().partition("\n")[0][:200]
        return said or "out of memory"

    def plan(self, height: int, width: int) -> Plan:
        """How frames of this size are done now."""
        known = self._plans.get((height, width))
        if known is None:
            known = self._plans[height, width] = self._planned(height, width)
            self._note_inexact(known)
        return known

    def batch_for(self, height: int, width: int) -> int:
        """How many frames of this size to hand over at once."""
        return self.plan(height, width).batch

    def _planned(self, height: int, width: int) -> Plan:
        kind, area = self.choice.device.partition(":")[0], height * width
        result = 3 * self.scale**2 * (4 + 2) * area  # fp32 at most, and the planes
        room = self._lane.free_bytes() - result
        quick = self._quick_side() if kind == "cpu" else max(height, width)
        tile = self._limits.tile
        if not tile and area > quick**2:
            tile = quick
        if not self._limits.tile and min(area, tile**2 or area) * self._per_pixel > room:
            tile = int(math.sqrt(max(0.0, room) / self._per_pixel)) // 16 * 16
            tile = max(tile, self._tiling.smallest)
        tile = tile if tile < max(height, width) else 0
        one = min(area, tile**2 or area) * self._per_pixel + result
        most = _BATCH[kind] if kind == "cuda" else min(_BATCH[kind], quick**2 // area)
        fitting = int(self._lane.free_bytes() // one)
        return Plan(self._limits.batch or max(1, min(most, fitting)), tile)

    def _quick_side(self) -> int:
        """Side of the tile that a CPU does fastest, pixels: one whose maps are recycled, if overlap costs less."""
        if not _has_weights(self._model):  # nor maps
            return 1 << 16
        side = math.isqrt(int(_RECYCLED * 4 / self._per_pixel)) // 16 * 16  # four maps are counted, see `activations`
        exact = int(self._model.spec.radius) <= self._tiling.overlap
        return side if exact and side >= 24 * self._tiling.overlap else 1 << 16

    def _note_inexact(self, plan: Plan) -> None:
        radius = int(self._model.spec.radius)
        note = f"tiles overlap by {self._tiling.overlap} pixels, and the model sees {radius}: seams are possible"
        if plan.tile and radius > self._tiling.overlap and note not in self.notes:
            self.notes.append(note)

    def _step_down(self, plan: Plan, height: int, width: int, said: str) -> None:
        """Choose the next smaller way, or give up."""
        self._lane.release()
        where = f"out of memory on {self.choice.device} at frame {self._begun}"
        if self._on_oom == "fail":
            raise self._failed(
                f"{where}; allow steps down (on_oom=degrade), or set a smaller upscaler.tile or upscaler.batch", said
            )
        now = min(plan.tile or math.inf, max(height, width))
        half = max(math.ceil(now / 2), self._tiling.smallest)
        if plan.batch > 1:
            self._limits = Plan((plan.batch + 1) // 2, plan.tile)
            step = f"batch {plan.batch} → {self._limits.batch}"
        elif half < now:
            self._limits = Plan(1, half)
            step = f"tile {plan.tile or f'{width}×{height}'} → {half}"
        elif self.choice.device != "cpu":
            step = self._to_cpu()
        else:
            raise self._failed(f"{where}, and neither batch nor tile can be smaller; give it more memory", said)
        self._plans.clear()
        self.steps.append(f"{where}: {step}")

    def _to_cpu(self) -> str:
        before = self.choice
        asked = self._precision if self._precision in ("fp32", *cpu_units()) else "auto"
        self.choice = _chosen(self._model, "cpu", asked)
        self._peak_mb = self._lane.peak_mb()
        self._lane = self._lane_of(self.choice)
        self._per_pixel = self._per_pixel / before.dtype.itemsize * self.choice.dtype.itemsize
        self._limits = self._asked
        return f"{before.device} in {before.precision} → cpu in {self.choice.precision}"

    def _failed(self, sentence: str, said: str) -> StageError:
        failure = Failure.HOST_OOM if self.choice.device == "cpu" else Failure.GPU_OOM
        return StageError(failure, sentence, detail=said)

    def _lane_of(self, choice: Choice) -> Lane:
        model = copy.deepcopy(self._model) if _has_weights(self._model) else self._model
        if choice.device == "cpu":
            return CpuLane(model, choice.dtype, self._threads, self._ram_mb)
        from stages.upscale.cuda_lane import CudaLane

        return CudaLane(model, choice.dtype, choice.device, self._vram_mb)

    @property
    def vram_peak_mb(self) -> int:
        """The most GPU memory taken so far, MB; 0 on a CPU."""
        return max(self._peak_mb, self._lane.peak_mb())


@dataclass(frozen=True, slots=True)
class _Floats:
    """Ends for frames that are RGB already."""

    def open(self, planes: Planes) -> Tensor:
        return planes[0]

    def close(self, rgb: Tensor) -> Planes:
        import torch

        return (rgb.to(torch.float32, memory_format=torch.contiguous_format).clamp_(0, 1),)


def _chosen(model: Any, device: str, precision: str) -> Choice:
    """The choice; a model without weights gains nothing from fewer bits or a GPU, and runs where nothing is lost."""
    if _has_weights(model):
        return choose(device, precision)
    choice = choose("cpu" if device == "auto" else device, "fp32" if precision == "auto" else precision)
    return choice if precision != "auto" else replace(choice, reason="fp32: the model has no weights")


def _has_weights(model: Any) -> bool:
    return any(True for _ in model.parameters())


def _joined(parts: list[Pending]) -> Planes:
    import torch

    results = [part.result() for part in parts]
    return tuple(torch.cat(plane) for plane in zip(*results, strict=True))
