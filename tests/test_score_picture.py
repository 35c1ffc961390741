"""Pictures scored frame by frame: the same is the same whatever its times, and what is out of step is named."""

import json
import math
import subprocess

import pytest
from picture_help import LOSSLESS, PICTURES, ffmpeg, footage, recoded, rows_of, score

from stages.contract import Failure, StageError
from stages.media.ffmpeg import ffmpeg_binary
from stages.media.pooling import PSNR_CAP
from stages.platform import WINDOWS
from stages.quality.picture import ScorePicture, ScorePictureSettings

STAMP = "setpts=N/25/TB"
OUT_OF_STEP = {
    "drop": ("select=not(eq(n\\,17))", "1 frame of the reference dropped: index 17", 17),
    "two dropped": ("select=not(between(n\\,8\\,9))", "2 frames of the reference dropped: index 8", 8),
    "doubled": ("loop=loop=1:size=1:start=17", "1 frame doubled or put in: index 17", 17),
    "early": ("trim=start_frame=1,tpad=stop_mode=clone:stop=1", "it is 1 frame ahead from its first frame on", 0),
    "late": ("tpad=start_mode=clone:start=1,trim=end_frame=40", "it is 1 frame behind from its first frame on", 0),
    "far": ("trim=start_frame=7,tpad=stop_mode=clone:stop=7", "it is 7 frames ahead from its first frame on", 0),
    "frozen": ("loop=loop=1:size=1:start=19,select=not(eq(n\\,20))", "1 frame doubled or put in: index 19", 19),
    "cut short": ("trim=end_frame=30", "it ends after index 29", 30),
    "negative": ("negate", "does not show what the reference shows", 0),
}


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    return tmp_path_factory.mktemp("pictures")


@pytest.fixture(scope="module")
def reference(home):
    return footage(home / "reference.mkv")


def test_identical_is_infinite_and_as_good_as_vmaf_gets(home, tmp_path):
    """libvmaf gives the first frame 97.4 (it has seen no motion yet), so only longer footage comes above 99.9."""
    film = footage(home / "long.mkv", 100, PICTURES.replace("160x96", "320x180"))
    result = score(film, film, tmp_path)
    assert result.metrics["quality.psnr"] == PSNR_CAP
    assert result.metrics["quality.ssim"] == 1.0
    assert result.metrics["quality.vmaf_mean"] >= 99.9
    assert result.metrics["quality.frames"] == 100
    assert result.metrics["quality.misaligned"] == 0
    assert result.data["quality"]["psnr_infinite"] is True
    assert result.data["quality"]["vmaf_model"] == "vmaf_v0.6.1"
    assert result.data["quality"]["metrics"] == ["vmaf", "ssim", "psnr"]
    assert any("PSNR is infinite" in note for note in result.notes)
    assert all(row["identical"] for row in rows_of(result))
    json.dumps(dict(result.metrics), allow_nan=False)


@pytest.mark.parametrize("change", OUT_OF_STEP)
def test_what_is_out_of_step_is_named_and_never_scored_low(reference, tmp_path, change):
    filters, sentence, index = OUT_OF_STEP[change]
    video = recoded(reference, tmp_path / "video.mkv", "-vf", f"{filters},{STAMP}", *LOSSLESS)
    with pytest.raises(StageError) as refused:
        score(reference, video, tmp_path / "fail")
    assert refused.value.failure is Failure.BAD_INPUT
    assert sentence in refused.value.sentence
    assert "on_misaligned" in refused.value.sentence
    told = score(reference, video, tmp_path / "report", on_misaligned="report")
    assert told.metrics["quality.misaligned"] > 0
    assert any(sentence in note for note in told.notes)
    assert [row["index"] for row in rows_of(told)] == list(range(index))
    assert told.metrics.get("quality.psnr", PSNR_CAP) == PSNR_CAP  # what comes before it is identical
    assert ("quality.vmaf_mean" in told.metrics) == (index > 0)


def test_a_slip_is_named_in_a_lossy_encode_too(reference, tmp_path):
    words = ("-c:v", "libx264", "-preset", "veryfast", "-crf", "32", "-pix_fmt", "yuv420p")
    video = recoded(reference, tmp_path / "video.mp4", "-vf", f"select=not(eq(n\\,17)),{STAMP}", *words)
    with pytest.raises(StageError, match="1 frame of the reference dropped: index 17"):
        score(reference, video, tmp_path / "s")


@pytest.mark.parametrize(
    "times",
    [
        "setpts=(N+0.7*mod(N\\,4))/25/TB",  # variable frame rate
        "setpts=N*1001/24000/TB",
        "setpts=N*1001/30000/TB",
        "setpts=N/25/TB+7/TB",  # starts at 7 s
        "settb=1/90000,setpts=N*3600+11",
    ],
)
@pytest.mark.parametrize("suffix", ["mkv", "mp4"])
def test_the_same_frames_at_other_times_are_identical(reference, tmp_path, times, suffix):
    codec = LOSSLESS if suffix == "mkv" else ("-c:v", "libx264", "-qp", "0", "-preset", "veryfast")
    video = recoded(reference, tmp_path / f"video.{suffix}", "-vf", times, *codec)
    result = score(reference, video, tmp_path / "s")
    assert result.metrics["quality.frames"] == 40
    assert result.metrics["quality.psnr"] == PSNR_CAP
    same = score(reference, reference, tmp_path / "same")
    assert result.metrics["quality.vmaf_mean"] == pytest.approx(same.metrics["quality.vmaf_mean"], abs=1e-6)
    told = any("compared by index" in note for note in result.notes)
    assert told == (times not in {"setpts=N/25/TB+7/TB", "settb=1/90000,setpts=N*3600+11"})


def test_lower_quality_scores_lower_and_the_figures_are_those_of_the_frames(reference, tmp_path):
    found = []
    for crf in (12, 24, 36, 51):
        words = ("-c:v", "libx264", "-preset", "veryfast", "-crf", str(crf), "-pix_fmt", "yuv420p")
        video = recoded(reference, tmp_path / f"{crf}.mp4", *words)
        found.append(score(reference, video, tmp_path / str(crf)))
    for name in ("vmaf_mean", "vmaf_harmonic", "vmaf_p1", "ssim", "psnr"):
        values = [result.metrics[f"quality.{name}"] for result in found]
        assert values == sorted(values, reverse=True)
        assert len(set(values)) == 4
    metrics, rows = found[2].metrics, rows_of(found[2])
    vmaf = sorted(row["vmaf"] for row in rows)
    assert metrics["quality.vmaf_mean"] == pytest.approx(sum(vmaf) / 40)
    assert metrics["quality.vmaf_harmonic"] == pytest.approx(40 / sum(1 / (v + 1) for v in vmaf) - 1)
    assert vmaf[0] <= metrics["quality.vmaf_p1"] <= vmaf[1]
    mean = sum(10 ** (-row["psnr"] / 10) for row in rows) / 40
    assert metrics["quality.psnr"] == pytest.approx(-10 * math.log10(mean))
    assert rows[25]["pts_s"] == pytest.approx(1.0)


def test_figures_are_those_of_the_bare_commands(reference, tmp_path):
    words = ("-c:v", "libx264", "-preset", "veryfast", "-crf", "30", "-pix_fmt", "yuv420p")
    video = recoded(reference, tmp_path / "video.mkv", *words)
    metrics = score(reference, video, tmp_path / "s").metrics
    expected = {"libvmaf": "vmaf_mean", "ssim": "ssim", "psnr": "psnr"}
    for name, ours in expected.items():
        command = [
            ffmpeg_binary().path,
            "-i",
            video,
            "-i",
            reference,
            "-lavfi",
            f"format=yuv420p[a];[1]format=yuv420p[b];[a][b]{name}",
        ]
        said = subprocess.run([*command, "-f", "null", "-"], capture_output=True, text=True, check=True).stderr
        mark = {"libvmaf": "VMAF score: ", "ssim": "All:", "psnr": "average:"}[name]
        assert metrics[f"quality.{ours}"] == pytest.approx(float(said.split(mark)[1].split()[0]), abs=0.01)


def test_depth_range_and_size_may_differ_and_are_told(reference, tmp_path):
    deep = recoded(reference, tmp_path / "deep.mkv", "-pix_fmt", "yuv420p10le", *LOSSLESS)
    full = recoded(reference, tmp_path / "full.mkv", "-vf", "scale=out_range=full", "-color_range", "pc", *LOSSLESS)
    small = recoded(reference, tmp_path / "small.mkv", "-vf", "scale=80:48", *LOSSLESS)
    results = [score(reference, video, tmp_path / video.stem) for video in (deep, full, small)]
    for result, word in zip(results, ("10 bit", "full colour range", "scaled from 80×48 to 160×96"), strict=True):
        assert any(word in note for note in result.notes)
    assert results[0].metrics["quality.psnr"] == PSNR_CAP
    assert results[1].metrics["quality.psnr"] > 45  # rounding alone
    assert results[2].metrics["quality.vmaf_mean"] < 95


def test_ten_bit_against_ten_bit(tmp_path):
    deep = footage(tmp_path / "deep.mkv", 20, codec=(*LOSSLESS, "-pix_fmt", "yuv420p10le"))
    words = ("-c:v", "libx265", "-preset", "ultrafast", "-crf", "30", "-x265-params", "log-level=none")
    coded = recoded(deep, tmp_path / "coded.mkv", *words)
    same, lossy = score(deep, deep, tmp_path / "a"), score(deep, coded, tmp_path / "b")
    assert same.metrics["quality.psnr"] == PSNR_CAP
    assert lossy.metrics["quality.psnr"] < 45
    assert lossy.metrics["quality.vmaf_mean"] < same.metrics["quality.vmaf_mean"]


def test_windows_hold_exactly_the_frames_they_name(tmp_path):
    """Long-GOP footage with B-frames, variable frame rate and a late start: seeking must land on the very frame."""
    film = footage(tmp_path / "film.mkv", 120)
    words = ("-c:v", "libx264", "-preset", "veryfast", "-crf", "30", "-bf", "3", "-g", "50", "-pix_fmt", "yuv420p")
    video = recoded(
        film,
        tmp_path / "video.mp4",
        "-vf",
        "settb=1/1000,setpts=33*N+14*mod(N\\,3)+2000",
        "-enc_time_base",
        "1/1000",
        *words,
    )
    whole = rows_of(score(film, video, tmp_path / "whole"))
    result = score(film, video, tmp_path / "part", windows=4, window_s=0.3)
    part = rows_of(result)
    assert len(part) == 4 * 7 == result.metrics["quality.frames"]
    assert part[0]["index"] > 0
    for row in part:
        same = whole[row["index"]]
        assert {**row, "vmaf": 0} == {**same, "vmaf": 0}  # motion, hence VMAF, is not known at the edge of a window
    assert all(
        score_ == pytest.approx(whole[i]["vmaf"], abs=3) for i, score_ in ((r["index"], r["vmaf"]) for r in part)
    )


def test_windows_that_cover_nearly_all_are_all(reference, tmp_path):
    assert score(reference, reference, tmp_path, windows=5, window_s=10).metrics["quality.frames"] == 40


def test_odd_names(reference, tmp_path):
    folder = tmp_path / "a'b: [c],;=%d\\x ü"
    folder.mkdir()
    odd = folder / "-film's [1]:2,%03d=\\é.mkv"
    odd.write_bytes(reference.read_bytes())
    assert score(odd, odd, folder / "scratch: 'x'").metrics["quality.psnr"] == PSNR_CAP


def test_a_file_that_was_cut_off(reference, tmp_path):
    words = ("-c:v", "libx264", "-preset", "veryfast", "-pix_fmt", "yuv420p")
    whole = recoded(reference, tmp_path / "whole.mkv", *words).read_bytes()
    cut = tmp_path / "cut.mkv"
    cut.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(StageError, match=r"film: has \d+ frames, the reference 40: it ends after index \d+") as said:
        score(reference, cut, tmp_path / "s")
    assert said.value.failure is Failure.BAD_INPUT


@pytest.mark.parametrize(
    ("size", "metrics"), [("16x16", ["ssim", "psnr"]), ("4x4", ["psnr"]), ("32x32", ["vmaf", "ssim", "psnr"])]
)
def test_tiny_pictures_get_what_can_be_measured(tmp_path, size, metrics):
    tiny = footage(tmp_path / "tiny.mkv", 5, f"testsrc2=s={size}")
    result = score(tiny, tiny, tmp_path / "s")
    assert result.data["quality"]["metrics"] == metrics
    assert any("too small for VMAF" in note for note in result.notes) == ("vmaf" not in metrics)
    if "vmaf" not in metrics:
        with pytest.raises(StageError, match="too small for VMAF"):
            score(tiny, tiny, tmp_path / "t", metric="vmaf")


def test_large_pictures_get_the_model_for_them(tmp_path):
    large = footage(tmp_path / "large.mkv", 2, "testsrc2=s=2562x64")
    assert score(large, large, tmp_path / "s").data["quality"]["vmaf_model"] == "vmaf_4k_v0.6.1"


def test_without_vmaf(reference, tmp_path):
    result = score(reference, reference, tmp_path, metric="ssim_psnr")
    assert result.data["quality"] | {"metrics": ["ssim", "psnr"], "vmaf_model": ""} == result.data["quality"]
    assert "quality.vmaf_mean" not in result.metrics
    assert rows_of(result)[0]["vmaf"] is None


def test_needs_go_with_the_threads_and_so_does_the_way_out(tmp_path):
    three, one = ScorePictureSettings(threads=3), ScorePictureSettings(threads=1)
    assert ScorePicture.needs(three).cpu_threads == 3
    assert ScorePicture.needs(three).ram_mb > ScorePicture.needs(one).ram_mb
    assert [step.changes for step in ScorePicture.ladder(three, Failure.HOST_OOM)] == [{"threads": 1}]
    assert not list(ScorePicture.ladder(one, Failure.HOST_OOM))
    assert not list(ScorePicture.ladder(three, Failure.BAD_INPUT))
    assert ffmpeg_binary().identity in ScorePicture.tools(ScorePictureSettings()).values()


def test_threads_do_not_change_the_scores(reference, tmp_path):
    words = ("-c:v", "libx264", "-preset", "veryfast", "-crf", "30", "-pix_fmt", "yuv420p")
    video = recoded(reference, tmp_path / "video.mkv", *words)
    one, three = (rows_of(score(reference, video, tmp_path / str(n), threads=n)) for n in (1, 3))
    assert one == three


@pytest.mark.skipif(WINDOWS, reason="the program that hides a filter is a shell script")
def test_an_ffmpeg_without_libvmaf_says_so_and_measures_the_rest(reference, tmp_path, monkeypatch):
    real = ffmpeg_binary().path
    program = tmp_path / "ffmpeg-plain"
    program.write_text(
        f'#!/bin/sh\nif [ "$2" = -filters ]; then "{real}" -filters | grep -v libvmaf\nelse exec "{real}" "$@"; fi\n'
    )
    program.chmod(0o755)
    monkeypatch.setenv("REELTUNE_FFMPEG", str(program))
    result = score(reference, reference, tmp_path / "s")
    assert result.data["quality"]["metrics"] == ["ssim", "psnr"]
    assert any("has no libvmaf" in note for note in result.notes)
    with pytest.raises(StageError, match="VMAF cannot be measured"):
        score(reference, reference, tmp_path / "t", metric="vmaf")


def test_a_film_that_changes_its_colour_tags_on_the_way_is_scored_whole(tmp_path):
    for name in ("bt709", "smpte170m"):
        told = f"format=yuv420p,setparams=colorspace={name}:color_primaries={name}:color_trc={name}"
        source = ("-f", "lavfi", "-i", "testsrc2=s=160x96:r=25:d=1", "-vf", told)
        ffmpeg(*source, "-c:v", "libx264", "-preset", "ultrafast", "-qp", "4", tmp_path / f"{name}.ts")
    (tmp_path / "parts.txt").write_text("file bt709.ts\nfile smpte170m.ts\n", encoding="utf-8")
    ffmpeg("-f", "concat", "-safe", "0", "-i", tmp_path / "parts.txt", "-c", "copy", tmp_path / "both.mp4")
    recoded(tmp_path / "both.mp4", tmp_path / "coded.mp4", "-c:v", "libx264", "-crf", "30", "-pix_fmt", "yuv420p")
    found = score(tmp_path / "both.mp4", tmp_path / "coded.mp4", tmp_path / "work")
    assert found.metrics["quality.frames"] == 50
    assert 60 < found.metrics["quality.vmaf_mean"] < 95
