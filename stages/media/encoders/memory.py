"""What trial encodes showed, kept in a file between runs: a trial is done once per machine, FFmpeg and settings."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

from stages.platform.files import write_atomic

_SCHEMA = 1


class TrialMemory:
    """A JSON file of answers by key. Two processes that write at once may lose one answer, which is then asked again.

    Args:
        path: the file; made with its folder when there is something to keep.
        machine: what the answers hold for: fingerprint of the machine, and the versions of its GPU drivers.

    Attributes:
        notes: sentences on what was wrong with the file.
    """

    def __init__(self, path: Path, machine: str) -> None:
        self.path, self.machine = path, machine
        self.notes: list[str] = []

    def get(self, *question: Any) -> Any:
        """The answer kept for a question (JSON values), or None."""
        return self._answers().get(self._key(question))

    def put(self, answer: Any, *question: Any) -> None:
        """Keep an answer. A file that cannot be written is a note: the next run only asks again."""
        answers = self._answers() | {self._key(question): answer}
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            write_atomic(self.path, json.dumps({"schema_version": _SCHEMA, "answers": answers}, indent=1))
        except OSError as error:
            self._note(f"{self.path} cannot be written ({error.strerror}); encoders are tried again next time")

    def _key(self, question: tuple[Any, ...]) -> str:
        text = json.dumps([self.machine, *question], sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()[:32]

    def _answers(self) -> dict[str, Any]:
        try:
            whole = json.loads(self.path.read_text(encoding="utf-8"))
            if isinstance(whole["answers"], dict) and whole["schema_version"] == _SCHEMA:
                return whole["answers"]
            self._note(f"{self.path} is of another version and is ignored; encoders are tried anew")
        except FileNotFoundError:
            pass
        except (OSError, ValueError, KeyError, TypeError) as error:
            reason = type(error).__name__
            self._note(f"{self.path} is damaged ({reason}) and is ignored; encoders are tried anew")
        return {}

    def _note(self, sentence: str) -> None:
        if sentence not in self.notes:
            self.notes.append(sentence)
