"""The sound of a short film: speech to the sample, no click, no drift, the loudness asked for."""

from fractions import Fraction

import av
import numpy as np
import pytest
from audio_material import babble, read_planes, write_wav
from disk_help import mounted
from short_film_help import (
    RATE,
    click,
    found_at,
    level_at,
    make_sound,
    scene,
    scenes_of,
    speech,
    starts,
    tone,
    true_peak_db,
)

from stages.contract import Artifact, Failure, Item, StageError, Work
from stages.media.loudness import measure_file
from stages.registry import stage_class
from stages.short.limiter import limited, peaks_of
from stages.short.settings import ShortSoundSettings
from stages.short.sound import ShortSound

AS_IS = {"normalize": False, "true_peak_db": 0.0}


def decoded(result):
    return read_planes(result.files["sound"])


def clicking(rate, seconds, at):
    sound = np.zeros(round(seconds * rate))
    middle = round(at * rate)
    sound[middle - 40 : middle + 41] = click(rate)
    return sound


def test_it_is_found_by_its_type():
    assert stage_class("short.sound") is ShortSound


@pytest.mark.parametrize("fps", ["25", "30000/1001"])
@pytest.mark.parametrize("rate", [16000, 22050, 24000, 44100, 48000])
def test_each_speech_lies_where_its_clip_begins(tmp_path, rate, fps):
    parts = scenes_of(tmp_path, [clicking(rate, seconds, 0.25) for seconds in (0.7, 0.9137, 1.0001, 0.53)], rate)
    made = make_sound(parts, tmp_path / "s", fps=fps, **AS_IS)
    sound = decoded(made)
    for start in starts(made)[:-1]:
        due = start + RATE * round(0.25 * rate) / rate
        assert abs(found_at(sound[0], round(due)) - due) <= 1, "within a sample"
    assert np.array_equal(sound[0], sound[1]), "one voice, the same on both sides"


@pytest.mark.parametrize("fps", ["25", "30000/1001", "24000/1001", "60"])
def test_the_track_is_as_long_as_all_frames_to_the_sample(tmp_path, fps):
    made = make_sound(scenes_of(tmp_path, [tone(300, s) for s in (0.61, 0.777, 1.01)]), tmp_path / "s", fps=fps)
    with av.open(str(made.files["sound"])) as container:
        track = container.streams.audio[0]
        assert (track.duration, track.start_time, track.time_base) == (starts(made)[-1], 0, Fraction(1, RATE))
        assert (track.codec_context.name, track.rate, track.channels) == ("aac", RATE, 2)
    assert made.metrics["audio.duration_s"] == pytest.approx(starts(made)[-1] / RATE)


def continuous(lengths):
    """A tone of 441 Hz, cut into pieces of these numbers of samples."""
    whole = tone(441, sum(lengths) / RATE)
    return np.split(whole, np.cumsum(lengths)[:-1])


def apart_from_tone(sound, joins, length):
    """What is left when the tone, of one phase over all of it, is taken away; without what lies at the joins. dB."""
    at = np.arange(length)
    wave = np.exp(-2j * np.pi * 441 * at / RATE)
    away = np.ones(length, bool)
    for join in [0, *joins, length]:
        away[max(0, join - 700) : join + 700] = False
    phasor = 2 * np.mean(sound[:length][away] * wave[away])
    rest = sound[:length] - np.real(phasor * np.conj(wave))
    return 20 * np.log10(np.sqrt(np.mean(rest[away] ** 2)) / abs(phasor))


def aac_joined(pieces, folder):
    """What others do: each piece coded on its own, the packets put one after the other."""
    path, pts = folder / "joined.m4a", 0
    with av.open(str(path), "w") as output:
        stream = None
        for number, piece in enumerate(pieces):
            single = folder / f"{number}.m4a"
            with av.open(str(single), "w") as one:
                coded = one.add_stream("aac", rate=RATE, layout="mono")
                frame = av.AudioFrame.from_ndarray(piece.astype(np.float32)[None], format="fltp", layout="mono")
                frame.sample_rate = RATE
                one.mux([*coded.encode(frame), *coded.encode(None)])
            with av.open(str(single)) as one:
                stream = stream or output.add_stream_from_template(one.streams.audio[0])
                for packet in one.demux(audio=0):
                    if packet.size:
                        packet.pts = packet.dts = pts
                        pts += 1024
                        packet.stream = stream
                        output.mux(packet)
    return read_planes(path)[0]


def test_joined_scenes_are_one_continuous_sound(tmp_path):
    """A tone cut into scenes of whole frames keeps its phase over all joins; coded piece by piece it does not."""
    lengths = [1764 * frames for frames in (17, 31, 23, 40, 19)]
    pieces, joins = continuous(lengths), np.cumsum(lengths)[:-1]
    made = make_sound(scenes_of(tmp_path, pieces), tmp_path / "s", **AS_IS)
    assert apart_from_tone(decoded(made)[0], joins, sum(lengths)) < -45
    assert apart_from_tone(aac_joined(pieces, tmp_path), joins, sum(lengths)) > -20, "the test can tell"


def sharpest(sound):
    """The highest level above 6 kHz anywhere, dB below the tone."""
    from scipy.signal import butter, sosfiltfilt

    high = sosfiltfilt(butter(6, 6000, "high", fs=RATE, output="sos"), sound)
    return 20 * np.log10(np.abs(high).max() / 0.25)


def test_no_join_clicks(tmp_path):
    """Speech that begins and ends anywhere in its wave: only the fade is heard, and without one there is a click."""
    lengths = [30011, 25013, 41017, 20023]
    parts = scenes_of(tmp_path, continuous(lengths), pause_s=0.05)
    soft = sharpest(decoded(make_sound(parts, tmp_path / "soft", **AS_IS))[0])
    hard = sharpest(decoded(make_sound(parts, tmp_path / "hard", edge_ms=0.0, **AS_IS))[0])
    assert soft < -50 and hard > soft + 15


def test_nothing_is_heard_in_pauses(tmp_path):
    parts = scenes_of(tmp_path, [tone(441, 0.5), tone(441, 0.5)], pause_s=0.5)
    made = make_sound(parts, tmp_path / "s", **AS_IS)
    assert starts(made) == [0, RATE, 2 * RATE]
    pause = decoded(made)[0][round(0.56 * RATE) : round(0.94 * RATE)]
    assert np.abs(pause).max() < 1e-3


def test_a_scene_without_a_pause_of_its_own_takes_that_of_the_settings(tmp_path):
    parts = [*scenes_of(tmp_path, [tone(441, 0.5)]), *scenes_of(tmp_path / "b", [tone(441, 0.5)], pause_s=0.0)]
    assert make_sound(parts, tmp_path / "s", pause_s=0.4).data["clip_frames"] == [23, 13]


def drift(tmp_path, count, seconds):
    """The largest distance of a click from its place, seconds, in a track of many scenes at 30000/1001."""
    kinds = [clicking(22050, seconds + extra, 0.3) for extra in (0.011, 0.0237, 0.0)]
    paths = [speech(tmp_path / f"{n}.wav", kind, 22050) for n, kind in enumerate(kinds)]
    parts = [scene(f"{n:03d}", paths[n % 3], len(kinds[n % 3]) / 22050) for n in range(count)]
    made = make_sound(parts, tmp_path / "s", fps="30000/1001", **AS_IS)
    sound = decoded(made)[0]
    begins = np.cumsum([0, *made.data["clip_frames"]])[:-1] * 1001 / 30000
    return max(abs(found_at(sound, round((at + 0.3) * RATE)) / RATE - at - 0.3) for at in begins)


def test_no_drift_over_many_scenes(tmp_path):
    assert drift(tmp_path, 120, 0.5) < 1e-4


@pytest.mark.proof
def test_no_drift_over_ten_minutes(tmp_path):
    assert drift(tmp_path, 60, 10) < 1e-4


@pytest.mark.parametrize("target", [-14.0, -20.0])
def test_the_loudness_is_met_and_no_peak_passes(tmp_path, target):
    sounds = [babble(3.1, seed=1), 0.2 * babble(2.7, seed=2)]
    made = make_sound(scenes_of(tmp_path, sounds, 22050), tmp_path / "s", target_lufs=target)
    heard = measure_file(made.files["sound"])
    assert heard.lufs == pytest.approx(target, abs=0.3)
    assert made.metrics["quality.lufs"] == pytest.approx(heard.lufs, abs=0.01) and not made.notes
    assert true_peak_db(decoded(made)) <= -1.0 + 0.05


def test_without_limiting_only_one_gain_is_used(tmp_path):
    """A tone has its peak 3 dB above its level: −14 LUFS needs no limiter, and the tone stays a tone."""
    made = make_sound(scenes_of(tmp_path, [tone(1000, 2.0, amplitude=0.02)]), tmp_path / "s")
    sound = decoded(made)[0][RATE // 2 : 3 * RATE // 2]
    assert measure_file(made.files["sound"]).lufs == pytest.approx(-14, abs=0.3)
    pure = np.abs(np.fft.rfft(sound * np.hanning(len(sound))))
    assert pure[950:1050].max() > 1000 * np.delete(pure, range(980, 1020)).max(), "no overtone within 60 dB"


def test_what_cannot_be_loud_enough_says_so(tmp_path):
    """Single clicks have hardly any loudness, however high their peaks."""
    sound = np.zeros(3 * RATE)
    for at in (20_000, 70_000, 110_000):
        sound[at - 40 : at + 41] = click()
    made = make_sound(scenes_of(tmp_path, [sound]), tmp_path / "s")
    assert made.metrics["quality.lufs"] < -15
    assert any("LUFS, not -14: more would only flatten" in note for note in made.notes)
    assert true_peak_db(decoded(made)) <= -1.0 + 0.05


def test_too_short_to_be_measured_says_so(tmp_path):
    made = make_sound(scenes_of(tmp_path, [tone(400, 0.2)]), tmp_path / "s")
    assert made.notes == ["level unchanged: loudness not measured: the sound is shorter than 0.4 s"]
    assert level_at(decoded(made)[0][2000:8000], 400) == pytest.approx(0.25, rel=0.05)


def test_the_limiter_does_not_depend_on_blocks(tmp_path):
    random = np.random.default_rng(3)
    noise = random.standard_normal((40_000, 2))
    track = (0.1 * (noise + 2 * np.roll(noise, 1, 0) + np.roll(noise, 2, 0))).astype(np.float32)
    track[20_000] = 0.99
    peaks = peaks_of(track, tmp_path / "p")
    whole = limited(track, peaks, slice(0, 40_000), 1.5, 0.8, RATE)
    pieces = [limited(track, peaks, slice(at, min(40_000, at + 3001)), 1.5, 0.8, RATE) for at in range(0, 40_000, 3001)]
    assert np.allclose(whole, np.concatenate(pieces), atol=1e-6)
    assert true_peak_db(whole.T) <= 20 * np.log10(0.8) + 0.1


def test_the_limiter_leaves_alone_what_is_away_from_a_peak(tmp_path):
    track = np.full((RATE, 1), 0.1, np.float32)
    track[20_000:20_010] = 0.9
    out = limited(track, peaks_of(track, tmp_path / "p"), slice(0, RATE), 1.0, 0.5, RATE)
    away = np.abs(np.arange(RATE) - 20_005) > 0.03 * RATE
    assert np.array_equal(out[away], track[away]) and out[20_005] <= 0.5


def test_speech_longer_than_its_clip_is_refused(tmp_path):
    part = scene("07", speech(tmp_path / "a.wav", tone(400, 2.0)), 1.0)
    with pytest.raises(StageError, match=r"story/07: its speech is 1\.000 s longer than its clip of 25 frames") as said:
        make_sound([part], tmp_path / "s")
    assert said.value.failure is Failure.BAD_INPUT


def test_a_duration_rounded_in_its_decimals_is_no_fault(tmp_path):
    sound = tone(400, 2.0)
    part = scene("01", speech(tmp_path / "a.wav", np.append(sound, [0.1, 0.1])), round(len(sound) / RATE, 4))
    assert make_sound([part], tmp_path / "s").data["clip_frames"] == [50]


def test_speech_that_is_no_sound_is_refused(tmp_path):
    (tmp_path / "a.wav").write_bytes(b"no sound at all")
    with pytest.raises(StageError, match="cannot be read as media"):
        make_sound([scene("01", tmp_path / "a.wav", 1.0)], tmp_path / "s")
    with pytest.raises(StageError, match="story/02: its speech holds no samples"):
        make_sound([scene("02", write_wav(tmp_path / "b.wav", np.zeros(0)), 1.0)], tmp_path / "s")


def test_a_track_that_was_cut_off_is_refused(tmp_path):
    made = make_sound(scenes_of(tmp_path, [tone(300, 1.0)]), tmp_path / "s")
    path = made.files["sound"]
    path.write_bytes(path.read_bytes()[:-3000])
    work = Work(Item("story"), tmp_path / "s", [Item("a", {}, {"speech": Artifact(path, "audio/wav")})])
    with pytest.raises(StageError) as said:
        ShortSound(ShortSoundSettings()).verify(work, made)
    assert said.value.failure is Failure.ENCODER


@pytest.fixture
def small_disk(tmp_path):
    with mounted(tmp_path / "small", "200k") as disk:
        yield disk


def test_a_full_disk_is_one_sentence(tmp_path, small_disk):
    """A track of 3 s takes 529 kB: it is refused, and does not end the process by a page that has no room."""
    with pytest.raises(StageError, match="no space left") as said:
        make_sound(scenes_of(tmp_path, [tone(300, 3.0)]), small_disk / "s")
    assert said.value.failure is Failure.DISK_FULL


def test_a_wrong_frame_rate_is_told_before_any_work():
    (problem,) = ShortSound.problems(ShortSoundSettings(fps="fast"), "sound")
    assert problem.key == "sound.fps" and "25 or 30000/1001" in problem.mend
