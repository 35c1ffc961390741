"""Train the upscalers that come with the project, on images it makes itself (docs/decisions/0012-embedded-upscaler.md).

    python tools/train_upscaler.py --scale 2      # minutes on one core; writes stages/upscale/weights/embedded_x2.*

Seeds, steps and every other choice are in the JSON beside the weights. The gain over bicubic is measured on made-up
images of another seed, and on the photographs in $REELTUNE_MEDIA (which training never sees) when that is set.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch.nn.functional import interpolate, l1_loss

HOME = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(HOME), str(HOME / "tools")]

from made_up_images import made_up_images  # noqa: E402

from stages.upscale.models.srvgg import Srvgg  # noqa: E402
from stages.upscale.models.tensors import write_tensors  # noqa: E402

WEIGHTS = HOME / "stages" / "upscale" / "weights"
TEST_SEED = 90_001  # of images for measuring, far from any training seed
Images = Sequence[NDArray[np.uint8]]


def downscale(picture: torch.Tensor, scale: int) -> torch.Tensor:
    """Anti-aliased bicubic (a = -0.5), [N, 3, H, W] to 1/scale, in the 8-bit steps that footage has."""
    small = interpolate(picture, scale_factor=1 / scale, mode="bicubic", antialias=True)
    return (small.clamp(0, 1) * 255).round() / 255


def area(picture: torch.Tensor, scale: int) -> torch.Tensor:
    """Mean of scale × scale pixels, in 8-bit steps: how a sensor bins."""
    return (interpolate(picture, scale_factor=1 / scale, mode="area") * 255).round() / 255


def batches(images: Images, scale: int, args: argparse.Namespace) -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
    """Pairs (small, large) of patches cut, turned and mirrored at random; one in four is shrunk by area."""
    rng = np.random.default_rng(args.seed)
    side = args.patch * scale
    while True:
        patches = [_patch(images[rng.integers(len(images))], side, rng) for _ in range(args.batch)]
        large = torch.from_numpy(np.stack(patches)).permute(0, 3, 1, 2).float() / 255
        small = area(large, scale) if rng.random() < 0.25 else downscale(large, scale)
        channels_last = torch.channels_last
        yield small.contiguous(memory_format=channels_last), large.contiguous(memory_format=channels_last)


def _patch(image: NDArray[np.uint8], side: int, rng: np.random.Generator) -> NDArray[np.uint8]:
    y, x = rng.integers(image.shape[0] - side + 1), rng.integers(image.shape[1] - side + 1)
    cut = np.rot90(image[y : y + side, x : x + side], int(rng.integers(4)))
    return (cut[:, ::-1] if rng.random() < 0.5 else cut)[..., rng.permutation(3)]


def train(images: Images, args: argparse.Namespace) -> Srvgg:
    """L1, Adam, one cycle of the learning rate; bf16 in the convolutions where that is asked for."""
    torch.manual_seed(args.seed)
    net = Srvgg(args.features, args.convs, args.scale).to(memory_format=torch.channels_last)
    optimizer = torch.optim.Adam(net.parameters(), lr=args.rate, betas=(0.9, 0.99))
    cycle = torch.optim.lr_scheduler.OneCycleLR(optimizer, args.rate, total_steps=args.steps, pct_start=0.15)
    began, shown = time.monotonic(), 0.0
    for step, (small, large) in zip(range(args.steps), batches(images, args.scale, args), strict=False):
        with torch.autocast("cpu", torch.bfloat16, enabled=args.bf16):
            guess = net(small)
        loss = l1_loss(guess.float(), large)
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        optimizer.step()
        cycle.step()
        shown = 0.99 * shown + 0.01 * loss.item() if step else loss.item()
        if step % 200 == 199:
            say(f"step {step + 1} of {args.steps}, loss {shown:.5f}, {time.monotonic() - began:.0f} s")
    return net.eval()


def luma(picture: torch.Tensor) -> torch.Tensor:
    """Y' of BT.601 from RGB [N, 3, H, W], full range: what super-resolution is compared on by custom."""
    return (picture * torch.tensor([0.299, 0.587, 0.114]).view(1, 3, 1, 1)).sum(1)


def psnr(one: torch.Tensor, other: torch.Tensor, border: int) -> float:
    """Luma PSNR in dB of two RGB pictures in 0..1 after rounding to 8 bit, the border left out."""
    inner = (..., slice(border, -border), slice(border, -border))
    eight = [(luma(p.clamp(0, 1).mul(255).round()))[inner] for p in (one, other)]
    return float(10 * torch.log10(255**2 / (eight[0] - eight[1]).square().mean()))


def gain(net: torch.nn.Module, images: Images, scale: int) -> float:
    """Mean over images of how many dB luma PSNR the network is above bicubic (a = -0.5, as PIL and MATLAB have it)."""
    gains = []
    for image in images:
        height, width = (side // scale * scale for side in image.shape[:2])
        large = torch.from_numpy(image[:height, :width].copy()).permute(2, 0, 1)[None].float() / 255
        small = downscale(large, scale)
        bicubic = interpolate(small, scale_factor=scale, mode="bicubic", antialias=True)  # antialias: a = -0.5
        with torch.inference_mode():
            gains.append(psnr(net(small), large, scale) - psnr(bicubic, large, scale))
    return float(np.mean(gains))


def photographs() -> dict[str, NDArray[np.uint8]]:
    """RGB photographs (`images/*.png`) in $REELTUNE_MEDIA by file name; none when that is not set."""
    folder = os.environ.get("REELTUNE_MEDIA")
    files = sorted(Path(folder, "images").glob("*.png")) if folder else []
    return {file.name: np.asarray(Image.open(file).convert("RGB")) for file in files}


def measured(net: Srvgg, scale: int) -> dict[str, Any]:
    """Gains over bicubic in dB, on made-up images and each photograph."""
    photos = {name: gain(net, [image], scale) for name, image in photographs().items()}
    found: dict[str, Any] = {"made_up_db": round(gain(net, made_up_images(16, 192, TEST_SEED), scale), 3)}
    if photos:
        found["photographs_db"] = round(float(np.mean(list(photos.values()))), 3)
        found["each_photograph_db"] = {name: round(value, 3) for name, value in photos.items()}
    return found


def save(net: Srvgg, args: argparse.Namespace, facts: Mapping[str, Any]) -> Path:
    """The weights in fp16, and beside them a JSON that tells how they came to be."""
    args.out.mkdir(parents=True, exist_ok=True)
    path: Path = args.out / f"embedded_x{args.scale}.safetensors"
    write_tensors(path, {name: value.half() for name, value in net.state_dict().items()}, {"arch": "srvgg"})
    told = {
        "file": path.name,
        "sha256": hashlib.sha256(path.read_bytes()).hexdigest(),
        "licence": "Apache-2.0",
        "trained_on": "images made by tools/made_up_images.py, no photograph",
        **facts,
    }
    path.with_suffix(".json").write_text(json.dumps(told, indent=2) + "\n", encoding="utf-8")
    return path


def rounded(net: Srvgg) -> Srvgg:
    """The network as the file will hold it, in fp16: that one is measured."""
    net.load_state_dict({name: value.half().float() for name, value in net.state_dict().items()})
    return net


def say(text: str) -> None:
    """One line to the terminal."""
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


def arguments(words: Sequence[str] | None = None) -> argparse.Namespace:
    """What the command line asks for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--scale", type=int, choices=(2, 4), required=True)
    parser.add_argument("--features", type=int, default=32)
    parser.add_argument("--convs", type=int, default=8)
    parser.add_argument("--steps", type=int, default=6000)
    parser.add_argument("--batch", type=int, default=16, help="patches per step")
    parser.add_argument("--patch", type=int, default=32, help="side of a patch, input pixels")
    parser.add_argument("--rate", type=float, default=2e-3, help="highest learning rate")
    parser.add_argument("--images", type=int, default=240)
    parser.add_argument("--size", type=int, default=320, help="side of an image, pixels")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--bf16", action=argparse.BooleanOptionalAction, default=True, help="convolve in bf16")
    parser.add_argument("--out", type=Path, default=WEIGHTS)
    return parser.parse_args(words)


def main() -> None:
    """Make images, train, measure, save."""
    args = arguments()
    torch.set_num_threads(args.threads)
    began = time.monotonic()
    images = made_up_images(args.images, args.size, args.seed)
    say(f"{len(images)} images made in {time.monotonic() - began:.0f} s")
    net = rounded(train(images, args))
    how = {k: v for k, v in vars(args).items() if k != "out"}
    flop = Srvgg.flop_per_pixel(args.features, args.convs, args.scale)
    facts = {**how, "flop_per_input_pixel": flop, "gain_over_bicubic": measured(net, args.scale)}
    path = save(net, args, facts)
    say(f"{path}: {path.stat().st_size} bytes, {json.dumps(facts['gain_over_bicubic'])}")


if __name__ == "__main__":
    main()
