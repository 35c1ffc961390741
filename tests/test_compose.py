"""Composition: every problem at once, in our words; conf folders of the user's; every combination of options."""

import itertools
import os
from pathlib import Path

import pytest
from omegaconf import OmegaConf

from runner.config.compose import CONF, GROUPS, compose, known_roots, options_of
from runner.config.schema import ProfileAudio
from runner.plan.check import check

OPTIONS = {group: options_of(group) for group in GROUPS}


@pytest.fixture(autouse=True)
def here(tmp_path, monkeypatch):
    """Composing looks for `conf/` in the current folder; checking makes `outputs/` there."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("OPENAI_API_KEY", "none")
    return tmp_path


def narrate(*words, env=None, config_dir=None):
    return compose(["pipeline=narrate", *words], env or {}, config_dir)


def sentences(*words, **more):
    return [problem.sentence() for problem in narrate(*words, **more).problems]


# --- what is composed ---------------------------------------------------------------------------


def test_defaults_and_overrides():
    made = narrate("profile=fast", "audio.channels=1", "+rates.flux=[6,60]")
    config = made.config
    assert made.problems == [] and made.rest is None
    assert (config.profile.name, config.profile.audio.bitrate, config.tts.provider) == ("fast", "128k", "espeak")
    assert (config.hardware.name, config.encoder.name) == ("auto", "auto")
    assert config.audio.channels == 1
    assert list(config.rates.flux) == [6, 60]
    assert made.user_keys == {"pipeline", "profile", "audio.channels", "rates.flux"}


def test_stages_read_the_groups():
    config = narrate("profile=quality", "tts=edge", "audio.sample_rate=48000").config
    stages = OmegaConf.to_container(config.pipeline.stages, resolve=True)
    assert stages["encode"]["settings"]["bitrate"] == "256k"
    assert stages["encode"]["settings"]["sample_rate"] == 48000
    assert stages["speak"]["settings"]["provider"] == "edge"


def test_composing_twice_gives_the_same_and_leaves_nothing_behind(here):
    assert narrate("profile=fast").config == narrate("profile=fast").config
    assert list(here.iterdir()) == [], "Hydra writes no folders"


def test_the_conf_folder_is_found_from_anywhere():
    assert CONF.is_dir()
    assert {"pipeline", "input", "workers", "hydra", "tts"} <= known_roots()


@pytest.mark.parametrize(
    ("group", "options"),
    [
        ("hardware", {"auto", "cpu", "ryzen6c_12gb", "rtx5060ti_16gb", "gpu_6gb"}),
        (
            "encoder",
            {"auto", "x264", "x265", "svtav1", "nvenc_h264", "nvenc_hevc", "nvenc_av1", "qsv_h264", "nvenc_ll"},
        ),
        ("profile", {"fast", "balanced", "quality"}),
        ("tts", {"espeak", "edge", "piper", "openai", "jobs"}),
        ("pipeline", {"narrate", "transcode", "upscale"}),
        ("upscaler", {"embedded", "lanczos", "realesrgan", "onnx"}),
    ],
)
def test_the_promised_options_are_there(group, options):
    assert options <= set(OPTIONS[group])


def covering():
    """Every option of each group beside every option of each other group, in as few combinations as is simple."""
    hardware, encoders, profiles, tts = (OPTIONS[group] for group in ("hardware", "encoder", "profile", "tts"))
    for e, h in itertools.product(range(len(encoders)), range(len(hardware))):
        profile, voice = profiles[(e + h) % len(profiles)], tts[(e + 3 * h) % len(tts)]
        yield {"hardware": hardware[h], "encoder": encoders[e], "profile": profile, "tts": voice}


def test_the_combinations_cover_every_pair():
    rows = list(covering())
    for one, two in itertools.combinations(("hardware", "encoder", "profile", "tts"), 2):
        wanted = set(itertools.product(OPTIONS[one], OPTIONS[two]))
        assert {(row[one], row[two]) for row in rows} == wanted, (one, two)


@pytest.mark.parametrize("row", covering(), ids=lambda row: "-".join(row.values()))
def test_every_combination_composes_and_passes(row):
    words = [f"{group}={option}" for group, option in row.items()]
    made = narrate(*words)
    assert made.problems == []
    problems = check(made.config, made.user_keys).problems
    if row["tts"] == "piper":  # a voice file has to be named: nothing is shipped or fetched
        assert [p.key for p in problems] == ["tts.voice"]
    else:
        assert problems == []
    assert {group: made.config[group].get("name", made.config[group].get("provider")) for group in row} == row


# --- what is refused -----------------------------------------------------------------------------


REFUSED = [
    ("tts=espaek", "tts: 'espaek' is no tts (did you mean espeak?); use one of edge, espeak, jobs, openai, piper"),
    ("profile=", "profile: names nothing; use one of balanced, fast, quality"),
    (
        "profile=fast,quality",
        "profile: 'fast,quality' is more than one profile; add -m to sweep over them, or name one",
    ),
    ("hardware=rtx", "hardware: 'rtx' is no hardware; use one of auto, cpu, gpu_6gb, rtx5060ti_16gb, ryzen6c_12gb"),
    ("audio.channels=two", "audio.channels: 'two' is not a whole number; give it a whole number"),
    ("media.threads=1.5", "media.threads: '1.5' is not a whole number; give it a whole number"),
    ("audio.target_lufs=loud", "audio.target_lufs: 'loud' is not a number; give it a number"),
    ("audio.normalize=maybe", "audio.normalize: 'maybe' is not true or false; give it true or false"),
    (
        "audio.channels=1,2",
        "audio.channels: '1,2' is more than one value; add -m to sweep over them, or quote the value",
    ),
    ("tts.voice=[a", "tts.voice: '[a' cannot be read; put the value in quotes: key='\"…\"'"),
    ("audio.channels=null", "audio.channels: cannot be null; give it a value"),
    ("workers=4", "workers: is a group of settings, not '4'; set what is in it: workers.<name>=4"),
    (
        "workers.encod=2",
        "workers.encod: is no key (did you mean workers.encode?); `reeltune --cfg job` shows every key",
    ),
    ("qqqq=1", "qqqq: is no key; `reeltune --cfg job` shows every key"),
    (
        "audio.sample_rat=1",
        "audio.sample_rat: is no key (did you mean audio.sample_rate?); `reeltune --cfg job` shows every key",
    ),
]


def batches():
    """Cases of different keys are refused together: that all are told at once is the point of it."""
    packed = []
    for word, sentence in REFUSED:
        key = word.partition("=")[0]
        batch = next((batch for batch in packed if key not in batch), None)
        if batch is None:
            packed.append(batch := {})
        batch[key] = (word, sentence)
    return [list(batch.values()) for batch in packed]


@pytest.mark.parametrize("batch", batches(), ids=len)
def test_refusals_name_key_reason_and_mend_all_at_once(batch):
    assert sorted(sentences(*(word for word, _ in batch))) == sorted(sentence for _, sentence in batch)


def test_a_missing_pipeline_is_named_with_its_choices():
    found = compose(["profile=fast"], {})
    assert [p.sentence() for p in found.problems] == [
        f"pipeline: no pipeline is named; add pipeline=<one of {', '.join(OPTIONS['pipeline'])}>"
    ]
    assert found.config is None and found.rest is None


def test_an_unknown_pipeline_is_told_with_what_else_is_wrong():
    found = compose(["pipeline=narate", "audio.channels=two", "tts=x"], {})
    assert [p.key for p in found.problems] == ["pipeline", "tts", "audio.channels"]
    assert "did you mean narrate?" in found.problems[0].reason


def test_every_problem_is_told_at_once_and_the_rest_can_be_looked_at():
    made = narrate("profile=slow", "audio.channels=two", "qqqq=1", "audio.sample_rate=48000", "encoder=x264")
    assert [p.key for p in made.problems] == ["profile", "audio.channels", "qqqq"]
    assert made.config is None
    assert made.rest.audio.sample_rate == 48000
    assert made.rest.encoder.name == "x264"
    assert made.rest.audio.channels == 2


def test_a_problem_from_the_environment_says_so():
    found = narrate("tts=x", env={"encoder=h266": "FFMPEG_ENCODER", "profile.audio.bitrat=1": "OTHER"}).problems
    assert [p.key for p in found] == ["encoder (from FFMPEG_ENCODER)", "tts", "profile.audio.bitrat (from OTHER)"]


# --- conf folders of the user's -------------------------------------------------------------------

TUNED = "name: tuned_x\ntier: fast\npreset: ultrafast\nworkers_max: 3\nworkers: {encode: 2}\naudio: {bitrate: 144k}\n"


def tuned(folder: Path, name="tuned_x", text=TUNED):
    (folder / "profile").mkdir(parents=True)
    (folder / "profile" / f"{name}.yaml").write_text(text)
    return folder


def test_a_profile_in_the_current_folder_is_found(here):
    tuned(here / "conf")
    assert "tuned_x" in options_of("profile")
    config = narrate("profile=tuned_x").config
    assert (config.profile.audio.bitrate, config.profile.workers_max) == ("144k", 3)
    assert config.profile.workers == {"encode": 2}
    assert config.profile.audio.aac_coder == ProfileAudio().aac_coder, "what it leaves out is the schema's default"
    assert "tuned_x" in sentences("profile=tuned_y")[0]


@pytest.mark.parametrize("name", ["my conf", "a,b", "it's", "c=d", "[x]", "grün 😀", "back\\slash"])
def test_a_named_folder_is_found_whatever_it_is_called(here, name):
    tuned(here / name)
    assert narrate("profile=tuned_x", config_dir=name).config.profile.name == "tuned_x"
    assert narrate("profile=tuned_x", config_dir=str(here / name)).config.profile.name == "tuned_x"


def test_a_pipeline_of_the_users_can_be_named(here):
    folder = Path(__file__).parent / "conf"
    made = compose(["pipeline=drill"], {}, str(folder))
    assert made.config.pipeline.name == "drill"
    assert {"drill", "film", "narrate"} <= set(options_of("pipeline", str(folder)))


def test_a_profile_with_a_wrong_key_is_refused_not_ignored(here):
    tuned(here / "conf", text=TUNED + "bitrat: 5k\n")
    made = narrate("profile=tuned_x")
    assert made.config is None
    assert [p.key for p in made.problems] == ["profile/tuned_x.yaml"]
    assert "Key 'bitrat' not in 'ProfileConfig'" in made.problems[0].reason


def test_a_profile_that_is_no_yaml_is_refused(here):
    tuned(here / "conf", text="name: [unclosed\n")
    made = narrate("profile=tuned_x")
    assert made.config is None
    assert [p.key for p in made.problems] == [str(here / "conf" / "profile" / "tuned_x.yaml")]
    assert made.problems[0].reason.startswith("is no YAML at line 2")


def test_the_projects_own_folder_is_not_taken_twice(monkeypatch):
    monkeypatch.chdir(CONF.parent)
    assert narrate().config is not None
    assert os.fspath(CONF) not in str(narrate().config)
