"""How many requests a service gets at once: found out by trying, shared by all threads of the process."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager

FIRST_LIMIT = 8


class Slots:
    """Additive increase, multiplicative decrease, from `begin` on, never above `cap`.

    One more after as many successes as the limit is high; half of it when the service says that it is too much.
    Requests that were under way together count as one such word: eight refusals of one burst halve once.
    """

    def __init__(self, cap: int, begin: int = FIRST_LIMIT) -> None:
        self.cap = cap
        self.limit = min(begin, cap)
        self.busy = 0
        self._successes = 0
        self._halvings = 0
        self._free = threading.Condition()

    @contextmanager
    def taken(self) -> Iterator[Lease]:
        """Wait for a slot and hold it for the block."""
        with self._free:
            self._free.wait_for(lambda: self.busy < self.limit)
            self.busy += 1
            lease = Lease(self, self._halvings)
        try:
            yield lease
        finally:
            with self._free:
                self.busy -= 1
                self._free.notify_all()

    def _succeeded(self) -> None:
        with self._free:
            self._successes += 1
            if self._successes >= self.limit:
                self._successes = 0
                self.limit = min(self.limit + 1, self.cap)
                self._free.notify_all()

    def _too_much(self, seen: int) -> None:
        with self._free:
            self._successes = 0
            if seen == self._halvings:
                self._halvings += 1
                self.limit = max(1, self.limit // 2)


class Lease:
    """One request's right to be under way, through which it tells how it went."""

    def __init__(self, slots: Slots, halvings: int) -> None:
        self._slots = slots
        self._halvings = halvings

    def succeeded(self) -> None:
        """The service answered in full."""
        self._slots._succeeded()

    def too_much(self) -> None:
        """The service refused, dropped or delayed the request."""
        self._slots._too_much(self._halvings)


_shared: dict[tuple[str, int, int], Slots] = {}
_lock = threading.Lock()


def shared_slots(service: str, cap: int, begin: int = FIRST_LIMIT) -> Slots:
    """The slots of a service, the same for everyone in this process who asks with the same cap and beginning."""
    with _lock:
        return _shared.setdefault((service, cap, begin), Slots(cap, begin))
