"""Any service with OpenAI's `/v1/audio/speech`: OpenAI itself, or a server of one's own."""

from __future__ import annotations

from collections.abc import Iterable

from stages.service.address import ending
from stages.service.http import Ask, exchange
from stages.settings import Problem
from stages.speech.complete import expected_seconds
from stages.speech.provider import Request, refuse_settings
from stages.speech.service import ServiceProvider, service_problems
from stages.speech.settings import SpeakSettings

_SPEED_LOW, _SPEED_HIGH = 0.25, 4.0
_MEND_REQUEST = "see that tts.model, tts.voice and tts.response_format are what it has"


class OpenAIProvider(ServiceProvider):
    """Speaks through an OpenAI-compatible service. It tells no word times."""

    def fetch(self, text: str, request: Request) -> bytes:
        """One answer of the service."""
        body = {
            "model": self.config.model,
            "input": text,
            "voice": request.voice,
            "response_format": self.config.response_format,
            "speed": min(max(1 + request.rate / 100, _SPEED_LOW), _SPEED_HIGH),
        }
        limit = self.config.timeout_s + 2 * expected_seconds(text, request.rate)
        address = ending(self.config.url, "/audio/speech")
        answer = exchange(Ask(address, body, self.account.bearer(), limit))
        if answer.status != 200:
            raise self.account.refusal(answer, _MEND_REQUEST)
        return answer.data

    @classmethod
    def problems(cls, config: SpeakSettings, key: str) -> Iterable[Problem]:
        """An address that is none, a key that is not there, and what the service cannot do."""
        yield from service_problems(config, key)
        for field in ("model", "voice"):
            if not getattr(config, field):
                yield Problem(f"{key}.{field}", "it is empty", "name one that the service has")
        yield from refuse_settings(config, key, ("pitch", "volume"), "an OpenAI-compatible service")
