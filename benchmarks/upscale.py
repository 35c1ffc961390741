"""upscale three ways in one run: by way of files (PNG, fp32), the model alone, and the stream end to end.

`python -m benchmarks upscale`. Each turn is a process of its own, the three ways take turns. Seconds are those of the
work on the frames: what loads libraries and the model is done before the clock starts, as a long film pays it once.
With `REELTUNE_MODELS` naming a folder that holds `realesr-animevideov3.pth`, that network (×4) is measured too.
"""

from __future__ import annotations

import json
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from benchmarks.measure import CORES, HOME, table

WAYS = {"files": "frames on disk, PNG, fp32", "model": "model alone", "stream": "ours, end to end"}
TIMES = 3
FRAMES = 60
SIZE = (320, 180)
_ENCODER = {"name": "x264", "codec": "libx264", "preset": "veryfast", "quality": 21}


def main() -> None:
    """Print a table and the ratios, for each model."""
    for title, words in _models():
        with tempfile.TemporaryDirectory() as folder:
            film = _film(Path(folder))
            turns = [{way: _turn(way, words, film) for way in WAYS} for _ in range(TIMES)]
        _told(title, turns)


def _models() -> list[tuple[str, dict[str, Any]]]:
    found: list[tuple[str, dict[str, Any]]] = [("embedded ×2", {"name": "embedded", "scale": 2})]
    weights = Path(os.environ.get("REELTUNE_MODELS", "")) / "realesr-animevideov3.pth"
    if os.environ.get("REELTUNE_MODELS") and weights.is_file():
        found.append(("realesr-animevideov3 ×4", {"name": "realesrgan", "scale": 4, "weights": str(weights)}))
    return found


def _film(folder: Path) -> Path:
    """A moving picture with grain, as footage has."""
    from stages.media.ffmpeg import ffmpeg_binary

    film = folder / "film.mp4"
    picture = f"mandelbrot=s={SIZE[0]}x{SIZE[1]}:r=25:start_scale=2:end_scale=0.1,noise=alls=6:allf=t"
    words = ["-v", "error", "-f", "lavfi", "-i", picture, "-frames:v", str(FRAMES), "-c:v", "libx264", "-crf", "18",
             "-pix_fmt", "yuv420p", str(film)]  # fmt: skip
    subprocess.run([str(ffmpeg_binary().path), *words], check=True, stdin=subprocess.DEVNULL)
    return film


def _turn(way: str, words: Mapping[str, Any], film: Path) -> dict[str, float]:
    """One way, once, in a process of its own."""
    asked = json.dumps({"way": way, "words": words, "film": str(film)})
    env = {**os.environ, "PYTHONPATH": str(HOME)}
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.upscale", asked], env=env, check=True, stdout=subprocess.PIPE
    )
    found: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return found


# --- in the process ------------------------------------------------------------------------------


def measured(way: str, words: Mapping[str, Any], film: Path) -> dict[str, float]:
    """Seconds, CPU seconds, peak memory beside what was taken before, and bytes of frames on disk."""
    from stages.contract import Artifact, Item, Work
    from stages.upscale.settings import SurveyUpscaleSettings, UpscalerSettings, UpscaleSegmentSettings
    from stages.upscale.survey import SurveyUpscale

    mode = "frames_on_disk" if way == "files" else "stream"
    asked = asdict(UpscalerSettings(**words, mode=mode, disk_factor=0, segment_s=600))
    given = {"film": Artifact(film, "video/film")}
    with tempfile.TemporaryDirectory() as folder:
        scratch = Path(folder)
        survey = SurveyUpscale(SurveyUpscaleSettings(upscaler=asked, encoder=_ENCODER))
        child = survey.run(Work(Item("film", artifacts=given), scratch)).children[0]
        settings = UpscaleSegmentSettings(**asked)
        work = Work(Item(child.name, child.data, given), scratch)
        once = _model_alone(settings, work) if way == "model" else _whole(settings, work)
        return _clocked(once)


def _whole(settings: Any, work: Any) -> Callable[[], float]:
    from stages.upscale.segment import UpscaleSegment

    stage = UpscaleSegment(settings)
    _warm(stage, work)
    return lambda: float(stage.run(work).metrics.get("upscale.frames_mb", 0.0))


def _model_alone(settings: Any, work: Any) -> Callable[[], float]:
    """The engine on tensors that lie ready; what it gives is let go."""
    import torch

    from stages.upscale.segment import UpscaleSegment

    engine, frames = _warm(UpscaleSegment(settings), work), torch.rand(FRAMES, 3, SIZE[1], SIZE[0])
    batch = engine.batch_for(SIZE[1], SIZE[0])

    def once() -> float:
        for part in frames.split(batch):  # type: ignore[no-untyped-call]
            engine.run(part)
        return 0.0

    return once


def _warm(stage: Any, work: Any) -> Any:
    """Loads libraries and the model, and runs it once, as for a film that has long begun."""
    import torch

    from stages.upscale.order import Order

    order = Order.from_json(work.item.data["order"])
    engine = stage._opened(order)
    engine.run(torch.rand(engine.batch_for(SIZE[1], SIZE[0]), 3, SIZE[1], SIZE[0]))
    return engine


def _clocked(once: Callable[[], float]) -> dict[str, float]:
    before, began = resource.getrusage(resource.RUSAGE_SELF), time.monotonic()
    frames_mb = once()
    wall = time.monotonic() - began
    after = resource.getrusage(resource.RUSAGE_SELF)
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return {"wall_s": wall, "cpu_s": cpu, "rss_mb": after.ru_maxrss / 1000, "frames_mb": frames_mb}


# --- told ------------------------------------------------------------------------------------------


def _told(title: str, turns: list[dict[str, dict[str, float]]]) -> None:
    rows = [(WAYS[way], *_row([turn[way] for turn in turns])) for way in WAYS]
    head = ("way", "frames per s", "CPU s per frame", "peak RAM, MB", "frames on disk, MB")
    table(f"{title}, {SIZE[0]}×{SIZE[1]}, {FRAMES} frames, {CORES} cores, median (range) of {TIMES}", head, rows)
    ratios = [
        ("end to end / model alone", "≥ 0.9", *_ratios(turns, "model")),
        ("end to end / frames on disk", "≥ 2.5 with bf16", *_ratios(turns, "files")),
    ]
    table(f"{title}: speed of one by speed of the other, in the same turn", ("", "bar", "wall", "CPU time"), ratios)


def _row(found: list[dict[str, float]]) -> tuple[str, ...]:
    speeds = [FRAMES / one["wall_s"] for one in found]
    return (
        f"{statistics.median(speeds):.2f} ({min(speeds):.2f}–{max(speeds):.2f})",
        f"{statistics.median(one['cpu_s'] for one in found) / FRAMES:.3f}",
        f"{max(one['rss_mb'] for one in found):.0f}",
        f"{max(one['frames_mb'] for one in found):.1f}",
    )


def _ratios(turns: list[dict[str, dict[str, float]]], other: str) -> tuple[str, str]:
    def ratio(name: str) -> str:
        found = [turn[other][name] / turn["stream"][name] for turn in turns]
        return f"{statistics.median(found):.2f} ({min(found):.2f}–{max(found):.2f})"

    return ratio("wall_s"), ratio("cpu_s")


def _one() -> None:
    asked = json.loads(sys.argv[1])
    found = measured(asked["way"], asked["words"], Path(asked["film"]))
    sys.stdout.write(json.dumps(found) + "\n")


if __name__ == "__main__":
    if len(sys.argv) > 1:
        _one()
    else:
        main()
