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
from runner.plan.index import Index
from runner.plan.outlook import Outlook, outlook
from runner.plan.outlook import as_json as as_json_outlook
from runner.plan.plan import read_items
from runner.record.history import stage_seconds
from runner.record.rundir import RunDir, read_json, write_json


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
        found = _outlook(prepared)
        if as_json:
            write_json(run.plan_json, {**read_json(run.plan_json), "outlook": as_json_outlook(found)})
            sys.stdout.write(run.plan_json.read_text(encoding="utf-8"))
        else:
            _print(prepared, found)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    return 0


def _outlook(prepared: Prepared) -> Outlook:
    plan, outputs = prepared.plan, Path(prepared.checked.root.outputs_dir).absolute()
    seconds = stage_seconds(outputs, plan.pipeline, prepared.machine.fingerprint)
    index = Index(Path(plan.policy.cache_root))
    try:
        return outlook(plan, plan.graph(), read_items(prepared.run.items_jsonl), index, seconds)
    finally:
        index.close()


def _told(found: Outlook) -> str:
    """`critical path: 75.4 s (rate): image (rate) 60.0, image 3.1, clip 8.2, film 1.2`."""
    chain = ", ".join(f"{name} {seconds:.1f}" for name, seconds in found.chain if seconds >= 0.05)
    said = f"critical path: at least {found.seconds:.1f} s, by {found.bound}" + (f": {chain}" if chain else "")
    if found.unknown:
        said += f"; nothing is known yet of {', '.join(found.unknown)}: it counts as nothing"
    if found.guessed:
        said += f"; how many items {', '.join(found.guessed)} will make is not known: one is counted"
    return said


def _print(prepared: Prepared, found: Outlook) -> None:
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
    console.print(_told(found))
    for note in plan.notes:
        console.print(f"note: {note}")


def _to_run(said: dict[str, Any]) -> str:
    if not said["later"]:
        return str(said["run"])
    return f"{said['run']}, more after others" if said["run"] else "after others"


def _why(said: dict[str, Any]) -> str:
    return "; ".join(f"{count} × {reason}" for reason, count in said["reasons"].items())
