"""Speech to a finished audio file: AAC in MP4, ready to stream, at a known loudness."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from stages.audio.coding import FRAME, Coded, encode_by_program, encode_in_process, most_bits
from stages.audio.levels import Gain, gain_to
from stages.contract import Failure, Needs, Result, Stage, StageError, Step, Work
from stages.media.audio_io import open_sound
from stages.media.ffmpeg import ffmpeg_binary
from stages.media.loudness import measure_file
from stages.media.mp4 import is_faststart, outer_boxes
from stages.settings import Problem, bits_per_second, setting

_RATES = (8000, 11025, 12000, 16000, 22050, 24000, 32000, 44100, 48000, 64000, 88200, 96000)


@dataclass(frozen=True)
class EncodeAudioSettings:
    """How speech becomes a file."""

    codec: str = setting("aac", "audio codec", choices=("aac",))
    bitrate: str = setting(
        "192k", "average bitrate", bitrate=True, low=8_000, high=512_000, search=("96k", "128k", "192k", "256k")
    )
    sample_rate: int = setting(44100, "samples per second", choices=_RATES, unit="Hz")
    channels: int = setting(2, "1 or 2; a mono voice comes from both sides at its own level", choices=(1, 2))
    aac_coder: str = setting(
        "fast",
        "search of FFmpeg's AAC encoder: for speech fast is also the better one at any bitrate",
        choices=("twoloop", "fast"),
        search=("twoloop", "fast"),
    )
    code_once: bool = setting(True, "code a mono voice once for two channels (in process): less than half the CPU time")
    threads: int = setting(
        2, "threads of one FFmpeg; AAC itself is coded by one", low=1, high=64, affects_output=False, search=(1, 2)
    )
    faststart: bool = setting(True, "put the index first, so that playing begins before the whole file is there")
    normalize: bool = setting(False, "bring the loudness to target_lufs")
    target_lufs: float = setting(-16.0, "integrated loudness wanted", low=-40, high=-6, unit="LUFS")
    true_peak_db: float = setting(-1.5, "highest true peak with normalize", low=-9, high=0, unit="dBTP")
    backend: str = setting(
        "av", "av: in process by PyAV; ffmpeg: the FFmpeg program", choices=("av", "ffmpeg"), search=("av", "ffmpeg")
    )
    hwaccel: str = setting(
        "auto",
        "hardware decoding of the input; sound has none",
        choices=("auto", "cuda", "qsv", "none"),
        affects_output=False,
    )
    buffer_kb: int = setting(64, "read buffer", low=4, high=65536, unit="KB", affects_output=False)


class EncodeAudio(Stage[EncodeAudioSettings]):
    """Encodes the first audio stream of `speech`; `quality.lufs` and `quality.true_peak_db` are of the result.

    In process they are measured on what goes into the encoder, as it will sound from the result's channels (one voice
    from two speakers is 3 LU louder than from one); by the program, on the finished file.
    """

    config_class = EncodeAudioSettings
    consumes: ClassVar[Mapping[str, str]] = {"speech": "audio/"}
    produces: ClassVar[Mapping[str, str]] = {"audio": "audio/mp4"}
    writes = ("duration_s", "lufs")

    def run(self, work: Work) -> Result:
        """Encode one recording.

        Raises:
            StageError: BAD_INPUT, DISK_FULL, HOST_OOM, ENCODER or CRASHED.
        """
        source, target = work.item.artifacts["speech"].path, work.scratch / "audio.m4a"
        gain = self._gain(work)
        encode = encode_in_process if self.config.backend == "av" else encode_by_program
        coded = encode(source, target, self.config, gain, work.progress)
        size = target.stat().st_size
        return Result(
            files={"audio": target},
            data={"duration_s": coded.seconds, "lufs": coded.loudness.lufs},
            metrics=_metrics(coded, size),
            notes=[note for note in (self._hwaccel_note(), gain.note, coded.loudness.note) if note],
        )

    def _gain(self, work: Work) -> Gain:
        """The first of two passes: what must be done to the level."""
        if not self.config.normalize:
            return Gain()
        source = work.item.artifacts["speech"].path
        heard = measure_file(source, channels=self.config.channels)
        return gain_to(heard, self.config.target_lufs, self.config.true_peak_db)

    def _hwaccel_note(self) -> str:
        asked = self.config.hwaccel
        return "" if asked in {"auto", "none"} else f"hwaccel={asked} is none in effect: sound has no hardware decoder"

    def verify(self, work: Work, result: Result) -> None:
        """Decode the whole file and compare it with what was asked and with the source's duration.

        Raises:
            StageError: ENCODER when the file is not whole, or not what was asked for.
        """
        super().verify(work, result)
        path = result.files["audio"]
        try:
            said = self._faults(path, result.data["duration_s"])
        except StageError as error:
            raise error.about(work.item.key, Failure.ENCODER) from error
        if said:
            raise StageError(Failure.ENCODER, f"{work.item.key}: the encoded file is wrong: {'; '.join(said)}")

    def _faults(self, path: Path, seconds: float) -> list[str]:
        config, said = self.config, []
        if config.faststart and not is_faststart(path):
            said.append("its index is not at the front")
        outer_boxes(path)
        with open_sound(path) as sound:
            found = (sound.stream.codec_context.name, sound.rate, sound.channels)
            samples = sum(frame.samples for frame in sound.frames())
        if found != (config.codec, config.sample_rate, config.channels):
            said.append(f"it holds {found}, not {(config.codec, config.sample_rate, config.channels)}")
        if abs(samples - seconds * config.sample_rate) > 2 * FRAME:
            said.append(f"it lasts {samples / config.sample_rate:.3f} s, its source {seconds:.3f} s")
        return said

    @classmethod
    def needs(cls, config: EncodeAudioSettings) -> Needs:  # noqa: ARG003
        """One thread: the AAC encoder has no more. Measured peak: 64 MB, for 6 s and for 10 min alike."""
        return Needs(cpu_threads=1.0, ram_mb=120)

    @classmethod
    def ladder(cls, config: EncodeAudioSettings, failure: Failure) -> Iterable[Step]:
        """After an encoder failure in process, the FFmpeg program may still do it."""
        if config.backend == "av" and failure in {Failure.ENCODER, Failure.CRASHED}:
            yield Step({"backend": "ffmpeg"}, "the encoder failed in process: a process of its own")

    @classmethod
    def tools(cls, config: EncodeAudioSettings) -> Mapping[str, str]:
        """The FFmpeg that encodes: PyAV's libraries or the program."""
        if config.backend == "ffmpeg":
            return {"ffmpeg": ffmpeg_binary().version}
        import av

        return {"pyav": av.__version__, "libavcodec": ".".join(map(str, av.library_versions["libavcodec"]))}

    @classmethod
    def problems(cls, config: EncodeAudioSettings, key: str) -> Iterable[Problem]:
        """A bitrate that AAC cannot carry at this sample rate."""
        try:
            asked, most = bits_per_second(config.bitrate), most_bits(config, config.channels)
        except ValueError:
            return  # the setting's own rule says so
        if asked > most:
            reason = f"{config.bitrate} is more than AAC carries at {config.sample_rate} Hz × {config.channels}"
            yield Problem(f"{key}.bitrate", reason, f"use at most {most // 1000}k, or a higher sample_rate")


def _metrics(coded: Coded, size: int) -> dict[str, float]:
    metrics = {
        "size.bytes": float(size),
        "audio.duration_s": coded.seconds,
        "audio.bitrate": size * 8 / coded.seconds,
        "quality.lufs": coded.loudness.lufs,
        "quality.true_peak_db": coded.loudness.true_peak_db,
    }
    return {name: value for name, value in metrics.items() if value is not None}
