"""Scores of one video against another by FFmpeg's own filters: VMAF, SSIM, PSNR, and a thumbnail of each frame.

One process decodes both once. Frames get their index as time, so that neither time bases nor variable frame rates
decide which frame meets which. Logs are plain names in a folder of the process: no path has to be escaped.

The metrics form a chain (each hands the judged frames on to the next), so that they keep step without a queue or an
output of their own; thumbnails of large pictures are made of every 2nd, 4th … line, which `field`
gives without copying.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING

from stages.contract import Failure, StageError
from stages.media.align import SIDE
from stages.media.command import PROTOCOLS, file_url
from stages.media.frames import Track
from stages.media.geometry import Box
from stages.media.landing import Cut, cut_for, trim_to
from stages.media.processes import progress_reader, run_process
from stages.media.score_logs import LOGS, read_logs
from stages.media.steady import STEADY, steady_filters

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

SMALLEST_VMAF = 32  # libvmaf ends with a segmentation fault on pictures of 16 × 16
_SMALLEST_SSIM = 8  # FFmpeg's ssim compares blocks of 8 × 8
_THUMBNAILS = ("distorted.gray", "reference.gray")
_LINES = 8 * SIDE  # lines that a thumbnail is made of, at least: 8 for each of its own
_VMAF_THREADS_EACH = 4  # libvmaf threads that one filter thread keeps busy: the filters are a small part of the work


@dataclass(frozen=True, slots=True)
class Window:
    """Frames `first` to `last` (not included). Seeks are times on each file's own clock; None: from the beginning."""

    first: int
    last: int
    seek_reference: Fraction | None = None
    seek_distorted: Fraction | None = None

    @property
    def count(self) -> int:
        """How many frames it has."""
        return self.last - self.first


@dataclass(frozen=True, slots=True)
class Scores:
    """Scores by frame of a window, and thumbnails (grey 0 … 255, shape [frames, SIDE·SIDE]) of both.

    A list is empty when that metric was not asked for. `psnr` holds infinity where two frames are the same.
    """

    vmaf: list[float]
    ssim: list[float]
    psnr: list[float]
    reference: NDArray[np.float32]
    distorted: NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Scoring:
    """How two videos are compared.

    Attributes:
        binary: the FFmpeg program.
        reference: what is taken as right.
        distorted: what is judged.
        model: VMAF model by name; "" without VMAF.
        threads: threads of libvmaf; decoders and filters get their part of as many.
        metrics: False for thumbnails alone.
        crop: the part of the reference that is compared; None: all of it.
        inside: the part of the distorted that is compared; None: all of it.
        memory_mb: limit of the program's memory, MB; 0 for none.
    """

    binary: Path
    reference: Track
    distorted: Track
    model: str
    threads: int
    metrics: bool = True
    crop: Box | None = None
    inside: Box | None = None
    memory_mb: int = 0

    @property
    def size(self) -> tuple[int, int]:
        """Width and height that both are compared at."""
        return self.crop.size if self.crop else (self.reference.width, self.reference.height)

    @property
    def wanted(self) -> tuple[str, ...]:
        """Names of the metrics that this pair gets."""
        if not self.metrics:
            return ()
        ssim = ["ssim"] if min(self.size) >= _SMALLEST_SSIM else []
        return (*(["vmaf"] if self.model else []), *ssim, "psnr")

    @property
    def chain(self) -> tuple[str, ...]:
        """The metrics in the order that frames pass through: quick ones first, while a frame is in the cache."""
        return tuple(sorted(self.wanted, key=lambda name: name == "vmaf"))

    def run(self, window: Window, folder: Path, progress: Callable[[float], None]) -> Scores:
        """Score a window in an empty folder.

        Raises:
            StageError: BAD_INPUT when either does not decode to as many frames as it should; as FFmpeg failed.
        """
        folder.mkdir(parents=True, exist_ok=True)
        sides = [_cut(side, window.count, folder) for side in self._sides(window)]
        run_process(
            self._command(window, sides),
            cwd=folder,
            on_stdout=progress_reader(lambda block: progress(_frame(block) / window.count)),
            memory_mb=self.memory_mb,
        )
        distorted, reference = (_thumbnails(folder / name) for name in _THUMBNAILS)
        _complete(self.reference, len(reference), window)
        _complete(self.distorted, len(distorted), window)
        found = read_logs(folder, self.wanted)
        for name, values in found.items():
            if len(values) != window.count:
                sentence = f"{self.distorted.called}: {name} has {len(values)} of {window.count} frames"
                raise StageError(Failure.ENCODER, f"{sentence}; choose another FFmpeg in REELTUNE_FFMPEG")
        return Scores(
            found.get("vmaf", []),
            found.get("ssim", []),
            found.get("psnr", []),
            reference=reference,
            distorted=distorted,
        )

    def _sides(self, window: Window) -> list[_Side]:
        return [
            _Side("d", self.distorted, self.inside, window.seek_distorted),
            _Side("e", self.reference, self.crop, window.seek_reference),
        ]

    def _command(self, window: Window, sides: Sequence[_Side]) -> list[str]:
        head = [str(self.binary), "-nostdin", "-hide_banner", "-loglevel", "error", "-nostats", "-progress", "pipe:1"]
        inputs = [word for side in sides for word in self._input(side)]
        outputs = [
            ["-map", f"[{label}]", "-f", "rawvideo", file] for label, file in zip("de", _THUMBNAILS, strict=True)
        ]
        outputs += [["-map", f"[{self.chain[-1]}]", "-f", "null", "-"]] if self.chain else []
        ends = [word for words in outputs for word in ["-fps_mode", "passthrough", *words]]
        threads = ["-filter_complex_threads", str(max(1, self.threads // _VMAF_THREADS_EACH))]
        return [*head, "-y", *threads, *inputs, "-filter_complex", self._graph(window, sides), *ends]

    def _input(self, side: _Side) -> list[str]:
        """Input words. A seek is exact: FFmpeg decodes from the key frame before, and drops what is before the time."""
        seek = None if side.cut else side.seek
        start = [] if seek is None else ["-seek_timestamp", "1", "-ss", f"{math.floor(seek * 1_000_000)}us"]
        threads = ["-threads", str(max(1, self.threads // 2))]  # two decoders; more threads only cost
        # a film may change its size or tags on the way; with a new graph the scores before that would be lost. One that
        # FFmpeg turns goes through its filters first, and those cannot take that.
        steady = _steady(side.video)
        once = [word for name, value in STEADY.items() for word in (f"-{name}", str(value))] if steady else []
        path = side.cut.path if side.cut else side.video.path
        return [*threads, *start, *once, "-protocol_whitelist", PROTOCOLS, "-i", file_url(path)]

    def _graph(self, window: Window, sides: Sequence[_Side]) -> str:
        """The filter graph: both inputs brought to one size, format and range, counted, and given to each metric."""
        fields = "field," * _halvings(self.size[1])
        small = f"{fields}extractplanes=y,scale={SIDE}:{SIDE}:flags=area,format=gray16le"
        chains = []
        for number, side in enumerate(sides):
            # the judged frames go through the metrics one after another, the reference's are handed to each
            label, names = side.label, self.chain[:1] if side.label == "d" else self.chain
            legs = "".join(f"[{label}{name}]" for name in names)
            begin, stream = ([trim_to(side.cut)], 0) if side.cut else ([], side.video.stream)
            counted = [f"trim=end_frame={window.count}", "settb=1/25", "setpts=N"]
            steps = ",".join([*begin, *counted, *self._converted(side.video, side.box)])
            chains.append(f"[{number}:{stream}]{steps},split={len(names) + 1}[{label}s]{legs}")
            chains.append(f"[{label}s]{small}[{label}]")
        judged = [f"d{name}" for name in self.chain[:1]] + list(self.chain[:-1])
        chains += [
            f"[{left}][e{name}]{self._filter(name)}[{name}]" for left, name in zip(judged, self.chain, strict=True)
        ]
        return ";".join(chains)

    def _filter(self, name: str) -> str:
        if name != "vmaf":
            return f"{name}=stats_file={LOGS[name]}"
        return f"libvmaf=model=version={self.model}:n_threads={self.threads}:log_fmt=json:log_path={LOGS[name]}"

    def _converted(self, video: Track, box: Box | None) -> list[str]:
        """Filters that bring a part of a video to the compared size and range, and to the deeper of the two formats."""
        wanted = common_format(self.reference, self.distorted)
        steps = steady_filters(video.width, video.height, video.pixel_format) if _steady(video) else []
        steps += [f"crop={box.width}:{box.height}:{box.x}:{box.y}:exact=1"] if box else []
        scale = []
        if (box.size if box else (video.width, video.height)) != self.size:
            scale += [f"w={self.size[0]}", f"h={self.size[1]}"]
        if video.full_range != self.reference.full_range:
            scale += [f"in_range={_range(video)}", f"out_range={_range(self.reference)}"]
        if scale:
            steps.append("scale=" + ":".join([*scale, "flags=bicubic"]))
        if steps or video.pixel_format != wanted:
            steps.append(f"format={wanted}")
        return steps


@dataclass(frozen=True, slots=True)
class _Side:
    """One of the two: its label in the graph, what is compared of it, where it begins, and from which file."""

    label: str
    video: Track
    box: Box | None
    seek: Fraction | None
    cut: Cut | None = None


def _cut(side: _Side, count: int, folder: Path) -> _Side:
    if side.seek is None:
        return side
    video = side.video
    return replace(side, cut=cut_for(video.path, video.stream, side.seek, count, folder / f"{side.label}.mov"))


def _steady(video: Track) -> bool:
    """Whether its pictures reach our filters as they are coded."""
    return video.rotation % 360 == 0


def _halvings(height: int) -> int:
    """How often half of the lines can be left out of a thumbnail with enough of them remaining."""
    return max(0, (height // _LINES).bit_length() - 1)


def common_format(reference: Track, distorted: Track) -> str:
    """The planar format both are compared in: chroma of the reference, depth of the deeper one (8, 10 or 12 bit)."""
    depth = next((known for known in (8, 10) if max(reference.depth, distorted.depth) <= known), 12)
    return f"yuv{reference.chroma}p" + ("" if depth == 8 else f"{depth}le")


def _range(video: Track) -> str:
    return "pc" if video.full_range else "tv"


def _frame(block: dict[str, str]) -> int:
    value = block.get("frame", "0")
    return int(value) if value.isdigit() else 0


def _thumbnails(file: Path) -> NDArray[np.float32]:
    import numpy as np

    grey = np.fromfile(file, "<u2").astype(np.float32).reshape(-1, SIDE * SIDE)
    return grey / np.float32(257)


def _complete(video: Track, count: int, window: Window) -> None:
    if count != window.count:
        where = f"frames {window.first} to {window.last - 1}"
        sentence = f"{video.called}: of {where} only {count} can be decoded; the file is damaged, make it again"
        raise StageError(Failure.BAD_INPUT, sentence)
