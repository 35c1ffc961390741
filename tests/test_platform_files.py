"""Durable files: what survives a crash, appears whole, and never replaces what it must not."""

import errno
import os
from pathlib import Path

import pytest
from platform_help import linux, said

from stages.platform.files import can_write, link_or_copy, move_durably, point_latest, write_atomic


@pytest.mark.parametrize("durable", [False, True])
def test_write_atomic_writes_texts_and_bytes(tmp_path, durable):
    write_atomic(tmp_path / "a", "grün\n", durable=durable)
    assert (tmp_path / "a").read_bytes() == "grün\n".encode()
    write_atomic(tmp_path / "a", b"\0\1", durable=durable)
    assert (tmp_path / "a").read_bytes() == b"\0\1"
    assert [f.name for f in tmp_path.iterdir()] == ["a"]


def test_write_atomic_leaves_the_old_file_when_the_disk_is_full(tmp_path):
    """A real full disk: a file size limit stops the write in the middle."""
    (tmp_path / "state.json").write_text("old")
    code = (
        "import resource, signal, pathlib; signal.signal(signal.SIGXFSZ, signal.SIG_IGN);"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000));"
        "from stages.platform.files import write_atomic\n"
        f"try: write_atomic(pathlib.Path({str(tmp_path / 'state.json')!r}), 'x' * 5000)\n"
        "except OSError as error: print(error.errno)"
    )
    assert said(code) == str(errno.EFBIG)
    assert (tmp_path / "state.json").read_text() == "old"
    assert [f.name for f in tmp_path.iterdir()] == ["state.json"]


def test_write_atomic_cleans_up_when_the_rename_fails(tmp_path):
    (tmp_path / "folder" / "full").mkdir(parents=True)
    with pytest.raises(OSError):
        write_atomic(tmp_path / "folder", "text")
    assert [f.name for f in tmp_path.iterdir()] == ["folder"]


def test_write_atomic_takes_the_longest_name(tmp_path):
    name = "ü" * 127 + "x"
    write_atomic(tmp_path / name, "text")
    assert (tmp_path / name).read_text() == "text"


def test_a_link_shares_the_content_and_says_so(tmp_path):
    source, target = tmp_path / "a", tmp_path / "deep" / "b"
    source.write_text("one")
    assert link_or_copy(source, target) == "link"
    assert target.samefile(source)
    source.unlink()
    assert target.read_text() == "one"


def test_a_copy_does_not_share_and_replaces_what_was_there(tmp_path):
    source, target = tmp_path / "a", tmp_path / "b"
    source.write_text("one")
    target.write_text("old")
    assert link_or_copy(source, target, link=False) == "copy"
    assert not target.samefile(source)
    assert target.read_text() == "one"
    assert {f.name for f in tmp_path.iterdir()} == {"a", "b"}


def other_file_system(tmp_path):
    memory = Path("/dev/shm")
    if not memory.is_dir() or memory.stat().st_dev == tmp_path.stat().st_dev:
        pytest.skip("there is only one file system here")
    return memory / f"reeltune-test-{os.getpid()}"


def test_across_file_systems_a_file_is_copied(tmp_path):
    source = other_file_system(tmp_path)
    try:
        source.write_text("one")
        assert link_or_copy(source, tmp_path / "a") == "copy"
        move_durably(source, tmp_path / "b")
        assert not source.exists()
        assert (tmp_path / "a").read_text() == (tmp_path / "b").read_text() == "one"
        assert {f.name for f in tmp_path.iterdir()} == {"a", "b"}
    finally:
        source.unlink(missing_ok=True)


def test_a_move_makes_its_folder(tmp_path):
    (tmp_path / "a").write_text("one")
    move_durably(tmp_path / "a", tmp_path / "x" / "y" / "b")
    assert (tmp_path / "x" / "y" / "b").read_text() == "one"
    assert not (tmp_path / "a").exists()


def test_latest_follows(tmp_path):
    for name in ("one", "two"):
        (tmp_path / "runs" / name).mkdir(parents=True)
        point_latest(tmp_path / "latest", tmp_path / "runs" / name)
        assert (tmp_path / "latest").resolve() == (tmp_path / "runs" / name).resolve()
    assert not (tmp_path / "latest").readlink().is_absolute(), "the folder can be moved"


def test_latest_never_replaces_a_real_folder(tmp_path):
    (tmp_path / "latest").mkdir()
    (tmp_path / "latest" / "mine").write_text("kept")
    point_latest(tmp_path / "latest", tmp_path / "run")
    assert (tmp_path / "latest" / "mine").read_text() == "kept"
    assert (tmp_path / "latest.txt").read_text() == f"{tmp_path / 'run'}\n"


def test_can_write_leaves_nothing_behind(tmp_path):
    (tmp_path / "there").mkdir()
    assert can_write(tmp_path / "there") is None
    assert can_write(tmp_path / "a" / "b") is None
    assert [p.name for p in tmp_path.rglob("*")] == ["there"]


@linux
def test_can_write_says_why_not(tmp_path):
    (tmp_path / "file").write_text("")
    assert can_write(Path("/proc/reeltune")) == "No such file or directory"
    assert can_write(Path("/proc")) is not None
    assert can_write(tmp_path / "file") == f"{tmp_path / 'file'} is not a folder"
    assert can_write(tmp_path / "file" / "below") == f"{tmp_path / 'file'} is not a folder"
    assert can_write(tmp_path / ("x" * 300)) == "File name too long"
