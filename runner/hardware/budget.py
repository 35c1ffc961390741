"""A stated machine against the real one: what a run may plan with."""

from __future__ import annotations

from dataclasses import dataclass

from runner.hardware.config import HardwareConfig
from runner.hardware.machine import Gpu, Machine

_NOMINAL = 0.9  # a machine sold with 64 GB shows some GB less: firmware and the graphics chip keep them
_SESSIONS = 2  # more NVENC encodes at once hardly speed one film up, and each takes 0.5 to 1 GB


@dataclass(frozen=True, slots=True)
class Budget:
    """What all tasks that run at once may take together; memory in MB. `notes` are sentences worth telling."""

    cpu_threads: float
    cores_physical: int
    ram_mb: int
    vram_mb: int = 0
    gpu_name: str = ""
    encoder_sessions: int = 0
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class _Share:
    threads: float
    cores: int
    ram_mb: int
    notes: tuple[str, ...]


def resolve(config: HardwareConfig, machine: Machine) -> Budget:
    """What to plan with: as stated, but never more than the machine has, and each cut says so.

    Memory counts as far as it is free now, less the reserve; what firmware keeps of it is not worth a note.
    With `detect: false` the stated values hold as they are: for a machine that is detected wrongly, or to plan
    for another one.
    """
    if not config.detect:
        return _as_stated(config)
    share = _processors_and_memory(config, machine)
    gpu, vram_mb, notes = _gpu(config, machine)
    return Budget(
        cpu_threads=share.threads,
        cores_physical=share.cores,
        ram_mb=share.ram_mb,
        vram_mb=vram_mb,
        gpu_name=gpu.name if gpu else "",
        encoder_sessions=_sessions(config) if gpu else 0,
        notes=share.notes + notes,
    )


def _as_stated(config: HardwareConfig) -> Budget:
    gpu = config.use_gpu and bool(config.vram_mb)
    return Budget(
        cpu_threads=config.cpu_threads or 1.0,
        cores_physical=config.cores_physical or 1,
        ram_mb=config.ram_mb or 0,
        vram_mb=(config.vram_mb or 0) if gpu else 0,
        gpu_name=(config.gpu_name or "") if gpu else "",
        encoder_sessions=_sessions(config) if gpu else 0,
        notes=(f"hardware={config.name} with hardware.detect=false: planning as stated, not as this machine is",),
    )


def _sessions(config: HardwareConfig) -> int:
    return _SESSIONS if config.encoder_sessions is None else config.encoder_sessions


def _processors_and_memory(config: HardwareConfig, machine: Machine) -> _Share:
    cpu, memory = machine.cpu, machine.memory
    free = max(0, memory.free_mb - config.ram_reserve_mb)
    ram_mb = free if config.ram_mb is None else min(config.ram_mb, free)
    notes = [
        _cut(config, config.cpu_threads, cpu.usable_threads, "threads"),
        _cut(config, config.cores_physical, cpu.usable_cores, "physical cores"),
        _memory_note(config, config.ram_mb, memory.total_mb, memory.free_mb, ram_mb, "MB of memory"),
    ]
    return _Share(
        threads=min(config.cpu_threads or cpu.usable_threads, cpu.usable_threads),
        cores=min(config.cores_physical or cpu.usable_cores, cpu.usable_cores),
        ram_mb=ram_mb,
        notes=tuple(note for note in notes if note),
    )


def _cut(config: HardwareConfig, stated: float | None, real: float, unit: str) -> str:
    if stated is None or stated <= real:
        return ""
    return f"hardware={config.name} states {stated:g} {unit}, this machine has {real:g}: planning with {real:g}"


def _memory_note(config: HardwareConfig, stated: int | None, total: int, free: int, planned: int, unit: str) -> str:
    """A sentence when much less can be planned with than was stated or is built in."""
    if stated is not None and total < stated * _NOMINAL:
        return f"hardware={config.name} states {stated} {unit}, this machine has {total}: planning with {planned}"
    if planned < min(stated or total, total) / 2:
        return f"only {free} of this machine's {total} {unit} are free: planning with {planned}"
    return ""


def _gpu(config: HardwareConfig, machine: Machine) -> tuple[Gpu | None, int, tuple[str, ...]]:
    """The GPU to use, its memory to plan with, and what differs from the stated one."""
    if not config.use_gpu:
        return None, 0, ()
    if not machine.gpus:
        return None, 0, _no_gpu(config, machine)
    gpu = _choose(machine.gpus, config.gpu_name or "")
    free = max(0, gpu.vram_free_mb - config.vram_reserve_mb)
    vram_mb = free if config.vram_mb is None else min(config.vram_mb, free)
    notes = [
        _other_gpu(config, gpu),
        _memory_note(config, config.vram_mb, gpu.vram_mb, gpu.vram_free_mb, vram_mb, "MB of GPU memory"),
    ]
    return gpu, vram_mb, tuple(note for note in notes if note)


def _no_gpu(config: HardwareConfig, machine: Machine) -> tuple[str, ...]:
    if not config.gpu_name and not config.vram_mb:
        return ()
    stated = " with ".join(filter(None, [config.gpu_name or "a GPU", f"{config.vram_mb} MB" if config.vram_mb else ""]))
    reason = f" ({machine.gpu_reason})" if machine.gpu_reason else ""
    return (f"hardware={config.name} states {stated}, this machine has no GPU{reason}: planning without",)


def _choose(gpus: tuple[Gpu, ...], name: str) -> Gpu:
    """The one that is named as stated, and of several the one with most memory."""
    return max(gpus, key=lambda gpu: (name.lower() in gpu.name.lower(), gpu.vram_mb))


def _other_gpu(config: HardwareConfig, gpu: Gpu) -> str:
    if not config.gpu_name or config.gpu_name.lower() in gpu.name.lower():
        return ""
    return f"hardware={config.name} states {config.gpu_name}, this machine has {gpu.name}: planning with that"
