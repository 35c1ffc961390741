"""Limits that a container (Linux control group, version 1 or 2) puts on this process.

A limit may sit on the group itself or on any group above it, so all of them are read and the smallest holds.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path, PurePosixPath

from runner.hardware.mounts import Mount, mounts

_NO_LIMIT_MB = 1 << 40  # version 1 writes "no limit" as a number near 2^63 bytes


def cpu_quota(root: Path = Path("/")) -> float | None:
    """CPUs' worth of time that the container may take, such as 1.5; None without a limit."""
    return _smallest(root, "cpu", _quota_v1, _quota_v2)


def memory_limit_mb(root: Path = Path("/")) -> int | None:
    """Memory that the container may take, MB; None without a limit."""
    limit = _smallest(root, "memory", _limit_v1, _limit_v2)
    return None if limit is None else int(limit)


def memory_free_mb(root: Path = Path("/")) -> int | None:
    """Memory that the container has left under its tightest limit, MB; None without a limit.

    Page cache that nobody used lately counts as free: the kernel gives it back before it refuses memory.
    """
    free = _smallest(root, "memory", _free_v1, _free_v2)
    return None if free is None else max(0, int(free))


def _smallest(
    root: Path, controller: str, read_v1: Callable[[Path], float | None], read_v2: Callable[[Path], float | None]
) -> float | None:
    readings = [read_v1(folder) for folder in _folders(root, controller)]
    readings += [read_v2(folder) for folder in _folders(root, "")]
    return min((reading for reading in readings if reading is not None), default=None)


# --- where the files are ---------------------------------------------------------------------


def _folders(root: Path, controller: str) -> Iterator[Path]:
    """The group's folder and all above it, for a controller of version 1 or ("") for version 2."""
    path = _group_path(root, controller)
    if path is None:
        return
    for mount in mounts(root):
        if _carries(mount, controller):
            top = root / mount.point.lstrip("/")
            group = _inside(path, mount)
            yield from (top / part for part in (group, *group.parents))
            return


def _group_path(root: Path, controller: str) -> PurePosixPath | None:
    """The group of this process: `/proc/self/cgroup` has lines such as `4:cpu,cpuacct:/a` and `0::/a`."""
    try:
        lines = (root / "proc/self/cgroup").read_text(encoding="utf-8").splitlines()
    except OSError:
        return None
    for line in lines:
        _, names, path = line.split(":", 2)
        if controller in names.split(","):
            return PurePosixPath(path)
    return None


def _carries(mount: Mount, controller: str) -> bool:
    if controller:
        return mount.file_system == "cgroup" and controller in mount.options
    return mount.file_system == "cgroup2"


def _inside(path: PurePosixPath, mount: Mount) -> PurePosixPath:
    """The group's path below the mount: a container is often shown only its own part of the tree."""
    if path.is_relative_to(mount.root):
        return path.relative_to(mount.root)
    return PurePosixPath()


# --- what the files say ----------------------------------------------------------------------


def _words(file: Path) -> list[str]:
    try:
        return file.read_text(encoding="utf-8").split()
    except OSError:
        return []


def _number(file: Path) -> float | None:
    words = _words(file)
    return float(words[0]) if words and words[0] != "max" else None


def _megabytes(file: Path) -> float | None:
    value = _number(file)
    return None if value is None or value / 1024**2 >= _NO_LIMIT_MB else value / 1024**2


def _quota_v1(folder: Path) -> float | None:
    quota, period = _number(folder / "cpu.cfs_quota_us"), _number(folder / "cpu.cfs_period_us")
    return quota / period if quota and period and quota > 0 else None


def _quota_v2(folder: Path) -> float | None:
    words = _words(folder / "cpu.max")
    return float(words[0]) / float(words[1]) if len(words) == 2 and words[0] != "max" else None


def _limit_v1(folder: Path) -> float | None:
    return _megabytes(folder / "memory.limit_in_bytes")


def _limit_v2(folder: Path) -> float | None:
    """`memory.high` is where the kernel starts to slow the group down: planning above it would be of no use."""
    limits = [_megabytes(folder / "memory.max"), _megabytes(folder / "memory.high")]
    return min((limit for limit in limits if limit is not None), default=None)


def _free_v1(folder: Path) -> float | None:
    return _free(_limit_v1(folder), folder / "memory.usage_in_bytes", folder / "memory.stat", "total_inactive_file")


def _free_v2(folder: Path) -> float | None:
    return _free(_limit_v2(folder), folder / "memory.current", folder / "memory.stat", "inactive_file")


def _free(limit: float | None, used: Path, stat: Path, cache: str) -> float | None:
    if limit is None:
        return None
    words = _words(stat)
    reclaimable = float(words[words.index(cache) + 1]) / 1024**2 if cache in words else 0.0
    return limit - (_megabytes(used) or 0.0) + reclaimable
