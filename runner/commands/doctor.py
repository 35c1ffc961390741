"""`reeltune doctor`: what this machine can really do, and the mend for whatever is missing."""

from __future__ import annotations

import functools
import json
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from runner.hardware.detect import detect
from runner.hardware.machine import Disk, Machine
from runner.hardware.tools import package_version, shown_uri, store_problem, voice_library
from stages.contract import StageError
from stages.media.encoders.carry import own_config
from stages.media.encoders.catalog import AUTO, known_encoders
from stages.media.encoders.choose import choose
from stages.media.encoders.settings import EncoderConfig
from stages.media.encoders.trial import Trial, try_encoder
from stages.media.ffmpeg import FFmpeg, NoFFmpegError, ffmpeg_binary, is_better, system_ffmpeg

if TYPE_CHECKING:
    from rich.console import Console

OK, LIMITED, MISSING = "ok", "limited", "missing"
_KEYS = ("outputs_dir", "temp_dir", "tracking.uri")
_CARRIED = ("libx264", "libx265", "libsvtav1", "aac", "libvmaf", "ass")
_LITTLE_RAM_MB = 2048  # one worker's limit
_LITTLE_ROOM_MB = 2048
_SLOW_MB_S = 30.0
_PICTURE = (1280, 720)
_TRIAL_S = 10.0
_COLOURS = {OK: "green", LIMITED: "yellow", MISSING: "red"}
_OPTIONAL = {
    "pesq": ("PESQ scores", 'pip install "reeltune[quality]" (needs a C compiler)'),
    "piper-tts": ("voice piper", 'pip install "reeltune[piper]"'),
    "hydra-joblib-launcher": ("parallel sweeps", 'pip install "reeltune[parallel-sweeps]"'),
}


@dataclass(frozen=True, slots=True)
class Finding:
    """One line: what was looked at, `ok`, `limited` or `missing`, what was found, and the mend when it is not ok."""

    what: str
    state: str
    found: str
    mend: str = ""
    required: bool = False


def doctor(words: Sequence[str], console: Console) -> int:
    """Look, and tell.

    Args:
        words: `outputs_dir=`, `temp_dir=`, `tracking.uri=` as in a run, and `--json`.
        console: where to write: a table on a terminal, else plain lines.

    Returns:
        0; 1 when something required is missing; 2 for a word it does not know.
    """
    given = dict(word.partition("=")[::2] for word in words if word != "--json")
    unknown = [key for key in given if key not in _KEYS]
    if unknown:
        known = ", ".join(f"{key}=…" for key in _KEYS)
        _line(console, f"doctor does not know {unknown[0]!r}; it takes {known} and --json")
        return 2
    outputs = Path(given.get("outputs_dir") or "outputs")
    temp = Path(given.get("temp_dir") or tempfile.gettempdir())
    machine = detect([outputs, temp])
    findings = list(_findings(machine, given.get("tracking.uri") or f"sqlite:///{outputs / 'mlflow.db'}"))
    trials = _trials(machine)
    findings += _encoders(machine, trials)
    _show(console, machine, findings, trials, as_json="--json" in words)
    return 1 if any(finding.required and finding.state == MISSING for finding in findings) else 0


def _findings(machine: Machine, store: str) -> Iterator[Finding]:
    yield _processors(machine)
    yield _memory(machine)
    yield _gpu(machine)
    outputs, temp = machine.disks
    yield _disk("outputs folder", outputs, "outputs_dir", required=True)
    yield _disk("temp folder", temp, "temp_dir")
    yield from _ffmpeg()
    yield _voice()
    yield from (_package(name, *use) for name, use in _OPTIONAL.items())
    yield _mlflow()
    yield _store(store)


# --- the machine -------------------------------------------------------------------------------


def _processors(machine: Machine) -> Finding:
    cpu = machine.cpu
    found = f"{cpu.cores} cores, {cpu.threads} threads ({cpu.model})"
    if cpu.usable_threads >= cpu.threads:
        return Finding("processors", OK, found)
    mend = "give the container or process more CPUs" if cpu.quota is None else "raise the container's CPU limit"
    return Finding("processors", LIMITED, f"{found}; {cpu.usable_threads:g} threads usable", mend)


def _memory(machine: Machine) -> Finding:
    memory = machine.memory
    found = f"{memory.free_mb} of {memory.total_mb} MB free"
    if memory.free_mb < _LITTLE_RAM_MB:
        return Finding("memory", LIMITED, found, "close other programs, or plan with fewer workers: workers.<stage>=1")
    if memory.total_mb < memory.installed_mb:
        found = f"{found}; {memory.installed_mb} MB installed"
        return Finding("memory", LIMITED, found, "raise the container's memory limit")
    return Finding("memory", OK, found)


def _gpu(machine: Machine) -> Finding:
    if not machine.gpus:
        mend = "install the NVIDIA driver where there is such a GPU; without one all work runs on the CPU"
        return Finding("NVIDIA GPU", MISSING, machine.gpu_reason, mend)
    names = [f"{gpu.name}, {gpu.vram_free_mb} of {gpu.vram_mb} MB free, driver {gpu.driver}" for gpu in machine.gpus]
    return Finding("NVIDIA GPU", OK, "; ".join(names))


def _disk(what: str, disk: Disk, key: str, *, required: bool = False) -> Finding:
    if disk.problem:
        mend = f"choose a folder that can be written: {key}=<folder>"
        return Finding(what, MISSING, disk.problem, mend, required=required)
    speed = "" if disk.write_mb_s is None else f", writes {disk.write_mb_s:g} MB/s"
    found = f"{disk.folder}: {disk.kind} ({disk.file_system or '?'}), {disk.free_mb} MB free{speed}"
    mend = _disk_mend(disk, key)
    return Finding(what, LIMITED if mend else OK, found, mend, required=required)


def _disk_mend(disk: Disk, key: str) -> str:
    if disk.kind == "network":
        return f"choose a folder on a local disk: {key}=<folder>"
    if disk.kind == "memory":
        return f"files there take memory and are gone after a restart; choose a disk: {key}=<folder>"
    if disk.free_mb < _LITTLE_ROOM_MB:
        return f"make room, or choose another disk: {key}=<folder>"
    if disk.write_mb_s is not None and disk.write_mb_s < _SLOW_MB_S:
        return f"choose a faster disk: {key}=<folder>"
    return ""


# --- programs and packages -----------------------------------------------------------------------


def _ffmpeg() -> Iterator[Finding]:
    try:
        used = ffmpeg_binary()
    except NoFFmpegError as error:
        yield Finding("FFmpeg", MISSING, error.sentence, "pip install imageio-ffmpeg", required=True)
        return
    yield Finding("FFmpeg", OK, f"{used.version} ({used.source}: {used.path})", required=True)
    lacking = [name for name in _CARRIED if not used.has(name)]
    carried = ", ".join(name for name in _CARRIED if name not in lacking)
    mend = f"use an FFmpeg with {', '.join(lacking)}: unset REELTUNE_FFMPEG, pip install imageio-ffmpeg"
    yield Finding("FFmpeg carries", LIMITED if lacking else OK, carried, mend if lacking else "")
    if used.source != "system":
        yield _system_ffmpeg(used)


def _system_ffmpeg(used: FFmpeg) -> Finding:
    """The system's own FFmpeg is a plus, never a need: whatever it is, nothing has to be mended."""
    try:
        system = system_ffmpeg()
    except NoFFmpegError as error:
        return Finding("FFmpeg on PATH", OK, f"not used: {error.sentence}")
    if system is None:
        return Finding("FFmpeg on PATH", OK, "none; none is needed")
    why = "better, but REELTUNE_FFMPEG decides" if is_better(system, used) else f"not better than the {used.source} one"
    return Finding("FFmpeg on PATH", OK, f"{system.version} ({system.path}), not used: {why}")


def _voice() -> Finding:
    version, reason = voice_library()
    if version is None:
        return Finding("offline voice", MISSING, reason, "pip install espeakng-loader, or use tts=edge")
    return Finding("offline voice", OK, f"espeak-ng {version}")


def _package(distribution: str, use: str, mend: str) -> Finding:
    version = package_version(distribution)
    if version is None:
        return Finding(use, MISSING, f"{distribution} is not installed (optional)", mend)
    return Finding(use, OK, f"{distribution} {version}")


def _mlflow() -> Finding:
    version = package_version("mlflow")
    if version is None:
        return Finding("MLflow", MISSING, "not installed", "pip install mlflow; until then runs are kept on disk alone")
    return Finding("MLflow", OK, version)


def _store(uri: str) -> Finding:
    problem = store_problem(uri)
    if problem is None:
        return Finding("tracking store", OK, shown_uri(uri))
    mend = "runs are kept on disk: mend the store or name another with tracking.uri=, then `reeltune sync`"
    return Finding("tracking store", LIMITED, problem, mend)


# --- encoders --------------------------------------------------------------------------------------


def _try(config: EncoderConfig, machine: Machine) -> Trial:
    """A trial with the fastest preset: whether an encoder works here does not hang on the preset."""
    cores = machine.cpu.usable_cores
    return try_encoder(replace(config, preset=None), *_PICTURE, cores, "fast", timeout_s=_TRIAL_S)


def _trials(machine: Machine) -> list[Trial]:
    """A trial of every encoder; none without an FFmpeg, of which its own line tells."""
    try:
        return [_try(own_config(name), machine) for name in known_encoders()]
    except NoFFmpegError:
        return []


def _encoders(machine: Machine, trials: Sequence[Trial]) -> Iterator[Finding]:
    for trial in trials:
        able = f"{trial.codec} codes {_PICTURE[0]}x{_PICTURE[1]}"
        found, mend = (able, "") if trial.able else (trial.reason, trial.mend or "use another encoder")
        yield Finding(f"encoder {trial.name}", OK if trial.able else MISSING, found, mend)
    if trials:
        yield _auto(machine)


def _auto(machine: Machine) -> Finding:
    """What `encoder=auto` comes to."""
    try:
        choice = choose(own_config(AUTO), functools.partial(_try, machine=machine))
    except StageError as error:
        return Finding(f"encoder {AUTO}", MISSING, error.sentence, "mend one of the encoders above")
    return Finding(f"encoder {AUTO}", OK, choice.reason)


# --- telling -------------------------------------------------------------------------------------


def _show(
    console: Console, machine: Machine, findings: Sequence[Finding], trials: Sequence[Trial], *, as_json: bool
) -> None:
    if as_json:
        whole = {
            "machine": machine.to_dict(),
            "findings": [asdict(finding) for finding in findings],
            "encoders": [asdict(trial) for trial in trials],
        }
        _line(console, json.dumps(whole, indent=2, ensure_ascii=False))
    elif console.is_terminal:
        _table(console, machine, findings)
    else:
        for finding in findings:
            mend = f" -> {finding.mend}" if finding.mend else ""
            _line(console, f"{finding.state:<8} {finding.what:<18} {finding.found}{mend}")


def _line(console: Console, text: str) -> None:
    console.print(text, markup=False, highlight=False, emoji=False, soft_wrap=True)


def _table(console: Console, machine: Machine, findings: Sequence[Finding]) -> None:
    from rich.table import Table
    from rich.text import Text

    title = Text(f"{machine.system}, Python {machine.python}, machine {machine.fingerprint}")
    table = Table(title=title, title_justify="left")
    for heading in ("", "state", "found", "mend"):
        table.add_column(heading, overflow="fold")
    for finding in findings:
        state = Text(finding.state, style=_COLOURS[finding.state])
        table.add_row(Text(finding.what), state, Text(finding.found), Text(finding.mend))
    console.print(table)
