"""How many threads one encode keeps busy, and the memory it takes: what `stages.media.saturation` is built on.

    python -m benchmarks saturation          two presets of each encoder at 360p and 720p, about two minutes
    python -m benchmarks.saturation all      more presets, and 1080p: half an hour

Wall time tells nothing beyond the cores of this machine. CPU seconds of each thread do: what one thread must do
alone (take pictures in, look ahead, write out) bounds the speed, so `all CPU / CPU of the busiest thread` is the most
threads that an encode can feed, whatever the number of cores. It is measured with 16 threads asked for.
"""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchmarks.measure import CORES, table
from stages.media.ffmpeg import ffmpeg_binary
from stages.media.saturation import encoding_mb, svtav1_level, threads_fed

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

SIZES = {360: (640, 360), 720: (1280, 720), 1080: (1920, 1080)}
PRESETS = {
    "x264": ("ultrafast", "veryfast", "medium", "veryslow"),
    "x265": ("ultrafast", "fast", "medium", "slow"),
    "svtav1": ("12", "8", "4"),
}
SHORT = {"x264": ("veryfast", "medium"), "x265": ("ultrafast", "medium"), "svtav1": ("12", "8")}
SLOW = {"veryslow", "slow", "4"}
THREADS = (1, 2, 16)


@dataclass(frozen=True)
class Encode:
    """What one encode took; `serial_s` are CPU seconds of its busiest thread."""

    wall_s: float
    cpu_s: float
    serial_s: float
    rss_mb: float


class Watch(threading.Thread):
    """CPU seconds of each thread of a process and its peak memory, read from /proc 50 times a second until it is gone.

    The kernel's own sum (`ru_maxrss`) will not do: it begins with the size of the process that started the encode.
    """

    def __init__(self, pid: int) -> None:
        super().__init__(daemon=True)
        self._home, self._end = Path(f"/proc/{pid}"), threading.Event()
        self.seconds: dict[str, float] = {}
        self.rss_mb = 0.0
        self.start()

    def run(self) -> None:
        """Look until told to stop."""
        while not self._end.wait(0.02):
            try:
                self._look()
            except (OSError, ValueError):  # a thread, or the process, ended meanwhile
                continue

    def _look(self) -> None:
        for line in (self._home / "status").read_text().splitlines():
            if line.startswith("VmHWM:"):
                self.rss_mb = int(line.split()[1]) / 1024
        for task in (self._home / "task").iterdir():
            self.seconds[task.name] = int((task / "schedstat").read_text().split()[0]) / 1e9

    def stop(self) -> None:
        """Keep what was seen last."""
        self._end.set()
        self.join()


def footage(path: Path, width: int, height: int, frames: int) -> Path:
    """Raw yuv420p: a natural-looking texture (1/f) that pans, another that crosses it, and fine grain."""
    import numpy as np

    chance = np.random.default_rng(5)
    back, front = (_texture(chance, width + 512, height + 256) for _ in range(2))
    mask = _texture(chance, width + 512, height + 256) > 150
    with path.open("wb") as file:
        for n in range(frames):
            x, y = 3 * n % 512, n % 256
            luma = np.where(_cut(mask, 511 - x, y, width, height), _cut(front, 511 - x, y, width, height), 0)
            luma = np.where(luma > 0, luma, _cut(back, x, y, width, height))
            grain = chance.normal(0, 1.5, (height, width))
            file.write(np.clip(luma + grain, 16, 235).astype(np.uint8).tobytes())
            chroma = luma[::2, ::2] / 4
            file.write(np.clip(96 + chroma, 16, 240).astype(np.uint8).tobytes())
            file.write(np.clip(160 - chroma, 16, 240).astype(np.uint8).tobytes())
    return path


def _texture(chance: np.random.Generator, width: int, height: int) -> NDArray[np.float64]:
    """Noise whose amplitude falls with frequency as in photographs, 16 to 235."""
    import numpy as np

    waves = np.fft.rfft2(chance.normal(size=(height, width)))
    fy, fx = np.fft.fftfreq(height)[:, None], np.fft.rfftfreq(width)[None, :]
    field = np.fft.irfft2(waves / np.maximum(np.hypot(fy, fx), 1 / width) ** 1.1, s=(height, width))
    return np.clip(125 + 45 * field / field.std(), 16, 235)


def _cut(field: NDArray[Any], x: int, y: int, width: int, height: int) -> NDArray[Any]:
    return field[y : y + height, x : x + width]


def command(raw: Path, encoder: str, preset: str, height: int, threads: int) -> list[str]:
    """Encode raw pictures to nothing."""
    width, height = SIZES[height]
    coder = {
        "x264": ["libx264", "-preset", preset, "-threads", str(threads)],
        "x265": ["libx265", "-preset", preset, "-x265-params", f"pools={threads}:log-level=error"],
        "svtav1": ["libsvtav1", "-preset", preset, "-svtav1-params", f"lp={svtav1_level(threads)}"],
    }[encoder]
    head = [str(ffmpeg_binary().path), "-v", "error", "-nostdin", "-f", "rawvideo", "-s", f"{width}x{height}"]
    # filters would be given threads as well, and they do nothing here
    return [
        *head,
        "-r",
        "25",
        "-threads",
        "1",
        "-i",
        str(raw),
        "-filter_threads",
        "1",
        "-c:v",
        *coder,
        "-f",
        "null",
        "-",
    ]


def encode(words: list[str]) -> Encode:
    """Run an encode to its end."""
    began = time.monotonic()
    process = subprocess.Popen(words, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    watch = Watch(process.pid)
    _, status, usage = os.wait4(process.pid, 0)
    wall = time.monotonic() - began
    watch.stop()
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise SystemExit(f"{words} ended with {process.returncode}")
    return Encode(wall, usage.ru_utime + usage.ru_stime, max(watch.seconds.values()), watch.rss_mb)


def median(runs: list[Encode]) -> Encode:
    """The median of each figure by itself."""
    return Encode(*(statistics.median(getattr(r, f) for r in runs) for f in ("wall_s", "cpu_s", "serial_s", "rss_mb")))


def rows(raw: Path, encoder: str, preset: str, height: int, times: int) -> list[str]:
    """One line of the table: 1 and 2 threads, and what 16 could feed."""
    found = {t: median([encode(command(raw, encoder, preset, height, t)) for _ in range(times)]) for t in THREADS}
    width, _ = SIZES[height]
    one, two, many = (found[t] for t in THREADS)
    fed = threads_fed(encoder, preset, width, height)
    model = [f"{encoding_mb(encoder, preset, width, height, 8, t):.0f}" for t in THREADS]
    return [
        encoder, preset, f"{height}p", f"{one.cpu_s:.2f}", f"{one.wall_s / two.wall_s:.2f}",
        f"{many.cpu_s / many.serial_s:.1f}", f"{fed:.1f}",
        " / ".join(f"{found[t].rss_mb:.0f}" for t in THREADS), " / ".join(model),
    ]  # fmt: skip


def main(words: tuple[str, ...] = ()) -> None:
    """Print the table."""
    everything = "all" in words
    presets = PRESETS if everything else SHORT
    heights = tuple(SIZES) if everything else (360, 720)
    lines = []
    with tempfile.TemporaryDirectory() as folder:
        for height in heights:
            long, short = (120, 40) if everything else (60, 60)
            raws = {n: footage(Path(folder, f"{height}-{n}.yuv"), *SIZES[height], n) for n in {long, short}}
            for encoder, preset in ((e, p) for e, names in presets.items() for p in names):
                raw = raws[short if preset in SLOW else long]
                lines.append(rows(raw, encoder, preset, height, 3 if everything else 1))
                sys.stderr.write(f"{lines[-1]}\n")
            for raw in raws.values():
                raw.unlink()
    head = [
        "encoder",
        "preset",
        "size",
        "CPU s, 1 thread",
        f"speed with 2 threads ({CORES} cores)",
        "CPU / busiest thread",
    ]
    head += ["model: threads fed", "MB with 1 / 2 / 16 threads", "model: MB"]
    table("Threads one encode can feed", head, lines)


if __name__ == "__main__":
    main(tuple(sys.argv[1:]))
