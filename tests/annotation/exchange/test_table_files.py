"""Tables from outside are taken whole, or each bad line is named."""

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as parquet
import pytest

from annotation.exchange import table_files
from annotation.exchange.table_files import read_table
from fusion.errors import BadInputError

TIME = pa.timestamp("us", tz="UTC")
COLUMNS = {"sample": pa.string(), "code": pa.string(), "n": pa.int64(), "sure": pa.bool_(), "at": TIME}


def write(folder: Path, text: str | bytes) -> Path:
    path = folder / "table.csv"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return path


def read(path: Path) -> table_files.TableFile:
    return read_table(path, COLUMNS, ("sample", "code"))


def test_typed_columns_come_out_of_text(tmp_path: Path) -> None:
    first = '"a, b",3, 7 ,true,2026-05-01T12:30:00Z'
    text = f"\ufeffsample,code,n,sure,at\r\n{first}\r\nÉ,A,,0,2026-05-01T14:30:00+02:00\n\n\n"
    rows = read(write(tmp_path, text)).table.to_pylist()
    assert [row["sample"] for row in rows] == ["a, b", "É"]
    assert [row["n"] for row in rows] == [7, None]
    assert [row["sure"] for row in rows] == [True, False]
    assert rows[0]["at"] == rows[1]["at"]


def test_parquet_gives_the_same_and_names_rows_by_number(tmp_path: Path) -> None:
    path = tmp_path / "t.parquet"
    parquet.write_table(pa.table({"sample": ["a"], "code": ["3"], "n": pa.array([7], pa.int8())}), path)
    file = read(path)
    assert file.table["n"].type == pa.int64()
    assert file.place(0) == "row 1"
    parquet.write_table(pa.table({"sample": ["a", "b"], "code": ["3", "3"], "n": ["7", "x"]}), path)
    with pytest.raises(BadInputError, match="row 2 has n 'x', which is no whole number"):
        read(path)


@pytest.mark.parametrize(
    ("text", "match"),
    [
        ("sample,code\na,1\nb,2,3\nc\n", "line 3 has 3 cells, the header 2; line 4 has 1 cells"),
        ('sample,code\na,1\nb,"2\nc,3\nd,4\n', "line 3 has a quote that is not closed"),
        ('sample,code\na,1\n"b\nb",2\nc,3\n', "line 3 has a quote that is not closed, or a cell of several lines"),
        ("sample,code,n\na,1,5\nb,2,five\n", "line 3 has n 'five', which is no whole number"),
        ("sample,code,sure\na,1,maybe\n", "line 2 has sure 'maybe', which is no true or false"),
        ("sample,code,at\na,1,yesterday\n", "line 2 has at 'yesterday', which is no time"),
        ("sample\na\n", "columns missing: code"),
        ("sample,code,colour\na,1,red\n", "unknown: colour"),
        ("sample,code,code\na,1,2\n", "twice: code"),
        ("", "columns missing: sample, code"),
        ("sample,code\n", "no row"),
        ("sample,code\n\n\n", "no row"),
        (b"sample,code\na,1\nb\x00,2\nc,3\n\x00d,4\n", "line 3 holds a NUL byte; line 5 holds a NUL byte"),
        (b"sample,code\na,1\n\xff\xfeb,2\n", "line 3 is not UTF-8"),
        ("sample,code\na,1\n".encode("utf-16"), "UTF-16"),
        ("sample,code\na,1\n" + "x" * 1_000_001 + ",2\nb,2\n", "line 3 is longer than 1,000,000 bytes"),
    ],
)
def test_what_is_wrong_is_named_by_line(tmp_path: Path, text: str | bytes, match: str) -> None:
    with pytest.raises(BadInputError, match=match):
        read(write(tmp_path, text))


def test_many_faults_are_counted_and_the_first_told(tmp_path: Path) -> None:
    with pytest.raises(BadInputError, match="line 21 has 1 cells, the header 2; and 80 more") as caught:
        read(write(tmp_path, "sample,code\n" + "a\n" * 100))
    assert "line 22 " not in str(caught.value)


def test_a_line_of_a_hundred_megabytes_costs_no_memory(tmp_path: Path) -> None:
    import resource

    path = tmp_path / "long.csv"
    with open(path, "wb") as file:
        file.write(b"sample,code\n")
        for _ in range(100):
            file.write(b"x" * 1_000_000)
        file.write(b",1\n")
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with pytest.raises(BadInputError, match="line 2 is longer"):
        read(path)
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 60_000  # kB


@pytest.mark.parametrize("data", [b"", b"PAR1", b"PAR1xxxxPAR1", b"sample,code\n"])
def test_what_is_no_parquet_is_refused(tmp_path: Path, data: bytes) -> None:
    path = tmp_path / "t.parquet"
    path.write_bytes(data)
    with pytest.raises(BadInputError, match="not a whole Parquet"):
        read(path)


def test_texts_of_parquet_that_no_database_keeps_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "t.parquet"
    parquet.write_table(pa.table({"sample": ["a", "b\0"], "code": ["3", None]}), path)
    with pytest.raises(BadInputError, match="row 2 holds a NUL byte in sample"):
        read(path)
    torn = pa.Array.from_buffers(pa.string(), 1, [None, pa.py_buffer(b"\0\0\0\0\1\0\0\0"), pa.py_buffer(b"\xff")])
    parquet.write_table(pa.table({"sample": torn, "code": ["3"]}), path)
    with pytest.raises(BadInputError, match=r"not a whole Parquet file: .*UTF8"):
        read(path)


def test_other_endings_and_absent_files_are_refused(tmp_path: Path) -> None:
    with pytest.raises(BadInputError, match=r"must end in \.csv or \.parquet"):
        read(tmp_path / "t.xlsx")
    with pytest.raises(BadInputError, match="cannot be read"):
        read(tmp_path / "t.csv")
