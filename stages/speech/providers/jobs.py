"""A speech service that takes jobs: a text is handed in, then asked for until it is spoken.

The shape that such services share: `POST url` with {"text", "voice", "speed", "model"} answers {"id": …};
`GET url/<id>` answers {"status": …} and, once that is `done`, the audio: `audio` in base64 or `audio_url`.
"""

from __future__ import annotations

import base64
import binascii
import time
from collections.abc import Iterable, Mapping
from typing import Any
from urllib.parse import quote

from stages.contract import Failure
from stages.service.http import Answer, Ask, download, exchange
from stages.service.persist import IncompleteError, RefusedError
from stages.settings import Problem
from stages.speech.complete import expected_seconds
from stages.speech.provider import Request, refuse_settings
from stages.speech.service import ServiceProvider, service_problems
from stages.speech.settings import SpeakSettings

_FIRST_LOOK_S = 1.0
_MEND_REQUEST = "see that tts.url, tts.model and tts.voice are what it has"
_WAITING = {"queued", "pending", "submitted", "running", "processing", "in_progress"}
_READY = {"done", "completed", "succeeded", "success", "finished"}


class JobsProvider(ServiceProvider):
    """Speaks through a service of jobs. It tells no word times."""

    def fetch(self, text: str, request: Request) -> bytes:
        """One job: handed in, then looked at until it is done."""
        limit = self.config.timeout_s + 2 * expected_seconds(text, request.rate) + self.config.poll_s
        return self._audio(text, request, time.monotonic() + limit)

    def _audio(self, text: str, request: Request, deadline: float) -> bytes:
        body: dict[str, object] = {"text": text, "voice": request.voice, "speed": 1 + request.rate / 100}
        if self.config.model:
            body["model"] = self.config.model
        job = self._said(exchange(Ask(self.config.url, body, self.account.bearer(), self.config.timeout_s)))
        name = job.get("id")
        if not isinstance(name, str | int) or not str(name):
            raise IncompleteError("the answer names no job")
        place = f"{self.config.url.rstrip('/')}/{quote(str(name), safe='')}"
        pause = min(_FIRST_LOOK_S, self.config.poll_s)
        while time.monotonic() + pause < deadline:
            time.sleep(pause)
            pause = self.config.poll_s
            found = self._looked(place, deadline)
            if found is not None:
                return found
        raise RefusedError(Failure.TIMEOUT, "the job is not done in time")

    def _looked(self, place: str, deadline: float) -> bytes | None:
        """The audio, or None when it is worth looking again: a look that fails costs nothing, a new job does."""
        try:
            said = self._said(exchange(Ask(place, None, self.account.bearer(), max(0.1, deadline - time.monotonic()))))
        except IncompleteError:
            raise
        except RefusedError as error:
            time.sleep(min(error.retry_after_s, max(0.0, deadline - time.monotonic())))
            return None
        status = str(said.get("status", "")).lower()
        if status in _WAITING:
            return None
        if status not in _READY:
            raise RefusedError(Failure.NETWORK, f"the job ended with {status[:60]!r}")
        return self._sound(said, deadline)

    def _sound(self, said: Mapping[str, Any], deadline: float) -> bytes:
        if isinstance(said.get("audio_url"), str):
            return download(said["audio_url"], self.config.url, max(1.0, deadline - time.monotonic()))
        try:
            return base64.b64decode(str(said.get("audio") or ""), validate=True)
        except binascii.Error as error:
            raise IncompleteError("the audio is no base64") from error

    def _said(self, answer: Answer) -> dict[str, Any]:
        """The answer's JSON.

        Raises:
            RefusedError: when another attempt may succeed. StageError: when none can.
        """
        if answer.status not in (200, 201, 202):
            raise self.account.refusal(answer, _MEND_REQUEST)
        return answer.json_object()

    @classmethod
    def problems(cls, config: SpeakSettings, key: str) -> Iterable[Problem]:
        """An address that is none, a key that is not there, and what the service cannot do."""
        yield from service_problems(config, key)
        yield from refuse_settings(config, key, ("pitch", "volume"), "a service of jobs")
