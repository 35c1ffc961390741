"""GPU memory and load through NVML; absent where there is no NVIDIA driver."""

from __future__ import annotations

from typing import Any


class GpuMeter:
    """Asks NVML, loaded once. Without a driver `sample` gives nothing."""

    def __init__(self) -> None:
        self._nvml: Any = None
        self._handles: list[Any] = []
        try:
            import pynvml

            pynvml.nvmlInit()
        except (ImportError, OSError):
            return
        except pynvml.NVMLError:
            return
        self._nvml = pynvml
        self._handles = [pynvml.nvmlDeviceGetHandleByIndex(n) for n in range(pynvml.nvmlDeviceGetCount())]

    def sample(self) -> dict[str, float]:
        """`resource.vram_mb` (in use, all GPUs together, MB) and `resource.gpu_util` (mean, %)."""
        if not self._handles:
            return {}
        try:
            used = sum(self._nvml.nvmlDeviceGetMemoryInfo(handle).used for handle in self._handles)
            busy = [self._nvml.nvmlDeviceGetUtilizationRates(handle).gpu for handle in self._handles]
        except self._nvml.NVMLError:
            return {}  # the driver was lost while we ran: the figures end here
        return {"resource.vram_mb": used / 1024 / 1024, "resource.gpu_util": sum(busy) / len(busy)}

    def close(self) -> None:
        """Let go of NVML."""
        if self._nvml is not None:
            self._nvml.nvmlShutdown()
            self._nvml, self._handles = None, []
