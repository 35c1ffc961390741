"""The way of a batch through a model on one device: opened, upscaled, closed. `CpuLane` here, `CudaLane` beside it."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Protocol

from stages.contract import Failure, StageError
from stages.upscale.memory import is_out_of_memory
from stages.upscale.threads import torch_threads
from stages.upscale.tiles import Tiling, upscaled

if TYPE_CHECKING:
    import torch
    from torch import Tensor

    from stages.upscale.planes import Planes


class Ends(Protocol):
    """What makes RGB of planes and planes of RGB; see `stages.upscale.pixels.Wire`."""

    def open(self, planes: Planes) -> Tensor:
        """Planes → RGB [N, 3, H, W], float32, 0..1."""
        ...

    def close(self, rgb: Tensor) -> Planes:
        """RGB [N, 3, H, W] of any float → planes."""
        ...


class Pending:
    """A batch under way. `nbytes`: what it holds in memory of the CPU meanwhile."""

    def __init__(self, finish: Callable[[], Planes], nbytes: int) -> None:
        self._finish: Callable[[], Planes] | None = finish
        self.nbytes = nbytes

    def result(self) -> Planes:
        """The planes, on the CPU. Once, from any thread; on a CPU the last step is done in this very call."""
        finish, self._finish = self._finish, None
        if finish is None:
            raise RuntimeError("the result of a batch can be taken once")
        return finish()


class Lane(Protocol):
    """One model on one device."""

    depth: int  # batches that should be under way at once

    def submit(self, planes: Planes, ends: Ends, tiling: Tiling) -> Pending:
        """Begin with a batch."""
        ...

    def release(self) -> None:
        """Give memory back that no batch needs."""
        ...

    def free_bytes(self) -> int:
        """Memory that may be planned with."""
        ...

    def peak_mb(self) -> int:
        """The most GPU memory taken so far, MB; 0 on a CPU."""
        ...


def input_type(model: Any, dtype: torch.dtype) -> torch.dtype:
    """What a model is fed: numbers as its weights are, or fp32, where it is `mixed`.

    A mixed model brings its input to the precision of its weights itself, and adds what it found to the input in fp32:
    at 10 bit that makes the error of bf16 three times smaller.
    """
    import torch

    return torch.float32 if getattr(model, "mixed", False) else dtype


class CpuLane:
    """The model in threads of the CPU, channels last, in which tiles are exact."""

    depth = 1

    def __init__(self, model: Any, dtype: torch.dtype, threads: int, ram_mb: int) -> None:
        import torch

        self._model = model.to(device="cpu", dtype=dtype, memory_format=torch.channels_last)
        self._input, self._threads, self._ram_mb = input_type(model, dtype), threads, ram_mb

    def submit(self, planes: Planes, ends: Ends, tiling: Tiling) -> Pending:
        """Open the batch and run the model; closing is left to whoever takes the result."""
        import torch

        with torch.inference_mode():
            rgb = ends.open(planes).to(self._input, memory_format=torch.channels_last)
            with torch_threads(self._threads):
                made = upscaled(self._model, rgb, tiling)
        return Pending(lambda: _closed(ends, made), made.nbytes)

    def release(self) -> None:
        """Nothing is kept."""

    def free_bytes(self) -> int:
        """The budget, or half of what is free where that is less."""
        import psutil

        return min(self._ram_mb << 20, int(psutil.virtual_memory().available) // 2)

    def peak_mb(self) -> int:
        """0: there is no GPU."""
        return 0


def _closed(ends: Ends, made: Tensor) -> Planes:
    import torch

    try:
        with torch.inference_mode():
            return ends.close(made)
    except Exception as error:
        if not is_out_of_memory(error):
            raise
        sentence = "out of memory for frames that the model has made; set a smaller upscaler.buffer_mb"
        raise StageError(Failure.HOST_OOM, sentence, detail=str(error)[:200]) from error
