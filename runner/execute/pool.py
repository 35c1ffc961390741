"""Worker processes of one stage: started when first needed, reused, replaced when settings change or they die."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

from runner.execute.failures import Fault, fault_of_exit
from runner.execute.nursery import Nursery
from stages.contract import Failure
from stages.platform.processes import end_tree

_TAIL_LINES = 60


class TaskFailed(Exception):  # noqa: N818 - a message between our own parts
    """A task came back with a fault; `died` when its worker is gone."""

    def __init__(self, fault: Fault, *, died: bool = False) -> None:
        super().__init__(fault.sentence)
        self.fault = fault
        self.died = died


@dataclass(frozen=True, slots=True)
class WorkerSetup:
    """The first line a worker gets (see `runner.execute.worker`)."""

    stage: str
    type: str
    settings: Mapping[str, Any]
    threads: int
    store: str
    ram_mb: int
    cpus: int
    nice: int
    mark: str

    def line(self, index: int) -> bytes:
        """As it is sent."""
        said = {name: getattr(self, name) for name in self.__slots__}
        return json.dumps({**said, "settings": dict(self.settings), "index": index}).encode() + b"\n"


class WorkerProcess:
    """One worker process with `threads` slots."""

    def __init__(
        self, setup: WorkerSetup, index: int, log: BinaryIO, on_progress: Callable[[], None], nursery: Nursery
    ) -> None:
        self._nursery = nursery
        self.setup = setup
        self.name = f"{setup.stage}-{index + 1}"
        self.index = index
        self.busy = 0
        self.limits: list[str] = []
        self.gone = False
        self._log = log
        self._on_progress = on_progress
        self._tail: deque[str] = deque(maxlen=_TAIL_LINES)
        self._pending: dict[int, asyncio.Future[dict[str, Any]]] = {}
        self._next = 0
        self._ready: asyncio.Future[None] | None = None
        self._failure: TaskFailed | None = None
        self._process: asyncio.subprocess.Process | None = None
        self._readers: list[asyncio.Task[None]] = []

    @property
    def pid(self) -> int | None:
        """Process id, once started."""
        return self._process.pid if self._process else None

    async def start(self) -> None:
        """Start the process unless it runs, and wait until its stage is open.

        Raises:
            TaskFailed: when the stage cannot be opened.
        """
        if self._ready is None:
            self._ready = asyncio.get_running_loop().create_future()
            self._process = await self._nursery.take()
            self._readers = [asyncio.create_task(self._read_replies()), asyncio.create_task(self._read_errors())]
            self._send(self.setup.line(self.index))
        await asyncio.shield(self._ready)

    async def run(self, task: Mapping[str, Any], timeout_s: float) -> dict[str, Any]:
        """Do one task; the reply.

        Raises:
            TaskFailed: with the fault.
        """
        await self.start()
        if self._failure:  # it died since it was chosen: nobody would answer
            raise self._failure
        self._next += 1
        number = self._next
        future: asyncio.Future[dict[str, Any]] = asyncio.get_running_loop().create_future()
        self._pending[number] = future
        self._send(json.dumps({"id": number, **task}, ensure_ascii=False).encode() + b"\n")
        try:
            reply = await asyncio.wait_for(future, timeout_s or None)
        except TimeoutError:
            self.kill()
            where = f"{task['item']['key']} ({task['stage']})"
            sentence = f"{where}: took longer than {timeout_s:g} s; raise task_timeout_s or look at the item"
            raise TaskFailed(Fault(Failure.TIMEOUT, sentence), died=True) from None
        finally:
            self._pending.pop(number, None)
        if "fault" in reply:
            said = reply["fault"]
            raise TaskFailed(Fault(Failure(said["failure"]), said["sentence"], said["detail"], said["retry_after_s"]))
        return reply

    def _send(self, line: bytes) -> None:
        assert self._process and self._process.stdin
        with contextlib.suppress(ConnectionError, RuntimeError):  # it died: the reader tells everybody
            self._process.stdin.write(line)

    async def _read_replies(self) -> None:
        assert self._process and self._process.stdout and self._ready
        async for line in self._process.stdout:
            message = json.loads(line)
            if "ready" in message:
                self.limits = message["limits"]
                if not self._ready.done():
                    self._ready.set_result(None)
            elif "broken" in message:
                said = message["broken"]
                self._break(TaskFailed(Fault(Failure(said["failure"]), said["sentence"], said["detail"]), died=True))
            elif "progress" in message:
                self._on_progress()
            elif (future := self._pending.get(message["id"])) and not future.done():
                future.set_result(message)
        code = await self._process.wait()
        await asyncio.sleep(0)
        fault = fault_of_exit(code, self.name, "\n".join(self._tail))
        self._break(TaskFailed(fault, died=True))

    def _break(self, failure: TaskFailed) -> None:
        self.gone = True
        self._failure = failure
        waiting = [self._ready, *self._pending.values()]
        for future in waiting:
            if future and not future.done():
                future.set_exception(failure)
                future.exception()  # seen: the process may end with nobody waiting

    async def _read_errors(self) -> None:
        assert self._process and self._process.stderr
        async for line in self._process.stderr:
            text = line.decode(errors="replace").rstrip()
            self._tail.append(text)
            with contextlib.suppress(OSError):  # a full disk is told by the work itself
                self._log.write(f"[{self.name}] {text}\n".encode())
                self._log.flush()

    def kill(self) -> None:
        """End it and everything it started, now."""
        self.gone = True
        if self.pid:
            end_tree(self.pid)

    async def close(self) -> None:
        """Let it end by itself (its stdin ends), then by force."""
        self.gone = True
        if not self._process:
            return
        assert self._process.stdin
        self._process.stdin.close()
        try:
            await asyncio.wait_for(self._process.wait(), 3)
        except TimeoutError:
            self.kill()
        await asyncio.gather(*self._readers, return_exceptions=True)


class Pool:
    """The workers of one stage."""

    def __init__(self, setup: WorkerSetup, log_path: Path, on_progress: Callable[[], None], nursery: Nursery) -> None:
        self._nursery = nursery
        self.setup = setup
        self.workers: list[WorkerProcess] = []
        self._log = log_path.open("ab")
        self._on_progress = on_progress

    @property
    def threads(self) -> int:
        """Tasks at once in one process."""
        return self.setup.threads

    def idle(self) -> WorkerProcess | None:
        """A living worker with a free slot and the present settings."""
        self._drop_gone()
        fits = [w for w in self.workers if w.busy < self.threads and w.setup is self.setup]
        return max(fits, key=lambda w: w.busy, default=None)

    def add(self) -> WorkerProcess:
        """A new worker; it starts with its first task."""
        self._drop_gone()
        taken = {w.index for w in self.workers}
        index = next(i for i in range(len(taken) + 1) if i not in taken)
        worker = WorkerProcess(self.setup, index, self._log, self._on_progress, self._nursery)
        self.workers.append(worker)
        return worker

    def remove(self, worker: WorkerProcess) -> None:
        """Forget a worker."""
        if worker in self.workers:
            self.workers.remove(worker)

    def _drop_gone(self) -> None:
        self.workers = [w for w in self.workers if not w.gone or w.busy]

    async def close(self) -> None:
        """End all of them."""
        await asyncio.gather(*(worker.close() for worker in self.workers))
        self._log.close()

    def kill(self) -> None:
        """End all of them now."""
        for worker in self.workers:
            worker.kill()
