"""A quality target on real films: what was promised is what the finished film has."""

import json
import sqlite3
import subprocess
import sys
from dataclasses import replace

import pytest
from cli import QUIET, reeltune
from film_help import encoded, film
from picture_help import ffmpeg

from stages.contract import Artifact, Item, Work
from stages.media.frames import timeline, track
from stages.quality.picture import ScorePicture, ScorePictureSettings
from stages.video.finish import FinishFilm, FinishFilmSettings
from stages.video.settings import SurveyFilmSettings
from stages.video.survey import SurveyFilm
from stages.video.target_memory import ProbeMemory, footage_key

X264 = {"name": "x264", "codec": "libx264", "preset": "veryfast", "quality": 23, "pix_fmt": "auto"}
NOISY = "testsrc2=s=160x96:r=25,noise=alls=10:allf=t:all_seed=3"
LOSSLESS = ("-c:v", "libx264", "-preset", "ultrafast", "-qp", "4", "-pix_fmt", "yuv420p")


def made(path, graph, seconds, *words):
    ffmpeg("-f", "lavfi", "-t", str(seconds), "-i", graph, *LOSSLESS, *words, f"file:{path}")
    return path


def survey(path, scratch, encoder=X264, **settings):
    scratch.mkdir(parents=True, exist_ok=True)
    stage = SurveyFilm(SurveyFilmSettings(encoder=encoder, **settings))
    return stage.run(Work(Item("film", artifacts={"film": Artifact(path, "video/film")}), scratch))


def finished(path, looked, scratch, **target):
    """The film made of what the survey drew, scored as the run would."""
    parts = [
        Item(child.name, child.data, {"segment": Artifact(encoded(path, child, scratch).files["segment"], "video/")})
        for child in looked.children
    ]
    folders = [scratch / name for name in ("join", "score")]
    for folder in folders:
        folder.mkdir()
    source = Artifact(path, "video/film")
    finisher = FinishFilm(FinishFilmSettings(**target))
    made = finisher.run(Work(Item("film", artifacts={"film": source}), folders[0], parts))
    files = {"reference": source, "video": Artifact(made.files["video"], "video/finished")}
    scoring = ScorePictureSettings(**{name: value for name, value in target.items() if name.startswith("target")})
    score = ScorePicture(scoring).run(Work(Item("film", made.data, files), folders[1]))
    return replace(score, metrics={**score.metrics, **made.metrics}, notes=[*made.notes, *score.notes])


def number_of(looked):
    """The quality number that the pieces are encoded with."""
    return float(looked.children[0].data["piece"]["options"]["crf"])


@pytest.fixture(scope="module")
def noisy(tmp_path_factory):
    return made(tmp_path_factory.mktemp("noisy") / "noisy.mp4", NOISY, 2)


@pytest.mark.parametrize(
    ("target", "figure", "within"),
    [
        ({"target_vmaf": 90.0}, "quality.vmaf_mean", 0.5),
        ({"target_vmaf_p1": 85.0}, "quality.vmaf_p1", 0.5),
        ({"target_ssim": 0.97}, "quality.ssim", 0.002),
    ],
)
def test_the_finished_film_has_what_was_asked_for(noisy, tmp_path, target, figure, within):
    looked = survey(noisy, tmp_path / "survey", **target)
    (wanted,) = target.values()
    assert looked.metrics["target.probes"] <= 5
    score = finished(noisy, looked, tmp_path, **target)
    assert abs(score.metrics[figure] - wanted) <= within
    assert score.metrics["target.error"] == pytest.approx(score.metrics[figure] - wanted)
    assert looked.metrics["target.expected"] == pytest.approx(score.metrics[figure], abs=within / 5)
    number = score.metrics["target.quality"]
    assert score.metrics["target.achieved"] == score.metrics["target.first"] == pytest.approx(score.metrics[figure])
    assert score.metrics["target.corrected"] == 0 and "encoder.quality" not in looked.data["effective"]
    assert {child.data["piece"]["options"]["crf"] for child in looked.children} == {f"{number:g}"}


def test_what_was_probed_once_is_known_to_the_next_target_and_another_preset_is_not(noisy, tmp_path):
    asked = {"probes": str(tmp_path / "memory" / "probes.sqlite")}
    first = survey(noisy, tmp_path / "1", target_vmaf=90.0, **asked)
    again = survey(noisy, tmp_path / "2", target_vmaf=90.0, **asked)
    assert again.metrics == {**first.metrics, "target.probes": 0.0} and first.metrics["target.probes"] >= 1
    near = survey(noisy, tmp_path / "3", target_vmaf=first.metrics["target.expected"], **asked)
    assert near.metrics["target.probes"] == 0
    other = survey(noisy, tmp_path / "4", {**X264, "preset": "faster"}, target_vmaf=90.0, **asked)
    assert other.metrics["target.probes"] >= 1


def test_targets_out_of_reach_are_said_to_be_so(tmp_path):
    black = made(tmp_path / "black.mp4", "color=black:s=96x64:r=25", 1)
    low = survey(black, tmp_path / "low", target_vmaf=93.0)
    assert number_of(low) == 51 and low.metrics["target.expected"] == pytest.approx(97.43, abs=0.05)
    assert any("target_vmaf=93 is below what it gives at its worst, 51: VMAF 97.4" in note for note in low.notes)
    high = survey(black, tmp_path / "high", target_vmaf=99.0)
    assert any("target_vmaf=99 cannot be reached: at its best, 1, the encoder" in note for note in high.notes)
    assert number_of(high) > 10, "nothing is won by the largest file"
    score = finished(black, high, tmp_path, target_vmaf=99.0)
    assert score.metrics["target.error"] == pytest.approx(-1.57, abs=0.05)
    assert any("VMAF 97.4, -1.6 off quality.target_vmaf=99" in note for note in score.notes)
    assert score.metrics["target.corrected"] == 0 and "target.first" not in score.metrics, "it is not tried again"


def test_windows_of_a_long_film_stand_for_all_of_it_and_are_checked(tmp_path):
    """Easy, then hard. The middle alone, or the easy part, would tell another number."""
    hard = "life=s=96x64:r=25:ratio=0.3:mold=10:life_color=#c0c0c0:death_color=#404040:seed=4,format=yuv420p"
    easy = "testsrc2=s=96x64:r=25,format=yuv420p"
    path = tmp_path / "two.mp4"
    ffmpeg("-f", "lavfi", "-t", "14", "-i", easy, "-f", "lavfi", "-t", "8", "-i", hard,
           "-filter_complex", "[0:v][1:v]concat=n=2:v=1", *LOSSLESS, "-g", "25", f"file:{path}")  # fmt: skip
    looked = survey(path, tmp_path / "survey", target_vmaf=92.0, probes=str(tmp_path / "probes.sqlite"))
    assert looked.metrics["target.probes"] <= 5
    assert any("5 windows of about 2 s" in note for note in looked.notes)
    score = finished(path, looked, tmp_path, target_vmaf=92.0)
    assert abs(score.metrics["target.error"]) <= 1.0
    with sqlite3.connect(tmp_path / "probes.sqlite") as store:
        assert len(store.execute("select distinct footage from probes").fetchall()) == 2, "probed, and held out"


@pytest.mark.parametrize(
    ("settings", "why"),
    [
        ({"fps": "10"}, "the frame rate was changed to 10"),
        ({"salvage": True}, "which frames a damaged film has"),
        ({"deinterlace": "on"}, "it was deinterlaced"),
    ],
)
def test_where_nothing_can_be_compared_the_number_stays_and_a_note_says_why(noisy, tmp_path, settings, why):
    looked = survey(noisy, tmp_path, target_vmaf=90.0, **settings)
    (note,) = [note for note in looked.notes if "was not looked for" in note]
    assert why in note and note.endswith("encoder.quality=23 was used")
    assert not looked.metrics and looked.data["effective"]["encoder.quality"] == 23


def test_a_picture_too_small_for_vmaf_is_not_looked_at(tmp_path):
    looked = survey(made(tmp_path / "tiny.mp4", "testsrc2=s=24x24:r=25", 1), tmp_path / "s", target_vmaf=90.0)
    assert any("too small for VMAF" in note and "was not looked for" in note for note in looked.notes)


def test_a_turned_and_cropped_film_is_scored_where_it_shows_the_same(tmp_path):
    source = made(tmp_path / "straight.mp4", NOISY, 1)
    turned = tmp_path / "turned.mp4"
    ffmpeg("-display_rotation", "90", "-i", f"file:{source}", "-c", "copy", f"file:{turned}")
    assert track(turned).rotation % 180 == 90
    looked = survey(turned, tmp_path / "turned", target_vmaf=90.0)
    assert finished(turned, looked, tmp_path / "t", target_vmaf=90.0).metrics["target.error"] == pytest.approx(
        0, abs=0.5
    )
    looked = survey(turned, tmp_path / "cropped", target_vmaf=90.0, crop="80:120:8:20")
    (tmp_path / "c").mkdir()
    assert finished(turned, looked, tmp_path / "c", target_vmaf=90.0).metrics["target.error"] == pytest.approx(
        0, abs=0.5
    )


def test_many_processes_keep_what_they_probed(tmp_path):
    path = tmp_path / "probes.sqlite"
    code = (
        "import sys; from pathlib import Path; from stages.video.target_memory import ProbeMemory\n"
        "m = ProbeMemory(Path(sys.argv[1]))\n"
        "for n in range(25): m.put('film', int(sys.argv[2]) * 100 + n, {'quality.ssim': n / 100})\n"
        "sys.exit(bool(m.notes))"
    )
    runs = [subprocess.Popen([sys.executable, "-c", code, str(path), str(number)]) for number in range(3)]
    assert [run.wait(60) for run in runs] == [0, 0, 0]
    memory = ProbeMemory(path)
    assert len(memory.known("film")) == 75 and memory.known("film")[203.0] == {"quality.ssim": 0.03}
    assert memory.known("other") == {} and not memory.notes


def test_a_damaged_memory_is_a_note_and_everything_is_probed_anew(noisy, tmp_path):
    broken = tmp_path / "probes.sqlite"
    broken.write_text("no database", encoding="utf-8")
    looked = survey(noisy, tmp_path / "s", target_ssim=0.97, probes=str(broken))
    assert looked.metrics["target.probes"] >= 1
    assert sum("probes.sqlite cannot be used" in note for note in looked.notes) == 1
    assert footage_key("a", 1) != footage_key("a", 2) and footage_key("a", 1) == footage_key("a", 1)


def test_a_probed_survey_is_planned_with_what_probes_take():
    plain, probing = SurveyFilmSettings(cores=4), SurveyFilmSettings(cores=4, target_vmaf=93.0)
    assert SurveyFilm.needs(plain).cpu_threads == 1
    assert SurveyFilm.needs(probing).cpu_threads == 4 and SurveyFilm.needs(probing).ram_mb > 2000
    assert SurveyFilm.task_needs(probing, {}) == SurveyFilm.needs(probing)
    rate = SurveyFilmSettings(encoder={"name": "x264", "bitrate": "1M", "quality": None}, target_vmaf=93.0)
    assert [problem.key for problem in SurveyFilm.problems(rate, "video")] == ["encoder.bitrate"]


def test_the_command_finds_the_number_and_says_how_near_it_came(tmp_path):
    film(tmp_path / "clip.mp4", *LOSSLESS, "-c:a", "aac", seconds=2)
    words = (*QUIET, "pipeline=transcode", "clip.mp4", "quality.target_vmaf=93", "encoder=x264")
    done = reeltune(tmp_path, *words)
    assert done.code == 0, done.err
    metrics = done.run["metrics"]
    assert abs(metrics["target.error"]) <= 0.5 and metrics["target.probes"] <= 5
    assert metrics["target.error_min"] == metrics["target.error"] == metrics["target.error_max"]
    assert metrics["quality.vmaf_mean"] == pytest.approx(93 + metrics["target.error"])
    assert done.run["effective"]["encoder.quality"] == metrics["target.quality"]
    assert (tmp_path / "outputs" / "probes.sqlite").is_file()
    made_by = next((done.folder / "result").glob("*.json"))
    assert len(json.loads(made_by.read_text(encoding="utf-8"))["scores"]) == timeline(tmp_path / "clip.mp4").count
    two = reeltune(tmp_path, *words, "quality.target_ssim=0.98")
    assert two.code == 2 and "quality.target_ssim" in two.err + two.out
