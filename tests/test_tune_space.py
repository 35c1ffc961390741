"""Search files: what they say, what the machine and the stages add, and every mistake with its mend."""

import random
import shutil

import pytest

from runner.config.compose import compose
from runner.tune.declared import declared_keys, declared_of_encoder
from runner.tune.space import Goal, Key, Point, SearchSpace, overrides
from runner.tune.spacefile import CONF, Sizes, SpaceError, known_spaces, read_space

TWO, SIX = Sizes(cores=2, threads=2), Sizes(cores=6, threads=12)
SMALL = """
pipeline: transcode
objective: {metric: throughput.fps, goal: max}
quality: {metric: quality.vmaf_mean, floor: 93}
also: [size.bytes]
space:
  encoder: [x264, svtav1]
  encoder.preset: {by: encoder, x264: [ultrafast, fast], svtav1: declared}
  encoder.quality: {by: encoder, x264: {low: 16, high: 22, step: 2}}
  encoder.threads: [1, cores/2, cores, 12]
sampler: tpe
trials: 7
"""


def written(folder, text, name="mine.yaml"):
    file = folder / name
    file.write_text(text, encoding="utf-8")
    return file


@pytest.fixture
def small(tmp_path):
    return lambda sizes=TWO, **changes: read_space(written(tmp_path, SMALL), sizes, **changes)


@pytest.mark.parametrize("name", sorted(known_spaces()))
def test_every_search_of_ours_reads_composes_and_passes_the_schema(name):
    for sizes in (TWO, SIX):
        space = read_space(name, sizes)
        assert space.name == name and 0 < space.total <= space.size
        point = random.Random(name).choice(space.grid())
        made = compose([f"pipeline={space.pipeline}", *overrides(point)], {})
        assert made.problems == [], (name, point)


def test_the_small_grid_for_proofs_stays_small():
    assert max(read_space("encoders_small", sizes).size for sizes in (TWO, SIX)) <= 48


def test_words_of_the_machine_become_numbers_once_each_and_in_order(small):
    threads = {sizes: next(k.values for k in small(sizes).keys if k.name == "encoder.threads") for sizes in (TWO, SIX)}
    assert threads == {TWO: (1, 2, 12), SIX: (1, 3, 6, 12)}


def test_a_key_by_another_takes_that_ones_values_or_has_no_part(small):
    space = small()
    by_encoder = {encoder: set() for encoder in ("x264", "svtav1")}
    for point in space.grid():
        chosen = point.as_dict()
        by_encoder[chosen["encoder"]].add((chosen["encoder.preset"], chosen.get("encoder.quality")))
    assert by_encoder["x264"] == {(p, q) for p in ("ultrafast", "fast") for q in (16, 18, 20, 22)}
    presets = {str(n) for n in range(5, 14)}
    assert by_encoder["svtav1"] == {(preset, None) for preset in presets}
    assert space.size == (2 * 4 + len(presets)) * 3 == len({p.digest for p in space.grid()})
    assert space.grid() == small().grid(), "the order never changes"


def test_a_point_has_one_name_in_any_order_and_spelling():
    one, other = Point((("a", 18), ("b", "x"))), Point((("b", "x"), ("a", 18.0)))
    assert one.digest == other.digest == "5541525111664b75"
    assert len({Point((("a", value),)).digest for value in (1, True, "1", 1.5)}) == 4


def test_a_point_as_words_of_the_command_line_means_what_it_says():
    point = Point((("encoder.preset", "8"), ("encoder", "svtav1"), ("encoder.quality", 30.0), ("video.salvage", True)))
    words = overrides(point)
    assert words[0] == "encoder=svtav1", "a group is chosen before its keys are set"
    made = compose(["pipeline=transcode", *words], {})
    assert made.problems == []
    assert (made.config.encoder.preset, made.config.encoder.quality) == ("8", 30)
    assert (made.config.encoder.codec, made.config.video.salvage) == ("libsvtav1", True)


@pytest.mark.parametrize("text", ["a b, [c]", "it's", "${encoder}", "true", "null", "16:9", "192k", "ü", "x" * 90, ""])
def test_words_that_mean_something_to_hydra_arrive_as_they_are(text):
    made = compose(["pipeline=transcode", *overrides(Point((("encoder.tune", text),)))], {})
    assert made.problems == [] and made.config.encoder.tune == text


def test_totals(small):
    key = Key("n", tuple(range(100)), ordered=True)
    goal = Goal("throughput.fps")
    assert small().total == 7
    assert SearchSpace("a", "p", goal, (key,)).total == 30
    assert SearchSpace("a", "p", goal, (Key("n", tuple(range(20))),)).total == 12
    assert SearchSpace("a", "p", goal, (Key("n", (1, 2)),)).total == 2


def test_only_points_of_the_space_are_taken(small):
    space = small()
    point = space.grid()[5]
    assert space.point(dict(reversed(point.values))) == point
    with pytest.raises(ValueError, match="encoder=x265 is no point"):
        space.point({"encoder": "x265"})


def test_stages_say_what_can_be_searched():
    stages = {
        "encode": {"type": "audio.encode", "settings": {"bitrate": "${profile.audio.bitrate}", "backend": "av"}},
        "speak": {"type": "speech.speak", "settings": "${tts}"},
    }
    found = declared_keys(stages)
    assert found["profile.audio.bitrate"] == ("96k", "128k", "192k", "256k")
    assert "audio.backend" not in found, "it is not taken from the config"
    assert found["tts.begin"] == (4, 8, 16, 32)
    assert {"workers.encode", "workers.speak"} <= set(found)


def test_encoders_say_theirs_fastest_first():
    assert declared_of_encoder("encoder.preset", "x264")[0] == "ultrafast"
    assert declared_of_encoder("encoder.quality", "x264") == tuple(range(13, 32, 2))
    assert declared_of_encoder("encoder.gop", "x264") == declared_of_encoder("encoder.preset", "none") == ()


def test_searches_of_the_current_folder_and_of_another_are_found(tmp_path, monkeypatch):
    (tmp_path / "conf" / "search").mkdir(parents=True)
    (tmp_path / "more" / "search").mkdir(parents=True)
    written(tmp_path / "conf" / "search", SMALL, "here.yaml")
    written(tmp_path / "more" / "search", SMALL, "there.yaml")
    monkeypatch.chdir(tmp_path)
    assert {"here", "there", "transcode"} <= set(known_spaces(tmp_path / "more"))
    assert read_space("there", TWO, folder=tmp_path / "more").name == "there"


def test_a_pipeline_of_ones_own_declares_too(tmp_path):
    (tmp_path / "pipeline").mkdir()
    shutil.copy(CONF / "pipeline" / "narrate.yaml", tmp_path / "pipeline" / "mine.yaml")
    text = "pipeline: mine\nobjective: throughput.items_per_s\nspace: {workers.encode: declared}\n"
    assert read_space(written(tmp_path, text), SIX, folder=tmp_path).keys[0].values == (1, 2, 3, 6, 12)


MISTAKES = [
    ("pipeline: transcode", "", "pipeline: is not named; add pipeline: <its name>"),
    ("metric: throughput.fps, ", "", "objective: names no metric; write objective:"),
    ("goal: max", "goal: most", "objective.goal: 'most' is no goal; use max or min"),
    ("floor: 93", "floor: high", "quality.floor: 'high' is no number; give the least"),
    ("sampler: tpe", "sampler: tqe", "sampler: 'tqe' is no sampler (did you mean tpe?); use model"),
    ("trials: 7", "trials: -1", "trials: -1 is no number of trials; give it a whole number"),
    ("trials: 7", "trails: 7", "trails: is no key (did you mean trials?); use pipeline"),
    ("{by: encoder, x264: [", "{by: codec, x264: [", "encoder.preset.by: 'codec' is no key above it"),
    (
        "svtav1: declared",
        "svtav2: [5]",
        "encoder.preset.svtav2: is no value of encoder (did you mean svtav1?); use svt",
    ),
    ("low: 16, high: 22", "low: 22, high: 16", "encoder.quality.x264: 22 to 16 by 2 is no range; low below high"),
    ("step: 2", "steps: 2", "encoder.quality.x264: {'low': 16, 'high': 22, 'steps': 2} is no range; write {low"),
    (
        "[1, cores/2, cores, 12]",
        "declared",
        "encoder.threads: is declared by no stage of the pipeline; list its values",
    ),
    ("[1, cores/2, cores, 12]", "all", "encoder.threads: 'all' is neither values nor a range; write [a, b]"),
    ("[1, cores/2, cores, 12]", "[]", "encoder.threads: has no values; name at least one"),
    ("12]", ".nan]", "encoder.threads: nan is no value; write a word, a number"),
    ("trials: 7", "repeats: {most: 0}", "repeats.most: 0 is no number of repeats; give it 1 to 100"),
    ("trials: 7", "samples: {seconds: [9, 4]}", "samples.seconds: [9, 4] does not grow; list larger"),
    ("trials: 7", "samples: {keep: 2}", "samples.keep: 2 is no share; give it a number such as 0.34"),
    ("trials: 7", "monotone: {encoder.presets: {speed: falls}}", "monotone.encoder.presets: is not searched (did you"),
    ("trials: 7", "words: [cache.enabled]", "words: 'cache.enabled' is no setting; write them like"),
    ("trials: 7", "monotone: {encoder: {speed: drops}}", "monotone.encoder: {'speed': 'drops'} says nothing; write"),
]


@pytest.mark.parametrize(("old", "new", "said"), MISTAKES)
def test_a_mistake_is_one_sentence_with_key_and_mend(tmp_path, old, new, said):
    assert old in SMALL
    with pytest.raises(SpaceError) as caught:
        read_space(written(tmp_path, SMALL.replace(old, new)), TWO)
    sentences = [problem.sentence() for problem in caught.value.problems]
    assert [s for s in sentences if s.startswith(f"mine.yaml: {said}")], sentences
    assert all("\n" not in s for s in sentences)


def test_all_mistakes_are_told_at_once(tmp_path):
    text = SMALL.replace("tpe", "tqe").replace("floor: 93", "floor: high").replace("trials: 7", "trials: many")
    with pytest.raises(SpaceError) as caught:
        read_space(written(tmp_path, text), TWO)
    assert len(caught.value.problems) == 3


@pytest.mark.parametrize(
    ("text", "said"), [("a: [", "cannot be read"), ("- a", "holds no keys"), ("", "holds no keys")]
)
def test_what_is_no_search_file_is_told(tmp_path, text, said):
    with pytest.raises(SpaceError, match=said):
        read_space(written(tmp_path, text), TWO)


def test_a_search_there_is_not_is_told_with_those_there_are():
    with pytest.raises(SpaceError, match=r"'transcod' is no search \(did you mean transcode\?\); use .*narrate"):
        read_space("transcod", TWO)
