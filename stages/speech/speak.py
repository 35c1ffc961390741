"""Text to speech: one text to one WAV file, with the time of each word."""

from __future__ import annotations

import re
import threading
import unicodedata
from collections.abc import Iterable, Mapping
from typing import Any, ClassVar

from stages.contract import Failure, Json, Needs, Result, Stage, StageError, Work
from stages.settings import Problem, rules_of
from stages.speech.provider import Provider, Request, Speech, Word, provider_class
from stages.speech.settings import SpeakSettings
from stages.speech.wav import LEAST_PEAK, WavWriter

_SHORTEST_S = 0.03  # espeak gives 7 ms of silence for a text without words
_SPOKEN = re.compile(r"\w")


class Speak(Stage[SpeakSettings]):
    """Speaks `text` into the artifact `speech`: WAV, signed 16 bit, mono, at the provider's own rate.

    Data: `words` is [[word, start s, end s], …] ([] and a note when the provider tells none), `duration_s`, `voice`.
    A text's own `voice` and `rate` (percent) go before the settings.
    """

    config_class = SpeakSettings
    produces: ClassVar[Mapping[str, str]] = {"speech": "audio/wav"}
    reads: ClassVar[tuple[str, ...]] = ("text",)
    may_read: ClassVar[tuple[str, ...]] = ("voice", "rate")
    writes: ClassVar[tuple[str, ...]] = ("words", "duration_s", "voice")

    def __init__(self, config: SpeakSettings) -> None:
        super().__init__(config)
        self._provider: Provider | None = None
        self._opening = threading.Lock()

    def open(self) -> None:
        """Load the voice."""
        self._opened()

    def _opened(self) -> Provider:
        with self._opening:
            if self._provider is None:
                provider = provider_class(self.config.provider)(self.config)
                provider.open()
                self._provider = provider
            return self._provider

    def close(self) -> None:
        """Let the voice go."""
        if self._provider is not None:
            self._provider.close()
        self._provider = None

    def run(self, work: Work) -> Result:
        """Speak one text. Threads may call this at the same time when `concurrency` is above 1.

        Raises:
            StageError: BAD_INPUT for a text that cannot be spoken; NETWORK, RATE_LIMITED or TIMEOUT when a service
                failed for good.
        """
        data = work.item.data
        if problem := self.item_problem(self.config, data):
            raise StageError(Failure.BAD_INPUT, f"{work.item.key}: {problem}")
        voice = str(data.get("voice") or self.config.voice)
        rate = data.get("rate")
        request = Request(data["text"], voice, self.config.rate if rate is None else rate, work.progress)
        target = work.scratch / "speech.wav"
        try:
            with WavWriter(target) as out:
                speech = self._opened().synthesize(request, out)
        except StageError as error:
            raise error.about(work.item.key) from error
        _refuse_silence(work.item.key, request, out)
        return Result(
            files={"speech": target},
            data={"words": _rows(speech.words, out.seconds), "duration_s": round(out.seconds, 4), "voice": voice},
            metrics=_metrics(request, speech, out.seconds),
            notes=_notes(speech),
        )

    @classmethod
    def needs(cls, config: SpeakSettings) -> Needs:
        """What the provider takes for one text."""
        return provider_class(config.provider).needs

    @classmethod
    def concurrency(cls, config: SpeakSettings) -> int:
        """One where speech is computed; for services as many as may be asked at once."""
        return config.concurrency if provider_class(config.provider).waits else 1

    @classmethod
    def tools(cls, config: SpeakSettings) -> Mapping[str, str]:
        """Versions of what shapes the speech."""
        return provider_class(config.provider).tools(config)

    @classmethod
    def problems(cls, config: SpeakSettings, key: str) -> Iterable[Problem]:
        """An unknown provider or voice, a missing voice file or key, an address that is none."""
        try:
            provider = provider_class(config.provider)
        except LookupError:
            return  # the rule of `provider` says it already, with the nearest word
        if problem := provider.voice_problem(config, config.voice):
            yield Problem(f"{key}.voice", *problem)
        yield from provider.problems(config, key)

    @classmethod
    def item_problem(cls, config: SpeakSettings, data: Mapping[str, Json]) -> str | None:
        """A text, voice or rate that can never be spoken."""
        return _text_problem(data.get("text")) or _rate_problem(data.get("rate")) or _voice_problem(config, data)


def _text_problem(text: Json) -> str | None:
    if not isinstance(text, str) or not text.strip():
        return "the text is empty; write one"
    if any(unicodedata.category(sign) == "Cs" or sign == "\0" for sign in text):
        return "the text holds a NUL or half a character; delete it"
    return None


def _rate_problem(rate: Json) -> str | None:
    if rate is None:
        return None
    rule = rules_of(SpeakSettings)["rate"]
    assert rule.low is not None and rule.high is not None
    if isinstance(rate, bool) or not isinstance(rate, int) or not rule.low <= rate <= rule.high:
        return f"rate {rate!r} is no change in percent; use {rule.low:g} to {rule.high:g}"
    return None


def _voice_problem(config: SpeakSettings, data: Mapping[str, Json]) -> str | None:
    voice = data.get("voice")
    if not voice:
        return None
    problem = provider_class(config.provider).voice_problem(config, str(voice))
    return "; ".join(problem) if problem else None


def _refuse_silence(key: str, request: Request, out: WavWriter) -> None:
    if out.seconds >= _SHORTEST_S and out.peak >= LEAST_PEAK:
        return
    shown = request.text if len(request.text) <= 40 else f"{request.text[:40]}…"
    raise StageError(Failure.BAD_INPUT, f"{key}: nothing in {shown!r} is spoken by {request.voice!r}; write words")


def _rows(words: Iterable[Word], seconds: float) -> list[list[Any]]:
    """Words as JSON, in order, inside the audio."""
    rows: list[list[Any]] = []
    floor = 0.0
    for word in words:
        start = min(max(word.start, floor), seconds)
        end = min(max(word.end, start), seconds)
        rows.append([word.text, round(start, 3), round(end, 3)])
        floor = start
    return rows


def _metrics(request: Request, speech: Speech, seconds: float) -> dict[str, float]:
    return {
        "speech.audio_s": seconds,
        "speech.chars_per_s": len(_SPOKEN.findall(request.text)) / seconds,
        **speech.metrics,
    }


def _notes(speech: Speech) -> tuple[str, ...]:
    if speech.words:
        return tuple(speech.notes)
    return (*speech.notes, "no word times: the provider does not tell them")
