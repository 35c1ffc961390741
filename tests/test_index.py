"""The index of finished work: what was put comes back, as long as its files are whole; many processes at once."""

import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runner.plan.index import Found, Index, Outcome, pack, unpack
from runner.plan.store import Store, digest_of
from stages.contract import Artifact

ROOT = Path(__file__).resolve().parent.parent


@pytest.fixture
def index(tmp_path):
    made = Index(tmp_path / "cache")
    yield made
    made.close()


def adopted(index, tmp_path, content, name="a.wav"):
    file = tmp_path / name
    file.write_bytes(content)
    return index.store.adopt(file, "audio/wav")


def outcome_of(index, tmp_path):
    return Outcome(
        artifacts={"audio": adopted(index, tmp_path, b"sound")},
        data={"text": "grün 😀", "deep": {"list": [1, 2.5, None, True]}},
        metrics={"quality.lufs": -16.25},
        notes=["fell back to x264"],
        children=[Found("000", {"text": "kid"}, {"part": adopted(index, tmp_path, b"kid", "b.txt")})],
    )


def test_what_was_put_comes_back(index, tmp_path):
    outcome = outcome_of(index, tmp_path)
    assert index.get("k") is None
    index.put("k", "audio.encode", outcome)
    assert index.get("k") == outcome
    assert index.get("other") is None
    assert index.stages() == [("audio.encode", 1, 8)]


def test_it_survives_closing(tmp_path):
    index = Index(tmp_path / "cache")
    outcome = outcome_of(index, tmp_path)
    index.put("k", "s", outcome)
    index.close()
    again = Index(tmp_path / "cache")
    assert again.get("k") == outcome
    again.close()


def test_the_cache_can_be_moved(tmp_path):
    index = Index(tmp_path / "cache")
    index.put("k", "s", outcome_of(index, tmp_path))
    index.close()
    shutil.move(tmp_path / "cache", tmp_path / "elsewhere")
    moved = Index(tmp_path / "elsewhere")
    found = moved.get("k")
    assert found is not None
    assert [a.path.read_bytes() for a in found.files()] == [b"sound", b"kid"]
    moved.close()


@pytest.mark.parametrize("which", ["own", "child"])
@pytest.mark.parametrize("damage", ["truncated", "edited", "missing"])
def test_work_whose_file_is_not_whole_has_to_be_done_again(index, tmp_path, which, damage):
    outcome = outcome_of(index, tmp_path)
    index.put("k", "s", outcome)
    artifact = outcome.artifacts["audio"] if which == "own" else outcome.children[0].artifacts["part"]
    if damage == "truncated":
        os.truncate(artifact.path, 1)
    elif damage == "edited":
        time.sleep(0.01)
        artifact.path.write_bytes(b"X" * artifact.size)
    else:
        artifact.path.unlink()
    assert index.get("k") is None


def test_done_again_it_counts_again(index, tmp_path):
    outcome = outcome_of(index, tmp_path)
    index.put("k", "s", outcome)
    outcome.artifacts["audio"].path.write_bytes(b"XXXXX")
    index.put("k", "s", outcome_of(index, tmp_path))
    found = index.get("k")
    assert found is not None
    assert found.artifacts["audio"].path.read_bytes() == b"sound"


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=6,
)
store = Store(Path("/store"))
artifacts = st.dictionaries(
    st.text(),
    st.builds(
        lambda digest, suffix, kind, size: Artifact(store.path(digest, suffix), kind, digest, size, size * 3),
        st.text("0123456789abcdef", min_size=64, max_size=64), st.sampled_from(["", ".wav", ".m4a"]),
        st.just("audio/wav"), st.integers(0, 10**12),
    ),
    max_size=3,
)  # fmt: skip
data = st.dictionaries(st.text(), json_values, max_size=3)
metrics = st.dictionaries(st.text(), st.floats(allow_nan=False), max_size=3)
found = st.lists(st.builds(Found, st.text(), data, artifacts), max_size=2)


@given(st.builds(Outcome, artifacts, data, metrics, st.lists(st.text(), max_size=2), found))
def test_packing_loses_nothing(outcome):
    again = unpack(pack(outcome), store)
    assert (dict(again.artifacts), dict(again.data), dict(again.metrics)) == (
        outcome.artifacts, outcome.data, outcome.metrics,
    )  # fmt: skip
    assert list(again.notes) == outcome.notes
    assert list(again.children) == outcome.children


def test_why_a_task_must_run_again_is_remembered(index):
    assert index.last("narrate/a/1/encode") is None
    index.remember("narrate/a/1/encode", "d1", "i1")
    index.remember("narrate/a/1/encode", "d2", "i2")
    assert index.last("narrate/a/1/encode") == ("d2", "i2")
    index.say("d1", {"settings": {"crf": 23}, "path": Path("/x")})
    index.say("d1", {"settings": {}})
    assert index.said("d1") == {"settings": {"crf": 23}, "path": "/x"}
    assert index.said("nothing") == {}


def test_a_digest_is_read_once_and_again_after_a_change(index, tmp_path, monkeypatch):
    file = tmp_path / "in.wav"
    file.write_bytes(b"one")
    read = []
    monkeypatch.setattr("runner.plan.index.digest_of", lambda path: read.append(path) or digest_of(path))
    assert index.digest(file) == index.digest(file) == digest_of(file)
    assert len(read) == 1
    file.write_bytes(b"three")
    assert index.digest(file) == digest_of(file)
    os.utime(file, ns=(5, 5))
    index.digest(file)
    assert len(read) == 3
    with pytest.raises(FileNotFoundError):
        index.digest(tmp_path / "none")


def test_the_oldest_use_comes_first_and_can_be_forgotten(index, monkeypatch):
    for number, key in enumerate("abc"):
        monkeypatch.setattr("runner.plan.index.time.time", lambda now=number: now * 1000.0)
        index.put(key, "s", Outcome(data={"key": key}))
    assert [key for key, _ in index.oldest()] == ["a", "b", "c"]
    monkeypatch.setattr("runner.plan.index.time.time", lambda: 1e9)
    index.get("a")
    assert [key for key, _ in index.oldest()] == ["b", "c", "a"]
    index.forget(["b", "nothing"])
    assert [key for key, _ in index.oldest()] == ["c", "a"]
    assert index.get("b") is None


WRITER = """
import sys
from pathlib import Path
from runner.plan.index import Index, Outcome
me, root = sys.argv[1], Path(sys.argv[2])
print("ready", flush=True)
sys.stdin.readline()
index = Index(root / "cache")
for number in range(100):
    index.put(f"{me}-{number}", "s", Outcome(data={"by": me}))
    index.put(f"shared-{number}", "s", Outcome(data={"by": me}))
    assert index.get(f"{me}-{number}").data == {"by": me}
    index.remember(f"shared/{number}", me, me)
index.close()
print("done")
"""

OPENER = """
import sys, time
from pathlib import Path
from runner.plan.index import Index
root = Path(sys.argv[2])
print("ready", flush=True)
start = float(sys.stdin.readline())
for number in range(40):
    while time.time() < start + number * 0.02:
        pass
    Index(root / str(number)).close()
print("done")
"""


def at_once(code, root, count=4):
    """Run a script in several processes that begin together; what each said."""
    pipe = subprocess.PIPE
    many = [
        subprocess.Popen([sys.executable, "-c", code, str(n), root], cwd=ROOT, stdin=pipe, stdout=pipe, stderr=pipe)
        for n in range(count)
    ]
    for process in many:
        assert process.stdout.readline() == b"ready\n"
    start = f"{time.time() + 0.1}\n".encode()
    for process in many:
        process.stdin.write(start)
        process.stdin.flush()
    return [process.communicate(timeout=60) for process in many]


def test_processes_that_write_at_once_lose_nothing(tmp_path):
    assert at_once(WRITER, tmp_path) == [(b"done\n", b"")] * 4
    index = Index(tmp_path / "cache")
    for number in range(100):
        assert all(index.get(f"{me}-{number}").data == {"by": str(me)} for me in range(4))
        assert index.get(f"shared-{number}") is not None
    assert index.stages() == [("s", 500, 0)]
    index.close()


def test_processes_may_open_a_new_cache_at_the_same_moment(tmp_path):
    assert at_once(OPENER, tmp_path) == [(b"done\n", b"")] * 4
