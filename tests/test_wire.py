"""Between the job and its workers nothing is lost on the way, whatever names and texts hold."""

import json
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from runner.execute.wire import artifact_from, artifact_to, item_from, item_to, outcome_from, outcome_to
from runner.plan.index import Found, Outcome
from stages.contract import Artifact, Item

text = st.text(st.characters(exclude_categories=["Cs"]))
json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | text,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(text, inner, max_size=3),
    max_leaves=6,
)
data = st.dictionaries(text, json_values, max_size=3)
paths = st.lists(text.filter(lambda t: t and "/" not in t and "\0" not in t), min_size=1, max_size=3).map(
    lambda p: Path("/", *p)
)
artifacts = st.builds(Artifact, paths, text, text, st.integers(0, 10**15), st.integers(0, 2**63))
files = st.dictionaries(text, artifacts, max_size=2)


def sent(value):
    """Over the pipe and back: one line of UTF-8."""
    line = json.dumps(value, ensure_ascii=False, separators=(",", ":")) + "\n"
    received = line.encode().decode().split("\n")
    assert len(received) == 2
    return json.loads(received[0])


@given(artifacts)
def test_artifacts(artifact):
    assert artifact_from(sent(artifact_to(artifact))) == artifact


@given(st.builds(Item, text, data, files))
def test_items(item):
    assert item_from(sent(item_to(item))) == item


@given(
    st.builds(
        Outcome, files, data, st.dictionaries(text, st.floats(allow_nan=False), max_size=3), st.lists(text, max_size=3),
        st.lists(st.builds(Found, text, data, files), max_size=3),
    )
)  # fmt: skip
def test_outcomes(outcome):
    assert outcome_from(sent(outcome_to(outcome))) == outcome


def test_a_worker_may_send_tuples_and_mappings():
    outcome = Outcome(notes=("a", "b"), children=(Found("0", {}, {}),))
    again = outcome_from(sent(outcome_to(outcome)))
    assert list(again.notes) == ["a", "b"]
    assert list(again.children) == [Found("0", {}, {})]
