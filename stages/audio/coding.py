"""Sound to AAC in an MP4 file, in process by PyAV or by the FFmpeg program."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from stages.audio.levels import Gain, levelled
from stages.contract import Failure, StageError
from stages.media.aac import ENCODER_OPTIONS, as_pair
from stages.media.audio_io import DOWNMIX, Sound, count_samples, open_sound
from stages.media.command import argv, file_url, input_file, output_file
from stages.media.faults import writing
from stages.media.ffmpeg import ffmpeg_binary
from stages.media.loudness import Loudness, LoudnessMeter, measure_file, meter_for
from stages.media.processes import progress_reader, run_process
from stages.settings import bits_per_second

if TYPE_CHECKING:
    from av import AudioFrame

    from stages.audio.encode import EncodeAudioSettings

FRAME = 1024  # samples of one AAC frame, and of the encoder's priming
_UPMIX = {"map": "0-FL|0-FR", "channel_layout": "stereo"}  # FFmpeg's own mono → stereo is 3 dB softer
Progress = Callable[[float], None]


@dataclass(frozen=True, slots=True)
class Coded:
    """What was coded: samples per channel of the source and their rate; loudness of the coded sound."""

    samples: int
    rate: int
    loudness: Loudness

    @property
    def seconds(self) -> float:
        """Duration of the source."""
        return self.samples / self.rate


def most_bits(config: EncodeAudioSettings, channels: int) -> int:
    """The highest bitrate AAC can carry: 6144 bits per frame and channel (ISO/IEC 14496-3, 4.5.3.3)."""
    return 6144 * channels * config.sample_rate // FRAME


# --- in process ------------------------------------------------------------------------------


def encode_in_process(source: Path, target: Path, config: EncodeAudioSettings, gain: Gain, progress: Progress) -> Coded:
    """Decode, level, resample, encode and mux without leaving the process.

    Raises:
        StageError: BAD_INPUT, DISK_FULL, HOST_OOM or ENCODER.
    """
    import av

    options = {"movie_timescale": str(config.sample_rate)}  # of the edit list: it ends the track to the sample
    if config.faststart:
        options["movflags"] = "+faststart"
    with open_sound(source, buffer_kb=config.buffer_kb) as sound, writing(target):
        sound.stream.codec_context.thread_count = config.threads
        with av.open(file_url(target), "w", format="mp4", options=options) as container:
            return _encode(sound, _Track(container, config, sound.channels), config, gain, progress)


def _encode(sound: Sound, track: _Track, config: EncodeAudioSettings, gain: Gain, progress: Progress) -> Coded:
    done = 0
    meter = _Meter(config, sound.channels)

    def counted() -> Iterator[AudioFrame]:
        nonlocal done
        for frame in sound.frames():
            done += frame.samples
            yield frame
            if sound.expected:
                progress(min(1.0, done / sound.expected))

    for frame in levelled(counted(), gain):
        meter.before(frame)
        for piece in track.convert(frame):
            meter.after(piece)
            track.put(piece)
    for piece in track.convert(None):
        meter.after(piece)
        track.put(piece)
    track.put(None)
    if done == 0:
        raise StageError(Failure.BAD_INPUT, f"{sound.path.name}: holds no samples")
    return Coded(done, sound.rate, meter.result())


class _Meter:
    """Measures on the cheaper side of the resampler: before it, unless channels are mixed there."""

    def __init__(self, config: EncodeAudioSettings, channels: int) -> None:
        self._mixed = channels > config.channels
        self._dual = channels == 1 and config.channels > 1
        self._meter: LoudnessMeter | None = None

    def before(self, frame: AudioFrame) -> None:
        if not self._mixed:
            self._push(frame)

    def after(self, frame: AudioFrame) -> None:
        if self._mixed:
            self._push(frame)

    def _push(self, frame: AudioFrame) -> None:
        self._meter = self._meter or meter_for(frame, dual_mono=self._dual)
        self._meter.push(frame)

    def result(self) -> Loudness:
        return self._meter.finish() if self._meter else Loudness(None, None, "loudness not measured: there is no sound")


class _Track:
    """The AAC track of an open MP4 file: frames of any rate and layout in, packets out.

    A mono voice for two channels is coded as one channel and each packet rewritten as a pair (`stages.media.aac`).
    """

    def __init__(self, container: Any, config: EncodeAudioSettings, channels: int) -> None:
        import av

        self._container = container
        self._once = channels == 1 and config.channels == 2 and config.code_once and _fits_one_channel(config)
        coded_channels = 1 if self._once else config.channels
        layout = "mono" if coded_channels == 1 else "stereo"
        self._stream = container.add_stream("aac", rate=config.sample_rate, options={"aac_coder": config.aac_coder})
        self._stream.layout = "mono" if config.channels == 1 else "stereo"
        self._stream.bit_rate = bits_per_second(config.bitrate)
        self._encoder = _one_channel_encoder(config) if self._once else self._stream
        self._upmix = channels == 1 and coded_channels == 2
        self._resampler = av.AudioResampler("fltp", layout, config.sample_rate, frame_size=FRAME, options=DOWNMIX)
        self._map: Any = None

    def convert(self, frame: AudioFrame | None) -> Iterable[AudioFrame]:
        """The frame as the encoder wants it, in pieces of one AAC frame; None for what is left."""
        if self._upmix and frame is not None:
            frame = self._both_channels(frame)
        pieces: list[AudioFrame] = self._resampler.resample(frame)
        return pieces

    def _both_channels(self, frame: AudioFrame) -> AudioFrame:
        import av

        if self._map is None:
            self._map = av.filter.Graph()
            self._map.threads = 1
            head = self._map.add_abuffer(
                sample_rate=frame.sample_rate, layout=frame.layout.name, format=frame.format.name
            )
            self._map.link_nodes(head, self._map.add("channelmap", **_UPMIX), self._map.add("abuffersink")).configure()
        self._map.push(frame)
        both: AudioFrame = self._map.pull()  # it gives a frame for each frame
        return both

    def put(self, frame: AudioFrame | None) -> None:
        """Encode and mux one piece; None flushes the encoder.

        Raises:
            StageError: ENCODER.
        """
        for packet in self._encoder.encode(frame):
            self._container.mux(self._paired(packet) if self._once else packet)

    def _paired(self, packet: Any) -> Any:
        import av

        try:
            pair = av.Packet(as_pair(bytes(packet)))
        except ValueError as error:
            raise StageError(Failure.ENCODER, f"{error}; set code_once=false") from error
        pair.pts, pair.dts, pair.duration, pair.time_base = packet.pts, packet.dts, packet.duration, packet.time_base
        pair.is_keyframe = True
        pair.stream = self._stream
        return pair


def _fits_one_channel(config: EncodeAudioSettings) -> bool:
    return bits_per_second(config.bitrate) <= most_bits(config, 1)


def _one_channel_encoder(config: EncodeAudioSettings) -> Any:
    import av

    encoder = av.CodecContext.create("aac", "w")
    encoder.sample_rate = config.sample_rate
    encoder.layout = "mono"
    encoder.format = "fltp"
    encoder.bit_rate = bits_per_second(config.bitrate)
    encoder.options = {"aac_coder": config.aac_coder, **ENCODER_OPTIONS}
    return encoder


# --- by the program --------------------------------------------------------------------------


def encode_by_program(source: Path, target: Path, config: EncodeAudioSettings, gain: Gain, progress: Progress) -> Coded:
    """The same by one run of the FFmpeg program; loudness is that of the finished file.

    Raises:
        StageError: BAD_INPUT, DISK_FULL, ENCODER or CRASHED.
    """
    with open_sound(source) as sound:
        rate, channels = sound.rate, sound.channels
    samples, _ = count_samples(source)
    if samples == 0:
        raise StageError(Failure.BAD_INPUT, f"{source.name}: holds no samples")
    stream = input_file(source, blocksize=config.buffer_kb * 1024)["a:0"].filter("asetpts", "N/SR/TB")
    for name, options in gain.filters(rate):
        stream = stream.filter(name, **options)
    if channels == 1 and config.channels == 2:
        stream = stream.filter("channelmap", **_UPMIX)
    if channels > config.channels:
        stream = stream.filter("aresample", ochl="mono" if config.channels == 1 else "stereo", **DOWNMIX)
    output = output_file([stream], target, **_program_options(config))

    def report(block: dict[str, str]) -> None:
        if block.get("out_time_us", "").isdigit():
            progress(min(1.0, int(block["out_time_us"]) * rate / samples / 1e6))

    run_process(argv(ffmpeg_binary().path, output, progress=True), on_stdout=progress_reader(report))
    return Coded(samples, rate, measure_file(target))


def _program_options(config: EncodeAudioSettings) -> dict[str, Any]:
    options: dict[str, Any] = {
        "format": "mp4",
        "acodec": "aac",
        "audio_bitrate": bits_per_second(config.bitrate),
        "ar": config.sample_rate,
        "ac": config.channels,
        "aac_coder": config.aac_coder,
        "threads": config.threads,
        "map_metadata": -1,
    }
    return {**options, "movflags": "+faststart"} if config.faststart else options
