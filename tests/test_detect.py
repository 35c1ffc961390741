"""The machine as found: on this machine's real /proc, and on trees laid out as the kernel lays them."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path, PurePosixPath

import psutil
import pytest

from runner.hardware.cgroup import cpu_quota, memory_free_mb, memory_limit_mb
from runner.hardware.cpu import detect_cpu
from runner.hardware.detect import detect
from runner.hardware.disk import detect_disks, kind_of
from runner.hardware.gpu import detect_gpus, visible
from runner.hardware.machine import Gpu, Machine
from runner.hardware.memory import detect_memory
from runner.hardware.mounts import mount_of, mounts

linux = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="reads /proc")
MB = 1024**2
V2 = "34 25 0:29 / /sys/fs/cgroup rw,nosuid - cgroup2 cgroup2 rw\n"
V1 = (
    "32 31 0:29 / /sys/fs/cgroup/cpu,cpuacct rw - cgroup cgroup rw,cpu,cpuacct\n"
    "35 31 0:32 / /sys/fs/cgroup/memory rw - cgroup cgroup rw,memory\n"
)


def tree(root: Path, files: dict[str, str]) -> Path:
    for name, content in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content)
    return root


def siblings(cores: int, threads_per_core: int) -> dict[str, str]:
    """Sysfs of a processor whose second threads are numbered after all first ones."""
    return {
        f"sys/devices/system/cpu/cpu{core + cores * thread}/topology/thread_siblings_list": ",".join(
            str(core + cores * t) for t in range(threads_per_core)
        )
        for core in range(cores)
        for thread in range(threads_per_core)
    }


RYZEN = {
    "proc/cpuinfo": "processor\t: 0\nmodel name\t: AMD Ryzen 5 5600X 6-Core Processor\n",
    "proc/meminfo": "MemTotal:       65741312 kB\nMemFree:  1048576 kB\nMemAvailable:   52428800 kB\n",
    **siblings(6, 2),
}


# --- processors --------------------------------------------------------------------------------


def test_cores_and_threads_are_told_apart(tmp_path: Path) -> None:
    cpu = detect_cpu(tree(tmp_path, RYZEN), usable=range(12))
    assert (cpu.model, cpu.cores, cpu.threads) == ("AMD Ryzen 5 5600X 6-Core Processor", 6, 12)
    assert (cpu.usable_cores, cpu.usable_threads, cpu.quota) == (6, 12.0, None)


def test_affinity_to_both_threads_of_two_cores_leaves_two_cores(tmp_path: Path) -> None:
    cpu = detect_cpu(tree(tmp_path, RYZEN), usable=[1, 7, 2, 8])
    assert (cpu.cores, cpu.usable_cores, cpu.usable_threads) == (6, 2, 4.0)


def test_a_quota_of_version_2_counts_in_parts_of_cpus(tmp_path: Path) -> None:
    files = {"proc/self/cgroup": "0::/\n", "proc/self/mountinfo": V2, "sys/fs/cgroup/cpu.max": "150000 100000\n"}
    cpu = detect_cpu(tree(tmp_path, RYZEN | files), usable=range(12))
    assert (cpu.usable_threads, cpu.usable_cores, cpu.quota) == (1.5, 2, 1.5)
    assert (cpu.cores, cpu.threads) == (6, 12)


def test_a_quota_of_version_1_counts(tmp_path: Path) -> None:
    files = {
        "proc/self/cgroup": "4:cpu,cpuacct:/docker/abc\n1:name=systemd:/x\n0::/\n",
        "proc/self/mountinfo": V1,
        "sys/fs/cgroup/cpu,cpuacct/docker/abc/cpu.cfs_quota_us": "50000\n",
        "sys/fs/cgroup/cpu,cpuacct/docker/abc/cpu.cfs_period_us": "100000\n",
        "sys/fs/cgroup/cpu,cpuacct/docker/cpu.cfs_quota_us": "-1\n",
        "sys/fs/cgroup/cpu,cpuacct/docker/cpu.cfs_period_us": "100000\n",
    }
    cpu = detect_cpu(tree(tmp_path, RYZEN | files), usable=range(12))
    assert (cpu.usable_threads, cpu.usable_cores) == (0.5, 1)


def test_the_smallest_quota_on_the_way_up_holds(tmp_path: Path) -> None:
    files = {
        "proc/self/cgroup": "0::/user.slice/run.scope\n",
        "proc/self/mountinfo": V2,
        "sys/fs/cgroup/user.slice/run.scope/cpu.max": "max 100000\n",
        "sys/fs/cgroup/user.slice/cpu.max": "250000 100000\n",
    }
    assert cpu_quota(tree(tmp_path, files)) == 2.5


def test_a_container_that_sees_only_its_own_part_of_the_tree_finds_its_limit(tmp_path: Path) -> None:
    files = {
        "proc/self/cgroup": "4:memory:/docker/abc\n",
        "proc/self/mountinfo": "35 31 0:32 /docker/abc /sys/fs/cgroup/memory ro - cgroup cgroup rw,memory\n",
        "sys/fs/cgroup/memory/memory.limit_in_bytes": f"{512 * MB}\n",
        "sys/fs/cgroup/memory/memory.usage_in_bytes": f"{100 * MB}\n",
        "sys/fs/cgroup/memory/memory.stat": f"cache 5\ntotal_inactive_file {40 * MB}\n",
    }
    assert memory_limit_mb(tree(tmp_path, files)) == 512
    assert memory_free_mb(tmp_path) == 512 - 100 + 40


def test_no_quota_and_no_tables_at_all_means_no_limit(tmp_path: Path) -> None:
    files = {"proc/self/cgroup": "0::/\n", "proc/self/mountinfo": V2, "sys/fs/cgroup/cpu.max": "max 100000\n"}
    assert cpu_quota(tree(tmp_path / "a", files)) is None
    assert cpu_quota(tmp_path / "nothing") is None
    assert memory_limit_mb(tmp_path / "nothing") is None


# --- memory ------------------------------------------------------------------------------------


def test_memory_of_a_machine_without_limit(tmp_path: Path) -> None:
    memory = detect_memory(tree(tmp_path, RYZEN))
    assert (memory.installed_mb, memory.total_mb, memory.free_mb) == (64200, 64200, 51200)


def test_a_memory_limit_of_version_2_cuts_total_and_free(tmp_path: Path) -> None:
    files = {
        "proc/self/cgroup": "0::/pod/app\n",
        "proc/self/mountinfo": V2,
        "sys/fs/cgroup/pod/app/memory.max": "max\n",
        "sys/fs/cgroup/pod/memory.max": f"{4096 * MB}\n",
        "sys/fs/cgroup/pod/memory.high": f"{3072 * MB}\n",
        "sys/fs/cgroup/pod/memory.current": f"{2000 * MB}\n",
        "sys/fs/cgroup/pod/memory.stat": f"anon 1\ninactive_file {500 * MB}\nactive_file 3\n",
    }
    memory = detect_memory(tree(tmp_path, RYZEN | files))
    assert (memory.installed_mb, memory.total_mb, memory.free_mb) == (64200, 3072, 3072 - 2000 + 500)


def test_no_limit_in_version_1_is_a_huge_number(tmp_path: Path) -> None:
    files = {
        "proc/self/cgroup": "4:memory:/\n",
        "proc/self/mountinfo": V1,
        "sys/fs/cgroup/memory/memory.limit_in_bytes": "9223372036854771712\n",
    }
    assert detect_memory(tree(tmp_path, RYZEN | files)).total_mb == 64200


def test_a_limit_above_the_machine_changes_nothing(tmp_path: Path) -> None:
    files = {
        "proc/self/cgroup": "0::/\n",
        "proc/self/mountinfo": V2,
        "sys/fs/cgroup/memory.max": f"{99999 * MB}\n",
        "sys/fs/cgroup/memory.current": "0\n",
    }
    memory = detect_memory(tree(tmp_path, RYZEN | files))
    assert (memory.total_mb, memory.free_mb) == (64200, 51200)


# --- disks ---------------------------------------------------------------------------------------

MOUNTS = (
    "27 1 254:0 / / rw - ext4 /dev/vda rw\n"
    "40 27 0:50 / /mnt/share rw - nfs4 server:/films rw\n"
    "41 27 0:51 / /mnt/with\\040space rw - fuse.sshfs host: rw\n"
    "42 40 0:52 / /mnt/share/fast rw - tmpfs tmpfs rw\n"
    "43 27 0:53 / /mnt/hidden rw - tmpfs tmpfs rw\n"
    "44 27 0:54 / /mnt/hidden rw shared:1 master:2 - cifs //nas/x rw\n"
)


@pytest.mark.parametrize(
    ("path", "file_system"),
    [
        ("/home/a", "ext4"),
        ("/mnt/share/films", "nfs4"),
        ("/mnt/shared", "ext4"),
        ("/mnt/with space/a", "fuse.sshfs"),
        ("/mnt/share/fast/x", "tmpfs"),
        ("/mnt/hidden", "cifs"),
    ],
)
def test_the_deepest_and_latest_mount_holds_a_path(tmp_path: Path, path: str, file_system: str) -> None:
    table = mounts(tree(tmp_path, {"proc/self/mountinfo": MOUNTS}))
    found = mount_of(PurePosixPath(path), table)
    assert found is not None
    assert found.file_system == file_system


@pytest.mark.parametrize(
    ("file_system", "kind"),
    [("nfs4", "network"), ("fuse.sshfs", "network"), ("9p", "network"), ("tmpfs", "memory"), ("overlay", "overlay"),
     ("ext4", "local"), ("xfs", "local"), ("NTFS", "local"), ("", "unknown")],
)  # fmt: skip
def test_kinds_of_file_systems(file_system: str, kind: str) -> None:
    assert kind_of(file_system) == kind


@linux
def test_a_network_folder_is_known_by_its_mount(tmp_path: Path) -> None:
    share = tmp_path / "share"
    share.mkdir()
    table = f"1 0 254:0 / / rw - ext4 /dev/vda rw\n2 1 0:50 / {share} rw - nfs4 server:/films rw\n"
    disks = detect_disks([share / "not yet there", tmp_path], root=tree(tmp_path, {"proc/self/mountinfo": table}))
    assert [disk.kind for disk in disks] == ["network", "local"]


def test_a_disk_is_measured_once_and_left_clean(tmp_path: Path) -> None:
    first, second = detect_disks([tmp_path, tmp_path / "deeper" / "still"])
    assert first.write_mb_s is not None
    assert first.write_mb_s > 0
    assert second.write_mb_s == first.write_mb_s
    assert first.free_mb > 0
    assert list(tmp_path.iterdir()) == []


def test_measuring_can_be_left_out(tmp_path: Path) -> None:
    (disk,) = detect_disks([tmp_path], measure=False)
    assert (disk.write_mb_s, disk.problem) == (None, "")


@linux
def test_a_folder_that_takes_no_files_says_why() -> None:
    (disk,) = detect_disks([Path("/proc/self")])
    assert disk.write_mb_s is None
    assert disk.problem


@linux
@pytest.mark.skipif(not Path("/dev/shm").is_dir(), reason="no /dev/shm")
def test_shared_memory_is_memory() -> None:
    (disk,) = detect_disks([Path("/dev/shm")])
    assert (disk.kind, disk.file_system) == ("memory", "tmpfs")


# --- graphics --------------------------------------------------------------------------------------

CARDS = [Gpu("NVIDIA A", 8000, 7000, "580", "GPU-aa"), Gpu("NVIDIA B", 16000, 15000, "580", "GPU-bb")]


def test_without_a_driver_there_is_a_reason() -> None:
    gpus, reason = detect_gpus()
    assert gpus or reason
    if not Path("/proc/driver/nvidia").exists():
        assert gpus == ()
        assert "driver" in reason


@pytest.mark.gpu
def test_with_a_driver_the_gpus_are_as_nvidia_smi_says() -> None:
    query = ["nvidia-smi", "--query-gpu=uuid,name,memory.total,driver_version", "--format=csv,noheader,nounits"]
    rows = [row.split(", ") for row in subprocess.check_output(query, text=True).splitlines()]
    gpus, _ = detect_gpus()
    assert [[gpu.uuid, gpu.name, str(gpu.vram_mb), gpu.driver] for gpu in gpus] == rows
    assert all(0 < gpu.vram_free_mb <= gpu.vram_mb for gpu in gpus)


@pytest.mark.parametrize(
    ("chosen", "names"),
    [
        (None, "AB"),
        ("0", "A"),
        ("1,0", "BA"),
        ("GPU-bb", "B"),
        ("", ""),
        ("-1", ""),
        ("0,7,1", "A"),
        ("NoDevFiles", ""),
    ],
)
def test_hidden_gpus_do_not_count(chosen: str | None, names: str) -> None:
    gpus, reason = visible(CARDS, chosen)
    assert "".join(gpu.name[-1] for gpu in gpus) == names
    assert bool(reason) == (not gpus)


# --- the whole -------------------------------------------------------------------------------------


@linux
def test_this_machine_agrees_with_psutil(tmp_path: Path) -> None:
    machine = detect([tmp_path])
    assert machine.cpu.threads == psutil.cpu_count()
    assert machine.cpu.cores == psutil.cpu_count(logical=False)
    assert machine.cpu.usable_threads <= len(os.sched_getaffinity(0))
    assert machine.memory.installed_mb == psutil.virtual_memory().total // MB
    assert 0 < machine.memory.free_mb <= machine.memory.total_mb <= machine.memory.installed_mb
    assert machine.disks[0].write_mb_s is not None


def test_a_machine_survives_json(tmp_path: Path) -> None:
    machine = replace(detect([tmp_path]), gpus=tuple(CARDS))
    assert Machine.from_dict(json.loads(json.dumps(machine.to_dict()))) == machine
    assert machine.to_dict()["fingerprint"] == machine.fingerprint


@linux
def test_the_fingerprint_is_the_same_in_another_process_bound_to_one_cpu() -> None:
    code = (
        "import os; os.sched_setaffinity(0, [min(os.sched_getaffinity(0))]);"
        "from runner.hardware.detect import detect; m = detect(); print(m.fingerprint, m.cpu.usable_threads)"
    )
    fingerprint, threads = subprocess.check_output([sys.executable, "-c", code], text=True).split()
    assert fingerprint == detect().fingerprint
    assert float(threads) <= 1.0


def test_the_fingerprint_tells_machines_apart() -> None:
    machine = detect()
    others = [
        replace(machine, cpu=replace(machine.cpu, model="another")),
        replace(machine, cpu=replace(machine.cpu, cores=machine.cpu.cores + 1)),
        replace(machine, cpu=replace(machine.cpu, quota=0.75)),
        replace(machine, memory=replace(machine.memory, total_mb=machine.memory.total_mb * 2)),
        replace(machine, gpus=(CARDS[0],)),
        replace(machine, system_family="plan9"),
    ]
    assert len({m.fingerprint for m in [machine, *others]}) == 1 + len(others)
    memory = replace(machine.memory, free_mb=1)
    assert replace(machine, memory=memory, python="9", disks=()).fingerprint == machine.fingerprint


def test_what_a_container_cuts_is_said(tmp_path: Path) -> None:
    files = {
        "proc/self/cgroup": "0::/\n",
        "proc/self/mountinfo": V2,
        "sys/fs/cgroup/cpu.max": "50000 100000\n",
        "sys/fs/cgroup/memory.max": f"{2048 * MB}\n",
    }
    machine = detect(root=tree(tmp_path, RYZEN | files))
    assert machine.limits == (
        "the container may take 0.5 of 12 CPUs",
        "the container may take 2048 of 64200 MB of memory",
    )
