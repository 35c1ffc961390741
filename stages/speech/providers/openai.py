"""Any service with OpenAI's `/v1/audio/speech`: OpenAI itself, or a server of one's own."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Iterable
from functools import partial

from stages.contract import Failure, Needs, StageError
from stages.settings import Problem
from stages.speech.address import address_problems
from stages.speech.complete import check_heard, check_length, expected_seconds
from stages.speech.persist import IncompleteError, Patience, RefusedError, Tally, is_passing, persist, refused_status
from stages.speech.provider import Provider, Request, Speech, refuse_settings
from stages.speech.settings import SpeakSettings
from stages.speech.slots import shared_slots
from stages.speech.split import split_text
from stages.speech.wav import DecodeError, WavWriter, decode, peak_of

_LONGEST_INPUT = 4096  # characters; the service's limit
_SPEED_LOW, _SPEED_HIGH = 0.25, 4.0
_DETAIL = 500
_MEND = "see that the service runs and tts.url is right, or try again later"


class OpenAIProvider(Provider):
    """Speaks through an OpenAI-compatible service. It tells no word times."""

    needs = Needs(cpu_threads=0.0, ram_mb=60)  # it waits: no core is kept from others for that
    waits = True

    def __init__(self, config: SpeakSettings) -> None:
        super().__init__(config)
        self._slots = shared_slots(f"openai {config.url}", config.concurrency)
        self._patience = Patience(config.attempts, config.backoff_s)

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
        return Speech(metrics=tally.metrics(self._slots.limit))

    def _ask(self, text: str, request: Request, rate_hz: int) -> tuple[bytes, int]:
        """One attempt, checked: it decodes, is not silent, and is as long as such a text can be."""
        body = {
            "model": self.config.model,
            "input": text,
            "voice": request.voice,
            "response_format": self.config.response_format,
            "speed": min(max(1 + request.rate / 100, _SPEED_LOW), _SPEED_HIGH),
        }
        data = asyncio.run(_post(self.config, body, self.config.timeout_s + 2 * expected_seconds(text, request.rate)))
        try:
            pcm, rate_hz = decode(data, rate_hz)
        except DecodeError as error:
            raise IncompleteError(f"the audio is broken: {error}") from error
        check_heard(peak_of(pcm))
        check_length(text, len(pcm) / 2 / rate_hz, request.rate)
        return pcm, rate_hz

    @classmethod
    def problems(cls, config: SpeakSettings, key: str) -> Iterable[Problem]:
        """An address that is none, a key that is not there, and what the service cannot do."""
        yield from address_problems(config.url, f"{key}.url", ("https", "http"))
        name = config.api_key_env
        if name and not os.environ.get(name):
            mend = f"set {name}, or {key}.api_key_env= for a server that wants no key"
            yield Problem(f"{key}.api_key_env", f"the environment has no {name}", mend)
        for field in ("model", "voice"):
            if not getattr(config, field):
                yield Problem(f"{key}.{field}", "it is empty", "name one that the service has")
        yield from refuse_settings(config, key, ("pitch", "volume"), "an OpenAI-compatible service")


async def _post(config: SpeakSettings, body: dict[str, object], timeout_s: float) -> bytes:
    """Ask once; the whole answer within the time.

    Raises:
        RefusedError: when another attempt may succeed.
        StageError: when none can.
    """
    import aiohttp

    key = os.environ.get(config.api_key_env, "") if config.api_key_env else ""
    headers = {"Authorization": f"Bearer {key}"} if key else {}
    timeout = aiohttp.ClientTimeout(total=timeout_s)
    try:
        async with (
            aiohttp.ClientSession(timeout=timeout, trust_env=True, headers=headers) as session,
            # no redirects: the key is for this address alone
            session.post(_address(config.url), json=body, allow_redirects=False) as answer,
        ):
            data = await answer.read()
    except TimeoutError as error:
        raise RefusedError(Failure.TIMEOUT, f"no answer within {timeout_s:.0f} s") from error
    except aiohttp.ClientPayloadError as error:
        raise IncompleteError("the connection was closed in the middle") from error
    except (aiohttp.ClientError, OSError) as error:
        raise RefusedError(Failure.NETWORK, f"the connection failed ({type(error).__name__})") from error
    if answer.status != 200:
        raise _refusal(config, answer.status, answer.headers.get("Retry-After"), data, key)
    return data


def _address(url: str) -> str:
    url = url.rstrip("/")
    return url if url.endswith("/audio/speech") else f"{url}/audio/speech"


def _refusal(config: SpeakSettings, status: int, retry_after: str | None, data: bytes, key: str) -> Exception:
    if is_passing(status):
        return refused_status(status, retry_after)
    mends = {
        401: f"put a valid key into {config.api_key_env or 'a variable named by tts.api_key_env'}",
        403: f"put a key that may do this into {config.api_key_env or 'a variable named by tts.api_key_env'}",
        404: "see that tts.url and tts.model are right",
    }
    mend = mends.get(status, "see that tts.model, tts.voice and tts.response_format are what it has")
    detail = data[:_DETAIL].decode(errors="replace")
    return StageError(
        Failure.BAD_INPUT,
        f"{config.url} answers {status}; {mend}",
        detail=detail.replace(key, "***") if key else detail,  # some services say the key again
    )
