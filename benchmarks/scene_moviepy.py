"""What users of MoviePy do: each still resized anew for every frame, clips written, then joined by encoding them again.

Run as a program of its own: `scene_moviepy.py FOLDER WIDTH HEIGHT FPS SECONDS THREADS CAPTIONS STILL …`, where CAPTIONS
is empty for none.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

ZOOM = 0.001  # a frame
WORDS = ("Five", "quick", "brown", "foxes", "jump")


def main() -> None:
    folder, width, height, fps, seconds, threads = sys.argv[1], *map(int, sys.argv[2:7])
    parts = []
    for number, still in enumerate(sys.argv[8:]):
        target = Path(folder, f"part{number}.mp4")
        layers = [zooming(still, (width, height), fps, seconds), *(captions(height, seconds) if sys.argv[7] else [])]
        write(composed(layers, (width, height), seconds), target, fps, threads)
        parts.append(target)
    join(parts, Path(folder, "film.mp4"), fps, threads)


def zooming(still: str, size: tuple[int, int], fps: int, seconds: int) -> Any:
    from moviepy import ImageClip

    clip = ImageClip(still).with_duration(seconds)
    fill = max(size[0] / clip.w, size[1] / clip.h)  # from the still itself, as what is enlarged twice is soft
    return clip.resized(lambda t: fill * (1 + ZOOM * fps * t)).with_position("center")


def captions(height: int, seconds: int) -> list[Any]:
    """The page, and over it the words lit up so far: a new picture at each word."""
    import matplotlib
    from moviepy import TextClip

    font = f"{matplotlib.get_data_path()}/fonts/ttf/DejaVuSans-Bold.ttf"
    look = {"font": font, "font_size": 64, "stroke_color": "black", "stroke_width": 4, "method": "label"}
    shown = []
    for number in range(seconds * 5 // 2):
        lit = " ".join(WORDS[: number % len(WORDS) + 1])
        for text, colour in ((" ".join(WORDS), "white"), (lit, "yellow")):
            clip = TextClip(text=text, color=colour, **look).with_start(number * 0.4).with_duration(0.4)
            shown.append(clip.with_position((20, height - 400)))
    return shown


def composed(layers: list[Any], size: tuple[int, int], seconds: int) -> Any:
    from moviepy import CompositeVideoClip

    return CompositeVideoClip(layers, size=size).with_duration(seconds)


def write(clip: Any, target: Path, fps: int, threads: int) -> None:
    clip.write_videofile(
        str(target), fps=fps, codec="libx264", preset="medium", audio=False, threads=threads, logger=None,
        ffmpeg_params=["-crf", "21", "-tune", "film"], pixel_format="yuv420p",
    )  # fmt: skip


def join(parts: list[Path], target: Path, fps: int, threads: int) -> None:
    from moviepy import VideoFileClip, concatenate_videoclips

    write(concatenate_videoclips([VideoFileClip(str(part)) for part in parts]), target, fps, threads)


if __name__ == "__main__":
    main()
