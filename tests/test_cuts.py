"""Where films made here are cut: at scenes and key frames, and never at flashes, fades, motion or captions."""

from fractions import Fraction

import numpy as np
import pytest
from picture_help import ffmpeg, footage

from stages.media import cuts
from stages.media.cuts import LOOKED_AT, MOST_LEAD, Cut, cut_film, scene_changes
from stages.media.frames import Coding, Timeline, read_frames, timeline, timeline_and_coding

SIZE = "s=160x96:r=25"
SCENES = {
    "test": f"testsrc2={SIZE},noise=alls=6:all_seed=7",
    "set": f"mandelbrot={SIZE}:start_scale=0.6:end_scale=0.3:end_pts=900:inner=period,negate",
    "bars": f"smptehdbars={SIZE},noise=alls=8:allf=t:all_seed=3",
    "mirror": f"testsrc2={SIZE},negate,hflip",
}
FIXED = ("-c:v", "libx264", "-preset", "veryfast", "-bf", "2", "-g", "12", "-sc_threshold", "0", "-pix_fmt", "yuv420p")
AT_SCENES = ("-c:v", "libx264", "-preset", "veryfast", "-g", "250", "-pix_fmt", "yuv420p")


def film_of(path, lengths, codec, names=tuple(SCENES), *, then=""):
    """One scene after another, each of so many frames."""
    chains = [
        f"{SCENES[names[n % len(names)]]},trim=end_frame={length},setsar=1,format=yuv420p[s{n}]"
        for n, length in enumerate(lengths)
    ]
    labels = "".join(f"[s{n}]" for n in range(len(lengths)))
    graph = ";".join([*chains, f"{labels}concat=n={len(lengths)}{then}"])
    ffmpeg("-filter_complex", graph, *codec, path)
    return path


def cutting(path, target, least=10):
    times, coding = timeline_and_coding(path)
    found = cut_film(path, times, coding, target, least)
    covers_whole_film(found, times.count, least)
    assert found.decoded <= LOOKED_AT * times.count
    return found


def covers_whole_film(found, count, least):
    assert [cut.first for cut in found.chunks] == list(np.cumsum([0, *(c.count for c in found.chunks)]))[:-1]
    assert sum(cut.count for cut in found.chunks) == count
    assert len(found.chunks) == 1 or min(cut.count for cut in found.chunks) >= least


def places(found):
    return [(cut.first, cut.why) for cut in found.chunks[1:]]


@pytest.fixture(scope="module")
def fixed_gop(tmp_path_factory):
    """3000 frames, a key frame every 12, and scenes that begin anywhere between them."""
    path = tmp_path_factory.mktemp("film") / "größer: [fixed].mp4"
    return film_of(path, [517, 460, 528, 485, 503, 507], FIXED)


def test_cuts_move_to_the_scene_changes_that_the_pictures_show(fixed_gop):
    found = cutting(fixed_gop, 500)
    assert places(found) == [(first, "scene") for first in (517, 977, 1505, 1990, 2493)]
    assert found.notes == ()


def test_looking_for_scenes_costs_less_than_its_share(fixed_gop):
    for target in (60, 125, 250, 500, 1000):
        found = cutting(fixed_gop, target)
        assert len(found.chunks) == round(3000 / target)
        assert sum(cut.lead for cut in found.chunks) <= MOST_LEAD * 3000


def test_each_chunk_says_how_many_frames_are_decoded_before_it(fixed_gop):
    keys = timeline_and_coding(fixed_gop)[1].keys
    assert keys == tuple(range(0, 3000, 12))
    assert [cut.lead for cut in cutting(fixed_gop, 500).chunks] == [
        0,
        517 % 12,
        977 % 12,
        1505 % 12,
        1990 % 12,
        2493 % 12,
    ]


def test_frames_decoded_are_those_that_were_counted(fixed_gop, monkeypatch):
    made, seen = cuts._grey, []

    def counted(path, since):
        for frame in made(path, since):
            seen.append(frame)
            yield frame

    monkeypatch.setattr(cuts, "_grey", counted)
    found = cutting(fixed_gop, 500)
    assert 5 * 11 <= found.decoded == len(seen)


def test_key_frames_that_came_early_are_taken_where_looking_is_too_dear(tmp_path):
    film = film_of(tmp_path / "a.mkv", [90, 130, 250, 105, 25], AT_SCENES)
    keys = timeline_and_coding(film)[1].keys
    assert {0, 90, 220, 470, 575} <= set(keys)
    found = cutting(film, 100)
    assert (90, "key frame") in places(found) and (220, "key frame") in places(found)
    assert all(cut.lead <= MOST_LEAD * 100 for cut in found.chunks)


def test_a_film_with_one_key_frame_stays_whole(tmp_path):
    codec = (*AT_SCENES[:4], "-g", "9999", "-sc_threshold", "0", "-pix_fmt", "yuv420p")
    film = film_of(tmp_path / "a.mp4", [300, 300], codec)
    assert cutting(film, 100).chunks == (Cut(0, 600, "start"),)


@pytest.mark.parametrize("codec", [("-c:v", "mjpeg"), ("-c:v", "prores_ks", "-profile:v", "0")])
def test_where_each_frame_is_a_key_frame_cuts_are_at_scenes(tmp_path, codec):
    film = film_of(tmp_path / "a.mov", [303, 292, 305], codec, then=",scale=64:36")
    found = cutting(film, 300)
    assert places(found) == [(303, "scene"), (595, "scene")]
    assert {cut.lead for cut in found.chunks} == {0}
    same = film_of(tmp_path / "b.mov", [900], codec, then=",scale=64:36")
    assert places(cutting(same, 300)) == [(300, "key frame"), (600, "key frame")]


def test_a_still_picture_is_cut_evenly(tmp_path):
    film = footage(tmp_path / "a.mp4", 600, f"smptebars={SIZE}", (*FIXED[:6], "-g", "25", "-pix_fmt", "yuv420p"))
    assert places(cutting(film, 200)) == [(200, "key frame"), (400, "key frame")]


def test_times_of_a_variable_rate_decide_how_near_two_seconds_are(tmp_path):
    """Ten frames a second in the first half: 2 s are 20 frames, and the scene 30 frames away is not looked at."""
    vfr = ",settb=1/1000,setpts='if(lt(N,600),100*N,60000+20*(N-600))'"
    codec = (*FIXED, "-fps_mode", "passthrough", "-enc_time_base", "1/1000")
    film = film_of(tmp_path / "a.mkv", [330, 290, 300, 280], codec, then=vfr)
    found = cutting(film, 300)
    firsts = dict(places(found))
    assert firsts[620] == "scene" and firsts[920] == "scene"
    assert 330 not in firsts and firsts[300] == "key frame"
    times = timeline(film)
    assert times.seconds(599) == pytest.approx(59.9) and times.seconds(601) == pytest.approx(60.02)


def test_no_cut_where_frames_share_their_time(tmp_path):
    pts, coding = tuple(n - n % 2 for n in range(400)), Coding(tuple(range(0, 400, 10)), (1000,) * 400)
    assert len(cut_film(tmp_path / "none", Timeline(Fraction(1, 25), 400, pts), coding, 100, 10).chunks) == 1
    mixed = (*range(95), *(95 + (n - 95) // 2 for n in range(95, 125)), *range(110, 385))
    found = cut_film(tmp_path / "none", Timeline(Fraction(1, 25), 400, mixed), coding, 100, 10)
    assert [cut.first for cut in found.chunks] == [0, 90, 200, 300]
    assert all(mixed.count(mixed[cut.first]) == 1 for cut in found.chunks)


def test_a_raw_stream_without_times_stays_whole(tmp_path):
    film = footage(tmp_path / "a.h264", 300, SCENES["test"], FIXED)
    times, coding = timeline_and_coding(film)
    assert (times.count, times.pts, coding.keys) == (300, (), ())
    assert cut_film(film, times, coding, 100, 10).chunks == (Cut(0, 300, "start"),)


def test_pictures_that_do_not_decode_are_told_and_cost_no_cut(fixed_gop, tmp_path):
    gone = tmp_path / "gone.mp4"
    times, coding = timeline_and_coding(fixed_gop)
    found = cut_film(gone, times, coding, 500, 10)
    covers_whole_film(found, 3000, 10)
    assert {cut.why for cut in found.chunks[1:]} == {"key frame"}
    assert "no scene change was looked for" in found.notes[0] and "gone.mp4" in found.notes[0]


@pytest.mark.parametrize(("target", "least", "chunks"), [(1000, 250, 3), (300, 1501, 1), (100, 400, 7), (9999, 1, 1)])
def test_no_chunk_is_shorter_than_asked(fixed_gop, target, least, chunks):
    assert len(cutting(fixed_gop, target, least).chunks) == chunks


def test_timeline_and_coding_is_the_timeline(fixed_gop):
    times, coding = timeline_and_coding(fixed_gop)
    assert times == timeline(fixed_gop)
    assert len(coding.sizes) == 3000
    first, second = (next(read_frames(fixed_gop, key, key + 1, times=times)).picture for key in coding.keys[1:3])
    assert first.key_frame and second.key_frame


def thumbnails(path, source, frames=60):
    clip = footage(path, frames, source, ("-c:v", "ffv1", "-pix_fmt", "yuv420p"))
    shots = [f.picture.reformat(*cuts.SIDES, format="gray").to_ndarray().ravel() for f in read_frames(clip)]
    return np.stack(shots).astype(np.int16)


@pytest.mark.parametrize(
    "filters",
    [
        "null",
        "lutyuv=y=235:enable='eq(n,30)'",
        "lutyuv=y=235:enable='between(n,30,32)'",
        "lutyuv=y='min(235,val*2)':enable='eq(n,20)+eq(n,23)+eq(n,27)'",
        "fade=out:20:12,fade=in:36:12",
        "scroll=horizontal=0.06",
        "scroll=horizontal=0.02:vertical=0.05,rotate=0.3*sin(n/4)",
        "drawbox=y=ih*0.8:h=ih*0.15:color=white:t=fill:enable='gte(n,30)'",
        "shuffleframes=0 0 0 3 3 3",
        "crop=iw/2:ih/2:n:n/2",
    ],
)
@pytest.mark.parametrize("scene", ["test", "mirror", "bars", "set"])
def test_flashes_fades_motion_and_captions_are_no_scenes(tmp_path, scene, filters):
    assert scene_changes(thumbnails(tmp_path / "a.mkv", f"{SCENES[scene]},{filters}")) == []


@pytest.mark.parametrize("filters", ["null", "scroll=horizontal=0.03", "lutyuv=y='16+(val-16)/3'", "hue=s=0"])
@pytest.mark.parametrize("names", [("test", "set"), ("set", "mirror"), ("bars", "test"), ("mirror", "bars")])
def test_a_cut_is_found_at_its_frame(tmp_path, names, filters):
    film = film_of(tmp_path / "a.mkv", [23, 20], ("-c:v", "ffv1"), names, then=f",{filters}")
    shots = [f.picture.reformat(*cuts.SIDES, format="gray").to_ndarray().ravel() for f in read_frames(film)]
    assert scene_changes(np.stack(shots).astype(np.int16)) == [23]


def test_too_few_frames_are_not_judged():
    assert scene_changes(np.zeros((0, 16), np.int16)) == scene_changes(np.zeros((9, 16), np.int16)) == []
