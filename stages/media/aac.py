"""One coded voice on two channels: an AAC frame of one channel rewritten as a pair of identical channels.

A mono voice for a stereo file is coded once, not twice: the pair is written as middle and side (ISO/IEC 14496-3,
4.4.2.1 and 4.6.8.1) with the voice as the middle and nothing at all as the side, so a decoder gets L = R = voice.
The frame's own bits are moved, never decoded. Two tools must be off in the encoder: TNS (its filter would have to be
in both channels) and PNS (its noise is not carried by the middle).
"""

from __future__ import annotations

ENCODER_OPTIONS = {"aac_tns": "0", "aac_pns": "0", "flags": "+bitexact"}  # bitexact: no fill element before the voice
_SINGLE, _PAIR, _END = 0, 1, 7
_EIGHT_SHORT = 2
_ALL_MIDDLE_SIDE = 2


class _Reader:
    """Bits of a frame from the front, as one big integer."""

    def __init__(self, data: bytes) -> None:
        self.bits = int.from_bytes(data, "big")
        self.left = len(data) * 8

    def take(self, count: int) -> int:
        self.left -= count
        return (self.bits >> self.left) & ((1 << count) - 1)


class _Writer:
    def __init__(self) -> None:
        self.bits = 0
        self.count = 0

    def put(self, value: int, count: int) -> None:
        self.bits = (self.bits << count) | value
        self.count += count

    def data(self) -> bytes:
        padding = -self.count % 8
        return (self.bits << padding).to_bytes((self.count + padding) // 8, "big")


def as_pair(frame: bytes) -> bytes:
    """A raw AAC-LC frame of one channel as a frame of two identical channels.

    Args:
        frame: a raw data block with a single channel element and no other, made with `ENCODER_OPTIONS`.

    Raises:
        ValueError: when the frame is anything else.
    """
    source = _Reader(frame)
    if source.take(3) != _SINGLE:
        raise ValueError("the AAC frame does not begin with a single channel")
    source.take(4)
    gain = source.take(8)
    info, info_bits, bands, groups, length_bits = _window(source)
    end = _end_of_voice(source)
    voice_bits = source.left - end
    voice = source.take(voice_bits)
    pair = _Writer()
    for value, count in ((_PAIR, 3), (0, 4), (1, 1), (info, info_bits), (_ALL_MIDDLE_SIDE, 2), (gain, 8)):
        pair.put(value, count)
    pair.put(voice, voice_bits)
    _put_silence(pair, gain, bands, groups, length_bits)
    pair.put(_END, 3)
    return pair.data()


def _window(source: _Reader) -> tuple[int, int, int, int, int]:
    """The `ics_info`: its bits, how many, scale factor bands, window groups, and bits of a section length."""
    before = source.left
    if source.take(1):
        raise ValueError("the AAC frame has its reserved bit set")
    short = source.take(2) == _EIGHT_SHORT
    source.take(1)
    bands = source.take(4 if short else 6)
    groups = 8 - source.take(7).bit_count() if short else 1
    if not short and source.take(1):
        raise ValueError("the AAC frame uses prediction")
    count = before - source.left
    info = (source.bits >> source.left) & ((1 << count) - 1)
    return info, count, bands, groups, 3 if short else 5


def _end_of_voice(source: _Reader) -> int:
    """Where the voice ends, counted in bits from the back: before the end mark and the zeros that pad the last byte."""
    padding = (source.bits & -source.bits).bit_length() - 1
    if not 0 <= padding < 8 or (source.bits >> padding) & 7 != _END:
        raise ValueError("the AAC frame has no end mark")
    return padding + 3


def _put_silence(pair: _Writer, gain: int, bands: int, groups: int, length_bits: int) -> None:
    """A channel whose every band is coded with the codebook of zeros; no pulses, no TNS, no gain control."""
    pair.put(gain, 8)
    escape = (1 << length_bits) - 1
    for _ in range(groups if bands else 0):
        pair.put(0, 4)
        for _ in range(bands // escape):
            pair.put(escape, length_bits)
        pair.put(bands % escape, length_bits)
    pair.put(0, 3)
