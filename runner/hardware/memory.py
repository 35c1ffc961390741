"""Memory: installed, allowed, free now."""

from __future__ import annotations

from pathlib import Path

from runner.hardware.cgroup import memory_free_mb, memory_limit_mb
from runner.hardware.machine import Memory


def detect_memory(root: Path = Path("/")) -> Memory:
    """The memory; a container's limit cuts what counts as total and as free."""
    installed, free = _host_memory_mb(root)
    limit, left = memory_limit_mb(root), memory_free_mb(root)
    return Memory(
        installed_mb=installed,
        total_mb=installed if limit is None else min(installed, limit),
        free_mb=free if left is None else min(free, left),
    )


def _host_memory_mb(root: Path) -> tuple[int, int]:
    """Installed and free memory of the whole machine, MB."""
    file = root / "proc/meminfo"
    if not file.is_file():
        import psutil

        memory = psutil.virtual_memory()
        return memory.total // 1024**2, memory.available // 1024**2
    rows = (line.split() for line in file.read_text(encoding="utf-8").splitlines())
    kilobytes = {row[0].rstrip(":"): int(row[1]) for row in rows if len(row) >= 2}
    return kilobytes["MemTotal"] // 1024, kilobytes.get("MemAvailable", kilobytes["MemFree"]) // 1024
