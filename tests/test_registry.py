"""Types are found by file name, only ours, and only when used; every type keeps the contract."""

import dataclasses
import inspect
import subprocess
import sys
from pathlib import Path

import pytest

from stages.contract import Failure, Item, Needs, Stage, StageError, Work
from stages.registry import UnknownTypeError, known_types, source_class, stage_class
from stages.settings import range_problems, rules_of
from stages.source import Source

ROOT = Path(__file__).resolve().parent.parent


def class_of(type_name):
    try:
        return stage_class(type_name)
    except UnknownTypeError:
        return source_class(type_name)


def run(type_name, folder, data, parts=(), **settings):
    """A stage as a plain object: no runner about it."""
    kind = stage_class(type_name)
    stage = kind(kind.config_class(**settings))
    folder.mkdir(exist_ok=True)
    work = Work(Item("story/1", data), folder, [Item(f"story/1/{n}", part) for n, part in enumerate(parts)])
    stage.open()
    result = stage.run(work)
    stage.verify(work, result)
    stage.close()
    return result


def test_a_type_names_its_file():
    for name in known_types():
        assert class_of(name).__module__ == f"stages.{name}"


def test_what_there_is():
    known = known_types()
    assert {"text.lines", "speech.speak", "audio.encode", "quality.speech", "drill.step", "drill.make"} <= set(known)
    assert known == sorted(known)
    assert not any(name.startswith("media.") for name in known), "helpers are no stages"
    assert "speech.provider" not in known


@pytest.mark.parametrize(
    "name",
    [
        "", "drill", "drill.", ".step", "drill.nothing", "media.ffmpeg", "speech.provider", "os.path", "drill.step\n",
        "../drill.step", "drill/step", "drill.step.Step", "DRILL.STEP", "drill.__init__", "stages.drill.step", "none",
    ],
)  # fmt: skip
def test_a_config_cannot_name_other_code(name):
    with pytest.raises(UnknownTypeError):
        stage_class(name)
    with pytest.raises(UnknownTypeError):
        source_class(name)


def test_a_source_is_no_stage_and_a_stage_no_source():
    with pytest.raises(UnknownTypeError, match="no stage"):
        stage_class("drill.make")
    with pytest.raises(UnknownTypeError, match="no source"):
        source_class("drill.step")


def test_a_slip_of_the_pen_gets_a_hint():
    with pytest.raises(UnknownTypeError, match=r"did you mean audio\.encode\?"):
        stage_class("audio.encod")


def test_listing_imports_nothing_and_using_one_imports_one():
    code = (
        "import sys; from stages.registry import known_types, stage_class; known_types();"
        "before = {m for m in sys.modules if m.startswith('stages.')};"
        "stage_class('drill.step');"
        "print(*sorted({m for m in sys.modules if m.startswith('stages.')} - before), '|', *sorted(before))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, timeout=60, check=True
    )
    used, before = done.stdout.split("|")
    ground = {
        f"stages.{name}" for name in ("contract", "source", "registry", "settings", "platform", "platform.processes")
    }
    assert set(used.split()) - ground == {"stages.drill", "stages.drill.step"}
    assert set(before.split()) <= ground


# --- the contract, for every type -------------------------------------------------------------


@pytest.mark.parametrize("name", known_types())
def test_settings_of_every_type_are_frozen_explained_and_start_legal(name):
    config_class = class_of(name).config_class
    config = config_class()
    for f in dataclasses.fields(config_class):
        with pytest.raises(dataclasses.FrozenInstanceError):
            setattr(config, f.name, None)
    rules = rules_of(config_class)
    assert set(rules) == {f.name for f in dataclasses.fields(config_class)}, "use stages.settings.setting"
    for field_name, rule in rules.items():
        assert rule.help, field_name
        for value in rule.search:
            assert list(range_problems(dataclasses.replace(config, **{field_name: value}))) == []
    assert list(range_problems(config)) == []


@pytest.mark.parametrize("name", known_types())
def test_every_type_keeps_the_contract(name):
    kind = class_of(name)
    assert inspect.getdoc(kind)
    if issubclass(kind, Source):
        assert all(suffix.startswith(".") and suffix == suffix.lower() for suffix in kind.suffixes)
        return
    assert issubclass(kind, Stage)
    config = kind.config_class()
    needs = kind.needs(config)
    assert isinstance(needs, Needs)
    assert needs.cpu_threads >= 0 and needs.ram_mb >= 0
    assert kind.concurrency(config) >= 1
    assert kind.version >= 1
    assert all("/" in mime for mime in kind.produces.values())
    names = set(rules_of(kind.config_class))
    for failure in Failure:
        for step in kind.ladder(config, failure):
            assert set(step.changes) <= names
            assert step.reason
            assert list(range_problems(dataclasses.replace(config, **step.changes))) == []


# --- drill stages, as plain objects -----------------------------------------------------------


def test_step_adds_its_suffix_and_writes_when_asked(tmp_path):
    result = run("drill.step", tmp_path / "a", {"text": "one"}, suffix="!", file=True)
    assert result.data == {"text": "one!"}
    assert result.files["note"].read_text() == "one!"
    assert run("drill.step", tmp_path / "b", {"text": "one"}).files == {}


@pytest.mark.parametrize(
    ("setting", "failure"),
    [("fail_on", Failure.BAD_INPUT), ("network_on", Failure.NETWORK)],
)
def test_step_misbehaves_on_its_text_alone_and_only_as_often_as_told(tmp_path, setting, failure):
    said = {setting: "bad", "state_dir": str(tmp_path), "times": 2}
    for _ in range(2):
        with pytest.raises(StageError) as caught:
            run("drill.step", tmp_path / "s", {"text": "a bad one"}, **said)
        assert caught.value.failure is failure
    assert run("drill.step", tmp_path / "s", {"text": "a bad one"}, **said).data == {"text": "a bad one"}
    assert run("drill.step", tmp_path / "s", {"text": "good"}, **said).data == {"text": "good"}


def test_step_goes_down_its_ladder_to_the_smallest_batch():
    kind = stage_class("drill.step")
    steps = [dict(step.changes) for step in kind.ladder(kind.config_class(batch=8), Failure.GPU_OOM)]
    assert steps == [{"batch": 4}, {"batch": 2}, {"batch": 1}, {"batch": 1, "tile": 128}]
    assert list(kind.ladder(kind.config_class(), Failure.NETWORK)) == []


def test_split_numbers_its_children(tmp_path):
    result = run("drill.split", tmp_path / "s", {"text": "a  b c"}, files=True)
    assert [(c.name, c.data["text"], c.data["number"]) for c in result.children] == [
        ("000", "a", 0), ("001", "b", 1), ("002", "c", 2),
    ]  # fmt: skip
    assert [c.files["part"].read_text() for c in result.children] == ["a", "b", "c"]
    assert run("drill.split", tmp_path / "s", {"text": " "}).children == []


def test_collect_joins_in_order_and_takes_none(tmp_path):
    parts = [{"text": "b"}, {"text": "a"}]
    assert run("drill.collect", tmp_path / "s", {}, parts, between="-").data == {"text": "b-a"}
    with pytest.raises(StageError, match="left no 'film' file"):  # an empty film is no film
        run("drill.collect", tmp_path / "s", {}, [])


def test_mark_and_pair_join_two_sides(tmp_path):
    assert run("drill.mark", tmp_path / "s", {"text": "x"}, field="right", prefix="r-").data == {"right": "r-x"}
    assert run("drill.pair", tmp_path / "s", {"left": "l", "right": "r"}).data == {"text": "l+r"}


def test_make_reads_a_line_an_item(tmp_path):
    file = tmp_path / "list.txt"
    file.write_text("one\n\n  two \n", encoding="utf-8")
    make = source_class("drill.make")
    found = list(make(make.config_class()).read(file))
    assert [(f.name, f.data) for f in found] == [("000001", {"text": "one"}), ("000003", {"text": "two"})]
