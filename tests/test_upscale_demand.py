"""What a segment takes from the machine, by the size of its pictures, and what it really took."""

import json
from dataclasses import replace

import pytest
from cli import QUIET, reeltune
from picture_help import ffmpeg

from stages.media.encoders.carry import own_config
from stages.upscale.demand import WORKER_MB, buffers_mb, model_mb, segment_needs
from stages.upscale.order import Order
from stages.upscale.segment import UpscaleSegment
from stages.upscale.settings import UpscaleSegmentSettings
from stages.video.piece import PICTURES, SIDES, Piece

pytestmark = pytest.mark.untraced

X264 = {**own_config("x264").__dict__, "pix_fmt": "yuv420p", "preset": "medium", "threads": 2}
HD = Order(
    stream=0, size=(1280, 720), time_base="1/25", decode=(None, None), keep=(None, None), count=50, frames=(0, 50),
    deinterlace=False, encoder=X264, rate="25", scale=2,
)  # fmt: skip


def ram_mb(order, **more):
    return segment_needs(order, threads=2, **more).ram_mb


def test_larger_pictures_take_more():
    sizes = [(160, 96), (1280, 720), (1920, 1080), (3840, 2160)]
    found = [ram_mb(replace(HD, size=size)) for size in sizes]
    assert found == sorted(found) and found[0] < 1000 and found[-1] > 3 * found[1]
    assert ram_mb(replace(HD, scale=4)) > ram_mb(HD)
    assert ram_mb(replace(HD, stabilise="light")) > ram_mb(HD)
    assert ram_mb(replace(HD, encoder={**X264, "preset": "veryfast"})) < ram_mb(HD), "it looks less far ahead"
    assert ram_mb(HD, buffer_mb=64) < ram_mb(HD, buffer_mb=256)


def test_buffers_hold_sixteen_frames_or_their_budget():
    frame = 1280 * 720 * 1.5 / 1e6
    assert buffers_mb(HD, 65536) == pytest.approx(16 * frame * (1 + 4))
    assert buffers_mb(HD, 64) == pytest.approx(64 * 1.048576)
    deep = replace(HD, encoder={**X264, "pix_fmt": "yuv444p10le"})
    assert buffers_mb(deep, 65536) == pytest.approx(16 * 1280 * 720 * 6 / 1e6 * 5)


def test_one_result_is_counted_however_large():
    assert model_mb(replace(HD, size=(3840, 2160), scale=4)) > 18 * 15360 * 8640 / 1e6


def test_tasks_say_what_they_take_and_workers_what_they_hold():
    config, data = UpscaleSegmentSettings(), {"piece": Piece(PICTURES).to_json(), "order": HD.to_json()}
    task = UpscaleSegment.task_needs(config, data)
    assert task.ram_mb > UpscaleSegment.needs(config).ram_mb == WORKER_MB
    assert (task.vram_mb, task.encoder_sessions) == (0, 0)
    gpu = UpscaleSegmentSettings(gpu_mb=4096)
    nvenc = {**own_config("nvenc_h264").__dict__, "pix_fmt": "yuv420p"}
    task = UpscaleSegment.task_needs(gpu, {**data, "order": replace(HD, encoder=nvenc).to_json()})
    assert (task.vram_mb, task.encoder_sessions) == (4096, 1)
    sides = UpscaleSegment.task_needs(config, {"piece": Piece(SIDES).to_json(), "order": {}})
    assert sides.ram_mb == WORKER_MB and sides.cpu_threads == 1
    single = UpscaleSegmentSettings(threads=1)
    assert UpscaleSegment.needs(single).cpu_threads == UpscaleSegment.task_needs(single, data).cpu_threads == 1
    assert UpscaleSegment.needs(UpscaleSegmentSettings(threads=1024)) == UpscaleSegment.needs(config)


def test_a_segment_takes_no_more_than_it_said(tmp_path):
    """A real one, with all the frames that its encoder looks ahead for."""
    size = (480, 270)
    path = tmp_path / "clip.mp4"
    grain = f"testsrc2=s={size[0]}x{size[1]}:r=25:d=2.6,noise=alls=8:allf=t"
    ffmpeg("-f", "lavfi", "-i", grain, "-c:v", "libx264", "-preset", "ultrafast", "-pix_fmt", "yuv420p", path)
    words = ["upscaler=lanczos", "encoder=x264", "encoder.preset=medium", "encoder.threads=2"]
    done = reeltune(tmp_path, *QUIET, "pipeline=upscale", str(path), *words)
    assert done.code == 0, done.err
    [task] = [t for t in done.events("task") if t["stage"] == "segment" and t["item"].endswith("s00000")]
    assert task["rss_mb"] < ram_mb(replace(HD, size=size))
    samples = [json.loads(line)["m"] for line in (done.folder / "metrics.jsonl").read_text().splitlines()]
    assert max(sample["resource.rss_mb"] for sample in samples) > task["rss_mb"], "with job and tracker"


def test_one_that_wants_more_than_there_is_runs_alone_and_says_so(tmp_path):
    path = tmp_path / "clip.mp4"
    source = ("-f", "lavfi", "-i", "testsrc2=s=1024x576:r=25", "-frames:v", 2)
    ffmpeg(*source, "-c:v", "libx264", "-pix_fmt", "yuv420p", path)
    words = ["upscaler=lanczos", "encoder=x264", "encoder.preset=veryslow", "hardware.ram_mb=1900"]
    done = reeltune(tmp_path, *QUIET, "pipeline=upscale", str(path), *words)
    assert done.code == 0, done.err
    assert any("MB of memory (of " in note and "such a task runs alone" in note for note in done.run["notes"])
