"""What the job says four times a second: the state of a run as flat numbers."""

from __future__ import annotations

from runner.execute.schedule import Scheduler


def snapshot(scheduler: Scheduler, now: float) -> dict[str, float]:
    """Progress as flat numbers: `progress.*`, `queue.<stage>`, `running.<stage>`, `workers.<stage>`, `done.<stage>`."""
    counts = scheduler.counts
    finished = counts["ok"] + counts["failed"]
    said: dict[str, float] = {
        "progress.items": scheduler.plan.items,
        "progress.items_done": counts["ok"],
        "progress.items_failed": counts["failed"],
        "progress.items_per_s": round(finished / now, 4) if now > 0 else 0.0,
        "progress.error_rate": round(counts["failed"] / finished, 4) if finished else 0.0,
    }
    for name, lane in scheduler.lanes.items():
        said[f"queue.{name}"] = len(lane.ready)
        said[f"running.{name}"] = lane.running
        said[f"workers.{name}"] = lane.target
        said[f"done.{name}"] = lane.done
        said[f"load.{name}"] = round(lane.mean_s * (len(lane.ready) + lane.running) / max(1, lane.target), 4)
    return said
