"""NVIDIA GPUs, asked of their driver through NVML."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Any

from runner.hardware.machine import Gpu


def detect_gpus() -> tuple[tuple[Gpu, ...], str]:
    """The GPUs that this process may use, or none and the reason."""
    try:
        import pynvml
    except ImportError:
        return (), "the package nvidia-ml-py is not installed"
    try:
        pynvml.nvmlInit()
    except pynvml.NVMLError as error:
        return (), f"no NVIDIA driver ({error})"
    try:
        found = [_read(pynvml, pynvml.nvmlDeviceGetHandleByIndex(i)) for i in range(pynvml.nvmlDeviceGetCount())]
    except pynvml.NVMLError as error:
        return (), f"the NVIDIA driver does not answer ({error})"
    finally:
        pynvml.nvmlShutdown()
    return visible(found, os.environ.get("CUDA_VISIBLE_DEVICES"))


def _read(nvml: Any, handle: Any) -> Gpu:
    memory = nvml.nvmlDeviceGetMemoryInfo(handle)
    return Gpu(
        name=nvml.nvmlDeviceGetName(handle),
        vram_mb=memory.total // 1024**2,
        vram_free_mb=memory.free // 1024**2,
        driver=nvml.nvmlSystemGetDriverVersion(),
        uuid=nvml.nvmlDeviceGetUUID(handle),
    )


def visible(gpus: Sequence[Gpu], chosen: str | None) -> tuple[tuple[Gpu, ...], str]:
    """Those that CUDA_VISIBLE_DEVICES leaves, by CUDA's own rule: numbers or UUIDs, up to the first that is none.

    NVML itself does not look at that variable, but everything that would use the GPU does.
    """
    if not gpus:
        return (), "the NVIDIA driver knows no GPU"
    if chosen is None:
        return tuple(gpus), ""
    found: list[Gpu] = []
    for word in chosen.split(","):
        gpu = _named(gpus, word.strip())
        if gpu is None:
            break
        found.append(gpu)
    return tuple(found), "" if found else f"CUDA_VISIBLE_DEVICES={chosen} hides every GPU"


def _named(gpus: Sequence[Gpu], word: str) -> Gpu | None:
    if word.isdecimal():
        return gpus[int(word)] if int(word) < len(gpus) else None
    return next((gpu for gpu in gpus if word and gpu.uuid.startswith(word)), None)
