"""Who asks a service: the key stays out of everything that is said, and each refusal names its mend."""

import pytest

from stages.contract import Failure
from stages.service.account import Account, AccountError
from stages.service.address import ending
from stages.service.http import Answer
from stages.service.persist import IncompleteError, RefusedError, Tally

KEY = "sk-account-secret-0123456789"


@pytest.fixture
def account(monkeypatch):
    monkeypatch.setenv("ACCOUNT_KEY", f"{KEY}\n")  # files with a key end with a line end
    return Account("tts", "https://h/v1", "ACCOUNT_KEY")


def test_the_key_is_read_when_it_is_used_and_kept_nowhere(account, monkeypatch):
    assert account.bearer() == {"Authorization": f"Bearer {KEY}"}
    assert KEY not in repr(account)
    monkeypatch.delenv("ACCOUNT_KEY")
    assert account.key == "" and account.bearer() == {}
    assert Account("tts", "https://h/v1").bearer() == {}


@pytest.mark.parametrize(
    ("status", "mend"),
    [
        (401, "put a valid key into ACCOUNT_KEY"),
        (402, "put money into its account"),
        (403, "put a key that may do this into ACCOUNT_KEY"),
        (404, "see that tts.url and tts.model are right"),
    ],
)
def test_what_concerns_the_account_is_said_so(account, status, mend):
    refusal = account.refusal(Answer(status, b"", {}), "ask otherwise")
    assert isinstance(refusal, AccountError)
    assert refusal.failure is Failure.BAD_INPUT
    assert refusal.sentence == f"https://h/v1 answers {status}; {mend}"


def test_a_fault_of_the_request_gets_the_mend_of_who_asked(account):
    refusal = account.refusal(Answer(422, b"no", {}), "ask otherwise")
    assert not isinstance(refusal, AccountError)
    assert refusal.sentence == "https://h/v1 answers 422; ask otherwise"
    assert refusal.detail == "no"


@pytest.mark.parametrize("status", [408, 429, 500, 503])
def test_what_may_pass_is_asked_again_after_the_wait_that_was_asked_for(account, status):
    refusal = account.refusal(Answer(status, b"", {"retry-after": "7"}), "ask otherwise")
    assert isinstance(refusal, RefusedError)
    assert refusal.retry_after_s == 7


@pytest.mark.parametrize("before", [0, 490, 499, 600])
def test_the_key_is_not_in_the_detail_wherever_the_answer_says_it(account, before):
    """Also where it lies across the place at which the answer is cut."""
    refusal = account.refusal(Answer(400, b"x" * before + KEY.encode() + b"y" * 600, {}), "ask otherwise")
    assert KEY[:4] not in refusal.detail
    assert len(refusal.detail) == 500


def test_a_variable_without_a_name_is_said_too():
    refusal = Account("script", "https://h").refusal(Answer(401, b"", {}), "")
    assert "put a valid key into a variable named by script.api_key_env" in refusal.sentence


def test_problems_before_any_work(account, monkeypatch):
    assert list(account.problems()) == []
    monkeypatch.setenv("ACCOUNT_KEY", " \n")
    (problem,) = account.problems()
    assert problem.key == "tts.api_key_env"
    assert "the environment has no ACCOUNT_KEY; set ACCOUNT_KEY, or tts.api_key_env= for" in problem.sentence()
    assert [problem.key for problem in Account("tts", "ftp://h").problems()] == ["tts.url"]
    assert list(Account("tts", "wss://h").problems(("wss", "ws"))) == []


def test_an_address_is_completed_once():
    for url in ("https://h/v1", "https://h/v1/", "https://h/v1/audio/speech", "https://h/v1/audio/speech/"):
        assert ending(url, "/audio/speech") == "https://h/v1/audio/speech"


@pytest.mark.parametrize("data", [b"<html>", b"", b"[1]", b"7", b"\xff\xfe", b"[" * 100_000])
def test_an_answer_that_is_no_object_is_asked_for_again(data):
    with pytest.raises(IncompleteError):
        Answer(200, data, {}).json_object()
    assert Answer(200, b'{"a": 1}', {}).json_object() == {"a": 1}


def test_a_tally_in_the_words_of_its_section():
    assert Tally(3, 2, 0.5).metrics("tts") == {"tts.requests": 3, "tts.retries": 2, "tts.backoff_s": 0.5}
