"""A small stage that starts a program as large as its text says: it proves what a task holds and is held to."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar

from stages.contract import Failure, Json, Needs, Result, Stage, Step, Work
from stages.media.processes import run_process
from stages.settings import setting

_NUMBERS = ("threads", "mb", "sessions", "take", "busy", "sleep", "frames")
_PROGRAM = """
import json, sys, time
mb, busy, sleep = map(float, sys.argv[1:])
time.sleep(0.2)  # its limit is set by then
hoard = bytearray(int(mb * 1024 * 1024))
while time.process_time() < busy:
    pass
time.sleep(sleep)
"""


@dataclass(frozen=True)
class ProgramSettings:
    """What a worker takes, and how the program is made smaller."""

    ram_mb: int = setting(50, "memory that a worker says it needs", low=0, affects_output=False)
    shrink: int = setting(1, "divides what the program takes", low=1)


class Program(Stage[ProgramSettings]):
    """Text such as `threads=2 mb=600 take=500 busy=0.5 sleep=1 frames=25`.

    `threads`, `mb` and `sessions` are what it says it needs; it takes `take` MB, `busy` s of CPU and `sleep` s.
    """

    config_class = ProgramSettings
    reads: ClassVar[Sequence[str]] = ("text",)
    writes: ClassVar[Sequence[str]] = ("text",)
    produces: ClassVar[Mapping[str, str]] = {"note": "text/plain"}

    def run(self, work: Work) -> Result:
        """Run the program, and note how it was limited."""
        asked = _asked(work.item.data)
        words = [asked.get("take", 0) / self.config.shrink, asked.get("busy", 0), asked.get("sleep", 0)]
        done = run_process([sys.executable, "-c", _PROGRAM, *map(str, words)], memory_mb=work.memory_mb)
        cpus = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else 0
        note = work.scratch / "note.txt"
        note.write_text(json.dumps({"limit": done.limit, "cpus": cpus}), encoding="utf-8")
        frames = {"video.frames": asked["frames"]} if "frames" in asked else {}
        return Result(files={"note": note}, data={"text": work.item.data["text"]}, metrics=frames)

    @classmethod
    def needs(cls, config: ProgramSettings) -> Needs:
        """What a worker takes by itself."""
        return Needs(cpu_threads=1.0, ram_mb=config.ram_mb)

    @classmethod
    def task_needs(cls, config: ProgramSettings, data: Mapping[str, Json]) -> Needs:
        """As the text says."""
        asked = _asked(data)
        memory = int(asked.get("mb", config.ram_mb) / config.shrink)
        return Needs(asked.get("threads", 1.0), memory, encoder_sessions=int(asked.get("sessions", 0)))

    @classmethod
    def ladder(cls, config: ProgramSettings, failure: Failure) -> Iterable[Step]:
        """Half of it."""
        if failure is Failure.HOST_OOM:
            yield Step({"shrink": 2 * config.shrink}, "half of it takes half the memory")


def _asked(data: Mapping[str, Json]) -> dict[str, float]:
    """Numbers by name; words that are none of them tell equal tasks apart."""
    pairs = (word.partition("=") for word in str(data["text"]).split())
    return {name: float(value) for name, _, value in pairs if name in _NUMBERS}
