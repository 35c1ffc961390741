"""What the scheduler has under way: work that runs, and timers that have not rung."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any


class Underway:
    """Coroutines and timers of one event loop.

    Args:
        wake: called whenever one of them ended.
        broke: called with the error of a coroutine that raised one.
    """

    def __init__(self, wake: Callable[[], None], broke: Callable[[BaseException], None]) -> None:
        self._wake = wake
        self._broke = broke
        self._works: set[asyncio.Task[None]] = set()
        self._timers = 0
        self._looking = False

    @property
    def works(self) -> bool:
        """Whether a coroutine runs."""
        return bool(self._works)

    @property
    def anything(self) -> bool:
        """Whether anything is still to come: work, or a timer."""
        return bool(self._works or self._timers)

    def spawn(self, work: Coroutine[Any, Any, None]) -> None:
        """Let a coroutine run beside the others."""
        task = asyncio.get_running_loop().create_task(work)
        self._works.add(task)
        task.add_done_callback(self._ended)

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._works.discard(task)
        error = None if task.cancelled() else task.exception()
        if error is not None:
            self._broke(error)
        self._wake()

    async def end_of_works(self) -> None:
        """Wait until every coroutine has ended; `broke` was told of their errors."""
        if self._works:
            await asyncio.gather(*self._works, return_exceptions=True)

    def later(self, wait_s: float, then: Callable[[], None]) -> None:
        """Call `then` after so many seconds."""
        self._timers += 1
        asyncio.get_running_loop().call_later(wait_s, self._rang, then)

    def _rang(self, then: Callable[[], None]) -> None:
        self._timers -= 1
        then()
        self._wake()

    def look_again(self, wait_s: float) -> None:
        """Wake after so many seconds (when a rate has room); one such look to come is enough."""
        if not self._looking:
            self._looking = True
            self.later(wait_s, self._looked)

    def _looked(self) -> None:
        self._looking = False
