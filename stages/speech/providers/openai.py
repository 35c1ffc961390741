"""Any service with OpenAI's `/v1/audio/speech`: OpenAI itself, or a server of one's own."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Iterable

from stages.contract import Failure, StageError
from stages.service.persist import IncompleteError, RefusedError, is_passing, refused_status
from stages.settings import Problem
from stages.speech.complete import expected_seconds
from stages.speech.provider import Request, refuse_settings
from stages.speech.service import ServiceProvider, service_problems
from stages.speech.settings import SpeakSettings

_SPEED_LOW, _SPEED_HIGH = 0.25, 4.0
_DETAIL = 500


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
        return asyncio.run(_post(self.config, body, limit))

    @classmethod
    def problems(cls, config: SpeakSettings, key: str) -> Iterable[Problem]:
        """An address that is none, a key that is not there, and what the service cannot do."""
        yield from service_problems(config, key)
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
