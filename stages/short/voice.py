"""All speeches of a film on one track, each exactly where its clip begins."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING

from stages.contract import Failure, StageError
from stages.scene.timing import starts_of
from stages.short.waves import decoded, rise

if TYPE_CHECKING:
    from stages.short.waves import Samples

_ROUNDED_S = 0.0005  # what a duration told in decimals may lack


@dataclass(frozen=True, slots=True)
class Spoken:
    """One scene: its key, the file of its speech, and the frames of its clip."""

    key: str
    path: Path
    frames: int


def sample_at(time: Fraction, rate: int) -> int:
    """The sample nearest to a time: at most half a sample off, wherever in the film it is."""
    return math.floor(time * rate + Fraction(1, 2))


def bounds(counts: Sequence[int], fps: Fraction, rate: int) -> list[int]:
    """First sample of each scene, and the number of all samples as the last one."""
    return [sample_at(start, rate) for start in starts_of(counts, fps)]


def place(spoken: Spoken, room: Samples, rate: int, edge_s: float) -> int:
    """Decode a speech into the beginning of its scene's room, with a fade at both ends.

    Args:
        spoken: the scene.
        room: the scene's part of the track, shape [n], silent.
        rate: samples per second of the track.
        edge_s: length of the fades, seconds.

    Returns:
        how many samples it takes.

    Raises:
        StageError: BAD_INPUT for what cannot be decoded, is empty, or is longer than its clip.
    """
    done = over = 0
    for piece in decoded(spoken.path, rate, channels=1):
        fits = min(piece.shape[1], len(room) - done)
        room[done : done + fits] = piece[0, :fits]
        done, over = done + fits, over + piece.shape[1] - fits
    if done == 0:
        raise StageError(Failure.BAD_INPUT, f"{spoken.key}: its speech holds no samples; have it spoken again")
    if over > _ROUNDED_S * rate:
        sentence = f"{spoken.key}: its speech is {over / rate:.3f} s longer than its clip of {spoken.frames} frames"
        raise StageError(Failure.BAD_INPUT, f"{sentence}; have it spoken again")
    _soften(room[:done], round(edge_s * rate))
    return done


def _soften(speech: Samples, edge: int) -> None:
    edge = min(edge, len(speech) // 2)
    if edge:
        speech[:edge] *= rise(edge)
        speech[-edge:] *= rise(edge)[::-1]
