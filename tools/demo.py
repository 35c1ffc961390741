"""The demo: a short film from a script, narrated files, encoded films, sweeps, and how to look at them.

All of it is made here, offline: speech, pictures, music, and the film that is encoded, of three moving pictures.
"""

from __future__ import annotations

import os
import shlex
import subprocess
import sys
from pathlib import Path

HOME = Path(__file__).resolve().parent.parent
STORY = "docs/examples/story.md"
LINES = "docs/examples/lines.txt"
MUSIC = "outputs/demo/music.m4a"
FILM = "outputs/demo/film.mp4"
SCENES = (  # 2 s each: fine lines that grow, broad areas that turn under a little noise, soft specks that move
    "mandelbrot=s=640x360:r=25:maxiter=200:start_scale=1.2:end_scale=0.02:end_pts=60",
    "gradients=s=640x360:r=25:seed=7:speed=0.04:nb_colors=4,format=yuv420p,noise=c0s=6:c0f=t",
    "life=s=160x90:r=25:mold=10:ratio=0.15:seed=7:death_color=#2040a0:life_color=#f0d080,scale=640:360:flags=bicubic",
)
TONE = "sine=220:d=6,tremolo=f=3:d=0.8"
CHORDS = ((220.0, 261.6, 329.6), (174.6, 220.0, 261.6), (261.6, 329.6, 392.0), (196.0, 246.9, 293.7))  # Hz: Am F C G
BAR_S = 4  # of each chord


def reeltune(*words: str) -> int:
    """Show a command as one would type it, then run it; its exit code."""
    sys.stdout.write(f"\n$ reeltune {shlex.join(words)}\n")
    sys.stdout.flush()
    return subprocess.run([sys.executable, "-m", "runner", *words], cwd=HOME, check=False).returncode


def make_music(path: Path) -> None:
    """Sixteen seconds of soft chords that can be looped; made once."""
    if path.is_file():
        return
    swell = f"sin(PI*mod(t,{BAR_S})/{BAR_S})"
    notes = [f"0.1*{swell}*sin(2*PI*{tone}*t)*gte(t,{n * BAR_S})*lt(t,{(n + 1) * BAR_S})"
             for n, chord in enumerate(CHORDS) for tone in (*chord, chord[0] / 2)]  # fmt: skip
    sound = f"aevalsrc='{'+'.join(notes)}':d={BAR_S * len(CHORDS)},lowpass=1200,aformat=channel_layouts=stereo"
    _ffmpeg(path, ["-f", "lavfi", "-i", sound], ["-c:a", "aac", "-b:a", "128k"])


def _ffmpeg(target: Path, inputs: list[str], coded: list[str]) -> None:
    """Make a file under another name, and give it its own when it is whole."""
    from stages.media.ffmpeg import ffmpeg_binary

    target.parent.mkdir(parents=True, exist_ok=True)
    half = target.with_suffix(".part")
    words = ["-nostdin", "-v", "error", "-y", *inputs, *coded, "-f", "mp4", f"file:{half}"]
    subprocess.run([ffmpeg_binary().path, *words], check=True)
    half.replace(target)


def make_film(path: Path) -> None:
    """A film of 6 s with sound, 640 × 360, in good quality; made once."""
    if path.is_file():
        return
    scenes = [word for scene in SCENES for word in ("-f", "lavfi", "-t", "2", "-i", scene)]
    joined = "[0:v]format=yuv420p[a];[1:v]format=yuv420p[b];[2:v]format=yuv420p[c];[a][b][c]concat=n=3[v]"
    inputs = [*scenes, "-f", "lavfi", "-i", TONE, "-filter_complex", joined]
    _ffmpeg(
        path, inputs, ["-map", "[v]", "-map", "3:a", "-c:v", "libx264", "-preset", "fast", "-crf", "12", "-c:a", "aac"]
    )


def newest(folder: str, name: str) -> str:
    """The newest file of that name in the folders of runs or sweeps, as one would type it."""
    found = max((HOME / folder).glob(f"*/*/{name}"), key=lambda path: path.stat().st_mtime)
    return str(found.relative_to(HOME))


def main() -> int:
    """Run it; the first exit code that is not 0, or 0."""
    make_music(HOME / MUSIC)
    make_film(HOME / FILM)
    cores = max(2, min(4, os.cpu_count() or 2))
    code = reeltune("pipeline=short", STORY, f"music.file={MUSIC}", "scene.pause_s=0.9", "music.hold_s=0.2")
    short = "" if code else newest("outputs/short", "result/story.mp4")
    code = code or reeltune("pipeline=narrate", LINES)
    code = code or reeltune(
        "-m", "pipeline=narrate", LINES, f"workers.encode=1,{cores}", "profile=fast,balanced,quality", "progress=off"
    )
    speech = "" if code else newest("outputs/sweeps", "compare.png")
    code = code or reeltune(
        "-m", "pipeline=transcode", FILM, "encoder=x264,x265,svtav1", "profile=fast,balanced", "progress=off"
    )
    if code == 0:
        where = (
            f"{Path(sys.executable).parent.relative_to(HOME)}/reeltune"
            if HOME in Path(sys.executable).parents
            else "reeltune"
        )
        sys.stdout.write(
            f"\na short film              {short}\n"
            "narrated files            outputs/narrate/*/*/result/\n"
            "encoded films             outputs/transcode/*/*/result/\n"
            f"speech, speed and size    {speech}\n"
            "films, quality over speed and size\n"
            f"                          {newest('outputs/sweeps', 'compare.png')}\n"
            "the newest run            outputs/latest/report.html\n"
            f"compare runs              {where} ui        (opens MLflow's UI on this machine)\n"
        )
    return code


if __name__ == "__main__":
    sys.exit(main())
