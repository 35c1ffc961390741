"""The stage: what it tells, what a scene may ask for, and what is refused."""

from pathlib import Path

import pytest
from caption_help import captioned, events_of
from font_help import block_font

from stages.caption.settings import OF_A_SCENE, CaptionSettings
from stages.caption.styles import Look, StyleError, looks
from stages.caption.write import WriteCaptions
from stages.contract import StageError
from stages.registry import known_types, stage_class
from stages.settings import range_problems, rules_of

TEXT = "The first sentence is here. It's “quoted”: 50 % more, {\\an8} too!"


def problems(**settings):
    return [problem.sentence() for problem in WriteCaptions.problems(CaptionSettings(**settings), "captions")]


def test_the_stage_is_found_and_knows_its_settings():
    assert "caption.write" in known_types()
    assert stage_class("caption.write") is WriteCaptions
    assert list(range_problems(CaptionSettings())) == [] == problems()
    assert set(OF_A_SCENE) < set(rules_of(CaptionSettings))


def test_cues_hold_the_text_as_it_is_written(tmp_path):
    result = captioned(tmp_path, TEXT)
    assert " ".join(text.replace("\n", " ") for _, _, text in result.data["cues"]) == TEXT
    assert result.data["words_from"] == "provider" and result.notes == ()
    times = [time for start, end, _ in result.data["cues"] for time in (start, end)]
    assert times == sorted(times) and times[0] >= 0
    assert len(events_of(result)) == len(result.data["cues"])


def test_the_same_scene_gives_the_same_file(tmp_path):
    files = [captioned(tmp_path, TEXT).files["captions"].read_bytes() for _ in range(2)]
    assert files[0] == files[1] and b"\r" not in files[0]


def test_fonts_are_told_by_the_name_that_the_file_asks_for(tmp_path):
    result = captioned(tmp_path, "Hello مرحبا", voice="ar")
    file = result.files["captions"].read_text(encoding="utf-8")
    for font in result.data["fonts"]:
        assert font["family"] in file and Path(font["path"]).is_file()
    assert [font["family"] for font in result.data["fonts"]] == ["Manrope ExtraBold", "DejaVu Sans Bold"]


def test_without_word_times_it_listens_and_says_so(tmp_path):
    result = captioned(tmp_path, TEXT, words=[])
    told = captioned(tmp_path, TEXT)
    assert result.data["words_from"] == "aligned" and "laying" in result.notes[0]
    starts = [[cue[0] for cue in r.data["cues"]] for r in (result, told)]
    assert starts[0] == pytest.approx(starts[1], abs=0.05)
    counted = captioned(tmp_path, TEXT, words=[], language="xx")
    assert counted.data["words_from"] == "spread" and "xx" in counted.notes[0]


def test_missing_characters_are_told_with_the_mend(tmp_path):
    result = captioned(tmp_path, "A sign \U00012345 of old", words=[["A", 0, 1]])
    assert "\U00012345 (U+12345)" in result.notes[-1] and "captions.fonts=<folder>" in result.notes[-1]
    assert "\U00012345" not in result.files["captions"].read_text(encoding="utf-8")
    assert "\U00012345" in result.data["cues"][0][2]
    own = tmp_path / "own"
    own.mkdir()
    block_font(own / "old.ttf", "\U00012345", family="Old Signs")
    mended = captioned(tmp_path, "A sign \U00012345 of old", words=[["A", 0, 1]], fonts=str(own))
    assert mended.notes == () and mended.data["fonts"][-1] == {"family": "Old Signs", "path": str(own / "old.ttf")}


def test_captions_that_are_off_leave_an_empty_file_and_cues(tmp_path):
    for result in (captioned(tmp_path, TEXT, caption={"enabled": False}), captioned(tmp_path, TEXT, enabled=False)):
        assert events_of(result) == [] and result.data["fonts"] == []
        assert "[Script Info]" in result.files["captions"].read_text(encoding="utf-8")
        assert len(result.data["cues"]) > 1


def test_a_scene_may_look_otherwise(tmp_path):
    file = captioned(tmp_path, "Hello there", caption={"style": "karaoke", "position": "top", "uppercase": True})
    (event,) = events_of(file)
    assert "\\kf" in event.text and "HELLO" in event.text
    style = next(line for line in file.files["captions"].read_text().splitlines() if line.startswith("Style:"))
    assert style.split(",")[18] == "8", "aligned at the top"


@pytest.mark.parametrize(
    ("caption", "words"),
    [
        ("clean", "caption: {style: clean}"),
        ({"stile": "clean"}, "did you mean style?"),
        ({"style": "clena"}, "did you mean clean?"),
        ({"enabled": "no"}, "is not true or false"),
        ({"max_lines": True}, "is not a whole number"),
        ({"max_lines": 99}, "above 6"),
        ({"colour": "red"}, "is no colour"),
        ({"width": 5}, "caption.width is no setting of a scene"),
    ],
)
def test_what_a_scene_cannot_ask_for(tmp_path, caption, words):
    assert words in WriteCaptions.item_problem(CaptionSettings(), {"text": "x", "caption": caption})
    with pytest.raises(StageError, match="scene: "):
        captioned(tmp_path, "x", tmp_path / "none.wav", [], caption=caption)


def test_settings_that_cannot_be_followed(tmp_path):
    assert "did you mean bold?" in problems(style="blod")[0]
    assert "captions.fonts" in problems(fonts=str(tmp_path))[0]
    assert "captions.active_colour" in problems(active_colour="#12345")[0]
    assert "captions.margin_top" in problems(margin_top=60.0, margin_bottom=40.0)[0]
    assert "captions.styles" in problems(styles=str(tmp_path / "none.yaml"))[0]


@pytest.mark.parametrize(
    ("written", "words"),
    [
        ("mine: {size: 99}", "mine.size: 99 is not a number from 0.5 to 30"),
        ("mine: {sise: 5}", "mine.sise is no property"),
        ("mine: {highlight: all}", "word, sung, none"),
        ("mine: {colour: red}", "is no colour"),
        ("- a\n- b", "is no list of styles"),
        ("mine: {", "is no YAML"),
    ],
)
def test_a_file_of_styles_that_is_none(tmp_path, written, words):
    file = tmp_path / "mine.yaml"
    file.write_text(written, encoding="utf-8")
    with pytest.raises(StyleError, match=words.replace(".", r"\.")):
        looks(str(file))


def test_styles_of_the_users_own(tmp_path):
    file = tmp_path / "mine.yaml"
    file.write_text("loud: {size: 7, colour: '#00FF00'}\n", encoding="utf-8")
    assert isinstance(looks(str(file))["loud"], Look) and looks(str(file))["loud"].outline == looks()["bold"].outline
    assert problems(styles=str(file), style="loud") == []
    before = WriteCaptions.tools(CaptionSettings(styles=str(file), style="loud"))
    file.write_text("loud: {size: 8, colour: '#00FF00'}\n", encoding="utf-8")
    assert WriteCaptions.tools(CaptionSettings(styles=str(file), style="loud")) != before, "part of the cache key"


def test_fonts_of_a_folder_are_part_of_the_key(tmp_path):
    block_font(tmp_path / "a.ttf", "a")
    before = WriteCaptions.tools(CaptionSettings(fonts=str(tmp_path)))
    block_font(tmp_path / "b.ttf", "b")
    assert WriteCaptions.tools(CaptionSettings(fonts=str(tmp_path))) != before


def test_five_thousand_characters(tmp_path):
    text = ("A long scene goes on and on, with words and more words, until it ends. " * 71)[:5000]
    words = [[word, i * 0.3, i * 0.3 + 0.3] for i, word in enumerate(text.split())]
    result = captioned(tmp_path, text, captioned_speech(tmp_path, words[-1][2]), words)
    assert " ".join(text.replace("\n", " ") for _, _, text in result.data["cues"]) == " ".join(text.split())
    assert len(events_of(result)) == len(result.data["cues"]) > 100


def captioned_speech(tmp_path, seconds):
    import wave

    path = tmp_path / "long.wav"
    with wave.open(str(path), "wb") as file:
        file.setparams((1, 2, 8000, 0, "NONE", ""))
        file.writeframes(bytes(2 * int(8000 * seconds)))
    return path
