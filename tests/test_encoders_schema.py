"""Encoder options against FFmpeg itself: its help, its option parser, and encodes where the encoder runs here."""

from __future__ import annotations

import re
import subprocess
from dataclasses import replace

import pytest
from encoder_help import CONF, from_yaml
from omegaconf import OmegaConf

from stages.media.encoders.adapter import TIERS, Adapter
from stages.media.encoders.arguments import video_options
from stages.media.encoders.catalog import UnknownEncoderError, adapter, from_ffmpeg_name, known_encoders
from stages.media.encoders.check import encoder_problems
from stages.media.encoders.settings import EncoderConfig
from stages.media.encoders.trial import plain
from stages.media.ffmpeg import ffmpeg_binary

NAMES = ["nvenc_av1", "nvenc_h264", "nvenc_hevc", "nvenc_ll", "qsv_h264", "svtav1", "x264", "x265"]
SOFTWARE = ["svtav1", "x264", "x265"]
HARDWARE = [name for name in NAMES if name not in SOFTWARE]
# What FFmpeg says about options, and what it says about a missing GPU or its driver.
REFUSED = re.compile(
    r"Error setting|Unable to parse|Unrecognized option|out of range|Invalid tune|has not been used|Incompatible pixel"
)
NO_GPU = re.compile(
    r"Cannot load libcuda|Cannot load nvcuda|CUDA_ERROR_NO_DEVICE|OpenEncodeSessionEx failed|No capable devices"
    r"|Error creating a MFX session"
)


def option(name: str) -> EncoderConfig:
    """As its file says, with the plain pixel format where that follows the source."""
    return plain(from_yaml(name)) if name != "auto" else from_yaml(name)


def encode(*outputs: dict[str, str]) -> tuple[int, str]:
    """One FFmpeg that codes two small frames once per set of options; its status and what it said."""
    command = [str(ffmpeg_binary().path), "-hide_banner", "-nostdin", "-v", "warning"]
    command += ["-f", "lavfi", "-i", "testsrc2=s=256x256:r=25:d=0.08"]
    for options in outputs:
        command += [word for name, value in options.items() for word in (f"-{name}", value)]
        command += ["-f", "null", "-"]
    done = subprocess.run(command, capture_output=True, text=True, errors="replace", timeout=60, check=False)
    return done.returncode, done.stderr


def help_of(codec: str) -> str:
    command = [str(ffmpeg_binary().path), "-hide_banner", "-h", f"encoder={codec}"]
    return subprocess.run(command, capture_output=True, text=True, timeout=30, check=True).stdout


def words_of(help_text: str, name: str) -> set[str]:
    """The named values of one option in FFmpeg's help: the lines below it that are indented further."""
    block = re.search(rf"^  -{name} .*\n((?:     \S.*\n)*)", help_text, re.MULTILINE)
    assert block is not None, name
    return {line.split()[0] for line in block[1].splitlines()}


# --- options, schema, lookup ------------------------------------------------------------------


def test_every_adapter_has_its_option_and_every_option_its_adapter() -> None:
    assert known_encoders() == NAMES
    assert sorted(path.stem for path in CONF.glob("*.yaml")) == sorted(["auto", *NAMES])


@pytest.mark.parametrize("name", ["auto", *NAMES])
def test_every_option_states_the_whole_schema_and_is_sound(name: str) -> None:
    raw = OmegaConf.load(CONF / f"{name}.yaml")
    assert set(raw.keys()) == set(EncoderConfig.__dataclass_fields__)
    assert option(name).name == name
    assert encoder_problems(option(name)) == encoder_problems(from_yaml(name)) == []


@pytest.mark.parametrize("name", NAMES)
def test_adapters_agree_with_themselves(name: str) -> None:
    found = adapter(name)
    assert found.name == name
    assert tuple(found.tiers) == TIERS
    assert set(found.tiers.values()) <= set(found.presets)
    places = [found.presets.index(found.tiers[tier]) for tier in TIERS]
    assert places == sorted(places, reverse=True), "quality must not be faster than fast"
    assert found.quality_low < found.quality_default < found.quality_high
    assert option(name).codec == found.codec


def test_the_numbers_that_were_asked_for() -> None:
    nvenc, x264, live = option("nvenc_h264"), option("x264"), option("nvenc_ll")
    assert video_options(nvenc, 6) == {
        "c:v": "h264_nvenc", "preset": "p4", "tune": "hq", "cq": "23", "b:v": "5M", "maxrate": "8M", "bufsize": "10M",
        "pix_fmt": "yuv420p", "rc": "vbr", "spatial-aq": "1", "temporal-aq": "1",
    }  # fmt: skip
    assert nvenc.sessions == 2
    assert video_options(x264, 6) == {
        "c:v": "libx264", "preset": "medium", "tune": "film", "crf": "21", "pix_fmt": "yuv420p", "threads": "6",
    }  # fmt: skip
    assert video_options(live, 6) == {
        "c:v": "h264_nvenc", "preset": "p1", "tune": "ull", "cq": "28", "b:v": "2M", "maxrate": "4M", "bufsize": "8M",
        "pix_fmt": "yuv420p", "rc": "vbr", "delay": "0",
    }  # fmt: skip


@pytest.mark.parametrize("name", NAMES)
def test_the_pixel_format_follows_the_source_but_where_players_are_old(name: str) -> None:
    own = {"nvenc_h264": "yuv420p", "nvenc_ll": "yuv420p"}.get(name, "auto")
    assert from_yaml(name).pix_fmt == own


def test_a_pixel_format_that_is_not_settled_is_no_option() -> None:
    with pytest.raises(ValueError, match="pix_fmt=auto must be settled"):
        video_options(from_yaml("x264"), 1)


def test_a_preset_left_open_comes_from_the_tier() -> None:
    config = replace(option("x264"), preset=None)
    assert [video_options(config, 1, tier)["preset"] for tier in TIERS] == ["ultrafast", "medium", "slow"]


def test_parameter_strings_are_joined() -> None:
    config = replace(option("x265"), options={"x265-params": "aq-mode=3:log-level=error"})
    assert video_options(config, 4)["x265-params"] == "pools=4:aq-mode=3:log-level=error"
    assert video_options(replace(option("svtav1"), tune="0"), 4)["svtav1-params"] == "tune=0:lp=3"


@pytest.mark.parametrize(
    ("codec", "name"),
    [("libx264", "x264"), ("libx265", "x265"), ("libsvtav1", "svtav1"), ("h264_nvenc", "nvenc_h264"),
     ("hevc_nvenc", "nvenc_hevc"), ("av1_nvenc", "nvenc_av1"), ("h264_qsv", "qsv_h264"), ("x264", "x264"),
     ("nvenc_ll", "nvenc_ll"), ("auto", "auto")],
)  # fmt: skip
def test_ffmpeg_names_lead_to_options(codec: str, name: str) -> None:
    assert from_ffmpeg_name(codec) == name


@pytest.mark.parametrize("codec", ["h264_nvnec", "", "settings", "../x264", "aac"])
def test_a_name_that_leads_nowhere_says_what_there_is(codec: str) -> None:
    with pytest.raises(UnknownEncoderError, match="libx264"):
        from_ffmpeg_name(codec)
    with pytest.raises(UnknownEncoderError, match="x264"):
        adapter(codec)


def test_a_near_name_is_offered() -> None:
    with pytest.raises(UnknownEncoderError, match="did you mean h264_nvenc"):
        from_ffmpeg_name("h264_nvnec")


# --- what is refused --------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "change", "key", "says"),
    [
        ("x264", {"quality": 999.0}, "encoder.quality", "0 (best) to 51"),
        ("auto", {"quality": 999.0}, "encoder.quality", "0 (best) to 63"),
        ("svtav1", {"quality": 0.0}, "encoder.quality", "1 (best) to 63"),
        ("nvenc_h264", {"preset": "p9"}, "encoder.preset", "p7, p6, p5"),
        ("auto", {"preset": "p9"}, "encoder.preset", "medium"),
        ("x264", {"preset": "mediun"}, "encoder.preset", "did you mean medium"),
        ("x264", {"preset": "p4"}, "encoder.preset", "ultrafast"),
        ("x265", {"tune": "film"}, "encoder.tune", "grain"),
        ("qsv_h264", {"tune": "film"}, "encoder.tune", "encoder.tune=null"),
        ("nvenc_h264", {"pix_fmt": "p010le"}, "encoder.pix_fmt", "yuv420p"),
        ("x264", {"pix_fmt": "yuv410p"}, "encoder.pix_fmt", "yuv420p10le"),
        ("nvenc_h264", {"bitrate": "fast"}, "encoder.bitrate", "5M"),
        ("nvenc_h264", {"bitrate": "9M"}, "encoder.maxrate", "9M or more"),
        ("nvenc_h264", {"bufsize": ""}, "encoder.bufsize", "set both"),
        ("x264", {"bitrate": "5M"}, "encoder.bitrate", "encoder.quality=null"),
        ("x264", {"quality": None}, "encoder.quality", "encoder.quality=21"),
        ("svtav1", {"threads": 4}, "encoder.threads", "encoder.threads=null"),
        ("x264", {"threads": 0}, "encoder.threads", "1 to 256"),
        ("x264", {"gop": -1}, "encoder.gop", "1 to"),
        ("x264", {"fallback": "maybe"}, "encoder.fallback", "next, none"),
        ("x264", {"options": {"crf": "3"}}, "encoder.options.crf", "encoder.quality"),
        ("x264", {"codec": "libx265"}, "encoder.codec", "libx264"),
        ("x264", {"name": "svt_av1"}, "encoder.name", "did you mean svtav1"),
    ],
)
def test_a_wrong_value_is_named_with_its_key_and_mend(
    name: str, change: dict[str, object], key: str, says: str
) -> None:
    problems = encoder_problems(replace(option(name), **change))  # type: ignore[arg-type]
    assert [problem.key for problem in problems] == [key]
    assert says in problems[0].sentence()


def test_all_problems_are_told_at_once() -> None:
    config = replace(option("nvenc_h264"), preset="p9", quality=999.0, tune="film", bitrate="?", gop=0)
    keys = {problem.key for problem in encoder_problems(config)}
    assert keys == {"encoder.preset", "encoder.quality", "encoder.tune", "encoder.bitrate", "encoder.gop"}


@pytest.mark.parametrize(("preset", "quality"), [("medium", 21.0), ("p4", 23.0), ("8", 40.0)])
def test_auto_lets_pass_what_some_encoder_takes(preset: str, quality: float) -> None:
    assert encoder_problems(replace(option("auto"), preset=preset, quality=quality)) == []


def test_nvenc_takes_quality_and_bitrate_together_and_software_takes_a_capped_quality() -> None:
    assert encoder_problems(option("nvenc_h264")) == []
    assert encoder_problems(replace(option("x264"), maxrate="5M", bufsize="10M")) == []
    assert encoder_problems(replace(option("x264"), quality=None, bitrate="5M")) == []


# --- against FFmpeg's help --------------------------------------------------------------------


@pytest.mark.parametrize("name", NAMES)
def test_pixel_formats_and_the_quality_option_are_in_ffmpeg_s_help(name: str) -> None:
    found = adapter(name)
    text = help_of(found.codec)
    formats = re.search(r"Supported pixel formats: (.*)", text)
    assert formats is not None
    assert set(found.pixel_formats) <= set(formats[1].split())
    if found.quality_option != "global_quality":  # that one is common to all encoders
        assert f"-{found.quality_option} " in text
    for own in option(name).options:
        assert f"-{own} " in text


@pytest.mark.parametrize("name", HARDWARE)
def test_words_of_hardware_encoders_are_in_ffmpeg_s_help(name: str) -> None:
    found = adapter(name)
    text = help_of(found.codec)
    assert set(found.presets) <= words_of(text, "preset")
    if found.tunes:
        assert set(found.tunes) <= words_of(text, "tune")


@pytest.mark.parametrize("name", ["nvenc_h264", "nvenc_hevc", "nvenc_av1", "nvenc_ll", "svtav1"])
def test_quality_ranges_are_ffmpeg_s(name: str) -> None:
    found = adapter(name)
    line = re.search(rf"-{found.quality_option} .*\(from (\S+) to (\S+)\)", help_of(found.codec))
    assert line is not None
    assert (float(line[1]), float(line[2])) == (0.0, found.quality_high)
    assert found.quality_low == 1, "0 means not set"


# --- against FFmpeg's option parser and the encoders ------------------------------------------


def with_every_word(found: Adapter) -> list[dict[str, str]]:
    """Options that between them name every preset, tune and pixel format, and both ends of the quality range."""
    base = replace(option(found.name), options={})
    configs = [replace(base, preset=preset, tune=None) for preset in found.presets]
    fast = replace(base, preset=found.presets[-1], tune=None)
    configs += [replace(fast, tune=tune) for tune in found.tunes]
    configs += [replace(fast, pix_fmt=pixels) for pixels in found.pixel_formats]
    configs += [replace(fast, quality=quality) for quality in (found.quality_low, found.quality_high)]
    assert all(encoder_problems(config) == [] for config in configs)
    return [video_options(config, 2) for config in configs]


@pytest.mark.parametrize("name", SOFTWARE)
def test_software_encoders_encode_with_every_word_they_take(name: str) -> None:
    status, said = encode(*with_every_word(adapter(name)))
    assert status == 0, said
    assert not REFUSED.search(said), said


@pytest.mark.parametrize("name", SOFTWARE)
def test_options_of_software_encoders_encode_as_they_are(name: str) -> None:
    for config in (option(name), replace(option(name), maxrate="2M", bufsize="4M", gop=50)):
        assert encoder_problems(config) == []
        status, said = encode(video_options(config, 2))
        assert status == 0, said
        assert not REFUSED.search(said), said


def test_x265_takes_more_threads_than_it_has_frame_threads() -> None:
    status, said = encode(video_options(option("x265"), 64))
    assert status == 0, said


@pytest.mark.parametrize("name", HARDWARE)
def test_options_of_hardware_encoders_pass_the_parser(name: str) -> None:
    """Without the GPU the encode fails, but for that reason; with it, it must not fail for another."""
    status, said = encode(video_options(option(name), 2))
    assert status == 0 or NO_GPU.search(said), said
    assert not REFUSED.search(said), said


@pytest.mark.parametrize("name", HARDWARE)
def test_every_word_of_hardware_encoders_passes_the_parser(name: str) -> None:
    for options in with_every_word(adapter(name)):
        status, said = encode(options)
        assert status == 0 or NO_GPU.search(said), said
        assert not REFUSED.search(said), said


@pytest.mark.parametrize(
    ("name", "wrong"),
    [("nvenc_h264", {"preset": "p9"}), ("nvenc_h264", {"tune": "uhq"}), ("nvenc_h264", {"cq": "52"}),
     ("nvenc_hevc", {"spatial_qa": "1"}), ("nvenc_av1", {"cq": "64"}), ("qsv_h264", {"preset": "slowest"}),
     ("qsv_h264", {"tune": "film"}), ("nvenc_h264", {"pix_fmt": "yuv410p"}), ("x264", {"tune": "movie"}),
     ("x265", {"tune": "film"}), ("svtav1", {"preset": "14"}), ("svtav1", {"svtav1-params": "tune=6"})],
)  # fmt: skip
def test_ffmpeg_tells_a_wrong_option_from_a_missing_gpu(name: str, wrong: dict[str, str]) -> None:
    """That the tests above can fail: FFmpeg refuses, or passes over with a warning, what the adapters leave out."""
    _, said = encode(video_options(option(name), 2) | wrong)
    assert REFUSED.search(said), said
