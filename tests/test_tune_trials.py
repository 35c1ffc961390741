"""The book of trials: no trial twice, nothing lost, whoever is killed at whatever byte."""

import json
import os
import random
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
from tuneworker import SPACE, TOTAL

from runner.tune import owner as owners
from runner.tune.owner import Owner, is_alive, this_process
from runner.tune.search import Search
from runner.tune.trials import TrialBook, read_trials

ROOT = Path(__file__).resolve().parent.parent
POINTS = SPACE.grid()
DEAD = Owner(this_process().host, 2**22 + 1, 1.0)  # above the highest number a process can have


def worker(folder, pause_s=0.3):
    env = {**os.environ, "PYTHONPATH": str(ROOT)}
    command = [sys.executable, str(ROOT / "tests" / "tuneworker.py"), str(folder), str(pause_s)]
    return subprocess.Popen(command, env=env, cwd=ROOT)


def as_dead(book, point):
    """Claim a point as a process that is no more."""
    number = book.claim(point)
    text = book.file.read_text(encoding="utf-8").splitlines()
    line = json.loads(text[-1])
    line["owner"] = DEAD.to_json()
    book.file.write_text("\n".join([*text[:-1], json.dumps(line)]) + "\n", encoding="utf-8")
    return number


def test_a_trial_is_claimed_once_and_told_once(tmp_path):
    book, other = TrialBook(tmp_path), TrialBook(tmp_path)
    assert book.claim(POINTS[0]) == 0
    assert other.claim(POINTS[0]) is None, "held"
    assert other.claim(POINTS[1]) == 1
    assert book.tell(0, "ok", {"a": 1.0}, repeats=[1.0, 2.0]) is True
    assert book.tell(0, "failed", {}) is False, "the first word stands"
    assert book.claim(POINTS[0]) is None, "told"
    assert book.claim(POINTS[0], 1) == 0, "a larger sample of the same trial"
    trial = book.trials()[0]
    assert (trial.state, trial.figures, trial.outcomes[0].repeats) == ("ok", {"a": 1.0}, (1.0, 2.0))
    assert (trial.point, trial.rung, set(trial.held)) == (POINTS[0], 0, {1})
    assert book.tell(0, "infeasible", {}, rung=1, cause="memory", origin="other #3", quality_origin="third #4")
    outcome = book.trials()[0].outcomes[1]
    assert (outcome.cause, outcome.origin, outcome.quality_origin) == ("memory", "other #3", "third #4")


def test_what_is_given_back_or_of_the_dead_is_free_under_its_number(tmp_path):
    book = TrialBook(tmp_path)
    assert book.claim(POINTS[0]) == 0
    book.release(0)
    assert book.claim(POINTS[0]) == 0
    assert as_dead(book, POINTS[1]) == 1
    assert book.claim(POINTS[1]) == 1 and book.claim(POINTS[1]) is None
    assert [t.number for t in book.trials()] == [0, 1]


def test_no_more_than_wanted(tmp_path):
    book = TrialBook(tmp_path)
    assert [book.claim(POINTS[n], most=2) for n in range(4)] == [0, 1, None, None]


def test_what_cannot_be_told_is_refused(tmp_path):
    book = TrialBook(tmp_path)
    with pytest.raises(ValueError, match="no trial 0 to tell of; claim it first"):
        book.tell(0, "ok", {})
    book.claim(POINTS[0])
    with pytest.raises(ValueError, match="'good' is no state of a trial; use ok, infeasible"):
        book.tell(0, "good", {})
    with pytest.raises(ValueError, match="JSON"):
        book.tell(0, "ok", {"a": float("nan")})
    assert book.tell(0, "ok", {}) is True


def test_a_book_cut_off_at_any_byte_goes_on(tmp_path):
    """Whatever a crash left of the file, it is read, and what comes next is whole."""
    book = TrialBook(tmp_path / "whole")
    for number in range(2):
        book.claim(POINTS[number])
        book.tell(number, "ok", {"a": float(number)}, reason="é")
    whole = book.file.read_bytes()
    cut = TrialBook(tmp_path / "cut")
    for size in range(len(whole) + 1):
        cut.file.write_bytes(whole[:size])
        before = read_trials(cut.file)
        assert cut.claim(POINTS[9]) == len(before)
        lines = cut.file.read_bytes().splitlines()
        assert all(json.loads(line) for line in lines), size
        assert len(lines) == whole[:size].count(b"\n") + 1
        after = read_trials(cut.file)
        assert after.pop(len(before)).point == POINTS[9]
        assert {n: t.outcomes for n, t in after.items()} == {n: t.outcomes for n, t in before.items()}


def test_a_long_torn_line_is_cut_off_too(tmp_path):
    book = TrialBook(tmp_path)
    book.claim(POINTS[0])
    good = book.file.read_bytes()
    book.file.write_bytes(good + b"x" * 10_000)
    book.tell(0, "ok", {})
    assert book.file.read_bytes().startswith(good + b'{"event":"tell"')


def test_killed_again_and_again_there_are_exactly_as_many_trials_as_wanted(tmp_path):
    """Two searches at once over one folder, each killed outright at moments of no choice."""
    folder, draw, kills = tmp_path / "book", random.Random(7), 0
    searches = [worker(folder), worker(folder)]
    try:
        while kills < 10:
            time.sleep(draw.uniform(0.05, 0.25))
            told = sum(bool(t.outcomes) for t in read_trials(folder / "trials.jsonl").values())
            if told == 0:
                continue  # let the first begin
            assert told < TOTAL, "killed too seldom to prove anything"
            victim = draw.randrange(2)
            searches[victim].send_signal(signal.SIGKILL)
            searches[victim].wait()
            kills += 1
            searches[victim] = worker(folder, 0.3 if kills < 10 else 0.0)
        assert [search.wait(timeout=60) for search in searches] == [0, 0]
    finally:
        for search in searches:
            search.kill()
            search.wait()
    trials = TrialBook(folder).trials()
    assert [t.number for t in trials] == list(range(TOTAL))
    assert len({t.point.digest for t in trials}) == TOTAL
    events = [json.loads(line) for line in (folder / "trials.jsonl").read_text(encoding="utf-8").splitlines()]
    assert sum(e["event"] == "tell" for e in events) == TOTAL, "each told once"
    claims = [e["number"] for e in events if e["event"] == "claim"]
    assert TOTAL <= len(claims) <= TOTAL + kills, "only what a kill broke off was tried again"
    assert Search(SPACE, TrialBook(folder), sampler="random", total=TOTAL).finished


def test_threads_of_one_process_share_a_book(tmp_path):
    found = []

    def take():
        book = TrialBook(tmp_path)
        found.extend(book.claim(point) for point in POINTS[:20])

    threads = [threading.Thread(target=take) for _ in range(4)]
    [thread.start() for thread in threads]
    [thread.join() for thread in threads]
    assert sorted(n for n in found if n is not None) == list(range(20))


def test_who_lives_is_told_by_number_and_start(tmp_path):
    own = this_process()
    assert is_alive(own, tmp_path)
    assert not is_alive(Owner(own.host, own.pid, own.started - 100), tmp_path), "a number that came again"
    child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(30)"])
    import psutil

    there = Owner(own.host, child.pid, psutil.Process(child.pid).create_time())
    assert is_alive(there, tmp_path)
    child.kill()
    time.sleep(0.2)
    assert not is_alive(there, tmp_path), "dead, though nobody waited for it"
    child.wait()
    assert not is_alive(there, tmp_path)


def test_other_machines_are_believed_by_their_sign_of_life(tmp_path, monkeypatch):
    away = Owner("another-machine", os.getpid(), 1.0)
    assert not is_alive(away, tmp_path)
    (tmp_path / away.file).touch()
    assert is_alive(away, tmp_path)
    long_ago = time.time() - owners.SILENT_S - 5
    os.utime(tmp_path / away.file, (long_ago, long_ago))
    assert not is_alive(away, tmp_path)
    TrialBook(tmp_path).beat()
    assert (tmp_path / this_process().file).is_file()
