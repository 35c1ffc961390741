"""Pictures in tests: the stage as a plain object, without the runner."""

import hashlib

from PIL import Image

from stages.contract import Item, Work
from stages.image.make import MakeImage
from stages.image.settings import ImageSettings

SCENE = {"opening": "A lamp burns in the tower.", "title": "The lamp", "prompt": "a lighthouse at night", "seed": 7}
SMALL = {"width": 96, "height": 160}


def scene_work(tmp_path, key="story/01", **data):
    scratch = tmp_path / key.replace("/", "-")
    scratch.mkdir(exist_ok=True)
    return Work(Item(key, {**SCENE, **data}), scratch)


def make_image(tmp_path, key="story/01", data=None, **settings):
    """The result of one scene with these settings."""
    stage = MakeImage(ImageSettings(**{**SMALL, **settings}))
    stage.open()
    try:
        task = scene_work(tmp_path, key, **(data or {}))
        result = stage.run(task)
        stage.verify(task, result)
        return result
    finally:
        stage.close()


def image_of(result):
    with Image.open(result.files["image"]) as image:
        assert image.format == "PNG"
        assert image.mode == "RGB"
        image.load()
        return image.copy()


def given(path):
    return {"image": {"path": str(path), "digest": hashlib.sha256(path.read_bytes()).hexdigest()}}
