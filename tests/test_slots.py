"""How many tasks of a stage run at once: as stated, else from cores, memory and sessions."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runner.plan.capacity import Capacity, never_fits
from runner.plan.slots import choose_slots
from stages.contract import Needs


def machine(cpu=16.0, ram=64_000, sessions=0):
    return {"cpu_threads": cpu, "ram_mb": ram, "vram_mb": 0, "encoder_sessions": sessions}


def slots(needs=None, threads=1, wishes=None, most=8, worker_ram_mb=2048, **has):
    return choose_slots(
        "encode", needs or Needs(), threads, machine(**has), wishes or {}, most=most, worker_ram_mb=worker_ram_mb
    )


@pytest.mark.parametrize(
    ("needs", "has", "count"),
    [
        (Needs(cpu_threads=1), {"cpu": 4}, 4),
        (Needs(cpu_threads=2), {"cpu": 12}, 6),
        (Needs(cpu_threads=2), {"cpu": 3}, 1),
        (Needs(cpu_threads=64), {"cpu": 4}, 1),
        (Needs(cpu_threads=0), {"cpu": 4}, 8),
        (Needs(cpu_threads=1), {"cpu": 1.5}, 1),
        (Needs(cpu_threads=1), {"cpu": 64}, 8),
        (Needs(cpu_threads=1), {"ram": 5_000}, 2),
        (Needs(cpu_threads=1), {"ram": 500}, 1),
        (Needs(cpu_threads=1, ram_mb=8_000), {"ram": 24_000}, 3),
        (Needs(cpu_threads=1, encoder_sessions=1), {"sessions": 2}, 2),
        (Needs(cpu_threads=1, encoder_sessions=2), {"sessions": 3}, 1),
    ],
)
def test_auto_follows_the_machine(needs, has, count):
    assert slots(needs, **has).count == count


def test_a_profile_may_lower_the_ceiling_and_no_memory_limit_lifts_one():
    assert slots(most=4).count == 4
    assert slots(ram=3_000).count == 1
    assert slots(Needs(ram_mb=200), ram=3_000, worker_ram_mb=0).count == 8


def test_why_is_said():
    assert slots(Needs(cpu_threads=2), cpu=12, ram=20_000).why == "12 CPU threads / 2 a task, 9 by memory, at most 8"


@pytest.mark.parametrize(
    ("wishes", "count", "why"),
    [
        ({"workers": {"encode": 3}}, 3, "workers.encode=3"),
        ({"workers": {"encode": 3}, "profile.workers": {"encode": 5}}, 3, "workers.encode=3"),
        ({"workers": {"encode": "auto"}, "profile.workers": {"encode": 5}}, 5, "profile.workers.encode=5"),
        ({"workers": {}, "profile.workers": {}, "hardware.workers": {"encode": 2}}, 2, "hardware.workers.encode=2"),
    ],
)
def test_the_first_stated_number_wins_as_it_is(wishes, count, why):
    found = slots(wishes=wishes, cpu=1, ram=100)
    assert (found.count, found.floor, found.high, found.auto, found.why) == (count, count, count, False, why)


def test_another_stage_s_wish_is_not_ours():
    assert slots(wishes={"workers": {"speak": 3}}).auto


def test_a_stage_that_waits_for_a_network_has_its_threads():
    found = slots(threads=32, cpu=2, ram=1000)
    assert (found.count, found.floor, found.high, found.auto) == (32, 32, 32, True)
    assert slots(threads=32, wishes={"workers": {"encode": 4}}).count == 4


needs_of = st.builds(
    Needs, st.floats(0, 64), st.integers(0, 50_000), st.integers(0, 8_000), st.integers(0, 3), st.just("")
)


@given(
    needs_of, st.floats(0.5, 256), st.integers(0, 500_000), st.integers(0, 4), st.integers(1, 256),
    st.integers(0, 4096),
)  # fmt: skip
def test_auto_keeps_to_the_machine_whatever_it_is(needs, cpu, ram, sessions, most, worker_ram_mb):
    found = slots(needs, cpu=cpu, ram=ram, sessions=sessions, most=most, worker_ram_mb=worker_ram_mb)
    assert 1 <= found.floor == found.count <= found.high <= min(most, 8)
    if found.count > 1:
        assert found.count * needs.cpu_threads <= cpu + 1e-6
    if found.high > 1:
        assert found.high * max(needs.ram_mb, worker_ram_mb) <= ram
        assert not needs.encoder_sessions or found.high * needs.encoder_sessions <= sessions


@pytest.mark.parametrize(
    ("needs", "said"),
    [
        (Needs(), ""),
        (Needs(cpu_threads=99), ""),
        (Needs(ram_mb=1000, vram_mb=500, encoder_sessions=2), ""),
        (Needs(ram_mb=1001), "needs 1001 MB of memory, there are 1000"),
        (Needs(vram_mb=501), "needs 501 MB of GPU memory, there are 500"),
        (Needs(encoder_sessions=3), "needs 3 encoder sessions, there are 2"),
    ],
)
def test_what_can_never_fit_says_why(needs, said):
    assert never_fits(needs, Capacity(4, 1000, 500, 2)) == said
