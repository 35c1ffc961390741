"""The group `hardware`: what a machine is said to have. One schema for all its options."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from stages.settings import Problem, range_problems, setting


@dataclass(frozen=True)
class HardwareConfig:
    """A stated machine. None means: as detected."""

    name: str = setting("auto", "name of the machine in notes and reports")
    description: str = setting("", "the machine in words")
    detect: bool = setting(True, "look at this machine, and never plan with more than it has", affects_output=False)
    cores_physical: int | None = setting(None, "physical cores", low=1, high=1024, affects_output=False)
    cpu_threads: float | None = setting(None, "CPU threads to plan with", low=0.1, high=4096, affects_output=False)
    ram_mb: int | None = setting(None, "memory to plan with", low=64, high=67_108_864, unit="MB", affects_output=False)
    use_gpu: bool = setting(True, "use the GPU when there is one", affects_output=False)
    gpu_name: str | None = setting(None, "words of the GPU's name", affects_output=False)
    vram_mb: int | None = setting(
        None, "GPU memory to plan with", low=0, high=4_194_304, unit="MB", affects_output=False
    )
    encoder_sessions: int | None = setting(
        None, "hardware encodes at once; default 2 with a GPU", low=0, high=64, affects_output=False
    )
    ram_reserve_mb: int = setting(
        1024, "free memory left to other programs", low=0, high=67_108_864, unit="MB", affects_output=False
    )
    vram_reserve_mb: int = setting(
        512, "free GPU memory left to other programs", low=0, high=4_194_304, unit="MB", affects_output=False
    )
    workers: dict[str, Any] = setting({}, "workers per stage that suit this machine", affects_output=False)


def hardware_problems(config: HardwareConfig) -> list[Problem]:
    """Everything wrong with a stated machine."""
    return [*range_problems(config, "hardware"), *_missing(config), *_workers(config)]


def _missing(config: HardwareConfig) -> Iterator[Problem]:
    for key in ("cores_physical", "cpu_threads", "ram_mb"):
        if not config.detect and getattr(config, key) is None:
            yield Problem(
                f"hardware.{key}", "is not stated while hardware.detect=false", f"set hardware.{key}=<number>"
            )


def _workers(config: HardwareConfig) -> Iterator[Problem]:
    for stage, count in config.workers.items():
        whole = isinstance(count, int) and not isinstance(count, bool) and 1 <= count <= 256
        if not whole and count != "auto":
            yield Problem(f"hardware.workers.{stage}", f"{count!r} is no number of workers", "use 1 to 256, or auto")
