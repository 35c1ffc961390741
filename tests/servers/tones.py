"""Speech-like sound for tests: one tone burst a word."""

import functools
import io
import re
import wave

import av
import numpy as np

RATE = 24000
FRAME = 576  # samples of one MPEG-2 layer III frame: 24 ms
_LEAD_S, _TAIL_S, _GAP_S, _PER_SIGN_S = 0.1, 0.5, 0.05, 0.06


def words_with_times(text):
    """[(word, start s, end s)] and the length in seconds, as a service would speak them."""
    at, words = _LEAD_S, []
    for word in re.findall(r"\w+(?:['’.-]\w+)*", text):
        end = at + max(0.15, _PER_SIGN_S * len(word))
        words.append((word, at, end))
        at = end + _GAP_S
    return words, at + _TAIL_S


def samples(text):
    words, seconds = words_with_times(text)
    count = -(-int(seconds * RATE) // FRAME) * FRAME
    sound = np.zeros(count, np.float32)
    for number, (_, start, end) in enumerate(words):
        first, last = int(start * RATE), int(end * RATE)
        hertz = 300 + 40 * (number % 10)
        sound[first:last] = 0.4 * np.sin(2 * np.pi * hertz * np.arange(last - first) / RATE)
    return (sound * 32767).astype("<i2")


@functools.lru_cache(maxsize=512)
def mp3(text):
    return encode_mp3(samples(text))


def encode_mp3(pcm):
    """Constant 48 kbit/s: whole frames of 144 bytes, 6000 bytes a second, no header frame."""
    coder = av.CodecContext.create("libmp3lame", "w")
    coder.sample_rate, coder.layout, coder.format, coder.bit_rate = RATE, "mono", "s16p", 48000
    coder.options = {"compression_level": "9"}  # its quickest: nobody listens
    packets = []
    for place in range(0, len(pcm), FRAME):
        frame = av.AudioFrame.from_ndarray(pcm[None, place : place + FRAME].astype("i2"), format="s16p", layout="mono")
        frame.sample_rate, frame.pts = RATE, place
        packets += coder.encode(frame)
    packets += coder.encode(None)
    data = b"".join(bytes(packet) for packet in packets)
    # the coder's own delay adds a frame or two at the end; the service's audio is as long as its sound
    whole = data[: len(pcm) // FRAME * 144]
    assert len(whole) == len(pcm) // FRAME * 144
    return whole


def wav(text):
    file = io.BytesIO()
    with wave.open(file, "wb") as out:
        out.setnchannels(1)
        out.setsampwidth(2)
        out.setframerate(RATE)
        out.writeframes(samples(text).tobytes())
    return file.getvalue()
