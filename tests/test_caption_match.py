"""Times told for spoken words, given to the words as they are written."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stages.caption.match import place
from stages.caption.tokens import ends_sentence, is_right_to_left, tokens_of


def words(text):
    return [token.text for token in tokens_of(text)]


def told(text, step=0.4, length=0.35):
    return [(word, i * step, i * step + length) for i, word in enumerate(text.split())]


def placed(text, spoken):
    return dict(zip(words(text), place(words(text), spoken), strict=True))


def test_punctuation_case_and_accents_make_no_difference():
    found = placed("“Hello,” said café ÉTÉ!", told("hello said cafe été"))
    assert [span[0] for span in found.values()] == pytest.approx([0.0, 0.4, 0.8, 1.2])


def test_a_number_takes_the_time_of_the_words_that_were_said_for_it():
    found = placed("In 2024, we paid $5 & left.", told("in twenty twenty four we paid five dollars and left"))
    assert found["2024,"] == pytest.approx((0.4, 1.55))
    assert found["we"] == pytest.approx((1.6, 1.95))
    assert found["left."][0] == pytest.approx(3.6)


def test_one_word_told_as_two_and_two_as_one():
    assert placed("a well-known man", told("a well known man"))["well-known"] == pytest.approx((0.4, 1.15))
    found = placed("in New York now", [("in", 0, 1), ("NewYork", 1, 2.4), ("now", 2.4, 3)])
    assert found["New"] == pytest.approx((1.0, 1.6)) and found["York"] == pytest.approx((1.6, 2.4))


def test_a_word_that_nobody_told_of_lies_between_its_neighbours():
    found = placed("one lost three", [("one", 0, 1), ("three", 2, 3)])
    assert found["lost"] == pytest.approx((1.0, 2.0)) and found["three"] == (2, 3)


def test_signs_of_a_script_without_spaces_share_the_time_of_their_word():
    spoken = [
        ("你好", 0, 1),
        ("世界", 1.2, 2),
        ("今天", 3, 3.4),
        ("是", 3.4, 3.6),
        ("二零二四", 3.6, 4.6),
        ("年", 4.6, 5),
    ]
    found = place(words("你好，世界！今天是2024年。"), spoken)
    assert [round(start, 2) for start, _ in found] == [0, 0.5, 1.2, 1.6, 3, 3.2, 3.4, 3.6, 4.6]


def test_repeated_words_keep_their_places():
    text = "the cat and the dog and the bird and the end"
    assert [start for start, _ in place(words(text), told(text))] == pytest.approx([i * 0.4 for i in range(11)])


def test_nothing_told_and_nothing_written():
    assert place([], [("a", 0, 1)]) == []
    assert place(["a"], []) == [(0.0, 0.0)]


@given(
    st.lists(st.text("ab c1&—你😀", min_size=1, max_size=4), max_size=12),
    st.lists(st.text("abc1你", max_size=3), max_size=12),
)
def test_whatever_is_told_times_stay_in_order_and_inside(written, spoken):
    rows = [(word, number * 0.5, number * 0.5 + 0.5) for number, word in enumerate(spoken)]
    spans = place(written, rows)
    assert len(spans) == len(written)
    assert all(0 <= start <= end <= len(spoken) * 0.5 + 1e-9 for start, end in spans)
    assert [start for start, _ in spans] == sorted(start for start, _ in spans)


def test_words_of_a_text():
    assert words("It’s — here\u2028now\x07 🎉 $5 & 6") == ["It’s —", "here", "now 🎉", "$5", "&", "6"]
    assert words("他说：「好。」 Go湖") == ["他", "说：", "「好。」", "Go", "湖"]
    assert [token.spaced for token in tokens_of("a 你好b")] == [True, True, False, False]
    assert words("きょう、カー") == ["きょ", "う、", "カー"], "small kana and marks begin no line"


@pytest.mark.parametrize(("word", "following", "ends"), [
    ("end.", "Next", True), ("end.”", "", True), ("Dr.", "Who", False), ("J.", "Bach", False), ("etc.", "and", False),
    ("好。」", "他", True), ("what?! 🎉", "Yes", True), ("3.5", "km", False),
])  # fmt: skip
def test_ends_of_sentences(word, following, ends):
    assert ends_sentence(word, following) is ends


def test_direction_is_that_of_the_first_letter():
    assert is_right_to_left("12 שלום hi") and not is_right_to_left("hi שלום") and not is_right_to_left("123")
