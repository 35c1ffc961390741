"""Fonts that styled subtitles (ASS) ask for, and which of them the film brings along as attachments."""

from __future__ import annotations

import re
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from stages.media.film import codec_name
from stages.media.probe import opened

_STYLE = re.compile(r"^Style:\s*[^,]*,\s*@?([^,]+?)\s*,", re.MULTILINE)
_ANYWHERE = {"arial", "sans-serif", "serif", "monospace", "default"}  # players have these, or take their own


def missing_fonts(path: Path) -> list[str]:
    """Names of fonts that the styles of a film's subtitles name and no attachment holds, in order of appearance.

    Raises:
        StageError: BAD_INPUT when the film cannot be opened.
    """
    with opened(path) as container:
        asked = [name for stream in container.streams.subtitles for name in _styles(stream)]
        if not asked:
            return []
        there = {name.lower() for stream in container.streams if stream.type == "attachment" for name in _names(stream)}
    return [name for name in dict.fromkeys(asked) if name.lower() not in there | _ANYWHERE]


def _styles(stream: Any) -> Iterator[str]:
    """Fonts in the header of an ASS stream (`Style: Name,Fontname,Fontsize,…`)."""
    if codec_name(stream) in ("ass", "ssa"):
        yield from _STYLE.findall((stream.codec_context.extradata or b"").decode("utf-8", "replace"))


def _names(stream: Any) -> Iterator[str]:
    """What an attached font calls itself; a file that is none is known by its own name."""
    from matplotlib.ft2font import FT2Font

    name = Path(stream.name or "").stem
    yield name
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder, "font")
        file.write_bytes(bytes(stream.data))
        try:
            font = FT2Font(str(file))
        except RuntimeError:  # no font that FreeType reads
            return
    yield font.family_name
    yield f"{font.family_name} {font.style_name}"
