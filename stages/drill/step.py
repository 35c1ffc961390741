"""A small stage that misbehaves on request: it proves the runner against what real stages do."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

from stages.contract import Failure, Needs, Result, Stage, StageError, Work
from stages.contract import Step as LadderStep
from stages.platform.processes import own_group
from stages.settings import setting


@dataclass(frozen=True)
class StepSettings:
    """What to do. A `*_on` setting names a text on which to misbehave; with `state_dir` only `times` times."""

    suffix: str = setting("", "added to the text")
    busy_s: float = setting(0.0, "computes this long", low=0, unit="s", affects_output=False)
    sleep_s: float = setting(0.0, "waits this long", low=0, unit="s", affects_output=False)
    file: bool = setting(False, "writes a file")
    batch: int = setting(8, "pretended batch size", low=1)
    tile: int = setting(256, "pretended tile size", low=32)
    oom_above: int = setting(0, "runs out of memory when batch is above this; 0 never", low=0, affects_output=False)
    fail_on: str = setting("", "text that is refused as bad input", affects_output=False)
    bug_on: str = setting("", "text that raises an unexpected error", affects_output=False)
    crash_on: str = setting("", "text on which the process ends at once", affects_output=False)
    hang_on: str = setting("", "text on which it never returns", affects_output=False)
    network_on: str = setting("", "text on which the network fails", affects_output=False)
    spawn_on: str = setting("", "text on which it starts a program and waits for it for ever", affects_output=False)
    disk_on: str = setting("", "text on which the disk is full", affects_output=False)
    memory_on: str = setting("", "text on which it takes memory without end", affects_output=False)
    times: int = setting(1_000_000, "how often it misbehaves before it works", low=0, affects_output=False)
    state_dir: str = setting("", "folder that counts the times", affects_output=False)
    ram_mb: int = setting(50, "memory it says it needs", low=0, affects_output=False)
    cpu_threads: float = setting(1.0, "threads it says it needs", low=0, affects_output=False)
    threads: int = setting(1, "tasks at once in one process", low=1, affects_output=False)
    rate: str = setting("", "API rate it draws from", affects_output=False)


class Step(Stage[StepSettings]):
    """text → text + suffix, and an optional file that holds it."""

    config_class = StepSettings
    reads: ClassVar[Sequence[str]] = ("text",)
    writes: ClassVar[Sequence[str]] = ("text",)
    produces: ClassVar[Mapping[str, str]] = {"note": "text/plain"}

    def run(self, work: Work) -> Result:
        """Misbehave if asked to, else work."""
        text = str(work.item.data["text"])
        self._misbehave(text)
        self._spend()
        made = text + self.config.suffix
        files: dict[str, Path] = {}
        if self.config.file:
            files["note"] = work.scratch / "note.txt"
            files["note"].write_text(made, encoding="utf-8")
        return Result(files=files, data={"text": made}, metrics={"drill.length": float(len(made))})

    def verify(self, work: Work, result: Result) -> None:
        """A file only when one was asked for."""
        if self.config.file:
            super().verify(work, result)

    def _spend(self) -> None:
        time.sleep(self.config.sleep_s)
        until = time.thread_time() + self.config.busy_s
        while time.thread_time() < until:
            pass

    def _misbehave(self, text: str) -> None:
        config = self.config
        if config.oom_above and config.batch > config.oom_above:
            raise StageError(Failure.GPU_OOM, f"batch {config.batch} does not fit")
        for name, act in _ACTS.items():
            if getattr(config, name) and getattr(config, name) in text and self._again(name, text):
                act(text)

    def _again(self, name: str, text: str) -> bool:
        if not self.config.state_dir:
            return True
        mark = Path(self.config.state_dir) / f"{name}-{text.encode().hex()}"
        before = mark.stat().st_size if mark.exists() else 0
        with mark.open("ab") as file:
            file.write(b"x")
        return before < self.config.times

    @classmethod
    def needs(cls, config: StepSettings) -> Needs:
        """As told."""
        return Needs(cpu_threads=config.cpu_threads, ram_mb=config.ram_mb, rate=config.rate)

    @classmethod
    def concurrency(cls, config: StepSettings) -> int:
        """As told."""
        return config.threads

    @classmethod
    def ladder(cls, config: StepSettings, failure: Failure) -> Iterable[LadderStep]:
        """Half the batch down to 1, then a smaller tile."""
        if failure is not Failure.GPU_OOM:
            return
        batch = config.batch
        while batch > 1:
            batch //= 2
            yield LadderStep({"batch": batch}, f"batch {batch} takes half the memory")
        yield LadderStep({"batch": 1, "tile": config.tile // 2}, "a smaller tile takes a quarter of the memory")


def _refuse(text: str) -> None:
    raise StageError(Failure.BAD_INPUT, f"{text!r} cannot be read: it is broken; take it off the list")


def _bug(text: str) -> None:
    raise KeyError(text)


def _crash(_text: str) -> None:
    os._exit(70)


def _hang(_text: str) -> None:
    time.sleep(3600)


def _spawn(_text: str) -> None:
    subprocess.run([sys.executable, "-c", "import time; time.sleep(600)"], check=False, **own_group())


def _network(_text: str) -> None:
    raise StageError(Failure.NETWORK, "the service does not answer; try later")


def _disk(_text: str) -> None:
    raise OSError(28, os.strerror(28))


def _memory(_text: str) -> None:
    hoard: list[Any] = []
    while True:
        hoard.append(bytearray(16 * 1024 * 1024))


_ACTS = {
    "fail_on": _refuse,
    "bug_on": _bug,
    "crash_on": _crash,
    "hang_on": _hang,
    "network_on": _network,
    "disk_on": _disk,
    "spawn_on": _spawn,
    "memory_on": _memory,
}
