"""Clips: exact frames and times, one coding for all, captions burnt, colour told, errors in one sentence."""

from fractions import Fraction

import av
import numpy as np
import pytest
from scene_help import SMALL, X264, captions, clip_of, dejavu, saved, scene, textured

from stages.contract import EFFECTIVE, Failure, StageError
from stages.media.encoders.settings import EncoderConfig
from stages.scene.clip import SceneClip
from stages.scene.settings import SceneClipSettings

NVENC = {"name": "nvenc_h264", "codec": "h264_nvenc", "quality": 23, "pix_fmt": "yuv420p", "sessions": 2}


@pytest.fixture
def still(tmp_path):
    return saved(tmp_path, textured((200, 320)))


@pytest.fixture
def silent(tmp_path):
    return captions(tmp_path)


def read(path):
    """Stream facts and decoded frames as RGB."""
    with av.open(str(path)) as container:
        assert len(container.streams) == 1
        stream = container.streams.video[0]
        frames = list(container.decode(stream))
        facts = {
            "times": [Fraction(frame.pts) * frame.time_base for frame in frames],
            "extradata": bytes(stream.codec_context.extradata),
            "colour": tuple(int(getattr(frames[0], name)) for name in ("colorspace", "color_range")),
            "tags": (int(stream.codec_context.color_trc), int(stream.codec_context.color_primaries)),
            "aspect": stream.sample_aspect_ratio,
            "time_base": stream.time_base,
            "size": (frames[0].width, frames[0].height),
        }
        return facts, [frame.to_ndarray(format="rgb24") for frame in frames]


@pytest.mark.parametrize(("fps", "seconds", "count"), [("25", 1.001, 26), ("30000/1001", 1.0, 30), ("12.5", 0.5, 7)])
def test_every_frame_at_its_very_time(tmp_path, still, silent, fps, seconds, count):
    result = clip_of(scene(still, silent, seconds), tmp_path, fps=fps)
    facts, frames = read(result.files["clip"])
    assert len(frames) == count == result.data["frames"] == result.metrics["video.frames"]
    assert facts["times"] == [number / Fraction(fps) for number in range(count)]
    assert facts["size"] == (128, 224)


def test_a_pause_belongs_to_the_clip_and_the_scenes_own_comes_first(tmp_path, still, silent):
    assert clip_of(scene(still, silent, 0.4), tmp_path, pause_s=0.2).data["frames"] == 15
    assert clip_of(scene(still, silent, 0.4, pause_s=0.0), tmp_path, pause_s=0.2).data["frames"] == 10


def test_clips_of_different_scenes_have_one_coding(tmp_path, still, silent):
    other = saved(tmp_path, np.full((50, 900, 3), 7, np.uint8), "other.png")
    shown = captions(tmp_path, "0 0.5 Hi")
    ways = [
        (scene(still, silent, 0.5), "affine"),
        (scene(other, shown, 0.02, motion="pan_left"), "affine"),
        (scene(still, silent, 0.5, motion="zoom_out"), "zoompan"),
    ]
    facts = []
    for item, renderer in ways:
        fact, _ = read(clip_of(item, tmp_path, renderer=renderer).files["clip"])
        facts.append({name: fact[name] for name in fact if name != "times"})
    assert facts[0] == facts[1] == facts[2]
    assert facts[0]["extradata"]


def test_colour_is_told_on_every_level_and_true(tmp_path, silent):
    still = saved(tmp_path, np.full((300, 200, 3), (250, 30, 40), np.uint8))
    facts, frames = read(clip_of(scene(still, silent, 0.2), tmp_path).files["clip"])
    assert facts["colour"] == (1, 1)  # BT.709, limited
    assert facts["tags"] == (1, 1)
    assert facts["aspect"] == 1
    # to_ndarray converts by the frame's own matrix
    assert np.abs(frames[2].astype(int).mean(axis=(0, 1)) - (250, 30, 40)).max() < 4


def test_captions_are_seen_in_their_time_and_colour(tmp_path):
    folder = tmp_path / "it's, a [folder]: ünï"
    folder.mkdir()
    still = saved(folder, np.full((224, 128, 3), 128, np.uint8))
    lines = captions(folder, "0.40 0.80 ███")
    fonts = [{"family": "DejaVu Sans", "path": str(dejavu())}]
    _, frames = read(clip_of(scene(still, lines, 1.2, fonts=fonts), folder).files["clip"])
    red = [int(((frame[..., 0].astype(int) - frame[..., 1]) > 100).sum()) for frame in frames]
    assert [number for number, pixels in enumerate(red) if pixels > 200] == list(range(10, 20))
    blob = frames[15][112 - 4 : 112 + 4, 64 - 4 : 64 + 4].reshape(-1, 3).mean(axis=0)
    assert np.abs(blob - (255, 0, 0)).max() < 12


def test_a_font_that_is_gone_says_so(tmp_path, still):
    lines = captions(tmp_path, "0 1 Hi")
    with pytest.raises(StageError, match=r"gone\.ttf: the font cannot be read") as caught:
        clip_of(scene(still, lines, 0.2, fonts=[{"family": "G", "path": str(tmp_path / "gone.ttf")}]), tmp_path)
    assert caught.value.failure is Failure.BAD_INPUT


def test_an_image_that_is_none_names_the_scene(tmp_path, silent):
    bad = tmp_path / "still.png"
    bad.write_bytes(b"no")
    with pytest.raises(StageError, match="story/01: image: is no picture"):
        clip_of(scene(bad, silent, 0.2), tmp_path)


def test_an_encoder_that_this_machine_has_not_is_replaced_and_told(tmp_path, still, silent):
    result = clip_of(scene(still, silent, 0.2), tmp_path, encoder=NVENC)
    if result.data[EFFECTIVE]["encoder.name"] == "nvenc_h264":
        pytest.skip("this machine has NVENC")
    assert result.data[EFFECTIVE]["encoder.name"] == "x264"
    assert any("nvenc_h264 cannot encode here" in note for note in result.notes)


def test_an_encoder_without_replacement_fails_in_one_sentence(tmp_path, still, silent):
    odd = {**X264, "options": {"profile:v": "no such profile"}, "fallback": "none"}
    with pytest.raises(StageError, match="x264 cannot encode here") as caught:
        clip_of(scene(still, silent, 0.2), tmp_path, encoder=odd)
    assert caught.value.failure is Failure.ENCODER


@pytest.mark.parametrize("encoder", [{"name": "x265", "codec": "libx265", "preset": "ultrafast", "quality": 30}])
def test_other_encoders_keep_the_times(tmp_path, still, silent, encoder):
    facts, frames = read(clip_of(scene(still, silent, 0.4), tmp_path, encoder=encoder).files["clip"])
    assert len(frames) == 10
    assert facts["times"][-1] == Fraction(9, 25)


def test_key_frames_come_as_often_as_asked_and_refer_to_nothing_before(tmp_path, still, silent):
    result = clip_of(scene(still, silent, 2.0), tmp_path, gop_s=0.5)
    with av.open(str(result.files["clip"])) as container:
        keys = [packet.pts * packet.time_base for packet in container.demux(video=0) if packet.is_keyframe]
    assert max(b - a for a, b in zip(keys, [*keys[1:], Fraction(2)], strict=True)) <= Fraction(13, 25)


def test_a_pan_is_not_drawn_by_zoompan_and_a_note_says_so(tmp_path, still, silent):
    result = clip_of(scene(still, silent, 0.2, motion="pan_left"), tmp_path, renderer="zoompan")
    assert result.data[EFFECTIVE]["scene.renderer"] == "affine"
    assert any("pan_left was drawn by affine" in note for note in result.notes)


def test_two_scenes_encode_at_once_where_cores_allow():
    def needs(**settings):
        return SceneClip.needs(SceneClipSettings(**{**SMALL, **settings}))

    assert [needs(cores=cores).cpu_threads for cores in (1, 2, 4, 6, 16)] == [1, 2, 2, 3, 8]
    assert needs(cores=8, encoder={**X264, "threads": 3}).cpu_threads == 3
    assert needs(encoder=NVENC, sessions=2).encoder_sessions == 1
    assert needs(encoder=NVENC).encoder_sessions == 0  # no such hardware planned: it will fall back
    assert needs(sessions=2).encoder_sessions == 0
    assert needs(encoder={"name": "auto", "codec": "auto"}, sessions=2).encoder_sessions == 1
    assert needs().ram_mb < needs(width=2160, height=3840).ram_mb


def test_problems_are_found_before_any_work():
    def said(**settings):
        return [one.sentence() for one in SceneClip.problems(SceneClipSettings(**settings), "scene")]

    assert said() == []
    assert "scene.width: 769 is odd" in said(width=769)[0]
    assert "no frame rate" in said(fps="fast")[0]
    assert "even speed" in said(renderer="zoompan", easing="smooth")[0]
    assert "'spin' is none" in (SceneClip.item_problem(SceneClipSettings(), {"motion": "spin"}) or "")
    assert SceneClip.item_problem(SceneClipSettings(), {"motion": "zoom_out"}) is None
    assert EncoderConfig(**X264).quality == 18
