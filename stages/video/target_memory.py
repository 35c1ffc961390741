"""What probe encodes scored, kept between runs: another target for the same film begins with what is known of it."""

from __future__ import annotations

import contextlib
import hashlib
import json
import sqlite3
from pathlib import Path

from stages.contract import Json

_WAIT_S = 30.0  # for another process that writes; each writes a row at a time
_TABLE = "create table if not exists probes (footage text, quality real, figures text, primary key (footage, quality))"


def footage_key(*question: Json) -> str:
    """One text for all that decides a score but the quality number: source, windows, words, versions."""
    return hashlib.sha256(json.dumps(question, sort_keys=True).encode()).hexdigest()


class ProbeMemory:
    """An SQLite file of figures by footage and quality number; many processes may use it at once.

    Args:
        path: the file, made with its folder when there is something to keep; None remembers nothing.

    Attributes:
        notes: sentences on what was wrong with the file: without it everything is probed anew.
    """

    def __init__(self, path: Path | None) -> None:
        self.path = path
        self.notes: list[str] = []

    def known(self, footage: str) -> dict[float, dict[str, float]]:
        """Quality number → figures, of all probes of this footage."""
        if self.path is None or not self.path.is_file():
            return {}
        said = "select quality, figures from probes where footage = ?"
        return {quality: json.loads(figures) for quality, figures in self._ask(said, footage)}

    def put(self, footage: str, quality: float, figures: dict[str, float]) -> None:
        """Keep the figures of a probe."""
        if self.path is not None:
            self._ask("insert or replace into probes values (?, ?, ?)", footage, quality, json.dumps(figures))

    def forget(self, footage: str) -> None:
        """Keep nothing of this footage: some of it was found to be wrong."""
        if self.path is not None:
            self._ask("delete from probes where footage = ?", footage)

    def _ask(self, said: str, *values: str | float) -> list[tuple[float, str]]:
        """The rows of a statement; none, and a note, where the file cannot be used."""
        assert self.path is not None
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            with contextlib.closing(sqlite3.connect(self.path, timeout=_WAIT_S)) as store, store:
                store.execute(_TABLE)
                return store.execute(said, values).fetchall()
        except (OSError, sqlite3.Error) as error:
            self._note(f"{self.path} cannot be used ({error}); probes are encoded anew, delete it if that stays so")
            return []

    def _note(self, sentence: str) -> None:
        if sentence not in self.notes:
            self.notes.append(sentence)
