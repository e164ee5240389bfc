"""On row C11 and row D3, tables of posts: bad rows are named by line, nothing is taken by halves, names go out."""

import csv
import json
import re
from datetime import UTC, datetime

import pytest
from hypothesis import given as forall
from hypothesis import settings
from hypothesis import strategies as st

from fusion.errors import BadPostsError
from fusion.sources.posts import read_posts, scrub
from fusion.sources.posts.reading import PostLimits

HEADER = "id,text,author,language,posted_at,longitude,latitude,image\n"


def table(folder, *rows, name="posts.csv", start=""):
    path = folder / name
    path.write_bytes((start + HEADER + "".join(f"{row}\n" for row in rows)).encode())
    return path


def test_a_row_is_read_whole(tmp_path):
    row = '7,"Our hall, @ann ""new""",ann,DE,2026-05-01T12:30:00+02:00,11.5,48.1,hall.jpg'
    (post,) = read_posts(table(tmp_path, row))
    assert post.text == 'Our hall, [user] "new"'
    assert (post.line, post.source_id, post.author, post.language, post.image) == (2, "7", "ann", "de", "hall.jpg")
    assert post.posted_at.astimezone(UTC) == datetime(2026, 5, 1, 10, 30, tzinfo=UTC)
    assert (post.longitude, post.latitude) == (11.5, 48.1)
    assert post.removed == {"user": 1}


def test_only_id_and_text_must_be_there_and_other_columns_are_not_read(tmp_path):
    path = tmp_path / "posts.csv"
    path.write_text("TEXT,Id,real name\nGood soup,9,Ann Example\n")
    (post,) = read_posts(path)
    assert (post.source_id, post.text, post.author, post.longitude) == ("9", "Good soup", "", None)
    assert "Example" not in repr(post)


def test_a_mark_at_the_start_is_no_part_of_the_first_name(tmp_path):
    path = tmp_path / "posts.csv"
    path.write_bytes(b"\xef\xbb\xbf" + (HEADER + "1,Hello,,,,,,\n").encode())
    assert read_posts(path)[0].source_id == "1"


def test_lines_of_json_are_read_alike(tmp_path):
    path = tmp_path / "posts.jsonl"
    record = {"id": 7, "text": "Bakery\nopen", "longitude": 1.5, "latitude": 2, "posted_at": None, "secret": "x"}
    path.write_text(json.dumps(record) + "\n\n" + json.dumps({"id": "8", "text": "b"}) + "\n")
    first, second = read_posts(path)
    assert (first.source_id, first.text, first.longitude, second.line) == ("7", "Bakery\nopen", 1.5, 3)


BAD_ROWS = [
    ("1,,,,,,,", "line 2 has an empty id or text"),
    (",words,,,,,,", "line 2 has an empty id or text"),
    ("1,words", "line 2 has 2 cells, the header 8"),
    ("1,words,,,yesterday,,,", "line 2 has a posted_at that is not ISO 8601"),
    ("1,words,,,,181,5,", "line 2 has a longitude or latitude"),
    ("1,words,,,,5,,", "line 2 has a longitude or latitude"),
    ("1,words,,,,nan,5,", "line 2 has a longitude or latitude"),
    ("1,words,,,,,,../../secret.jpg", "line 2 names an image"),
    ("1,words,,,,,,/etc/passwd", "line 2 names an image"),
    ("1,words,,<script>,,,,", "line 2 has a language"),
    ("1," + "x" * 10_001 + ",,,,,,", "line 2 has more than 10000 characters"),
]


@pytest.mark.parametrize(("row", "words"), BAD_ROWS)
def test_a_bad_row_is_named_by_its_line(tmp_path, row, words):
    with pytest.raises(BadPostsError) as caught:
        read_posts(table(tmp_path, row, "2,good,,,,,,"))
    assert words in str(caught.value)
    assert "Nothing was taken" in str(caught.value)


def test_every_bad_row_is_named_and_none_is_quoted(tmp_path):
    rows = ["1,@secretname,,,,,,", "1,again @secretname,,,,,,", "2,ok,,,,,,", "3,\0,,,,,,", "4,@secretname,,,never,,,"]
    with pytest.raises(BadPostsError) as caught:
        read_posts(table(tmp_path, *rows))
    said = str(caught.value)
    assert "line 3 has the id of line 2" in said
    assert "line 5 holds a NUL byte" in said
    assert "line 6 has a posted_at" in said
    assert "secretname" not in said


def test_of_many_faults_twenty_are_told(tmp_path):
    with pytest.raises(BadPostsError, match=r"line 21 .*and 30 more"):
        read_posts(table(tmp_path, *[f"{n},,,,,,," for n in range(50)]))


def test_a_line_of_100_mb_is_named_and_not_held_in_memory(tmp_path):
    path = tmp_path / "posts.jsonl"
    with path.open("wb") as file:
        file.write(b'{"id": 1, "text": "good"}\n{"id": 2, "text": "')
        for _ in range(100):
            file.write(b"x" * 1_000_000)
        file.write(b'"}\nno json\n')
    with pytest.raises(BadPostsError, match="line 2 is longer than 1,000,000 bytes; line 3 is not JSON"):
        read_posts(path)


@pytest.mark.parametrize("quote", ['1,"never closed,,,,,,', '1,"a"b,,,,,,'])
def test_quotes_that_do_not_close_are_named_by_the_line_they_begin_on(tmp_path, quote):
    with pytest.raises(BadPostsError, match="line 3 cannot be read as CSV"):
        read_posts(table(tmp_path, "0,good,,,,,,", quote, "2,good,,,,,,"))


def test_words_over_several_lines_are_one_row(tmp_path):
    first, second = read_posts(table(tmp_path, '1,"one\ntwo\nthree",,,,,,', "2,four,,,,,,"))
    assert (first.line, first.text, second.line) == (2, "one\ntwo\nthree", 5)


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("posts.csv", b"", "columns missing: id, text"),
        ("posts.csv", b"id,words\n1,a\n", "columns missing: text"),
        ("posts.csv", b"id,text,text\n1,a,b\n", "twice: text"),
        ("posts.csv", HEADER.encode(), "holds no post"),
        ("posts.csv", "id,text\n1,a\n".encode("utf-16"), "is UTF-16"),
        ("posts.csv", b"id,text\n1,caf\xe9\n", "line 2 is not UTF-8"),
        ("posts.csv", b"PK\x03\x04rest", "is a zip archive"),
        ("posts.csv", b"id,text\0\n1,a\n", "line 1 holds a NUL byte"),
        ("posts.jsonl", b'{"id": 1, "text": "half \\ud83d"}\n', "line 1 holds half of a character"),
        ("posts.jsonl", b'{"id": 1, "text": "\\u0000"}\n', "line 1 holds a NUL byte"),
        ("posts.jsonl", b"[1]\n", "line 1 is not a JSON object"),
        ("posts.jsonl", b'{"id": 1}\n', "line 1 lacks text"),
        ("posts.jsonl", b"[" * 100_000 + b"\n", "line 1 is not JSON"),
        ("posts.xlsx", b"id,text\n1,a\n", "must end in .csv"),
    ],
)
def test_a_file_that_is_no_table_is_refused_by_name(tmp_path, name, content, words):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(BadPostsError) as caught:
        read_posts(tmp_path / name)
    assert words in str(caught.value)
    assert name in str(caught.value)


def test_a_table_that_is_not_there_or_too_long_is_refused(tmp_path):
    with pytest.raises(BadPostsError, match="cannot be read"):
        read_posts(tmp_path / "gone.csv")
    with pytest.raises(BadPostsError, match="more than 2 rows"):
        read_posts(table(tmp_path, "1,a,,,,,,", "2,b,,,,,,", "3,c,,,,,,"), PostLimits(rows=2))


FOUND = [
    "@ann_b", "@ann.b", "＠ann", "@日本語の人", "@ann@mastodon.social", "u/some_user", "/u/some-user", "@a\u200bnn",
    "ann.b@example.org", "ann+x@mail.example.co.uk", "ann (at) example [dot] org", "ANN@EXAMPLE.ORG",
    "+49 170 1234567", "+49 (0)170 123 45 67", "0170/1234567", "030 12345678", "(030) 123-4567", "555-123-4567",
    "(555) 123-4567", "+1.555.123.4567", "0049 30 1234567", "٠١٧٠١٢٣٤٥٦٧", "3332602730",
    "https://example.org/ann?x=1", "http://t.co/z7ZO4wQ8", "www.example.org/ann", "t.me/annb", "example.com",
    "bit.ly/3xA",
]  # fmt: skip
KEPT = [
    "Built in 1998, opened 2012-10-29 at 12:30.", "1,000,000 people", "10.000.000 €", "52.518918, 13.400295",
    "on 04.05.2012 or 05/11/2012", "3.5 km to go", "room 2.045, house 12-14", "Wait.It was good", "e.g. a shop",
    "100% @ home", "#2012 #sandy", "C.O.P. and U.S.A.", "👩‍👩‍👧 at the school 🏫", "مدرسة جديدة في حيّنا", "50 % off",
]  # fmt: skip


@pytest.mark.parametrize("planted", FOUND)
@pytest.mark.parametrize("frame", ["{}", "Ask {} please", "({})", "shop, {}! now", "مرحبا {} هنا"])
def test_what_names_or_reaches_a_person_is_taken_out(planted, frame):
    clean, removed = scrub(frame.format(planted))
    assert planted not in clean
    assert clean == frame.format(next(f"[{kind}]" for kind in removed))
    assert removed.total() == 1


@pytest.mark.parametrize("text", KEPT)
def test_other_words_stay_as_they_are(text):
    assert scrub(text) == (text, {})


def test_the_author_is_taken_out_wherever_named():
    clean, _removed = scrub("AnnB says: annb's shop, Annbury", author="@annb")
    assert clean == "[user] says: [user]'s shop, Annbury"


def test_signs_that_hide_or_turn_text_are_taken_out():
    assert scrub("shop\u202egnp.exe\u200b\u2066!")[0] == "shopgnp.exe!"


@pytest.mark.slow
@settings(max_examples=200, deadline=2_000)
@forall(st.text(max_size=200))
def test_scrubbing_twice_changes_nothing_more(text):
    once, _removed = scrub(text)
    assert scrub(once)[0] == once


HARD = ["a", "@", "0 ", "a.", "a-", "(at)", "a@", "+1(", "www."]


@pytest.mark.parametrize("piece", HARD)
def test_texts_that_make_searches_slow_are_still_searched(piece):
    """Searches without bounds take minutes for each of these."""
    clean, removed = scrub("ann@example.org " + piece * (10_000 // len(piece)))
    assert clean.startswith("[e-mail]")
    assert removed["e-mail"] >= 1


def test_real_posts_keep_no_address(real_data):
    with (real_data / "social-posts/crisislext26/2012_Italy_earthquakes-tweets_labeled.csv").open() as file:
        texts = [row[" Tweet Text"] for row in csv.DictReader(file)]
    assert len(texts) == 1_000
    clean = [scrub(text)[0] for text in texts]
    assert not any(re.search(r"https?://\w", text) or "@user" in text for text in clean)
    assert sum("[link]" in text for text in clean) > 300
