"""What holds for every exporter: same bytes from the same pack, no row lost, broken copies refused."""

import csv
import hashlib
import shutil
import subprocess
import tarfile
from datetime import UTC, datetime

import h5py
import numpy as np
import pyarrow as pa
import pytest
import shapely

from annotation import exporter, snapshot
from annotation.exchange.kml import read_file
from annotation.exporters import votes_csv
from fusion import grid, modality
from fusion.errors import BadInputError, PackError
from fusion.pack import Pack, TargetSpec
from fusion.scheme import find

EXPORTERS = sorted(exporter.load_all())
CODES = find("lcz17").codes
SPLITS = ["train", "test", "train", "validation", "train", ""]
CELLS = ["32N-320-1875-16730", "32N-320-1876-16730", None, "33S-320-1000-20000", "", None]


def draw_arrays(n):
    rng = np.random.default_rng(0)
    sen1 = rng.normal(0, 0.3, (n, 8, 32, 32)).astype(np.float32)
    sen2 = rng.integers(1, 9000, (n, 10, 32, 32), dtype=np.uint16)
    sen2[0, 0, 0, 0] = 0
    return {"sentinel1": sen1, "sentinel2": sen2}


def make_reader(name, values):
    kind = modality.find(name)
    return snapshot.ArrayReader(
        modality=name,
        dims=("band", "y", "x"),
        dtype=str(values.dtype),
        bands=kind.band_names,
        shape=values.shape[1:],
        read=lambda rows: values[rows],
        offset=-1000 if name == "sentinel2" else None,
    )


def make_samples():
    labels = np.array([0, 16, 6, 9, 16, 1])
    shares = np.full((6, 17), 0.01, np.float32)
    shares[np.arange(6), labels] = 0.84
    return pa.table(
        {
            "id": [f"s{row}" for row in range(6)],
            "split": SPLITS,
            "label": [CODES[label] for label in labels],
            "distribution": shares.tolist(),
            "votes": [*np.eye(17, dtype=np.int32)[labels[:5]].tolist(), None],
            "cell": CELLS,
            "city": ["Köln", "Bex", None, "Cod", "Dor", None],
        }
    )


@pytest.fixture(scope="module")
def pack(tmp_path_factory):
    folder = tmp_path_factory.mktemp("packs") / "v1"
    frozen = snapshot.freeze(
        make_samples(),
        arrays={name: make_reader(name, values) for name, values in draw_arrays(6).items()},
        targets={"lcz17": TargetSpec(head="classes", scheme="lcz17")},
        provenance={"simulated": True},
    )
    frozen.write(folder, name="demo", number=1, seed=0)
    return folder


@pytest.fixture(scope="module")
def votes():
    rng = np.random.default_rng(1)
    order = rng.permutation(12)
    decided = datetime(2026, 3, 1, 12, 0, 0, 500_000, tzinfo=UTC)
    rows = [
        {
            "vote": f"v{row:02d}",
            "sample": f"s{row % 6}",
            "voter": f"=p{row // 6}",
            "round": 1,
            "answer": "A",
            "decided_at": decided,
        }
        | ({"answer": None, "skip_reason": "6"} if row == 3 else {"sure": row % 2 == 0, "seconds": row / 3})
        for row in order
    ]
    return pa.Table.from_pylist(rows, schema=exporter.VOTE_SCHEMA)


@pytest.fixture(scope="module", params=EXPORTERS)
def export(request, pack, votes, tmp_path_factory):
    """An exporter, its folder, and the files that it said it wrote."""
    kind = exporter.find(request.param)
    folder = tmp_path_factory.mktemp(request.param) / "out"
    return kind, folder, kind.export(pack, folder, votes)


def test_every_file_is_listed_with_its_checksum(export):
    _, folder, files = export
    assert {file.path for file in files} == {
        path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()
    }
    for file in files:
        data = (folder / file.path).read_bytes()
        assert (len(data), hashlib.sha256(data).hexdigest()) == (file.bytes, file.sha256)
    subprocess.run(["sha256sum", "--check", "--strict", exporter.SUMS], cwd=folder, check=True, capture_output=True)


def test_the_same_pack_gives_the_same_bytes(export, pack, votes, tmp_path):
    kind, _, files = export
    turned = votes.take(list(reversed(range(votes.num_rows))))
    assert kind.export(pack, tmp_path / "again", turned) == files


def test_a_broken_copy_is_refused(export, tmp_path):
    kind, folder, files = export
    for file in files:
        broken = tmp_path / file.path.replace("/", "_")
        shutil.copytree(folder, broken)
        with open(broken / file.path, "r+b") as handle:
            handle.truncate(file.bytes // 2)
        with pytest.raises(BadInputError):
            kind.validate(broken)


def test_the_format_itself_is_checked_and_not_only_checksums(export, tmp_path):
    kind, folder, files = export
    kind.check(folder)
    shutil.copytree(folder, tmp_path / "cut")
    first = tmp_path / "cut" / files[0].path
    first.write_bytes(first.read_bytes()[: files[0].bytes * 2 // 3])
    with pytest.raises(BadInputError):
        kind.check(tmp_path / "cut")


def test_a_missing_and_a_foreign_file_are_refused(export, tmp_path):
    kind, folder, files = export
    shutil.copytree(folder, tmp_path / "more")
    (tmp_path / "more" / "stranger.txt").write_text("hello")
    with pytest.raises(BadInputError, match=r"stranger\.txt"):
        kind.validate(tmp_path / "more")
    shutil.copytree(folder, tmp_path / "less")
    (tmp_path / "less" / files[0].path).unlink()
    with pytest.raises(BadInputError, match="missing"):
        kind.validate(tmp_path / "less")


def test_nothing_is_left_where_an_export_fails(export, pack, votes, tmp_path):
    kind, folder, _ = export
    with pytest.raises(BadInputError, match="exists already"):
        kind.export(pack, folder, votes)
    damaged = tmp_path / "damaged"
    shutil.copytree(pack, damaged)
    with open(damaged / "samples.parquet", "r+b") as handle:
        handle.write(b"XXXX")
    with pytest.raises(PackError, match="damaged"):
        kind.export(damaged, tmp_path / "out", votes)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["damaged"]


def test_so2sat_files_hold_every_used_sample_in_the_documented_layout(pack, tmp_path):
    exporter.find("so2sat_hdf5").export(pack, tmp_path / "h5")
    arrays = draw_arrays(6)
    for split, name in {"train": "training", "validation": "validation", "test": "testing"}.items():
        rows = [row for row, own in enumerate(SPLITS) if own == split]
        with h5py.File(tmp_path / "h5" / f"{name}.h5") as file:
            assert {key: file[key].dtype for key in file} == dict.fromkeys(
                ("label", "label_distr", "sen1", "sen2", "votes"), np.dtype("<f8")
            )
            assert file["sen1"].shape == (len(rows), 32, 32, 8)
            assert file["sen2"].shape == (len(rows), 32, 32, 10)
            assert file["sen2"].chunks == (1, 32, 32, 10)
            np.testing.assert_allclose(file["sen1"][:, 3, 4, 5], arrays["sentinel1"][rows, 5, 3, 4])
            np.testing.assert_allclose(
                file["sen2"][:, 3, 4, 9], (arrays["sentinel2"][rows, 9, 3, 4] - 1000.0) * 1e-4, atol=1e-12
            )
            labels = Pack.open(pack).labels()[rows]
            assert file["label"][...].argmax(1).tolist() == labels.tolist()
            assert file["votes"][...].argmax(1).tolist() == labels.tolist()
            np.testing.assert_allclose(file["label_distr"][...].sum(1), 1, atol=1e-5)


def test_so2sat_sets_missing_pixels_to_zero(pack, tmp_path):
    exporter.find("so2sat_hdf5").export(pack, tmp_path / "h5")
    with h5py.File(tmp_path / "h5" / "training.h5") as file:
        assert file["sen2"][0, 0, 0, 0] == 0
        assert (file["sen2"][0, ..., 0] != 0).sum() >= 32 * 32 - 2


def test_so2sat_places_are_those_of_the_cells_and_marked_where_there_are_none(pack, tmp_path):
    exporter.find("so2sat_hdf5").export(pack, tmp_path / "h5")
    with h5py.File(tmp_path / "h5" / "training_geo.h5") as file:
        assert file["epsg"][...].tolist() == [[32632], [0], [0]]
        west, _, _, north = grid.parse_cell(CELLS[0]).bounds
        assert file["tfw"][0].tolist() == [10, 0, 0, -10, west + 5, north - 5]
        assert file["tfw"][1].tolist() == [0] * 6
        assert [city.decode() for city in file["city"][:, 0]] == ["Köln", "", "Dor"]
    with h5py.File(tmp_path / "h5" / "validation_geo.h5") as file:
        assert file["epsg"][0, 0] == 32733


def test_so2sat_refuses_what_its_layout_cannot_hold(tmp_path):
    def write(name, scheme, arrays):
        labels = pa.array([find(scheme).codes[0]])
        shares = np.eye(len(find(scheme)))[:1].tolist()
        frozen = snapshot.freeze(
            pa.table({"id": ["s"], "split": ["train"], "label": labels, "distribution": shares}),
            arrays={key: make_reader(key, values) for key, values in arrays.items()},
            targets={"label": TargetSpec(head="classes", scheme=scheme)},
            provenance={},
        )
        frozen.write(tmp_path / name, name=name, number=1, seed=0)
        return tmp_path / name

    export = exporter.find("so2sat_hdf5").export
    both = draw_arrays(1)
    with pytest.raises(BadInputError, match="scheme 'water'"):
        export(write("water", "water", both), tmp_path / "out")
    with pytest.raises(BadInputError, match="one array of sentinel1; this release has none"):
        export(write("optical", "lcz17", {"sentinel2": both["sentinel2"]}), tmp_path / "out")
    small = {name: values[:, :, :16, :16] for name, values in both.items()}
    with pytest.raises(BadInputError, match=r"\[8, 32, 32\]"):
        export(write("small", "lcz17", {k: np.ascontiguousarray(v) for k, v in small.items()}), tmp_path / "out")


def test_labels_that_are_not_one_hot_are_found(pack, tmp_path):
    kind = exporter.find("so2sat_hdf5")
    kind.export(pack, tmp_path / "h5")
    with h5py.File(tmp_path / "h5" / "testing.h5", "r+") as file:
        file["label"][0, 3] = 1
    with pytest.raises(BadInputError, match="one-hot"):
        kind.check(tmp_path / "h5")


def test_the_tar_unpacks_to_the_same_pack(pack, tmp_path):
    exporter.find("pack").export(pack, tmp_path / "tar")
    with tarfile.open(tmp_path / "tar" / "demo-1.tar") as archive:
        archive.extractall(tmp_path, filter="data")
    assert Pack.open(tmp_path / "demo-1", sha256=Pack.open(pack).sha256, verify=True).samples.num_rows == 6


def test_votes_csv_has_a_row_per_vote_with_formulas_disarmed(pack, votes, tmp_path):
    exporter.find("votes_csv").export(pack, tmp_path / "csv", votes)
    with open(tmp_path / "csv" / "votes.csv", encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert list(rows[0]) == exporter.VOTE_SCHEMA.names
    assert len(rows) == votes.num_rows
    assert [row["vote"] for row in rows[:3]] == ["v00", "v06", "v01"]
    by_vote = {row["vote"]: row for row in rows}
    assert by_vote["v01"] | {"seconds": "0.333", "sure": "0", "voter": "'=p0", "skip_reason": ""} == by_vote["v01"]
    assert by_vote["v03"] | {"answer": "", "skip_reason": "6", "sure": "", "seconds": ""} == by_vote["v03"]
    assert by_vote["v06"]["decided_at"] == "2026-03-01T12:00:00.500000Z"


@pytest.mark.parametrize("text", ["=1+1", "+1", "-1", "@SUM(A1)", "\tx", "\rx", "\nx"])
def test_every_start_of_a_formula_is_disarmed(text):
    assert votes_csv.format_cells(pa.array([text, "A", 'say "=1"', None])).to_pylist() == [
        f"'{text}",
        "A",
        'say "=1"',
        "",
    ]


def test_text_that_breaks_lines_and_quotes_survives_the_csv(pack, tmp_path):
    odd = 'x"\n=1,\r\n"'
    one = pa.Table.from_pylist([{"vote": odd, "sample": "s0", "voter": "p", "answer": "A"}])
    exporter.find("votes_csv").export(pack, tmp_path / "csv", one)
    with open(tmp_path / "csv" / "votes.csv", encoding="utf-8", newline="") as file:
        assert next(csv.DictReader(file))["vote"] == odd


def test_votes_csv_refuses_votes_that_are_missing_or_foreign(pack, votes, tmp_path):
    export = exporter.find("votes_csv").export
    with pytest.raises(BadInputError, match="needs the votes"):
        export(pack, tmp_path / "csv")
    with pytest.raises(BadInputError, match="lacks column voter"):
        export(pack, tmp_path / "csv", votes.drop_columns("voter"))
    foreign = pa.Table.from_pylist([{"vote": "v", "sample": "elsewhere", "voter": "p", "answer": "A"}])
    with pytest.raises(BadInputError, match="'elsewhere' has votes and is not in the release"):
        export(pack, tmp_path / "csv", foreign)


def test_footprints_go_into_one_kml_per_city_and_samples_without_one_are_listed(tmp_path):
    square = grid.parse_cell("32N-320-1875-16730").footprint
    samples = make_samples().append_column("geometry", pa.array([shapely.to_wkb(square), *[None] * 5], pa.binary()))
    frozen = snapshot.freeze(
        samples,
        arrays={name: make_reader(name, values) for name, values in draw_arrays(6).items()},
        targets={"lcz17": TargetSpec(head="classes", scheme="lcz17")},
        provenance={"simulated": True},
    )
    frozen.write(tmp_path / "v1", name="demo", number=1, seed=0)
    exporter.find("kml").export(tmp_path / "v1", tmp_path / "kml")
    (area,) = read_file(tmp_path / "kml" / "Köln.kml", find("lcz17")).areas
    assert read_file(tmp_path / "kml" / "Köln.kmz", find("lcz17")).areas == (area,)
    assert (area.code, area.name, area.sample) == ("1", "1a", "s0")
    assert area.polygon.symmetric_difference(square).area < 1e-9
    listed = (tmp_path / "kml" / "without_place.csv").read_text().splitlines()
    assert [line.split(",")[0] for line in listed] == ["sample", "s1", "s2", "s3", "s4", "s5"]
