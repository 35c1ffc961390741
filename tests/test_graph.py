"""Wiring: domains and depths, and every way to wire a pipeline wrongly, told with key, reason and mend."""

from typing import ClassVar

import pytest
from plan_help import graph_of, wiring

from runner.plan.graph import build_graph, carried
from stages.drill.make import Make, MakeSettings
from stages.source import Found, Source

STEP = {"type": "drill.step", "from": "input", "publish": "note"}
P = "pipeline.stages"


class Footage(Source[MakeSettings]):
    """A source of files of another kind than speech."""

    config_class = MakeSettings
    provides: ClassVar = {"speech": "video/mp4"}
    writes = ("text",)

    def read(self, path):
        yield Found(path.stem)


def problems(stages, source=Make):
    return build_graph(stages, source)[1]


def only(stages, source=Make):
    found = problems(stages, source)
    assert len(found) == 1, [p.sentence() for p in found]
    return found[0]


def test_a_right_pipeline_has_no_problem():
    graph, found = build_graph({"a": STEP}, Make)
    assert found == []
    assert list(graph.nodes) == ["a"]


def test_stages_are_sorted_however_they_are_written():
    graph = graph_of(c="step from b", b="step from a", a="step", d="step from a,c")
    order = list(graph.nodes)
    assert order.index("a") < order.index("b") < order.index("c") < order.index("d")
    assert [graph.nodes[name].depth for name in "abcd"] == [1, 2, 3, 4]
    assert [n.name for n in graph.consumers("a")] == ["b", "d"]
    assert sorted(graph.downstream("a")) == ["b", "c", "d"]
    assert graph.downstream("d") == []
    assert [n.name for n in graph.consumers("input")] == ["a"]


def test_domains_follow_fan_out_and_gather():
    graph = graph_of(
        title="step",
        scenes="split",
        image="step from scenes",
        words="split from image",
        letter="step from words,image,title",
        line="collect from letter",
        film="collect from line",
        final="step from film,title",
        again="step from scenes,film",
    )
    assert {name: (node.domain, node.out_domain) for name, node in graph.nodes.items()} == {
        "title": ((), ()),
        "scenes": ((), ("scenes",)),
        "image": (("scenes",), ("scenes",)),
        "words": (("scenes",), ("scenes", "words")),
        "letter": (("scenes", "words"), ("scenes", "words")),
        "line": (("scenes",), ("scenes",)),
        "film": ((), ()),
        "final": ((), ()),
        "again": (("scenes",), ("scenes",)),
    }
    assert {n.name for n in graph.of_domain(())} == {"title", "scenes", "film", "final"}


def test_what_items_carry_grows_and_children_keep_theirs():
    graph = graph_of(scenes="split", image="step from scenes", film="collect from image", end="step from film")
    assert carried(None, graph, Make) == ({}, {"text"})
    assert carried(graph.nodes["image"], graph, Make) == ({"note": "text/plain"}, {"text", "number"})
    artifacts, data = carried(graph.nodes["film"], graph, Make)
    assert artifacts == {"film": "text/plain"}, "the children's files stay with the children"
    assert "number" not in data


@pytest.mark.parametrize(
    ("stages", "key", "reason", "mend"),
    [
        ({}, P, "has no stages", "name at least one"),
        ({"a": {}}, f"{P}.a", "has no type", "drill.step"),
        ({"a": None}, f"{P}.a", "has no type", "drill.step"),
        ({"a": "drill.step"}, f"{P}.a", "has no type", "drill.step"),
        ({"a": {**STEP, "type": "drill.stp"}}, f"{P}.a.type", "did you mean drill.step?", "use one of"),
        ({"a": {**STEP, "type": "drill.make"}}, f"{P}.a.type", "holds no stage", "use one of"),
        ({"a": {**STEP, "form": "input"}}, f"{P}.a.form", "is no word of a stage (did you mean from?)", "use "),
        ({"a": STEP, "b": {**STEP, "from": "aa"}}, f"{P}.b.from", "no stage 'aa' (did you mean a?)", "input, a, b"),
        ({"a": {**STEP, "publish": "film"}}, f"{P}.a.publish", "drill.step makes no 'film'", "it makes note"),
        (
            {"a": {"type": "drill.split", "publish": "film"}, "b": {**STEP, "from": "a"}},
            f"{P}.a.publish", "makes no 'film'", "it makes nothing",
        ),
        ({"a": {"type": "drill.step"}}, P, "no stage publishes anything", "publish: <artifact>"),
        (
            {"a": {**STEP, "from": "b"}, "b": {**STEP, "from": "a"}},
            P, "wait for each other: a → b", "cut the circle",
        ),
        ({"a": {**STEP, "from": "a"}}, P, "wait for each other: a", "cut the circle"),
        ({"a": {**STEP, "gather": True}}, f"{P}.a.gather", "works on one item, not on many", "away"),
        (
            {"s": {"type": "drill.split"}, "f": {"type": "drill.collect", "from": "s", "publish": "film"}},
            f"{P}.f.gather", "takes all children of an item", "gather: true",
        ),
        (
            {"f": {"type": "drill.collect", "from": "input", "gather": True, "publish": "film"}},
            f"{P}.f.gather", "nothing to gather", "after a fan-out",
        ),
        (
            {
                "one": {"type": "drill.split"}, "two": {"type": "drill.split"},
                "both": {**STEP, "from": ["one", "two"]},
            },
            f"{P}.both.from", "one and two have no keys in common", "one fan-out only",
        ),
        (
            {"a": {"type": "audio.encode", "from": "input", "publish": "audio"}},
            f"{P}.a.from", "audio.encode needs the artifact 'speech'", "makes 'speech'",
        ),
        (
            {"m": {"type": "drill.pair", "from": "input"}, "a": {**STEP, "from": "m"}},
            f"{P}.m.from", "drill.pair needs the field 'left'", "sets 'left'",
        ),
        ({"input": STEP}, f"{P}.input", "a stage cannot be called input", "another name"),
        ({"a": {**STEP, "sample": "many"}}, f"{P}.a.sample", "'many' is no number of items", "all or auto"),
        ({"a": {**STEP, "sample": -1}}, f"{P}.a.sample", "'-1' is no number of items", "all or auto"),
        ({"a": {**STEP, "share": "half"}}, f"{P}.a.share", "'half' is no share", "0 to 1"),
        ({"a": {**STEP, "share": 1.5}}, f"{P}.a.share", "1.5 is no share", "0 to 1"),
        ({"a": {**STEP, "settings": "fast"}}, f"{P}.a.settings", "'fast' is no list of settings", "name: value"),
        ({"a": {**STEP, "from": 3}}, f"{P}.a.from", "no stage '3'", "input, a"),
    ],
)  # fmt: skip
def test_every_wrong_wiring_is_told(stages, key, reason, mend):
    found = problems(stages)
    hits = [p for p in found if p.key == key and reason in p.reason]
    assert len(hits) == 1, [p.sentence() for p in found]
    assert mend in hits[0].mend


def test_a_kind_that_does_not_fit_is_told():
    problem = only({"a": {"type": "audio.encode", "from": "input", "publish": "audio"}}, Footage)
    assert problem.sentence() == (
        f"{P}.a.from: 'speech' is video/mp4, audio.encode takes audio/; convert it first"
    )  # fmt: skip


def test_an_empty_word_is_its_default():
    graph, found = build_graph({"a": {**STEP, "from": None, "settings": None, "share": None}}, Make)
    assert found == []
    assert graph.nodes["a"].sources == ("input",)


def test_a_source_named_twice_counts_once():
    graph, found = build_graph({"a": {"type": "drill.step"}, "b": {**STEP, "from": ["a", "a"]}}, Make)
    assert found == []
    assert graph.nodes["b"].sources == ("a",)


def test_every_problem_is_told_at_once():
    found = problems(
        {
            "a": {"type": "nothing", "from": "input"},
            "b": {"type": "drill.step", "form": "a", "sampel": 3, "gather": True},
            "c": {"type": "drill.step", "publish": ["film", "sound"]},
        }
    )
    assert sorted(p.key for p in found) == [
        f"{P}.a.type", f"{P}.b.form", f"{P}.b.gather", f"{P}.b.sampel", f"{P}.c.publish", f"{P}.c.publish",
    ]  # fmt: skip


def test_every_missing_input_is_told():
    found = problems({"m": {"type": "drill.pair"}, "a": {"type": "audio.encode", "from": "m", "publish": "audio"}})
    assert [p.reason for p in found] == [
        "drill.pair needs the field 'left'",
        "drill.pair needs the field 'right'",
        "audio.encode needs the artifact 'speech'",
    ]


def test_the_words_of_a_stage_are_kept():
    said = {"a": {**STEP, "publish": ["note"], "sample": 8, "share": 0.6, "optional": True, "settings": {"batch": 4}}}
    node = build_graph(said, Make)[0].nodes["a"]
    assert (node.publish, node.sample, node.share, node.optional) == (("note",), "8", 0.6, True)
    assert node.settings == {"batch": 4}


def test_the_helper_builds_what_it_says():
    assert wiring(a="collect? from b,c") == {
        "a": {"type": "drill.collect", "from": ["b", "c"], "optional": True, "gather": True}
    }
