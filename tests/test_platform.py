"""The operating system's part: what survives a crash, what ends with what, and which limits really hold."""

import errno
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

from stages import platform
from stages.platform import (
    can_write,
    die_with_parent,
    end_group,
    end_tree,
    limit_cpus,
    limit_memory,
    link_or_copy,
    move_durably,
    own_group,
    peak_rss_mb,
    point_latest,
    python_child,
    usable_cpus,
    write_atomic,
)

ROOT = Path(__file__).resolve().parent.parent
linux = pytest.mark.skipif(not platform.LINUX, reason="Linux only")


def python(code, **more):
    return subprocess.Popen([sys.executable, "-c", code], cwd=ROOT, stdout=subprocess.PIPE, text=True, **more)


def said(code):
    """What a child process prints."""
    process = python(code, stderr=subprocess.PIPE)
    out, err = process.communicate(timeout=60)
    assert process.returncode == 0, err
    return out.strip()


def gone(pid, within_s=10.0):
    until = time.monotonic() + within_s
    while time.monotonic() < until:
        if not psutil.pid_exists(pid) or psutil.Process(pid).status() == psutil.STATUS_ZOMBIE:
            return True
        time.sleep(0.02)
    return False


# --- files -----------------------------------------------------------------------------------


@pytest.mark.parametrize("durable", [False, True])
def test_write_atomic_writes_texts_and_bytes(tmp_path, durable):
    write_atomic(tmp_path / "a", "grün\n", durable=durable)
    assert (tmp_path / "a").read_bytes() == "grün\n".encode()
    write_atomic(tmp_path / "a", b"\0\1", durable=durable)
    assert (tmp_path / "a").read_bytes() == b"\0\1"
    assert [f.name for f in tmp_path.iterdir()] == ["a"]


def test_write_atomic_leaves_the_old_file_when_the_disk_is_full(tmp_path):
    """A real full disk: a file size limit stops the write in the middle."""
    (tmp_path / "state.json").write_text("old")
    code = (
        "import resource, signal, pathlib; signal.signal(signal.SIGXFSZ, signal.SIG_IGN);"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000));"
        "from stages.platform import write_atomic\n"
        f"try: write_atomic(pathlib.Path({str(tmp_path / 'state.json')!r}), 'x' * 5000)\n"
        "except OSError as error: print(error.errno)"
    )
    assert said(code) == str(errno.EFBIG)
    assert (tmp_path / "state.json").read_text() == "old"
    assert [f.name for f in tmp_path.iterdir()] == ["state.json"]


def test_write_atomic_cleans_up_when_the_rename_fails(tmp_path):
    (tmp_path / "folder" / "full").mkdir(parents=True)
    with pytest.raises(OSError):
        write_atomic(tmp_path / "folder", "text")
    assert [f.name for f in tmp_path.iterdir()] == ["folder"]


def test_write_atomic_takes_the_longest_name(tmp_path):
    name = "ü" * 127 + "x"
    write_atomic(tmp_path / name, "text")
    assert (tmp_path / name).read_text() == "text"


def test_a_link_shares_the_content_and_says_so(tmp_path):
    source, target = tmp_path / "a", tmp_path / "deep" / "b"
    source.write_text("one")
    assert link_or_copy(source, target) == "link"
    assert target.samefile(source)
    source.unlink()
    assert target.read_text() == "one"


def test_a_copy_does_not_share_and_replaces_what_was_there(tmp_path):
    source, target = tmp_path / "a", tmp_path / "b"
    source.write_text("one")
    target.write_text("old")
    assert link_or_copy(source, target, link=False) == "copy"
    assert not target.samefile(source)
    assert target.read_text() == "one"
    assert {f.name for f in tmp_path.iterdir()} == {"a", "b"}


def other_file_system(tmp_path):
    memory = Path("/dev/shm")
    if not memory.is_dir() or memory.stat().st_dev == tmp_path.stat().st_dev:
        pytest.skip("there is only one file system here")
    return memory / f"reeltune-test-{os.getpid()}"


def test_across_file_systems_a_file_is_copied(tmp_path):
    source = other_file_system(tmp_path)
    try:
        source.write_text("one")
        assert link_or_copy(source, tmp_path / "a") == "copy"
        move_durably(source, tmp_path / "b")
        assert not source.exists()
        assert (tmp_path / "a").read_text() == (tmp_path / "b").read_text() == "one"
        assert {f.name for f in tmp_path.iterdir()} == {"a", "b"}
    finally:
        source.unlink(missing_ok=True)


def test_a_move_makes_its_folder(tmp_path):
    (tmp_path / "a").write_text("one")
    move_durably(tmp_path / "a", tmp_path / "x" / "y" / "b")
    assert (tmp_path / "x" / "y" / "b").read_text() == "one"
    assert not (tmp_path / "a").exists()


def test_latest_follows(tmp_path):
    for name in ("one", "two"):
        (tmp_path / "runs" / name).mkdir(parents=True)
        point_latest(tmp_path / "latest", tmp_path / "runs" / name)
        assert (tmp_path / "latest").resolve() == (tmp_path / "runs" / name).resolve()
    assert not (tmp_path / "latest").readlink().is_absolute(), "the folder can be moved"


def test_latest_never_replaces_a_real_folder(tmp_path):
    (tmp_path / "latest").mkdir()
    (tmp_path / "latest" / "mine").write_text("kept")
    point_latest(tmp_path / "latest", tmp_path / "run")
    assert (tmp_path / "latest" / "mine").read_text() == "kept"
    assert (tmp_path / "latest.txt").read_text() == f"{tmp_path / 'run'}\n"


def test_can_write_leaves_nothing_behind(tmp_path):
    (tmp_path / "there").mkdir()
    assert can_write(tmp_path / "there") is None
    assert can_write(tmp_path / "a" / "b") is None
    assert [p.name for p in tmp_path.rglob("*")] == ["there"]


@linux
def test_can_write_says_why_not(tmp_path):
    (tmp_path / "file").write_text("")
    assert can_write(Path("/proc/reeltune")) == "No such file or directory"
    assert can_write(Path("/proc")) is not None
    assert can_write(tmp_path / "file") == f"{tmp_path / 'file'} is not a folder"
    assert can_write(tmp_path / "file" / "below") == f"{tmp_path / 'file'} is not a folder"
    assert can_write(tmp_path / ("x" * 300)) == "File name too long"


# --- processes -------------------------------------------------------------------------------

FAMILY = """
import subprocess, sys, time
child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"], start_new_session={apart})
print(child.pid, flush=True)
time.sleep(60)
"""


@pytest.mark.parametrize("apart", [False, True])
def test_end_tree_ends_grandchildren_whatever_their_group(apart):
    with python(FAMILY.format(apart=apart)) as process:
        grandchild = int(process.stdout.readline())
        end_tree(process.pid)
        assert process.wait(10) == -signal.SIGKILL
        assert gone(grandchild)


def test_end_tree_of_nobody_is_nothing():
    with python("pass") as process:
        process.wait(10)
    end_tree(process.pid)


@pytest.mark.parametrize("force", [False, True])
def test_end_group_ends_the_group_and_not_us(force):
    with python(FAMILY.format(apart=False), **own_group()) as process:
        grandchild = int(process.stdout.readline())
        end_group(process.pid, force=force)
        assert process.wait(10) == (-signal.SIGKILL if force else -signal.SIGTERM)
        assert gone(grandchild)
    end_group(process.pid, force=force)  # nobody there any more


MORTAL = """
import time
from stages.platform import die_with_parent
assert die_with_parent(gently={gently})
print("ready", flush=True)
time.sleep(60)
"""

PARENT = """
import subprocess, sys, time
child = subprocess.Popen([sys.executable, "-c", {code!r}], stdout=subprocess.PIPE, text=True)
assert child.stdout.readline() == "ready\\n"
print(child.pid, flush=True)
time.sleep(60)
"""


@linux
@pytest.mark.parametrize("gently", [False, True])
def test_a_child_ends_when_its_parent_is_killed(gently):
    with python(PARENT.format(code=MORTAL.format(gently=gently))) as parent:
        child = int(parent.stdout.readline())
        assert psutil.pid_exists(child)
        parent.kill()
        parent.wait(10)
        assert gone(child)


def test_die_with_parent_says_whether_it_can():
    assert (die_with_parent.__doc__ or "").strip()
    assert said("from stages.platform import die_with_parent as d; print(d())") == str(platform.LINUX)


def test_a_python_child_imports_ours_and_not_the_current_folder(tmp_path):
    """A `stages/` or `json.py` lying where the user works must not be run."""
    for trap in ("json.py", "stages.py", "runner.py"):
        (tmp_path / trap).write_text("raise SystemExit('imported from the current folder')")
    command, env = python_child("runner.execute.worker")
    done = subprocess.run(command, env=env, cwd=tmp_path, input=b"", capture_output=True, timeout=60)
    assert (done.returncode, done.stderr) == (0, b"")
    assert env["OMP_NUM_THREADS"]


# --- limits ----------------------------------------------------------------------------------


@linux
def test_a_memory_limit_really_raises():
    code = """
from stages.platform import limit_memory
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
    monkeypatch.setattr(platform, "LINUX", False)
    assert "sets none on a running program" in limit_memory(200, os.getpid())


def test_no_memory_limit_is_said_too():
    assert limit_memory(0) == "no memory limit asked"


@linux
def test_a_cpu_limit_really_pins_and_goes_round():
    cpus = usable_cpus()
    code = """
import os
from stages.platform import limit_cpus
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
    code = "import os; from stages.platform import lower_priority as l; b = os.nice(0); print(l(3), os.nice(0) - b)"
    assert said(code) == "nice +3 3"


def test_peak_memory_grows_with_what_is_taken():
    code = (
        "from stages.platform import peak_rss_mb as p\n"
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
from stages.platform import spent_by_children
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
