"""The frozen plan and its items: what is written comes back, and what is planned is what is run."""

import dataclasses
import functools
import json
from collections import Counter
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from plan_help import index_in

from runner.config.compose import compose
from runner.hardware.budget import Budget
from runner.plan.check import check
from runner.plan.plan import PlannedItem, load_plan, read_items, sampled, save_plan
from runner.plan.prepare import finish_plan, freeze_items, input_words, make_plan
from runner.record.rundir import RunDir
from stages.contract import Artifact, Item
from stages.drill.step import Step, StepSettings

CONF = str(Path(__file__).parent / "conf")
BUDGET = Budget(cpu_threads=4, cores_physical=2, ram_mb=16_000, notes=("a note",))


@pytest.fixture
def run(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "run").mkdir()
    return RunDir(tmp_path / "run")


@functools.cache
def composed(*words):
    return compose(["pipeline=drill", *words], {}, CONF)


def checked(*words):
    made = composed(*words)
    found = check(made.config, made.user_keys)
    assert made.problems == found.problems == []
    return found


def planned(run, *words, lines="one\ntwo\n"):
    """A plan with its items, frozen into the run's folder."""
    found = checked(*words)
    plan, problems = make_plan(found, BUDGET, run)
    assert problems == []
    source = run.root / "lines.txt"
    source.write_text(lines, encoding="utf-8")
    with index_in(run.root / "cache") as index:
        plan = freeze_items(plan, found, [source], run, index)
        return finish_plan(plan, found, run, index)


# --- items --------------------------------------------------------------------------------------

json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=6,
)
paths = st.text(st.characters(exclude_characters="/\0", exclude_categories=["Cs"]), min_size=1).map(
    lambda n: Path("/in") / n
)
artifacts = st.builds(Artifact, paths, st.text(), st.text(), st.integers(0, 10**15), st.integers(0, 2**63))
items = st.builds(
    Item, st.text(min_size=1), st.dictionaries(st.text(), json_values, max_size=3),
    st.dictionaries(st.text(), artifacts, max_size=2),
)  # fmt: skip


@given(st.lists(st.tuples(items, st.text()), max_size=4))
def test_items_come_back_as_they_were_written(tmp_path_factory, many):
    written = [PlannedItem(n, item, problem) for n, (item, problem) in enumerate(many)]
    file = tmp_path_factory.getbasetemp() / "items.jsonl"
    file.write_bytes("".join(f"{planned.line()}\n" for planned in written).encode())
    assert list(read_items(file)) == written


def test_a_line_is_one_line_whatever_the_text():
    line = PlannedItem(0, Item("k", {"text": "a\nb\r\u2028c\x85d"})).line()
    assert len(line.split("\n")) == 1
    assert json.loads(line)["data"] == {"text": "a\nb\r\u2028c\x85d"}


@given(st.integers(1, 400), st.integers(0, 500))
def test_a_sample_has_its_size_and_is_spread_evenly(total, size):
    taken = [n for n in range(total) if sampled(n, total, str(size))]
    assert len(taken) == min(size, total)
    if 1 < size <= total:
        gaps = Counter(b - a for a, b in pairwise(taken))
        assert max(gaps) - min(gaps) <= 1
        assert taken[0] == 0


def test_all_is_all_and_nothing_is_nothing():
    assert all(sampled(n, 10, "all") for n in range(10))
    assert not any(sampled(n, 10, "0") for n in range(10))
    assert not sampled(0, 0, "5")


# --- the plan ------------------------------------------------------------------------------------


def test_a_plan_comes_back_as_it_was_saved(run):
    plan = planned(run, "+rates.flux=[6,60]", "workers.first=3", "+pipeline.stages.last.sample=1")
    assert load_plan(run.plan_json) == plan
    assert plan.items == 2
    assert plan.policy.rates == {"flux": (6, 60.0)}
    assert plan.notes == ("a note",)
    assert list(plan.graph().nodes) == ["first", "last"]


def test_a_plan_holds_all_settings_needs_and_slots(run):
    plan = planned(run, "+pipeline.stages.first.settings.ram_mb=700", "+pipeline.stages.first.settings.batch=4")
    first = plan.stages["first"]
    assert first.settings == dataclasses.asdict(StepSettings(suffix="1", ram_mb=700, batch=4))
    assert first.needs.ram_mb == 700
    assert first.slots.count == 4
    assert set(first.user_set) == {"ram_mb", "batch"}
    config = load_plan(run.plan_json).config_of("first", plan.graph())
    assert config == StepSettings(suffix="1", ram_mb=700, batch=4)


def test_the_wiring_of_a_plan_holds_no_settings(run):
    plan = planned(run)
    assert all("settings" not in words for words in plan.wiring.values())
    assert plan.wiring["last"] == {"type": "drill.step", "from": "first", "publish": "note"}


def test_a_plan_of_another_version_is_refused(run):
    plan = planned(run)
    save_plan(dataclasses.replace(plan, version=99), run.plan_json)
    with pytest.raises(ValueError, match="is a plan of version 99, this reads 1; plan again"):
        load_plan(run.plan_json)


def test_a_plan_whose_wiring_does_not_fit_any_more_is_refused(run):
    plan = planned(run)
    broken = dataclasses.replace(plan, wiring={**plan.wiring, "last": {"type": "drill.gone", "from": "first"}})
    with pytest.raises(ValueError, match=r"pipeline\.stages\.last\.type: 'drill\.gone' names no stage"):
        broken.graph()


def test_an_auto_sample_is_eight_in_a_sweep_and_none_in_a_plain_run(run):
    found = checked("+pipeline.stages.last.sample=auto")
    assert make_plan(found, BUDGET, run)[0].graph().nodes["last"].sample == "0"
    assert make_plan(found, BUDGET, run, in_sweep=True)[0].graph().nodes["last"].sample == "8"


def test_folders_of_a_plan_are_absolute(run, tmp_path):
    policy = make_plan(checked("output=out", "temp_dir=tmp", "cache.dir=store"), BUDGET, run)[0].policy
    assert (policy.output, policy.cache_root) == (str(tmp_path / "out"), str(tmp_path / "store"))
    assert policy.scratch == str(tmp_path / "tmp" / "run")
    policy = make_plan(checked(), BUDGET, run)[0].policy
    assert (policy.output, policy.scratch) == (str(run.result), str(run.scratch))
    assert policy.cache_root == str(tmp_path / "outputs" / "cache")


def test_what_can_never_fit_is_refused_in_planning(run):
    found = checked("+pipeline.stages.first.settings.ram_mb=99999")
    _, problems = make_plan(found, BUDGET, run)
    assert [p.sentence() for p in problems] == [
        "pipeline.stages.first: drill.step needs 99999 MB of memory, there are 16000; "
        "choose another hardware or a lighter profile"
    ]


def test_more_threads_than_there_are_is_no_refusal(run):
    assert make_plan(checked("+pipeline.stages.first.settings.cpu_threads=64"), BUDGET, run)[1] == []


def test_an_item_that_can_never_succeed_is_known_in_planning(run, monkeypatch):
    monkeypatch.setattr(Step, "item_problem", lambda _config, data: "is a two" if data["text"] == "two" else None)
    planned(run)
    assert [(p.item.key, p.problem) for p in read_items(run.items_jsonl)] == [
        ("lines/000001", ""), ("lines/000002", "is a two"),
    ]  # fmt: skip


def test_an_optional_stage_does_not_refuse_items(run, monkeypatch):
    monkeypatch.setattr(Step, "item_problem", lambda _config, _data: "never")
    planned(run, "+pipeline.stages.first.optional=true")
    assert [p.problem for p in read_items(run.items_jsonl)] == ["", ""]


def test_an_empty_list_has_no_items(run):
    assert planned(run, lines="\n\n").items == 0


def test_input_is_a_word_or_a_list(run):
    assert input_words(checked("input=a.txt").root, ["b.txt"]) == ["b.txt", "a.txt"]
    assert input_words(checked("input=[a.txt,'b c.txt']").root, []) == ["a.txt", "b c.txt"]
    assert input_words(checked().root, []) == []
