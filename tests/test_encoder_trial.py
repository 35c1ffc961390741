"""Trials are real encodes by the FFmpeg that is used; a wrapped FFmpeg counts them, or carries few at once."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from encoder_help import COUNT, encodes, fast, has_nvidia, posix, wrapped

from stages.media.encoders.carry import own_config
from stages.media.encoders.causes import cause_of
from stages.media.encoders.memory import TrialMemory
from stages.media.encoders.settings import EncoderConfig
from stages.media.encoders.trial import FRAMES, Trial, command, try_encoder
from stages.media.ffmpeg import ffmpeg_binary
from stages.media.processes import run_process

# --- able, or why not --------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["x264", "x265", "svtav1"])
def test_software_encoders_are_able(name: str) -> None:
    trial = try_encoder(fast(name), 64, 64, 2)
    assert (trial.able, trial.reason, trial.name) == (True, "", name)
    assert trial.seconds > 0
    assert trial.fps == pytest.approx(FRAMES / trial.seconds, rel=0.1)


@pytest.mark.skipif(has_nvidia, reason="a machine with the driver says another reason")
@pytest.mark.parametrize("name", ["nvenc_h264", "nvenc_hevc", "nvenc_av1", "nvenc_ll"])
def test_nvenc_without_a_driver_is_told_though_ffmpeg_lists_it(name: str) -> None:
    trial = try_encoder(own_config(name), 1280, 720, 2)
    assert ffmpeg_binary().has(trial.codec)
    assert not trial.able
    assert trial.reason.startswith("no NVIDIA driver: ")
    assert "install the NVIDIA driver" in trial.mend
    assert not trial.asked


@pytest.mark.parametrize(
    ("name", "change", "says"),
    [
        ("x264", {"tune": "movie"}, "invalid tune 'movie'"),
        ("x264", {"options": {"spatial-aq": "1"}}, "it has no option spatial-aq"),
        ("x264", {"options": {"no-such-option": "1"}}, "FFmpeg knows no option no-such-option"),
        ("x264", {"codec": "libx246"}, "this FFmpeg was built without libx246"),
        ("x264", {"options": {"profile:v": "baseline"}, "pix_fmt": "yuv444p"}, "baseline profile"),
        ("svtav1", {"pix_fmt": "yuv444p"}, "it does not take the pixel format yuv444p"),
    ],
)
def test_what_an_encoder_refuses_or_changes_silently_is_told(name: str, change: dict[str, object], says: str) -> None:
    """The formats and options that FFmpeg only warns of would give another picture than was asked for."""
    trial = try_encoder(fast(name, **change), 64, 64, 1)
    assert not trial.able
    assert says in trial.reason
    assert trial.asked is ("built without" not in says)
    assert "0x" not in trial.reason, "no addresses of FFmpeg's insides"


@pytest.mark.parametrize(
    ("size", "pix_fmt", "even"),
    [((63, 65), "yuv420p", "64x66"), ((64, 65), "nv12", "64x66"), ((63, 65), "yuv422p10le", "64x65")],
)
@pytest.mark.parametrize(("name", "family"), [("x264", "h264"), ("x265", "hevc"), ("nvenc_h264", "h264")])
def test_an_odd_side_with_halved_colour_is_refused(
    name: str, family: str, size: tuple[int, int], pix_fmt: str, even: str
) -> None:
    trial = try_encoder(fast(name, pix_fmt=pix_fmt), *size, 1)
    assert not trial.able
    assert trial.asked
    assert trial.reason == f"{size[0]}x{size[1]} has an odd side, which {family} in {pix_fmt} cannot hold"
    assert f"scale to {even}" in trial.mend


@pytest.mark.parametrize("codec", ["libx264", "libx265"])
def test_ffmpeg_refuses_those_odd_sides_too(codec: str) -> None:
    """The rule above asks no encoder; this holds it to them."""
    words = command(ffmpeg_binary(), {"c:v": codec, "pix_fmt": "yuv420p"}, (63, 65), 2)
    assert run_process(words, check=False).status != 0


def test_av1_holds_an_odd_side() -> None:
    assert try_encoder(fast("svtav1"), 63, 65, 1).able


@pytest.mark.parametrize("size", [(63, 65), (1, 1)])
def test_an_odd_side_with_whole_colour_is_encoded_at_that_very_size(size: tuple[int, int]) -> None:
    config = fast("x264", pix_fmt="yuv444p")
    assert try_encoder(config, *size, 1).able
    options = {"c:v": "libx264", "pix_fmt": "yuv444p"}
    done = run_process(command(ffmpeg_binary(), options, size, 2))
    assert f"#dimensions 0: {size[0]}x{size[1]}".encode() in done.stdout


def test_a_size_that_is_none_is_refused() -> None:
    assert try_encoder(fast("x264"), 0, 720, 1).reason == "0x720 is no picture"


def test_an_encoder_that_takes_too_long_is_not_able_and_not_remembered(tmp_path: Path) -> None:
    memory = TrialMemory(tmp_path / "trials.json", "machine")
    slow = try_encoder(fast("x264", preset="placebo"), 640, 360, 1, memory=memory, timeout_s=0.02)
    assert not slow.able
    assert "took more than 0.02 s" in slow.reason
    assert not memory.path.exists()
    assert try_encoder(fast("x264"), 64, 64, 1, memory=memory).able


@posix
def test_too_few_frames_are_not_enough(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An FFmpeg that ends well and gives less than it was asked for."""
    body = 'exec "$real" -v error -f lavfi -i testsrc2=size=64x64:d=0.08:r=25 -c:v libx264 -f framecrc pipe:1'
    wrapped(tmp_path, monkeypatch, body)
    assert try_encoder(fast("x264"), 64, 64, 1).reason == f"it gave 2 of {FRAMES} frames"


@posix
def test_another_size_is_not_enough(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    body = f'exec "$real" -v error -f lavfi -i testsrc2=size=62x64 -frames:v {FRAMES} -c:v libx264 -f framecrc pipe:1'
    wrapped(tmp_path, monkeypatch, body)
    assert try_encoder(fast("x264"), 64, 64, 1).reason == "it made 62x64 of 64x64"


@pytest.mark.parametrize(
    ("said", "reason", "lasting"),
    [
        ("[h264_nvenc @ 0x55] Cannot load libcuda.so.1", "no NVIDIA driver: libcuda.so.1 is missing", True),
        ("[h264_nvenc @ 0x55] Cannot load nvcuda.dll", "no NVIDIA driver: nvcuda.dll is missing", True),
        ("Cannot load libnvidia-encode.so.1", "libnvidia-encode.so.1 is missing", True),
        ("OpenEncodeSessionEx failed: out of memory (10): (no details)", "no further encoder session", False),
        ("OpenEncodeSessionEx failed: unsupported device (2): (no details)\nNo capable devices found", "GPU can", True),
        ("Driver does not support the required nvenc API version. Required: 13.0 Found: 12.1", "NVENC 13.0", True),
        ("dl_fn->cuda_dl->cuInit(0) failed -> CUDA_ERROR_NO_DEVICE: no CUDA-capable device", "no NVIDIA GPU", True),
    ],
)  # fmt: skip
def test_words_of_drivers_become_a_reason(said: str, reason: str, lasting: bool) -> None:
    cause = cause_of(f"{said}\n[vf#0:0 @ 0x1] Task finished with error code: -1 (Operation not permitted)", 255)
    assert cause is not None
    assert reason in cause.reason
    assert cause.lasting is lasting
    assert cause.mend


def test_a_crash_and_silence_are_told() -> None:
    crash, silent = cause_of("", -11), cause_of("", 1)
    assert crash is not None and silent is not None
    assert crash.reason == "the encoder crashed (signal 11)"
    assert silent.reason == "FFmpeg ended with status 1 and said nothing"
    assert cause_of("Svt[warn]: Failed to set thread priority", 0) is None


# --- memory ------------------------------------------------------------------------------------


@posix
def test_a_second_trial_is_remembered_and_another_question_is_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    home = wrapped(tmp_path, monkeypatch, COUNT)
    path = tmp_path / "new" / "trials.json"

    def ask(config: EncoderConfig, size: int = 64, machine: str = "one", tier: str = "fast") -> Trial:
        return try_encoder(config, size, size, 1, tier, memory=TrialMemory(path, machine))

    first = ask(fast("x264"))
    assert (ask(fast("x264")), encodes(home)) == (first, 1)
    for number, again in enumerate(
        (
            lambda: ask(fast("x264"), size=66),
            lambda: ask(fast("x264"), machine="two"),
            lambda: ask(fast("x264", quality=30.0)),
            lambda: ask(fast("x264", pix_fmt="yuv444p")),
            lambda: ask(fast("x264", preset=None), tier="balanced"),
        ),
        2,
    ):
        assert again().able
        assert encodes(home) == number
    assert ask(fast("x264")) == first
    assert encodes(home) == 6


@posix
def test_another_ffmpeg_is_another_question(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    memory = TrialMemory(tmp_path / "trials.json", "one")
    try_encoder(fast("x264"), 64, 64, 1, memory=memory)
    home = wrapped(tmp_path, monkeypatch, COUNT)
    text = home.joinpath("ffmpeg").read_text(encoding="utf-8")
    renamed = 'if [ "$1" = -version ]; then "$real" -version | sed "s/ffmpeg version /&x/"; exit; fi'
    home.joinpath("ffmpeg").write_text(text.replace('exec "$real" "$@"', f'{renamed}\nexec "$real" "$@"'))
    assert try_encoder(fast("x264"), 64, 64, 1, memory=memory).able
    assert encodes(home) == 1


@posix
def test_what_lasts_is_remembered_also_when_it_fails(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    home = wrapped(tmp_path, monkeypatch, COUNT)
    memory = TrialMemory(tmp_path / "trials.json", "one")
    wrong = fast("x264", tune="movie")
    assert try_encoder(wrong, 64, 64, 1, memory=memory) == try_encoder(wrong, 64, 64, 1, memory=memory)
    assert encodes(home) == 1


@pytest.mark.parametrize(
    "damage", ["", "{", "[]", '{"answers": 3, "schema_version": 1}', '{"schema_version": 7, "answers": {}}', "\0\xff"]
)
def test_a_damaged_memory_is_ignored_with_a_note(tmp_path: Path, damage: str) -> None:
    path = tmp_path / "trials.json"
    path.write_bytes(damage.encode("latin-1"))
    memory = TrialMemory(path, "one")
    assert try_encoder(fast("x264"), 64, 64, 1, memory=memory).able
    assert len(memory.notes) == 1
    assert str(path) in memory.notes[0]
    assert "ignored" in memory.notes[0]
    assert len(json.loads(path.read_text(encoding="utf-8"))["answers"]) == 1, "the next trial mends the file"


@posix
def test_an_entry_of_another_shape_is_tried_anew(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    home = wrapped(tmp_path, monkeypatch, COUNT)
    memory = TrialMemory(tmp_path / "trials.json", "one")
    try_encoder(fast("x264"), 64, 64, 1, memory=memory)
    whole = json.loads(memory.path.read_text(encoding="utf-8"))
    for answer in ({"able": True}, [1], "yes", {"name": "x264", "able": True, "other": 1}):
        whole["answers"] = dict.fromkeys(whole["answers"], answer)
        memory.path.write_text(json.dumps(whole), encoding="utf-8")
        before = encodes(home)
        assert try_encoder(fast("x264"), 64, 64, 1, memory=memory).seconds > 0
        assert encodes(home) == before + 1


def test_a_memory_that_cannot_be_written_is_a_note(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    memory = TrialMemory(tmp_path / "file" / "trials.json", "one")
    assert try_encoder(fast("x264"), 64, 64, 1, memory=memory).able
    assert any("cannot be written" in note for note in memory.notes)
