"""Outside programs: real ones that flood, hang, ignore signals, leave children, and FFmpeg with unkind file names."""

import sys
import threading
import time
import wave
from pathlib import Path

import psutil
import pytest

from stages.contract import Failure, StageError
from stages.media.command import argv, input_file, output_file
from stages.media.ffmpeg import ffmpeg_binary
from stages.media.processes import ProcessCancelledError, progress_reader, run_process

UNKIND = [
    "-i.wav",
    "a:b.wav",
    "50%d off%03d.wav",
    'it\'s "quoted".wav',
    "two\nlines.wav",
    "ünï 🎬.wav",
    "a,b[1];c='x'.wav",
    "concat:x|y.wav",
]


def python(code: str) -> list[str]:
    return [sys.executable, "-c", code]


def gone(pid: int) -> bool:
    """Ended, or dead and waiting for its adoptive parent to notice."""
    try:
        return psutil.Process(pid).status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True


def wait_until(condition, seconds: float = 5.0) -> bool:
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if condition():
            return True
        time.sleep(0.02)
    return False


def test_status_output_and_cpu_time_come_back():
    done = run_process(python("import sys; print('out'); print('err', file=sys.stderr); sum(range(10**7))"))
    assert (done.status, done.stdout, done.stderr) == (0, b"out\n", "err\n")
    assert 0.05 < done.cpu_s < 20
    assert done.wall_s > 0


def test_megabytes_on_both_pipes_do_not_block_and_only_the_tail_is_kept():
    code = """
import sys
for _ in range(200):
    sys.stderr.write('e' * 50000)
    sys.stdout.write('o' * 50000)
sys.stderr.write('LAST')
"""
    done = run_process(python(code), timeout_s=30, keep_stdout=1000)
    assert done.stderr.endswith("LAST")
    assert len(done.stderr) <= 16 * 1024
    assert done.stdout == b"o" * 1000


def test_a_callback_gets_every_byte_of_stdout():
    sizes = []
    run_process(
        python("import sys; sys.stdout.buffer.write(bytes(3_000_000))"),
        on_stdout=lambda piece: sizes.append(len(piece)),
    )
    assert sum(sizes) == 3_000_000


def test_what_the_callback_raises_ends_the_program_and_reaches_the_caller():
    def refuse(piece: bytes) -> None:
        raise ValueError("no more")

    started = time.monotonic()
    with pytest.raises(ValueError, match="no more"):
        run_process(python("import time; print('x', flush=True); time.sleep(60)"), on_stdout=refuse, grace_s=0.2)
    assert time.monotonic() - started < 10


STUBBORN = """
import os, signal, subprocess, sys, time
signal.signal(signal.SIGTERM, signal.SIG_IGN)
deaf = 'import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print("up", flush=True); time.sleep(60)'
child = subprocess.Popen([sys.executable, '-c', deaf], stdout=subprocess.PIPE)
child.stdout.readline()
open(sys.argv[1] + '.part', 'w').write(f'{os.getpid()} {child.pid}')
os.rename(sys.argv[1] + '.part', sys.argv[1])
time.sleep(60)
"""


def test_timeout_ends_a_program_that_ignores_the_signal_and_its_child(tmp_path: Path):
    pids = tmp_path / "pids"
    with pytest.raises(StageError) as caught:
        run_process([*python(STUBBORN), pids], timeout_s=1.5, grace_s=0.2)
    assert caught.value.failure is Failure.TIMEOUT
    assert "1.5 s" in caught.value.sentence
    assert all(wait_until(lambda pid=pid: gone(int(pid))) for pid in pids.read_text().split())


def test_cancel_ends_the_whole_group(tmp_path: Path):
    pids, cancel = tmp_path / "pids", threading.Event()
    threading.Thread(target=lambda: (wait_until(pids.exists), cancel.set())).start()
    with pytest.raises(ProcessCancelledError):
        run_process([*python(STUBBORN), pids], cancel=cancel, grace_s=0.2, timeout_s=30)
    assert all(wait_until(lambda pid=pid: gone(int(pid))) for pid in pids.read_text().split())


def test_a_child_left_behind_with_the_pipe_open_does_not_hold_us():
    code = "import subprocess, sys; print(subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(60)']).pid)"
    started = time.monotonic()
    done = run_process(python(code), timeout_s=30)
    assert time.monotonic() - started < 10
    assert wait_until(lambda: gone(int(done.stdout)))


@pytest.mark.parametrize(
    ("code", "failure", "word"),
    [
        ("import sys; sys.exit('av: No space left on device')", Failure.DISK_FULL, "No space"),
        ("import sys; sys.exit('x: Invalid data found when processing input')", Failure.BAD_INPUT, "Invalid data"),
        ("import sys; sys.exit('Unknown encoder foo\\nConversion failed!')", Failure.ENCODER, "Unknown encoder foo"),
        ("import os, signal; os.kill(os.getpid(), signal.SIGSEGV)", Failure.CRASHED, "signal 11"),
    ],
)
def test_failures_are_classed_and_said_in_one_line(code: str, failure: Failure, word: str):
    with pytest.raises(StageError) as caught:
        run_process(python(code))
    assert caught.value.failure is failure
    assert word in caught.value.sentence
    assert "\n" not in caught.value.sentence


def test_a_program_that_was_killed_ran_out_of_memory_most_likely():
    with pytest.raises(StageError, match="memory ran out") as caught:
        run_process(python("import os, signal; os.kill(os.getpid(), signal.SIGKILL)"))
    assert caught.value.failure is Failure.HOST_OOM


linux = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="Linux alone limits a running program")


@linux
def test_a_program_is_held_to_its_memory_and_we_are_not():
    done = run_process(python("x = bytearray(100_000_000); print(len(x))"), memory_mb=200)
    assert (done.stdout, done.limit) == (b"100000000\n", "RLIMIT_DATA 200 MB")
    with pytest.raises(StageError, match="held to RLIMIT_DATA 200 MB") as caught:
        run_process(python("import time; time.sleep(0.3); x = bytearray(400_000_000)"), memory_mb=200)
    assert caught.value.failure is Failure.HOST_OOM and "limits.worker_ram_mb" in caught.value.sentence
    assert len(bytearray(400_000_000)) == 400_000_000


@linux
def test_what_a_limited_program_starts_is_limited_too():
    big = "[sys.executable, '-c', 'x = bytearray(4 * 10**8)']"
    code = f"import subprocess, sys, time; time.sleep(0.3); sys.exit(subprocess.run({big}).returncode)"
    with pytest.raises(StageError) as caught:
        run_process(python(code), memory_mb=200)
    assert caught.value.failure is Failure.HOST_OOM


def test_no_limit_is_said_too():
    assert run_process(python("x = bytearray(400_000_000)")).limit == "no memory limit asked"


@linux
@pytest.mark.parametrize(("encoder", "memory_mb"), [("libx264", 450), ("libx265", 400), ("libsvtav1", 350)])
def test_encoders_that_run_into_their_limit_are_known_by_their_words(encoder: str, memory_mb: int):
    """Each says it in its own words, none of them at the end. x264 that finds no room for its threads says nothing."""
    source = ["-f", "lavfi", "-i", "testsrc2=s=1920x1080:d=1", "-threads", "2", "-c:v", encoder]
    words = [str(ffmpeg_binary().path), "-nostdin", "-loglevel", "error", *source, "-f", "null", "-"]
    with pytest.raises(StageError) as caught:
        run_process(words, memory_mb=memory_mb, timeout_s=20)
    assert caught.value.failure is Failure.HOST_OOM, caught.value.detail


@linux
def test_a_program_that_waits_for_ever_for_a_thread_it_could_not_start_is_ended():
    """x265 in 60 MB: FFmpeg says so and then hangs."""
    source = ["-f", "lavfi", "-i", "testsrc2=s=1920x1080:d=1", "-c:v", "libx265", "-x265-params", "pools=2"]
    words = [str(ffmpeg_binary().path), "-nostdin", "-loglevel", "error", *source, "-f", "null", "-"]
    with pytest.raises(StageError) as caught:
        run_process(words, memory_mb=60, timeout_s=20, grace_s=0.5)
    assert caught.value.failure is Failure.HOST_OOM, caught.value.detail


def test_a_program_that_is_not_there_is_one_sentence():
    with pytest.raises(StageError, match="cannot be started"):
        run_process(["/nowhere/ffmpeg", "-version"])


def write_tone(path: Path, seconds: float = 0.2) -> Path:
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(22050)
        file.writeframes(b"\x00\x10" * int(22050 * seconds))
    return path


@pytest.mark.parametrize("name", UNKIND)
@pytest.mark.skipif(sys.platform == "win32", reason="such names cannot be had there")
def test_ffmpeg_reads_and_writes_files_of_any_name(tmp_path: Path, name: str, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(tmp_path)
    source = write_tone(Path(name))
    target = Path(f"out {name}")
    run_process(argv(ffmpeg_binary().path, output_file([input_file(source)], target)), timeout_s=20)
    assert target.stat().st_size > 5000
    assert {path.name for path in tmp_path.iterdir()} == {name, target.name}


def test_a_picture_whose_name_looks_like_a_pattern_is_one_file(tmp_path: Path):
    import ffmpeg

    first, second = tmp_path / "still%03d.png", tmp_path / "copy%03d.png"
    run_process(
        argv(ffmpeg_binary().path, output_file([ffmpeg.input("color=red:s=16x16", f="lavfi")], first, vframes=1))
    )
    run_process(argv(ffmpeg_binary().path, output_file([input_file(first)], second, vframes=1)))
    assert {path.name for path in tmp_path.iterdir()} == {first.name, second.name}


def test_ffmpeg_may_not_reach_the_network_from_inside_a_file(tmp_path: Path):
    listing = tmp_path / "list.m3u8"
    listing.write_text("#EXTM3U\n#EXT-X-TARGETDURATION:2\n#EXTINF:2,\nhttp://127.0.0.1:9/x.ts\n#EXT-X-ENDLIST\n")
    with pytest.raises(StageError) as caught:
        run_process(argv(ffmpeg_binary().path, output_file([input_file(listing)], tmp_path / "x.wav")), timeout_s=20)
    assert "not on whitelist" in caught.value.detail


def test_progress_is_read_block_by_block(tmp_path: Path):
    blocks: list[dict[str, str]] = []
    source = write_tone(tmp_path / "tone.wav", 2.0)
    words = argv(ffmpeg_binary().path, output_file([input_file(source)], tmp_path / "out.m4a"), progress=True)
    run_process(words, on_stdout=progress_reader(blocks.append), timeout_s=20)
    assert blocks[-1]["progress"] == "end"
    assert int(blocks[-1]["out_time_us"]) == pytest.approx(2_000_000, abs=50_000)


def test_progress_survives_any_cut_of_the_stream():
    text, blocks = b"out_time_us=1000\nprogress=continue\nout_time_us=2000\nprogress=end\n", []
    take = progress_reader(blocks.append)
    for i in range(len(text)):
        take(text[i : i + 1])
    assert blocks == [{"out_time_us": "1000", "progress": "continue"}, {"out_time_us": "2000", "progress": "end"}]


COUNT_STDIN = "import sys; print(sum(len(piece) for piece in iter(lambda: sys.stdin.buffer.read(65536), b'')))"


def test_feed_reaches_stdin_whole_and_ends_it():
    done = run_process(python(COUNT_STDIN), feed=(bytearray(999_999) for _ in range(5)), timeout_s=20)
    assert int(done.stdout) == 5 * 999_999


def test_feed_into_a_program_that_fails_early_tells_the_programs_error():
    code = "import sys; sys.stdin.buffer.read(10); sys.exit('No space left on device')"
    fed = []

    def endless():
        while True:
            fed.append(1)
            yield bytes(100_000)

    with pytest.raises(StageError, match="No space left") as caught:
        run_process(python(code), feed=endless(), timeout_s=20)
    assert caught.value.failure is Failure.DISK_FULL
    assert 0 < len(fed) < 100


def test_what_the_feed_raises_ends_the_program_and_reaches_the_caller():
    def broken():
        yield b"x" * 10
        raise LookupError("no more pictures")

    started = time.monotonic()
    with pytest.raises(LookupError, match="no more pictures"):
        run_process(python("import time; time.sleep(60)"), feed=broken())
    assert time.monotonic() - started < 20


def test_a_fed_program_that_reads_nothing_can_be_cancelled_and_timed_out():
    cancel = threading.Event()
    threading.Timer(0.5, cancel.set).start()
    endless = iter(lambda: bytes(1_000_000), None)
    with pytest.raises(ProcessCancelledError):
        run_process(python("import time; time.sleep(60)"), feed=endless, cancel=cancel)
    with pytest.raises(StageError, match="still running"):
        run_process(python("import time; time.sleep(60)"), feed=endless, timeout_s=0.5)
