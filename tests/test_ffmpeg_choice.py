"""Which FFmpeg is used: real programs, real PATHs."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from stages.media.ffmpeg import (
    VARIABLE,
    NoFFmpegError,
    embedded_ffmpeg,
    ffmpeg_binary,
    ffmpeg_problem,
    is_better,
    system_ffmpeg,
)

posix = pytest.mark.skipif(sys.platform == "win32", reason="makes a program with a shebang")
EMBEDDED = embedded_ffmpeg()
assert EMBEDDED is not None


@pytest.fixture(autouse=True)
def _bare(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """No variable, and a PATH that holds only what a test puts there."""
    (tmp_path / "bin").mkdir()
    monkeypatch.delenv(VARIABLE, raising=False)
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))


def program(path: Path, *lines: str) -> Path:
    """A real program that says these lines."""
    words = "\n".join(lines)
    path.write_text(f"#!{sys.executable}\nimport sys\nsys.stdout.write({words!r} + '\\n')\n")
    path.chmod(0o755)
    return path


def test_the_embedded_one_serves_when_the_system_has_none() -> None:
    found = ffmpeg_binary()
    assert found == EMBEDDED
    assert found.source == "embedded"
    assert found.major >= 7
    assert len(found.build) == 12
    assert {"libvmaf", "libass", "libx264"} <= found.libraries
    assert found.identity == f"{found.version}+{found.build}"


def test_what_it_carries_is_what_it_lists() -> None:
    found = ffmpeg_binary()
    for name in ("libx264", "libx265", "libsvtav1", "aac", "h264_nvenc", "libvmaf", "ass", "loudnorm", "zoompan"):
        assert found.has(name), name
    assert not found.has("libx999")
    assert "loudnorm" not in found.encoders
    assert "aac" not in found.filters


def test_the_chosen_program_really_encodes(tmp_path: Path) -> None:
    target = tmp_path / "tone.m4a"
    command = [ffmpeg_binary().path, "-v", "error", "-f", "lavfi", "-i", "sine=d=0.1", "-c:a", "aac", target]
    subprocess.run(command, check=True, stdin=subprocess.DEVNULL)
    assert target.stat().st_size > 500


def test_the_system_s_equal_program_does_not_replace_the_embedded(tmp_path: Path) -> None:
    (tmp_path / "bin" / "ffmpeg").symlink_to(EMBEDDED.path)
    system = system_ffmpeg()
    assert system is not None
    assert (system.source, system.version, system.build) == ("system", EMBEDDED.version, EMBEDDED.build)
    assert ffmpeg_binary().source == "embedded"


@posix
def test_a_newer_and_complete_program_of_the_system_is_taken(tmp_path: Path) -> None:
    built = "configuration: --enable-gpl --enable-libass --enable-libvmaf --enable-libx264"
    program(tmp_path / "bin" / "ffmpeg", "ffmpeg version 99.1 Copyright", "built with gcc", built)
    assert (ffmpeg_binary().source, ffmpeg_binary().major) == ("system", 99)


@posix
def test_a_newer_program_without_libvmaf_is_not_taken(tmp_path: Path) -> None:
    built = "configuration: --enable-gpl --enable-libass --enable-libx264"
    program(tmp_path / "bin" / "ffmpeg", "ffmpeg version 99.1 Copyright", built)
    assert ffmpeg_binary().source == "embedded"


@posix
def test_a_broken_program_of_the_system_is_passed_over_but_tells_why(tmp_path: Path) -> None:
    program(tmp_path / "bin" / "ffmpeg", "hello")
    assert ffmpeg_binary().source == "embedded"
    with pytest.raises(NoFFmpegError, match="does not answer as FFmpeg"):
        system_ffmpeg()


@pytest.mark.parametrize(
    ("version", "major"),
    [
        ("n9.0.2-17-g2a571b6068-20260930", 9),
        ("5.1.9-0+deb12u1", 5),
        ("10.0", 10),
        ("N-116000-gabc", 0),
        ("git-2026", 0),
    ],
)
def test_major_versions(version: str, major: int) -> None:
    assert replace(EMBEDDED, version=version).major == major


def test_the_rule() -> None:
    system = replace(EMBEDDED, source="system", version="99.0")
    assert is_better(system, EMBEDDED)
    assert is_better(replace(system, libraries=frozenset({"libvmaf", "libass", "libx264"})), EMBEDDED)
    assert not is_better(replace(system, libraries=frozenset({"libvmaf", "libx264"})), EMBEDDED)
    assert not is_better(replace(system, version=EMBEDDED.version), EMBEDDED)
    assert not is_better(replace(system, version="N-1-g1"), EMBEDDED)
    assert is_better(replace(system, libraries=frozenset()), replace(EMBEDDED, libraries=frozenset()))


def test_the_variable_overrides(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    mine = tmp_path / "my ffmpeg, [1]"
    mine.symlink_to(EMBEDDED.path)
    monkeypatch.setenv(VARIABLE, str(mine))
    assert (ffmpeg_binary().source, ffmpeg_binary().path) == ("env", mine)
    assert ffmpeg_problem() is None


@pytest.mark.parametrize("kind", ["absent", "folder", "text", "other program", "silent"])
@posix
def test_a_variable_that_names_no_ffmpeg_is_one_sentence(
    kind: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    named = tmp_path / "named"
    if kind == "folder":
        named.mkdir()
    elif kind == "text":
        named.write_text("I am no program")
    elif kind == "other program":
        named.symlink_to(shutil.which("ls", path=os.defpath) or "/bin/ls")
    elif kind == "silent":
        program(named)
    monkeypatch.setenv(VARIABLE, str(named))
    with pytest.raises(NoFFmpegError) as caught:
        ffmpeg_binary()
    assert caught.value.sentence.startswith(f"{VARIABLE}={named}")
    assert f"unset {VARIABLE}" in caught.value.sentence
    assert "\n" not in caught.value.sentence
    problem = ffmpeg_problem()
    assert problem is not None
    assert problem.key == VARIABLE


@posix
def test_a_replaced_program_is_asked_again(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    named = program(tmp_path / "named", "ffmpeg version 1.0")
    monkeypatch.setenv(VARIABLE, str(named))
    assert ffmpeg_binary().version == "1.0"
    program(named, "ffmpeg version 2.0")
    os.utime(named, ns=(1, 1))
    assert ffmpeg_binary().version == "2.0"


@posix
def test_a_program_is_asked_once(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    log = tmp_path / "log"
    named = program(tmp_path / "named", "ffmpeg version 1.0")
    named.write_text(named.read_text() + f"open({str(log)!r}, 'a').write('x')\n")
    monkeypatch.setenv(VARIABLE, str(named))
    for _ in range(3):
        ffmpeg_binary()
    assert log.read_text() == "x"


def test_importing_runs_nothing() -> None:
    code = (
        "import sys; sys.addaudithook(lambda e, a: sys.exit(f'ran {a}') if e == 'subprocess.Popen' else None);"
        "import stages.media.ffmpeg; print('quiet')"
    )
    assert subprocess.check_output([sys.executable, "-c", code], text=True).strip() == "quiet"
