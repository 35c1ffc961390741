"""Finished files are named after their items, and never leave the output folder."""

import os
from pathlib import Path

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from runner.execute.publish import OutsideError, publish, result_path
from runner.plan.store import Store
from stages import platform

OUT = Path("/out/result")


def named(key, suffix=".m4a", extra=""):
    return str(result_path(OUT, key, suffix, extra).relative_to(OUT))


@pytest.mark.parametrize(
    ("key", "name"),
    [
        ("story/003", "story/003.m4a"),
        ("a", "a.m4a"),
        ("film.v2", "film.v2.m4a"),
        ("a b, (1) [x]='q' \"d\" -z: 100%", "a b, (1) [x]='q' \"d\" -z: 100%.m4a"),
        ("grün 😀/new\nline", "grün 😀/new\nline.m4a"),
        ("-dash/.hidden", "-dash/.hidden.m4a"),
        ("a//b/./c", "a/b/c.m4a"),
        ("a..b/..c/d..", "a..b/..c/d...m4a"),
    ],
)
def test_a_file_has_the_name_of_its_item(key, name):
    assert named(key) == name


def test_a_further_artifact_has_its_own_name_between():
    assert named("story/1", ".wav", "speech") == "story/1.speech.wav"
    assert named("story/1", "") == "story/1"


@pytest.mark.parametrize(
    "key", ["..", "../x", "//x/y", "///x", "a/../../x", "a/..", "/etc/passwd", "//x", "", ".", "./", "x/../y"]
)
def test_a_key_that_leaves_the_folder_is_refused(key):
    with pytest.raises(OutsideError, match="leads out of the output folder; rename the item"):
        result_path(OUT, key, ".m4a")


signs = st.characters(exclude_characters="\0", exclude_categories=["Cs"])


@given(st.text(signs, max_size=40) | st.text("./\\a", max_size=12), st.sampled_from(["", "x"]))
def test_no_key_leads_out(key, extra):
    try:
        path = result_path(OUT, key, ".m4a", extra)
    except OutsideError:
        return
    assert os.path.normpath(path) == str(path)
    assert OUT in path.parents


LONG = [
    "x" * 252, "x" * 255, "x" * 300, "ü" * 200, "😀" * 100, "漢" * 85 + "x", "a" + "é" * 130, "e\u0301" * 120,
    "d/" + "ü" * 500, "ü" * 500 + "/short", "y" * 400 + "/" + "z" * 400,
]  # fmt: skip


@pytest.mark.parametrize("key", LONG, ids=range(len(LONG)))
@pytest.mark.parametrize(("suffix", "extra"), [(".m4a", ""), (".m4a", "speech"), ("", "")])
def test_long_names_are_cut_to_what_a_file_system_takes_and_stay_text(tmp_path, key, suffix, extra):
    path = result_path(tmp_path, key, suffix, extra)
    assert all(len(part.encode()) <= 255 for part in path.relative_to(tmp_path).parts), "encodes: no half character"
    assert path.name.endswith(f".{extra}{suffix}" if extra else suffix)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("x")
    assert path.is_file()


@given(
    st.text(st.characters(exclude_characters="\0/", exclude_categories=["Cs"]), min_size=1, max_size=20),
    st.integers(60, 300),
)
def test_two_long_names_never_become_one(end, repeat):
    """A cut name that is shared would let one item's file replace another's."""
    assume(end not in ("A", "B"))
    names = {named("漢字" * repeat + end + mark) for mark in ("", "A", "B")}
    assert len(names) == 3


def test_a_cut_name_is_the_same_every_time():
    assert named("x" * 400) == named("x" * 400)
    assert named("x" * 251) == "x" * 251 + ".m4a", "what fits is left alone"


# --- giving the name ---------------------------------------------------------------------------------


@pytest.fixture
def artifact(tmp_path):
    made = tmp_path / "made.wav"
    made.write_bytes(b"sound")
    return Store(tmp_path / "cache").adopt(made, "audio/wav")


def test_publishing_links_once_and_then_leaves_it_alone(artifact, tmp_path):
    target = tmp_path / "result" / "story" / "1.wav"
    assert publish(artifact, target) == "link"
    assert target.read_bytes() == b"sound"
    before = target.stat()
    assert publish(artifact, target) == "there"
    assert target.stat().st_ino == before.st_ino


def test_an_older_result_is_replaced(artifact, tmp_path):
    target = tmp_path / "1.wav"
    target.write_bytes(b"older")
    assert publish(artifact, target) == "link"
    assert target.read_bytes() == b"sound"


def test_a_file_that_only_looks_the_same_is_replaced(artifact, tmp_path):
    target = tmp_path / "1.wav"
    target.write_bytes(b"SOUND")
    os.utime(target, ns=(artifact.mtime_ns, artifact.mtime_ns))
    publish(artifact, target)
    assert target.read_bytes() == b"sound"


@pytest.mark.skipif(not platform.LINUX, reason="needs a second file system")
def test_across_file_systems_it_is_copied(artifact):
    memory = Path("/dev/shm")
    if not memory.is_dir() or memory.stat().st_dev == artifact.path.stat().st_dev:
        pytest.skip("there is only one file system here")
    target = memory / f"reeltune-publish-{os.getpid()}.wav"
    try:
        assert publish(artifact, target) == "copy"
        assert target.read_bytes() == b"sound"
    finally:
        target.unlink(missing_ok=True)


def test_no_place_for_it_is_an_error_and_leaves_nothing(artifact, tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(OSError):
        publish(artifact, tmp_path / "file" / "1.wav")
    (tmp_path / "1.wav" / "full").mkdir(parents=True)
    with pytest.raises(OSError):
        publish(artifact, tmp_path / "1.wav")
    assert not list(tmp_path.glob(".part-*"))


def test_what_lies_beside_is_not_what_the_item_is_named_after():
    """Only the last stage that publishes, scores aside, makes what an item is for."""
    from types import SimpleNamespace

    from runner.execute.publish import by_the_way

    def node(name, depth, publish=("file",), optional=False):
        return SimpleNamespace(name=name, depth=depth, publish=publish, optional=optional)

    nodes = [node("write", 0), node("clip", 2, publish=()), node("film", 4), node("score", 5, optional=True)]
    assert by_the_way(SimpleNamespace(nodes={n.name: n for n in nodes})) == {"write"}
    assert by_the_way(SimpleNamespace(nodes={"film": nodes[2]})) == set()
    assert by_the_way(SimpleNamespace(nodes={})) == set()
