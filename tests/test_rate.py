"""How often a service may be asked: never more than allowed in any window, and never a needless wait."""

import json
import subprocess
import sys
import threading
import time
from fractions import Fraction
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stages.platform.processes import python_child
from stages.rate import Rate, StoppedError, steady_time

GRANTS, PER_S = 6, 60


class Clock:
    """Exact time: floats would hide an error of one tick."""

    def __init__(self, now=Fraction(1_000_000)):
        self.now = now

    def __call__(self):
        return self.now

    def sleep(self, seconds):
        assert seconds > 0
        self.now += seconds


def most_in_a_window(times, per_s):
    return max((sum(start <= t < start + per_s for t in times) for start in times), default=0)


def drawn(rate, clock):
    rate.take()
    return clock.now


# --- never too many, never too slow ------------------------------------------------------------------

steps = st.lists(st.one_of(st.just(0), st.integers(0, 40)), max_size=60)


@settings(deadline=None)
@given(st.integers(1, 6), st.integers(1, 10), steps)
def test_no_window_holds_more_grants_than_allowed(grants, per_s, waits):
    clock, taken = Clock(), []
    rate = Rate(grants, per_s, clock=clock)
    for wait in waits:
        clock.now += Fraction(wait, 7)
        if rate.try_take() == 0:
            taken.append(clock.now)
    assert most_in_a_window(taken, per_s) <= grants


@settings(deadline=None)
@given(st.integers(1, 6), st.integers(1, 10), steps)
def test_who_waits_as_long_as_told_gets_the_next_grant_at_once(grants, per_s, waits):
    clock, taken = Clock(), []
    rate = Rate(grants, per_s, clock=clock)
    for wait in waits:
        clock.now += Fraction(wait, 7)
        clock.now += rate.wait_s()
        assert rate.wait_s() == 0
        assert rate.try_take() == 0
        taken.append(clock.now)
    assert most_in_a_window(taken, per_s) <= grants


@settings(max_examples=30, deadline=None)
@given(st.integers(1, 40))
def test_a_full_speed_run_takes_exactly_the_time_that_it_must(count):
    clock = Clock()
    rate, began = Rate(GRANTS, PER_S, clock=clock, sleep=clock.sleep), clock.now
    waited = sum(rate.take() for _ in range(count))
    assert waited == clock.now - began == (count - 1) // GRANTS * PER_S


arrivals = st.lists(st.tuples(st.integers(0, 100), st.integers(0, 1), st.booleans()), max_size=40)


@settings(max_examples=60, deadline=None)
@given(arrivals)
def test_any_arrivals_any_restart_two_processes(tmp_path_factory, arrivals):
    """Each grant comes at the earliest moment that the limit allows, whoever drew the ones before."""
    file, clock, taken = tmp_path_factory.mktemp("rate") / "flux.json", Clock(1000), []

    def process():
        return Rate(GRANTS, PER_S, file, clock=clock, sleep=clock.sleep)

    both = [process(), process()]
    for gap, who, restarts in arrivals:
        clock.now += gap
        if restarts:
            both[who] = process()
        earliest = max(clock.now, taken[-GRANTS] + PER_S) if len(taken) >= GRANTS else clock.now
        taken.append(drawn(both[who], clock))
        assert taken[-1] == earliest
    assert most_in_a_window(taken, PER_S) <= GRANTS


def test_threads_share_one_rate():
    rate, taken = Rate(3, 0.2), []
    threads = [threading.Thread(target=lambda: (rate.take(), taken.append(time.monotonic()))) for _ in range(12)]
    began = time.monotonic()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(10)
    assert len(taken) == 12
    assert 0.59 <= max(taken) - began < 2


def test_real_processes_share_a_file(tmp_path):
    file = tmp_path / "rates" / "flux.json"
    code = "import sys; from pathlib import Path; from stages.rate import Rate\n"
    code += "rate = Rate(4, 0.5, Path(sys.argv[1]))\nfor _ in range(6): rate.take()"
    _, env = python_child("none")
    root = Path(__file__).resolve().parent.parent
    running = [subprocess.Popen([sys.executable, "-c", code, str(file)], env=env, cwd=root) for _ in range(2)]
    assert [process.wait(30) for process in running] == [0, 0]
    taken = json.loads(file.read_text())["times"]
    assert len(taken) == 12
    assert most_in_a_window(taken, 0.5 - 1e-4) <= 4
    assert taken[-1] - taken[0] >= 1.0 - 1e-4


# --- what a file and a clock can do -------------------------------------------------------------------


def test_a_restart_forgets_nothing(tmp_path):
    clock = Clock(1000)
    first = Rate(GRANTS, PER_S, tmp_path / "r", clock=clock)
    for _ in range(GRANTS):
        assert first.try_take() == 0
        clock.now += 1
    assert Rate(GRANTS, PER_S, tmp_path / "r", clock=clock).try_take() == 1000 + PER_S - 1006


def test_a_lower_rate_counts_what_a_higher_one_let_through_and_the_other_way_round(tmp_path):
    clock = Clock(100)
    many, few = (Rate(grants, PER_S, tmp_path / "r", clock=clock) for grants in (6, 2))
    for _ in range(6):
        assert many.try_take() == 0
        clock.now += 1
    assert few.wait_s() == 104 + 60 - 106
    clock.now += 58
    assert few.try_take() == 0
    assert many.wait_s() == 0, "at 164 there are the grants of 105 and of 164"
    for _ in range(4):
        assert many.try_take() == 0
    assert many.wait_s() == 105 + 60 - 164


def test_the_file_stays_small(tmp_path):
    clock = Clock(0)
    rate = Rate(5, 1, tmp_path / "r", clock=clock)
    for _ in range(300):
        assert rate.try_take() == 0
        clock.now += 20
    assert len(json.loads((tmp_path / "r").read_text())["times"]) <= 3600 / 20 + 1


@pytest.mark.parametrize("text", ["", "[", "[1, 2]", '{"times": 5}', '{"times": ["x"], "held": [0, 0]}', "\xff\xfe"])
def test_a_file_that_cannot_be_read_counts_as_full_and_only_once(tmp_path, text):
    file, clock = tmp_path / "r", Clock(5000)
    file.write_bytes(text.encode("latin-1"))
    assert Rate(2, 10, file, clock=clock).wait_s() == 10
    clock.now += 4
    assert Rate(2, 10, file, clock=clock).wait_s() == 6
    clock.now += 6
    assert Rate(2, 10, file, clock=clock).try_take() == 0


@pytest.mark.parametrize("kept", [False, True])
def test_a_clock_set_back_neither_bursts_nor_waits_for_hours(tmp_path, kept):
    clock = Clock(100_000)
    rate = Rate(1, 10, tmp_path / "r" if kept else None, clock=clock, sleep=clock.sleep)
    assert rate.try_take() == 0
    rate.hold(3)
    clock.now = 500
    assert rate.wait_s() == 10
    clock.now += 4
    assert rate.wait_s() == 6
    assert rate.take() == 6


def test_the_clock_of_a_process_is_not_moved_by_setting_the_time():
    first, wall = steady_time(), time.time()
    assert abs(first - wall) < 5
    assert steady_time() >= first


# --- holding back, and giving up -----------------------------------------------------------------------


def test_a_service_that_asks_to_wait_holds_everybody_back_over_a_restart(tmp_path):
    clock = Clock(0)
    one, other = (Rate(6, 60, tmp_path / "r", clock=clock, sleep=clock.sleep) for _ in range(2))
    one.hold(20)
    one.hold(5)
    assert other.wait_s() == 20, "a shorter wish does not cut a longer one"
    clock.now += 15
    assert Rate(6, 60, tmp_path / "r", clock=clock, sleep=clock.sleep).take() == 5


def test_a_grant_counts_from_when_it_was_used(tmp_path):
    clock = Clock(1000)
    one, other = (Rate(2, 60, tmp_path / "r", clock=clock, sleep=clock.sleep) for _ in range(2))
    slow = one.draw()
    clock.now += 5
    quick = other.draw()
    assert (slow.at, quick.at, quick.waited_s) == (1000, 1005, 0)
    one.used(slow)
    assert other.wait_s() == 60, "both were used at 1005"
    one.used(slow)
    clock.now += 10
    assert other.wait_s() == 50, "a grant is used once"


def test_a_wait_can_be_called_off():
    clock = Clock()
    rate = Rate(1, 60, clock=clock, sleep=clock.sleep)
    rate.take()
    stop_at = clock.now + 3
    with pytest.raises(StoppedError):
        rate.take(cancel=lambda: clock.now >= stop_at)
    assert clock.now == stop_at
    assert rate.wait_s() == 57, "nothing was drawn"
