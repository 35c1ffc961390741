"""The command line as tests use it: a real process in a folder of its own."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
DRILLS = ["--config-dir", str(ROOT / "tests" / "conf")]
QUIET = ["tracking.enabled=false"]


@dataclass
class Done:
    """A finished command."""

    code: int
    out: str
    err: str
    cwd: Path

    @property
    def run(self) -> dict[str, Any]:
        """run.json of the newest run."""
        return json.loads((self.cwd / "outputs" / "latest" / "run.json").read_text())

    @property
    def folder(self) -> Path:
        """The newest run's folder."""
        return (self.cwd / "outputs" / "latest").resolve()

    def events(self, kind: str | None = None) -> list[dict[str, Any]]:
        """Journal events of the newest run."""
        lines = (self.folder / "journal.jsonl").read_text().splitlines()
        events = [json.loads(line) for line in lines]
        return [e for e in events if kind in (None, e["event"])]

    def tasks(self, status: str, stage: str | None = None) -> list[str]:
        """Items with a task of this status."""
        return [e["item"] for e in self.events("task") if e["status"] == status and stage in (None, e["stage"])]

    def failures(self) -> list[dict[str, Any]]:
        """The dead letters of the newest run."""
        return [json.loads(line) for line in (self.folder / "failures.jsonl").read_text().splitlines()]


def command(*words: str) -> list[str]:
    return [sys.executable, "-m", "runner", *words]


def environment(**more: str) -> dict[str, str]:
    env = {k: v for k, v in os.environ.items() if not k.startswith(("FFMPEG_", "MLFLOW_", "OPENAI_"))}
    return {**env, "PYTHONPATH": str(ROOT), "PYTHONUTF8": "1", **more}


def reeltune(cwd: Path, *words: str, timeout: float = 120, **env: str) -> Done:
    """Run a command line to its end."""
    done = subprocess.run(
        command(*words), cwd=cwd, env=environment(**env), capture_output=True, timeout=timeout, check=False
    )
    return Done(done.returncode, done.stdout.decode(), done.stderr.decode(), cwd)


def drill(cwd: Path, pipeline: str, *words: str, timeout: float = 120, **env: str) -> Done:
    """Run one of the drill pipelines without tracking."""
    return reeltune(cwd, *DRILLS, *QUIET, f"pipeline={pipeline}", *words, timeout=timeout, **env)


def start(cwd: Path, *words: str) -> subprocess.Popen[bytes]:
    """Start a command line and leave it running."""
    return subprocess.Popen(
        command(*words), cwd=cwd, env=environment(), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )


def step(stage: str, **settings: Any) -> list[str]:
    """Overrides of a drill stage's settings."""
    return [f"+pipeline.stages.{stage}.settings.{name}={value}" for name, value in settings.items()]


def lines(path: Path, *texts: str) -> Path:
    """A list of texts."""
    path.write_text("".join(f"{text}\n" for text in texts), encoding="utf-8")
    return path
