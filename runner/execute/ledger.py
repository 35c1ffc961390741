"""What the machine has and who holds it. A task starts only when everything it needs is free at once."""

from __future__ import annotations

import json
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from runner.plan.capacity import Capacity
from stages.contract import Needs
from stages.platform import write_atomic

_CRUMB = 1e-6  # fractions of threads do not add up exactly; what is left of them holds nobody back


@dataclass(slots=True)
class Ledger:
    """Absolute amounts, never fractions. CPU and sessions belong to a task, memory to the worker that holds it."""

    capacity: Capacity
    cpu_threads: float = 0.0
    ram_mb: int = 0
    vram_mb: int = 0
    encoder_sessions: int = 0

    def may_run(self, needs: Needs, cpu: float) -> str:
        """What a task has to wait for; empty when it may start. One that needs more CPU than there is runs alone."""
        if self.cpu_threads > _CRUMB and self.cpu_threads + cpu > self.capacity.cpu_threads + _CRUMB:
            return "cpu"
        if self.encoder_sessions + needs.encoder_sessions > self.capacity.encoder_sessions and needs.encoder_sessions:
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

    def may_open(self, needs: Needs) -> str:
        """What a new worker has to wait for; empty when it may start."""
        if self.ram_mb + needs.ram_mb > self.capacity.ram_mb:
            return "ram"
        if needs.vram_mb and self.vram_mb + needs.vram_mb > self.capacity.vram_mb:
            return "vram"
        return ""

    def hold_worker(self, needs: Needs) -> None:
        """Take the memory that a worker holds while it lives."""
        self.ram_mb += needs.ram_mb
        self.vram_mb += needs.vram_mb

    def free_worker(self, needs: Needs) -> None:
        """Give it back."""
        self.ram_mb -= needs.ram_mb
        self.vram_mb -= needs.vram_mb


@dataclass(slots=True)
class Rate:
    """At most `grants` in ANY window of `per_s` seconds: a sliding log, kept over restarts when it has a file.

    A leaky bucket of the same figures lets nearly twice as many through in its first window.
    """

    grants: int
    per_s: float
    file: Path | None = None
    clock: Callable[[], float] = time.time
    _log: deque[float] = field(default_factory=deque)

    def __post_init__(self) -> None:
        if self.file and self.file.is_file():
            self._log.extend(json.loads(self.file.read_text(encoding="utf-8")))

    def wait_s(self) -> float:
        """Seconds until the next grant is free; 0.0 now."""
        now = self.clock()
        while self._log and self._log[0] <= now - self.per_s:
            self._log.popleft()
        if len(self._log) < self.grants:
            return 0.0
        return max(0.0, self._log[-self.grants] + self.per_s - now)

    def take(self) -> None:
        """Draw one grant; the caller has seen `wait_s() == 0`."""
        self._log.append(self.clock())
        while len(self._log) > self.grants:
            self._log.popleft()
        if self.file:
            write_atomic(self.file, json.dumps(list(self._log)))
