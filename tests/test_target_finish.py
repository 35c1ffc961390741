"""A finished film that is not as good as was asked for is encoded once more, and never more than once."""

import contextlib
import json
import math
import os
import signal
import sqlite3
import statistics
import time
from dataclasses import replace
from pathlib import Path

import pytest
from cli import QUIET, reeltune, start
from film_help import apart, film, held
from picture_help import ffmpeg

from stages.contract import Artifact, Failure, Item, StageError, Work
from stages.media.film import look_at
from stages.quality.picture import ScorePicture, ScorePictureSettings
from stages.quality.target import Aim, TargetSettings, aim_of
from stages.video.encode import EncodePiece, EncodePieceSettings
from stages.video.finish import FinishFilm, FinishFilmSettings
from stages.video.join import JoinFilm, JoinFilmSettings
from stages.video.parting import times_of
from stages.video.piece import PICTURES, Piece
from stages.video.settings import SurveyFilmSettings
from stages.video.survey import SurveyFilm
from stages.video.target_score import certain, spread_of, strides
from stages.video.target_search import Numbers, corrected
from stages.video.target_sought import Sought
from stages.video.target_windows import samples

X264 = {"name": "x264", "codec": "libx264", "preset": "veryfast", "quality": 23, "pix_fmt": "auto"}
NOISY = "testsrc2=s=160x96:r=25:d=2,noise=alls=10:allf=t:all_seed=3,format=yuv420p"
NUMBERS = Numbers(1, 51, 0.1, 24.5)


def vmaf(target: float) -> Aim:
    found = aim_of(TargetSettings(target_vmaf=target))
    assert found is not None
    return found


def number_of(looked) -> float:
    """The quality number that the pieces are encoded with."""
    return float(looked.children[0].data["piece"]["options"]["crf"])


class Case:
    """A film, and the stages at work on it one after the other as plain objects."""

    def __init__(self, path: Path, scratch: Path, **target):
        self.path, self.scratch, self.target, self.count = path, scratch, target, 0
        self.source = Artifact(path, "video/film")

    def folder(self) -> Path:
        self.count += 1
        found = self.scratch / str(self.count)
        found.mkdir(parents=True)
        return found

    def survey(self):
        stage = SurveyFilm(SurveyFilmSettings(encoder=X264, **self.target))
        self.looked = stage.run(Work(Item("film", artifacts={"film": self.source}), self.folder()))
        return self.looked

    def carry(self, sought: Sought) -> None:
        """As if the survey had sought."""
        children = [replace(child, data={**child.data, "sought": sought.to_json()}) for child in self.looked.children]
        self.looked = replace(self.looked, children=children)

    def finish(self, stage=None, **settings):
        parts = [self.encoded(child) for child in self.looked.children]
        stage = stage or FinishFilm(FinishFilmSettings(**self.target, **settings))
        self.made_in = self.folder()
        return stage.run(Work(Item("film", artifacts={"film": self.source}), self.made_in, parts))

    def encoded(self, child) -> Item:
        work = Work(Item(child.name, child.data, {"film": self.source}), self.folder())
        made = EncodePiece(EncodePieceSettings()).run(work)
        return Item(child.name, child.data, {"segment": Artifact(made.files["segment"], "video/segment")})

    def score(self, video: Path) -> float:
        item = Item("film", {}, {"reference": self.source, "video": Artifact(video, "video/finished")})
        return ScorePicture(ScorePictureSettings()).run(Work(item, self.folder())).metrics["quality.vmaf_mean"]


def poison(memory: Path, by: float) -> None:
    """What was probed is said to have been probed at numbers so much higher."""
    with contextlib.closing(sqlite3.connect(memory)) as store, store:
        rows = store.execute("select footage, quality, figures from probes").fetchall()
        store.execute("delete from probes")
        moved = [(footage, round(quality + by, 1), figures) for footage, quality, figures in rows]
        store.executemany("insert into probes values (?, ?, ?)", moved)


def kept_figures(memory: Path) -> list[dict[str, float]]:
    with contextlib.closing(sqlite3.connect(memory)) as store:
        return [json.loads(row[0]) for row in store.execute("select figures from probes")]


@pytest.fixture
def noisy(tmp_path):
    path = tmp_path / "noisy.mp4"
    ffmpeg("-f", "lavfi", "-i", NOISY, "-c:v", "libx264", "-preset", "ultrafast", "-qp", "4", path)
    memory = tmp_path / "probes.sqlite"
    case = Case(path, tmp_path / "work", target_vmaf=90.0, probes=str(memory))
    case.survey()
    return case, memory


def test_a_memory_that_misleads_is_found_out_by_the_finished_film_and_is_right_afterwards(noisy):
    case, memory = noisy
    honest = number_of(case.looked)
    poison(memory, 2.5)
    looked = case.survey()
    assert looked.metrics["target.probes"] == 0 and number_of(looked) == pytest.approx(honest + 2.5)
    made = case.finish()
    told = made.metrics
    assert told["target.corrected"] == 1 and told["target.first"] < 88
    assert abs(told["target.achieved"] - 90) < abs(told["target.first"] - 90) / 2
    assert told["target.quality"] == pytest.approx(honest, abs=1.2)
    assert case.score(made.files["video"]) == pytest.approx(told["target.achieved"]), "the corrected film is the one"
    assert told["size.bytes"] == made.files["video"].stat().st_size
    assert made.data["effective"] == {"encoder.quality": told["target.quality"]}
    (note,) = [note for note in made.notes if "encoded once more" in note]
    assert note.startswith("noisy.mp4: the finished film has VMAF 8") and f"={honest + 2.5:g}, -" in note
    assert any("had another score for" in note for note in made.notes)
    assert abs(case.survey().metrics["target.expected"] - 90) <= 0.5, "what misled is forgotten"
    again = case.finish()
    assert again.metrics["target.corrected"] == 0 and abs(again.metrics["target.achieved"] - 90) <= 0.5


def test_of_two_films_the_nearer_is_kept(noisy, monkeypatch):
    """The correction is made to go wrong: what it leads to is farther off than the first film."""
    case, memory = noisy
    poison(memory, 1)
    used = number_of(case.survey())
    monkeypatch.setattr("stages.video.target_again.corrected", lambda *_: (51.0, 90.0))
    made = case.finish()
    assert made.metrics["target.corrected"] == 0 and made.metrics["target.quality"] == used
    assert case.score(made.files["video"]) == pytest.approx(made.metrics["target.first"])
    assert any("encoded once more at 51: VMAF" in note and "the first is kept" in note for note in made.notes)


def test_without_time_for_it_the_first_film_is_kept_and_a_note_says_so(noisy):
    case, memory = noisy
    poison(memory, 2.5)
    used = number_of(case.survey())
    made = case.finish(timeout_s=0.01)
    assert made.metrics["target.corrected"] == 0 and made.metrics["target.quality"] == used
    assert any("it is kept" in note and "raise task_timeout_s" in note for note in made.notes)
    assert case.score(made.files["video"]) == pytest.approx(made.metrics["target.first"])


def test_a_film_that_cannot_be_scored_is_kept_and_a_note_says_so(noisy, monkeypatch):
    def refused(*_):
        raise StageError(Failure.ENCODER, "this FFmpeg has no libvmaf")

    case, _ = noisy
    monkeypatch.setattr("stages.video.target_again.score_film", refused)
    made = case.finish()
    assert made.files["video"].stat().st_size == made.metrics["size.bytes"] and made.metrics["target.corrected"] == 0
    assert any("is not known, it is kept as it is: this FFmpeg has no libvmaf" in note for note in made.notes)


def test_a_film_without_a_target_is_joined_and_nothing_more(noisy):
    case, _ = noisy
    case.target = {}
    case.survey()
    plain, made = case.finish(JoinFilm(JoinFilmSettings())), case.finish()
    assert made.files["video"].read_bytes() == plain.files["video"].read_bytes()
    assert (made.metrics, made.data, made.notes) == (plain.metrics, plain.data, plain.notes)
    assert [file.name for file in case.made_in.iterdir()] == ["video.mp4"]
    settings = FinishFilmSettings(cores=4)
    assert FinishFilm.needs(settings) == JoinFilm.needs(settings) == FinishFilm.task_needs(settings, {})
    assert FinishFilm.tools(settings) == JoinFilm.tools(settings)
    assert FinishFilm.needs(FinishFilmSettings(cores=4, target_vmaf=93.0)).cpu_threads == 4


def test_hard_scenes_that_no_window_shows_are_seen_when_the_film_is_finished(tmp_path):
    """Every frame has as many bytes in the source, so that nothing tells where it is hard: there no window lies."""
    easy, rate, seconds = "testsrc2=s=96x64:r=10,noise=alls=3:allf=t:all_seed=2", 10, 60
    path = tmp_path / "plain.avi"
    ffmpeg("-f", "lavfi", "-t", str(seconds), "-i", f"{easy},format=yuv420p", "-c:v", "rawvideo", path)
    looked = look_at(path)
    times = times_of(looked, looked.pictures[0])
    whole = Piece(PICTURES, count=600, expected=600, pts=(0, 600), time_base=f"1/{rate}")
    shown = samples([whole], times)
    seen = {piece.first // 20 for piece in (*shown.probed, *shown.held_out)}
    unseen = [cell for cell in range(30) if cell not in seen][:8]
    assert len(unseen) == 8, "else this test tests nothing"
    when = "+".join(f"between(t,{cell * 2},{cell * 2 + 1.95})" for cell in unseen)
    hard = "life=s=96x64:r=10:ratio=0.3:mold=10:life_color=#c0c0c0:death_color=#404040:seed=4"
    graph = f"[0:v][1:v]overlay=enable='{when}',format=yuv420p"
    ffmpeg("-y", "-f", "lavfi", "-i", easy, "-f", "lavfi", "-i", hard, "-filter_complex", graph, "-t", str(seconds),
           "-c:v", "rawvideo", path)  # fmt: skip
    memory = tmp_path / "probes.sqlite"
    case = Case(path, tmp_path / "work", target_vmaf=93.0, probes=str(memory))
    assert case.survey().metrics["target.expected"] == pytest.approx(93, abs=0.6)
    made = case.finish()
    first, last = made.metrics["target.first"], made.metrics["target.achieved"]
    assert made.metrics["target.corrected"] == 1 and abs(first - 93) > 0.5
    assert abs(last - 93) < abs(first - 93) / 2
    assert case.score(made.files["video"]) == pytest.approx(last)
    next_time = case.survey()
    assert next_time.metrics["target.probes"] == 0 and abs(next_time.metrics["target.expected"] - 93) <= 0.5
    assert any("finished film had VMAF" in note for note in next_time.notes)
    assert abs(number_of(next_time) - made.metrics["target.quality"]) <= 1


def test_an_even_film_is_known_by_some_of_its_windows(tmp_path, monkeypatch):
    """As an hour would be with 32 windows, so here 76 s with 9 of 38."""
    monkeypatch.setattr("stages.video.target_score.LEAST_CELLS", 8)
    monkeypatch.setattr("stages.video.target_score.DENSEST", 4)
    path, memory = tmp_path / "long.mkv", tmp_path / "probes.sqlite"
    ffmpeg("-f", "lavfi", "-t", "76", "-i", "testsrc2=s=96x64:r=5,noise=alls=9:allf=t:all_seed=4,format=yuv420p",
           "-c:v", "libx264", "-preset", "ultrafast", "-qp", "4", "-g", "50", path)  # fmt: skip
    case = Case(path, tmp_path / "work")
    case.survey()
    whole = case.score(case.finish().files["video"])
    case.target = {"target_vmaf": round(whole, 1), "probes": str(memory)}
    case.carry(Sought(23.0, {23.0: 90.0, 25.0: 88.0}))
    made = case.finish()
    assert made.metrics["target.achieved"] == pytest.approx(whole, abs=0.4) and not made.metrics["target.corrected"]
    assert made.metrics["target.achieved"] != pytest.approx(whole, abs=1e-9), "not every frame was scored"
    assert [set(figures) for figures in kept_figures(memory)] == [{"quality.vmaf_mean"}], "nothing else is claimed"
    case.target = {"target_vmaf_p1": 80.0, "probes": str(memory)}
    made = case.finish()
    assert len(kept_figures(memory)) >= 2, "the low of a film is not that of some windows: every frame was scored"


def test_cells_are_taken_ever_denser_until_the_answer_is_certain():
    assert strides(255) == [1] and strides(256) == [8, 1] and strides(1800) == [32, 16, 8, 1]
    aim = vmaf(93)
    assert certain(aim, 93.2, 0.2) and not certain(aim, 93.4, 0.2), "may still be off"
    assert certain(aim, 95, 0.2) and not certain(aim, 95, 0.4), "off, but by how much?"
    means = [90 + (place * 7919 % 13) / 4 for place in range(100)]
    assert spread_of(means, 10_000) == pytest.approx(2 * statistics.stdev(means) / 10, rel=0.02)
    assert spread_of(means, 100) == 0, "all of it is known"


@pytest.mark.parametrize(("apart", "target"), [(1.5, 93), (-1.2, 93), (4.0, 90), (2.0, 97)])
def test_a_correction_follows_the_curve_moved_to_what_the_film_has(apart, target):
    """Films whose curve is that of the windows, some numbers earlier or later."""

    def curve(number: float) -> float:
        return 100 / (1 + math.exp(0.22 * (number - 36)))

    points = {number: curve(number) for number in (20, 24, 28)}
    better, hoped = corrected(vmaf(target), NUMBERS, points, 24, curve(24 + apart))
    assert curve(better + apart) == pytest.approx(target, abs=0.5) and hoped == pytest.approx(target, abs=0.3)


def test_a_flat_piece_of_a_curve_sends_no_correction_to_the_end_of_the_scale():
    better, _ = corrected(vmaf(93), NUMBERS, {20: 93.001, 30: 93.0}, 30, 92.0)
    assert 25 < better < 30


def test_the_command_corrects_once_survives_a_kill_and_has_nothing_to_do_afterwards(tmp_path):
    clip = film(tmp_path / "clip.mp4", "-c:v", "libx264", "-qp", "4", "-c:a", "aac", seconds=4, size="320x192")
    words = (*QUIET, "pipeline=transcode", "clip.mp4", "quality.target_vmaf=93", "encoder=x264", "quality.sample=0")
    assert reeltune(tmp_path, *words).code == 0
    poison(tmp_path / "outputs" / "probes.sqlite", 4)
    run = start(tmp_path, *words, "cache.fresh=always")
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline and not list((tmp_path / "outputs").rglob("again")):
        assert run.poll() is None, "it was over before it could be killed"
        time.sleep(0.005)
    os.kill(run.pid, signal.SIGKILL)
    run.wait()
    done = reeltune(tmp_path, *words)
    assert done.code == 0, done.err
    assert done.tasks("cached", "encode") and done.tasks("done", "join") == ["clip"]
    metrics, used = done.run["metrics"], done.run["effective"]
    assert metrics["target.corrected"] == 1 and used["encoder.quality"] == metrics["target.quality"]
    assert (
        metrics["target.first"] < 92.5 and abs(metrics["target.achieved"] - 93) < abs(metrics["target.first"] - 93) / 2
    )
    assert any("encoded once more" in note for note in done.run["notes"])
    assert apart(held(clip).of("video")[0], held(Path(done.run["outputs"]["clip"])).of("video")[0]) == 0.0
    again = reeltune(tmp_path, *words)
    assert again.code == 0 and not again.tasks("done") and again.run["metrics"]["target.corrected"] == 1
