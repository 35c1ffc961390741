"""The second look: ranges, combinations, wiring, inputs and folders, all at once and over both layers."""

from pathlib import Path

import pytest

from runner.config.compose import compose
from runner.config.schema import Root
from runner.execute.launch import Job, RefusedError, check_job
from runner.plan.check import check, origins_of, read_nested

CONF = str(Path(__file__).parent / "conf")


@pytest.fixture(autouse=True)
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "lines.txt").write_text("one\n")
    return tmp_path


def checked(*words, pipeline="narrate"):
    made = compose([f"pipeline={pipeline}", *words], {}, CONF)
    assert made.problems == [], [p.sentence() for p in made.problems]
    return check(made.config, made.user_keys)


def sentences(*words, **more):
    return [problem.sentence() for problem in checked(*words, **more).problems]


def job(*words, files=("lines.txt",)):
    """Both layers, as a run meets them."""
    return check_job(Job(compose(list(words), {}), list(files)))


def refused(*words, files=("lines.txt",)):
    with pytest.raises(RefusedError) as caught:
        job(*words, files=files)
    problems = caught.value.problems
    assert all(p.key and p.reason and p.mend for p in problems)
    assert all("\n" not in p.sentence() for p in problems)
    return problems


# --- what is right -------------------------------------------------------------------------------


def test_a_right_config_is_typed_wired_and_has_settings():
    found = checked("profile=fast", "audio.sample_rate=48000")
    assert found.problems == []
    assert list(found.graph.nodes) == ["speak", "encode", "score"]
    assert found.settings["encode"].bitrate == "128k"
    assert found.settings["encode"].sample_rate == 48000
    assert found.root.batch_size == 50
    assert checked(pipeline="film").problems == []


def test_check_job_finds_the_files(here):
    assert job("pipeline=narrate")[1] == [Path("lines.txt")]
    assert job("pipeline=narrate", "input=lines.txt", files=[])[1] == [Path("lines.txt")]
    assert job("pipeline=narrate", "input=[lines.txt]", files=["lines.txt"])[1] == [Path("lines.txt")] * 2


def test_what_the_user_set_is_known_by_every_name_it_has():
    found = checked(
        "profile.audio.bitrate=96k", "tts.voice=es", "pipeline.stages.encode.settings.threads=1", "audio.channels=1"
    )
    assert set(found.user_set["encode"]) == {"bitrate", "threads", "channels"}
    assert found.user_set["speak"] == ("voice",)
    assert found.user_set["score"] == ()
    assert checked("profile=fast").user_set["encode"] == (), "a profile is a choice, not a value"


def test_origins_lead_from_a_stage_to_the_key_a_person_sets():
    stages = {
        "a": {"settings": "${tts}", "sample": "${quality.sample}"},
        "b": {"settings": {"bitrate": "${profile.audio.bitrate}", "plain": "x", "mixed": "${a}/${b}c"}},
        "c": None,
    }
    assert origins_of(stages) == {
        "pipeline.stages.a.settings": "tts",
        "pipeline.stages.a.sample": "quality.sample",
        "pipeline.stages.b.settings.bitrate": "profile.audio.bitrate",
    }


# --- what is wrong -------------------------------------------------------------------------------


TOGETHER = [
    (["batch_size=0"], "batch_size: 0 is below 1; use 1 to 100000"),
    (["audio.channels=3"], "audio.channels: 3 is above 2; use 1 to 2"),
    (["audio.target_lufs=-100"], "audio.target_lufs: -100.0 LUFS is below -40 LUFS; use -40 to -5 LUFS"),
    (["audio.backend=sox"], "audio.backend: 'sox' is not one of its values; use av, ffmpeg"),
    (["profile.audio.bitrate=9M"], "profile.audio.bitrate: 9000000 is above 512000; use 8000 to 512000"),
    (["profile.audio.bitrate=lots"], "profile.audio.bitrate: 'lots' is no bitrate; write it like 192k or 5M"),
    (["profile.tier=fastest"], "profile.tier: 'fastest' is not one of its values (did you mean fast?); use fast"),
    (["on_oom=retry"], "on_oom: 'retry' is not one of its values; use auto, degrade, fail"),
    (["tts.rate=500"], "tts.rate: 500 % is above 100 %; use -50 to 100 %"),
    (["retry.network=-1"], "retry.network: -1 is below 0; use 0 to 20"),
    (["cache.max_gb=0"], "cache.max_gb: 0.0 GB is below 0.001 GB; use 0.001 to 1000000 GB"),
    (["limits.nice=20"], "limits.nice: 20 is above 19; use 0 to 19"),
    (["adapt.every_s=nan"], "adapt.every_s: nan is no finite number; give it a number"),
    (["adapt.cpu_low=95"], "adapt.cpu_low: is above adapt.cpu_high; keep a gap between them"),
    (["adapt.ram_low=95"], "adapt.ram_low: is above adapt.ram_high; keep a gap between them"),
    (["quality.sample=some"], "quality.sample: 'some' is no number of items; use a number, all or auto"),
    (["quality.sample=-1"], "quality.sample: '-1' is no number of items; use a number, all or auto"),
    (["workers.encode=-1"], "workers.encode: -1 is no number of workers; use 1 to 256, or auto"),
    (["workers.encode=0"], "workers.encode: 0 is no number of workers; use 1 to 256, or auto"),
    (["workers.encode=2.5"], "workers.encode: 2.5 is no number of workers; use 1 to 256, or auto"),
    (["workers.encode=true"], "workers.encode: True is no number of workers; use 1 to 256, or auto"),
    (["workers.encode=many"], "workers.encode: 'many' is no number of workers; use 1 to 256, or auto"),
    (["workers.encode=257"], "workers.encode: 257 is no number of workers; use 1 to 256, or auto"),
    (["+workers.encod=2"], "workers.encod: this pipeline has no stage 'encod'; its stages are speak, encode, score"),
    (["+profile.workers.speak=0"], "profile.workers.speak: 0 is no number of workers; use 1 to 256, or auto"),
    (["+rates.flux=6"], "rates.flux: 6 is no rate; write [grants, seconds], such as [6, 60]"),
    (["+rates.flux=[0,60]"], "rates.flux: [0, 60] is no rate; write [grants, seconds], such as [6, 60]"),
    (["+rates.flux=[6,0]"], "rates.flux: [6, 0] is no rate; write [grants, seconds], such as [6, 60]"),
    (["+rates.flux=[6,60,1]"], "rates.flux: [6, 60, 1] is no rate; write [grants, seconds], such as [6, 60]"),
    (["+rates.flux=[x,60]"], "rates.flux: ['x', 60] is no rate; write [grants, seconds], such as [6, 60]"),
    (["output=/proc/x"], "output: cannot write to /proc/x: No such file or directory; name a folder"),
    (["outputs_dir=lines.txt"], "outputs_dir: cannot write to lines.txt"),
    (["temp_dir=lines.txt/x"], "temp_dir: cannot write to lines.txt/x: "),
    (["cache.dir=/proc/c"], "cache.dir: cannot write to /proc/c"),
]
ALONE = [
    (["+hardware.workers.speak=0"], "hardware.workers.speak: 0 is no number of workers; use 1 to 256, or auto"),
    (
        ["hardware.detect=false", "hardware.cores_physical=4", "hardware.ram_mb=4000"],
        "hardware.cpu_threads: is not stated while hardware.detect=false; set hardware.cpu_threads=<number>",
    ),
    (
        ["encoder=x264", "encoder.quality=60"],
        "encoder.quality: 60 is outside what x264 takes; use 0 (best) to 51 (worst)",
    ),
    (
        ["encoder=x264", "encoder.bitrate=5M"],
        "encoder.bitrate: x264 takes a quality or a bitrate, not both; set encoder.quality=null to",
    ),
    (
        ["pipeline.source.type=text.line"],
        "pipeline.source.type: 'text.line' names no stage (did you mean text.lines?); name a source",
    ),
    (
        ["pipeline.source.type=drill.step"],
        "pipeline.source.type: 'drill.step' holds no source; name a source, such as text.lines",
    ),
    (
        ["+pipeline.source.settings.colum=x"],
        "pipeline.source.settings.colum: is no setting here (did you mean column?); use column",
    ),
    (["pipeline.source.settings=x"], "pipeline.source.settings: 'x' is no list of settings; write `name: value`"),
    (["pipeline.stages.encode.type=audio.encod"], "pipeline.stages.encode.type: 'audio.encod' names no stage"),
    (
        ["+pipeline.stages.encode.settings.bitrat=1k"],
        "pipeline.stages.encode.settings.bitrat: is no setting here (did you mean bitrate?)",
    ),
    (
        ["pipeline.stages.encode.settings.bitrate=x"],
        "pipeline.stages.encode.settings.bitrate: 'x' is no bitrate; write it like 192k or 5M",
    ),
    (["pipeline.stages.encode.from=input"], "pipeline.stages.encode.from: audio.encode needs the artifact 'speech'"),
    (
        ["~pipeline.stages.speak", "~workers.speak"],
        "pipeline.stages.encode.from: no stage 'speak'; use input, encode, score",
    ),
    (["audio.sample_rate='${nothing.here}'"], "pipeline.stages.encode.settings.sample_rate: Interpolation key"),
    (["tts.voice=nobody"], "tts.voice: "),
]


def batches():
    """Cases that do not touch the same key are refused together: that all are told at once is the point of it."""
    packed = []
    for words, sentence in TOGETHER:
        key = words[0].partition("=")[0]
        batch = next((batch for batch in packed if key not in batch), None)
        if batch is None:
            packed.append(batch := {})
        batch[key] = (words[0], sentence)
    return [list(batch.values()) for batch in packed]


@pytest.mark.parametrize("batch", batches(), ids=len)
def test_refusals_name_key_reason_and_mend_all_at_once(batch):
    found = sentences(*(word for word, _ in batch))
    for _, sentence in batch:
        assert [said[: len(sentence)] for said in found].count(sentence) == 1, (sentence, found)
    assert len(found) == len(batch), "each thing is told once"


@pytest.mark.parametrize(("words", "sentence"), ALONE)
def test_what_spoils_more_than_itself_is_told_too(words, sentence):
    found = sentences(*words)
    assert [said[: len(sentence)] for said in found].count(sentence) == 1, found


def test_a_stage_that_misses_several_things_is_told_all_of_them():
    found = sentences("pipeline.stages.clip.from=scenes", pipeline="film")
    assert [said.partition(";")[0] for said in found] == [
        "pipeline.stages.clip.from: drill.pair needs the field 'left'",
        "pipeline.stages.clip.from: drill.pair needs the field 'right'",
    ]


def test_a_rate_that_nobody_set_is_told():
    word = "+pipeline.stages.first.settings.rate=flux"
    assert sentences(word, pipeline="drill") == [
        "rates.flux: is not set, and the stage first draws from it; add +rates.flux=[6,60]"
    ]
    assert sentences(word, "+rates.flux=[6,60]", pipeline="drill") == []


def test_many_problems_of_both_layers_are_told_at_once():
    found = refused(
        "pipeline=narrate", "tts=espaek", "audio.channels=two", "nonsense=1", "audio.sample_rate=3",
        "workers.encode=-1",
        "output=/proc/x", "adapt.cpu_low=99", "encoder=x264", "encoder.preset=p4", files=["missing.txt", "lines.txt"],
    )  # fmt: skip
    assert {p.key for p in found} == {
        "tts", "audio.channels", "nonsense", "workers.encode", "audio.sample_rate", "output", "adapt.cpu_low",
        "encoder.preset", "input",
    }  # fmt: skip
    assert len(found) == 9


def test_two_problems_of_one_layer():
    assert [p.key for p in refused("pipeline=narrate", "tts=x", "profile=y")] == ["tts", "profile"]
    assert [p.key for p in refused("pipeline=narrate", "batch_size=0", "limits.nice=99")] == [
        "batch_size",
        "limits.nice",
    ]


def test_no_pipeline_no_input_and_no_file():
    assert [p.key for p in refused("profile=fast")] == ["pipeline"]
    assert [p.sentence() for p in refused("pipeline=narrate", files=[])] == [
        "input: nothing to work on was named; add a file, or input=<file, folder or list>"
    ]
    found = refused("pipeline=narrate", "input=line.txt", files=["nope.csv"])
    assert [p.sentence() for p in found] == [
        "input: there is no file 'nope.csv'; check the name, or write a setting as key=value",
        "input: there is no file 'line.txt' (did you mean lines.txt?); check the name, or write a setting as key=value",
    ]


def test_checking_leaves_nothing_behind(here):
    refused("pipeline=narrate", "audio.channels=3", "output=out")
    assert [p.name for p in here.iterdir()] == ["lines.txt"]


def test_nested_settings_are_typed_with_their_whole_key():
    root, problems = read_nested(Root, {"audio": {"channels": "two"}, "adapt": {"every": 1}}, "")
    assert [p.key for p in problems] == ["audio.channels", "adapt.every"]
    assert (root.batch_size, root.audio.channels) == (50, 2), "the defaults stand in"
    root, problems = read_nested(Root, {"profile": {"name": "x", "audio": {"bitrate": "64k"}}}, "")
    assert problems == []
    assert root.profile.audio.bitrate == "64k"
    assert [p.key for p in read_nested(Root, {"bach_size": 3}, "")[1]] == ["bach_size"]


def test_a_group_taken_away_is_missed(here):
    assert any(said.startswith("profile.name: is not set") for said in sentences("pipeline=narrate", "~profile"))


# --- encodes at once -----------------------------------------------------------------------------


def test_more_encodes_at_once_than_a_hardware_encoder_is_meant_for_are_refused_unless_asked_for():
    words = ("encoder=nvenc_h264", "workers.encode=3")
    said = sentences(*words, pipeline="transcode")
    assert said == [
        "workers.encode: 3 encodes at once on nvenc_h264, which is meant for 2; "
        "lower it, or set encoder.sessions=3 if that is meant"
    ]
    assert sentences(*words, "encoder.sessions=3", pipeline="transcode") == []
    assert sentences("encoder=nvenc_h264", "workers.encode=2", "workers.score=5", pipeline="transcode") == []
    assert sentences("encoder=x264", "workers.encode=3", pipeline="transcode") == []
