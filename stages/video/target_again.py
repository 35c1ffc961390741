"""A finished film against its target: scored, and if it is off, encoded once more with a corrected number."""

from __future__ import annotations

import shutil
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from pathlib import Path

from stages.contract import Artifact, Failure, Item, Result, StageError, Work
from stages.media.encoders.catalog import adapter
from stages.quality.target import Aim
from stages.video.carried import Carried
from stages.video.encode import EncodePiece, EncodePieceSettings
from stages.video.join import joined
from stages.video.piece import PICTURES, Piece
from stages.video.target import needs_of_probing, numbers_of
from stages.video.target_probe import Prober, at, prober_of, program_mb
from stages.video.target_score import Clock, Score, score_film
from stages.video.target_search import Numbers, corrected
from stages.video.target_sought import Sought

# A correction that ends so leaves the first film, which is whole: it is kept, and a note says why.
_KEEPS_FIRST = (Failure.TIMEOUT, Failure.ENCODER, Failure.HOST_OOM, Failure.GPU_OOM)
_WORTH = 0.2  # of the tolerance: what a correction has to promise


@dataclass(slots=True)
class Finisher:
    """What becomes of one finished film.

    Attributes:
        work: the task; its parts are the pieces that the film was joined from.
        aim: the wanted score.
        sought: what the survey found.
        threads: of scoring and encoding.
        probes: file of the memory; "" for none.
        clock: when all has to be done.
        decode: whether a finished file is decoded to verify it.
    """

    work: Work
    aim: Aim
    sought: Sought
    threads: int
    probes: str
    clock: Clock
    decode: bool = False
    _pieces: tuple[Piece, ...] = field(init=False)
    _prober: Prober = field(init=False)
    _notes: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        carried = Carried.from_json(self.work.parts[0].data["carried"])
        pictures = [piece for piece in map(_piece, self.work.parts) if piece.kind == PICTURES]
        self._pieces = tuple(piece for piece in pictures if piece.stream == pictures[0].stream)
        self._prober = prober_of(self.work, self._pieces[0], carried.compare, self.threads, self.probes)

    @property
    def _film(self) -> str:
        return self.work.item.artifacts["film"].path.name

    def run(self, first: Result) -> Result:
        """The film that is kept, with what was measured and done.

        Raises:
            StageError: as scoring or the second encode failed for want of disk, or by a fault of ours.
        """
        untouched = {"target.quality": self.sought.quality, "target.corrected": 0.0}
        if self.sought.settled:
            return _told(first, untouched)
        began = time.monotonic()
        try:
            score = self._scored(first, self.sought.quality)
        except StageError as error:
            if error.failure not in (*_KEEPS_FIRST, Failure.BAD_INPUT):
                raise
            note = f"{self._film}: what the finished film scores is not known, it is kept as it is: {error.sentence}"
            return _told(first, untouched, [note])
        took_s = time.monotonic() - began
        if self.aim.off(score.value) <= self.aim.tolerance:
            return self._kept(first, score, score)
        number, hoped = self._better(score)
        said = f"the finished film has {score.told(self.aim)} at encoder.quality={self.sought.quality:g}, "
        said += self.aim.told_off(score.value)
        if self.aim.off(hoped) > self.aim.off(score.value) - _WORTH * self.aim.tolerance:
            return self._kept(first, score, score, f"{said}; no other number of the encoder promises to be nearer")
        return self._again(first, score, number, said, took_s)

    def _scored(self, made: Result, number: float) -> Score:
        """The score of a film, remembered for the next time that somebody wants one of the same pieces."""
        score = score_film(self._prober, self.aim, made.files["video"], self.clock)
        footage = self._prober.guessed(self._pieces) if score.within else self._prober.of(self._pieces)
        said = footage.keep_true(number, dict(score.figures), self.aim.figure, self.aim.tolerance + score.within)
        self._notes += [f"{self._film}: {said}"] if said else []
        return score

    def _better(self, score: Score) -> tuple[float, float]:
        """The corrected number, and what it should give."""
        curve, number = self.sought.curve, self.sought.quality
        if self.sought.whole and number not in curve:  # found between two probes: it is a point of the very curve
            curve = {**curve, number: score.value}
        return corrected(self.aim, self._numbers(), curve, number, score.value)

    def _numbers(self) -> Numbers:
        return numbers_of(adapter(self._pieces[0].encoder))

    def _again(self, first: Result, score: Score, number: float, said: str, took_s: float) -> Result:
        """Encode once more; whichever film is nearer to the target is kept."""
        try:
            second = self._made(number, took_s)
            other = self._scored(second, number)
        except StageError as error:
            if error.failure not in _KEEPS_FIRST:
                raise
            note = f"{said}; it is kept, since encoding it once more at {number:g} failed: {error.sentence}"
            return self._kept(first, score, score, note)
        said += f"; encoded once more at {number:g}: {other.told(self.aim)}"
        if self.aim.off(other.value) < self.aim.off(score.value):
            return self._kept(second, score, other, said, number)
        return self._kept(first, score, score, f"{said}, which is no nearer: the first is kept")

    def _made(self, number: float, after_s: float) -> Result:
        """The film at another number, in a folder of its own. `after_s`: what its scoring will take.

        Raises:
            StageError: as a piece failed; TIMEOUT when there is no time for it.
        """
        folder = self.work.scratch / "again"
        folder.mkdir()
        parts = self._encoded(number, folder, after_s)
        made = joined(replace(self.work, scratch=folder, parts=parts), decode=self.decode)
        shutil.rmtree(folder / "pieces")
        return made

    def _encoded(self, number: float, folder: Path, after_s: float) -> list[Item]:
        """The pieces at another number, as many at once as there are threads and memory for."""
        chosen = [self._corrected(_piece(part), number) for part in self.work.parts]
        at_once = max(1, min(self.threads // self._pieces[0].threads, self._memory_mb() // self._pieces[0].ram_mb))
        if self._pieces[0].sessions:
            at_once = 1

        def encode(place: int) -> Item:
            part, piece = self.work.parts[place], chosen[place]
            return part if piece is None else self._encode(part, piece, folder / "pieces" / f"{place:05d}", after_s)

        with ThreadPoolExecutor(at_once) as pool:
            return list(pool.map(encode, range(len(chosen))))

    def _memory_mb(self) -> int:
        """What the task is planned with, as `FinishFilm.needs` says."""
        return needs_of_probing(self.threads).ram_mb

    def _corrected(self, piece: Piece, number: float) -> Piece | None:
        """The piece at another number; None for what stays: sound, and pictures by another encoder."""
        if piece.kind != PICTURES or piece.encoder != self._pieces[0].encoder:
            return None
        return at(piece, self._prober.option, number)

    def _encode(self, part: Item, piece: Piece, folder: Path, after_s: float) -> Item:
        folder.mkdir(parents=True)
        item = Item(part.key, {"piece": piece.to_json()}, {"film": self.work.item.artifacts["film"]})
        work = Work(item, folder, memory_mb=program_mb(self.work, piece))
        made = EncodePiece(EncodePieceSettings(timeout_s=self.clock.timeout_s(after_s))).run(work)
        segment = Artifact(made.files["segment"], part.artifacts["segment"].kind)
        return Item(part.key, {**part.data, "piece": piece.to_json()}, {**part.artifacts, "segment": segment})

    def _kept(self, made: Result, first: Score, last: Score, said: str = "", number: float | None = None) -> Result:
        """What is handed on, of the film that is kept. `number`: the corrected one."""
        metrics = {
            "target.quality": self.sought.quality if number is None else number,
            "target.first": first.value, "target.achieved": last.value, "target.corrected": float(number is not None),
        }  # fmt: skip
        notes = [f"{self._film}: {said}"] if said else []
        return _told(made, metrics, [*self._notes, *notes, *self._prober.memory.notes])


def _piece(part: Item) -> Piece:
    return Piece.from_json(part.data["piece"])


def _told(made: Result, metrics: dict[str, float], notes: Sequence[str] = ()) -> Result:
    return replace(made, metrics={**made.metrics, **metrics}, notes=[*made.notes, *notes])
