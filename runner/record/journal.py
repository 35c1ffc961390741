"""The journal: every event of a run, one JSON object a line. Formats are in docs/architecture.md."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any


class Lines:
    """A JSONL file that is only ever appended to. Each line is handed to the system at once: a kill loses none."""

    def __init__(self, path: Path) -> None:
        self._file = path.open("a", encoding="utf-8")

    def write(self, value: Mapping[str, Any]) -> None:
        """One line.

        Raises:
            OSError: when the disk is full.
        """
        self._file.write(json.dumps(value, ensure_ascii=False, separators=(",", ":"), default=str) + "\n")
        self._file.flush()

    def close(self) -> None:
        """Close the file."""
        self._file.close()


class Journal(Lines):
    """Events with their time since the start of the run, in seconds."""

    def __init__(self, path: Path, epoch: float) -> None:
        super().__init__(path)
        # One clock for all: the monotonic clock, set against the epoch once.
        self._zero = time.monotonic() - (time.time() - epoch)

    def now(self) -> float:
        """Seconds since the start of the run."""
        return round(time.monotonic() - self._zero, 4)

    def event(self, event: str, **fields: Any) -> None:
        """Write one event."""
        self.write({"t": self.now(), "event": event, **fields})
