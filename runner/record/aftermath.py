"""What is left of a run whose owner was killed: its programs, its temporary files, its missing last word."""

from __future__ import annotations

import shutil
from pathlib import Path

from runner.record.rundir import RunDir, read_json
from runner.record.summary import finish_run
from stages.platform.processes import end_marked


def finish_killed(run: RunDir) -> None:
    """End what still runs for it, take its temporary files away, and write its last word."""
    end_marked(str(run.root))
    scratch = read_json(run.run_json).get("scratch")
    for folder in {run.scratch, Path(scratch or run.scratch)}:
        shutil.rmtree(folder, ignore_errors=True)
    run.ballast.unlink(missing_ok=True)
    finish_run(run, status="killed", reason="the process that ran it was killed")
