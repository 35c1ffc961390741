"""`reeltune pipeline=… FILE …`: one run."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from runner.config.arguments import Arguments
from runner.config.compose import Composition, compose
from runner.config.environment import environment_overrides, load_dotenv_file
from runner.execute.launch import Finished, Job, RefusedError, launch, prepare
from runner.execute.supervise import JobProcess
from runner.record.rundir import RunDir
from runner.record.tracking import Tracker, default_uri, reconcile
from stages.settings import Problem

REFUSED = 2
_SHOWN = 5


def compose_words(arguments: Arguments) -> Composition:
    """The config of a command line, the environment and `.env` taken in."""
    load_dotenv_file(Path.cwd())
    return compose(arguments.overrides, environment_overrides(), arguments.config_dir)


def tracking_uri(composition: Composition) -> str | None:
    """The store that runs are told to; None when tracking is off."""
    assert composition.config is not None
    return store_of(composition.config)


def store_of(config: Any) -> str | None:
    """The same, of a composed config or of its typed form."""
    if not config.tracking.enabled:
        return None
    return str(config.tracking.uri or default_uri(Path(config.outputs_dir).absolute()))


def run(arguments: Arguments) -> int:
    """Run once; the exit code."""
    tracker, process = early_tracker(arguments), JobProcess()
    try:
        composition = compose_words(arguments)
        job = Job(composition, arguments.files, arguments.overrides)
        prepared = prepare(job)
        tracker.aim(tracking_uri(composition))
        reconcile(Path(prepared.checked.root.outputs_dir).absolute(), tracker)
        finished = launch(job, prepared, tracker, process)
    except RefusedError as refused:
        tracker.close(0.0)
        return refuse(refused.problems)
    finally:
        process.dismiss()
        tracker.close()
    tell(finished)
    return int(finished.summary["exit_code"])


def early_tracker(arguments: Arguments) -> Tracker:
    """A tracker that loads MLflow while we read the config, unless the command line says that it may not be needed."""
    tracker = Tracker(None)
    return tracker if any(word.startswith("tracking.") for word in arguments.overrides) else tracker.preload()


def refuse(problems: Sequence[Problem]) -> int:
    """Say every problem on stderr, one a line; the exit code."""
    for problem in problems:
        sys.stderr.write(f"{problem.sentence()}\n")
    return REFUSED


def tell(finished: Finished) -> None:
    """The last lines: what came of it, where it is, what failed and how to try again."""
    out = sys.stdout
    summary, counts = finished.summary, finished.summary["counts"]
    cached = f", {counts['tasks_cached']} of {counts['tasks']} tasks from the cache" if counts["tasks_cached"] else ""
    out.write(f"{summary['status']}: {counts['ok']} of {counts['items']} items in {summary['wall_s']:.1f} s{cached}\n")
    if summary.get("reason"):
        out.write(f"  {summary['reason']}\n")
    _tell_failures(finished.run, counts["failed"])
    for note in summary.get("notes", [])[:_SHOWN]:
        out.write(f"  note: {note}\n")
    out.write(f"  files   {summary['output_dir']}\n  report  {finished.run.report}\n")
    if finished.tracking_error:
        out.write(f"  tracking: {finished.tracking_error}\n")
    out.flush()


def _tell_failures(run: RunDir, failed: int) -> None:
    import json

    if not run.failures.is_file():
        return
    replayable = False  # a row that cannot be read stays so until the list is mended
    with run.failures.open(encoding="utf-8") as lines:
        for number, letter in enumerate(map(json.loads, lines)):
            replayable |= letter["stage"] != "input"
            if number < _SHOWN:
                sys.stderr.write(f"  failed: {letter['sentence']}\n")
    if failed > _SHOWN:
        sys.stderr.write(f"  … {failed - _SHOWN} more in {run.failures}\n")
    if replayable:
        sys.stderr.write(f"  try them again: reeltune replay {run.root}\n")
