"""Where folders lie: local or over a network, how much room, how fast."""

from __future__ import annotations

import os
import shutil
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path, PurePosixPath

from runner.hardware.machine import Disk
from runner.hardware.mounts import mount_of, mounts
from stages.platform import LINUX

_NETWORK = {
    "9p", "afs", "afpfs", "beegfs", "ceph", "cifs", "davfs", "drvfs", "fuse.gcsfuse", "fuse.glusterfs", "fuse.rclone",
    "fuse.s3fs", "fuse.sshfs", "glusterfs", "gpfs", "lustre", "ncpfs", "nfs", "nfs4", "smb2", "smb3", "smbfs", "webdav",
}  # fmt: skip
_MEMORY = {"ramfs", "tmpfs", "devtmpfs"}
_OVERLAY = {"aufs", "fuse-overlayfs", "fuse.fuse-overlayfs", "overlay"}
_CHUNK = 1024 * 1024
_CHUNKS = 4
_LONGEST_S = 0.25


def detect_disks(folders: Sequence[Path], *, root: Path = Path("/"), measure: bool = True) -> tuple[Disk, ...]:
    """The disk under each folder. A folder that is not there yet is answered for by the nearest one above it.

    Two folders on one device are measured once.

    Args:
        folders: what to look at.
        root: folder that holds `proc`.
        measure: write and flush a few MB to see how fast that is.
    """
    speeds: dict[int, float | str] = {}
    return tuple(_detect(folder, root, measure, speeds) for folder in folders)


def _detect(folder: Path, root: Path, measure: bool, speeds: dict[int, float | str]) -> Disk:
    there = _nearest(folder.absolute())
    file_system = _file_system(there, root)
    speed = _speed(there, speeds) if measure else None
    return Disk(
        folder=str(folder),
        kind=kind_of(file_system),
        file_system=file_system,
        free_mb=shutil.disk_usage(there).free // 1024**2,
        write_mb_s=speed if isinstance(speed, float) else None,
        problem=speed if isinstance(speed, str) else "",
    )


def _nearest(folder: Path) -> Path:
    return next(path for path in (folder, *folder.parents) if path.is_dir())


def kind_of(file_system: str) -> str:
    """`local`, `network`, `memory`, `overlay` or `unknown`, from the name of a file system."""
    name = file_system.lower()
    if not name:
        return "unknown"
    kinds = {"network": _NETWORK, "memory": _MEMORY, "overlay": _OVERLAY}
    return next((kind for kind, names in kinds.items() if name in names), "local")


def _file_system(folder: Path, root: Path) -> str:
    if LINUX:
        mount = mount_of(PurePosixPath(folder.resolve()), mounts(root))
        return mount.file_system if mount else ""
    return _file_system_elsewhere(folder.resolve())


def _file_system_elsewhere(folder: Path) -> str:
    if str(folder).startswith("\\\\"):
        return "cifs"  # a UNC path
    import psutil

    partitions = [p for p in psutil.disk_partitions(all=True) if folder.is_relative_to(p.mountpoint)]
    return max(partitions, key=lambda p: len(p.mountpoint)).fstype if partitions else ""


def _speed(folder: Path, speeds: dict[int, float | str]) -> float | str:
    device = folder.stat().st_dev
    if not os.access(folder, os.W_OK):
        return f"{folder} cannot be written by this user"
    if device not in speeds:
        speeds[device] = _write_speed(folder)
    return speeds[device]


def _write_speed(folder: Path) -> float | str:
    """MB/s, or the reason why nothing can be written. Stops early on a slow disk so that asking stays cheap."""
    block = os.urandom(_CHUNK)  # not compressible: some file systems would cheat with zeros
    written = 0
    start = time.perf_counter()
    try:
        with tempfile.TemporaryFile(dir=folder, buffering=0) as file:
            while written < _CHUNKS and time.perf_counter() - start < _LONGEST_S:
                file.write(block)
                os.fsync(file.fileno())
                written += 1
    except OSError as error:
        return f"{folder}: {error.strerror or error}"
    return round(written / max(time.perf_counter() - start, 1e-6), 1)
