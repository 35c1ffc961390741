"""Command lines as people type them: any file name, clear refusals, exit codes."""

import subprocess

import pytest
from cli import DRILLS, QUIET, command, drill, environment, lines, reeltune, step

KEY_LIKE = "pipeline=.txt"
ODD_NAMES = [
    "my film (1), part=2.txt",
    "-dash.txt",
    'quo\'te "d".txt',
    "a:b%20c.txt",
    "new\nline.txt",
    "emoji 🎬.txt",
    "[x]{y}.txt",
    "${HOME}.txt",
    "back\\slash.txt",
    "#hash;semi&amp.txt",
]


@pytest.mark.parametrize(
    "words", [ODD_NAMES[:1], ["--", KEY_LIKE], ODD_NAMES[1:]], ids=["one", "like a key", "many at once"]
)
def test_a_bare_file_needs_no_quoting(tmp_path, words):
    names = [word for word in words if word != "--"]
    for name in names:
        lines(tmp_path / name, f"one of {name!r}", "two")
    done = drill(tmp_path, "drill", *words)
    assert done.code == 0, done.err
    stems = [name.removesuffix(".txt") for name in names]
    for stem, name in zip(stems, names, strict=True):
        assert (done.folder / "result" / stem / "000001.txt").read_text() == f"one of {name!r}12"
    assert set(done.run["outputs"]) == {f"{stem}/00000{number}" for stem in stems for number in (1, 2)}


@pytest.mark.untraced
def test_input_is_the_same_as_a_bare_file(tmp_path):
    lines(tmp_path / "my film (1), part=2.txt", "one")
    assert drill(tmp_path, "drill", "input=my film (1), part=2.txt").code == 0


@pytest.mark.untraced
def test_folders_and_globs(tmp_path):
    (tmp_path / "in").mkdir()
    for name in "ab":
        lines(tmp_path / "in" / f"{name}.txt", name)
    assert set(drill(tmp_path, "drill", "in").run["outputs"]) == {"a/000001", "b/000001"}
    assert set(drill(tmp_path, "drill", "in/[a]*").run["outputs"]) == {"a/000001"}


@pytest.mark.untraced
@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["nofile.txt"], ["input", "there is no file 'nofile.txt'"]),
        (["empty.txt"], ["input", "the list is empty"]),
        (["l.txt", "workers.first=-1"], ["workers.first", "-1", "use 1 to 256"]),
        (["l.txt", "profile="], ["profile", "use one of"]),
        (["l.txt", "tts=espaek"], ["tts", "did you mean espeak?"]),
        (["l.txt", "batch_size=many"], ["batch_size", "a whole number"]),
        (["l.txt", "nope=1"], ["nope", "is no key"]),
        (["l.txt", "output=/proc/nowhere"], ["output", "cannot write"]),
        (["l.txt", "tts=espaek", "workers.first=-1"], ["tts: ", "workers.first: "]),
        (["l.txt", "profile=fast,quality"], ["profile", "add -m"]),
        (["-m", "l.txt", "profile=fast,qualty", "workers.first=1,0"], ["qualty", "workers.first: 0"]),
    ],
)
def test_bad_words_are_refused_in_one_sentence_each(tmp_path, words, said):
    lines(tmp_path / "l.txt", "a")
    (tmp_path / "empty.txt").touch()
    done = drill(tmp_path, "drill", *words)
    assert done.code == 2
    assert all(text in done.err for text in said), done.err
    assert "Traceback" not in done.err + done.out
    assert not list(tmp_path.glob("outputs/drill/*/*/run.json")), "a refused run leaves no run behind"


def test_no_pipeline_named(tmp_path):
    done = reeltune(tmp_path, "x.txt")
    assert done.code == 2 and "narrate" in done.err


def test_help_and_version_and_module_entry(tmp_path):
    assert "reeltune" in reeltune(tmp_path, "--help").out
    assert reeltune(tmp_path, "--version").out.startswith("reeltune ")


def test_cfg_prints_the_composed_config(tmp_path):
    done = reeltune(tmp_path, "pipeline=narrate", "--cfg", "job")
    assert done.code == 0 and "aac_coder" in done.out


def test_tab_completion_answers(tmp_path):
    env = environment(COMP_LINE="reeltune profile=", COMP_POINT="17")
    done = subprocess.run(command("-sc", "query=bash"), cwd=tmp_path, env=env, capture_output=True, check=False)
    assert b"profile=balanced" in done.stdout, done.stderr


@pytest.mark.untraced
def test_environment_below_the_command_line(tmp_path):
    lines(tmp_path / "l.txt", "a")
    (tmp_path / ".env").write_text("FFMPEG_AUDIO_BITRATE=96k\n")
    done = drill(tmp_path, "drill", "l.txt")
    assert done.run["requested"]["profile.audio.bitrate"] == "96k"
    assert any("FFMPEG_AUDIO_BITRATE" in note for note in done.run["notes"])
    beats = drill(tmp_path, "drill", "l.txt", "profile.audio.bitrate=64k", FFMPEG_AUDIO_BITRATE="80k")
    assert beats.run["requested"]["profile.audio.bitrate"] == "64k"
    bad = drill(tmp_path, "drill", "l.txt", FFMPEG_AUDIO_BITRATE="loud")
    assert bad.code == 2 and "loud" in bad.err


def test_plan_does_nothing_and_says_why(tmp_path):
    lines(tmp_path / "l.txt", "a", "b")
    before = drill(tmp_path, "drill", "l.txt")
    assert before.code == 0
    plan = reeltune(
        tmp_path, "plan", *DRILLS, *QUIET, "pipeline=drill", "l.txt", "pipeline.stages.last.settings.suffix=9"
    )
    assert plan.code == 0 and "changed: suffix" in plan.out and "it fits" in plan.out
    assert len(list(tmp_path.glob("outputs/drill/*/*"))) == 1


@pytest.mark.untraced
def test_a_bigger_hardware_than_this_machine_says_so(tmp_path):
    lines(tmp_path / "l.txt", "a")
    done = drill(tmp_path, "drill", "l.txt", "hardware=ryzen6c_12gb")
    assert done.code == 0 and any("ryzen6c_12gb" in note for note in done.run["notes"])


def test_what_can_never_fit_is_refused(tmp_path):
    lines(tmp_path / "l.txt", "a")
    done = drill(tmp_path, "drill", "l.txt", *step("first", ram_mb=9_000_000))
    assert done.code == 2 and "needs 9000000 MB" in done.err


def test_the_cache_can_be_shown_verified_cut_and_cleared(tmp_path):
    lines(tmp_path / "l.txt", "a", "b")
    drill(tmp_path, "drill", "l.txt")
    assert "drill.step" in reeltune(tmp_path, "cache").out
    victim = next((tmp_path / "outputs" / "cache" / "objects").glob("*/*"))
    victim.write_text("damaged")
    assert "1 damaged" in reeltune(tmp_path, "cache", "verify").out
    assert reeltune(tmp_path, "cache", "prune", "max_gb=0").code == 0
    assert not list((tmp_path / "outputs" / "cache" / "objects").glob("*/*"))
    again = drill(tmp_path, "drill", "l.txt")
    assert again.code == 0 and again.tasks("done", "last")
    assert reeltune(tmp_path, "cache", "clear").code == 0
    assert reeltune(tmp_path, "cache", "polish").code == 2
