"""`reeltune sync`: tell MLflow what it missed, from the folders of the runs."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from runner.commands.words import WordError, given_words, outputs_of, uri_of
from runner.record.rundir import read_json
from runner.record.tracking import Tracker, default_uri, reconcile, untold

if TYPE_CHECKING:
    from rich.console import Console

_KEYS = ("outputs_dir", "tracking.uri", "tracking_uri")


def sync(words: Sequence[str], console: Console) -> int:
    """Finish runs whose owner was killed, then send all that was not told.

    Args:
        words: `outputs_dir=`, and `tracking.uri=` to send to another store than the runs were started with.
        console: where to write.

    Returns:
        0; 1 when a store does not answer; 2 for a word it does not know.
    """
    try:
        given = given_words("sync", words, _KEYS)
    except WordError as error:
        _say(console, str(error))
        return 2
    outputs = outputs_of(given)
    for folder in reconcile(outputs):
        _say(console, f"finished {_name(outputs, folder)}: killed")
    folders = untold(outputs)
    if not folders:
        _say(console, f"MLflow knows all runs of {outputs}")
        return 0
    return _send(folders, outputs, uri_of(given), console)


def _send(folders: Sequence[Path], outputs: Path, uri: str | None, console: Console) -> int:
    """Send one after the other; the first store that does not answer ends it."""
    tracker = Tracker(uri or default_uri(outputs))
    try:
        for sent, folder in enumerate(folders):
            if uri:
                tracker.retarget(folder)
            error = tracker.push(folder)
            if error:
                _say(console, f"{_name(outputs, folder)}: {error} ({len(folders) - sent} of {len(folders)} not sent)")
                return 1
            _say(console, f"sent {_name(outputs, folder)}: {read_json(folder / 'tracking.json').get('closed')}")
    finally:
        tracker.close()
    return 0


def _name(outputs: Path, folder: Path) -> str:
    return folder.relative_to(outputs).as_posix()


def _say(console: Console, text: str) -> None:
    console.print(text, markup=False, highlight=False, soft_wrap=True)
