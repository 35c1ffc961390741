"""Who holds the machine, and how often a service may be asked: never more than there is, in any window."""

import json
from fractions import Fraction

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from runner.execute.ledger import Ledger, Memory, Rate, memory_beyond, memory_of
from runner.plan.capacity import Capacity
from stages.contract import Needs


def ledger(cpu=4.0, ram=1000, vram=500, sessions=2):
    return Ledger(Capacity(cpu, ram, vram, sessions))


# --- the machine -----------------------------------------------------------------------------------


def test_cpu_is_given_as_far_as_it_goes():
    book, needs = ledger(), Needs(cpu_threads=2)
    for _ in range(2):
        assert book.may_run(needs, 2) == ""
        book.hold_task(needs, 2)
    assert book.may_run(needs, 2) == "cpu"
    assert book.may_run(needs, 0) == "", "who takes nothing need not wait"
    book.free_task(needs, 2)
    assert book.may_run(needs, 2) == ""
    assert book.may_run(needs, 2.5) == "cpu"


def test_who_needs_more_than_there_is_runs_alone():
    book, big, small = ledger(), Needs(cpu_threads=16), Needs(cpu_threads=1)
    assert book.may_run(big, 16) == ""
    book.hold_task(big, 16)
    assert book.may_run(small, 1) == "cpu"
    book.free_task(big, 16)
    book.hold_task(small, 1)
    assert book.may_run(big, 16) == "cpu"


def test_sessions_and_memory_are_counted_one_by_one():
    book = ledger()
    session = Needs(encoder_sessions=1)
    for _ in range(2):
        assert book.may_run(session, 0) == ""
        book.hold_task(session, 0)
    assert book.may_run(session, 0) == "encoder_sessions"
    assert book.may_run(Needs(), 0) == ""
    book.hold_memory(Memory(600, 400))
    assert book.may_hold(Memory(400)) == ""
    assert book.may_hold(Memory(401)) == "ram"
    assert book.may_hold(Memory(1, 101)) == "vram"
    book.free_memory(Memory(600, 400))
    assert book.may_hold(Memory(1000, 500)) == ""


def test_who_needs_more_memory_or_sessions_than_there_are_gets_them_alone():
    book = ledger()
    assert book.may_hold(Memory(5000)) == "" and book.may_hold(Memory(1, 600)) == ""
    book.hold_memory(Memory(100, 100))
    assert book.may_hold(Memory(5000)) == "ram"
    assert book.may_hold(Memory(0, 600)) == "vram"
    assert book.may_hold(Memory(5000, 600), own=Memory(100, 100)) == "", "what is held is its own worker's"
    assert book.may_hold(Memory()) == "", "who takes nothing need not wait"
    three = Needs(encoder_sessions=3)
    assert book.may_run(three, 0) == ""
    book.hold_task(three, 0)
    assert book.may_run(Needs(encoder_sessions=1), 0) == "encoder_sessions"


def test_what_is_more_than_all_is_said_in_words():
    book = ledger()
    assert book.more_than_all(Needs(ram_mb=1000, vram_mb=500, encoder_sessions=2), 4.0000001) == ""
    assert (
        book.more_than_all(Needs(ram_mb=1_048_576), 16.25) == "16.25 CPU threads (of 4), 1048576 MB of memory (of 1000)"
    )
    assert book.more_than_all(Needs(vram_mb=501), 1) == "501 MB of GPU memory (of 500)"
    assert book.more_than_all(Needs(encoder_sessions=3), 1) == "3 encoder sessions (of 2)"


def test_memory_that_a_worker_holds_is_not_held_again():
    assert memory_beyond(Needs(ram_mb=500, vram_mb=10), Needs(ram_mb=200, vram_mb=50)) == Memory(300, 0)
    assert memory_of(Needs(ram_mb=500, vram_mb=10)) + Memory(1, 2) == Memory(501, 12)


def test_a_full_gpu_is_nothing_to_who_does_not_use_it():
    book = ledger(vram=0)
    book.vram_mb = 10  # held by a worker that was opened before the machine was told smaller
    assert book.may_hold(Memory(10)) == ""


amounts = st.floats(0.01, 8, allow_nan=False)


@settings(max_examples=300)
@given(
    st.lists(st.tuples(amounts, st.integers(0, 10)), min_size=1, max_size=40),
    amounts,
    st.randoms(use_true_random=False),
)
def test_never_more_than_there_is_and_all_comes_back(asked, capacity, order):
    """Fractions of a thread do not add up exactly: what is left over must not hold a big task for ever."""
    book, held = ledger(cpu=capacity), []
    for cpu, frees in asked:
        needs = Needs(cpu_threads=cpu)
        if book.may_run(needs, cpu) == "":
            alone = not held
            book.hold_task(needs, cpu)
            held.append((needs, cpu))
            assert alone or sum(c for _, c in held) <= capacity + 1e-6
        for _ in range(min(frees, len(held))):
            book.free_task(*held.pop(order.randrange(len(held))))
    while held:
        book.free_task(*held.pop(order.randrange(len(held))))
    assert book.may_run(Needs(cpu_threads=1000), 1000) == "", "an empty machine takes anything"


# --- rates -----------------------------------------------------------------------------------------


class Clock:
    """Exact time: floats would hide an error of one tick."""

    def __init__(self):
        self.now = Fraction(1_000_000)

    def __call__(self):
        return self.now


def most_in_a_window(times, per_s):
    return max((sum(start <= t < start + per_s for t in times) for start in times), default=0)


steps = st.lists(st.one_of(st.just(0), st.integers(0, 40)), max_size=60)


@given(st.integers(1, 6), st.integers(1, 10), steps)
def test_no_window_holds_more_grants_than_allowed(grants, per_s, waits):
    clock, taken = Clock(), []
    rate = Rate(grants, per_s, clock=clock)
    for wait in waits:
        clock.now += Fraction(wait, 7)
        if rate.wait_s() == 0:
            rate.take()
            taken.append(clock.now)
    assert most_in_a_window(taken, per_s) <= grants


@given(st.integers(1, 6), st.integers(1, 10), steps)
def test_who_waits_as_long_as_told_gets_the_next_grant_at_once(grants, per_s, waits):
    clock, taken = Clock(), []
    rate = Rate(grants, per_s, clock=clock)
    for wait in waits:
        clock.now += Fraction(wait, 7)
        clock.now += rate.wait_s()
        assert rate.wait_s() == 0
        rate.take()
        taken.append(clock.now)
    assert most_in_a_window(taken, per_s) <= grants


@given(st.integers(1, 30))
def test_a_full_speed_run_uses_every_grant(count):
    """Limits that are too careful cost time: n grants take exactly the time that they must."""
    clock = Clock()
    rate = Rate(6, 60, clock=clock)
    began = clock.now
    for _ in range(count):
        clock.now += rate.wait_s()
        rate.take()
    assert clock.now - began == (count - 1) // 6 * 60


@given(st.integers(1, 4), st.lists(st.tuples(st.integers(0, 20), st.booleans()), max_size=40))
def test_a_restart_forgets_nothing(tmp_path_factory, grants, turns):
    file = tmp_path_factory.mktemp("rate") / "flux.json"
    now, taken = [1000.0], []
    rate = Rate(grants, 10, file, clock=lambda: now[0])
    for wait, restart in turns:
        now[0] += wait
        if restart:
            rate = Rate(grants, 10, file, clock=lambda: now[0])
        if rate.wait_s() == 0:
            rate.take()
            taken.append(now[0])
    assert most_in_a_window(taken, 10) <= grants


def test_the_file_holds_no_more_than_it_must(tmp_path):
    file = tmp_path / "flux.json"
    rate = Rate(3, 0, file, clock=lambda: 5.0)
    for _ in range(50):
        rate.take()
    assert json.loads(file.read_text()) == [5.0, 5.0, 5.0]


def test_a_lower_rate_counts_what_a_higher_one_let_through(tmp_path):
    now = [100.0]
    many = Rate(6, 60, tmp_path / "r", clock=lambda: now[0])
    for _ in range(6):
        many.take()
        now[0] += 1
    few = Rate(2, 60, tmp_path / "r", clock=lambda: now[0])
    assert few.wait_s() == pytest.approx(104 + 60 - 106)


def test_a_clock_set_back_waits_and_does_not_burst():
    now = [1000.0]
    rate = Rate(1, 10, clock=lambda: now[0])
    rate.take()
    now[0] = 500.0
    assert rate.wait_s() > 0
