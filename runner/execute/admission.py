"""Admission: which lane may start a task now, on which worker; and giving everything back."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from runner.execute.lanes import Lane
from runner.execute.ledger import Ledger, Rate
from runner.execute.pool import WorkerProcess
from runner.plan.capacity import Capacity
from runner.plan.plan import Plan
from stages.contract import Needs


@dataclass(frozen=True, slots=True)
class Hold:
    """What a running task holds in the ledger; kept, since the stage's needs may change meanwhile."""

    needs: Needs
    cpu: float


class Admission:
    """The ledger, the API rates, and the workers that hold memory.

    Args:
        plan: the plan.
        lanes: all stages.
        later: called with seconds after which it is worth asking again.
        retire: called with a worker that was let go and has to be closed.
    """

    def __init__(
        self,
        plan: Plan,
        lanes: Mapping[str, Lane],
        later: Callable[[float], None],
        retire: Callable[[WorkerProcess], None],
    ) -> None:
        self.ledger = Ledger(Capacity(**plan.capacity))  # type: ignore[arg-type]
        self._lanes = lanes
        self._later = later
        self._retire = retire
        self._held: dict[WorkerProcess, Needs] = {}
        folder = Path(plan.policy.cache_root).parent / "rates"
        self._rates = {n: Rate(g, s, folder / f"{n}.json") for n, (g, s) in plan.policy.rates.items()}
        if self._rates:
            folder.mkdir(parents=True, exist_ok=True)

    def urgency(self, lane: Lane) -> tuple[bool, int]:
        """Stages below their CPU share first, then the deepest."""
        below = lane.running * lane.cpu < lane.share * self.ledger.capacity.cpu_threads
        return (not below, -lane.node.depth)

    def admit(self, lane: Lane) -> WorkerProcess | None:
        """A worker for the lane's next task, or None; `lane.waits_for` then says what is missing."""
        lane.waits_for = self._obstacle(lane)
        if lane.waits_for:
            return None
        worker = lane.pool.idle()
        if worker is None:
            lane.waits_for = self._no_room(lane)
            if lane.waits_for:
                return None
            worker = lane.pool.add()
            self.ledger.hold_worker(lane.needs)
            self._held[worker] = lane.needs
        if lane.needs.rate:
            self._rates[lane.needs.rate].take()
        return worker

    def take(self, lane: Lane, worker: WorkerProcess) -> Hold:
        """Count a task that starts."""
        hold = Hold(lane.needs, lane.cpu)
        lane.running += 1
        worker.busy += 1
        self.ledger.hold_task(hold.needs, hold.cpu)
        return hold

    def release(self, lane: Lane, worker: WorkerProcess, hold: Hold) -> None:
        """Count a task that ended; a worker that died or has outdated settings is let go."""
        lane.running -= 1
        worker.busy -= 1
        self.ledger.free_task(hold.needs, hold.cpu)
        if worker.busy or worker not in self._held:
            return
        if worker.gone or worker.setup is not lane.pool.setup:
            self._let_go(lane, worker)

    def _let_go(self, lane: Lane, worker: WorkerProcess) -> None:
        lane.pool.remove(worker)
        self.ledger.free_worker(self._held.pop(worker))
        self._retire(worker)

    def _obstacle(self, lane: Lane) -> str:
        if lane.running >= lane.target:
            return "workers"
        rate = self._rates.get(lane.needs.rate)
        if rate and (wait := rate.wait_s()) > 0:
            self._later(wait)
            return "rate"
        return self.ledger.may_run(lane.needs, lane.cpu)

    def _no_room(self, lane: Lane) -> str:
        """What a new worker waits for, after idle workers of other stages were let go to make room."""
        spare = [(other, worker) for other in self._lanes.values() for worker in other.pool.outdated()]
        while waits_for := self.ledger.may_open(lane.needs):
            if not spare:
                return waits_for
            self._let_go(*spare.pop(0))
        return ""
