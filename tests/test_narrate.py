"""narrate from the command line: a list of texts becomes finished audio files, and only what changed is redone."""

import json
import wave
from itertools import pairwise
from pathlib import Path

import av
import pytest
from cli import QUIET, lines, reeltune

from stages.media.mp4 import is_faststart

TEXTS = [f"This is line number {n}, and it is spoken aloud." for n in range(1, 7)]


def narrate(cwd, *words, **env):
    return reeltune(cwd, *QUIET, "pipeline=narrate", *words, **env)


@pytest.fixture(scope="module")
def first(tmp_path_factory):
    cwd = tmp_path_factory.mktemp("narrate")
    lines(cwd / "lines.txt", *TEXTS)
    return narrate(cwd, "lines.txt")


def test_every_text_becomes_a_right_file(first):
    assert first.code == 0, first.err
    files = sorted((first.folder / "result" / "lines").iterdir())
    assert [f.name for f in files] == [f"{n:04}.m4a" for n in range(1, 7)]
    assert first.run["outputs"] == {f"lines/{f.stem}": str(f) for f in files}
    for file in files:
        with av.open(str(file)) as container:
            stream = container.streams.audio[0]
            assert (stream.codec_context.name, stream.rate, stream.channels) == ("aac", 44100, 2)
            samples = sum(frame.samples for frame in container.decode(stream))
        assert 1.0 < samples / 44100 < 6.0 and is_faststart(file)


def test_the_run_says_what_it_measured(first):
    metrics = first.run["metrics"]
    assert -40 < metrics["quality.lufs"] < -5
    assert metrics["throughput.items_per_s"] > 0 and metrics["throughput.x_realtime"] > 1
    assert metrics["size.bytes"] == sum(f.stat().st_size for f in (first.folder / "result" / "lines").iterdir())
    assert metrics["stage.encode.busy_s"] > 0 and metrics["resource.rss_peak_mb"] > 10
    assert (first.folder / "report.html").read_text().count("<svg") >= 1
    assert first.run["requested"]["workers.encode"] == "auto" and first.run["effective"]["workers.encode"] >= 1


def test_word_timings_are_kept_for_later_stages(first):
    key = next(e["key"] for e in first.events("task") if e["stage"] == "speak")
    import sqlite3

    with sqlite3.connect(first.cwd / "outputs" / "cache" / "index.db") as db:
        outcome = json.loads(db.execute("select outcome from done where key = ?", (key,)).fetchone()[0])
    words = outcome["data"]["words"]
    assert [w[0].strip(",.") for w in words][:4] == ["This", "is", "line", "number"]
    assert all(a[1] <= a[2] <= b[1] + 1e-6 for a, b in pairwise(words))


@pytest.mark.untraced
def test_again_one_line_one_setting(first):
    cwd = first.cwd
    again = narrate(cwd, "lines.txt")
    assert again.code == 0 and not again.tasks("done")
    lines(cwd / "lines.txt", *TEXTS[:2], "Another third line.", *TEXTS[3:])
    one = narrate(cwd, "lines.txt")
    assert sorted(set(one.tasks("done"))) == ["lines/0003"]
    other = narrate(cwd, "lines.txt", "profile=fast")
    assert not other.tasks("done", "speak") and len(other.tasks("done", "encode")) == 6


def test_rows_with_ids_voices_and_rates(tmp_path):
    (tmp_path / "cast.csv").write_text(
        "id,text,voice,rate\nhello,Good morning,en-gb,\nhallo,Guten Morgen,de,30\nbad,Hi,martian,\n,,,\n"
    )
    done = narrate(tmp_path, "cast.csv")
    assert done.code == 3, done.err
    assert set(done.run["outputs"]) == {"cast/hello", "cast/hallo"}
    sentences = " ".join(letter["sentence"] for letter in done.failures())
    assert "martian" in sentences and "line 5" in sentences


def test_an_unknown_voice_is_refused_before_any_work(tmp_path):
    lines(tmp_path / "l.txt", "hello")
    done = narrate(tmp_path, "l.txt", "tts.voice=martian")
    assert done.code == 2 and done.err.startswith("tts.voice: ") and "martian" in done.err


@pytest.mark.untraced
def test_a_sweep_compares_quality(tmp_path):
    lines(tmp_path / "l.txt", *TEXTS[:2])
    done = narrate(tmp_path, "-m", "l.txt", "profile=fast,quality")
    assert done.code == 0, done.err
    folder = next((tmp_path / "outputs" / "sweeps").glob("*/*"))
    for line in (folder / "jobs.jsonl").read_text().splitlines():
        metrics = json.loads((Path(json.loads(line)["run_dir"]) / "run.json").read_text())["metrics"]
        assert metrics["quality.stoi"] > 0.9


def test_normalising_reaches_the_loudness(tmp_path):
    lines(tmp_path / "l.txt", "Some words that are long enough to be measured by the meter, and then a few more.")
    done = narrate(tmp_path, "l.txt", "audio.normalize=true", "audio.target_lufs=-20")
    assert abs(done.run["metrics"]["quality.lufs"] + 20) < 0.6


@pytest.mark.untraced
def test_the_ffmpeg_program_does_the_same(tmp_path):
    lines(tmp_path / "l.txt", TEXTS[0])
    done = narrate(tmp_path, "l.txt", "audio.backend=ffmpeg", "media.hwaccel=cuda")
    assert done.code == 0, done.err
    assert any("hardware" in note for note in done.run["notes"])


def test_a_voice_from_elsewhere_is_plain_wav_in_the_cache(first):
    objects = list((first.cwd / "outputs" / "cache" / "objects").rglob("*.wav"))
    with wave.open(str(objects[0])) as sound:
        assert sound.getnchannels() == 1 and sound.getsampwidth() == 2


@pytest.mark.untraced
def test_a_code_that_is_only_a_language_of_a_voice_speaks(tmp_path):
    """espeak-ng lists `en-gb` as a language; no voice has that name."""
    lines(tmp_path / "l.txt", "hello")
    plain = narrate(tmp_path, "l.txt", "tts.voice=en-gb")
    other = narrate(tmp_path, "l.txt", "tts.voice=en-gb+f3")
    assert plain.code == 0 and other.code == 0 and other.tasks("done", "speak")
