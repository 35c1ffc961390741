"""`python -m benchmarks [name …]`: all benchmarks, or the named ones."""

from __future__ import annotations

import importlib
import sys

NAMES = (
    "startup", "runner", "narrate", "saturation", "score", "transcode", "target",
    "stabilise", "upscale_engine", "upscale", "short", "scene", "tune", "tune_narrate", "tune_upscale",
)  # fmt: skip


def main() -> int:
    """Run them one after another; each prints a table in Markdown."""
    for name in sys.argv[1:] or NAMES:
        importlib.import_module(f"benchmarks.{name}").main()
    return 0


if __name__ == "__main__":
    sys.exit(main())
