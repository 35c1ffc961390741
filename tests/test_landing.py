"""Films without an index, where a seek lands anywhere: chunks, scores and excerpts begin at the very frame."""

import subprocess
from fractions import Fraction
from itertools import pairwise

import av
import pytest
from film_help import X264, held, transcode
from picture_help import ffmpeg, footage, recoded, rows_of, score

from stages.contract import StageError
from stages.media.ffmpeg import ffmpeg_binary
from stages.media.frames import read_frames, timeline
from stages.media.landing import cut_for
from stages.media.probe import count_packets
from stages.video.excerpt import windows
from stages.video.films import Films, FilmsSettings

LOSSLESS = {**X264, "quality": None, "options": {"qp": "0"}}
CODED = {
    "h264.ts": ("-c:v", "libx264", "-preset", "veryfast", "-g", "60", "-bf", "3"),
    "open.ts": ("-c:v", "libx264", "-preset", "veryfast", "-g", "40", "-bf", "3", "-x264-params", "open-gop=1"),
    "open.mkv": ("-c:v", "libx264", "-preset", "veryfast", "-g", "40", "-bf", "3", "-x264-params", "open-gop=1"),
    "hevc.ts": (
        "-c:v",
        "libx265",
        "-preset",
        "ultrafast",
        "-x265-params",
        "log-level=none:keyint=40:open-gop=1:bframes=3",
    ),
    "mpeg2.vob": ("-c:v", "mpeg2video", "-q:v", "3", "-g", "45", "-bf", "2", "-f", "vob"),
    "plain.mkv": ("-c:v", "libx264", "-preset", "veryfast", "-g", "60", "-bf", "3"),
}


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    return tmp_path_factory.mktemp("landing")


@pytest.fixture(scope="module")
def film(home):
    """Any of them, made once: 12 s that begin at 100 s of their clock."""

    def made(name):
        path = home / name
        if not path.exists():
            source = "testsrc2=s=160x96:r=25,noise=alls=5:all_seed=3"
            ffmpeg("-f", "lavfi", "-i", source, "-frames:v", 300, *CODED[name], "-output_ts_offset", 100, path)
        return path

    return made


def digests(path):
    words = ["-v", "error", "-i", str(path), "-map", "0:v", "-pix_fmt", "yuv420p", "-fps_mode", "passthrough"]
    said = subprocess.check_output([ffmpeg_binary().path, *words, "-f", "framemd5", "-"], text=True)
    return [line.split(",")[-1].strip() for line in said.splitlines() if not line.startswith("#")]


@pytest.mark.parametrize("name", CODED)
def test_chunks_begin_at_their_frame(tmp_path, film, name):
    made = transcode(film(name), tmp_path, LOSSLESS, chunks="2")
    assert len(made.pieces) > 2
    assert digests(made.path) == digests(film(name))
    assert len(held(made.path).of("video")[0]) == 300


@pytest.mark.parametrize("name", ["open.mkv", "open.ts", "h264.ts"])
def test_damage_in_a_chunk_is_still_found(tmp_path, film, name):
    """Where decoders complain at each beginning, what is really wrong must not be taken for that."""
    packets = sorted(_packets(film(name)), key=lambda packet: -packet[1])
    position, size = next((at, size) for pts, size, at in packets if 150 < pts < 155)
    damaged = tmp_path / name
    data = bytearray(film(name).read_bytes())
    data[position + size // 2 : position + size // 2 + 60] = bytes(60)
    damaged.write_bytes(data)
    with pytest.raises(StageError, match="is damaged"):
        transcode(damaged, tmp_path / "made", LOSSLESS, chunks="2")


@pytest.mark.parametrize("near", [150, 155, 170])
def test_a_frame_that_is_missing_in_a_chunk_is_still_found(tmp_path, film, near):
    """Decoders say of it what they say of beginnings too."""
    damaged = tmp_path / "film.mkv"
    with av.open(f"file:{film('open.mkv')}") as source, av.open(f"file:{damaged}", "w") as output:
        stream = source.streams.video[0]
        out = output.add_stream_from_template(stream, opaque=True)
        packets = [packet for packet in source.demux(stream) if packet.size]
        lost = max(range(near - 6, near + 6), key=lambda at: (not packets[at].is_keyframe, packets[at].size))
        for packet in packets[:lost] + packets[lost + 1 :]:
            packet.stream = out
            output.mux(packet)
    with pytest.raises(StageError, match="is damaged"):
        transcode(damaged, tmp_path / "made", LOSSLESS, chunks="2")


def _packets(path):
    """Frame, bytes and place in the file of each packet."""
    with av.open(f"file:{path}") as container:
        stream = container.streams.video[0]
        for packet in container.demux(stream):
            if packet.size:
                yield round((packet.pts * stream.time_base - 100) * 25), packet.size, packet.pos


@pytest.mark.parametrize("name", CODED)
def test_windows_are_scored_as_they_are_in_the_whole(tmp_path, film, name):
    distorted = recoded(film(name), tmp_path / "coded.mkv", "-c:v", "libx264", "-preset", "ultrafast", "-crf", "35")
    whole = {row["index"]: row["ssim"] for row in rows_of(score(film(name), distorted, tmp_path / "whole"))}
    rows = rows_of(score(film(name), distorted, tmp_path / "some", windows=4, window_s=0.6))
    assert len(whole) == 300 and 55 < len(rows) < 65
    assert [row["ssim"] for row in rows] == pytest.approx([whole[row["index"]] for row in rows], abs=1e-4)


@pytest.mark.parametrize("name", CODED)
def test_an_excerpt_has_all_of_its_windows(tmp_path, film, name):
    (part,) = Films(FilmsSettings()).excerpt([film(name)], 4, tmp_path)
    chosen = windows(film(name), 4)
    times = timeline(part)
    assert len(chosen) >= 2
    wanted = sum(window.stop - window.start for window in chosen)
    assert wanted <= times.count <= wanted + 4 * len(chosen), "frames that others refer to are taken along"
    steps = [(after - before) * times.time_base for before, after in pairwise(times.pts)]
    assert max(abs(step - Fraction(1, 25)) for step in steps) <= Fraction(1, 1000)
    shown = digests(part)
    assert len(shown) == times.count
    assert not name.startswith("open.") or timeline(part).count == wanted, "coded anew, as copies of it do not decode"
    assert set(shown) <= set(digests(film(name))), "the very pictures of the film"
    assert count_packets(part)[0].disorder == 0


def test_a_cut_begins_with_the_key_frame_before(tmp_path, film):
    source, target = film("h264.ts"), tmp_path / "cut.mov"
    times = timeline(source)
    cut = cut_for(source, 0, times.just_before(150), 30, target)
    frames = list(read_frames(target))
    assert frames[0].pts == 0 and frames[0].time_base == times.time_base
    assert [frame.pts for frame in frames[:60]] == [pts - times.pts[120] for pts in times.pts[120:180]]
    assert cut.skip == times.just_before(150) - times.pts[120] * times.time_base
    assert 60 < len(frames) < 180, "neither less than asked for, nor all that comes"


def test_where_a_seek_lands_nothing_is_cut(tmp_path, film):
    source = film("plain.mkv")
    assert cut_for(source, 0, timeline(source).just_before(150), 30, tmp_path / "cut.mov") is None
    assert not (tmp_path / "cut.mov").exists()


def test_without_a_key_frame_before_it_is_said(tmp_path, home):
    whole = footage(home / "whole.ts", 60, codec=("-c:v", "libx264", "-g", "30", "-pix_fmt", "yuv420p"))
    with pytest.raises(StageError) as refused:
        cut_for(whole, 0, Fraction(0), 10, tmp_path / "cut.mov")
    assert refused.value.sentence == "whole.ts: no key frame lies before 0.00 s; video.chunks=off does without"
