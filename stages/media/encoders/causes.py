"""Why an encode failed, read from what FFmpeg said: one reason for people, and the mend."""

from __future__ import annotations

import re
from dataclasses import dataclass

_DRIVER = "install the NVIDIA driver (in a container: give it the GPU and its `video` capability)"


@dataclass(frozen=True, slots=True)
class Cause:
    """Why an encoder does not work here.

    Attributes:
        reason: half a sentence, without the encoder's name.
        mend: what to do; "" when nothing is known.
        lasting: it will be so again in a minute, on this machine: worth remembering.
        asked: what was asked for is at fault, not the machine: it would fail on any.
    """

    reason: str
    mend: str = ""
    lasting: bool = True
    asked: bool = False


@dataclass(frozen=True, slots=True)
class _Sign:
    """A text of FFmpeg or of an encoder; its groups fill {0}, {1} of the reason."""

    text: str
    reason: str
    mend: str
    lasting: bool = True
    asked: bool = False


# In this order: FFmpeg often says the general after the special, such as a driver's refusal after a missing driver.
_SIGNS = (
    _Sign(r"Cannot load (libcuda\.so\S*|nvcuda\.dll)", "no NVIDIA driver: {0} is missing", _DRIVER),
    _Sign(
        r"Cannot load (libnvidia-encode\.so\S*|nvEncodeAPI\S*)",
        "the NVIDIA driver here has no video encoding: {0} is missing", _DRIVER,
    ),
    _Sign(r"CUDA_ERROR_NO_DEVICE|no CUDA-capable device", "no NVIDIA GPU can be seen", _DRIVER),
    _Sign(
        r"does not support the required nvenc API version\. Required: (\S+) Found: (\S+)",
        "the NVIDIA driver is too old: this FFmpeg wants NVENC {0}, it has {1}", "update the NVIDIA driver",
    ),
    _Sign(
        r"OpenEncodeSessionEx failed: (out of memory|incompatible client key)",
        "the NVIDIA driver gives no further encoder session ({0})",
        "end other programs that encode, or lower encoder.sessions", lasting=False,
    ),
    _Sign(
        r"CUDA_ERROR_OUT_OF_MEMORY", "not enough free GPU memory", "end other programs that use the GPU", lasting=False
    ),
    _Sign(
        r"No capable devices found|OpenEncodeSessionEx failed: ([^\n(]*\w)",
        "the GPU cannot code this with NVENC", "use another encoder, or another pixel format or size",
    ),
    _Sign(
        r"Error creating a MFX session", "no Intel Quick Sync: no driver of it answers",
        "install Intel's media driver (oneVPL) where there is such a GPU",
    ),
    _Sign(
        r"Unknown encoder '([^']*)'", "this FFmpeg was built without {0}",
        "unset REELTUNE_FFMPEG, pip install imageio-ffmpeg",
    ),
    _Sign(
        r"Incompatible pixel format '([^']*)'", "it does not take the pixel format {0}", "set another encoder.pix_fmt",
        asked=True,
    ),
    _Sign(
        r"Codec AVOption (\S+) .*has not been used for any stream", "it has no option {0}",
        "take it out of encoder.options", asked=True,
    ),
    _Sign(
        r"Unrecognized option '([^']*)'", "FFmpeg knows no option {0}", "take it out of encoder.options", asked=True
    ),
    _Sign(
        r"Cannot allocate memory|malloc of size \d+ failed", "not enough memory", "end other programs", lasting=False
    ),
    _Sign(
        r"No space left on device", "no space left on the disk", "make room on the disk of the temp folder",
        lasting=False,
    ),
)  # fmt: skip
_SPEAKER = re.compile(r"^(\[[^\]]* @ 0x[0-9a-f]+\]\s*)+|^(x26[45]|Svt)\s*\[\w+\]:\s*")
# Never the cause: how FFmpeg unwinds after one, and what encoders tell about themselves.
_NOISE = re.compile(
    r"Svt\[(info|warn)\]|x26[45] \[(info|warning)\]|Error sending frames|Task finished with error|Terminating thread"
    r"|Could not open encoder|Error while opening encoder|Nothing was written|Conversion failed|^Compiled: |^Detected: "
    r"|^Available: |^In use: |^--\w+=auto|Error splitting"
)


def cause_of(stderr: str, status: int, *, hardware: bool = False) -> Cause | None:
    """The cause that a text names, or with a bad exit status the line that tells most; None when all is well.

    Args:
        stderr: what FFmpeg said, at level `warning`: some faults are only warnings to it.
        status: its exit status; negative: the signal that ended it.
        hardware: what nobody knows is laid to the machine; with a software encoder, to what was asked for.
    """
    for sign in _SIGNS:
        found = re.search(sign.text, stderr)
        if found:
            return Cause(sign.reason.format(*found.groups()), sign.mend, sign.lasting, sign.asked)
    if status < 0:
        return Cause(f"the encoder crashed (signal {-status})", "use another encoder", lasting=False)
    return Cause(_telling_line(stderr, status), asked=not hardware) if status else None


def _telling_line(stderr: str, status: int) -> str:
    """The first line that is not noise: later ones only tell what followed from it."""
    lines = (line.strip() for line in stderr.splitlines())
    telling = (_SPEAKER.sub("", line) for line in lines if line and not _NOISE.search(line))
    return next(telling, f"FFmpeg ended with status {status} and said nothing").rstrip(".")
