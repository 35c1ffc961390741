"""`quality.reference`: finished films compared with what they should have become, not with the small input."""

import importlib.util
from pathlib import Path

import numpy as np
import pytest
from cli import QUIET, reeltune
from picture_help import LOSSLESS, ffmpeg, recoded, score

HOME = Path(__file__).resolve().parent.parent
QUICK = ("encoder=x264", "encoder.preset=veryfast", "encoder.quality=6", "encoder.threads=2", "upscaler.disk_factor=0")
SIZE = (256, 192)
UNSEEN = 4242  # a seed that the embedded network was not trained with
pytestmark = pytest.mark.untraced


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    return tmp_path_factory.mktemp("reference")


@pytest.fixture(scope="module")
def original(home):
    """A camera that moves over an image, a pixel of the small picture at each frame."""
    spec = importlib.util.spec_from_file_location("made_up_images", HOME / "tools" / "made_up_images.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    image = module.made_up_images(3, SIZE[0] + 24, UNSEEN)[1]
    raw = home / "frames.rgb"
    raw.write_bytes(
        b"".join(np.ascontiguousarray(image[: SIZE[1], x : x + SIZE[0]]).tobytes() for x in range(0, 24, 2))
    )
    size = f"{SIZE[0]}x{SIZE[1]}"
    words = ["-f", "rawvideo", "-pix_fmt", "rgb24", "-s", size, "-r", "25", "-i", raw]
    words += ["-vf", "scale=out_color_matrix=bt709"]
    folder = home / "originals"
    folder.mkdir()
    ffmpeg(*words, "-pix_fmt", "yuv420p", *LOSSLESS, folder / "clip.mkv")
    return folder / "clip.mkv"


@pytest.fixture(scope="module")
def small(home, original):
    return recoded(original, home / "clip.mkv", "-vf", "scale=iw/2:ih/2:flags=area", *LOSSLESS)


@pytest.fixture(scope="module")
def shared(home):
    """A folder of runs: what one of them has made larger, another only scores."""
    return home / "shared"


def larger(cwd, small, *words):
    cwd.mkdir(exist_ok=True)
    return reeltune(cwd, *QUIET, "pipeline=upscale", str(small), *QUICK, *words)


def test_the_network_is_nearer_to_the_original_than_lanczos_and_lanczos_than_bicubic(
    home, original, small, shared, tmp_path
):
    psnr = {}
    for name in ("embedded", "lanczos"):
        done = larger(shared, small, f"upscaler={name}", f"quality.reference={original}")
        assert done.code == 0, done.err
        psnr[name] = done.run["metrics"]["quality.psnr"]
        assert {"quality.ssim", "quality.vmaf_mean"} <= done.run["metrics"].keys()
        assert any("compared with clip.mkv" in note for note in done.run["notes"])
        assert not any("scaled from" in note for note in done.run["notes"]), "at its own size, the reference's"
    plain = recoded(small, home / "bicubic.mkv", "-vf", "scale=iw*2:ih*2:flags=bicubic", *LOSSLESS)
    psnr["bicubic"] = score(original, plain, tmp_path / "score").metrics["quality.psnr"]
    assert psnr["embedded"] > psnr["lanczos"] + 0.3 > psnr["bicubic"] + 0.3, psnr


def test_in_a_folder_the_partner_is_the_one_of_the_same_name(original, small, shared, tmp_path):
    folder = original.parent
    alone = recoded(small, tmp_path / "alone.mkv", "-c", "copy")
    words = ["upscaler=lanczos", f"quality.reference={folder}", str(alone)]
    done = larger(shared, small, *words)
    assert done.code == 0, done.err
    assert (
        done.run["metrics"]["quality.frames"] == 12
        and len(done.tasks("done", "score") + done.tasks("cached", "score")) == 2
    )
    said = [note for note in done.run["notes"] if "holds no film named" in note]
    assert len(said) == 1 and f"{folder} holds no film named alone to compare with" in said[0]


def test_another_number_of_frames_is_named(original, small, shared, tmp_path):
    fewer = recoded(original, tmp_path / "fewer.mkv", "-frames:v", "9", *LOSSLESS)
    done = larger(shared, small, "upscaler=lanczos", f"quality.reference={fewer}")
    assert done.run["outputs"]["clip"].endswith("clip.mkv"), "the film is made all the same"
    [failed] = [task for task in done.events("task") if task["status"] == "failed"]
    assert failed["stage"] == "score" and "has 12 frames, the reference 9" in failed["sentence"]


def test_a_changed_reference_is_scored_anew_and_nothing_else_is_done_again(original, small, shared, tmp_path):
    reference = recoded(original, tmp_path / "reference.mkv", "-c", "copy")
    words = ["upscaler=lanczos", f"quality.reference={reference}"]
    psnr = larger(shared, small, *words).run["metrics"]["quality.psnr"]
    again = larger(shared, small, *words)
    assert {task["status"] for task in again.events("task")} == {"cached"}
    reference.unlink()
    recoded(original, reference, "-vf", "boxblur=1", *LOSSLESS)
    other = larger(shared, small, *words)
    assert [task["stage"] for task in other.events("task") if task["status"] == "done"] == ["score"]
    assert other.run["metrics"]["quality.psnr"] != psnr


def test_transcode_takes_a_reference_too(original, small, tmp_path):
    """What was made smaller is compared with what it was before, at that size."""
    words = ["pipeline=transcode", str(small), "encoder=x264", "encoder.preset=veryfast"]
    done = reeltune(tmp_path, *QUIET, *words, f"quality.reference={original}")
    assert done.code == 0, done.err
    assert any("scaled from 128×96 to 256×192 (bicubic) to be scored" in note for note in done.run["notes"])
    assert done.run["metrics"]["quality.frames"] == 12


def test_a_reference_that_is_not_there_is_refused_before_any_work(small, tmp_path):
    done = larger(tmp_path / "run", small, "quality.reference=nowhere")
    assert done.code == 2 and "quality.reference" in done.err + done.out
    assert "there is no file or folder 'nowhere'" in done.err + done.out
