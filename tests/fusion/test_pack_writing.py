"""A pack is whole or not there, and the same bytes for the same input."""

import numpy as np
import pyarrow as pa
import pytest

from fusion.errors import PackError
from fusion.pack import Pack
from tests.fusion.small_packs import N, make_radar, make_samples, make_source, make_values, write


@pytest.mark.parametrize("chunk", [1, 7, 30])
def test_the_same_input_gives_the_same_bytes_however_it_is_cut(tmp_path, chunk):
    expected = write(tmp_path / "a", arrays={"s2": make_source(chunk=4)})
    digest = write(tmp_path / "b", arrays={"s2": make_source(chunk=chunk)})
    assert digest == expected
    for name in Pack.open(tmp_path / "a").manifest["files"]:
        assert (tmp_path / "a" / name).read_bytes() == (tmp_path / "b" / name).read_bytes()


def test_other_values_give_another_checksum(tmp_path):
    values = make_values()
    values[29, 1, 3, 3] += 1
    assert write(tmp_path / "a") != write(tmp_path / "b", arrays={"s2": make_source(values)})


def test_nan_is_refused_with_the_name_of_the_sample(tmp_path):
    values = np.ones((N, 2, 4, 4), dtype=np.float32)
    values[17, 1, 2, 3] = np.nan
    with pytest.raises(PackError, match="sample s017 holds NaN"):
        write(tmp_path / "toy-1", arrays={"s1": make_radar(values)})
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"chunks": [make_values()[:20]]}, "ended after 20 of 30"),
        ({"chunks": [make_values(), make_values()[:1]]}, "more than the 30"),
        ({"chunks": [make_values().astype(np.int16)]}, "int16"),
        ({"chunks": [make_values()[:, :1]]}, "was promised"),
        ({"bands": ("B4", "B99")}, "no band B99"),
        ({"dtype": "float128"}, "cannot be stored"),
        ({"bands": ("B4",)}, "1 labels of band for 2 places"),
        ({"dims": ("band", "y")}, "do not name the 3 axes"),
        ({"dims": ("band", "y", "y")}, "do not name the 3 axes"),
        ({"dims": ("band", "y", "width")}, "do not name the 3 axes"),
        ({"times": ("spring",)}, "1 labels of time for None places"),
        ({"scale": float("nan")}, "no finite number"),
        ({"present": np.ones(7, dtype=bool)}, "presence needs 30"),
        ({"present": np.zeros(N, dtype=bool)}, "no sample has it"),
    ],
)
def test_a_wrong_array_is_refused_and_leaves_nothing(tmp_path, changes, reason):
    with pytest.raises(PackError, match=reason):
        write(tmp_path / "toy-1", arrays={"s2": make_source(**changes)})
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"id": ["twice", "twice", *map(str, range(N - 2))]}, "twice"),
        ({"split": ["trian"] * N}, "trian"),
        ({"label": ["lava"] * N}, "'lava' is not among the codes water, dry"),
        ({"label": [None] * N}, "without a label"),
        ({"distribution": [[0.5, 0.1]] * N}, "sum to 1"),
        ({"distribution": [None] * N}, "sum to 1"),
        ({"distribution": [[1.5, -0.5]] * N}, "sum to 1"),
        ({"geometry": [b"here"] * N}, "WKB"),
        ({"captured_from": ["yesterday"] * N}, "captured_from"),
    ],
)
def test_wrong_samples_are_refused_and_leave_nothing(tmp_path, changes, reason):
    columns = {key: pa.array(value) for key, value in changes.items()}
    samples = make_samples()
    for key, column in columns.items():
        samples = samples.set_column(samples.column_names.index(key), key, column)
    with pytest.raises(PackError, match=reason):
        write(tmp_path / "toy-1", samples=samples)
    assert list(tmp_path.iterdir()) == []


def test_an_unused_sample_needs_no_label(tmp_path):
    samples = make_samples(
        split=["train"] * (N - 1) + [""],
        label=["water"] * (N - 1) + [None],
        distribution=[[1.0, 0.0]] * (N - 1) + [None],
    )
    write(tmp_path / "toy-1", samples=samples)
    pack = Pack.open(tmp_path / "toy-1")
    assert pack.labels()[-1] == -1
    assert pack.distribution()[-1].tolist() == [0, 0]


def test_a_version_is_never_written_over(tmp_path):
    write(tmp_path / "toy-1")
    with pytest.raises(PackError, match="next number"):
        write(tmp_path / "toy-1")
    Pack.open(tmp_path / "toy-1", verify=True)


def test_a_writer_that_fails_leaves_nothing_beside(tmp_path):
    def break_off():
        yield make_values()[:10]
        raise OSError(28, "No space left on device")

    with pytest.raises(PackError, match="No space left"):
        write(tmp_path / "toy-1", arrays={"s2": make_source(chunks=break_off())})
    assert list(tmp_path.iterdir()) == []
