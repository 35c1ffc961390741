"""What a script is: everything wrong is named at once, and what was saved reads the same again."""

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from stages.script.fields import MOTIONS, joined
from stages.script.model import Scene, Script, ScriptError, script_from, speakable
from stages.script.notation import dump, load


def problems_of(value):
    with pytest.raises(ScriptError) as caught:
        script_from(value)
    return list(caught.value.problems)


def test_every_problem_is_named_with_scene_and_field():
    said = problems_of(
        {
            "titel": "x",
            "language": "klingon!",
            "scenes": [
                {"text": "fine"},
                {"text": "a", "motion": "zoomin", "rate": "fast", "seed": -1, "pause_s": "31"},
                {"text": ["a", "b"], "voise": "x"},
                7,
                {"text": "half \ud83d", "captions": {"enabled": "perhaps"}},
            ],
        }
    )
    beginnings = [
        "titel: is no field (did you mean title?); use title",
        "language: 'klingon!' is no language tag; write",
        "scene 2, motion: 'zoomin' is no motion (did you mean zoom_in?); use zoom_in",
        "scene 2, rate: 'fast' is no number; use -50 to 100",
        "scene 2, seed: -1 is out of range; use 0 to 2147483647",
        "scene 2, pause_s: '31' is out of range; use 0 to 30",
        "scene 3, voise: is no field (did you mean voice?)",
        "scene 3, text: is a list, not a text; put it in quotes",
        "scene 4, text: is 7; write a text",
        "scene 5, text: holds half a character",
        "scene 5, captions: enabled is 'perhaps'; use true or false",
    ]
    assert len(said) == len(beginnings)
    for sentence, beginning in zip(said, beginnings, strict=True):
        assert sentence.startswith(beginning)
        assert "\n" not in sentence


def test_a_hundred_problems_are_one_readable_line():
    with pytest.raises(ScriptError) as caught:
        script_from([{"text": "a", "motion": "x"}] * 100)
    assert len(caught.value.problems) == 100
    assert str(caught.value).endswith("· and 88 more")


@pytest.mark.parametrize("value", [None, 7, "text", {}, {"scenes": []}, {"scenes": "a"}, [], {"scenes": {"a": 1}}])
def test_what_is_no_script_is_one_problem(value):
    (said,) = problems_of(value)
    assert "write" in said
    assert "scenes" in said


def test_scenes_with_nothing_to_speak_are_left_out_and_named():
    reading = script_from([{"text": "one"}, {"text": " … "}, None, {"title": "Pause", "prompt": "x"}, "two", "😀"])
    assert [scene.text for scene in reading.script.scenes] == ["one", "two", "😀"]
    assert reading.notes == (
        "scene 2 has nothing to speak and is left out",
        "scene 3 has nothing to speak and is left out",
        "scene 4 (Pause) has nothing to speak and is left out",
    )
    assert "no scene has anything to speak" in problems_of([" ", {"text": "---"}])[0]
    assert speakable("7") and speakable("你") and not speakable("?! – … ¿")


def test_what_the_film_says_holds_for_scenes_that_do_not():
    value = {
        "voice": "en-gb", "rate": 10, "pause": "0.5 s", "captions": "off", "motion": "still",
        "scenes": ["a", {"text": "b", "rate": "-5%", "voice": "es", "caption": "clean", "motion": "Zoom In"}],
    }  # fmt: skip
    first, second = script_from(value).script.scenes
    assert first == Scene("a", voice="en-gb", rate=10, pause_s=0.5, captions={"enabled": False}, motion="still")
    assert second == Scene(
        "b", voice="es", rate=-5, pause_s=0.5, captions={"enabled": True, "style": "clean"}, motion="zoom_in"
    )


def test_zero_is_something_that_was_said():
    scene = script_from({"rate": 10, "scenes": [{"text": "a", "rate": 0, "seed": "0", "pause_s": 0}]}).script.scenes[0]
    assert (scene.rate, scene.seed, scene.pause_s) == (0, 0, 0.0)
    assert scene.as_data() == {"text": "a", "rate": 0, "seed": 0, "pause_s": 0.0}


def test_long_texts_are_kept_whole_and_endless_ones_refused():
    text = "word " * 1000
    assert script_from([text]).script.scenes[0].text == text.strip()
    assert "50001 characters" in problems_of(["x" * 50_001])[0]
    assert "make films of at most 999" in problems_of(["x"] * 1000)[0]


def test_lines_are_joined_as_their_script_wants_it():
    assert joined("one\n two") == "one two"
    assert joined("你好，\n世界") == "你好，世界"
    assert joined("カ\nナ and\nABC") == "カナ and ABC"
    assert joined("안녕\n세상") == "안녕 세상"


def test_a_text_keeps_its_paragraphs_and_loses_control_characters():
    text = script_from(["a\x07b\x1b[1m\r\nc\r\n \r\nd\te {\\an8} \\N"]).script.scenes[0].text
    assert text == "a b [1m c\n\nd e {\\an8} \\N"


# --- YAML --------------------------------------------------------------------------------------


def test_words_stay_words():
    value = load("title: no\nscenes:\n- text: 1.10\n- {text: yes, title: ~}\n- text: 2026-11-20\n- null\n")
    assert value == {
        "title": "no",
        "scenes": [{"text": "1.10"}, {"text": "yes", "title": None}, {"text": "2026-11-20"}, None],
    }


def test_anchors_and_merges_work():
    value = load("scenes:\n- &a {text: a, voice: v}\n- {<<: *a, text: b}\n- {<<: *a, voice: w}\n")
    assert value["scenes"] == [
        {"text": "a", "voice": "v"}, {"text": "b", "voice": "v"}, {"text": "a", "voice": "w"},
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("scenes:\n- text: a\n  text: b\n", "line 3, column 3: 'text' is given twice; begin another scene with a dash"),
        ("scenes:\n- text: a: b\n", "line 2, column 10: mapping values are not allowed here"),
        ("scenes:\n- text: 'open\n", "found unexpected end of stream"),
        ("scenes:\n\t- text: a\n", "line 2, column 1"),
        ("x: !!python/object/apply:os.system [ls]\n", "could not determine a constructor"),
        ("x: *nobody\n", "line 1, column 4: found undefined alias"),
        ("a: \x07\n", "the YAML cannot be read"),
        ("[" * 500, "nested too deeply"),
        ("? [a, b]\n: c\n", "line 1"),
    ],
)
def test_broken_yaml_is_one_sentence_with_its_line(text, words):
    with pytest.raises(ScriptError) as caught:
        load(text)
    assert words in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_bomb_of_aliases_costs_nothing():
    text = "a0: &a0 [x, x]\n" + "".join(f"a{n}: &a{n} [*a{n - 1}, *a{n - 1}]\n" for n in range(1, 60))
    said = problems_of(load(f"{text}scenes: [{{text: *a59}}]\n"))
    assert any(problem.startswith("scene 1, text: is a list") for problem in said)


WORDS = st.text(st.characters(exclude_categories=["Cs"]), max_size=60)
SCENES = st.builds(
    Scene,
    text=WORDS.map(lambda text: f"{text} word"),
    title=WORDS,
    prompt=WORDS,
    image=st.sampled_from(["", "a  b.png", "böse: #1.png", "'", "yes"]),
    voice=st.sampled_from(["", "en-us+f3", "no", "~", "null", "1.10"]),
    rate=st.none() | st.integers(-50, 100),
    seed=st.none() | st.integers(0, 2**31 - 1),
    motion=st.sampled_from(["", *MOTIONS]),
    pause_s=st.none() | st.sampled_from([0.0, 0.5, 30.0, 0.333]),
    language=st.sampled_from(["", "en", "no", "pt-BR"]),
    captions=st.sampled_from(
        [{}, {"enabled": False}, {"enabled": True, "style": "off", "size": 4.5, "max_lines": 2, "colour": "000000"}]
    ),
)


@settings(max_examples=60, deadline=None)
@given(
    st.builds(Script, st.lists(SCENES, min_size=1, max_size=3).map(tuple), WORDS, WORDS, st.sampled_from(["", "no"]))
)
def test_a_saved_script_reads_the_same_again(wild):
    script = script_from(wild.as_data()).script
    text = dump(script)
    assert script_from(load(text)).script == script
    assert script_from(yaml.safe_load(text)).script == script  # whoever else reads it, sees the same
    assert dump(script_from(load(text)).script) == text
