"""What an error of a stage says, and how it is said of something that has a name."""

from stages.contract import Failure, StageError


def test_an_error_said_of_something_with_a_name_keeps_all_else():
    error = StageError(Failure.RATE_LIMITED, "it asks to wait; wait", detail="429", retry_after_s=7.0)
    named = error.about("story/01")
    assert (named.failure, named.sentence) == (Failure.RATE_LIMITED, "story/01: it asks to wait; wait")
    assert (named.detail, named.retry_after_s, str(named)) == ("429", 7.0, named.sentence)
    assert error.sentence == "it asks to wait; wait"


def test_it_may_come_to_another_class_there():
    assert StageError(Failure.BAD_INPUT, "no").about("film", Failure.ENCODER).failure is Failure.ENCODER
