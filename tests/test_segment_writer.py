"""Segments encoded in this process: as the FFmpeg program does, the same each time, exact in time, true in colour."""

from __future__ import annotations

import gc
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from colour_help import LIGHT, PQ, SDR, ffmpeg, first_light, same_light
from disk_help import mounted
from encoder_help import fast, has_nvidia

from stages.contract import Failure, StageError
from stages.media.color import Colour, output_options
from stages.media.encoders.arguments import video_options
from stages.media.encoders.carry import own_config
from stages.media.encoders.inprocess import SegmentWriter, try_in_process
from stages.media.encoders.memory import TrialMemory
from stages.media.encoders.settings import EncoderConfig
from stages.media.ffmpeg import ffmpeg_binary
from stages.media.film import look_at
from stages.media.frames import timeline
from stages.media.hdr import Light, hdr_options
from stages.media.mux import Mux
from stages.media.strand import Segment, Strand, joinable, restamped

NAMES = ("x264", "x265", "svtav1")
BASE = Fraction(1, 12800)
WIDTH, HEIGHT = 192, 128


def settings(name: str, **changes: object) -> EncoderConfig:
    """Fast, but with B-frames and look-ahead: what makes times hard."""
    preset = {"x264": "veryfast", "x265": "superfast", "svtav1": "10"}.get(name, "p1")
    return fast(name, **{"preset": preset, "pix_fmt": "yuv420p", **changes})


def frame(pts: int, seed: int = 0, pix_fmt: str = "yuv420p", size: tuple[int, int] = (WIDTH, HEIGHT)) -> av.VideoFrame:
    """Waves that move, with a little noise: nothing that a still or a blank would pass for."""
    made = av.VideoFrame(*size, pix_fmt)
    deep = "10" in pix_fmt
    noise = np.random.default_rng(1000 * seed + pts % 997)
    for plane in made.planes:
        lines = np.frombuffer(plane, np.uint16 if deep else np.uint8).reshape(plane.height, -1)
        across, down = np.arange(lines.shape[1]), np.arange(lines.shape[0])[:, None]
        waves = (
            110 + 70 * np.sin((across + pts / 128) / (9 + seed)) * np.cos(down / 11) + noise.normal(0, 3, lines.shape)
        )
        lines[:] = np.clip(waves * (4 if deep else 1), 16, 940 if deep else 235)
    made.pts = pts
    return made


def written(path: Path, config: EncoderConfig, pts: list[int], seed: int = 0, **more: object) -> SegmentWriter:
    told: dict = {"cores": 2, "tier": "fast", "width": WIDTH, "height": HEIGHT, "rate": Fraction(25), "colour": SDR}
    told |= {"time_base": BASE, **more}
    with SegmentWriter(path, config, **told) as writer:
        for at in pts:
            writer.write(frame(at, seed, config.pix_fmt))
    return writer


def packets(path: Path) -> list[tuple[int, int, bool, bytes]]:
    with av.open(str(path)) as container:
        return [(p.pts, p.dts, p.is_keyframe, bytes(p)) for p in container.demux(video=0) if p.size]


def joined(path: Path, target: Path) -> Path:
    """The segment as the one strand of a film that holds nothing else."""
    mux = Mux(look_at(path), (Strand(0, BASE, (Segment(path, 0),), timeline(path).pts),), frozenset())
    mux.write(target, {".mkv": "matroska"}.get(target.suffix, "mp4"))
    return target


def every(count: int, step: int = 512, start: int = 0) -> list[int]:
    return [start + number * step for number in range(count)]


def open_files() -> int:
    gc.collect()
    return len(list(Path("/proc/self/fd").iterdir()))


# --- as the program does -----------------------------------------------------------------------


@pytest.fixture(scope="module")
def raw(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Moving pictures with noise, without loss, tagged: else the program would convert them on the way."""
    path = tmp_path_factory.mktemp("raw") / "raw.mp4"
    tags = "setparams=range=tv:colorspace=bt709:color_primaries=bt709:color_trc=bt709:chroma_location=left"
    ffmpeg(
        "-f", "lavfi", "-i", "testsrc2=s=320x192:r=25:d=1,noise=alls=12:allf=t:all_seed=5", "-vf",
        f"format=yuv420p,{tags}", "-c:v", "libx264", "-qp", 0, "-preset", "ultrafast", "-bf", 0,
        "-video_track_timescale", 12800, path,
    )  # fmt: skip
    return path


def both(raw: Path, folder: Path, config: EncoderConfig, tier: str = "fast") -> tuple[Path, Path]:
    """The same frames by the writer and by the program."""
    own, program, colour = folder / "own.mp4", folder / "program.mp4", replace(SDR, location="left")
    options = video_options(config, 2, tier) | output_options(colour)
    words = [word for option, value in options.items() for word in (f"-{option}", value)]
    exact = ("-fps_mode", "passthrough", "-enc_time_base", "demux", "-video_track_timescale", 12800)
    ffmpeg("-i", raw, *words, *exact, program)
    with av.open(str(raw)) as source:
        writer = SegmentWriter(
            own,
            config,
            cores=2,
            tier=tier,
            width=320,
            height=192,
            rate=Fraction(25),
            time_base=BASE,
            colour=colour,
            aspect=Fraction(1),
        )
        with writer:
            for picture in source.decode(video=0):
                writer.write(picture)
    return own, program


def said(path: Path) -> dict[str, str]:
    """What x264 or x265 tells, in its first packet or its header, of the settings it runs with."""
    with av.open(str(path)) as container:
        text = (container.streams.video[0].codec_context.extradata or b"") + packets(path)[0][3]
    found = re.search(rb"options: ([^\x00\x80]+)", text)
    assert found, "no settings are told"
    words = [word.partition("=") for word in found[1].decode().split() if not word.startswith(("log-level", "cpuid"))]
    return {word.removeprefix("no-"): value or str(not word.startswith("no-")) for word, _, value in words}


@pytest.mark.parametrize(
    "config",
    [
        settings("x264"),
        settings("x264", quality=None, bitrate="300k", maxrate="400k", bufsize="600k", gop=20, tune="grain", threads=1),
        settings("x264", options={"profile:v": "main", "x264-params": "ref=2"}),
        settings("x265"),
        settings("x265", threads=1, quality=30, options={"x265-params": "bframes=2"}),
    ],
    ids=["x264", "x264-rates", "x264-options", "x265", "x265-options"],
)
def test_the_encoder_runs_with_the_very_settings_of_the_program(
    raw: Path, tmp_path: Path, config: EncoderConfig
) -> None:
    """Word by word as the encoder tells it: threads too, which PyAV by itself would have cut pictures into slices."""
    own, program = (said(path) for path in both(raw, tmp_path, config))
    shared = own.keys() & program.keys()  # builds of other days know a few more
    assert {name: own[name] for name in shared} == {name: program[name] for name in shared}
    assert len(shared) >= 0.9 * len(own) >= 40
    if config.name == "x264":
        assert own["sliced_threads"] == "0"
    if config.bitrate:
        wanted = {"rc": "abr", "bitrate": "300", "vbv_maxrate": "400", "vbv_bufsize": "600", "keyint": "20"}
        assert {name: own[name] for name in wanted} == wanted


@pytest.mark.parametrize("name", NAMES)
def test_the_file_is_like_the_programs(raw: Path, tmp_path: Path, name: str) -> None:
    """Other builds of the same encoders; SVT-AV1 changes its mind from version to version more than the others."""
    own, program = both(raw, tmp_path, settings(name))
    with av.open(str(own)) as one, av.open(str(program)) as other:
        facts = [
            (c.profile, c.level, c.pix_fmt, c.has_b_frames, c.codec_tag, c.colorspace, c.color_range, c.color_trc)
            for c in (one.streams.video[0].codec_context, other.streams.video[0].codec_context)
        ]
        assert one.streams.video[0].time_base == other.streams.video[0].time_base == BASE
    assert facts[0] == facts[1]
    assert [pts for pts, *_ in packets(own)] == [pts for pts, *_ in packets(program)] or name == "svtav1"
    assert own.stat().st_size == pytest.approx(program.stat().st_size, rel=0.15 if name == "svtav1" else 0.05)
    assert vmaf(raw, own) == pytest.approx(vmaf(raw, program), abs=1.0)


def vmaf(reference: Path, path: Path) -> float:
    graph = "[0:v][1:v]libvmaf=n_threads=2"
    told = ffmpeg("-v", "info", "-i", path, "-i", reference, "-lavfi", graph, "-f", "null", "-")
    return float(re.search(r"VMAF score: ([\d.]+)", told)[1])  # type: ignore[index]


# --- the same each time ------------------------------------------------------------------------


@pytest.mark.parametrize("name", NAMES)
def test_the_same_frames_give_the_same_packets(tmp_path: Path, name: str) -> None:
    files = [tmp_path / f"{number}.mp4" for number in range(2)]
    for file in files:
        assert written(file, settings(name), every(40)).frames == 40
    assert packets(files[0]) == packets(files[1])
    assert files[0].read_bytes() == files[1].read_bytes()


ANEW = """
import hashlib, sys
from pathlib import Path
from test_segment_writer import NAMES, every, packets, settings, written
for name in NAMES:
    path = Path(sys.argv[1], name)
    written(path, settings(name), every(30))
    print(hashlib.sha256(repr(packets(path)).encode()).hexdigest())
"""


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="glibc's way to fill memory with rubbish")
def test_what_lies_about_in_memory_changes_nothing(tmp_path: Path) -> None:
    """A process that has worked before gives its encoder memory that is not empty: x264 took decisions by it."""
    told = []
    for rubbish in ("0", "85", "170"):
        folder = tmp_path / rubbish
        folder.mkdir()
        env = {**os.environ, "MALLOC_PERTURB_": rubbish, "PYTHONPATH": os.pathsep.join(sys.path)}
        words = [sys.executable, "-c", ANEW, str(folder)]
        told.append(
            subprocess.run(words, env=env, capture_output=True, text=True, timeout=60, check=True).stdout.split()
        )
    assert told[0] == told[1] == told[2]
    assert len(set(told[0])) == 3


@pytest.mark.parametrize("name", NAMES)
def test_where_a_segment_lies_in_the_film_changes_nothing_in_it(tmp_path: Path, name: str) -> None:
    start = 7_000_001
    here, there = tmp_path / "here.mp4", tmp_path / "there.mp4"
    pictures = [frame(pts) for pts in every(20)]
    for file, shift in ((here, 0), (there, start)):
        with SegmentWriter(
            file, settings(name), cores=2, tier="fast", width=WIDTH, height=HEIGHT, rate=Fraction(25),
            time_base=BASE, colour=SDR,
        ) as writer:  # fmt: skip
            for number, picture in enumerate(pictures):
                picture.pts = shift + 512 * number
                writer.write(picture)
        assert writer.start == shift
    assert packets(here) == packets(there)


@pytest.mark.parametrize("pix_fmt", ["yuv420p", "yuv420p10le"])
@pytest.mark.parametrize("name", NAMES)
def test_segments_of_other_pictures_can_be_joined(tmp_path: Path, name: str, pix_fmt: str) -> None:
    config, segments = settings(name, pix_fmt=pix_fmt), []
    for number, count in enumerate([12, 25, 1]):
        path = tmp_path / f"{number}.mp4"
        writer = written(path, config, every(count, start=100_000 * number), seed=number, light=LIGHT, colour=PQ)
        segments.append(Segment(path, writer.start or 0))
        assert packets(path)[0][2], "it begins with a key frame"
    joinable(Strand(0, BASE, tuple(segments)))


# --- time --------------------------------------------------------------------------------------

VARIABLE = [0, 1, 600, 601, 5000, 5001, 5003, 20_000, 20_017, 20_019, 33_333, 40_000]


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize(
    ("base", "pts"),
    [
        (Fraction(1, 12800), every(24, 512, 4096)),
        (Fraction(1, 90_000), [1_000_000_007 + 7 * pts for pts in VARIABLE]),
        (Fraction(1001, 30_000), every(24, 1, 333)),
        (Fraction(1, 1000), [40 * number + number % 3 * 10 for number in range(24)]),
        (Fraction(1, 24), [-3, -2, -1, 0, 1, 2]),
    ],
    ids=["plain", "variable", "avi", "mkv", "negative"],
)
def test_every_frame_keeps_its_very_time(tmp_path: Path, name: str, base: Fraction, pts: list[int]) -> None:
    path = tmp_path / "segment.mp4"
    writer = written(path, settings(name), pts, time_base=base)
    line = timeline(path)
    assert line.time_base == Fraction(1, base.denominator)
    assert list(line.pts) == [(one - pts[0]) * base.numerator for one in pts]
    assert writer.start is not None
    strand = Strand(0, base, (Segment(path, writer.start),), tuple(pts), pts[-1] + 1)
    assert sorted(packet.pts for packet in restamped(strand)) == [one * base.numerator for one in pts]


def test_two_segments_make_the_film_again(tmp_path: Path) -> None:
    """Decoded from the joined file: all frames, at their times, and none broken where segments meet."""
    source, config, pts = tmp_path / "film.mp4", settings("x264", gop=10), every(48, 512, 1024)
    ffmpeg("-f", "lavfi", "-i", "testsrc2=s=64x64:r=25:d=2", "-c:v", "libx264", source)
    segments = []
    for number, stretch in enumerate((pts[:17], pts[17:18], pts[18:])):
        path = tmp_path / f"{number}.mp4"
        segments.append(Segment(path, written(path, config, stretch).start or 0))
    mux = Mux(look_at(source), (Strand(0, BASE, tuple(segments), tuple(pts), pts[-1] + 512),), frozenset())
    for format, name in (("mp4", "out.mp4"), ("matroska", "out.mkv")):  # noqa: A001
        mux.write(tmp_path / name, format)
        with av.open(str(tmp_path / name)) as made:
            pictures = list(made.decode(video=0))
        assert len(pictures) == 48
        assert [picture.pts * picture.time_base for picture in pictures] == [
            pytest.approx(one * BASE, abs=0.001 if format == "matroska" else 0) for one in pts
        ]
        wanted = frame(pts[17]).to_ndarray().astype(int)
        assert np.abs(pictures[17].to_ndarray().astype(int) - wanted).mean() < 4


# --- colour, shape, light ----------------------------------------------------------------------


@pytest.mark.parametrize(
    "colour",
    [
        Colour("bt709", "tv", "bt709", "bt709"),
        Colour("smpte170m", "pc", "smpte170m", "smpte170m"),
        Colour("bt2020nc", "tv", "arib-std-b67", "bt2020"),
        Colour("bt470bg", "tv", "", "bt470bg"),
    ],
    ids=lambda colour: f"{colour.matrix}-{colour.range}",
)
@pytest.mark.parametrize("name", NAMES)
def test_colour_shape_and_turn_are_told_by_picture_and_container(tmp_path: Path, name: str, colour: Colour) -> None:
    path = tmp_path / "segment.mp4"
    written(path, settings(name), every(3), colour=colour, aspect=Fraction(16, 11), rotation=-90)
    for made in (path, joined(path, tmp_path / "out.mp4"), joined(path, tmp_path / "out.mkv")):
        picture = look_at(made).pictures[0]
        assert picture.colour == colour
        assert picture.rotation == -90
        # AV1 has it in the container alone, and PyAV cannot tell that of Matroska
        told = Fraction(1) if name == "svtav1" and made.suffix == ".mkv" else Fraction(16, 11)
        assert picture.aspect == told
        with av.open(str(made)) as container:
            context = container.streams.video[0].codec_context  # nothing is decoded: the container's word
            assert (context.colorspace, context.color_range) == (MATRIX[colour.matrix], RANGE[colour.range])


MATRIX = {"bt709": 1, "bt470bg": 5, "smpte170m": 6, "bt2020nc": 9}
RANGE = {"tv": 1, "pc": 2}


@pytest.mark.parametrize("name", NAMES)
def test_hdr10_metadata_comes_through_the_join(tmp_path: Path, name: str) -> None:
    """Frames that were made carry none: the encoder is told, and the container gets its boxes."""
    path = tmp_path / "segment.mp4"
    writer = written(path, settings(name, pix_fmt="yuv420p10le"), every(5), colour=PQ, light=LIGHT)
    assert writer.notes == []
    for made in (path, joined(path, tmp_path / "out.mp4"), joined(path, tmp_path / "out.mkv")):
        assert same_light(first_light(made), LIGHT), f"the pictures of {made.name} tell it"
        told = ffmpeg("-v", "info", "-i", made, "-t", 0, "-f", "null", "-").split("Output #")[0]
        assert "MaxCLL=1000, MaxFALL=400" in told, f"the container of {made.name} tells it before a frame is decoded"
        assert "max_luminance=1000.0" in told
    assert len(packets(path)) == 5


@pytest.mark.parametrize(
    "light", [Light(LIGHT.primaries, LIGHT.luminance), Light(max_cll=600, max_fall=200), Light(dynamic=("HDR10+",))]
)
@pytest.mark.parametrize("name", NAMES)
def test_a_part_of_the_metadata_is_what_is_told(tmp_path: Path, name: str, light: Light) -> None:
    path = tmp_path / "segment.mp4"
    writer = written(path, settings(name, pix_fmt="yuv420p10le"), every(3), colour=PQ, light=light)
    found = first_light(joined(path, tmp_path / "out.mkv"))
    static = replace(light, dynamic=())
    assert found is None if static == Light() else same_light(found, static)
    assert writer.notes == [f"{one} metadata is not kept: only the HDR beneath it is" for one in light.dynamic]


def test_an_encoder_without_words_for_light_is_told_of() -> None:
    options, notes = hdr_options("hevc_nvenc", LIGHT, 9, explicit=True)
    assert options == {}
    assert notes == ["hevc_nvenc writes no HDR10 metadata into its pictures: only the container tells it"]
    assert hdr_options("libx264", None, 9, explicit=True) == ({}, [])


# --- what goes wrong ---------------------------------------------------------------------------


def writer_of(path: Path, config: EncoderConfig | None = None, **more: object) -> SegmentWriter:
    told: dict = {"cores": 1, "tier": "fast", "width": WIDTH, "height": HEIGHT, "rate": Fraction(25), "colour": SDR}
    return SegmentWriter(path, config or settings("x264"), **{**told, "time_base": BASE, **more})


@pytest.mark.parametrize(
    ("config", "says"),
    [
        (settings("x264", options={"no-such": "1", "spatial-aq": "1"}), "libx264 has no option no-such, spatial-aq"),
        (replace(settings("x264"), codec="libx246"), "this PyAV was built without libx246"),
        (settings("x264", preset="swift"), "encoder=x264 cannot be opened in this process"),
        (settings("x264", options={"profile:v": "baseline"}, pix_fmt="yuv444p"), "encoder=x264 cannot be opened"),
        (settings("svtav1", pix_fmt="yuv444p"), "encoder=svtav1 cannot be opened in this process"),
    ],
)
def test_what_an_encoder_refuses_is_said_before_the_first_frame(
    tmp_path: Path, config: EncoderConfig, says: str
) -> None:
    before, path = open_files(), tmp_path / "segment.mp4"
    with pytest.raises(StageError, match=re.escape(says)) as caught:
        writer_of(path, config)
    assert caught.value.failure is Failure.ENCODER
    del caught
    assert not path.exists()
    assert open_files() == before


def test_an_open_pixel_format_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="must be settled"):
        writer_of(tmp_path / "segment.mp4", settings("x264", pix_fmt="auto"))


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        (frame(512, pix_fmt="yuv420p10le"), "a frame is (192, 128, 'yuv420p10le'), and the segment (192, 128, 'yu"),
        (frame(512, size=(96, 128)), "a frame is (96, 128, 'yuv420p')"),
        (frame(0), "the pts 0 does not follow 0"),
        (frame(-5), "the pts -5 does not follow 0"),
        (av.VideoFrame(WIDTH, HEIGHT, "yuv420p"), "the pts None does not follow 0"),
    ],
)  # fmt: skip
def test_a_frame_that_does_not_belong_there_is_refused(tmp_path: Path, wrong: av.VideoFrame, says: str) -> None:
    """PyAV would scale and convert it, and the encoder would put it anywhere."""
    with pytest.raises(ValueError, match=re.escape(says)), writer_of(tmp_path / "segment.mp4") as writer:
        writer.write(frame(0))
        writer.write(wrong)
    assert not (tmp_path / "segment.mp4").exists()


@pytest.mark.parametrize("count", [0, 1, 30])
@pytest.mark.parametrize("name", NAMES)
def test_an_error_leaves_no_file_and_no_handle(tmp_path: Path, name: str, count: int) -> None:
    before, path = open_files(), tmp_path / "segment.mp4"
    with pytest.raises(KeyError), writer_of(path, settings(name)) as writer:
        for pts in every(count):
            writer.write(frame(pts))
        raise KeyError
    assert not path.exists()
    assert open_files() == before
    with pytest.raises(ValueError, match="the segment is closed"):
        writer.write(frame(10**6))
    writer.abort()


def test_a_segment_without_frames_is_no_file(tmp_path: Path) -> None:
    writer = writer_of(tmp_path / "segment.mp4")
    assert writer.close() == 0
    assert writer.close() == 0
    assert list(tmp_path.iterdir()) == []


def test_a_finished_segment_holds_no_handle_and_stays_as_it_is(tmp_path: Path) -> None:
    before, path = open_files(), tmp_path / "segment.mp4"
    writer = writer_of(path)
    for pts in every(3):
        writer.write(frame(pts))
    assert writer.close() == 3
    content = path.read_bytes()
    assert writer.close() == 3
    assert path.read_bytes() == content
    assert open_files() == before


def test_a_folder_that_is_not_there_is_told(tmp_path: Path) -> None:
    with pytest.raises(StageError, match=r"segment\.mp4: cannot be written") as caught:
        writer_of(tmp_path / "no" / "segment.mp4")
    assert caught.value.failure is Failure.ENCODER


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    with mounted(tmp_path / "small", "300k") as disk:
        yield disk


@pytest.mark.parametrize("room_kb", [0, 20, 100, 250])
def test_a_full_disk_is_one_sentence_and_no_half_file(small_disk: Path, room_kb: int) -> None:
    """Full at once, while frames come, or when the file is finished."""
    before, path = open_files(), small_disk / "segment.mp4"
    (small_disk / "filler").write_bytes(b"x" * 1024 * (300 - 4 - room_kb))
    config = settings("x264", preset="ultrafast", quality=0)
    with pytest.raises(StageError) as caught, writer_of(path, config) as writer:
        for pts in every(40):
            writer.write(frame(pts))
    assert caught.value.failure is Failure.DISK_FULL
    assert caught.value.sentence == f"segment.mp4: no space left on the disk of {small_disk}; make room there"
    del caught
    assert not path.exists()
    assert open_files() == before


# --- trial -------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", NAMES)
def test_software_encoders_are_able_in_every_format_of_theirs(name: str) -> None:
    for pix_fmt in ("yuv420p", "yuv420p10le"):
        trial = try_in_process(settings(name, pix_fmt=pix_fmt), 66, 50, 2)
        assert (trial.able, trial.reason, trial.name, trial.codec) == (True, "", name, settings(name).codec)
        assert trial.fps > 0
    assert try_in_process(settings("x264", pix_fmt="nv12"), 64, 64, 1).able


@pytest.mark.skipif(has_nvidia, reason="a machine with the driver says another reason")
@pytest.mark.parametrize("name", ["nvenc_h264", "nvenc_hevc", "nvenc_av1"])
def test_why_an_encoder_cannot_is_what_the_program_says(name: str) -> None:
    trial = try_in_process(own_config(name), 640, 360, 2)
    assert not trial.able
    assert trial.reason.startswith("no NVIDIA driver: ")
    assert "install the NVIDIA driver" in trial.mend


def test_what_pyav_alone_lacks_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    """The program knows this option, libavcodec does not: it belongs to the program itself."""
    trial = try_in_process(settings("x264", options={"force_key_frames": "1"}), 64, 64, 1)
    assert not trial.able
    assert trial.reason == "encoder=x264: libx264 has no option force_key_frames; take it out of encoder.options"


def test_a_size_that_cannot_be_is_asked_of_nobody() -> None:
    trial = try_in_process(settings("x264"), 63, 64, 1)
    assert (trial.able, trial.asked) == (False, True)
    assert "has an odd side" in trial.reason


def test_what_worked_is_remembered_apart_from_the_programs_trials(tmp_path: Path) -> None:
    memory = TrialMemory(tmp_path / "trials.json", "this machine")
    first = try_in_process(settings("x264"), 64, 64, 1, memory=memory)
    assert try_in_process(settings("x264"), 64, 64, 1, memory=memory) == first
    other = try_in_process(settings("x264", quality=30), 64, 64, 1, memory=memory)
    assert other.able
    assert ffmpeg_binary().identity not in (tmp_path / "trials.json").read_text(encoding="utf-8")
