"""Who holds the machine: never more than there is."""

from hypothesis import given, settings
from hypothesis import strategies as st

from runner.execute.ledger import Ledger, Memory, memory_beyond, memory_of
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
