"""Where items come from: a source reads the files that a user names. The other half of the contract."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar, Generic

from stages.contract import ConfigT, Json


@dataclass(frozen=True, slots=True)
class Found:
    """An item that a source read; `files` are paths outside the cache, by artifact name and kind."""

    name: str
    data: Mapping[str, Json] = field(default_factory=dict)
    files: Mapping[str, tuple[Path, str]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Unreadable:
    """A place in a source that holds no item, and the sentence that says why and how to mend it."""

    name: str
    sentence: str


class Source(ABC, Generic[ConfigT]):
    """Reads items from the files a user names. Lives at `stages/<kind>/<operation>.py` like a stage.

    Class attributes:
        suffixes: what a folder is searched for; () takes every file.
        lists: True when one file holds many items (a list of texts): keys are `<file stem>/<name>`,
            else one file is one item and the key is its stem.
        provides / writes: artifact name → kind, and data fields, of the items it reads.
        measure: what an excerpt is measured in: `seconds` of film, or `items`; "" when input is taken whole.
    """

    config_class: ClassVar[type[Any]]
    suffixes: ClassVar[Sequence[str]] = ()
    lists: ClassVar[bool] = False
    provides: ClassVar[Mapping[str, str]] = {}
    writes: ClassVar[Sequence[str]] = ()
    measure: ClassVar[str] = ""

    def __init__(self, config: ConfigT) -> None:
        self.config = config

    @abstractmethod
    def read(self, path: Path) -> Iterator[Found | Unreadable]:
        """Items of one file, one at a time: a list of a million rows must not fill memory.

        Raises:
            StageError: BAD_INPUT when the file as a whole cannot be read.
        """

    def excerpt(self, paths: Sequence[Path], amount: float, folder: Path) -> list[Path]:  # noqa: ARG002
        """A smaller input that stands for all of it, for trials of settings: `amount` in units of `measure`.

        Returns:
            files that this source reads, new ones in `folder`; the same files when they cannot be made smaller.

        Raises:
            StageError: when the input cannot be read.
        """
        return list(paths)
