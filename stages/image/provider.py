"""What the stage wants of whoever makes pictures."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, ClassVar

from stages import registry
from stages.contract import Needs
from stages.settings import Problem

if TYPE_CHECKING:
    from stages.image.decode import Picture
    from stages.image.settings import ImageSettings


@dataclass(frozen=True, slots=True)
class Request:
    """One picture to make.

    Attributes:
        prompt: what it should show, with the style that is asked for.
        title: of the scene, "" when it has none.
        text: the first words of a scene that has no title.
        seed: 0 to 2**31 - 1.
        name: last part of the scene's key.
        number: place of the scene in its script, from 1; 0 when its name tells none.
    """

    prompt: str
    title: str
    text: str
    seed: int
    name: str
    number: int


@dataclass(frozen=True, slots=True)
class Painted:
    """A picture and what it took."""

    picture: Picture
    metrics: Mapping[str, float] = field(default_factory=dict)


class Provider(ABC):
    """Somebody who makes pictures. One object serves all threads of a worker.

    Class attributes:
        needs: what one picture takes from the machine.
        waits: True for a service, where many requests are under way at once; else one at a time.
    """

    needs: ClassVar[Needs] = Needs()
    waits: ClassVar[bool] = False

    def __init__(self, config: ImageSettings) -> None:
        self.config = config

    @abstractmethod
    def paint(self, request: Request) -> Painted:
        """Make a picture.

        Raises:
            StageError: with its class and one sentence.
        """

    @classmethod
    def problems(cls, config: ImageSettings, key: str) -> Iterable[Problem]:  # noqa: ARG003
        """What is wrong with the settings beyond ranges."""
        return ()

    @classmethod
    def tools(cls, config: ImageSettings) -> Mapping[str, str]:  # noqa: ARG003
        """Versions, and whatever else shapes the output and is no setting."""
        return {}


def provider_class(name: str) -> type[Provider]:
    """The provider of that name; only its own file is imported.

    Raises:
        LookupError: when there is none.
    """
    return registry.provider_class("image", name, Provider)
