"""The ASS file: what a user wrote is shown as it is, each word lights up in time, all of it inside the safe area."""

import numpy as np
import pytest
from caption_help import captioned, events_of, ink, lit_at, picture, shown
from font_help import block_font
from hypothesis import given, settings
from hypothesis import strategies as st

from stages.caption.ass import Sheet, ass_of, escape, unescape
from stages.caption.fonts import find_fonts
from stages.caption.paging import Room, pages_of
from stages.caption.styles import looks
from stages.caption.tokens import tokens_of
from stages.caption.words import set_words

ENGLISH = "Deep under the ice of Antarctica lies a lake that nobody has ever seen before now."
SAFE = (0.08 * 768, 0.12 * 1344, 0.92 * 768, 0.78 * 1344)


def sheet(fonts, style="bold", position="bottom"):
    return Sheet(768, 1344, 67.2, looks()[style], position, 70, 300, fonts.main)


def parsed(text, spans, style="bold"):
    """Events of a text as pysubs2 reads them back from the written file."""
    import pysubs2

    fonts = find_fonts(text)
    words = set_words(tokens_of(text), spans, fonts, 67.2, 620)
    pages = pages_of(words, Room(620, 18, 2, 5.0, 0.6), spans[-1][1] + 0.1 if spans else 0.1)
    written = ass_of(pages, sheet(fonts, style)).to_string("ass")
    return pages, pysubs2.SSAFile.from_string(written, format_="ass").events


@given(st.text())
def test_what_is_escaped_can_be_read_back(text):
    assert unescape(escape(text)) == text


NASTY = st.lists(
    st.sampled_from(
        ["{\\an8}", "\\N", "\\h", "\\n", "{", "}", "\\", "a,b", "{\\k50}", "Dialogue:", "x", "{}", "\\{", "m 0 0"]
    ),
    min_size=1,
    max_size=8,
)


@settings(max_examples=80, deadline=None)
@given(st.lists(NASTY.map("".join), min_size=1, max_size=6), st.sampled_from(["bold", "karaoke", "clean"]))
def test_whatever_is_written_is_shown_as_it_is(words, style):
    text = " ".join(words)
    spans = [(i * 0.4, i * 0.4 + 0.4) for i in range(len(tokens_of(text)))]
    pages, events = parsed(text, spans, style)
    assert [shown(event.text) for event in events] == [page.text for page in pages]


@settings(max_examples=60, deadline=None)
@given(st.lists(st.floats(0.004, 0.55), min_size=2, max_size=40), st.sampled_from(["bold", "karaoke"]))
def test_each_word_lights_up_in_its_centisecond(steps, style):
    """Rounded by itself: the sum of all `\\k` before a word is off by half a centisecond, never by their number."""
    times = np.cumsum(steps)
    spans = list(zip([0.0, *times[:-1]], times, strict=True))
    pages, events = parsed(" ".join(["ab"] * len(spans)), spans, style)
    told = iter(events)
    for page in pages:
        if round(page.end * 100) <= round(page.start * 100):
            continue  # a page of no time is none
        event = next(told)
        lit = [event.start / 1000 + at / 100 for at in lit_at(event.text)]
        assert np.abs(np.array(lit) - [word.start for word in page.words]).max() <= 0.0051
    assert next(told, None) is None


def drawn_text(tmp_path, text, **more):
    """Box of a text spoken in one second, by the block font, each of whose characters is 0.8 of its em wide."""
    fonts = tmp_path / "own"
    fonts.mkdir(exist_ok=True)
    block_font(fonts / "blocks.ttf", "abcnNhk{}\\8&H150:;,.")
    speech = silence(tmp_path, 1.0)
    result = captioned(tmp_path, text, speech, [[text, 0.0, 1.0]], font="Blocks", fonts=str(fonts), **more)
    return ink(picture(tmp_path, result, 0.5))


def silence(tmp_path, seconds):
    import wave

    path = tmp_path / "quiet.wav"
    with wave.open(str(path), "wb") as file:
        file.setparams((1, 2, 16000, 0, "NONE", ""))
        file.writeframes(bytes(2 * int(16000 * seconds)))
    return path


@pytest.mark.parametrize("text", ["{\\an8}", "a\\Nb", "a\\hb", "a\\nb", "{k}", "\\", "{", "{\\k50}a", "\\{a"])
def test_libass_draws_every_character_of_what_looks_like_a_tag(tmp_path, text):
    """As wide as its characters are together, one line high, and where captions stand."""
    em = 3.0 * 13.44
    left, top, right, bottom = drawn_text(tmp_path, text, size=3.0, style="clean")
    around = 2 * 0.045 * em
    assert right - left == pytest.approx((len(text) - 0.2) * em + around, abs=4)
    assert bottom - top == pytest.approx(0.8 * em + around, abs=4)
    assert top > 0.6 * 1344, "it did not jump to the top"


@pytest.mark.parametrize(
    ("style", "position"),
    [
        ("bold", "bottom"),
        ("clean", "bottom"),
        ("boxed", "bottom"),
        ("karaoke", "bottom"),
        ("bold", "middle"),
        ("boxed", "top"),
    ],
)
def test_everything_drawn_lies_inside_the_safe_area(tmp_path, style, position):
    text = "counterrevolutionaries WWWWWWWWWWWW gjpqy ÅÄÖ"
    result = captioned(tmp_path, text, style=style, position=position)
    for number, event in enumerate(events_of(result)):
        box = ink(picture(tmp_path, result, (event.start + event.end) / 2000, name=f"{number}.png"))
        assert box is not None
        assert box[0] >= SAFE[0] and box[1] >= SAFE[1] and box[2] <= SAFE[2] and box[3] <= SAFE[3], (style, box)


def test_other_sizes_have_their_own_safe_area(tmp_path):
    result = captioned(tmp_path, ENGLISH, width=1920, height=1080, size=8.0)
    event = events_of(result)[0]
    box = ink(picture(tmp_path, result, (event.start + event.end) / 2000, size=(1920, 1080)))
    assert box[0] >= 0.08 * 1920 and box[2] <= 0.92 * 1920 and box[3] <= 0.78 * 1080 + 1


def share_of(pixels, colour):
    return int((np.abs(pixels.astype(int) - np.array(colour)).max(axis=2) < 40).sum())


def test_the_word_that_is_spoken_has_the_colour_and_no_other(tmp_path):
    words = [["aaaa", 0.0, 0.5], ["bbbb", 0.5, 1.0], ["cccc", 1.0, 1.5]]
    result = captioned(tmp_path, "aaaa bbbb cccc", silence(tmp_path, 1.5), words, size=3.5)
    yellow = (0xFF, 0xD2, 0x3F)
    places = []
    for at in (0.25, 0.75, 1.25):
        pixels = picture(tmp_path, result, at)
        lit = np.abs(pixels.astype(int) - np.array(yellow)).max(axis=2) < 40
        columns = np.flatnonzero(lit.any(axis=0))
        places.append((columns[0], columns[-1]))
    assert places[0][1] < places[1][0] < places[1][1] < places[2][0]


@pytest.mark.parametrize("frame", [0.49, 0.51])
def test_it_changes_within_ten_milliseconds_of_the_word(tmp_path, frame):
    words = [["aaaa", 0.0, 0.5], ["bbbb", 0.5, 1.0]]
    result = captioned(tmp_path, "aaaa bbbb", silence(tmp_path, 1.0), words, size=3.5)
    pixels = picture(tmp_path, result, frame)
    left, _, right, _ = ink(pixels)
    middle = (left + right) // 2
    halves = [share_of(half, (0xFF, 0xD2, 0x3F)) for half in (pixels[:, :middle], pixels[:, middle:])]
    assert (halves[0] > 50, halves[1] > 50) == (frame < 0.5, frame > 0.5)


def unlike(one, other):
    """Share of the pixels that are background in one picture and drawn on in the other."""
    drawn = [np.abs(pixels.astype(int) - np.array((48, 96, 128))).max(axis=2) > 60 for pixels in (one, other)]
    return (drawn[0] != drawn[1]).mean()


def test_arabic_joins_and_runs_to_the_left_whatever_is_lit(tmp_path):
    """The same shapes as without karaoke, and the first word is lit at the right."""
    text = "مرحبا بكم في عالم"
    words = [[word, i * 0.5, i * 0.5 + 0.5] for i, word in enumerate(text.split())]
    own = tmp_path / "styles.yaml"
    own.write_text("still: {highlight: none, colour: '#FFD23F'}\n", encoding="utf-8")
    speech = silence(tmp_path, 2.0)
    lit = captioned(tmp_path, text, speech, words)
    moving = picture(tmp_path, lit, 0.25)
    still = picture(tmp_path, captioned(tmp_path, text, speech, words, style="still", styles=str(own)), 0.25)
    turned = " ".join(reversed(text.split()))
    other = picture(tmp_path, captioned(tmp_path, turned, speech, words, style="still", styles=str(own)), 0.25)
    assert unlike(moving, still) < 0.001, "the same letters at the same places"
    assert unlike(other, still) > 0.01, "which another order of words would not be"
    columns = np.flatnonzero((np.abs(moving.astype(int) - (0xFF, 0xD2, 0x3F)).max(axis=2) < 40).any(axis=0))
    left, _, right, _ = ink(moving)
    assert right - columns[-1] < 20 and columns[0] - left > 60 and "DejaVu Sans Bold" in str(lit.data["fonts"])
    sung = events_of(captioned(tmp_path, text, speech, words, style="karaoke"))[0].text
    assert "\\kf" not in sung and "\\k50" in sung, "libass fills from the left, which would be the wrong end"
