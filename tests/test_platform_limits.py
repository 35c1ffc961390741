"""Limits really hold, and what was taken is told."""

import os
import subprocess
import sys

import pytest
from platform_help import linux, said

from stages.platform import limits
from stages.platform.limits import limit_cpus, limit_memory, peak_rss_mb, usable_cpus


@linux
def test_a_memory_limit_really_raises():
    code = """
from stages.platform.limits import limit_memory
small = bytearray(50_000_000)
print(limit_memory(200))
try:
    big = bytearray(300_000_000)
except MemoryError:
    print("refused")
"""
    assert said(code).splitlines() == ["RLIMIT_DATA 200 MB", "refused"]


@linux
def test_a_memory_limit_of_a_program_is_not_ours():
    code = "import sys; sys.stdin.read(1); x = bytearray(300_000_000)"
    with subprocess.Popen([sys.executable, "-c", code], stdin=subprocess.PIPE, stderr=subprocess.PIPE) as child:
        assert limit_memory(200, child.pid) == "RLIMIT_DATA 200 MB"
        assert b"MemoryError" in child.communicate(b"x", timeout=30)[1]
    assert len(bytearray(300_000_000)) == 300_000_000
    assert "no memory limit: " in limit_memory(200, child.pid), "it has ended"


def test_where_programs_cannot_be_limited_it_is_said(monkeypatch):
    monkeypatch.setattr(limits, "LINUX", False)
    assert "sets none on a running program" in limit_memory(200, os.getpid())


def test_no_memory_limit_is_said_too():
    assert limit_memory(0) == "no memory limit asked"


@linux
def test_a_cpu_limit_really_pins_and_goes_round():
    cpus = usable_cpus()
    code = """
import os
from stages.platform.limits import limit_cpus
print(limit_cpus({count}, {index}), *sorted(os.sched_getaffinity(0)), sep="|")
"""
    if len(cpus) > 1:
        for index in (0, 1, len(cpus)):
            expected = cpus[index % len(cpus)]
            assert said(code.format(count=1, index=index)) == f"CPUs {expected}|{expected}"
    everything = "|".join(map(str, cpus))
    assert said(code.format(count=len(cpus), index=1)) == f"all CPUs|{everything}"
    assert said(code.format(count=0, index=0)) == f"all CPUs|{everything}"


@linux
def test_slices_of_cpus_go_round_any_machine(monkeypatch):
    taken = []
    monkeypatch.setattr(os, "sched_getaffinity", lambda _pid: {2, 3, 5, 7})
    monkeypatch.setattr(os, "sched_setaffinity", lambda _pid, cpus: taken.append(cpus))
    assert [limit_cpus(3, index) for index in range(3)] == ["CPUs 2,3,5", "CPUs 2,3,7", "CPUs 2,5,7"]
    assert taken == [{2, 3, 5}, {7, 2, 3}, {5, 7, 2}]


@linux
def test_lower_priority_is_lower():
    code = (
        "import os; from stages.platform.limits import lower_priority as l; b = os.nice(0); print(l(3), os.nice(0) - b)"
    )
    assert said(code) == "nice +3 3"


def test_peak_memory_grows_with_what_is_taken():
    code = (
        "from stages.platform.limits import peak_rss_mb as p\n"
        "a = p(); x = bytearray(80_000_000); b = p(); del x; print(round(b - a), round(p() - b))"
    )
    grown, shrunk = map(int, said(code).split())
    assert 60 <= grown <= 110
    assert shrunk == 0, "a peak does not come down"
    assert peak_rss_mb() > 5


@pytest.mark.skipif(sys.platform == "win32", reason="the system does not tell")
def test_what_children_took_is_known_once_they_were_waited_for():
    code = """
import subprocess, sys
from stages.platform.limits import spent_by_children
before = spent_by_children()
busy = "import time; x = bytearray(150_000_000)\\nwhile time.process_time() < 0.5: pass"
subprocess.run([sys.executable, "-c", busy], check=True)
after = spent_by_children()
print(*before, after[0] - before[0], after[1])
"""
    before_s, before_mb, spent, peak = map(float, said(code).split())
    assert (before_s, before_mb) == (0, 0)
    assert 0.5 <= spent < 1.5
    assert 140 < peak < 250
