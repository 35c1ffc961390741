"""How often a service may be asked: a sliding log that threads, processes and later runs keep together.

A leaky bucket of the same figures lets nearly twice as many through in its first window.
"""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from stages.platform.files import write_atomic

_KEPT_S = 3600.0  # a rate with a longer window may look at the same file tomorrow
_KEPT_MOST = 1000
_STEP_S = 1  # how often somebody who waits looks up: the file may have changed, or the work been called off


class StoppedError(Exception):
    """The wait for a grant was called off."""


def _since_boot() -> float:
    """Seconds that only go up; where the system counts it, the time that the machine slept too."""
    boot = getattr(time, "CLOCK_BOOTTIME", None)
    return time.monotonic() if boot is None else time.clock_gettime(boot)


_BOOTED = time.time() - _since_boot()


def steady_time() -> float:
    """Seconds since 1970 as the wall clock said when this process began: setting the clock does not move it."""
    return _BOOTED + _since_boot()


@dataclass(frozen=True, slots=True)
class Grant:
    """A right to ask once: when it was drawn, by the rate's clock, and how long that took; seconds."""

    at: float
    waited_s: float


@dataclass(slots=True)
class _Book:
    """What is kept: when grants were drawn, in order, and since when nobody may draw, and for how long."""

    times: list[float] = field(default_factory=list)
    held_at: float = 0
    held_s: float = 0

    def settle(self, now: float, longest_s: float, most: int) -> None:
        """Forget what no window reaches. What lies ahead of the clock, which was set back, counts as just drawn."""
        recent = sorted(min(time, now) for time in self.times if time > now - max(longest_s, _KEPT_S))
        self.times = recent[-max(most, _KEPT_MOST) :]
        self.held_at = min(self.held_at, now)

    def wait_s(self, now: float, grants: int, per_s: float) -> float:
        """Seconds until the next grant is free."""
        full = len(self.times) >= grants
        return max(0.0, self.times[-grants] + per_s - now if full else 0, self.held_at + self.held_s - now)

    def as_json(self) -> str:
        """As it lies in the file."""
        return json.dumps({"times": self.times, "held": [self.held_at, self.held_s]})


class Rate:
    """At most `grants` in ANY window of `per_s` seconds, counted by everybody who uses the same file.

    Args:
        grants: how many.
        per_s: length of the window, seconds.
        file: where the log is kept; without one it is this object's alone.
        clock: seconds, the same for all who use the file.
        sleep: waits so many seconds.
    """

    def __init__(
        self,
        grants: int,
        per_s: float,
        file: Path | None = None,
        *,
        clock: Callable[[], float] = steady_time,
        sleep: Callable[[float], object] = time.sleep,
    ) -> None:
        self.grants, self.per_s, self.file = grants, per_s, file
        self._clock, self._sleep = clock, sleep
        self._memory = _Book()
        self._lock = threading.Lock()

    def wait_s(self) -> float:
        """Seconds until the next grant is free; 0.0 now."""
        with self._open() as (book, now):
            return book.wait_s(now, self.grants, self.per_s)

    def try_take(self) -> float:
        """Draw a grant if one is free.

        Returns:
            0.0 when it was drawn, else the seconds until one is free.
        """
        return self._try()[0]

    def _try(self) -> tuple[float, float]:
        with self._open() as (book, now):
            wait_s = book.wait_s(now, self.grants, self.per_s)
            if wait_s == 0:
                book.times.append(now)
            return wait_s, now

    def take(self, cancel: Callable[[], bool] | None = None) -> float:
        """Wait for a grant and draw it; `cancel` is asked each second.

        Returns:
            the seconds that it took.

        Raises:
            StoppedError: when `cancel` says so.
        """
        return self.draw(cancel).waited_s

    def draw(self, cancel: Callable[[], bool] | None = None) -> Grant:
        """As `take`, for who can tell later when the grant was really used (see `used`)."""
        began = self._clock()
        while True:
            wait_s, now = self._try()
            if wait_s == 0:
                return Grant(now, now - began)
            if cancel and cancel():
                raise StoppedError
            self._sleep(min(wait_s, _STEP_S))

    def used(self, grant: Grant) -> None:
        """Count a grant from now on instead of from when it was drawn: the connection took its time."""
        with self._open() as (book, now):
            if grant.at in book.times:
                book.times.remove(grant.at)
                book.times.append(now)

    def hold(self, seconds: float) -> None:
        """Let nobody draw for so long: the service itself has asked for it."""
        with self._open() as (book, now):
            if now + seconds > book.held_at + book.held_s:
                book.held_at, book.held_s = now, seconds

    @contextmanager
    def _open(self) -> Iterator[tuple[_Book, float]]:
        """The log as all know it, to read and change, and the time; others wait meanwhile."""
        with self._lock, self._file_lock():
            now = self._clock()
            book, before = self._read(now)
            book.settle(now, self.per_s, self.grants)
            yield book, now
            if self.file and (after := book.as_json()) != before:
                write_atomic(self.file, after)

    def _file_lock(self) -> AbstractContextManager[Any]:
        from filelock import FileLock

        if self.file is None:
            return nullcontext()
        self.file.parent.mkdir(parents=True, exist_ok=True)
        return FileLock(self.file.with_name(f"{self.file.name}.lock"))

    def _read(self, now: float) -> tuple[_Book, str]:
        if self.file is None:
            return self._memory, ""
        try:
            text = self.file.read_text(encoding="utf-8")
            return _parsed(text), text
        except FileNotFoundError:
            return _Book(), ""
        except (ValueError, TypeError, KeyError):
            # nobody knows what was drawn: the worst is that all of it was, just now
            return _Book([now] * self.grants), ""


def _parsed(text: str) -> _Book:
    said = json.loads(text)
    held_at, held_s = said["held"]
    return _Book([float(time) for time in said["times"]], float(held_at), float(held_s))
