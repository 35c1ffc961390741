"""Word times by counting: syllables, as far as writing shows them, laid over the parts that are not silent."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from stages.caption.match import Span
from stages.caption.sound import STEP_S, log_mel, read_speech, spoken_steps
from stages.caption.tokens import SPACELESS

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

_VOWELS = re.compile(r"[aeiouyαεηιουωаеёиоуыэюяіїє]+")
_SPACELESS = re.compile(rf"[{SPACELESS}]")
_TINY = 1e-6
_NEAR = 5  # steps: a word that would begin so shortly before a silence begins after it


def spread(words: Sequence[str], speech: Path) -> list[Span]:
    """Start and end (s) of each written word in a recording, by how much there is to say in each."""
    import numpy as np

    samples, rate_hz = read_speech(speech)
    spoken = spoken_steps(log_mel(samples, rate_hz))
    clock = np.concatenate([[0.0], np.cumsum(spoken) * STEP_S])
    done = np.concatenate([[0.0], np.cumsum([_weight(word) for word in words])])
    marks = done / max(done[-1], 1e-9) * clock[-1]
    ends = np.searchsorted(clock, marks[1:] - _TINY)
    starts = np.maximum(_begun(clock, marks[:-1]), _begun(clock, marks[:-1] + _NEAR * STEP_S) - _NEAR)
    return [
        (int(first) * STEP_S, max(int(first), int(last)) * STEP_S) for first, last in zip(starts, ends, strict=True)
    ]


def _begun(clock: NDArray[np.float64], marks: NDArray[np.float64]) -> NDArray[np.int_]:
    """The step in which the clock of speech reaches each mark: after a silence, not before it."""
    import numpy as np

    reached = np.searchsorted(clock, np.minimum(marks + _TINY, clock[-1])) - 1
    return np.asarray(np.maximum(reached, 0), int)


def _weight(word: str) -> float:
    """Syllables of a word: groups of vowels, single signs of Han and Kana, digits as two, else half its letters."""
    plain = "".join(s for s in unicodedata.normalize("NFKD", word.casefold()) if not unicodedata.combining(s))
    single = len(_SPACELESS.findall(plain))
    digits = 2 * sum(sign.isdigit() for sign in plain)
    letters = sum(sign.isalpha() for sign in plain) - single
    return single + digits + (len(_VOWELS.findall(plain)) or letters / 2) + 0.3
