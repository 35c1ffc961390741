"""Nothing is lost: sound, subtitles, chapters, tags, dispositions, attachments, covers, rotation, pixel shape."""

from fractions import Fraction

import pytest
from film_help import X264, X265, apart, film, held, survey, transcode
from picture_help import ffmpeg

from stages.contract import StageError
from stages.media.film import look_at
from stages.media.frames import track

SRT = "1\n00:00:00,200 --> 00:00:01,000\nFirst: “quoted”, {\\an8}, 中文\n\n2\n00:00:01,200 --> 00:00:01,800\nSecond\n"
CHAPTERS = """;FFMETADATA1
title=A film: it's \\#1
comment=Ein Kommentar 🎬
[CHAPTER]
TIMEBASE=1/1000
START=0
END=900
title=One
[CHAPTER]
TIMEBASE=1/1000
START=900
END=2000
title=Two & more
"""


@pytest.fixture
def rich(tmp_path):
    """A Matroska film with two languages, two subtitles, chapters, a font, a cover, tags and dispositions."""
    (tmp_path / "a.srt").write_text(SRT, encoding="utf-8")
    (tmp_path / "meta.txt").write_text(CHAPTERS, encoding="utf-8")
    (tmp_path / "font.ttf").write_bytes(b"\0\1\0\0 not a font, but carried as one" * 9)
    ffmpeg("-f", "lavfi", "-i", "testsrc2=s=64x64", "-frames:v", 1, tmp_path / "cover.png")
    target = tmp_path / "rich.mkv"
    ffmpeg(
        "-f", "lavfi", "-i", "testsrc2=s=160x96:d=2", "-f", "lavfi", "-i", "sine=440:d=2",
        "-f", "lavfi", "-i", "sine=660:d=2", "-i", tmp_path / "a.srt", "-i", tmp_path / "a.srt",
        "-i", tmp_path / "meta.txt", "-map", "0:v", "-map", "1:a", "-map", "2:a", "-map", "3:s", "-map", "4:s",
        "-map_metadata", 5, "-map_chapters", 5, "-c:v", "libx264", "-c:a:0", "aac", "-c:a:1", "libvorbis",
        "-c:s:0", "subrip", "-c:s:1", "ass", "-metadata:s:a:0", "language=eng", "-metadata:s:a:1", "language=deu",
        "-metadata:s:a:1", "title=Kommentar", "-disposition:a:0", "0", "-disposition:a:1", "default+comment",
        "-disposition:s:1", "forced", "-attach", tmp_path / "font.ttf", "-metadata:s:t:0", "mimetype=font/ttf",
        "-attach", tmp_path / "cover.png", "-metadata:s:t:1", "mimetype=image/png", target,
    )  # fmt: skip
    return target


def test_matroska_keeps_it_all(tmp_path, rich):
    made = transcode(rich, tmp_path / "work")
    before, after = held(rich), held(made.path)
    assert made.notes == []
    assert after.kinds == before.kinds
    assert after.codecs[1:] == before.codecs[1:]
    assert after.dispositions == before.dispositions
    assert after.chapters == before.chapters
    assert after.about["title"] == "A film: it's #1" and after.about["COMMENT"] == before.about["COMMENT"]
    for one, other in zip(before.tags[1:], after.tags[1:], strict=True):
        assert {k: v for k, v in one.items() if k != "DURATION"} == {k: v for k, v in other.items() if k != "DURATION"}
    assert all(apart(one, other) <= 0.5 for one, other in zip(before.times, after.times, strict=True))


def test_attachments_are_the_same_bytes(tmp_path, rich):
    import av

    made = transcode(rich, tmp_path / "work")
    with av.open(str(rich)) as one, av.open(str(made.path)) as other:
        before = [(s.name, s.mimetype, bytes(s.data)) for s in one.streams if s.type == "attachment"]
        after = [(s.name, s.mimetype, bytes(s.data)) for s in other.streams if s.type == "attachment"]
    assert before == after and len(after) == 1


def test_mp4_refuses_what_it_cannot_hold_and_offers_mkv(tmp_path, rich):
    with pytest.raises(StageError) as refused:
        survey(rich, tmp_path / "work", container="mp4")
    assert "attachment" in refused.value.sentence
    assert "use video.container=mkv, or video.on_lost=drop" in refused.value.sentence


def test_mp4_converts_what_it_can_and_says_so(tmp_path, rich):
    made = transcode(rich, tmp_path / "work", container="mp4", on_lost="drop")
    after = held(made.path)
    assert after.kinds.count("audio") == 2 and after.kinds.count("subtitle") == 2
    assert after.codecs[1:5] == ["aac", "aac", "mov_text", "mov_text"]
    assert [tags["language"] for tags in after.tags[1:3]] == ["eng", "deu"]
    assert after.chapters[1][2] == "Two & more"
    said = " ".join(made.notes)
    assert "vorbis" in said and "styles are lost" in said and "was left out: mp4 holds no attachments" in said
    assert apart(held(rich).of("video")[0], after.of("video")[0]) <= 0.5


def test_sound_is_coded_once_over_its_whole_length(tmp_path):
    source = film(tmp_path / "film.mp4", "-c:v", "libx264", "-g", "25", "-c:a", "aac", seconds=8)
    made = transcode(source, tmp_path / "work", chunks="2", audio="encode", audio_bitrate="96k")
    before, after = held(source).of("audio")[0], held(made.path).of("audio")[0]
    assert len(made.pieces) > 3
    assert abs(float(after[-1] - before[-1])) < 0.03, "chunks of sound would have added their padding each"


def test_sound_can_be_dropped(tmp_path):
    source = film(tmp_path / "film.mp4", "-c:v", "libx264", "-c:a", "aac")
    assert held(transcode(source, tmp_path / "work", audio="drop").path).kinds == ["video"]


def test_two_video_streams_are_both_coded(tmp_path):
    target = tmp_path / "two.mp4"
    ffmpeg("-f", "lavfi", "-i", "testsrc2=s=160x96:d=1", "-f", "lavfi", "-i", "testsrc=s=96x64:r=30:d=1",
           "-map", "0", "-map", "1", "-c:v", "mpeg4", target)  # fmt: skip
    after = held(transcode(target, tmp_path / "work").path)
    assert after.codecs == ["h264", "h264"]
    assert [len(times) for times in after.times] == [25, 30]


def test_rotation_and_pixel_shape_are_kept(tmp_path):
    plain, turned = tmp_path / "plain.mp4", tmp_path / "turned.mp4"
    film(plain, "-c:v", "libx264", "-vf", "setsar=4/3")
    ffmpeg("-display_rotation", 90, "-i", plain, "-c", "copy", turned)
    made = transcode(turned, tmp_path / "work")
    assert track(made.path).rotation == track(turned).rotation != 0
    assert look_at(made.path).pictures[0].aspect == Fraction(4, 3)


def test_scaling_a_turned_film_turns_it_for_good(tmp_path):
    plain, turned = tmp_path / "plain.mp4", tmp_path / "turned.mp4"
    film(plain, "-c:v", "libx264")
    ffmpeg("-display_rotation", 90, "-i", plain, "-c", "copy", turned)
    made = transcode(turned, tmp_path / "work", scale="x80")
    shown = track(made.path)
    assert (shown.rotation, shown.width, shown.height) == (0, 48, 80)
    assert "turned upright" in " ".join(made.notes)


def test_a_cover_picture_is_no_video(tmp_path):
    ffmpeg("-f", "lavfi", "-i", "testsrc2=s=64x64", "-frames:v", 1, tmp_path / "cover.jpg")
    source = film(tmp_path / "film.mp4", "-c:v", "libx264", "-c:a", "aac")
    covered = tmp_path / "covered.mp4"
    ffmpeg("-i", source, "-i", tmp_path / "cover.jpg", "-map", 0, "-map", 1, "-c", "copy", "-disposition:v:1",
           "attached_pic", covered)  # fmt: skip
    before, after = held(covered), held(transcode(covered, tmp_path / "work").path)
    assert after.dispositions == before.dispositions
    assert after.codecs == before.codecs


def test_players_know_the_rate_and_the_kind_of_video(tmp_path):
    """A clock of milliseconds is no rate of a thousand, and `hev1` is what some players refuse."""
    import av

    source = film(tmp_path / "film.mkv", "-c:v", "ffv1", "-c:a", "flac")
    for encoder, container, tag in ((X264, "mkv", ""), (X265, "mp4", "hvc1")):
        made = transcode(source, tmp_path / container, encoder, container=container)
        with av.open(str(made.path)) as opened:
            stream = opened.streams.video[0]
            assert stream.average_rate == 25
            assert stream.codec_context.codec_tag.strip("\0 ") == tag


def test_a_damaged_packet_of_copied_sound_is_left_out_only_when_that_is_asked(tmp_path):
    whole = film(tmp_path / "whole.ts", "-c:v", "libx264", "-c:a", "aac", seconds=4)
    torn = bytearray(whole.read_bytes())
    for place in range(188 * 40, len(torn) - 188, 188 * 23):
        torn[place + 20 : place + 120] = b"\xff" * 100
    broken = tmp_path / "torn.ts"
    broken.write_bytes(torn)
    with pytest.raises(StageError, match="is damaged"):
        transcode(broken, tmp_path / "a")
    made = transcode(broken, tmp_path / "b", verify="packets", salvage=True)
    assert "audio" in held(made.path).kinds and "frames that decode were kept" in " ".join(made.notes)
