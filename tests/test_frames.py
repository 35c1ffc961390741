"""Frames with index and integer pts, from real footage made here."""

from fractions import Fraction

import pytest
from picture_help import LOSSLESS, ffmpeg, footage, recoded

from stages.contract import Failure, StageError
from stages.media.frames import read_frames, timeline, track

CODED = ("-c:v", "libx264", "-preset", "veryfast", "-g", "12", "-bf", "2", "-pix_fmt", "yuv420p")


@pytest.fixture(scope="module")
def film(tmp_path_factory):
    """40 frames with B-frames and several groups of pictures, that begin 2 s into the file's own clock."""
    path = tmp_path_factory.mktemp("film") / "größer 'als': [das].mkv"
    base = footage(path.with_name("base.mkv"))
    return recoded(base, path, "-vf", "settb=1/1000,setpts=40*N+15*mod(N\\,3)+2000", "-enc_time_base", "1/1000", *CODED)


def test_frames_of_the_same_time_are_all_counted(tmp_path):
    film = footage(tmp_path / "film.mkv")
    double = recoded(film, tmp_path / "double.mkv", "-vf", "settb=1/25,setpts=2*floor(N/2)", *LOSSLESS)
    times = timeline(double)
    assert times.pts[10] == times.pts[11]
    part = next(read_frames(double, 11, 12, times=times))
    whole = next(read_frames(double, 11, 12))
    assert part.index == 11
    assert part.picture.to_ndarray().tobytes() == whole.picture.to_ndarray().tobytes()


def test_timeline_is_in_order_of_display_and_equals_what_decodes(film):
    times = timeline(film)
    frames = list(read_frames(film))
    assert times.count == 40 == len(frames)
    assert list(times.pts) == [frame.pts for frame in frames] == sorted(times.pts)
    assert all(isinstance(pts, int) for pts in times.pts)
    assert times.time_base == Fraction(1, 1000) == frames[0].time_base
    assert times.seconds(0) == 0.0
    assert times.seconds(38) == 38 / 25 + 0.03


@pytest.mark.parametrize(("start", "stop"), [(0, 3), (11, 14), (23, 30), (39, 40), (38, None), (5, 5)])
def test_a_range_by_seeking_is_the_same_frames_as_by_decoding_all(film, start, stop):
    whole = [(f.index, f.pts, f.picture.to_ndarray().tobytes()) for f in read_frames(film)]
    for times in (None, timeline(film)):
        part = list(read_frames(film, start, stop, times=times))
        assert [(f.index, f.pts, f.picture.to_ndarray().tobytes()) for f in part] == whole[start:stop]


def test_a_seek_into_a_transport_stream_that_lands_too_late_is_made_again(tmp_path):
    """It has no index: what is found is a key frame somewhere near."""
    source = tmp_path / "film.ts"
    ffmpeg("-f", "lavfi", "-i", "testsrc2=s=160x96:r=25:d=6", "-c:v", "libx264", "-preset", "ultrafast", "-g", "150",
           "-output_ts_offset", "100", source)  # fmt: skip
    times, whole = timeline(source), [(f.index, f.pts, f.picture.to_ndarray().tobytes()) for f in read_frames(source)]
    for index in (1, 25, 75, 149):
        (part,) = read_frames(source, index, index + 1, times=times)
        assert (part.index, part.pts, part.picture.to_ndarray().tobytes()) == whole[index]


@pytest.mark.parametrize(
    ("pixel_format", "depth", "chroma"),
    [("yuv420p", 8, "420"), ("yuv422p10le", 10, "422"), ("yuv444p", 8, "444"), ("gray", 8, "420"), ("bgr0", 8, "444")],
)
def test_track_tells_depth_and_chroma(tmp_path, pixel_format, depth, chroma):
    found = track(footage(tmp_path / "a.mkv", 2, codec=(*LOSSLESS, "-pix_fmt", pixel_format)))
    assert (found.width, found.height, found.pixel_format) == (160, 96, pixel_format)
    assert (found.depth, found.chroma) == (depth, chroma)
    assert found.full_range == (pixel_format in {"gray", "bgr0"})


def test_a_turned_picture_has_the_size_it_is_shown_at(tmp_path):
    flat = footage(tmp_path / "flat.mp4", 3, codec=CODED)
    turned = tmp_path / "turned.mp4"
    ffmpeg("-display_rotation", 90, "-i", flat, "-c", "copy", turned)
    assert (track(turned).width, track(turned).height) == (96, 160)
    assert track(turned).rotation % 360 in {90, 270}


def test_a_cover_picture_is_not_the_film(tmp_path):
    film = footage(tmp_path / "film.mp4", 5, codec=CODED)
    cover = footage(tmp_path / "cover.png", 1, "color=red:s=32x32", codec=())
    both = tmp_path / "both.mp4"
    ffmpeg("-i", film, "-i", cover, "-map", 1, "-map", 0, "-c", "copy", "-disposition:v:0", "attached_pic", both)
    assert (track(both).width, timeline(both).count) == (160, 5)


def test_sound_alone_and_text_are_refused(tmp_path):
    sound = tmp_path / "sound.wav"
    ffmpeg("-f", "lavfi", "-i", "sine=d=0.2", sound)
    text = tmp_path / "text.mp4"
    text.write_text("no film", encoding="utf-8")
    for file in (sound, text):
        for read in (track, timeline):
            with pytest.raises(StageError) as refused:
                read(file)
            assert refused.value.failure is Failure.BAD_INPUT
            assert file.name in refused.value.sentence
