"""From the encoder that was asked for to one that works here at the size of the pictures, with nothing left open."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from stages.media.encoders.choose import choose
from stages.media.encoders.machine import machine_identity
from stages.media.encoders.memory import TrialMemory
from stages.media.encoders.pixels import settled
from stages.media.encoders.settings import EncoderConfig
from stages.media.encoders.trial import Trial


def settle(
    wanted: EncoderConfig,
    source_pix_fmt: str,
    tier: str,
    trials: str,
    trial: Callable[[EncoderConfig, TrialMemory | None], Trial],
) -> tuple[EncoderConfig, tuple[str, ...]]:
    """The settings that are used, and sentences on what is not as it was asked or cannot be held of the source.

    Args:
        wanted: checked settings, of a named encoder or `auto`.
        source_pix_fmt: pixel format of the source.
        tier: of the profile.
        trials: file that remembers trials; "" for none.
        trial: tries settings, their pixel format settled, at the real size.

    Raises:
        StageError: ENCODER, when none works, or the wanted one does not and may not be replaced.
    """
    memory = TrialMemory(Path(trials), machine_identity()) if trials else None
    choice = choose(
        wanted,
        lambda config: trial(settled(config, source_pix_fmt)[0], memory),
        source_pix_fmt=source_pix_fmt,
        tier=tier,
    )
    config, lost = settled(choice.config, source_pix_fmt)
    reason = () if config.name == wanted.name else (choice.reason,)
    return config, (*reason, *lost, *(memory.notes if memory else ()))
