"""The demo's film is what its sweep needs, and its commands hold."""

import importlib.util
import os
from pathlib import Path

import pytest

from runner.config.arguments import sort_words
from runner.config.compose import compose, known_roots

HOME = Path(__file__).resolve().parent.parent


@pytest.fixture(scope="module")
def demo():
    spec = importlib.util.spec_from_file_location("demo", HOME / "tools" / "demo.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_film_is_made_once_with_sound_and_scenes(demo, tmp_path):
    from stages.media.film import look_at
    from stages.media.frames import timeline

    film = tmp_path / "new folder" / "film.mp4"
    demo.make_film(film)
    found = look_at(film)
    assert timeline(film, found.pictures[0].stream).count == 150
    assert (found.pictures[0].width, found.pictures[0].height) == (640, 360)
    assert [other.kind for other in found.others] == ["audio"]
    assert [path.name for path in film.parent.iterdir()] == ["film.mp4"]
    before = film.stat()
    demo.make_film(film)
    assert film.stat().st_mtime_ns == before.st_mtime_ns


def test_the_music_is_made_once_and_lasts_sixteen_seconds(demo, tmp_path):
    from stages.media.loudness import measure_file
    from stages.media.probe import probe

    music = tmp_path / "music.m4a"
    demo.make_music(music)
    info = probe(music)
    assert float(info.seconds(info.first("audio"))) == pytest.approx(16, abs=0.1)
    assert -35 < measure_file(music).lufs < -12
    before = music.stat().st_mtime_ns
    demo.make_music(music)
    assert music.stat().st_mtime_ns == before


def test_the_commands_are_right_and_the_pictures_are_named(demo, tmp_path, monkeypatch, capsys):
    """Every command is composed as the program would; none is run."""
    said = []
    for number in range(2):
        folder = tmp_path / "outputs" / "sweeps" / "2026-11-20" / f"10-00-0{number}-abc"
        folder.mkdir(parents=True)
        (folder / "compare.png").write_bytes(b"\x89PNG")
        os.utime(folder / "compare.png", (number, number))
    film = tmp_path / "outputs" / "short" / "2026-11-20" / "10-00-00-abc" / "result" / "story.mp4"
    film.parent.mkdir(parents=True)
    film.write_bytes(b"film")
    monkeypatch.setattr(demo, "make_music", lambda path: None)
    monkeypatch.setattr(demo, "make_film", lambda path: None)
    monkeypatch.setattr(demo, "reeltune", lambda *words: said.append(words) or 0)
    monkeypatch.setattr(demo, "HOME", tmp_path)
    assert demo.main() == 0
    assert [words[0] for words in said] == ["pipeline=short", "pipeline=narrate", "-m", "-m"]
    for words in said:
        arguments = sort_words([word for word in words if word != "-m"], known_roots())
        one_each = [word.partition(",")[0] for word in arguments.overrides]
        assert not compose(one_each, {}, None).problems
    films = dict(word.split("=") for word in said[3] if "=" in word)
    assert len(films["encoder"].split(",")) * len(films["profile"].split(",")) >= 6
    out = capsys.readouterr().out
    assert "quality over speed and size" in out
    assert "outputs/short/2026-11-20/10-00-00-abc/result/story.mp4" in out
    assert "outputs/sweeps/2026-11-20/10-00-01-abc/compare.png" in out
    assert "reeltune ui" in out


def test_a_failing_command_ends_it(demo, monkeypatch, capsys):
    said = []
    monkeypatch.setattr(demo, "make_music", lambda path: None)
    monkeypatch.setattr(demo, "make_film", lambda path: None)
    monkeypatch.setattr(demo, "reeltune", lambda *words: said.append(words) or 3)
    assert demo.main() == 3
    assert len(said) == 1
    assert "ui" not in capsys.readouterr().out
