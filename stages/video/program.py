"""The FFmpeg program at work on a film: its progress, and what it complains of in words that name the film."""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from pathlib import Path

from stages.contract import Failure, StageError, Work
from stages.media.processes import Finished, progress_reader, run_process
from stages.media.steady import reporting

# FFmpeg's parts speak under their names in brackets: all but encoder, muxer, and FFmpeg's own summing up.
_DECODER_SAID = re.compile(r"^\[(?!lib\w+ @|\w+_(nvenc|qsv) @|out#|enc:|vost#|vist#|dec:|mp4 @|matroska @)")
_TOLD = 300


def run_on(film: Path, words: Sequence[str], work: Work, *, count: int = 0, timeout_s: float = 0.0) -> Finished:
    """Run FFmpeg on a film, within the memory of its task. What it reports (see `steady`) lies in the task's folder.

    Args:
        film: named in whatever goes wrong.
        words: the command.
        work: gets the progress.
        count: frames that are made; 0: not known.
        timeout_s: longest time; 0: none.

    Raises:
        StageError: of the class that FFmpeg's words tell.
    """

    def report(block: dict[str, str]) -> None:
        frame = block.get("frame", "0")
        if count and frame.isdigit():
            work.progress(min(1.0, int(frame) / count))

    try:
        return run_process(
            words, on_stdout=progress_reader(report), timeout_s=timeout_s or None, memory_mb=work.memory_mb,
            cwd=work.scratch, environment={**os.environ, **reporting()},
        )  # fmt: skip
    except StageError as error:
        raise _failed(film, error) from error


def _failed(film: Path, error: StageError) -> StageError:
    """Why FFmpeg ended early, by the film's name. What its decoder complained of is damage of the film."""
    damage = damage_of(film, error.detail)
    if error.failure is Failure.BAD_INPUT and damage:
        return StageError(error.failure, f"{damage}; video.salvage=true keeps what decodes", detail=error.detail)
    return StageError(error.failure, f"{film.name}: {error.sentence}", detail=error.detail)


def damage_of(film: Path, stderr: str) -> str:
    """What the decoder complained of, though it went on: pictures that are not what they were. "" for nothing."""
    said = [line.strip() for line in stderr.splitlines() if _DECODER_SAID.match(line)]
    if not said:
        return ""
    first = re.sub(r"^\[[^\]]*\] *", "", said[0])
    count = f"{len(said)} complaint{'s' if len(said) > 1 else ''}"
    return f"{film.name}: is damaged, {count} of its decoder, the first: {first[:_TOLD]}"
