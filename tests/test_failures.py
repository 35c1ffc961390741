"""What goes wrong gets a class, a sentence for people, and a policy that hangs on the class alone."""

import errno
import socket
import sqlite3

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runner.config.schema import RetryConfig
from runner.execute.failures import LADDER, Fault, Retries, fault_of, fault_of_exit
from stages.contract import Failure, StageError


class OutOfMemoryError(RuntimeError):
    """As torch names its own."""


def os_error(number, file=None):
    return OSError(number, "said so", file)


TABLE = [
    (StageError(Failure.ENCODER, "it broke"), Failure.ENCODER),
    (StageError(Failure.RATE_LIMITED, "slow down", retry_after_s=7), Failure.RATE_LIMITED),
    (MemoryError(), Failure.HOST_OOM),
    (os_error(errno.ENOMEM), Failure.HOST_OOM),
    (OutOfMemoryError("CUDA says no"), Failure.GPU_OOM),
    (RuntimeError("CUDA out of memory. Tried to allocate 2 GiB"), Failure.GPU_OOM),
    (RuntimeError("CUDA error: Out Of Memory"), Failure.GPU_OOM),
    (os_error(errno.ENOSPC), Failure.DISK_FULL),
    (sqlite3.OperationalError("database or disk is full"), Failure.DISK_FULL),
    (os_error(errno.EDQUOT), Failure.DISK_FULL),
    (os_error(errno.EFBIG), Failure.DISK_FULL),
    (TimeoutError(errno.ETIMEDOUT, "timed out"), Failure.TIMEOUT),
    (TimeoutError(), Failure.TIMEOUT),
    (ConnectionRefusedError(errno.ECONNREFUSED, "refused"), Failure.NETWORK),
    (ConnectionResetError(), Failure.NETWORK),
    (os_error(errno.ENETUNREACH), Failure.NETWORK),
    (os_error(errno.EHOSTUNREACH), Failure.NETWORK),
    (os_error(errno.ENETDOWN), Failure.NETWORK),
    (socket.gaierror(socket.EAI_NONAME, "Name or service not known"), Failure.NETWORK),
    (FileNotFoundError(errno.ENOENT, "No such file or directory", "a.wav"), Failure.BAD_INPUT),
    (PermissionError(errno.EACCES, "Permission denied", "a.wav"), Failure.BAD_INPUT),
    (IsADirectoryError(errno.EISDIR, "Is a directory", "a.wav"), Failure.BAD_INPUT),
    (KeyError("text"), Failure.BUG),
    (ValueError("x"), Failure.BUG),
    (AssertionError(), Failure.BUG),
    (sqlite3.OperationalError("database is locked"), Failure.BUG),
]


@pytest.mark.parametrize(("error", "failure"), TABLE, ids=lambda value: repr(value)[:40])
def test_every_error_gets_its_class_and_one_sentence(error, failure):
    fault = fault_of(error, "story/3 (encode)")
    assert fault.failure is failure
    assert fault.sentence and "\n" not in fault.sentence
    if not isinstance(error, StageError):
        assert fault.sentence.startswith("story/3 (encode): ")


def test_a_stage_s_own_words_are_kept():
    error = StageError(Failure.NETWORK, "the service\n  is away; try later", detail="x" * 9000, retry_after_s=3.5)
    fault = fault_of(error, "a")
    assert fault == Fault(Failure.NETWORK, "the service is away; try later", "x" * 4000, 3.5)


def test_a_file_is_named_and_so_is_the_mend():
    error = FileNotFoundError(errno.ENOENT, "No such file or directory", "/in/a.wav")
    assert fault_of(error, "a").sentence == (
        "a: No such file or directory (/in/a.wav); check that the file is there and readable"
    )
    assert "make room and run the same command again" in fault_of(os_error(errno.ENOSPC), "a").sentence
    assert "limits.worker_ram_mb" in fault_of(MemoryError(), "a").sentence


def test_a_bug_says_what_it_was_and_keeps_the_trace():
    try:
        {}["voice"]
    except KeyError as error:
        fault = fault_of(error, "a")
    assert fault.sentence == "a: unexpected KeyError: 'voice'; this is a fault of the stage, please report it"
    assert "test_failures.py" in fault.detail and '{}["voice"]' in fault.detail


def test_even_an_exit_or_an_interrupt_is_classed():
    assert fault_of(SystemExit(3), "a").failure is Failure.BUG
    assert fault_of(KeyboardInterrupt(), "a").failure is Failure.BUG


def test_a_fault_travels_as_plain_data():
    fault = Fault(Failure.GPU_OOM, "s", "d", 1.5)
    said = fault.to_json()
    assert said == {"failure": "gpu_oom", "sentence": "s", "detail": "d", "retry_after_s": 1.5}
    assert Fault(Failure(said.pop("failure")), **said) == fault


@pytest.mark.parametrize(
    ("code", "failure", "said"),
    [
        (-9, Failure.HOST_OOM, "memory ran out"),
        (-11, Failure.CRASHED, "by signal 11"),
        (-6, Failure.CRASHED, "by signal 6"),
        (70, Failure.CRASHED, "with status 70"),
        (0, Failure.CRASHED, "with status 0"),
    ],
)
def test_a_worker_that_ended_is_told_by_how_it_ended(code, failure, said):
    fault = fault_of_exit(code, "a", "tail " * 2000)
    assert fault.failure is failure
    assert said in fault.sentence
    assert len(fault.detail) == 4000


# --- retries ---------------------------------------------------------------------------------------

COUNTS = {Failure.NETWORK: 3, Failure.RATE_LIMITED: 3, Failure.CRASHED: 1, Failure.HOST_OOM: 1, Failure.TIMEOUT: 1}


@pytest.mark.parametrize("failure", list(Failure))
def test_each_class_is_tried_as_often_as_it_should(failure):
    retries, tries = Retries(), 1
    while retries.more(Fault(failure, "s"), tries) is not None:
        tries += 1
        assert tries < 100
    assert tries - 1 == COUNTS.get(failure, 0)


def test_the_config_says_how_often():
    assert Retries() == Retries(**vars(RetryConfig()))
    retries = Retries(network=0, crashed=2)
    assert retries.more(Fault(Failure.NETWORK, "s"), 1) is None
    assert retries.more(Fault(Failure.CRASHED, "s"), 2) is not None
    assert retries.more(Fault(Failure.CRASHED, "s"), 3) is None


@given(st.integers(1, 20), st.floats(0, 600), st.floats(0, 900))
def test_waits_double_with_jitter_and_never_grow_without_end(attempt, base_s, retry_after_s):
    retries = Retries(network=20, base_s=base_s)
    wait = retries.more(Fault(Failure.NETWORK, "s", retry_after_s=retry_after_s), attempt)
    longest = min(base_s * 2 ** (attempt - 1), max(base_s, 300.0))
    assert retry_after_s <= wait <= max(longest, retry_after_s)


def test_jitter_spreads_over_the_whole_wait():
    waits = [Retries(base_s=1).more(Fault(Failure.NETWORK, "s"), 3) for _ in range(400)]
    assert min(waits) < 0.4 and max(waits) > 3.6
    assert len(set(waits)) > 350


def test_only_what_a_smaller_setting_may_cure_has_a_ladder():
    assert {Failure.GPU_OOM, Failure.HOST_OOM, Failure.ENCODER} == LADDER
