"""One coded voice on two channels: every kind of AAC frame becomes a legal pair, and nothing else is taken for one."""

import contextlib

import av
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from stages.media.aac import ENCODER_OPTIONS, as_pair
from tests.audio_material import babble


def coded(samples: np.ndarray, rate: int, bitrate: int, layout: str = "mono", **options: str) -> list[bytes]:
    encoder = av.CodecContext.create("aac", "w")
    encoder.sample_rate, encoder.layout, encoder.format, encoder.bit_rate = rate, layout, "fltp", bitrate
    encoder.options = {**ENCODER_OPTIONS, **options}
    packets = []
    for i in range(0, len(samples), 1024):
        plane = samples[i : i + 1024].astype(np.float32)[None]
        frame = av.AudioFrame.from_ndarray(
            np.repeat(plane, 1 if layout == "mono" else 2, 0), format="fltp", layout=layout
        )
        frame.sample_rate, frame.pts = rate, i
        packets += encoder.encode(frame)
    return [bytes(packet) for packet in packets + encoder.encode(None)]


def decoded(frames: list[bytes], rate: int, channels: int) -> np.ndarray:
    """Decoded with the two-byte AudioSpecificConfig that names AAC-LC, the rate and the channels."""
    rates = [96000, 88200, 64000, 48000, 44100, 32000, 24000, 22050, 16000, 12000, 11025, 8000, 7350]
    decoder = av.CodecContext.create("aac", "r")
    decoder.extradata = (2 << 11 | rates.index(rate) << 7 | channels << 3).to_bytes(2, "big")
    decoder.options = {"err_detect": "explode"}
    pieces = [piece for frame in frames for piece in decoder.decode(av.Packet(frame))]
    return np.concatenate([piece.to_ndarray() for piece in pieces], axis=1)


def sounds(rate: int) -> dict[str, np.ndarray]:
    random = np.random.default_rng(0)
    clicks = 0.01 * random.standard_normal(rate)
    clicks[5000 % rate :: 3001] = 0.9
    return {
        "speech": babble(1.0, rate),
        "clicks": clicks,
        "silence": np.zeros(rate),
        "noise": 0.3 * random.standard_normal(rate),
        "loud then silent": np.where(np.arange(rate) < rate // 2, 0.9 * random.uniform(-1, 1, rate), 0),
    }


@pytest.mark.parametrize("kind", ["speech", "clicks", "silence", "noise", "loud then silent"])
@pytest.mark.parametrize("coder", ["twoloop", "fast"])
@pytest.mark.parametrize(("rate", "bitrate"), [(44100, 192_000), (8000, 24_000), (48000, 32_000), (96000, 256_000)])
def test_a_pair_decodes_to_the_voice_on_both_sides(kind: str, coder: str, rate: int, bitrate: int):
    frames = coded(sounds(rate)[kind], rate, bitrate, aac_coder=coder)
    voice = decoded(frames, rate, 1)
    pair = decoded([as_pair(frame) for frame in frames], rate, 2)
    assert pair.shape == (2, voice.shape[1])
    assert np.array_equal(pair[0], pair[1])
    assert np.allclose(pair[0], voice[0], atol=1e-6)


def test_short_windows_really_occur_in_the_material():
    frames = coded(sounds(44100)["clicks"], 44100, 192_000)
    windows = {(int.from_bytes(frame[:3], "big") >> 6) & 3 for frame in frames}  # after 3 + 4 + 8 + 1 bits
    assert 2 in windows
    assert 0 in windows


def test_the_pair_costs_hardly_more_bytes_than_the_voice():
    frames = coded(babble(1.0, 44100), 44100, 192_000)
    assert max(len(as_pair(frame)) - len(frame) for frame in frames) <= 8


def test_a_frame_of_two_channels_is_refused():
    frames = coded(babble(1.0, 44100), 44100, 128_000, layout="stereo")
    with pytest.raises(ValueError, match="single channel"):
        as_pair(frames[3])


@given(st.binary(max_size=60))
def test_any_bytes_are_rewritten_or_refused(data: bytes):
    with contextlib.suppress(ValueError):
        assert as_pair(data)[0] >> 5 == 1
