"""`tune` for narrate: against a service that speaks, and with the offline voice, whose whole grid is run.

`python -m benchmarks tune_narrate`. The service takes a second and a half for a text, as such services do, and refuses
more than `AT_ONCE` texts at once. What the search found then reads other texts than those it was found with, in turns
with `balanced`. With the offline voice all settings of a grid are run: where `balanced` is the best of them already
there is nothing to be won, and the table shows it.
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

from benchmarks.measure import CORES, HOME, table
from benchmarks.narrate import sentences
from benchmarks.tuning import measured, paired, profile, search, settings_of

TEXTS, AT_ONCE, LATENCY_S = 64, 24, 1.5
SPEED, QUALITY = "throughput.items_per_s", "quality.stoi"
GRID = """\
pipeline: narrate
objective: {metric: throughput.items_per_s, goal: max}
quality: {metric: quality.stoi, floor: 0.9}
space:
  workers.speak: [1, 2, 4]
  workers.encode: [1, 2, 4]
  audio.backend: [av, ffmpeg]
  profile.audio.aac_coder: [twoloop, fast]
samples: {items: [64]}
"""


def main() -> None:
    """Run both and print the tables."""
    with tempfile.TemporaryDirectory() as folder:
        cwd = Path(folder)
        for name, seed in (("texts.txt", 3), ("others.txt", 11)):
            (cwd / name).write_text("\n".join(sentences(TEXTS, seed)) + "\n", encoding="utf-8")
        _service(cwd)
        _offline(cwd)


def _service(cwd: Path) -> None:
    sys.path.insert(0, str(HOME / "tests"))
    from servers.speech_api import SpeechApi

    with SpeechApi(latency=LATENCY_S, refuse=lambda _n, flying: "429" if flying > AT_ONCE else None) as service:
        voice = ("pipeline=narrate", "tts=openai", f"tts.url={service.url}", "tts.model=m", "tts.api_key_env=",
                 "tts.concurrency=32", "quality.sample=8")  # fmt: skip
        trials = search(cwd, "service", *voice, "texts.txt", "search=narrate_service", "quality.stoi='>=now'")
        _told(f"a service that takes {LATENCY_S:g} s a text, and {AT_ONCE} at once", trials)
        name = profile(cwd, "narrate")
        sys.stdout.write(f"\n```\n{settings_of(cwd, name)}\n```\n")
        ways = {"balanced": (*voice, "others.txt", "profile=balanced"), name: (*voice, "others.txt", f"profile={name}")}
        paired("other texts, the same service", SPEED, QUALITY, ways, cwd)


def _offline(cwd: Path) -> None:
    space = cwd / "conf" / "search" / "narrate_grid.yaml"
    space.parent.mkdir(parents=True, exist_ok=True)
    space.write_text(GRID, encoding="utf-8")
    trials = search(cwd, "offline", "pipeline=narrate", "texts.txt", "search=narrate_grid", "sampler=grid", "repeats=1",
                    "quality.sample=4", "name=tuned_offline")  # fmt: skip
    _told(f"the offline voice on {CORES} cores, the whole grid", trials)
    with_balanced = [measured(cwd, "pipeline=narrate", "texts.txt", "quality.sample=4")[SPEED] for _ in range(3)]
    sys.stdout.write(f"\nbalanced: {', '.join(f'{one:.2f}' for one in with_balanced)} files/s\n")


def _told(title: str, trials: list[dict[str, object]]) -> None:
    having = [trial for trial in trials if SPEED in trial]
    having.sort(key=lambda trial: -float(str(trial[SPEED])))
    rows = [(str(trial["settings"]), f"{trial[SPEED]:.2f}", f"{trial.get(QUALITY, 0):.4f}") for trial in having]
    table(title, ("settings", "files/s", "STOI"), rows)


if __name__ == "__main__":
    main()
