"""Asking a service again: how often, after how long, and with what last word."""

import threading
import time
from email.utils import formatdate

import pytest

from stages.contract import Failure
from stages.service.persist import IncompleteError, Patience, RefusedError, Tally, persist, refused_status, seconds_of
from stages.service.slots import Slots

QUICK = Patience(attempts=4, backoff_s=0.01)


def refuse(times, error=None):
    """A question that is refused so many times, then answered."""
    left = [times]

    def ask():
        left[0] -= 1
        if left[0] >= 0:
            raise error or RefusedError(Failure.NETWORK, "no")
        return "yes"

    return ask


def test_persist_asks_again_and_counts():
    tally, slots = Tally(), Slots(8)
    assert persist(slots, QUICK, tally, refuse(2)) == "yes"
    assert (tally.requests, tally.retries) == (3, 2)
    assert slots.limit == 2


def test_persist_gives_up_with_the_last_reason():
    tally = Tally()
    with pytest.raises(RefusedError) as caught:
        persist(Slots(8), QUICK, tally, refuse(99, refused_status(429, "0")))
    assert tally.requests == 4
    said = caught.value.as_stage_error("it", "wait")
    assert said.failure is Failure.RATE_LIMITED
    assert said.sentence == "it: the service answers 429; wait"


def test_incomplete_answers_are_asked_for_three_times_only():
    tally = Tally()
    with pytest.raises(IncompleteError):
        persist(Slots(8), Patience(9, 0.001), tally, refuse(99, IncompleteError("half")))
    assert tally.requests == 3


def test_the_slot_is_free_while_one_waits():
    slots, free = Slots(1), []
    error = refused_status(429, "3")
    waiter = threading.Thread(target=lambda: persist(slots, QUICK, Tally(), refuse(1, error)))
    waiter.start()
    time.sleep(0.1)
    begun = time.monotonic()
    with slots.taken():
        free.append(time.monotonic() - begun)
    assert waiter.is_alive()
    waiter.join(30)
    assert not waiter.is_alive()
    assert free[0] < 1.5


def test_a_wait_asked_for_is_honoured_and_a_long_one_handed_on():
    begun = time.monotonic()
    persist(Slots(8), QUICK, Tally(), refuse(1, refused_status(503, "0.25")))
    assert time.monotonic() - begun >= 0.25
    begun = time.monotonic()
    with pytest.raises(RefusedError) as caught:
        persist(Slots(8), QUICK, Tally(), refuse(1, refused_status(429, "3600")))
    assert time.monotonic() - begun < 1
    assert caught.value.as_stage_error("x", "y").retry_after_s == 3600


def test_retry_after_in_all_its_forms():
    assert seconds_of(None) == seconds_of("") == seconds_of("soon") == seconds_of("-3") == 0
    assert seconds_of("2.5") == 2.5
    assert seconds_of("nan") == 0
    assert seconds_of("inf") == 86400
    assert 50 < seconds_of(formatdate(time.time() + 60, usegmt=True)) <= 60
    assert seconds_of(formatdate(0, usegmt=True)) == 0


def test_waits_are_spread_and_bounded():
    patience = Patience(10, 0.5)
    waits = [patience.wait_s(3, 0) for _ in range(500)]
    assert 0 <= min(waits) < 0.5
    assert 3.5 < max(waits) <= 4
    assert max(patience.wait_s(10, 0) for _ in range(100)) <= 20
    assert all(7 <= patience.wait_s(1, 7) <= 8 for _ in range(100))
