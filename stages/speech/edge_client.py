"""The client of the edge-tts package, pointed at a server, and one request with it."""

from __future__ import annotations

import asyncio
import importlib
import importlib.util
import sys
import time
import zlib
from dataclasses import dataclass, field
from functools import lru_cache
from types import ModuleType
from typing import Any

from stages.contract import Failure
from stages.service.persist import RefusedError, refused_status
from stages.speech.provider import Word

BYTES_PER_SECOND = 6000  # the service sends MP3 at a constant 48 kbit/s
_TICKS_PER_SECOND = 10_000_000


@dataclass(frozen=True, slots=True)
class Asked:
    """One request: a text that fits into one message, and how to speak it, in the service's own words."""

    text: str
    voice: str
    rate: str
    volume: str
    pitch: str


@dataclass(slots=True)
class Heard:
    """What came back. `ended` is False when the connection closed before the service said that this was all."""

    mp3: bytearray = field(default_factory=bytearray)
    words: list[Word] = field(default_factory=list)
    ended: bool = False

    @property
    def seconds(self) -> float:
        """Length of the audio, exact for a constant bit rate."""
        return len(self.mp3) / BYTES_PER_SECOND


@lru_cache(maxsize=8)
def client_module(url: str) -> Any:
    """A copy of the package's client module that knows only this address (the package's own for "").

    The address is a constant of the module, and no argument takes its place. A copy per address leaves the package
    as it is, so that two addresses can be in use in one process.
    """
    original: Any = importlib.import_module("edge_tts.communicate")
    client = _copy_of(original, f"edge_tts._communicate_{zlib.crc32(url.encode()):08x}")
    client.DRM = _steady_clock(original.DRM)
    if url:
        client.WSS_URL = f"{url}{'&' if '?' in url else '?'}TrustedClientToken=none"
    return client


def _copy_of(module: ModuleType, name: str) -> Any:
    assert module.__spec__ is not None
    assert module.__spec__.origin is not None
    spec = importlib.util.spec_from_file_location(name, module.__spec__.origin)
    assert spec is not None
    assert spec.loader is not None
    copy = importlib.util.module_from_spec(spec)
    sys.modules[name] = copy
    spec.loader.exec_module(copy)
    return copy


def _steady_clock(drm: Any) -> Any:
    """The package's clock correction, made right for many requests at once.

    After a 403 the package *adds* the difference to the server's clock. Eight requests that are refused together would
    add it eight times; here the correction is *set*, which can be done any number of times.
    """

    class SteadyDRM(drm):  # type: ignore[misc]
        @staticmethod
        def handle_client_response_error(e: Any) -> None:
            told = drm.parse_rfc2616_date(e.headers.get("Date", "") if e.headers else "")
            if told is not None:
                drm.clock_skew_seconds = told - time.time()

    return SteadyDRM


async def hear(url: str, asked: Asked, timeout_s: float) -> Heard:
    """Ask once, over a connection of its own, and collect what comes within the time.

    Raises:
        RefusedError: when the service refuses, fails, or takes too long.
    """
    import aiohttp
    from edge_tts.exceptions import EdgeTTSException, NoAudioReceived

    try:
        async with asyncio.timeout(timeout_s):
            return await _collect(url, asked, timeout_s)
    except TimeoutError as error:
        raise RefusedError(Failure.TIMEOUT, f"no answer within {timeout_s:.0f} s") from error
    except aiohttp.ClientResponseError as error:
        raise refused_status(error.status, error.headers.get("Retry-After") if error.headers else None) from error
    except (aiohttp.ClientError, OSError) as error:
        raise RefusedError(Failure.NETWORK, f"the connection failed ({_why(error)})") from error
    except NoAudioReceived as error:
        raise RefusedError(Failure.NETWORK, f"no audio came (does it have the voice {asked.voice}?)") from error
    except EdgeTTSException as error:
        raise RefusedError(Failure.NETWORK, f"{type(error).__name__}: {error}") from error


def _why(error: Exception) -> str:
    """What the system says; the library's own words name objects in memory."""
    return str(getattr(error, "strerror", None) or type(error).__name__)


async def _collect(url: str, asked: Asked, timeout_s: float) -> Heard:
    talk = client_module(url).Communicate(
        asked.text,
        asked.voice,
        rate=asked.rate,
        volume=asked.volume,
        pitch=asked.pitch,
        boundary="WordBoundary",
        receive_timeout=max(1, round(timeout_s)),
    )
    heard = Heard()
    async for chunk in talk.stream():
        if chunk["type"] == "audio":
            heard.mp3 += chunk["data"]
        else:
            start = chunk["offset"] / _TICKS_PER_SECOND
            heard.words.append(Word(chunk["text"], start, start + chunk["duration"] / _TICKS_PER_SECOND))
    # the client moves this offset on when the service says `turn.end`, and only then
    heard.ended = talk.state["offset_compensation"] > 0
    return heard
