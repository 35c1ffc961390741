"""Which encoder is used: the one that was asked for, or the best that a trial proves, and why."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from stages.contract import Failure, StageError
from stages.media.encoders.carry import carry
from stages.media.encoders.catalog import AUTO, adapter
from stages.media.encoders.pixels import holds
from stages.media.encoders.settings import AUTO_PIXELS, EncoderConfig
from stages.media.encoders.trial import Trial

# Encoder chips first: they leave the processors to other work. H.264 before others: it plays everywhere.
ORDER = ("nvenc_h264", "nvenc_hevc", "nvenc_av1", "x264", "x265", "svtav1")


@dataclass(frozen=True, slots=True)
class Choice:
    """The encoder that is used.

    Attributes:
        config: its settings; never `auto`.
        trials: what was tried, in order; the last one is the encoder that is used.
        reason: one sentence: why this one, why not the others, and which settings did not carry.
    """

    config: EncoderConfig
    trials: tuple[Trial, ...]
    reason: str


@dataclass(frozen=True, slots=True)
class _Passed:
    """An encoder that was passed over."""

    name: str
    reason: str
    mend: str = ""


def choose(
    wanted: EncoderConfig,
    trial: Callable[[EncoderConfig], Trial],
    order: Sequence[str] = ORDER,
    fallback: str | None = None,
    source_pix_fmt: str = "",
    tier: str = "balanced",
) -> Choice:
    """Take the wanted encoder when it works here; else, or with `auto`, the next that does.

    A fall-back stays with the same kind of video (h264, hevc, av1) where it can. It mends what the machine lacks,
    not what a named encoder was wrongly asked for: that is refused. `auto` is a choice and no fall-back: it goes
    through its order with `fallback=none` too. With `pix_fmt=auto`, encoders that would lose bits or colour
    resolution of the source come after all that do not.

    Args:
        wanted: checked settings, of a named encoder or `auto`.
        trial: tries settings at the real size; called until one works.
        order: options of the group `encoder`, best first.
        fallback: `next` or `none`; default: as `wanted` says.
        source_pix_fmt: pixel format of the source; "" when it is not known.
        tier: of the profile, which gives the preset that nobody set.

    Raises:
        StageError: ENCODER, when none works, or the named one does not and `fallback` is `none`
            or what it was asked for is at fault.
    """
    trials: list[Trial] = []
    passed: list[_Passed] = []
    lossy = _lossy(wanted, order, source_pix_fmt)
    for name in _candidates(wanted, order, fallback or wanted.fallback, lossy):
        config, left = _settings(wanted, name, tier, passed)
        if config is None:
            continue
        trials.append(trial(config))
        if trials[-1].able:
            return Choice(config, tuple(trials), _why(wanted, config, passed, left, lossy))
        passed.append(_Passed(name, trials[-1].reason, trials[-1].mend))
        if trials[-1].asked and name == wanted.name:
            break
    raise _none_works(wanted, passed, asked=bool(trials) and trials[-1].asked)


def _lossy(wanted: EncoderConfig, order: Sequence[str], source_pix_fmt: str) -> tuple[str, ...]:
    """Those of the order that cannot hold the source's pixels. One that was asked to change them loses nothing."""
    if not source_pix_fmt or wanted.pix_fmt != AUTO_PIXELS:
        return ()
    return tuple(name for name in order if not holds(adapter(name), source_pix_fmt))


def _candidates(wanted: EncoderConfig, order: Sequence[str], fallback: str, lossy: Sequence[str]) -> list[str]:
    if wanted.name == AUTO:
        return sorted(order, key=lambda name: name in lossy)
    if fallback == "none":
        return [wanted.name]
    others = [name for name in order if name != wanted.name]
    family = adapter(wanted.name).family
    return [wanted.name, *sorted(others, key=lambda name: (name in lossy, adapter(name).family != family))]


def _settings(
    wanted: EncoderConfig, name: str, tier: str, passed: list[_Passed]
) -> tuple[EncoderConfig | None, tuple[str, ...]]:
    """Settings for one candidate, and what does not carry to it; one that cannot do it is passed over."""
    if name == wanted.name:
        return wanted, ()
    carried = carry(wanted, name, tier)
    if carried.config is None:
        passed.append(_Passed(name, carried.refusal))
    return carried.config, carried.left


def _why(
    wanted: EncoderConfig, used: EncoderConfig, passed: Sequence[_Passed], left: Sequence[str], lossy: Sequence[str]
) -> str:
    if used.name == wanted.name:
        return f"encoder={used.name} was asked for and works here"
    how = "was chosen" if wanted.name == AUTO else "is used instead"
    told = [f"{used.name} {how}"]
    if passed:
        told.append(_told(passed))
    later = [name for name in lossy if name not in {used.name, wanted.name, *(one.name for one in passed)}]
    if later and used.name not in lossy:
        told.append(f"{', '.join(later)} would hold less of the source's pixels")
    if wanted.name != AUTO:
        kept = f"bitrate {used.bitrate}" if used.quality is None else f"its own quality {used.quality:g}"
        told.append(f"it codes with {kept}, as quality numbers do not carry from one encoder to another")
    if left:
        told.append(f"not carried: {', '.join(left)}")
    return "; ".join(told)


def _told(passed: Sequence[_Passed]) -> str:
    """Encoders that share a reason share its sentence."""
    groups: dict[str, list[str]] = {}
    for one in passed:
        groups.setdefault(one.reason, []).append(one.name)
    return "; ".join(f"{', '.join(names)} cannot encode here: {reason}" for reason, names in groups.items())


def _none_works(wanted: EncoderConfig, passed: Sequence[_Passed], *, asked: bool) -> StageError:
    mend = next((one.mend for one in passed if one.mend), "")
    if wanted.name != AUTO and len(passed) == 1 and not asked:
        mend = ", or ".join(filter(None, [mend, "set encoder.fallback=next or another encoder"]))
    reasons = {one.reason for one in passed}
    said = f"{passed[0].reason}" if len(reasons) == 1 else _told(passed)
    sentence = (
        f"encoder={wanted.name} cannot encode here: {said}; {mend or 'change its settings or choose another encoder'}"
    )
    return StageError(Failure.ENCODER, sentence)
