"""CPU seconds per file of `audio.encode`, in one process and by the FFmpeg program, and where they go.

    python benchmarks/encode_audio.py [files]

Thirty recordings of about 6.3 s, mono 22.05 kHz, of the embedded voice → AAC 192k, stereo 44.1 kHz. CPU time is
that of this process and of the programs it ran, the best of three rounds, because other work on a machine only adds.
"""

from __future__ import annotations

import resource
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

from rich.console import Console
from rich.table import Table

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from stages.audio.coding import encode_in_process
from stages.audio.encode import EncodeAudio, EncodeAudioSettings
from stages.audio.levels import Gain
from stages.contract import Artifact, Item, Result, Work
from stages.media.audio_io import count_samples, read_mono
from stages.media.command import argv, input_file, output_file
from stages.media.ffmpeg import ffmpeg_binary
from stages.media.loudness import measure_file
from stages.media.processes import run_process
from stages.quality.speech import ScoreSpeech, ScoreSpeechSettings
from stages.speech.settings import SpeakSettings
from stages.speech.speak import Speak

WORDS = (
    "the river runs past an old stone mill where bakers ground their flour before dawn "
    "and sang of rain and distant harbours while children counted boats"
)
Measure = Callable[[Path], object]


def recordings(folder: Path, count: int) -> list[Path]:
    """Speech of about 6.3 s each."""
    voice = Speak(SpeakSettings())
    voice.open()
    words, files = WORDS.split(), []
    for number in range(count):
        scratch = folder / f"{number:03}"
        scratch.mkdir()
        text = " ".join(words[(3 * number + k) % len(words)] for k in range(20))
        files.append(voice.run(Work(Item(f"bench/{number:03}", {"text": text}), scratch)).files["speech"])
    voice.close()
    return files


def cpu_s() -> float:
    """CPU seconds so far of this process and of the children it waited for."""
    parts = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(part.ru_utime + part.ru_stime for part in parts)


def per_file_ms(work: Measure, files: list[Path], rounds: int = 3) -> float:
    """CPU milliseconds per file, of the best round."""
    best = float("inf")
    for _ in range(rounds):
        before = cpu_s()
        for file in files:
            work(file)
        best = min(best, (cpu_s() - before) / len(files))
    return best * 1000


def task(file: Path, scratch: Path, settings: EncodeAudioSettings) -> tuple[EncodeAudio, Work, Result]:
    """One whole task but for its verification."""
    stage = EncodeAudio(settings)
    work = Work(Item("bench/000", artifacts={"speech": Artifact(file, "audio/wav")}), scratch)
    return stage, work, stage.run(work)


def whole_task(scratch: Path, **settings: object) -> Measure:
    """Run and verify, as the runner does."""

    def run(file: Path) -> None:
        stage, work, result = task(file, scratch, EncodeAudioSettings(**settings))
        stage.verify(work, result)

    return run


def plain_program(target: Path, coder: str) -> Measure:
    """What a shell loop does: one FFmpeg after another, nothing measured, nothing verified."""
    options = {"acodec": "aac", "audio_bitrate": "192k", "ar": 44100, "ac": 2, "movflags": "+faststart"}

    def run(file: Path) -> None:
        output = output_file([input_file(file)], target, aac_coder=coder, **options)
        run_process(argv(ffmpeg_binary().path, output))

    return run


def score(file: Path, scratch: Path, settings: EncodeAudioSettings) -> dict[str, float]:
    """Size and quality of one file."""
    _, _, result = task(file, scratch, settings)
    pair = {"speech": Artifact(file, "audio/wav"), "audio": Artifact(result.files["audio"], "audio/mp4")}
    return {
        **result.metrics,
        **ScoreSpeech(ScoreSpeechSettings()).run(Work(Item("x", artifacts=pair), scratch)).metrics,
    }


def table_of_ways(files: list[Path], scratch: Path) -> Table:
    """Each way to encode: CPU time, size, quality."""
    table = Table("way", "coder", "CPU ms per file", "kbit/s", "PESQ", title="audio.encode, measured and verified")
    for coder in ("twoloop", "fast"):
        plain = per_file_ms(plain_program(scratch / "plain.m4a", coder), files)
        table.add_row("FFmpeg program alone, one after another", coder, f"{plain:.0f}", "", "")
        for name, settings in {
            "FFmpeg program": {"backend": "ffmpeg"},
            "in process, voice coded twice": {"code_once": False},
            "in process, voice coded once": {},
        }.items():
            spent = per_file_ms(whole_task(scratch, aac_coder=coder, **settings), files)
            scores = [score(file, scratch, EncodeAudioSettings(aac_coder=coder, **settings)) for file in files[:6]]
            rate = sum(s["audio.bitrate"] for s in scores) / len(scores) / 1000
            pesq = sum(s.get("quality.pesq", float("nan")) for s in scores) / len(scores)
            table.add_row(name, coder, f"{spent:.0f}", f"{rate:.0f}", f"{pesq:.3f}")
    return table


def table_of_parts(files: list[Path], scratch: Path) -> Table:
    """Where the time of the default way goes; each part measured alone, reading taken off."""
    settings, made = EncodeAudioSettings(), {}
    for file in files:
        folder = scratch / file.parent.name
        folder.mkdir()
        made[file] = task(file, folder, settings)
    read = per_file_ms(count_samples, files)
    parts = {
        "read and decode the source": read,
        "resample": per_file_ms(lambda file: read_mono(file, 44100), files) - read,
        "loudness and true peak": per_file_ms(measure_file, files) - read,
        "verify (decode all of the result)": per_file_ms(lambda file: made[file][0].verify(*made[file][1:]), files),
    }
    target = scratch / "part.m4a"
    run = per_file_ms(lambda file: encode_in_process(file, target, settings, Gain(), lambda _done: None), files)
    parts["encode and write"] = run - sum(list(parts.values())[:3])
    total = run + parts["verify (decode all of the result)"]
    table = Table("part", "CPU ms per file", "share", title="where the time of the default way goes")
    for name, spent in sorted(parts.items(), key=lambda part: -part[1]):
        table.add_row(name, f"{spent:.1f}", f"{spent / total:.0%}")
    return table


def main() -> None:
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 30
    console = Console()
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder)
        files = recordings(home, count)
        (home / "out").mkdir()
        seconds = sum(samples / rate for samples, rate in map(count_samples, files)) / len(files)
        console.print(f"{len(files)} files of {seconds:.1f} s")
        console.print(table_of_ways(files, home / "out"))
        console.print(table_of_parts(files, home / "out"))


if __name__ == "__main__":
    main()
