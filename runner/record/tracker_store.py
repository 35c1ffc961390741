"""One MLflow store, opened so that a first use by many at once and a dead server do no harm.

Part of the tracker process: with its two neighbours `tracker_push` and `tracker_sweep` the only code that meets MLflow.
"""

from __future__ import annotations

import gc
import os
import socket
import sqlite3
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit
from urllib.request import getproxies, proxy_bypass

from filelock import FileLock

REACH_S = 2.0
_QUIET = {
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "MLFLOW_HTTP_REQUEST_TIMEOUT": "5",
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "0",  # the tracker comes back by itself; waiting inside MLflow holds others up
    "MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT": "true",
}
_FOREIGN = ("MLFLOW_RUN_ID", "MLFLOW_EXPERIMENT_ID", "MLFLOW_EXPERIMENT_NAME")  # they would redirect our runs


class AwayError(Exception):
    """The store does not answer; the message says which and why, in one sentence."""


def quiet_environment() -> None:
    """Set what MLflow reads from the environment; must come before its import. What the user set wins."""
    for name, value in _QUIET.items():
        os.environ.setdefault(name, value)
    for name in _FOREIGN:
        os.environ.pop(name, None)


class Stores:
    """Clients by URI. A store that was away is not asked again for a while."""

    def __init__(self) -> None:
        self._stores: dict[str, Store] = {}
        self._away: dict[str, tuple[float, str]] = {}

    def open(self, uri: str, *, patience_s: float) -> Store:
        """The store of a URI.

        Args:
            uri: `sqlite:///…`, `http(s)://…` or anything else that MLflow takes.
            patience_s: how long a store that was away is believed to be so still.

        Raises:
            AwayError: when it does not answer.
        """
        since, why = self._away.get(uri, (0.0, ""))
        if why and time.monotonic() - since < patience_s:
            raise AwayError(why)
        try:
            _reach(uri)
            store = self._stores.get(uri) or Store(uri)
        except AwayError as error:
            self.lost(uri, str(error))
            raise
        self._away.pop(uri, None)
        self._stores[uri] = store
        return store

    def lost(self, uri: str, why: str) -> None:
        """Remember that a store failed just now."""
        self._away[uri] = (time.monotonic(), why)


def _reach(uri: str) -> None:
    """Knock at a server's door before MLflow is even imported. Behind a proxy only MLflow can tell."""
    parts = urlsplit(uri)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        return
    if parts.scheme in getproxies() and not proxy_bypass(parts.hostname):
        return
    port = parts.port or (443 if parts.scheme == "https" else 80)
    try:
        socket.create_connection((parts.hostname, port), timeout=REACH_S).close()
    except OSError as error:
        raise AwayError(f"the MLflow server at {uri} does not answer ({error.strerror or error})") from error


class Store:
    """One open store."""

    def __init__(self, uri: str) -> None:
        self.uri = uri
        self._experiments: dict[str, str] = {}
        with _imports():
            self.client = self._open()

    def _open(self) -> Any:
        from mlflow import MlflowClient

        file = sqlite_file(self.uri)
        if file is None:
            return MlflowClient(self.uri)
        _try_file(file)
        if _is_ready(file):
            return MlflowClient(self.uri)
        with FileLock(file.with_name(f".{file.name}.lock")):  # MLflow's first migration races between processes
            return MlflowClient(self.uri)

    def experiment(self, name: str) -> str:
        """Id of an experiment, made on first use; for SQLite its artifacts lie in `mlartifacts` beside the file."""
        from mlflow.exceptions import MlflowException

        if name not in self._experiments:
            found = self.client.get_experiment_by_name(name)
            try:
                self._experiments[name] = found.experiment_id if found else self._create(name)
            except MlflowException:
                found = self.client.get_experiment_by_name(name)  # another process was faster
                if found is None:
                    raise
                self._experiments[name] = found.experiment_id
        return self._experiments[name]

    def _create(self, name: str) -> str:
        file = sqlite_file(self.uri)
        home = None if file is None else (artifacts_folder(file) / name).resolve().as_uri()
        return str(self.client.create_experiment(name, artifact_location=home))

    def find_run(self, experiment_id: str, tag: str, value: str) -> str | None:
        """The run that carries a tag, if any."""
        quoted = value.replace("'", "''")
        runs = self.client.search_runs([experiment_id], f"tags.`{tag}` = '{quoted}'", max_results=1)
        return str(runs[0].info.run_id) if runs else None

    def log(
        self,
        run_id: str,
        *,
        metrics: Sequence[tuple[str, float, int, int]] = (),
        params: Mapping[str, str] | None = None,
        tags: Mapping[str, str] | None = None,
    ) -> None:
        """Send metrics as (name, value, epoch ms, step), parameters and tags, in batches that MLflow takes."""
        from mlflow.entities import Metric, Param, RunTag

        for part in _parts(metrics, 900):
            self.client.log_batch(run_id, metrics=[Metric(*each) for each in part])
        for pairs in _parts(list((params or {}).items()), 100):
            self.client.log_batch(run_id, params=[Param(*each) for each in pairs])
        for pairs in _parts(list((tags or {}).items()), 100):
            self.client.log_batch(run_id, tags=[RunTag(*each) for each in pairs])


@contextmanager
def _imports() -> Iterator[None]:
    """MLflow's modules live to the end: the collector need not walk them now (0.2 s) nor at exit (0.5 s)."""
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()
        gc.enable()


def _parts(values: Sequence[Any], size: int) -> list[Sequence[Any]]:
    return [values[at : at + size] for at in range(0, len(values), size)]


def sqlite_file(uri: str) -> Path | None:
    """The file of a SQLite URI, or None for another kind of store."""
    return Path(unquote(uri.removeprefix("sqlite:///").partition("?")[0])) if uri.startswith("sqlite:///") else None


def artifacts_folder(store: Path) -> Path:
    """Where the artifacts of a SQLite store lie: beside it."""
    return store.parent / "mlartifacts"


def _try_file(file: Path) -> None:
    """Open the file once ourselves: MLflow would try again for minutes where it cannot be opened at all."""
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        connection = sqlite3.connect(file, timeout=5)
        connection.execute("PRAGMA user_version")
        connection.close()
    except (OSError, sqlite3.Error) as error:
        raise AwayError(f"the tracking store {file} cannot be opened ({error})") from error


def _is_ready(file: Path) -> bool:
    """True when the store has its tables and its first experiment, which MLflow makes last."""
    if not file.is_file():
        return False
    connection = sqlite3.connect(f"{file.resolve().as_uri()}?mode=ro", uri=True, timeout=5)
    try:
        rows = connection.execute("SELECT count(*) FROM experiments, alembic_version").fetchone()
        return bool(rows[0])
    except sqlite3.OperationalError:
        return False
    finally:
        connection.close()
