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
from functools import partial
from pathlib import Path
from typing import Any

from runner.execute.admission import Admission, Hold
from runner.execute.afterwards import Afterwards
from runner.execute.attempt import Attempt
from runner.execute.failures import LADDER, Fault, Retries, fault_of
from runner.execute.intake import Intake
from runner.execute.lanes import Lane, make_lanes, program_limit
from runner.execute.nursery import Nursery
from runner.execute.pool import TaskFailed, WorkerProcess
from runner.execute.publish import by_the_way, publish_all
from runner.execute.recorder import Recorder
from runner.execute.transients import Transients
from runner.execute.underway import Underway
from runner.execute.wire import outcome_from
from runner.plan.graph import Graph
from runner.plan.index import Index, Outcome
from runner.plan.keys import task_key
from runner.plan.plan import Plan, PlannedItem
from runner.plan.tasks import RootState, Task
from stages.contract import PASSING, Failure

_SLICE_S = 0.05  # longest time the loop is held by cached work


class Stopped(Exception):  # noqa: N818
    """The run stops early, with the reason as one sentence."""


class Scheduler:
    """Runs a plan. `run()` returns when all is done; `counts` and `lanes` can be read at any time."""

    def __init__(
        self,
        plan: Plan,
        items: Iterator[PlannedItem],
        index: Index,
        recorder: Recorder,
        log: Path,
        nursery: Nursery | None = None,
    ) -> None:
        self.plan = plan
        self._nursery = nursery or Nursery()
        self.graph: Graph = plan.graph()
        self._beside = by_the_way(self.graph)
        self._wake = asyncio.Event()
        self._underway = Underway(self._wake_up, self._broke)
        self.counts = {"ok": 0, "failed": 0, "open": 0}
        self.lanes: dict[str, Lane] = make_lanes(plan, self.graph, log, self._wake_up, self._nursery)
        self.admission = Admission(plan, self._underway.look_again, self._retire, recorder.note)
        self._intake = Intake(plan, self.graph, items)
        self._index = index
        self._recorder = recorder
        self._transients = Transients(plan, self.graph, index)
        self._roots: dict[int, RootState] = {}
        self._offers: deque[Task] = deque()
        self._flying: dict[str, list[Attempt]] = {}
        self._stop: str | None = None
        self._serial = 0
        self._afterwards = Afterwards(plan.policy.after)
        self._retries = Retries(**plan.policy.retry)  # type: ignore[arg-type]

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
        if self._stop is not None:
            return not self._underway.works
        return not (self._underway.anything or self._roots) and self._intake.exhausted

    def stop(self, reason: str) -> None:
        """Start nothing more; what runs is ended."""
        if self._stop is None:
            self._stop = reason
            for lane in self.lanes.values():
                lane.pool.kill()
        self._wake_up()

    def _wake_up(self) -> None:
        self._wake.set()

    async def _close(self) -> None:
        await self._underway.end_of_works()
        await asyncio.gather(self._nursery.close(), *(lane.pool.close() for lane in self.lanes.values()))
        self._transients.close()

    def _broke(self, error: BaseException) -> None:
        """A fault of ours, or a full disk under the journal."""
        self.stop(fault_of(error, "the run").sentence)

    # --- items ---------------------------------------------------------------------------

    def _open_root(self) -> bool:
        """Open one more root when the window has room; False when there is none to open now."""
        if not self._intake.may_open(len(self._roots)):
            return False
        root = self._intake.next()
        if isinstance(root, PlannedItem):
            self._recorder.refused(root.item.key, Fault(Failure.BAD_INPUT, root.problem))
            self.counts["failed"] += 1
        elif root is not None:
            self._roots[root.number] = root
            self.counts["open"] = len(self._roots)
            self._transients.opened(root)
            self._offers.extend(root.start())
            self._close_root(root)
        return root is not None

    def _close_root(self, root: RootState) -> None:
        if not root.complete or root.number not in self._roots:
            return
        del self._roots[root.number]
        self._transients.closed(root)
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
            outcome = self._cached(lane, attempt)
            if outcome is not None:
                self._finish(attempt, outcome, "cached", {})
                return
        attempt.key = task_key(lane.digest, attempt.inputs)
        if attempt.key in self._flying:  # the same work is on its way: wait for it
            self._flying[attempt.key].append(attempt)
            return
        self._flying[attempt.key] = []
        self._queue(attempt)

    def _cached(self, lane: Lane, attempt: Attempt) -> Outcome | None:
        if not self.plan.policy.cache_enabled or lane.node.name in self.plan.policy.force:
            return None
        return self._index.get(attempt.key, spent=self._transients.may_be_spent(attempt.task))

    def _queue(self, attempt: Attempt) -> None:
        lane = self.lanes[attempt.task.node]
        try:
            attempt.needs = lane.needs_of(attempt.item.data)
        except Exception as error:  # noqa: BLE001 - a stage that cannot say what it needs fails its task, not the run
            self._lost(lane, attempt, fault_of(error, attempt.where), {})
            return
        heapq.heappush(lane.ready, attempt)
        self._wake_up()

    # --- running ---------------------------------------------------------------------------

    def _dispatch(self) -> None:
        more = bool(self._offers) or self._intake.may_open(len(self._roots))
        while self._stop is None:
            free = self._afterwards.free(self.lanes, more=more)
            for lane in sorted(free, key=self.admission.urgency):
                if hold := self.admission.admit(lane, lane.ready[0]):
                    self._underway.spawn(self._execute(lane, heapq.heappop(lane.ready), hold))
                    break
            else:
                return

    async def _execute(self, lane: Lane, attempt: Attempt, hold: Hold) -> None:
        with self._afterwards.under_way(lane.node.name):
            await self._run(lane, attempt, hold)

    async def _run(self, lane: Lane, attempt: Attempt, hold: Hold) -> None:
        attempt.tries += 1
        digest, policy = lane.digest, self.plan.policy
        spent: dict[str, Any] = {"t0": self._recorder.now(), "worker": hold.worker.name, "attempt": attempt.tries}
        failed: TaskFailed | None = None
        reply: dict[str, Any] = {}
        try:
            message = attempt.message(policy.scratch, program_limit(hold.needs, policy))
            reply = await hold.worker.run(message, policy.task_timeout_s)
        except TaskFailed as caught:
            failed = caught
        finally:
            self.admission.release(lane, hold)
        spent["t1"] = self._recorder.now()
        if failed is None:
            self._dispatch()  # the worker gets its next task before we write down what it did
            self._done(lane, attempt, digest, reply, spent)
        elif self._stop is None:
            self._failed(lane, attempt, failed.fault, digest, spent)

    # --- ends ------------------------------------------------------------------------------

    def _done(self, lane: Lane, attempt: Attempt, digest: str, reply: dict[str, Any], spent: dict[str, Any]) -> None:
        """A worker did it: remember it, then let it go on."""
        flying = self._flying.pop(attempt.key, [])
        attempt.key = task_key(digest, attempt.inputs)
        lane.note(spent["t1"] - spent["t0"], reply["cpu_s"])
        outcome = outcome_from(reply["ok"])
        if not outcome.data.get(PASSING):
            self._index.put(attempt.key, lane.node.type_name, outcome)
        name = f"{self.plan.pipeline}/{attempt.task.key}/{attempt.task.node}"
        self._index.remember(name, digest, attempt.inputs)
        self._finish(attempt, outcome, "done", {**spent, "cpu_s": reply["cpu_s"], "rss_mb": reply["rss_mb"]})
        for follower in flying:
            self._finish(follower, outcome, "cached", {})

    def _finish(self, attempt: Attempt, outcome: Outcome, status: str, spent: dict[str, Any]) -> None:
        """A task has its outcome: publish, journal, tell what waits for it."""
        task, lane, root = attempt.task, self.lanes[attempt.task.node], self._roots[attempt.task.root]
        try:
            outputs = publish_all(lane.node.publish, outcome, Path(self.plan.policy.output), task.key)
            ready = root.done(task, outcome)
        except (OSError, ValueError) as error:
            self._failed(lane, attempt, attempt.misplaced(error), lane.digest, spent)
            return
        lane.done += 1
        self._transients.took(task, attempt.key)
        self._recorder.finished(attempt, outcome, status, spent)
        beside = {"beside": True} if task.node in self._beside else {}
        self._recorder.published(task, [{**output, **beside} for output in outputs])
        self._offers.extend(ready)
        self._close_root(root)
        self._wake_up()

    def _failed(self, lane: Lane, attempt: Attempt, fault: Fault, digest: str, spent: dict[str, Any]) -> None:
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
        self._lost(lane, attempt, fault, spent)

    def _degrade(self, lane: Lane, fault: Fault) -> bool:
        step = lane.step_down(fault, self.plan.policy.on_oom)
        if step is None:
            return False
        self._recorder.degrade(lane.node.name, step)
        waiting, lane.ready = lane.ready, []
        for attempt in waiting:  # with other settings they take something else
            self._queue(attempt)
        return True

    def _retry(self, attempt: Attempt, fault: Fault, wait: float) -> None:
        self._recorder.retry(attempt, fault, wait)
        self._underway.later(wait, partial(self._queue, attempt))

    def _retire(self, worker: WorkerProcess) -> None:
        self._underway.spawn(worker.close())

    def _lost(self, lane: Lane, attempt: Attempt, fault: Fault, spent: dict[str, Any]) -> None:
        """Give up a task, and those that waited for the same work."""
        for each in [attempt, *self._flying.pop(attempt.key, [])]:
            self._recorder.failed(each, fault, spent, lane.settings)
            root = self._roots[each.task.root]
            self._recorder.blocked(root.fail(each.task))
            self._close_root(root)
        self._wake_up()
