"""`reeltune ui`: the MLflow UI over the right store, on this machine alone, ended cleanly."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from types import FrameType
from typing import IO, TYPE_CHECKING

from runner.commands.words import WordError, given_words, outputs_of, uri_of
from runner.record.tracker_store import artifacts_folder, sqlite_file
from runner.record.tracking import Tracker, default_uri, reconcile
from stages.platform.processes import end_group, own_group

if TYPE_CHECKING:
    from rich.console import Console

_TAKEN = -1  # the port went to somebody else between our look and our start
_KEYS = ("outputs_dir", "tracking.uri", "tracking_uri", "port", "host")
_FIRST_PORT = 5000
_READY_S = 90.0
_END_S = 5.0


def ui(words: Sequence[str], console: Console) -> int:
    """Serve the UI until Ctrl-C.

    Args:
        words: `outputs_dir=`, `tracking.uri=`, `port=` (else 5000 or the next free one), `host=` (else 127.0.0.1).
        console: where to write.

    Returns:
        0 after Ctrl-C; 1 when it cannot start; 2 for a word it does not know.
    """
    try:
        given = given_words("ui", words, _KEYS)
        uri = uri_of(given) or default_uri(outputs_of(given))
        if uri.startswith(("http://", "https://")):
            _say(console, f"the runs are on the MLflow server: {uri}")
            return 0
        file = sqlite_file(uri)
        if file is not None and not file.is_file():
            _say(console, f"nothing is tracked in {file} yet: run a pipeline first, or name another outputs_dir=")
            return 1
        host = given.get("host") or "127.0.0.1"
        port = _port(host, given.get("port"))
        _finish_killed(outputs_of(given), uri)
        code = _serve(uri, host, port, console)
        while code == _TAKEN:  # another program was quicker: a port asked for is refused, else the next one serves
            port = _port(host, given.get("port"))
            code = _serve(uri, host, port, console)
        return code
    except WordError as error:
        _say(console, str(error))
        return 2


def _port(host: str, asked: str | None) -> int:
    """The port asked for, else the first free one from 5000 on.

    Raises:
        WordError: when it is no port, or taken.
    """
    if asked is None:
        return next(port for port in range(_FIRST_PORT, 65536) if _is_free(host, port))
    if not asked.isdigit() or not 0 < int(asked) < 65536:
        raise WordError(f"port={asked} is no port; use a number from 1 to 65535, or leave it out")
    if not _is_free(host, int(asked)):
        raise WordError(f"port {asked} of {host} is taken; leave port= out to get the next free one")
    return int(asked)


def _is_free(host: str, port: int) -> bool:
    with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError:
            return False
    return True


def _finish_killed(outputs: Path, uri: str) -> None:
    """Runs whose owner was killed must not be shown as running."""
    tracker = Tracker(uri)
    for folder in reconcile(outputs):
        tracker.push(folder)
    tracker.close()


def _serve(uri: str, host: str, port: int, console: Console) -> int:
    with tempfile.TemporaryFile("w+", encoding="utf-8", errors="replace") as log, _stopping():
        process = subprocess.Popen(
            _command(uri, host, port),
            stdout=log,
            stderr=log,
            stdin=subprocess.DEVNULL,
            env={**os.environ, "MLFLOW_DISABLE_TELEMETRY": "true", "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false"},
            **own_group(),
        )
        try:
            return _watch(process, host, port, log, console)
        except KeyboardInterrupt:
            return 0
        finally:
            _end(process)


def _command(uri: str, host: str, port: int) -> list[str]:
    command = [sys.executable, "-m", "mlflow", "server", "--backend-store-uri", uri]
    command += ["--host", host, "--port", str(port), "--workers", "1"]
    file = sqlite_file(uri)
    if file is not None:
        command += ["--default-artifact-root", artifacts_folder(file).resolve().as_uri()]
    return command


def _watch(process: subprocess.Popen[bytes], host: str, port: int, log: IO[str], console: Console) -> int:
    """Say the address once it answers, then wait for the end."""
    deadline = time.monotonic() + _READY_S
    while not _listens(process.pid, port):
        if process.poll() is not None or time.monotonic() > deadline:
            if not _is_free(host, port):
                return _TAKEN
            log.seek(0)
            tail = log.read().strip().splitlines()[-1:] or ["no message"]
            _say(console, f"the MLflow UI did not start: {tail[0][:300]}")
            return 1
        time.sleep(0.1)
    shown = f"[{host}]" if ":" in host else host
    _say(console, f"MLflow UI: http://{shown}:{port}  (Ctrl-C ends it)")
    process.wait()
    return 1


def _listens(pid: int, port: int) -> bool:
    """True when the server, or a process of its, listens on the port: another program's answer is none of ours."""
    import psutil

    with suppress(psutil.Error):
        root = psutil.Process(pid)
        for process in (root, *root.children(recursive=True)):
            with suppress(psutil.Error):
                found = process.net_connections(kind="tcp")
                if any(c.status == psutil.CONN_LISTEN and c.laddr.port == port for c in found):
                    return True
    return False


def _end(process: subprocess.Popen[bytes]) -> None:
    """End the server and all that it started: the group is asked, then forced."""
    if process.poll() is None:
        end_group(process.pid, force=False)
    try:
        process.wait(_END_S)
    except subprocess.TimeoutExpired:
        pass
    finally:
        end_group(process.pid, force=True)
        process.wait()


@contextmanager
def _stopping() -> Iterator[None]:
    """Let `kill` and a closed terminal end the UI as Ctrl-C does."""

    def stop(_number: int, _frame: FrameType | None) -> None:
        raise KeyboardInterrupt

    names = [name for name in ("SIGTERM", "SIGHUP") if hasattr(signal, name)]
    before = {name: signal.signal(getattr(signal, name), stop) for name in names}
    try:
        yield
    finally:
        for name, handler in before.items():
            signal.signal(getattr(signal, name), handler)


def _say(console: Console, text: str) -> None:
    console.print(text, markup=False, highlight=False, soft_wrap=True)
