"""Decoding times that go back on the way, as where a receiver or a download joined recordings: put in order again."""

from __future__ import annotations

import math
from fractions import Fraction
from typing import Any

_STEP_S = Fraction(1, 1000)


class Rising:
    """Sees to it that each packet of a stream is decoded after the one before, which muxers insist on.

    Args:
        strict: two packets may not have one time either.

    Attributes:
        moved_s: by how much a packet was moved at most, seconds.
    """

    def __init__(self, *, strict: bool) -> None:
        self.moved_s = Fraction(0)
        self._strict = strict
        self._last: dict[int, Fraction] = {}

    def order(self, packet: Any, stream: int) -> None:
        """Move a packet (`av.Packet`) of a stream where it comes too early."""
        if packet.dts is None:
            return
        base = packet.time_base
        last = self._last.get(stream)
        if last is not None and (packet.dts * base < last or (self._strict and packet.dts * base == last)):
            dts = math.ceil((last + _STEP_S) / base)
            self.moved_s = max(self.moved_s, (dts - packet.dts) * base)
            packet.dts = dts
            packet.pts = dts if packet.pts is None else max(packet.pts, dts)
        self._last[stream] = packet.dts * base
