"""Which tasks are ready: joins, fan-out found while running, gather, and what a failure takes with it."""

import random
from dataclasses import dataclass

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from plan_help import children, graph_of

from runner.plan.graph import Graph
from runner.plan.index import Found, Outcome
from runner.plan.tasks import RootState, Task
from stages.contract import Artifact, Item

ITEM = Item("story", {"text": "t"})


def text(value, **data):
    return Outcome(data={"text": value, **data})


def state(excluded=(), item=ITEM, **stages):
    return RootState(graph_of(**stages), 7, item, excluded)


def names(tasks):
    return sorted(f"{task.node}@{task.key}" for task in tasks)


def ask(root, ready, name):
    """The ready task of this name, taken off the list."""
    task = next(t for t in ready if f"{t.node}@{t.key}" == name)
    ready.remove(task)
    return task


# --- chains and joins ---------------------------------------------------------------------------


def test_a_chain_goes_on_and_ends():
    root = state(a="step", b="step from a")
    ready = root.start()
    assert names(ready) == ["a@story"]
    assert not root.complete
    ready = root.done(ready[0], text("A"))
    assert names(ready) == ["b@story"]
    assert root.inputs(ready[0])[0].data == {"text": "A"}
    assert root.done(ready[0], text("B")) == []
    assert root.complete and root.ok
    assert ready[0].root == 7


@pytest.mark.parametrize("first", ["a", "b"])
def test_a_join_waits_for_all_and_later_sources_win(first):
    root = state(a="step", b="step", c="step from a,b")
    ready = root.start()
    assert names(ready) == ["a@story", "b@story"]
    one = ask(root, ready, f"{first}@story")
    assert root.done(one, text(first)) == []
    last = ready[0]
    ready = root.done(last, text(last.node))
    assert names(ready) == ["c@story"]
    assert root.inputs(ready[0])[0].data == {"text": "b"}, "the order of `from`, not of finishing"


def test_a_stage_sees_what_it_declared_and_no_more():
    sound = Artifact(ITEM.key, "audio/wav", "d")
    item = Item("story", {"text": "t", "secret": 1}, {"speech": sound})
    root = state(item=item, a="step")
    seen, parts = root.inputs(root.start()[0])
    assert (seen.data, seen.artifacts, parts) == ({"text": "t"}, {}, [])


# --- fan-out, broadcast, gather -------------------------------------------------------------------


def test_children_get_what_their_parent_had():
    root = state(title="step", scenes="split", clip="step from title,scenes")
    ready = root.start()
    ready += root.done(ask(root, ready, "scenes@story"), children("000", "001", number=1))
    assert names(ready) == ["title@story"], "the parent's result is still missing"
    ready = root.done(ready[0], text("T"))
    assert names(ready) == ["clip@story/000", "clip@story/001"]
    assert root.inputs(ready[0])[0].data == {"text": "000"}


def test_a_parent_that_is_done_first_is_broadcast_too():
    root = state(title="step", scenes="split", clip="step from scenes,title")
    ready = root.start()
    root.done(ask(root, ready, "title@story"), text("T"))
    ready = root.done(ready[0], children("000", "001"))
    assert names(ready) == ["clip@story/000", "clip@story/001"]
    assert [root.inputs(t)[0].data["text"] for t in ready] == ["T", "T"]


def test_nested_fan_out_gathers_level_by_level_in_order():
    root = state(
        scenes="split",
        words="split from scenes",
        up="step from words",
        line="collect from up",
        film="collect from line",
    )
    ready = root.done(root.start()[0], children("b", "a"))
    assert names(ready) == ["words@story/a", "words@story/b"]
    for name in ("words@story/b", "words@story/a"):
        ready += root.done(ask(root, ready, name), children("2", "1"))
    assert names(ready) == ["up@story/a/1", "up@story/a/2", "up@story/b/1", "up@story/b/2"]
    lines = []
    while ready:  # the last one first: finishing order must not matter
        task = ready.pop()
        lines += root.done(task, text(task.key.upper()))
    assert names(lines) == ["line@story/a", "line@story/b"]
    found = [part.data["text"] for part in root.inputs(ask(root, lines, "line@story/a"))[1]]
    assert found == ["STORY/A/2", "STORY/A/1"], "in the order the children were found"
    film = root.done(Task(7, "line", ("story", "a")), text("la")) + root.done(lines[0], text("lb"))
    assert names(film) == ["film@story"]
    assert [part.data["text"] for part in root.inputs(film[0])[1]] == ["lb", "la"]
    assert root.done(film[0], text("end")) == []
    assert root.complete


@pytest.mark.parametrize("count", [0, 1, 5])
def test_a_gather_takes_zero_one_or_many_children(count):
    root = state(scenes="split", clip="step from scenes", film="collect from clip", end="step from film")
    kids = [f"{n:03d}" for n in range(count)]
    ready = root.done(root.start()[0], children(*kids))
    assert len(ready) == max(count, 1)
    for task in list(ready) if count else []:
        ready = root.done(task, text(task.path[-1]))
        assert bool(ready) == (task.path[-1] == kids[-1])
    assert names(ready) == ["film@story"]
    assert [part.data["text"] for part in root.inputs(ready[0])[1]] == kids
    ready = root.done(ready[0], text("film"))
    assert names(ready) == ["end@story"]
    root.done(ready[0], text("end"))
    assert root.complete and root.ok


@pytest.mark.parametrize("count", [0, 3])
def test_a_gather_can_stand_right_behind_its_fan_out(count):
    root = state(scenes="split", film="collect from scenes")
    kids = [str(n) for n in range(count)]
    ready = root.done(root.start()[0], children(*kids))
    assert names(ready) == ["film@story"]
    assert [part.data["text"] for part in root.inputs(ready[0])[1]] == kids
    root.done(ready[0], text("film"))
    assert root.complete


def test_a_gather_of_two_stages_joins_each_child():
    root = state(scenes="split", a="step from scenes", b="mark from scenes", film="collect from a,b")
    ready = root.done(root.start()[0], children("0", "1"))
    more = []
    for task in ready:
        more += root.done(task, text(task.path[-1]) if task.node == "a" else Outcome(data={"left": "l"}))
    assert names(more) == ["film@story"]


def test_a_gathered_film_goes_back_to_the_children():
    root = state(scenes="split", film="collect from scenes", again="step from film,scenes")
    ready = root.done(root.start()[0], children("0", "1"))
    ready = root.done(ready[0], text("film"))
    assert names(ready) == ["again@story/0", "again@story/1"]
    assert root.inputs(ready[1])[0].data == {"text": "1"}


def test_two_children_of_one_name_are_refused():
    root = state(scenes="split", clip="step from scenes")
    task = root.start()[0]
    with pytest.raises(ValueError, match="scenes made two children of one name from story"):
        root.done(task, children("a", "b", "a"))
    assert root.fail(task) == []
    assert root.complete, "the task can be given up after that"


def test_children_carry_their_files():
    root = state(scenes="split", clip="step from scenes")
    file = Artifact(ITEM.key, "text/plain", "d1")
    ready = root.done(root.start()[0], Outcome(children=[Found("0", {"text": "x"}, {"part": file})]))
    root.done(ready[0], text("x"))
    assert root._items[("clip", ("story", "0"))].artifacts == {"part": file}


# --- failures --------------------------------------------------------------------------------------


def test_a_failure_blocks_what_hangs_on_it_and_nothing_else():
    root = state(a="step", b="step", c="step from a", d="step from c,b", e="step from b")
    ready = root.start()
    assert names(root.fail(ask(root, ready, "a@story"))) == ["c@story", "d@story"]
    ready = root.done(ready[0], text("B"))
    assert names(ready) == ["e@story"]
    assert not root.complete
    root.done(ready[0], text("E"))
    assert root.complete and not root.ok
    assert names(root.failed) == ["a@story"]


def test_a_failed_child_costs_the_gather_and_not_its_siblings():
    root = state(scenes="split", a="step from scenes", b="step from a", film="collect from b", end="step from film")
    ready = root.done(root.start()[0], children("0", "1"))
    assert names(root.fail(ask(root, ready, "a@story/0"))) == ["b@story/0", "end@story", "film@story"]
    ready = root.done(ready[0], text("A"))
    assert names(ready) == ["b@story/1"]
    assert root.done(ready[0], text("B")) == []
    assert root.complete and not root.ok


def test_a_failed_fan_out_takes_the_gathers_behind_it():
    root = state(
        scenes="split", words="split from scenes", line="collect from words", film="collect from line", other="step"
    )
    ready = root.start()
    other = ask(root, ready, "other@story")
    assert names(root.fail(ready[0])) == ["film@story"]
    root.done(other, text("O"))
    assert root.complete and not root.ok


def test_a_failed_inner_fan_out_takes_its_own_gathers():
    root = state(scenes="split", words="split from scenes", line="collect from words", film="collect from line")
    ready = root.done(root.start()[0], children("0", "1"))
    assert names(root.fail(ask(root, ready, "words@story/0"))) == ["film@story", "line@story/0"]
    ready = root.done(ready[0], children("x"))
    assert names(ready) == ["line@story/1"]
    root.done(ready[0], text("l"))
    assert root.complete


def test_what_a_broken_gather_would_have_given_back_is_blocked_for_every_child():
    root = state(scenes="split", clip="step from scenes", film="collect from clip", again="step from film,scenes")
    ready = root.done(root.start()[0], children("0", "1"))
    assert names(root.fail(ask(root, ready, "clip@story/0"))) == ["again@story/0", "again@story/1", "film@story"]
    root.done(ready[0], text("x"))
    assert root.complete


def test_a_parent_that_failed_before_the_children_were_found_does_not_hold_them_for_ever():
    root = state(
        title="step", scenes="split", clip="step from title,scenes", film="collect from clip", free="step from scenes"
    )
    ready = root.start()
    assert names(root.fail(ask(root, ready, "title@story"))) == ["film@story"]
    ready = root.done(ready[0], children("0", "1"))
    assert names(ready) == ["free@story/0", "free@story/1"]
    for task in ready:
        root.done(task, text("f"))
    assert root.complete and not root.ok


def test_an_optional_stage_may_fail():
    root = state(a="step", score="step? from a", b="step from a", late="step from score")
    ready = root.done(root.start()[0], text("A"))
    assert names(root.fail(ask(root, ready, "score@story"))) == ["late@story"]
    root.done(ready[0], text("B"))
    assert root.complete and root.ok


def test_excluded_stages_are_left_out():
    root = state(excluded=["score"], a="step", score="step from a", b="step from a")
    ready = root.done(root.start()[0], text("A"))
    assert names(ready) == ["b@story"]
    root.done(ready[0], text("B"))
    assert root.complete and root.ok
    nothing = state(excluded=["a"], a="step")
    assert nothing.start() == []
    assert nothing.complete


# --- any graph, any order -----------------------------------------------------------------------------


@dataclass(frozen=True)
class Story:
    """A random pipeline, how many children each fan-out finds, what fails, and in which order things end."""

    stages: dict[str, str]
    counts: tuple[int, ...]
    broken: frozenset[int]
    order: tuple[int, ...]


def story_of(seed):
    """Drawn evenly, which hypothesis does not: half of its pipelines would be trivial."""
    rng = random.Random(seed)
    stages, domains = {}, {}
    for number in range(rng.randint(2, 9)):
        sources = rng.sample([*domains], min(len(domains), rng.choice([0, 1, 1, 2, 2, 3])))
        deepest = max((domains[s] for s in sources), key=len, default=())
        sources = [s for s in sources if deepest[: len(domains[s])] == domains[s]]
        kind = rng.choice(["step", "step", "split" if len(deepest) < 3 else "step", "collect" if deepest else "split"])
        name = f"n{number}"
        domains[name] = {"step": deepest, "split": (*deepest, name), "collect": deepest[:-1]}[kind]
        stages[name] = f"{kind} from {','.join(sources)}" if sources else kind
    broken = frozenset(rng.sample(range(13), rng.choice([0, 1, 1, 2])))
    return Story(stages, tuple(rng.choices(range(4), k=5)), broken, tuple(rng.choices(range(1000), k=60)))


def kids(story, task_name):
    return [f"c{n}" for n in range(story.counts[sum(map(ord, task_name)) % len(story.counts)])]


def breaks(story, task_name):
    return sum(map(ord, task_name)) % 13 in story.broken


def expected(graph: Graph, story: Story):
    """Which tasks can run, worked out stage by stage, the way one would by hand."""
    paths = {(): [("r",)]}
    ran: set[tuple[str, tuple[str, ...]]] = set()
    good: set[tuple[str, tuple[str, ...]]] = {("input", ("r",))}
    for node in graph.nodes.values():
        for path in paths.get(node.domain, []):
            needed = []
            for source in node.sources:
                above = graph.nodes.get(source)
                out = above.out_domain if above else ()
                if len(out) > len(node.domain):  # gathered
                    fan = ("fan", out[-1], path)
                    needed += [fan, *((source, p) for p in paths.get(out, []) if p[: len(path)] == path)]
                else:
                    needed.append((source, path[: 1 + len(out)]))
            if all(need in good for need in needed):
                ran.add((node.name, path))
                name = f"{node.name}@{'/'.join(path)}"
                if breaks(story, name):
                    continue
                if node.stage.fans_out:
                    good.add(("fan", node.name, path))
                    below = [(*path, kid) for kid in kids(story, name)]
                    paths.setdefault(node.out_domain, []).extend(below)
                    good |= {(node.name, p) for p in below}
                else:
                    good.add((node.name, path))
    return ran


@settings(max_examples=600, deadline=None)
@given(st.integers(0, 2**32).map(story_of))
def test_any_pipeline_ends_in_any_order_and_runs_exactly_what_it_can(story):
    graph = graph_of(**story.stages)
    root = RootState(graph, 0, Item("r", {"text": "t"}))
    ready, ran, blocked = root.start(), [], []
    seen = list(ready)
    for turn in range(10_000):
        if not ready:
            break
        assert not root.complete
        task = ready.pop(story.order[turn % len(story.order)] % len(ready))
        name = f"{task.node}@{task.key}"
        ran.append((task.node, task.path))
        item, _parts = root.inputs(task)  # what a ready task needs is there
        assert item.key == task.key
        if breaks(story, name):
            blocked += root.fail(task)
            continue
        node = graph.nodes[task.node]
        made = children(*kids(story, name)) if node.stage.fans_out else text(name)
        more = root.done(task, made)
        ready += more
        seen += more
    assert root.complete, "a task waits for something that never comes"
    assert len(set(seen)) == len(seen), "a task was ready twice"
    can = expected(graph, story)
    if 0 in story.counts and root.failed:  # a gather of no children at all may go with what its children hung on
        assert set(ran) <= can
    else:
        assert set(ran) == can
    assert len(set(blocked)) == len(blocked)
    assert not set(blocked) & set(seen)
    assert root.ok == (not any(breaks(story, f"{n}@{'/'.join(p)}") for n, p in ran))
