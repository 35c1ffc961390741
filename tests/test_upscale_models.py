"""Upscalers: official checkpoints, their true reach, what is refused, ONNX files, and the filters beside them."""

import hashlib
import os
import pickle
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from onnx_file import HALF, enlarging, node, write_onnx

from stages.contract import Failure, StageError
from stages.upscale.models.checkpoint import read_weights
from stages.upscale.models.identity import Identity
from stages.upscale.models.known import KNOWN, known
from stages.upscale.models.lanczos import _LINES, Lanczos, lanczos_taps
from stages.upscale.models.load import facts, load
from stages.upscale.models.onnx_model import OnnxModel
from stages.upscale.models.rrdb import Rrdb
from stages.upscale.models.srvgg import Srvgg
from stages.upscale.models.tensors import write_tensors
from stages.upscale.settings import UpscalerSettings

OFFICIAL = Path(os.environ.get("REELTUNE_MODELS", ""), "realesr-animevideov3.pth")
ROOT = Path(__file__).resolve().parent.parent


def settings(name, **more):
    return UpscalerSettings(name=name, **more)


def picture(height, width, count=1, seed=0):
    return torch.rand(count, 3, height, width, generator=torch.Generator().manual_seed(seed))


def lively(net):
    """Weights under which every pixel in reach is felt, however little: all positive, beside biases of exactly 0."""
    with torch.no_grad():
        for name, values in net.named_parameters():
            values.fill_(0.0 if name.endswith("bias") else 1.0 / max(1, values[0].numel()))
    return net.double().eval()


def felt_from(net, at, size):
    """Output pixels that change with the input pixel `at`, as input coordinates [n, 2]."""
    still = torch.zeros(1, 3, *size, dtype=torch.float64)
    changed = still.clone()
    changed[..., at[0], at[1]] = 1
    with torch.inference_mode():
        difference = (net(changed) - net(still)).abs().amax((0, 1))
    return (difference > 0).nonzero() // net.spec.scale


# --- the networks ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    "net", [Srvgg(4, 3, 2), Srvgg(4, 16, 4), Rrdb(4, 2, 1, 4)], ids=["srvgg", "animevideo", "rrdb"]
)
def test_radius_is_the_exact_reach(net):
    """A changed pixel is felt exactly as far as `radius` says, in all four directions, and no further."""
    radius = net.spec.radius
    side = 2 * radius + 9
    at = side // 2
    reach = (felt_from(lively(net), (at, at), (side, side)) - at).tolist()
    for axis in (0, 1):
        assert min(place[axis] for place in reach) == -radius
        assert max(place[axis] for place in reach) == radius


@pytest.mark.parametrize("scale", [2, 1])
def test_radius_of_folding_networks_holds_for_every_place_in_the_fold(scale):
    net = lively(Rrdb(3, 2, 1, scale))
    radius, fold = net.spec.radius, net.spec.align
    assert fold == 4 // scale
    side = (2 * radius // fold + 4) * fold
    reaches = []
    for phase in range(fold):
        at = side // 2 + phase
        reaches.append(int((felt_from(net, (at, at), (side, side)) - at).abs().max()))
    assert max(reaches) == radius and all(reach >= radius - fold + 1 for reach in reaches)


@pytest.mark.parametrize("net", [Srvgg(8, 4, 2), Rrdb(8, 4, 1, 4), Rrdb(8, 4, 1, 2)], ids=["srvgg", "rrdb", "folding"])
def test_a_tile_with_radius_around_it_equals_the_whole(net):
    net = net.double().eval()
    radius, scale = net.spec.radius, net.spec.scale
    whole_in = picture(2 * radius + 24, 2 * radius + 20).double()
    start, step = 6 // net.spec.align * net.spec.align, scale * radius
    with torch.inference_mode():
        whole = net(whole_in)
        tile = net(whole_in[..., start : start + 2 * radius + 8, :])
    inner = tile[..., step : step + 8 * scale, step:-step]
    expected = whole[..., scale * start + step : scale * start + step + 8 * scale, step:-step]
    assert (inner - expected).abs().max() < 1e-12


@pytest.mark.parametrize(("height", "width"), [(7, 5), (8, 9), (1, 1), (6, 6)])
@pytest.mark.parametrize("scale", [1, 2, 4])
def test_odd_sizes_come_out_whole(height, width, scale):
    net = Rrdb(4, 2, 1, scale).eval()
    with torch.inference_mode():
        assert net(picture(height, width)).shape == (1, 3, height * scale, width * scale)


def test_srvgg_is_the_formula_it_claims_to_be():
    """By hand in numpy: chain of convolutions, pixel shuffle, nearest neighbour added."""
    net = Srvgg(4, 1, 2).double().eval()
    small = picture(5, 6).double()
    with torch.inference_mode():
        given = net(small)[0].numpy()
    x = small[0].numpy()
    for index in (0, 2, 4):
        conv = net.body[index]
        x = by_hand(x, conv.weight.detach().numpy(), conv.bias.detach().numpy())
        if index < 4:
            slope = net.body[index + 1].weight.detach().numpy()[:, None, None]
            x = np.where(x > 0, x, slope * x)
    for y in range(10):
        for column in range(12):
            for colour in range(3):
                place = colour * 4 + (y % 2) * 2 + column % 2
                expected = x[place, y // 2, column // 2] + small[0, colour, y // 2, column // 2].item()
                assert given[colour, y, column] == pytest.approx(expected, abs=1e-12)


def by_hand(x, weight, bias):
    padded = np.pad(x, ((0, 0), (1, 1), (1, 1)))
    out = np.tile(bias[:, None, None], (1, *x.shape[1:]))
    for dy in range(3):
        for dx in range(3):
            out = out + np.einsum(
                "oi,ihw->ohw", weight[:, :, dy, dx], padded[:, dy : dy + x.shape[1], dx : dx + x.shape[2]]
            )
    return out


def test_flop_per_pixel_counts_what_runs():
    """animevideov3: 64 features, 16 convolutions, ×4."""
    assert Srvgg.flop_per_pixel(64, 16, 4) == 1_238_400
    counted = sum(2 * p.numel() for p in Srvgg(64, 16, 4).parameters() if p.ndim == 4)
    assert counted == 1_238_400


# --- checkpoints ----------------------------------------------------------------------------


@pytest.mark.skipif(not OFFICIAL.is_file(), reason="set REELTUNE_MODELS to a folder with realesr-animevideov3.pth")
def test_the_official_compact_checkpoint_loads_strictly():
    model = load(settings("realesrgan", weights=str(OFFICIAL)))
    known_spec = KNOWN["realesr-animevideov3"]
    assert (model.spec.arch, model.spec.scale, model.spec.radius) == ("srvgg", 4, 18)
    assert model.spec.sha256 == known_spec.sha256 and model.spec.licence == "BSD-3-Clause"
    assert sum(p.numel() for p in model.parameters()) == 621_424
    flat = torch.full((1, 3, 24, 24), 0.5)
    with torch.inference_mode():
        made = model(flat)
    assert made.shape == (1, 3, 96, 96) and not model.training
    assert (made - 0.5).abs().max() < 0.05, "a trained network leaves grey grey"


@pytest.mark.parametrize("wrap", ["params_ema", "params", "bare", "both"])
@pytest.mark.parametrize("net", [Srvgg(6, 2, 4), Srvgg(5, 3, 2), Rrdb(6, 3, 2, 4), Rrdb(6, 3, 1, 2), Rrdb(6, 3, 1, 1)])
def test_networks_are_recognised_from_their_weights(tmp_path, net, wrap):
    weights = net.state_dict()
    zeros = {name: torch.zeros_like(value) for name, value in weights.items()}
    held = {"bare": weights, "both": {"params": zeros, "params_ema": weights}}.get(wrap, {wrap: weights})
    torch.save(held, tmp_path / "net.pth")
    model = load(settings("realesrgan", weights=str(tmp_path / "net.pth")))
    assert type(model) is type(net) and model.spec.scale == net.spec.scale and model.spec.radius == net.spec.radius
    assert all(torch.equal(value, weights[name]) for name, value in model.state_dict().items())
    assert model.spec.name == "net" and model.spec.licence == ""
    assert model.spec.sha256 == hashlib.sha256((tmp_path / "net.pth").read_bytes()).hexdigest()


def test_half_precision_and_safetensors_load(tmp_path):
    net = Srvgg(6, 2, 2)
    half = {name: value.half() for name, value in net.state_dict().items()}
    write_tensors(tmp_path / "net.safetensors", half, {"arch": "srvgg"})
    model = load(settings("realesrgan", weights=str(tmp_path / "net.safetensors")))
    for name, value in model.state_dict().items():
        assert value.dtype == torch.float32 and torch.equal(value, half[name].float())


def test_known_shapes_agree_with_the_networks():
    """What is told of the official files before they are loaded is what their networks have."""
    made = {
        "realesr-animevideov3": Srvgg(64, 16, 4), "realesr-general-x4v3": Srvgg(64, 32, 4),
        "RealESRGAN_x4plus": Rrdb(64, 32, 23, 4), "RealESRGAN_x2plus": Rrdb(64, 32, 23, 2),
        "RealESRGAN_x4plus_anime_6B": Rrdb(64, 32, 6, 4),
    }  # fmt: skip
    for name, net in made.items():
        spec = known(f"{name}.pth")
        assert (spec.arch, spec.scale, spec.radius, spec.align) == (
            net.spec.arch, net.spec.scale, net.spec.radius, net.spec.align
        )  # fmt: skip
        assert spec.licence and len(spec.sha256) == 64 and spec.url.endswith(f"/{name}.pth")


class Evil:
    def __init__(self, file):
        self.file = file

    def __reduce__(self):
        return (Path.touch, (Path(self.file),))


def test_a_checkpoint_with_code_in_it_is_refused_and_never_run(tmp_path):
    bait = tmp_path / "pwned"
    torch.save({"params": {"body.0.weight": torch.rand(1)}, "epoch": Evil(bait)}, tmp_path / "evil.pth")
    (tmp_path / "old.pth").write_bytes(pickle.dumps({"params": Evil(bait)}, protocol=2))
    for name in ("evil.pth", "old.pth"):
        with pytest.raises(StageError) as refused:
            load(settings("realesrgan", weights=str(tmp_path / name)))
        assert refused.value.failure == Failure.BAD_INPUT
        assert "code from a file is never run" in refused.value.sentence and "\n" not in refused.value.sentence
        assert refused.value.sentence.startswith("upscaler.weights: ") and name in refused.value.sentence
    assert not bait.exists()
    pickle.loads((tmp_path / "old.pth").read_bytes())  # what would have happened: the bait is real
    assert bait.exists()


def refused_weights(path):
    with pytest.raises(StageError) as refused:
        read_weights(path)
    assert refused.value.failure == Failure.BAD_INPUT and "\n" not in refused.value.sentence
    return refused.value.sentence


def test_files_that_hold_no_weights_are_refused_in_one_sentence(tmp_path):
    whole = tmp_path / "whole.pth"
    torch.save({"params": Srvgg(6, 2, 2).state_dict()}, whole)
    data = whole.read_bytes()
    for name, content in {"half.pth": data[: len(data) // 2], "text.pth": b"hello", "empty.pth": b""}.items():
        (tmp_path / name).write_bytes(content)
        assert name in refused_weights(tmp_path / name)
    torch.save({"epoch": 3}, tmp_path / "numbers.pth")
    assert "holds no weights by name" in refused_weights(tmp_path / "numbers.pth")
    assert "cannot be read" in refused_weights(tmp_path)
    lying = (10**6).to_bytes(8, "little") + b'{"a":{"dtype":"F32","shape":[4],"data_offsets":[0,16]}}'
    short = (57).to_bytes(8, "little") + b'{"a":{"dtype":"F32","shape":[4],"data_offsets":[0,16]}}  ' + b"1234"
    for content in (lying, short):
        (tmp_path / "bad.safetensors").write_bytes(content)
        assert "neither a PyTorch checkpoint nor" in refused_weights(tmp_path / "bad.safetensors")


def test_weights_that_look_like_a_network_and_do_not_fit_are_refused(tmp_path):
    weights = Srvgg(6, 2, 2).state_dict()
    weights["body.2.weight"] = torch.rand(6, 5, 3, 3)
    torch.save(weights, tmp_path / "bent.pth")
    with pytest.raises(StageError, match="do not fit the network srvgg"):
        load(settings("realesrgan", weights=str(tmp_path / "bent.pth")))


def test_other_networks_are_for_spandrel(tmp_path, monkeypatch):
    torch.save({"layers.0.weight": torch.rand(4, 3, 3, 3)}, tmp_path / "other.pth")
    monkeypatch.setitem(sys.modules, "spandrel", None)  # as on a machine that does not have it
    with pytest.raises(StageError, match=r'of no kind known here.*pip install "reeltune\[spandrel\]"'):
        load(settings("realesrgan", weights=str(tmp_path / "other.pth")))


@pytest.mark.parametrize("net", [Srvgg(8, 3, 4), Rrdb(8, 32, 1, 4), Rrdb(8, 32, 1, 2), Rrdb(8, 32, 1, 1)])
def test_spandrel_agrees_with_our_networks(tmp_path, net):
    """Where it is installed: what its networks make of the same weights is what ours make."""
    pytest.importorskip("spandrel")
    from stages.upscale.models.spandrel_model import by_spandrel

    theirs = by_spandrel(net.eval().state_dict(), tmp_path / "net.pth")
    small = picture(20, 24, count=2)
    with torch.inference_mode():
        assert (theirs(small) - net(small).clamp(0, 1)).abs().max() < 1e-5
    assert theirs.spec.scale == net.spec.scale and 0 < theirs.spec.radius <= net.spec.radius


# --- ONNX -----------------------------------------------------------------------------------


def torch_twin(weights, scale, small):
    out = small
    for name in sorted(weights):
        out = torch.nn.functional.conv2d(out, torch.from_numpy(weights[name]).float(), padding=1)
    return torch.nn.functional.pixel_shuffle(out, scale)


@pytest.mark.parametrize(("scale", "convs"), [(2, 2), (4, 5), (1, 1)])
def test_scale_and_radius_of_an_onnx_file_are_found(tmp_path, scale, convs):
    file, weights = enlarging(tmp_path / "net.onnx", scale=scale, convs=convs)
    model = load(settings("onnx", weights=str(file)))
    assert (model.spec.arch, model.spec.name, model.spec.scale, model.spec.radius) == ("onnx", "net", scale, convs)
    small = picture(18, 23, count=3)
    assert (model(small) - torch_twin(weights, scale, small)).abs().max() < 1e-5
    assert model.spec.sha256 == hashlib.sha256(file.read_bytes()).hexdigest() and model.spec.note == ""


def test_a_fixed_batch_size_is_met_and_half_floats_are_fed(tmp_path):
    fixed, weights = enlarging(tmp_path / "fixed.onnx", shape=(2, 3, "h", "w"))
    half, _ = enlarging(tmp_path / "half.onnx", kind=HALF)
    small = picture(16, 16, count=5)
    expected = torch_twin(weights, 2, small)
    assert (OnnxModel(fixed)(small) - expected).abs().max() < 1e-5
    assert (OnnxModel(half)(small) - expected).abs().max() < 2e-3
    assert OnnxModel(fixed)(small.bfloat16()).dtype == torch.bfloat16


def test_without_onnx_runtime_it_is_said_what_to_install(tmp_path, monkeypatch):
    file, _ = enlarging(tmp_path / "net.onnx")
    monkeypatch.setitem(sys.modules, "onnxruntime", None)  # as on a machine that does not have it
    with pytest.raises(StageError, match=r'needs the package onnxruntime.*pip install "reeltune\[onnx\]"'):
        load(settings("onnx", weights=str(file)))


def test_a_network_that_looks_at_everything_says_so(tmp_path):
    nodes = [node("GlobalAveragePool", ["x"], "mean"), node("Add", ["x", "mean"], "y")]
    model = OnnxModel(write_onnx(tmp_path / "global.onnx", nodes, {}))
    assert model.spec.scale == 1 and "tiles may differ" in model.spec.note


def onnx_refused(file):
    with pytest.raises(StageError) as refused:
        load(settings("onnx", weights=str(file)))
    assert refused.value.failure == Failure.BAD_INPUT and "\n" not in refused.value.sentence
    assert refused.value.sentence.startswith("upscaler.weights: ")
    return refused.value.sentence


def test_onnx_files_that_do_not_fit_are_refused(tmp_path):
    (tmp_path / "text.onnx").write_bytes(b"no model")
    assert "is no ONNX file" in onnx_refused(tmp_path / "text.onnx")
    sized, _ = enlarging(tmp_path / "sized.onnx", shape=(1, 3, 64, 48))
    assert "takes pictures of 48 × 64 only" in onnx_refused(sized)
    kernel = {"k": np.ones((1, 1, 3, 3), np.float32)}
    grey = write_onnx(tmp_path / "grey.onnx", [node("Conv", ["x", "k"], "y")], kernel, shape=("n", 1, "h", "w"))
    assert "wants 1 channels" in onnx_refused(grey)
    shrinking = write_onnx(
        tmp_path / "less.onnx", [node("MaxPool", ["x"], "y", kernel_shape=[2, 2], strides=[2, 2])], {}
    )
    assert "no enlargement" in onnx_refused(shrinking)
    flat = write_onnx(tmp_path / "flat.onnx", [node("Identity", ["x"], "y")], {}, shape=("n", 3))
    assert "one input [N, 3, H, W]" in onnx_refused(flat)


# --- filters and choice ---------------------------------------------------------------------


@pytest.mark.parametrize("scale", range(1, 9))
def test_lanczos_is_the_formula_and_reaches_three_pixels(scale):
    taps = lanczos_taps(scale)
    assert taps.shape == (scale, 7) and torch.allclose(taps.sum(1), torch.ones(scale))
    assert torch.allclose(taps, taps.flip(0, 1)), "left and right are alike"
    model = Lanczos(scale).double()
    small = picture(9, 11).double()
    made = model(small)
    assert made.shape == (1, 3, 9 * scale, 11 * scale)
    y, x = 4 * scale + scale // 2, 5 * scale
    rows = [(y + 0.5) / scale - 0.5, (x + 0.5) / scale - 0.5]
    weight = [
        [max(0.0, abs(k - at) < 3) * np.sinc(k - at) * np.sinc((k - at) / 3) for k in range(-9, 20)] for at in rows
    ]
    pixel = [small[0, 1, min(max(k, 0), 8)] for k in range(-9, 20)]
    total = sum(
        wy * wx * pixel[i][min(max(k, 0), 10)].item()
        for i, wy in enumerate(weight[0]) for k, wx in zip(range(-9, 20), weight[1], strict=True)
    )  # fmt: skip
    assert made[0, 1, y, x].item() == pytest.approx(total / sum(weight[0]) / sum(weight[1]), abs=1e-6)
    grey = model(torch.full((1, 3, 8, 8), 0.3, dtype=torch.float64))
    assert (grey - 0.3).abs().max() < 1e-6 and model.spec.radius == 3


def test_identity_gives_back_what_it_gets():
    small = picture(4, 6)
    assert torch.equal(Identity()(small), small)
    assert load(settings("identity")).spec.scale == 1


def test_load_chooses_by_name_and_scale():
    assert load(settings("embedded")).spec.scale == 2
    assert load(settings("embedded", scale=4)).spec.scale == 4
    assert load(settings("lanczos")).spec.scale == 2
    assert load(settings("lanczos", scale=7)).spec.scale == 7
    assert not load(settings("embedded")).training


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        ({"name": "embedded", "scale": 3}, "upscaler.scale: the embedded model has no ×3; use 2 or 4"),
        ({"name": "lanczos", "scale": 9}, "upscaler.scale: lanczos has no ×9; use 1 to 8"),
        ({"name": "identity", "scale": 2}, "upscaler.scale: identity has no ×2; use 1"),
        ({"name": "magic"}, "upscaler.name: 'magic' is no upscaler; use embedded, lanczos"),
        ({"name": "realesrgan"}, "upscaler.weights: upscaler=realesrgan wants weights"),
        ({"name": "onnx"}, "upscaler.weights: upscaler=onnx wants weights"),
        ({"name": "onnx", "weights": "none.onnx"}, "upscaler.weights: there is no file 'none.onnx'; name a file"),
        ({"name": "realesrgan", "weights": "realesr-animevideo"}, "did you mean realesr-animevideov3"),
    ],
)
def test_what_does_not_fit_is_said_by_its_key(asked, said):
    for function in (load, facts):
        with pytest.raises(StageError) as refused:
            function(settings(**asked))
        assert said in refused.value.sentence and refused.value.failure == Failure.BAD_INPUT


def test_a_scale_that_the_weights_do_not_have_is_refused(tmp_path):
    torch.save(Srvgg(4, 1, 2).state_dict(), tmp_path / "two.pth")
    wanted = settings("realesrgan", weights=str(tmp_path / "two.pth"), scale=4)
    with pytest.raises(StageError, match=r"upscaler\.scale: .*two\.pth enlarges by 2, not by 4; use 2, or 0"):
        load(wanted)
    assert load(settings("realesrgan", weights=str(tmp_path / "two.pth"), scale=2)).spec.scale == 2


def test_facts_are_those_of_the_loaded_model(tmp_path):
    torch.save(Srvgg(4, 1, 2).state_dict(), tmp_path / "two.pth")
    for wanted in (settings("embedded", scale=4), settings("lanczos", scale=3), settings("identity"),
                   settings("realesrgan", weights=str(tmp_path / "two.pth"))):  # fmt: skip
        assert facts(wanted) == load(wanted).spec


def test_facts_of_the_embedded_model_load_no_torch():
    code = (
        "import sys; from stages.upscale.models.load import facts; from stages.upscale.settings import UpscalerSettings"
    )
    code += "; assert facts(UpscalerSettings()).scale == 2; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], cwd=ROOT, timeout=60, check=False).returncode == 0


def test_lanczos_is_what_its_definition_says_over_lines_that_lie_in_two_bands():
    small = picture(_LINES + 9, 11, count=2)
    made = Lanczos(3)(small).numpy()
    taps = lanczos_taps(3).double().numpy()
    filled = np.pad(small.double().numpy(), ((0, 0), (0, 0), (3, 3), (3, 3)), "edge")
    for row, column in ((0, 0), (191, 20), (192, 31), (218, 32), (100, 7)):
        near = filled[:, :, row // 3 : row // 3 + 7, column // 3 : column // 3 + 7]
        wanted = np.einsum("nchw,h,w->nc", near, taps[row % 3], taps[column % 3])
        assert np.abs(made[:, :, row, column] - wanted).max() < 1e-6
