"""Cache keys: they change with what changes the output, and with nothing else."""

import dataclasses
from pathlib import Path
from typing import ClassVar

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runner.plan.keys import canonical, inputs_digest, narrow, stage_digest, stage_says, taken, task_key
from stages.audio.encode import EncodeAudio
from stages.contract import Artifact, Item, Stage
from stages.drill.mark import Mark
from stages.drill.step import Step, StepSettings
from stages.settings import output_settings, rules_of

json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=10,
)


def key(stage=Step, settings=None, tools=None, data=None, files=None, parts=(), item="story/1"):
    config = stage.config_class(**(settings or {}))
    made = Item(item, data or {"text": "t"}, {n: Artifact(Path(f"/{d}"), k, d) for n, (k, d) in (files or {}).items()})
    seen = [narrow(stage, Item(f"{item}/{n}", part)) for n, part in enumerate(parts)]
    digest = stage_digest(stage_says(stage, config, tools or {}))
    return task_key(digest, inputs_digest(taken(narrow(stage, made), seen)))


class Reader(Step):
    """A stage that reads a file, and more of the data when it is there."""

    consumes: ClassVar = {"speech": "audio/"}
    may_read = ("voice",)


def test_the_same_work_has_the_same_key_every_time():
    assert key() == key()
    assert len(key()) == 64


def changed(value):
    return {bool: lambda v: not v, int: lambda v: v + 1, float: lambda v: v + 1.0, str: lambda v: v + "x"}[type(value)](
        value
    )


@pytest.mark.parametrize("name", list(rules_of(StepSettings)))
def test_a_setting_changes_the_key_exactly_when_it_changes_the_output(name):
    rule, default = rules_of(StepSettings)[name], getattr(StepSettings(), name)
    assert (key(settings={name: changed(default)}) != key()) == rule.affects_output


def test_worker_counts_and_buffers_of_an_encode_redo_nothing():
    config = EncodeAudio.config_class()
    neutral = {n for n, rule in rules_of(EncodeAudio.config_class).items() if not rule.affects_output}
    assert "buffer_kb" in neutral
    assert not neutral & set(output_settings(config))
    assert {"bitrate", "sample_rate", "channels"} <= set(output_settings(config))


def test_tools_and_their_versions_change_the_key():
    assert key(tools={"ffmpeg": "9.0"}) != key()
    assert key(tools={"ffmpeg": "9.0"}) != key(tools={"ffmpeg": "9.1"})
    assert key(tools={"a": "1", "b": "2"}) == key(tools={"b": "2", "a": "1"})


def test_a_new_version_of_a_stage_changes_the_key(monkeypatch):
    before = key()
    monkeypatch.setattr(Step, "version", Step.version + 1)
    assert key() != before


def test_another_stage_with_the_same_settings_has_another_key():
    assert key(Mark, {"field": "left"}) != key(Step)


def test_what_a_stage_reads_changes_the_key_and_nothing_else_of_the_data():
    assert key(data={"text": "u"}) != key()
    assert key(data={"text": "t", "number": 5}) == key()
    assert key(Reader, data={"text": "t", "voice": "a"}) != key(Reader)
    assert key(Reader, data={"text": "t", "voice": "a"}) != key(Reader, data={"text": "t", "voice": "b"})


def test_a_file_counts_by_its_content_not_by_its_place():
    one = {"speech": ("audio/wav", "d1")}
    assert key(Reader, files=one) != key(Reader, files={"speech": ("audio/wav", "d2")})
    assert key(Reader, files=one) != key(Reader)
    assert key(Reader, files={**one, "other": ("x/y", "d3")}) == key(Reader, files=one), "not consumed"
    config = Reader.config_class()
    here, there = (
        Item("i", {"text": "t"}, {"speech": Artifact(Path(p), "audio/wav", "d", 5, t)})
        for p, t in (("/a", 1), ("/b", 2))
    )
    assert taken(narrow(Reader, here), []) == taken(narrow(Reader, there), [])
    assert config == Reader.config_class()


def test_the_name_of_an_item_does_not_matter():
    assert key(item="story/1") == key(item="other/2")
    assert key(parts=[{"text": "a"}], item="x") == key(parts=[{"text": "a"}], item="y")


def test_the_parts_of_a_gather_matter_and_so_does_their_order():
    assert key(parts=[{"text": "a"}, {"text": "b"}]) != key(parts=[{"text": "b"}, {"text": "a"}])
    assert key(parts=[{"text": "a"}]) != key(parts=[{"text": "a"}, {"text": "a"}])
    assert key(parts=[{"text": "a"}]) != key()


def shuffled(value):
    if isinstance(value, dict):
        return {name: shuffled(inner) for name, inner in reversed(value.items())}
    return [shuffled(inner) for inner in value] if isinstance(value, list) else value


@given(json_values)
def test_the_order_of_a_dict_does_not_matter(value):
    assert canonical(value) == canonical(shuffled(value))


@given(json_values, json_values)
def test_different_inputs_have_different_digests(one, two):
    if canonical(one) != canonical(two):
        assert key(data={"text": one}) != key(data={"text": two})
    else:
        assert key(data={"text": one}) == key(data={"text": two})


@given(
    st.dictionaries(st.sampled_from("abc"), st.text(max_size=3)),
    st.dictionaries(st.sampled_from("abc"), st.text(max_size=3)),
)
def test_two_tool_lists_share_a_key_only_when_they_are_equal(one, two):
    assert (key(tools=one) == key(tools=two)) == (one == two)


def test_narrowing_gives_a_stage_what_it_declared():
    class Nothing(Stage):
        config_class = StepSettings

        def run(self, work):
            raise NotImplementedError

    item = Item("i", {"text": "t", "x": 1}, {"speech": Artifact(Path("/a"), "audio/wav", "d")})
    assert narrow(Nothing, item) == Item("i")
    assert narrow(Reader, item) == dataclasses.replace(item, data={"text": "t"})
