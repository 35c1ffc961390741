"""The disk: an estimate that is not passed, a rate that keeps to the limit, a pause where room gets short."""

import threading
import time
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from disk_help import mounted
from encoder_help import fast

from stages.contract import Failure, StageError
from stages.media.color import Colour
from stages.media.encoders.check import encoder_problems
from stages.media.encoders.inprocess import SegmentWriter
from stages.settings import bits_per_second
from stages.upscale.bits import bits_per_pixel, raw_bits
from stages.upscale.guard import DiskWatch, Extent, check_room, estimate_disk
from stages.upscale.limit import DiskLimit, PassedError, Share, held, limit_rate

MB = 1_000_000
BASE = Fraction(1, 25)
NAMES = ("x264", "x265", "svtav1")
PRESETS = {"x264": "veryfast", "x265": "superfast", "svtav1": "10"}
FILM = Extent(1920, 1080, frames=25 * 60, seconds=60, segments=6)


def settings(name, **changes):
    return fast(name, **{"preset": PRESETS[name], "pix_fmt": "yuv420p", **changes})


def encoded(path: Path, config, count: int, noise: float, size=(320, 192), seed=0, scale=1) -> int:
    """Waves that move, with or without noise, made larger; bytes of the file."""
    rng = np.random.default_rng(seed)
    small = (size[0] // scale, size[1] // scale)
    with SegmentWriter(
        path, config, cores=2, tier="fast", width=size[0], height=size[1], rate=Fraction(25), time_base=BASE,
        colour=Colour(),
    ) as writer:  # fmt: skip
        for number in range(count):
            made = av.VideoFrame(*small, "yuv420p")
            for plane in made.planes:
                lines = np.frombuffer(plane, np.uint8).reshape(plane.height, -1)
                across, down = np.arange(lines.shape[1]), np.arange(lines.shape[0])[:, None]
                waves = 120 + 60 * np.sin((across + 4 * number) / 13) * np.cos(down / 17 + number / 9)
                lines[:] = np.clip(waves + rng.normal(0, noise, lines.shape), 16, 235)
            made = made.reformat(*size, interpolation="LANCZOS") if scale > 1 else made
            made.pts = number
            writer.write(made)
    return path.stat().st_size


# --- estimate ----------------------------------------------------------------------------------


@pytest.mark.parametrize("scale", [2, 4])
@pytest.mark.parametrize("size", [(320, 192), (64, 48)])
@pytest.mark.parametrize("name", NAMES)
def test_real_segments_take_no_more_than_was_estimated(tmp_path, name, size, scale):
    """Of a noisy camera, made larger."""
    extent = Extent(*size, frames=50, seconds=2.0)
    for config in (settings(name), settings(name, quality={"svtav1": 20}.get(name, 16))):
        estimate = estimate_disk(extent, config)
        assert encoded(tmp_path / "s.mp4", config, 50, 2.0, size, scale=scale) <= estimate.segments
        assert estimate.segments < 50 * size[0] * size[1] * 1.5, "less than raw pictures: it says something"


def test_an_estimate_grows_with_what_costs():
    plain = estimate_disk(FILM, settings("x264")).peak
    dearer = [
        estimate_disk(replace(FILM, width=3840), settings("x264")),
        estimate_disk(replace(FILM, frames=2 * FILM.frames), settings("x264")),
        estimate_disk(FILM, settings("x264", quality=15)),
        estimate_disk(FILM, settings("x264", preset="ultrafast")),
        estimate_disk(FILM, settings("x264", pix_fmt="yuv420p10le")),
        estimate_disk(FILM, settings("x264", pix_fmt="yuv444p")),
    ]
    assert all(one.peak > 1.05 * plain for one in dearer)
    assert estimate_disk(FILM, settings("x265")).peak < plain
    assert estimate_disk(FILM, settings("x264", quality=27)).peak < plain
    assert estimate_disk(FILM, settings("x264", preset=None), tier="fast").peak > plain, "the tier gives the preset"


def test_segments_and_finished_file_both_count_and_so_does_what_goes_along():
    bare, config = estimate_disk(FILM, settings("x264")), settings("x264")
    assert bare.peak == bare.segments + bare.final
    assert bare.final == pytest.approx(bare.segments, rel=0.01)
    copied = estimate_disk(replace(FILM, copied=5 * MB), config)
    assert (copied.segments - bare.segments, copied.final - bare.final) == (0, 5 * MB)
    converted = estimate_disk(replace(FILM, converted=5 * MB), config)
    assert (converted.segments - bare.segments, converted.final - bare.final) == (5 * MB, 5 * MB)


def test_rates_bound_the_estimate():
    by_rate = estimate_disk(FILM, settings("x264", quality=None, bitrate="1M"))
    assert by_rate.segments == pytest.approx(60 * 1e6 / 8, rel=0.2)
    capped = estimate_disk(FILM, settings("x264", quality=0, maxrate="2M", bufsize="2M"))
    assert capped.segments == pytest.approx(66 * 2e6 / 8, rel=0.05)


@pytest.mark.parametrize("pix_fmt", ["yuv420p", "yuv422p10le", "yuv444p10le", "nv12"])
def test_no_picture_takes_more_than_a_raw_one(pix_fmt):
    raw = {"yuv420p": 12, "nv12": 12, "yuv422p10le": 20, "yuv444p10le": 30}[pix_fmt]
    assert raw_bits(pix_fmt) == raw
    assert bits_per_pixel(settings("x264", quality=0, pix_fmt=pix_fmt, preset="ultrafast")) <= raw


def test_what_does_not_fit_is_refused_with_the_numbers(tmp_path):
    check_room(tmp_path / "not" / "there" / "yet", 2 * MB, keep_free_mb=1)
    with pytest.raises(StageError) as caught:
        check_room(tmp_path, 2 * 10**17, keep_free_mb=500, what="film.mp4")
    assert caught.value.failure is Failure.DISK_FULL
    assert "film.mp4: segments and finished file may take 2e+08 GB, and " in caught.value.sentence
    assert "of which 500 MB stay free; make room, or set upscaler.disk_limit_gb" in caught.value.sentence


# --- limit -------------------------------------------------------------------------------------


def limited(extent=FILM, config=None, input_bytes=MB, **more) -> DiskLimit:
    config = config or settings("x264")
    return limit_rate(extent, config, input_bytes=input_bytes, **{"grown": 16, **more})


def test_the_limit_bites_where_pixels_grow_and_the_input_is_small():
    found = limited(input_bytes=15 * MB, what="film.mp4")
    assert found.total == 60 * MB
    assert found.sentence == (
        f"film.mp4: pictures are held to {found.rate / 1e6:.3g} Mb/s: upscaler.disk_factor=4 allows 60 MB for segments "
        "and finished file together, which is a limit of the bitrate when pixels grow 16-fold; raise "
        "upscaler.disk_factor, or set it to 0, for finer ones"
    )
    assert 2 * found.rate * 60 / 8 < found.total


def test_nothing_is_said_where_ordinary_footage_does_not_feel_it():
    near = limited(input_bytes=estimate_disk(FILM, settings("x264")).peak)
    assert near.rate > 0, "noise alone would"
    assert near.sentence == "" and not near.holds
    assert near.applied(settings("x264")) == settings("x264"), "x264 keeps its threads"
    once = limited(input_bytes=estimate_disk(FILM, settings("x264")).peak, once=True)
    assert once.applied(settings("x264")).maxrate == str(near.rate), "what is made once is held from the start"


def test_segments_share_what_the_pictures_may_take():
    near = limited(input_bytes=estimate_disk(FILM, settings("x264")).peak)
    shares = [near.share(frames, FILM.frames) for frames in (500, 700, 300)]
    assert near.pictures - 3 <= sum(share.nbytes for share in shares) <= near.pictures
    assert {(share.rate, share.held) for share in shares} == {(near.rate, False)}
    assert limited(input_bytes=15 * MB).share(500, FILM.frames).held, "ordinary footage would pass it"
    assert limited(input_bytes=10_000 * MB, limit_gb=0).share(500, FILM.frames) == Share()


def test_a_segment_that_passes_its_share_is_noticed_at_once():
    share = Share(40, 10_000)
    share.check(40)
    with pytest.raises(PassedError):
        share.check(41)
    Share().check(10**15)


def test_where_even_raw_pictures_fit_nothing_is_changed():
    found = limited(input_bytes=10_000 * MB, limit_gb=0)
    assert (found.rate, found.sentence) == (0, "")
    assert found.applied(settings("x264")) == settings("x264")


def test_the_lower_of_both_limits_holds_and_zero_is_none():
    assert limited(input_bytes=100 * MB, limit_gb=0.05).total == 50 * MB
    assert "upscaler.disk_limit_gb=0.05 allows 50 MB" in limited(input_bytes=100 * MB, limit_gb=0.05).sentence
    assert limited(input_bytes=MB, factor=0, limit_gb=0) == DiskLimit()
    assert limited(input_bytes=20 * MB, factor=0, limit_gb=0.05).total == 50 * MB
    assert limited(input_bytes=20 * MB, limit_gb=0).total == 80 * MB


def test_a_tiny_input_is_no_reason_to_refuse():
    found = limited(replace(FILM, width=64, height=48, frames=50, seconds=2.0, segments=1), input_bytes=3000)
    assert found.total == 100_000
    assert found.rate > 50_000


def test_what_goes_along_takes_from_the_pictures():
    bare = limited(input_bytes=15 * MB).pictures
    assert bare - limited(replace(FILM, copied=10 * MB), input_bytes=15 * MB).pictures == 5 * MB
    assert bare - limited(replace(FILM, converted=10 * MB), input_bytes=15 * MB).pictures == 10 * MB


def test_a_limit_that_leaves_nothing_is_refused():
    with pytest.raises(StageError) as caught:
        limited(replace(FILM, copied=4 * MB), input_bytes=MB, what="film.mp4")
    assert caught.value.failure is Failure.BAD_INPUT
    said = "film.mp4: upscaler.disk_factor=4 allows 4 MB on disk, and all but the pictures takes 4.13 MB"
    assert caught.value.sentence == f"{said}; raise upscaler.disk_factor, or set it to 0"


def test_rates_that_are_lower_already_stay():
    low = settings("x264", maxrate="1M", bufsize="500k")
    assert held(low, 2 * MB) == low
    high = held(settings("x264", quality=None, bitrate="5M", maxrate="8M", bufsize="10M"), 2 * MB)
    assert (high.bitrate, high.maxrate, high.bufsize) == ("2000000", "2000000", "2000000")
    assert encoder_problems(high) == []
    assert encoder_problems(held(settings("x265"), 2 * MB)) == []


@pytest.mark.parametrize(
    ("name", "changes"),
    [("x264", {}), ("x264", {"preset": "ultrafast"}), ("x264", {"quality": None, "bitrate": "9M"}), ("x265", {}),
     ("svtav1", {}), ("svtav1", {"quality": None, "bitrate": "9M"})],
)  # fmt: skip
def test_even_a_storm_keeps_to_the_limit(tmp_path, name, changes):
    """Noise that would take many times as much, in several segments, each with a full buffer to begin with."""
    extent = Extent(320, 192, frames=75, seconds=3.0, segments=3)
    input_bytes, config = 150_000, settings(name, **changes)
    limit = limit_rate(extent, config, input_bytes=input_bytes, grown=16)
    low = held(config, limit.rate)
    sizes = [encoded(tmp_path / f"{number}.mp4", low, 25, 14.0, seed=number) for number in range(3)]
    assert 2 * sum(sizes) <= 4 * input_bytes
    for size in sizes:
        limit.share(25, 75).check_held(size, "s")
    free = [encoded(tmp_path / f"free{number}.mp4", config, 25, 14.0, seed=number) for number in range(3)]
    assert 2 * sum(free) > 4 * input_bytes, "else this proves nothing"


def test_an_encoder_that_does_not_keep_to_its_rate_is_stopped():
    share = Share(40_000, 10_000, held=True)
    share.check_held(50_000, "film.mp4")
    with pytest.raises(StageError, match=r"takes 50 kB, may take 40 kB, and its encoder keeps to no rate; ") as caught:
        share.check_held(50_001, "film.mp4")
    assert caught.value.failure is Failure.ENCODER
    Share(held=True).check_held(10**15, "film.mp4")


def test_the_rate_is_one_that_every_encoder_takes():
    for input_bytes in (600_000, 3 * MB, 30 * MB):
        rate = limited(input_bytes=input_bytes).rate
        assert bits_per_second(str(rate)) == rate >= 10_000


# --- watch -------------------------------------------------------------------------------------


@pytest.fixture
def small_disk(tmp_path):
    with mounted(tmp_path / "small", "8m") as disk:
        yield disk


def test_a_disk_with_room_is_no_matter(tmp_path):
    watch = DiskWatch(tmp_path, keep_free_mb=1)
    for _ in range(1000):
        watch.check()
    assert (watch.pauses, watch.waited_s, watch.note()) == (0, 0.0, "")


def test_it_waits_until_room_is_made(small_disk):
    filler = small_disk / "filler"
    filler.write_bytes(b"x" * 5 * MB)
    watch = DiskWatch(small_disk, keep_free_mb=6, wait_s=20, every_s=0.05)
    timer = threading.Timer(0.3, filler.unlink)
    timer.start()
    began = time.monotonic()
    watch.check()
    assert 0.25 < time.monotonic() - began < 5
    assert watch.pauses == 1
    assert watch.note().startswith("waited once, 0 s in all, for room on the disk of ")
    watch.check()
    assert watch.pauses == 1
    timer.join()


def test_it_gives_up_in_one_sentence(small_disk):
    (small_disk / "filler").write_bytes(b"x" * 5 * MB)
    watch = DiskWatch(small_disk, keep_free_mb=6, wait_s=0.2, every_s=0.05)
    with pytest.raises(StageError) as caught:
        watch.check()
    assert caught.value.failure is Failure.DISK_FULL
    start = f"only 3.39 MB are free on the disk of {small_disk}, less than 6 MB, and 0.2 s brought no more"
    assert caught.value.sentence == f"{start}; make room there, and run it again"
    assert watch.waited_s >= 0.2
    with pytest.raises(StageError, match="less than 6 MB; make room"):
        DiskWatch(small_disk, keep_free_mb=6, wait_s=0).check()


def test_a_cancel_ends_the_waiting(small_disk):
    (small_disk / "filler").write_bytes(b"x" * 5 * MB)
    cancel = threading.Event()
    watch = DiskWatch(small_disk, keep_free_mb=6, wait_s=60, every_s=10, cancel=cancel)
    threading.Timer(0.1, cancel.set).start()
    began = time.monotonic()
    watch.check()
    assert time.monotonic() - began < 5


def test_the_disk_is_asked_once_in_a_while_however_often_it_is_checked(small_disk):
    seldom = DiskWatch(small_disk, keep_free_mb=6, wait_s=0, every_s=600)
    often = DiskWatch(small_disk, keep_free_mb=6, wait_s=0, every_s=0.3)
    seldom.check()
    often.check()
    (small_disk / "filler").write_bytes(b"x" * 5 * MB)
    for _ in range(10_000):
        seldom.check()  # had it asked, it would have raised
    time.sleep(0.35)
    with pytest.raises(StageError):
        often.check()


def test_a_segment_ends_cleanly_before_the_disk_is_full(small_disk):
    """The watch asked before each frame: a sentence, no half file, and room left to say it in."""
    watch = DiskWatch(small_disk, keep_free_mb=4, wait_s=0, every_s=0.0)
    config, path = settings("x264", preset="ultrafast", quality=0), small_disk / "segment.mp4"
    rng = np.random.default_rng(0)
    with (
        pytest.raises(StageError, match="make room there") as caught,
        SegmentWriter(
            path, config, cores=2, tier="fast", width=320, height=192, rate=Fraction(25), time_base=BASE,
            colour=Colour(),
        ) as writer,
    ):  # fmt: skip
        for number in range(500):
            watch.check()
            made = av.VideoFrame(320, 192, "yuv420p")
            for plane in made.planes:
                np.frombuffer(plane, np.uint8)[:] = rng.integers(16, 235, plane.buffer_size)
            made.pts = number
            writer.write(made)
    assert caught.value.failure is Failure.DISK_FULL
    assert "are free on the disk of" in caught.value.sentence
    assert not path.exists()
