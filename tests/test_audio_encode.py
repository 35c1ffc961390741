"""audio.encode: the file is what was asked for, sounds like its source, and a bad one is never let through."""

import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from stages.audio.encode import EncodeAudio, EncodeAudioSettings
from stages.contract import Failure, StageError
from stages.media.command import argv, input_file, output_file
from stages.media.ffmpeg import ffmpeg_binary
from stages.media.mp4 import is_faststart, outer_boxes
from stages.media.probe import count_packets, damage, probe
from stages.media.processes import run_process
from stages.settings import output_settings, range_problems
from tests.audio_material import babble, read_planes, work_on, write_wav

SECONDS = 2.3
BOTH = pytest.mark.parametrize("backend", ["av", "ffmpeg"])


@pytest.fixture(scope="module")
def voice() -> np.ndarray:
    return babble(SECONDS)


@pytest.fixture
def speech(tmp_path: Path, voice: np.ndarray) -> Path:
    return write_wav(tmp_path / "speech.wav", voice)


def encode(tmp_path: Path, speech: Path, **settings):
    stage, work = EncodeAudio(EncodeAudioSettings(**settings)), work_on(tmp_path, speech=speech)
    result = stage.run(work)
    stage.verify(work, result)
    return result


def snr_db(reference: np.ndarray, other: np.ndarray) -> float:
    n = min(len(reference), len(other))
    return float(10 * np.log10(np.sum(reference[:n] ** 2) / np.sum((other[:n] - reference[:n]) ** 2)))


@BOTH
@pytest.mark.parametrize("coder", ["twoloop", "fast"])
def test_the_file_is_what_was_asked_for(tmp_path: Path, speech: Path, backend: str, coder: str):
    result = encode(tmp_path, speech, backend=backend, aac_coder=coder)
    path = result.files["audio"]
    stream = probe(path).first("audio")
    assert (stream.codec, stream.rate, stream.channels, stream.layout) == ("aac", 44100, 2, "stereo")
    assert is_faststart(path)
    assert damage(path) == []
    assert result.data["duration_s"] == pytest.approx(SECONDS, abs=1e-4)
    packets = count_packets(path)[stream.index]
    assert packets.disorder == 0
    assert -1024 <= packets.first * packets.time_base * 44100 <= 0  # priming only: the sound itself starts at 0
    assert result.metrics["size.bytes"] == path.stat().st_size
    assert 60_000 < result.metrics["audio.bitrate"] < 230_000  # an average: simple sound takes less


@BOTH
@pytest.mark.parametrize("code_once", [True, False])
def test_a_mono_voice_comes_from_both_sides_at_its_own_level(tmp_path, speech, voice, backend, code_once):
    planes = read_planes(encode(tmp_path, speech, backend=backend, code_once=code_once).files["audio"])
    reference = read_planes(speech, layout="mono")[0]
    for plane in planes:
        assert snr_db(reference, plane[: len(reference)]) > 20
        assert np.sqrt(np.mean(plane**2)) == pytest.approx(np.sqrt(np.mean(reference**2)), rel=0.02)


@pytest.mark.parametrize("bitrate", ["24k", "96k", "256k"])
@pytest.mark.parametrize("coder", ["twoloop", "fast"])
def test_a_voice_coded_once_gives_two_identical_channels(tmp_path: Path, speech: Path, coder: str, bitrate: str):
    path = encode(tmp_path, speech, aac_coder=coder, bitrate=bitrate).files["audio"]
    once = read_planes(path)
    assert np.array_equal(once[0], once[1])
    assert snr_db(read_planes(speech, layout="mono")[0], once[0]) > (4 if bitrate == "24k" else 30)
    assert damage(path) == []


def test_the_ffmpeg_program_decodes_a_voice_coded_once(tmp_path: Path, speech: Path):
    path, back = encode(tmp_path, speech).files["audio"], tmp_path / "back.wav"
    strict = input_file(path, err_detect="explode")
    done = run_process(argv(ffmpeg_binary().path, output_file([strict], back), level="warning"))
    assert done.stderr == ""
    planes = read_planes(back)
    assert np.array_equal(planes[0], planes[1])
    assert snr_db(read_planes(speech, layout="mono")[0], planes[0]) > 30


def test_two_channels_become_one_at_their_level(tmp_path: Path, voice: np.ndarray):
    source = write_wav(tmp_path / "in.wav", np.stack([voice, voice]))
    for backend in ("av", "ffmpeg"):
        plane = read_planes(encode(tmp_path, source, channels=1, backend=backend).files["audio"], layout="mono")[0]
        assert snr_db(read_planes(write_wav(tmp_path / "one.wav", voice), layout="mono")[0], plane) > 20


def test_the_backends_give_the_same_sound(tmp_path: Path, speech: Path):
    one = read_planes(encode(tmp_path, speech, backend="av").files["audio"])[0]
    other = read_planes(encode(tmp_path, speech, backend="ffmpeg").files["audio"])[0]
    assert abs(len(one) - len(other)) <= 2048
    assert snr_db(one, other) > 15


@pytest.mark.parametrize("rate", [8000, 16000, 24000, 44100, 48000])
@pytest.mark.parametrize("channels", [1, 2])
def test_every_source_rate_and_channel_count(tmp_path: Path, rate: int, channels: int):
    sound = babble(1.0, rate)
    source = write_wav(tmp_path / "in.wav", np.stack([sound, 0.5 * sound])[:channels], rate)
    for wanted in (1, 2):
        planes = read_planes(
            encode(tmp_path, source, channels=wanted).files["audio"], layout="mono" if wanted == 1 else "stereo"
        )
        assert planes.shape[0] == wanted
        assert planes.shape[1] == pytest.approx(44100, abs=2048)
        if channels == wanted == 2:
            assert np.std(planes[1]) == pytest.approx(0.5 * np.std(planes[0]), rel=0.05)


@BOTH
def test_a_source_with_late_broken_timestamps_starts_at_zero_and_runs_on(
    tmp_path: Path, voice: np.ndarray, backend: str
):
    import av

    source = tmp_path / "late.mka"
    with av.open(str(source), "w", format="matroska") as container:
        stream = container.add_stream("pcm_s16le", rate=22050, layout="mono")
        start = 22050 * 7
        for i, piece in enumerate(np.array_split((voice * 32767).astype("<i2"), 40)):
            frame = av.AudioFrame.from_ndarray(piece[None], format="s16", layout="mono")
            frame.sample_rate, frame.pts = 22050, start + (3 * i if i % 7 else 0)
            start += len(piece)
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    path = encode(tmp_path, source, backend=backend).files["audio"]
    packets = next(iter(count_packets(path).values()))
    assert packets.disorder == 0
    assert packets.first * packets.time_base <= 0
    assert len(read_planes(path)[0]) / 44100 == pytest.approx(SECONDS, abs=0.05)


def test_mp3_and_m4a_are_sources_too(tmp_path: Path, speech: Path):
    first = tmp_path / "first.m4a"
    shutil.copy(encode(tmp_path, speech).files["audio"], first)
    result = encode(tmp_path, first, channels=1, sample_rate=24000, bitrate="48k")
    assert result.data["duration_s"] == pytest.approx(SECONDS, abs=2048 / 44100)


def test_the_same_input_gives_the_same_bytes(tmp_path: Path, speech: Path):
    first = encode(tmp_path, speech).files["audio"].read_bytes()
    assert encode(tmp_path, speech).files["audio"].read_bytes() == first


def test_without_faststart_the_index_comes_last(tmp_path: Path, speech: Path):
    assert not is_faststart(encode(tmp_path, speech, faststart=False).files["audio"])


@pytest.mark.parametrize("length", [1, 100, 1023, 1024, 1025, 5000])
def test_very_short_sound(tmp_path: Path, length: int):
    result = encode(tmp_path, write_wav(tmp_path / "s.wav", 0.1 * np.ones(length), 44100))
    assert result.data["lufs"] is None
    assert any("shorter" in note for note in result.notes)


def test_silence_is_encoded_and_said(tmp_path: Path):
    result = encode(tmp_path, write_wav(tmp_path / "s.wav", np.zeros(44100), 44100))
    assert "quality.lufs" not in result.metrics
    assert any("silent" in note for note in result.notes)
    assert not read_planes(result.files["audio"]).any()


def test_loud_transients_survive_short_windows(tmp_path: Path):
    clicks = 0.01 * np.random.default_rng(0).standard_normal(44100)
    clicks[5000::6000] = 0.9
    planes = read_planes(encode(tmp_path, write_wav(tmp_path / "c.wav", clicks, 44100)).files["audio"])
    assert np.array_equal(planes[0], planes[1])
    assert snr_db(clicks, planes[0]) > 15


@BOTH
def test_what_is_no_sound_is_one_sentence(tmp_path: Path, backend: str):
    (tmp_path / "notes.wav").write_text("not a sound at all, just text " * 50)
    (tmp_path / "empty.wav").write_bytes(b"")
    for name, word in (("notes.wav", "cannot be read"), ("empty.wav", "cannot be read"), ("gone.wav", "no such file")):
        with pytest.raises(StageError, match=word) as caught:
            encode(tmp_path, tmp_path / name, backend=backend)
        assert caught.value.failure is Failure.BAD_INPUT
        assert name in caught.value.sentence
    with pytest.raises(StageError, match="no samples"):
        encode(tmp_path, write_wav(tmp_path / "nothing.wav", np.zeros(0)), backend=backend)


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
def test_a_full_disk_is_told_apart(tmp_path: Path, speech: Path):
    work = work_on(tmp_path, speech=speech)
    (work.scratch / "audio.m4a").symlink_to("/dev/full")
    for backend in ("av", "ffmpeg"):
        with pytest.raises(StageError) as caught:
            EncodeAudio(EncodeAudioSettings(backend=backend, faststart=False)).run(work)
        assert caught.value.failure is Failure.DISK_FULL


def spoil(path: Path, how: str) -> None:
    data = bytearray(path.read_bytes())
    mdat = next(box for box in outer_boxes(path) if box.name == "mdat")
    if how == "cut":
        path.write_bytes(data[: len(data) * 2 // 3])
    elif how == "cut and header mended":
        end = mdat.start + mdat.size // 2
        data[mdat.start : mdat.start + 4] = (end - mdat.start).to_bytes(4, "big")
        path.write_bytes(data[:end])
    else:
        middle = mdat.start + mdat.size // 4
        data[middle : middle + mdat.size // 2] = bytes(mdat.size // 2)
        path.write_bytes(data)


@pytest.mark.parametrize("how", ["cut", "cut and header mended", "zeros"])
def test_a_damaged_file_is_refused(tmp_path: Path, speech: Path, how: str):
    stage, work = EncodeAudio(EncodeAudioSettings()), work_on(tmp_path, speech=speech)
    result = stage.run(work)
    spoil(result.files["audio"], how)
    with pytest.raises(StageError) as caught:
        stage.verify(work, result)
    assert caught.value.failure is Failure.ENCODER
    assert "story/003" in caught.value.sentence


@pytest.mark.parametrize("wrong", [{"sample_rate": 48000}, {"channels": 1}, {"faststart": True}])
def test_a_file_with_other_properties_is_refused(tmp_path: Path, speech: Path, wrong: dict):
    made = EncodeAudioSettings(faststart=False)
    work = work_on(tmp_path, speech=speech)
    result = EncodeAudio(made).run(work)
    with pytest.raises(StageError):
        EncodeAudio(replace(made, **wrong)).verify(work, result)


def test_hardware_decoding_that_sound_has_not_is_said(tmp_path: Path, speech: Path):
    assert any("hwaccel=cuda is none in effect" in note for note in encode(tmp_path, speech, hwaccel="cuda").notes)
    assert encode(tmp_path, speech, hwaccel="auto").notes == []


@BOTH
def test_progress_goes_up_to_one(tmp_path: Path, speech: Path, backend: str):
    told: list[float] = []
    work = replace(work_on(tmp_path, speech=speech), progress=told.append)
    EncodeAudio(EncodeAudioSettings(backend=backend)).run(work)
    assert told == sorted(told)
    assert told[-1] == pytest.approx(1.0, abs=0.03)


def test_settings_know_their_ranges():
    bad = EncodeAudioSettings(bitrate="4k", sample_rate=44000, aac_coder="anmr", target_lufs=0)
    assert {p.key for p in range_problems(bad)} == {"bitrate", "sample_rate", "aac_coder", "target_lufs"}
    assert list(range_problems(EncodeAudioSettings())) == []
    assert [p.key for p in EncodeAudio.problems(EncodeAudioSettings(sample_rate=8000), "stages.encode")] == [
        "stages.encode.bitrate"
    ]
    assert not {"threads", "buffer_kb", "hwaccel"} & set(output_settings(EncodeAudioSettings()))


def test_after_an_encoder_failure_in_process_the_program_is_tried():
    settings = EncodeAudioSettings()
    assert [step.changes for step in EncodeAudio.ladder(settings, Failure.ENCODER)] == [{"backend": "ffmpeg"}]
    assert list(EncodeAudio.ladder(replace(settings, backend="ffmpeg"), Failure.ENCODER)) == []
    assert list(EncodeAudio.ladder(settings, Failure.BAD_INPUT)) == []


def test_tools_tell_who_encodes():
    assert set(EncodeAudio.tools(EncodeAudioSettings())) == {"pyav", "libavcodec"}
    assert set(EncodeAudio.tools(EncodeAudioSettings(backend="ffmpeg"))) == {"ffmpeg"}
