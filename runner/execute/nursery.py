"""Worker processes started ahead of need: their interpreter and imports are ready when the plan is."""

from __future__ import annotations

import asyncio

from stages.platform.processes import python_child

LINE_LIMIT = 256 * 1024 * 1024


async def spawn_worker() -> asyncio.subprocess.Process:
    """A worker process that waits for its first line."""
    command, env = python_child("runner.execute.worker")
    pipe = asyncio.subprocess.PIPE
    return await asyncio.create_subprocess_exec(
        *command, stdin=pipe, stdout=pipe, stderr=pipe, env=env, limit=LINE_LIMIT
    )


class Nursery:
    """A few worker processes that have no stage yet. Empty, it starts them one by one as they are asked for."""

    def __init__(self) -> None:
        self._waiting: list[asyncio.subprocess.Process] = []

    async def fill(self, count: int) -> None:
        """Start some."""
        self._waiting = [await spawn_worker() for _ in range(count)]

    async def take(self) -> asyncio.subprocess.Process:
        """One that lives: ready, or new."""
        while self._waiting:
            process = self._waiting.pop()
            if process.returncode is None:
                return process
        return await spawn_worker()

    async def close(self) -> None:
        """End those that nobody took: their stdin ends, and so do they."""
        for process in self._waiting:
            if process.stdin:
                process.stdin.close()
        await asyncio.gather(*(process.wait() for process in self._waiting))
        self._waiting.clear()
