"""Processors: how many there are, and how many of them this process may use."""

from __future__ import annotations

import math
import os
import platform
import re
from collections.abc import Collection
from pathlib import Path

from runner.hardware.cgroup import cpu_quota
from runner.hardware.machine import Cpu
from stages.platform.limits import usable_cpus


def detect_cpu(root: Path = Path("/"), usable: Collection[int] | None = None) -> Cpu:
    """The processors.

    Args:
        root: folder that holds `proc` and `sys`.
        usable: numbers of the CPUs this process may run on; None asks the system.
    """
    allowed = set(usable_cpus() if usable is None else usable)
    core_of = _core_of_cpu(root)
    quota = cpu_quota(root)
    threads = min(float(len(allowed)), quota or math.inf)
    cores = len({core_of.get(cpu, str(cpu)) for cpu in allowed})
    return Cpu(
        model=_model(root),
        cores=len(set(core_of.values())) or _cores_elsewhere(),
        threads=len(core_of) or os.cpu_count() or 1,
        usable_cores=max(1, min(cores, math.ceil(threads))),
        usable_threads=round(threads, 2),
        quota=None if quota is None else round(quota, 2),
    )


def _core_of_cpu(root: Path) -> dict[int, str]:
    """Logical CPU → name of its physical core: the CPUs of one core list the same siblings."""
    folder = root / "sys/devices/system/cpu"
    found = {}
    for siblings in folder.glob("cpu[0-9]*/topology/thread_siblings_list"):
        number = int(siblings.parts[-3].removeprefix("cpu"))
        found[number] = siblings.read_text(encoding="utf-8").strip()
    return found


def _cores_elsewhere() -> int:
    import psutil

    return psutil.cpu_count(logical=False) or psutil.cpu_count() or 1


def _model(root: Path) -> str:
    """`/proc/cpuinfo` names x86 processors; elsewhere the best that Python knows."""
    try:
        text = (root / "proc/cpuinfo").read_text(encoding="utf-8")
    except OSError:
        text = ""
    match = re.search(r"^model name\s*:\s*(.+)$", text, re.MULTILINE)
    return match[1].strip() if match else platform.processor() or platform.machine()
