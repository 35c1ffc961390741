"""The cues of all scenes as one SubRip file."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from fractions import Fraction

Cue = tuple[Fraction, Fraction, str]  # start and end in the film, seconds, and the words
_MARKUP = re.compile(r"([<{])(?=[\\/A-Za-z])")
_JOINER = "\u2060"  # shows nothing: players take `<b` and `{\an8` for markup, not with this between


def shifted(cues: Iterable[Sequence[object]], start: Fraction, end: Fraction) -> list[Cue]:
    """A scene's cues [[start, end, text], …] at their place in the film, none beyond the scene's end."""
    found = []
    for begin, stop, text in cues:
        first, last = (min(start + Fraction(str(time)), end) for time in (begin, stop))
        words = _plain(str(text))
        if words and last > first:
            found.append((first, last, words))
    return found


def _plain(text: str) -> str:
    """Without what would end a cue (an empty line, an arrow) or be taken for markup."""
    lines = (line.strip() for line in text.replace("-->", "→").splitlines())
    return _MARKUP.sub(rf"\1{_JOINER}", "\n".join(line for line in lines if line))


def srt(cues: Iterable[Cue]) -> str:
    """The file's text."""
    blocks = (
        f"{number}\n{_clock(start)} --> {_clock(end)}\n{text}\n" for number, (start, end, text) in enumerate(cues, 1)
    )
    return "\n".join(blocks)


def _clock(time: Fraction) -> str:
    seconds, millis = divmod(round(time * 1000), 1000)
    minutes, seconds = divmod(seconds, 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours:02d}:{minutes:02d}:{seconds:02d},{millis:03d}"
