"""The demo: narrated files, encoded films, a sweep of each, comparison pictures, and how to look at them.

All of it is made here, offline: the film too, of three moving pictures and a tone.
"""

from __future__ import annotations

import os
import shlex
import subprocess
import sys
from pathlib import Path

HOME = Path(__file__).resolve().parent.parent
LINES = "docs/examples/lines.txt"
FILM = "outputs/demo/film.mp4"
SCENES = (  # 2 s each: fine lines that grow, broad areas that turn under a little noise, soft specks that move
    "mandelbrot=s=640x360:r=25:maxiter=200:start_scale=1.2:end_scale=0.02:end_pts=60",
    "gradients=s=640x360:r=25:seed=7:speed=0.04:nb_colors=4,format=yuv420p,noise=c0s=6:c0f=t",
    "life=s=160x90:r=25:mold=10:ratio=0.15:seed=7:death_color=#2040a0:life_color=#f0d080,scale=640:360:flags=bicubic",
)
TONE = "sine=220:d=6,tremolo=f=3:d=0.8"


def reeltune(*words: str) -> int:
    """Show a command as one would type it, then run it; its exit code."""
    sys.stdout.write(f"\n$ reeltune {shlex.join(words)}\n")
    sys.stdout.flush()
    return subprocess.run([sys.executable, "-m", "runner", *words], cwd=HOME, check=False).returncode


def make_film(path: Path) -> None:
    """A film of 6 s with sound, 640 × 360, in good quality; made once."""
    from stages.media.ffmpeg import ffmpeg_binary

    if path.is_file():
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    half = path.with_suffix(".part")
    scenes = [word for scene in SCENES for word in ("-f", "lavfi", "-t", "2", "-i", scene)]
    joined = "[0:v]format=yuv420p[a];[1:v]format=yuv420p[b];[2:v]format=yuv420p[c];[a][b][c]concat=n=3[v]"
    words = ["-nostdin", "-v", "error", "-y", *scenes, "-f", "lavfi", "-i", TONE, "-filter_complex", joined]
    coded = ["-map", "[v]", "-map", "3:a", "-c:v", "libx264", "-preset", "fast", "-crf", "12", "-c:a", "aac"]
    subprocess.run([ffmpeg_binary().path, *words, *coded, "-f", "mp4", f"file:{half}"], check=True)
    half.replace(path)


def newest(folder: str, name: str) -> str:
    """The newest file of that name in the folders of runs or sweeps, as one would type it."""
    found = max((HOME / folder).glob(f"*/*/{name}"), key=lambda path: path.stat().st_mtime)
    return str(found.relative_to(HOME))


def main() -> int:
    """Run it; the first exit code that is not 0, or 0."""
    make_film(HOME / FILM)
    cores = max(2, min(4, os.cpu_count() or 2))
    code = reeltune("pipeline=narrate", LINES)
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
            "\nnarrated files            outputs/narrate/*/*/result/\n"
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
