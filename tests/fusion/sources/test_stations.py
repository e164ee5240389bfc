"""Weather series: every row is read or named; times and places are those of the stations."""

import gzip
from datetime import UTC, datetime

import numpy as np
import pytest

from fusion.errors import BadFileError
from fusion.sources.stations import inspect_series, read_series

HEADER = "date,station,airT,rain,Latitude,Longitude\n"
ROWS = [
    "2026-05-01 00:00:00,north,8.5,0.0,48.2,11.5",
    "2026-05-01 01:00:00,north,-999,0.1,48.2,11.5",
    "2026-05-01 00:00:00,south,9.5,,48.0,11.6",
    "2026-05-01 01:00:00,south,NA,0.3,48.0,11.6",
]
UMEP = "%iy id it imin Wind Td\n2026 121 0 0 1.5 8.5\n2026 121 1 0 -999.00 9.0\n2026 121 24 0 2.0 9.5\n"


def table(folder, *rows, header=HEADER, name="air.csv"):
    path = folder / name
    path.write_text(header + "".join(f"{row}\n" for row in rows))
    return path


def test_stations_values_and_places_are_taken(tmp_path):
    series = read_series(table(tmp_path, *ROWS))
    info = series.info
    assert info.stations == ("north", "south")
    assert info.places == {"north": (11.5, 48.2), "south": (11.6, 48.0)}
    assert (info.variables, info.rows, info.step_s) == (("airT", "rain"), 4, 3600.0)
    assert info.captured_from == datetime(2026, 5, 1, tzinfo=UTC)
    assert info.ranges["airT"] == (8.5, 9.5)
    assert info.missing_share["airT"] == 0.5
    times, values = series.of("south")
    assert times.astype(str).tolist() == ["2026-05-01T00:00:00", "2026-05-01T01:00:00"]
    assert values[0, 0] == np.float32(9.5)
    assert np.isnan(values[1, 0])


def test_a_packed_table_is_the_same(tmp_path):
    plain = table(tmp_path, *ROWS)
    packed = tmp_path / "air.csv.gz"
    packed.write_bytes(gzip.compress(plain.read_bytes()))
    assert np.array_equal(read_series(packed).values, read_series(plain).values, equal_nan=True)


def test_umep_forcing_is_read_with_day_of_the_year_and_hour_24(tmp_path):
    path = tmp_path / "met.txt"
    path.write_text(UMEP)
    series = read_series(path)
    assert series.info.variables == ("Wind", "Td")
    assert series.times.astype(str).tolist() == ["2026-05-01T00:00:00", "2026-05-01T01:00:00", "2026-05-02T00:00:00"]
    assert np.isnan(series.values[1, 0])
    assert "local" in series.info.notes[0]


def test_times_with_a_zone_become_utc(tmp_path):
    path = table(tmp_path, "2026-05-01T02:00:00+02:00,1.0", header="time,airT\n")
    assert read_series(path).info.captured_from == datetime(2026, 5, 1, tzinfo=UTC)
    assert read_series(path).info.stations == ("station",)


BAD = [
    (["2026-05-01 00:00:00,north,warm,0,48,11"], "warm"),
    (["2026-05-01 00:00:00,north,1"], "row 2 has 3 cells, the header 6"),
    (["yesterday,north,1,0,48,11"], "not ISO 8601"),
    ([",north,1,0,48,11"], "row 2 has no time"),
    (["2026-05-01 00:00:00,,1,0,48,11"], "a row without one"),
    (["2026-05-01 00:00:00,north,1,0,148,11"], "station 'north' has a place that cannot be"),
    ([ROWS[0], "2026-05-01 01:00:00,north,1,0,50.0,11.5"], "station 'north' has several places"),
    (["2026-05-01 00:00:00,north,,,48,11"], "not one of its values is a number"),
    ([], "0 rows"),
]


@pytest.mark.parametrize(("rows", "words"), BAD)
def test_a_bad_row_is_named_and_nothing_is_taken(tmp_path, rows, words):
    with pytest.raises(BadFileError, match=r"^air\.csv: ") as caught:
        inspect_series(table(tmp_path, *rows))
    assert words in str(caught.value)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "it is empty"),
        (b"a,b\n1,2\n", "no column of times"),
        (b"date,date\n1,2\n", "same name"),
        (b"date,station\n2026-05-01,a\n", "no column of numbers"),
        ("date,airT\n2026-05-01,1\n".encode("utf-16"), "NUL bytes"),
        (b"date,airT\n2026-05-01,\xff\n", "not UTF-8"),
        (gzip.compress(bytes(10**7), mtime=0), "unpacks to, more than"),
        (gzip.compress(b"date,airT\n2026-05-01,1\n", mtime=0)[:-9], "damaged"),
        (UMEP.replace("1.5", "a").encode(), "could not convert"),
        (UMEP.replace(" 1.5", "").encode(), "column"),
        (UMEP.replace(" 121 ", " 400 ").encode(), "row 2 has a time that cannot be"),
    ],
)
def test_what_is_no_series_is_refused_by_name(tmp_path, content, words):
    (tmp_path / "air.csv").write_bytes(content)
    with pytest.raises(BadFileError, match=r"^air\.csv: ") as caught:
        inspect_series(tmp_path / "air.csv")
    assert words in str(caught.value)
