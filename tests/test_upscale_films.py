"""Films of all kinds through `upscale`: every frame, every time, every stream, in one segment and in several."""

import os
from fractions import Fraction
from itertools import pairwise
from pathlib import Path

import av
import pytest
from film_help import DAMAGED, apart, film, held, vfr
from picture_help import ffmpeg
from upscale_help import LOSSLESS, larger, modelled, most_apart, pictures, same, stamps

from stages.contract import Failure, StageError
from stages.media.film import look_at
from stages.media.frames import track

SHARED = Path(os.environ.get("REELTUNE_MEDIA", "")) / "damaged"
B_FRAMES = ("-c:v", "libx264", "-preset", "veryfast", "-bf", "3", "-g", "40", "-c:a", "aac")
DEEP = ("-c:v", "libx264", "-preset", "veryfast", "-pix_fmt", "yuv420p10le", "-c:a", "aac")


def tagged(transfer):
    told = f"setparams=range=tv:colorspace=bt2020nc:color_primaries=bt2020:color_trc={transfer}"
    return ("-vf", f"format=yuv420p10le,{told}", *DEEP)


def hidden(path):
    """The first 15 frames are hidden by an edit list, as they are only there to begin decoding with."""
    whole = film(path.with_name("whole.mp4"), *B_FRAMES)
    ffmpeg("-ss", "0.6", "-i", whole, "-c", "copy", path)
    assert len(held(path).of("video")[0]) == 35
    return path


SOURCES = {
    "b-frames.mp4": lambda p: film(p, *B_FRAMES),
    "ntsc.mp4": lambda p: film(p, *B_FRAMES, rate="30000/1001"),
    "cinema.mp4": lambda p: film(p, *B_FRAMES, rate="24000/1001"),
    "cinema.mkv": lambda p: film(p, *B_FRAMES, rate="24000/1001"),
    "vfr.mp4": lambda p: vfr(p, "-c:v", "libx264", "-video_track_timescale", "1000", "-g", "40"),
    "vfr.mkv": lambda p: vfr(p, "-c:v", "libx264", "-g", "40"),
    "late.mp4": lambda p: film(p, *B_FRAMES, "-output_ts_offset", "5"),
    "late.mkv": lambda p: film(p, *B_FRAMES, "-output_ts_offset", "5"),
    "hidden.mp4": hidden,
    "open-gop.mp4": lambda p: film(p, *B_FRAMES, "-x264-params", "open-gop=1:keyint=8:scenecut=0"),
    "hlg.mp4": lambda p: film(p, *tagged("arib-std-b67")),
    "pq.mkv": lambda p: film(p, *tagged("smpte2084")),
    "full-colour.mp4": lambda p: film(p, *B_FRAMES, "-pix_fmt", "yuv444p"),
    "silent.mp4": lambda p: film(p, *B_FRAMES, "-an"),
    "short-sound.mp4": lambda p: film(p, *B_FRAMES, "-af", "atrim=end=0.7"),
    "web.webm": lambda p: film(p, "-c:v", "libvpx", "-deadline", "realtime", "-g", "40", "-c:a", "libopus"),
    "intra.mov": lambda p: film(p, "-c:v", "prores", "-c:a", "pcm_s16le"),
    "old.avi": lambda p: film(p, "-c:v", "mpeg4", "-g", "40", "-c:a", "libmp3lame"),
}
CONTAINER = {"web.webm": "mkv", "old.avi": "mp4"}  # webm holds no H.264
TENTH = {"mkv": 0.501}  # Matroska rounds to whole milliseconds


@pytest.mark.parametrize("segment_s", [10.0, 0.5], ids=["one", "several"])
@pytest.mark.parametrize("name", SOURCES)
def test_every_frame_keeps_its_time(tmp_path, name, segment_s):
    source = SOURCES[name](tmp_path / name)
    made = larger(source, tmp_path / "work", film={"container": CONTAINER.get(name, "auto")}, segment_s=segment_s)
    assert len(made.orders) == (1 if segment_s == 10 else round(len(stamps(source)[1:]) / round(_rate(source) / 2)))
    before, after = held(source), held(made.path)
    limit = TENTH.get(made.path.suffix[1:], 0.0)
    assert apart(before.of("video")[0], after.of("video")[0]) <= limit
    if (source.suffix, made.path.suffix) == (".mp4", ".mp4") and name != "vfr.mp4":  # MP4 wants a finer clock there
        assert stamps(made.path) == stamps(source), "as whole numbers of the source's own clock"
    assert after.kinds == before.kinds
    for sound, copied in zip(before.of("audio"), after.of("audio"), strict=True):
        assert apart(sound, copied) <= limit


def _rate(path):
    return float(look_at(path).pictures[0].rate)


@pytest.mark.parametrize(
    "name", ["b-frames.mp4", "open-gop.mp4", "hidden.mp4", "vfr.mkv", "web.webm", "old.avi", "late.mkv"]
)
def test_segments_hold_the_frames_that_they_are_for(tmp_path, name):
    """Not only as many frames with these times, but these pictures: sought by a key frame that may lie far before."""
    source = SOURCES[name](tmp_path / name)
    made = larger(source, tmp_path / "work", LOSSLESS, {"container": CONTAINER.get(name, "auto")}, segment_s=0.5)
    assert len(made.orders) > 2
    assert most_apart(modelled(source, same), pictures(made.path)) == 0


def test_a_transport_stream(tmp_path):
    """Its clock begins anywhere, and it has no index of key frames: every segment is sought by reading."""
    source = film(tmp_path / "film.ts", *B_FRAMES, "-muxdelay", "2", seconds=3)
    made = larger(source, tmp_path / "work", LOSSLESS, segment_s=0.5)
    before, after = held(source), held(made.path)
    assert len(made.orders) == 6
    moved = before.of("video")[0][0] - after.of("video")[0][0]
    assert apart([time - moved for time in before.of("video")[0]], after.of("video")[0]) <= 0.501
    # both the first picture and each sound are rounded to whole milliseconds
    assert apart([time - moved for time in before.of("audio")[0]], after.of("audio")[0]) <= 1.001
    assert most_apart(modelled(source, same), pictures(made.path)) == 0


@pytest.mark.parametrize("codec", ["mpeg2video", "libx265"])
def test_other_codecs_in_a_transport_stream(tmp_path, codec):
    source = film(tmp_path / "film.ts", "-c:v", codec, "-bf", "2", "-g", "40", "-c:a", "mp2", seconds=2)
    made = larger(source, tmp_path / "work", LOSSLESS, segment_s=0.5)
    assert len(made.orders) == 4
    assert most_apart(modelled(source, same), pictures(made.path)) == 0


def test_pictures_that_are_refreshed_bit_by_bit(tmp_path):
    """No frame but the first is whole by itself: what is sought comes out some frames after where decoding begins."""
    words = ("-c:v", "libx264", "-g", "12", "-x264-params", "intra-refresh=1:bframes=0", "-an")
    source = film(tmp_path / "film.mp4", *words, seconds=3)
    made = larger(source, tmp_path / "work", LOSSLESS, segment_s=0.5)
    assert len(made.orders) == 6
    assert most_apart(modelled(source, same), pictures(made.path)) == 0


def test_a_raw_stream_without_times(tmp_path):
    source = film(tmp_path / "film.h264", "-c:v", "libx264", "-bf", "2", "-an", seconds=1)
    made = larger(source, tmp_path / "work", LOSSLESS, segment_s=0.5)
    assert most_apart(modelled(source, same), pictures(made.path)) == 0
    gaps = {round(float(b - a) * 1000) for a, b in pairwise(held(made.path).of("video")[0])}
    assert gaps == {40}


@pytest.mark.parametrize("size", ["161x97", "33x35"])
def test_odd_sizes_twice_as_large(tmp_path, size):
    source = film(
        tmp_path / "odd.mp4", *B_FRAMES, "-pix_fmt", "yuv444p", "-vf", f"scale={size.replace('x', ':')}", seconds=1
    )
    made = larger(source, tmp_path / "work", name="lanczos", scale=2, segment_s=0.5)
    shown = track(made.path)
    assert (f"{shown.width // 2}x{shown.height // 2}", shown.width % 2, shown.height % 2) == (size, 0, 0)
    assert stamps(made.path) == stamps(source)


def test_an_odd_side_that_the_encoder_cannot_hold_is_said(tmp_path):
    source = tmp_path / "odd.mp4"
    film(source, "-c:v", "mpeg4", "-an", "-vf", "scale=161:97", seconds=1)
    with pytest.raises(StageError) as refused:
        larger(source, tmp_path / "work", name="lanczos", scale=3)
    assert "483" in refused.value.sentence and "\n" not in refused.value.sentence


@pytest.mark.parametrize("angle", [90, 180, 270])
def test_rotation_and_pixel_shape_are_kept(tmp_path, angle):
    plain, turned = tmp_path / "plain.mp4", tmp_path / "turned.mp4"
    film(plain, *B_FRAMES, "-vf", "setsar=4/3", seconds=1)
    ffmpeg("-display_rotation", angle, "-i", plain, "-c", "copy", turned)
    made = larger(turned, tmp_path / "work", name="lanczos", scale=2, segment_s=0.5)
    before, after = look_at(turned).pictures[0], look_at(made.path).pictures[0]
    assert after.rotation == before.rotation != 0
    assert (after.width, after.height, after.aspect) == (320, 192, Fraction(4, 3))
    assert stamps(made.path) == stamps(turned)


def test_all_that_a_film_of_several_languages_holds_goes_along(tmp_path):
    source = _rich(tmp_path)
    made = larger(source, tmp_path / "work", name="lanczos", scale=2, segment_s=0.5)
    before, after = held(source), held(made.path)
    assert made.notes == []
    assert after.kinds == before.kinds and after.codecs[1:] == before.codecs[1:]
    assert after.kinds.count("audio") == 2 and "subtitle" in after.kinds and "attachment" in after.kinds
    assert after.dispositions == before.dispositions and after.chapters == before.chapters
    assert [tags.get("language") for tags in after.tags] == [tags.get("language") for tags in before.tags]
    assert after.about["title"] == before.about["title"] == "A film: it's #1"
    assert all(apart(one, other) <= 0.501 for one, other in zip(before.times, after.times, strict=True))
    assert _attached(made.path) == _attached(source) != []


def _attached(path):
    with av.open(str(path)) as container:
        return [(s.name, s.mimetype, bytes(s.data)) for s in container.streams if s.type == "attachment"]


def _rich(folder):
    (folder / "a.srt").write_text("1\n00:00:00,200 --> 00:00:01,000\nFirst: 中文\n", encoding="utf-8")
    (folder / "meta.txt").write_text(
        ";FFMETADATA1\ntitle=A film: it's \\#1\n[CHAPTER]\nTIMEBASE=1/1000\nSTART=0\nEND=900\ntitle=One\n"
        "[CHAPTER]\nTIMEBASE=1/1000\nSTART=900\nEND=2000\ntitle=Two & more\n", encoding="utf-8",
    )  # fmt: skip
    (folder / "font.ttf").write_bytes(b"\0\1\0\0 not a font, but carried as one" * 9)
    ffmpeg(
        "-f", "lavfi", "-i", "testsrc2=s=160x96:d=2", "-f", "lavfi", "-i", "sine=440:d=2", "-f", "lavfi", "-i",
        "sine=660:d=2", "-i", folder / "a.srt", "-i", folder / "meta.txt", "-map", "0:v", "-map", "1:a", "-map", "2:a",
        "-map", "3:s", "-map_metadata", 4, "-map_chapters", 4, "-c:v", "libx264", "-c:a:0", "aac", "-c:a:1",
        "libvorbis", "-c:s", "subrip", "-metadata:s:a:0", "language=eng", "-metadata:s:a:1", "language=deu",
        "-disposition:a:0", "0", "-disposition:a:1", "default+comment", "-attach", folder / "font.ttf",
        "-metadata:s:t:0", "mimetype=font/ttf", folder / "rich.mkv",
    )  # fmt: skip
    return folder / "rich.mkv"


# --- damage ------------------------------------------------------------------------------------


def refused(path, scratch, **settings):
    with pytest.raises(StageError) as error:
        larger(path, scratch, film=settings, segment_s=0.5)
    assert error.value.failure is Failure.BAD_INPUT
    assert error.value.sentence.startswith(path.name) and "\n" not in error.value.sentence
    return error.value.sentence


@pytest.mark.parametrize("kind", ["mkv", "mov", "avi"])
def test_a_film_that_was_cut_off_is_not_taken_for_a_short_one(tmp_path, kind):
    words = ("-c:v", "mpeg4", "-c:a", "libmp3lame") if kind == "avi" else (*B_FRAMES, "-movflags", "+faststart")
    whole = film(tmp_path / f"whole.{kind}", *words).read_bytes()
    half = tmp_path / f"half.{kind}"
    half.write_bytes(whole[: len(whole) * 2 // 3])
    assert "video.salvage=true keeps what decodes" in refused(half, tmp_path / "a")
    settings = {"salvage": True, "container": "mkv"}
    made = larger(half, tmp_path / "b", film=settings, verify="packets", segment_s=0.5)
    assert 5 < len(held(made.path).of("video")[0]) < 50
    assert "kept" in " ".join(made.notes)


def test_cut_off_and_changed_films(tmp_path):
    good = film(tmp_path / "good.mp4", "-c:v", "libx264", "-g", "10", "-c:a", "aac", "-movflags", "faststart")
    whole = good.read_bytes()
    half, broken = tmp_path / "half.mp4", tmp_path / "broken.mp4"
    half.write_bytes(whole[: len(whole) * 2 // 3])
    broken.write_bytes(whole[: len(whole) // 2] + b"\x55" * 3000 + whole[len(whole) // 2 + 3000 :])
    for place, path in enumerate((half, broken)):
        assert "video.salvage=true keeps what decodes" in refused(path, tmp_path / f"a{place}")
        made = larger(path, tmp_path / f"b{place}", film={"salvage": True}, verify="packets", segment_s=0.5)
        kept = len(held(made.path).of("video")[0])
        assert 5 < kept <= 50
        said = " ".join(made.notes)
        assert "what is there was kept" in said if path == half else f"the {kept} frames that decode were kept" in said


@pytest.mark.skipif(not SHARED.is_dir(), reason="REELTUNE_MEDIA names no folder of damaged films")
@pytest.mark.parametrize(("name", "said", "kept"), DAMAGED)
def test_real_damage(tmp_path, name, said, kept):
    if said:
        assert said in refused(SHARED / name, tmp_path / "a")
    if not kept:
        assert said in refused(SHARED / name, tmp_path / "b", salvage=True)
        return
    settings = {"salvage": bool(said), "container": "mkv"}
    made = larger(SHARED / name, tmp_path / "b", film=settings, verify="packets", segment_s=1.0)
    assert len(held(made.path).of("video")[0]) == kept
