"""Parts of `upscale` measured alone: the model by precision, the change of colour beside it, tiles.

CPU seconds of one thread are counted where parts are compared, as they hardly change with what else the machine does;
wall time in all threads is given for the model. The net is a compact one of 64 features and 16 convolutions, ×4, with
random weights (time does not hang on them).
"""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import partial
from types import SimpleNamespace
from typing import Any

from benchmarks.measure import CORES, table

ROUNDS = 5


def compact(features: int, convs: int, scale: int) -> Any:
    """A net of the shape of SRVGGNetCompact."""
    import torch
    from torch import nn

    class Net(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            layers: list[nn.Module] = [nn.Conv2d(3, features, 3, padding=1), nn.PReLU(features)]
            for _ in range(convs):
                layers += [nn.Conv2d(features, features, 3, padding=1), nn.PReLU(features)]
            layers.append(nn.Conv2d(features, 3 * scale * scale, 3, padding=1))
            self.body = nn.Sequential(*layers)
            self.spec = SimpleNamespace(scale=scale, radius=convs + 2, align=1)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            base = nn.functional.interpolate(x, scale_factor=scale, mode="nearest")
            return nn.functional.pixel_shuffle(self.body(x), scale) + base

    return Net().eval()


def fastest(clock: Callable[[], float], once: Callable[[], object]) -> float:
    """Seconds of the fastest of some rounds; the machine is shared, and noise only adds."""
    once()
    found = []
    for _ in range(ROUNDS):
        began = clock()
        once()
        found.append(clock() - began)
    return min(found)


def engines() -> dict[str, Any]:
    from stages.upscale.engine import Engine
    from stages.upscale.precision import cpu_units

    names = ["fp32", *cpu_units()]
    return {name: Engine(compact(64, 16, 4), device="cpu", precision=name, threads=CORES) for name in names}


def models() -> None:
    import torch

    rows = []
    net, frame = compact(64, 16, 4), torch.rand(1, 3, 180, 320)
    torch.set_num_threads(CORES)
    with torch.inference_mode():
        eager = fastest(time.perf_counter, lambda: net(frame))
    rows.append(("fp32 as torch runs it", f"{eager:.3f}", "1.0"))
    for name, engine in engines().items():
        took = fastest(time.perf_counter, partial(engine.run, frame))
        rows.append((f"engine, {name} ({engine.choice.reason})", f"{took:.3f}", f"{eager / took:.2f}"))
    table(f"64 features, 16 convolutions, 320×180 → 1280×720, {CORES} threads", ("how", "s per frame", "×"), rows)


def batches_and_tiles() -> None:
    import torch

    from stages.upscale.engine import Engine

    rows, net = [], compact(64, 16, 4)
    for batch, tile in ((1, 0), (2, 0), (4, 0), (1, 256), (1, 160), (1, 96)):
        engine = Engine(net, device="cpu", threads=1, batch=batch, tile=tile)
        took = fastest(time.thread_time, partial(engine.run, torch.rand(batch, 3, 180, 320))) / batch
        rows.append((str(batch), str(tile or "whole"), f"{took:.3f}"))
    table("batches and tiles, 320×180 → 1280×720, one thread", ("batch", "tile", "CPU s per frame"), rows)


def colours() -> None:
    """What opening and closing take beside the model: CPU seconds of all of them in one thread."""
    import torch

    from stages.media.color import Colour
    from stages.upscale.engine import Engine
    from stages.upscale.pixels import coded
    from stages.upscale.planes import frames_of, planes_of

    rows = []
    how = coded("yuv420p", Colour("bt709", "tv"))
    for width, height, scale in ((320, 180, 4), (1280, 720, 2)):
        engine = Engine(compact(64, 16, scale), device="cpu", threads=1)
        rgb = torch.rand(1, 3, height, width)
        with torch.inference_mode():
            large = torch.rand(1, 3, height * scale, width * scale).to(engine.choice.dtype)
            large = large.contiguous(memory_format=torch.channels_last)
            planes, made = how.from_rgb(rgb), how.from_rgb(large)
            frame = frames_of(planes, "yuv420p")[0]
            took = {
                "model": fastest(time.thread_time, partial(engine.run, rgb)),
                "open": fastest(time.thread_time, lambda frame=frame: how.to_rgb(planes_of(frame))),
                "close": fastest(time.thread_time, partial(how.from_rgb, large)),
                "frame": fastest(time.thread_time, partial(frames_of, made, "yuv420p")),
            }
        share = 100 * (took["open"] + took["close"] + took["frame"]) / took["model"]
        size = f"{width}×{height} → {width * scale}×{height * scale}"
        rows.append((size, *(f"{seconds * 1000:.2f}" for seconds in took.values()), f"{share:.1f} %"))
    head = ("4:2:0, 8 bit", "model, ms", "planes → RGB, ms", "RGB → planes, ms", "→ frame, ms", "colour : model")
    table("colour beside the model, CPU time in one thread", head, rows)


def main() -> None:
    models()
    batches_and_tiles()
    colours()


if __name__ == "__main__":
    main()
