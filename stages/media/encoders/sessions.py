"""How many encodes at once a hardware encoder carries, counted by running them: drivers do not tell, and it changes."""

from __future__ import annotations

import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from stages.contract import Failure, StageError
from stages.media.encoders.arguments import video_options
from stages.media.encoders.catalog import adapter
from stages.media.encoders.causes import Cause
from stages.media.encoders.memory import TrialMemory
from stages.media.encoders.settings import EncoderConfig
from stages.media.encoders.trial import RATE, command, fault_of, plain
from stages.media.ffmpeg import ffmpeg_binary
from stages.media.processes import run_process

_HOLD_S = 2.0  # how long each session stays open: the others open theirs meanwhile
_LONGEST_S = 60.0


@dataclass(frozen=True, slots=True)
class _Held:
    """One encode: when its encoder was open (seconds of the monotonic clock), or why it failed."""

    opened: float
    closed: float
    cause: Cause | None


def count_sessions(
    config: EncoderConfig,
    width: int,
    height: int,
    cores_physical: int,
    tier: str = "balanced",
    *,
    most: int = 8,
    memory: TrialMemory | None = None,
    software_too: bool = False,
) -> int:
    """How many encodes of this kind run at the same time, up to `most`.

    Args:
        config: a named encoder.
        width: of the real pictures, pixels.
        height: of the real pictures, pixels.
        cores_physical: as for `video_options`.
        tier: as for `video_options`.
        most: started at once; no more are looked for.
        memory: answers of earlier counts.
        software_too: count a software encoder as well, which else is not limited.

    Returns:
        0 for a software encoder: as many as there are processors and memory for.

    Raises:
        StageError: ENCODER, when not even one works; the sentence says why.
    """
    if not adapter(config.name).hardware and not software_too:
        return 0
    program = ffmpeg_binary()
    options = video_options(plain(config), cores_physical, tier)
    question = ("sessions", config.name, program.identity, options, width, height, most)
    known = memory.get(*question) if memory else None
    if isinstance(known, int) and known > 0:
        return known
    frames = int(_HOLD_S * RATE)
    words = command(program, options, (width, height), frames, readrate=1)
    with ThreadPoolExecutor(most) as pool:
        held = list(pool.map(lambda _: _hold(words, (width, height), frames), range(most)))
    count = _at_once([one for one in held if one.cause is None])
    if count == 0:
        raise _none_works(config.name, held)
    if memory:
        memory.put(count, *question)
    return count


def _hold(words: Sequence[str], size: tuple[int, int], frames: int) -> _Held:
    """One encode at the pace of time. FFmpeg writes its first line once the encoder is open."""
    pieces: list[bytes] = []
    times: list[float] = []

    def take(piece: bytes) -> None:
        pieces.append(piece)
        times.append(time.monotonic())

    try:
        done = run_process(words, timeout_s=_LONGEST_S, on_stdout=take, check=False)
    except StageError as error:
        if error.failure is not Failure.TIMEOUT:
            raise
        return _Held(0.0, 0.0, Cause(f"it did not end within {_LONGEST_S:g} s", "lower encoder.sessions"))
    cause = fault_of(done, b"".join(pieces), size, frames, hardware=True)
    return _Held(times[0], times[-1], cause) if times else _Held(0.0, 0.0, cause or Cause("it gave nothing"))


def _at_once(held: Sequence[_Held]) -> int:
    """The most that were open at one moment: those that came one after the other are no proof."""
    return max((sum(1 for one in held if one.opened <= at.opened < one.closed) for at in held), default=0)


def _none_works(name: str, held: Sequence[_Held]) -> StageError:
    cause = next(one.cause for one in held if one.cause is not None)
    mend = cause.mend or "choose another encoder"
    return StageError(Failure.ENCODER, f"encoder={name} cannot encode here: {cause.reason}; {mend}")
