"""Word times by listening: the offline voice, whose times are known, speaks the same text and is laid over the speech.

The method of forced alignment without a model: synthesise, describe both voices every 10 ms, warp one onto the other.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from stages.caption.match import Span, place
from stages.caption.sound import STEP_S, features, kept_steps, log_mel, read_speech, silences
from stages.speech import espeak_ng
from stages.speech.espeak_ng import EspeakError, Manner, Mark
from stages.speech.providers.espeak import words_of

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

# Names that scripts go by in Unicode, and the language that is most often written so.
_SCRIPTS = {
    "HIRAGANA": "ja", "KATAKANA": "ja", "HANGUL": "ko", "CJK": "cmn", "ARABIC": "ar", "HEBREW": "he",
    "CYRILLIC": "ru", "GREEK": "el", "DEVANAGARI": "hi", "BENGALI": "bn", "TAMIL": "ta", "TELUGU": "te",
    "THAI": "th", "ARMENIAN": "hy", "GEORGIAN": "ka", "LATIN": "en-us",
}  # fmt: skip
_OTHER_NAMES = {"zh": "cmn", "en": "en-us", "fr": "fr-fr", "no": "nb", "iw": "he", "tl": "id", "nn": "nb"}
_PAUSE_S = 0.3
_RATES = (-30, 60)  # %: how far the offline voice follows a slower or faster speaker


class AlignError(Exception):
    """The text cannot be laid over the speech; the message says why."""


def align(words: Sequence[str], speech: Path, language: str) -> list[Span]:
    """Start and end (s) of each written word in a recording of them.

    Args:
        words: as they are written.
        speech: mono WAV file.
        language: BCP-47 (`de`, `pt-BR`); "" to go by the script of the text.

    Raises:
        AlignError: when the offline voice does not know the language, or has nothing to say.
    """
    text = " ".join(words)
    voice = voice_for(text, language)
    heard, heard_hz = read_speech(speech)
    levels = log_mel(heard, heard_hz)
    rate = _rate(text, voice, STEP_S * len(kept_steps(levels)))
    said, said_hz, marks = _say(text, Manner(voice, rate))
    told = [(word.text, word.start, word.end) for word in words_of(text, marks, len(said) / said_hz)]
    if not told:
        raise AlignError(f"the offline voice {voice} speaks no word of it")
    highest = 0.48 * min(heard_hz, said_hz, 14_000)
    spans = _warped(place(words, told), log_mel(said, said_hz, highest), log_mel(heard, heard_hz, highest))
    quiet = silences(levels, _PAUSE_S)
    return [_whole(span, quiet) for span in spans]


def _warped(spans: Sequence[Span], ours: NDArray[np.float32], theirs: NDArray[np.float32]) -> list[Span]:
    """Times of our recording (levels of its bands) as times of theirs. Neither's pauses are compared."""
    import numpy as np

    from stages.caption.warp import warp_path

    our_steps, their_steps = kept_steps(ours), kept_steps(theirs)
    path = warp_path(features(ours[our_steps]), features(theirs[their_steps])).mean(axis=1)
    rows = np.interp(np.array(spans) / STEP_S, our_steps, np.arange(len(our_steps)))
    columns = np.interp(rows, np.arange(len(path)), path)
    times = np.interp(columns, np.arange(len(their_steps)), their_steps) * STEP_S
    return [(float(start), float(end)) for start, end in times]


def _whole(span: Span, quiet: Sequence[Span]) -> Span:
    """Nobody pauses inside of a word: what lies on the shorter side of a silence belongs to its neighbour."""
    start, end = span
    for begin, over in quiet:
        if start < begin and over < end:
            start, end = (over, end) if end - over > begin - start else (start, begin)
    return start, end


def _rate(text: str, voice: str, seconds: float) -> int:
    """The offline voice's speed (%) at which it takes about as long, pauses left out."""
    said, rate_hz, _ = _say(text, Manner(voice))
    percent = round(100 * (STEP_S * len(kept_steps(log_mel(said, rate_hz))) / max(seconds, 0.1) - 1))
    return min(max(percent, _RATES[0]), _RATES[1])


def _say(text: str, manner: Manner) -> tuple[NDArray[np.float32], int, list[Mark]]:
    import numpy as np

    pieces: list[bytes] = []
    rates = [0]

    def take(rate_hz: int, pcm: bytes) -> None:
        rates[0] = rate_hz
        pieces.append(pcm)

    try:
        marks = espeak_ng.speak(text, manner, take)
    except EspeakError as error:
        raise AlignError(str(error)) from error
    samples = (np.frombuffer(b"".join(pieces), "<i2") / 32768).astype(np.float32)
    if not samples.size:
        raise AlignError(f"the offline voice {manner.voice} says nothing")
    return samples, rates[0], marks


def voice_for(text: str, language: str) -> str:
    """The offline voice for a language (BCP-47), else for the script that most of the text is written in.

    Raises:
        AlignError: when there is none.
    """
    tag = (language or _script_language(text)).replace("_", "-").casefold()
    primary = tag.split("-")[0]
    known = {name.casefold(): name for name in espeak_ng.voices()}
    for name in (tag, _OTHER_NAMES.get(tag, ""), _OTHER_NAMES.get(primary, ""), primary):
        if name in known:
            return known[name]
    raise AlignError(f"there is no offline voice for the language {language or 'of the text'!r}")


def _script_language(text: str) -> str:
    counts: dict[str, int] = {}
    for sign in filter(str.isalpha, text):
        script = unicodedata.name(sign, "").split(" ")[0]
        language = _SCRIPTS.get(script, "")
        counts[language] = counts.get(language, 0) + 1
    if counts.get("ja"):
        return "ja"  # which writes Han signs too
    return max(counts, key=lambda language: counts[language], default="")
