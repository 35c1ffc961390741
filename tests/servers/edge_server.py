"""Edge TTS on the loopback: the websocket protocol that Edge's reading voices speak, with its faults on request.

How a text can be answered:
    ok        all of it
    stall     nothing, for ever
    close     half of the audio, then the connection is closed without `turn.end`
    drop      half of the audio and of the words, then `turn.end` as if that were all
    cut       all words, half of the audio, `turn.end`
    hole      words and audio of the middle are missing, `turn.end`
    mute      as long as it should be, but silent
    nothing   no audio at all, `turn.end`
Connections can be refused with 403, 429 and 503 before that.
"""

import asyncio
import json
import re
import uuid
from xml.sax.saxutils import unescape

import numpy as np
from aiohttp import WSMsgType, web

from servers import tones
from servers.loopback import LoopbackServer

_TEXT = re.compile(r"<prosody [^>]*>(.*)</prosody>", re.DOTALL)
_VOICE = re.compile(r"<voice name='([^']*)'><prosody pitch='([^']*)' rate='([^']*)' volume='([^']*)'>")
_TICKS = 10_000_000
_CHUNK = 720 * 2


class EdgeServer(LoopbackServer):
    path = "/edge/v1"

    def __init__(self, *args, date=None, **more):
        super().__init__(*args, **more)
        self.date = date
        self.ids = []
        self.ssml = []

    @property
    def url(self):
        return f"ws://127.0.0.1:{self.port}{self.path}"

    def refusal(self, status):
        response = super().refusal(status)
        if self.date:
            response.headers["Date"] = self.date
        return response

    async def answer(self, request):
        self._check_query(request.query)
        socket = web.WebSocketResponse(compress=True)
        await socket.prepare(request)
        config = await self._message(socket, "speech.config")
        if '"wordBoundaryEnabled":"true"' not in config or "audio-24khz-48kbitrate-mono-mp3" not in config:
            self.log.faults.append(f"config: {config}")
        body = await self._message(socket, "ssml")
        self.ssml.append(_VOICE.search(body).groups())
        escaped = _TEXT.search(body)[1]
        if len(escaped.encode()) > 4096:
            self.log.faults.append(f"a message of {len(escaped.encode())} bytes")
        text = unescape(escaped)
        await self._speak(socket, text, self.how(text), lambda: self.landed(request))
        await socket.close()
        return socket

    def _check_query(self, query):
        if not re.fullmatch(r"[0-9A-F-]{64,}", query.get("Sec-MS-GEC", "")):
            self.log.faults.append(f"token: {query.get('Sec-MS-GEC')}")
        self.ids.append(query.get("ConnectionId"))

    async def _message(self, socket, path):
        message = await socket.receive(timeout=10)
        if message.type is not WSMsgType.TEXT or f"Path:{path}\r\n" not in message.data:
            self.log.faults.append(f"wanted {path}, got {message}")
        return message.data

    async def _speak(self, socket, text, behaviour, landed):
        request_id = uuid.uuid4().hex
        await _say(socket, request_id, "turn.start", {"context": {"serviceTag": "loopback"}})
        await _say(socket, request_id, "response", {"context": {}, "audio": {"type": "inline"}})
        if behaviour == "stall":
            await asyncio.sleep(3600)
        audio, words = _product(text, behaviour)
        steps = max(1, len(audio) // _CHUNK + 1)
        for word in words:
            await _say(socket, request_id, "audio.metadata", _boundary(*word))
        for place in range(0, len(audio), _CHUNK):
            await _send(socket, request_id, audio[place : place + _CHUNK])
            await asyncio.sleep(self.latency / steps)
        if behaviour == "close":
            return
        if audio:
            await _send(socket, request_id, b"")
        landed()
        await _say(socket, request_id, "turn.end", {})


def _product(text, behaviour):
    """The audio and word times that go out."""
    words, _ = tones.words_with_times(text)
    audio = tones.mp3(text)
    half, count = len(audio) // 288 * 144, len(words) // 2
    if behaviour == "nothing":
        return b"", []
    if behaviour == "mute":
        return _silence(len(audio)), words
    if behaviour in ("close", "drop"):
        return audio[:half], words[:count]
    if behaviour == "cut":
        return audio[:half], words
    if behaviour == "hole":
        return _without_middle(audio, words)
    return audio, words


def _without_middle(audio, words):
    """The last fifth of the words follows straight upon the first."""
    fifth = max(1, len(words) // 5)
    shift = words[-fifth][1] - words[fifth][1]
    kept = [*words[:fifth], *[(word, start - shift, end - shift) for word, start, end in words[-fifth:]]]
    return audio[: len(audio) - int(shift * 6000) // 144 * 144], kept


def _silence(size):
    return tones.encode_mp3(np.zeros(size // 144 * tones.FRAME, "<i2"))


def _boundary(word, start, end):
    data = {
        "Offset": int(start * _TICKS),
        "Duration": int((end - start) * _TICKS),
        "text": {"Text": word, "Length": len(word), "BoundaryType": "WordBoundary"},
    }
    return {"Metadata": [{"Type": "WordBoundary", "Data": data}]}


async def _say(socket, request_id, path, value):
    head = f"X-RequestId:{request_id}\r\nContent-Type:application/json; charset=utf-8\r\nPath:{path}\r\n\r\n"
    await socket.send_str(head + json.dumps(value))


async def _send(socket, request_id, audio):
    kind = "Content-Type:audio/mpeg\r\n" if audio else ""
    head = f"X-RequestId:{request_id}\r\n{kind}X-StreamId:1\r\nPath:audio\r\n".encode()
    await socket.send_bytes(len(head).to_bytes(2, "big") + head + audio)
