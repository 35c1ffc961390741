"""What a user names becomes files, and files become items: each with a key of its own, nothing lost in silence."""

import os
from pathlib import Path

import pytest
from plan_help import index_in

from runner.plan.inputs import named_files, planned_items
from runner.plan.store import digest_of
from stages.contract import Failure, StageError
from stages.drill.make import MakeSettings
from stages.source import Found, Source, Unreadable
from stages.text.lines import LinesSettings, TextLines


class Footage(Source[MakeSettings]):
    """One file is one item; anything in it that says so is a fault."""

    config_class = MakeSettings
    suffixes = (".mp4", ".mkv")

    def read(self, path):
        content = path.read_bytes()
        if content == b"broken":
            raise StageError(Failure.BAD_INPUT, f"{path.name} is broken")
        yield Found(path.stem, {"bytes": len(content)}, {"video": (path, "video/mp4")})


class Anything(Footage):
    """Takes every file."""

    suffixes = ()


@pytest.fixture
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


def touch(folder, *names, content=b"x"):
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(content)


def named(*words, source=Footage):
    files, problems = named_files(words, source)
    assert problems == [], [p.sentence() for p in problems]
    return [str(f) for f in files]


def refused(*words, source=Footage):
    return [p.sentence() for p in named_files(words, source)[1]]


# --- words to files --------------------------------------------------------------------------------


def test_files_come_in_the_order_they_are_named(here):
    touch(here, "b.mp4", "a.mp4", "list.txt")
    assert named("b.mp4", "a.mp4") == ["b.mp4", "a.mp4"]
    assert named(str(here / "a.mp4")) == [str(here / "a.mp4")]


def test_a_file_is_taken_whatever_its_suffix(here):
    touch(here, "clip.webm")
    assert named("clip.webm") == ["clip.webm"]


def test_a_folder_gives_its_kind_of_file_sorted_and_deep(here):
    touch(here, "in/b.mp4", "in/a.MKV", "in/deep/c.mp4", "in/notes.txt", "in/.hidden.mp4", "in/.git/x.mp4")
    assert named("in") == ["in/a.MKV", "in/b.mp4", "in/deep/c.mp4"]
    assert named("in", source=Anything) == ["in/a.MKV", "in/b.mp4", "in/deep/c.mp4", "in/notes.txt"]
    assert named("in", source=TextLines) == ["in/notes.txt"]


def test_a_hidden_folder_that_is_named_is_searched(here):
    touch(here, ".in/a.mp4")
    assert named(".in") == [".in/a.mp4"]
    assert named(str(here / ".in")) == [str(here / ".in" / "a.mp4")]


def test_globs(here):
    touch(here, "1.mp4", "2.mp4", "deep/3.mp4", "x.txt")
    (here / "folder.mp4").mkdir()
    assert named("*.mp4") == ["1.mp4", "2.mp4"]
    assert named("**/*.mp4") == ["1.mp4", "2.mp4", "deep/3.mp4"]
    assert named("[12].mp4") == ["1.mp4", "2.mp4"]


@pytest.mark.parametrize(
    "name", ["[1].mp4", "what?.mp4", "a*b.mp4", "it's, (x)=1 100%.mp4", "-x.mp4", "a\nb.mp4", "😀.mp4"]
)
def test_a_name_that_looks_like_a_glob_is_a_file_first(here, name):
    touch(here, name, "1.mp4")
    assert named(name) == [name]


def test_a_list_file_names_files_from_its_own_folder_on(here):
    touch(here, "in/a.mp4", "in/b c.mp4", "other/d.mp4")
    lines = ["a.mp4", "", "  b c.mp4  ", str(here / "other" / "d.mp4"), "*.mp4"]
    (here / "in" / "list.txt").write_text("\ufeff" + "\r\n".join(lines), encoding="utf-8")
    assert named("in/list.txt") == ["in/a.mp4", "in/b c.mp4", str(here / "other/d.mp4"), "in/a.mp4", "in/b c.mp4"]


def test_only_real_line_ends_part_a_list(here):
    touch(here, "a\u2028b\x0bc.mp4")
    (here / "list.lst").write_text("a\u2028b\x0bc.mp4\n", encoding="utf-8")
    assert named("list.lst") == ["a\u2028b\x0bc.mp4"]


def test_a_text_file_is_no_list_for_those_who_read_text(here):
    touch(here, "list.txt", content=b"missing.mp4")
    assert named("list.txt", source=TextLines) == ["list.txt"]
    assert named("list.txt", source=Anything) == ["list.txt"]


def test_a_lost_line_of_a_list_is_told_and_so_is_every_other(here):
    touch(here, "a.mp4")
    (here / "list.txt").write_text("a.mp4\nb.mp4\nc.mp4\n")
    files, problems = named_files(["list.txt"], Footage)
    assert files == [Path("a.mp4")]
    assert [p.reason for p in problems] == [
        "there is no file 'b.mp4' (did you mean a.mp4?)",
        "there is no file 'c.mp4' (did you mean a.mp4?)",
    ]


def test_a_list_that_names_itself_ends(here):
    touch(here, "a.mp4")
    (here / "one.txt").write_text("two.txt\na.mp4\n")
    (here / "two.txt").write_text("one.txt\n")
    files, problems = named_files(["one.txt"], Footage)
    assert files == [Path("a.mp4")]
    assert [p.sentence() for p in problems] == ["input: the list 'one.txt' names itself; take that line out"]


def test_lists_in_lists(here):
    touch(here, "deep/a.mp4")
    (here / "deep" / "inner.txt").write_text("a.mp4\n")
    (here / "outer.txt").write_text("deep/inner.txt\ndeep/inner.txt\n")
    assert named("outer.txt") == ["deep/a.mp4", "deep/a.mp4"]


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (b"", "input: the list 'list.txt' is empty; write a file name on each line"),
        (b" \n\n", "input: the list 'list.txt' is empty; write a file name on each line"),
        (b"caf\xe9.mp4", "input: the list 'list.txt' is no UTF-8 text; save it as UTF-8"),
    ],
)
def test_a_bad_list_is_told(here, content, sentence):
    touch(here, "list.txt", content=content)
    assert refused("list.txt") == [sentence]


def test_what_is_not_there_is_told_with_what_is_near(here):
    touch(here, "holiday.mp4")
    (here / "empty").mkdir()
    assert refused("holidy.mp4", "empty", "nowhere/x.mp4", "*.mkv") == [
        "input: there is no file 'holidy.mp4' (did you mean holiday.mp4?); "
        "check the name, or write a setting as key=value",
        "input: the folder 'empty' holds no file of its kind (.mp4, .mkv); name another folder",
        "input: there is no file 'nowhere/x.mp4'; check the name, or write a setting as key=value",
        "input: there is no file '*.mkv'; check the name, or write a setting as key=value",
    ]


def test_names_that_cannot_be_are_no_crash(here):
    assert len(refused("x" * 5000, "a\0b", "")) == 3


@pytest.mark.skipif(os.name == "nt", reason="Windows names are text")
def test_a_name_that_is_not_utf8_is_told(here):
    name = os.fsdecode(b"caf\xe9.mp4")
    touch(here, f"in/{name}")
    for word in (f"in/{name}", "in", "in/*"):
        found = refused(word)
        assert len(found) == 1
        assert "is not UTF-8; rename the file" in found[0]
        assert found[0].encode()


# --- files to items ----------------------------------------------------------------------------------


def items(here, files, source):
    with index_in(here / "cache") as index:
        return list(planned_items([Path(f) for f in files], source, index))


def test_one_file_is_one_item_named_after_it(here):
    touch(here, "a.mp4", "deep/b.c.mp4", content=b"sound")
    found = items(here, ["a.mp4", "deep/b.c.mp4"], Footage(MakeSettings()))
    assert [(p.number, p.item.key, p.problem) for p in found] == [(0, "a", ""), (1, "b.c", "")]
    video = found[0].item.artifacts["video"]
    assert (video.path, video.kind, video.size) == ((here / "a.mp4").resolve(), "video/mp4", 5)
    assert video.digest == digest_of(here / "a.mp4")
    assert video.mtime_ns == (here / "a.mp4").stat().st_mtime_ns


def test_files_of_one_name_get_keys_of_their_own(here):
    names = ["1/a.mp4", "2/a.mp4", "3/a.mp4", "4/a-2.mp4", "1/a.mp4", ".mp4"]
    touch(here, *names)
    keys = [p.item.key for p in items(here, names, Footage(MakeSettings()))]
    assert keys == ["a", "a-2", "a-3", "a-2-2", "a-4", ".mp4"]
    assert len(set(keys)) == len(keys)


def test_a_list_holds_many_items_under_its_name(here):
    touch(here, "story.txt", content=b"one\n\ntwo\n")
    touch(here, "2/story.txt", content=b"three\n")
    found = items(here, ["story.txt", "2/story.txt"], TextLines(LinesSettings()))
    assert [(p.item.key, p.item.data["text"]) for p in found] == [
        ("story/0001", "one"), ("story/0003", "two"), ("story-2/0001", "three"),
    ]  # fmt: skip


def test_what_cannot_be_read_is_an_item_with_its_sentence_and_the_others_go_on(here):
    touch(here, "a.mp4", "c.mp4")
    touch(here, "b.mp4", content=b"broken")
    found = items(here, ["a.mp4", "b.mp4", "gone.mp4", "c.mp4"], Footage(MakeSettings()))
    assert [(p.number, p.item.key, p.problem) for p in found] == [
        (0, "a", ""),
        (1, "b", "b.mp4 is broken"),
        (2, "gone", "gone.mp4: No such file or directory; check that it can be read"),
        (3, "c", ""),
    ]


def test_a_broken_row_costs_its_row_alone(here):
    class Rows(Footage):
        lists = True

        def read(self, path):
            yield Found("1", {"text": "a"})
            yield Unreadable("2", "row 2 has no text")
            yield Found("3", {"text": "b"})

    touch(here, "x.csv")
    found = items(here, ["x.csv"], Rows(MakeSettings()))
    assert [(p.item.key, p.problem) for p in found] == [("x/1", ""), ("x/2", "row 2 has no text"), ("x/3", "")]


def test_items_are_read_one_at_a_time(here):
    class Endless(Footage):
        lists = True

        def read(self, path):
            number = 0
            while True:
                number += 1
                yield Found(str(number))

    touch(here, "x.mp4")
    with index_in(here / "cache") as index:
        stream = planned_items([here / "x.mp4"], Endless(MakeSettings()), index)
        assert [next(stream).item.key for _ in range(3)] == ["x/1", "x/2", "x/3"]
