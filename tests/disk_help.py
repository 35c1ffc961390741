"""A disk of a few bytes, so that it can really be full."""

import subprocess
import sys
from contextlib import contextmanager

import pytest


@contextmanager
def mounted(disk, size):
    """The folder `disk` as a file system of its own, of a size as `mount` takes it (`200k`); needs root on Linux."""
    disk.mkdir()
    words = ["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", str(disk)]
    if not sys.platform.startswith("linux") or subprocess.run(words, capture_output=True, check=False).returncode:
        pytest.skip("mounting a small tmpfs needs root on Linux")
    try:
        yield disk
    finally:
        subprocess.run(["umount", "-l", str(disk)], check=True)
