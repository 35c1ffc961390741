"""Failure classes: how an error gets one, and what follows from it."""

from __future__ import annotations

import errno
import random
import socket
import sqlite3
import traceback
from dataclasses import dataclass
from typing import Any

from stages.contract import Failure, StageError

_DISK = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}
_NETWORK = {errno.ENETDOWN, errno.ENETUNREACH, errno.EHOSTDOWN, errno.EHOSTUNREACH}
_TAIL = 4000
_LONGEST_WAIT_S = 300.0
_FULL = "the disk is full; make room and run the same command again, finished work is kept"


@dataclass(frozen=True, slots=True)
class Fault:
    """A failure as it is reported and recorded. `detail` is for developers; `sentence` for everybody."""

    failure: Failure
    sentence: str
    detail: str = ""
    retry_after_s: float = 0.0

    def to_json(self) -> dict[str, Any]:
        """As it travels between processes."""
        return {
            "failure": str(self.failure),
            "sentence": self.sentence,
            "detail": self.detail,
            "retry_after_s": self.retry_after_s,
        }


def fault_of(error: BaseException, where: str) -> Fault:
    """Classify any exception; `where` names the item and stage in sentences that we have to make up."""
    detail = "".join(traceback.format_exception(error))[-_TAIL:]
    if isinstance(error, StageError):
        return Fault(error.failure, _one_line(error.sentence), error.detail[-_TAIL:], error.retry_after_s)
    if isinstance(error, MemoryError) or (isinstance(error, OSError) and error.errno == errno.ENOMEM):
        return Fault(
            Failure.HOST_OOM, f"{where}: not enough memory; raise limits.worker_ram_mb or lower the load", detail
        )
    if _is_gpu_oom(error):
        return Fault(Failure.GPU_OOM, f"{where}: not enough GPU memory; lower batch or tile", detail)
    if isinstance(error, OSError):
        return _os_fault(error, where, detail)
    if isinstance(error, sqlite3.OperationalError) and "full" in str(error):
        return Fault(Failure.DISK_FULL, f"{where}: {_FULL}", detail)
    sentence = f"{where}: unexpected {type(error).__name__}: {error}; this is a fault of the stage, please report it"
    return Fault(Failure.BUG, _one_line(sentence), detail)


def _os_fault(error: OSError, where: str, detail: str) -> Fault:
    said = error.strerror or str(error)
    file = f" ({error.filename})" if error.filename else ""
    if error.errno in _DISK:
        return Fault(Failure.DISK_FULL, f"{where}: {_FULL}", detail)
    if isinstance(error, TimeoutError):
        return Fault(Failure.TIMEOUT, f"{where}: timed out: {said}", detail)
    if isinstance(error, ConnectionError | socket.gaierror) or error.errno in _NETWORK:
        return Fault(Failure.NETWORK, f"{where}: {said}; check the network and the address", detail)
    return Fault(
        Failure.BAD_INPUT, _one_line(f"{where}: {said}{file}; check that the file is there and readable"), detail
    )


def _is_gpu_oom(error: BaseException) -> bool:
    return type(error).__name__ == "OutOfMemoryError" or "out of memory" in str(error).lower()


def _one_line(text: str) -> str:
    return " ".join(text.split())


def fault_of_exit(code: int, where: str, tail: str) -> Fault:
    """A worker that ended in the middle of a task. -9 is what the kernel sends when memory is out."""
    if code == -9:
        sentence = f"{where}: its process was killed, most likely because memory ran out; lower the worker count"
        return Fault(Failure.HOST_OOM, sentence, tail[-_TAIL:])
    ended = f"by signal {-code}" if code < 0 else f"with status {code}"
    return Fault(Failure.CRASHED, f"{where}: its process ended {ended} in the middle of the work", tail[-_TAIL:])


@dataclass(frozen=True, slots=True)
class Retries:
    """How often each class is tried again, and the first waiting time in seconds."""

    network: int = 3
    crashed: int = 1
    timeout: int = 1
    base_s: float = 1.0

    def more(self, fault: Fault, attempt: int) -> float | None:
        """Seconds to wait before trying again after the `attempt`-th try (from 1), or None to give up.

        Full jitter: a random part of a doubling wait, so that many items do not come back at once. It doubles up to
        five minutes: the twentieth try must not wait for days.
        """
        allowed = {
            Failure.NETWORK: self.network,
            Failure.RATE_LIMITED: self.network,
            Failure.CRASHED: self.crashed,
            Failure.HOST_OOM: self.crashed,  # what took the memory may be done by then
            Failure.TIMEOUT: self.timeout,
        }.get(fault.failure, 0)
        if attempt > allowed:
            return None
        longest = min(self.base_s * 2 ** (attempt - 1), max(self.base_s, _LONGEST_WAIT_S))
        wait = random.uniform(0.0, longest)  # noqa: S311 - jitter, not a secret
        return max(wait, fault.retry_after_s)


LADDER = {Failure.GPU_OOM, Failure.HOST_OOM, Failure.ENCODER}
