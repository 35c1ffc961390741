"""Tables of speed and VMAF as encoders give them, from formulas: the truth that a search is measured against."""

import math
import random
import zlib

PRESETS = {
    "x264": [("ultrafast", 9.0, 4.0), ("veryfast", 4.6, 0.4), ("fast", 2.3, -0.3), ("medium", 1.8, -0.6)],
    "x265": [("ultrafast", 2.6, 1.8), ("veryfast", 1.3, 0.6), ("fast", 0.9, 0.2), ("medium", 0.55, 0.0)],
    "svtav1": [("12", 5.0, 1.6), ("10", 3.4, 0.8), ("8", 1.7, 0.0), ("6", 0.8, -0.4)],
}
CRF = {"x264": (16, 34), "x265": (18, 36), "svtav1": (24, 50)}
SCALING = {"x264": 0.88, "x265": 0.62, "svtav1": 0.80}  # share of the work that threads divide
# content: VMAF lost at the lowest number, e-fold of the loss along the range, speed gained along it
CONTENTS = {"easy": (0.6, 0.42, 0.25), "mixed": (1.4, 0.36, 0.35), "hard": (3.0, 0.40, 0.55), "dark": (1.0, 0.30, 0.45)}


def own(*what):
    """A number of -1..1 that belongs to these words: what no formula tells of this very combination."""
    return zlib.crc32(repr(what).encode()) / 2**31 - 1


class Table:
    """Truth for one content; `measure` adds the noise of a timing."""

    def __init__(self, content, seed=0, noise=0.01, jitter=0.02):
        self.content, self.seed, self.noise, self.jitter = content, seed, noise, jitter
        self.random = random.Random(seed)

    def truth(self, values):
        encoder, preset, crf = values["encoder"], values["encoder.preset"], values["encoder.quality"]
        threads = values.get("encoder.threads", 1)
        lost, fold, gain = CONTENTS[self.content]
        _, fps, worse = next(row for row in PRESETS[encoder] if row[0] == preset)
        low, high = CRF[encoder]
        along = (crf - low) / (high - low)
        who = (self.content, self.seed, encoder, preset)
        share = SCALING[encoder]
        speed = 20 * fps * (1 + gain * along) / (1 - share + share / threads)
        speed *= math.exp(0.1 * own(*who) + self.jitter * own(*who, crf, threads))
        loss = (lost + worse * 0.5 + 0.3) * math.exp(along / fold) * (1 + 0.1 * own(*who, "q"))
        vmaf = max(0.0, min(99.9, 100 - loss + 0.05 * own(*who, crf, threads, "q")))
        return {"throughput.fps": speed, "quality.vmaf_mean": vmaf}

    def measure(self, values):
        found = dict(self.truth(values))
        found["throughput.fps"] *= math.exp(self.random.gauss(0, self.noise))
        return found
