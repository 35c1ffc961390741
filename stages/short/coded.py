"""A levelled track to AAC, and again a little softer where coding made a peak too high."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING

from stages.audio.coding import encode_in_process
from stages.audio.encode import EncodeAudioSettings
from stages.audio.levels import Gain
from stages.media.command import file_url
from stages.media.faults import writing
from stages.media.loudness import Loudness, measure_file
from stages.short.waves import as_frame, blocks

if TYPE_CHECKING:
    from stages.short.master import Master
    from stages.short.settings import ShortSoundSettings

_TRIES = 4
_AGAIN_DB = 0.1  # beyond the excess: what is coded anew is not coded alike
_HEARD_DB = 0.005


@dataclass(frozen=True, slots=True)
class Encoded:
    """The finished track as it decodes: its loudness, and what is worth telling."""

    heard: Loudness
    notes: tuple[str, ...] = ()


def encoded(made: Master, config: ShortSoundSettings, target: Path) -> Encoded:
    """Encode a track so that no peak of what it decodes to passes `true_peak_db`.

    Each try is coded from the samples themselves.

    Raises:
        StageError: DISK_FULL, HOST_OOM or ENCODER.
    """
    wav = target.with_suffix(".wav")
    for _ in range(_TRIES):
        _write(made, wav)
        encode_in_process(wav, target, _settings(config), Gain(), lambda _done: None)
        heard = measure_file(target)
        over = -math.inf if heard.true_peak_db is None else heard.true_peak_db - config.true_peak_db
        if over <= _HEARD_DB:
            break
        before = config.true_peak_db if made.ceiling_db is None else made.ceiling_db
        made = replace(made, ceiling_db=before - over - _AGAIN_DB)
    wav.unlink()
    if over <= _HEARD_DB:
        return Encoded(heard)
    mend = f"lower sound.true_peak_db={config.true_peak_db:g}"
    return Encoded(heard, (f"peaks at {heard.true_peak_db:+.2f} dBTP, above what was asked; {mend}",))


def _settings(config: ShortSoundSettings) -> EncodeAudioSettings:
    return EncodeAudioSettings(
        bitrate=config.bitrate, sample_rate=config.sample_rate, channels=2, aac_coder=config.aac_coder
    )


def _write(made: Master, path: Path) -> None:
    """The levelled track as 32 bit floats; RF64 where it is larger than the 4 GB of WAV."""
    import av

    layout = "mono" if made.track.shape[1] == 1 else "stereo"
    with writing(path), av.open(file_url(path), "w", format="wav", options={"rf64": "auto"}) as output:
        stream = output.add_stream("pcm_f32le", rate=made.rate, layout=layout)
        for part in blocks(len(made.track)):
            frame = as_frame(made.block(part), made.rate, part.start)
            frame.time_base = Fraction(1, made.rate)
            output.mux(stream.encode(frame))
        output.mux(stream.encode(None))
