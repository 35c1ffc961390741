"""Processes for tests of the operating system's part."""

import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

from stages import platform

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
