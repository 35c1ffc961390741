"""Encodes frames that lie in memory into an MP4 segment, in this process, with the options of the FFmpeg program.

PyAV's own libraries do it, which are others than the program's: whether they can is found by a trial here too.
"""

from __future__ import annotations

import tempfile
import time
from contextlib import ExitStack, suppress
from dataclasses import asdict
from fractions import Fraction
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, BinaryIO

from stages.contract import Failure, StageError
from stages.media.color import Colour
from stages.media.encoders.catalog import adapter
from stages.media.encoders.causes import Cause
from stages.media.encoders.library import describe, held_note, library_options, open_encoder
from stages.media.encoders.light_boxes import add_light
from stages.media.encoders.memory import TrialMemory
from stages.media.encoders.settings import EncoderConfig
from stages.media.encoders.trial import FRAMES, RATE, Trial, plain, remembered, size_cause, trial_of, try_encoder
from stages.media.faults import writing
from stages.media.hdr import Light, hdr_options
from stages.media.pixel_format import pixel_format
from stages.media.probe import opened

if TYPE_CHECKING:
    from av import VideoFrame


class SegmentWriter:
    """One MP4 file of one video stream, which begins with a key frame and refers to nothing before it.

    Times in the file begin at 0, in units of `1 / time_base.denominator` seconds: what `stages.media.strand` joins.
    Frames may be of any colour: it is written, nothing is converted. On an error no file is left.

    Args:
        path: the file.
        config: a named encoder, its pixel format settled.
        cores: as for `video_options`.
        tier: as for `video_options`.
        width: of the frames, pixels.
        height: of the frames, pixels.
        rate: frames per second, about: rate control wants to know. 0: not known.
        time_base: seconds per unit of the frames' pts.
        colour: what the numbers of the frames mean.
        aspect: sample aspect ratio; 0 when it is not told.
        rotation: degrees counter-clockwise that a player is asked to turn the picture by.
        light: HDR10 metadata.

    Attributes:
        start: pts of the first frame; None before it.
        frames: how many were given to the encoder.
        nbytes: bytes of the packets that came out so far.
        notes: sentences on metadata that is not kept, and on threads that are not taken.

    Raises:
        StageError: ENCODER when PyAV's libraries cannot encode so; DISK_FULL; HOST_OOM.
        ValueError: the pixel format is not settled.
    """

    def __init__(
        self,
        path: Path,
        config: EncoderConfig,
        *,
        cores: int,
        tier: str,
        width: int,
        height: int,
        rate: Fraction,
        time_base: Fraction,
        colour: Colour,
        aspect: Fraction = Fraction(0),
        rotation: int = 0,
        light: Light | None = None,
    ) -> None:
        told, self.notes = hdr_options(config.codec, light, 0, explicit=True)
        self.notes += held_note(config)
        options = library_options(config, cores, tier, colour, told)
        self.path = path
        self.start: int | None = None
        self.frames = self.nbytes = 0
        self._base, self._light = time_base, light
        self._last = self._packets = 0
        self._shape = (width, height, config.pix_fmt)
        self._held = ExitStack()
        self._file: BinaryIO | None = None
        self._output: Any = None
        self._stream: Any = None
        try:
            with writing(path):
                stream = self._create(config, rate or Fraction(RATE))
                describe(stream, self._shape, time_base, aspect, rotation)
                open_encoder(stream, config, options)
                self._stream = stream
                stream.container.start_encoding()
        except BaseException:
            self.abort()
            raise

    def _create(self, config: EncoderConfig, rate: Fraction) -> Any:
        import av

        # A file of Python's, and no name: it can be closed whatever state the library is in.
        self._file = self._held.enter_context(self.path.open("wb"))
        scale = {"video_track_timescale": str(self._base.denominator)}
        self._output = self._held.enter_context(av.open(self._file, "w", format="mp4", container_options=scale))
        try:
            return self._output.add_stream(config.codec, rate=rate)
        except ValueError as error:  # no FFmpegError: PyAV looks the name up by itself
            sentence = f"encoder={config.name}: this PyAV was built without {config.codec}; choose another encoder"
            raise StageError(Failure.ENCODER, sentence) from error

    def write(self, frame: VideoFrame) -> None:
        """Encode the next frame. Its `pts` is in `time_base`, and later than that of the frame before it.

        Raises:
            StageError: DISK_FULL, HOST_OOM, or ENCODER.
            ValueError: the frame has another size or format, or a time that does not follow; the segment is closed.
        """
        pts = self._checked(frame)
        self.start, self._last = (pts if self.start is None else self.start), pts
        frame.time_base = self._base
        frame.pict_type = 0  # a decoded frame tells what it was coded as, and x264 would code it so again
        with writing(self.path):
            self._mux(self._stream.encode(frame))
        self.frames += 1

    def _checked(self, frame: VideoFrame) -> int:
        if self._stream is None:
            raise ValueError(f"{self.path.name}: the segment is closed")
        shape = (frame.width, frame.height, frame.format.name)
        if shape != self._shape:  # PyAV would convert it, with no regard to its colour
            raise ValueError(f"{self.path.name}: a frame is {shape}, and the segment {self._shape}")
        if frame.pts is None or (self.start is not None and frame.pts <= self._last):
            raise ValueError(f"{self.path.name}: the pts {frame.pts} does not follow {self._last}")
        return int(frame.pts)

    def _mux(self, packets: list[Any]) -> None:
        for packet in packets:
            packet.pts -= self.start
            packet.dts -= self.start
            self.nbytes += packet.size
            self._output.mux_one(packet)
            self._packets += 1

    def close(self) -> int:
        """Encode what the encoder holds back, and finish the file. Without any frame there is none.

        Returns:
            frames that were written.

        Raises:
            StageError: DISK_FULL, HOST_OOM, or ENCODER, also when frames were lost; no file is left then.
        """
        if self._stream is None:
            return self.frames
        try:
            with writing(self.path):
                self._finish()
        except BaseException:
            self.abort()
            raise
        return self.frames

    def _finish(self) -> None:
        if self.frames == 0:
            self.abort()
            return
        self._mux(self._stream.encode(None))
        self._held.close()
        self._stream = self._output = None  # the encoder's memory, which may be hundreds of MB
        if self._packets != self.frames:
            sentence = f"{self.path.name}: {self._packets} packets came of {self.frames} frames; choose another encoder"
            raise StageError(Failure.ENCODER, sentence)
        if self._light is not None:
            add_light(self.path, self._light)

    def abort(self) -> None:
        """Let go of everything, and remove what was written."""
        with suppress(OSError):  # what could not be written to a full disk is of no use any more
            if self._file is not None:
                self._file.close()  # first: then the library writes nothing either
        self._held.close()
        self._stream = self._output = None
        self.path.unlink(missing_ok=True)

    def __enter__(self) -> SegmentWriter:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None) -> None:
        if kind is None:
            self.close()
        else:
            self.abort()


# --- trial -----------------------------------------------------------------------------------


def try_in_process(
    config: EncoderConfig,
    width: int,
    height: int,
    cores_physical: int,
    tier: str = "balanced",
    *,
    memory: TrialMemory | None = None,
) -> Trial:
    """Encode a few frames in this process with the very options of a real encode, and count what comes out.

    Why it fails the libraries do not say: then the FFmpeg program is asked for the same.

    Args:
        config: a named encoder (not `auto`). With `pix_fmt=auto` its plain 8-bit format is tried.
        width: of the real pictures, pixels.
        height: of the real pictures, pixels.
        cores_physical: as for `video_options`.
        tier: as for `video_options`.
        memory: answers of earlier trials; that it works is kept, and why not as `try_encoder` keeps it.

    Raises:
        StageError: DISK_FULL or HOST_OOM; when there is no FFmpeg to ask.
    """
    config = plain(config)
    options = library_options(config, cores_physical, tier, Colour())
    question = ("trial in process", config.name, _libraries(), options, config.pix_fmt, width, height)
    known = remembered(memory.get(*question)) if memory else None
    if known is not None:
        return known
    cause = size_cause(width, height, config.pix_fmt, adapter(config.name).family)
    if cause is not None:
        return trial_of(config, cause, 0.0)
    began = time.monotonic()
    refusal = _refused(config, (width, height), cores_physical, tier)
    seconds = time.monotonic() - began
    if refusal:
        told = try_encoder(config, width, height, cores_physical, tier, memory=memory)
        mend = "choose another encoder: the FFmpeg program has this one, and it is of no use here"
        return told if not told.able else trial_of(config, Cause(refusal, mend), seconds)
    trial = trial_of(config, None, seconds)
    if memory:
        memory.put(asdict(trial), *question)
    return trial


def _libraries() -> str:
    import av

    return f"PyAV {av.__version__}, {av.ffmpeg_version_info}"


def _refused(config: EncoderConfig, size: tuple[int, int], cores: int, tier: str) -> str:
    """Why a few frames cannot be encoded, half a sentence; "" when they can."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "trial.mp4"
        base = Fraction(1, RATE)
        try:
            with SegmentWriter(
                path, config, cores=cores, tier=tier, width=size[0], height=size[1], rate=Fraction(RATE),
                time_base=base, colour=Colour(),
            ) as writer:  # fmt: skip
                for number in range(FRAMES):
                    writer.write(_picture(*size, config.pix_fmt, number))
        except StageError as error:
            if error.failure is not Failure.ENCODER:
                raise
            return error.sentence
        with opened(path) as made:
            shapes = [(frame.width, frame.height) for frame in made.decode(video=0)]
    return "" if shapes == [size] * FRAMES else f"of {FRAMES} frames came out {len(shapes)}, as {set(shapes)}"


def _picture(width: int, height: int, pix_fmt: str, number: int) -> VideoFrame:
    """A slope that moves, in the lower numbers of every depth."""
    import av
    import numpy as np

    frame = av.VideoFrame(width, height, pix_fmt)
    kind = np.uint16 if pixel_format(pix_fmt).depth > 8 else np.uint8
    for plane in frame.planes:
        lines = np.frombuffer(memoryview(plane), kind).reshape(plane.height, -1)
        across, down = np.arange(lines.shape[1]), np.arange(lines.shape[0])[:, None]
        lines[:] = (across + 2 * down + 7 * number) % 219 + 16
    frame.pts = number
    return frame
