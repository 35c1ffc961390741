"""Texts in pieces, and the completeness gate of what is spoken."""

from xml.sax.saxutils import escape

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stages.service.persist import IncompleteError
from stages.speech.complete import check_heard, check_length, check_words, reached
from stages.speech.provider import Word
from stages.speech.split import halves, split_text
from stages.speech.wav import DecodeError, decode

# --- splitting ---------------------------------------------------------------------------


def short(limit):
    return lambda piece: len(escape(piece).encode()) <= limit


@settings(max_examples=150, deadline=None)
@given(st.text(st.sampled_from("ab .,!?\n&<é😀。，"), max_size=300), st.integers(6, 60))
def test_splitting_loses_nothing_and_every_piece_fits(text, limit):
    pieces = split_text(text, short(limit))
    assert "".join("".join(pieces).split()) == "".join(text.split())
    assert all(short(limit)(piece) and piece.strip() for piece in pieces)


def test_a_text_is_cut_at_the_coarsest_place_that_fits():
    text = "One two. Three four! Five, six seven."
    assert split_text(text, short(100)) == [text]
    assert split_text(text, short(21)) == ["One two. Three four!", "Five, six seven."]
    assert split_text(text, short(12)) == ["One two.", "Three four!", "Five,", "six seven."]
    assert split_text("你好。世界！再见", short(9)) == ["你好。", "世界！", "再见"]


def test_pieces_are_as_full_as_they_can_be():
    text = "This is a sentence of forty letters or so. " * 1000
    pieces = split_text(text, short(4096))
    assert len(pieces) == -(-len(text) // (4096 // 43 * 43))
    assert all(piece.endswith(".") for piece in pieces)


def test_halves():
    assert halves("One two. Three four.") == ("One two.", "Three four.")
    assert halves("one two three four") == ("one two", "three four")
    assert halves("one.") is None
    assert halves("A. " + "b " * 20) == ("A. " + ("b " * 9).strip(), ("b " * 11).strip())


# --- the completeness gate ------------------------------------------------------------------


def said(*words, end=None):
    """Words of 0.3 s, one after another."""
    return [Word(word, 0.3 * n, end if end and n == len(words) - 1 else 0.3 * (n + 1)) for n, word in enumerate(words)]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("Hello there, world!", ["Hello", "there", "world"]),
        ("It costs $5 & 10 % more 😀", ["It", "costs", "five dollars", "10", "more"]),
        ("Über STRASSE", ["über", "strasse"]),
        ("你好，世界。", ["你好", "世界"]),
        ("a a a a", ["a", "a", "a", "a"]),
        ("word.", ["word."]),
        ("Name: ____", ["Name"]),
        ("un cafe\u0301", ["un", "caf\u00e9"]),
    ],
)
def test_whole_answers_pass(text, words):
    check_words(text, said(*words), 0.3 * len(words) + 0.5)


@pytest.mark.parametrize(
    ("text", "words", "seconds"),
    [
        ("Hello there my world", ["Hello", "there", "my"], 1.5),  # stops before the last word
        ("a b c d", ["a", "b", "c"], 1.2),
        ("start " + "middle " * 60 + "end", ["start", "end"], 1.0),  # a hole
        ("Hello world", ["Hello", "world"], 0.3),  # times past the audio
        ("Hello world", ["Hello", "world"], 9.0),  # a long rest that nobody explains
    ],
)
def test_missing_parts_are_seen(text, words, seconds):
    with pytest.raises(IncompleteError):
        check_words(text, said(*words), seconds)


def test_repeats_do_not_run_ahead():
    assert reached("the cat and the dog and the end", said("the", "cat")) == 6


def test_length_and_silence():
    text = "A sentence of the usual kind, with more than twenty letters."
    check_length(text, 4.0, 0)
    check_length(text, 1.1, 100)
    check_length("2024", 9.0, 0)
    for seconds, rate in ((0.0, 0), (0.9, 0), (60.0, 0)):
        with pytest.raises(IncompleteError):
            check_length(text, seconds, rate)
    check_heard(34)
    with pytest.raises(IncompleteError):
        check_heard(20)


@pytest.mark.parametrize("data", [b"", b"<html>sorry</html>" * 100, b"RIFF\0\0\0\0WAVE", bytes(5000)])
def test_what_is_no_audio_is_said_so(data):
    with pytest.raises(DecodeError):
        decode(data)
