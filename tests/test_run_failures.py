"""What goes wrong, one class at a time: the item fails with one sentence, the others go on, nothing is lost."""

import json
import shlex

import pytest
from cli import drill, lines, reeltune, step


@pytest.fixture
def listed(tmp_path):
    lines(tmp_path / "l.txt", "a", "bad", "c")
    return tmp_path


@pytest.mark.untraced
def test_bad_input_fails_alone(listed):
    done = drill(listed, "drill", "l.txt", *step("first", fail_on="bad"))
    assert done.code == 3 and done.run["status"] == "partial"
    assert sorted(done.run["outputs"]) == ["l/000001", "l/000003"]
    letter = done.failures()[0]
    assert letter["failure"] == "bad_input" and letter["item"] == "l/000002" and letter["stage"] == "first"
    assert "cannot be read" in letter["sentence"] and "Traceback" not in done.err
    assert done.tasks("blocked", "last") == ["l/000002"]


@pytest.mark.untraced
def test_none_done_is_exit_1(tmp_path):
    lines(tmp_path / "l.txt", "bad", "bad too")
    done = drill(tmp_path, "drill", "l.txt", *step("first", fail_on="bad"))
    assert done.code == 1 and done.run["status"] == "failed"


@pytest.mark.untraced
def test_the_replay_command_of_a_dead_letter_works(listed):
    once = step("first", fail_on="bad", times=1, state_dir=str(listed))
    first = drill(listed, "drill", "l.txt", *once)
    words = shlex.split(first.failures()[0]["replay"])
    assert words[0] == "reeltune"
    again = reeltune(listed, *words[1:])
    assert again.code == 0, again.err
    assert list(again.run["outputs"]) == ["l/000002"]
    assert (again.folder / "result" / "l" / "000002.txt").read_text() == "bad12"


def test_replay_of_a_whole_run_takes_what_failed(listed):
    once = step("first", fail_on="bad", times=1, state_dir=str(listed))
    drill(listed, "drill", "l.txt", *once)
    again = reeltune(listed, "replay", "outputs/latest")
    assert again.code == 0 and again.run["counts"]["items"] == 1
    nothing = reeltune(listed, "replay", "outputs/latest")
    assert nothing.code == 0 and "nothing" in nothing.out


def test_network_failures_are_tried_again(listed):
    trouble = step("first", network_on="bad", times=2, state_dir=str(listed))
    done = drill(listed, "drill", "l.txt", "retry.base_s=0.05", *trouble)
    assert done.code == 0
    assert [e["attempt"] for e in done.events("retry")] == [1, 2]


@pytest.mark.untraced
def test_network_failures_end_when_tries_are_used_up(listed):
    done = drill(listed, "drill", "l.txt", "retry.base_s=0.01", "retry.network=1", *step("first", network_on="bad"))
    assert done.code == 3 and done.failures()[0]["attempts"] == 2


def test_a_dying_worker_costs_one_attempt_of_one_task(listed):
    trouble = step("first", crash_on="bad", times=1, state_dir=str(listed))
    done = drill(listed, "drill", "l.txt", "retry.base_s=0.01", *trouble)
    assert done.code == 0 and len(done.events("retry")) == 1
    assert done.events("retry")[0]["failure"] == "crashed"


def test_a_hanging_task_is_ended(listed):
    done = drill(listed, "drill", "l.txt", "task_timeout_s=1", "retry.timeout=0", *step("first", hang_on="bad"))
    assert done.code == 3 and done.failures()[0]["failure"] == "timeout"


def test_a_bug_is_said_to_be_one(listed):
    done = drill(listed, "drill", "l.txt", *step("first", bug_on="bad"))
    letter = done.failures()[0]
    assert done.code == 3 and letter["failure"] == "bug" and "report it" in letter["sentence"]
    assert "Traceback" in letter["detail"] and "Traceback" not in done.err + done.out


def test_the_system_holds_a_worker_to_its_memory(listed):
    done = drill(listed, "drill", "l.txt", "limits.worker_ram_mb=300", *step("first", memory_on="bad"))
    assert done.code == 3, done.out
    assert done.failures()[0]["failure"] == "host_oom"
    assert max(e["rss_mb"] for e in done.events("task") if e.get("rss_mb")) < 500


def test_out_of_memory_goes_down_the_ladder(listed):
    done = drill(listed, "drill", "l.txt", *step("first", oom_above=2))
    assert done.code == 0 and done.run["degraded"] is True
    assert [e["changes"] for e in done.events("degrade")] == [{"batch": 4}, {"batch": 2}]
    assert (done.folder / "result" / "l" / "000001.txt").read_text() == "a12"


@pytest.mark.untraced
def test_work_done_after_a_step_down_is_found_again(listed):
    drill(listed, "drill", "l.txt", *step("first", oom_above=2))
    again = drill(listed, "drill", "l.txt", *step("first", oom_above=2, batch=2))
    assert not again.tasks("done", "first")


@pytest.mark.untraced
def test_what_the_user_set_is_not_lowered_in_silence(listed):
    refused = drill(listed, "drill", "l.txt", *step("first", oom_above=2, batch=8))
    assert refused.code == 1 and not [e for e in refused.events("degrade") if "batch" in e["changes"]]
    allowed = drill(listed, "drill", "l.txt", "on_oom=degrade", *step("first", oom_above=2, batch=8))
    assert allowed.code == 0 and allowed.run["degraded"] is True
    other = "pipeline.stages.first.settings.suffix=n"
    never = drill(listed, "drill", "l.txt", "on_oom=fail", other, *step("first", oom_above=2))
    assert never.code == 1 and not never.events("degrade")


def test_stop_at_the_first_failure_when_told(tmp_path):
    lines(tmp_path / "l.txt", "bad", *[f"t{i}" for i in range(30)])
    words = ["on_failure=stop", "batch_size=2", *step("first", fail_on="bad", busy_s=0.05)]
    done = drill(tmp_path, "drill", "l.txt", *words)
    assert done.code in (1, 3) and done.run["counts"]["ok"] < 30
    assert "on_failure=stop" in json.dumps(done.events("end"))


def test_an_unreadable_place_in_the_list_fails_alone(tmp_path):
    (tmp_path / "l.csv").write_text("id,text\n1,hello\n2\n3,world\n")
    done = reeltune(tmp_path, "plan", "pipeline=narrate", "l.csv")
    assert done.code == 0, done.err
