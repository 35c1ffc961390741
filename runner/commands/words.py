"""The words of the tools beside `run`: `key=value`, each tool with its own keys."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from stages.settings import nearest


class WordError(Exception):
    """A word that the tool does not take; the message says which it takes."""


def given_words(tool: str, words: Sequence[str], keys: Sequence[str]) -> dict[str, str]:
    """The words as a mapping.

    Raises:
        WordError: for a key that the tool does not know.
    """
    given = dict(word.partition("=")[::2] for word in words)
    for key in given:
        if key not in keys:
            known = ", ".join(f"{each}=…" for each in keys)
            raise WordError(f"{tool} does not know {key!r}{nearest(key, list(keys))}; it takes {known}")
    return given


def outputs_of(given: dict[str, str]) -> Path:
    """The outputs folder that a tool looks into."""
    return Path(given.get("outputs_dir") or "outputs").absolute()


def uri_of(given: dict[str, str]) -> str | None:
    """The tracking store named, under either spelling."""
    return given.get("tracking.uri") or given.get("tracking_uri") or None
