"""A picture for a scene: the one it brings along, or one from a service, a folder, or drawn."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import ClassVar

from stages.contract import EFFECTIVE, PASSING, Failure, Json, Needs, Result, Stage, StageError, Work
from stages.image.decode import BrokenPictureError, Picture, decode
from stages.image.provider import Painted, Provider, Request, provider_class
from stages.image.settings import ImageSettings
from stages.service.account import AccountError
from stages.settings import Problem

_GIVEN = Needs(cpu_threads=1.0, ram_mb=700)
_DRAWN = "drawn"
_SEEDS = 2**31


class MakeImage(Stage[ImageSettings]):
    """Makes the artifact `image`: PNG, RGB, 8 bit, sRGB, of any size; whoever shows it scales and crops.

    Data: `prompt`, `title` ("" for none), `opening` (its first words, where it has no title), `seed`. A scene's own
    `image` ({"path", "digest"}) goes before any provider. `number` is the scene's place, from 1; without it the last
    part of the key is asked.
    """

    config_class = ImageSettings
    produces: ClassVar[Mapping[str, str]] = {"image": "image/png"}
    reads: ClassVar[tuple[str, ...]] = ("title", "opening", "prompt", "seed")
    may_read: ClassVar[tuple[str, ...]] = ("image", "number")

    def __init__(self, config: ImageSettings) -> None:
        super().__init__(config)
        self._provider = provider_class(config.provider)(config)

    def open(self) -> None:
        """Load what decodes and draws, so that nothing lies between the grant of a request and its sending."""
        import numpy as np  # noqa: F401
        from PIL import Image

        Image.init()
        if self._provider.waits:
            import aiohttp  # noqa: F401

    def run(self, work: Work) -> Result:
        """Make the picture of one scene. Threads may call this at the same time when `concurrency` is above 1.

        Raises:
            StageError: BAD_INPUT for a picture or prompt that can never be used; NETWORK, RATE_LIMITED or TIMEOUT when
                a service failed for good.
        """
        data, key = work.item.data, work.item.key
        if problem := self.item_problem(self.config, data):
            raise StageError(Failure.BAD_INPUT, f"{key}: {problem}")
        try:
            if data.get("image"):
                painted, told = Painted(self._given(data["image"])), dict[str, Json]()
            else:
                painted, told = self._made(self._request(key, data))
        except StageError as error:
            raise error.about(key) from error
        target = work.scratch / "image.png"
        painted.picture.image.save(target, format="PNG", compress_level=1)
        return Result({"image": target}, told, painted.metrics, painted.picture.notes)

    def _request(self, key: str, data: Mapping[str, Json]) -> Request:
        name = key.rpartition("/")[2]
        number = data.get("number") or (int(name) if name.isdecimal() else 0)
        prompt = ", ".join(filter(None, (data["prompt"].strip().rstrip(".,"), self.config.style.strip())))
        seed = (int(data["seed"]) + self.config.seed) % _SEEDS
        return Request(prompt, data["title"], data["opening"], seed, name, int(number))

    def _made(self, request: Request) -> tuple[Painted, dict[str, Json]]:
        """The picture; or a card in its place, which the next run tries to do without."""
        try:
            return self._provider.paint(request), {}
        except AccountError:
            raise
        except StageError as error:
            if self.config.on_failure != _DRAWN or self.config.provider == _DRAWN:
                raise
            note = f"a card is drawn instead of the picture (images.on_failure=drawn): {error.sentence}"
            return self._card(request, note), {EFFECTIVE: {"images.provider": _DRAWN}, PASSING: True}

    def _card(self, request: Request, note: str) -> Painted:
        painted = provider_class(_DRAWN)(self.config).paint(request)
        return replace(painted, picture=painted.picture.noting(note))

    def _given(self, image: Mapping[str, str]) -> Picture:
        """The scene's own picture, if it is still the one that was planned with."""
        path = Path(image["path"])
        try:
            content = path.read_bytes()
            if hashlib.sha256(content).hexdigest() != image["digest"]:
                raise StageError(Failure.BAD_INPUT, f"{path} was changed while the run was going on; start it again")
            picture = decode(content, self.config.size)
        except OSError as error:
            raise StageError(Failure.BAD_INPUT, f"{path} cannot be read ({error.strerror}); put it back") from error
        except BrokenPictureError as error:
            raise StageError(Failure.BAD_INPUT, f"{path} cannot be used: {error}; give another picture") from error
        return Picture(picture.image, tuple(f"{path.name}: {note}" for note in picture.notes))

    def verify(self, work: Work, result: Result) -> None:
        """The file has a whole PNG header and end."""
        super().verify(work, result)
        with result.files["image"].open("rb") as file:
            begins = file.read(8)
            file.seek(-8, 2)
            ends = file.read(4)
        if begins != b"\x89PNG\r\n\x1a\n" or ends != b"IEND":
            raise StageError(Failure.BUG, f"{work.item.key}: the picture was not written whole")

    @classmethod
    def needs(cls, config: ImageSettings) -> Needs:
        """What the provider takes for one picture; the scene may bring its own."""
        needs = provider_class(config.provider).needs
        return replace(needs, ram_mb=max(needs.ram_mb, _GIVEN.ram_mb))

    @classmethod
    def concurrency(cls, config: ImageSettings) -> int:
        """One where pictures are computed; for services as many as may be asked for at once."""
        return config.concurrency if provider_class(config.provider).waits else 1

    @classmethod
    def pace(cls, config: ImageSettings) -> tuple[int, float] | None:
        """What a service is asked at most."""
        return (config.rate_grants, config.rate_per_s) if provider_class(config.provider).waits else None

    @classmethod
    def tools(cls, config: ImageSettings) -> Mapping[str, str]:
        """What shapes the picture besides the settings."""
        return provider_class(config.provider).tools(config)

    @classmethod
    def problems(cls, config: ImageSettings, key: str) -> Iterable[Problem]:
        """A missing key, folder or model, an address that is none."""
        try:
            provider: type[Provider] = provider_class(config.provider)
        except LookupError:
            return  # the rule of `provider` says it already, with the nearest word
        yield from provider.problems(config, key)

    @classmethod
    def item_problem(cls, config: ImageSettings, data: Mapping[str, Json]) -> str | None:
        """A scene whose own picture is not there, or that says nothing of what to show."""
        image = data.get("image")
        if image:
            return None if Path(image["path"]).is_file() else f"there is no picture {image['path']}; put it there"
        if provider_class(config.provider).waits and not str(data.get("prompt", "")).strip():
            return "its prompt is empty; write one"
        return None
