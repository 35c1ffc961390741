"""A queue between two threads that is bounded in bytes: frames of any size, and no more memory than was allowed."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable
from typing import Generic, TypeVar

T = TypeVar("T")


class EndOfStreamError(Exception):
    """Nothing comes any more: the buffer was closed, and is empty."""


class CancelledStreamError(Exception):
    """The stream was cancelled; its `__cause__` is why. Never a failure of the one who gets it."""


class ByteBuffer(Generic[T]):
    """First in, first out. Who puts waits for room, who gets waits for an item.

    An item that is larger than the budget passes alone. What was taken is no longer held here in any way.

    Args:
        budget_bytes: bytes held at most, but for a single item that is larger.
        most: items held at most, however small; 0: no such bound.

    Attributes:
        peak: the most bytes that were held at one moment.
    """

    def __init__(self, budget_bytes: int, most: int = 0) -> None:
        if budget_bytes < 1:
            raise ValueError(f"a buffer of {budget_bytes} bytes lets nothing pass; give it 1 or more")
        self._budget, self._most = budget_bytes, most
        self._items: deque[tuple[T, int]] = deque()
        self._used, self.peak = 0, 0
        self._closed, self._error = False, None  # type: tuple[bool, BaseException | None]
        self._lock = threading.Lock()
        self._filled, self._emptied = threading.Condition(self._lock), threading.Condition(self._lock)

    @property
    def used(self) -> int:
        """Bytes that are held now."""
        return self._used

    def __len__(self) -> int:
        return len(self._items)

    def put(self, item: T, nbytes: int) -> None:
        """Add an item, once there is room for it.

        Raises:
            CancelledStreamError: the stream was cancelled.
            ValueError: the buffer was closed before there was room, or the size is negative.
        """
        if nbytes < 0:
            raise ValueError(f"an item cannot have {nbytes} bytes")
        with self._lock:
            self._wait(self._emptied, lambda: self._closed or self._fits(nbytes))
            if self._closed:
                raise ValueError("the buffer was closed: nothing more can be put into it")
            self._items.append((item, nbytes))
            self._used += nbytes
            self.peak = max(self.peak, self._used)
            self._filled.notify()

    def get(self) -> T:
        """The oldest item, once there is one.

        Raises:
            CancelledStreamError: the stream was cancelled.
            EndOfStreamError: the buffer was closed, and all of it was taken.
        """
        with self._lock:
            self._wait(self._filled, lambda: self._closed or bool(self._items))
            if not self._items:
                raise EndOfStreamError
            item, nbytes = self._items.popleft()
            self._used -= nbytes
            self._emptied.notify_all()  # items differ in size: the one that waited longest may not be the one that fits
            return item

    def close(self) -> None:
        """Nothing comes any more. What is held can still be taken; who waits to put is refused."""
        with self._lock:
            self._closed = True
            self._filled.notify_all()
            self._emptied.notify_all()

    def cancel(self, error: BaseException) -> None:
        """Let go of all items and wake everybody; from now on nobody waits. The first error stays the cause."""
        with self._lock:
            self._error = self._error or error
            dropped, self._items = self._items, deque()
            self._used = 0
            self._filled.notify_all()
            self._emptied.notify_all()
        dropped.clear()  # outside of the lock: to destroy an item may take long, and may be anybody's code

    def _fits(self, nbytes: int) -> bool:
        if not self._items:
            return True
        return self._used + nbytes <= self._budget and (not self._most or len(self._items) < self._most)

    def _wait(self, condition: threading.Condition, ready: Callable[[], bool]) -> None:
        """Until it is ready; called with the lock."""
        condition.wait_for(lambda: self._error is not None or ready())
        if self._error is not None:
            raise CancelledStreamError("the stream was cancelled") from self._error
