"""Text from outside is read line by line in bounded memory, and each bad line is named."""

import io
import tracemalloc

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fusion import lines
from fusion.errors import BadInputError, BadVotesError
from fusion.lines import Faults, look_over, read_lines, read_records

HEADER = "id,text,note\n"
READ = {"known": ("id", "text", "note"), "needed": ("id", "text"), "longest": 100}


def find_faults(read, data, longest):
    faults = Faults(name="t")
    found = read(io.BytesIO(data), faults, longest=longest)
    return faults.told, found if isinstance(found, int) else list(found)


def read(text, **options):
    faults = Faults(name="posts.csv")
    data = text if isinstance(text, bytes) else text.encode()
    rows = list(read_records(io.BytesIO(data), faults, **READ | options))
    faults.raise_if_any()
    return rows


@pytest.mark.parametrize("block", [1, 2, 7, 16, 1 << 22])
def test_faults_are_found_wherever_the_blocks_end(block, monkeypatch):
    monkeypatch.setattr(lines, "BLOCK", block)
    data = ("\ufeffsample,code\né,1\n" + "x" * 21 + ",2\nb\0,2\n").encode() + b"\xff,3\n\nlast,3"
    told = ["line 3 is longer than 20 bytes", "line 4 holds a NUL byte", "line 5 is not UTF-8"]
    assert find_faults(look_over, data, 20) == (told, 7)
    taken = [(1, "sample,code\n"), (2, "é,1\n"), (6, "\n"), (7, "last,3")]
    assert find_faults(read_lines, data, 20) == (told, taken)


@given(
    st.lists(st.sampled_from([b"a", b"\n", b"\r", b"\0", b"\xff", b"\xc3\xa9", b"bbbb", b"\xe2\x80\xa8"]), max_size=40),
    st.integers(1, 12),
    st.integers(1, 9),
)
def test_both_ways_of_reading_find_the_same_as_a_plain_split(pieces, block, longest):
    data = b"".join(pieces)
    parts = data.split(b"\n")
    whole = [part + b"\n" for part in parts[:-1]] + [part for part in parts[-1:] if part]
    bad = [number for number, line in enumerate(whole, start=1) if len(line) > longest or not is_text(line)]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(lines, "BLOCK", block)
        patch.setattr(lines, "MOST_TOLD", 100)
        told, taken = find_faults(read_lines, data, longest)
        assert find_faults(look_over, data, longest) == (told, len(whole))
    assert [int(words.split()[1]) for words in told] == bad
    assert [number for number, _text in taken] == [n for n in range(1, len(whole) + 1) if n not in bad]


def is_text(line):
    try:
        return "\0" not in line.decode()
    except UnicodeDecodeError:
        return False


@pytest.mark.parametrize("way", [look_over, read_lines])
def test_a_line_of_a_hundred_megabytes_is_never_held(tmp_path, way):
    path = tmp_path / "long.csv"
    with path.open("wb") as file:
        for _ in range(100):
            file.write(b"x" * 1_000_000)
        file.write(b"\n\0\n")
    faults = Faults(name="long.csv")
    tracemalloc.start()
    try:
        with path.open("rb") as file:
            found = way(file, faults, longest=1_000_000)
            assert found == 2 or not list(found)
        assert tracemalloc.get_traced_memory()[1] < 30_000_000
    finally:
        tracemalloc.stop()
    assert faults.told == ["line 1 is longer than 1,000,000 bytes", "line 2 holds a NUL byte"]


def test_rows_come_by_name_with_the_line_they_begin_on():
    text = '\ufeffNote, ID ,text\r\n,1,"two\nlines"\r\n\r\n,,\r\nx,2,"a, ""b"""'
    first, second = read(text)
    assert first == (2, {"note": "", "id": "1", "text": "two\nlines"})
    assert second == (6, {"note": "x", "id": "2", "text": 'a, "b"'})


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "columns missing: id, text; unknown: none"),
        ("id\n1\n", "columns missing: text"),
        (HEADER.replace("note", "colour"), "unknown: colour"),
        (HEADER.replace("note", "text"), "twice: text"),
        (HEADER + "1,a\n", "line 2 has 2 cells, the header 3"),
        (HEADER + '1,a,b\n2,"a,b\n', "line 3 cannot be read as CSV"),
        (HEADER + "1,a\0,b\n2,a\n", "line 2 holds a NUL byte; line 3 has 2 cells"),
        (HEADER + "1," + "x" * 100 + ",\n", "line 2 is longer than 100 bytes"),
        ("id,\0text\n1,a\n", "line 1 holds a NUL byte"),
        (HEADER.encode("utf-16"), "is UTF-16, not UTF-8 text"),
        (b"PK\x03\x04...", "is a zip archive or an Excel workbook"),
        (HEADER.encode() + b"1,caf\xe9,\n", "line 2 is not UTF-8"),
    ],
)
def test_what_is_wrong_is_named_by_line_and_file(text, words):
    with pytest.raises(BadInputError, match=words) as caught:
        read(text)
    assert str(caught.value).startswith("posts.csv")


def test_other_columns_may_stand_beside_where_that_is_allowed():
    (row,) = read("id,text,colour,colour\n1,a,red,blue\n", may_have_others=True)
    assert row[1]["text"] == "a"
    with pytest.raises(BadInputError, match="twice: text"):
        read("id,text,text\n1,a,b\n", may_have_others=True)


def test_the_first_faults_are_told_and_the_rest_counted():
    faults = Faults(name="votes.csv", error=BadVotesError)
    faults.raise_if_any()
    for line in range(2, 2 + lines.MOST_TOLD + 1_234):
        faults.add(f"line {line}", "is odd")
    with pytest.raises(BadVotesError, match=r"^votes.csv: line 2 is odd; .*; line 21 is odd; and 1,234 more\. Nothing"):
        faults.raise_if_any()
