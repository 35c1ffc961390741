"""The demo: narrated files, a sweep over profiles and workers, a comparison picture, and how to look at it."""

from __future__ import annotations

import os
import shlex
import subprocess
import sys
from pathlib import Path

HOME = Path(__file__).resolve().parent.parent
LINES = "docs/examples/lines.txt"


def reeltune(*words: str) -> int:
    """Show a command as one would type it, then run it; its exit code."""
    sys.stdout.write(f"\n$ reeltune {shlex.join(words)}\n")
    sys.stdout.flush()
    return subprocess.run([sys.executable, "-m", "runner", *words], cwd=HOME, check=False).returncode


def main() -> int:
    """Run it; the first exit code that is not 0, or 0."""
    cores = max(2, min(4, os.cpu_count() or 2))
    code = reeltune("pipeline=narrate", LINES)
    code = code or reeltune(
        "-m", "pipeline=narrate", LINES, f"workers.encode=1,{cores}", "profile=fast,balanced,quality", "progress=off"
    )
    if code == 0:
        where = (
            f"{Path(sys.executable).parent.relative_to(HOME)}/reeltune"
            if HOME in Path(sys.executable).parents
            else "reeltune"
        )
        sys.stdout.write(
            "\nnarrated files   outputs/narrate/*/*/result/\n"
            "the newest run   outputs/latest/report.html\n"
            f"compare runs     {where} ui        (opens MLflow's UI on this machine)\n"
        )
    return code


if __name__ == "__main__":
    sys.exit(main())
