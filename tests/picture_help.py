"""Small real footage made by FFmpeg, and the scoring stage run on it as a plain object."""

import json
import subprocess
from pathlib import Path

from stages.contract import Artifact, Item, Result, Work
from stages.media.ffmpeg import ffmpeg_binary
from stages.quality.picture import ScorePicture, ScorePictureSettings

LOSSLESS = ("-c:v", "ffv1")
PICTURES = "testsrc2=s=160x96:r=25,noise=alls=6:all_seed=7"


def ffmpeg(*words) -> None:
    subprocess.run([ffmpeg_binary().path, "-v", "error", "-y", *map(str, words)], check=True, stdin=subprocess.DEVNULL)


def footage(path: Path, frames: int = 40, source: str = PICTURES, codec=LOSSLESS) -> Path:
    ffmpeg("-f", "lavfi", "-i", source, "-frames:v", frames, *codec, path)
    return path


def recoded(source: Path, path: Path, *words: str) -> Path:
    ffmpeg("-i", f"file:{source}", "-fps_mode", "passthrough", *words, f"file:{path}")
    return path


def score(reference: Path, video: Path, scratch: Path, compare=None, **settings) -> Result:
    scratch.mkdir(parents=True, exist_ok=True)
    files = {"reference": Artifact(reference, "video/x"), "video": Artifact(video, "video/x")}
    stage = ScorePicture(ScorePictureSettings(**settings))
    data = {} if compare is None else {"compare": compare}
    work = Work(Item("film", data, files), scratch)
    stage.open()
    result = stage.run(work)
    stage.verify(work, result)
    return result


def rows_of(result: Result) -> list[dict]:
    return json.loads(result.files["scores"].read_text(encoding="utf-8"))["scores"]
