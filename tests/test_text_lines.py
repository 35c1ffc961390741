"""Lists of texts: what is read, what is refused, and with which sentence."""

import tracemalloc
from pathlib import Path

import pytest

from stages.contract import Failure, StageError
from stages.registry import source_class
from stages.source import Found, Unreadable
from stages.text.lines import LinesSettings, TextLines


def read(path, content, **settings):
    if isinstance(content, str):
        content = content.encode()
    path.write_bytes(content)
    return list(TextLines(LinesSettings(**settings)).read(path))


def good(found):
    return {f.name: f.data for f in found if isinstance(f, Found)}


def bad(found):
    return {f.name: f.sentence for f in found if isinstance(f, Unreadable)}


def test_the_registry_finds_it():
    assert source_class("text.lines") is TextLines
    assert TextLines.lists


def test_plain_lines_are_named_by_their_physical_line(tmp_path):
    found = read(tmp_path / "a.txt", b"\xef\xbb\xbfHello.\r\n\r\n  Gr\xc3\xbc\xc3\x9fe \xf0\x9f\x98\x80  \nlast")
    assert good(found) == {"0001": {"text": "Hello."}, "0003": {"text": "Grüße 😀"}, "0004": {"text": "last"}}
    assert not bad(found)


def test_only_real_line_ends_part_lines(tmp_path):
    found = read(tmp_path / "a.txt", "one\u2028still one\x0bstill\nmac\rline")
    assert [d["text"] for d in good(found).values()] == ["one\u2028still one\x0bstill", "mac", "line"]


def test_a_nul_byte_costs_its_line_alone(tmp_path):
    found = read(tmp_path / "a.txt", b"a good long line of text\nb\0d\nanother good line\n")
    assert list(good(found)) == ["0001", "0003"]
    assert list(bad(found)) == ["0002"]
    assert "a.txt, line 2" in bad(found)["0002"]


@pytest.mark.parametrize("name", ["a.txt", "a.csv", "a.jsonl"])
def test_an_empty_file_gives_nothing(tmp_path, name):
    assert read(tmp_path / name, b"") == []
    assert read(tmp_path / name, b"\n \n") == []


@pytest.mark.parametrize("lead", [0, 10, 65535, 65536, 200_001])
def test_latin1_is_refused_with_its_line_and_byte_wherever_it_is(tmp_path, lead):
    content = b"x" * lead + b"\ncaf\xe9 au lait\n"
    with pytest.raises(StageError) as caught:
        read(tmp_path / "a.txt", content)
    assert caught.value.failure is Failure.BAD_INPUT
    assert f"a.txt, line 2: byte {lead + 5} is not UTF-8" in caught.value.sentence
    assert content[lead + 4] == 0xE9


@pytest.mark.parametrize("tail", [b"\xc3", b"ok \xf0\x9f\x98"])
def test_half_a_character_at_the_end_is_refused(tmp_path, tail):
    with pytest.raises(StageError, match=r"line 2: byte \d+ is not UTF-8"):
        read(tmp_path / "a.txt", b"hello\n" + tail)


def test_a_character_across_two_blocks_is_read(tmp_path):
    text = "x" * 65535 + "é" + "y" * 65534 + "😀"
    assert good(read(tmp_path / "a.txt", text)) == {"0001": {"text": text}}


@pytest.mark.parametrize("content", ["hello\n".encode("utf-16"), "hello there\n".encode("utf-16-le"), bytes(4096)])
def test_utf16_and_binary_are_one_sentence(tmp_path, content):
    with pytest.raises(StageError, match="UTF-16 or no text"):
        read(tmp_path / "a.txt", content)


def test_a_missing_file_is_one_sentence(tmp_path):
    with pytest.raises(StageError, match=r"gone\.txt: cannot be read"):
        list(TextLines(LinesSettings()).read(tmp_path / "gone.txt"))
    with pytest.raises(StageError, match="cannot be read"):
        list(TextLines(LinesSettings()).read(tmp_path))


@pytest.mark.parametrize("sign", [",", ";", "\t"])
def test_a_table_with_all_columns(tmp_path, sign):
    rows = [
        ["ID", "Text", "voice", "rate", "more"],
        ["a", '"Hi; there, you\t"', "en-gb", "+10%", "x"],
        ["", "Bye", "", "", ""],
    ]
    found = read(tmp_path / "t.csv", "\n".join(sign.join(row) for row in rows))
    assert good(found) == {
        "a": {"text": "Hi; there, you", "voice": "en-gb", "rate": 10},
        "0003": {"text": "Bye"},
    }
    assert not bad(found)


def test_quoted_texts_over_lines_and_with_quotes(tmp_path):
    found = read(tmp_path / "t.csv", 'id,text\r\na,"one\r\ntwo ""three"""\r\nb,end\u2028ing\r\n')
    assert good(found) == {"a": {"text": 'one\ntwo "three"'}, "b": {"text": "end\u2028ing"}}


def test_every_broken_row_is_named_and_the_others_go_on(tmp_path):
    table = "id,text,rate\na,one,1\nb,two\nc,three,3,4\nd,,\na,again,\ne,five,fast\n"
    table += 'f,"open,\ng,seven,-5\nh,"x"y,1\n../i,nine,\n\nj,ten,\n'
    found = read(tmp_path / "t.csv", table)
    assert list(good(found)) == ["a", "g", "j"]
    assert good(found)["g"]["rate"] == -5
    said = bad(found)
    assert list(said) == [f"line-{n:04d}" for n in (3, 4, 5, 6, 7, 8, 10, 11)]
    for number, words in {
        3: "has 2 fields where the header has 3",
        4: "has 4 fields",
        5: "has no text",
        6: "the id 'a' is used already",
        7: "rate is 'fast'",
        8: "a quote is opened and never closed",
        10: "quotes are broken",
        11: "holds a path separator",
    }.items():
        sentence = said[f"line-{number:04d}"]
        assert f"t.csv, line {number}: " in sentence
        assert words in sentence
        assert ";" in sentence  # a mend follows


def test_an_open_quote_takes_no_later_row_with_it(tmp_path):
    rows = "".join(f'{n},"text {n}, and more"\n' for n in range(500))
    found = read(tmp_path / "t.csv", 'id,text\nbad,"never closed\n' + rows)
    assert len(good(found)) == 500
    assert list(bad(found)) == ["line-0002"]


def test_a_table_without_a_text_column_lists_what_it_has(tmp_path):
    with pytest.raises(StageError) as caught:
        read(tmp_path / "t.csv", "id,txet,voice\n1,hello,x\n")
    assert caught.value.failure is Failure.BAD_INPUT
    assert "no column 'text' (did you mean txet?), only id, txet, voice" in caught.value.sentence
    with pytest.raises(StageError, match="names 'text' twice"):
        read(tmp_path / "t.csv", "text,text\n1,2\n")


def test_the_column_can_be_named(tmp_path):
    found = read(tmp_path / "t.tsv", "text\tStory\nno\tyes\n", column="story")
    assert good(found) == {"0002": {"text": "yes"}}
    assert good(read(tmp_path / "t.jsonl", '{"story": "yes", "text": "no"}', column="story")) == {
        "0001": {"text": "yes"}
    }


def test_json_lines(tmp_path):
    lines = [
        '{"id": 7, "text": "seven", "rate": -20, "voice": "es"}',
        '{"text": "no id"}',
        '{"text": "broken"',
        '["text"]',
        '{"text": 5}',
        '{"text": "r", "rate": true}',
        '{"text": "a\\u0000b"}',
        '{"text": "half \\ud83d"}',
        '{"id": "7", "text": "again"}',
        '{"id": "a\\nb", "text": "newline"}',
        '{"id": "..", "text": "up"}',
        '{"id": "' + "x" * 300 + '", "text": "long"}',
        "[" * 100_000,
        '{"id": "name: 50%, [x]=1 \\"q\\" 😀", "text": "odd but fine"}',
    ]
    found = read(tmp_path / "l.jsonl", "\n".join(lines))
    assert good(found) == {
        "7": {"text": "seven", "voice": "es", "rate": -20},
        "0002": {"text": "no id"},
        'name: 50%, [x]=1 "q" 😀': {"text": "odd but fine"},
    }
    assert list(bad(found)) == [f"line-{n:04d}" for n in range(3, 14)]
    assert all(len(sentence) < 300 for sentence in bad(found).values())


def test_equal_ids_in_other_unicode_forms_are_the_same(tmp_path):
    found = read(tmp_path / "l.jsonl", '{"id": "é", "text": "1"}\n{"id": "e\u0301", "text": "2"}\n')
    assert len(good(found)) == len(bad(found)) == 1


def test_an_unknown_suffix_is_read_as_lines(tmp_path):
    assert list(good(read(tmp_path / "script.foo", "a,b\n"))) == ["0001"]


def test_memory_does_not_grow_with_the_list(tmp_path):
    path: Path = tmp_path / "big.csv"
    with path.open("w", encoding="utf-8") as file:
        file.write("id,text\n")
        file.writelines(f"item-{n},{'some words to speak ' * 10}{n}\n" for n in range(50_000))
    tracemalloc.start()
    count = sum(1 for _ in TextLines(LinesSettings()).read(path))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert count == 50_000
    assert peak < 8_000_000 < path.stat().st_size
