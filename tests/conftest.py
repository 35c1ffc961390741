"""Shared by all tests: the tests' own helpers can be imported by name."""

import gc
import os
import signal
import sys
from pathlib import Path

import pytest
from hypothesis import settings

# A shell that starts the tests in the background lets them, and all their children, ignore Ctrl-C: some tests send it.
signal.signal(signal.SIGINT, signal.default_int_handler)

sys.path.insert(0, str(Path(__file__).parent))

# A machine with much to do holds any example up; each test has its limit in pyproject.toml.
settings.register_profile("unhurried", deadline=None)
settings.load_profile("unhurried")

TRACING = "COVERAGE_PROCESS_CONFIG"  # because of it processes that a test starts count their lines


def pytest_collection_finish():
    """Tests and what they import stay to the end: to look through them for garbage takes half a second each time."""
    gc.collect()
    gc.freeze()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol(item):
    """A run that counts its lines takes half as long again: of many that go the same way, few need to."""
    config = os.environ.pop(TRACING, None) if item.get_closest_marker("untraced") else None
    try:
        return (yield)
    finally:
        if config is not None:
            os.environ[TRACING] = config
