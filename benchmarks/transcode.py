"""transcode: against the bare FFmpeg command at the same settings, and chunks against bare FFmpeg processes.

`python -m benchmarks.transcode [FILM]`: with a film of one's own, or with one made on the spot (720p, 12 s).
"""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from benchmarks.measure import CORES, command, newest_run, run, table
from stages.contract import Artifact, Item, Work
from stages.media.ffmpeg import ffmpeg_binary
from stages.quality.picture import ScorePicture, ScorePictureSettings
from stages.video.encode import command as encode_command
from stages.video.piece import Piece
from stages.video.settings import SurveyFilmSettings
from stages.video.survey import SurveyFilm

TIMES = 3
PRESETS = ("ultrafast", "medium")
X264 = {"name": "x264", "codec": "libx264", "quality": 21, "tune": "film", "pix_fmt": "auto"}
_FAST = ["tracking.enabled=false", "progress=off", "cache.fresh=always", "limits.nice=0"]


def main() -> None:
    """Print both tables."""
    with tempfile.TemporaryDirectory() as name:
        cwd = Path(name)
        film = Path(sys.argv[1]).absolute() if len(sys.argv) > 1 and Path(sys.argv[1]).is_file() else _film(cwd)
        table(
            f"transcode whole, x264, {CORES} cores, median of {TIMES}, alternating",
            ["preset", "bare FFmpeg, s", "our encode, s", "ratio", "whole run, s", "run / bare", "command, s"],
            [_whole(cwd, film, preset) for preset in PRESETS],
        )
        table(
            f"transcode in chunks of 3 s, x264, {CORES} cores, median of {TIMES}, alternating",
            [
                "preset",
                "at once",
                "bare processes + concat, s",
                "our chunks + join, s",
                "bare / ours",
                "VMAF against whole",
            ],
            [row for preset in PRESETS for row in _chunked(cwd, film, preset)],
        )


def _film(cwd: Path) -> Path:
    """Twelve seconds of 720p that are no easier than footage: drifting detail, noise, a cut every three seconds."""
    scenes = [
        "mandelbrot=s=1280x720:r=25:start_scale=2:end_scale=0.02:maxiter=400",
        "life=s=640x360:r=25:ratio=0.25:mold=20:life_color=#e0d0a0:death_color=#203040,scale=1280:720",
        "testsrc2=s=1280x720:r=25,noise=alls=12:allf=t",
        "gradients=s=1280x720:r=25:c0=blue:c1=orange:speed=0.05,noise=alls=8:allf=t",
    ]
    inputs = [word for scene in scenes for word in ("-f", "lavfi", "-t", "3", "-i", scene)]
    joined = "".join(f"[{n}:v]format=yuv420p,setsar=1[v{n}];" for n in range(4))
    graph = joined + "[v0][v1][v2][v3]concat=n=4:v=1:a=0[v]"
    film = cwd / "film.mp4"
    words = ["-v", "error", *inputs, "-filter_complex", graph, "-map", "[v]", "-c:v", "libx264", "-crf", "12",
             "-preset", "veryfast", "-g", "60", str(film)]  # fmt: skip
    subprocess.run([str(ffmpeg_binary().path), *words], check=True, stdin=subprocess.DEVNULL)
    return film


# --- whole -----------------------------------------------------------------------------------


def _whole(cwd: Path, film: Path, preset: str) -> list[str]:
    rounds = [_one_whole(cwd, film, preset) for _ in range(TIMES)]
    bare, ours, whole, words = (statistics.median(column) for column in zip(*rounds, strict=True))
    ratio = statistics.median(row[1] / row[0] for row in rounds)
    run_ratio = statistics.median(row[2] / row[0] for row in rounds)
    return [preset, f"{bare:.2f}", f"{ours:.2f}", f"{ratio:.3f}", f"{whole:.2f}", f"{run_ratio:.3f}", f"{words:.2f}"]


def _one_whole(cwd: Path, film: Path, preset: str) -> tuple[float, float, float, float]:
    """Walls of the bare command, of our encode task, of our run, and of the whole command."""
    bare = _timed(lambda: _bare(film, preset, cwd / "bare.mp4"))
    cost = run(_ours(film, preset, "video.chunks=off"), cwd)
    told = newest_run(cwd)
    return bare, told["metrics"]["stage.encode.busy_s"], told["wall_s"], cost.wall_s


def _bare(film: Path, preset: str, target: Path) -> None:
    words = ["-v", "error", "-y", "-i", str(film), "-map", "0:v:0", "-c:v", "libx264", "-preset", preset,
             "-tune", "film", "-crf", "21", "-threads", str(CORES), "-pix_fmt", "yuv420p", str(target)]  # fmt: skip
    subprocess.run([str(ffmpeg_binary().path), *words], check=True, stdin=subprocess.DEVNULL)


def _ours(film: Path, preset: str, *words: str) -> list[str]:
    asked = ["encoder=x264", f"encoder.preset={preset}", f"encoder.threads={CORES}", *words]
    return command("pipeline=transcode", str(film), *_FAST, *asked)


def _timed(deed: Callable[[], None]) -> float:
    began = time.monotonic()
    deed()
    return time.monotonic() - began


# --- chunks ----------------------------------------------------------------------------------


def _chunked(cwd: Path, film: Path, preset: str) -> list[list[str]]:
    whole = cwd / f"whole-{preset}.mp4"
    _bare(film, preset, whole)
    vmaf = _vmaf(film, whole, cwd)
    rows = []
    for count in (1, 2, 4):
        pieces = _pieces(cwd, film, preset, count)
        rounds = [_one_chunked(cwd, film, preset, pieces, count) for _ in range(TIMES)]
        bare, ours = (statistics.median(column) for column in zip(*rounds, strict=True))
        ratio = statistics.median(row[0] / row[1] for row in rounds)
        made = Path(next(iter(newest_run(cwd)["outputs"].values())))
        apart = _vmaf(film, made, cwd) - vmaf
        rows.append([preset, str(count), f"{bare:.2f}", f"{ours:.2f}", f"{ratio:.3f}", f"{apart:+.3f}"])
    return rows


def _pieces(cwd: Path, film: Path, preset: str, count: int) -> list[Piece]:
    """The very pieces that our run encodes."""
    asked = SurveyFilmSettings(encoder={**X264, "preset": preset}, chunks="3", workers=str(count), cores=CORES)
    looked = SurveyFilm(asked).run(Work(Item("film", artifacts={"film": Artifact(film, "video/film")}), cwd))
    return [Piece.from_json(child.data["piece"]) for child in looked.children]


def _one_chunked(cwd: Path, film: Path, preset: str, pieces: list[Piece], count: int) -> tuple[float, float]:
    bare = _timed(lambda: _bare_chunks(cwd, film, pieces, count))
    asked = ["encoder=x264", f"encoder.preset={preset}", "video.chunks=3", f"workers.encode={count}"]
    run(command("pipeline=transcode", str(film), *_FAST, *asked), cwd)
    return bare, _span(cwd)


def _bare_chunks(cwd: Path, film: Path, pieces: list[Piece], count: int) -> None:
    """What Av1an does: a pool of FFmpeg processes, then a join by stream copy."""
    files = [cwd / f"chunk{number}.mp4" for number in range(len(pieces))]

    def encode(piece: Piece, file: Path) -> None:
        words = encode_command(film, piece, file)
        subprocess.run(words, check=True, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL)

    with ThreadPoolExecutor(count) as pool:
        list(pool.map(encode, pieces, files))
    listed = cwd / "list.txt"
    listed.write_text("".join(f"file '{file}'\n" for file in files))
    words = [
        "-v",
        "error",
        "-y",
        "-f",
        "concat",
        "-safe",
        "0",
        "-i",
        str(listed),
        "-c",
        "copy",
        str(cwd / "joined.mp4"),
    ]
    subprocess.run([str(ffmpeg_binary().path), *words], check=True, stdin=subprocess.DEVNULL)


def _span(cwd: Path) -> float:
    """From the start of the first chunk to the end of the join."""
    lines = (cwd / "outputs" / "latest" / "journal.jsonl").read_text().splitlines()
    tasks = [event for event in map(json.loads, lines) if event["event"] == "task" and event["status"] == "done"]
    began = min(task["t0"] for task in tasks if task["stage"] == "encode")
    return float(max(task["t1"] for task in tasks if task["stage"] == "join") - began)


def _vmaf(film: Path, video: Path, cwd: Path) -> float:
    scratch = Path(tempfile.mkdtemp(dir=cwd))
    files = {"reference": Artifact(film, "video/film"), "video": Artifact(video, "video/film")}
    result = ScorePicture(ScorePictureSettings()).run(Work(Item("film", artifacts=files), scratch))
    return float(result.metrics["quality.vmaf_mean"])


if __name__ == "__main__":
    main()
