"""Whether an encoder works here, found out by encoding: FFmpeg lists NVENC on machines that have none."""

from __future__ import annotations

import re
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from stages.contract import Failure, StageError
from stages.media.command import PROTOCOLS, argv
from stages.media.encoders.arguments import video_options
from stages.media.encoders.catalog import adapter
from stages.media.encoders.causes import Cause, cause_of
from stages.media.encoders.memory import TrialMemory
from stages.media.encoders.settings import AUTO_PIXELS, EncoderConfig
from stages.media.ffmpeg import FFmpeg, ffmpeg_binary
from stages.media.processes import Finished, run_process

FRAMES = 6
RATE = 25
_LONGEST_S = 60.0
_HALVED = re.compile(r"420|^nv12$|^p01\dle$")  # chroma of half the height, and of half the width
_HALF_WIDTH = re.compile(r"422")


@dataclass(frozen=True, slots=True)
class Trial:
    """What one trial encode showed.

    Attributes:
        name: option of the group `encoder`.
        codec: FFmpeg's name of the encoder.
        able: it encoded every frame, at the size and in the pixel format that were asked for.
        reason: why not, half a sentence; "" when it is able.
        fps: frames per second of the few frames, start of the program included: a lower bound.
        seconds: wall time of the trial.
        mend: what would make it able; "" when nothing is known.
        asked: the settings or the size are at fault, not the machine.
    """

    name: str
    codec: str
    able: bool
    reason: str
    fps: float
    seconds: float
    mend: str = ""
    asked: bool = False


def try_encoder(
    config: EncoderConfig,
    width: int,
    height: int,
    cores_physical: int,
    tier: str = "balanced",
    *,
    memory: TrialMemory | None = None,
    timeout_s: float = _LONGEST_S,
) -> Trial:
    """Encode a few frames with the very options of a real encode, and count what comes out.

    Args:
        config: a named encoder (not `auto`). With `pix_fmt=auto` its plain 8-bit format is tried.
        width: of the real pictures, pixels.
        height: of the real pictures, pixels.
        cores_physical: as for `video_options`.
        tier: as for `video_options`.
        memory: answers of earlier trials; what may pass by itself (no memory, a time-out) is not kept.
        timeout_s: an encoder that takes longer is not able.

    Raises:
        StageError: when there is no FFmpeg, or it cannot be started.
    """
    program, config = ffmpeg_binary(), plain(config)
    options = video_options(config, cores_physical, tier)
    question = ("trial", config.name, program.identity, options, width, height)
    known = remembered(memory.get(*question)) if memory else None
    if known is not None:
        return known
    refusal = size_cause(width, height, config.pix_fmt, adapter(config.name).family)
    if refusal is not None:
        return trial_of(config, refusal, 0.0)
    cause, seconds = _encode(program, options, (width, height), timeout_s, hardware=adapter(config.name).hardware)
    trial = trial_of(config, cause, seconds)
    if memory and (cause is None or cause.lasting):
        memory.put(asdict(trial), *question)
    return trial


def plain(config: EncoderConfig) -> EncoderConfig:
    """The settings with the format that every adapter names first, 4:2:0 of 8 bit, where `auto` has no source."""
    if config.pix_fmt != AUTO_PIXELS:
        return config
    return replace(config, pix_fmt=adapter(config.name).pixel_formats[0])


def size_cause(width: int, height: int, pix_fmt: str, family: str) -> Cause | None:
    """Why no stream of this family can hold pictures of this size in this pixel format, or None.

    H.264 and HEVC count a picture's sides in samples of its colour, which a halved odd side has no whole number
    of.
    """
    if width < 1 or height < 1:
        return Cause(f"{width}x{height} is no picture", "give a width and a height of 1 or more", asked=True)
    across, down = sides_of(pix_fmt, family)
    if width % across == 0 and height % down == 0:
        return None
    even = f"{width + width % across}x{height + height % down}"
    reason = f"{width}x{height} has an odd side, which {family} in {pix_fmt} cannot hold"
    return Cause(reason, f"scale to {even}, or use encoder.pix_fmt=yuv444p or encoder=svtav1", asked=True)


def sides_of(pix_fmt: str, family: str) -> tuple[int, int]:
    """What width and height must be multiples of. AV1 counts them in pixels, so that any will do."""
    if family == "av1":
        return 1, 1
    down = 2 if _HALVED.search(pix_fmt) else 1
    return max(down, 2 if _HALF_WIDTH.search(pix_fmt) else 1), down


def command(program: FFmpeg, options: dict[str, str], size: tuple[int, int], frames: int, **pace: Any) -> list[str]:
    """Words of an encode of test pictures that tells each coded frame on stdout, one line each.

    `yuv444p` first: in a subsampled format the test picture would be made smaller than asked, to an even size.
    """
    import ffmpeg

    graph = f"testsrc2=size={size[0]}x{size[1]}:rate={RATE},format=yuv444p,format={options['pix_fmt']}"
    source = ffmpeg.input(graph, format="lavfi", protocol_whitelist=PROTOCOLS, **pace)
    told = {"frames:v": frames, "flush_packets": 1, "format": "framecrc"}
    return argv(Path(program.path), ffmpeg.output(source, "pipe:1", **options, **told), level="warning")


def fault_of(done: Finished, stdout: bytes, size: tuple[int, int], frames: int, *, hardware: bool) -> Cause | None:
    """Why an encode of test pictures did not give every frame at its size, or None."""
    cause = cause_of(done.stderr, done.status, hardware=hardware)
    if cause is not None:
        return cause
    lines = stdout.decode(errors="replace").splitlines()
    got = sum(1 for line in lines if line and not line.startswith("#"))
    if got != frames:
        return Cause(f"it gave {got} of {frames} frames")
    told = re.search(r"^#dimensions 0: (\d+)x(\d+)", stdout.decode(errors="replace"), re.MULTILINE)
    if told is None or (int(told[1]), int(told[2])) != size:
        shown = told[0].rpartition(" ")[2] if told else "no size"
        return Cause(f"it made {shown} of {size[0]}x{size[1]}")
    return None


def _encode(
    program: FFmpeg, options: dict[str, str], size: tuple[int, int], timeout_s: float, *, hardware: bool
) -> tuple[Cause | None, float]:
    """One encode: why it failed, or None, and its wall time in seconds."""
    try:
        done = run_process(command(program, options, size, FRAMES), timeout_s=timeout_s, check=False)
    except StageError as error:
        if error.failure is not Failure.TIMEOUT:
            raise
        slow = Cause(f"{FRAMES} frames took more than {timeout_s:g} s", "choose a faster preset", lasting=False)
        return slow, timeout_s
    return fault_of(done, done.stdout, size, FRAMES, hardware=hardware), done.wall_s


def trial_of(config: EncoderConfig, cause: Cause | None, seconds: float) -> Trial:
    """What a trial of `FRAMES` frames showed that took so long, and failed for this cause or did not."""
    if cause is not None:
        return Trial(config.name, config.codec, False, cause.reason, 0.0, round(seconds, 3), cause.mend, cause.asked)
    return Trial(config.name, config.codec, True, "", round(FRAMES / max(seconds, 1e-6), 1), round(seconds, 3))


def remembered(answer: Any) -> Trial | None:
    """The kept trial; an entry of another shape is as good as none."""
    try:
        return Trial(**answer) if answer else None
    except TypeError:
        return None
