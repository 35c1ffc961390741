"""The filters that raw frames go through before they are encoded or compared: told what they are, captions burnt in."""

from __future__ import annotations

import re
import shutil
from collections.abc import Sequence
from pathlib import Path

from stages.contract import Failure, Json, StageError
from stages.platform.files import link_or_copy
from stages.scene.planes import COLOUR

_ASS, _FONTS = "captions.ass", "fonts"
_LINE = re.compile(r"^Dialogue:", re.MULTILINE)


def filters(captions: Path, fonts: Sequence[Json], folder: Path) -> list[str]:
    """FFmpeg's filters, in order. FFmpeg has to run in `folder`: the names in them are plain, whatever the paths are.

    Args:
        captions: an ASS file of this scene; one that shows nothing costs nothing.
        fonts: all that it asks for, `{"family": …, "path": …}` each.
        folder: of the task.

    Raises:
        StageError: BAD_INPUT when a font is not there any more.
    """
    told = f"setparams=range={COLOUR.range}:color_primaries={COLOUR.primaries}:color_trc={COLOUR.transfer}"
    steps = ["setsar=1", f"{told}:colorspace={COLOUR.matrix}"]
    if not _LINE.search(captions.read_text(encoding="utf-8-sig", errors="replace")):
        return steps
    shutil.copyfile(captions, folder / _ASS)
    return [*steps, f"ass={_ASS}:fontsdir={_FONTS}" if _laid_out(fonts, folder / _FONTS) else f"ass={_ASS}"]


def _laid_out(fonts: Sequence[Json], folder: Path) -> int:
    """Put the fonts into a folder of their own under plain names; how many there are."""
    paths = sorted({Path(font["path"]) for font in fonts})
    if paths:
        folder.mkdir(exist_ok=True)
    for number, path in enumerate(paths):
        target = folder / f"{number}{path.suffix.lower()}"
        if target.exists():
            continue
        try:
            link_or_copy(path.resolve(strict=True), target)
        except OSError as error:
            sentence = (
                f"{path.name}: the font cannot be read ({error.strerror}); put it back, or set another captions.font"
            )
            raise StageError(Failure.BAD_INPUT, sentence) from error
    return len(paths)
