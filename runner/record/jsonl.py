"""Read JSON lines that somebody may still be writing, or was killed while writing."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any


def read_lines(path: Path, start: int = 0) -> Iterator[tuple[int, dict[str, Any] | None]]:
    """Objects of a JSON-lines file, one at a time, from a byte offset on.

    A last line without its newline is torn (or not written yet): the reading ends before it.

    Yields:
        the byte offset after the line, and its object; None in place of a line that holds no object.
    """
    if not path.is_file():
        return
    with path.open("rb") as file:
        file.seek(start)
        offset = start
        for line in file:
            if not line.endswith(b"\n"):
                return
            offset += len(line)
            yield offset, _object(line)


def _object(line: bytes) -> dict[str, Any] | None:
    try:
        value = json.loads(line)
    except ValueError:
        return None
    return value if isinstance(value, dict) else None
