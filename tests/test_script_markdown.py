"""Scripts in Markdown and in plain text: what parts scenes, what is an option, and what is spoken."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stages.script.model import ScriptError
from stages.script.parse import parse_script


def scenes_of(text, written="md"):
    return [scene.as_data() for scene in parse_script(text, written).script.scenes]


def spoken(text, written="md"):
    return [scene["text"] for scene in scenes_of(text, written)]


def test_a_whole_script():
    script = parse_script(
        """---
title: "The Lamp: a story"
description: for bed
voice: en-gb
---
# Another name

## One *bold* `title`
prompt: a "quoted": lamp,
  with a second line
Motion: zoom_in
pause: 0.5

It said: "don't", and *meant* it.
Wrapped here.

A second paragraph.

## Two
captions: off

![a cat at dawn](pics/my%20cat.png)

Words.
""",
        "md",
    )
    assert script.notes == ()
    assert script.script.as_data() == {
        "title": "The Lamp: a story",
        "description": "for bed",
        "scenes": [
            {
                "title": "One bold title",
                "text": 'It said: "don\'t", and meant it. Wrapped here.\n\nA second paragraph.',
                "prompt": 'a "quoted": lamp, with a second line',
                "voice": "en-gb",
                "motion": "zoom_in",
                "pause_s": 0.5,
            },
            {
                "title": "Two",
                "text": "Words.",
                "prompt": "a cat at dawn",
                "image": "pics/my cat.png",
                "voice": "en-gb",
                "captions": {"enabled": False},
            },
        ],
    }


def test_options_under_the_title_are_the_films():
    script = parse_script("# Film\nlanguage: de\nvoice: de\n\n## A\nHallo.\n\n## B\nvoice: en\nHello.", "md").script
    assert (script.title, script.language) == ("Film", "de")
    assert [scene.voice for scene in script.scenes] == ["de", "en"]
    assert [scene.text for scene in script.scenes] == ["Hallo.", "Hello."]


def test_one_title_and_several():
    assert parse_script("# Film\n\nFirst.\n\n## Second\nMore.", "md").script.title == "Film"
    assert scenes_of("# Film\n\nFirst.\n\n## Second\nMore.") == [
        {"text": "First."},
        {"title": "Second", "text": "More."},
    ]
    several = parse_script("# One\na\n# Two\nb", "md").script
    assert several.title == ""
    assert [(scene.title, scene.text) for scene in several.scenes] == [("One", "a"), ("Two", "b")]


@pytest.mark.parametrize("rule", ["---", "***", "_ _ _", "-----------"])
def test_rules_part_scenes_wherever_they_stand(rule):
    """Markdown takes a line over dashes for a heading: it would be shown and not spoken."""
    assert spoken(f"one\ntwo\n{rule}\nthree\n\n{rule}\n\nfour") == ["one two", "three", "four"]
    assert spoken(f"{rule}\none\n{rule}\ntwo\n{rule}") == ["one", "two"]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("a *b* **c** _d_ ~~e~~ `f`", "a b c d e f"),
        ("> quoted\n> more", "quoted more"),
        ("- one\n- two\n* three", "one\n\ntwo\n\nthree"),
        ("1984. A bad year.", "1984. A bad year."),
        ("1. First\n2. Second", "1. First 2. Second"),
        ("[Cat]: Hello", "[Cat]: Hello"),
        ("a [link](http://x.y/z) b", "a link b"),
        ("    indented", "indented"),
        ("a <b>bold</b> <br> word, 1 < 2 > 0", "a bold word, 1 < 2 > 0"),
        ("<div>In &amp; out</div>", "In & out"),
        ("Tom &amp; J&eacute;r&ocirc;me", "Tom & Jérôme"),
        ("a <!-- not this --> b", "a b"),
        ("<!--\nnot\nthis\n-->\nb", "b"),
        ("```\nfenced\n```", "fenced"),
        ("{\\an8}up {\\b1}", "{\\an8}up {\\b1}"),
        ("snake_case \\*star\\*", "snake_case *star*"),
        ("12:30: it began", "12:30: it began"),
        ("مرحبا بالعالم 😀", "مرحبا بالعالم 😀"),
        ("你好，\n世界", "你好，世界"),
    ],
)
def test_what_is_spoken(text, said):
    assert spoken(f"## S\n\n{text}") == [said]


def test_a_line_over_equal_signs_is_a_title():
    script = parse_script("Film\n====\n\nwords", "md").script
    assert (script.title, [scene.text for scene in script.scenes]) == ("Film", ["words"])


def test_a_picture_with_spaces_in_its_name():
    (scene,) = scenes_of("## A\nWords ![shows](my cat (1).png) more ![")
    assert (scene["image"], scene["text"]) == ("my cat (1).png", "Words more ![")
    (scene,) = scenes_of("## A\nWords ![shows](my cat.png) more")
    assert (scene["image"], scene["prompt"], scene["text"]) == ("my cat.png", "shows", "Words more")
    (scene,) = scenes_of("## A\nimage: b.png\nprompt: own\n\nWords.")
    assert (scene["image"], scene["prompt"]) == ("b.png", "own")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("## A\n![](a.png)\n![](b.png)\nx\n\n## B\ny", "scene 1, image: there are several"),
        ("# F\n\n## A\nx\n\n---\nimage: a.png\n\n![](b.png) y", "scene 2, image: there are several"),
        ("## A\nvoice: a\nvoice: b\n\nx", "the option 'voice' under 'A' is given twice"),
        ("## A\nmotion: wobble\n\nx", "scene 1, motion: 'wobble' is no motion"),
        ("## A\nx <!-- open\n\n## B\ny", "a comment is opened with <!-- and never closed"),
        ("---\ntitle: a: b\n---\nx", "front matter, line 1, column 9: mapping values are not allowed here"),
        ("---\ntitel: a\n---\nx", "titel: is no field (did you mean title?)"),
        ("## Only a title", "no scene has anything to speak"),
        ("", "the file is empty; write"),
        (" \n\n", "the file is empty; write"),
    ],
)
def test_what_is_wrong_is_said(text, said):
    with pytest.raises(ScriptError) as caught:
        parse_script(text, "md")
    assert said in str(caught.value)
    assert "\n" not in str(caught.value)


def test_notes_name_what_may_not_be_meant():
    notes = parse_script(
        "## A\npromt: a cat\n\nHello.\n\n## Empty\nmotion: still\n\n---\n\nHi.\n\nvoice: x", "md"
    ).notes
    assert notes == (
        "scene 1: 'promt: a cat' is spoken; options such as prompt: stand before the text (did you mean prompt?)",
        "scene 3: 'voice: x' is spoken; options such as prompt: stand before the text",
        "scene 2 (Empty) has nothing to speak and is left out",
    )
    assert parse_script("One.\n\nTwo.", "md").notes == ("no headings or rules part the text: it is one scene",)


def test_a_rule_at_the_top_is_no_front_matter():
    assert spoken("---\nHello there.\n---\nAgain.") == ["Hello there.", "Again."]


def test_paragraphs_of_a_plain_text_are_scenes():
    text = "One\nline.\n\n\n  \n# two {\\an8}\n\n---\n\n" + "long " * 1000
    assert spoken(text, "txt") == ["One line.", "# two {\\an8}", ("long " * 1000).strip()]
    assert parse_script(text, "txt").notes == ("scene 3 has nothing to speak and is left out",)


LINES = st.sampled_from(
    ["# a", "## b", "---", "===", "", "", "voice: x", "- c", "> d", "e\\", "<!-- f -->", "<p>", "![g](h i.png)", "```",
     "*j", "[k]: l", "    m", "|n|o|", "{\\an8}", "...", "title: p", "1. q"]
)  # fmt: skip


@settings(max_examples=150, deadline=None)
@given(st.lists(LINES | st.text(st.characters(exclude_categories=["Cs"]), max_size=20), max_size=12).map("\n".join))
def test_any_text_is_a_script_or_a_sentence(text):
    for written in ("md", "txt", "yaml"):
        try:
            script = parse_script(text, written).script
        except ScriptError as error:
            assert error.problems
            assert "\n" not in str(error)
        else:
            assert all(scene.text == scene.text.strip() != "" for scene in script.scenes)


@settings(max_examples=100, deadline=None)
@given(st.lists(st.sampled_from(["apple", "böse", "word's", "“q”", "猫", "1984.", "end."]), min_size=1, max_size=30))
def test_no_plain_word_is_lost(words):
    text = " ".join(words)
    assert spoken(f"## S\n\n{text}\n---\n{text}") == [text, text]
