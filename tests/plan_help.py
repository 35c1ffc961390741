"""Small pipelines of drill stages, and hand-made artifacts, for tests of planning and executing."""

from contextlib import contextmanager

from runner.plan.graph import build_graph
from runner.plan.index import Found, Index, Outcome
from stages.drill.make import Make

KINDS = {"step": "drill.step", "split": "drill.split", "collect": "drill.collect", "mark": "drill.mark"}


def wiring(**stages):
    """`name="split from a,b"` → the wiring of a pipeline; `?` after the kind makes it optional."""
    made = {}
    for name, said in stages.items():
        kind, _, sources = said.partition(" from ")
        names = sources.split(",") if sources else ["input"]
        made[name] = {"type": KINDS[kind.rstrip("?")], "from": names, "optional": kind.endswith("?")}
        if kind.startswith("collect"):
            made[name]["gather"] = True
    return made


def graph_of(**stages):
    """A graph of drill stages; that nothing is published does not matter here."""
    graph, problems = build_graph(wiring(**stages), Make)
    assert [p for p in problems if "publishes" not in p.reason] == []
    return graph


def children(*names, **data):
    """What a fan-out leaves behind."""
    return Outcome(children=[Found(name, {"text": name, **data}, {}) for name in names])


@contextmanager
def index_in(folder):
    """An index that is closed again."""
    index = Index(folder)
    try:
        yield index
    finally:
        index.close()
