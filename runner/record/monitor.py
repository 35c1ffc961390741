"""What the machine and our processes do, asked once a second by the job."""

from __future__ import annotations

import os
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

from runner.hardware.cgroup import cpu_quota, memory_free_mb, memory_limit_mb
from runner.record.cgroup import cpu_seconds
from runner.record.gpu import GpuMeter
from runner.record.proctree import process_tree
from stages.platform.limits import usable_cpus

_MB = 1024 * 1024


class Monitor:
    """Samples for `metrics.jsonl`. No thread of its own: the job calls `sample`.

    Args:
        root_pid: the top of our process tree.
        disks: folders whose disks count; the whole machine's when none of them leads to a disk.
    """

    def __init__(self, root_pid: int, disks: Sequence[Path] = ()) -> None:
        import psutil  # cpu figures are differences: the first call sets the zero

        self._psutil = psutil
        self._root_pid = root_pid
        self._devices = {name for name in map(_device_name, disks) if name}
        self._gpu = GpuMeter()
        self._cpus = usable_cpus()
        self._quota = cpu_quota()
        self._memory_limit = memory_limit_mb()
        self._then = time.monotonic()
        self._cpu = self._cpu_seconds()
        self._disk = self._disk_bytes()
        self._folder = disks[0] if disks else None
        self._used = self._disk_used()

    def sample(self, progress: Mapping[str, float]) -> dict[str, float]:
        """The `m` of one line of `metrics.jsonl`: `resource.*` since the last call, and `progress` as given."""
        now = time.monotonic()
        seconds = max(now - self._then, 1e-3)
        self._then = now
        return {
            **self._cpu_metrics(seconds),
            **self._tree_metrics(),
            "resource.ram_util": self._ram_util(),
            **self._disk_metrics(seconds),
            "resource.disk_mb": max(0.0, self._disk_used() - self._used),
            **self._gpu.sample(),
            **progress,
        }

    def close(self) -> None:
        """Let go of the GPU's driver."""
        self._gpu.close()

    def _cpu_seconds(self) -> tuple[float, float]:
        """Busy CPU seconds so far, and how many CPUs could have been busy.

        Under a CPU quota the cgroup's own time counts, else that of the CPUs we may run on.
        """
        used = cpu_seconds() if self._quota else None
        if used is not None and self._quota:
            return used, min(self._quota, len(self._cpus))
        times = self._psutil.cpu_times(percpu=True)
        ours = [times[cpu] for cpu in self._cpus if cpu < len(times)] or times
        return sum(_busy(each) for each in ours), float(len(ours))

    def _cpu_metrics(self, seconds: float) -> dict[str, float]:
        before, _ = self._cpu
        self._cpu = self._cpu_seconds()
        used, cpus = self._cpu
        return {"resource.cpu_util": min(100.0, max(0.0, 100.0 * (used - before) / (seconds * cpus)))}

    def _tree_metrics(self) -> dict[str, float]:
        tree = process_tree(self._root_pid)
        return {
            "resource.rss_mb": sum(process.rss_mb for process in tree),
            "resource.processes": float(len(tree)),
            "resource.ffmpeg_processes": float(sum(process.name.startswith("ffmpeg") for process in tree)),
        }

    def _ram_util(self) -> float:
        memory = self._psutil.virtual_memory()
        if self._memory_limit is None or self._memory_limit >= memory.total // _MB:
            return float(memory.percent)
        return 100.0 * (1.0 - (memory_free_mb() or 0) / self._memory_limit)

    def _disk_used(self) -> float:
        """MB in use on the first folder's file system; what others write there counts too, but asking costs nothing."""
        return self._psutil.disk_usage(str(self._folder)).used / _MB if self._folder else 0.0

    def _disk_bytes(self) -> tuple[int, int] | None:
        """Bytes read and written so far; None where the system does not tell."""
        if not self._devices:
            whole = self._psutil.disk_io_counters()
            return (whole.read_bytes, whole.write_bytes) if whole else None
        counters = self._psutil.disk_io_counters(perdisk=True)
        ours = [counters[name] for name in self._devices if name in counters]
        return (sum(c.read_bytes for c in ours), sum(c.write_bytes for c in ours)) if ours else None

    def _disk_metrics(self, seconds: float) -> dict[str, float]:
        before, self._disk = self._disk, self._disk_bytes()
        if before is None or self._disk is None:
            return {}
        read, written = (max(0, now - then) / seconds / _MB for now, then in zip(self._disk, before, strict=True))
        return {"resource.disk_read_mb_s": read, "resource.disk_write_mb_s": written}


def _busy(times: object) -> float:
    """Seconds a CPU worked. Guests are in user and nice already; waiting for a disk is not work."""
    idle = ("idle", "iowait", "guest", "guest_nice", "steal")
    fields = getattr(times, "_fields", ())
    return float(sum(getattr(times, name) for name in fields if name not in idle))


def _device_name(folder: Path) -> str | None:
    """The disk's name as the kernel counts it (`nvme0n1p2`); None for network, overlay and memory."""
    number = next((p.stat().st_dev for p in (folder, *folder.parents) if p.exists()), 0)
    link = Path("/sys/dev/block") / f"{os.major(number)}:{os.minor(number)}" if hasattr(os, "major") else None
    return link.resolve().name if link and link.exists() else None
