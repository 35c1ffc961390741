"""What the stage wants of whoever speaks, and how a provider is found: by the name of its file."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, ClassVar

from stages import registry
from stages.contract import Needs
from stages.settings import Problem

if TYPE_CHECKING:
    from stages.speech.settings import SpeakSettings
    from stages.speech.wav import WavWriter


@dataclass(frozen=True, slots=True)
class Word:
    """A spoken word; times in seconds from the start of the audio."""

    text: str
    start: float
    end: float


@dataclass(frozen=True, slots=True)
class Request:
    """One text to speak. `rate` is a change in percent; `progress` takes 0..1."""

    text: str
    voice: str
    rate: int
    progress: Callable[[float], None] = lambda _done: None


@dataclass(frozen=True, slots=True)
class Speech:
    """What is known of the audio that was written: words in order, metrics, and what had to be done otherwise."""

    words: Sequence[Word] = ()
    metrics: Mapping[str, float] = field(default_factory=dict)
    notes: Sequence[str] = ()


class Provider(ABC):
    """Somebody who speaks. One object serves all threads of a worker.

    Class attributes:
        needs: what one text takes from the machine.
        waits: True for a service, where many requests are under way at once; else one at a time.
        reads_voice_files: voices are files on this machine.
    """

    needs: ClassVar[Needs] = Needs()
    waits: ClassVar[bool] = False

    def __init__(self, config: SpeakSettings) -> None:
        self.config = config

    def open(self) -> None:  # noqa: B027 - most have nothing to load
        """Load what is costly."""

    def close(self) -> None:  # noqa: B027
        """Let go of it."""

    @abstractmethod
    def synthesize(self, request: Request, out: WavWriter) -> Speech:
        """Speak a text into `out`.

        Raises:
            StageError: with its class and one sentence.
        """

    @classmethod
    def voice_problem(cls, config: SpeakSettings, voice: str) -> tuple[str, str] | None:  # noqa: ARG003
        """Why a voice cannot be had, and the mend; None when it can or nobody knows. Cheap, without network."""
        return None

    @classmethod
    def problems(cls, config: SpeakSettings, key: str) -> Iterable[Problem]:  # noqa: ARG003
        """What is wrong with the settings beyond ranges and the voice."""
        return ()

    @classmethod
    def tools(cls, config: SpeakSettings) -> Mapping[str, str]:  # noqa: ARG003
        """Versions that shape the output."""
        return {}


def provider_names() -> tuple[str, ...]:
    """Every provider that has a file."""
    return registry.provider_names("speech")


def provider_class(name: str) -> type[Provider]:
    """The provider of that name; only its own file is imported.

    Raises:
        LookupError: when there is none.
    """
    return registry.provider_class("speech", name, Provider)


def refuse_settings(config: SpeakSettings, key: str, names: Sequence[str], who: str) -> Iterable[Problem]:
    """Problems for settings that a provider does not have but that were asked for."""
    for name in names:
        if getattr(config, name):
            yield Problem(f"{key}.{name}", f"{who} cannot change the {name}", f"leave {key}.{name} at 0")
