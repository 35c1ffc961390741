"""A service that makes pictures, asked as often as it allows: grants, slots, patience, and what its answers mean."""

from __future__ import annotations

import hashlib
import re
import threading
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from stages.image.decode import SERVED, BrokenPictureError, Picture, decode, refuse_rubbish
from stages.image.provider import Painted
from stages.image.settings import ImageSettings
from stages.platform.files import can_write
from stages.rate import Rate
from stages.service.account import Account
from stages.service.http import Answer, Ask, exchange
from stages.service.persist import IncompleteError, Patience, RefusedError, Tally, persist
from stages.service.slots import shared_slots
from stages.settings import Problem

_MANY_REQUESTS = 429
_TRAVEL_S, _TRAVEL_SHARE = 0.5, 0.1
_MEND = "see that the service runs and images.url is right, or try again later"
_MEND_REQUEST = "see that the prompt, images.model, its size and images.extra are what it takes"


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
        self.account = Account("images", config.url, config.api_key_env)
        self._rate = _rate_of(config, self.account.key)
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
            return answer.json_object()
        effort.refused_429 += answer.status == _MANY_REQUESTS
        refusal = self.account.refusal(answer, _MEND_REQUEST)
        if isinstance(refusal, RefusedError):
            self._rate.hold(refusal.retry_after_s)
        raise refusal

    def _metrics(self, effort: Effort) -> dict[str, float]:
        return {
            **effort.tally.metrics("images"),
            "images.limiter_wait_s": effort.waited_s,
            "images.http_429": effort.refused_429,
            "images.limit": self._slots.limit,
        }


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
    yield from Account(key, config.url, config.api_key_env).problems()
    if not config.model:
        yield Problem(f"{key}.model", "it is empty", "name one that the service has")
    if config.rates_dir and (reason := can_write(Path(config.rates_dir))):
        yield Problem(f"{key}.rates_dir", f"nothing can be written there ({reason})", "name another folder")
