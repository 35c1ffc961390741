"""Who gets in, with real lanes and pools whose processes are not started: memory is given back by whoever lost it."""

import dataclasses

from plan_help import wiring

from runner.execute.admission import Admission
from runner.execute.attempt import Attempt
from runner.execute.lanes import make_lanes
from runner.execute.nursery import Nursery
from runner.plan.plan import Plan, Policy, Slots, StagePlan
from runner.plan.tasks import Task
from stages.contract import Item, Needs
from stages.drill.program import Program, ProgramSettings
from stages.drill.step import Step, StepSettings


class Scene:
    """A stage `small` of drill.step, and `large` of drill.program, on 8 threads and 1000 MB."""

    def __init__(self, folder, small_mb=200):
        slots = Slots(4, 4, 4, auto=True, why="")
        configs = {"small": StepSettings(ram_mb=small_mb), "large": ProgramSettings()}
        needs = {"small": Step.needs(configs["small"]), "large": Program.needs(configs["large"])}
        stages = {
            name: StagePlan(dataclasses.asdict(config), {}, name, needs[name], 1, slots)
            for name, config in configs.items()
        }
        wired = wiring(small="step from input")
        wired["large"] = {"type": "drill.program", "from": ["small"], "publish": "note"}
        capacity = {"cpu_threads": 8.0, "ram_mb": 1000, "vram_mb": 0, "encoder_sessions": 0}
        policy = Policy(str(folder / "cache"), "", str(folder), worker_ram_mb=0)
        plan = Plan("p", "drill.make", wired, stages, capacity, 1, policy)
        self.lanes = make_lanes(plan, plan.graph(), folder / "log", lambda: None, Nursery())
        self.retired, self.told = [], []
        self.admission = Admission(plan, lambda _s: None, self.retired.append, self.told.append)

    def admit(self, stage, text="a"):
        attempt = Attempt(Task(0, stage, ("l", "1")), Item("l/1", {"text": text}), [], (0, 0))
        attempt.needs = self.lanes[stage].needs_of(attempt.item.data)
        return self.admission.admit(self.lanes[stage], attempt)

    def release(self, stage, hold):
        self.admission.release(self.lanes[stage], hold)


def test_all_that_was_taken_comes_back(tmp_path):
    scene = Scene(tmp_path)
    book = scene.admission.ledger
    hold = scene.admit("large", "threads=3 mb=600")
    assert (book.cpu_threads, book.ram_mb) == (3, 600), "50 of them are the worker's"
    scene.release("large", hold)
    assert (book.cpu_threads, book.ram_mb) == (0, 50), "the worker lives on"
    assert scene.admit("large").worker is hold.worker


def test_idle_workers_are_let_go_only_where_that_makes_room(tmp_path):
    scene = Scene(tmp_path)
    holds = [scene.admit("small") for _ in range(3)]
    scene.release("small", holds[0])
    assert scene.admit("large", "mb=700") is None and scene.lanes["large"].waits_for == "ram"
    assert scene.retired == [], "400 MB are in use: 200 more would not do"
    scene.release("small", holds[1])
    assert scene.admit("large", "mb=550") is not None
    assert len(scene.retired) == 1 and scene.admission.ledger.ram_mb == 2 * 200 + 550


def test_an_idle_worker_that_died_holds_nothing_for_ever(tmp_path):
    scene = Scene(tmp_path, small_mb=600)
    hold = scene.admit("small")
    scene.release("small", hold)
    hold.worker.gone = True
    again = scene.admit("small")
    assert again is not None and again.worker is not hold.worker
    assert scene.retired == [hold.worker] and scene.admission.ledger.ram_mb == 600


def test_one_larger_than_the_machine_waits_for_all_others_and_they_for_it(tmp_path):
    scene = Scene(tmp_path)
    small = scene.admit("small")
    assert scene.admit("large", "mb=3000") is None
    scene.release("small", small)
    hold = scene.admit("large", "mb=3000")
    assert hold is not None and len(scene.retired) == 1
    assert scene.admit("small") is None and scene.admit("large", "mb=60") is None
    scene.release("large", hold)
    assert scene.admit("small") is not None and scene.admit("large", "mb=60") is not None
    assert len(scene.told) == 1


def test_a_target_that_was_raised_counts_each_task_for_less(tmp_path):
    scene = Scene(tmp_path)
    lane = scene.lanes["large"]
    assert lane.cpu_of(Needs(cpu_threads=3)) == 3
    lane.target = 8
    hold = scene.admit("large", "threads=3")
    assert hold.cpu == lane.cpu_held == scene.admission.ledger.cpu_threads == 1.5
    lane.target = 4
    scene.release("large", hold)
    assert lane.cpu_held == scene.admission.ledger.cpu_threads == 0
