"""The engine: what it gives, how it plans, and how it steps down when memory runs out without changing a number."""

import subprocess
import sys
import threading
import weakref
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from torch import nn
from torch.nn.functional import interpolate, pixel_shuffle

from stages.contract import Failure, StageError
from stages.media.color import Colour
from stages.upscale import precision
from stages.upscale.engine import Engine, Plan
from stages.upscale.memory import activations
from stages.upscale.pixels import Wire, coded
from stages.upscale.precision import choose, cpu_units
from stages.upscale.tiles import Tiling
from tests.upscale_nets import Compact, Folded, noise

HERE = ["fp32", *cpu_units()]
needs_gpu = pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")


class Same(nn.Module):
    """No weights: a picture is what it was."""

    spec = SimpleNamespace(scale=1, radius=0, align=1)

    def forward(self, x):
        return x


def running_out(*at):
    """Memory runs out when a batch begins at one of these frames, once for each mention."""
    left = list(at)

    def injector(frame):
        if frame in left:
            left.remove(frame)
            raise torch.OutOfMemoryError(f"DefaultCPUAllocator: can't allocate memory (injected at {frame})")

    return injector


def test_run_gives_the_clamped_output_of_the_model():
    net, frames = Compact(scale=4), noise(3, 3, 37, 51)
    got = Engine(net, device="cpu", threads=1, precision="fp32").run(frames)
    want = torch.cat([net(frame[None]) for frame in frames]).clamp(0, 1)
    assert got.shape == (3, 3, 148, 204) and got.dtype == torch.float32 and got.is_contiguous()
    assert got.min() == 0 and got.max() == 1, "the net's output goes beyond"
    assert (got - want).abs().max() < 1e-6


@pytest.mark.skipif("bf16" not in HERE, reason="this CPU has no bf16 unit")
def test_bf16_is_near_fp32():
    frames = noise(1, 3, 45, 64)
    low, full = (Engine(Compact(), device="cpu", threads=1, precision=name).run(frames) for name in ("bf16", "fp32"))
    assert 0 < (low - full).abs().max() < 0.02


@pytest.mark.skipif("bf16" not in HERE, reason="this CPU has no bf16 unit")
def test_a_mixed_model_loses_less():
    """What it adds is computed in bf16, what it adds it to stays as it is."""

    class Mixed(Compact):
        mixed = True

        def forward(self, x):
            found = pixel_shuffle(self.body(x.to(self.body[0].weight.dtype)), self.spec.scale)
            return found.float() + interpolate(x, scale_factor=self.spec.scale)

    frames = noise(1, 3, 45, 64)
    full = Engine(Compact(), device="cpu", threads=1, precision="fp32").run(frames)
    low = [Engine(kind(), device="cpu", threads=1, precision="bf16").run(frames) for kind in (Compact, Mixed)]
    plain, mixed = ((one - full).abs().mean() for one in low)
    assert 0 < mixed < plain / 1.5


def test_the_model_that_was_given_stays_as_it_is():
    net = Compact()
    Engine(net, device="cpu", threads=1).run(noise(1, 3, 20, 20))
    assert {p.dtype for p in net.parameters()} == {torch.float32}


@pytest.mark.parametrize("name", HERE)
@pytest.mark.parametrize("frame", [0, 4])
def test_a_run_out_of_memory_changes_no_number(name, frame):
    frames = noise(6, 3, 100, 130)
    clean = Engine(Compact(), device="cpu", threads=1, precision=name, batch=4).run(frames)
    engine = Engine(Compact(), device="cpu", threads=1, precision=name, batch=4, injector=running_out(*[frame] * 3))
    assert torch.equal(engine.run(frames), clean)
    assert [step.partition(": ")[2] for step in engine.steps] == [
        "batch 4 → 2", "batch 2 → 1", "tile 130×100 → 96",
    ]  # fmt: skip
    assert all(f"at frame {frame}" in step for step in engine.steps)


def test_nothing_smaller_is_left():
    engine = Engine(Compact(), device="cpu", threads=1, batch=2, injector=running_out(*[2] * 9))
    engine.run(noise(2, 3, 60, 70))
    with pytest.raises(StageError, match="neither batch nor tile can be smaller") as caught:
        engine.run(noise(2, 3, 60, 70))
    assert caught.value.failure == Failure.HOST_OOM
    assert "injected" in caught.value.detail


def test_steps_stay_for_the_frames_that_follow():
    engine = Engine(Compact(), device="cpu", threads=1, batch=4, injector=running_out(0))
    engine.run(noise(4, 3, 30, 30))
    assert engine.batch_for(30, 30) == 2 and len(engine.steps) == 1


def test_fail_fails_at_once():
    engine = Engine(Compact(), device="cpu", threads=1, batch=4, on_oom="fail", injector=running_out(0))
    with pytest.raises(StageError, match="on_oom=degrade") as caught:
        engine.run(noise(4, 3, 30, 30))
    assert caught.value.failure == Failure.HOST_OOM and engine.steps == []


def test_other_errors_are_not_taken_for_it():
    with pytest.raises(RuntimeError, match="channels"):
        Engine(Compact(), device="cpu", threads=1).run(noise(1, 4, 30, 30))


def test_tensors_of_the_failed_batch_are_gone_before_the_next_try():
    """Held by the traceback of the error, they would take the memory that the smaller batch needs."""

    class Hungry(Compact):
        def forward(self, x):
            alive.append([ref() is not None for ref in seen])
            held = torch.zeros(8)
            seen.append(weakref.ref(held))
            if len(x) > 1 and len(seen) > 1:  # the first is the engine's own look at the model
                raise MemoryError
            return super().forward(x)

    seen, alive = [], []
    engine = Engine(Hungry(), device="cpu", threads=1, batch=4)
    engine.run(noise(4, 3, 20, 20))
    assert len(engine.steps) == 2
    assert not any(any(found) for found in alive)


REAL = """
import sys, torch
from stages.platform.limits import limit_memory
from stages.upscale.engine import Engine, Plan
from tests.upscale_nets import Compact, noise
net, frames = Compact(features=64, convs=1), noise(2, 3, 400, 600)
engine = Engine(net, device="cpu", precision="fp32", batch=2, tile=4096, threads=1)
engine.run(frames[:, :, :40, :40])
if sys.argv[1] != "0":
    import psutil
    from pathlib import Path
    data = next(int(l.split()[1]) for l in Path("/proc/self/status").read_text().splitlines() if l.startswith("VmData"))
    limit_memory(data // 1024 + int(sys.argv[1]))
torch.save((engine.run(frames), engine.steps), sys.argv[2])
"""


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="limits of memory are Linux's")
def test_memory_that_really_runs_out(tmp_path):
    """The system gives 150 MB more: two maps of both frames take 245. They come out all the same."""
    home = Path(__file__).resolve().parent.parent
    results = []
    for megabytes in (0, 150):
        file = tmp_path / f"{megabytes}.pt"
        words = [sys.executable, "-c", REAL, str(megabytes), str(file)]
        done = subprocess.run(words, cwd=home, capture_output=True, text=True, timeout=120)
        assert done.returncode == 0, done.stderr
        results.append(torch.load(file))
    (free, no_steps), (tight, steps) = results
    assert no_steps == [] and steps
    assert torch.equal(free, tight)


def test_threads_change_no_number():
    frames = noise(1, 3, 64, 96)
    one, two = (Engine(Compact(), device="cpu", threads=count).run(frames) for count in (1, 2))
    assert torch.equal(one, two)


def test_little_memory_means_tiles_and_much_means_batches():
    net = Compact(features=64, convs=1)
    small, large = (Engine(net, device="cpu", threads=1, precision="fp32", ram_mb=mb) for mb in (150, 4096))
    assert small.plan(720, 1280).tile and small.plan(720, 1280).batch == 1
    assert large.plan(340, 350).tile == 0
    assert large.batch_for(90, 160) == 4 and large.batch_for(340, 350) == 1
    tile = small.plan(720, 1280).tile
    assert tile**2 * activations(net, Tiling(0, 3, 2)) * 4 < 150 * 2**20


def test_large_frames_are_tiled_so_that_memory_is_taken_again():
    """A map of 64 features in fp32 has 32 MB at 362 × 362 pixels."""
    net = Compact(features=64, convs=1)
    engine = Engine(net, device="cpu", threads=1, precision="fp32", ram_mb=4096)
    assert engine.plan(720, 1280) == Plan(1, 352)
    net.spec.radius = 18
    far = Engine(net, device="cpu", threads=1, precision="fp32", ram_mb=4096)
    assert far.plan(720, 1280).tile == 0, "its overlap would cost more"


def test_activations_are_counted_from_the_layers():
    """64 maps go in and 64 come out of the largest layer, and that is taken twice."""
    assert activations(Compact(features=64, convs=2), Tiling(0, 4, 2)) == 2 * (64 + 64)


def test_tiles_and_folds_through_the_engine():
    frames = noise(2, 3, 145, 161)
    whole, tiled = (Engine(Folded(), device="cpu", threads=1, tile=tile).run(frames) for tile in (0, 96))
    assert tiled.shape == (2, 3, 290, 322)
    assert torch.equal(whole, tiled)


def test_a_net_that_sees_too_far_is_tiled_with_a_note():
    net = Compact(convs=1)
    net.spec.radius = 348
    engine = Engine(net, device="cpu", threads=1, tile=192)
    engine.run(noise(1, 3, 193, 100))
    assert engine.notes == ["tiles overlap by 64 pixels, and the model sees 348: seams are possible"]


def test_planes_go_through_in_order_and_are_taken_once():
    tv = Colour("bt709", "tv")
    wire = Wire(coded("gbrp", tv), coded("gbrp", tv))
    batches = [tuple(torch.full((2, 8, 9), 10 * n + c, dtype=torch.uint8) for c in range(3)) for n in range(5)]
    engine = Engine(Same(), device="cpu", threads=1)
    assert engine.choice.reason == "fp32: the model has no weights"
    for before, after in zip(batches, engine.map(batches, wire), strict=True):
        assert all(torch.equal(one, other) for one, other in zip(before, after, strict=True))
    pending = engine.submit(batches[0], wire)
    assert pending.nbytes == 2 * 3 * 8 * 9 * 4
    found = []
    thread = threading.Thread(target=lambda: found.append(pending.result()))
    thread.start()
    thread.join()
    assert torch.equal(found[0][0], batches[0][0])
    with pytest.raises(RuntimeError, match="once"):
        pending.result()


@pytest.mark.parametrize(
    ("device", "name", "words"),
    [
        ("tpu", "auto", "device=tpu is no device"),
        ("cuda:97", "auto", "device=cuda:97: this machine has"),
        ("cpu", "fp8", "precision=fp8 is no precision"),
        ("cpu", "bf16", "precision=bf16: this CPU has no AVX512-BF16 or AMX"),
        ("cpu", "fp16", "precision=fp16: this CPU has no AMX-FP16"),
    ],
)
def test_what_cannot_be_had_is_refused(device, name, words, monkeypatch):
    monkeypatch.setattr(precision, "cpu_units", dict)
    with pytest.raises(StageError, match=words) as caught:
        choose(device, name)
    assert caught.value.failure == Failure.BAD_INPUT


def test_auto_takes_the_unit_that_the_cpu_has(monkeypatch):
    monkeypatch.setattr(precision, "cpu_units", lambda: {"bf16": "AMX"})
    assert choose("cpu") == precision.Choice("cpu", "bf16", "bf16: the CPU has AMX")
    monkeypatch.setattr(precision, "cpu_units", dict)
    assert choose("cpu").precision == "fp32"


@pytest.mark.skipif(not Path("/proc/cpuinfo").exists(), reason="asks the kernel")
def test_units_are_those_that_the_kernel_names():
    flags = Path("/proc/cpuinfo").read_text()
    assert ("bf16" in cpu_units()) == ("avx512_bf16" in flags or "amx_bf16" in flags)


@pytest.mark.gpu
@needs_gpu
@pytest.mark.parametrize("tile", [0, 48])
def test_cuda_gives_what_the_cpu_gives(tile):
    tv = Colour("bt709", "tv")
    wire = Wire(coded("yuv420p", tv), coded("yuv420p", tv))
    batches = [
        tuple((noise(2, h, w, seed=seed) * 200 + 20).to(torch.uint8) for h, w in ((90, 160), (45, 80), (45, 80)))
        for seed in range(6)
    ]
    gpu, cpu = Engine(Compact(), device="cuda", tile=tile), Engine(Compact(), device="cpu", threads=1, precision="fp32")
    for got, want in zip(gpu.map(batches, wire), cpu.map(batches, wire), strict=True):
        assert all((a.int() - b.int()).abs().max() <= 2 for a, b in zip(got, want, strict=True))
    assert 0 < gpu.vram_peak_mb < 6144


@pytest.mark.gpu
@needs_gpu
def test_a_gpu_without_room_ends_on_the_cpu():
    frames = noise(4, 3, 90, 160)
    engine = Engine(Compact(), device="cuda", precision="fp32", batch=4, injector=running_out(*[0] * 6))
    clean = Engine(Compact(), device="cpu", threads=1, precision="fp32").run(frames)
    assert (engine.run(frames) - clean).abs().max() < 1e-3
    assert "cuda:0 in fp32 → cpu in fp32" in engine.steps[-1]
