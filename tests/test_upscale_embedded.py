"""The networks that come with the project: whole, small, better than bicubic, and trained by the script beside them."""

import hashlib
import importlib.util
import json
import os
import shutil
import tomllib
from pathlib import Path

import numpy as np
import pytest
import torch

from stages.contract import Failure, StageError
from stages.upscale.models import embedded
from stages.upscale.models.embedded import SCALES, embedded_facts, embedded_spec, load_embedded
from stages.upscale.models.srvgg import Srvgg
from stages.upscale.models.tensors import tensors_in

HOME = Path(__file__).resolve().parent.parent
WEIGHTS = HOME / "stages" / "upscale" / "weights"
LEAST_DB = {2: 1.2, 4: 0.6}  # luma PSNR over bicubic that is promised on photographs
OTHER_SEED = 4242  # neither of training nor of the figures in the JSON


@pytest.fixture(scope="module", autouse=True)
def one_thread():
    """Small nets on a shared machine: two threads wait for each other longer than they save."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture(scope="module")
def tool():
    spec = importlib.util.spec_from_file_location("train_upscaler", HOME / "tools" / "train_upscaler.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def unseen(tool):
    return tool.made_up_images(10, 160, OTHER_SEED)


@pytest.mark.parametrize("scale", SCALES)
def test_weights_are_those_that_were_trained(scale):
    told, file = embedded_facts(scale), WEIGHTS / f"embedded_x{scale}.safetensors"
    assert hashlib.sha256(file.read_bytes()).hexdigest() == told["sha256"]
    assert file.stat().st_size < 400_000
    net = load_embedded(scale)
    assert net.spec == embedded_spec(scale) and net.spec.licence == "Apache-2.0" and not net.training
    assert net.spec.radius == told["convs"] + 2 and net.spec.scale == scale
    assert told["flop_per_input_pixel"] == Srvgg.flop_per_pixel(told["features"], told["convs"], scale)
    assert sum(p.numel() for p in net.parameters()) * 2 < file.stat().st_size, "half floats"
    assert told["seed"] != OTHER_SEED and told["steps"] > 1000


@pytest.mark.parametrize("scale", SCALES)
def test_they_beat_bicubic_on_images_they_never_saw(tool, unseen, scale):
    gain = tool.gain(load_embedded(scale), unseen, scale)
    assert gain >= LEAST_DB[scale]
    assert gain == pytest.approx(embedded_facts(scale)["gain_over_bicubic"]["made_up_db"], abs=1.5)


@pytest.mark.skipif(not os.environ.get("REELTUNE_MEDIA"), reason="set REELTUNE_MEDIA to a folder with images/*.png")
@pytest.mark.parametrize("scale", SCALES)
def test_they_beat_bicubic_on_photographs(tool, scale):
    photos = tool.photographs()
    gains = {name: tool.gain(load_embedded(scale), [photo], scale) for name, photo in photos.items()}
    assert np.mean(list(gains.values())) >= LEAST_DB[scale], gains
    assert min(gains.values()) > 0, gains
    told = embedded_facts(scale)["gain_over_bicubic"]["each_photograph_db"]
    assert {name: told[name] for name in gains if name in told} == pytest.approx(
        {name: gain for name, gain in gains.items() if name in told}, abs=0.02
    )


@pytest.mark.parametrize("scale", SCALES)
def test_bf16_costs_next_to_nothing(tool, unseen, scale):
    net = load_embedded(scale)
    exact = tool.gain(net, unseen, scale)

    class InBf16(torch.nn.Module):
        def forward(self, picture):
            return load_embedded(scale).bfloat16()(picture.bfloat16()).float()

    assert exact - tool.gain(InBf16(), unseen, scale) < 0.15


@pytest.mark.parametrize("scale", SCALES)
@pytest.mark.parametrize("level", [0.0, 0.1, 0.5, 1.0])
def test_flat_areas_keep_their_colour(scale, level):
    flat = torch.tensor([level, level / 2, 1 - level]).view(1, 3, 1, 1).expand(1, 3, 40, 40)
    with torch.inference_mode():
        made = load_embedded(scale)(flat).clamp(0, 1)
    edge = 12 * scale
    inner = made[..., edge:-edge, edge:-edge] - flat[..., :1, :1]
    assert inner.abs().max() < 3 / 255


def test_damaged_weights_are_not_used(tmp_path, monkeypatch):
    shutil.copytree(WEIGHTS, tmp_path / "weights")
    file = tmp_path / "weights" / "embedded_x2.safetensors"
    data = bytearray(file.read_bytes())
    data[-100] ^= 1
    file.write_bytes(data)
    monkeypatch.setattr(embedded, "_HOME", tmp_path / "weights")
    with pytest.raises(StageError, match="install reeltune again") as refused:
        load_embedded(2)
    assert refused.value.failure == Failure.BUG


def test_weights_travel_in_the_package():
    """What `package-data` matches is every file of the folder."""
    told = tomllib.loads((HOME / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["setuptools"]["package-data"]
    patterns = [pattern for pattern in told["stages"] if pattern.startswith("upscale/")]
    packed = {file for pattern in patterns for file in (HOME / "stages").glob(pattern)}
    assert packed == set(WEIGHTS.iterdir()) and len(packed) == 2 * len(SCALES)


def test_the_script_trains_the_same_network_twice(tool, tmp_path):
    words = "--scale 2 --features 6 --convs 2 --steps 40 --batch 4 --patch 12 --images 6 --size 64 --threads 1"
    args = tool.arguments([*words.split(), "--out", str(tmp_path)])
    images = tool.made_up_images(args.images, args.size, args.seed)
    nets = [tool.rounded(tool.train(images, args)) for _ in range(2)]
    assert all(
        torch.equal(a, b) for a, b in zip(nets[0].state_dict().values(), nets[1].state_dict().values(), strict=True)
    )
    untrained = tool.rounded(tool.train(images, tool.arguments([*words.replace("40", "1").split()])))
    assert tool.gain(nets[0], images[:3], 2) > tool.gain(untrained, images[:3], 2) + 1
    file = tool.save(nets[0], args, {"steps": 40})
    stored, texts = tensors_in(file.read_bytes())
    assert all(torch.equal(stored[name], value) for name, value in nets[0].state_dict().items())
    told = json.loads(file.with_suffix(".json").read_text(encoding="utf-8"))
    assert told["sha256"] == hashlib.sha256(file.read_bytes()).hexdigest() and texts == {"arch": "srvgg"}


def test_made_up_images_differ_by_seed_and_are_the_same_twice(tool):
    one, again, other = (tool.made_up_images(3, 48, seed) for seed in (1, 1, 2))
    assert all(np.array_equal(a, b) for a, b in zip(one, again, strict=True))
    assert not any(np.array_equal(a, b) for a, b in zip(one, other, strict=True))


def test_bicubic_is_the_usual_one(tool):
    """What the networks are compared with is PIL's bicubic (a = -0.5), down and up."""
    from PIL import Image

    image = tool.made_up_images(1, 96, 3)[0]
    large = torch.from_numpy(image).permute(2, 0, 1)[None].float() / 255
    small = tool.downscale(large, 2)
    theirs = np.asarray(Image.fromarray(image).resize((48, 48), Image.Resampling.BICUBIC), dtype=float)
    assert np.abs(small[0].permute(1, 2, 0).numpy() * 255 - theirs).max() <= 2  # it rounds between its two passes
    gain = tool.gain(BicubicByPil(), [image], 2)
    assert abs(gain) < 0.05, "PIL against itself gains nothing"


class BicubicByPil(torch.nn.Module):
    def forward(self, picture):
        from PIL import Image

        pixels = (picture[0].permute(1, 2, 0) * 255).round().byte().numpy()
        size = (pixels.shape[1] * 2, pixels.shape[0] * 2)
        large = np.asarray(Image.fromarray(pixels).resize(size, Image.Resampling.BICUBIC), dtype=np.float32)
        return torch.from_numpy(large).permute(2, 0, 1)[None] / 255
