"""The contract between the runner and the work. Imports nothing of ours but settings.

Words: an *item* flows through *stages*; one stage on one item is a *task*; a file that a
task made is an *artifact*. A stage is a plain object: it can be built, opened, run and
closed without the runner.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Any, ClassVar, Generic, TypeVar

from stages.settings import Problem

Json = Any  # None | bool | int | float | str | list[Json] | dict[str, Json]
ConfigT = TypeVar("ConfigT")


# A field of `Result.data` that any stage may set: config key → value that was really used, where it was left open
# (`encoder=auto`) or could not be met. The run records it beside what was asked for.
EFFECTIVE = "effective"


# A field of `Result.data` of a stage whose result stands in for one that could not be had now (a service was away):
# true, and the task is done again by the next run. The runner does not remember it as finished.
PASSING = "passing"


class Failure(StrEnum):
    """Classes of failure. Policy (retry, degrade, stop) hangs on the class, never on the text."""

    BAD_INPUT = "bad_input"
    GPU_OOM = "gpu_oom"
    HOST_OOM = "host_oom"
    DISK_FULL = "disk_full"
    ENCODER = "encoder"
    NETWORK = "network"
    RATE_LIMITED = "rate_limited"
    TIMEOUT = "timeout"
    CRASHED = "crashed"
    BUG = "bug"


class StageError(Exception):
    """Work that cannot be done, said in one sentence that names the file or key and the mend.

    Args:
        failure: the class.
        sentence: for people; one line.
        detail: what a developer wants (stderr tail); never secrets.
        retry_after_s: how long the other side asked us to wait, in seconds.
    """

    def __init__(self, failure: Failure, sentence: str, *, detail: str = "", retry_after_s: float = 0.0) -> None:
        super().__init__(sentence)
        self.failure = failure
        self.sentence = sentence
        self.detail = detail
        self.retry_after_s = retry_after_s

    def about(self, name: str, failure: Failure | None = None) -> StageError:
        """The same, said of something that has a name; of another class, where that is what it comes to there."""
        sentence = f"{name}: {self.sentence}"
        return StageError(failure or self.failure, sentence, detail=self.detail, retry_after_s=self.retry_after_s)


@dataclass(frozen=True, slots=True)
class Artifact:
    """A file, and the digest (sha256, hex) of its content. `kind` is a media type such as `audio/wav`.

    `size` (bytes) and `mtime_ns` tell cheaply whether the file is still the one that was digested.
    """

    path: Path
    kind: str
    digest: str = ""
    size: int = 0
    mtime_ns: int = 0


@dataclass(frozen=True, slots=True)
class Item:
    """What flows: a key that is a path (`story/003`), small JSON data, and files by name."""

    key: str
    data: Mapping[str, Json] = field(default_factory=dict)
    artifacts: Mapping[str, Artifact] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Needs:
    """What one task takes from the machine while it runs.

    Attributes:
        cpu_threads: threads it keeps busy.
        ram_mb: peak resident memory, MB.
        vram_mb: peak GPU memory, MB.
        encoder_sessions: hardware encoder sessions held.
        rate: name of an API rate that each start draws from ("" for none).
    """

    cpu_threads: float = 1.0
    ram_mb: int = 200
    vram_mb: int = 0
    encoder_sessions: int = 0
    rate: str = ""


@dataclass(frozen=True, slots=True)
class Work:
    """One task as a stage sees it.

    Attributes:
        item: the item with the data and artifacts that the stage declared, and no others.
        parts: with `gathers`, the children of the item in their order, each with what the stage declared.
        scratch: an empty folder of its own; whatever is left there is removed afterwards.
        progress: call with 0..1 now and then on long work.
        memory_mb: limit for a program that the stage starts, MB (`run_process(..., memory_mb=)`); 0 for none.
    """

    item: Item
    scratch: Path
    parts: Sequence[Item] = ()
    progress: Callable[[float], None] = lambda _done: None
    memory_mb: int = 0


@dataclass(frozen=True, slots=True)
class Child:
    """One item that a task found inside its item; `name` becomes the last part of its key."""

    name: str
    data: Mapping[str, Json] = field(default_factory=dict)
    files: Mapping[str, Path] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Result:
    """What a task made.

    Attributes:
        files: artifact name → file inside `work.scratch` (it is moved away from there).
        data: JSON that later stages may read.
        metrics: flat names of the metric vocabulary (`quality.lufs`) → number.
        notes: sentences worth telling: every fall-back says so here.
        children: with `fans_out`, the items found.
    """

    files: Mapping[str, Path] = field(default_factory=dict)
    data: Mapping[str, Json] = field(default_factory=dict)
    metrics: Mapping[str, float] = field(default_factory=dict)
    notes: Sequence[str] = ()
    children: Sequence[Child] = ()


@dataclass(frozen=True, slots=True)
class Step:
    """One step down a degrade ladder: the settings to change, and why that helps."""

    changes: Mapping[str, Any]
    reason: str


class Stage(ABC, Generic[ConfigT]):
    """One kind of work on one item. Subclasses live at `stages/<kind>/<operation>.py`, type `<kind>.<operation>`.

    Class attributes:
        config_class: frozen dataclass of settings (see `stages.settings.setting`).
        version: raise it when the same settings give another output; it is part of the cache key.
        consumes: artifact name → kind prefix that the stage reads (`{"speech": "audio/"}`).
        produces: artifact name → kind that it makes.
        reads: data fields that it needs; `may_read`: those it uses when present.
        writes: data fields that it sets.
        fans_out / gathers: makes child items / takes all children of one parent.
    """

    config_class: ClassVar[type[Any]]
    version: ClassVar[int] = 1
    consumes: ClassVar[Mapping[str, str]] = {}
    produces: ClassVar[Mapping[str, str]] = {}
    reads: ClassVar[Sequence[str]] = ()
    may_read: ClassVar[Sequence[str]] = ()
    writes: ClassVar[Sequence[str]] = ()
    fans_out: ClassVar[bool] = False
    gathers: ClassVar[bool] = False

    def __init__(self, config: ConfigT) -> None:
        self.config = config

    def open(self) -> None:
        """Load what is costly (a model, a voice). Called once per worker before the first task."""

    def close(self) -> None:
        """Let go of what `open` took."""

    @abstractmethod
    def run(self, work: Work) -> Result:
        """Do the work on one item.

        Raises:
            StageError: with its class and one sentence, for anything that is not a bug of ours.
        """

    def verify(self, work: Work, result: Result) -> None:
        """Refuse a result that is not whole; the default wants every product there and not empty."""
        for name in self.produces:
            file = result.files.get(name)
            if file is None or not file.is_file() or file.stat().st_size == 0:
                raise StageError(Failure.BUG, f"{work.item.key}: {type(self).__name__} left no {name!r} file")

    @classmethod
    def needs(cls, config: ConfigT) -> Needs:  # noqa: ARG003
        """What one task takes from the machine with these settings."""
        return Needs()

    @classmethod
    def task_needs(cls, config: ConfigT, data: Mapping[str, Json]) -> Needs:  # noqa: ARG003
        """What one task takes, when the data of its item tell more than the settings: of films the large take more.

        A stage that overrides it starts programs of differing size, and hands `Work.memory_mb` to each: `needs` is then
        what a worker itself takes. Cheap: called for every task. `rate` is that of `needs`.
        """
        return cls.needs(config)

    @classmethod
    def concurrency(cls, config: ConfigT) -> int:  # noqa: ARG003
        """Tasks that one worker process runs at once, in threads: 1 for computing, many for waiting (network)."""
        return 1

    @classmethod
    def foresee(cls, config: ConfigT, data: Mapping[str, Json]) -> Sequence[Child] | None:  # noqa: ARG003
        """With `fans_out`: the items it will find, as far as the data of the input item tell; None when they do not.

        Cheap, for planning: nothing depends on it being right.
        """
        return None

    @classmethod
    def pace(cls, config: ConfigT) -> tuple[int, float] | None:  # noqa: ARG003
        """How many tasks may begin in any so many seconds, where a service sets a rate; None for no rate."""
        return None

    @classmethod
    def ladder(cls, config: ConfigT, failure: Failure) -> Iterable[Step]:  # noqa: ARG003
        """Settings to fall back to after this class of failure, best first."""
        return ()

    @classmethod
    def tools(cls, config: ConfigT) -> Mapping[str, str]:  # noqa: ARG003
        """Names and versions of the tools and models that shape the output: part of the cache key."""
        return {}

    @classmethod
    def problems(cls, config: ConfigT, key: str) -> Iterable[Problem]:  # noqa: ARG003
        """What is wrong with these settings beyond ranges; `key` is their config prefix."""
        return ()

    @classmethod
    def item_problem(cls, config: ConfigT, data: Mapping[str, Json]) -> str | None:  # noqa: ARG003
        """Why an item can never succeed, seen from its data alone, or None. Cheap: called in planning."""
        return None
