"""Admission: which lane may start its next task now, on which worker; and giving everything back."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

from runner.execute.attempt import Attempt
from runner.execute.lanes import Lane
from runner.execute.ledger import NONE, Ledger, Memory, memory_beyond, memory_of
from runner.execute.pool import WorkerProcess
from runner.plan.capacity import Capacity
from runner.plan.plan import Plan
from stages.contract import Needs
from stages.rate import Rate

_CRUMB = 1e-6  # as in the ledger


@dataclass(frozen=True, slots=True)
class Hold:
    """What a running task holds, as it was taken: its worker, its needs, and the memory that its worker had not."""

    worker: WorkerProcess
    needs: Needs
    cpu: float
    memory: Memory


class Admission:
    """The ledger, the API rates, and the workers that hold memory.

    Args:
        plan: the plan.
        later: called with seconds after which it is worth asking again.
        retire: called with a worker that was let go and has to be closed.
        tell: called with a sentence for the journal.
    """

    def __init__(
        self,
        plan: Plan,
        later: Callable[[float], None],
        retire: Callable[[WorkerProcess], None],
        tell: Callable[[str], None],
    ) -> None:
        self.ledger = Ledger(Capacity(**plan.capacity))  # type: ignore[arg-type]
        self._later = later
        self._retire = retire
        self._tell = tell
        self._told: set[str] = set()
        self._held: dict[WorkerProcess, tuple[Lane, Memory]] = {}
        folder = Path(plan.policy.cache_root).parent / "rates"
        self._rates = {n: Rate(g, s, folder / f"{n}.json") for n, (g, s) in plan.policy.rates.items()}

    def urgency(self, lane: Lane) -> tuple[bool, int]:
        """Stages below their CPU share first, then the deepest."""
        below = lane.cpu_held + _CRUMB < lane.share * self.ledger.capacity.cpu_threads
        return (not below, -lane.node.depth)

    def admit(self, lane: Lane, attempt: Attempt) -> Hold | None:
        """Take a worker and all else for the lane's next task, or None; `lane.waits_for` then says what is missing."""
        cpu = lane.cpu_of(attempt.needs)
        lane.waits_for = self._obstacle(lane, attempt.needs, cpu)
        if lane.waits_for:
            return None
        worker, beyond = lane.pool.idle(), memory_beyond(attempt.needs, lane.needs)
        lane.waits_for = self._no_room(worker, beyond if worker else memory_of(lane.needs) + beyond)
        lane.waits_for = lane.waits_for or self._no_grant(lane)
        if lane.waits_for:
            return None
        hold = Hold(worker or self._open(lane), attempt.needs, cpu, beyond)
        self._note_oversize(lane, attempt, cpu)
        self._take(lane, hold)
        return hold

    def release(self, lane: Lane, hold: Hold) -> None:
        """Give back what an ended task held; a worker that died or has outdated settings is let go."""
        lane.running -= 1
        lane.cpu_held -= hold.cpu
        self.ledger.free_task(hold.needs, hold.cpu)
        self.ledger.free_memory(hold.memory)
        worker = hold.worker
        worker.busy -= 1
        if worker.busy or worker not in self._held:
            return
        if worker.gone or worker.setup is not lane.pool.setup:
            self._let_go(worker)

    def _take(self, lane: Lane, hold: Hold) -> None:
        lane.running += 1
        lane.cpu_held += hold.cpu
        hold.worker.busy += 1
        self.ledger.hold_task(hold.needs, hold.cpu)
        self.ledger.hold_memory(hold.memory)

    def _open(self, lane: Lane) -> WorkerProcess:
        worker, memory = lane.pool.add(), memory_of(lane.needs)
        self._held[worker] = lane, memory
        self.ledger.hold_memory(memory)
        return worker

    def _let_go(self, worker: WorkerProcess) -> None:
        lane, memory = self._held.pop(worker)
        lane.pool.remove(worker)
        self.ledger.free_memory(memory)
        self._retire(worker)

    def _obstacle(self, lane: Lane, needs: Needs, cpu: float) -> str:
        if lane.running >= lane.target:
            return "workers"
        rate = self._rates.get(lane.needs.rate)
        if rate and (wait := rate.wait_s()) > 0:
            self._later(wait)
            return "rate"
        return self.ledger.may_run(needs, cpu)

    def _no_grant(self, lane: Lane) -> str:
        """Draw from the lane's rate, last of all; another run may have been faster than our first look."""
        wait = self._rates[lane.needs.rate].try_take() if lane.needs.rate else 0
        if wait > 0:
            self._later(wait)
        return "rate" if wait > 0 else ""

    def _no_room(self, worker: WorkerProcess | None, memory: Memory) -> str:
        """What more memory waits for; other idle workers are let go where that makes room."""
        own = self._held[worker][1] if worker else NONE
        if not self.ledger.may_hold(memory, own):
            return ""
        idle = self._idle(worker)
        without = replace(self.ledger)
        for each in idle:
            without.free_memory(self._held[each][1])
        waits_for = without.may_hold(memory, own)
        while not waits_for and self.ledger.may_hold(memory, own):
            self._let_go(idle.pop(0))
        return waits_for

    def _idle(self, but: WorkerProcess | None) -> list[WorkerProcess]:
        """Workers that can be let go: those that died or have former settings first."""
        idle = [worker for worker in self._held if not worker.busy and worker is not but]
        return sorted(idle, key=lambda worker: not worker.gone and worker.setup is self._held[worker][0].pool.setup)

    def _note_oversize(self, lane: Lane, attempt: Attempt, cpu: float) -> None:
        """Said once for a stage: that a task got more than there is."""
        more = self.ledger.more_than_all(attempt.needs, cpu)
        if more and lane.node.name not in self._told:
            self._told.add(lane.node.name)
            self._tell(f"{attempt.task.key} ({lane.node.name}) wants {more}: such a task runs alone")
