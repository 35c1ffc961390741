"""Choosing: with real trials on this machine, and with told answers for machines that are not here."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from encoder_help import from_yaml

from stages.contract import Failure, StageError
from stages.media.encoders.carry import carry, own_config, was_set
from stages.media.encoders.catalog import known_encoders
from stages.media.encoders.check import encoder_problems
from stages.media.encoders.choose import ORDER, choose
from stages.media.encoders.settings import EncoderConfig
from stages.media.encoders.trial import Trial, try_encoder

has_nvidia = Path("/proc/driver/nvidia/version").exists()
no_nvidia = pytest.mark.skipif(has_nvidia, reason="what happens without NVIDIA's driver")


def really(width: int = 64, height: int = 64) -> Callable[[EncoderConfig], Trial]:
    return lambda config: try_encoder(config, width, height, 1)


def machine(*able: str) -> Callable[[EncoderConfig], Trial]:
    """A machine where these encoders work: the rule of choosing is what is tested with it, not encoding."""
    return lambda c: Trial(c.name, c.codec, c.name in able, "" if c.name in able else f"no {c.codec}", 1.0, 1.0)


@pytest.mark.parametrize("name", known_encoders())
def test_own_settings_are_those_of_the_yaml_file(name: str) -> None:
    assert own_config(name) == from_yaml(name)
    assert was_set(own_config(name)) == {}


# --- here, by real trials ----------------------------------------------------------------------


@no_nvidia
def test_auto_takes_x264_where_no_chip_is_proven() -> None:
    choice = choose(own_config("auto"), really())
    assert choice.config.name == "x264"
    assert [(trial.name, trial.able) for trial in choice.trials] == [
        ("nvenc_h264", False), ("nvenc_hevc", False), ("nvenc_av1", False), ("x264", True),
    ]  # fmt: skip
    assert choice.reason.startswith("x264 was chosen; nvenc_h264, nvenc_hevc, nvenc_av1 cannot encode here: no NVIDIA")


@no_nvidia
@pytest.mark.parametrize(
    ("name", "next_one"),
    [("nvenc_h264", "x264"), ("nvenc_hevc", "x265"), ("nvenc_av1", "svtav1"), ("nvenc_ll", "x264")],
)
def test_a_fall_back_stays_with_the_kind_of_video(name: str, next_one: str) -> None:
    choice = choose(own_config(name), really())
    assert choice.config == replace(own_config(next_one), pix_fmt=own_config(name).pix_fmt)
    assert choice.reason.startswith(f"{next_one} is used instead; nvenc_")
    assert "cannot encode here: no NVIDIA driver: " in choice.reason
    assert f"its own quality {own_config(next_one).quality:g}" in choice.reason
    assert "do not carry" in choice.reason


@no_nvidia
def test_fallback_none_refuses_with_encoder_reason_and_mend() -> None:
    with pytest.raises(StageError) as refused:
        choose(replace(own_config("nvenc_h264"), fallback="none"), really())
    assert refused.value.failure is Failure.ENCODER
    said = refused.value.sentence
    assert said.startswith("encoder=nvenc_h264 cannot encode here: no NVIDIA driver: ")
    assert said.endswith("or set encoder.fallback=next or another encoder")
    assert "\n" not in said


def test_a_named_encoder_that_works_is_taken_as_it_is() -> None:
    wanted = replace(own_config("x265"), preset="ultrafast", quality=30.0, fallback="none")
    choice = choose(wanted, really())
    assert choice.config is wanted
    assert len(choice.trials) == 1
    assert choice.reason == "encoder=x265 was asked for and works here"


@pytest.mark.parametrize(
    ("change", "size", "says"),
    [
        ({}, (63, 65), "63x65 has an odd side, which h264 in yuv420p cannot hold; scale to 64x66, or use "),
        ({"options": {"spatial-aq": "1"}}, (64, 64), "it has no option spatial-aq; take it out of encoder.options"),
        ({"options": {"level": "99"}}, (64, 64), "invalid level_idc: 99; change its settings or "),
    ],
)
def test_no_other_encoder_is_taken_for_what_was_wrongly_asked(
    change: dict[str, object], size: tuple[int, int], says: str
) -> None:
    with pytest.raises(StageError) as refused:
        choose(replace(own_config("x264"), **change), really(*size))  # type: ignore[arg-type]
    assert refused.value.sentence.startswith(f"encoder=x264 cannot encode here: {says}")


def test_auto_takes_the_encoder_that_holds_an_odd_size() -> None:
    choice = choose(own_config("auto"), really(63, 65), order=("x264", "x265", "svtav1"))
    assert choice.config.name == "svtav1"
    assert "x264 cannot encode here: 63x65 has an odd side" in choice.reason


# --- the rule, on machines that are not here ---------------------------------------------------


@pytest.mark.parametrize(
    ("wanted", "able", "taken"),
    [
        ("auto", ("nvenc_h264", "nvenc_hevc", "x264"), "nvenc_h264"),
        ("auto", ("nvenc_av1", "x264"), "nvenc_av1"),
        ("auto", ("svtav1",), "svtav1"),
        ("nvenc_ll", ("nvenc_h264", "x264"), "nvenc_h264"),
        ("qsv_h264", ("x264", "x265"), "x264"),
        ("qsv_h264", ("nvenc_h264", "x264"), "nvenc_h264"),
        ("x265", ("nvenc_hevc", "x264"), "nvenc_hevc"),
        ("nvenc_hevc", ("nvenc_h264", "x264"), "nvenc_h264"),
        ("nvenc_av1", ("x264", "x265"), "x264"),
    ],
)
def test_the_next_best_is_taken(wanted: str, able: tuple[str, ...], taken: str) -> None:
    choice = choose(own_config(wanted), machine(*able))
    assert choice.config.name == taken
    assert choice.trials[-1].name == taken
    assert encoder_problems(choice.config) == []


def test_nothing_that_works_is_an_error_that_names_them_all() -> None:
    with pytest.raises(StageError) as refused:
        choose(own_config("nvenc_hevc"), machine())
    assert all(f"no {own_config(name).codec}" in refused.value.sentence for name in ORDER)


def test_auto_chooses_also_without_fall_backs() -> None:
    assert choose(own_config("auto"), machine("x264"), fallback="none").config.name == "x264"


def test_another_order_is_followed() -> None:
    assert choose(own_config("auto"), machine("x264", "x265"), order=("x265", "x264")).config.name == "x265"


# --- what carries ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("wanted", "name", "change", "expected", "left"),
    [
        ("nvenc_h264", "x264", {"quality": 18.0}, {"quality": 21}, {"quality=18.0"}),
        ("nvenc_h264", "x264", {"preset": "p7"}, {"preset": "medium"}, {"preset=p7"}),
        ("nvenc_h264", "nvenc_hevc", {"preset": "p7"}, {"preset": "p7", "quality": 27}, set()),
        ("x264", "x265", {"preset": "slow", "tune": "grain"}, {"preset": "slow", "tune": "grain"}, set()),
        ("x264", "x265", {"tune": "stillimage"}, {"tune": None}, {"tune=stillimage"}),
        ("x265", "nvenc_hevc", {"pix_fmt": "yuv420p10le"}, {"pix_fmt": "p010le"}, set()),
        ("qsv_h264", "x264", {"pix_fmt": "nv12"}, {"pix_fmt": "nv12"}, set()),
        ("qsv_h264", "x265", {"pix_fmt": "nv12"}, {"pix_fmt": "yuv420p"}, set()),
        ("qsv_h264", "x264", {}, {"pix_fmt": "auto"}, set()),
        ("nvenc_h264", "x264", {}, {"pix_fmt": "yuv420p"}, set()),
        ("nvenc_h264", "x265", {"pix_fmt": "auto"}, {"pix_fmt": "auto"}, set()),
        ("x265", "nvenc_h264", {}, {"pix_fmt": "auto"}, set()),
        ("auto", "nvenc_h264", {}, {"pix_fmt": "auto"}, set()),
        ("auto", "nvenc_hevc", {"pix_fmt": "yuv420p10le"}, {"pix_fmt": "p010le"}, set()),
        ("x264", "nvenc_h264", {"threads": 3, "gop": 48}, {"threads": None, "gop": 48}, {"threads=3"}),
        ("nvenc_h264", "x264", {"sessions": 5, "gop": 48}, {"sessions": None, "gop": 48}, {"sessions=5"}),
        ("nvenc_h264", "x264", {"bitrate": "6M"}, {"bitrate": "6M", "quality": None, "maxrate": ""}, set()),
        ("nvenc_h264", "x264", {"maxrate": "9M"}, {"quality": 21, "maxrate": "9M", "bufsize": "10M"}, set()),
        ("x264", "nvenc_h264", {"quality": None, "bitrate": "20M"}, {"quality": None, "bitrate": "20M"}, set()),
        ("nvenc_h264", "x264", {"options": {"rc": "cbr"}}, {"options": {}}, {"options={'rc': 'cbr'}"}),
        ("nvenc_ll", "nvenc_h264", {"options": {"rc": "cbr"}}, {"options": {"rc": "cbr"}}, set()),
        ("auto", "x264", {"quality": 18.0}, {"quality": 18.0, "preset": None, "tune": "film"}, set()),
        ("auto", "x264", {"quality": 60.0}, {"quality": 21}, {"quality=60.0"}),
        ("auto", "nvenc_h264", {"options": {"rc": "cbr"}},
         {"options": {"rc": "cbr", "spatial-aq": "1", "temporal-aq": "1"}}, set()),
        ("auto", "nvenc_h264", {"bitrate": "20M"}, {"bitrate": "20M", "quality": 23, "maxrate": ""}, set()),
        ("auto", "nvenc_h264", {"bitrate": "6M"}, {"bitrate": "6M", "maxrate": "8M", "bufsize": "10M"}, set()),
        ("nvenc_h264", "x264", {"bitrate": ""}, {"bitrate": "", "quality": 21, "maxrate": ""}, set()),
    ],
)  # fmt: skip
def test_what_was_set_carries_where_it_means_the_same(
    wanted: str, name: str, change: dict[str, object], expected: dict[str, object], left: set[str]
) -> None:
    carried = carry(replace(own_config(wanted), **change), name)  # type: ignore[arg-type]
    assert carried.config is not None
    assert {key: getattr(carried.config, key) for key in expected} == expected
    assert set(carried.left) == left
    assert encoder_problems(carried.config) == []


def test_an_encoder_that_would_throw_colour_away_is_passed_over() -> None:
    choice = choose(replace(own_config("auto"), pix_fmt="yuv420p10le"), machine("nvenc_h264", "nvenc_hevc"))
    assert (choice.config.name, choice.config.pix_fmt) == ("nvenc_hevc", "p010le")
    assert "nvenc_h264 cannot encode here: does not take yuv420p10le" in choice.reason


def test_auto_prefers_an_encoder_that_holds_the_source() -> None:
    everything = machine(*ORDER)
    assert choose(own_config("auto"), everything, source_pix_fmt="yuv420p").config.name == "nvenc_h264"
    deep = choose(own_config("auto"), everything, source_pix_fmt="yuv420p10le")
    assert (deep.config.name, deep.config.pix_fmt) == ("nvenc_hevc", "auto")
    assert deep.reason == "nvenc_hevc was chosen; nvenc_h264 would hold less of the source's pixels"
    assert choose(own_config("auto"), everything, source_pix_fmt="yuv422p10le").config.name == "x264"
    asked = replace(own_config("auto"), pix_fmt="yuv420p")
    assert choose(asked, everything, source_pix_fmt="yuv420p10le").config.name == "nvenc_h264"


def test_what_holds_less_is_still_better_than_nothing() -> None:
    choice = choose(own_config("auto"), machine("nvenc_h264"), source_pix_fmt="yuv444p12le")
    assert choice.config.name == "nvenc_h264"
    assert "would hold less" not in choice.reason


def test_a_fall_back_holds_the_source_before_it_stays_with_the_kind() -> None:
    wanted = replace(own_config("nvenc_av1"), pix_fmt="auto")
    assert choose(wanted, machine("x264", "svtav1"), source_pix_fmt="yuv422p").config.name == "x264"
    assert choose(wanted, machine("x264", "svtav1"), source_pix_fmt="yuv420p10le").config.name == "svtav1"


def test_a_bitrate_that_was_set_goes_before_quality_and_is_told() -> None:
    choice = choose(replace(own_config("nvenc_h264"), bitrate="6M"), really())
    if choice.config.name == "nvenc_h264":
        pytest.skip("NVENC works here")
    assert "it codes with bitrate 6M" in choice.reason


def test_what_does_not_carry_is_in_the_reason() -> None:
    wanted = replace(own_config("nvenc_h264"), preset="p7", quality=18.0)
    reason = choose(wanted, machine("x264")).reason
    assert reason.endswith("not carried: preset=p7, quality=18.0")
