"""Weights from where their makers published them: once, whole, and only if they are what they should be."""

from __future__ import annotations

import errno
import hashlib
import http.client
import random
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from stages.contract import Failure, StageError
from stages.platform.files import move_durably
from stages.service.persist import seconds_of
from stages.upscale.models.checkpoint import LARGEST
from stages.upscale.models.spec import ModelSpec

Progress = Callable[[float], None]
MEND = "name a local file with upscaler.weights=, or use upscaler=embedded"
_CHUNK = 256 * 1024
_GONE = (400, 401, 403, 404, 410)  # trying again would not help
_LONGEST_PAUSE_S = 60.0


@dataclass(frozen=True, slots=True)
class Patience:
    """How long one keeps trying.

    Attributes:
        attempts: tries in a row that bring nothing, before it is given up.
        backoff_s: mean wait before the second try; doubles each time.
        timeout_s: longest wait for the next bytes.
    """

    attempts: int = 5
    backoff_s: float = 0.5
    timeout_s: float = 30.0


class _AgainError(Exception):
    """This try brought not all; another may. `pause_s` is what the server asked for."""

    def __init__(self, reason: str, pause_s: float = 0.0) -> None:
        super().__init__(reason)
        self.pause_s = pause_s


def fetch(
    spec: ModelSpec, folder: Path, *, progress: Progress = lambda _done: None, patience: Patience | None = None
) -> Path:
    """The file of known weights, fetched unless it is there. Several processes may ask at once: one fetches.

    A break resumes where it ended, by Range. The file has its name only when it is whole and, where its sha256 is
    known, right.

    Args:
        spec: with url and, where known, sha256.
        folder: where fetched files are kept.
        progress: called with 0..1 when the server tells the size.
        patience: how long to keep trying.

    Raises:
        StageError: NETWORK when it cannot be had, BAD_INPUT when it is not what it should be, DISK_FULL.
    """
    import filelock

    target = folder / spec.url.rpartition("/")[2]
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with filelock.FileLock(folder / f".{target.name}.lock"):
            if not _is_right(target, spec):
                _fetched(spec, target, progress, patience or Patience())
    except OSError as error:
        full = error.errno == errno.ENOSPC
        sentence = f"{spec.name} cannot be kept in {folder} ({error.strerror}); make room there, or {MEND}"
        raise StageError(Failure.DISK_FULL if full else Failure.BAD_INPUT, sentence) from error
    return target


def _is_right(file: Path, spec: ModelSpec) -> bool:
    return file.is_file() and spec.sha256 in ("", _digest(file))


def _digest(file: Path) -> str:
    with file.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def _fetched(spec: ModelSpec, target: Path, progress: Progress, patience: Patience) -> None:
    """Try until the file is whole; what is whole but wrong is thrown away and tried once more."""
    part = target.with_name(f".{target.name}.part")
    if not spec.sha256:
        part.unlink(missing_ok=True)  # halves of two versions joined could not be told from a right file
    for last in (False, True):
        _whole(spec, part, progress, patience)
        found = _digest(part)
        if spec.sha256 in ("", found):
            move_durably(part, target)
            return
        part.unlink()
        if last:
            raise StageError(
                Failure.BAD_INPUT, f"{spec.url} sent a file with sha256 {found}, not {spec.sha256}; {MEND}"
            )


def _whole(spec: ModelSpec, part: Path, progress: Progress, patience: Patience) -> None:
    fruitless = 0
    while True:
        had = _size(part)
        try:
            return _more(spec, part, progress, patience)
        except _AgainError as error:
            fruitless = 0 if _size(part) > had else fruitless + 1
            if fruitless >= patience.attempts:
                sentence = f"{spec.name} could not be fetched from {spec.url} ({error}); {MEND}"
                raise StageError(Failure.NETWORK, sentence, retry_after_s=error.pause_s) from error
            pause = patience.backoff_s * 2 ** max(0, fruitless - 1) * random.uniform(0.5, 1.5)  # noqa: S311
            time.sleep(min(_LONGEST_PAUSE_S, max(pause, error.pause_s)))


def _more(spec: ModelSpec, part: Path, progress: Progress, patience: Patience) -> None:
    """One request for what is still missing.

    Raises:
        _AgainError: when it ended early.
        StageError: when another request would not help.
    """
    had = _size(part)
    request = urllib.request.Request(spec.url, headers={"User-Agent": "reeltune"})  # noqa: S310 - known addresses
    if had:
        request.add_header("Range", f"bytes={had}-")
    try:
        with urllib.request.urlopen(request, timeout=patience.timeout_s) as answer:  # noqa: S310
            _append(spec, part, answer, progress)
    except urllib.error.HTTPError as error:
        _refusal(spec, part, error)
    except (urllib.error.URLError, http.client.HTTPException, TimeoutError, ConnectionError) as error:
        raise _AgainError(str(getattr(error, "reason", "") or error or type(error).__name__)) from error


def _append(spec: ModelSpec, part: Path, answer: Any, progress: Progress) -> None:
    """Write what comes: after what is there when the server goes on from there, else from the start."""
    start = _size(part) if answer.status == http.client.PARTIAL_CONTENT else 0
    if start and not answer.headers.get("Content-Range", "").startswith(f"bytes {start}-"):
        part.unlink()
        raise _AgainError("it sent another part than was asked for")
    length = answer.headers.get("Content-Length")
    total = start + int(length) if length and length.isdigit() else 0
    if total > LARGEST:
        raise StageError(Failure.BAD_INPUT, f"{spec.url} is {total} bytes long, which no model is; {MEND}")
    with part.open("ab" if start else "wb") as file:
        while chunk := answer.read1(_CHUNK):  # what has come: a stall must not lose it
            file.write(chunk)
            if file.tell() > LARGEST:
                raise StageError(Failure.BAD_INPUT, f"{spec.url} does not end; {MEND}")
            if total:
                progress(min(1.0, file.tell() / total))
        if total and file.tell() < total:
            raise _AgainError(f"it broke off after {file.tell()} of {total} bytes")


def _refusal(spec: ModelSpec, part: Path, error: urllib.error.HTTPError) -> None:
    """What an error status means. 416 answers a range that begins at or past the end."""
    if error.code == http.client.REQUESTED_RANGE_NOT_SATISFIABLE:
        if error.headers.get("Content-Range") == f"bytes */{_size(part)}":
            return
        part.unlink(missing_ok=True)
    if error.code in _GONE:
        sentence = f"{spec.name} is not to be had at {spec.url} (HTTP {error.code}); {MEND}"
        raise StageError(Failure.BAD_INPUT, sentence) from error
    raise _AgainError(f"HTTP {error.code}", seconds_of(error.headers.get("Retry-After"))) from error


def _size(file: Path) -> int:
    return file.stat().st_size if file.is_file() else 0
