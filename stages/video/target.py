"""A film's encoder gets the quality number that gives the wanted score: by probes, verified, corrected once.

What is probed: `target_windows`. How: `target_probe`. Which number next: `target_search`.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from stages.contract import Work
from stages.media.encoders.adapter import Adapter
from stages.media.encoders.catalog import adapter
from stages.media.film import Film
from stages.media.frames import track
from stages.media.geometry import geometry
from stages.platform.limits import usable_cpus
from stages.quality.target import Aim, aim_of
from stages.video.settings import SurveyFilmSettings
from stages.video.sketch import Sketch
from stages.video.target_memory import ProbeMemory
from stages.video.target_probe import Footage, Prober, at
from stages.video.target_search import MOST_PROBES, Found, Numbers, estimate, expected, search
from stages.video.target_windows import Samples, samples

MOST_THREADS = 8  # that probing is planned with: one film after another would keep a larger machine no busier
_LEAST = 1.0  # 0 is another way of coding to x264 (lossless, which few players show), "not set" to others
# By the kind of video: the number at which footage has the typical score of an `Aim`, and `Numbers.steepness`.
_FAMILIES = {"h264": (24.5, 1.0), "hevc": (26.0, 1.0), "av1": (40.0, 0.4)}


@dataclass(frozen=True, slots=True)
class Aimed:
    """The sketches, at the quality number that was found; metrics; sentences."""

    sketches: list[Sketch]
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
    prober = _prober(film, main, asked, work)
    why = _unsought(aim, main, prober, salvage=asked.salvage)
    if why:
        used = f"encoder.quality={main.effective['encoder.quality']} was used"
        return Aimed(sketches, notes=(f"{film.path.name}: {aim.key} was not looked for: {why}; {used}",))
    chosen = samples(main.pieces, main.times)
    sought = _Seeking(aim, numbers_of(adapter(main.encoder)), prober, chosen).run()
    told = [*sought.notes, *prober.memory.notes]
    metrics = {
        "target.probes": float(sought.probes), "target.quality": sought.quality, "target.expected": sought.expected,
    }  # fmt: skip
    same = [_at(drawn, prober.option, sought.quality) if drawn.encoder == main.encoder else drawn for drawn in sketches]
    return Aimed(same, metrics, tuple(f"{film.path.name}: {note}" for note in told))


def numbers_of(encoder: Adapter) -> Numbers:
    """The quality numbers of an encoder."""
    return Numbers(
        max(_LEAST, encoder.quality_low), encoder.quality_high, encoder.quality_step, *_FAMILIES[encoder.family]
    )


def _prober(film: Film, main: Sketch, asked: SurveyFilmSettings, work: Work) -> Prober:
    source = work.item.artifacts["film"]
    return Prober(
        work=work,
        reference=track(film.path),
        parts=geometry(dict(main.compare)),
        option=adapter(main.encoder).quality_option,
        threads=min(MOST_THREADS, len(usable_cpus())),
        memory=ProbeMemory(Path(asked.probes) if asked.probes else None),
        digest=source.digest or _digest(source.path),
    )


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


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
    pieces = tuple(at(piece, option, quality) for piece in drawn.pieces)
    return replace(drawn, pieces=pieces, effective={**drawn.effective, "encoder.quality": quality})


# --- seeking ---------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Sought:
    quality: float
    expected: float
    probes: int
    notes: tuple[str, ...]


@dataclass(slots=True)
class _Seeking:
    """One search, and its check on footage that was held out."""

    aim: Aim
    numbers: Numbers
    prober: Prober
    chosen: Samples
    _done: int = 0

    def run(self) -> _Sought:
        """Search, check, correct."""
        probed = self.prober.of(self.chosen.probed)
        most = MOST_PROBES - bool(self.chosen.held_out)
        found = search(
            self.aim, self.numbers, lambda number: self._score(probed, number), probed.scores(self.aim.figure), most
        )
        notes = [self._told(found), *self._uneven(found)]
        if not self.chosen.held_out or found.verdict:
            return _Sought(found.quality, found.expected, probed.probes, tuple(notes))
        held_out = self.prober.of(self.chosen.held_out)
        quality, score, said = self._checked(found, self._score(held_out, found.quality))
        return _Sought(quality, score, probed.probes + held_out.probes, (*notes, *said))

    def _score(self, footage: Footage, number: float) -> float:
        score = footage.figures(number)[self.aim.figure]
        self._done += 1
        self.prober.work.progress(self._done / MOST_PROBES)
        return score

    def _checked(self, found: Found, score: float) -> tuple[float, float, list[str]]:
        """The number, its expected score, and what is worth telling, after the check on other windows.

        Both samples are as good: the film is taken to have the mean of their scores.
        """
        mean = (found.expected + score) / 2
        if abs(score - self.aim.target) <= self.aim.tolerance:
            return found.quality, mean, []
        aim, apart = self.aim, mean - found.expected
        better = self.numbers.snapped(estimate(aim, self.numbers, found.points, aim.target - apart))
        said = f"other windows have {aim.told(score)} at {found.quality:g}: corrected to {better:g}"
        return better, expected(aim, self.numbers, found.points, better) + apart, [said]

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
