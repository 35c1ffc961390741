"""Quality targets: how near the finished film comes to the VMAF that was asked for, and by how many probes.

`python -m benchmarks.target [ENCODER[:PRESET] …] [--target N]`: without words x264 medium and veryfast, VMAF 93, on
twelve clips. Four of them are footage from the folder named in REELTUNE_MEDIA; without it, four more are made.
"""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.measure import CORES, command, run, table
from stages.media.ffmpeg import ffmpeg_binary

TOLERANCE = 0.5
_SIZE, _RATE = "640x360", 25
_FAST = ("tracking.enabled=false", "progress=off", "limits.nice=5")
_FLAT = "lutyuv=y=trunc(val/48)*48+16:u=trunc(val/40)*40+20:v=trunc(val/40)*40+20"
_DRAWN = {
    "testsrc2": (4, "testsrc2=s={s}:r={r}"),
    "mandelbrot": (4, "mandelbrot=s={s}:r={r}:start_scale=2:end_scale=0.05"),
    "gradients + noise": (
        4,
        "gradients=s={s}:r={r}:c0=blue:c1=orange:speed=0.05:seed=3,noise=alls=8:allf=t:all_seed=5",
    ),
    "noise": (3, "color=gray:s={s}:r={r},noise=alls=60:allf=t:all_seed=7"),
    "black": (4, "color=black:s={s}:r={r}"),
    "life": (4, "life=s=320x180:r={r}:ratio=0.25:mold=20:life_color=#e0d0a0:death_color=#203040:seed=4,scale={s}"),
    "cartoon": (4, "gradients=s={s}:r={r}:n=6:type=spiral:speed=0.06:seed=8,format=yuv420p," + _FLAT),
    "screen text": (5, "color=white:s={s}:r={r}"),
}
_INSTEAD = {
    "perlin": (4, "perlin=s={s}:r={r}:octaves=5:persistence=0.7"),
    "cellauto": (4, "cellauto=s={s}:r={r}:seed=5:rule=110"),
    "plasma": (4, "gradients=s={s}:r={r}:n=8:type=spiral:speed=0.1:seed=9"),
    "mixed": (4, "mandelbrot=s={s}:r={r}:start_scale=1:end_scale=0.2,noise=alls=12:allf=t:all_seed=3"),
}
_UNREACHABLE = ("cannot be reached", "is below what it gives", "lies between two numbers")
_FOOTAGE = ("bigbuckbunny.mp4", "carphone_pristine.mp4", "nasa_13013.mp4", "realshort.mp4")
_FONT = Path("/usr/share/fonts/truetype/dejavu/DejaVuSansMono.ttf")


def main() -> None:
    """Print a table for each encoder."""
    words = sys.argv[1:] if sys.argv[0].endswith("target.py") else []
    target = float(words.pop(words.index("--target") + 1)) if "--target" in words else 93.0
    encoders = [word for word in words if word != "--target"] or ["x264:medium", "x264:veryfast"]
    with tempfile.TemporaryDirectory() as name:
        cwd = Path(name)
        clips = list(_clips(cwd / "clips"))
        for encoder in encoders:
            _report(encoder, target, _measured(cwd, encoder, target, clips))


# --- clips -----------------------------------------------------------------------------------


def _clips(folder: Path) -> Iterator[str]:
    """Losslessly coded clips; gives their names."""
    folder.mkdir()
    media = os.environ.get("REELTUNE_MEDIA")
    drawn = _DRAWN if media else {**_DRAWN, **_INSTEAD}
    for name, (seconds, graph) in drawn.items():
        filled = graph.format(s=_SIZE, r=_RATE)
        text = f",{_text(folder)}" if name == "screen text" else ""
        _coded(folder / f"{name}.mkv", "-f", "lavfi", "-t", str(seconds), "-i", f"{filled}{text},format=yuv420p")
        yield name
    for name in _FOOTAGE if media else ():
        source = Path(media or "") / "video" / name
        _coded(folder / f"{source.stem}.mkv", "-t", "5", "-i", str(source), "-vf", "scale='min(640,iw)':-2")
        yield source.stem


def _text(folder: Path) -> str:
    """Lines that scroll up, as on a screen."""
    file = folder / "lines.txt"
    lines = (f"{n:4d}  def step_{n}(x: int) -> int:  return (x * {n * 7919 % 997}) % {n + 11}" for n in range(60))
    file.write_text("\n".join(lines), encoding="utf-8")
    font = f"fontfile={_FONT}:" if _FONT.is_file() else ""
    return f"drawtext={font}expansion=none:textfile={file}:fontsize=14:x=12:y=20-t*60"


def _coded(target: Path, *words: str) -> None:
    base = [str(ffmpeg_binary().path), "-v", "error", *words, "-an", "-pix_fmt", "yuv420p", "-c:v", "ffv1", str(target)]
    subprocess.run(base, check=True, stdin=subprocess.DEVNULL)


# --- the command -----------------------------------------------------------------------------


@dataclass(frozen=True)
class _Clip:
    """What was found for a clip, and what its finished film has."""

    name: str
    quality: float
    probes: int
    expected: float
    first: float
    achieved: float
    corrected: bool
    said: str
    probing_s: float


def _measured(cwd: Path, encoder: str, target: float, clips: list[str]) -> list[_Clip]:
    """All clips in one run of the command."""
    name, _, preset = encoder.partition(":")
    asked = [f"encoder={name}", f"quality.target_vmaf={target:g}", *([f"encoder.preset={preset}"] if preset else [])]
    outputs = f"outputs_dir=out-{encoder.replace(':', '-')}"
    run(command("pipeline=transcode", "clips", *_FAST, *asked, outputs), cwd)
    folder = next((cwd / outputs.partition("=")[2]).glob("transcode/*/*/journal.jsonl")).parent
    events = [json.loads(line) for line in (folder / "journal.jsonl").read_text(encoding="utf-8").splitlines()]
    tasks = {(event["item"], event["stage"]): event for event in events if event["event"] == "task"}
    return [_clip(clip, *(tasks[clip, stage] for stage in ("survey", "join", "score"))) for clip in clips]


def _clip(name: str, survey: Mapping[str, Any], join: Mapping[str, Any], score: Mapping[str, Any]) -> _Clip:
    found, made, kept = survey["metrics"], score["metrics"], join["metrics"]
    achieved = made["quality.vmaf_mean"]
    said = next((note for note in survey["notes"] if "; encoder.quality=" in note), "")
    return _Clip(
        name, kept["target.quality"], round(found["target.probes"]), found["target.expected"],
        kept.get("target.first", achieved), achieved, kept["target.corrected"] > 0, said.partition(": ")[2],
        survey["t1"] - survey["t0"],
    )  # fmt: skip


def _report(encoder: str, target: float, clips: list[_Clip]) -> None:
    rows = [
        [clip.name, f"{clip.quality:g}", str(clip.probes), f"{clip.expected:.2f}", f"{clip.first - target:+.2f}",
         "yes" if clip.corrected else "", f"{clip.achieved - target:+.2f}", _verdict(clip, target),
         f"{clip.probing_s:.1f}"]
        for clip in clips
    ]  # fmt: skip
    head = ["clip", "quality", "probes", "expected", "first error", "corrected", "error", "right", "probing, s"]
    table(f"VMAF {target:g} by {encoder}, {CORES} cores", head, rows)
    right = sum(_right(clip, target) for clip in clips)
    probes = statistics.median(clip.probes for clip in clips)
    print(f"\n{right} of {len(clips)} right (±{TOLERANCE:g}, or told why not); probes: median {probes:g}")


def _verdict(clip: _Clip, target: float) -> str:
    return ("yes" if _right(clip, target) else "NO") + (f": {clip.said}" if clip.said else "")


def _right(clip: _Clip, target: float) -> bool:
    """Within the tolerance of the target; or told that it cannot be had, and then of what was told instead."""
    wanted = clip.expected if any(why in clip.said for why in _UNREACHABLE) else target
    return abs(clip.achieved - wanted) <= TOLERANCE


if __name__ == "__main__":
    main()
