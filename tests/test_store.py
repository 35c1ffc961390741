"""The store: a name is only ever given to a whole file, and what was changed does not count."""

import hashlib
import os
import subprocess
import sys
from pathlib import Path

import pytest

from runner.plan.store import Store, digest_of

ROOT = Path(__file__).resolve().parent.parent


@pytest.fixture
def store(tmp_path):
    return Store(tmp_path / "cache")


def file(folder, content=b"content", name="a.wav"):
    folder.mkdir(parents=True, exist_ok=True)
    (folder / name).write_bytes(content)
    return folder / name


def objects(store):
    return sorted(f for f in store.root.rglob("*") if f.is_file())


def test_a_digest_is_sha256_of_the_content(tmp_path):
    content = os.urandom(3_000_000)
    assert digest_of(file(tmp_path, content)) == hashlib.sha256(content).hexdigest()
    assert digest_of(file(tmp_path, b"")) == hashlib.sha256(b"").hexdigest()


def test_adopting_moves_the_file_to_its_name(store, tmp_path):
    made = file(tmp_path)
    artifact = store.adopt(made, "audio/wav")
    assert not made.exists()
    assert artifact.path == store.path(artifact.digest, ".wav")
    assert artifact.path.name == f"{hashlib.sha256(b'content').hexdigest()}.wav"
    assert artifact.path.read_bytes() == b"content"
    assert (artifact.kind, artifact.size) == ("audio/wav", 7)
    assert store.holds(artifact)
    assert objects(store) == [artifact.path]


def test_the_same_content_is_kept_once_and_its_first_file_stays(store, tmp_path):
    first = store.adopt(file(tmp_path / "1"), "audio/wav")
    os.utime(first.path, ns=(first.mtime_ns, first.mtime_ns))
    again = file(tmp_path / "2")
    second = store.adopt(again, "audio/wav")
    assert second == first
    assert not again.exists()
    assert store.holds(first), "work that was recorded before stays good"
    assert objects(store) == [first.path]


def test_the_suffix_belongs_to_the_name(store, tmp_path):
    one = store.adopt(file(tmp_path, name="a.wav"), "x")
    two = store.adopt(file(tmp_path, name="a.m4a"), "x")
    assert one.digest == two.digest
    assert one.path != two.path
    assert store.adopt(file(tmp_path, name="none"), "x").path.suffix == ""


@pytest.mark.parametrize("damage", ["truncate", "edit", "touch", "remove", "replace"])
def test_a_changed_object_does_not_count(store, tmp_path, damage):
    artifact = store.adopt(file(tmp_path), "audio/wav")
    path = artifact.path
    if damage == "truncate":
        os.truncate(path, 3)
    elif damage == "edit":
        with path.open("rb+") as out:
            out.write(b"C")
    elif damage == "touch":
        os.utime(path, ns=(1, 1))
    elif damage == "remove":
        path.unlink()
    else:
        path.unlink()
        path.mkdir()
    assert not store.holds(artifact)


def test_an_edit_through_a_hard_link_is_seen(store, tmp_path):
    artifact = store.adopt(file(tmp_path), "audio/wav")
    os.link(artifact.path, tmp_path / "result.wav")
    (tmp_path / "result.wav").write_bytes(b"CONTENT")
    assert not store.holds(artifact)


@pytest.mark.parametrize("damage", [b"cont", b"CONTENT", b""])
def test_a_damaged_object_is_replaced_on_adopting(store, tmp_path, damage):
    first = store.adopt(file(tmp_path / "1"), "audio/wav")
    first.path.write_bytes(damage)
    second = store.adopt(file(tmp_path / "2"), "audio/wav")
    assert second.path == first.path
    assert second.path.read_bytes() == b"content"
    assert store.holds(second)
    assert objects(store) == [second.path]


def test_replacing_a_damaged_object_leaves_links_to_it_alone(store, tmp_path):
    """What a user made of a finished file (a link to the store) must not change under his hands."""
    first = store.adopt(file(tmp_path / "1"), "audio/wav")
    mine = tmp_path / "mine.wav"
    os.link(first.path, mine)
    mine.write_bytes(b"my own")
    store.adopt(file(tmp_path / "2"), "audio/wav")
    assert mine.read_bytes() == b"my own"


WRITER = """
import sys
from pathlib import Path
from runner.plan.store import Store
store, folder = Store(Path(sys.argv[1])), Path(sys.argv[2])
folder.mkdir()
sys.stdin.readline()
for number in range(150):
    file = folder / f"{number}.bin"
    file.write_bytes((b"%d" % number) * 5000)
    artifact = store.adopt(file, "x/y")
    assert artifact.path.stat().st_size == artifact.size, number
print("done")
"""


def test_processes_that_adopt_the_same_files_at_once_leave_whole_ones(store, tmp_path):
    many = [
        subprocess.Popen(
            [sys.executable, "-c", WRITER, store.root, tmp_path / f"w{n}"],
            cwd=ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        for n in range(3)
    ]
    for process in many:  # all at once
        process.stdin.write("go\n")
        process.stdin.flush()
    assert [process.communicate(timeout=60)[0] for process in many] == ["done\n"] * 3
    found = objects(store)
    assert len(found) == 150
    assert all(path.stem == digest_of(path) for path in found)
