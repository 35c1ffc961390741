"""A stated machine against the real one."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from omegaconf import OmegaConf

from runner.hardware.budget import resolve
from runner.hardware.config import HardwareConfig, hardware_problems
from runner.hardware.detect import detect
from runner.hardware.machine import Cpu, Gpu, Machine, Memory

CONF = Path(__file__).parent.parent / "conf" / "hardware"
PROFILES = ["auto", "cpu", "gpu_6gb", "rtx5060ti_16gb", "ryzen6c_12gb"]
CARD = Gpu("NVIDIA GeForce RTX 5060 Ti", 16311, 15800, "580.1", "GPU-1")
SMALL = Machine("Linux", "linux", "3.11", Cpu("a", 2, 2, 2, 2.0), Memory(24105, 24105, 23700), gpu_reason="no driver")
BIG = Machine("Linux", "linux", "3.11", Cpu("b", 16, 32, 16, 32.0), Memory(130000, 128000, 120000), gpus=(CARD,))


def profile(name: str) -> HardwareConfig:
    config = OmegaConf.to_object(
        OmegaConf.merge(OmegaConf.structured(HardwareConfig), OmegaConf.load(CONF / f"{name}.yaml"))
    )
    assert isinstance(config, HardwareConfig)
    return config


def test_every_option_is_named_here() -> None:
    assert sorted(path.stem for path in CONF.glob("*.yaml")) == PROFILES


@pytest.mark.parametrize("name", PROFILES)
def test_every_option_fits_the_schema_and_is_sound(name: str) -> None:
    config = profile(name)
    assert config.name == name
    assert config.description
    assert hardware_problems(config) == []


def test_auto_takes_the_machine_and_leaves_a_reserve() -> None:
    budget = resolve(profile("auto"), SMALL)
    assert (budget.cpu_threads, budget.cores_physical, budget.ram_mb) == (2.0, 2, 23700 - 1024)
    assert (budget.vram_mb, budget.gpu_name, budget.encoder_sessions, budget.notes) == (0, "", 0, ())


def test_a_stated_machine_is_cut_to_a_smaller_one_and_each_cut_is_told() -> None:
    budget = resolve(profile("ryzen6c_12gb"), SMALL)
    assert (budget.cpu_threads, budget.cores_physical, budget.ram_mb, budget.vram_mb) == (2.0, 2, 22676, 0)
    assert budget.notes == (
        "hardware=ryzen6c_12gb states 12 threads, this machine has 2: planning with 2",
        "hardware=ryzen6c_12gb states 6 physical cores, this machine has 2: planning with 2",
        "hardware=ryzen6c_12gb states 65536 MB of memory, this machine has 24105: planning with 22676",
        "hardware=ryzen6c_12gb states a GPU with 12288 MB, this machine has no GPU (no driver): planning without",
    )


def test_a_smaller_stated_machine_caps_a_bigger_one_without_a_word() -> None:
    budget = resolve(profile("ryzen6c_12gb"), BIG)
    assert (budget.cpu_threads, budget.cores_physical, budget.ram_mb) == (12.0, 6, 65536)
    assert (budget.vram_mb, budget.gpu_name, budget.encoder_sessions) == (12288, CARD.name, 2)
    assert budget.notes == ()


def test_the_very_machine_that_is_stated_gets_no_note_for_what_firmware_keeps() -> None:
    card = replace(CARD, vram_mb=12282, vram_free_mb=11900)
    machine = replace(BIG, cpu=Cpu("r", 6, 12, 6, 12.0), memory=Memory(64200, 64200, 60000), gpus=(card,))
    budget = resolve(profile("ryzen6c_12gb"), machine)
    assert budget.notes == ()
    assert (budget.ram_mb, budget.vram_mb) == (60000 - 1024, 11900 - 512)


def test_memory_that_others_hold_is_told() -> None:
    machine = replace(BIG, memory=Memory(32000, 32000, 6000), gpus=(replace(CARD, vram_free_mb=3000),))
    budget = resolve(profile("auto"), machine)
    assert (budget.ram_mb, budget.vram_mb) == (4976, 2488)
    assert budget.notes == (
        "only 6000 of this machine's 32000 MB of memory are free: planning with 4976",
        "only 3000 of this machine's 16311 MB of GPU memory are free: planning with 2488",
    )


def test_cpu_leaves_the_gpu_alone() -> None:
    budget = resolve(profile("cpu"), BIG)
    assert (budget.vram_mb, budget.gpu_name, budget.encoder_sessions, budget.notes) == (0, "", 0, ())


def test_gpu_profiles_leave_cores_and_memory_to_detection() -> None:
    budget = resolve(profile("gpu_6gb"), BIG)
    assert (budget.cpu_threads, budget.ram_mb, budget.vram_mb, budget.encoder_sessions) == (32.0, 118976, 6144, 1)
    assert resolve(profile("rtx5060ti_16gb"), BIG).notes == ()


def test_another_gpu_than_the_stated_is_told() -> None:
    machine = replace(BIG, gpus=(replace(CARD, name="NVIDIA GeForce RTX 3060", vram_mb=12288, vram_free_mb=12000),))
    budget = resolve(profile("rtx5060ti_16gb"), machine)
    assert budget.notes == (
        "hardware=rtx5060ti_16gb states RTX 5060 Ti, this machine has NVIDIA GeForce RTX 3060: planning with that",
        "hardware=rtx5060ti_16gb states 16384 MB of GPU memory, this machine has 12288: planning with 11488",
    )


def test_of_several_gpus_the_named_one_then_the_largest_is_taken() -> None:
    large = replace(CARD, name="NVIDIA H200", vram_mb=143000, vram_free_mb=142000)
    machine = replace(BIG, gpus=(CARD, large))
    assert resolve(profile("rtx5060ti_16gb"), machine).gpu_name == CARD.name
    assert resolve(profile("auto"), machine).gpu_name == "NVIDIA H200"


def test_without_detection_the_stated_values_hold_and_that_is_told() -> None:
    budget = resolve(replace(profile("ryzen6c_12gb"), detect=False), SMALL)
    assert (budget.cpu_threads, budget.ram_mb, budget.vram_mb) == (12, 65536, 12288)
    assert "hardware.detect=false" in budget.notes[0]


def test_without_detection_everything_must_be_stated() -> None:
    keys = [problem.key for problem in hardware_problems(HardwareConfig(detect=False, ram_mb=1000))]
    assert keys == ["hardware.cores_physical", "hardware.cpu_threads"]


@pytest.mark.parametrize(
    ("change", "key"),
    [
        ({"cpu_threads": -1.0}, "hardware.cpu_threads"),
        ({"ram_mb": 1}, "hardware.ram_mb"),
        ({"encoder_sessions": 999}, "hardware.encoder_sessions"),
        ({"workers": {"encode": -1}}, "hardware.workers.encode"),
        ({"workers": {"encode": True}}, "hardware.workers.encode"),
        ({"workers": {"encode": "many"}}, "hardware.workers.encode"),
    ],
)
def test_a_wrong_value_is_named_with_its_key(change: dict[str, object], key: str) -> None:
    assert [problem.key for problem in hardware_problems(HardwareConfig(**change))] == [key]  # type: ignore[arg-type]


def test_right_workers_pass() -> None:
    assert hardware_problems(HardwareConfig(workers={"speak": "auto", "encode": 4})) == []


def test_this_machine_gives_a_budget_within_itself() -> None:
    machine = detect()
    budget = resolve(profile("auto"), machine)
    assert 0 < budget.cpu_threads <= machine.cpu.threads
    assert 0 < budget.ram_mb < machine.memory.total_mb
