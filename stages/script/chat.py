"""Any service with OpenAI's `/v1/chat/completions`: OpenAI, Gemini's compatible endpoint, or a server of one's own."""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

from stages.contract import Failure, Json, StageError
from stages.script.settings import ScriptSettings
from stages.service.address import address_problems
from stages.service.persist import IncompleteError, Patience, RefusedError, Tally, is_passing, persist, refused_status
from stages.service.slots import Slots, shared_slots
from stages.settings import Problem

if TYPE_CHECKING:
    from aiohttp import ClientResponse

Message = dict[str, str]
_DETAIL = 500
_LARGEST_ANSWER = 8_000_000  # bytes; a script has some thousand
_MEND = "see that the service runs and script.url is right, or try again later"
_FORMATS = ("json_schema", "json_object", "")  # what is asked for, best first


@dataclass(frozen=True, slots=True)
class Reply:
    """What the model said; `cut` when it came to its limit before its end."""

    content: str
    cut: bool = False


class _FormatRefusedError(Exception):
    """The service does not know the form of answer that it was asked for."""


class Chat:
    """One conversation with a service. Requests, and those made again, are counted in `tally`.

    Args:
        config: the settings of scripts.
        schema: JSON schema of the answers, for services that hold to one.
    """

    def __init__(self, config: ScriptSettings, schema: Json) -> None:
        self.config = config
        self.tally = Tally()
        self.notes: list[str] = []
        self._schema = schema
        self._formats = list(_FORMATS)
        self._slots: Slots = shared_slots(f"chat {config.url}", config.concurrency)
        self._patience = Patience(config.attempts, config.backoff_s)

    def ask(self, messages: Sequence[Message]) -> Reply:
        """The model's answer to a conversation.

        Raises:
            StageError: NETWORK, RATE_LIMITED or TIMEOUT when the service failed for good; BAD_INPUT when it refuses.
        """
        while True:
            attempt = partial(self._attempt, messages, self._formats[0])
            try:
                return persist(self._slots, self._patience, self.tally, attempt)
            except _FormatRefusedError:
                self._formats.pop(0)
                self.notes.append(f"the service takes no answer by {_FORMATS[-1 - len(self._formats)]}; asked without")
            except RefusedError as error:
                raise error.as_stage_error(self.config.url, _MEND) from error

    def _attempt(self, messages: Sequence[Message], form: str) -> Reply:
        body: dict[str, Json] = {"model": self.config.model, "messages": list(messages)}
        if self.config.temperature is not None:
            body["temperature"] = self.config.temperature
        if form:
            body["response_format"] = _response_format(form, self._schema)
        status, retry_after, data = asyncio.run(_post(self.config, body))
        if status in (400, 422) and form and _speaks_of_format(data):
            raise _FormatRefusedError
        if status != 200:
            raise _refusal(self.config, status, retry_after, data)
        return _reply(self.config, data)


def chat_problems(config: ScriptSettings, key: str) -> Iterable[Problem]:
    """An address that is none, a key that is not there, no model."""
    yield from address_problems(config.url, f"{key}.url", ("https", "http"))
    name = config.api_key_env
    if name and not os.environ.get(name, "").strip():
        mend = f"set {name}, or {key}.api_key_env= for a server that wants no key"
        yield Problem(f"{key}.api_key_env", f"the environment has no {name}", mend)
    if not config.model:
        yield Problem(f"{key}.model", "it is empty", "name one that the service has")


def _response_format(form: str, schema: Json) -> Json:
    if form == "json_schema":
        return {"type": form, "json_schema": {"name": "script", "strict": True, "schema": schema}}
    return {"type": form}


def _speaks_of_format(data: bytes) -> bool:
    said = data.decode(errors="replace").lower()
    return any(word in said for word in ("response_format", "json_schema", "json_object", "schema", "response format"))


async def _post(config: ScriptSettings, body: Json) -> tuple[int, str | None, bytes]:
    """Ask once; the whole answer within the time.

    Raises:
        RefusedError: when another attempt may succeed.
    """
    import aiohttp

    key = _key(config)
    headers = {"Authorization": f"Bearer {key}"} if key else {}
    timeout = aiohttp.ClientTimeout(total=config.timeout_s)
    try:
        async with (
            aiohttp.ClientSession(timeout=timeout, trust_env=True, headers=headers) as session,
            # no redirects: the key is for this address alone
            session.post(_address(config.url), json=body, allow_redirects=False) as answer,
        ):
            return answer.status, answer.headers.get("Retry-After"), await _whole(answer)
    except TimeoutError as error:
        raise RefusedError(Failure.TIMEOUT, f"no answer within {config.timeout_s:g} s") from error
    except aiohttp.ClientPayloadError as error:
        raise IncompleteError("the connection was closed in the middle") from error
    except (aiohttp.ClientError, OSError) as error:
        raise RefusedError(Failure.NETWORK, f"the connection failed ({type(error).__name__})") from error


async def _whole(answer: ClientResponse) -> bytes:
    data = bytearray()
    async for block in answer.content.iter_chunked(1 << 16):
        data += block
        if len(data) > _LARGEST_ANSWER:
            raise RefusedError(Failure.NETWORK, f"the answer is larger than {_LARGEST_ANSWER // 1_000_000} MB")
    return bytes(data)


def _key(config: ScriptSettings) -> str:
    return os.environ.get(config.api_key_env, "").strip() if config.api_key_env else ""


def _address(url: str) -> str:
    url = url.rstrip("/")
    return url if url.endswith("/chat/completions") else f"{url}/chat/completions"


def _reply(config: ScriptSettings, data: bytes) -> Reply:
    """What the model said, from the service's JSON.

    Raises:
        RefusedError: for an answer that is not of this protocol.
        StageError: BAD_INPUT when the model will not write this.
    """
    try:
        choice = json.loads(data)["choices"][0]
        message, finish = choice["message"], choice.get("finish_reason")
        content = _content(message.get("content"))
    except (ValueError, LookupError, TypeError, AttributeError, RecursionError) as error:
        raise RefusedError(Failure.NETWORK, "the answer is no chat completion") from error
    if message.get("refusal") or finish == "content_filter":
        said = " ".join(str(message.get("refusal") or "its filter stops the answer").split())[:_DETAIL]
        raise StageError(
            Failure.BAD_INPUT,
            f"{config.url}: the model refuses ({said}); write about something else, or choose script.model",
        )
    if not content.strip():
        raise RefusedError(Failure.NETWORK, "the answer is empty")
    return Reply(content, cut=finish == "length")


def _content(content: Any) -> str:
    """Some services send a list of parts."""
    if isinstance(content, list):
        return "".join(part.get("text") or "" for part in content)
    return "" if content is None else content.strip()


def _refusal(config: ScriptSettings, status: int, retry_after: str | None, data: bytes) -> Exception:
    if is_passing(status):
        return refused_status(status, retry_after)
    key, variable = _key(config), config.api_key_env or "a variable named by script.api_key_env"
    mends = {
        401: f"put a valid key into {variable}",
        403: f"put a key that may do this into {variable}",
        404: "see that script.url and script.model are right",
    }
    mend = mends.get(status, "see that script.url, script.model and script.temperature are what it has")
    detail = data[:_DETAIL].decode(errors="replace")
    return StageError(
        Failure.BAD_INPUT,
        f"{config.url} answers {status}; {mend}",
        detail=detail.replace(key, "***") if key else detail,  # some services say the key again
    )
