"""narrate, 100 items: against `xargs -P` with the FFmpeg program, and against what the CPU allows."""

from __future__ import annotations

import random
import shutil
import subprocess
import tempfile
from pathlib import Path

from benchmarks.measure import CORES, Cost, command, median_of, newest_run, run, table
from stages.media.ffmpeg import ffmpeg_binary

TEXT = (
    "the quick brown fox jumps over a lazy dog while seven silver ships sail past the quiet harbour at dawn and "
    "nobody on the shore remembers their names anymore because winter came early this year"
)
TIMES = 3


def sentences(count: int, seed: int = 3) -> list[str]:
    """Texts of about six seconds each, all different."""
    chance = random.Random(seed)
    return [
        f"Line {n}: {' '.join(chance.choices(TEXT.split(), k=chance.randint(14, 18)))}." for n in range(1, count + 1)
    ]


def main() -> None:
    """Print the table; every row is the median of three, all in one run."""
    with tempfile.TemporaryDirectory() as name:
        cwd = Path(name)
        (cwd / "lines.txt").write_text("\n".join(sentences(100)) + "\n")
        speech = _speech(cwd)
        rows = [
            _shell_row(f"`xargs -P{n}` FFmpeg, encode alone, aac_coder={coder}", cwd, speech, n, coder)
            for coder in ("twoloop", "fast")
            for n in (1, 2, 4)
        ]
        for title, words in {
            "reeltune, as it comes": [],
            "reeltune, tracking off": ["tracking.enabled=false"],
            "reeltune, voice coded twice": ["profile.audio.code_once=false"],
            "reeltune, voice coded twice, twoloop": [
                "profile.audio.code_once=false",
                "profile.audio.aac_coder=twoloop",
            ],
            "reeltune, by the FFmpeg program": ["audio.backend=ffmpeg"],
        }.items():
            rows.append(_reeltune_row(title, cwd, words))
    head = ["100 texts, 192k stereo 44.1 kHz", "wall, s", "CPU, s", "speech + encode CPU / cores, s", "wall / that"]
    table(f"narrate, 100 items on {CORES} cores", head, rows)


def _speech(cwd: Path) -> Path:
    """The uncompressed speech, for those who only encode."""
    run(command("pipeline=narrate", "lines.txt", "progress=off", "tracking.enabled=false"), cwd)
    folder = cwd / "speech"
    folder.mkdir()
    for number, file in enumerate(sorted((cwd / "outputs" / "cache" / "objects").rglob("*.wav"))):
        shutil.copy(file, folder / f"{number:03}.wav")
    shutil.rmtree(cwd / "outputs")
    return folder


def _shell_row(title: str, cwd: Path, speech: Path, processes: int, coder: str) -> list[str]:
    ffmpeg = f"{ffmpeg_binary().path} -nostdin -v error -y -i {{}} -c:a aac -b:a 192k -aac_coder {coder}"
    line = f"ls {speech}/*.wav | xargs -P{processes} -I{{}} {ffmpeg} -ar 44100 -ac 2 -movflags +faststart {{}}.m4a"

    def once() -> Cost:
        cost = run(["sh", "-c", line], cwd)
        for file in speech.glob("*.m4a"):
            file.unlink()
        return cost

    cost = median_of(TIMES, once)
    return [
        title,
        f"{cost.wall_s:.2f}",
        f"{cost.cpu_s:.1f}",
        f"{cost.cpu_s / CORES:.2f}",
        f"{cost.wall_s * CORES / cost.cpu_s:.2f}",
    ]


def _reeltune_row(title: str, cwd: Path, words: list[str]) -> list[str]:
    work: list[float] = []

    def once() -> Cost:
        shutil.rmtree(cwd / "outputs", ignore_errors=True)
        if "tracking.enabled=false" not in words:  # the store's first migration is paid once per machine, not per run
            subprocess.run(
                command("pipeline=narrate", "one.txt", "progress=off"), cwd=cwd, capture_output=True, check=False
            )
        cost = run(command("pipeline=narrate", "lines.txt", "progress=off", *words), cwd)
        metrics = newest_run(cwd)["metrics"]
        work.append(metrics["stage.speak.cpu_s"] + metrics["stage.encode.cpu_s"])
        return cost

    (cwd / "one.txt").write_text("one\n")
    cost = median_of(TIMES, once)
    limit = sorted(work)[len(work) // 2] / CORES
    return [title, f"{cost.wall_s:.2f}", f"{cost.cpu_s:.1f}", f"{limit:.2f}", f"{cost.wall_s / limit:.2f}"]


if __name__ == "__main__":
    main()
