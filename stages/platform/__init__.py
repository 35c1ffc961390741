"""The one place that knows the operating system: durable files, processes and their groups, limits.

Each function states its fall-back. Linux first; Windows and macOS do what they can and say what they did.
"""

import sys

LINUX = sys.platform.startswith("linux")
WINDOWS = sys.platform == "win32"
