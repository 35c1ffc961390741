"""Scores of clips: against the same frames with their captions, frame by frame."""

import numpy as np
import pytest
from scene_help import SMALL, X264, captions, clip_of, dejavu, saved, scene, textured

from stages.contract import Artifact, Failure, Item, StageError, Work
from stages.scene.score import ScoreScene
from stages.scene.settings import SceneScoreSettings


def scored(item, clip, folder, **settings):
    folder.mkdir(exist_ok=True)
    whole = Item(item.key, item.data, {**item.artifacts, "clip": Artifact(clip, "video/mp4")})
    asked = SceneScoreSettings(width=SMALL["width"], height=SMALL["height"], threads=1, **settings)
    work = Work(whole, folder)
    return ScoreScene(asked).run(work).metrics


@pytest.fixture
def item(tmp_path):
    fonts = [{"family": "DejaVu Sans", "path": str(dejavu())}]
    lines = captions(tmp_path, "0.00 0.60 Hello")
    return scene(saved(tmp_path, textured((200, 320))), lines, 0.6, fonts=fonts)


def test_a_better_encode_scores_better_and_nothing_is_left_on_disk(tmp_path, item):
    found = []
    for quality in (4, 40):
        clip = clip_of(item, tmp_path, encoder={**X264, "quality": quality}).files["clip"]
        found.append(scored(item, clip, tmp_path / str(quality)))
    good, bad = found
    assert good["quality.frames"] == 15
    assert good["quality.vmaf_mean"] > 90 and good["quality.psnr"] > 45 and good["quality.ssim"] > 0.99
    for name in ("quality.vmaf_mean", "quality.vmaf_p1", "quality.psnr", "quality.ssim"):
        assert good[name] > bad[name]
    assert sum(file.stat().st_size for file in (tmp_path / "4").iterdir() if file.is_file()) < 50_000


@pytest.mark.parametrize("renderer", ["affine", "zoompan"])
def test_the_same_frames_are_compared(tmp_path, item, renderer):
    """One frame of delay, or captions that are missing on one side, would cost far more than this encode does."""
    clip = clip_of(item, tmp_path, renderer=renderer, zoom=0.01, encoder={**X264, "quality": 4}).files["clip"]
    assert scored(item, clip, tmp_path / "right", renderer=renderer, zoom=0.01)["quality.psnr"] > 45
    without = scene(item.artifacts["image"].path, captions(tmp_path, "0.00 0.01 Hello"), 0.6)
    assert scored(without, clip, tmp_path / "bare", renderer=renderer, zoom=0.01)["quality.psnr"] < 30


def test_a_clip_of_another_length_is_refused(tmp_path, item):
    clip = clip_of(scene(item.artifacts["image"].path, item.artifacts["captions"].path, 0.4), tmp_path).files["clip"]
    with pytest.raises(StageError, match="story/01: the clip has 10 of 15 frames") as caught:
        scored(item, clip, tmp_path / "a")
    assert caught.value.failure is Failure.BAD_INPUT


def test_memory_follows_size_and_threads():
    needs = [ScoreScene.needs(SceneScoreSettings(threads=threads)).ram_mb for threads in (1, 8)]
    assert needs[0] < needs[1]
    assert np.isfinite(needs).all()
