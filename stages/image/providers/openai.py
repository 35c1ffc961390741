"""Any service with OpenAI's `/v1/images/generations`: OpenAI, the many that offer FLUX so, a server of one's own."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Iterable
from typing import Any

from stages.contract import Needs
from stages.image.provider import Painted, Provider, Request
from stages.image.service import Effort, Service, service_problems
from stages.image.settings import ImageSettings
from stages.service.address import ending
from stages.service.http import Ask, download
from stages.service.persist import IncompleteError
from stages.settings import Problem

# models that make pictures of a few sizes only, by the beginning of their names
_SIZES = {
    "gpt-image": ((1024, 1024), (1024, 1536), (1536, 1024)),
    "dall-e-3": ((1024, 1024), (1024, 1792), (1792, 1024)),
    "dall-e-2": ((1024, 1024),),
}
_STEP = 32  # sides of all others are multiples of it
_ALWAYS_B64 = "gpt-image"  # it refuses `response_format`


class OpenAIImages(Provider):
    """Pictures of an OpenAI-style service."""

    needs = Needs(cpu_threads=0.0, ram_mb=400)  # it waits: no core is kept from others for that
    waits = True

    def __init__(self, config: ImageSettings) -> None:
        super().__init__(config)
        self._service = Service(config)

    def paint(self, request: Request) -> Painted:
        """Ask until a whole picture comes, or no attempt is left."""
        return self._service.paint(lambda effort: self._attempt(request, effort))

    def _attempt(self, request: Request, effort: Effort) -> bytes:
        address = ending(self.config.url, "/images/generations")
        ask = Ask(address, self._body(request), self._service.account.bearer(), self.config.timeout_s)
        return self._picture(self._service.send(ask, effort))

    def _body(self, request: Request) -> dict[str, Any]:
        width, height = asked_size(self.config.model, self.config.size)
        body: dict[str, Any] = {"model": self.config.model, "prompt": request.prompt, "n": 1}
        body["size"] = f"{width}x{height}"
        asked = self.config.response_format
        if asked == "auto":
            asked = "none" if self.config.model.startswith(_ALWAYS_B64) else "b64_json"
        if asked != "none":
            body["response_format"] = asked
        if self.config.send_seed:
            body["seed"] = request.seed
        return {**body, **self.config.extra}

    def _picture(self, said: dict[str, Any]) -> bytes:
        """The first picture of an answer, wherever it is."""
        rows = said.get("data")
        row = rows[0] if isinstance(rows, list) and rows and isinstance(rows[0], dict) else {}
        if isinstance(row.get("b64_json"), str):
            try:
                return base64.b64decode(row["b64_json"], validate=True)
            except binascii.Error as error:
                raise IncompleteError("the picture in the answer is no base64") from error
        if isinstance(row.get("url"), str):
            return download(row["url"], self.config.url, self.config.timeout_s)
        raise IncompleteError("the answer holds no picture")

    @classmethod
    def problems(cls, config: ImageSettings, key: str) -> Iterable[Problem]:
        """An address that is none, and what is not there."""
        return service_problems(config, key)


def asked_size(model: str, frame: tuple[int, int]) -> tuple[int, int]:
    """The size to ask for: the frame's in steps of 32, or of the sizes that the model has the one most like it."""
    sizes = next((sizes for name, sizes in _SIZES.items() if model.startswith(name)), None)
    if sizes is None:
        return round_up(frame[0], _STEP), round_up(frame[1], _STEP)
    shape = frame[0] / frame[1]
    return min(sizes, key=lambda size: max(size[0] / size[1] / shape, shape * size[1] / size[0]))


def round_up(length: int, step: int) -> int:
    """The next multiple of a step."""
    return -(-length // step) * step
