"""`reeltune plan …`: what would run, why, and does it fit. Nothing is done."""

from __future__ import annotations

import shutil
import sys
import tempfile
from pathlib import Path
from typing import Any

from runner.commands.run import compose_words, refuse
from runner.config.arguments import Arguments
from runner.execute.launch import Job, Prepared, RefusedError, prepare
from runner.record.rundir import RunDir


def plan(arguments: Arguments) -> int:
    """Print the plan; the exit code. `--json` prints plan.json itself."""
    as_json = "--json" in arguments.flags
    folder = Path(tempfile.mkdtemp(prefix="reeltune-plan-"))
    try:
        run = RunDir(folder)
        try:
            prepared = prepare(Job(compose_words(arguments), arguments.files, arguments.overrides), run)
        except RefusedError as refused:
            return refuse(refused.problems)
        if as_json:
            sys.stdout.write(run.plan_json.read_text(encoding="utf-8"))
        else:
            _print(prepared)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    return 0


def _print(prepared: Prepared) -> None:
    from rich.console import Console
    from rich.table import Table

    console, plan = Console(highlight=False), prepared.plan
    table = Table(title=f"{plan.pipeline}: {plan.items} items", title_justify="left")
    for title in ("stage", "from", "at once", "finished", "to run", "why"):
        table.add_column(title, justify="right" if title in ("finished", "to run") else "left")
    for name, stage in plan.stages.items():
        said = plan.forecast[name]
        sources = plan.wiring[name].get("from", "input")
        where = sources if isinstance(sources, str) else ", ".join(sources)
        table.add_row(name, where, str(stage.slots.count), str(said["cached"]), _to_run(said), _why(said))
    console.print(table)
    for name, stage in plan.stages.items():
        console.print(f"{name}: {stage.slots.count} at once: {stage.slots.why}")
    capacity = plan.capacity
    gpu = f", {capacity['vram_mb']} MB of GPU memory" if capacity["vram_mb"] else ", no GPU"
    console.print(
        f"planned with {capacity['cpu_threads']:g} CPU threads, {capacity['ram_mb']} MB of memory{gpu}: it fits"
    )
    for note in plan.notes:
        console.print(f"note: {note}")


def _to_run(said: dict[str, Any]) -> str:
    if not said["later"]:
        return str(said["run"])
    return f"{said['run']}, more after others" if said["run"] else "after others"


def _why(said: dict[str, Any]) -> str:
    return "; ".join(f"{count} × {reason}" for reason, count in said["reasons"].items())
