"""Where a model runs and in which precision, with the reason in words."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING

from stages.contract import Failure, StageError

if TYPE_CHECKING:
    import torch

PRECISIONS = ("auto", "fp32", "bf16", "fp16")
_DEVICE = re.compile(r"^(auto|cpu|cuda(:\d+)?)$")


@dataclass(frozen=True, slots=True)
class Choice:
    """A device (`cpu`, `cuda:0`), a precision (`fp32`, `bf16`, `fp16`), and why these."""

    device: str
    precision: str
    reason: str

    @property
    def dtype(self) -> torch.dtype:
        """The precision as torch names it."""
        import torch

        return {"fp32": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}[self.precision]


def device_for(asked: str, gpu_mb: int) -> str:
    """The device to ask for: `auto` leaves a GPU alone of which the run may plan with nothing (`gpu_mb` is 0)."""
    return "cpu" if asked == "auto" and not gpu_mb else asked


def choose(device: str = "auto", precision: str = "auto") -> Choice:
    """The device and precision to run on: what was asked for, or the fastest that computes well.

    Args:
        device: `auto` (the first CUDA device, else the CPU), `cpu`, `cuda` or `cuda:<number>`.
        precision: `auto`, `fp32`, `bf16` or `fp16`.

    Raises:
        StageError: BAD_INPUT, when what was asked for cannot be had here.
    """
    where = _device(device)
    if precision not in PRECISIONS:
        raise _refused(f"upscaler.precision={precision} is no precision; use {', '.join(PRECISIONS)}")
    return _on_cpu(precision) if where == "cpu" else _on_cuda(where, precision)


def _device(asked: str) -> str:
    import torch

    if not _DEVICE.match(asked):
        raise _refused(f"upscaler.device={asked} is no device; use auto, cpu, cuda or cuda:<number>")
    count = torch.cuda.device_count() if torch.cuda.is_available() else 0
    if asked == "cpu" or (asked == "auto" and not count):
        return "cpu"
    number = int(asked.partition(":")[2] or 0)
    if number >= count:
        here = f"this machine has {count} CUDA devices that torch {torch.__version__} can use"
        raise _refused(f"upscaler.device={asked}: {here}; use auto or cpu")
    return f"cuda:{number}"


def _on_cpu(asked: str) -> Choice:
    units = cpu_units()
    if asked == "auto":
        found = units.get("bf16")
        if found:
            return Choice("cpu", "bf16", f"bf16: the CPU has {found}")
        return Choice("cpu", "fp32", "fp32: the CPU has no AVX512-BF16 and no AMX")
    if asked != "fp32" and asked not in units:
        unit = "AVX512-BF16 or AMX" if asked == "bf16" else "AMX-FP16"
        raise _refused(
            f"upscaler.precision={asked}: this CPU has no {unit}, and would compute it slower than fp32; use auto"
        )
    return Choice("cpu", asked, f"{asked}: as asked")


@cache
def cpu_units() -> dict[str, str]:
    """Precisions below fp32 that the CPU has units for → the unit's name. The one place that asks for it.

    torch asks the processor itself, so that it is right on every system; its names are private, and where one is
    gone, the unit counts as absent.
    """
    import torch

    def has(name: str) -> bool:
        ask = getattr(torch.cpu, name, None)
        return bool(ask is not None and ask())

    units = {}
    if has("_is_avx512_bf16_supported"):
        units["bf16"] = "AVX512-BF16"
    if has("_is_amx_tile_supported"):
        units["bf16"] = "AMX"
    if has("_is_amx_fp16_supported"):
        units["fp16"] = "AMX-FP16"
    return units


def _on_cuda(device: str, asked: str) -> Choice:
    import torch

    name = torch.cuda.get_device_name(device)
    major, _ = torch.cuda.get_device_capability(device)
    if asked == "auto":
        return Choice(device, "fp16", f"fp16: {name} computes it in its matrix units") if major >= 7 else Choice(
            device, "fp32", f"fp32: {name} has no matrix units for fp16"
        )  # fmt: skip
    if asked == "bf16" and major < 8:
        raise _refused(
            f"upscaler.precision=bf16: {name} cannot compute in it (compute capability 8.0); use fp16 or auto"
        )
    return Choice(device, asked, f"{asked}: as asked")


def _refused(sentence: str) -> StageError:
    return StageError(Failure.BAD_INPUT, sentence)
