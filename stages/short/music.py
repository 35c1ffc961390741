"""The music of a film: decoded once, looped without a seam, faded at the film's ends."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

from stages.contract import Failure, StageError
from stages.media.audio_io import open_sound
from stages.short.settings import MusicSettings
from stages.short.waves import decoded, on_disk, risen

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from stages.short.waves import Samples

_SHORTEST_S = 0.1
_REPEATS_S = 1.0  # a loop shorter than this is heard as a loop: told


@dataclass(frozen=True, slots=True)
class Bed:
    """Music as long as the film.

    Attributes:
        samples: decoded music, shape [n, 2].
        length: samples of the film.
        seam: samples by which a loop's end and beginning overlap.
        ends: samples of the fades at the film's beginning and end.
    """

    samples: Samples
    length: int
    seam: int
    ends: tuple[int, int]

    @property
    def loops(self) -> bool:
        """Whether the music is shorter than the film."""
        return len(self.samples) < self.length

    def block(self, part: slice) -> Samples:
        """Samples of the film, shape [n, 2]."""
        import numpy as np

        at = np.arange(part.start, part.stop)
        sound = self._looped(at) if self.loops else np.array(self.samples[part])
        return sound * self._ends(at)[:, None]

    def _looped(self, at: NDArray[np.int64]) -> Samples:
        """Each round begins `seam` samples before the one before it has ended; powers add up to one (sin², cos²)."""
        import numpy as np

        period = len(self.samples) - self.seam
        within = at % period
        sound: Samples = np.array(self.samples[within])
        joint = (at >= period) & (within < self.seam)
        new = np.sqrt(risen(within[joint], self.seam))[:, None]
        old = np.sqrt(risen(self.seam - 1 - within[joint], self.seam))[:, None]
        sound[joint] = sound[joint] * new + self.samples[period + within[joint]] * old
        return sound

    def _ends(self, at: NDArray[np.int64]) -> Samples:
        import numpy as np

        gains = np.ones(len(at), np.float32)
        for distance, count in ((at, self.ends[0]), (self.length - 1 - at, self.ends[1])):
            near = distance < count
            gains[near] *= risen(distance[near], count)
        return gains


def bed(config: MusicSettings, rate: int, length: int, scratch: Path) -> tuple[Bed, list[str]]:
    """Decode the music, as much as the film needs.

    Args:
        config: the section `music`; `file` names a file.
        rate: samples per second of the film.
        length: samples of the film.
        scratch: folder for what is decoded.

    Returns:
        the music, and what is worth telling.

    Raises:
        StageError: BAD_INPUT, with the key, for a file that is no music.
    """
    path = Path(config.file)
    try:
        samples = _stereo(path, rate, length, scratch / "music.f32")
    except StageError as error:
        raise error.about("music.file") from error
    if len(samples) < _SHORTEST_S * rate:
        sentence = f"music.file: {path.name}: lasts {len(samples) / rate:.3f} s, too short to be looped"
        raise StageError(Failure.BAD_INPUT, f"{sentence}; take a longer one")
    ends = (min(round(config.fade_in_s * rate), length // 2), min(round(config.fade_out_s * rate), length // 2))
    made = Bed(samples, length, min(round(config.crossfade_s * rate), len(samples) // 4), ends)
    return made, _notes(path, made, rate)


def _stereo(path: Path, rate: int, most: int, target: Path) -> Samples:
    """The music's first `most` samples in a file, shape [n, 2]; one channel is heard from both sides as it is."""
    import numpy as np

    room, done = on_disk(target, (most, 2)), 0
    for piece in decoded(path, rate):
        fits = min(piece.shape[1], most - done)
        room[done : done + fits] = piece[:, :fits].T
        done += fits
        if done == most:
            break
    if not np.isfinite(room[:done]).all():
        raise StageError(Failure.BAD_INPUT, f"{path.name}: holds samples that are no numbers; convert it again")
    return room[:done]


def _notes(path: Path, made: Bed, rate: int) -> list[str]:
    if len(made.samples) >= min(made.length, _REPEATS_S * rate):
        return []
    return [f"music.file: {path.name} lasts only {len(made.samples) / rate:.2f} s: it is heard again and again"]


def problem(path: Path) -> str:
    """Why a file cannot be the music, seen from its beginning; "" when it can."""
    try:
        with open_sound(path) as sound:
            return "" if sound.rate and sound.channels else f"{path.name}: its sound has no channels"
    except StageError as error:
        return error.sentence


def digest(path: Path) -> str:
    """sha256 of the file's content, hex; "" when there is none. Read anew only when size or time changed."""
    try:
        told = path.stat()
    except OSError:
        return ""
    return _digest(str(path.absolute()), told.st_size, told.st_mtime_ns)


@lru_cache(maxsize=16)
def _digest(path: str, _size: int, _mtime_ns: int) -> str:
    with Path(path).open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
