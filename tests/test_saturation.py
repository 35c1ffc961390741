"""The model of threads and memory against what was measured, and the plans that it leads to."""

import math

import pytest

from stages.media.encoders.catalog import adapter, known_encoders
from stages.media.saturation import (
    LEAST_S,
    LONG_S,
    MARGIN,
    MOST_S,
    decoding_mb,
    encoding_mb,
    memory_mb,
    plan_chunks,
    svtav1_level,
    threads_fed,
)

SOFTWARE = ("x264", "x265", "svtav1")
WIDTH = {360: 640, 720: 1280, 1080: 1920}
# Peak memory in MB of encodes of 90 to 120 raw 8-bit frames, by threads (SVT-AV1: by cores that its level stands for),
# and all CPU seconds over those of the busiest thread, at the most threads. FFmpeg 9.0.2, SVT-AV1 4.2.
MEASURED = """
x264 ultrafast 360 12.5 1:41 2:43 4:46 16:66
x264 veryfast 360 11.2 1:58 2:63 4:67 16:93
x264 medium 360 13.0 1:87 2:92 4:96 16:124
x264 veryslow 360 14.6 1:134 2:144 16:185
x264 ultrafast 720 15.4 1:76 2:80 16:156
x264 veryfast 720 13.0 1:128 2:152 16:249
x264 medium 720 13.0 1:223 2:244 16:367
x264 ultrafast 1080 4.8 1:125 2:135 16:312
x264 veryfast 1080 16.3 1:238 2:305 16:545
x264 medium 1080 12.5 1:442 2:486 16:751
x265 ultrafast 360 12.8 1:79 2:85 4:103 16:174
x265 fast 360 8.8 1:103 2:115 16:252
x265 medium 360 10.1 1:111 2:123 16:267
x265 slow 360 10.1 1:117 2:127 16:271
x265 ultrafast 720 15.0 1:174 2:179 16:303
x265 fast 720 13.4 1:230 2:241 16:416
x265 medium 720 12.8 1:258 2:267 16:459
x265 slow 720 12.4 16:484
x265 ultrafast 1080 13.9 1:331 2:329 16:496
x265 fast 1080 13.3 1:427 2:442 16:673
x265 medium 1080 14.4 1:475 2:494 16:730
svtav1 12 360 12.0 1:90 2:114 11:174 24:231
svtav1 8 360 5.9 1:131 2:165 11:216 24:315
svtav1 4 360 4.8 1:128 2:166 11:236 24:331
svtav1 12 720 7.7 1:206 2:263 11:428 24:564
svtav1 8 720 7.8 1:347 2:421 11:611 24:872
svtav1 4 720 7.1 24:875
svtav1 7 720 - 1:336 24:861
svtav1 10 720 - 1:209 24:601
svtav1 12 1080 9.5 1:385 2:503 11:809 24:1063
svtav1 8 1080 7.0 1:433 2:550 11:834 24:1115
svtav1 4 1080 - 24:1702
svtav1 6 1080 - 24:1591
svtav1 7 1080 - 24:1661
"""


def measured():
    for line in MEASURED.split("\n"):
        if line.strip():
            encoder, preset, height, ratio, *memory = line.split()
            yield encoder, preset, int(height), None if ratio == "-" else float(ratio), dict(map(_pair, memory))


def _pair(text):
    threads, megabytes = text.split(":")
    return int(threads), float(megabytes)


@pytest.mark.parametrize(("encoder", "preset", "height", "ratio", "memory"), measured())
def test_memory_is_what_was_measured_within_a_fifth(encoder, preset, height, ratio, memory):
    for threads, found in memory.items():
        told = encoding_mb(encoder, preset, WIDTH[height], height, 8, threads)
        assert told == pytest.approx(found, rel=0.2)
        # what is planned with is never less than what was needed
        assert memory_mb(encoder, preset, WIDTH[height], height, 8, threads) >= found


@pytest.mark.parametrize(("encoder", "preset", "height", "ratio"), [row[:4] for row in measured() if row[3]])
def test_no_thread_alone_bounds_an_encode_below_what_it_is_said_to_feed(encoder, preset, height, ratio):
    assert threads_fed(encoder, preset, WIDTH[height], height) <= ratio


@pytest.mark.parametrize(
    ("encoder", "preset", "threads", "found"),
    [("x264", "veryfast", 2, 512), ("x265", "ultrafast", 2, 515), ("svtav1", "12", 2, 688)],
)
def test_memory_of_ten_bit_is_what_was_measured_at_1080p(encoder, preset, threads, found):
    assert encoding_mb(encoder, preset, 1920, 1080, 10, threads) == pytest.approx(found, rel=0.2)


def test_memory_of_decoding_is_what_was_measured_at_1080p():
    """H.264 and HEVC with 4 reference frames decoded alone: 157 MB and 153 MB with 16 threads, 65 and 64 with one."""
    assert decoding_mb(1920, 1080, 8, 16) - decoding_mb(1920, 1080, 8, 1) == pytest.approx(92, rel=0.1)


def test_every_preset_of_every_encoder_is_known():
    for name in known_encoders():
        for preset in adapter(name).presets:
            assert threads_fed(name, preset, 1920, 1080) >= 1
            assert memory_mb(name, preset, 1920, 1080, 10, 4) > 100
    for name in SOFTWARE:
        with pytest.raises(LookupError, match=f"encoder.preset: {name} has no 'quick'; use .*"):
            threads_fed(name, "quick", 1920, 1080)


@pytest.mark.parametrize("encoder", SOFTWARE)
def test_slower_presets_and_larger_pictures_feed_no_fewer_threads(encoder):
    presets = adapter(encoder).presets  # slowest first
    for preset in presets:
        fed = [threads_fed(encoder, preset, height * 16 // 9, height) for height in range(16, 4400, 16)]
        assert fed == sorted(fed)
        assert fed[0] <= 1.5 and fed[-1] <= 16
    # by CTU of 32 instead of 64 the fastest two of x265 have the longer wavefront on small pictures
    for size in ((1920, 1080), (3840, 2160)):
        fed = [threads_fed(encoder, preset, *size) for preset in presets]
        assert fed == sorted(fed, reverse=True) or encoder == "x265"
    assert threads_fed("x264", "veryfast", 1920, 1080) == 4.5 < threads_fed("x264", "medium", 1920, 1080) == 8.0


@pytest.mark.parametrize("encoder", [*SOFTWARE, "nvenc_h264"])
def test_memory_grows_with_everything(encoder):
    preset = adapter(encoder).tiers["balanced"]
    sizes = [(64, 36), (640, 360), (1280, 720), (1920, 1080), (3840, 2160), (7680, 4320)]
    for depth in (8, 10):
        by_size = [memory_mb(encoder, preset, *size, depth, 4) for size in sizes]
        by_threads = [memory_mb(encoder, preset, 1920, 1080, depth, threads) for threads in range(1, 65)]
        assert by_size == sorted(by_size) and by_threads == sorted(by_threads)
        assert by_size[0] > 30 and by_size[-1] < 40_000
    assert memory_mb(encoder, preset, 1920, 1080, 10, 4) > memory_mb(encoder, preset, 1920, 1080, 8, 4)
    assert memory_mb(encoder, preset, 1920, 1080, 8, 4) >= MARGIN * encoding_mb(encoder, preset, 1920, 1080, 8, 4)


def test_level_of_parallelism():
    assert [svtav1_level(n) for n in (1, 2, 3, 5, 6, 11, 12, 23, 24, 128)] == [1, 2, 3, 3, 4, 4, 5, 5, 6, 6]


def plan(frames, cores, *, encoder="x264", preset="medium", size=(1920, 1080), fps=25.0, ram_mb=64_000, **more):
    found = plan_chunks(frames, fps, encoder, preset, *size, cores, ram_mb, **more)
    assert found.workers >= 1 and 1 <= found.threads <= max(1, cores) and found.reason
    return found


def test_a_short_film_that_one_encode_fills_the_machine_with_is_whole():
    found = plan(2500, 8)
    assert (found.workers, found.threads, found.target) == (1, 8, 0)
    assert found.reason == "encoded whole: one encode keeps 8 threads busy, and there are 8 cores"


def test_a_fast_preset_cannot_fill_many_cores_and_is_cut():
    found = plan(2500, 16, preset="veryfast")
    assert (found.workers, found.threads) == (4, 4)
    assert 2500 / found.target >= 3 * found.workers
    assert found.reason == "chunks of 8 s: one encode keeps only 4.5 of 16 cores busy; 4 at once, 4 threads each"


def test_a_long_film_is_cut_even_where_one_encode_fills_the_machine():
    found = plan(math.ceil(25 * LONG_S) + 1, 2)
    assert (found.workers, found.threads, found.target) == (1, 2, 25 * MOST_S)
    assert "a break costs little" in found.reason
    assert plan(int(25 * LONG_S), 2).target == 0


def test_a_clip_is_too_short_for_chunks():
    found = plan(150, 64, preset="veryfast")
    assert (found.workers, found.target) == (1, 0) and found.threads == 5
    assert "6.0 s are too short for chunks of 4 s" in found.reason


def test_memory_that_is_free_bounds_the_encodes_at_once():
    each = memory_mb("x264", "medium", 3840, 2160, 8, 8)
    for room in (2, 3, 8):
        found = plan(25 * 200, 64, size=(3840, 2160), ram_mb=room * each)
        assert found.workers == room and found.workers * each <= room * each
    poor = plan(25 * 200, 64, size=(3840, 2160), ram_mb=each)
    assert poor.target == 0 and "memory is short for a second" in poor.reason
    assert plan(25 * 200, 64, size=(3840, 2160), ram_mb=4 * each, depth=10).workers == 2


def test_coding_by_bitrate_alone_is_whole_unless_asked():
    assert plan(100_000, 64, bitrate_mode=True).reason == (
        "encoded whole: rate control by bitrate needs the film in one piece"
    )
    asked = plan(100_000, 64, bitrate_mode=True, wish=30.0)
    assert asked.target == 750 and "rate control begins anew in each" in asked.reason


def test_what_was_asked_is_done():
    assert plan(100_000, 64, wish="off").target == 0
    assert plan(100_000, 2, wish=10.0).target == 250
    assert plan(100, 2, wish=10.0).workers == 1
    assert plan(100_000, 8, wish=10.0, workers=4).threads == 2
    four = plan(100_000, 2, workers=4)
    assert (four.workers, four.threads) == (4, 1)
    assert plan(100_000, 16, workers=1).workers == 1


def test_a_hardware_encoder_is_not_cut_for_speed():
    short, long = (plan(n, 16, encoder="nvenc_h264", preset="p4") for n in (5000, 50_000))
    assert (short.workers, short.threads, short.target) == (1, 1, 0)
    assert (long.workers, long.target) == (1, 1500)


@pytest.mark.parametrize("encoder", SOFTWARE)
@pytest.mark.parametrize("fps", [1.0, 23.976, 240.0])
def test_plans_fill_the_cores_and_keep_chunks_in_bounds(encoder, fps):
    for preset in adapter(encoder).presets:
        for cores in (1, 2, 3, 6, 8, 12, 16, 24, 32, 64, 128):
            for seconds in (0.1, 3, 7.9, 8, 30, 299, 301, 7200):
                found = plan(max(1, round(seconds * fps)), cores, encoder=encoder, preset=preset, fps=fps, ram_mb=10**6)
                assert found.workers * found.threads <= cores + found.workers
                if found.target:
                    assert LEAST_S - 0.5 <= found.target / fps <= MOST_S + 0.5
                    assert found.workers <= math.ceil(seconds / LEAST_S)
                fed = threads_fed(encoder, preset, 1920, 1080)
                if seconds >= 301 and cores <= 32:
                    assert found.target and found.workers * min(found.threads, fed) >= 0.6 * min(cores, 1.5 * fed)
