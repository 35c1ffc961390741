"""What libav, the disk and the memory complain of, turned into classes of failure and sentences."""

from __future__ import annotations

import errno
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from stages.contract import Failure, StageError

_DISK = {errno.ENOSPC, errno.EDQUOT} if hasattr(errno, "EDQUOT") else {errno.ENOSPC}
_PLACES = {
    errno.ENOENT: "there is no such file",
    errno.EISDIR: "is a folder, not a file",
    errno.EACCES: "may not be read; give the right to read it",
}


@contextmanager
def reading(path: Path) -> Iterator[None]:
    """Whatever goes wrong inside is about reading this file.

    Raises:
        StageError: BAD_INPUT, or HOST_OOM.
    """
    import av

    try:
        yield
    except (OSError, EOFError, MemoryError, av.FFmpegError) as error:
        raise _said(error, path, Failure.BAD_INPUT, "cannot be read as media") from error


@contextmanager
def writing(path: Path) -> Iterator[None]:
    """Whatever goes wrong inside is about encoding and writing this file.

    Raises:
        StageError: DISK_FULL, HOST_OOM, or ENCODER.
    """
    import av

    try:
        yield
    except (OSError, EOFError, MemoryError, av.FFmpegError) as error:
        raise _said(error, path, Failure.ENCODER, "cannot be written") from error


def _said(error: BaseException, path: Path, otherwise: Failure, deed: str) -> StageError:
    number = getattr(error, "errno", None)
    if number in _DISK:
        return StageError(
            Failure.DISK_FULL, f"{path.name}: no space left on the disk of {path.parent}; make room there"
        )
    if number == errno.ENOMEM or isinstance(error, MemoryError):
        return StageError(Failure.HOST_OOM, f"{path.name}: not enough memory; use fewer workers")
    if otherwise is Failure.BAD_INPUT and number in _PLACES:
        return StageError(otherwise, f"{path.name}: {_PLACES[number]}")
    reason = getattr(error, "strerror", None) or str(error) or type(error).__name__
    return StageError(otherwise, f"{path.name}: {deed} ({reason})", detail=repr(error))
