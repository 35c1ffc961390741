"""FLUX by Black Forest Labs: a picture is ordered, then asked for until it is ready (docs.bfl.ai)."""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping
from typing import Any

from stages.contract import Failure, Needs, StageError
from stages.image.provider import Painted, Provider, Request
from stages.image.service import Effort, Service, service_problems
from stages.image.settings import ImageSettings
from stages.service.http import Ask, download, exchange, same_service
from stages.service.persist import IncompleteError, RefusedError
from stages.settings import Problem

_STEP, _LEAST, _MOST = 32, 256, 1440
_FIRST_LOOK_S = 0.5
_LOOK_SHARE = 1 / 8  # a look costs at most an eighth more waiting than there was already
_ONE_LOOK_S = 30.0
_MODERATED = {"Request Moderated", "Content Moderated"}
_WAITING = {"Pending", "Queued", "Processing", "Task accepted"}


class BlackForestLabs(Provider):
    """Pictures of the service at api.bfl.ai, or of one that speaks as it does."""

    needs = Needs(cpu_threads=0.0, ram_mb=400)  # it waits: no core is kept from others for that
    waits = True

    def __init__(self, config: ImageSettings) -> None:
        super().__init__(config)
        self._service = Service(config)
        self._headers = {"x-key": key} if (key := self._service.account.key) else {}

    def paint(self, request: Request) -> Painted:
        """Order until a whole picture comes, or no attempt is left."""
        return self._service.paint(lambda effort: self._attempt(request, effort))

    def _attempt(self, request: Request, effort: Effort) -> bytes:
        deadline = time.monotonic() + self.config.timeout_s
        address = f"{self.config.url.rstrip('/').removesuffix('/v1')}/v1/{self.config.model}"
        order = Ask(address, self._body(request), self._headers, self.config.timeout_s)
        job = self._service.send(order, effort)
        sample = self._sample(self._place_of(job), effort, deadline)
        return download(sample, self.config.url, max(1.0, deadline - time.monotonic()))

    def _body(self, request: Request) -> dict[str, Any]:
        width, height = (min(max(-(-side // _STEP) * _STEP, _LEAST), _MOST) for side in self.config.size)
        body = {"prompt": request.prompt, "width": width, "height": height, "seed": request.seed}
        return {**body, "output_format": "png", **self.config.extra}

    def _place_of(self, job: Mapping[str, Any]) -> str:
        """Where to look for the picture. The key goes there too: it must be the service's own."""
        place = job.get("polling_url")
        if place is None and isinstance(job.get("id"), str):
            place = f"{self.config.url.rstrip('/').removesuffix('/v1')}/v1/get_result?id={job['id']}"
        if not isinstance(place, str):
            raise IncompleteError("the answer names no job")
        if not same_service(place, self.config.url):
            raise StageError(
                Failure.BAD_INPUT,
                f"{self.config.url} sends us to another host for the picture, which must not get the key; "
                "see that images.url is the service's own address",
            )
        return place

    def _sample(self, place: str, effort: Effort, deadline: float) -> str:
        """The address of the picture, once it is ready."""
        began = time.monotonic()
        while (left := deadline - time.monotonic()) > 0:
            time.sleep(min(self._pause(time.monotonic() - began), left))
            said = self._look(place, effort, deadline)
            if said is not None:
                return said
        raise RefusedError(Failure.TIMEOUT, f"the picture is not ready after {self.config.timeout_s:.3g} s")

    def _pause(self, waited_s: float) -> float:
        return min(self.config.poll_s, max(_FIRST_LOOK_S, waited_s * _LOOK_SHARE))

    def _look(self, place: str, effort: Effort, deadline: float) -> str | None:
        """One look at the job: the picture's address, or None when it is worth looking again.

        A look that fails costs nothing; an order made again would be paid again.
        """
        limit = max(0.1, min(_ONE_LOOK_S, deadline - time.monotonic()))
        try:
            said = self._service.meaning(exchange(Ask(place, headers=self._headers, timeout_s=limit)), effort)
        except RefusedError as error:
            time.sleep(min(error.retry_after_s, max(0.0, deadline - time.monotonic())))
            return None
        return self._outcome(said)

    def _outcome(self, said: Mapping[str, Any]) -> str | None:
        status, result = said.get("status"), said.get("result")
        if status in _WAITING:
            return None
        if status == "Ready" and isinstance(result, dict) and isinstance(result.get("sample"), str):
            return str(result["sample"])
        if status in _MODERATED:
            sentence = f"{self.config.url} will not show this ({status}); write another prompt"
            raise StageError(Failure.BAD_INPUT, sentence)
        raise RefusedError(Failure.NETWORK, f"the job ended with {str(status)[:60]!r}")

    @classmethod
    def problems(cls, config: ImageSettings, key: str) -> Iterable[Problem]:
        """An address that is none, and what is not there."""
        return service_problems(config, key)
