"""What the machine has and who holds it. A task starts only when everything it needs is free at once."""

from __future__ import annotations

from dataclasses import dataclass

from runner.plan.capacity import Capacity
from stages.contract import Needs

_CRUMB = 1e-6  # fractions of threads do not add up exactly; what is left of them holds nobody back


@dataclass(frozen=True, slots=True)
class Memory:
    """Amounts of memory, MB."""

    ram_mb: int = 0
    vram_mb: int = 0

    def __add__(self, other: Memory) -> Memory:
        return Memory(self.ram_mb + other.ram_mb, self.vram_mb + other.vram_mb)


NONE = Memory()


def memory_of(needs: Needs) -> Memory:
    """The memory that is needed."""
    return Memory(needs.ram_mb, needs.vram_mb)


def memory_beyond(needs: Needs, held: Needs) -> Memory:
    """What is needed more than is held."""
    return Memory(max(0, needs.ram_mb - held.ram_mb), max(0, needs.vram_mb - held.vram_mb))


@dataclass(slots=True)
class Ledger:
    """Absolute amounts, never fractions. CPU and sessions belong to a task, memory to the worker that holds it.

    Memory that a task takes beyond what its worker holds belongs to the task. Who needs more than there is of
    anything gets it when nobody else holds any: it runs alone rather than never.
    """

    capacity: Capacity
    cpu_threads: float = 0.0
    ram_mb: int = 0
    vram_mb: int = 0
    encoder_sessions: int = 0

    def may_run(self, needs: Needs, cpu: float) -> str:
        """What a task has to wait for; empty when it may start."""
        if self.cpu_threads > _CRUMB and self.cpu_threads + cpu > self.capacity.cpu_threads + _CRUMB:
            return "cpu"
        if _waits(needs.encoder_sessions, self.encoder_sessions, self.capacity.encoder_sessions):
            return "encoder_sessions"
        return ""

    def hold_task(self, needs: Needs, cpu: float) -> None:
        """Take what a task needs while it runs."""
        self.cpu_threads += cpu
        self.encoder_sessions += needs.encoder_sessions

    def free_task(self, needs: Needs, cpu: float) -> None:
        """Give it back."""
        self.cpu_threads -= cpu
        self.encoder_sessions -= needs.encoder_sessions

    def may_hold(self, memory: Memory, own: Memory = NONE) -> str:
        """What more memory has to wait for, for somebody who holds `own` already; empty when it is there."""
        if _waits(memory.ram_mb, self.ram_mb, self.capacity.ram_mb, own.ram_mb):
            return "ram"
        if _waits(memory.vram_mb, self.vram_mb, self.capacity.vram_mb, own.vram_mb):
            return "vram"
        return ""

    def hold_memory(self, memory: Memory) -> None:
        """Take memory, for a worker while it lives, or for a task while it runs."""
        self.ram_mb += memory.ram_mb
        self.vram_mb += memory.vram_mb

    def free_memory(self, memory: Memory) -> None:
        """Give it back."""
        self.ram_mb -= memory.ram_mb
        self.vram_mb -= memory.vram_mb

    def more_than_all(self, needs: Needs, cpu: float) -> str:
        """What a task wants more of than the machine has, in words; empty when it fits."""
        asked = (
            ("CPU threads", cpu - _CRUMB, self.capacity.cpu_threads),
            ("MB of memory", needs.ram_mb, self.capacity.ram_mb),
            ("MB of GPU memory", needs.vram_mb, self.capacity.vram_mb),
            ("encoder sessions", needs.encoder_sessions, self.capacity.encoder_sessions),
        )
        more = [f"{round(wants, 2):.12g} {what} (of {has:.12g})" for what, wants, has in asked if wants > has]
        return ", ".join(more)


def _waits(wants: int, held: int, has: int, own: int = 0) -> bool:
    return bool(wants) and held > own and held + wants > has
