"""What a search was asked for, looked at and ready: its words, its job, its space, its input, its folder."""

from __future__ import annotations

import dataclasses
import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from runner.config.tuned import watched
from runner.config.typed import typed_settings
from runner.execute.launch import Prepared, versions
from runner.tune.identity import Identity, content_of, digest_of
from runner.tune.known import Known
from runner.tune.memory import Memory
from runner.tune.now import Now, measured_now
from runner.tune.request import TuneRequest
from runner.tune.runs import TrialRunner
from runner.tune.space import Goal, SearchSpace
from runner.tune.study import Sample, samples, study_id
from stages.registry import source_class
from stages.source import Source


@dataclass(frozen=True)
class Quest:
    """One search before it begins.

    Attributes:
        request: its words.
        prepared: the job that every trial is a variation of.
        space: what is searched, with what the request changes of it.
        files: the input.
    """

    request: TuneRequest
    prepared: Prepared
    space: SearchSpace
    files: Sequence[Path]

    @property
    def pipeline(self) -> str:
        """Its name."""
        return self.prepared.plan.pipeline

    @cached_property
    def outputs(self) -> Path:
        """The outputs folder, which all searches share."""
        return Path(self.prepared.checked.root.outputs_dir).absolute()

    @cached_property
    def content(self) -> str:
        """Digest of the input."""
        return hashlib.sha256("".join(digest_of(file) for file in self.files).encode()).hexdigest()

    @cached_property
    def versions(self) -> dict[str, str]:
        """Of the tools that speed and quality hang on."""
        return watched(versions(self.prepared.plan))

    @cached_property
    def folder(self) -> Path:
        """Of the search: the same for the same words, input, machine and versions.

        What is to be measured anew has one of its own.
        """
        space, request = self.space, self.request
        parts = {"space": space.digest, "floor": space.floor, "quality": space.quality, "words": request.words,
                 "input": self.content, "machine": self.prepared.machine.fingerprint, "seed": request.seed,
                 "versions": self.versions}  # fmt: skip
        anew: dict[str, Any] = {} if request.known else {"known": "off"}
        now: dict[str, Any] = {"now": True} if request.as_good_as_now else {}
        return self.outputs / "tune" / study_id(self.pipeline, {**parts, **anew, **now})

    @cached_property
    def source(self) -> Source[Any]:
        """What reads the input."""
        kind = source_class(self.prepared.plan.source)
        settings = self.prepared.checked.root.pipeline.source.get("settings") or {}
        return kind(typed_settings(kind.config_class, settings))

    @property
    def total(self) -> int:
        """How many points will be tried."""
        whole = self.space.sampler == "grid" and not self.request.trials
        return min(self.space.size if whole else self.space.total, self.space.size)

    def samples(self) -> list[Sample]:
        """The input of each rung.

        Raises:
            StageError: when it cannot be read.
        """
        return samples(self.source, self.files, self.space, self.folder)

    def fitted(self, made: Sequence[Sample], now: Now | None = None) -> SearchSpace:
        """The space with no more rungs than the input has samples, and with the floor of now where that was asked for.

        Raises:
            StageError: BAD_INPUT, when nothing is known of now's quality.
        """
        given, rungs = self.space.samples, len(made)
        cut = dataclasses.replace(given, seconds=given.seconds[:rungs], items=given.items[:rungs])
        floor = now.floor(self.space.quality) if now and self.space.quality else self.space.floor
        return dataclasses.replace(self.space, samples=cut, floor=floor)

    def now(self, runner: TrialRunner, made: Sequence[Sample]) -> Now:
        """What the settings reach as they are, on the largest sample.

        Raises:
            StageError: BAD_INPUT, when they cannot be run.
        """
        return measured_now(self.folder, runner, made[-1].files, self.space.objective, self.request.timeout_s)

    def memory(self, made: Sequence[Sample]) -> Memory:
        """What need not be measured again."""
        content = [content_of(self.source, self.files, sample.amount) for sample in made]
        identity = Identity(content, self.prepared.machine, self.versions)
        known = Known(self.outputs) if self.request.known else None
        checked = self.prepared.checked
        after = checked.root.quality.after or "quality.after" not in checked.user_keys
        return Memory(self.space, identity, known, after)


def as_asked(space: SearchSpace, request: TuneRequest) -> SearchSpace:
    """The space with the floor, sampler, total and repeats that were asked for."""
    changes: dict[str, Any] = {}
    if request.floor:
        changes = {"quality": Goal(request.floor.metric, request.floor.goal), "floor": request.floor.bound}
    if request.sampler:
        changes["sampler"] = request.sampler
    if request.trials:
        changes["trials"] = request.trials
    if request.repeats:
        changes["repeats"] = dataclasses.replace(space.repeats, most=request.repeats)
    return dataclasses.replace(space, **changes)
