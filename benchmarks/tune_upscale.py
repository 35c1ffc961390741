"""`tune` for upscale: settings found on drawn footage, then other footage in turns with `balanced`.

`python -m benchmarks tune_upscale`. Drawings are held for two or three frames, as in animation, and were encoded with
losses, so that held frames differ a little. With `REELTUNE_MEDIA` naming a folder of films, a filmed face is upscaled
too, with the same profile: it moves in every frame, and little can be won.
"""

from __future__ import annotations

import os
import sys
import tempfile
from pathlib import Path

from benchmarks.measure import CORES, table
from benchmarks.tuning import film, paired, profile, search, settings_of

SIZE, RATE, SCENE_S = "320x180", 24, 4
SPEED, QUALITY = "throughput.fps", "quality.vmaf_mean"
DRAWN = (
    f"testsrc2=s={SIZE}:r=12",
    f"mandelbrot=s={SIZE}:r=8:start_scale=1.2:end_scale=0.02:end_pts=60",
    f"gradients=s={SIZE}:r=12:seed=7:speed=0.05:nb_colors=5",
)
OTHER = (
    f"mandelbrot=s={SIZE}:r=12:start_x=-0.74:start_y=0.13:start_scale=0.6:end_scale=0.01:end_pts=60",
    f"cellauto=s={SIZE}:r=8:rule=110:seed=3,boxblur=2",
    f"testsrc=s={SIZE}:r=12",
)
NATURAL = Path(os.environ.get("REELTUNE_MEDIA", "")) / "video" / "carphone_pristine.mp4"


def main() -> None:
    """Run it and print the tables."""
    with tempfile.TemporaryDirectory() as folder:
        cwd = Path(folder)
        clip, other = (
            film(cwd / name, scenes, RATE, SCENE_S, crf=20)
            for name, scenes in (("drawn.mp4", DRAWN), ("other.mp4", OTHER))
        )
        common = ("pipeline=upscale", "quality.sample=all")
        trials = search(cwd, "search", *common, str(clip), "quality.vmaf='>=now'")
        _told(trials)
        name = profile(cwd, "upscale")
        sys.stdout.write(f"\n```\n{settings_of(cwd, name)}\n```\n")
        for title, path in (("other drawn footage", other), ("footage that moves in every frame", NATURAL)):
            if path.is_file():
                words = (*common, str(path))
                ways = {"balanced": (*words, "profile=balanced"), name: (*words, f"profile={name}")}
                paired(title, SPEED, QUALITY, ways, cwd)
            else:
                sys.stdout.write(f"\n{title}: left out, REELTUNE_MEDIA names no such film\n")


def _told(trials: list[dict[str, object]]) -> None:
    having = [trial for trial in trials if SPEED in trial and QUALITY in trial]
    having.sort(key=lambda trial: -float(str(trial[SPEED])))
    rows = [
        (str(trial["settings"]), f"{trial[SPEED]:.2f}", f"{trial[QUALITY]:.2f}", str(trial["state"]))
        for trial in having
    ]
    title = f"a search on drawn footage, {SIZE}, {CORES} cores; the floor is what there is; excerpts differ in length"
    table(title, ("settings", "frames/s", "VMAF", ""), rows)


if __name__ == "__main__":
    main()
