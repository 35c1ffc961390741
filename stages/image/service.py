"""A service that makes pictures, asked as often as it allows: grants, slots, patience, and what its answers mean."""

from __future__ import annotations

import hashlib
import json
import os
import re
import threading
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from stages.contract import Failure, StageError
from stages.image.decode import SERVED, BrokenPictureError, Picture, decode, refuse_rubbish
from stages.image.provider import Painted
from stages.image.settings import ImageSettings
from stages.platform.files import can_write
from stages.rate import Rate
from stages.service.address import address_problems
from stages.service.http import Answer, Ask, exchange
from stages.service.persist import IncompleteError, Patience, RefusedError, Tally, is_passing, persist, refused_status
from stages.service.slots import shared_slots
from stages.settings import Problem

_DETAIL = 500
_MANY_REQUESTS = 429
_TRAVEL_S, _TRAVEL_SHARE = 0.5, 0.1
_MEND = "see that the service runs and images.url is right, or try again later"


class AccountError(StageError):
    """A refusal that is not about one picture but about all: the key, the account, the address."""


@dataclass(slots=True)
class Effort:
    """What one picture took."""

    tally: Tally = field(default_factory=Tally)
    waited_s: float = 0.0
    refused_429: int = 0


class Service:
    """The door to one service. Every request that makes a picture draws a grant first, also when it is asked again."""

    def __init__(self, config: ImageSettings) -> None:
        self.config = config
        self.key = os.environ.get(config.api_key_env, "") if config.api_key_env else ""
        self._rate = _rate_of(config, self.key)
        self._slots = shared_slots(f"images {config.url}", config.concurrency)
        self._patience = Patience(config.attempts, config.backoff_s, incomplete=config.attempts)

    def paint(self, attempt: Callable[[Effort], bytes]) -> Painted:
        """The picture of the first attempt that brings one; `attempt` gets the bytes of a picture.

        Raises:
            StageError: when no attempt did.
        """
        effort = Effort()
        try:
            picture = persist(self._slots, self._patience, effort.tally, lambda: self._checked(attempt(effort)))
        except RefusedError as error:
            raise error.as_stage_error(self.config.url, _MEND) from error
        return Painted(picture, self._metrics(effort))

    def _checked(self, data: bytes) -> Picture:
        try:
            picture = decode(data, self.config.size, SERVED)
            refuse_rubbish(picture)
        except BrokenPictureError as error:
            raise IncompleteError(f"the picture cannot be used: {error}") from error
        return picture

    def send(self, ask: Ask, effort: Effort) -> dict[str, Any]:
        """Send a request that makes a picture, once a grant is there.

        Raises:
            RefusedError: when another attempt may succeed.
            StageError: when none can.
        """
        grant = self._rate.draw()
        effort.waited_s += grant.waited_s
        return self.meaning(exchange(replace(ask, sent=lambda: self._rate.used(grant))), effort)

    def meaning(self, answer: Answer, effort: Effort) -> dict[str, Any]:
        """The JSON object of an answer.

        Raises:
            RefusedError: when another attempt may succeed; a service that asks to wait holds all requests back.
            StageError: when none can.
        """
        if answer.status == 200:
            return _object(answer.data)
        effort.refused_429 += answer.status == _MANY_REQUESTS
        if is_passing(answer.status):
            refusal = refused_status(answer.status, answer.headers.get("retry-after"))
            self._rate.hold(refusal.retry_after_s)
            raise refusal
        raise self._refusal(answer)

    def _refusal(self, answer: Answer) -> StageError:
        name = self.config.api_key_env or "a variable named by images.api_key_env"
        mends = {
            401: f"put a valid key into {name}",
            402: "put money into its account",
            403: f"put a key that may do this into {name}",
            404: "see that images.url and images.model are right",
        }
        mend = mends.get(
            answer.status, "see that the prompt, images.model, its size and images.extra are what it takes"
        )
        sentence = f"{self.config.url} answers {answer.status}; {mend}"
        kind = AccountError if answer.status in mends else StageError
        return kind(Failure.BAD_INPUT, sentence, detail=self.without_key(answer.data))

    def without_key(self, data: bytes) -> str:
        """The beginning of an answer. Some services say the key again."""
        shown = data.decode(errors="replace")
        return (shown.replace(self.key, "***") if self.key else shown)[:_DETAIL]

    def _metrics(self, effort: Effort) -> dict[str, float]:
        return {
            "images.requests": effort.tally.requests,
            "images.retries": effort.tally.retries,
            "images.backoff_s": effort.tally.backoff_s,
            "images.limiter_wait_s": effort.waited_s,
            "images.http_429": effort.refused_429,
            "images.limit": self._slots.limit,
        }


def _object(data: bytes) -> dict[str, Any]:
    try:
        said = json.loads(data)
    except ValueError as error:
        raise IncompleteError("the answer is no JSON") from error
    if not isinstance(said, dict):
        raise IncompleteError("the answer is no JSON object")
    return said


_rates: dict[tuple[str, int, float, str], Rate] = {}
_lock = threading.Lock()


def _rate_of(config: ImageSettings, key: str) -> Rate:
    """The count of requests to this service with this key; one per process for all who ask alike.

    The window is a little longer than was asked for: a request may travel longer than the ones that follow it, and the
    service counts arrivals.
    """
    per_s = config.rate_per_s + min(_TRAVEL_S, _TRAVEL_SHARE * config.rate_per_s)
    name = rate_name(config.url, key)
    file = Path(config.rates_dir) / f"{name}.json" if config.rates_dir else None
    with _lock:
        return _rates.setdefault(
            (name, config.rate_grants, per_s, config.rates_dir), Rate(config.rate_grants, per_s, file)
        )


def rate_name(url: str, key: str) -> str:
    """Name of the file of counts: the host, and which key, by a digest that cannot be turned back."""
    digest = hashlib.sha256(f"reeltune images {key}".encode()).hexdigest()[:12]
    return f"images-{re.sub(r'[^A-Za-z0-9.-]', '_', urlsplit(url).netloc)}-{digest}"


def service_problems(config: ImageSettings, key: str) -> Iterable[Problem]:
    """An address that is none, a key or model that is not there, a folder of counts that cannot be written."""
    yield from address_problems(config.url, f"{key}.url", ("https", "http"))
    name = config.api_key_env
    if name and not os.environ.get(name):
        mend = f"set {name}, or {key}.api_key_env= for a server that wants no key"
        yield Problem(f"{key}.api_key_env", f"the environment has no {name}", mend)
    if not config.model:
        yield Problem(f"{key}.model", "it is empty", "name one that the service has")
    if config.rates_dir and (reason := can_write(Path(config.rates_dir))):
        yield Problem(f"{key}.rates_dir", f"nothing can be written there ({reason})", "name another folder")
