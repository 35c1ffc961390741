"""Processes: what ends with what, and what a child imports."""

import signal
import subprocess

import psutil
import pytest
from platform_help import gone, linux, python, said

from stages import platform
from stages.platform.processes import die_with_parent, end_group, end_tree, own_group, python_child

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
from stages.platform.processes import die_with_parent
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
    assert said("from stages.platform.processes import die_with_parent as d; print(d())") == str(platform.LINUX)


def test_a_python_child_imports_ours_and_not_the_current_folder(tmp_path):
    """A `stages/` or `json.py` lying where the user works must not be run."""
    for trap in ("json.py", "stages.py", "runner.py"):
        (tmp_path / trap).write_text("raise SystemExit('imported from the current folder')")
    command, env = python_child("runner.execute.worker")
    done = subprocess.run(command, env=env, cwd=tmp_path, input=b"", capture_output=True, timeout=60)
    assert (done.returncode, done.stderr) == (0, b"")
    assert env["OMP_NUM_THREADS"]
