"""A search in a process of its own, to be killed: asks, works a moment, tells, until nothing is left."""

import random
import sys
import time
from pathlib import Path

from runner.tune.search import Search
from runner.tune.space import Goal, Key, SearchSpace
from runner.tune.trials import TrialBook

SPACE = SearchSpace(
    "kill",
    "transcode",
    Goal("throughput.fps"),
    (Key("encoder", ("x264", "x265", "svtav1")), Key("encoder.quality", tuple(range(20, 60)), ordered=True)),
    Goal("quality.vmaf_mean"),
    floor=50.0,
)
TOTAL = 60


def work(folder, pause_s):
    search = Search(SPACE, TrialBook(Path(folder)), sampler="random", total=TOTAL)
    while not search.finished:
        if (ask := search.ask()) is None:
            time.sleep(0.01)
            continue
        time.sleep(random.random() * pause_s)
        crf = ask.point.as_dict()["encoder.quality"]
        # a long line, so that there are many bytes to be killed at
        figures = {"throughput.fps": crf * 2.0, "quality.vmaf_mean": 100.0 - crf}
        search.tell(ask.number, "ok", figures | {f"quality.part_{n}": crf / 7 for n in range(200)})


if __name__ == "__main__":
    work(sys.argv[1], float(sys.argv[2]))
