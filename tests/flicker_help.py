"""Made clips whose motion is known: textures on layers that move, with the flicker of an upscaling network."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import cache

import cv2
import numpy as np

SCALE = 4
SIZE = (192, 108)  # of the input picture: width, height
INVERSE = cv2.INTER_CUBIC | cv2.WARP_INVERSE_MAP


@dataclass(frozen=True)
class Layer:
    """A texture [h, w, 4] (RGB and cover, 0 … 1), and where a pixel of frame t is found on it: a 2 × 3 matrix."""

    texture: np.ndarray
    place: Callable[[int], np.ndarray]


@dataclass
class Clip:
    """Frames of one film, in order.

    `inputs`: luma uint8 [H, W]. `clean` and `raw`: RGB [3, sH, sW] float32, without and with flicker. `flows`: where
    each pixel was one frame before, [sH, sW, 2] in pixels, and where it was seen then; None where there is no before.
    """

    inputs: list = field(default_factory=list)
    clean: list = field(default_factory=list)
    raw: list = field(default_factory=list)
    flows: list = field(default_factory=list)


@cache
def texture(seed: int, size: tuple[int, int], contrast: float = 1.0) -> np.ndarray:
    """Clouds at many scales, and sharp-edged shapes and lines on them."""
    rng = np.random.default_rng(seed)
    width, height = size
    picture = np.zeros((height, width, 3), np.float32)
    for sigma, amount in ((1.2, 0.05), (3, 0.06), (9, 0.08), (30, 0.12)):
        noise = cv2.GaussianBlur(rng.standard_normal((height, width, 3)).astype(np.float32), (0, 0), sigma)
        picture += amount * contrast * noise / noise.std()
    picture += 0.5
    for _ in range(width * height // 9000):
        x, y, w, h = (int(v) for v in rng.integers((0, 0, 8, 8), (width, height, 90, 60)))
        colour = tuple(float(c) for c in 0.5 + contrast * rng.uniform(-0.35, 0.35, 3))
        cv2.rectangle(picture, (x, y), (x + w, y + h), colour, int(rng.choice([-1, 2, 3])), cv2.LINE_AA)
    picture = cv2.GaussianBlur(picture, (0, 0), 0.7).clip(0.02, 0.98)
    return np.dstack([picture, np.ones((height, width), np.float32)])


def disc(seed: int, radius: int) -> np.ndarray:
    """A round piece of texture."""
    piece = texture(seed, (2 * radius, 2 * radius)).copy()
    cover = np.zeros(piece.shape[:2], np.float32)
    cv2.circle(cover, (radius, radius), radius - 3, 1.0, -1, cv2.LINE_AA)
    piece[..., 3] = cv2.GaussianBlur(cover, (0, 0), 0.7)
    return piece


def caption(text: str, size: tuple[int, int]) -> np.ndarray:
    """White words with a black edge."""
    width, height = size
    words = np.zeros((height, width, 4), np.float32)
    for colour, thick in (((0, 0, 0, 1), 7), ((0.95, 0.95, 0.95, 1), 2)):
        cv2.putText(words, text, (20, height - 24), cv2.FONT_HERSHEY_SIMPLEX, 1.4, colour, thick, cv2.LINE_AA)
    return words


def still(_t: int) -> np.ndarray:
    return np.float32([[1, 0, 0], [0, 1, 0]])


def moving(dx: float, dy: float, x: float = 0, y: float = 0) -> Callable[[int], np.ndarray]:
    """A layer whose corner is at x, y of frame 0 and moves so many output pixels a frame."""
    return lambda t: np.float32([[1, 0, -x - dx * t], [0, 1, -y - dy * t]])


def turning(degrees: float, zoom: float, x: float, y: float) -> Callable[[int], np.ndarray]:
    """The camera turns and zooms about a point of the texture."""

    def place(t: int) -> np.ndarray:
        width, height = output_size()
        matrix = cv2.getRotationMatrix2D((width / 2, height / 2), degrees * t, zoom**t)
        matrix[:, 2] += (x - width / 2, y - height / 2)
        return np.float32(matrix)

    return place


def output_size(size: tuple[int, int] = SIZE) -> tuple[int, int]:
    return size[0] * SCALE, size[1] * SCALE


def whole(matrix: np.ndarray) -> np.ndarray:
    return np.vstack([matrix, [0, 0, 1]]).astype(np.float64)


def drawn(layers: Sequence[Layer], t: int, size: tuple[int, int]) -> tuple[np.ndarray, np.ndarray]:
    """The picture [h, w, 3], and which layer each pixel shows (-1 where two are mixed)."""
    width, height = size
    picture, shown = np.full((height, width, 3), 0.5, np.float32), np.full((height, width), -1, np.int8)
    for number, layer in enumerate(layers):
        found = cv2.warpAffine(layer.texture, layer.place(t), size, flags=INVERSE)
        cover = found[..., 3:].clip(0, 1)
        picture += cover * (found[..., :3] - picture)
        shown[cover[..., 0] > 0.001] = -1
        shown[cover[..., 0] > 0.999] = number
    return picture.clip(0, 1), shown


def known_flow(layers: Sequence[Layer], t: int, before: np.ndarray, now: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Where each pixel of frame t was in frame t - 1, and whether it was to be seen there."""
    height, width = now.shape
    at = np.stack(np.meshgrid(np.arange(width), np.arange(height)), -1).astype(np.float64)
    flow, seen = np.zeros((height, width, 2), np.float32), np.zeros((height, width), bool)
    for number, layer in enumerate(layers):
        back = np.linalg.inv(whole(layer.place(t - 1))) @ whole(layer.place(t))
        there = at @ back[:2, :2].T + back[:2, 2]
        mine = now == number
        flow[mine] = (there - at)[mine]
        maps = there.astype(np.float32)
        same = cv2.remap(np.uint8(before == number), maps, None, cv2.INTER_NEAREST)
        seen |= mine & (cv2.erode(same, np.ones((3, 3))) > 0)
    return flow, seen


def flickering(clean: np.ndarray, rng, noise: float, detail: float, brightness: float) -> np.ndarray:
    """One frame as a network that sees each frame alone would make it: noise, wavering detail, wavering brightness."""
    height, width = clean.shape[:2]
    grain = cv2.GaussianBlur(rng.standard_normal((height, width, 3)).astype(np.float32), (0, 0), 1)
    where = cv2.GaussianBlur(rng.standard_normal((height, width)).astype(np.float32), (0, 0), 12)
    fine = clean - cv2.GaussianBlur(clean, (0, 0), 3)
    wavering = detail * (where / where.std())[..., None] * fine
    picture = clean * (1 + brightness * rng.standard_normal()) + wavering + noise / 255 * grain / grain.std()
    return picture.clip(0, 1)


def grey(picture: np.ndarray, size: tuple[int, int], rng, noise: float) -> np.ndarray:
    """The input picture that an output picture [h, w, 3] belongs to, as luma."""
    small = cv2.resize(picture, size, interpolation=cv2.INTER_AREA) @ np.float32([0.299, 0.587, 0.114])
    return np.rint(255 * small + noise * rng.standard_normal(small.shape)).clip(0, 255).astype(np.uint8)


def made(
    layers: Sequence[Layer],
    frames: int,
    *,
    size: tuple[int, int] = SIZE,
    light: Callable[[int], float] = lambda t: 1.0,
    flicker: tuple[float, float, float] = (3, 0.15, 0.01),
    grain: float = 1.5,
    first: int = 0,
    seed: int = 5,
) -> Clip:
    """A clip of one scene; `flicker`: noise (of 255), share of detail, share of brightness; `grain`: of the input."""
    clip, rng, out = Clip(), np.random.default_rng(seed), output_size(size)
    before = None
    for t in range(first, first + frames):
        clean, shown = drawn(layers, t, out)
        clean *= np.float32(light(t))
        raw = flickering(clean, rng, *flicker)
        clip.inputs.append(grey(clean, size, rng, grain))
        clip.clean.append(np.ascontiguousarray(clean.transpose(2, 0, 1)))
        clip.raw.append(np.ascontiguousarray(raw.transpose(2, 0, 1), np.float32))
        clip.flows.append(None if before is None else known_flow(layers, t, before, shown))
        before = shown
    return clip


def joined(*clips: Clip) -> Clip:
    """One clip after another, with a cut between."""
    whole_film = Clip()
    for clip in clips:
        for name in ("inputs", "clean", "raw", "flows"):
            getattr(whole_film, name).extend(getattr(clip, name))
    return whole_film


def scene(name: str, size: tuple[int, int] = SIZE) -> list[Layer]:
    """Scenes by name: what moves in them, in output pixels a frame."""
    width, height = output_size(size)
    large = (width + 500, height + 400)
    ground = texture(1, large)
    passer = Layer(disc(2, height // 5), moving(9.3, 1.7, width * 0.1, height * 0.2))
    words = Layer(caption("Static words, still", (width, height)), still)
    layers = {
        "pan": [Layer(ground, moving(-3.4, 1.3, -60, -90))],
        "passing": [Layer(ground, moving(-3.4, 1.3, -60, -90)), passer],
        "words": [Layer(ground, moving(-7.1, 0.6, -60, -90)), passer, words],
        "turning": [Layer(ground, turning(0.8, 1.01, large[0] / 2, large[1] / 2)), passer],
        "fast": [Layer(ground, moving(-41.0, 6.0, -20, -300)), passer],
        "still": [Layer(ground, still)],
    }
    return layers[name]
