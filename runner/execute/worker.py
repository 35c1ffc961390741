"""A worker process: holds one stage, does tasks as they come, and takes finished files into the store.

It speaks JSON lines: the first line on stdin sets it up, each further one is a task; replies go to what was stdout.
Whatever libraries print lands on stderr. When stdin ends, so does the worker: its job is gone.
"""

from __future__ import annotations

import json
import os
import shutil
import sys
import threading
import time
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, TextIO

from runner.config.typed import typed_settings
from runner.execute.failures import fault_of
from runner.execute.wire import item_from, outcome_to
from runner.plan.index import Found, Outcome
from runner.plan.store import Store
from stages.contract import Failure, Result, Stage, StageError, Work
from stages.platform.limits import limit_cpus, limit_memory, lower_priority, peak_rss_mb, spent_by_children
from stages.platform.processes import RUN_MARK, die_with_parent
from stages.registry import stage_class

_TELL_EVERY_S = 0.25


class Worker:
    """One opened stage, and the way from a task message to a reply."""

    def __init__(self, setup: Mapping[str, Any], reply: TextIO) -> None:
        self._reply = reply
        self._lock = threading.Lock()
        self._store = Store(Path(setup["store"]))
        self._threads = int(setup["threads"])
        self._kind = stage_class(setup["type"])
        self._stage: Stage[Any] = self._kind(typed_settings(self._kind.config_class, setup["settings"]))
        self._stage.open()

    def tell(self, message: Mapping[str, Any]) -> None:
        """Send one line; safe from any thread."""
        with self._lock:
            self._reply.write(json.dumps(message, ensure_ascii=False, separators=(",", ":")) + "\n")
            self._reply.flush()

    def serve(self, tasks: TextIO) -> None:
        """Do tasks until stdin ends."""
        if self._threads == 1:
            for line in tasks:
                self._do(json.loads(line))
            return
        with ThreadPoolExecutor(self._threads) as pool:
            for line in tasks:
                pool.submit(self._do, json.loads(line))

    def _do(self, task: Mapping[str, Any]) -> None:
        where = f"{task['item']['key']} ({task['stage']})"
        began = self._cpu_s()
        try:
            message: dict[str, Any] = {"ok": outcome_to(self._run(task))}
        except BaseException as error:  # noqa: BLE001 - whatever a stage raises becomes a classed fault
            message = {"fault": fault_of(error, where).to_json()}
        spent = {"cpu_s": round(self._cpu_s() - began, 4), "rss_mb": round(_peak_mb(), 1)}
        self.tell({"id": task["id"], **message, **spent})

    def _cpu_s(self) -> float:
        """CPU seconds so far, with those of programs; of tasks in threads only the thread's own can be told apart."""
        return time.thread_time() if self._threads > 1 else time.process_time() + spent_by_children()[0]

    def _run(self, task: Mapping[str, Any]) -> Outcome:
        scratch = Path(task["scratch"])
        scratch.mkdir(parents=True, exist_ok=True)
        try:
            work = Work(
                item=item_from(task["item"]),
                parts=[item_from(part) for part in task["parts"]],
                scratch=scratch,
                progress=self._progress(task["id"]),
                memory_mb=task["memory_mb"],
            )
            result = self._stage.run(work)
            self._stage.verify(work, result)
            return self._keep(result, scratch)
        finally:
            shutil.rmtree(scratch, ignore_errors=True)

    def _progress(self, number: int) -> Callable[[float], None]:
        """Tells now and then: a stage may call it for every frame."""
        told = time.monotonic()

        def tell(done: float) -> None:
            nonlocal told
            if time.monotonic() - told >= _TELL_EVERY_S:
                told = time.monotonic()
                self.tell({"id": number, "progress": round(done, 3)})

        return tell

    def _keep(self, result: Result, scratch: Path) -> Outcome:
        produces = self._kind.produces
        children = [
            Found(c.name, c.data, {n: self._store.adopt(_inside(f, scratch), _kind_of(f)) for n, f in c.files.items()})
            for c in result.children
        ]
        files = {
            name: self._store.adopt(_inside(file, scratch), produces.get(name, _kind_of(file)))
            for name, file in result.files.items()
        }
        return Outcome(files, result.data, result.metrics, list(result.notes), children)


def _peak_mb() -> float:
    """Peak memory of this process or of a program that it ran, whichever is larger, MB."""
    return max(peak_rss_mb(), spent_by_children()[1])


def _inside(file: Path, scratch: Path) -> Path:
    if scratch.resolve() not in file.resolve().parents:
        raise StageError(Failure.BUG, f"{file} lies outside the task's scratch folder")
    return file


def _kind_of(file: Path) -> str:
    import mimetypes

    return mimetypes.guess_type(file.name)[0] or "application/octet-stream"


def _limits(setup: Mapping[str, Any]) -> list[str]:
    return [
        limit_memory(int(setup["ram_mb"])),
        limit_cpus(int(setup["cpus"]), int(setup["index"])),
        lower_priority(int(setup["nice"])),
    ]


def main() -> None:
    """Take over stdin and stdout, set up, serve."""
    die_with_parent()
    replies = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    tasks = os.fdopen(os.dup(0), "r", encoding="utf-8")
    setup = json.loads(tasks.readline() or "null")
    if setup is None:
        return
    os.environ[RUN_MARK] = setup["mark"]  # whatever it starts can be found by it
    limits = _limits(setup)
    try:
        worker = Worker(setup, replies)
    except BaseException as error:  # noqa: BLE001 - told to the job, which decides
        replies.write(json.dumps({"broken": fault_of(error, setup["stage"]).to_json()}) + "\n")
        replies.flush()
        return
    worker.tell({"ready": True, "limits": limits, "rss_mb": round(_peak_mb(), 1)})
    worker.serve(tasks)
    sys.stderr.flush()
    os._exit(0)  # threads that still wait for a network must not hold the process


if __name__ == "__main__":
    main()
