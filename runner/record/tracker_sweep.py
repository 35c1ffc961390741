"""Tells MLflow about one sweep: the parent run that its jobs hang under."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import Any

from runner.record.describe import TERMINAL, experiment_name, key_of
from runner.record.jsonl import read_lines
from runner.record.masking import mask_words
from runner.record.rundir import read_json, write_json
from runner.record.tally import is_number
from runner.record.tracker_push import send_artifact
from runner.record.tracker_store import Store, Stores

_SWEEP_TAG = "reeltune.sweep_id"
BEST_BY = "throughput.items_per_s"


class SweepSyncer:
    """Pushes one sweep folder; safe to repeat, like `RunSyncer`."""

    def __init__(self, folder: Path, stores: Stores) -> None:
        self.folder = folder
        self._stores = stores
        self._tracking = folder / "tracking.json"

    def push(self, *, patience_s: float = 0.0) -> str | None:
        """Send all that is new; returns the parent run's id. Raises as `RunSyncer.push` does."""
        state = read_json(self._tracking)
        if not state or state.get("closed"):
            return state.get("run_id")
        store = self._stores.open(state["uri"], patience_s=patience_s)
        sweep = read_json(self.folder / "sweep.json")
        self._create(store, state, sweep)
        if sweep.get("status") in TERMINAL:
            self._close(store, state, sweep)
        return str(state["run_id"])

    def _create(self, store: Store, state: dict[str, Any], sweep: dict[str, Any]) -> None:
        if not state.get("run_id"):
            experiment = store.experiment(experiment_name(sweep["pipeline"]))
            state["run_id"] = (
                store.find_run(experiment, _SWEEP_TAG, str(sweep["id"])) if state.get("creating") else None
            )
            state["creating"] = True
            write_json(self._tracking, state)
            state["run_id"] = state["run_id"] or self._new_run(store, state, sweep, experiment)
            state.pop("creating")
            write_json(self._tracking, state)
        self._name_in_sweep_json(state)

    def _new_run(self, store: Store, state: dict[str, Any], sweep: dict[str, Any], experiment: str) -> str:
        words = mask_words(sweep.get("overrides") or ())
        tags = {
            _SWEEP_TAG: str(sweep["id"]),
            "pipeline": sweep["pipeline"],
            "sweep": str(sweep["id"]),
            "overrides": " ".join(words),
            **(state.get("origin") or {}),
        }
        name = " ".join([sweep["pipeline"], "sweep", *(word for word in words if "," in word)])[:200]
        start_ms = round(datetime.fromisoformat(sweep["started_at"]).timestamp() * 1000)
        made = store.client.create_run(experiment, start_time=start_ms, run_name=name, tags=tags)
        return str(made.info.run_id)

    def _name_in_sweep_json(self, state: dict[str, Any]) -> None:
        """Jobs in other processes look there for their parent."""
        sweep = read_json(self.folder / "sweep.json")
        if sweep.get("mlflow_run_id") != state["run_id"]:
            write_json(self.folder / "sweep.json", {**sweep, "mlflow_run_id": state["run_id"]})

    def _close(self, store: Store, state: dict[str, Any], sweep: dict[str, Any]) -> None:
        run_id, jobs = state["run_id"], list(_jobs(self.folder))
        end_ms = max((_ended_ms(job) for job in jobs), default=0)
        figures = [(key_of(k), float(v), end_ms, 0) for k, v in _figures(jobs).items()]
        store.log(run_id, metrics=figures, tags={"status": sweep["status"], **_best_tags(jobs)})
        for name in ("compare.png", "compare.html", "sweep.json", "jobs.jsonl"):
            send_artifact(store, run_id, self.folder / name)
        store.client.set_terminated(run_id, TERMINAL[sweep["status"]], end_ms or None)
        state.update(closed=sweep["status"], error="")
        write_json(self._tracking, state)


def _jobs(folder: Path) -> list[dict[str, Any]]:
    """Summaries of the sweep's jobs, each with its words as `job_overrides`."""
    found = []
    for _, line in read_lines(folder / "jobs.jsonl"):
        summary = read_json(Path(line["run_dir"]) / "run.json") if line and "run_dir" in line else {}
        if line and summary.get("metrics") is not None:
            summary.pop("outputs", None)
            found.append({**summary, "job": line["job"], "job_overrides": line.get("overrides") or []})
    return found


def _ended_ms(job: dict[str, Any]) -> int:
    return round(1000 * (datetime.fromisoformat(job["started_at"]).timestamp() + (job.get("wall_s") or 0.0)))


def _best(jobs: list[dict[str, Any]]) -> dict[str, Any] | None:
    whole = [job for job in jobs if job.get("status") == "ok" and BEST_BY in (job.get("metrics") or {})]
    return max(whole, key=lambda job: job["metrics"][BEST_BY], default=None)


def _figures(jobs: list[dict[str, Any]]) -> dict[str, float]:
    """How many jobs, and the shared metrics of the fastest whole one under their own names, so that sweeps compare."""
    figures = {"jobs": float(len(jobs)), "jobs.ok": float(sum(job.get("status") == "ok" for job in jobs))}
    best = _best(jobs)
    if best:
        shared = ("throughput.", "quality.", "size.", "resource.")
        figures |= {k: float(v) for k, v in best["metrics"].items() if k.startswith(shared) and is_number(v)}
    return figures


def _best_tags(jobs: list[dict[str, Any]]) -> dict[str, str]:
    best = _best(jobs)
    if best is None:
        return {}
    tags = {"best.job": str(best["job"]), "best.overrides": " ".join(mask_words(best["job_overrides"]))}
    return {**tags, "best.run_id": best["mlflow_run_id"]} if best.get("mlflow_run_id") else tags
