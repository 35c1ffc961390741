"""Worker counts that follow the load while a run goes on."""

from cli import drill, lines, step


def test_a_stage_that_leaves_the_cpu_idle_gets_more_workers(tmp_path):
    lines(tmp_path / "l.txt", *[f"t{i}" for i in range(40)])
    words = ["adapt.cpu_low=100", "adapt.cpu_high=100", "hardware.cpu_threads=1"]
    done = drill(tmp_path, "drill", "l.txt", *words, *step("first", sleep_s=0.1))
    assert done.code == 0, done.err
    raised = [e for e in done.events("workers") if e["stage"] == "first"]
    assert raised and raised[0]["count"] == 2 and "CPU at" in raised[0]["why"]
    assert {e["worker"] for e in done.events("task") if e["stage"] == "first"} >= {"first-1", "first-2"}


def test_a_stated_count_is_left_alone(tmp_path):
    lines(tmp_path / "l.txt", *[f"t{i}" for i in range(20)])
    words = ["adapt.cpu_low=99", "adapt.cpu_high=100", "workers.first=1", "workers.last=1"]
    done = drill(tmp_path, "drill", "l.txt", *words, *step("first", sleep_s=0.1))
    assert done.code == 0 and not done.events("workers")


def test_memory_takes_workers_away(tmp_path):
    lines(tmp_path / "l.txt", *[f"t{i}" for i in range(40)])
    words = ["adapt.ram_low=1", "adapt.ram_high=1", "adapt.cpu_low=1", "adapt.cpu_high=100"]
    done = drill(tmp_path, "drill", "l.txt", *words, *step("first", sleep_s=0.1))
    assert done.code == 0, done.err
    lowered = [e for e in done.events("workers") if e["stage"] == "first"]
    assert lowered and lowered[0]["count"] == 1 and "memory at" in lowered[0]["why"]
