"""The scheduler: which task runs when, on which worker, and what follows from its end.

One asyncio loop. Items stream: a window of roots is open; a task starts when its inputs are there and the ledger
admits it; stages below their CPU share come first, then deeper stages, so that items finish.
"""

from __future__ import annotations

import asyncio
import heapq
import time
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from runner.execute.failures import LADDER, Fault, Retries, fault_of
from runner.execute.lanes import Lane, make_lanes
from runner.execute.ledger import Ledger, Rate
from runner.execute.pool import TaskFailed, WorkerProcess
from runner.execute.publish import publish, result_path
from runner.execute.wire import item_to, outcome_from
from runner.plan.capacity import Capacity
from runner.plan.graph import Graph, Node
from runner.plan.index import Index, Outcome
from runner.plan.keys import inputs_digest, taken, task_key
from runner.plan.plan import Plan, PlannedItem, sampled
from runner.plan.tasks import RootState, Task
from runner.record.journal import Journal, Lines
from stages.contract import Failure, Item, Needs

_SLICE_S = 0.05  # longest time the loop is held by cached work


class Stopped(Exception):  # noqa: N818
    """The run stops early, with the reason as one sentence."""


class Attempt:
    """A task on its way: its inputs, key, and how often it was tried."""

    __slots__ = ("inputs", "item", "key", "parts", "rank", "since", "task", "tries")

    def __init__(self, task: Task, item: Item, parts: list[Item], rank: tuple[int, int]) -> None:
        self.task, self.item, self.parts, self.rank = task, item, parts, rank
        self.inputs = inputs_digest(taken(item, parts))
        self.key = ""
        self.tries = 0
        self.since = time.monotonic()

    def __lt__(self, other: Attempt) -> bool:
        return self.rank < other.rank


@dataclass(frozen=True, slots=True)
class Hold:
    """What a running task holds in the ledger; kept, since the stage's needs may change meanwhile."""

    needs: Needs
    cpu: float


class Scheduler:
    """Runs a plan. `run()` returns when all is done; `counts` and `lanes` can be read at any time."""

    def __init__(
        self, plan: Plan, items: Iterator[PlannedItem], index: Index, journal: Journal, dead: Lines, log: Path
    ) -> None:
        self.plan = plan
        self.graph: Graph = plan.graph()
        self.counts = {"ok": 0, "failed": 0, "open": 0}
        self.cpu_load = 0.0
        self.ledger = Ledger(Capacity(**plan.capacity))  # type: ignore[arg-type]
        self.lanes: dict[str, Lane] = make_lanes(plan, self.graph, log, self._pump_soon)
        self._items = items
        self._index = index
        self._journal = journal
        self._dead = dead
        self._roots: dict[int, RootState] = {}
        self._offers: deque[Task] = deque()
        self._flying: dict[str, list[Attempt]] = {}
        self._running: set[asyncio.Task[None]] = set()
        self._timers = 0
        self._wake = asyncio.Event()
        self._held: dict[WorkerProcess, Needs] = {}
        self._stop: str | None = None
        self._exhausted = False
        self._serial = 0
        self._retries = Retries(**plan.policy.retry)  # type: ignore[arg-type]
        rates = Path(plan.policy.cache_root).parent / "rates"
        self._rates = {n: Rate(g, s, rates / f"{n}.json") for n, (g, s) in plan.policy.rates.items()}
        if self._rates:
            rates.mkdir(parents=True, exist_ok=True)

    # --- the loop --------------------------------------------------------------------------

    async def run(self) -> None:
        """Everything to its end.

        Raises:
            Stopped: when the run had to stop early; finished work is kept.
        """
        try:
            while not await self._finished():
                await self._wake.wait()
                self._wake.clear()
            if self._stop is not None:
                raise Stopped(self._stop)
        finally:
            await self._close()

    async def _finished(self) -> bool:
        held_since = time.monotonic()
        while self._stop is None and (self._offers or self._open_root()):
            while self._offers:
                self._offer(self._offers.popleft())
            if time.monotonic() - held_since > _SLICE_S:
                self._dispatch()
                await asyncio.sleep(0)
                held_since = time.monotonic()
        self._dispatch()
        idle = not self._running and not self._timers
        if self._stop is not None:
            return not self._running
        return idle and self._exhausted and not self._roots

    def stop(self, reason: str) -> None:
        """Start nothing more; what runs is ended."""
        if self._stop is None:
            self._stop = reason
            for lane in self.lanes.values():
                lane.pool.kill()
        self._pump_soon()

    def _pump_soon(self) -> None:
        self._wake.set()

    async def _close(self) -> None:
        if self._running:
            await asyncio.gather(*self._running, return_exceptions=True)
        for lane in self.lanes.values():
            await lane.pool.close()

    # --- items ---------------------------------------------------------------------------

    def _open_root(self) -> bool:
        """Open one more root when the window has room; False when there is none to open now."""
        if self._exhausted or len(self._roots) >= self.plan.policy.batch_size:
            return False
        planned = next(self._items, None)
        if planned is None:
            self._exhausted = True
            return False
        if planned.problem:
            self._refused(planned)
            return True
        excluded = [
            name
            for node in self.graph.nodes.values()
            if not sampled(planned.number, self.plan.items, node.sample)
            for name in (node.name, *self.graph.downstream(node.name))
        ]
        root = RootState(self.graph, planned.number, planned.item, excluded)
        self._roots[planned.number] = root
        self.counts["open"] = len(self._roots)
        self._offers.extend(root.start())
        self._close_root(root)
        return True

    def _refused(self, planned: PlannedItem) -> None:
        fault = Fault(Failure.BAD_INPUT, planned.problem)
        now = self._journal.now()
        self._journal.event(
            "task", item=planned.item.key, stage="input", status="failed", t0=now, t1=now, worker="", attempt=1,
            cpu_s=0, rss_mb=0, metrics={}, notes=[], key="", failure=str(fault.failure), sentence=fault.sentence,
        )  # fmt: skip
        self._bury("input", planned.item.key, fault, 1, {}, {})
        self.counts["failed"] += 1

    def _close_root(self, root: RootState) -> None:
        if root.complete and root.number in self._roots:
            del self._roots[root.number]
            self.counts["ok" if root.ok else "failed"] += 1
            self.counts["open"] = len(self._roots)
            if not root.ok and self.plan.policy.on_failure == "stop":
                self.stop(f"{root.item.key} failed and on_failure=stop; mend it and run the same command again")

    # --- offering: cache, single flight, queue -----------------------------------------------

    def _offer(self, task: Task) -> None:
        lane = self.lanes[task.node]
        item, parts = self._roots[task.root].inputs(task)
        self._serial += 1
        attempt = Attempt(task, item, parts, (task.root, self._serial))
        for digest in lane.digests():
            attempt.key = task_key(digest, attempt.inputs)
            outcome = self._cached(lane, attempt.key)
            if outcome is not None:
                self._finish(attempt, outcome, "cached")
                return
        attempt.key = task_key(lane.digest, attempt.inputs)
        if attempt.key in self._flying:  # the same work is on its way: wait for it
            self._flying[attempt.key].append(attempt)
            return
        self._flying[attempt.key] = []
        self._queue(attempt)

    def _cached(self, lane: Lane, key: str) -> Outcome | None:
        if not self.plan.policy.cache_enabled or lane.node.name in self.plan.policy.force:
            return None
        return self._index.get(key)

    def _queue(self, attempt: Attempt) -> None:
        heapq.heappush(self.lanes[attempt.task.node].ready, attempt)
        self._pump_soon()

    # --- dispatching -----------------------------------------------------------------------

    def _dispatch(self) -> None:
        while self._stop is None:
            for lane in sorted(self.lanes.values(), key=self._urgency):
                if lane.ready and (worker := self._admit(lane)):
                    self._start(lane, worker, heapq.heappop(lane.ready))
                    break
            else:
                return

    def _urgency(self, lane: Lane) -> tuple[bool, int]:
        """Stages below their CPU share first, then the deepest."""
        below = lane.running * lane.cpu < lane.share * self.ledger.capacity.cpu_threads
        return (not below, -lane.node.depth)

    def _admit(self, lane: Lane) -> WorkerProcess | None:
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

    def _obstacle(self, lane: Lane) -> str:
        if lane.running >= lane.target:
            return "workers"
        rate = self._rates.get(lane.needs.rate)
        if rate and (wait := rate.wait_s()) > 0:
            self._later(wait, None)
            return "rate"
        return self.ledger.may_run(lane.needs, lane.cpu)

    def _no_room(self, lane: Lane) -> str:
        """What a new worker waits for, after idle workers of other stages were let go to make room."""
        spare = [(other, w) for other in self.lanes.values() for w in other.pool.outdated()]
        while waits_for := self.ledger.may_open(lane.needs):
            if not spare:
                return waits_for
            self._retire(*spare.pop(0))
        return ""

    def _retire(self, lane: Lane, worker: WorkerProcess) -> None:
        self._forget(lane, worker)
        self._spawn(worker.close())

    def _forget(self, lane: Lane, worker: WorkerProcess) -> None:
        lane.pool.remove(worker)
        self.ledger.free_worker(self._held.pop(worker))

    def _start(self, lane: Lane, worker: WorkerProcess, attempt: Attempt) -> None:
        hold = Hold(lane.needs, lane.cpu)
        lane.running += 1
        worker.busy += 1
        self.ledger.hold_task(hold.needs, hold.cpu)
        self._spawn(self._execute(lane, worker, attempt, hold))

    def _spawn(self, work: Any) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._running.add(task)
        task.add_done_callback(self._ended)

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._running.discard(task)
        error = None if task.cancelled() else task.exception()
        if error is not None:  # a fault of ours, or a full disk under the journal
            self.stop(fault_of(error, "the run").sentence)
        self._pump_soon()

    async def _execute(self, lane: Lane, worker: WorkerProcess, attempt: Attempt, hold: Hold) -> None:
        attempt.tries += 1
        began = self._journal.now()
        digest = lane.digest
        try:
            reply = await worker.run(self._message(attempt), self.plan.policy.task_timeout_s)
        except TaskFailed as failed:
            self._release(lane, worker, hold)
            if self._stop is None:
                self._failed(lane, attempt, failed, began, worker.name, digest)
            return
        self._release(lane, worker, hold)
        attempt.key = task_key(digest, attempt.inputs)
        lane.note(self._journal.now() - began, reply["cpu_s"])
        outcome = outcome_from(reply["ok"])
        self._index.put(attempt.key, lane.node.type_name, outcome)
        self._index.remember(self._name(attempt.task), digest, attempt.inputs)
        spent = {"worker": worker.name, "attempt": attempt.tries, "cpu_s": reply["cpu_s"], "rss_mb": reply["rss_mb"]}
        self._finish(attempt, outcome, "done", t0=began, **spent)

    def _message(self, attempt: Attempt) -> dict[str, Any]:
        scratch = Path(self.plan.policy.scratch) / f"{attempt.rank[1]}-{attempt.tries}"
        return {
            "stage": attempt.task.node,
            "item": item_to(attempt.item),
            "parts": [item_to(part) for part in attempt.parts],
            "scratch": str(scratch),
        }

    def _release(self, lane: Lane, worker: WorkerProcess, hold: Hold) -> None:
        lane.running -= 1
        worker.busy -= 1
        self.ledger.free_task(hold.needs, hold.cpu)
        if worker.busy or worker not in self._held:
            return
        if worker.gone:
            self._forget(lane, worker)
        elif worker.setup is not lane.pool.setup:
            self._retire(lane, worker)

    # --- ends ------------------------------------------------------------------------------

    def _name(self, task: Task) -> str:
        return f"{self.plan.pipeline}/{task.key}/{task.node}"

    def _finish(self, attempt: Attempt, outcome: Outcome, status: str, /, **spent: Any) -> None:
        """A task has its outcome: publish, journal, tell what waits for it."""
        task, lane = attempt.task, self.lanes[attempt.task.node]
        root = self._roots[task.root]
        now = self._journal.now()
        fields = {"t0": now, "worker": "", "attempt": 0, "cpu_s": 0, "rss_mb": 0, **spent}
        try:
            outputs = self._publish(lane.node, task, outcome)
            ready = root.done(task, outcome)
        except (OSError, ValueError) as error:  # no place for the file, or two children of one name
            self._failed(lane, attempt, TaskFailed(_placed_badly(error, task)), now, "", lane.digest)
            return
        lane.done += 1
        self._journal.event(
            "task", item=task.key, stage=task.node, status=status, t1=now, key=attempt.key,
            metrics=dict(outcome.metrics), notes=list(outcome.notes), **fields,
        )  # fmt: skip
        for output in outputs:
            self._journal.event("output", item=task.key, **output)
        for follower in self._flying.pop(attempt.key, []) if status == "done" else ():
            self._finish(follower, outcome, "cached")
        self._offers.extend(ready)
        self._close_root(root)
        self._pump_soon()

    def _publish(self, node: Node, task: Task, outcome: Outcome) -> list[dict[str, Any]]:
        made = []
        for position, name in enumerate(node.publish):
            artifact = outcome.artifacts[name]
            extra = name if position and artifact.path.suffix == outcome.artifacts[node.publish[0]].path.suffix else ""
            target = result_path(Path(self.plan.policy.output), task.key, artifact.path.suffix, extra)
            how = publish(artifact, target)
            made.append({"artifact": name, "path": str(target), "bytes": artifact.size, "how": how})
        return made

    def _failed(self, lane: Lane, attempt: Attempt, failed: TaskFailed, began: float, worker: str, digest: str) -> None:
        fault = failed.fault
        if fault.failure is Failure.DISK_FULL:
            self.stop(fault.sentence)
            return
        if fault.failure in LADDER and (digest != lane.digest or self._degrade(lane, fault)):
            self._retry(attempt, fault, 0.0)
            return
        wait = self._retries.more(fault, attempt.tries)
        if wait is not None:
            self._retry(attempt, fault, wait)
            return
        for follower in [attempt, *self._flying.pop(attempt.key, [])]:
            self._give_up(lane, follower, fault, began, worker)

    def _degrade(self, lane: Lane, fault: Fault) -> bool:
        step = lane.step_down(fault, self.plan.policy.on_oom)
        if step is None:
            return False
        self._journal.event("degrade", stage=lane.node.name, changes=dict(step.changes), reason=step.reason)
        return True

    def _retry(self, attempt: Attempt, fault: Fault, wait: float) -> None:
        task = attempt.task
        self._journal.event(
            "retry", item=task.key, stage=task.node, failure=str(fault.failure), sentence=fault.sentence,
            attempt=attempt.tries, wait_s=round(wait, 3),
        )  # fmt: skip
        self._later(wait, attempt)

    def _later(self, wait: float, attempt: Attempt | None) -> None:
        self._timers += 1
        asyncio.get_running_loop().call_later(wait, self._due, attempt)

    def _due(self, attempt: Attempt | None) -> None:
        self._timers -= 1
        if attempt is not None:
            self._queue(attempt)
        self._pump_soon()

    def _give_up(self, lane: Lane, attempt: Attempt, fault: Fault, began: float, worker: str) -> None:
        task = attempt.task
        self._journal.event(
            "task", item=task.key, stage=task.node, status="failed", t0=began, t1=self._journal.now(), worker=worker,
            attempt=attempt.tries, cpu_s=0, rss_mb=0, metrics={}, notes=[], key=attempt.key,
            failure=str(fault.failure), sentence=fault.sentence,
        )  # fmt: skip
        inputs = {name: artifact.digest for name, artifact in attempt.item.artifacts.items()}
        self._bury(task.node, task.key, fault, attempt.tries, dict(lane.settings), inputs)
        root = self._roots[task.root]
        for blocked in root.fail(task):
            now = self._journal.now()
            self._journal.event("task", item=blocked.key, stage=blocked.node, status="blocked", t0=now, t1=now)
        self._close_root(root)
        self._pump_soon()

    def _bury(self, stage: str, item: str, fault: Fault, tries: int, settings: Any, inputs: Any) -> None:
        import shlex

        run = str(Path(self.plan.policy.scratch).parent)
        words = ["reeltune", "replay", run, f"stage={stage}", f"item={item}"]
        self._dead.write({
            "item": item, "stage": stage, "failure": str(fault.failure), "sentence": fault.sentence,
            "attempts": tries, "settings": settings, "inputs": inputs, "detail": fault.detail,
            "replay": shlex.join(words),
        })  # fmt: skip


def _placed_badly(error: Exception, task: Task) -> Fault:
    where = f"{task.key} ({task.node})"
    if isinstance(error, OSError):
        return fault_of(error, where)
    return Fault(Failure.BAD_INPUT, f"{where}: {error}")
