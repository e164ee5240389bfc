"""Files of predictions: every form gives the same array, and every bad one is refused with its rows."""

import io
import pickle
import tracemalloc
import zipfile

import numpy as np
import pytest

from fusion.errors import BadInputError
from geoquorum.training import prediction_files
from geoquorum.training.held_out import draw_public
from geoquorum.training.prediction_files import read_listed, read_predictions
from tests.geoquorum.training.predicting import LCZ, held_out, predict, write_csv, write_npy, write_npz

HELD = held_out(20)
SHARES = predict(HELD.truth, right=0.7)
ONE_HOT = np.eye(17)[SHARES.argmax(axis=1)]
IDS = np.array(HELD.ids)


def read(tmp_path, name, content, held=HELD):
    path = tmp_path / name
    path.write_bytes(content)
    return read_predictions(path, held)


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("plain.csv", write_csv(SHARES)),
        ("header.csv", write_csv(SHARES, header=True)),
        ("ids.csv", write_csv(SHARES, ids=HELD.ids)),
        ("both.CSV", write_csv(SHARES, ids=HELD.ids, header=True)),
        ("marked.csv", b"\xef\xbb\xbf" + write_csv(SHARES, ids=HELD.ids, header=True).replace(b"\n", b"\r\n")),
        ("array.npy", write_npy(SHARES)),
        ("fortran.npy", write_npy(np.asfortranarray(SHARES))),
        ("swapped.npy", write_npy(SHARES.astype(">f8"))),
        ("named.npz", write_npz(probabilities=SHARES)),
        ("only.npz", write_npz(anything=SHARES)),
        ("ids.npz", write_npz(probabilities=SHARES, ids=IDS)),
        ("bytes.npz", write_npz(probabilities=SHARES, ids=IDS.astype("S"))),
    ],
)
def test_every_form_gives_the_same_numbers_to_the_last_digit(tmp_path, name, content):
    assert np.array_equal(read(tmp_path, name, content), SHARES)


def test_one_hot_rows_are_taken_as_whole_numbers(tmp_path):
    rows = "\n".join(",".join(str(int(value)) for value in row) for row in ONE_HOT)
    assert np.array_equal(read(tmp_path, "hot.csv", rows.encode()), ONE_HOT)
    assert np.array_equal(read(tmp_path, "hot.npy", write_npy(ONE_HOT.astype(bool))), ONE_HOT)
    assert np.array_equal(read_listed(ONE_HOT.tolist(), list(HELD.ids), HELD), ONE_HOT)


def test_a_header_in_another_order_moves_the_columns(tmp_path):
    order = list(reversed(range(17)))
    lines = [",".join(LCZ.codes[place] for place in order)]
    lines += [",".join(f"{row[place]:.17g}" for place in order) for row in SHARES]
    assert np.array_equal(read(tmp_path, "turned.csv", "\n".join(lines).encode()), SHARES)


def spoil(row, column, value):
    spoilt = SHARES.copy()
    spoilt[row, column] = value
    return spoilt


def cut(content, line, change):
    lines = content.decode().splitlines()
    lines[line] = change(lines[line])
    return "\n".join(lines).encode()


SWAPPED = [HELD.ids[1], HELD.ids[0], *HELD.ids[2:]]
DOUBLED = [*HELD.ids[:5], HELD.ids[2], *HELD.ids[6:]]
STRANGE = [*HELD.ids[:4], "elsewhere", *HELD.ids[5:]]
UNEVEN = SHARES * np.where(np.arange(20) == 4, 1.2, 1.0)[:, None]
FAULTS = [
    ("few.csv", cut(write_csv(SHARES), 16, lambda line: line.rsplit(",", 1)[0]), "row 17 has 16 values, needs 17"),
    ("sum.csv", write_csv(UNEVEN), "row 5 sums to 1.2, must sum to 1"),
    ("sum.npy", write_npy(UNEVEN), "row 5 sums to 1.2, must sum to 1"),
    ("nan.csv", write_csv(spoil(2, 6, np.nan)), "row 3 has NaN for class 7"),
    ("nan.npz", write_npz(probabilities=spoil(2, 6, np.nan)), "row 3 has NaN for class 7"),
    ("inf.csv", write_csv(spoil(2, 6, np.inf)), "row 3 has inf for class 7"),
    ("below.npy", write_npy(spoil(7, 0, -0.2)), "row 8 has -0.2 for class 1"),
    ("word.csv", cut(write_csv(SHARES), 8, lambda line: "water," + line.split(",", 1)[1]), "row 9 has 'water' for"),
    ("strange.csv", write_csv(SHARES, ids=STRANGE), "row 5 names a sample that is not in the test split: 'elsewhere'"),
    ("strange.npz", write_npz(probabilities=SHARES, ids=np.array(STRANGE)), "not in the test split: 'elsewhere'"),
    ("doubled.csv", write_csv(SHARES, ids=DOUBLED), "row 6 names sample 's2' again, first in row 3"),
    ("order.csv", write_csv(SHARES, ids=SWAPPED), "row 1 is sample 's1' where the test order has 's0'"),
    ("short.csv", write_csv(SHARES[:-1]), "row 20 is missing: there are 19 rows for 20 samples"),
    ("long.csv", write_csv(np.vstack([SHARES, SHARES[:3]])), "row 21 is one too many: there are 23 rows for 20"),
    ("none.csv", b"", "row 1 is missing: there are 0 rows for 20"),
    ("short.npy", write_npy(SHARES[:-1]), r"its shape is \[19, 17\], needs \[20, 17\]"),
    ("wide.npy", write_npy(np.ones((20, 18))), r"its shape is \[20, 18\]"),
    ("latin.csv", b"id,\xe9\n", "line 1 is not UTF-8"),
    ("quote.csv", b'"1,2\n', "line 1 is no line of CSV"),
    ("endless.csv", b"1," * 40_000, "line 1 is longer than 65,536 bytes"),
    ("text.npy", b"1,0,0\n", "is no array of numpy"),
    ("words.npy", write_npy(np.array(["a"] * 20)), "predictions are numbers"),
    ("cut.npy", write_npy(SHARES)[:-9], "is cut short"),
    ("cut.npz", write_npz(probabilities=SHARES)[:-30], "is no whole .npz file"),
    ("other.npz", write_npz(a=SHARES, b=SHARES), "has no array 'probabilities'; it has 'a', 'b'"),
    ("many.npz", write_npz(**{f"a{n}": SHARES for n in range(5)}), "has more than 4 arrays"),
    ("ids.npz", write_npz(probabilities=SHARES, ids=IDS[:-1]), r"its shape is \[19\], needs \[20\]"),
    ("numbers.npz", write_npz(probabilities=SHARES, ids=np.arange(20)), "ids short texts"),
    ("sheet.xlsx", b"PK", "is none of .csv, .npy, .npz"),
]


@pytest.mark.parametrize(("name", "content", "reason"), FAULTS, ids=[fault[0] for fault in FAULTS])
def test_a_bad_file_is_refused_with_what_is_wrong_and_where(tmp_path, name, content, reason):
    with pytest.raises(BadInputError, match=reason) as caught:
        read(tmp_path, name, content)
    assert str(caught.value).startswith(name)


def test_all_bad_rows_are_told_up_to_twenty(tmp_path):
    held = held_out(100)
    with pytest.raises(BadInputError) as caught:
        read(tmp_path, "all.csv", write_csv(np.full((100, 17), 0.5)), held)
    assert str(caught.value).count("sums to 8.5") == 20
    assert "; and 80 more. Nothing was taken." in str(caught.value)


def test_rows_that_come_as_json_are_told_alike():
    with pytest.raises(BadInputError, match="row 2 has 3 values, needs 17; row 3 has NaN for class 1"):
        read_listed([SHARES[0], [1, 2, 3], [float("nan")] * 17, *SHARES[3:]], None, HELD)
    with pytest.raises(BadInputError, match="19 ids for 20 rows"):
        read_listed(SHARES.tolist(), list(HELD.ids[1:]), HELD)


def test_pickled_objects_are_never_loaded(tmp_path):
    """Row E1's rule for predictions: a pickle in an array would run what it likes."""

    class Trap:
        def __reduce__(self):
            return (open, (str(tmp_path / "sprung"), "w"))

    content = io.BytesIO()
    np.save(content, np.array([Trap()] * 20, dtype=object), allow_pickle=True)
    for name, body in (("trap.npy", content.getvalue()), ("raw.npy", pickle.dumps(Trap()))):
        with pytest.raises(BadInputError):
            read(tmp_path, name, body)
    assert not (tmp_path / "sprung").exists()


def test_a_small_file_that_unpacks_to_a_large_one_takes_no_memory(tmp_path):
    """An .npz of zeros says 8 GB in 8 MB; its header is read and nothing else."""
    path = tmp_path / "bomb.npz"
    header = io.BytesIO()
    np.lib.format.write_array_header_1_0(header, {"descr": "<f8", "fortran_order": False, "shape": (10**8, 17)})
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive, archive.open("probabilities.npy", "w") as file:
        file.write(header.getvalue())
        for _ in range(64):
            file.write(bytes(1 << 20))
    tracemalloc.start()
    with pytest.raises(BadInputError, match=r"its shape is \[100000000, 17\]"):
        read_predictions(path, HELD)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 2_000_000


def test_a_file_beyond_the_limit_is_not_read(tmp_path, monkeypatch):
    monkeypatch.setattr(prediction_files, "MOST_BYTES", 1 << 20)
    with pytest.raises(BadInputError, match="larger than 1 MiB"):
        read(tmp_path, "large.csv", bytes((1 << 20) + 1))


def test_the_public_rows_are_whole_blocks_near_their_share_and_drawn_by_the_seed():
    held = held_out(400)
    rows = draw_public(held.blocks, share=0.3, seed=4)
    parts = {}
    for block, is_public in zip(held.blocks, rows.tolist(), strict=True):
        parts.setdefault(block, set()).add(is_public)
    assert all(len(found) == 1 for found in parts.values())
    assert abs(rows.mean() - 0.3) < 0.01
    assert np.array_equal(rows, draw_public(held.blocks, share=0.3, seed=4))
    assert not np.array_equal(rows, draw_public(held.blocks, share=0.3, seed=5))
    with pytest.raises(BadInputError, match="3 are too few"):
        draw_public(("a", "b", "c"), share=0.5, seed=0)
    assert draw_public(tuple("abcd"), share=0.01, seed=0).sum() == draw_public(tuple("abcd"), share=0.99, seed=0).sum()
