"""The way of a batch through a model on an NVIDIA GPU: three streams, pinned memory, one CUDA graph for each shape.

Nothing here waits for the GPU but `Pending.result`, which waits for its own batch alone: while one batch is computed,
the one before travels back and the next one travels there.
"""

from __future__ import annotations

import gc
import os
from functools import partial
from typing import TYPE_CHECKING, Any

from stages.upscale.lanes import Ends, Pending, input_type
from stages.upscale.tiles import Tiling, upscaled

if TYPE_CHECKING:
    from collections.abc import Callable

    import torch

    from stages.upscale.planes import Planes

_CONTEXT_MB = 500  # what CUDA itself takes beside torch's memory, where NVML does not tell


class CudaLane:
    """The model on one GPU, channels last, within `vram_mb` of its memory as NVML counts it."""

    depth = 2

    def __init__(self, model: Any, dtype: torch.dtype, device: str, vram_mb: int) -> None:
        import torch

        self._device, self._input = torch.device(device), input_type(model, dtype)
        torch.zeros(1, device=device)  # CUDA's own memory is taken now, so that it can be counted
        total = torch.cuda.get_device_properties(self._device).total_memory
        self._allowed = max(256, vram_mb - (_driver_mb(device) or _CONTEXT_MB)) << 20
        torch.cuda.set_per_process_memory_fraction(min(1.0, self._allowed / total), self._device)
        self._model = model.to(device=device, dtype=dtype, memory_format=torch.channels_last)
        self._there, self._compute, self._back = (torch.cuda.Stream(device) for _ in range(3))  # type: ignore[no-untyped-call]
        self._slots: dict[Any, list[_Slot]] = {}
        self._graphs: dict[Any, _Graph] = {}

    def submit(self, planes: Planes, ends: Ends, tiling: Tiling) -> Pending:
        """Send a batch, compute it and send it back, all without waiting."""
        import torch

        shapes = tuple((tuple(plane.shape), plane.dtype) for plane in planes)
        key = (shapes, ends, tiling)
        free = self._slots.setdefault(key, [])
        with torch.inference_mode():
            slot = free.pop() if free else _Slot(planes, self._device)
            slot.send(planes, self._there)
            with torch.cuda.stream(self._compute):
                self._compute.wait_event(slot.arrived)
                made = self._computed(key, slot.inputs, partial(self._step, ends, tiling))
                slot.keep(made, self._compute)
            slot.fetch(self._back)
        return Pending(partial(self._taken, slot, free), slot.nbytes)

    def _step(self, ends: Ends, tiling: Tiling, planes: Planes) -> Planes:
        import torch

        rgb = ends.open(planes).to(self._input, memory_format=torch.channels_last)
        return ends.close(upscaled(self._model, rgb, tiling))

    def _computed(self, key: Any, inputs: Planes, step: Callable[[Planes], Planes]) -> Planes:
        graph = self._graphs.get(key)
        if graph is None:
            graph = self._graphs[key] = _Graph(step, inputs, self._compute)
        return graph(inputs)

    def _taken(self, slot: _Slot, free: list[_Slot]) -> Planes:
        planes = slot.received()
        free.append(slot)
        return planes

    def release(self) -> None:
        """Graphs, buffers that no batch uses, and torch's cache."""
        import torch

        torch.cuda.synchronize(self._device)
        self._graphs.clear()
        self._slots.clear()
        gc.collect()
        torch.cuda.empty_cache()

    def free_bytes(self) -> int:
        """What is allowed, or what other programs leave where that is less; a fifth is left to cuDNN."""
        import torch

        free, _ = torch.cuda.mem_get_info(self._device)
        return int(min(self._allowed, free + torch.cuda.memory_reserved(self._device)) * 0.8)

    def peak_mb(self) -> int:
        """As NVML counts it now, or torch's own peak where that is more."""
        import torch

        return max(_driver_mb(str(self._device)), torch.cuda.max_memory_reserved(self._device) >> 20)


class _Slot:
    """Buffers of one batch: pinned for the way there and back, and on the GPU, with the events that part them."""

    def __init__(self, planes: Planes, device: torch.device) -> None:
        import torch

        self._pinned = tuple(torch.empty(p.shape, dtype=p.dtype, pin_memory=True) for p in planes)
        self.inputs: Planes = tuple(torch.empty(p.shape, dtype=p.dtype, device=device) for p in planes)
        self._outputs: Planes = ()
        self._returned: Planes = ()
        self.arrived, self._made, self._home = (torch.cuda.Event() for _ in range(3))  # type: ignore[no-untyped-call]
        self.nbytes = sum(plane.nbytes for plane in self._pinned)

    def send(self, planes: Planes, stream: torch.cuda.Stream) -> None:
        import torch

        with torch.cuda.stream(stream):
            for pinned, plane, there in zip(self._pinned, planes, self.inputs, strict=True):
                pinned.copy_(plane)
                there.copy_(pinned, non_blocking=True)
            self.arrived.record(stream)

    def keep(self, made: Planes, stream: torch.cuda.Stream) -> None:
        """Copy the result out of the graph's memory, which the next batch writes over."""
        import torch

        if not self._outputs:
            self._outputs = tuple(torch.empty_like(plane) for plane in made)
            self._returned = tuple(torch.empty(p.shape, dtype=p.dtype, pin_memory=True) for p in made)
            self.nbytes += sum(plane.nbytes for plane in self._returned)
        for kept, plane in zip(self._outputs, made, strict=True):
            kept.copy_(plane, non_blocking=True)
        self._made.record(stream)

    def fetch(self, stream: torch.cuda.Stream) -> None:
        import torch

        with torch.cuda.stream(stream):
            stream.wait_event(self._made)
            for returned, kept in zip(self._returned, self._outputs, strict=True):
                returned.copy_(kept, non_blocking=True)
            self._home.record(stream)

    def received(self) -> Planes:
        self._home.synchronize()
        return tuple(plane.clone() for plane in self._returned)


class _Graph:
    """One step recorded once and replayed; where CUDA will not record it, it is run as it is."""

    def __init__(self, step: Callable[[Planes], Planes], inputs: Planes, stream: torch.cuda.Stream) -> None:
        import torch

        self._step, self._graph = step, None
        step(inputs)  # cuDNN chooses its algorithms before anything is recorded
        stream.synchronize()
        self._inputs = tuple(plane.clone() for plane in inputs)
        graph = torch.cuda.CUDAGraph()
        try:
            with torch.cuda.graph(graph, stream=stream):
                self._outputs = step(self._inputs)
        except torch.OutOfMemoryError:
            raise
        except RuntimeError:
            return
        self._graph = graph

    def __call__(self, inputs: Planes) -> Planes:
        if self._graph is None:
            return self._step(inputs)
        for static, plane in zip(self._inputs, inputs, strict=True):
            static.copy_(plane, non_blocking=True)
        self._graph.replay()
        return self._outputs


def _driver_mb(device: str) -> int:
    """GPU memory of this process as NVML counts it, MB; 0 where it does not tell (containers hide process ids)."""
    import torch

    try:
        import pynvml
    except ImportError:
        return 0
    try:
        pynvml.nvmlInit()
        handle = pynvml.nvmlDeviceGetHandleByUUID(f"GPU-{torch.cuda.get_device_properties(device).uuid}")
        mine = [p for p in pynvml.nvmlDeviceGetComputeRunningProcesses(handle) if p.pid == os.getpid()]
    except pynvml.NVMLError:
        return 0
    return int(mine[0].usedGpuMemory or 0) >> 20 if mine else 0
