"""Edge TTS: Microsoft's reading voices, asked politely and checked for completeness."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from importlib.metadata import version
from xml.sax.saxutils import escape

from stages.contract import Failure, Needs, StageError
from stages.service.address import address_problems
from stages.service.persist import IncompleteError, Patience, RefusedError, Tally, persist
from stages.service.slots import shared_slots
from stages.settings import Problem
from stages.speech.complete import check_heard, check_length, check_words, expected_seconds, spoken_signs
from stages.speech.edge_client import Asked, Heard, client_module, hear
from stages.speech.provider import Provider, Request, Speech, Word
from stages.speech.settings import SpeakSettings
from stages.speech.split import halves, split_text
from stages.speech.wav import DecodeError, WavWriter, decode, peak_of

_MESSAGE_BYTES = 4096  # the service cuts longer ones off
_HZ_PER_PERCENT = 2  # of a voice at 200 Hz
_DECODE_SLACK_S = 0.1
_HALVINGS = 2
_VOICE = re.compile(r"^([a-z]{2,}-[A-Z]{2,}-.+Neural|Microsoft Server Speech Text to Speech Voice \(.+,.+\))$")
_MEND = "try again later, or use tts=espeak"


@dataclass(slots=True)
class _Told:
    """What is written so far. `seconds` are those of the bytes that came: where the next piece's words begin."""

    out: WavWriter
    tally: Tally = field(default_factory=Tally)
    words: list[Word] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    seconds: float = 0.0


class EdgeProvider(Provider):
    """Speaks through the service that Edge reads pages with. Voices: `en-US-EmmaMultilingualNeural` and its like."""

    needs = Needs(cpu_threads=0.0, ram_mb=60)  # it waits: no core is kept from others for that
    waits = True

    def __init__(self, config: SpeakSettings) -> None:
        super().__init__(config)
        self._slots = shared_slots(f"edge {config.url}", config.concurrency, config.begin)
        self._patience = Patience(config.attempts, config.backoff_s)

    def open(self) -> None:
        """Load the client; it reads the machine's certificates, which takes longer than a request."""
        client_module(self.config.url)

    def synthesize(self, request: Request, out: WavWriter) -> Speech:
        """Speak piece by piece; each piece is checked before it is written."""
        if not spoken_signs(request.text):
            raise StageError(Failure.BAD_INPUT, "Edge TTS speaks words only, and the text has none; write some")
        told = _Told(out)
        pieces = split_text(request.text, _fits)
        for number, piece in enumerate(pieces, 1):
            try:
                self._piece(piece, request, told, _HALVINGS)
            except RefusedError as error:
                raise error.as_stage_error("Edge TTS", _MEND) from error
            request.progress(number / len(pieces))
        return Speech(told.words, {**told.tally.metrics("tts"), "tts.limit": self._slots.limit}, told.notes)

    def _piece(self, text: str, request: Request, told: _Told, cuts: int) -> None:
        """Speak one piece; one that never comes whole is spoken in halves."""
        if not spoken_signs(text):
            return  # the service answers a piece of mere signs with nothing
        try:
            heard, pcm, rate_hz = persist(self._slots, self._patience, told.tally, lambda: self._ask(text, request))
        except IncompleteError:
            parts = halves(text) if cuts else None
            if parts is None:
                raise
            told.notes.append("a piece never came whole and was spoken in halves")
            for part in parts:
                self._piece(part, request, told, cuts - 1)
            return
        told.out.begin(rate_hz)
        told.out.write(pcm)
        told.words += [Word(w.text, w.start + told.seconds, w.end + told.seconds) for w in heard.words]
        told.seconds += heard.seconds

    def _ask(self, text: str, request: Request) -> tuple[Heard, bytes, int]:
        """One attempt. A connection that closes early, or any sign of a missing part, is an incomplete answer."""
        config = self.config
        pitch = config.pitch * _HZ_PER_PERCENT
        asked = Asked(text, request.voice, f"{request.rate:+d}%", f"{config.volume:+d}%", f"{pitch:+d}Hz")
        heard = asyncio.run(hear(config.url, asked, config.timeout_s + 2 * expected_seconds(text, request.rate)))
        if not heard.ended:
            raise IncompleteError("the connection was closed in the middle")
        pcm, rate_hz = _checked(text, heard, request.rate)
        return heard, pcm, rate_hz

    @classmethod
    def voice_problem(cls, config: SpeakSettings, voice: str) -> tuple[str, str] | None:  # noqa: ARG003
        """The form of a voice; whether the service has it, only the service knows."""
        if _VOICE.match(voice):
            return None
        return f"{voice!r} is no name of an Edge voice", "use one like en-US-EmmaMultilingualNeural (edge-tts -l)"

    @classmethod
    def problems(cls, config: SpeakSettings, key: str) -> Iterable[Problem]:
        """An address that is no websocket's."""
        if config.url:
            yield from address_problems(config.url, f"{key}.url", ("wss", "ws"))

    @classmethod
    def tools(cls, config: SpeakSettings) -> Mapping[str, str]:  # noqa: ARG003
        """Version of the client."""
        return {"edge-tts": version("edge-tts")}


def _fits(piece: str) -> bool:
    return len(escape(piece).encode()) <= _MESSAGE_BYTES


def _checked(text: str, heard: Heard, rate: int) -> tuple[bytes, int]:
    """The completeness gate: the audio decodes in full, has the right length, and its words reach the end."""
    try:
        pcm, rate_hz = decode(bytes(heard.mp3))
    except DecodeError as error:
        raise IncompleteError(f"the audio is broken: {error}") from error
    decoded_s = len(pcm) / 2 / rate_hz
    if abs(decoded_s - heard.seconds) > _DECODE_SLACK_S:
        raise IncompleteError(f"{heard.seconds:.2f} s of audio came, {decoded_s:.2f} s of it can be decoded")
    check_heard(peak_of(pcm))
    check_length(text, heard.seconds, rate)
    check_words(text, heard.words, heard.seconds)
    return pcm, rate_hz
