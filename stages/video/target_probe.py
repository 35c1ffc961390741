"""A probe: pieces of a film encoded at a quality number, by the very words of the final encode, and scored."""

from __future__ import annotations

import hashlib
import math
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from fractions import Fraction
from pathlib import Path

from stages.contract import Item, Json, Work
from stages.media.encoders.catalog import adapter
from stages.media.ffmpeg import ffmpeg_binary
from stages.media.frames import Track, track
from stages.media.geometry import Geometry, geometry
from stages.media.pooling import PSNR_CAP, pooled
from stages.media.score import Scores, Scoring, Window
from stages.quality.picture import scoring_of
from stages.video.encode import EncodePiece, EncodePieceSettings
from stages.video.piece import Piece
from stages.video.target_memory import ProbeMemory, footage_key

_FINISHED = "windows of the finished film"
_RESERVED = 2.5  # times the resident memory that an encode is planned with: the system counts what is reserved


@dataclass(frozen=True, slots=True)
class Prober:
    """What all probes of a film share.

    Attributes:
        work: the task, with the film; its scratch folder holds a segment at a time.
        reference: the film's pictures.
        parts: which part of the one shows which part of the other.
        option: FFmpeg's option that takes the quality number.
        threads: of the scoring.
        memory: what was probed before.
        digest: of the film's content.
    """

    work: Work
    reference: Track
    parts: Geometry
    option: str
    threads: int
    memory: ProbeMemory
    digest: str

    def scoring(self) -> tuple[Scoring, list[str]]:
        """How a result of the film's own size would be scored."""
        return scoring_of(self.reference, self.reference, replace(self.parts, video=None), self.threads)

    def of(self, pieces: Sequence[Piece]) -> Footage:
        """These pieces, as they can be probed."""
        return self._footage(pieces)

    def guessed(self, pieces: Sequence[Piece]) -> Footage:
        """The same, where the figures are those of some windows of the film that was made of them."""
        return self._footage(pieces, _FINISHED)

    def _footage(self, pieces: Sequence[Piece], *apart: str) -> Footage:
        key = footage_key(
            self.digest, [_asked(piece, self.option) for piece in pieces], ffmpeg_binary().identity,
            self.scoring()[0].model, _geometry(self.parts), *apart,
        )  # fmt: skip
        return Footage(self, tuple(pieces), key, self.memory.known(key))


def prober_of(work: Work, piece: Piece, compare: Mapping[str, Json], threads: int, probes: str) -> Prober:
    """What probes of a film share.

    Args:
        work: with the film.
        piece: any of its pictures.
        compare: how a result is compared with the film (see `quality.picture`).
        threads: of the scoring.
        probes: file of the memory; "" for none.
    """
    source = work.item.artifacts["film"]
    return Prober(
        work=work,
        reference=track(source.path),
        parts=geometry(dict(compare)),
        option=adapter(piece.encoder).quality_option,
        threads=threads,
        memory=ProbeMemory(Path(probes) if probes else None),
        digest=source.digest or _digest(source.path),
    )


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


@dataclass(slots=True)
class Footage:
    """Pieces that are probed together. `known`: quality number → figures."""

    prober: Prober
    pieces: tuple[Piece, ...]
    key: str
    known: dict[float, dict[str, float]]
    probes: int = field(default=0)

    def figures(self, quality: float) -> dict[str, float]:
        """The figures at a quality number, pooled over all frames; encoded and scored unless they are known.

        Raises:
            StageError: as the encode or the scoring failed.
        """
        if quality not in self.known:
            rows = [row for piece in self.pieces for row in self._rows(piece, quality)]
            self.keep(quality, pooled(rows))
            self.probes += 1
        return self.known[quality]

    def keep(self, quality: float, figures: dict[str, float]) -> None:
        """Remember the figures at a quality number."""
        self.known[quality] = figures
        self.prober.memory.put(self.key, quality, figures)

    def keep_true(self, quality: float, figures: dict[str, float], figure: str, tolerance: float) -> str:
        """Remember what a finished film has. Where a probe said otherwise, all that was probed is forgotten.

        Returns:
            a sentence when that was so, else "".
        """
        said = self.known.get(quality, {}).get(figure)
        wrong = said is not None and abs(said - figures[figure]) > tolerance
        if wrong:
            self.known.clear()
            self.prober.memory.forget(self.key)
        self.keep(quality, figures)
        return f"{self.prober.memory.path} had another score for {quality:g}: its probes are forgotten" if wrong else ""

    def scores(self, figure: str) -> dict[float, float]:
        """Number → score, of what is known."""
        return {quality: figures[figure] for quality, figures in self.known.items() if figure in figures}

    def _rows(self, piece: Piece, quality: float) -> list[dict[str, Json]]:
        asked, folder = at(piece, self.prober.option, quality), self.prober.work.scratch / "probe"
        folder.mkdir()
        try:
            return _scored(self.prober, asked, self._encoded(asked, folder), folder)
        finally:
            shutil.rmtree(folder, ignore_errors=True)

    def _encoded(self, piece: Piece, folder: Path) -> Path:
        work = self.prober.work
        item = Item(work.item.key, {"piece": piece.to_json()}, {"film": work.item.artifacts["film"]})
        made = EncodePiece(EncodePieceSettings()).run(Work(item, folder, memory_mb=program_mb(work, piece)))
        return made.files["segment"]


def program_mb(work: Work, piece: Piece) -> int:
    """What the encode of a piece is held to, MB; 0 for no limit.

    A large picture gets what its own task would have: a probe must not fail where that would do.
    """
    return max(work.memory_mb, round(_RESERVED * piece.ram_mb)) if work.memory_mb else 0


def at(piece: Piece, option: str, quality: float) -> Piece:
    """The piece at another quality number."""
    return replace(piece, options={**piece.options, option: f"{quality:g}"})


def _scored(prober: Prober, piece: Piece, segment: Path, folder: Path) -> list[dict[str, Json]]:
    """A row per frame. Film and probe are decoded from the same seek, so that their frames are the same ones."""
    scoring, _ = scoring_of(prober.reference, track(segment), prober.parts, prober.threads)
    seek = Fraction(piece.seek) if piece.seek else None
    window = Window(piece.first, piece.first + piece.expected, seek_reference=seek)
    scoring = replace(scoring, memory_mb=prober.work.memory_mb)
    return rows_of(scoring.run(window, folder / "scores", lambda _done: None))


def rows_of(scores: Scores) -> list[dict[str, Json]]:
    """A row per frame, as `pooled` takes them."""
    count = len(scores.psnr)
    return [
        {
            "vmaf": scores.vmaf[place] if scores.vmaf else None,
            "ssim": scores.ssim[place] if scores.ssim else None,
            "psnr": min(PSNR_CAP, scores.psnr[place]),
            "identical": math.isinf(scores.psnr[place]),
        }
        for place in range(count)
    ]


def _asked(piece: Piece, option: str) -> Mapping[str, Json]:
    """All of a piece that shapes its pictures, but the quality number."""
    said = piece.to_json()
    options = {name: value for name, value in said["options"].items() if name != option}
    words = ("stream", "first", "count", "expected", "seek", "filters", "upright", "encoder")
    return {**{word: said[word] for word in words}, "options": options}


def _geometry(parts: Geometry) -> list[Json]:
    return [[box.x, box.y, box.width, box.height] if box else None for box in (parts.reference, parts.video)]
