"""A buffer bounded in bytes: order, bounds, ends and cancels, and never a thread that waits for ever."""

import gc
import random
import threading
import time
import weakref
from contextlib import suppress
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stages.upscale.buffer import ByteBuffer, CancelledStreamError, EndOfStreamError


class Thing:
    """Something that a weak reference can watch."""


def started(*calls):
    threads = [threading.Thread(target=call, daemon=True) for call in calls]
    for thread in threads:
        thread.start()
    return threads


def ended(threads, within_s=10.0):
    until = time.monotonic() + within_s
    for thread in threads:
        thread.join(max(0.0, until - time.monotonic()))
    return not any(thread.is_alive() for thread in threads)


def drained(buffer):
    taken = []
    try:
        while True:
            taken.append(buffer.get())
    except EndOfStreamError:
        return taken


def waits(call):
    """Whether a call is still waiting after a while; the thread that makes it."""
    (thread,) = started(call)
    thread.join(0.1)
    return thread


@settings(max_examples=60, deadline=None)
@given(st.lists(st.integers(0, 300), max_size=60), st.integers(1, 200), st.integers(0, 5))
def test_what_goes_in_comes_out_in_order_and_within_bounds(sizes, budget, most):
    buffer, seen = ByteBuffer(budget, most), []

    def feed():
        for number, size in enumerate(sizes):
            buffer.put((number, size), size)
            seen.append((buffer.used, len(buffer)))
        buffer.close()

    threads = started(feed)
    taken = drained(buffer)
    assert ended(threads)
    assert taken == list(enumerate(sizes))
    assert buffer.used == 0
    assert buffer.peak <= max([budget, *sizes]), "only a single item may be larger than the budget"
    assert all(not most or count <= most for _, count in seen)


def test_an_item_larger_than_the_budget_passes_alone():
    buffer = ByteBuffer(100)
    buffer.put("small", 1)
    thread = waits(lambda: buffer.put("large", 1000))
    assert thread.is_alive(), "not beside another"
    assert buffer.get() == "small"
    assert ended([thread])
    assert (buffer.used, buffer.peak) == (1000, 1000)
    after = waits(lambda: buffer.put("next", 0))
    assert after.is_alive(), "not even nothing goes beside it"
    assert buffer.get() == "large"
    assert ended([after])
    assert (buffer.get(), buffer.used, buffer.peak) == ("next", 0, 1000)


def test_bytes_that_fill_the_budget_exactly_fit():
    buffer = ByteBuffer(100)
    for _ in range(4):
        buffer.put("x", 25)
    assert buffer.used == 100
    thread = waits(lambda: buffer.put("one more", 1))
    assert thread.is_alive()
    buffer.get()
    assert ended([thread])


def test_the_number_of_items_is_bounded_too_where_asked():
    buffer = ByteBuffer(10**9, most=2)
    buffer.put(1, 1)
    buffer.put(2, 1)
    thread = waits(lambda: buffer.put(3, 1))
    assert thread.is_alive()
    assert buffer.get() == 1
    assert ended([thread])


def test_nothing_of_a_taken_item_is_kept():
    buffer, thing = ByteBuffer(100), Thing()
    watched = weakref.ref(thing)
    buffer.put(thing, 60)
    del thing
    assert watched() is not None
    taken = buffer.get()
    assert buffer.used == 0
    del taken
    assert watched() is None, "gone without the help of the collector of cycles"


def test_closing_lets_the_rest_be_taken_and_refuses_more():
    buffer = ByteBuffer(10)
    buffer.put("a", 10)
    refused = []

    def late():
        try:
            buffer.put("b", 10)
        except ValueError as error:
            refused.append(str(error))

    thread = waits(late)
    buffer.close()
    assert ended([thread])
    assert refused == ["the buffer was closed: nothing more can be put into it"]
    assert drained(buffer) == ["a"]
    with pytest.raises(EndOfStreamError):
        buffer.get()


def test_closing_wakes_all_who_wait_to_get():
    buffer, ends = ByteBuffer(10), []

    def take():
        ends.append(drained(buffer))

    threads = started(take, take, take)
    time.sleep(0.05)
    buffer.close()
    assert ended(threads)
    assert ends == [[], [], []]


def test_cancelling_wakes_everybody_drops_the_items_and_keeps_the_first_cause():
    full, empty, thing = ByteBuffer(10), ByteBuffer(10), Thing()
    watched, causes = weakref.ref(thing), []
    full.put(thing, 10)
    del thing

    def held(call):
        try:
            call()
        except CancelledStreamError as error:
            causes.append(error.__cause__)

    threads = started(
        lambda: held(lambda: full.put(1, 1)), lambda: held(lambda: full.put(2, 10)), lambda: held(empty.get)
    )
    time.sleep(0.05)
    reason = OSError("first")
    for buffer in (full, empty):
        buffer.cancel(reason)
        buffer.cancel(OSError("second"))
    assert ended(threads)
    assert causes == [reason] * 3
    gc.collect()
    assert watched() is None
    assert (full.used, len(full)) == (0, 0)
    for call in (full.get, lambda: full.put(1, 1), full.get):
        with pytest.raises(CancelledStreamError) as caught:
            call()
        assert caught.value.__cause__ is reason
    full.close()
    with pytest.raises(CancelledStreamError):
        full.get()


def test_a_dying_item_may_use_the_buffer():
    """What is dropped is destroyed outside of the lock: else this would wait for itself."""
    buffer, seen = ByteBuffer(10), []

    class Curious:
        def __del__(self):
            seen.append(buffer.used)

    buffer.put(Curious(), 1)
    threads = started(lambda: buffer.cancel(OSError()))
    assert ended(threads)
    assert seen == [0]


@pytest.mark.parametrize("call", [lambda: ByteBuffer(0), lambda: ByteBuffer(-5), lambda: ByteBuffer(5).put("x", -1)])
def test_sizes_that_mean_nothing_are_refused(call):
    with pytest.raises(ValueError, match=r"bytes"):
        call()


@pytest.mark.parametrize("seed", range(12))
def test_many_threads_random_sizes_random_cancels_and_all_end(seed):
    """Without a cancel nothing is lost or doubled; with one everybody ends at once. In bounded time either way."""
    chance = random.Random(seed)
    buffer = ByteBuffer(chance.choice([1, 50, 1000]), chance.choice([0, 1, 7]))
    makers, takers, each = chance.randint(1, 8), chance.randint(1, 8), 150
    cancels = seed % 2 == 1
    rows = []

    def make(maker):
        sizes = random.Random(maker * 1000 + seed)
        for number in range(each):
            try:
                buffer.put((maker, number), sizes.choice([0, 1, 20, 60, 2000]))
            except CancelledStreamError:
                return

    def take():
        own = []
        rows.append(own)
        with suppress(EndOfStreamError, CancelledStreamError):
            while True:
                own.append(buffer.get())

    making = started(*[lambda m=m: make(m) for m in range(makers)])
    taking = started(*[take for _ in range(takers)])
    if cancels:
        time.sleep(chance.random() * 0.02)
        buffer.cancel(RuntimeError("enough"))
    assert ended(making)
    buffer.close()
    assert ended(taking)
    assert buffer.used == 0 or cancels
    taken = [item for own in rows for item in own]
    assert len(taken) == len(set(taken))
    assert all(a[1] < b[1] for own in rows for m in range(makers) for a, b in pairwise(i for i in own if i[0] == m))
    if not cancels:
        assert sorted(taken) == [(maker, number) for maker in range(makers) for number in range(each)]
