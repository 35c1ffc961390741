"""Damaged films: a clear verdict each, no hang, no crash; what decodes is kept when that is asked."""

import os
from pathlib import Path

import pytest
from film_help import DAMAGED, film, held, transcode

from stages.contract import Failure, StageError

SHARED = Path(os.environ.get("REELTUNE_MEDIA", "")) / "damaged"


def refused(path: Path, scratch: Path, **settings) -> str:
    with pytest.raises(StageError) as error:
        transcode(path, scratch, **settings)
    assert error.value.failure is Failure.BAD_INPUT
    assert error.value.sentence.startswith(path.name) and "\n" not in error.value.sentence
    return error.value.sentence


@pytest.fixture
def good(tmp_path):
    return film(tmp_path / "good.mp4", "-c:v", "libx264", "-g", "10", "-c:a", "aac", "-movflags", "faststart")


def test_text_sound_and_nothing_named_as_films(tmp_path):
    text, sound, empty = tmp_path / "text.mp4", tmp_path / "sound.mp4", tmp_path / "empty.mp4"
    text.write_text("this is no film", encoding="utf-8")
    film(sound, "-map", "1:a", "-c:a", "aac")
    empty.write_bytes(b"")
    assert "is no media file" in refused(text, tmp_path / "a")
    assert "holds no video, only audio" in refused(sound, tmp_path / "b")
    assert "is an empty file" in refused(empty, tmp_path / "c")


def test_a_film_without_frames(tmp_path):
    parts = film(tmp_path / "parts.mp4", "-c:v", "libx264", "-an", "-movflags", "frag_keyframe+empty_moov")
    none = tmp_path / "none.mp4"
    none.write_bytes(parts.read_bytes().partition(b"moof")[0][:-4])
    assert "not one of its pictures can be decoded" in refused(none, tmp_path / "work")


def test_cut_off_before_and_after_its_index(tmp_path, good):
    half = tmp_path / "half.mp4"
    half.write_bytes(good.read_bytes()[: good.stat().st_size * 2 // 3])
    assert "video.salvage=true keeps what decodes" in refused(half, tmp_path / "a")
    made = transcode(half, tmp_path / "b", verify="packets", salvage=True)
    kept = len(held(made.path).of("video")[0])
    assert 5 < kept < 50
    assert f"the {kept} frames that decode were kept" in " ".join(made.notes)


def test_bytes_that_were_changed_in_the_middle(tmp_path, good):
    whole = bytearray(good.read_bytes())
    middle = len(whole) // 2
    whole[middle : middle + 3000] = b"\x55" * 3000
    broken = tmp_path / "broken.mp4"
    broken.write_bytes(whole)
    assert "is damaged" in refused(broken, tmp_path / "a")
    assert held(transcode(broken, tmp_path / "b", verify="packets", salvage=True).path).of("video")[0]


@pytest.mark.skipif(not SHARED.is_dir(), reason="REELTUNE_MEDIA names no folder of damaged films")
@pytest.mark.parametrize(("name", "said", "kept"), DAMAGED)
def test_real_damage(tmp_path, name, said, kept):
    if said:
        assert said in refused(SHARED / name, tmp_path / "a")
    if not kept:
        assert said in refused(SHARED / name, tmp_path / "b", salvage=True)
        return
    made = transcode(SHARED / name, tmp_path / "b", verify="packets", salvage=bool(said))
    assert len(held(made.path).of("video")[0]) == kept
