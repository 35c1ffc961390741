"""Stills, captions and items for scenes, and where a dot lies in a frame."""

from pathlib import Path

import numpy as np
from PIL import Image

from stages.contract import Artifact, Item, Work
from stages.scene.clip import SceneClip
from stages.scene.kenburns import draw, parts_of
from stages.scene.planes import make_planes
from stages.scene.settings import SceneClipSettings

X264 = {"name": "x264", "codec": "libx264", "preset": "ultrafast", "quality": 18}
SMALL = {"width": 128, "height": 224, "encoder": X264, "cores": 2}
ASS = """[Script Info]
ScriptType: v4.00+
PlayResX: 128
PlayResY: 224
ScaledBorderAndShadow: yes
YCbCr Matrix: TV.709

[V4+ Styles]
Format: Name, Fontname, Fontsize, PrimaryColour, OutlineColour, BackColour, Bold, BorderStyle, Outline, Shadow, Alignment, MarginL, MarginR, MarginV, Encoding
Style: Default,{font},40,&H000000FF,&H00000000,&H00000000,-1,1,0,0,5,0,0,0,1

[Events]
Format: Layer, Start, End, Style, Text
"""  # noqa: E501


def captions(folder: Path, *lines: str, font: str = "DejaVu Sans") -> Path:
    """An ASS file; each line is `start end text`, times in seconds."""
    file = folder / "it's [captions].ass"
    events = []
    for line in lines:
        start, end, text = line.split(" ", 2)
        events.append(f"Dialogue: 0,0:00:0{float(start):.2f},0:00:0{float(end):.2f},Default,{text}")
    file.write_text(ASS.replace("{font}", font) + "\n".join(events) + "\n", encoding="utf-8")
    return file


def dejavu() -> Path:
    """A font that is on every machine these tests run on."""
    import matplotlib

    return Path(matplotlib.get_data_path()) / "fonts" / "ttf" / "DejaVuSans-Bold.ttf"


def textured(size: tuple[int, int], seed: int = 0) -> np.ndarray:
    """A still with detail of all sizes."""
    import cv2

    rng = np.random.default_rng(seed)
    layers = [cv2.resize(rng.random((n, n, 3), np.float32), size, interpolation=cv2.INTER_CUBIC) for n in (4, 16, 64)]
    return np.clip(255 * sum(layers) / 3, 0, 255).astype(np.uint8)


def saved(folder: Path, picture: np.ndarray, name: str = "still.png") -> Path:
    file = folder / name
    Image.fromarray(picture).save(file)
    return file


def scene(image: Path, captions_file: Path, seconds: float, key: str = "story/01", **data) -> Item:
    artifacts = {"image": Artifact(image, "image/png"), "captions": Artifact(captions_file, "text/x-ssa")}
    return Item(key, {"seed": 1, "duration_s": seconds, **data}, artifacts)


def clip_of(item: Item, scratch: Path, **settings):
    """Result of the stage on one scene, verified."""
    stage, work = SceneClip(SceneClipSettings(**{**SMALL, **settings})), Work(item, scratch)
    result = stage.run(work)
    stage.verify(work, result)
    return result


def frames_drawn(still: np.ndarray, camera, size: tuple[int, int]) -> list[list[np.ndarray]]:
    """Planes of all frames, as floating point."""
    taken = (np.frombuffer(bytes(frame), np.uint8) for frame in draw(make_planes(still, camera, size), camera, size))
    return [[plane.astype(np.float64) for plane in parts_of(frame, size)] for frame in taken]


def dotted(size: tuple[int, int], at: tuple[float, float], radius: float = 5.0) -> np.ndarray:
    """Grey, with one soft white dot; `at` in pixels, where the first pixel is 0 to 1."""
    y, x = np.mgrid[0 : size[1], 0 : size[0]] + 0.5
    dot = np.exp(-((x - at[0]) ** 2 + (y - at[1]) ** 2) / (2 * radius**2))
    return np.repeat(np.rint(40 + 200 * dot).astype(np.uint8)[..., None], 3, axis=2)


def dot_in(luma: np.ndarray, near: tuple[float, float], reach: int = 24) -> tuple[float, float]:
    """Where the dot lies: the centre of what is brighter than its surroundings, about the place where it should be."""
    left, top = max(0, int(near[0]) - reach), max(0, int(near[1]) - reach)
    part = luma[top : top + 2 * reach, left : left + 2 * reach]
    weight = np.clip(part - np.median(part) - 6, 0, None)
    y, x = np.mgrid[0 : part.shape[0], 0 : part.shape[1]] + 0.5
    return left + float((weight * x).sum() / weight.sum()), top + float((weight * y).sum() / weight.sum())
