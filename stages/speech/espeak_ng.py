"""The embedded espeak-ng library, through ctypes. One utterance at a time per process.

Structures and constants: speak_lib.h of espeak-ng 1.52.
"""

from __future__ import annotations

import ctypes
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

_SYNCHRONOUS = 2  # samples come to our callback before espeak_Synth returns; nothing is played
_BUFFER_MS = 500
_PHONEME_EVENTS, _PHONEMES_IPA, _DONT_EXIT = 0x1, 0x2, 0x8000
_UTF8 = 1
_BY_CHARACTER = 1
_LIST_END, _WORD, _END, _PHONEME = 0, 1, 5, 7
_RATE, _VOLUME, _PITCH = 1, 2, 3
_NORMAL_RATE, _NORMAL_VOLUME, _NORMAL_PITCH = 175, 100, 50
_SLOWEST, _FASTEST = 80, 450

_one_at_a_time = threading.Lock()


class EspeakError(Exception):
    """The library refuses; the message says what."""


class _Id(ctypes.Union):
    _fields_ = [("number", ctypes.c_int), ("name", ctypes.c_char_p), ("string", ctypes.c_char * 8)]


class _Event(ctypes.Structure):
    _fields_ = [
        ("type", ctypes.c_int),
        ("unique_identifier", ctypes.c_uint),
        ("text_position", ctypes.c_int),
        ("length", ctypes.c_int),
        ("audio_position", ctypes.c_int),
        ("sample", ctypes.c_int),
        ("user_data", ctypes.c_void_p),
        ("id", _Id),
    ]


class _Voice(ctypes.Structure):
    _fields_ = [
        ("name", ctypes.c_char_p),
        ("languages", ctypes.c_void_p),
        ("identifier", ctypes.c_char_p),
        ("gender", ctypes.c_ubyte),
        ("age", ctypes.c_ubyte),
        ("variant", ctypes.c_ubyte),
        ("reserved", ctypes.c_ubyte),
        ("score", ctypes.c_int),
        ("spare", ctypes.c_void_p),
    ]


_Callback = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.POINTER(ctypes.c_short), ctypes.c_int, ctypes.POINTER(_Event))


@dataclass(frozen=True, slots=True)
class Mark:
    """Something that happens at a time (s): a `word` (its place and length in the text, characters) or a `pause`."""

    kind: str
    at: float
    place: int = 0
    length: int = 0


@dataclass(frozen=True, slots=True)
class Manner:
    """How to speak: changes in percent."""

    voice: str
    rate: int = 0
    pitch: int = 0
    volume: int = 0


@contextmanager
def _library() -> Iterator[tuple[Any, int]]:
    """A freshly loaded library and its sample rate.

    Fresh because the library keeps the phase of its pitch flutter from one utterance to the next, where no call can
    reset it: only a fresh copy gives the same samples for the same text. Loading costs half a millisecond.
    """
    import espeakng_loader

    with _one_at_a_time:
        library = ctypes.CDLL(espeakng_loader.get_library_path())
        try:
            yield library, _start(library, str(espeakng_loader.get_data_path()))
        finally:
            library.espeak_Terminate()
            _unload(library)


def _start(library: Any, data: str) -> int:
    options = _PHONEME_EVENTS | _PHONEMES_IPA | _DONT_EXIT
    rate_hz = int(library.espeak_Initialize(_SYNCHRONOUS, _BUFFER_MS, data.encode(), options))
    if rate_hz <= 0:
        raise EspeakError("espeak-ng does not start: its data folder is missing or damaged")
    return rate_hz


def _unload(library: Any) -> None:
    import _ctypes

    unload = getattr(_ctypes, "dlclose", None) or _ctypes.FreeLibrary  # type: ignore[attr-defined]
    unload(library._handle)


@lru_cache(maxsize=1)
def version() -> str:
    """Version of the library, such as `1.52.0`."""
    with _library() as (library, _):
        library.espeak_Info.restype = ctypes.c_char_p
        return str(library.espeak_Info(None).decode())


@lru_cache(maxsize=1)
def voices() -> tuple[str, ...]:
    """Language codes (`en-us`) and names (`English (America)`) of the voices, sorted."""
    with _library() as (library, _):
        library.espeak_ListVoices.restype = ctypes.POINTER(ctypes.POINTER(_Voice))
        listed = library.espeak_ListVoices(None)
        found: set[str] = set()
        index = 0
        while listed[index]:
            found |= _voice_words(listed[index].contents)
            index += 1
        return tuple(sorted(found))


def _voice_words(voice: _Voice) -> set[str]:
    # the first language of a voice: one byte of priority, then the code
    return {ctypes.string_at(voice.languages + 1).decode(), voice.name.decode()}


@lru_cache(maxsize=1)
def variants() -> tuple[str, ...]:
    """What may follow a voice after a plus sign (`en-us+f3`)."""
    from pathlib import Path

    import espeakng_loader

    return tuple(sorted(file.name for file in Path(espeakng_loader.get_data_path(), "voices", "!v").iterdir()))


def speak(text: str, manner: Manner, take: Callable[[int, bytes], None]) -> list[Mark]:
    """Speak a text; `take(rate_hz, samples)` gets int16 samples as they come.

    Returns:
        words and pauses in the order of time, then one pause at the end.

    Raises:
        EspeakError: when the library refuses the voice or the text.
        BaseException: whatever `take` raised.
    """
    with _library() as (library, rate_hz):
        _set_manner(library, manner)
        hearer = _Hearer(lambda pcm: take(rate_hz, pcm))
        callback = _Callback(hearer.hear)
        library.espeak_SetSynthCallback(callback)
        data = text.encode() + b"\0"
        library.espeak_Synth.argtypes = [ctypes.c_char_p, ctypes.c_size_t, *[ctypes.c_uint] * 4, *[ctypes.c_void_p] * 2]
        status = library.espeak_Synth(data, len(data), 0, _BY_CHARACTER, 0, _UTF8, None, None)
        if hearer.error is not None:
            raise hearer.error
        if status != 0:
            raise EspeakError(f"espeak-ng refuses the text (status {status})")
        return hearer.marks


def _set_voice(library: Any, voice: str) -> None:
    """By name, else by language: some codes (`en-gb`) are known only as a language of a voice."""
    if library.espeak_SetVoiceByName(voice.encode()) == 0:
        return
    language, _, variant = voice.partition("+")
    wanted = _Voice(languages=ctypes.cast(ctypes.c_char_p(language.encode()), ctypes.c_void_p))
    if library.espeak_SetVoiceByProperties(ctypes.byref(wanted)) != 0:
        raise EspeakError(f"espeak-ng has no voice {voice!r}")
    library.espeak_GetCurrentVoice.restype = ctypes.POINTER(_Voice)
    found = library.espeak_GetCurrentVoice().contents.name.decode()
    if variant and library.espeak_SetVoiceByName(f"{found}+{variant}".encode()) != 0:
        raise EspeakError(f"espeak-ng has no voice {voice!r}")


def _set_manner(library: Any, manner: Manner) -> None:
    _set_voice(library, manner.voice)
    rate = round(_NORMAL_RATE * (1 + manner.rate / 100))
    library.espeak_SetParameter(_RATE, min(max(rate, _SLOWEST), _FASTEST), 0)
    library.espeak_SetParameter(_PITCH, _NORMAL_PITCH + manner.pitch, 0)
    library.espeak_SetParameter(_VOLUME, _NORMAL_VOLUME + manner.volume, 0)


class _Hearer:
    """Gets samples and events. An exception cannot pass through C, so it is kept and the library told to stop."""

    def __init__(self, take: Callable[[bytes], None]) -> None:
        self.marks: list[Mark] = []
        self.error: BaseException | None = None
        self._take = take

    def hear(self, samples: Any, count: int, events: Any) -> int:
        try:
            if samples and count > 0:
                self._take(ctypes.string_at(samples, count * 2))
            self._note(events)
        except BaseException as error:  # noqa: BLE001 - raised again by `speak`
            self.error = error
            return 1
        return 0

    def _note(self, events: Any) -> None:
        index = 0
        while events[index].type != _LIST_END:
            event = events[index]
            at = event.audio_position / 1000
            if event.type == _WORD:
                self.marks.append(Mark("word", at, event.text_position - 1, event.length))
            elif event.type == _END or (event.type == _PHONEME and not event.id.string.strip(b"_:")):
                self.marks.append(Mark("pause", at))
            index += 1
