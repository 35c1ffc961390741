"""Whether a service spoke all of a text. Services drop the end, or a part, and say nothing of it."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence

from stages.service.persist import IncompleteError
from stages.speech.provider import Word
from stages.speech.wav import LEAST_PEAK

_SIGN = re.compile(r"[^\W_]")
_LAST_WORD = re.compile(r"[^\W_]+(?=[\W_]*$)")
_LOOK_AHEAD = 200  # signs: further away a word is another one, and something between was dropped
_PAST_END_S = 0.25
_LONGEST_TAIL_S = 5.0
_SLOWEST, _FASTEST = 1.5, 45.0  # spoken signs a second at normal speed, over all scripts and kinds of text
_JUDGED_SIGNS = 20  # shorter texts ("2024", "OK") have no typical speed
_USUAL = 12.0  # characters a second


def expected_seconds(text: str, rate: int) -> float:
    """About how long a text will be, spoken with a change of speed in percent."""
    return len(text) / _USUAL / (1 + rate / 100)


def spoken_signs(text: str) -> str:
    """Letters and digits in lower case and in one Unicode form, without accents: what two spellings share."""
    return "".join(_SIGN.findall(unicodedata.normalize("NFKD", text))).casefold()


def check_length(text: str, seconds: float, rate: int) -> None:
    """Refuse audio that is far too short or long for its text.

    Raises:
        IncompleteError: when its speed is out of the band.
    """
    signs = len(spoken_signs(text))
    if signs and seconds <= 0:
        raise IncompleteError("no audio came")
    if signs < _JUDGED_SIGNS:
        return
    factor = 1 + rate / 100
    speed = signs / seconds
    if not _SLOWEST * factor <= speed <= _FASTEST * factor:
        raise IncompleteError(f"{seconds:.1f} s of audio for {signs} spoken signs is not the whole text")


def check_heard(peak: int) -> None:
    """Refuse silence.

    Args:
        peak: highest sample, of 32768.

    Raises:
        IncompleteError: below -60 dBFS.
    """
    if peak < LEAST_PEAK:
        raise IncompleteError("the audio is silent")


def check_words(text: str, words: Sequence[Word], seconds: float) -> None:
    """Refuse word times that stop before the last word, leave the audio, or leave a long rest of it unexplained.

    Raises:
        IncompleteError: with what is missing.
    """
    if not words:
        return
    end = max(word.end for word in words)
    if end > seconds + _PAST_END_S:
        raise IncompleteError(f"the audio ends at {seconds:.2f} s, its last word at {end:.2f} s")
    if seconds - end > _LONGEST_TAIL_S:
        raise IncompleteError(f"the last word ends at {end:.2f} s, {seconds - end:.1f} s before the audio does")
    if reached(text, words) <= _start_of_last_word(text):
        raise IncompleteError(f"the words stop at {words[-1].text!r}, before the end of the text")


def reached(text: str, words: Sequence[Word]) -> int:
    """How many of the spoken signs of a text its words cover, up to the last that is found in order.

    A word that the service writes otherwise than the text is passed over; one far ahead is not taken for it, so a part
    that was dropped stops the count.
    """
    signs = spoken_signs(text)
    place = 0
    for word in words:
        sought = spoken_signs(word.text)
        found = signs.find(sought, place, place + _LOOK_AHEAD + len(sought)) if sought else -1
        if found >= 0:
            place = found + len(sought)
    return place


def _start_of_last_word(text: str) -> int:
    """Spoken signs before the last word; -1 for a text that has none."""
    text = unicodedata.normalize("NFKD", text)
    last = _LAST_WORD.search(text)
    return len(spoken_signs(text[: last.start()])) if last else -1
