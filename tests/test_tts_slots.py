"""The ground of network speech: slots, back-off, splitting, and the completeness gate."""

import threading
import time
from email.utils import formatdate
from xml.sax.saxutils import escape

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stages.contract import Failure
from stages.speech.complete import check_heard, check_length, check_words, reached
from stages.speech.persist import IncompleteError, Patience, RefusedError, Tally, persist, refused_status, seconds_of
from stages.speech.provider import Word
from stages.speech.slots import Slots, shared_slots
from stages.speech.split import halves, split_text
from stages.speech.wav import DecodeError, decode

QUICK = Patience(attempts=4, backoff_s=0.01)


def refuse(times, error=None):
    """A question that is refused so many times, then answered."""
    left = [times]

    def ask():
        left[0] -= 1
        if left[0] >= 0:
            raise error or RefusedError(Failure.NETWORK, "no")
        return "yes"

    return ask


# --- slots -------------------------------------------------------------------------------


def test_the_limit_begins_with_eight_and_grows_by_one_a_window_up_to_the_cap():
    slots = Slots(cap=10)
    seen = []
    for _ in range(8 + 9 + 30):
        with slots.taken() as lease:
            lease.succeeded()
        seen.append(slots.limit)
    assert seen[6:8] == [8, 9]
    assert seen[15:17] == [9, 10]
    assert seen[-1] == 10
    assert Slots(cap=3).limit == 3
    assert Slots(cap=32, begin=20).limit == 20
    assert Slots(cap=10, begin=20).limit == 10


def test_a_burst_of_refusals_halves_once_and_the_next_burst_again():
    slots = Slots(cap=32)
    for expected in (4, 2, 1, 1):
        with slots.taken() as one:
            leases = [one, one]
            if slots.limit > 1:
                with slots.taken() as other:
                    leases.append(other)
            for lease in leases:
                lease.too_much()
        assert slots.limit == expected


def test_never_more_at_once_than_the_limit():
    slots, most, now, lock = Slots(cap=5), [0], [0], threading.Lock()

    def go():
        with slots.taken():
            with lock:
                now[0] += 1
                most[0] = max(most[0], now[0])
            time.sleep(0.005)
            with lock:
                now[0] -= 1

    threads = [threading.Thread(target=go) for _ in range(40)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(5)
    assert most[0] == 5
    assert slots.busy == 0


def test_threads_of_a_process_share_the_slots_of_a_service():
    assert shared_slots("here", 8) is shared_slots("here", 8)
    assert shared_slots("here", 8) is not shared_slots("there", 8)
    assert shared_slots("here", 8) is not shared_slots("here", 8, begin=4)


# --- back-off ----------------------------------------------------------------------------


def test_persist_asks_again_and_counts():
    tally, slots = Tally(), Slots(8)
    assert persist(slots, QUICK, tally, refuse(2)) == "yes"
    assert (tally.requests, tally.retries) == (3, 2)
    assert slots.limit == 2


def test_persist_gives_up_with_the_last_reason():
    tally = Tally()
    with pytest.raises(RefusedError) as caught:
        persist(Slots(8), QUICK, tally, refuse(99, refused_status(429, "0")))
    assert tally.requests == 4
    said = caught.value.as_stage_error("it", "wait")
    assert said.failure is Failure.RATE_LIMITED
    assert said.sentence == "it: the service answers 429; wait"


def test_incomplete_answers_are_asked_for_three_times_only():
    tally = Tally()
    with pytest.raises(IncompleteError):
        persist(Slots(8), Patience(9, 0.001), tally, refuse(99, IncompleteError("half")))
    assert tally.requests == 3


def test_the_slot_is_free_while_one_waits():
    slots, free = Slots(1), []
    error = refused_status(429, "0.3")
    waiter = threading.Thread(target=lambda: persist(slots, QUICK, Tally(), refuse(1, error)))
    waiter.start()
    time.sleep(0.1)
    begun = time.monotonic()
    with slots.taken():
        free.append(time.monotonic() - begun)
    assert waiter.is_alive()
    waiter.join(5)
    assert free[0] < 0.1


def test_a_wait_asked_for_is_honoured_and_a_long_one_handed_on():
    begun = time.monotonic()
    persist(Slots(8), QUICK, Tally(), refuse(1, refused_status(503, "0.25")))
    assert time.monotonic() - begun >= 0.25
    begun = time.monotonic()
    with pytest.raises(RefusedError) as caught:
        persist(Slots(8), QUICK, Tally(), refuse(1, refused_status(429, "3600")))
    assert time.monotonic() - begun < 1
    assert caught.value.as_stage_error("x", "y").retry_after_s == 3600


def test_retry_after_in_all_its_forms():
    assert seconds_of(None) == seconds_of("") == seconds_of("soon") == seconds_of("-3") == 0
    assert seconds_of("2.5") == 2.5
    assert seconds_of("nan") == 0
    assert seconds_of("inf") == 86400
    assert 50 < seconds_of(formatdate(time.time() + 60, usegmt=True)) <= 60
    assert seconds_of(formatdate(0, usegmt=True)) == 0


def test_waits_are_spread_and_bounded():
    patience = Patience(10, 0.5)
    waits = [patience.wait_s(3, 0) for _ in range(500)]
    assert 0 <= min(waits) < 0.5
    assert 3.5 < max(waits) <= 4
    assert max(patience.wait_s(10, 0) for _ in range(100)) <= 20
    assert all(7 <= patience.wait_s(1, 7) <= 8 for _ in range(100))


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
