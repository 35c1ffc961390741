"""The FFmpeg program at work on the frames of a scene."""

from __future__ import annotations

from collections.abc import Sequence

from stages.contract import StageError, Work
from stages.media.processes import progress_reader, run_process
from stages.scene.drawn import Drawn


def run_fed(words: Sequence[str], fed: Drawn, count: int, work: Work) -> None:
    """Run it in the scratch folder of the task, with the frames at its stdin.

    Args:
        words: the command.
        fed: what it gets.
        count: frames that it makes.
        work: gets the progress.

    Raises:
        StageError: of the class that FFmpeg's words tell, by the name of the scene.
    """

    def report(block: dict[str, str]) -> None:
        number = block.get("frame", "0")
        if number.isdigit():
            work.progress(min(1.0, int(number) / count))

    try:
        run_process(
            words, feed=fed.frames, cwd=work.scratch, on_stdout=progress_reader(report), memory_mb=work.memory_mb
        )
    except StageError as error:
        raise error.about(work.item.key) from error
