"""Words of the command line hold: a search keeps to what they name."""

import pytest

from runner.tune.narrow import narrowed
from runner.tune.space import Goal, Key, SearchSpace

SPACE = SearchSpace(
    "transcode", "transcode", Goal("throughput.fps", "max"),
    (
        Key("encoder", ("x264", "svtav1")),
        Key("encoder.preset", by="encoder", branches={"x264": ("fast", "slow"), "svtav1": (12, 8)}),
        Key("encoder.threads", by="encoder", branches={"x264": (1, 2)}),
        Key("upscaler.half", (True, False)),
        Key("workers.encode", (1, 4)),
    ),
)  # fmt: skip


def points(*words):
    space, problems = narrowed(SPACE, words)
    assert not problems
    return [point.as_dict() for point in space.grid()]


def every(key, found):
    return {point.get(key) for point in found}


def test_without_such_words_the_space_is_what_it_was():
    assert narrowed(SPACE, ("pipeline=transcode", "quality.sample=3")) == (SPACE, [])
    assert len(points()) == (4 + 2) * 2 * 2


def test_a_group_is_kept_to():
    found = points("encoder=svtav1")
    assert every("encoder", found) == {"svtav1"} and every("encoder.preset", found) == {12, 8}
    assert every("encoder.threads", found) == {None}


def test_a_value_leaves_only_what_has_it():
    assert every("encoder", points("encoder.preset=slow")) == {"x264"}
    assert every("encoder", points("encoder.preset=12")) == {"svtav1"}


def test_where_a_key_has_no_part_it_takes_nothing_away():
    found = points("encoder.threads=2")
    assert every("encoder", found) == {"x264", "svtav1"} and every("encoder.threads", found) == {2, None}


@pytest.mark.parametrize(("word", "value"), [("workers.encode=3", 3), ("upscaler.half=true", True)])
def test_numbers_may_be_any_and_switches_are_known(word, value):
    assert every(word.partition("=")[0], points(word)) == {value}


def test_a_value_that_the_space_does_not_have_is_refused():
    space, (problem,) = narrowed(SPACE, ("encoder=nvenc_h264",))
    assert space == SPACE
    assert problem.sentence() == (
        "encoder: 'nvenc_h264' is not searched by transcode; use x264, svtav1, or a space of your own (search=my.yaml)"
    )
    assert [problem.key for problem in narrowed(SPACE, ("workers.encode=auto", "encoder.preset=none"))[1]] == [
        "encoder.preset", "workers.encode",
    ]  # fmt: skip
