"""Who holds a trial, and whether that process still lives."""

from __future__ import annotations

import functools
import os
import platform
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

SILENT_S = 120.0  # without a beat for so long, a process of another machine is taken for dead


@dataclass(frozen=True, slots=True)
class Owner:
    """A process: machine, number, and when it started (seconds of the epoch), since numbers come again."""

    host: str
    pid: int
    started: float

    def to_json(self) -> dict[str, Any]:
        """As JSON."""
        return asdict(self)

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> Owner:
        """Back from `to_json`."""
        return cls(str(value["host"]), int(value["pid"]), float(value["started"]))

    @property
    def file(self) -> str:
        """Name of its sign of life."""
        return f"{self.host}-{self.pid}-{self.started:.2f}.alive"


@functools.lru_cache(maxsize=4)
def _process(pid: int) -> Owner:
    import psutil

    return Owner(platform.node(), pid, round(psutil.Process(pid).create_time(), 2))


def this_process() -> Owner:
    """The one that runs this."""
    return _process(os.getpid())


def beat(folder: Path) -> None:
    """Leave a sign of life for other machines."""
    (folder / this_process().file).touch()


def is_alive(owner: Owner, folder: Path) -> bool:
    """Whether it still runs. On this machine the system says so; on others, its sign of life of late."""
    if owner.host != platform.node():
        return _heard_of(folder / owner.file)
    import psutil

    try:
        process = psutil.Process(owner.pid)
        return abs(process.create_time() - owner.started) < 1.0 and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def _heard_of(sign: Path) -> bool:
    try:
        return time.time() - sign.stat().st_mtime < SILENT_S
    except FileNotFoundError:
        return False
