"""What all services that speak over the network share: a text goes piece by piece, and each answer is checked."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterable
from functools import partial

from stages.contract import Needs
from stages.service.account import Account
from stages.service.persist import IncompleteError, Patience, RefusedError, Tally, persist
from stages.service.slots import shared_slots
from stages.settings import Problem
from stages.speech.complete import check_heard, check_length
from stages.speech.provider import Provider, Request, Speech
from stages.speech.settings import SpeakSettings
from stages.speech.split import split_text
from stages.speech.wav import DecodeError, WavWriter, decode, peak_of

_LONGEST_INPUT = 4096  # characters; the limit of OpenAI's service
_MEND = "see that the service runs and tts.url is right, or try again later"


class ServiceProvider(Provider):
    """Speaks through a service that is asked for one piece of text at a time. It tells no word times."""

    needs = Needs(cpu_threads=0.0, ram_mb=60)  # it waits: no core is kept from others for that
    waits = True

    def __init__(self, config: SpeakSettings) -> None:
        super().__init__(config)
        self.account = Account("tts", config.url, config.api_key_env)
        self._slots = shared_slots(f"{config.provider} {config.url}", config.concurrency, config.begin)
        self._patience = Patience(config.attempts, config.backoff_s)

    @abstractmethod
    def fetch(self, text: str, request: Request) -> bytes:
        """The audio file that the service makes of a text, asked for once.

        Raises:
            RefusedError: when another attempt may succeed.
            StageError: when none can.
        """

    def synthesize(self, request: Request, out: WavWriter) -> Speech:
        """Speak piece by piece; each is checked before it is written."""
        tally = Tally()
        pieces = split_text(request.text, lambda piece: len(piece) <= _LONGEST_INPUT)
        for number, piece in enumerate(pieces, 1):
            try:
                ask = partial(self._ask, piece, request, out.rate_hz)
                pcm, rate_hz = persist(self._slots, self._patience, tally, ask)
            except RefusedError as error:
                raise error.as_stage_error(self.config.url, _MEND) from error
            out.begin(rate_hz)
            out.write(pcm)
            request.progress(number / len(pieces))
        return Speech(metrics={**tally.metrics("tts"), "tts.limit": self._slots.limit})

    def _ask(self, text: str, request: Request, rate_hz: int) -> tuple[bytes, int]:
        """One attempt, checked: it decodes, is not silent, and is as long as such a text can be."""
        data = self.fetch(text, request)
        try:
            pcm, rate_hz = decode(data, rate_hz)
        except DecodeError as error:
            raise IncompleteError(f"the audio is broken: {error}") from error
        check_heard(peak_of(pcm))
        check_length(text, len(pcm) / 2 / rate_hz, request.rate)
        return pcm, rate_hz


def service_problems(config: SpeakSettings, key: str) -> Iterable[Problem]:
    """An address that is none, and a key that is not there."""
    yield from Account(key, config.url, config.api_key_env).problems()
