"""Tells MLflow about one sweep: the parent run that its jobs hang under."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import Any

from runner.record.compare import markdown
from runner.record.describe import TERMINAL, experiment_name, key_of
from runner.record.jobs import best_told, read_jobs, summary_of
from runner.record.jsonl import read_lines
from runner.record.masking import mask_words
from runner.record.measures import fastest, truest
from runner.record.rundir import read_json, write_json
from runner.record.tally import is_number
from runner.record.tracker_push import send_artifact
from runner.record.tracker_store import Store, Stores

_SWEEP_TAG = "reeltune.sweep_id"
_NOTE_TAG = "mlflow.note.content"  # what MLflow's UI shows as the run's description
_NOTE_LENGTH = 5000


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
        name = " ".join([sweep["pipeline"], sweep.get("kind", "sweep"), *(word for word in words if "," in word)])[:200]
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
        end_ms = max((_ended_ms(job) for job in jobs if not job["taken"]), default=0)
        figures = [(key_of(k), float(v), end_ms, 0) for k, v in _figures(jobs).items()]
        tags = {"status": sweep["status"], **_best_tags(jobs), _NOTE_TAG: _description(self.folder)}
        store.log(run_id, metrics=figures, tags=tags)
        for name in ("compare.png", "compare.html", "sweep.json", "jobs.jsonl", "search.json"):
            send_artifact(store, run_id, self.folder / name)
        store.client.set_terminated(run_id, TERMINAL[sweep["status"]], end_ms or None)
        state.update(closed=sweep["status"], error="")
        write_json(self._tracking, state)


def _description(folder: Path) -> str:
    """The best jobs and the table, in Markdown; whole lines only."""
    rows = read_jobs(folder)
    text = "\n".join([*(f"- {head}: {job}" for head, job in best_told(rows)), "", markdown(rows)])
    return text if len(text) <= _NOTE_LENGTH else text[:_NOTE_LENGTH].rpartition("\n")[0]


def _jobs(folder: Path) -> list[dict[str, Any]]:
    """Summaries of the sweep's jobs, each with its words as `job_overrides`."""
    found = []
    for _, line in read_lines(folder / "jobs.jsonl"):
        summary = summary_of(line) if line else {}
        if line and summary.get("metrics") is not None:
            summary.pop("outputs", None)
            words = line.get("overrides") or []
            found.append({**summary, "job": line["job"], "job_overrides": words, "taken": line.get("taken")})
    return found


def _ended_ms(job: dict[str, Any]) -> int:
    return round(1000 * (datetime.fromisoformat(job["started_at"]).timestamp() + (job.get("wall_s") or 0.0)))


def _whole(jobs: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Jobs that made all their items: only those can be the best."""
    return [job for job in jobs if job.get("status") == "ok"]


def _figures(jobs: list[dict[str, Any]]) -> dict[str, float]:
    """How many jobs, and the shared metrics of the fastest whole one under their own names, so that sweeps compare."""
    whole = _whole(jobs)
    run = [job for job in jobs if not job["taken"]]
    figures = {"jobs": float(len(run)), "jobs.ok": float(len(_whole(run)))}
    if len(run) < len(jobs):  # of another search: they have no run under this one
        figures["jobs.taken"] = float(len(jobs) - len(run))
    if top := fastest([job["metrics"] for job in whole]):
        shared = ("throughput.", "quality.", "size.", "resource.")
        best = whole[top[1]]["metrics"]
        figures |= {k: float(v) for k, v in best.items() if k.startswith(shared) and is_number(v)}
    return figures


def _best_tags(jobs: list[dict[str, Any]]) -> dict[str, str]:
    """Which job was the fastest (`best.`), which had the best quality (`best_quality.`), and by which metric."""
    whole = _whole(jobs)
    metrics = [job["metrics"] for job in whole]
    tags: dict[str, str] = {}
    for prefix, top in (("best", fastest(metrics)), ("best_quality", truest(metrics))):
        if top:
            job = whole[top[1]]
            tags |= {f"{prefix}.by": top[0], f"{prefix}.job": str(job["job"])}
            tags[f"{prefix}.overrides"] = " ".join(mask_words(job["job_overrides"]))
            tags |= {f"{prefix}.taken_from": job["taken"]} if job["taken"] else {}
            tags |= {f"{prefix}.run_id": job["mlflow_run_id"]} if job.get("mlflow_run_id") else {}
    return tags
