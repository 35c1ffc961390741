"""A short film is put together by copying: every packet at its time, the sound to the sample; what lies beside it."""

import hashlib
from fractions import Fraction
from itertools import pairwise

import av
import numpy as np
import pytest
from audio_material import read_planes
from picture_help import ffmpeg
from short_film_help import (
    RATE,
    X264,
    click,
    clip,
    clips_for,
    film_parts,
    film_work,
    found_at,
    make_film,
    make_sound,
    scenes_of,
    starts,
    tone,
)

from stages.contract import Failure, StageError
from stages.media.mp4 import is_faststart
from stages.media.probe import damage
from stages.registry import stage_class
from stages.short.assemble import named
from stages.short.film import ShortFilm
from stages.short.settings import ShortFilmSettings
from stages.short.subtitles import shifted, srt
from stages.short.thumbnail import thumbnail

AS_IS = {"normalize": False, "true_peak_db": 0.0}
LENGTHS = (0.71, 0.9, 1.283, 0.04)


@pytest.fixture(scope="module", params=["25", "30000/1001"])
def made(request, tmp_path_factory):
    """A film of four scenes, the last one of a frame or two; a click 0.02 s into each."""
    folder, fps = tmp_path_factory.mktemp("film"), request.param
    sounds = []
    for seconds in LENGTHS:
        sound = np.zeros(round(seconds * RATE))
        sound[842:923] = click()
        sounds.append(sound)
    scenes = scenes_of(folder, sounds)
    sound = make_sound(scenes, folder / "sound", fps=fps, **AS_IS)
    clips = clips_for(scenes, folder, fps)
    told = [
        {"title": "", "text": "The keeper found a letter in a bottle on the beach one grey and windy morning in May."},
        {"title": "Title: «zwei» 'drei' — 四", "text": "x", "cues": [[0.1, 0.5, "one"], [0.5, 0.9, "two"]]},
        {"title": "عنوان", "text": "y", "cues": [[0.0, 1.2, "مرحبا بالعالم 🙂"]]},
        {"title": "end", "text": "z", "cues": [[0.0, 0.04, "."]]},
    ]
    film = make_film(film_parts(scenes, clips, told), sound, folder / "film", title="Ein «Film»:\n it's", comment="c")
    return {"film": film, "clips": clips, "sound": sound, "fps": Fraction(fps), "folder": folder}


def packets(path, kind):
    with av.open(str(path)) as container:
        stream = next(s for s in container.streams if s.type == kind)
        return [(p.pts, p.dts, p.time_base, bytes(p)) for p in container.demux(stream) if p.size]


def test_it_is_found_by_its_type():
    assert stage_class("short.film") is ShortFilm


def test_packets_are_those_of_the_clips(made):
    copied = [data for *_, data in packets(made["film"].files["video"], "video")]
    assert copied == [data for path in made["clips"] for *_, data in packets(path, "video")]
    track = [data for *_, data in packets(made["sound"].files["sound"], "audio")]
    assert [data for *_, data in packets(made["film"].files["video"], "audio")] == track


def test_each_frame_has_its_exact_time(made):
    found = packets(made["film"].files["video"], "video")
    times = sorted(pts * base for pts, _, base, _ in found)
    assert times == [number / made["fps"] for number in range(sum(made["sound"].data["clip_frames"]))]
    assert all(before < after for before, after in pairwise(dts for _, dts, _, _ in found))
    assert any(pts != dts for pts, dts, _, _ in found), "there are B-frames"
    with av.open(str(made["film"].files["video"])) as container:
        assert container.streams.video[0].average_rate == made["fps"]


def test_it_decodes_whole(made):
    """By another reader than ours, too."""
    path = made["film"].files["video"]
    assert damage(path) == [] and is_faststart(path)
    ffmpeg("-xerror", "-i", f"file:{path}", "-map", "0:v", "-map", "0:a", "-f", "null", "-")


def test_sound_begins_with_the_pictures_to_the_sample(made):
    sound = read_planes(made["film"].files["video"])[0]
    for start in starts(made["sound"])[:-1]:
        assert abs(found_at(sound, start + 882, 800) - start - 882) <= 1


def test_sound_read_by_the_program_begins_there_too(made):
    wav = made["folder"] / f"by-program-{made['fps'].denominator}.wav"
    ffmpeg("-i", f"file:{made['film'].files['video']}", "-map", "0:a", f"file:{wav}")
    assert abs(found_at(read_planes(wav)[0], 882, 800) - 882) <= 1


def test_pictures_and_sound_end_together(made):
    with av.open(str(made["film"].files["video"])) as container:
        video, audio = container.streams.video[0], container.streams.audio[0]
        apart = abs(video.duration * video.time_base - audio.duration * audio.time_base)
    assert apart <= Fraction(1, RATE) and (video.start_time, audio.start_time) == (0, 0)


def test_each_scene_is_a_chapter(made):
    edges = np.cumsum([0, *made["sound"].data["clip_frames"]])
    with av.open(str(made["film"].files["video"])) as container:
        found = [(c["start"] * c["time_base"], c["end"] * c["time_base"], c["metadata"]["title"])
                 for c in container.chapters()]  # fmt: skip
        tags = dict(container.metadata)
    assert [title for *_, title in found] == [
        "The keeper found a letter in a bottle on the beach one grey…", "Title: «zwei» 'drei' — 四", "عنوان", "end",
    ]  # fmt: skip
    for (start, end, _), (first, last) in zip(found, pairwise(edges), strict=True):
        assert abs(start - int(first) / made["fps"]) < Fraction(1, 1000)
        assert abs(end - int(last) / made["fps"]) < Fraction(1, 1000)
    assert (tags["title"], tags["comment"]) == ("Ein «Film»: it's", "c")


def test_subtitles_have_the_times_of_the_film(made):
    frames = np.cumsum([0, *made["sound"].data["clip_frames"]])
    second, third = (float(int(frames[n]) / made["fps"]) for n in (1, 2))
    text = made["film"].files["subtitles"].read_text(encoding="utf-8")
    blocks = text.split("\n\n")
    assert blocks[0].startswith("1\n00:00:00,000 --> 00:00:00,710\nThe keeper found a letter")
    assert blocks[1] == f"2\n{clock(second + 0.1)} --> {clock(second + 0.5)}\none"
    assert blocks[3] == f"4\n{clock(third)} --> {clock(third + 1.2)}\nمرحبا بالعالم 🙂"
    assert made["film"].notes == ["story/01: has no caption cues, its whole text is one subtitle"]
    read = made["folder"] / "read.vtt"
    ffmpeg("-i", f"file:{made['film'].files['subtitles']}", f"file:{read}")
    assert read.read_text(encoding="utf-8").count("-->") == 5


def clock(seconds):
    millis = round(seconds * 1000)
    return f"{millis // 3600000:02d}:{millis // 60000 % 60:02d}:{millis // 1000 % 60:02d},{millis % 1000:03d}"


def test_signs_that_mean_something_in_subtitles_are_only_shown():
    cues = shifted([[0, 1, "a --> b\n\n \nc"], [1, 2, r"{\an8}<i>x</i> 1 < 2"], [2, 2, "gone"], [2, 9, " "]],
                   Fraction(3600), Fraction(3610))  # fmt: skip
    text = srt(cues)
    assert text.startswith("1\n01:00:00,000 --> 01:00:01,000\na → b\nc\n\n2\n")
    assert "{\\an8}" not in text and "<i>" not in text and "1 < 2" in text and text.count("-->") == 2
    assert text.replace("\u2060", "").splitlines()[-1] == r"{\an8}<i>x</i> 1 < 2"


def test_cues_end_with_their_scene():
    (cue,) = shifted([[0.5, 3.0, "late"]], Fraction(10), Fraction(11))
    assert cue == (Fraction(21, 2), Fraction(11), "late")


def test_thumbnail_is_a_picture_of_the_films_size(made):
    from PIL import Image

    with Image.open(made["film"].files["thumbnail"]) as picture:
        assert (picture.format, picture.size) == ("JPEG", (64, 112))


def mean_colour(path):
    from PIL import Image

    with Image.open(path) as picture:
        return np.asarray(picture, dtype=float).mean(axis=(0, 1))


def test_thumbnail_is_sharp_and_colourful_rather_than_first(tmp_path):
    dull = clip(tmp_path / "a.mp4", 3, source="color=c=0x606060:s=64x112:r=25")
    blurred = clip(tmp_path / "b.mp4", 3, source="testsrc2=s=64x112:r=25,boxblur=10")
    good = clip(tmp_path / "c.mp4", 3)
    thumbnail([dull, blurred, good], tmp_path / "t.jpg", 90)
    thumbnail([good], tmp_path / "good.jpg", 90)
    assert (tmp_path / "t.jpg").read_bytes() == (tmp_path / "good.jpg").read_bytes()


def test_thumbnail_keeps_to_the_first_scene_among_equals(tmp_path):
    first = clip(tmp_path / "a.mp4", 3)
    later = clip(tmp_path / "b.mp4", 3, source="testsrc2=s=64x112:r=25,hflip")
    thumbnail([first, later], tmp_path / "t.jpg", 90)
    thumbnail([first], tmp_path / "first.jpg", 90)
    assert (tmp_path / "t.jpg").read_bytes() == (tmp_path / "first.jpg").read_bytes()


def test_thumbnail_has_the_films_colours(tmp_path):
    """BT.709 red; taken for BT.601 its green would be 25 or so."""
    red = "color=c=red:s=64x112:r=25,scale=out_color_matrix=bt709:out_range=tv,format=yuv420p"
    thumbnail([clip(tmp_path / "a.mp4", 2, source=red)], tmp_path / "t.jpg", 95)
    assert mean_colour(tmp_path / "t.jpg") == pytest.approx([254, 0, 0], abs=4)


def small(tmp_path, count=3):
    scenes = scenes_of(tmp_path, [tone(300, 0.5)] * count)
    return scenes, make_sound(scenes, tmp_path / "sound", **AS_IS)


def refused(tmp_path, scenes, clips, sound):
    with pytest.raises(StageError) as said:
        make_film(film_parts(scenes, clips), sound, tmp_path / "film")
    assert said.value.failure is Failure.ENCODER and "\n" not in said.value.sentence
    return said.value.sentence


@pytest.mark.parametrize(
    ("words", "size"),
    [
        (X264, "64x128"),
        ((*X264[:4], "-x264-params", "bframes=2:b-adapt=0:open-gop=0:threads=1:cabac=1:ref=4"), "64x112"),
        (("-c:v", "mpeg4"), "64x112"),
    ],
)
def test_a_clip_coded_otherwise_is_named(tmp_path, words, size):
    scenes, sound = small(tmp_path)
    good, other = clip(tmp_path / "good.mp4", 13), clip(tmp_path / "other.mp4", 13, size=size, words=words)
    sentence = refused(tmp_path, scenes, [good, other, good], sound)
    assert sentence.startswith("story/02: coded as ") and "the other 2 scenes as h264 64×112" in sentence
    assert sentence.endswith("encoder=x264")


def test_a_clip_of_another_length_or_rate_is_named(tmp_path):
    scenes, sound = small(tmp_path)
    good = clip(tmp_path / "good.mp4", 13)
    short, fast = clip(tmp_path / "short.mp4", 12), clip(tmp_path / "fast.mp4", 13, fps="30")
    assert "story/03: its clip has 12 frames, its sound takes 13" in refused(
        tmp_path, scenes, [good, good, short], sound
    )
    assert "story/01: its clip is not coded at 25 frames" in refused(tmp_path, scenes, [fast, good, good], sound)


def test_a_clip_without_pictures_is_named(tmp_path):
    scenes, sound = small(tmp_path)
    good = clip(tmp_path / "good.mp4", 13)
    assert "story/02: its clip holds no pictures" in refused(
        tmp_path, scenes, [good, sound.files["sound"], good], sound
    )


def test_one_scene_is_a_film(tmp_path):
    scenes, sound = small(tmp_path, 1)
    film = make_film(film_parts(scenes, [clip(tmp_path / "c.mp4", 13)]), sound, tmp_path / "film", chapters=False)
    with av.open(str(film.files["video"])) as container:
        assert container.chapters() == [] and film.data["frames"] == 13


@pytest.mark.parametrize("kind", ["video", "audio"])
def test_a_film_with_a_changed_packet_is_refused(tmp_path, kind):
    scenes, sound = small(tmp_path)
    parts = film_parts(scenes, [clip(tmp_path / "c.mp4", 13)] * 3)
    work, stage = film_work(parts, sound, tmp_path / "film"), ShortFilm(ShortFilmSettings())
    result = stage.run(work)
    path = result.files["video"]
    whole = path.read_bytes()
    changed = max((data for *_, data in packets(path, kind)), key=len)
    at = whole.index(changed) + len(changed) // 2
    path.write_bytes(whole[:at] + bytes([whole[at] ^ 255]) + whole[at + 1 :])
    with pytest.raises(StageError, match="the film is wrong") as said:
        stage.verify(work, result)
    assert said.value.failure is Failure.ENCODER
    path.write_bytes(whole)
    stage.verify(work, result)


def test_a_film_that_was_cut_off_is_refused(tmp_path):
    scenes, sound = small(tmp_path)
    work = film_work(film_parts(scenes, [clip(tmp_path / "c.mp4", 13)] * 3), sound, tmp_path / "film")
    stage = ShortFilm(ShortFilmSettings())
    result = stage.run(work)
    result.files["video"].write_bytes(result.files["video"].read_bytes()[:-2000])
    with pytest.raises(StageError):
        stage.verify(work, result)


def test_sound_of_another_film_is_refused(tmp_path):
    """The same frames, other sound: what the film holds is compared with the track that it says it has."""
    scenes, sound = small(tmp_path)
    other = make_sound(scenes_of(tmp_path / "o", [tone(500, 0.5)] * 3), tmp_path / "other", **AS_IS)
    parts, stage = film_parts(scenes, [clip(tmp_path / "c.mp4", 13)] * 3), ShortFilm(ShortFilmSettings())
    result = stage.run(film_work(parts, sound, tmp_path / "film"))
    with pytest.raises(StageError, match="its sound is not that of the track"):
        stage.verify(film_work(parts, other, tmp_path / "film"), result)


def test_the_same_film_is_made_each_time(tmp_path):
    scenes, sound = small(tmp_path)
    parts = film_parts(scenes, [clip(tmp_path / "c.mp4", 13)] * 3)
    digests = set()
    for number in range(2):
        film = make_film(parts, sound, tmp_path / f"film{number}")
        digests.add(tuple(hashlib.sha256(path.read_bytes()).hexdigest() for path in film.files.values()))
    assert len(digests) == 1


def film_of_ten_minutes(tmp_path):
    sounds = []
    for extra in (0.011, 0.0237, 0.0):
        sound = np.zeros(round((10 + extra) * RATE))
        sound[13190:13271] = click()
        sounds.append(sound)
    kinds = scenes_of(tmp_path, sounds)
    scenes = [kinds[number % 3] for number in range(60)]
    sound = make_sound(scenes, tmp_path / "sound", fps="30000/1001", **AS_IS)
    clips = clips_for(scenes, tmp_path, "30000/1001")
    return make_film(film_parts(scenes, clips), sound, tmp_path / "film"), sound


@pytest.mark.proof
def test_no_drift_over_ten_minutes(tmp_path):
    film, made = film_of_ten_minutes(tmp_path)
    sound = read_planes(film.files["video"])[0]
    pictures = sorted(pts * base for pts, _, base, _ in packets(film.files["video"], "video"))
    assert len(pictures) * 1001 / 30000 > 600
    for frame in np.cumsum([0, *made.data["clip_frames"]])[:-1]:
        at = float(pictures[frame]) + 13230 / RATE
        assert abs(found_at(sound, round(at * RATE)) / RATE - at) < 0.001


def test_a_story_without_a_title_has_no_such_tag(tmp_path):
    scenes, sound = small(tmp_path, 1)
    film = make_film(film_parts(scenes, [clip(tmp_path / "c.mp4", 13)]), sound, tmp_path / "film", title="")
    with av.open(str(film.files["video"])) as container:
        assert "title" not in container.metadata


def test_a_long_word_is_cut_in_a_chapters_name():
    assert named("", "x" * 100) == "x" * 59 + "…"
    assert named("  Two\n words ", "text") == "Two words"
