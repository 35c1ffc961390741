"""Settings from the environment and `.env`: below the command line, above everything else, and said so."""

import os

import pytest

from runner.config.compose import compose
from runner.config.environment import environment_overrides, load_dotenv_file
from runner.plan.check import check

ALL = {
    "FFMPEG_ENCODER": "libx264",
    "FFMPEG_PRESET": "slow",
    "FFMPEG_CQ": "19",
    "FFMPEG_AUDIO_BITRATE": "96k",
}


@pytest.fixture
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(os, "environ", dict(os.environ))
    return tmp_path


def composed(environ, *words):
    result = compose(["pipeline=narrate", *words], environment_overrides(environ))
    assert result.problems == [], [p.sentence() for p in result.problems]
    return result


def test_every_variable_arrives(here):
    config = composed(ALL).config
    assert (config.encoder.name, config.encoder.preset, config.encoder.quality) == ("x264", "slow", 19.0)
    assert config.profile.audio.bitrate == "96k"
    assert check(config, set()).problems == []


def test_unset_and_empty_ones_do_not(here):
    assert environment_overrides({}) == {}
    assert environment_overrides(dict.fromkeys([*ALL, "FFMPEG_BITRATE"], "")) == {}
    assert environment_overrides({"FFMPEG_OTHER": "x"}) == {}


@pytest.mark.parametrize(
    ("said", "option"),
    [("libx264", "x264"), ("libx265", "x265"), ("libsvtav1", "svtav1"), ("h264_nvenc", "nvenc_h264"),
     ("hevc_nvenc", "nvenc_hevc"), ("av1_nvenc", "nvenc_av1"), ("h264_qsv", "qsv_h264"), ("x264", "x264"),
     ("nvenc_ll", "nvenc_ll"), ("auto", "auto")],
)  # fmt: skip
def test_the_encoder_may_have_ffmpegs_name_or_ours(here, said, option):
    assert composed({"FFMPEG_ENCODER": said}).config.encoder.name == option


def test_a_bitrate_takes_the_place_of_the_quality(here):
    config = composed({"FFMPEG_ENCODER": "libx264", "FFMPEG_BITRATE": "3M"}).config
    assert (config.encoder.bitrate, config.encoder.quality) == ("3M", None)
    assert check(config, {"encoder"}).problems == []


def test_the_command_line_wins_over_each(here):
    config = composed(
        ALL, "encoder=x265", "encoder.preset=fast", "encoder.quality=30", "profile.audio.bitrate=64k"
    ).config
    assert (config.encoder.name, config.encoder.preset, config.encoder.quality) == ("x265", "fast", 30.0)
    assert config.profile.audio.bitrate == "64k"


def test_the_environment_wins_over_the_groups(here):
    config = composed({"FFMPEG_AUDIO_BITRATE": "96k"}, "profile=quality").config
    assert config.profile.audio.bitrate == "96k"


def test_it_says_where_a_setting_came_from_unless_the_command_line_won(here):
    result = composed(ALL, "encoder.quality=30")
    assert result.notes == [
        "encoder comes from the environment variable FFMPEG_ENCODER",
        "encoder.preset comes from the environment variable FFMPEG_PRESET",
        "profile.audio.bitrate comes from the environment variable FFMPEG_AUDIO_BITRATE",
    ]
    assert {"encoder", "encoder.preset", "encoder.quality", "profile.audio.bitrate"} <= result.user_keys


@pytest.mark.parametrize(
    ("environ", "key", "reason"),
    [
        ({"FFMPEG_ENCODER": "libx246"}, "encoder (from FFMPEG_ENCODER)", "'libx246' is no encoder"),
        ({"FFMPEG_ENCODER": "a b, [c"}, "encoder (from FFMPEG_ENCODER)", "'a b, [c'"),
        ({"FFMPEG_CQ": "good"}, "encoder.quality (from FFMPEG_CQ)", "'good' is not a number"),
    ],
)
def test_a_bad_one_is_refused_by_its_own_name(here, environ, key, reason):
    result = compose(["pipeline=narrate"], environment_overrides(environ))
    assert [p.key for p in result.problems] == [key]
    assert reason in result.problems[0].reason
    assert result.problems[0].mend


@pytest.mark.parametrize("value", ["${oc.env:HOME}", "it's", "a,b", "[1]", "a=b", "\\"])
def test_a_value_is_a_value_and_no_grammar(here, value):
    assert composed({"FFMPEG_PRESET": value}).config.encoder.preset == value


def test_a_dotenv_file_is_read_and_what_is_set_already_wins(here):
    (here / ".env").write_text("FFMPEG_AUDIO_BITRATE=80k\nFFMPEG_CQ='17' # quoted\nREELTUNE_TEST_KEY=secret\n")
    os.environ["FFMPEG_CQ"] = "21"
    for name in ("FFMPEG_AUDIO_BITRATE", "REELTUNE_TEST_KEY"):
        os.environ.pop(name, None)
    load_dotenv_file(here)
    config = composed(None).config
    assert config.profile.audio.bitrate == "80k"
    assert config.encoder.quality == 21.0
    assert os.environ["REELTUNE_TEST_KEY"] == "secret"


def test_without_a_dotenv_file_nothing_happens(here):
    (here.parent / ".env").write_text("FFMPEG_CQ=3\n")  # another folder's is not ours
    os.environ.pop("FFMPEG_CQ", None)
    load_dotenv_file(here)
    (here / ".env").mkdir()
    load_dotenv_file(here)
    assert "FFMPEG_CQ" not in os.environ
    (here.parent / ".env").unlink()
