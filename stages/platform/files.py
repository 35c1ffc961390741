"""Files that survive a crash, appear whole or not at all, and get second names."""

from __future__ import annotations

import os
import shutil
import uuid
from pathlib import Path

from stages.platform import WINDOWS


def flush_to_disk(path: Path) -> None:
    """Make a written file survive a power cut."""
    with path.open("rb+") as file:
        os.fsync(file.fileno())


def flush_folder(path: Path) -> None:
    """Make a rename inside the folder survive a power cut. Windows has no such call: skipped there."""
    if WINDOWS:
        return
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def write_atomic(path: Path, content: str | bytes, *, durable: bool = False) -> None:
    """Write a small file so that readers see the old or the new one whole, never a half."""
    temp = beside(path)
    try:
        temp.write_bytes(content.encode() if isinstance(content, str) else content)
        if durable:
            flush_to_disk(temp)
        temp.replace(path)
    except BaseException:
        temp.unlink(missing_ok=True)
        raise


def beside(path: Path) -> Path:
    """A temporary name in the same folder, so that the final rename cannot cross a file system.

    The name does not grow with the file's own, which may be as long as the file system allows.
    """
    return path.with_name(f".part-{uuid.uuid4().hex[:12]}")


def move_durably(source: Path, target: Path) -> None:
    """Flush, then rename to the final name; across file systems: copy beside the target, flush, rename."""
    target.parent.mkdir(parents=True, exist_ok=True)
    if source.stat().st_dev == target.parent.stat().st_dev:
        flush_to_disk(source)
        source.replace(target)
        return
    link_or_copy(source, target, link=False)
    source.unlink()


def link_or_copy(source: Path, target: Path, *, link: bool = True) -> str:
    """Give a file a second name, by hard link where the file system can, else by copy.

    Returns:
        `link` or `copy`: what was done.
    """
    target.parent.mkdir(parents=True, exist_ok=True)
    temp = beside(target)
    try:
        how = "link"
        try:
            if not link:
                raise OSError
            os.link(source, temp)
        except OSError:
            how = "copy"
            shutil.copyfile(source, temp)
            flush_to_disk(temp)
        temp.replace(target)
        return how
    finally:
        temp.unlink(missing_ok=True)


def point_latest(link: Path, target: Path) -> None:
    """Make `link` lead to the folder `target`. Where links are forbidden: a text file that names it."""
    temp = beside(link)
    try:
        temp.symlink_to(os.path.relpath(target, link.parent), target_is_directory=True)
        temp.replace(link)
    except OSError:
        temp.unlink(missing_ok=True)
        write_atomic(link.with_suffix(".txt"), f"{target}\n")


def can_write(folder: Path) -> str | None:
    """Why nothing can be written to a folder, or None. A folder that is not there yet is not made."""
    home = folder.absolute()
    try:
        while not home.exists() and home != home.parent:
            home = home.parent
        if not home.is_dir():
            return f"{home} is not a folder"
        probe = home / f".write-{uuid.uuid4().hex[:8]}"
        if home == folder.absolute():
            probe.write_bytes(b"x")
            probe.unlink()
        else:
            probe.mkdir()
            probe.rmdir()
    except OSError as error:
        return error.strerror or str(error)
    return None
