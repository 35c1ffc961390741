"""Look at the machine once."""

from __future__ import annotations

import platform
from collections.abc import Iterator, Sequence
from pathlib import Path

from runner.hardware.cpu import detect_cpu
from runner.hardware.disk import detect_disks
from runner.hardware.gpu import detect_gpus
from runner.hardware.machine import Cpu, Machine, Memory
from runner.hardware.memory import detect_memory


def detect(folders: Sequence[Path] = (), *, root: Path = Path("/"), measure: bool = True) -> Machine:
    """The machine this process runs on.

    Args:
        folders: whose disks to look at.
        root: folder that holds `proc` and `sys`.
        measure: measure how fast the disks write (some MB are written and removed).
    """
    cpu, memory = detect_cpu(root), detect_memory(root)
    gpus, gpu_reason = detect_gpus()
    return Machine(
        system=platform.platform(terse=True),
        system_family=platform.system().lower(),
        python=platform.python_version(),
        cpu=cpu,
        memory=memory,
        disks=detect_disks(folders, root=root, measure=measure),
        gpus=gpus,
        gpu_reason=gpu_reason,
        limits=tuple(_limits(cpu, memory)),
    )


def _limits(cpu: Cpu, memory: Memory) -> Iterator[str]:
    if cpu.quota is not None and cpu.quota < cpu.threads:
        yield f"the container may take {cpu.quota:g} of {cpu.threads} CPUs"
    elif cpu.usable_threads < cpu.threads:
        yield f"this process is bound to {cpu.usable_threads:g} of {cpu.threads} CPUs"
    if memory.total_mb < memory.installed_mb:
        yield f"the container may take {memory.total_mb} of {memory.installed_mb} MB of memory"
