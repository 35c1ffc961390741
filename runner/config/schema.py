"""The shape of a composed config: one typed schema per group, shared by all options of the group."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from runner.hardware.config import HardwareConfig
from stages.caption.settings import CaptionSettings
from stages.image.settings import ImageSettings
from stages.media.encoders.settings import EncoderConfig
from stages.scene.settings import SceneSettings
from stages.script.settings import ScriptSettings
from stages.settings import setting
from stages.short.settings import MusicSettings, ShortFilmSettings, SoundSettings
from stages.speech.settings import SpeakSettings
from stages.upscale.settings import UpscalerSettings
from stages.video.settings import FilmSettings

MISSING: Any = "???"


@dataclass
class PipelineConfig:
    """A named graph of stages; `stages` is read by `runner.plan.graph`."""

    name: str = MISSING
    title: str = ""
    source: dict[str, Any] = field(default_factory=dict)
    stages: dict[str, Any] = field(default_factory=dict)


@dataclass
class ProfileAudio:
    """How sound is coded at this trade of quality against speed."""

    bitrate: str = setting("192k", "audio bitrate", bitrate=True, low=8_000, high=512_000)
    code_once: bool = setting(True, "code a mono voice once for two channels: half the CPU time, the same sound")
    aac_coder: str = setting("fast", "AAC coder; for speech fast costs less at no loss", choices=("twoloop", "fast"))


@dataclass
class ProfileConfig:
    """The trade of quality against speed."""

    name: str = MISSING
    tier: str = setting("balanced", "tier that encoders map to a preset", choices=("fast", "balanced", "quality"))
    preset: str = setting("fast", "x264-style preset of this tier")
    workers_max: int = setting(8, "most workers that `auto` may start per stage", low=1, high=256)
    workers: dict[str, Any] = setting({}, "workers per stage: a number or auto")
    begin: dict[str, Any] = setting({}, "workers per stage that auto begins with; then it follows the load")
    tuned: dict[str, Any] = setting({}, "where a tuned profile was found: pipeline, machine, versions")
    audio: ProfileAudio = field(default_factory=ProfileAudio)


@dataclass
class AudioConfig:
    """What finished audio files are."""

    sample_rate: int = setting(44100, "sample rate", low=8000, high=96000, unit="Hz")
    channels: int = setting(2, "channels", low=1, high=2)
    normalize: bool = setting(False, "bring every file to target_lufs")
    target_lufs: float = setting(-16.0, "integrated loudness to normalise to", low=-40, high=-5, unit="LUFS")
    true_peak_db: float = setting(-1.5, "highest true peak after normalising", low=-9, high=0, unit="dBTP")
    backend: str = setting("av", "encode in process (av) or by the FFmpeg program (ffmpeg)", choices=("av", "ffmpeg"))


@dataclass
class MediaConfig:
    """How media are read and written."""

    threads: int = setting(2, "threads per encode", low=1, high=256, affects_output=False)
    hwaccel: str = setting("auto", "input hardware decoding", choices=("auto", "cuda", "qsv", "none"))
    buffer_kb: int = setting(64, "I/O buffer", low=4, high=65536, unit="KB", affects_output=False)


@dataclass
class QualityConfig:
    """What is measured about the result."""

    sample: str = setting(
        "auto",
        "items to score per run: a number, `all`, or auto (8 in a sweep; else none, all with a reference or a target)",
    )
    after: bool = setting(False, "score when all else is done, so that speeds are those of the work alone")
    reference: str = setting(
        "", "film to compare finished films with, or a folder of such named like the inputs; empty: the inputs"
    )
    windows: int = setting(0, "evenly spread windows of a film that are scored; 0 scores every frame", low=0, high=1000)
    window_s: float = setting(10.0, "length of a window", low=0.1, high=600, unit="s")
    target_vmaf: float = setting(0.0, "mean VMAF that is wanted; finds encoder.quality. 0: none", low=0, high=100)
    target_vmaf_p1: float = setting(0.0, "the same for the 1 % low of VMAF", low=0, high=100)
    target_ssim: float = setting(0.0, "the same for SSIM", low=0, high=1)


@dataclass
class LimitsConfig:
    """What the operating system holds each worker to."""

    worker_ram_mb: int = setting(2048, "memory of one worker; 0 for no limit", low=0, high=1_048_576, unit="MB")
    worker_cpus: int = setting(2, "CPUs of one worker; 0 for all", low=0, high=1024)
    nice: int = setting(5, "how much workers give way to others", low=0, high=19)


@dataclass
class AdaptConfig:
    """How worker counts follow the machine's load; percentages of CPU and RAM."""

    enabled: bool = setting(True, "change worker counts while running (only those set to auto)")
    every_s: float = setting(1.0, "how often, in whole seconds", low=1, high=60, unit="s")
    cpu_low: float = setting(70.0, "below this a worker is added; 100: always", low=1, high=100, unit="%")
    cpu_high: float = setting(90.0, "above this one is taken away", low=1, high=100, unit="%")
    ram_low: float = setting(80.0, "a worker is added only below this", low=1, high=100, unit="%")
    ram_high: float = setting(90.0, "above this one is taken away", low=1, high=100, unit="%")


@dataclass
class CacheConfig:
    """Where finished work is kept."""

    dir: str | None = setting(None, "folder of the cache; default: <outputs_dir>/cache")
    enabled: bool = setting(True, "take finished work from the cache")
    fresh: str = setting(
        "auto",
        "do computing stages anew: auto in a sweep (so that it measures), always, never",
        choices=("auto", "always", "never"),
    )
    max_gb: float = setting(
        50.0,
        "a run says so when the cache is larger; `reeltune cache prune` cuts it to this",
        low=0.001,
        high=1_000_000,
        unit="GB",
    )


@dataclass
class TrackingConfig:
    """Where runs are told to."""

    enabled: bool = setting(True, "tell MLflow")
    uri: str | None = setting(None, "tracking server or sqlite:/// store; default: <outputs_dir>/mlflow.db")


@dataclass
class RetryConfig:
    """How often a failed task is tried again, by class of failure."""

    network: int = setting(3, "tries more after a network failure", low=0, high=20)
    crashed: int = setting(1, "tries more after a worker died", low=0, high=20)
    timeout: int = setting(1, "tries more after a time-out", low=0, high=20)
    base_s: float = setting(1.0, "first waiting time; doubles, with jitter", low=0, high=600, unit="s")


@dataclass
class Root:
    """The whole config."""

    pipeline: PipelineConfig = field(default_factory=PipelineConfig)
    hardware: HardwareConfig = field(default_factory=HardwareConfig)
    encoder: EncoderConfig = field(default_factory=EncoderConfig)
    profile: ProfileConfig = field(default_factory=ProfileConfig)
    tts: SpeakSettings = field(default_factory=SpeakSettings)
    upscaler: UpscalerSettings = field(default_factory=UpscalerSettings)
    script: ScriptSettings = field(default_factory=ScriptSettings)
    images: ImageSettings = field(default_factory=ImageSettings)
    scene: SceneSettings = field(default_factory=SceneSettings)
    captions: CaptionSettings = field(default_factory=CaptionSettings)
    music: MusicSettings = field(default_factory=MusicSettings)
    sound: SoundSettings = field(default_factory=SoundSettings)
    film: ShortFilmSettings = field(default_factory=ShortFilmSettings)
    audio: AudioConfig = field(default_factory=AudioConfig)
    media: MediaConfig = field(default_factory=MediaConfig)
    video: FilmSettings = field(default_factory=FilmSettings)
    quality: QualityConfig = field(default_factory=QualityConfig)
    limits: LimitsConfig = field(default_factory=LimitsConfig)
    adapt: AdaptConfig = field(default_factory=AdaptConfig)
    cache: CacheConfig = field(default_factory=CacheConfig)
    tracking: TrackingConfig = field(default_factory=TrackingConfig)
    retry: RetryConfig = field(default_factory=RetryConfig)
    workers: dict[str, Any] = setting({}, "workers per stage: a number or auto")
    rates: dict[str, Any] = setting({}, "API rates by name: [grants, seconds]")
    input: Any = setting(None, "files, folders, globs or a list file")
    output: str | None = setting(None, "where finished files go; default: result/ in the run's folder")
    outputs_dir: str = setting("outputs", "home of runs, cache, temp and the tracking store")
    temp_dir: str | None = setting(None, "scratch space, local and fast; default: in the run's folder")
    batch_size: int = setting(50, "items open at once", low=1, high=100_000)
    on_oom: str = setting(
        "auto",
        "auto lowers what was chosen for you, degrade also what you set, fail neither",
        choices=("auto", "degrade", "fail"),
    )
    on_failure: str = setting("continue", "after an item failed", choices=("continue", "stop"))
    task_timeout_s: float = setting(3600.0, "longest time for one task; 0 for none", low=0, unit="s")
    job_timeout_s: float = setting(0.0, "longest time for the whole run; 0 for none", low=0, unit="s")
    progress: str = setting("auto", "how progress is shown", choices=("auto", "rich", "plain", "off"))
