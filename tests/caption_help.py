"""Captions in tests: the stage as a plain object, and what libass makes of its file."""

import re
import subprocess
from pathlib import Path

from speech_help import speak

from stages.caption.settings import CaptionSettings
from stages.caption.write import WriteCaptions
from stages.contract import Artifact, Item, Work
from stages.media.ffmpeg import ffmpeg_binary

BACKGROUND = (48, 96, 128)


def captioned(tmp_path, text, speech=None, words=None, caption=None, language="", **settings):
    """The result of a scene; spoken by the offline voice when no speech (WAV) is given."""
    data = {"text": text}
    if speech is None:
        said = speak(tmp_path, text, "speech", voice=settings.pop("voice", "en-us"))
        speech, words = said.files["speech"], said.data["words"] if words is None else words
    extra = {"words": words, "caption": caption, "language": language}
    data |= {name: value for name, value in extra.items() if value is not None}
    scratch = tmp_path / "captions"
    scratch.mkdir(exist_ok=True)
    stage = WriteCaptions(CaptionSettings(**settings))
    work = Work(Item("scene", data, {"speech": Artifact(Path(speech), "audio/wav")}), scratch)
    result = stage.run(work)
    stage.verify(work, result)
    return result


def events_of(result):
    import pysubs2

    return pysubs2.load(str(result.files["captions"]), encoding="utf-8", format_="ass").events


def shown(text):
    """What is written in an event, tags taken out; `\\N` between lines becomes a line break."""
    from stages.caption.ass import unescape

    return unescape(re.sub(r"(?<!\\){[^}]*}", "", text).replace("\\N", "\n"))


def lit_at(text):
    """When each word of an event lights up, centiseconds from its start: the sum of the `\\k` before it."""
    lengths = [int(length) for length in re.findall(r"(?<!\\){\\kf?(\d+)", text)]
    return [sum(lengths[:number]) for number in range(len(lengths))]


def picture(tmp_path, result, at, size=(768, 1344), name="frame.png"):
    """One frame with the captions burnt in, rows × columns × RGB, as FFmpeg's `ass` filter draws them."""
    import numpy as np
    from PIL import Image

    fonts = tmp_path / "fonts"
    fonts.mkdir(exist_ok=True)
    for font in result.data["fonts"]:
        source = Path(font["path"])
        (fonts / source.name).write_bytes(source.read_bytes())
    (tmp_path / "burn.ass").write_bytes(result.files["captions"].read_bytes())
    colour = f"color=c=0x{bytes(BACKGROUND).hex()}:s={size[0]}x{size[1]}:r=25:d=0.04,format=rgb24"
    command = [ffmpeg_binary().path, "-v", "error", "-y", "-f", "lavfi", "-i", colour]
    burn = f"settb=1/1000,setpts={round(at * 1000)},ass=burn.ass:fontsdir=fonts"
    command += ["-vf", burn, "-fps_mode", "passthrough", "-frames:v", "1", "-update", "1", name]
    subprocess.run(command, cwd=tmp_path, check=True, timeout=60, stdin=subprocess.DEVNULL)
    return np.asarray(Image.open(tmp_path / name).convert("RGB"))


def ink(pixels, tolerance=12):
    """The box (left, top, right, bottom) of what is not background; None when nothing is drawn."""
    import numpy as np

    drawn = np.abs(pixels.astype(int) - np.array(BACKGROUND)).max(axis=2) > tolerance
    rows, columns = np.flatnonzero(drawn.any(axis=1)), np.flatnonzero(drawn.any(axis=0))
    return (int(columns[0]), int(rows[0]), int(columns[-1]) + 1, int(rows[-1]) + 1) if rows.size else None
