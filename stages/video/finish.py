"""Finishes a film: joins its pieces, and where a quality is asked for, sees to it that the whole film has it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import ClassVar

from stages.contract import EFFECTIVE, Json, Needs, Result, Stage, Work
from stages.media.ffmpeg import ffmpeg_binary
from stages.quality.target import TargetSettings, aim_of, target_problems
from stages.settings import Problem, setting
from stages.video.join import JoinFilm, JoinFilmSettings, joined
from stages.video.target import needs_of_probing, threads_of
from stages.video.target_again import Finisher
from stages.video.target_score import Clock
from stages.video.target_sought import Sought


@dataclass(frozen=True)
class FinishFilmSettings(JoinFilmSettings, TargetSettings):
    """How the finished file is verified, and what it should score."""

    probes: str = setting("", "file that remembers probes of quality targets", affects_output=False)
    cores: int = setting(
        0, "physical cores; 0: as planned", low=0, high=1024, affects_output=False, machine="cores_physical"
    )
    timeout_s: float = setting(
        0.0, "time within which a film is scored and corrected; 0: no limit", low=0, unit="s", affects_output=False
    )


class FinishFilm(Stage[FinishFilmSettings]):
    """The film as `video.join` makes it. Without a target that is all, and costs nothing more.

    With one the finished film is scored. Is it off by more than the tolerance, its pictures are encoded once more with
    the number corrected along the curve of the probes, and the better of the two films is the one that is kept.
    """

    config_class = FinishFilmSettings
    consumes = JoinFilm.consumes
    produces = JoinFilm.produces
    reads = JoinFilm.reads
    may_read: ClassVar[tuple[str, ...]] = ("sought",)
    writes = JoinFilm.writes
    gathers = True

    def run(self, work: Work) -> Result:
        """Finish one film.

        Raises:
            StageError: as `video.join`; as the scoring failed.
        """
        clock, decode = Clock.of(self.config.timeout_s), self.config.verify == "decode"
        first = joined(work, decode=decode)
        aim, said = aim_of(self.config), work.parts[0].data.get("sought")
        if aim is None or not said:
            return first
        sought = Sought.from_json(said)
        finisher = Finisher(work, aim, sought, threads_of(self.config.cores), self.config.probes, clock, decode)
        last = finisher.run(first)
        return replace(last, data={**last.data, EFFECTIVE: {"encoder.quality": last.metrics["target.quality"]}})

    @classmethod
    def needs(cls, config: FinishFilmSettings) -> Needs:
        """Copies packets; with a target it scores and may encode, as the survey's probes do."""
        if aim_of(config) is None:
            return JoinFilm.needs(config)
        return needs_of_probing(threads_of(config.cores))

    @classmethod
    def task_needs(cls, config: FinishFilmSettings, data: Mapping[str, Json]) -> Needs:  # noqa: ARG003
        """The same for every film: it is the programs that take it."""
        return cls.needs(config)

    @classmethod
    def tools(cls, config: FinishFilmSettings) -> Mapping[str, str]:
        """Of the joiner; with a target also the FFmpeg that scores and encodes."""
        found = dict(JoinFilm.tools(config))
        return found | {"ffmpeg": ffmpeg_binary().identity} if aim_of(config) else found

    @classmethod
    def problems(cls, config: FinishFilmSettings, key: str) -> Iterable[Problem]:
        """Two targets at once."""
        return target_problems(config, key)
