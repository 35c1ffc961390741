"""Our own process tree, read cheaply: once a second beside work that wants the CPU."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from stages.platform import LINUX


@dataclass(frozen=True, slots=True)
class Process:
    """One process: its name (Linux cuts it to 15 letters) and resident memory in MB."""

    pid: int
    name: str
    rss_mb: float


def process_tree(root: int) -> list[Process]:
    """The process and all its descendants that live now.

    Linux reads only the tree's own entries in `/proc` (0.1 ms a process); elsewhere psutil walks all processes.
    """
    if LINUX and Path(f"/proc/{root}/task/{root}/children").exists():
        return list(_from_proc(root))
    return list(_from_psutil(root))


def _from_proc(root: int) -> Iterator[Process]:
    page_mb = os.sysconf("SC_PAGE_SIZE") / 1024 / 1024
    waiting = [root]
    while waiting:
        pid = waiting.pop()
        folder = Path("/proc") / str(pid)
        try:
            waiting.extend(_children(folder))
            pages = int((folder / "statm").read_bytes().split()[1])
            name = (folder / "comm").read_text(errors="replace").strip()
        except (FileNotFoundError, ProcessLookupError):
            continue  # it ended while we looked
        yield Process(pid, name, pages * page_mb)


def _children(folder: Path) -> Iterator[int]:
    """Children hang on the thread that started them, so every thread is asked."""
    for thread in os.listdir(folder / "task"):  # noqa: PTH208 - names are all that is needed, a thousand times
        try:
            yield from map(int, (folder / "task" / thread / "children").read_bytes().split())
        except (FileNotFoundError, ProcessLookupError):
            continue


def _from_psutil(root: int) -> Iterator[Process]:
    import psutil

    try:
        top = psutil.Process(root)
        family = [top, *top.children(recursive=True)]
    except psutil.NoSuchProcess:
        return
    for process in family:
        try:
            yield Process(process.pid, process.name(), process.memory_info().rss / 1024 / 1024)
        except psutil.Error:
            continue  # it ended while we looked, or it is not ours to see
