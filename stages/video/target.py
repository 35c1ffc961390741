"""A film's encoder gets the quality number that should give the wanted score: by probes, and a check of them.

What is probed: `target_windows`. How: `target_probe`. Which number next: `target_search`. What the finished film has,
and what becomes of it when that is not what was wanted: `target_score`, `finish`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from stages.contract import Needs, Work
from stages.media.encoders.adapter import Adapter
from stages.media.encoders.catalog import adapter
from stages.media.film import Film
from stages.platform.limits import usable_cpus
from stages.quality.target import Aim, aim_of
from stages.video.piece import Piece
from stages.video.settings import SurveyFilmSettings
from stages.video.sketch import Sketch
from stages.video.target_probe import Footage, Prober, at, prober_of
from stages.video.target_search import MOST_PROBES, Found, Numbers, corrected, search
from stages.video.target_sought import Sought
from stages.video.target_windows import Samples, samples

MOST_THREADS = 8  # that probing is planned with: one film after another would keep a larger machine no busier
_LEAST = 1.0  # 0 is another way of coding to x264 (lossless, which few players show), "not set" to others
# By the kind of video: the number at which footage has the typical score of an `Aim`, and `Numbers.steepness`.
_FAMILIES = {"h264": (24.5, 1.0), "hevc": (26.0, 1.0), "av1": (40.0, 0.4)}


@dataclass(frozen=True, slots=True)
class Aimed:
    """The sketches, at the quality number that was found, and how it was; metrics; sentences."""

    sketches: list[Sketch]
    sought: Sought | None = None
    metrics: Mapping[str, float] = field(default_factory=dict)
    notes: tuple[str, ...] = ()


def aimed(film: Film, sketches: list[Sketch], asked: SurveyFilmSettings, work: Work) -> Aimed:
    """Find the quality number for the main pictures; further streams of the same encoder get it too.

    Raises:
        StageError: as a probe's encode or scoring failed; the film's own encode would have failed so too.
    """
    aim, main = aim_of(asked), sketches[0]
    if aim is None:
        return Aimed(sketches)
    prober = prober_of(work, main.pieces[0], main.compare, threads_of(asked.cores), asked.probes)
    why = _unsought(aim, main, prober, salvage=asked.salvage)
    if why:
        used = f"encoder.quality={main.effective['encoder.quality']} was used"
        return Aimed(sketches, notes=(f"{film.path.name}: {aim.key} was not looked for: {why}; {used}",))
    chosen = samples(main.pieces, main.times)
    known = finished_scores(aim, prober, main.pieces) if chosen.held_out else {}
    found = _Seeking(aim, numbers_of(adapter(main.encoder)), prober, chosen, known).run()
    told = [*found.notes, *prober.memory.notes]
    metrics = {"target.probes": float(found.probes), "target.expected": found.expected}
    number = found.sought.quality
    same = [_at(drawn, prober.option, number) if drawn.encoder == main.encoder else drawn for drawn in sketches]
    return Aimed(same, found.sought, metrics, tuple(f"{film.path.name}: {note}" for note in told))


def threads_of(cores: int) -> int:
    """What probing and scoring is planned with; `cores` of the machine, 0 for all."""
    return min(MOST_THREADS, cores or len(usable_cpus()))


def needs_of_probing(threads: int) -> Needs:
    """What encoding and scoring beside each other, with so many threads, is planned with."""
    return Needs(cpu_threads=float(threads), ram_mb=900 + 450 * threads)


def finished_scores(aim: Aim, prober: Prober, pieces: Sequence[Piece]) -> dict[float, float]:
    """Number → score, of films that were finished of these very pieces before."""
    return {**prober.guessed(pieces).scores(aim.figure), **prober.of(pieces).scores(aim.figure)}


def numbers_of(encoder: Adapter) -> Numbers:
    """The quality numbers of an encoder."""
    return Numbers(
        max(_LEAST, encoder.quality_low), encoder.quality_high, encoder.quality_step, *_FAMILIES[encoder.family]
    )


def _unsought(aim: Aim, main: Sketch, prober: Prober, *, salvage: bool) -> str:
    """Why no probe could tell anything; "" when they can."""
    if prober.parts.reason:
        return prober.parts.reason
    if salvage:
        return "which frames a damaged film has is known only when it was decoded"
    if prober.option not in main.pieces[0].options:
        return "it is coded by bitrate"
    scoring, notes = prober.scoring()
    if aim.figure.removeprefix("quality.").partition("_")[0] not in scoring.wanted:
        return notes[0] if notes else f"{aim.called} cannot be measured at this size"
    return ""


def _at(drawn: Sketch, option: str, quality: float) -> Sketch:
    """The number that was really used is told when the film is finished: it may be corrected then."""
    used = {key: value for key, value in drawn.effective.items() if key != "encoder.quality"}
    return replace(drawn, pieces=tuple(at(piece, option, quality) for piece in drawn.pieces), effective=used)


# --- seeking ---------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Answer:
    sought: Sought
    expected: float
    probes: int
    notes: tuple[str, ...]


@dataclass(slots=True)
class _Seeking:
    """One search, and its check on footage that was held out.

    `known`: number → score of earlier finished films, where only windows are probed.
    """

    aim: Aim
    numbers: Numbers
    prober: Prober
    chosen: Samples
    known: Mapping[float, float]
    _done: int = 0

    def run(self) -> _Answer:
        """What a finished film had, if that was right; else search, check, correct."""
        if self.known and self.aim.off(self.known[self._nearest()]) <= self.aim.tolerance:
            return self._remembered(self._nearest())
        probed = self.prober.of(self.chosen.probed)
        most = MOST_PROBES - bool(self.chosen.held_out)
        found = search(
            self.aim, self.numbers, lambda number: self._score(probed, number), probed.scores(self.aim.figure), most
        )
        notes = [self._told(found), *self._uneven(found)]
        quality, score, said, more = self._checked(found)
        whole = not self.chosen.held_out
        sought = Sought(quality, found.points, whole, found.settled)
        return _Answer(sought, score, probed.probes + more, (*notes, *said))

    def _nearest(self) -> float:
        return min(self.known, key=lambda number: self.aim.off(self.known[number]))

    def _remembered(self, number: float) -> _Answer:
        score = self.known[number]
        note = (
            f"encoder.quality={number:g} is used for {self.aim.key}: with it a finished film had {self.aim.told(score)}"
        )
        return _Answer(Sought(number, self.known, whole=True), score, 0, (note,))

    def _checked(self, found: Found) -> tuple[float, float, list[str], int]:
        """The number, its expected score, what is worth telling, and how many probes that took."""
        if not self.chosen.held_out or found.settled:
            return found.quality, found.expected, [], 0
        if self.known:
            return *self._as_finished(found), 0
        held_out = self.prober.of(self.chosen.held_out)
        return *self._as_held_out(found, self._score(held_out, found.quality)), held_out.probes

    def _as_finished(self, found: Found) -> tuple[float, float, list[str]]:
        """After an earlier film, whose score was not right, but known."""
        number = self._nearest()
        score = self.known[number]
        better, hoped = corrected(self.aim, self.numbers, found.points, number, score)
        said = f"a finished film had {self.aim.told(score)} at {number:g}: corrected to {better:g}"
        return better, hoped, [said]

    def _as_held_out(self, found: Found, score: float) -> tuple[float, float, list[str]]:
        """After other windows. Both samples are as good: the film is taken to have the mean of their scores."""
        aim, mean = self.aim, (found.expected + score) / 2
        if found.verdict or aim.off(score) <= aim.tolerance:
            return found.quality, mean, []
        better, hoped = corrected(aim, self.numbers, found.points, found.quality, mean)
        said = f"other windows have {aim.told(score)} at {found.quality:g}: corrected to {better:g}"
        return better, hoped, [said]

    def _score(self, footage: Footage, number: float) -> float:
        score = footage.figures(number)[self.aim.figure]
        self._done += 1
        self.prober.work.progress(self._done / MOST_PROBES)
        return score

    def _told(self, found: Found) -> str:
        aim, of = self.aim, f"probes of {self.chosen.called}: {found.probes}"
        if found.verdict:
            return f"{aim.key} {found.verdict}; encoder.quality={found.quality:g} is used, {aim.told(found.expected)}"
        return f"encoder.quality={found.quality:g} is used for {aim.key}: {aim.told(found.expected)}, {of}"

    def _uneven(self, found: Found) -> Sequence[str]:
        if not found.uneven:
            return ()
        curve = ", ".join(
            f"{found.points[number]:.{self.aim.places}f} at {number:g}" for number in sorted(found.points)
        )
        return (f"{self.aim.called} does not fall evenly with encoder.quality here ({curve}): the nearest was taken",)
