"""From consensus to a pack: sorted, complete, repeatable."""

import numpy as np
import pyarrow as pa
import pytest

from annotation import consensus, snapshot, votes
from fusion.errors import BadInputError
from fusion.pack import Pack, TargetSpec
from fusion.scheme import find

WATER = find("water")


def make_consensus():
    table = votes.from_records(
        sample=["s3", "s3", "s1", "s1", "s2", "s2"],
        voter=["ann", "bob"] * 3,
        answer=["dry", "dry", "water", "water", "water", "dry"],
        codes=WATER.codes,
    )
    return consensus.run("majority", table), table


def make_reader(seen=None):
    """Samples of one pixel whose value tells the row number."""

    def read(rows):
        if seen is not None:
            seen.extend(rows.tolist())
        return (rows[:, None, None, None] * np.ones((1, 10, 2, 2))).astype(np.uint16)

    return snapshot.ArrayReader(
        modality="sentinel2",
        dims=("band", "y", "x"),
        dtype="uint16",
        bands=("B2", "B3", "B4", "B5", "B6", "B7", "B8", "B8A", "B11", "B12"),
        shape=(10, 2, 2),
        read=read,
    )


def freeze(samples, reader=None):
    return snapshot.freeze(
        samples,
        arrays={"sentinel2": reader or make_reader()},
        targets={"water": TargetSpec(head="classes", scheme="water")},
        provenance={"simulated": True, "seed": 1},
    )


def make_samples():
    labels = snapshot.describe_labels(*make_consensus(), WATER.codes)
    return labels.append_column("split", pa.array(["train", "test", "train"]))


def test_labels_are_described_in_the_packs_columns():
    rows = {row["id"]: row for row in snapshot.describe_labels(*make_consensus(), WATER.codes).to_pylist()}
    assert rows["s1"]["label"] == "water"
    assert rows["s1"]["distribution"] == [1, 0]
    assert rows["s1"]["flags"] == ["settled"]
    assert rows["s2"]["votes"] == [1, 1]
    assert rows["s2"]["flags"] == ["disputed", "tie"]
    assert rows["s2"]["entropy"] == pytest.approx(np.log(2))
    assert rows["s3"]["agreement"] == 1


def test_votes_of_another_table_are_refused():
    result, _ = make_consensus()
    other = votes.from_records(sample=["x"], voter=["ann"], answer=["dry"], codes=WATER.codes)
    with pytest.raises(BadInputError, match="not those of this consensus"):
        snapshot.describe_labels(result, other, WATER.codes)


def test_a_snapshot_becomes_a_pack_with_every_row_and_value(tmp_path, monkeypatch):
    monkeypatch.setattr(snapshot, "ROWS_PER_READ", 2)
    seen = []
    digest = freeze(make_samples(), make_reader(seen)).write(tmp_path / "v1", name="demo", number=1, seed=3)
    pack = Pack.open(tmp_path / "v1", sha256=digest, verify=True)
    assert pack.samples.column("id").to_pylist() == ["s1", "s2", "s3"]
    assert pack.labels().tolist() == [0, 0, 1]
    assert pack.array("sentinel2").gather([2])[0, 0, 0, 0] == 2
    assert seen == [0, 1, 2]
    assert pack.manifest["provenance"]["simulated"] is True


def test_the_order_in_which_samples_come_does_not_matter(tmp_path):
    samples = make_samples()
    one = freeze(samples).write(tmp_path / "a", name="demo", number=1, seed=3)
    other = freeze(samples.take([2, 0, 1])).write(tmp_path / "b", name="demo", number=1, seed=3)
    assert one == other


def test_a_sample_given_twice_and_an_empty_release_are_refused():
    samples = make_samples()
    with pytest.raises(BadInputError, match="'s1' is in the release twice"):
        freeze(pa.concat_tables([samples, samples.slice(0, 1)]))
    with pytest.raises(BadInputError, match="at least one sample"):
        freeze(samples.slice(0, 0))


def write_one(folder, samples, reader):
    frozen = snapshot.freeze(samples, arrays={"a": reader}, targets={}, provenance={})
    frozen.write(folder / "v1", name="demo", number=1, seed=0)
    return Pack.open(folder / "v1", verify=True)


def test_a_series_of_a_cube_keeps_its_dates_and_wavelengths(tmp_path):
    values = np.random.default_rng(0).integers(1, 9000, (3, 2, 4, 3, 3)).astype(np.int16)
    waves, times = (450.5, 560.0, None, 2200.0), ("2024-06-01", "2024-07-03")
    reader = snapshot.ArrayReader(
        modality="hyperspectral",
        dims=("time", "band", "y", "x"),
        dtype="int16",
        bands=("b001", "b002", "b003", "b004"),
        shape=values.shape[1:],
        read=values.__getitem__,
        times=times,
        wavelengths_nm=waves,
    )
    array = write_one(tmp_path, make_samples(), reader).array("a")
    assert array.times == times
    assert [band.wavelength_nm for band in array.modality.bands] == list(waves)
    assert np.array_equal(array.gather([2, 0]), values[[2, 0]])


def test_photos_of_any_size_go_in_and_a_sample_without_one_has_none(tmp_path, monkeypatch):
    monkeypatch.setattr(snapshot, "ROWS_PER_READ", 2)
    photos = [np.full((2 + row, 4 - row, 3), 50 * row, np.uint8) for row in range(3)]
    reader = snapshot.ArrayReader(
        modality="street_view",
        dims=("y", "x", "band"),
        dtype="uint8",
        bands=("red", "green", "blue"),
        shape=(None, None, 3),
        read=lambda rows: [photos[row] for row in rows],
        present=np.array([True, False, True]),
    )
    pack = write_one(tmp_path, make_samples(), reader)
    array = pack.ragged("a")
    assert [array[row].shape for row in range(3)] == [(2, 4, 3), (0, 0, 3), (4, 2, 3)]
    assert np.array_equal(array[2], photos[2])
    assert pack.present("a").tolist() == [True, False, True]
