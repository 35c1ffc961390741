"""The folder of one run: where everything lies. Formats are in docs/architecture.md."""

from __future__ import annotations

import json
import secrets
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from stages.platform.files import point_latest, write_atomic

SCHEMA_VERSION = 1
EXIT_CODES = {"ok": 0, "partial": 3, "failed": 1, "killed": 130}  # of a run, by its status


@dataclass(frozen=True, slots=True)
class RunDir:
    """Paths of one run. Nothing is read or made by asking for a path."""

    root: Path

    @property
    def run_json(self) -> Path:
        """Status, outputs, metrics: what scripts read."""
        return self.root / "run.json"

    @property
    def plan_json(self) -> Path:
        """The frozen plan that the run executes."""
        return self.root / "plan.json"

    @property
    def items_jsonl(self) -> Path:
        """The frozen items of the plan, one a line."""
        return self.root / "items.jsonl"

    @property
    def journal(self) -> Path:
        """Every event of the run, one a line."""
        return self.root / "journal.jsonl"

    @property
    def failures(self) -> Path:
        """What could not be done, with the command that tries it again."""
        return self.root / "failures.jsonl"

    @property
    def samples(self) -> Path:
        """System and progress metrics, a line a second."""
        return self.root / "metrics.jsonl"

    @property
    def config_yaml(self) -> Path:
        """The composed config, resolved."""
        return self.root / "config.yaml"

    @property
    def report(self) -> Path:
        """The report page."""
        return self.root / "report.html"

    @property
    def tracking(self) -> Path:
        """How far MLflow was told."""
        return self.root / "tracking.json"

    @property
    def log(self) -> Path:
        """What the job process and its workers wrote to stderr."""
        return self.root / "job.log"

    @property
    def lock(self) -> Path:
        """Held while somebody owns this run."""
        return self.root / ".lock"

    @property
    def ballast(self) -> Path:
        """A file that only takes room: given back when the disk is full, so that the last words can be written."""
        return self.root / ".ballast"

    @property
    def result(self) -> Path:
        """Finished files, unless `output=` names another folder."""
        return self.root / "result"

    @property
    def scratch(self) -> Path:
        """Temporary files of the run's tasks; gone when it ends."""
        return self.root / ".scratch"


def new_run_dir(outputs: Path, pipeline: str, *, now: datetime | None = None) -> RunDir:
    """Make `outputs/<pipeline>/<date>/<time>-<id>/`, never one that is there already."""
    when = now or datetime.now().astimezone()
    while True:
        root = outputs / pipeline / f"{when:%Y-%m-%d}" / f"{when:%H-%M-%S}-{secrets.token_hex(3)}"
        try:
            root.mkdir(parents=True)
        except FileExistsError:
            continue
        return RunDir(root)


def make_latest(run: RunDir) -> None:
    """Let `outputs/latest` lead to this run."""
    point_latest(run.root.parents[2] / "latest", run.root)


def all_run_dirs(outputs: Path) -> list[RunDir]:
    """Every run under an outputs folder, oldest first."""
    found = outputs.glob("*/????-??-??/??-??-??-*/run.json")
    return [RunDir(path.parent) for path in sorted(found, key=lambda p: p.parent.parts[-2:])]


def read_json(path: Path) -> dict[str, Any]:
    """A JSON object from a file; {} when there is none."""
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {}
    assert isinstance(value, dict)
    return value


def write_json(path: Path, value: dict[str, Any]) -> None:
    """Write a JSON object whole or not at all."""
    write_atomic(path, json.dumps(value, indent=2, ensure_ascii=False, sort_keys=False) + "\n")
