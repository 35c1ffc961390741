"""Script files: what is read of them, and which pictures they may name."""

import hashlib

import pytest
from script_help import scene_children, script_item, written

from runner.plan.index import Index
from runner.plan.inputs import named_files, planned_items
from stages.contract import Failure, StageError
from stages.registry import source_class
from stages.script.files import ScriptFiles
from stages.script.settings import ScriptSettings
from stages.script.write import WriteScript


def problem_of(item, **settings):
    return WriteScript.item_problem(ScriptSettings(**settings), item.data)


def test_the_registry_finds_it():
    assert source_class("script.files") is ScriptFiles
    assert not ScriptFiles.lists


@pytest.mark.parametrize(
    ("name", "written_in", "content"),
    [
        ("a.txt", "txt", "Eins.\n\nZwei."),
        ("it's (2), part=1.md", "md", "## A\nEins.\n\n## B\nZwei."),
        ("猫.markdown", "md", "Eins.\n\n---\n\nZwei."),
        ("a.yaml", "yaml", "scenes:\n- Eins.\n- Zwei.\n"),
        ("a.YML", "yaml", "- text: Eins.\n- text: Zwei.\n"),
    ],
)
@pytest.mark.parametrize("changed", ["{}", "\ufeff{}", "{}\r\n"])
def test_each_kind_of_file_gives_its_scenes(tmp_path, name, written_in, content, changed):
    text = changed.format(content)
    item = script_item(tmp_path / name, text.replace("\n", "\r\n") if "\r" in changed else text)
    assert item.data["source_format"] == written_in
    assert item.data["folder"] == str(tmp_path)
    assert not item.data["source_text"].startswith("\ufeff")
    assert "\r" not in item.data["source_text"]
    assert problem_of(item) is None
    assert [child.data["text"] for child in scene_children(tmp_path, item)] == ["Eins.", "Zwei."]


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"fine\ncaf\xe9", "a.md, line 2: byte 9 is not UTF-8; save the file as UTF-8"),
        ("text".encode("utf-16"), "is UTF-16 or no text at all"),
        (b"one good line\ntwo with \0 in it\n", "a.md, line 2: holds a NUL byte; delete it"),
        (b"x" * 1_000_001, "is larger than 1 MB, no script"),
    ],
)
def test_what_is_no_text_is_one_sentence(tmp_path, content, words):
    with pytest.raises(StageError) as caught:
        script_item(tmp_path / "a.md", content)
    assert caught.value.failure is Failure.BAD_INPUT
    assert words in caught.value.sentence
    assert str(tmp_path / "a.md") in caught.value.sentence


def test_a_bad_script_is_one_failed_item_and_the_others_go_on(tmp_path):
    for name, content in {
        "a.md": b"## A\nfine",
        "b.md": b"## A\nmotion: wobble\n\nx",
        "c.txt": b"\xff\xff",
        "d.yaml": b"scenes: [",
        "e.txt": b"",
        "f.txt": b"fine too",
        "notes.pdf": b"no script",
    }.items():
        (tmp_path / name).write_bytes(content)
    files, problems = named_files([str(tmp_path)], ScriptFiles)
    assert [file.name for file in files] == ["a.md", "b.md", "c.txt", "d.yaml", "e.txt", "f.txt"]
    assert not problems
    index = Index(tmp_path / "index.db")
    planned = list(planned_items(files, ScriptFiles(ScriptSettings()), index))
    said = {p.item.key: p.problem or problem_of(p.item) for p in planned}
    assert {key for key, problem in said.items() if problem is None} == {"a", "f"}
    assert said["b"].startswith("scene 1, motion: 'wobble' is no motion")
    assert "not UTF-8" in said["c"]
    assert "line 1" in said["d"]
    assert "the file is empty" in said["e"]


# --- pictures ----------------------------------------------------------------------------------


@pytest.fixture
def folder(tmp_path):
    inside = tmp_path / "scripts"
    (inside / "pics").mkdir(parents=True)
    (inside / "pics" / "my cat's.png").write_bytes(b"cat")
    (tmp_path / "secret.png").write_bytes(b"secret")
    (inside / "link.png").symlink_to(inside / "pics" / "my cat's.png")
    (inside / "out.png").symlink_to(tmp_path / "secret.png")
    (inside / "round.png").symlink_to(inside / "round.png")
    return inside


@pytest.mark.parametrize(
    "name",
    ["pics/my cat's.png", "./pics/../pics/my cat's.png", "link.png", "{}/pics/my cat's.png", "../scripts/link.png"],
)
def test_a_picture_inside_the_folder_is_found_by_whatever_leads_there(folder, name):
    name = name.format(folder)
    item = script_item(folder / "s.yaml", f'- text: a\n  image: "{name}"\n- b\n')
    assert item.data["assets"] == {
        name: {"path": str(folder / "pics" / "my cat's.png"), "digest": hashlib.sha256(b"cat").hexdigest()}
    }
    assert problem_of(item) is None
    first, second = scene_children(folder, item)
    assert first.data["image"] == item.data["assets"][name]
    assert "image" not in second.data


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("pics/my cats.png", "is not in {} (did you mean my cat's.png?); put the picture there"),
        ("nowhere/cat.png", "is not in {}; put the picture there"),
        ("../secret.png", "lies outside the folder {}; put the picture there"),
        ("{}/../secret.png", "lies outside the folder {}"),
        ("/etc/hostname", "lies outside the folder {}"),
        ("out.png", "lies outside the folder {}"),
        ("round.png", "cannot be read"),
        ("pics", "is no file; name a picture"),
        ("x" * 300, "cannot be read (File name too long)"),
        ("https://example.org/cat.png", "is an address, not a file; download the picture"),
        ("file:///etc/hostname", "is an address, not a file"),
    ],
)
def test_a_picture_that_may_not_be_had_is_one_sentence(folder, name, words):
    name = name.format(folder)
    item = script_item(folder / "s.md", f"## A\nimage: {name}\n\nfine\n\n## B\nfine")
    said = problem_of(item)
    assert said.startswith(f"scene 1, image: {name!r} ")
    assert words.format(folder) in said
    assert "\n" not in said
    with pytest.raises(StageError) as caught:
        scene_children(folder, item)
    assert caught.value.sentence == f"s: {said}"
    assert caught.value.failure is Failure.BAD_INPUT


def test_a_pipe_is_not_waited_for(folder):
    import os

    os.mkfifo(folder / "pipe.png")
    item = script_item(folder / "s.md", "## A\n![](pipe.png) text")
    assert "is no file" in problem_of(item)


def test_a_changed_picture_changes_its_scene_alone(folder):
    text = "## A\n![](link.png) a\n\n## B\nb"
    before = scene_children(folder, script_item(folder / "s.md", text))
    (folder / "pics" / "my cat's.png").write_bytes(b"another cat")
    after = scene_children(folder, script_item(folder / "s.md", text))
    assert before[1] == after[1]
    assert before[0].data["image"]["digest"] != after[0].data["image"]["digest"]


def test_a_saved_script_finds_its_pictures_by_the_folder_named(folder, tmp_path):
    item = script_item(folder / "s.md", "# Film\n\n## A\n![](link.png) a")
    saved = written(tmp_path, item).files["script"].read_text(encoding="utf-8")
    assert "script.folder=" in saved
    elsewhere = tmp_path / "result"
    elsewhere.mkdir()
    assert "is not in" in problem_of(script_item(elsewhere / "s.yaml", saved))
    again = script_item(elsewhere / "s.yaml", saved, folder=str(folder))
    assert problem_of(again) is None
    assert scene_children(tmp_path, again) == scene_children(tmp_path, item)
