"""A part of the input that stands for all of it."""

import json
import subprocess
from pathlib import Path

import pytest

from stages.media.ffmpeg import ffmpeg_binary
from stages.media.probe import count_packets, damage
from stages.text.lines import LinesSettings, TextLines
from stages.video.excerpt import windows
from stages.video.films import Films, FilmsSettings


@pytest.fixture(scope="module")
def film(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """24 s: still bars, then noise, with B-frames and a key frame each second at most."""
    path = tmp_path_factory.mktemp("excerpt") / "still then busy.mp4"
    still = "smptebars=s=160x120:r=25:d=12"
    busy = "nullsrc=s=160x120:r=25:d=12,geq=random(1)*255:128:128"
    words = ["-f", "lavfi", "-i", still, "-f", "lavfi", "-i", busy, "-f", "lavfi", "-i", "sine=d=24",
             "-filter_complex", "[0:v]format=yuv420p[a];[1:v]format=yuv420p[b];[a][b]concat[v]",
             "-map", "[v]", "-map", "2:a", "-c:v", "libx264", "-g", "25", "-bf", "3", "-c:a", "aac"]  # fmt: skip
    subprocess.run([ffmpeg_binary().path, "-nostdin", "-v", "error", "-y", *words, path], check=True)
    return path


def test_windows_are_easy_and_hard_as_the_film_is(film: Path) -> None:
    found = windows(film, 6)
    assert len(found) == 6
    busy = [w for w in found if w.start >= 300]
    assert len(busy) == 3
    assert min(w.rate for w in busy) > 5 * max(w.rate for w in found if w not in busy)


def test_an_excerpt_of_a_film_is_whole_and_short(film: Path, tmp_path: Path) -> None:
    (part,) = Films(FilmsSettings()).excerpt([film], 6, tmp_path)
    assert part.suffix == ".mp4" and part.parent == tmp_path
    packets = count_packets(part)
    assert len(packets) == 1  # trials of pictures carry no sound
    frames = sum(window.stop - window.start for window in windows(film, 6))
    assert packets[0].count == frames and packets[0].disorder == 0
    assert float(packets[0].seconds) == pytest.approx(frames / 25, abs=0.001)
    assert damage(part) == []


def test_a_short_film_is_taken_as_it_is(film: Path, tmp_path: Path) -> None:
    assert Films(FilmsSettings()).excerpt([film], 20, tmp_path) == [film]
    assert list(tmp_path.iterdir()) == []


def test_an_excerpt_of_texts_has_short_and_long_ones(tmp_path: Path) -> None:
    source = tmp_path / "texts.txt"
    source.write_text("\n".join("word " * n for n in range(1, 101)), encoding="utf-8")
    (part,) = TextLines(LinesSettings()).excerpt([source], 4, tmp_path)
    rows = [json.loads(line) for line in part.read_text(encoding="utf-8").splitlines()]
    assert [len(row["text"].split()) for row in rows] == [13, 38, 63, 88]
    assert len({found.name for found in TextLines(LinesSettings()).read(part)}) == 4
