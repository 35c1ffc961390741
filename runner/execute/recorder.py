"""What the scheduler writes down: journal events and dead letters."""

from __future__ import annotations

import shlex
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from runner.execute.attempt import Attempt
from runner.execute.failures import Fault
from runner.plan.index import Outcome
from runner.plan.tasks import Task
from runner.record.journal import Journal, Lines
from stages.contract import EFFECTIVE, Step

_NOTHING = {"worker": "", "attempt": 0, "cpu_s": 0, "rss_mb": 0}


class Recorder:
    """Journal and dead letters of one run; formats are in docs/architecture.md."""

    def __init__(self, journal: Journal, dead: Lines, run: Path) -> None:
        self._journal = journal
        self._dead = dead
        self._run = run

    def now(self) -> float:
        """Seconds since the start of the run."""
        return self._journal.now()

    def finished(self, attempt: Attempt, outcome: Outcome, status: str, spent: Mapping[str, Any]) -> None:
        """A task was done, or found done."""
        now = self.now()
        self._journal.event(
            "task", item=attempt.task.key, stage=attempt.task.node, status=status,
            **{"t0": now, "t1": now, **_NOTHING, **spent},
            metrics=dict(outcome.metrics), notes=list(outcome.notes), key=attempt.key,
            **({"used": outcome.data[EFFECTIVE]} if EFFECTIVE in outcome.data else {}),
        )  # fmt: skip

    def published(self, task: Task, outputs: Iterable[Mapping[str, Any]]) -> None:
        """Finished files got their names."""
        for output in outputs:
            self._journal.event("output", item=task.key, **output)

    def failed(self, attempt: Attempt, fault: Fault, spent: Mapping[str, Any], settings: Mapping[str, Any]) -> None:
        """A task was given up."""
        inputs = {name: artifact.digest for name, artifact in attempt.item.artifacts.items()}
        self._give_up(attempt.task.key, attempt.task.node, fault, spent, attempt.key)
        self._bury(attempt.task.key, attempt.task.node, fault, attempt.tries, settings, inputs)

    def refused(self, key: str, fault: Fault) -> None:
        """An input that cannot be an item."""
        self._give_up(key, "input", fault, {"attempt": 1}, "")
        self._bury(key, "input", fault, 1, {}, {})

    def blocked(self, tasks: Iterable[Task]) -> None:
        """Tasks that can never run."""
        for task in tasks:
            now = self.now()
            self._journal.event("task", item=task.key, stage=task.node, status="blocked", t0=now, t1=now)

    def retry(self, attempt: Attempt, fault: Fault, wait: float) -> None:
        """A task comes back after a while."""
        self._journal.event(
            "retry", item=attempt.task.key, stage=attempt.task.node, failure=str(fault.failure),
            sentence=fault.sentence, attempt=attempt.tries, wait_s=round(wait, 3),
        )  # fmt: skip

    def note(self, text: str) -> None:
        """Something worth telling."""
        self._journal.event("note", text=text)

    def degrade(self, stage: str, step: Step) -> None:
        """A stage goes one step down its ladder."""
        self._journal.event("degrade", stage=stage, changes=dict(step.changes), reason=step.reason)

    def _give_up(self, item: str, stage: str, fault: Fault, spent: Mapping[str, Any], key: str) -> None:
        now = self.now()
        self._journal.event(
            "task", item=item, stage=stage, status="failed", **{"t0": now, "t1": now, **_NOTHING, **spent},
            metrics={}, notes=[], key=key, failure=str(fault.failure), sentence=fault.sentence,
        )  # fmt: skip

    def _bury(self, item: str, stage: str, fault: Fault, tries: int, settings: Any, inputs: Any) -> None:
        words = ["reeltune", "replay", str(self._run), f"stage={stage}", f"item={item}"]
        self._dead.write({
            "item": item, "stage": stage, "failure": str(fault.failure), "sentence": fault.sentence,
            "attempts": tries, "settings": dict(settings), "inputs": inputs, "detail": fault.detail,
            "replay": shlex.join(words),
        })  # fmt: skip
