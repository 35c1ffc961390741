"""The words of a command line: files need no quoting rules, and every name comes through unchanged."""

import os

import pytest
from hydra.core.override_parser.overrides_parser import OverridesParser
from hypothesis import example, given, settings
from hypothesis import strategies as st
from omegaconf import OmegaConf

from runner.config.arguments import override_key, quote_path, quoted, sort_words
from runner.config.compose import compose, known_roots

ROOTS = known_roots()
PARSER = OverridesParser.create()

# what a Linux file name may hold: everything but NUL (and "/" is in paths)
anything = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), min_size=1)
tricky = st.lists(
    st.sampled_from(
        ["\\", "'", '"', "$", "{", "}", "${", "${oc.env:HOME}", " ", ",", "[", "]", "(", "=", ":", "\n", "x"]
    )
).map("".join)
names = (anything | tricky).filter(bool)


def sort(*words):
    return sort_words(words, ROOTS)


@pytest.fixture
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


# --- quoting ----------------------------------------------------------------------------------------


@settings(max_examples=500, deadline=None)
@given(names)
@example("\\")
@example("a\\'")
@example("\\\\'\\")
@example("'${x}'")
@example("\\${x}")
@example("${x")
@example("$${x}\\")
def test_any_name_comes_through_hydra_and_omegaconf(text):
    value = PARSER.parse_override(f"input={quoted(text)}").value()
    assert OmegaConf.create({"input": value}).input == text


@pytest.mark.parametrize(
    "text", ["a b, (1) [x]=y 'q' \"d\" -z: 100%\n😀 ${oc.env:HOME} \\${x} \\\\${y} back\\", "null", "1.5", " "]
)
def test_any_name_comes_through_composing(text):
    composed = compose(["pipeline=narrate", f"input={quoted(text)}"], {})
    assert composed.problems == []
    assert composed.config.input == text
    assert OmegaConf.to_container(composed.config, resolve=True)["input"] == text


# --- what is a file and what is a setting --------------------------------------------------------------


NAMES = [
    "my film (1), part=2.mp4", "a b.txt", "a,b.txt", "[1].txt", "it's.txt", 'say "hi".txt', "-dash.txt", "c:d.txt",
    "100%.txt", "new\nline.txt", "grün 😀.txt", "${x}.txt", "back\\slash.txt", "x=1.txt", "=.txt", "+a=b", "~tilde",
    "a[0]=1", "{a: b}", "--help.txt", "käse=gut.txt", "null", "true", "1.5", "#1", "*", "?", "%(x)s", "$HOME",
]  # fmt: skip


@pytest.mark.parametrize("name", NAMES)
def test_an_existing_file_is_a_file_however_it_is_spelt(here, name):
    (here / name).write_text("")
    for words in ([name], ["pipeline=narrate", name, "profile=fast"], ["--", name]):
        assert sort(*words).files == [name]
    assert sort(name).overrides == []
    assert sort(str(here / name)).files == [str(here / name)]


@settings(deadline=None)
@given(names.filter(lambda name: "/" not in name and name not in (".", "..") and len(os.fsencode(name)) < 200))
def test_any_name_after_two_dashes_or_as_a_path_is_a_file(tmp_path_factory, name):
    path = str(tmp_path_factory.getbasetemp() / name)
    for words in ([path], ["--", name], ["--", "pipeline=narrate", name]):
        assert sort(*words).files == words[1:] or sort(*words).files == [path]
        assert sort(*words).overrides == []


def test_after_two_dashes_all_is_files(here):
    found = sort("profile=fast", "--", "profile=slow", "-m", "--", "--cfg")
    assert found.overrides == ["profile=fast"]
    assert found.files == ["profile=slow", "-m", "--", "--cfg"]
    assert not found.multirun and found.flags == []


def test_our_keys_win_over_files(here):
    for name in ("profile=fast", "audio.sample_rate=1", "input=x.txt", "+rates.a=1", "hydra.verbose=true"):
        (here / name).write_text("")
    words = ["profile=fast", "audio.sample_rate=1", "+rates.a=1", "hydra.verbose=true"]
    assert sort(*words).overrides == words
    assert sort("input=x.txt").files == []
    assert sort("./profile=fast").files == ["./profile=fast"]


@pytest.mark.parametrize("word", ["profil=fast", "foo=1", "hydra/launcher=joblib", "++tts.voice=x", "+x@y=z", "~tts"])
def test_what_looks_like_a_setting_and_is_no_file_is_a_setting(here, word):
    assert sort(word).overrides == [word]


@pytest.mark.parametrize("word", ["lines.txt", "missing file.txt", "*.txt", "folder/", "~unknown", "=x", "1=2", "é=1"])
def test_what_else_there_is_is_a_file(here, word):
    assert sort(word).files == [word]


def test_names_that_cannot_be_paths_are_no_crash(here):
    assert sort("a=" + "x" * 5000).overrides
    assert sort("x" * 5000).files
    assert sort("a\0=b").files == ["a\0=b"]
    assert sort("a=b\0").overrides == ["a=b\0"]


# --- commands and flags ---------------------------------------------------------------------------------


def test_the_first_word_may_be_a_command(here):
    assert sort("pipeline=narrate").command == "run"
    assert sort("plan", "pipeline=narrate", "run").command == "plan"
    assert sort("plan", "pipeline=narrate", "run").files == ["run"]
    assert sort("a.txt", "plan").command == "run"
    assert sort().command == "run"


def test_flags_are_kept_for_hydra_with_their_values(here):
    found = sort("--cfg", "job", "-m", "--resolve", "--package", "audio", "pipeline=narrate")
    assert found.flags == ["--cfg", "job", "--resolve", "--package", "audio"]
    assert found.multirun
    assert found.overrides == ["pipeline=narrate"]


@pytest.mark.parametrize(
    "words", [("--config-dir", "my conf"), ("-cd", "my conf"), ("--config-dir=my conf",), ("-cd=my conf",)]
)
def test_a_config_folder_is_no_flag_of_hydra(here, words):
    found = sort(*words, "pipeline=narrate", "a.txt")
    assert (found.config_dir, found.flags, found.files) == ("my conf", [], ["a.txt"])


def test_a_single_dash_is_a_file(here):
    assert sort("-").files == ["-"]


@pytest.mark.parametrize(
    ("word", "key"),
    [
        ("a=b", "a"), ("a.b.c=", "a.b.c"), ("+a=b", "a"), ("++a=b", "a"), ("~a=b", "a"), ("a/b@c=d", "a/b@c"),
        ("a=b=c", "a"), ("a=b\nc", "a"), ("a b=c", None), ("=x", None), ("1a=b", None), ("a", None), ("a\n=b", None),
        ("workers.my-stage=2", "workers.my-stage"),
    ],
)  # fmt: skip
def test_the_key_of_a_word(word, key):
    assert override_key(word) == key


# --- values that are paths -------------------------------------------------------------------------------


@pytest.mark.parametrize("key", ["input", "output", "outputs_dir", "temp_dir", "cache.dir", "+input"])
@pytest.mark.parametrize("value", ["my film (1), [x].mp4", "a,b", "it's", "x=y", "a\\", "[draft] a.mp4", "'", "é 😀"])
def test_paths_need_no_quotes_in_settings(here, key, value):
    word = quote_path(f"{key}={value}")
    assert PARSER.parse_override(word).value() == value
    assert override_key(word) == key.lstrip("+")


@pytest.mark.parametrize(
    "word", ["input=[a.txt,b.txt]", "input='a b'", 'output="a b"', "input=", "profile=a b,c", "tts.voice=it's"]
)
def test_lists_quotes_and_other_keys_stay(here, word):
    assert quote_path(word) == word


def test_a_file_that_looks_like_a_list_is_a_file(here):
    (here / "[a,b]").write_text("")
    assert PARSER.parse_override(quote_path("input=[a,b]")).value() == "[a,b]"


def test_names_in_a_sorted_line_are_quoted(here):
    assert sort("input=a (1), b=2.txt").overrides == ["input='a (1), b=2.txt'"]
