"""Music under a short film: softer under speech, looped without a seam, faded, of any kind of file."""

import os
from itertools import pairwise

import numpy as np
import pytest
from audio_material import babble, read_planes, write_wav
from picture_help import ffmpeg
from short_film_help import RATE, level_at, make_sound, scenes_of, starts, tone, true_peak_db

from stages.contract import Failure, StageError
from stages.media.loudness import measure_file, measure_pcm
from stages.short.duck import curve, levels
from stages.short.music import bed
from stages.short.settings import MusicSettings, ShortSoundSettings
from stages.short.sound import ShortSound

FLAT = {"fade_in_s": 0.0, "fade_out_s": 0.0}
AS_IS = {"normalize": False, "true_peak_db": 0.0}


def music(path, samples, rate=RATE):
    return write_wav(path, samples, rate)


def noise(seconds, channels=2, amplitude=0.1):
    """Noise up to 6 kHz: of what lies higher AAC leaves something out."""
    from scipy.signal import butter, sosfilt

    white = np.random.default_rng(5).standard_normal((channels, round(seconds * RATE)))
    return amplitude * sosfilt(butter(4, 6000, fs=RATE, output="sos"), white)


def heard(result):
    return read_planes(result.files["sound"])


def level_db(sound, hertz, start_s, end_s):
    return 20 * np.log10(level_at(sound[round(start_s * RATE) : round(end_s * RATE)], hertz))


def spoken_with_pauses():
    """Speech in the first second of each of three scenes of three seconds."""
    return [tone(300, 1.0, amplitude=0.3)] * 3


def test_music_is_ducked_under_speech_and_comes_back(tmp_path):
    file = music(tmp_path / "m.wav", np.tile(tone(5000, 9.0, amplitude=0.2), (2, 1)))
    parts = scenes_of(tmp_path, spoken_with_pauses(), pause_s=2.0)
    made = make_sound(parts, tmp_path / "s", music={"file": str(file), "duck_db": 12.0, **FLAT})
    sound = heard(made)[0]
    for start in (3.0, 6.0):
        spoken, pause = level_db(sound, 5000, start, start + 1.0), level_db(sound, 5000, start - 0.7, start - 0.3)
        assert pause - spoken == pytest.approx(12.0, abs=0.5)
        assert level_db(sound, 5000, start, start + 0.06) == pytest.approx(spoken, abs=0.5), "down when speech begins"
    assert 0.4 < made.metrics["sound.ducked_share"] < 0.9


def test_in_pauses_music_is_as_far_below_the_speech_as_asked(tmp_path):
    """However loud the file is."""
    voice = [babble(3.0, seed=2)] * 2
    parts = scenes_of(tmp_path, voice, 22050, pause_s=2.0)
    apart = []
    for number, amplitude in enumerate((0.01, 0.2)):
        file = music(tmp_path / f"{number}.wav", noise(12, amplitude=amplitude))
        asked = {"file": str(file), "under_db": 10.0, "duck_db": 30.0, **FLAT}
        sound = heard(make_sound(parts, tmp_path / f"s{number}", music=asked, **AS_IS))
        pause = measure_pcm(np.tile(sound[:, round(4.3 * RATE) : round(4.7 * RATE)], 4), RATE).lufs
        speech = measure_pcm(sound[:, : round(3.0 * RATE)], RATE).lufs
        apart.append(speech - pause)
    assert apart == pytest.approx([10.0, 10.0], abs=1.0)


def test_plain_mode_is_one_to_a_fifth(tmp_path):
    file = music(tmp_path / "m.wav", np.tile(tone(5000, 4.0), (2, 1)))
    parts = scenes_of(tmp_path, [tone(300, 2.0), tone(300, 2.0)])
    for settings in (AS_IS, {}):
        made = make_sound(parts, tmp_path / "s", music={"file": str(file), "mode": "plain", **FLAT}, **settings)
        middle = heard(made)[0][RATE // 2 : RATE]
        assert level_at(middle, 5000) / level_at(middle, 300) == pytest.approx(0.2, rel=0.03)


def test_loudness_and_peak_hold_with_music(tmp_path):
    file = music(tmp_path / "m.wav", noise(2.5))
    parts = scenes_of(tmp_path, [babble(2.5, seed=1), babble(2.0, seed=3)], 22050, pause_s=0.5)
    made = make_sound(parts, tmp_path / "s", music={"file": str(file)})
    assert measure_file(made.files["sound"]).lufs == pytest.approx(-14, abs=0.3)
    assert true_peak_db(heard(made)) <= -1.0 + 0.15
    assert measure_file(made.files["sound"]).true_peak_db <= -1.0 + 0.01


def looped(tmp_path, samples, length, **settings):
    file = music(tmp_path / "m.wav", samples)
    config = MusicSettings(file=str(file), **{**FLAT, **settings})
    return bed(config, RATE, length, tmp_path)


def test_a_loop_has_no_seam(tmp_path):
    """Equal power: noise keeps its level where the end runs over into the beginning; nothing jumps."""
    made, notes = looped(tmp_path, noise(3.0), 12 * RATE, crossfade_s=0.5)
    sound = made.block(slice(0, 12 * RATE))
    steps = np.sqrt((sound.reshape(-1, RATE // 10, 2) ** 2).mean(axis=(1, 2)))
    assert 20 * np.log10(steps.max() / steps.min()) < 1.0 and not notes
    period = 3 * RATE - RATE // 2
    assert np.allclose(sound[:period], made.samples[:period])
    assert np.allclose(sound[period + RATE // 2 : 2 * period], made.samples[RATE // 2 : period]), "the second round"


def test_a_slow_wave_does_not_jump_at_the_seam(tmp_path):
    """The end of this wave is far from its beginning: looped bluntly it would jump by 0.7."""
    ramp = np.tile(np.linspace(-0.35, 0.35, 2 * RATE), (2, 1))
    made, _ = looped(tmp_path, ramp, 7 * RATE)
    sound = made.block(slice(0, 7 * RATE))
    assert np.abs(np.diff(sound[:, 0])).max() < 1e-3


def test_a_block_of_the_loop_is_the_same_wherever_it_is_cut(tmp_path):
    made, _ = looped(tmp_path, noise(1.5), 5 * RATE, fade_in_s=1.0, fade_out_s=2.0)
    whole = made.block(slice(0, 5 * RATE))
    cuts = [0, 1, 44_099, 66_000, 150_001, 5 * RATE]
    pieces = [made.block(slice(a, b)) for a, b in pairwise(cuts)]
    assert np.array_equal(whole, np.concatenate(pieces))


def test_music_is_faded_in_and_out(tmp_path):
    made, _ = looped(tmp_path, noise(9.0), 6 * RATE, fade_in_s=1.0, fade_out_s=2.0)
    sound = np.abs(made.block(slice(0, 6 * RATE)))
    assert sound[:50].max() < 1e-4 and sound[-50:].max() < 1e-4
    middle = made.block(slice(RATE, 4 * RATE))
    assert np.array_equal(middle, made.samples[RATE : 4 * RATE]), "as it is between"


def test_fades_longer_than_the_film_meet_in_its_middle(tmp_path):
    made, _ = looped(tmp_path, noise(9.0), RATE, fade_in_s=60.0, fade_out_s=60.0)
    assert made.ends == (RATE // 2, RATE // 2)


def test_the_duck_is_down_before_speech_and_bridges_short_pauses():
    voice = np.zeros(6 * RATE, np.float32)
    for start, end in ((2.0, 2.5), (2.8, 3.2), (5.0, 5.5)):
        voice[round(start * RATE) : round(end * RATE)] = tone(300, end - start)
    config = MusicSettings(duck_db=12.0, attack_s=0.2, hold_s=0.4, release_s=0.8)
    gains = curve(levels(voice, RATE), config)
    assert gains[:179].max() == 0 and gains[:179].min() == 0, "nothing before the attack"
    assert np.all(gains[200:320] == -12.0), "down from the first sound on, over the short pause too"
    assert gains[450] == 0.0 and np.all(gains[500:550] == -12.0), "back in the long one"
    assert np.abs(np.diff(gains)).max() <= 12 / 20 + 1e-5, "no jump"


def test_silence_is_not_taken_for_speech():
    quiet = (1e-4 * np.random.default_rng(1).standard_normal(RATE)).astype(np.float32)
    assert curve(levels(quiet, RATE), MusicSettings()).max() == 0.0
    assert curve(levels(np.zeros(RATE, np.float32), RATE), MusicSettings()).min() == 0.0


KINDS = {
    "mono.wav": ("-ac", "1"),
    "five.flac": ("-af", "pan=5.1|FL=c0|FR=c0|FC=c0|LFE=c0|BL=c0|BR=c0"),
    "fast.flac": ("-ar", "96000"),
    "song.mp3": ("-b:a", "128k"),
    "song.opus": ("-b:a", "96k"),
    "it's 100% (a) film: x.mkv": ("-c:a", "aac"),
}


@pytest.mark.parametrize("name", KINDS)
def test_music_of_many_kinds(tmp_path, name):
    """The tone of the music is there, at its pitch, on both sides, to the end of the film."""
    path = tmp_path / name
    ffmpeg("-f", "lavfi", "-i", "sine=3000:d=1.7:r=48000", *KINDS[name], f"file:{path}")
    parts = scenes_of(tmp_path, [tone(300, 1.0)] * 2, pause_s=0.5)
    made = make_sound(parts, tmp_path / "s", music={"file": str(path), "mode": "plain", "volume": 1.0, **FLAT})
    left, right = heard(made)
    assert len(left) >= starts(made)[-1] > 3 * RATE
    for side in (left, right):
        assert level_at(side[2 * RATE : 3 * RATE - 2000], 3000) > 0.03
    assert level_at(left[RATE : 2 * RATE], 3000) == pytest.approx(level_at(right[RATE : 2 * RATE], 3000), rel=0.05)


def test_one_channel_is_as_loud_from_both_sides(tmp_path):
    """FFmpeg's own way from one channel to two makes it 3 dB softer: then 0.2 would not be 0.2."""
    file = music(tmp_path / "m.wav", tone(5000, 3.0))
    made = make_sound(
        scenes_of(tmp_path, [tone(300, 2.0)]), tmp_path / "s", music={"file": str(file), "mode": "plain", **FLAT}
    )
    middle = heard(made)[1][RATE // 2 : RATE]
    assert level_at(middle, 5000) / level_at(middle, 300) == pytest.approx(0.2, rel=0.03)


def test_music_longer_than_the_film_is_not_looped(tmp_path):
    file = music(tmp_path / "m.wav", np.concatenate([noise(2.0) * 0, noise(2.0)], axis=1))
    made = make_sound(
        scenes_of(tmp_path, [tone(300, 1.0)]),
        tmp_path / "s",
        music={"file": str(file), "mode": "plain", **FLAT},
        **AS_IS,
    )
    sound = heard(made)[0][: starts(made)[-1]]
    assert abs(level_at(sound[5000:40000], 300) - 0.25) < 0.01 and made.notes == []


def test_music_shorter_than_a_second_is_looped_and_said(tmp_path):
    file = music(tmp_path / "m.wav", tone(3000, 0.5))
    made = make_sound(
        scenes_of(tmp_path, [tone(300, 2.0)]), tmp_path / "s", music={"file": str(file), "mode": "plain", **FLAT}
    )
    assert made.notes == ["music.file: m.wav lasts only 0.50 s: it is heard again and again"]
    assert level_at(heard(made)[0][RATE : 2 * RATE - 3000], 3000) > 0.02


def test_silent_music_and_too_short_speech_say_so(tmp_path):
    file = music(tmp_path / "m.wav", np.zeros((2, 3 * RATE)))
    made = make_sound(scenes_of(tmp_path, [tone(300, 2.0)]), tmp_path / "s", music={"file": str(file)})
    assert any("keeps its level: music: loudness not measured: the sound is silent" in note for note in made.notes)
    assert measure_file(made.files["sound"]).lufs == pytest.approx(-14, abs=0.3)


def refused(tmp_path, path):
    with pytest.raises(StageError) as said:
        make_sound(scenes_of(tmp_path, [tone(300, 1.0)]), tmp_path / "s", music={"file": str(path)})
    assert said.value.failure is Failure.BAD_INPUT and "\n" not in said.value.sentence
    return said.value.sentence


def test_music_that_is_none_is_refused_in_one_sentence(tmp_path):
    (tmp_path / "junk.mp3").write_bytes(os.urandom(5000))
    assert refused(tmp_path, tmp_path / "junk.mp3").startswith("music.file: junk.mp3: ")
    assert "too short to be looped" in refused(tmp_path, music(tmp_path / "a.wav", tone(300, 0.05)))
    ffmpeg("-f", "lavfi", "-i", "testsrc2=s=64x64:d=1", f"file:{tmp_path / 'mute.mp4'}")
    assert "holds no sound" in refused(tmp_path, tmp_path / "mute.mp4")
    assert "there is no such file" in refused(tmp_path, tmp_path / "gone.mp3")


def test_what_is_damaged_in_music_is_left_out(tmp_path):
    """FLAC has checksums: the damaged frames are missing, and nothing is louder than it was."""
    path = tmp_path / "m.flac"
    ffmpeg("-f", "lavfi", "-i", "sine=3000:d=3", f"file:{path}")
    data = bytearray(path.read_bytes())
    data[len(data) // 2 : len(data) // 2 + 400] = os.urandom(400)
    path.write_bytes(data)
    made, _ = bed(MusicSettings(file=str(path)), RATE, 9 * RATE, tmp_path)
    assert 2.9 * RATE < len(made.samples) < 3 * RATE
    assert np.abs(made.samples).max() < 0.13


def test_music_cut_off_is_looped_as_far_as_it_goes(tmp_path):
    path = tmp_path / "m.mp3"
    ffmpeg("-f", "lavfi", "-i", "sine=3000:d=3", f"file:{path}")
    path.write_bytes(path.read_bytes()[:-7000])
    parts = scenes_of(tmp_path, [tone(300, 4.0)])
    made = make_sound(parts, tmp_path / "s", music={"file": str(path), "mode": "plain", **FLAT})
    assert level_at(heard(made)[0][3 * RATE : 4 * RATE - 2000], 3000) > 0.005


def test_samples_that_are_no_numbers_are_refused(tmp_path):
    path = tmp_path / "m.wav"
    ffmpeg("-f", "lavfi", "-i", "aevalsrc=0/0:d=1", "-c:a", "pcm_f32le", f"file:{path}")
    assert "no numbers" in refused(tmp_path, path)


def test_problems_are_told_before_any_work(tmp_path):
    good = music(tmp_path / "m.wav", tone(300, 1.0))
    assert not list(ShortSound.problems(ShortSoundSettings(music={"file": str(good)}), "sound"))
    (gone,) = ShortSound.problems(ShortSoundSettings(music={"file": str(tmp_path / "x.mp3")}), "sound")
    assert gone.key == "music.file" and "no such file" in gone.reason
    (wrong,) = ShortSound.problems(ShortSoundSettings(music={"mode": "dukc"}), "sound")
    assert wrong.key == "music.mode" and "did you mean duck" in wrong.reason


def test_what_the_file_holds_is_part_of_the_key(tmp_path):
    file = music(tmp_path / "m.wav", tone(300, 1.0))
    config = ShortSoundSettings(music={"file": str(file)})
    before = ShortSound.tools(config)
    assert ShortSound.tools(config) == before and "music" not in ShortSound.tools(ShortSoundSettings())
    music(file, tone(301, 1.0))
    assert ShortSound.tools(config) != before
