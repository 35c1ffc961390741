"""Asking a service again: full-jitter back-off with the slot given back, and an end to it."""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from typing import TypeVar

from stages.contract import Failure, StageError
from stages.service.slots import Slots

T = TypeVar("T")

LONGEST_WAIT_S = 60.0  # a service that wants more is left to the runner, which waits without a worker
_LONGEST_BACKOFF_S = 20.0
_DAY_S = 86400.0
_MANY_REQUESTS, _UNAVAILABLE, _SERVER_ERROR = 429, 503, 500


class RefusedError(Exception):
    """An attempt that failed and may be made again; the message is half a sentence for people.

    Attributes:
        failure: the class, when no attempt is left.
        retry_after_s: how long the service asked us to wait.
        congested: whether fewer requests at once might help.
    """

    def __init__(self, failure: Failure, reason: str, *, retry_after_s: float = 0.0, congested: bool = True) -> None:
        super().__init__(reason)
        self.failure = failure
        self.retry_after_s = retry_after_s
        self.congested = congested

    def as_stage_error(self, who: str, mend: str) -> StageError:
        """What is left to say when nothing helped."""
        return StageError(self.failure, f"{who}: {self}; {mend}", retry_after_s=self.retry_after_s)


class IncompleteError(RefusedError):
    """An answer came, but not all of it."""

    def __init__(self, reason: str) -> None:
        # services drop parts when too much is asked at once, so this counts as congestion
        super().__init__(Failure.NETWORK, reason)


@dataclass(slots=True)
class Tally:
    """Requests made for one piece of work."""

    requests: int = 0
    retries: int = 0
    backoff_s: float = 0.0

    def metrics(self, section: str) -> dict[str, float]:
        """In the metric vocabulary; `section` is that of the settings (`tts`)."""
        return {
            f"{section}.requests": self.requests,
            f"{section}.retries": self.retries,
            f"{section}.backoff_s": self.backoff_s,
        }


@dataclass(frozen=True, slots=True)
class Patience:
    """How often to ask, and how long to wait in between, in seconds."""

    attempts: int
    backoff_s: float
    incomplete: int = 3

    def wait_s(self, attempt: int, asked_s: float) -> float:
        """Full jitter: anything from 0 to twice the doubled mean; never less than the service asked for."""
        ceiling = min(_LONGEST_BACKOFF_S, 2 * self.backoff_s * 2 ** (attempt - 1))
        return asked_s + random.uniform(0, ceiling)  # noqa: S311 - spreads load, keeps no secret


def persist(slots: Slots, patience: Patience, tally: Tally, ask: Callable[[], T]) -> T:
    """The answer of the first attempt that gets one. The slot is free while we wait between attempts.

    Raises:
        RefusedError: the last one, when no attempt is left or the service asks for a long wait.
    """
    incomplete = 0
    for attempt in range(1, patience.attempts + 1):
        tally.requests += 1
        try:
            return _in_slot(slots, ask)
        except RefusedError as error:
            incomplete += isinstance(error, IncompleteError)
            wait_s = patience.wait_s(attempt, error.retry_after_s)
            last = attempt == patience.attempts or incomplete == patience.incomplete
            if last or error.retry_after_s > LONGEST_WAIT_S:
                raise
        tally.retries += 1
        tally.backoff_s += wait_s
        time.sleep(wait_s)
    raise AssertionError("at least one attempt is made")


def _in_slot(slots: Slots, ask: Callable[[], T]) -> T:
    with slots.taken() as lease:
        try:
            answer = ask()
        except RefusedError as error:
            if error.congested:
                lease.too_much()
            raise
        lease.succeeded()
        return answer


def refused_status(status: int, retry_after: str | None) -> RefusedError:
    """An HTTP status as a reason to try again. `retry_after` is the header as it came."""
    wait_s = seconds_of(retry_after)
    asked = f" and asks to wait {wait_s:.0f} s" if wait_s else ""
    limited = status == _MANY_REQUESTS or (status == _UNAVAILABLE and wait_s > 0)
    failure = Failure.RATE_LIMITED if limited else Failure.NETWORK
    return RefusedError(failure, f"the service answers {status}{asked}", retry_after_s=wait_s)


def is_passing(status: int) -> bool:
    """Whether a status may be another one next time."""
    return status in (408, 409, 425, _MANY_REQUESTS) or status >= _SERVER_ERROR


def seconds_of(retry_after: str | None) -> float:
    """`Retry-After` in seconds, whether it came as seconds or as a date; 0 when absent or unreadable."""
    if not retry_after:
        return 0.0
    try:
        return _sane(float(retry_after))
    except ValueError:
        pass
    try:
        return _sane(parsedate_to_datetime(retry_after).timestamp() - time.time())
    except ValueError:
        return 0.0


def _sane(seconds: float) -> float:
    """Not below zero, not above a day; 0 for what is no number."""
    return min(max(0.0, seconds), _DAY_S)
