"""How long a command takes before it does anything."""

from __future__ import annotations

import tempfile
from pathlib import Path

from benchmarks.measure import command, run, spread, table


def main() -> None:
    """`--help`, refusing a typing error, a plan of 10,000 items, a run that is all cached."""
    with tempfile.TemporaryDirectory() as name:
        cwd = Path(name)
        (cwd / "one.txt").write_text("hello\n")
        (cwd / "many.txt").write_text("".join(f"text number {n}\n" for n in range(10_000)))
        run(command("pipeline=narrate", "one.txt", "progress=off"), cwd)
        lines = {
            "`--help`": command("--help"),
            "refusing `tts=espaek`": command("pipeline=narrate", "tts=espaek", "one.txt"),
            "`plan` of 10,000 items": command("plan", "pipeline=narrate", "many.txt"),
            "run of 1 item, all cached": command("pipeline=narrate", "one.txt", "progress=off"),
            "the same, tracking off": command("pipeline=narrate", "one.txt", "progress=off", "tracking.enabled=false"),
        }
        rows = []
        for title, words in lines.items():
            costs = [_tolerant(words, cwd) for _ in range(5)]
            rows.append([title, spread([c[0] for c in costs]), spread([c[1] for c in costs])])
    table("Start-up", ["command", "wall, s", "CPU, s"], rows)


def _tolerant(words: list[str], cwd: Path) -> tuple[float, float]:
    """Cost of a command that may be refused."""
    import resource
    import subprocess
    import time

    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    began = time.monotonic()
    subprocess.run(words, cwd=cwd, capture_output=True, check=False)
    wall = time.monotonic() - began
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return wall, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


if __name__ == "__main__":
    main()
