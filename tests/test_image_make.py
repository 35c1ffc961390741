"""Pictures that a scene brings along, and pictures of a folder."""

import hashlib

import numpy as np
import pytest
from image_help import SCENE, SMALL, given, image_of, make_image, scene_work
from PIL import Image

from stages.contract import Failure, StageError
from stages.image.make import MakeImage
from stages.image.provider import Request, provider_class
from stages.image.providers.folder import chosen, pictures_in
from stages.image.settings import ImageSettings
from stages.registry import provider_names, stage_class
from stages.settings import range_problems


def coloured(path, colour, size=(100, 170)):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", size, colour).save(path)
    return path


def colour_of(result):
    return image_of(result).getpixel((50, 50))


def test_providers_are_found_by_their_files():
    assert provider_names("image") == ("bfl", "drawn", "folder", "openai")
    assert stage_class("image.make") is MakeImage
    for name in provider_names("image"):
        assert provider_class(name).__module__ == f"stages.image.providers.{name}"
    with pytest.raises(LookupError, match="'painted' is not one of bfl, drawn"):
        provider_class("painted")
    assert [p.key for p in range_problems(ImageSettings(provider="drwn"), "images")] == ["images.provider"]
    assert list(MakeImage.problems(ImageSettings(provider="drwn"), "images")) == []


def test_services_wait_and_the_others_compute():
    at_once = {name: MakeImage.concurrency(ImageSettings(provider=name)) for name in provider_names("image")}
    assert at_once == {"bfl": 8, "drawn": 1, "folder": 1, "openai": 8}
    assert {MakeImage.needs(ImageSettings(provider=name)).rate for name in provider_names("image")} == {""}


# --- a scene's own picture ---------------------------------------------------------------------------


@pytest.mark.parametrize("provider", ["drawn", "folder", "openai", "bfl"])
def test_a_scenes_own_picture_goes_before_any_provider(tmp_path, provider):
    file = coloured(tmp_path / "it's here: a \u201cpicture\u201d.png", "#c83232", (1, 1))
    result = make_image(tmp_path, data=given(file), provider=provider)
    assert image_of(result).size == (1, 1)
    assert image_of(result).getpixel((0, 0)) == (200, 50, 50)
    assert result.notes == ()


def test_a_picture_that_was_changed_meanwhile_is_not_taken(tmp_path):
    file = coloured(tmp_path / "a.png", "red")
    data = given(file)
    coloured(file, "blue")
    with pytest.raises(StageError, match=r"a\.png was changed while the run was going on") as caught:
        make_image(tmp_path, data=data)
    assert caught.value.failure is Failure.BAD_INPUT


def test_a_picture_that_is_gone_or_broken_is_one_sentence(tmp_path):
    gone = {"image": {"path": str(tmp_path / "gone.png"), "digest": "0"}}
    assert "there is no picture" in MakeImage.item_problem(ImageSettings(), {**SCENE, **gone})
    with pytest.raises(StageError, match=r"^story/01: there is no picture .*gone\.png; put it there$"):
        make_image(tmp_path, data=gone)
    broken = coloured(tmp_path / "broken.png", "red")
    broken.write_bytes(broken.read_bytes()[:-30])
    with pytest.raises(StageError, match=r"^story/01: .*broken\.png cannot be used: it is broken or cut off"):
        make_image(tmp_path, data=given(broken), on_failure="drawn")


def test_notes_of_a_picture_name_it(tmp_path):
    file = tmp_path / "clear.png"
    Image.new("RGBA", (50, 50), (0, 0, 0, 99)).save(file)
    assert make_image(tmp_path, data=given(file)).notes == ("clear.png: its transparent parts are shown white",)


def test_what_was_not_written_whole_is_not_let_through(tmp_path):
    stage, task = MakeImage(ImageSettings(**SMALL)), scene_work(tmp_path)
    result = stage.run(task)
    file = result.files["image"]
    file.write_bytes(file.read_bytes()[:-4])
    with pytest.raises(StageError, match="not written whole"):
        stage.verify(task, result)


# --- a folder -------------------------------------------------------------------------------------------


def asked(number, title="", name=""):
    return Request("", title, "", 0, name or f"{number:02}", number)


def test_pictures_are_taken_in_order_of_their_names_as_a_person_counts(tmp_path):
    for name, colour in {
        "shot2.png": "red",
        "shot10.jpg": "blue",
        "Shot1.webp": "lime",
        ".hidden.png": "white",
    }.items():
        coloured(tmp_path / name, colour)
    (tmp_path / "notes.txt").write_text("no picture")
    (tmp_path / "folder.png").mkdir()
    assert [file.name for file in pictures_in(str(tmp_path))] == ["Shot1.webp", "shot2.png", "shot10.jpg"]


def test_a_scenes_title_or_number_chooses_its_picture_and_others_go_by_turn(tmp_path):
    files = [tmp_path / name for name in ("03 end.png", "1.png", "2b.png")]
    assert chosen(files, asked(3))[0].name == "03 end.png", "every name bears one number"
    assert chosen(files, asked(1))[0].name == "1.png"
    files = [tmp_path / name for name in ("a.png", "b.png", "The_old-lighthouse.jpg")]
    assert chosen(files, asked(1, "The Old Lighthouse!"))[0].name == "The_old-lighthouse.jpg"
    assert chosen(files, asked(2, "something else"))[0].name == "b.png"
    assert chosen(files, asked(7, "", "b"))[0].name == "b.png"
    assert chosen(files, asked(2)) == (files[1], ())
    again, notes = chosen(files, asked(5))
    assert again.name == "b.png"
    assert notes == ("images.folder holds 3 pictures: b.png is shown again",)


def test_numbers_that_only_some_names_bear_are_no_numbers(tmp_path):
    files = [tmp_path / name for name in ("beach.png", "photo 2024 1.png", "sunset.png")]
    assert chosen(files, asked(1))[0].name == "beach.png"
    assert chosen(files, asked(2))[0].name == "photo 2024 1.png"


def test_pictures_of_a_folder(tmp_path):
    home = tmp_path / "pictures"
    for name, colour in {"1.png": "red", "2.jpg": "blue"}.items():
        coloured(home / name, colour)
    settings = {"provider": "folder", "folder": str(home)}
    assert colour_of(make_image(tmp_path, "story/01", **settings)) == (255, 0, 0)
    assert np.allclose(colour_of(make_image(tmp_path, "story/02", **settings)), (0, 0, 255), atol=3)
    assert colour_of(make_image(tmp_path, "x", {"number": 1}, **settings)) == (255, 0, 0)
    third = make_image(tmp_path, "story/03", **settings)
    assert third.notes == ("images.folder holds 2 pictures: 1.png is shown again",)


def test_another_picture_in_the_folder_is_another_key(tmp_path):
    config = ImageSettings(provider="folder", folder=str(tmp_path))
    coloured(tmp_path / "1.png", "red")
    first = MakeImage.tools(config)
    assert MakeImage.tools(config) == first
    coloured(tmp_path / "2.png", "red")
    second = MakeImage.tools(config)
    coloured(tmp_path / "1.png", "blue", (300, 300))
    assert len({str(tools) for tools in (first, second, MakeImage.tools(config))}) == 3


def test_a_folder_that_is_none_or_empty_is_said_before_any_work(tmp_path):
    def sentences(folder):
        return [p.sentence() for p in MakeImage.problems(ImageSettings(provider="folder", folder=folder), "images")]

    assert sentences("") == ["images.folder: it is empty; name the folder of your pictures"]
    assert "there is no folder" in sentences(str(tmp_path / "none"))[0]
    assert "no picture lies in" in sentences(str(tmp_path))[0]
    coloured(tmp_path / "1.png", "red")
    assert sentences(str(tmp_path)) == []
    with pytest.raises(StageError, match="no picture lies in"):
        make_image(tmp_path, provider="folder", folder=str(tmp_path / "none"))


def test_a_broken_picture_in_the_folder_can_be_stood_in_for(tmp_path):
    home = tmp_path / "pictures"
    home.mkdir()
    (home / "1.png").write_bytes(b"\x89PNG\r\n\x1a\n")
    with pytest.raises(StageError, match=r"1\.png cannot be used"):
        make_image(tmp_path, provider="folder", folder=str(home))
    result = make_image(tmp_path, provider="folder", folder=str(home), on_failure="drawn")
    assert any("a card is drawn instead" in note for note in result.notes)


# --- what comes out twice is the same -----------------------------------------------------------------------


def test_the_same_scene_gives_the_same_bytes(tmp_path):
    def digest(where, **settings):
        (tmp_path / where).mkdir()
        return hashlib.sha256(make_image(tmp_path / where, **settings).files["image"].read_bytes()).hexdigest()

    assert digest("a") == digest("b")
    assert digest("c", seed=1) != digest("d")
