"""Shared by all tests: the tests' own helpers can be imported by name."""

import signal
import sys
from pathlib import Path

# A shell that starts the tests in the background lets them, and all their children, ignore Ctrl-C: some tests send it.
signal.signal(signal.SIGINT, signal.default_int_handler)

sys.path.insert(0, str(Path(__file__).parent))
