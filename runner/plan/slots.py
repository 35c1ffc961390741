"""How many tasks of a stage run at once, and why."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from runner.plan.plan import Slots
from stages.contract import Needs

_MOST = 8  # more encoders than this fight over memory and disk on one workstation


def choose_slots(
    stage: str,
    needs: Needs,
    threads: int,
    machine: Mapping[str, float],
    wishes: Mapping[str, Mapping[str, Any]],
    *,
    most: int = _MOST,
    worker_ram_mb: int = 2048,
    begin: int = 0,
) -> Slots:
    """A stated number as it is, the first of `wishes` that has one; else from cores and memory.

    Args:
        stage: its name.
        needs: of one task.
        threads: tasks that one worker process takes at once (more than 1: it waits for a network).
        machine: capacities, as in `Capacity`.
        wishes: where a number may come from, strongest first, e.g. {"workers": {...}, "profile": {...}}.
        most: ceiling for computing stages.
        worker_ram_mb: memory set aside for each worker, MB.
        begin: where adapting begins, as tuning found it; 0: from cores and memory.
    """
    for origin, counts in wishes.items():
        count = counts.get(stage, "auto")
        if count != "auto":
            return Slots(int(count), int(count), int(count), auto=False, why=f"{origin}.{stage}={count}")
    if threads > 1:
        return Slots(threads, threads, threads, auto=True, why="waits for a network")
    slots = _from_machine(needs, machine, most, worker_ram_mb)
    return _begun(slots, begin) if begin else slots


def _begun(slots: Slots, begin: int) -> Slots:
    """The same bounds, from another count on, which may lie below what the cores would suggest."""
    count = max(1, min(begin, slots.high))
    return Slots(count, min(slots.floor, count), slots.high, auto=True, why=f"begins as tuned; {slots.why}")


def _from_machine(needs: Needs, machine: Mapping[str, float], most: int, worker_ram_mb: int) -> Slots:
    cores = machine["cpu_threads"]
    by_cpu = max(1, int(cores // max(needs.cpu_threads, 0.05)))
    by_ram = max(1, int(machine["ram_mb"] // max(needs.ram_mb, worker_ram_mb, 1)))
    ceiling = min(most, _MOST, by_ram)
    if needs.encoder_sessions:
        ceiling = min(ceiling, max(1, int(machine["encoder_sessions"] // needs.encoder_sessions)))
    count = max(1, min(by_cpu, ceiling))
    high = max(count, min(2 * max(1, int(cores)), ceiling))
    why = f"{cores:g} CPU threads / {needs.cpu_threads:g} a task, {by_ram} by memory, at most {ceiling}"
    return Slots(count, count, high, auto=True, why=why)
