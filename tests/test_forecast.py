"""What a plan would do: what is finished already, and why the rest is not."""

import dataclasses
import functools
import os
from pathlib import Path

import pytest
from plan_help import children, index_in

from runner.config.compose import compose
from runner.hardware.budget import Budget
from runner.plan.check import check
from runner.plan.forecast import changed, forecast
from runner.plan.index import Found, Outcome
from runner.plan.keys import inputs_digest, taken, task_key
from runner.plan.plan import read_items
from runner.plan.prepare import finish_plan, freeze_items, make_plan
from runner.plan.tasks import RootState
from runner.record.rundir import RunDir

CONF = str(Path(__file__).parent / "conf")
BUDGET = Budget(cpu_threads=4, cores_physical=2, ram_mb=16_000)


@functools.cache
def composed(pipeline, *words):
    return compose([f"pipeline={pipeline}", *words], {}, CONF)


class Bench:
    """Plans one pipeline again and again over one cache, and pretends to have run it."""

    def __init__(self, folder, pipeline="drill"):
        self.folder, self.pipeline = folder, pipeline
        (folder / "lines.txt").write_text("one\ntwo\n")

    def lines(self, *texts):
        (self.folder / "lines.txt").write_text("".join(f"{text}\n" for text in texts))

    def plan(self, index, *words):
        made = composed(self.pipeline, *words)
        found = check(made.config, made.user_keys)
        assert made.problems == found.problems == []
        run = RunDir(self.folder / "run")
        run.root.mkdir(exist_ok=True)
        plan = freeze_items(make_plan(found, BUDGET, run)[0], found, [self.folder / "lines.txt"], run, index)
        return finish_plan(plan, found, run, index)

    def say(self, *words):
        """stage → (cached, to run, later, reasons)."""
        with index_in(self.folder / "cache") as index:
            said = self.plan(index, *words).forecast
        return {name: (s["cached"], s["run"], s["later"], s["reasons"]) for name, s in said.items()}

    def do(self, *words, stages=None, lines=None):
        """Leave behind what a run would: outcomes in the index, what each task was made from."""
        with index_in(self.folder / "cache") as index:
            plan = self.plan(index, *words)
            graph = plan.graph()
            for planned in read_items(self.folder / "run" / "items.jsonl"):
                if lines is not None and planned.number not in lines:
                    continue
                root = RootState(graph, planned.number, planned.item)
                ready = root.start()
                while ready:
                    task = ready.pop()
                    if stages is not None and task.node not in stages:
                        root.fail(task)
                        continue
                    inputs = inputs_digest(taken(*root.inputs(task)))
                    outcome = self.work(index, root, task)
                    digest = plan.stages[task.node].digest
                    index.put(task_key(digest, inputs), task.node, outcome)
                    index.remember(f"{plan.pipeline}/{task.key}/{task.node}", digest, inputs)
                    ready += root.done(task, outcome)

    def work(self, index, root, task):
        item, parts = root.inputs(task)
        if task.node == "scenes":
            return children("000", "001")
        file = self.folder / "made.txt"
        file.write_text(f"{task.node} {task.key} {item.data} {[p.data for p in parts]}")
        data = {"text": f"{item.data.get('text', '')}+", "left": "l", "right": "r"}
        return Outcome({"note": index.store.adopt(file, "text/plain")}, data)


@pytest.fixture
def bench(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return Bench(tmp_path)


NEW = "never done"


def test_at_first_everything_is_new(bench):
    assert bench.say() == {"first": (0, 2, 0, {NEW: 2}), "last": (0, 0, 2, {})}


def test_after_a_run_everything_is_finished(bench):
    bench.do()
    assert bench.say() == {"first": (2, 0, 0, {}), "last": (2, 0, 0, {})}


def test_one_changed_line_is_one_item_done_again(bench):
    bench.do()
    bench.lines("one", "TWO")
    assert bench.say() == {"first": (1, 1, 0, {"its input changed": 1}), "last": (1, 0, 1, {})}


def test_a_new_line_is_new_and_a_moved_one_is_known_by_its_content(bench):
    bench.do()
    bench.lines("zero", "one", "two")
    assert bench.say()["first"] == (2, 1, 0, {"its input changed": 1})


def test_a_changed_setting_of_the_last_stage_redoes_that_alone(bench):
    bench.do()
    said = bench.say("pipeline.stages.last.settings.suffix=3", "+pipeline.stages.last.settings.batch=4")
    assert said["first"] == (2, 0, 0, {})
    assert said["last"] == (0, 2, 0, {"changed: batch, suffix": 2})


def test_a_changed_setting_of_the_first_stage_redoes_what_hangs_on_it(bench):
    bench.do()
    said = bench.say("pipeline.stages.first.settings.suffix=9")
    assert said == {"first": (0, 2, 0, {"changed: suffix": 2}), "last": (0, 0, 2, {})}


def test_settings_that_do_not_shape_the_output_redo_nothing(bench):
    bench.do()
    assert bench.say("+pipeline.stages.first.settings.sleep_s=1", "workers.first=3")["first"] == (2, 0, 0, {})


def test_a_damaged_file_is_done_again(bench):
    bench.do()
    for file in (bench.folder / "cache" / "objects").rglob("*.txt"):
        os.truncate(file, 1)
    assert bench.say()["first"] == (0, 2, 0, {"its finished file is gone or was changed": 2})


def test_with_the_cache_off_all_runs(bench):
    bench.do()
    assert bench.say("cache.enabled=false")["first"] == (0, 2, 0, {"the cache is off": 2})


def test_half_a_run_goes_on_where_it_was(bench):
    bench.do(lines=[0])
    assert bench.say() == {"first": (1, 1, 0, {NEW: 1}), "last": (1, 0, 1, {})}
    bench.do(stages=["first"])
    assert bench.say() == {"first": (2, 0, 0, {}), "last": (1, 1, 0, {NEW: 1})}


def test_unsampled_items_are_no_work(bench):
    assert bench.say("+pipeline.stages.last.sample=1") == {"first": (0, 2, 0, {NEW: 2}), "last": (0, 0, 1, {})}
    bench.do()
    assert bench.say("+pipeline.stages.last.sample=1") == {"first": (2, 0, 0, {}), "last": (1, 0, 0, {})}


def test_refused_items_are_no_work(bench, monkeypatch):
    from stages.drill.step import Step

    monkeypatch.setattr(Step, "item_problem", lambda _c, data: "no" if data["text"] == "two" else None)
    assert bench.say()["first"] == (0, 1, 0, {NEW: 1})


def test_a_forced_stage_is_to_run(bench):
    bench.do()
    with index_in(bench.folder / "cache") as index:
        plan = bench.plan(index)
        plan = dataclasses.replace(plan, policy=dataclasses.replace(plan.policy, force=("last",)))
        said = forecast(plan, plan.graph(), read_items(bench.folder / "run" / "items.jsonl"), index)
    assert (said["first"]["cached"], said["last"]["cached"], said["last"]["run"]) == (2, 0, 2)


def test_fan_out_and_gather_are_followed_as_far_as_they_are_known(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    bench = Bench(tmp_path, "film")
    said = bench.say()
    assert said["scenes"] == (0, 2, 0, {NEW: 2})
    assert said["clip"] == (0, 0, 2, {}), "how many there will be is not known yet"
    bench.do(stages=["title", "scenes", "image"])
    said = bench.say()
    assert [said[name][0] for name in ("title", "scenes", "image", "speech", "clip", "film")] == [2, 2, 4, 0, 0, 0]
    assert said["speech"] == (0, 4, 0, {NEW: 4})
    assert said["clip"] == (0, 0, 4, {})


def test_a_finished_film_is_finished(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    bench = Bench(tmp_path, "film")
    bench.do()
    assert {name: (cached, run, later) for name, (cached, run, later, _) in bench.say().items()} == {
        "title": (2, 0, 0), "scenes": (2, 0, 0), "image": (4, 0, 0), "speech": (4, 0, 0), "clip": (4, 0, 0),
        "film": (2, 0, 0),
    }  # fmt: skip


@pytest.mark.parametrize(
    ("before", "after", "said"),
    [
        ({"settings": {"a": 1, "b": 2}}, {"settings": {"a": 1, "b": 3}}, "changed: b"),
        ({"settings": {"b": 1}}, {"settings": {"a": 1}}, "changed: a, b"),
        ({"tools": {"ffmpeg": "8"}}, {"tools": {"ffmpeg": "9"}}, "changed: tools.ffmpeg"),
        ({"version": 1}, {"version": 2}, "changed: the stage's version"),
        ({"version": 1, "settings": {"a": 1}}, {"version": 2, "settings": {}}, "changed: a, the stage's version"),
        ({}, {}, "settings changed"),
    ],
)
def test_what_changed_is_said_by_name(before, after, said):
    assert changed(before, after) == said


def test_helpers_hold_what_they_say():
    assert children("a").children == [Found("a", {"text": "a"}, {})]
