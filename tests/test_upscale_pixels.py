"""Planes to RGB and back: against the definitions, against zscale, for each layout, siting, size and depth."""

import itertools
import subprocess

import av
import numpy as np
import pytest
import torch

from stages.contract import StageError
from stages.media.color import Colour
from stages.media.ffmpeg import ffmpeg_binary
from stages.upscale import pixels
from stages.upscale.chroma import doubled, halved
from stages.upscale.pixels import coded, from_rgb, to_rgb
from stages.upscale.planes import frames_of, planar, planes_of, stacked
from tests.colour_help import MATRICES, RGB, yuv_of
from tests.upscale_nets import noise

TV = Colour("bt709", "tv")
ZSCALE = {"smpte170m": "170m", "bt709": "709", "bt2020nc": "2020_ncl"}
EVERY = [(m, r, d) for m in MATRICES for r in ("tv", "pc") for d in (8, 10, 12)]


def name_of(chroma, depth):
    return f"yuv{chroma}p" if depth == 8 else f"yuv{chroma}p{depth}le"


def as_planes(values, depth):
    """Rows of Y, U, V as planes of one line."""
    kind = torch.uint8 if depth == 8 else torch.uint16
    return tuple(torch.from_numpy(np.ascontiguousarray(column)).to(kind)[None, None] for column in values.T)


def apart(one, other):
    """The largest difference between planes of the same size."""
    assert [plane.shape for plane in one] == [plane.shape for plane in other]
    return max(int((a.int() - b.int()).abs().max()) for a, b in zip(one, other, strict=True))


@pytest.mark.parametrize(("matrix", "range_", "depth"), EVERY)
def test_numbers_are_those_of_the_definition(matrix, range_, depth):
    how = coded(name_of("444", depth), Colour(matrix, range_))
    planes = as_planes(yuv_of(RGB, matrix, range_, depth), depth)
    rgb = torch.tensor(RGB, dtype=torch.float32).T[None, :, None]
    assert apart(how.from_rgb(rgb), planes) <= 1
    assert (how.to_rgb(planes) - rgb).abs().max() <= (0.5 / 219 + 0.95 / 224) / 2 ** (depth - 8), (
        "half a number of each"
    )


@pytest.mark.parametrize(("matrix", "range_", "depth"), EVERY)
def test_there_and_back_is_the_same_on_every_colour(matrix, range_, depth):
    grid = list(itertools.product(np.linspace(0, 1, 24), repeat=3))
    planes = as_planes(yuv_of(grid, matrix, range_, depth), depth)
    how = coded(name_of("444", depth), Colour(matrix, range_))
    assert apart(how.from_rgb(how.to_rgb(planes)), planes) <= 1


@pytest.mark.parametrize("chroma", ["420", "422", "444", "440"])
@pytest.mark.parametrize("location", ["", "topleft", "center", "bottom"])
@pytest.mark.parametrize("depth", [8, 10])
def test_flat_patches_come_back_from_every_layout(chroma, location, depth):
    colour = Colour("bt709", "tv", location=location)
    for row in yuv_of(RGB, "bt709", "tv", depth):
        frame = frame_of(row, name_of(chroma, depth), 19, 11)
        back = from_rgb(to_rgb(frame, colour), frame.format.name, colour)
        assert back.format.name == frame.format.name and (back.width, back.height) == (19, 11)
        assert apart(planes_of(back), planes_of(frame)) <= 1


def frame_of(row, pix_fmt, width, height):
    shape = av.VideoFormat(pix_fmt)
    kind = torch.uint8 if shape.components[0].bits == 8 else torch.uint16
    sizes = [(height, width)] + [(shape.chroma_height(height), shape.chroma_width(width))] * 2
    planes = [torch.full((1, *size), int(number)).to(kind) for size, number in zip(sizes, row, strict=True)]
    return frames_of(tuple(planes), pix_fmt)[0]


def raw(frame, pix_fmt):
    return b"".join(plane.numpy().tobytes() for plane in planes_of(frame.reformat(format=pix_fmt)))


def zscaled(data, size, before, after, words):
    """What zscale makes of raw frames."""
    chain = f"setparams=range=unknown,zscale={words}:filter=bilinear:dither=none,format={after}"
    head = ["-f", "rawvideo", "-pix_fmt", before, "-s", f"{size[0]}x{size[1]}", "-i", "pipe:0"]
    command = [
        ffmpeg_binary().path,
        "-v",
        "error",
        "-filter_threads",
        "1",
        *head,
        "-vf",
        chain,
        "-f",
        "rawvideo",
        "-pix_fmt",
        after,
        "pipe:1",
    ]
    done = subprocess.run(command, input=data, capture_output=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr.decode()
    return unpacked(done.stdout, size, after)


def unpacked(data, size, pix_fmt):
    frame = av.VideoFrame(*size, pix_fmt)
    flat, at, found = np.frombuffer(data, np.uint16 if "10" in pix_fmt else np.uint8), 0, []
    for plane in frame.planes:
        count = plane.width * plane.height
        found.append(torch.from_numpy(flat[at : at + count].reshape(1, plane.height, plane.width).copy()))
        at += count
    return tuple(found)


@pytest.fixture(scope="module")
def picture(tmp_path_factory):
    """A picture with fine detail and strong colour."""
    path = tmp_path_factory.mktemp("picture") / "picture.png"
    source = "mandelbrot=s=322x202:start_scale=0.4,noise=alls=12:all_seed=3,gblur=0.7"
    words = [ffmpeg_binary().path, "-v", "error", "-f", "lavfi", "-i", source, "-frames:v", "1", path]
    subprocess.run(words, check=True, timeout=60, stdin=subprocess.DEVNULL)
    with av.open(str(path)) as container:
        return next(container.decode(video=0))


@pytest.mark.skipif("zscale" not in ffmpeg_binary().filters, reason="this FFmpeg has no zscale")
@pytest.mark.parametrize(
    ("matrix", "range_", "pix_fmt", "location"),
    [
        ("bt709", "tv", "yuv420p", "left"), ("bt709", "pc", "yuv420p", "topleft"), ("bt709", "tv", "yuv420p", "center"),
        ("smpte170m", "tv", "yuv420p", "left"), ("smpte170m", "pc", "yuv422p", "left"),
        ("bt2020nc", "tv", "yuv420p10le", "topleft"), ("bt2020nc", "tv", "yuv420p10le", "left"),
        ("bt709", "tv", "yuv444p", "left"),
    ],
)  # fmt: skip
def test_a_picture_is_what_zscale_makes_of_it(picture, matrix, range_, pix_fmt, location):
    """Within 1 at every pixel, there and back. One thread: more make zscale take each slice's edge for a border."""
    size, how = (picture.width, picture.height), coded(pix_fmt, Colour(matrix, range_, location=location))
    limits = f"{ZSCALE[matrix]}:range{{}}={'limited' if range_ == 'tv' else 'full'}"
    rgb = coded("gbrp", TV).to_rgb(planes_of(picture.reformat(format="gbrp")))
    words = f"matrixin=gbr:rangein=full:matrix={limits.format('')}:chromal={location}"
    theirs = zscaled(raw(picture, "gbrp"), size, "gbrp", pix_fmt, words)
    assert apart(how.from_rgb(rgb), theirs) <= 1
    words = f"matrixin={limits.format('in')}:chromalin={location}:matrix=gbr:range=full"
    data = b"".join(plane.numpy().tobytes() for plane in theirs)
    back = zscaled(data, size, pix_fmt, "gbrp", words)
    assert apart(coded("gbrp", TV).from_rgb(how.to_rgb(theirs)), back) <= 1


@pytest.mark.parametrize("phase", [0.0, 0.5, 1.0])
@pytest.mark.parametrize("axis", [0, 1])
@pytest.mark.parametrize("length", [30, 31])
def test_colour_stays_where_it_lies(phase, axis, length):
    """On a ramp each sample is the value at its own place, in both directions (the border apart)."""
    places = torch.arange(float(length))
    ramp = places.expand(3, -1) if axis else places[:, None].expand(-1, 3)
    half = halved(ramp, axis, phase)
    line = half[0] if axis else half[:, 0]
    assert len(line) == (length + 1) // 2
    assert torch.equal(line[1:-2], 2 * torch.arange(float(len(line)))[1:-2] + phase)
    exact = 2 * torch.arange(float(len(line))) + phase
    full = doubled(exact.expand(3, -1) if axis else exact[:, None].expand(-1, 3), axis, phase, length)
    line = full[0] if axis else full[:, 0]
    assert len(line) == length and torch.equal(line[2:-2], places[2:-2])


@pytest.mark.parametrize("size", [(1, 1), (2, 1), (1, 2), (3, 3), (5, 4)])
@pytest.mark.parametrize("pix_fmt", ["yuv420p", "yuv422p", "yuv440p"])
def test_the_smallest_pictures(size, pix_fmt):
    frame = from_rgb(noise(3, *size), pix_fmt, TV)
    assert (frame.height, frame.width) == size
    assert to_rgb(frame, TV).shape == (3, *size)


def test_bands_change_nothing(monkeypatch):
    how, rgb = coded("yuv420p", TV), noise(2, 3, 61, 47) * 1.2 - 0.1
    whole = how.from_rgb(rgb)
    for band in (1, 47 * 2 * 6, 47 * 2 * 32):
        monkeypatch.setitem(pixels._BAND, "cpu", band)
        assert apart(how.from_rgb(rgb), whole) == 0


def test_layout_and_precision_of_what_the_model_gives_do_not_matter():
    how, rgb = coded("yuv420p10le", TV), noise(1, 3, 20, 30).bfloat16()
    last = rgb.contiguous(memory_format=torch.channels_last)
    assert apart(how.from_rgb(last), how.from_rgb(rgb.float())) == 0


def test_rounded_not_cut_off():
    how = coded("gbrp", TV)
    rgb = torch.tensor([10.4, 10.6, 300.0, -5.0]).div(255).expand(1, 3, 1, 4)
    assert how.from_rgb(rgb)[0].flatten().tolist() == [10, 11, 255, 0]


@pytest.mark.parametrize(
    ("pix_fmt", "taken"),
    [
        ("yuv420p", "yuv420p"), ("yuvj422p", "yuv422p"), ("nv12", "yuv420p"), ("p010le", "yuv420p10le"),
        ("yuv411p", "yuv422p"), ("uyvy422", "yuv422p"), ("yuva444p", "yuv444p"), ("rgb24", "gbrp"), ("bgra", "gbrp"),
        ("rgb48le", "gbrp16le"), ("gray", "gray"), ("gray10le", "gray10le"), ("yuv420p10be", "yuv420p10le"),
    ],
)  # fmt: skip
def test_planes_of_other_formats_are_rearranged(pix_fmt, taken):
    assert planar(pix_fmt) == taken
    frame = from_rgb(torch.tensor([0.8, 0.4, 0.2])[:, None, None].expand(3, 12, 18), pix_fmt, TV)
    assert frame.format.name in (pix_fmt, taken)
    want = [0.48] * 3 if "gray" in pix_fmt else [0.8, 0.4, 0.2]
    got = to_rgb(frame, TV).mean((1, 2)).tolist()
    assert got == pytest.approx(want, abs=0.012)


def test_lines_may_be_padded_and_nothing_is_copied():
    frame = av.VideoFrame(33, 17, "yuv420p")
    assert frame.planes[0].line_size > 33
    luma = planes_of(frame)[0]
    assert luma.shape == (1, 17, 33) and luma.stride(1) == frame.planes[0].line_size
    assert luma.data_ptr() == frame.planes[0].buffer_ptr
    luma[0, 16, 32] = 77
    assert bytes(frame.planes[0])[16 * frame.planes[0].line_size + 32] == 77


def test_planes_outlive_their_frame():
    def first():
        frame = av.VideoFrame(64, 64, "yuv420p")
        planes_of(frame)[0].fill_(99)
        return planes_of(frame)[0]

    luma = first()
    _others = [av.VideoFrame(64, 64, "yuv420p") for _ in range(20)]
    assert int(luma.sum()) == 99 * 64 * 64


@pytest.mark.parametrize("pix_fmt", ["yuv420p", "yuv420p10le"])
def test_frames_of_a_batch_keep_their_order(pix_fmt):
    frames = [frame_of((n, 128, 128), pix_fmt, 8, 6) for n in (20, 40, 60)]
    planes = stacked(frames)
    assert [plane.shape for plane in planes] == [(3, 6, 8), (3, 3, 4), (3, 3, 4)]
    back = frames_of(planes, pix_fmt)
    assert [int(planes_of(frame)[0][0, 0, 0]) for frame in back] == [20, 40, 60]


def test_what_nobody_told_is_not_guessed_and_what_is_no_matrix_is_refused():
    """Guessed at the size of the result, small footage would be read by one matrix and written by another."""
    with pytest.raises(ValueError, match="no matrix is told"):
        coded("yuv420p", Colour("", "tv"))
    with pytest.raises(ValueError, match="neither tv nor pc"):
        coded("yuv420p", Colour("bt709"))
    with pytest.raises(StageError, match="colour matrix ictcp cannot be made RGB"):
        coded("yuv420p10le", Colour("ictcp", "tv"))
