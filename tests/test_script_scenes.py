"""From a script to its scenes: what each scene's item holds, foreseen and made alike."""

from pathlib import Path

import pytest
from script_help import scene_children, script_item, written

from stages.contract import Item, StageError, Work
from stages.registry import stage_class
from stages.script.scenes import Scenes
from stages.script.settings import ScriptSettings
from stages.script.write import WriteScript

STORY = Path(__file__).parents[1] / "docs" / "examples" / "story.md"
SCRIPT = (
    "# Film\nlanguage: de\n\n## A\nEins.\n\n## B\nmotion: still\nvoice: x\nrate: 5\npause: 1\n\nZwei.\n\n---\nDrei."
)


def test_the_registry_finds_them():
    assert stage_class("script.write") is WriteScript
    assert stage_class("script.scenes") is Scenes
    assert Scenes.fans_out


def test_a_scene_holds_what_the_script_says_and_nothing_else(tmp_path):
    first, second, third = scene_children(tmp_path, script_item(tmp_path / "s.md", SCRIPT))
    assert [child.name for child in (first, second, third)] == ["01", "02", "03"]
    assert first.data == {
        "text": "Eins.", "title": "A", "opening": "",
        "prompt": "A. Eins.", "seed": first.data["seed"], "language": "de",
    }  # fmt: skip
    assert second.data == {
        "text": "Zwei.", "title": "B", "opening": "",
        "prompt": "B. Zwei.", "seed": second.data["seed"], "language": "de",
        "motion": "still", "voice": "x", "rate": 5, "pause_s": 1.0,
    }  # fmt: skip
    assert (third.data["title"], third.data["opening"], third.data["prompt"]) == ("", "Drei.", "Drei.")
    assert len({child.data["seed"] for child in (first, second, third)}) == 3
    assert all(0 <= child.data["seed"] < 2**31 for child in (first, second, third))
    assert set().union(*(child.data for child in (first, second, third))) <= set(Scenes.writes)


def test_new_words_under_a_prompt_that_stays_ask_for_no_new_picture(tmp_path):
    script = "# F\n\n## A\nprompt: a lamp\n\n{}\n"
    before, after = (
        scene_children(tmp_path, script_item(tmp_path / f"{n}.md", script.format(text)))[0].data
        for n, text in enumerate(("It burns.", "It burns low."))
    )
    assert before["text"] != after["text"]
    shown = ("title", "opening", "prompt", "seed")  # what a picture is made of
    assert [before[name] for name in shown] == [after[name] for name in shown]


def test_captions_and_the_scenes_own_language(tmp_path):
    item = script_item(
        tmp_path / "s.yaml",
        "language: de\nscenes:\n- {text: a, captions: no, lang: ar, seed: 7}\n- {text: b, captions: clean}",
    )
    first, second = scene_children(tmp_path, item, language="fr")
    assert (first.data["caption"], first.data["language"], first.data["seed"]) == ({"enabled": False}, "ar", 7)
    assert (second.data["caption"], second.data["language"]) == ({"enabled": True, "style": "clean"}, "de")


def test_the_settings_name_the_language_where_the_script_does_not(tmp_path):
    item = script_item(tmp_path / "s.txt", "Salut.")
    assert "language" not in scene_children(tmp_path, item)[0].data
    assert scene_children(tmp_path, item, language="fr")[0].data["language"] == "fr"
    assert written(tmp_path, item).data["language"] == ""
    assert written(tmp_path, item, language="fr").data["language"] == "fr"


def test_a_scene_put_in_between_changes_no_other(tmp_path):
    before = scene_children(tmp_path, script_item(tmp_path / "a.md", SCRIPT))
    longer = SCRIPT.replace("## B", "## New\nNeu.\n\n## B")
    after = scene_children(tmp_path, script_item(tmp_path / "b.md", longer))
    assert [child.data for child in after if child.data["title"] != "New"] == [child.data for child in before]
    edited = scene_children(tmp_path, script_item(tmp_path / "c.md", SCRIPT.replace("Zwei.", "Zwo.")))
    assert [a == b for a, b in zip(before, edited, strict=True)] == [True, False, True]


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("s.md", SCRIPT),
        ("s.txt", "Eins.\n\n---\n\nZwei {\\an8}.\n\n" + "lang " * 1000),
        ("s.yaml", "captions: {style: clean, size: 4}\nscenes:\n- a\n-\n- {text: b, prompt: p, seed: 3}"),
        ("s.md", STORY.read_bytes()),
    ],
)
def test_what_is_foreseen_is_what_is_made(tmp_path, name, content):
    item = script_item(tmp_path / name, content)
    foreseen = Scenes.foresee(ScriptSettings(language="en"), item.data)
    assert foreseen == scene_children(tmp_path, item, language="en")
    assert foreseen


def test_what_cannot_be_foreseen_is_not_guessed(tmp_path):
    item = script_item(tmp_path / "s.md", SCRIPT)
    assert Scenes.foresee(ScriptSettings(provider="openai"), item.data) is None
    assert Scenes.foresee(ScriptSettings(), script_item(tmp_path / "b.md", "## A\nmotion: x\n\nb").data) is None
    assert Scenes.foresee(ScriptSettings(), script_item(tmp_path / "c.md", "## A\n![](no.png) b").data) is None


def test_a_hundred_scenes_keep_their_order(tmp_path):
    children = scene_children(tmp_path, script_item(tmp_path / "s.txt", "\n\n".join(f"Text {n}." for n in range(120))))
    names = [child.name for child in children]
    assert names[0] == "001"
    assert names == sorted(names)
    assert [child.data["text"] for child in children] == [f"Text {n}." for n in range(120)]


def test_the_saved_script_is_a_script(tmp_path):
    item = script_item(tmp_path / "s.md", SCRIPT)
    result = written(tmp_path, item)
    saved = script_item(tmp_path / "saved.yaml", result.files["script"].read_bytes())
    assert scene_children(tmp_path, saved) == scene_children(tmp_path, item)
    assert written(tmp_path, saved).files["script"].read_bytes() == result.files["script"].read_bytes()
    edited = result.files["script"].read_text(encoding="utf-8").replace("Zwei.", "Zwo.")
    assert scene_children(tmp_path, script_item(tmp_path / "e.yaml", edited))[1].data["text"] == "Zwo."
    assert result.data["title"] == "Film"
    assert [scene["text"] for scene in result.data["scenes"]] == ["Eins.", "Zwei.", "Drei."]


def test_a_long_prompt_is_cut_after_a_word_and_notes_are_told(tmp_path):
    item = script_item(tmp_path / "s.md", "## T\n" + "word " * 400 + "\n\n## Empty\nmotion: still\n")
    (child,) = scene_children(tmp_path, item)
    assert len(child.data["prompt"]) <= 601
    assert child.data["prompt"].startswith("T. word")
    assert child.data["prompt"].endswith("word…")
    assert len(child.data["text"]) == 1999
    assert written(tmp_path, item).notes == ("scene 2 (Empty) has nothing to speak and is left out",)


def test_a_script_that_is_none_is_refused_without_the_planner_too(tmp_path):
    item = script_item(tmp_path / "s.md", "## A\nmotion: wobble\n\nx")
    with pytest.raises(StageError, match=r"^s: scene 1, motion: 'wobble' is no motion"):
        written(tmp_path, item)
    with pytest.raises(StageError, match=r"^s: scene 1, image: 'a.png' was not looked for"):
        Scenes(ScriptSettings()).run(Work(Item("s", {"scenes": [{"text": "a", "image": "a.png"}]}), tmp_path))


def test_the_example_is_a_story_of_about_a_minute(tmp_path):
    item = script_item(tmp_path / "story.md", STORY.read_bytes())
    result = written(tmp_path, item)
    children = scene_children(tmp_path, item)
    assert len(children) == 8
    assert result.data["title"]
    assert all(child.data["title"] for child in children)
    assert any("motion" in child.data for child in children)
    assert not item.data["assets"]
    assert not result.notes
    assert 170 <= sum(len(child.data["text"].split()) for child in children) <= 230
