"""What keeps upscaling within memory and disk: steps down that change no frame, pauses, limits, little beside films."""

import shutil
from fractions import Fraction

import av
import numpy as np
import pytest
from cli import QUIET, reeltune
from encoder_help import fast
from film_help import film
from picture_help import ffmpeg
from test_upscale_guard import small_disk  # noqa: F401 - a fixture
from upscale_help import UNBOUND

from stages.contract import Artifact, Failure, Item, StageError, Work
from stages.media.color import Colour
from stages.media.encoders.inprocess import SegmentWriter
from stages.upscale.library import process_streaming
from stages.upscale.segment import UpscaleSegment
from stages.upscale.settings import SurveyUpscaleSettings, UpscalerSettings, UpscaleSegmentSettings
from stages.upscale.survey import SurveyUpscale

H264 = ("-c:v", "libx264", "-g", "25", "-c:a", "aac")
X264 = {"name": "x264", "codec": "libx264", "preset": "ultrafast", "quality": 23, "threads": 2}
QUICK = ("encoder=x264", "profile=fast", "encoder.threads=2")
KEPT = "pipeline.stages.segment.transient=false"  # segments stay beside the film, to be counted
BEYOND_ANY = 1_000_000  # MB that no disk of a test has free
pytestmark = pytest.mark.untraced


def packets(path):
    with av.open(str(path)) as container:
        return [(p.pts, p.dts, bytes(p)) for p in container.demux(container.streams.video[0]) if p.size]


def pictures(path):
    with av.open(str(path)) as container:
        return [frame.to_ndarray() for frame in container.decode(video=0)]


def streamed(source, target, **words):
    encoder = {"preset": "ultrafast", "threads": 2, **words.pop("encoder", {})}
    return process_streaming(source, target, encoder="x264", encoder_settings=encoder, **words)


@pytest.fixture(scope="module")
def clip(tmp_path_factory):
    return film(tmp_path_factory.mktemp("clip") / "clip.mp4", *H264, seconds=2)


# --- memory ------------------------------------------------------------------------------------


class Shortage:
    """Memory runs out at these frames, each time once."""

    def __init__(self, *frames):
        self.left = list(frames)

    def __call__(self, first):
        if self.left and first >= self.left[0]:
            self.left.pop(0)
            raise MemoryError("injected")


def test_out_of_memory_changes_no_packet_and_is_told(clip, tmp_path, monkeypatch):
    clean = streamed(clip, tmp_path / "clean.mp4", segment_s=1, batch=4, precision="fp32")
    shortage = Shortage(6, 9, 30)
    monkeypatch.setattr(UpscaleSegment, "injector", staticmethod(shortage))
    short = streamed(clip, tmp_path / "short.mp4", segment_s=1, batch=4, precision="fp32")
    assert not shortage.left, "it ran out three times"
    assert packets(short.path) == packets(clean.path)
    steps = [note for note in short.notes if note.startswith("out of memory on cpu at frame")]
    assert [note.partition(": ")[2] for note in steps] == ["batch 4 → 2", "batch 2 → 1", "tile 160×96 → 96"]
    assert not [note for note in clean.notes if "memory" in note]


def segment(clip, scratch, upscaler, **settings):
    """The first segment of a film, made by the plain object."""
    asked = {name: getattr(upscaler, name) for name in UpscalerSettings.__dataclass_fields__} | UNBOUND
    given = {"film": Artifact(clip, "video/film")}
    scratch.mkdir()
    looked = SurveyUpscale(SurveyUpscaleSettings(upscaler=asked, encoder={**X264, "quality": 0})).run(
        Work(Item("clip", artifacts=given), scratch)
    )
    stage = UpscaleSegment(UpscaleSegmentSettings(**asked, **settings))
    child = looked.children[0]
    return stage, Work(Item(child.name, child.data, given), scratch)


def test_who_wants_no_steps_down_gets_one_sentence(clip, tmp_path):
    stage, work = segment(clip, tmp_path / "s", UpscalerSettings(batch=4), on_oom="fail")
    stage.injector = Shortage(8)
    with pytest.raises(StageError) as caught:
        stage.run(work)
    assert caught.value.failure is Failure.HOST_OOM
    assert caught.value.sentence.startswith("out of memory on cpu at frame 8; allow steps down (on_oom=degrade)")
    assert "\n" not in caught.value.sentence and not (work.scratch / "segment.mp4").exists()


# --- the same each time, also under a limit -------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "preset"), [("x264", "medium"), ("x264", "ultrafast"), ("x265", "superfast"), ("svtav1", "11")]
)
def test_a_highest_rate_gives_the_same_packets_each_time(tmp_path, name, preset):
    """Rate control that looks at what other threads have spent so far gives other packets each time."""
    config = fast(name, preset=preset, pix_fmt="yuv420p", maxrate="300k", bufsize="300k", threads=4)
    first, *others = [packets(noisy(tmp_path / f"{turn}.mp4", config)) for turn in range(4)]
    assert sum(len(packet[2]) for packet in first) < 1.3 * 300_000 / 8 * 3, "the limit bites"
    assert all(other == first for other in others)


def noisy(path, config):
    rng = np.random.default_rng(0)
    with SegmentWriter(
        path, config, cores=4, tier="fast", width=320, height=192, rate=Fraction(25), time_base=Fraction(1, 25),
        colour=Colour(),
    ) as writer:  # fmt: skip
        for number in range(75):
            lines, columns = np.mgrid[:288, :320]
            waves = 120 + 60 * np.sin((columns + 4 * number) / 13) * np.cos(lines / 17 + number / 9)
            numbers = np.clip(waves + rng.normal(0, 12, waves.shape), 16, 235).astype(np.uint8)
            frame = av.VideoFrame.from_ndarray(numbers, "yuv420p")
            frame.pts = number
            writer.write(frame)
    return path


# --- disk --------------------------------------------------------------------------------------


def test_a_film_that_the_disk_has_no_room_for_is_refused_before_any_work(clip, tmp_path):
    if shutil.disk_usage(tmp_path).free > BEYOND_ANY * 1e6:
        pytest.skip("more is free than may be kept free")
    words = [*QUIET, "pipeline=upscale", str(clip), *QUICK, "upscaler=lanczos", "upscaler.segment_s=1"]
    refused = reeltune(tmp_path, *words, f"upscaler.keep_free_mb={BEYOND_ANY}")
    assert refused.code == 1 and refused.tasks("done", "segment") == []
    sentence = refused.run["reason"]
    assert sentence.startswith("clip.mp4: segments and finished file may take ")
    assert "of which 1000000 MB stay free; make room, or set upscaler.disk_limit_gb" in sentence
    assert sentence in refused.err + refused.out and "Traceback" not in refused.err + refused.out


def test_room_is_looked_for_on_the_disk_of_the_cache(noise, tmp_path, small_disk):  # noqa: F811
    """8 MB there, and plenty in the folder of the runs; the limit makes it fit."""
    words = [*QUIET, "pipeline=upscale", str(noise), *QUICK, "upscaler=lanczos", "upscaler.keep_free_mb=1"]
    words += [f"cache.dir={small_disk}/cache", "upscaler.disk_factor=0", "encoder.quality=12"]
    refused = reeltune(tmp_path, *words)
    assert refused.code == 1 and refused.tasks("done", "segment") == []
    assert f"and {small_disk}/cache has " in refused.run["reason"]
    assert reeltune(tmp_path, *words, "upscaler.disk_limit_gb=0.002").code == 0


def test_a_disk_that_gets_full_stops_the_run_and_later_it_goes_on(clip, tmp_path):
    if shutil.disk_usage(tmp_path).free > BEYOND_ANY * 1e6:
        pytest.skip("more is free than may be kept free")
    words = [*QUIET, "pipeline=upscale", str(clip), *QUICK, "upscaler=lanczos", "upscaler.segment_s=1"]
    stage = "pipeline.stages.segment.settings"  # of the watch alone: the look before the work finds room
    full = reeltune(tmp_path, *words, f"{stage}.keep_free_mb={BEYOND_ANY}", f"{stage}.wait_s=0.5")
    assert full.code == 1 and full.run["outputs"] == {}
    sentence = full.run["reason"]
    assert "are free on the disk of" in sentence and "and 0.5 s brought no more; make room there" in sentence
    assert sentence in full.err + full.out and "Traceback" not in full.err + full.out
    assert not list((tmp_path / "outputs").rglob("*.mp4")), "no half segment is left"
    later = reeltune(tmp_path, *words)
    (tmp_path / "clean").mkdir()
    clean = reeltune(tmp_path / "clean", *words)
    assert later.code == clean.code == 0
    assert packets(later.run["outputs"]["clip"]) == packets(clean.run["outputs"]["clip"])


@pytest.fixture(scope="module")
def noise(tmp_path_factory):
    """Two seconds that no encoder makes small."""
    path = tmp_path_factory.mktemp("noise") / "noise.mp4"
    grain = "testsrc2=s=320x180:r=25:d=2,noise=alls=40:allf=t"
    ffmpeg("-f", "lavfi", "-i", grain, "-c:v", "libx264", "-crf", "30", "-preset", "fast", f"file:{path}")
    return path


def test_the_limit_bites_says_so_and_is_kept(noise, tmp_path):
    words = [*QUIET, "pipeline=upscale", str(noise), *QUICK, "upscaler=lanczos", "upscaler.segment_s=1", KEPT]
    allowed = 1.5 * noise.stat().st_size
    (tmp_path / "free").mkdir()
    free = reeltune(tmp_path / "free", *words, "upscaler.disk_factor=0", "encoder.quality=12")
    held = reeltune(tmp_path, *words, "upscaler.disk_factor=1.5", "encoder.quality=12")
    assert free.code == held.code == 0, held.err
    assert stored(tmp_path / "free") > 1.5 * allowed, "without the limit it is much more"
    assert 0.5 * allowed < stored(tmp_path) <= allowed
    said = [note for note in held.run["notes"] if "upscaler.disk_factor=1.5 allows" in note]
    assert len(said) == 1 and "a limit of the bitrate when pixels grow 4-fold" in said[0]
    assert not [note for note in free.run["notes"] if "disk_factor" in note]
    assert float(held.run["effective"]["encoder.maxrate"]) > 0


@pytest.fixture(scope="module")
def burst(tmp_path_factory):
    """Four seconds that take little, but for the third: noise. All intra, so that the input is large."""
    path = tmp_path_factory.mktemp("burst") / "burst.mp4"
    grain = "testsrc2=s=240x136:r=25:d=4,noise=alls=90:allf=t:enable='between(t,2,2.99)'"
    words = ["-c:v", "libx264", "-crf", "12", "-g", "1", "-preset", "ultrafast"]
    ffmpeg("-f", "lavfi", "-i", grain, *words, f"file:{path}")
    return path


def test_one_segment_passes_its_share_and_is_made_again_within_it(burst, tmp_path):
    """Ordinary footage would not feel the limit: no rate is set, and the three quiet segments are made without."""
    allowed = 1.6 * burst.stat().st_size
    words = {"name": "lanczos", "segment_s": 1, "encoder": {"preset": "veryfast", "quality": 20}}
    made, weights = {}, {}
    for name, factor in (("free", 0.0), ("held", 1.6), ("again", 1.6)):
        home = tmp_path / name

        def weigh(_done, home=home):
            weights[home.name] = films_in(home)  # last when all segments are there

        made[name] = streamed(
            burst, tmp_path / f"{name}.mp4", work_dir=home, progress=weigh, disk_factor=factor, **words
        )
    assert 0 < weights["held"] + made["held"].path.stat().st_size <= allowed
    notes = made["held"].notes
    assert not [note for note in notes if "pictures are held to" in note]
    twice = [note for note in notes if "was made again" in note]
    assert len(twice) == 1 and twice[0].startswith("burst.mp4, frames 50 to 74: passed the ")
    free, held_, again = (packets(made[name].path) for name in ("free", "held", "again"))
    assert held_ == again
    assert held_[:50] == free[:50] and held_[75:] == free[75:] and held_[50:75] != free[50:75]


def stored(cwd):
    """Bytes of all segments and of the finished film, each counted once however many names it has."""
    return films_in(cwd / "outputs")


def films_in(folder):
    files = {file.stat().st_ino: file.stat().st_size for file in folder.rglob("*.mp4")}
    return sum(files.values())


def test_what_is_kept_to_resume_is_little(tmp_path):
    """A segment costs this much beside itself; two hours are 720 of them."""
    source = film(tmp_path / "clip.mp4", *H264, seconds=20, size="64x48")
    sizes = {}
    for length in (10, 0.5):
        cwd = tmp_path / str(length)
        cwd.mkdir()
        words = [*QUIET, "pipeline=upscale", str(source), *QUICK, "upscaler=lanczos", f"upscaler.segment_s={length}"]
        done = reeltune(cwd, *words)
        assert done.code == 0, done.err
        sizes[len(done.tasks("done", "segment"))] = checkpoint(cwd)
    (few, least), (many, most) = sorted(sizes.items())
    assert many - few == 40
    two_hours = least + 720 * max(0, most - least) / (many - few)
    assert two_hours < 10e6, (least, most)


def checkpoint(cwd):
    """Bytes of all that is below `outputs`, but for films, pictures, reports and what MLflow or doctor would read."""
    media = {".mp4", ".png", ".html"}
    return sum(
        file.stat().st_size for file in (cwd / "outputs").rglob("*") if file.is_file() and file.suffix not in media
    )


# --- by files, to compare with ---------------------------------------------------------------


def test_by_files_the_pictures_are_the_same_but_for_rounding(tmp_path):
    clip = film(tmp_path / "clip.mp4", *H264, seconds=0.6)
    stage, work = segment(clip, tmp_path / "stream", UpscalerSettings(precision="fp32"), tier="fast")
    plain = stage.run(work)
    stage, work = segment(clip, tmp_path / "files", UpscalerSettings(mode="frames_on_disk"), tier="fast")
    by_files = stage.run(work)
    one, other = pictures(plain.files["segment"]), pictures(by_files.files["segment"])
    assert len(one) == len(other) == 15
    off = [np.abs(a.astype(int) - b.astype(int)) for a, b in zip(one, other, strict=True)]
    assert max(difference.max() for difference in off) <= 3 and np.mean(off) < 0.3
    assert [p[:2] for p in packets(plain.files["segment"])] == [p[:2] for p in packets(by_files.files["segment"])]
    left = sum(file.stat().st_size for file in work.scratch.rglob("*.png"))
    assert by_files.metrics["upscale.frames_mb"] == pytest.approx(left / 1e6) and left > 15 * 10_000
    assert any("for comparison only" in note for note in by_files.notes)


def test_by_files_from_the_command_line_in_one_piece_and_nothing_stays(clip, tmp_path):
    words = ["upscaler.mode=frames_on_disk", "upscaler.segment_s=1", "upscaler.stabilise=light"]
    done = reeltune(tmp_path, *QUIET, "pipeline=upscale", str(clip), *QUICK, *words)
    assert done.code == 0, done.err
    assert [item for item in done.tasks("done", "segment") if "sides" not in item] == ["clip/s00000"]
    assert done.run["effective"]["upscaler.precision"] == "fp32" and done.run["metrics"]["upscale.frames_mb"] > 0.5
    assert any("for comparison only" in note for note in done.run["notes"])
    assert any("upscaler.stabilise=light" in note for note in done.run["notes"])
    assert len(list((tmp_path / "outputs").rglob("*.png"))) <= 2, "the picture of before and after, and its stored twin"
