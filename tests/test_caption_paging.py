"""Words to pages: what fits, what belongs together, and what a reader can follow."""

import itertools

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stages.caption.fonts import find_fonts
from stages.caption.match import place
from stages.caption.paging import Room, pages_of
from stages.caption.tokens import tokens_of
from stages.caption.words import set_words, width_of

EM = 60.0
ROOM = Room(width=620.0, space=17.0, lines=2, max_s=5.0, pause_s=0.6)


def pages(text, spans=None, room=ROOM, step=0.3):
    tokens = tokens_of(text)
    spans = spans or [(i * step, (i + 1) * step) for i in range(len(tokens))]
    words = set_words(tokens, spans, find_fonts(text), EM, room.width)
    return words, pages_of(words, room, max((end for _, end in spans), default=0.0) + 0.1)


def texts(found):
    return [page.text for page in found]


def test_sentences_and_pauses_begin_pages():
    _, found = pages("One two. Three four! Dr. Five")
    assert texts(found) == ["One two.", "Three four!", "Dr. Five"]
    _, found = pages("one two three", [(0, 0.5), (0.5, 1), (1.7, 2)])
    assert texts(found) == ["one two", "three"]
    assert found[0].end == pytest.approx(1.25), "it goes a quarter of a second after its last word"


def test_a_page_stays_until_the_next_when_no_pause_lies_between():
    _, found = pages("One two. Three", [(0, 0.5), (0.5, 1), (1.4, 2)])
    assert (found[0].end, found[1].start) == (1.4, 1.4)


def test_no_word_is_left_alone_on_a_page_or_a_line():
    """Fifteen even words in pages of eight at most: as even as can be, not eight and a rest."""
    _, found = pages(" ".join(["lorem ipsum dolor"] * 5))
    counts = [len(page.words) for page in found]
    assert max(counts) - min(counts) <= 2 and len(counts) > 1
    _, (page,) = pages("aaaa bbbb cccc dddd eeee")
    assert [len(line) for line in page.lines] in ([2, 3], [3, 2])


def test_a_long_word_is_set_smaller_then_broken():
    words, found = pages("are counterrevolutionaries.")
    assert [word.text for word in words] == ["are", "counterrevolutionaries."]
    assert 0.6 < found[0].scale < 1
    text = "Donaudampfschifffahrtsgesellschaftskapitänsmützenabzeichen"
    words, found = pages(text, [(0.0, 3.0)])
    assert len(words) > 1 and "".join(word.text for word in words) == text
    assert words[0].start == 0 and words[-1].end == 3.0
    assert all(a.end == b.start for a, b in itertools.pairwise(words))


def test_chinese_breaks_between_signs_and_no_mark_begins_a_line():
    _, found = pages("在南极洲的冰层深处，有一个没有人见过的湖泊，它叫沃斯托克湖「很深」。" * 3, step=0.15)
    assert len(found) > 3
    lines = [line for page in found for line in page.text.split("\n")]
    assert not any(line[0] in "，。」" for line in lines) and not any(line[-1] == "「" for line in lines)
    assert not any(" " in line for line in lines)


def test_five_thousand_characters_page_well():
    text = "The quick brown fox jumps over the lazy dog, and nobody knows why it does. " * 67
    words, found = pages(text[:5000])
    assert sum(len(page.words) for page in found) == len(words)
    assert all(len(page.lines) <= 2 and page.end - page.start <= 5.6 for page in found)
    assert all(3 <= len(page.words) <= 9 for page in found[:-1])


TEXTS = st.lists(st.text("abcW.!,—你。「ش😀\u0301", min_size=1, max_size=30), min_size=1, max_size=25)


@settings(max_examples=60, deadline=None)
@given(TEXTS, st.lists(st.floats(0, 1.5), min_size=60, max_size=60), st.integers(1, 3), st.floats(150, 900))
def test_whatever_is_written_everything_is_shown_once_in_order_and_fits(pieces, gaps, lines, width):
    tokens = tokens_of(" ".join(pieces))
    times = list(itertools.accumulate(itertools.islice(itertools.cycle(gaps), 2 * len(tokens))))
    spans = list(zip(times[::2], times[1::2], strict=True))
    room = Room(width, 17.0, lines, 4.0, 0.6)
    words, found = pages(" ".join(pieces), spans, room)
    assert [word for page in found for word in page.words] == words
    assert "".join("".join(page.text.split()) for page in found) == "".join("".join(t.text.split()) for t in tokens)
    for page in found:
        assert len(page.lines) <= lines
        first, last = page.words[0], page.words[-1]
        assert last.end - first.start <= 4.0 or len(page.words) == 1
        for line in page.lines:
            assert sum(w.width for w in line) + 17 * sum(w.spaced for w in line[1:]) <= width + 1e-3
    borders = [time for page in found for time in (page.start, page.end)]
    assert borders == sorted(borders), "one page after the other"


def test_width_is_that_of_the_advances():
    fonts = find_fonts("ab")
    assert width_of(fonts.of("ab"), 100) == pytest.approx(100 * (fonts.main.advance("a") + fonts.main.advance("b")))


def test_the_words_of_a_scene_without_words():
    assert pages_of([], ROOM, 1.0) == []
    assert place([], []) == []
