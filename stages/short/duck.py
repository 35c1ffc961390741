"""How loud the music may be while somebody speaks: a curve from the speech itself, known before it begins."""

from __future__ import annotations

from typing import TYPE_CHECKING

from stages.short.waves import blocks

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from stages.short.settings import MusicSettings
    from stages.short.waves import Samples

STEPS = 100  # per second
_BELOW_DB = 30.0  # speech is what is no further than this below its own loud parts
_FLOOR_DB = -60.0


def levels(voice: Samples, rate: int) -> NDArray[np.float32]:
    """RMS level of each step of a track of shape [n], dBFS."""
    import numpy as np

    step = rate // STEPS
    found = np.full(-(-len(voice) // step), -120.0, np.float32)
    for part in blocks(len(found)):
        whole = np.asarray(voice[part.start * step : part.stop * step])
        power = np.add.reduceat(whole.astype(np.float64) ** 2, np.arange(0, len(whole), step)) / step
        found[part] = 10 * np.log10(np.maximum(power, 1e-12))
    return found


def speaking(level: NDArray[np.float32]) -> NDArray[np.bool_]:
    """In which steps somebody speaks."""
    import numpy as np

    heard = level[level > _FLOOR_DB]
    if not len(heard):
        return np.zeros(len(level), bool)
    return level > max(_FLOOR_DB, float(np.percentile(heard, 95)) - _BELOW_DB)


def curve(level: NDArray[np.float32], music: MusicSettings) -> NDArray[np.float32]:
    """Gain of the music at each step, dB: 0 where nobody speaks, −`duck_db` wherever somebody does.

    It looks ahead by `attack_s`, so that it is down when the first sound comes; it stays down for `hold_s`.
    """
    import numpy as np

    wanted = speaking(level)
    ahead, hold = round(music.attack_s * STEPS), round(music.hold_s * STEPS)
    places = np.flatnonzero(wanted)
    soft = np.zeros(len(level) + 1, np.int64)  # +1 where a stretch of speech begins, −1 behind it
    np.add.at(soft, np.maximum(places - ahead, 0), 1)
    np.add.at(soft, np.minimum(places + hold + 1, len(level)), -1)
    return _slewed(np.cumsum(soft)[:-1] > 0, music)


def _slewed(soft: NDArray[np.bool_], music: MusicSettings) -> NDArray[np.float32]:
    """Straight lines in dB down and up again."""
    import numpy as np

    down = music.duck_db / max(1, round(music.attack_s * STEPS))
    up = music.duck_db / max(1, round(music.release_s * STEPS))
    gains, gain = np.zeros(len(soft), np.float32), 0.0
    for place, is_soft in enumerate(soft.tolist()):
        gain = max(-music.duck_db, gain - down) if is_soft else min(0.0, gain + up)
        gains[place] = gain
    return gains


def factors(gains: NDArray[np.float32], part: slice, rate: int) -> Samples:
    """The curve at the samples of a block, as factors, shape [n]."""
    import numpy as np

    at = np.arange(part.start, part.stop) / (rate // STEPS)
    return (10 ** (np.interp(at, np.arange(len(gains)), gains) / 20)).astype(np.float32)
