"""Scene clips: CPU seconds of whole scenes by MoviePy, FFmpeg's zoompan and ours; drawing beside encoding; jitter.

MoviePy is no dependency of the project: `pip install --no-deps --target FOLDER moviepy imageio proglog decorator tqdm`,
and name that folder in REELTUNE_MOVIEPY. Each way is a program of its own, its start included, in alternating turns.
"""

from __future__ import annotations

import importlib
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path

from benchmarks.measure import CORES, HOME, Cost, run, table
from stages.contract import Artifact, Item, Work
from stages.media.ffmpeg import ffmpeg_binary
from stages.scene.burn import filters
from stages.scene.clip import SceneClip
from stages.scene.drawn import drawn
from stages.scene.settings import SceneClipSettings
from stages.scene.shots import shot

SIZE, FPS, SECONDS, SCENES, TURNS = (768, 1344), 25, 4, 8, 3
X264 = {"name": "x264", "codec": "libx264", "preset": "medium", "tune": "film", "quality": 21}
VARIABLE = "REELTUNE_MOVIEPY"
HEAD = """[Script Info]
ScriptType: v4.00+
PlayResX: 768
PlayResY: 1344
ScaledBorderAndShadow: yes
YCbCr Matrix: TV.709

[V4+ Styles]
Format: Name, Fontname, Fontsize, PrimaryColour, SecondaryColour, OutlineColour, Bold, BorderStyle, Outline, Shadow, Alignment, MarginL, MarginR, MarginV
Style: Default,DejaVu Sans,64,&H0000FFFF,&H00FFFFFF,&H00000000,-1,1,4,2,2,60,60,300

[Events]
Format: Layer, Start, End, Style, Text
"""  # noqa: E501


def still(folder: Path, number: int) -> Path:
    """Clouds of detail and some hard edges. Coded, it takes as many bits and as much time as photographs do."""
    import cv2
    import numpy as np

    rng, (width, height) = np.random.default_rng(number), (SIZE[0] * 5 // 4, SIZE[1] * 5 // 4)
    far = np.hypot(np.fft.fftfreq(height)[:, None] * height, np.fft.rfftfreq(width) * width) + 1
    planes = [np.fft.irfft2(np.fft.rfft2(rng.standard_normal((height, width))) / far**1.5) for _ in range(3)]
    picture = np.stack([128 + 40 * plane / plane.std() for plane in planes], axis=2).clip(0, 255).astype(np.uint8)
    picture = cv2.addWeighted(picture, 0.5, np.repeat(picture[..., :1], 3, axis=2), 0.5, 0)
    for _ in range(12):
        spot, shade = tuple(map(int, rng.integers(0, (width, height)))), tuple(map(int, rng.integers(0, 255, 3)))
        cv2.ellipse(picture, spot, tuple(map(int, rng.integers(20, 200, 2))), 30, 0, 360, shade, -1, cv2.LINE_AA)
    cv2.imwrite(str(folder / f"still{number}.png"), picture)
    return folder / f"still{number}.png"


def captions(folder: Path) -> Path:
    """A page every two seconds, its words lit up one by one."""
    words = "".join(f"{{\\k40}}{word} " for word in ("Five", "quick", "brown", "foxes", "jump"))
    lines = [f"Dialogue: 0,0:00:0{s}.00,0:00:0{s + 2}.00,Default,{words}" for s in range(0, SECONDS, 2)]
    file = folder / "captions.ass"
    file.write_text(HEAD + "\n".join(lines) + "\n", encoding="utf-8")
    return file


def scene(folder: Path, number: int) -> Item:
    files = {
        "image": Artifact(folder / f"still{number}.png", "image/png"),
        "captions": Artifact(folder / "captions.ass", "text/x-ssa"),
    }
    return Item(f"film/{number:02d}", {"seed": number, "duration_s": float(SECONDS), "motion": "zoom_in"}, files)


def settings(folder: Path, renderer: str = "affine") -> SceneClipSettings:
    """The trial of the encoder is remembered, as it is from one run to the next."""
    trials = str(folder / "trials.json")
    return SceneClipSettings(
        width=SIZE[0], height=SIZE[1], encoder=X264, cores=CORES, renderer=renderer, trials=trials
    )  # fmt: skip


def make(folder: Path, renderer: str) -> None:
    """All scenes by our stage, then joined by copying: what a program of its own does."""
    stage, parts = SceneClip(settings(folder, renderer)), []
    for number in range(SCENES):
        scratch = Path(tempfile.mkdtemp(dir=folder))
        parts.append(stage.run(Work(scene(folder, number), scratch)).files["clip"])
    listing = folder / f"{renderer}.txt"
    listing.write_text("".join(f"file '{part}'\n" for part in parts), encoding="utf-8")
    words = ["-nostdin", "-v", "error", "-y", "-f", "concat", "-safe", "0", "-i", listing, "-c", "copy"]
    subprocess.run([str(ffmpeg_binary().path), *words, folder / f"{renderer}.mp4"], check=True)


def by_us(folder: Path, renderer: str) -> Cost:
    return run([sys.executable, "-m", "benchmarks.scene", renderer, str(folder)], folder)


def by_moviepy(folder: Path, captioned: str) -> Cost:
    numbers = [str(value) for value in (*SIZE, FPS, SECONDS, CORES)] + [captioned]
    stills = [str(folder / f"still{number}.png") for number in range(SCENES)]
    words = [sys.executable, str(HOME / "benchmarks" / "scene_moviepy.py"), str(folder), *numbers, *stills]
    return run(["env", f"PYTHONPATH={os.environ[VARIABLE]}", *words], folder)


def in_turns(ways: Mapping[str, Callable[[], Cost]]) -> dict[str, Cost]:
    """Each way's median turn by CPU seconds."""
    costs: dict[str, list[Cost]] = {name: [] for name in ways}
    for _ in range(TURNS):
        for name, way in ways.items():
            costs[name].append(way())
    return {name: sorted(turns, key=lambda cost: cost.cpu_s)[len(turns) // 2] for name, turns in costs.items()}


def whole_scenes(folder: Path) -> None:
    ways: dict[str, Callable[[], Cost]] = {
        "ours: drawn sub-pixel, captions, joined by copying": partial(by_us, folder, "affine"),
        "FFmpeg's zoompan, captions, joined by copying": partial(by_us, folder, "zoompan"),
    }
    if os.environ.get(VARIABLE):
        ways["MoviePy: resized per frame, no captions, encoded again to join"] = partial(by_moviepy, folder, "")
        ways["MoviePy with captions, a picture of text for each word lit up"] = partial(by_moviepy, folder, "captions")
    else:
        print(f"\nMoviePy was left out: {VARIABLE} names no folder of it")
    found = in_turns(ways)
    first = next(iter(found.values())).cpu_s
    rows = [(name, f"{c.cpu_s:.2f}", f"{c.cpu_s / first:.2f} ×", f"{c.wall_s:.2f}") for name, c in found.items()]
    what = f"{SCENES} scenes of {SECONDS} s, {SIZE[0]} × {SIZE[1]}, {FPS} fps, x264 medium crf 21"
    table(f"Whole: {what}: median of {TURNS} turns", ("way", "CPU s", "of ours", "wall s"), rows)


def drawing(folder: Path) -> Cost:
    """Frames drawn, fed and captioned, and thrown away."""
    words = [sys.executable, "-m", "benchmarks.scene", "draw", str(folder)]
    return run(words, folder)


def draw(folder: Path, target: str) -> None:
    """One scene's frames into FFmpeg: thrown away, or written raw."""
    from stages.media.processes import run_process

    taken = shot(scene(folder, 0), settings(folder))
    fed = drawn(taken, "affine", "a")
    steps = filters(folder / "captions.ass", (), Path(tempfile.mkdtemp(dir=folder)))
    words = [word for name, value in fed.options.items() for word in (f"-{name}", value)]
    words += ["-i", "pipe:0", "-vf", ",".join(steps), "-f", "null" if target == "-" else "rawvideo", target]
    run_process([ffmpeg_binary().path, "-nostdin", "-v", "error", "-y", *words], feed=fed.frames, cwd=folder)


def coding(folder: Path, *options: str) -> Cost:
    """The raw frames of a file through FFmpeg."""
    size = f"{SIZE[0]}x{SIZE[1]}"
    words = ["-nostdin", "-v", "error", "-y", "-f", "rawvideo", "-pix_fmt", "yuv420p", "-s", size, "-r", str(FPS)]
    return run([str(ffmpeg_binary().path), *words, "-i", str(folder / "frames.yuv"), *options], folder)


def beside_encoding(folder: Path) -> None:
    draw(folder, str(folder / "frames.yuv"))
    x264 = ("-c:v", "libx264", "-preset", "medium", "-tune", "film", "-crf", "21", "-threads", str(CORES))
    found = in_turns(
        {
            "start": partial(by_us, folder, "start"),
            "draw": partial(drawing, folder),
            "read": partial(coding, folder, "-f", "null", "-"),
            "encode": partial(coding, folder, *x264, str(folder / "alone.mp4")),
        }
    )
    (folder / "frames.yuv").unlink()
    encode = found["encode"].cpu_s - found["read"].cpu_s
    ours = found["draw"].cpu_s - found["start"].cpu_s
    rows = [
        ("x264 medium crf 21 alone", f"{encode:.2f}", "100 %"),
        ("still read, frames drawn, piped, captions burnt", f"{ours:.2f}", f"{100 * ours / encode:.0f} %"),
    ]
    table(f"One scene, {SECONDS * FPS} frames: median of {TURNS} turns", ("part", "CPU s", "of the encode"), rows)


def jitters() -> None:
    """How far a dot leaves the smooth path that it takes on the whole."""
    sys.path.insert(0, str(HOME / "tests"))
    import test_scene_kenburns as proof
    from scene_help import dotted, frames_drawn

    from stages.scene.motion import Course, camera

    dot = dotted(proof.STILL, proof.DOT)
    path = camera(60, proof.STILL, proof.SIZE, Course("zoom_in", 0.001))
    ours = proof.jitter([planes[0] for planes in frames_drawn(dot, path, proof.SIZE)], path)
    rows = [("ours", f"{ours:.3f}"), ("zoompan", f"{proof.jitter(proof.by_zoompan(dot, path), path):.3f}")]
    table("A dot in a zoom of 0.001 a frame: farthest off its path", ("way", "px"), rows)


def main() -> None:
    with tempfile.TemporaryDirectory() as home:
        folder = Path(home)
        for number in range(SCENES):
            still(folder, number)
        captions(folder)
        whole_scenes(folder)
        beside_encoding(folder)
    jitters()


def one(what: str, folder: Path) -> None:
    """One way, as a program of its own; `start` loads what a worker has loaded, and does nothing."""
    if what == "draw":
        draw(folder, "-")
    elif what == "start":
        for name in ("av", "cv2", "ffmpeg", "numpy", "PIL.Image"):
            importlib.import_module(name)
        ffmpeg_binary()
    else:
        make(folder, what)


if __name__ == "__main__":
    one(sys.argv[1], Path(sys.argv[2]))
