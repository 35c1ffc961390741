"""Which FFmpeg program is used: the one that pip brought, a better one of the system, or the one that is named.

Nothing is run at import; each program is asked once per process.
"""

from __future__ import annotations

import functools
import hashlib
import importlib.util
import os
import re
import shutil
import subprocess
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from stages.contract import Failure, StageError
from stages.settings import Problem

VARIABLE = "REELTUNE_FFMPEG"
# What the pipelines build on: a system's FFmpeg that lacks one of these is no step forward.
_WANTED = ("libvmaf", "libass", "libx264")
_ANSWER_S = 15


class NoFFmpegError(StageError):
    """There is no FFmpeg program to run; the sentence says what was tried and the mend."""

    def __init__(self, sentence: str, *, detail: str = "") -> None:
        super().__init__(Failure.ENCODER, sentence, detail=detail)


@dataclass(frozen=True, slots=True)
class FFmpeg:
    """One FFmpeg program.

    Attributes:
        path: the program.
        version: as it says itself (`n9.0.2-17-g2a571b6068`).
        build: short hash of what it was configured with.
        source: `embedded` (pip), `system` (PATH) or `env` (REELTUNE_FFMPEG).
        libraries: what it was built with, `--enable-` left out (`libx264`, `libvmaf`).
    """

    path: Path
    version: str
    build: str
    source: str
    libraries: frozenset[str]

    @property
    def major(self) -> int:
        """First number of the version; 0 for a build from development sources, which has none."""
        match = re.match(r"n?(\d+)\.\d", self.version)
        return int(match[1]) if match else 0

    @property
    def identity(self) -> str:
        """Version and build in one word: what a cache key wants."""
        return f"{self.version}+{self.build}"

    def has(self, name: str) -> bool:
        """Whether it carries an encoder or a filter of this name. Carrying NVENC does not mean that it works here."""
        return name in self.encoders or name in self.filters

    @property
    def encoders(self) -> frozenset[str]:
        """Names of its encoders."""
        return _listed(self.path, "-encoders")

    @property
    def filters(self) -> frozenset[str]:
        """Names of its filters."""
        return _listed(self.path, "-filters")


def ffmpeg_binary() -> FFmpeg:
    """The FFmpeg to use: REELTUNE_FFMPEG when set, else the embedded one, unless the system's is better.

    Raises:
        NoFFmpegError: when there is none, or the named one is none.
    """
    named = os.environ.get(VARIABLE, "")
    if named:
        return _named(named)
    embedded, why_not = _tried(embedded_ffmpeg)
    system, nor_why = _tried(system_ffmpeg)
    if embedded is not None and system is not None:
        return system if is_better(system, embedded) else embedded
    found = embedded or system
    if found is None:
        reason = why_not or nor_why or "neither from pip nor on PATH"
        raise NoFFmpegError(f"no FFmpeg was found ({reason}); pip install imageio-ffmpeg, or name one in {VARIABLE}")
    return found


def _tried(find: Callable[[], FFmpeg | None]) -> tuple[FFmpeg | None, str]:
    """A broken program is passed over while another serves; the reason is told when none does."""
    try:
        return find(), ""
    except NoFFmpegError as error:
        return None, error.sentence


def ffmpeg_problem() -> Problem | None:
    """What is wrong with the FFmpeg that would be used, for a check before any work."""
    try:
        ffmpeg_binary()
    except NoFFmpegError as error:
        return Problem(VARIABLE, error.sentence, f"unset {VARIABLE}, or name a working FFmpeg in it")
    return None


def is_better(system: FFmpeg, embedded: FFmpeg) -> bool:
    """The rule: a newer major version that also has each wanted library that the embedded one has."""
    wanted = embedded.libraries.intersection(_WANTED)
    return system.major > embedded.major and wanted <= system.libraries


def embedded_ffmpeg() -> FFmpeg | None:
    """The program inside the package imageio-ffmpeg; None on systems that it has none for.

    Raises:
        NoFFmpegError: when that program does not answer as one.
    """
    spec = importlib.util.find_spec("imageio_ffmpeg")
    for home in (spec.submodule_search_locations or []) if spec else []:
        for file in sorted(Path(home, "binaries").glob("ffmpeg-*")):
            return _ask(file, "embedded")
    return None


def system_ffmpeg() -> FFmpeg | None:
    """The first `ffmpeg` on PATH; None when there is none.

    Raises:
        NoFFmpegError: when that program does not answer as one.
    """
    path = shutil.which("ffmpeg")
    return _ask(Path(path), "system") if path else None


def _named(path: str) -> FFmpeg:
    found = shutil.which(path)
    if found is None:
        raise NoFFmpegError(f"{VARIABLE}={path}: there is no such program; name an FFmpeg program, or unset {VARIABLE}")
    try:
        return _ask(Path(found), "env")
    except NoFFmpegError as error:
        sentence = f"{VARIABLE}={path} is no FFmpeg; name an FFmpeg program, or unset {VARIABLE}"
        raise NoFFmpegError(sentence, detail=error.sentence) from error


def _ask(path: Path, source: str) -> FFmpeg:
    """What the program at `path` says of itself. Asked again only when the file changes."""
    try:
        changed = path.stat().st_mtime_ns
    except OSError as error:
        raise NoFFmpegError(f"{path}: {error.strerror}") from error
    version, configuration = _about(path, changed)
    return FFmpeg(
        path=path,
        version=version,
        build=hashlib.sha256(configuration.encode()).hexdigest()[:12],
        source=source,
        libraries=frozenset(re.findall(r"--enable-(\S+)", configuration)),
    )


@functools.cache
def _about(path: Path, changed: int) -> tuple[str, str]:  # noqa: ARG001 - `changed` makes a new file a new question
    text = _answer(path, "-version")
    version = re.match(r"ffmpeg version (\S+)", text)
    if version is None:
        raise NoFFmpegError(f"{path} does not answer as FFmpeg", detail=text[:300])
    configuration = re.search(r"^\s*configuration:(.*)$", text, re.MULTILINE)
    return version[1], configuration[1].strip() if configuration else ""


@functools.cache
def _listed(path: Path, what: str) -> frozenset[str]:
    """Names in `ffmpeg -encoders` or `-filters`: lines of flags, name, description, below the legend."""
    lines = _answer(path, what).splitlines()
    return frozenset(row[1] for row in map(str.split, lines) if len(row) > 2 and row[1] != "=")


def _answer(path: Path, question: str) -> str:
    command = [str(path), "-hide_banner", question] if question != "-version" else [str(path), question]
    try:
        done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, timeout=_ANSWER_S, check=False)
    except (OSError, subprocess.TimeoutExpired) as error:
        raise NoFFmpegError(f"{path} cannot be run ({error})") from error
    if done.returncode != 0:
        tail = done.stderr[-300:].decode("utf-8", "replace")
        raise NoFFmpegError(f"{path} {question} ended with {done.returncode}", detail=tail)
    return done.stdout.decode("utf-8", "replace")
