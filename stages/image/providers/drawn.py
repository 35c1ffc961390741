"""Title cards, drawn on this machine: no network, no key, no model."""

from __future__ import annotations

from collections.abc import Mapping
from importlib.metadata import PackageNotFoundError, version

from stages.contract import Needs
from stages.image.decode import Picture
from stages.image.provider import Painted, Provider, Request

ROOM = 1.25  # larger than the frame: the camera comes nearer and stays sharp


class Drawn(Provider):
    """Draws a card for each scene."""

    needs = Needs(cpu_threads=1.0, ram_mb=350)

    def paint(self, request: Request) -> Painted:
        """A card with the scene's title, or its first words."""
        from stages.image.card import draw_card

        width, height = (round(side * ROOM) for side in self.config.size)
        card = draw_card(request.title, request.text, request.seed, width, height, self.config.look)
        return Painted(Picture(card.image, card.notes))

    @classmethod
    def tools(cls, config: object) -> Mapping[str, str]:  # noqa: ARG003
        """What draws, and the type it is set in."""
        return {name: _version(name) for name in ("pillow", "numpy", "font-manrope")}


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return "absent"  # another font takes its place
