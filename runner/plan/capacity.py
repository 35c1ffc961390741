"""What a machine has to give, and what can never fit into it."""

from __future__ import annotations

from dataclasses import dataclass

from stages.contract import Needs


@dataclass(frozen=True, slots=True)
class Capacity:
    """What there is to give: threads, MB, MB, sessions."""

    cpu_threads: float
    ram_mb: int
    vram_mb: int = 0
    encoder_sessions: int = 0


def never_fits(needs: Needs, capacity: Capacity) -> str:
    """Why a task of this need can never run on this machine, or ""."""
    if needs.ram_mb > capacity.ram_mb:
        return f"needs {needs.ram_mb} MB of memory, there are {capacity.ram_mb}"
    if needs.vram_mb > capacity.vram_mb:
        return f"needs {needs.vram_mb} MB of GPU memory, there are {capacity.vram_mb}"
    if needs.encoder_sessions > capacity.encoder_sessions:
        return f"needs {needs.encoder_sessions} encoder sessions, there are {capacity.encoder_sessions}"
    return ""
