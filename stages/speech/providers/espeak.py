"""The offline voice: espeak-ng, carried in a wheel, with the time of every word."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence

from stages.contract import Failure, Needs, StageError
from stages.settings import nearest
from stages.speech import espeak_ng
from stages.speech.espeak_ng import Mark
from stages.speech.provider import Provider, Request, Speech, Word
from stages.speech.settings import SpeakSettings
from stages.speech.wav import WavWriter

# One Han or Kana sign is a word of its own, as these scripts put no spaces; else what stands between spaces.
_SPACELESS = "\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff"
_TOKEN = re.compile(rf"[{_SPACELESS}]|[^\s{_SPACELESS}]+")
_EDGES = re.compile(r"^\W+|\W+$")


class EspeakProvider(Provider):
    """Speaks offline, the same samples for the same text every time. Voices: `en-us`, `cmn`, `en-us+f3` and more."""

    needs = Needs(cpu_threads=1.0, ram_mb=120)

    def synthesize(self, request: Request, out: WavWriter) -> Speech:
        """Speak in one go; memory does not grow with the text, but for its words."""

        def take(rate_hz: int, pcm: bytes) -> None:
            out.begin(rate_hz)
            out.write(pcm)

        config = self.config
        manner = espeak_ng.Manner(request.voice, request.rate, config.pitch, config.volume)
        try:
            marks = espeak_ng.speak(request.text, manner, take)
        except espeak_ng.EspeakError as error:
            raise StageError(Failure.BAD_INPUT, f"{error}; choose another voice or text") from error
        request.progress(1.0)
        return Speech(words_of(request.text, marks, out.seconds))

    @classmethod
    def voice_problem(cls, config: SpeakSettings, voice: str) -> tuple[str, str] | None:  # noqa: ARG003
        """Unknown voices and variants, with the nearest known."""
        name, plus, variant = voice.partition("+")
        known = espeak_ng.voices()
        if name.casefold() not in {word.casefold() for word in known}:
            reason = f"espeak has no voice {name!r}{nearest(name.casefold(), known)}"
            return reason, "use a language code such as en-us, es or cmn"
        if plus and variant not in espeak_ng.variants():
            reason = f"espeak has no variant {variant!r}{nearest(variant, espeak_ng.variants())}"
            return reason, "use one such as f3 or m1"
        return None

    @classmethod
    def tools(cls, config: SpeakSettings) -> Mapping[str, str]:  # noqa: ARG003
        """Version of the library."""
        return {"espeak-ng": espeak_ng.version()}


def words_of(text: str, marks: Sequence[Mark], end: float) -> list[Word]:
    """Words of the text with their times. The library marks parts (`well`, `known`): parts of one word are joined.

    A word ends where the next mark (another word, a pause) begins.
    """
    tokens = list(_TOKEN.finditer(text))
    joined: list[tuple[int, float, float]] = []
    for index, start, stop in _timed_tokens(tokens, marks, end):
        if joined and joined[-1][0] == index:
            joined[-1] = (index, joined[-1][1], stop)
        else:
            joined.append((index, start, stop))
    following = [*(index for index, _, _ in joined), len(tokens)][1:]
    return [
        Word(_spoken(tokens[i:until]), start, stop) for (i, start, stop), until in zip(joined, following, strict=True)
    ]


def _timed_tokens(
    tokens: Sequence[re.Match[str]], marks: Sequence[Mark], end: float
) -> Iterator[tuple[int, float, float]]:
    """For each marked word: the token that it lies in, its start and end."""
    at = 0
    for mark, stop in _spans(marks, end):
        while at + 1 < len(tokens) and tokens[at + 1].start() <= mark.place:
            at += 1
        if tokens:
            yield at, mark.at, stop


def _spans(marks: Sequence[Mark], end: float) -> Iterator[tuple[Mark, float]]:
    """Each word mark with its end. A pause that is marked at the very start of a word does not end it."""
    for index, mark in enumerate(marks):
        if mark.kind == "word":
            rest = (marks[place] for place in range(index + 1, len(marks)))
            later = (m.at for m in rest if m.kind == "word" or m.at > mark.at)
            yield mark, min(next(later, end), end)


def _spoken(tokens: Sequence[re.Match[str]]) -> str:
    """A marked token and those right behind it that the library gave no mark (the second sign of a Chinese word).

    Without the punctuation around it; a sign that is spoken (`&`, an emoji) stays.
    """
    taken = [tokens[0]]
    for token in tokens[1:]:
        if token.start() != taken[-1].end() or not token[0].isalnum():
            break
        taken.append(token)
    word = "".join(token[0] for token in taken)
    return _EDGES.sub("", word) or word
