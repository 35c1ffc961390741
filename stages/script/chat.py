"""Any service with OpenAI's `/v1/chat/completions`: OpenAI, Gemini's compatible endpoint, or a server of one's own."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from stages.contract import Failure, Json, StageError
from stages.script.settings import ScriptSettings
from stages.service.account import Account
from stages.service.address import ending
from stages.service.http import Ask, exchange
from stages.service.persist import Patience, RefusedError, Tally, persist
from stages.service.slots import Slots, shared_slots
from stages.settings import Problem

Message = dict[str, str]
_DETAIL = 500
_LARGEST_ANSWER = 8 * 1024 * 1024  # bytes; a script has some thousand
_MEND = "see that the service runs and script.url is right, or try again later"
_MEND_REQUEST = "see that script.url, script.model and script.temperature are what it has"
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
        self._account = Account("script", config.url, config.api_key_env)
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
        address = ending(self.config.url, "/chat/completions")
        answer = exchange(Ask(address, body, self._account.bearer(), self.config.timeout_s, _LARGEST_ANSWER))
        if answer.status in (400, 422) and form and _speaks_of_format(answer.data):
            raise _FormatRefusedError
        if answer.status != 200:
            raise self._account.refusal(answer, _MEND_REQUEST)
        return _reply(self.config, answer.data)


def chat_problems(config: ScriptSettings, key: str) -> Iterable[Problem]:
    """An address that is none, a key that is not there, no model."""
    yield from Account(key, config.url, config.api_key_env).problems()
    if not config.model:
        yield Problem(f"{key}.model", "it is empty", "name one that the service has")


def _response_format(form: str, schema: Json) -> Json:
    if form == "json_schema":
        return {"type": form, "json_schema": {"name": "script", "strict": True, "schema": schema}}
    return {"type": form}


def _speaks_of_format(data: bytes) -> bool:
    said = data.decode(errors="replace").lower()
    return any(word in said for word in ("response_format", "json_schema", "json_object", "schema", "response format"))


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
