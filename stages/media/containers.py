"""What each container can hold of a film's other streams, and what becomes of one that it cannot."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from stages.media.film import Film, Other

AUTO = "auto"
_TEXT = ("subrip", "ass", "ssa", "mov_text", "webvtt", "text", "srt")
# What is written without a detour through the codes of Windows (`av.OutputContainer.supported_codecs`).
_MKV_SOUND = (
    *("aac", "ac3", "alac", "atrac1", "atrac3", "cook", "dts", "eac3", "flac", "mlp", "mp1", "mp2", "mp3", "opus"),
    *("pcm_f32le", "pcm_f64le", "pcm_s16be", "pcm_s16le", "pcm_s24be", "pcm_s24le", "pcm_s32be", "pcm_s32le", "pcm_u8"),
    *("qdm2", "qdmc", "ra_144", "ra_288", "sipr", "truehd", "tta", "vorbis", "wavpack"),
)
# Players know uncompressed sound in QuickTime files; in MP4 few do.
_MOV_PCM = (
    *("pcm_alaw", "pcm_mulaw", "pcm_f32be", "pcm_f32le", "pcm_f64be", "pcm_f64le", "pcm_s8", "pcm_u8"),
    *("pcm_s16be", "pcm_s16le", "pcm_s24be", "pcm_s24le", "pcm_s32be", "pcm_s32le"),
)
_MP4_SOUND = ("aac", "mp3", "mp2", "ac3", "eac3", "alac", "flac", "opus", "dts", "truehd")
_COVERS = ("mjpeg", "png", "bmp")


@dataclass(frozen=True, slots=True)
class Container:
    """One container format.

    Attributes:
        name: option of `container`, and the suffix of its files.
        format: FFmpeg's name of it.
        video: families of video it holds; () for any.
        sound: codecs of sound it holds.
        subtitles: codecs of subtitles it holds.
        text: what subtitles of text are turned into.
        speech: encoder that sound is coded with when its codec cannot be held.
        lossless: the same for sound that is not compressed; "" for `speech`.
        covers: codecs of cover pictures.
        attachments: whether files (fonts) can be attached.
    """

    name: str
    format: str
    video: tuple[str, ...]
    sound: tuple[str, ...]
    subtitles: tuple[str, ...]
    text: str
    speech: str = "aac"
    lossless: str = ""
    covers: tuple[str, ...] = _COVERS
    attachments: bool = False


CONTAINERS = {
    "mp4": Container("mp4", "mp4", (), _MP4_SOUND, ("mov_text", "dvd_subtitle"), "mov_text"),
    "mov": Container("mov", "mov", (), (*_MP4_SOUND, "amr_nb", "amr_wb", *_MOV_PCM), ("mov_text",), "mov_text"),
    "mkv": Container(
        "mkv", "matroska", (), _MKV_SOUND,
        ("subrip", "ass", "ssa", "hdmv_pgs_subtitle", "dvd_subtitle", "dvb_subtitle", "webvtt", "hdmv_text_subtitle"),
        "subrip", lossless="flac", attachments=True,
    ),
    "webm": Container("webm", "webm", ("av1",), ("opus", "vorbis"), ("webvtt",), "webvtt", "libopus", covers=()),
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Fate:
    """What becomes of one other stream: `copy`, `convert` (to the encoder `codec`), or `lost`; and why, for people."""

    other: Other
    deed: str
    codec: str = ""
    why: str = ""


def container_for(film: Film, family: str, wanted: str = AUTO, *, sound: str = "copy") -> tuple[Container, str]:
    """The container, and a sentence when it is another kind than the film's own.

    `auto` keeps to the film's own kind where that holds as much as Matroska would, else takes that.
    """
    if wanted != AUTO:
        return CONTAINERS[wanted], ""
    own = _own_kind(film)
    if own == "mkv":
        return CONTAINERS["mkv"], ""
    if own:
        candidate = CONTAINERS[own]
        lost = _changed(film, candidate, sound)
        fits = not candidate.video or family in candidate.video
        if fits and len(lost) <= len(_changed(film, CONTAINERS["mkv"], sound)):
            return candidate, ""
        why = _sayable(lost[0]) if lost else f"{family} video"
        return CONTAINERS["mkv"], f"written as mkv: {candidate.name} cannot hold {why} as it is"
    return CONTAINERS["mkv"], f"written as mkv: {film.container} files are not written"


def _changed(film: Film, container: Container, sound: str) -> list[Fate]:
    """What cannot be copied, and would be worth another container."""
    return [fate for fate in fates(film.others, container, sound) if fate.deed != "copy" and not _known_loss(fate)]


def _own_kind(film: Film) -> str:
    names = film.container.split(",")
    if "mp4" in names:
        return "mov" if film.path.suffix.lower() in (".mov", ".qt") else "mp4"
    if "matroska" in names:
        return "webm" if film.path.suffix.lower() == ".webm" else "mkv"
    return ""


def _known_loss(fate: Fate) -> bool:
    """What no container holds is no reason to change it; sound that is to be coded anew neither."""
    if fate.other.kind != "attachment" and not fate.other.codec:
        return True
    return fate.other.kind == "data" or (fate.other.kind == "audio" and fate.deed == "convert" and not fate.why)


def _sayable(fate: Fate) -> str:
    return f"{fate.other.kind} {fate.other.codec or fate.other.name}".strip()


def fates(others: Iterable[Other], container: Container, sound: str = "copy") -> list[Fate]:
    """What becomes of each other stream in this container; with sound `encode` all sound is coded anew."""
    return [_fate(other, container, sound) for other in others]


def _fate(other: Other, container: Container, sound: str) -> Fate:
    if other.kind == "audio":
        return _sound(other, container, sound)
    if other.kind == "subtitle":
        return _subtitle(other, container)
    if other.kind == "cover":
        return _held(other, other.codec in container.covers, container)
    if other.kind == "attachment":
        return _held(other, container.attachments, container)
    return Fate(other, "lost", why="metadata tracks of this kind can be written by no container")


def _held(other: Other, held: bool, container: Container) -> Fate:
    return Fate(other, "copy") if held else Fate(other, "lost", why=f"{container.name} holds no {other.kind}s")


def _sound(other: Other, container: Container, sound: str) -> Fate:
    if not other.codec:
        return Fate(other, "lost", why="its codec is not known")
    if sound == "encode":
        return Fate(other, "convert", container.speech)
    if other.codec in container.sound:
        return Fate(other, "copy")
    codec = (other.codec.startswith("pcm_") and container.lossless) or container.speech
    return Fate(other, "convert", codec, f"{container.name} holds no {other.codec}")


def _subtitle(other: Other, container: Container) -> Fate:
    if other.codec in container.subtitles:
        return Fate(other, "copy")
    if other.codec not in _TEXT:
        return Fate(other, "lost", why=f"{container.name} holds no {other.codec or 'such'} subtitles")
    styled = " (their styles are lost)" if other.codec in ("ass", "ssa") else ""
    return Fate(other, "convert", container.text, f"{container.name} holds no {other.codec} subtitles{styled}")


def loss_sentence(film: Film, lost: Sequence[Fate]) -> str:
    """Why a film is refused for a container, and the mend; only what another container would hold counts."""
    said = "; ".join(f"stream {fate.other.stream} ({_sayable(fate)}): {fate.why}" for fate in lost)
    return f"{film.path.name}: {said}; use video.container=mkv, or video.on_lost=drop to leave it out"
