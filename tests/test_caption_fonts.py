"""Fonts of captions: one for each word, the machine's where the carried ones end, and what is missing is named."""

import shutil

import pytest
from font_help import block_font

from stages.caption.face import faces_of
from stages.caption.fonts import clusters, find_fonts
from stages.caption.machine_fonts import machine_fonts, usual_folders


def families(fonts, word):
    return [face.name for face, _ in fonts.of(word)]


def test_a_handsome_font_draws_latin_greek_and_cyrillic():
    fonts = find_fonts("Straße, Ελλάδα, Привет, Việt — “½”")
    assert [face.name for face in fonts.faces] == ["Manrope ExtraBold"]
    assert fonts.missing == frozenset()
    assert find_fonts("a", weight="regular").main.name == "Manrope Medium"


def test_what_it_lacks_another_font_draws_and_words_stay_whole():
    fonts = find_fonts("Hello مرحبا Ѩwide")
    assert families(fonts, "Hello") == ["Manrope ExtraBold"]
    assert families(fonts, "مرحبا") == ["DejaVu Sans Bold"]
    assert families(fonts, "Ѩwide") == ["DejaVu Sans Bold"], "a word changes no font in its middle"
    assert (
        families(fonts, "ok 😀")
        == ["Manrope ExtraBold", "Manrope ExtraBold", "DejaVu Sans Bold"][: len(fonts.faces) + 1]
    )


def test_missing_characters_are_named_and_left_out(tmp_path):
    fonts = find_fonts("go \U00012345\ufe0f now \U0001f469\u200d\U00012345")
    assert "\U00012345" in fonts.missing
    assert "\ufe0f" not in fonts.missing and "\u200d" not in fonts.missing, "what is not seen is never missing"
    assert fonts.drawable("a\U00012345\ufe0fb") == "ab"


def test_a_folder_of_the_users_draws_what_the_machine_cannot(tmp_path):
    block_font(tmp_path / "blocks.ttf", "\U00012345你")
    fonts = find_fonts("a \U00012345你", folder=str(tmp_path))
    assert fonts.missing == frozenset()
    assert [face.name for face in fonts.faces] == ["Manrope ExtraBold", "Blocks"]
    assert fonts.faces[1].path == tmp_path / "blocks.ttf"


def test_a_font_that_is_asked_for_goes_first_and_its_absence_is_told(tmp_path):
    block_font(tmp_path / "blocks.ttf", "abc")
    assert find_fonts("abc", "blocks", str(tmp_path)).main.name == "Blocks"
    assert find_fonts("abc", "DejaVu Sans").main.name == "DejaVu Sans Bold", "the weight that is wanted"
    absent = find_fonts("abc", "No Such Font")
    assert absent.main.name == "Manrope ExtraBold"
    assert "'No Such Font'" in absent.notes[0] and "captions.fonts" in absent.notes[0]


def test_a_coloured_picture_is_no_outline(tmp_path):
    block_font(tmp_path / "emoji.ttf", "a", empty="\U00012345")
    (face,) = faces_of(tmp_path / "emoji.ttf")
    assert face.covers("a") and not face.covers("\U00012345")
    assert "\U00012345" in find_fonts("\U00012345", folder=str(tmp_path)).missing


def test_a_file_that_is_no_font_is_passed_over(tmp_path):
    (tmp_path / "broken.ttf").write_bytes(b"\0\1\0\0 this is no font")
    (tmp_path / "short.ttc").write_bytes(b"ttcf")
    assert find_fonts("a", folder=str(tmp_path)).main.name == "Manrope ExtraBold"
    assert faces_of(tmp_path / "broken.ttf") == () == faces_of(tmp_path / "short.ttc")


def test_advances_are_those_of_the_font(tmp_path):
    (face,) = faces_of(block_font(tmp_path / "blocks.ttf", "ab"))
    assert face.advance("a") == 1.0 and face.advance("z") == 0.0
    assert face.line == pytest.approx(1.1)


@pytest.mark.skipif(shutil.which("fc-list") is None, reason="there is no fontconfig to compare with")
def test_without_fontconfig_the_usual_folders_give_no_less(monkeypatch):
    told = {path for path in machine_fonts(frozenset("ж")) if having(path, "ж")}
    inside = {path for path in told if any(path.is_relative_to(folder) for folder in usual_folders())}
    monkeypatch.setenv("PATH", "")
    assert inside and inside <= {path for path in machine_fonts(frozenset("ж")) if having(path, "ж")}


def having(path, sign):
    return any(face.covers(sign) for face in faces_of(path))


def test_clusters_are_what_is_seen_as_one_sign():
    assert list(clusters("e\u0301a\U0001f469\u200d\U0001f467\ufe0fb")) == [
        "e\u0301",
        "a",
        "\U0001f469\u200d\U0001f467\ufe0f",
        "b",
    ]
