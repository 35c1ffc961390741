"""`process_streaming`: upscaling as a call of a library, without the runner, and resumable all the same."""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

from stages.contract import Artifact, Child, Failure, Item, Result, StageError, Work
from stages.media.containers import CONTAINERS
from stages.media.encoders.carry import own_config
from stages.platform.files import move_durably
from stages.upscale.segment import UpscaleSegment
from stages.upscale.settings import SurveyUpscaleSettings, UpscalerSettings, UpscaleSegmentSettings
from stages.upscale.survey import SurveyUpscale
from stages.video.films import KIND
from stages.video.join import JoinFilm, JoinFilmSettings

_SEGMENT = "video/segment"


@dataclass(frozen=True, slots=True)
class Streamed:
    """What was made.

    Attributes:
        path: the finished film.
        segments: how many it was made of.
        resumed: how many of them an earlier call had made.
        notes: sentences: fall-backs, what was left out, what was assumed.
    """

    path: Path
    segments: int
    resumed: int
    notes: tuple[str, ...]


def process_streaming(
    input_path: str | Path,
    output_path: str | Path,
    *,
    encoder: str = "auto",
    encoder_settings: Mapping[str, Any] | None = None,
    progress: Callable[[float], None] = lambda _done: None,
    work_dir: str | Path | None = None,
    **upscaler: Any,
) -> Streamed:
    """Make a film larger. Frames are in memory alone; what is on disk are finished segments, and then the film.

    A call that was broken off goes on where it was when it is made again with the same words: its segments lie in
    `work_dir`, which is removed when the film is finished.

    Args:
        input_path: the film.
        output_path: what to write; the suffix (.mp4, .mov, .mkv, .webm) says in which container.
        encoder: option of the group `encoder`.
        encoder_settings: settings of it that differ from its own (`{"quality": 18}`).
        progress: called with 0..1.
        work_dir: for segments; default: a hidden folder beside the output.
        upscaler: settings of the group `upscaler` (`name="realesrgan"`, `weights=…`, `scale=4`, `device="cpu"`).

    Raises:
        StageError: with its class and one sentence.
    """
    source, target = Path(input_path), Path(output_path)
    container = _container(source, target)
    home = Path(work_dir) if work_dir else target.with_name(f".{target.name}.reeltune")
    chosen = asdict(own_config(encoder)) | dict(encoder_settings or {})
    asked = UpscalerSettings(**upscaler)
    film = {"film": Artifact(source, KIND, digest=_sha256(source))}
    survey = _survey(SurveyUpscaleSettings(upscaler=asdict(asked), encoder=chosen, container=container))
    looked = survey.run(Work(Item(source.stem, artifacts=film), _empty(home / "survey")))
    parts, resumed, notes = _parts(looked, film, asked, home, progress)
    joiner = JoinFilm(JoinFilmSettings())
    work = Work(Item(source.stem, artifacts=film), _empty(home / "join"), parts)
    result = joiner.run(work)
    joiner.verify(work, result)
    move_durably(result.files["video"], target)
    shutil.rmtree(home)
    return Streamed(target, len(parts), resumed, (*looked.notes, *notes, *result.notes))


def _container(source: Path, target: Path) -> str:
    """What the suffix of the target says, when all is well with both paths."""
    container = target.suffix.lstrip(".").lower()
    if container not in CONTAINERS:
        words = ", ".join(f".{name}" for name in CONTAINERS)
        raise StageError(Failure.BAD_INPUT, f"{target.name}: is no container that is written; name it {words}")
    if not source.is_file():
        raise StageError(Failure.BAD_INPUT, f"{source}: there is no such file; name a film")
    if target.exists() and target.samefile(source):
        raise StageError(Failure.BAD_INPUT, f"{target}: is the film itself; name another file to write")
    return container


def _survey(config: SurveyUpscaleSettings) -> SurveyUpscale:
    problem = next(iter(SurveyUpscale.problems(config, "")), None)
    if problem is not None:
        raise StageError(Failure.BAD_INPUT, problem.sentence())
    return SurveyUpscale(config)


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _parts(
    looked: Result, film: Mapping[str, Artifact], asked: UpscalerSettings, home: Path, progress: Callable[[float], None]
) -> tuple[list[Item], int, list[str]]:
    """Segments, those of an earlier call as they are."""
    names = {field.name for field in fields(UpscalerSettings)}
    stage = UpscaleSegment(UpscaleSegmentSettings(**{name: getattr(asked, name) for name in names}))
    parts: list[Item] = []
    resumed, notes = 0, []
    try:
        for number, child in enumerate(looked.children):
            key = _key(child, film["film"].digest)
            kept = _kept(home / "segments", key)
            if kept is not None:
                resumed += 1
            else:
                share = _Share(progress, number, len(looked.children))
                kept, said = _made(stage, child, film, home, key, share)
                notes += said
            parts.append(Item(child.name, child.data, {"segment": Artifact(kept, _SEGMENT)}))
    finally:
        stage.close()
    progress(1.0)
    return parts, resumed, notes


@dataclass(frozen=True, slots=True)
class _Share:
    """Progress of one of many parts, told as progress of the whole; joining is the last hundredth."""

    tell: Callable[[float], None]
    number: int
    count: int

    def __call__(self, done: float) -> None:
        self.tell(0.99 * (self.number + done) / self.count)


def _made(
    stage: UpscaleSegment, child: Child, film: Mapping[str, Artifact], home: Path, key: str,
    progress: Callable[[float], None],
) -> tuple[Path, list[str]]:  # fmt: skip
    work = Work(Item(child.name, child.data, film), _empty(home / "work"), progress=progress)
    result = stage.run(work)
    stage.verify(work, result)
    made = result.files["segment"]
    kept = home / "segments" / f"{key}-{_sha256(made)}{made.suffix}"
    move_durably(made, kept)
    return kept, list(result.notes)


def _kept(folder: Path, key: str) -> Path | None:
    """The segment of an earlier call; its name says what it is made of, and what its bytes were."""
    for path in folder.glob(f"{key}-*"):
        if path.stem.partition("-")[2] == _sha256(path):
            return path
        path.unlink()
    return None


def _key(child: Child, film: str) -> str:
    """What a segment is made of, so that other words or another film never take it for theirs."""
    said = json.dumps({"film": film, **{name: child.data[name] for name in ("piece", "order")}}, sort_keys=True)
    return hashlib.sha256(said.encode()).hexdigest()[:32]


def _empty(folder: Path) -> Path:
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    return folder
