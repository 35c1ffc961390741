"""Drawn cards: never a grey box, legible, inside the safe column, and in any script that the machine's fonts have."""

import time

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from image_help import image_of, make_image

from stages.caption.fonts import clusters
from stages.image import card as card_module
from stages.image.card import LEAST_CONTRAST, draw_card
from stages.image.lettering import Box, block_of, mask_of, type_for
from stages.image.looks import LOOKS
from stages.image.palette import contrast, luminance, palette_of, to_srgb
from stages.image.wording import Words, first_words, is_right_to_left, lines_of, pieces_of, words_of

WIDTH, HEIGHT = 480, 840
LONG = (
    "A title that goes on about lighthouses, their keepers, the storms they watched, and the ships which found home "
    * 2
)


def pixels(title="The lamp", text="", seed=1, look="auto"):
    return np.asarray(draw_card(title, text, seed, WIDTH, HEIGHT, look).image).astype(int)


def letters(title, text=""):
    """Where letters stand: coverage, and the block."""
    words = words_of(title, text)
    bold, _ = type_for(words.main, bold=True)
    block = block_of(words, bold, None, Box(82, 316, 302, 302), WIDTH / 100)
    return mask_of([line for line in block.lines if not line.small], block, bold, (WIDTH, HEIGHT), True), block


# --- colours ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("look", sorted(LOOKS))
@pytest.mark.parametrize("seed", [0, 5, 2**31 - 1])
def test_a_card_is_no_grey_box(look, seed):
    picture = pixels(seed=seed, look=look)
    assert picture.shape == (HEIGHT, WIDTH, 3)
    assert picture.max(axis=-1).mean() - picture.min(axis=-1).mean() > 25, "colours, not greys"
    assert np.ptp(np.percentile(picture.mean(axis=-1), (2, 98))) > 40, "light and dark"
    blocks = picture[: HEIGHT // 8 * 8, : WIDTH // 8 * 8].reshape(HEIGHT // 8, 8, WIDTH // 8, 8, 3)
    assert blocks.std(axis=(1, 3)).min() > 0.5, "no flat patch: grain hides the steps of 8 bits"


def test_seeds_vary_colours_and_looks():
    drawn = [draw_card("", "x", seed, 96, 168) for seed in range(24)]
    assert len({card.look for card in drawn}) >= 5
    means = {tuple(np.asarray(card.image).reshape(-1, 3).mean(axis=0).round(-1)) for card in drawn}
    assert len(means) >= 18
    again = draw_card("", "x", 3, 96, 168)
    assert np.array_equal(np.asarray(again.image), np.asarray(drawn[3].image))


@given(st.integers(0, 2**32))
def test_palettes_rise_from_dark_to_light_inside_srgb(seed):
    palette = palette_of(np.random.default_rng(seed))
    shown = to_srgb(palette.steps)
    bright = luminance(shown)
    assert (np.diff(bright) > 0.005).all()
    assert bright[0] < 0.06 and bright[-1] > 0.6
    assert shown.min() >= 0 and shown.max() <= 1


def test_contrast_as_it_is_defined():
    black, white, grey = (np.array([value] * 3, np.float32) for value in (0, 1, 0x76 / 255))
    assert contrast(black, white) == pytest.approx(21)
    assert contrast(grey, white) == pytest.approx(4.54, abs=0.01), "#767676 on white, the well-known limit"


# --- words ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("look", sorted(LOOKS))
@pytest.mark.parametrize("seed", range(4))
def test_letters_can_be_read_on_every_ground(look, seed, monkeypatch):
    """The contrast of ink against the pixels right beside the letters, in the finished picture."""
    from scipy.ndimage import binary_dilation

    masks = []
    monkeypatch.setattr(card_module, "mask_of", lambda *a: masks.append(mask_of(*a)) or masks[-1])
    picture = pixels("Night falls over the sea", seed=seed, look=look) / 255
    solid = masks[0] > 0.99
    ring = binary_dilation(masks[0] > 0.01, iterations=3) & ~binary_dilation(masks[0] > 0.01, iterations=1)
    ink = picture[solid].mean(axis=0)
    assert np.percentile(contrast(ink, picture[ring]), 10) >= LEAST_CONTRAST


@pytest.mark.parametrize(
    "title",
    [
        "Sea", "The lighthouse at the end of the world", LONG[:200], "Donaudampfschifffahrtsgesellschaftskapitän",
        "x" * 300, "word " * 900, "منارة البحر القديمة", "Ночь над морем", "a\nb\tc", "W" * 30, "{\\an8}",
        "1" * 90 + " 2",
    ],
)  # fmt: skip
def test_words_stay_in_their_column(title):
    mask, _ = letters(title)
    rows, columns = np.nonzero(mask > 0.05)
    assert columns.min() >= 82 - 4 and columns.max() <= 82 + 316 + 4
    assert rows.min() >= 60 and rows.max() <= 0.66 * HEIGHT, "captions have the lower third"
    assert (mask > 0.5).sum() > 200, "something is written"


def test_short_titles_are_large_and_long_ones_small():
    sizes = [letters(title)[1].lines[0].size for title in ("Sea", "The old lighthouse keeper's tale", LONG[:200])]
    assert sizes == sorted(sizes, reverse=True)
    assert sizes[0] > 0.12 * WIDTH and sizes[2] > 0.026 * WIDTH
    assert letters("", "Once upon a time there was a sea.")[1].lines[0].size < sizes[0]


def test_a_title_of_two_parts_has_a_small_line_above():
    assert words_of("Chapter one: The storm", "") == Words("The storm", "Chapter one")
    assert words_of("At 10:30", "") == Words("At 10:30")
    assert words_of("Storm — the second night", "") == Words("the second night", "Storm")
    assert words_of("  ", "It rains. It pours.") == Words("It rains", quoted=True)
    bold, _ = type_for("The storm", bold=True)
    plain, _ = type_for("Chapter one", bold=False)
    small, large = block_of(words_of("Chapter one: The storm", ""), bold, plain, Box(0, 400, 300, 300), 4.8).lines
    assert (small.text, small.small, large.text) == ("Chapter one", True, "The storm")
    assert small.baseline < large.baseline - large.size * 0.7


def test_first_words():
    assert first_words("Short one.") == "Short one"
    assert (
        first_words("One two three four five six seven eight nine ten eleven")
        == "One two three four five six seven eight nine…"
    )
    assert first_words("Was it? Nobody knows.") == "Was it?"
    assert len(first_words("字" * 500)) <= 71
    assert first_words("") == ""


def signs_in(text):
    """A letter is one sign with all its marks, and is never cut."""
    return len(list(clusters(text)))


@settings(max_examples=200)
@given(st.text(min_size=1, max_size=80), st.floats(1, 30))
@example("0\u093a\u093a", 1.0)
def test_breaking_lines_loses_no_letter_and_holds_the_width(text, widest):
    pieces = pieces_of(text, signs_in, widest)
    lines = lines_of(pieces, [float(signs_in(piece.text)) for piece in pieces], 1.0, widest)
    assert "".join("".join(lines).replace("-", "").split()) == "".join(text.replace("-", "").split())
    assert all(signs_in(line) <= max(widest, 2) for line in lines)


def test_lines_are_even_and_scripts_without_spaces_break():
    pieces = pieces_of("aa bb cc dd", len, 20)
    assert lines_of(pieces, [2.0] * 4, 1.0, 9.0) == ["aa bb", "cc dd"]
    pieces = pieces_of("海边的灯塔。守夜", len, 4)
    assert lines_of(pieces, [float(len(p.text)) for p in pieces], 1.0, 4.0) == ["海边的灯", "塔。守夜"]


# --- scripts ----------------------------------------------------------------------------------------------


def test_arabic_is_joined_and_stands_on_the_right():
    assert is_right_to_left("منارة") and is_right_to_left("123 מגדלור") and not is_right_to_left("the منارة")
    bold, notes = type_for("منارة البحر", bold=True)
    assert notes == []
    apart = sum(bold.width(letter) for letter in "منارة")
    assert bold.width("منارة") < 0.9 * apart, "joined letters are narrower"


def test_what_no_font_draws_is_left_out_and_told():
    unknown = "\U00013080"  # a hieroglyph
    card = draw_card(f"The eye {unknown}", "", 1, 96, 168)
    assert card.notes == (f"the card leaves out {unknown}: no font on this machine draws them",)
    card = draw_card(unknown * 8, "", 1, 96, 168)
    assert any("the card has no words: no font on this machine draws" in note for note in card.notes)


@pytest.mark.parametrize(
    "title",
    [
        "",
        " ",
        "\u200b",
        "\x00",
        "\ud800x",
        "\u202eabc",
        "\U0001f468\u200d\U0001f469\u200d\U0001f467",
        "e\u0301" * 40,
        "🇫🇷 \U0001f3f4\u200d\u2620\ufe0f",
        "\u0301",
    ],
)
def test_strange_titles_draw(title):
    assert draw_card(title, "", 4, 96, 168).image.size == (96, 168)


@settings(max_examples=40, deadline=None)
@given(st.text(max_size=60), st.text(max_size=120), st.integers(0, 2**33))
def test_any_words_draw(title, text, seed):
    assert draw_card(title, text, seed, 64, 112).image.size == (64, 112)


# --- the provider -------------------------------------------------------------------------------------------


def test_cards_have_room_for_the_camera(tmp_path):
    assert image_of(make_image(tmp_path, width=96, height=160)).size == (120, 200)
    assert image_of(make_image(tmp_path, "story/2", width=160, height=96, look="dunes")).size == (200, 120)


def test_a_card_is_drawn_quickly(tmp_path):
    make_image(tmp_path, "story/0", width=768, height=1344)  # libraries and fonts
    spent = []
    for seed, look in enumerate(("contours", "paper", "rays")):  # the slowest
        began = time.process_time()
        make_image(tmp_path, f"story/{seed}", {"seed": seed}, width=768, height=1344, look=look)
        spent.append(time.process_time() - began)
    assert sorted(spent)[len(spent) // 2] < 1.2, "0.4 s on a quiet machine"
