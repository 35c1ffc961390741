"""Mounted file systems, read from the kernel's table. Empty where there is no such table."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path, PurePosixPath


@dataclass(frozen=True, slots=True)
class Mount:
    """One line of `/proc/self/mountinfo`; `root` is the part of the file system that is mounted at `point`."""

    root: str
    point: str
    file_system: str
    options: tuple[str, ...]


def mounts(root: Path = Path("/")) -> list[Mount]:
    """Every mount that this process sees, in mounting order."""
    try:
        text = (root / "proc/self/mountinfo").read_text(encoding="utf-8", errors="surrogateescape")
    except OSError:
        return []
    return [mount for line in text.splitlines() if (mount := _parse(line))]


def _parse(line: str) -> Mount | None:
    """Fields before ` - ` are per mount, those after it per file system; see proc(5)."""
    left, separator, right = line.partition(" - ")
    before, after = left.split(), right.split()
    if not separator or len(before) < 6 or len(after) < 3:
        return None
    return Mount(_unescape(before[3]), _unescape(before[4]), after[0], tuple(after[2].split(",")))


def _unescape(text: str) -> str:
    """The kernel writes space, tab, newline and backslash as octal."""
    return re.sub(r"\\([0-7]{3})", lambda match: chr(int(match[1], 8)), text)


def mount_of(path: PurePosixPath, table: list[Mount]) -> Mount | None:
    """The mount that an absolute path lies on: the deepest; of two at one place the later, which hides the other."""
    above = {str(path), *map(str, path.parents)}
    found = [mount for mount in table if mount.point in above]
    deepest = max((len(mount.point) for mount in found), default=0)
    return next((mount for mount in reversed(found) if len(mount.point) == deepest), None)
