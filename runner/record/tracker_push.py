"""Tells MLflow about one run, from the run's folder, as far as it was not told yet.

`tracking.json` holds how far it got, so that pushing twice, or from another process after a crash, does no harm.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

from runner.record.describe import TERMINAL, closing_tags, experiment_name, key_of, params, run_name, tags
from runner.record.jsonl import read_lines
from runner.record.masking import mask_text
from runner.record.rundir import RunDir, read_json, write_json
from runner.record.tally import is_number
from runner.record.tracker_store import Store, Stores

ARTIFACT_MB = 20
_ROWS = 900
_RUN_TAG = "reeltune.run_id"
Row = tuple[str, float, int, int]


class RunSyncer:
    """Pushes one run.

    Args:
        run: the folder; its `tracking.json` names the store.
        stores: open stores, shared by all runs of this process.
    """

    def __init__(self, run: RunDir, stores: Stores) -> None:
        self.run = run
        self.folder = run.root
        self._stores = stores

    def push(self, *, patience_s: float = 0.0) -> str | None:
        """Send all that is new.

        Returns:
            the MLflow run's id (None for a run that nobody asked to track).

        Raises:
            AwayError: when the store does not answer.
            Exception: whatever MLflow raises; nothing sent is lost or sent wrongly by trying again.
        """
        state = read_json(self.run.tracking)
        if not state or state.get("closed"):
            return state.get("run_id")
        store = self._stores.open(state["uri"], patience_s=patience_s)
        summary = read_json(self.run.run_json)
        self._create(store, state, summary)
        self._describe(store, state, summary)
        self._send_history(store, state, _epoch_ms(summary))
        if summary["status"] in TERMINAL:
            self._close(store, state, summary)
        return str(state["run_id"])

    def _save(self, state: dict[str, Any]) -> None:
        write_json(self.run.tracking, state)

    def _create(self, store: Store, state: dict[str, Any], summary: dict[str, Any]) -> None:
        """Make the MLflow run. A crash between making and writing down is healed by looking for our tag."""
        if state.get("run_id"):
            return
        experiment = store.experiment(state.get("experiment") or experiment_name(summary["pipeline"]))
        if state.get("creating"):
            state["run_id"] = store.find_run(experiment, _RUN_TAG, str(summary["run_id"]))
        if not state.get("run_id"):
            state["creating"] = True
            self._save(state)
            made = store.client.create_run(
                experiment,
                start_time=_epoch_ms(summary),
                run_name=run_name(summary),
                tags={_RUN_TAG: str(summary["run_id"])},
            )
            state["run_id"] = made.info.run_id
        state.pop("creating", None)
        self._save(state)

    def _describe(self, store: Store, state: dict[str, Any], summary: dict[str, Any]) -> None:
        if not state.get("described"):
            store.log(state["run_id"], params=params(summary), tags=tags(summary, state.get("origin") or {}))
            state["described"] = True
            self._save(state)
        parent = state.get("parent_run_id") or self._sweep_run_id(summary)
        if parent and state.get("parent_told") != parent:
            store.client.set_tag(state["run_id"], "mlflow.parentRunId", parent)
            state.update(parent_run_id=parent, parent_told=parent)
            self._save(state)

    def _sweep_run_id(self, summary: dict[str, Any]) -> str | None:
        """The sweep's MLflow run; it may have been made after this run was."""
        sweep = summary.get("sweep")
        folder = find_sweep(self.run.root, str(sweep)) if sweep else None
        if folder is None:
            return None
        return read_json(folder / "tracking.json").get("run_id") or read_json(folder / "sweep.json").get(
            "mlflow_run_id"
        )

    def _send_history(self, store: Store, state: dict[str, Any], start_ms: int) -> None:
        rows: list[Row] = []
        offset = first = int(state.get("samples_sent") or 0)
        for offset, sample in read_lines(self.run.samples, first):
            rows += _rows(sample, start_ms)
            if len(rows) >= _ROWS:
                self._send_rows(store, state, rows, offset)
                rows = []
        if offset != first:
            self._send_rows(store, state, rows, offset)

    def _send_rows(self, store: Store, state: dict[str, Any], rows: list[Row], offset: int) -> None:
        store.log(state["run_id"], metrics=rows)
        state.update(samples_sent=offset, error="")
        self._save(state)

    def _close(self, store: Store, state: dict[str, Any], summary: dict[str, Any]) -> None:
        """The last word: figures, artifacts, status."""
        end_ms = _epoch_ms(summary) + round(1000 * summary.get("wall_s", 0.0))
        step = int(summary.get("wall_s", 0.0)) + 1  # past the history, so that this is what MLflow shows
        figures = [(key_of(k), float(v), end_ms, step) for k, v in summary["metrics"].items() if is_number(v)]
        summary = self._name_in_run_json(state, summary)
        store.log(state["run_id"], metrics=figures, tags=closing_tags(summary))
        left_out = [name for path in self._artifacts() if (name := send_artifact(store, state["run_id"], path))]
        if left_out:
            store.client.set_tag(state["run_id"], "artifacts.left_out", "; ".join(left_out))
        store.client.set_terminated(state["run_id"], TERMINAL[summary["status"]], end_ms)
        state.update(closed=summary["status"], error="")
        self._save(state)

    def _name_in_run_json(self, state: dict[str, Any], summary: dict[str, Any]) -> dict[str, Any]:
        """A run shorter than the opening of the store was summed up before it had its MLflow id."""
        if summary.get("mlflow_run_id") == state["run_id"]:
            return summary
        summary = {**summary, "mlflow_run_id": state["run_id"], "tracking_uri": state["uri"]}
        write_json(self.run.run_json, summary)
        return summary

    def _artifacts(self) -> Iterator[Path]:
        run = self.run
        yield from (run.config_yaml, run.report, run.plan_json, run.run_json, run.failures)
        for pattern in ("*.png", "*.jpg", "*.svg"):
            yield from sorted(run.root.glob(pattern))


def send_artifact(store: Store, run_id: str, path: Path) -> str | None:
    """Send one file; settings files lose their secrets on the way. A sentence for a file that is too big."""
    if not path.is_file() or not path.stat().st_size:
        return None
    megabytes = path.stat().st_size / 1e6
    if megabytes > ARTIFACT_MB:
        return f"{path.name} ({megabytes:.0f} MB, more than {ARTIFACT_MB}) is only in {path.parent}"
    if path.suffix not in (".yaml", ".json", ".jsonl"):
        store.client.log_artifact(run_id, str(path))
        return None
    text = path.read_text(encoding="utf-8")
    with tempfile.TemporaryDirectory() as folder:
        copy = Path(folder) / path.name
        copy.write_text(mask_text(text), encoding="utf-8")
        store.client.log_artifact(run_id, str(copy))
    return None


def find_sweep(run_root: Path, sweep: str) -> Path | None:
    """The folder of a sweep by its id, in the outputs folder that the run lies in."""
    outputs = run_root.parent.parent.parent
    near = sorted(outputs.glob("sweeps/*/*"), key=lambda folder: not sweep.endswith(folder.name))
    return next((folder for folder in near if read_json(folder / "sweep.json").get("id") == sweep), None)


def _epoch_ms(summary: dict[str, Any]) -> int:
    return round(1000 * (summary.get("epoch") or datetime.fromisoformat(summary["started_at"]).timestamp()))


def _rows(sample: dict[str, Any] | None, start_ms: int) -> list[Row]:
    if not sample or not _wanted(sample["t"]):
        return []
    at = int(sample.get("epoch_ms") or start_ms + sample["t"] * 1000)
    return [(key_of(k), float(v), at, int(sample["t"])) for k, v in sample["m"].items() if is_number(v)]


def _wanted(t: float) -> bool:
    """Every second for a quarter of an hour, then every 5th, after two hours every 30th: charts need no more."""
    stride = 1 if t < 900 else 5 if t < 7200 else 30
    return int(t) % stride == 0
