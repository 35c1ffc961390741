"""`process_streaming`: the same film as by the stages, resumed after any break, and one sentence for what cannot be."""

import os
import signal
import subprocess
import sys
import time
from dataclasses import asdict
from pathlib import Path

import pytest
from film_help import film
from upscale_help import UNBOUND, larger, packets

from stages.contract import Failure, StageError
from stages.media.encoders.carry import own_config
from stages.upscale.library import process_streaming

WORDS = {"name": "lanczos", "scale": 2, "segment_s": 0.5, **UNBOUND}
SETTINGS = {"encoder": "x264", "encoder_settings": {"preset": "ultrafast", "quality": 23, "threads": 2}}


@pytest.fixture(scope="module")
def clip(tmp_path_factory):
    folder = tmp_path_factory.mktemp("library")
    return film(folder / "clip.mp4", "-c:v", "libx264", "-bf", "2", "-g", "40", "-c:a", "aac")


@pytest.fixture(scope="module")
def whole(clip):
    """What an uninterrupted call makes."""
    made = process_streaming(clip, clip.with_name("whole.mp4"), **SETTINGS, **WORDS)
    assert (made.segments, made.resumed) == (4, 0)
    return packets(made.path)


class BrokenOffError(Exception):
    pass


def breaking(after):
    def tell(done):
        if done > after:
            raise BrokenOffError

    return tell


def test_it_makes_what_the_stages_make(tmp_path, clip, whole):
    encoder = {**asdict(own_config("x264")), **SETTINGS["encoder_settings"]}
    assert whole == packets(larger(clip, tmp_path / "work", encoder, {"container": "mp4"}, **WORDS).path)


def test_progress_goes_from_nothing_to_all_and_nothing_is_left(tmp_path, clip):
    told = []
    made = process_streaming(clip, tmp_path / "out.mkv", progress=told.append, **SETTINGS, **WORDS)
    assert told == sorted(told) and 0 <= told[0] < 0.25 and told[-1] == 1.0
    assert [path.name for path in tmp_path.iterdir()] == ["out.mkv"] and made.path == tmp_path / "out.mkv"
    assert made.notes == () or all("\n" not in note for note in made.notes)


@pytest.mark.parametrize("own_folder", [False, True])
def test_broken_off_it_goes_on_where_it_was(tmp_path, clip, whole, own_folder):
    words = {**SETTINGS, **WORDS, "work_dir": tmp_path / "mine" if own_folder else None}
    with pytest.raises(BrokenOffError):
        process_streaming(clip, tmp_path / "out.mp4", progress=breaking(0.3), **words)
    assert not (tmp_path / "out.mp4").exists()
    again = process_streaming(clip, tmp_path / "out.mp4", **words)
    assert 1 <= again.resumed < again.segments == 4
    assert packets(again.path) == whole
    assert [path.name for path in tmp_path.iterdir()] == ["out.mp4"]


def test_killed_it_goes_on_where_it_was(tmp_path, clip, whole):
    target = tmp_path / "out.mp4"
    call = f"process_streaming({str(clip)!r}, {str(target)!r}, progress=slow, **{SETTINGS!r}, **{WORDS!r})"
    code = "import time\nfrom stages.upscale.library import process_streaming\n"
    code += f"def slow(done):\n    time.sleep(0.3)\n{call}\n"
    run = subprocess.Popen([sys.executable, "-c", code], cwd=Path(__file__).parents[1])
    deadline = time.monotonic() + 60
    while not list(tmp_path.rglob("segments/*.mp4")) and run.poll() is None and time.monotonic() < deadline:
        time.sleep(0.02)
    assert run.poll() is None, "it was finished before it could be killed"
    os.kill(run.pid, signal.SIGKILL)
    assert run.wait() == -signal.SIGKILL
    again = process_streaming(clip, target, **SETTINGS, **WORDS)
    assert again.resumed >= 1 and packets(target) == whole
    assert [path.name for path in tmp_path.iterdir()] == ["out.mp4"]


def test_segments_of_other_words_or_of_another_film_are_not_taken(tmp_path, clip, whole):
    """A file that was replaced by one of the same length: same name, same times, other pictures."""
    source, target = tmp_path / "clip.mp4", tmp_path / "out.mp4"
    film(source, "-c:v", "libx264", "-bf", "2", "-g", "40", "-vf", "negate", "-c:a", "aac")
    with pytest.raises(BrokenOffError):
        process_streaming(source, target, progress=breaking(0.6), **SETTINGS, **WORDS)
    source.write_bytes(clip.read_bytes())
    with pytest.raises(BrokenOffError):
        process_streaming(source, target, progress=breaking(0.6), **SETTINGS, **{**WORDS, "stabilise": "light"})
    made = process_streaming(source, target, **SETTINGS, **WORDS)
    assert made.resumed == 0
    assert packets(target) == whole


def test_a_segment_that_was_damaged_meanwhile_is_not_taken(tmp_path, clip, whole):
    target = tmp_path / "out.mp4"
    with pytest.raises(BrokenOffError):
        process_streaming(clip, target, progress=breaking(0.6), **SETTINGS, **WORDS)
    kept = sorted(tmp_path.rglob("segments/*.mp4"))
    assert len(kept) == 2
    kept[0].write_bytes(kept[0].read_bytes()[:-400])
    again = process_streaming(clip, target, **SETTINGS, **WORDS)
    assert again.resumed == 1 and packets(target) == whole


@pytest.mark.parametrize(
    ("target", "said"), [("out.avi", ".mp4, "), ("out", "is no container"), ("out.h264", "is no container")]
)
def test_a_container_that_is_not_written(tmp_path, clip, target, said):
    with pytest.raises(StageError) as refused:
        process_streaming(clip, tmp_path / target, **SETTINGS, **WORDS)
    assert refused.value.failure is Failure.BAD_INPUT
    assert said in refused.value.sentence and "\n" not in refused.value.sentence
    assert list(tmp_path.iterdir()) == []


def test_files_that_are_no_films(tmp_path):
    text = tmp_path / "text.mp4"
    text.write_text("this is no film", encoding="utf-8")
    for path, said in ((tmp_path / "missing.mp4", "there is no such file"), (text, "is no media file")):
        with pytest.raises(StageError) as refused:
            process_streaming(path, tmp_path / "out.mp4", **SETTINGS, **WORDS)
        assert said in refused.value.sentence and "\n" not in refused.value.sentence
    assert not (tmp_path / "out.mp4").exists()


@pytest.mark.parametrize(
    ("words", "said"),
    [({"scale": 3, "name": "embedded"}, "upscaler.scale"), ({"name": "realesrgan", "weights": "/no/m.pth"}, "weights"),
     ({"name": "embeded"}, "embedded"), ({"segment_s": 0.0}, "upscaler.segment_s")],
)  # fmt: skip
def test_words_that_cannot_be(tmp_path, clip, words, said):
    with pytest.raises(StageError) as refused:
        process_streaming(clip, tmp_path / "out.mp4", **SETTINGS, **{**WORDS, **words})
    assert said in refused.value.sentence and "\n" not in refused.value.sentence


def test_the_film_itself_is_never_written_over(tmp_path, clip):
    source = tmp_path / "clip.mp4"
    source.write_bytes(clip.read_bytes())
    with pytest.raises(StageError, match="is the film itself"):
        process_streaming(source, source, **SETTINGS, **WORDS)
    assert source.read_bytes() == clip.read_bytes()
