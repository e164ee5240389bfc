"""So2Sat's HDF5: the shapes it has and no others; places of version 4 are those of the patches."""

import h5py
import numpy as np
import pytest

from fusion.errors import BadFileError
from fusion.sources.so2sat_hdf5 import inspect_so2sat, read_places, read_samples

COUNT = 12


def write(path, **replaced):
    rng = np.random.default_rng(1)
    held = {
        "sen1": rng.normal(0, 1, (COUNT, 32, 32, 8)),
        "sen2": rng.uniform(0, 0.4, (COUNT, 32, 32, 10)),
        "label": np.eye(17)[np.arange(COUNT)],
    } | replaced
    with h5py.File(path, "w") as file:
        for name, values in held.items():
            if values is not None:
                file[name] = values
    return path


def write_places(path, **replaced):
    lines = np.tile([10.0, 0.0, 0.0, -10.0, 600_005.0, 5_299_995.0], (COUNT, 1))
    held = {"epsg": np.full((COUNT, 1), 32632), "tfw": lines, "city": np.array([[b"Munich"]] * COUNT)} | replaced
    with h5py.File(path, "w") as file:
        for name, values in held.items():
            file[name] = values


def test_arrays_of_versions_1_to_3_are_taken(tmp_path):
    infos = {info.variable: info for info in inspect_so2sat(write(tmp_path / "training.h5"))}
    assert infos["sen1"].shape == (COUNT, 32, 32, 8)
    assert infos["sen2"].bands[-1] == "B12"
    assert infos["label"].bands[-1] == "G"
    assert 0 <= infos["sen2"].value_range[0] < infos["sen2"].value_range[1] <= 0.4
    assert "No places: versions 1 to 3 do not say them" in infos["sen1"].notes
    assert read_places(tmp_path / "training.h5") is None


def test_a_test_set_of_version_1_has_no_labels(tmp_path):
    infos = inspect_so2sat(write(tmp_path / "testing.h5", label=None))
    assert "It has no labels, as the test sets of version 1" in infos[0].notes


def test_samples_come_in_the_order_asked_with_bands_first(tmp_path):
    path = write(tmp_path / "training.h5")
    rows = [5, 1, 5, 11]
    values = read_samples(path, "sen2", rows)
    with h5py.File(path) as file:
        assert np.array_equal(values, np.moveaxis(file["sen2"][()][rows], -1, 1))
    assert read_samples(path, "label", rows).argmax(axis=1).tolist() == rows
    with pytest.raises(BadFileError, match="beyond its 12 samples"):
        read_samples(path, "sen2", [12])


@pytest.mark.parametrize("is_beside", [True, False])
def test_places_of_version_4_are_corners_of_patches(tmp_path, is_beside):
    path = write(tmp_path / "training.h5")
    if is_beside:
        write_places(tmp_path / "training_geo.h5")
    else:
        write_places(tmp_path / "geo.h5")
        with h5py.File(path, "a") as file, h5py.File(tmp_path / "geo.h5") as places:
            for name in places:
                file[name] = places[name][()]
    places = read_places(path)
    assert places.transform(0) == (10.0, 0.0, 600_000.0, 0.0, -10.0, 5_300_000.0)
    assert set(places.cities) == {"Munich"}
    assert f"Places of {COUNT} samples in 1 cities" in inspect_so2sat(path)[0].notes


@pytest.mark.parametrize(
    ("replaced", "words"),
    [
        ({"sen1": None, "sen2": None}, "neither sen1 nor sen2"),
        ({"sen2": np.zeros((COUNT, 16, 16, 10))}, "its sen2 has float64 of"),
        ({"sen1": np.zeros((COUNT + 1, 32, 32, 8))}, "the same number"),
        ({"label": np.ones((COUNT, 17))}, "one class of seventeen"),
        ({"sen1": np.full((COUNT, 32, 32, 8), np.nan)}, "not one value of it is valid"),
    ],
)
def test_what_is_not_so2sat_is_refused_by_name(tmp_path, replaced, words):
    with pytest.raises(BadFileError, match=r"training\.h5: ") as caught:
        inspect_so2sat(write(tmp_path / "training.h5", **replaced))
    assert words in str(caught.value)


@pytest.mark.parametrize(
    ("replaced", "words"),
    [
        ({"tfw": np.zeros((COUNT, 6))}, "pixel size that cannot be"),
        ({"tfw": np.zeros((COUNT - 1, 6))}, "its places are not"),
        ({"epsg": np.full((COUNT, 1), 32660)}, None),
    ],
)
def test_places_that_cannot_be_are_refused(tmp_path, replaced, words):
    path = write(tmp_path / "training.h5")
    write_places(tmp_path / "training_geo.h5", **replaced)
    if words is None:  # a wrong zone is another place on Earth, which nobody can tell
        assert read_places(path) is not None
        return
    with pytest.raises(BadFileError, match=words):
        inspect_so2sat(path)


def test_a_cut_file_is_refused(tmp_path):
    path = write(tmp_path / "training.h5")
    whole = path.read_bytes()
    for share in (0.0, 0.001, 0.3, 0.9):
        path.write_bytes(whole[: int(len(whole) * share)])
        with pytest.raises(BadFileError, match=r"training\.h5: cannot be read as HDF5"):
            inspect_so2sat(path)
