"""The machine as plain data. `runner.hardware.detect` fills it; nothing here looks at anything."""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Cpu:
    """Processors.

    Attributes:
        model: name of the processor.
        cores: physical cores of the machine.
        threads: logical CPUs of the machine.
        usable_cores: physical cores this process may run on, at least 1.
        usable_threads: CPUs' worth of time this process may take, by affinity and container quota (such as 1.5).
        quota: the container's CPU quota, in CPUs; None when there is none.
    """

    model: str
    cores: int
    threads: int
    usable_cores: int
    usable_threads: float
    quota: float | None = None


@dataclass(frozen=True, slots=True)
class Memory:
    """Memory in MB. `total_mb` and `free_mb` respect the container's limit; `installed_mb` does not."""

    installed_mb: int
    total_mb: int
    free_mb: int


@dataclass(frozen=True, slots=True)
class Disk:
    """Where a folder lies.

    Attributes:
        folder: the folder that was asked about.
        kind: `local`, `network`, `memory` (tmpfs), `overlay` (container layer) or `unknown`.
        file_system: its name, such as `ext4`.
        free_mb: room for this user, MB.
        write_mb_s: written and flushed, MB/s; None when not measured.
        problem: why the folder cannot be written, or "".
    """

    folder: str
    kind: str
    file_system: str
    free_mb: int
    write_mb_s: float | None = None
    problem: str = ""


@dataclass(frozen=True, slots=True)
class Gpu:
    """An NVIDIA GPU as its driver describes it; memory in MB. It says nothing about NVENC: only a trial encode does."""

    name: str
    vram_mb: int
    vram_free_mb: int
    driver: str
    uuid: str


@dataclass(frozen=True, slots=True)
class Machine:
    """What was found. `gpu_reason` says why there is no GPU; `limits` are sentences on what a container cuts."""

    system: str
    system_family: str
    python: str
    cpu: Cpu
    memory: Memory
    disks: tuple[Disk, ...] = ()
    gpus: tuple[Gpu, ...] = ()
    gpu_reason: str = ""
    limits: tuple[str, ...] = ()

    @property
    def fingerprint(self) -> str:
        """Twelve hex digits that are the same on every run on this machine, in this container's size.

        Not in it: what is free now, affinity, disks, driver and software versions.
        """
        parts = [
            self.system_family,
            self.cpu.model,
            self.cpu.cores,
            self.cpu.threads,
            self.cpu.quota,
            _rounded_gb(self.memory.total_mb),
            sorted((gpu.name, _rounded_gb(gpu.vram_mb)) for gpu in self.gpus),
        ]
        return hashlib.sha256(json.dumps(parts).encode()).hexdigest()[:12]

    def to_dict(self) -> dict[str, Any]:
        """The machine as JSON, with its fingerprint."""
        return {"fingerprint": self.fingerprint, **asdict(self)}

    @classmethod
    def from_dict(cls, value: Mapping[str, Any]) -> Machine:
        """The machine back from `to_dict`."""
        return cls(
            system=value["system"],
            system_family=value["system_family"],
            python=value["python"],
            cpu=Cpu(**value["cpu"]),
            memory=Memory(**value["memory"]),
            disks=tuple(Disk(**disk) for disk in value["disks"]),
            gpus=tuple(Gpu(**gpu) for gpu in value["gpus"]),
            gpu_reason=value["gpu_reason"],
            limits=tuple(value["limits"]),
        )


def _rounded_gb(megabytes: int) -> int:
    """Up to whole GB (to 4 GB above 8): a kernel update moves the few MB that firmware keeps, not this."""
    gigabytes = math.ceil(megabytes / 1024)
    return gigabytes if gigabytes <= 8 else 4 * math.ceil(gigabytes / 4)
