"""When each written word is spoken, by the best that is known: told, heard, or counted."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from stages.caption.align import AlignError, align
from stages.caption.match import Span, place
from stages.caption.spread import spread
from stages.contract import Json


@dataclass(frozen=True, slots=True)
class Times:
    """A span (start and end, s) for each written word; `source`: `provider`, `aligned` or `spread`."""

    spans: list[Span]
    source: str
    notes: tuple[str, ...] = ()


def word_times(written: Sequence[str], told: Json, speech: Path, language: str = "") -> Times:
    """When each written word is spoken.

    Args:
        written: the words of the text.
        told: [[word, start, end], …] from who spoke, or nothing.
        speech: mono WAV file, listened to when nothing was told.
        language: BCP-47; "" to go by the script of the text.
    """
    rows = [(str(word), float(start), float(end)) for word, start, end in told or ()]
    if any(any(sign.isalnum() for sign in word) for word, _, _ in rows):
        return Times(place(written, rows), "provider")
    try:
        spans = align(written, speech, language)
    except AlignError as error:
        note = f"word times are counted out over the speech, which may be off by half a second: {error}"
        return Times(spread(written, speech), "spread", (note,))
    return Times(spans, "aligned", ("word times were found by laying the offline voice over the speech",))
