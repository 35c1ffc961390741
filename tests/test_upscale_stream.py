"""Decode, infer and encode at the same time: order, batches, bounds, the first error and only that, no thread left."""

import gc
import random
import signal
import threading
import time
import weakref

import pytest

from stages.contract import Failure, StageError
from stages.upscale.buffer import CancelledStreamError
from stages.upscale.stream import run_stream

BIG = 10**9


class Frame:
    """Something with a number, that a weak reference can watch."""

    def __init__(self, number):
        self.number = number


@pytest.fixture(autouse=True)
def no_thread_is_left():
    before = set(threading.enumerate())
    yield
    left = [thread.name for thread in threading.enumerate() if thread not in before and "stream" in thread.name]
    assert left == []


def run(source, work, sink, batch=1, budget=BIG, size=1, **more):
    sizes = {"size_of_source": lambda _: size, "size_of_result": lambda _: size}
    return run_stream(iter(source), work, sink, batch=batch, budget_bytes=budget, **sizes, **more)


def same(items):
    return items


def test_everything_goes_through_in_order_in_full_batches():
    batches, out = [], []

    def work(items):
        batches.append(len(items))
        return [item * 10 for item in items]

    report = run(range(11), work, out.append, batch=4)
    assert out == [10 * number for number in range(11)]
    assert batches == [4, 4, 3], "full but for the last, whatever the decoder's pace"
    assert (report.taken, report.items) == (11, 11)


def test_batches_are_full_even_when_the_buffer_holds_a_single_item():
    """What a model computes may hang on the size of a batch: it must not hang on memory or on the pace of others."""
    batches = []

    def slow():
        for number in range(6):
            time.sleep(0.005)
            yield number

    report = run(slow(), lambda items: batches.append(len(items)) or items, lambda _: None, batch=3, budget=2, size=100)
    assert batches == [3, 3]
    assert (report.source_peak, report.result_peak) == (100, 100), "each passes alone, being larger than the budget"


def test_work_may_give_fewer_or_more_and_give_the_rest_at_the_end():
    """A window over three frames: nothing comes of the first two, and the last are given by the flush."""
    held, out = [], []

    def work(items):
        held.extend(items)
        return [held.pop(0) for _ in range(len(held) - 2)]

    report = run(range(7), work, out.append, batch=2, flush=lambda: held[:])
    assert out == list(range(7))
    assert (report.taken, report.items) == (7, 7)
    doubled = []
    assert run(range(3), lambda items: [*items, *items], doubled.append, batch=2).items == 6
    assert doubled == [0, 1, 0, 1, 2, 2]


def test_an_empty_source_is_flushed_all_the_same():
    out = []
    report = run([], same, out.append, flush=lambda: ["end"])
    assert (out, report.taken, report.items) == (["end"], 0, 1)


def test_the_three_really_run_at_the_same_time():
    """Each takes 10 ms per item, so that one after the other would take three times as long."""
    count, pause = 30, 0.01

    def source():
        for number in range(count):
            time.sleep(pause)
            yield number

    def slow(value):
        time.sleep(pause)
        return value

    report = run(source(), slow, slow)
    busy = [times.busy_s for times in (report.decode, report.infer, report.encode)]
    assert min(busy) >= count * pause
    assert report.wall_s < 0.7 * sum(busy)


@pytest.mark.parametrize("slow", ["decode", "infer", "encode"])
def test_the_report_names_the_one_that_held_the_others_up(slow):
    pauses = {name: 0.008 if name == slow else 0.0 for name in ("decode", "infer", "encode")}

    def source():
        for number in range(40):
            time.sleep(pauses["decode"])
            yield number

    def work(items):
        time.sleep(pauses["infer"])
        return items

    report = run(source(), work, lambda _: time.sleep(pauses["encode"]))
    assert report.holding.startswith(f"{slow} held the others up: it was busy ")
    times = {"decode": report.decode, "infer": report.infer, "encode": report.encode}
    assert times[slow].busy_s > 0.8 * report.wall_s
    assert all(one.waiting_s > 0.3 * report.wall_s for name, one in times.items() if name != slow and name != "decode")
    if slow == "encode":
        assert report.infer.blocked_s > report.infer.starved_s
    if slow == "decode":
        assert report.encode.starved_s > 0.5 * report.wall_s


def test_none_is_named_when_all_waited_by_turns():
    """A batch of all frames: first one works, then the next."""

    def source():
        for number in range(10):
            time.sleep(0.01)
            yield number

    def work(items):
        time.sleep(0.1)
        return items

    report = run(source(), work, lambda _: time.sleep(0.01), batch=10)
    assert report.holding.startswith("none of the three held the others up: busy were decode ")


def test_memory_stays_within_the_budget_however_slow_the_encoder_is():
    peak, living, lock = [0], [0], threading.Lock()

    class Counted:
        def __init__(self):
            with lock:
                living[0] += 1
                peak[0] = max(peak[0], living[0])

        def __del__(self):
            with lock:
                living[0] -= 1

    report = run((Counted() for _ in range(200)), same, lambda _: time.sleep(0.001), batch=2, budget=12_000, size=1000)
    assert report.source_peak <= 3000
    assert report.result_peak <= 9000
    # in the buffers 12; in hand: one of the decoder's, a batch with its list of results, one of the encoder's
    assert peak[0] <= 12 + 1 + 2 + 1
    assert living[0] == 0


def test_small_frames_are_not_decoded_hundreds_ahead():
    """A budget of 1 GB is no reason to hold minutes of tiny frames: memory would grow and grow with them."""
    decoded = [0]

    def source():
        for number in range(500):
            decoded[0] += 1
            yield number

    ahead = []

    def work(items):
        ahead.append(decoded[0] - items[0])
        time.sleep(0.0005)
        return items

    run(source(), work, lambda _: None)
    assert max(ahead) <= 16 + 3


def test_nobody_holds_a_frame_that_has_gone_through():
    """Each is gone when the one after the next comes, though nothing pushes it out."""
    watched, living = [], []

    def source():
        for number in range(12):
            frame = Frame(number)
            watched.append(weakref.ref(frame))
            yield frame
            del frame
            time.sleep(0.01)

    def sink(frame):
        living.append(sum(1 for one in watched[: frame.number] if one() is not None))

    run(source(), lambda items: [items.pop(0)], sink)
    assert max(living) <= 1
    gc.collect()
    assert [one() for one in watched] == [None] * 12


# --- errors ------------------------------------------------------------------------------------


@pytest.mark.parametrize("where", ["source", "work", "flush", "sink"])
@pytest.mark.parametrize("at", [0, 7])
def test_an_error_of_any_of_them_is_raised_here_as_it_is(where, at):
    reason = StageError(Failure.DISK_FULL, "no space left")

    def guard(name, number):
        if name == where and number >= at:
            raise reason

    def source():
        for number in range(100_000):
            guard("source", number)
            yield number

    def work(items):
        guard("work", items[0])
        return items

    def flush():
        guard("flush", 100)
        return []

    items = source() if where != "flush" else range(20)
    with pytest.raises(StageError) as caught:
        run(items, work, lambda item: guard("sink", item), budget=50, flush=flush)
    assert caught.value is reason
    names = [frame.name for frame in caught.traceback]
    assert "guard" in names, "told with the place where it happened"


def test_the_first_error_is_raised_and_later_ones_are_told_with_it():
    """The encoder fails; the decoder, ended by that, fails while it puts its things away."""

    def source():
        try:
            yield from range(1000)
        finally:
            raise RuntimeError("cannot close")

    def sink(item):
        raise OSError("the cause")

    with pytest.raises(OSError, match="the cause") as caught:
        run(source(), same, sink, budget=10)
    assert caught.value.__notes__ == ["after it decode failed too: RuntimeError: cannot close"]


def test_even_an_exit_in_a_thread_ends_the_stream():
    def work(items):
        raise SystemExit(3)

    with pytest.raises(SystemExit):
        run(range(1000), work, lambda _: None, budget=10)


def test_a_source_is_closed_where_it_ran():
    closed = []

    def source():
        try:
            yield from range(1000)
        finally:
            closed.append(threading.current_thread().name)

    def work(items):
        raise ValueError("no")

    with pytest.raises(ValueError, match="no"):
        run(source(), work, lambda _: None, budget=10)
    assert closed == ["stream-decode"]


def test_items_are_let_go_when_a_stream_fails():
    watched = []

    def source():
        for number in range(1000):
            frame = Frame(number)
            watched.append(weakref.ref(frame))
            yield frame
            del frame

    def sink(frame):
        if frame.number == 5:
            raise ValueError("no")

    with pytest.raises(ValueError, match="no") as caught:
        run(source(), lambda items: [items.pop(0)], sink, budget=10)
    assert len(watched) < 100
    del caught
    gc.collect()
    assert not any(one() for one in watched)


# --- cancelling --------------------------------------------------------------------------------


def test_a_cancel_from_outside_ends_it_soon():
    cancel, done = threading.Event(), []

    def endless():
        number = 0
        while True:
            yield number
            number += 1

    def sink(item):
        done.append(item)
        time.sleep(0.002)
        if len(done) == 5:
            cancel.set()

    began = time.monotonic()
    with pytest.raises(CancelledStreamError):
        run(endless(), same, sink, budget=10, cancel=cancel)
    assert time.monotonic() - began < 10
    assert done == list(range(len(done)))


def test_a_cancel_that_comes_too_late_changes_nothing():
    cancel = threading.Event()
    report = run(range(5), same, lambda item: cancel.set() if item == 4 else None, cancel=cancel)
    assert report.items == 5


def test_an_interrupt_drains_and_is_raised():
    """Ctrl-C comes in the thread that started the stream."""
    out = []

    def sink(item):
        out.append(item)
        time.sleep(0.002)
        if item == 20:
            signal.raise_signal(signal.SIGINT)

    with pytest.raises(KeyboardInterrupt):
        run(range(100_000), same, sink, budget=10)
    assert len(out) < 1000


class Chance:
    """Steps of random length, one of which may fail or cancel."""

    def __init__(self, seed):
        self.draw, self.cancel = random.Random(seed), threading.Event()
        self.fails, self.at = self.draw.choice(["source", "work", "sink", "cancel", ""]), self.draw.randint(0, 60)

    def step(self, name, number):
        if self.draw.random() < 0.05:
            time.sleep(self.draw.random() * 0.004)
        if number == self.at and name == self.fails:
            raise OSError(name)
        if number == self.at and self.fails == "cancel":
            self.cancel.set()
        return number


@pytest.mark.parametrize("seed", range(15))
def test_whatever_happens_it_ends_in_bounded_time(seed):
    """Random sizes, batches, budgets, pauses; one of source, work and sink fails at a random moment, or nobody."""
    chance, out, began = Chance(seed), [], time.monotonic()
    count, batch, budget = chance.draw.randint(0, 120), chance.draw.randint(1, 9), chance.draw.choice([2, 100, BIG])
    wanted = [number for number in range(count) if number % 3]
    try:
        report = run_stream(
            (chance.step("source", number) for number in range(count)),
            lambda items: [item for item in items if chance.step("work", item) % 3],
            lambda item: out.append(chance.step("sink", item)),
            batch=batch, budget_bytes=budget, cancel=chance.cancel,
            size_of_source=lambda item: item % 40, size_of_result=lambda item: item * 7 % 90,
        )  # fmt: skip
        assert report.items == len(out) == len(wanted)
    except OSError as error:
        assert str(error) == chance.fails
    except CancelledStreamError:
        assert chance.cancel.is_set()
    assert time.monotonic() - began < 20
    assert out == wanted[: len(out)]


# --- progress, and what is refused -------------------------------------------------------------


def test_progress_is_told_in_the_callers_thread_and_once_more_at_the_end():
    states, threads = [], set()

    def told(state):
        states.append(state)
        threads.add(threading.current_thread())

    run(range(40), same, lambda _: time.sleep(0.01), size=7, progress=told)
    assert threads == {threading.current_thread()}
    assert len(states) >= 3
    assert [state.items for state in states] == sorted(state.items for state in states)
    assert (states[-1].taken, states[-1].items, states[-1].result_bytes) == (40, 40, 0)
    assert any(state.result_bytes > 0 for state in states), "the use of the buffer is shown"


def test_an_error_of_progress_ends_the_stream_too():
    def told(state):
        raise RuntimeError("no more screen")

    with pytest.raises(RuntimeError, match="no more screen"):
        run(range(100), same, lambda _: time.sleep(0.01), progress=told)


@pytest.mark.parametrize(("batch", "budget"), [(0, 100), (1, 1)])
def test_a_batch_or_budget_of_nothing_is_refused(batch, budget):
    with pytest.raises(ValueError, match="a stream needs a batch of 1 or more"):
        run(range(3), same, lambda _: None, batch=batch, budget=budget)


def test_the_cost_of_the_stream_itself_is_small():
    """Per item, with nothing to do: far below a millisecond, where frames take tens."""
    count = 3000
    report = run(range(count), same, lambda _: None)
    assert report.wall_s / count < 0.001
