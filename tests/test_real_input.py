"""The whole path on real pixels: files, hand label, votes, consensus, dataset version, training, report.

The files are one chip of Sen1Floods11 (Bonafilia et al. 2020, CVPRW; Spain, flood of September 2019) and one
Sentinel-2 scene as Major-TOM gives it. This proves the path on real files, not an accuracy: one chip of 4 x 5 km has
one landscape, and its labels were drawn by people looking at the same Sentinel-2 pixels.

Samples are 160 m, 16 x 16 pixels of 10 m. At 320 m the chip gives 166 cells, of which a spatial split with a buffer
leaves some 30 to train on and half are mixed; at 160 m it gives 746, and Sen2LCZ's three halvings still leave 2 x 2
pixels. Mixed cells stay in, with the shares of water and dry as what each expert sees.
"""

import io
import json
from collections import Counter
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest
from django.core.management import call_command
from PIL import Image

from annotation.panel import make_panel
from fusion import grid, splits
from fusion import scheme as schemes
from fusion.pack import Pack
from fusion.source import RasterFile
from fusion.sources import geotiff
from geoquorum.campaigns import services as campaigns
from geoquorum.campaigns.models import ConsensusRun, Vote
from geoquorum.catalog import pictures, pixels
from geoquorum.catalog import services as catalog
from geoquorum.catalog.models import Reference, Region, Sample, Scene
from geoquorum.releases import services as releases
from geoquorum.training import services as training
from geoquorum.training.models import Checkpoint, Score
from tests import given

pytestmark = pytest.mark.django_db

SCHEME = schemes.find("water")
CELL_M, PIXELS = 160, 16
LEAST_KNOWN = 0.95  # of a cell's pixels: below it the hand label says too little
EXPERTS, SEED = 10, 1
BLOCK_M, BUFFER_M = 640.0, 320.0  # centre to centre: one free ring of cells between the splits
CHIP = "s1s2-coregistered-flood/Spain_7370579_{}Hand.tif"
# Bands of the file in its order; the three 60 m bands are no bands of the modality and stay out.
CHIP_BANDS = "B1,B2,B3,B4,B5,B6,B7,B8,B8A,B9,B10,B11,B12"
MAJOR_TOM = "s2-l2a-scene-cloudmask/S2A_MSIL2A_20220706T085611_N0400_R007_T33NZA_20220706T153419"
SPEC = {"epochs": 20, "batch_size": 32, "threads": 1, "device": "cpu", "resamples": 500, "seed": SEED}


@pytest.fixture
def chip(real_data: Path, settings, tmp_path: Path) -> dict[str, Path]:
    """The chip's files by name: S1, S2, Label. Packs and runs go to a folder of their own."""
    settings.GEOQUORUM_DATA = tmp_path
    files = {name: real_data / CHIP.format(name) for name in ("S1", "S2", "Label")}
    missing = [path.name for path in files.values() if not path.is_file()]
    if missing:
        pytest.skip(f"not among the real files of this machine: {', '.join(missing)}")
    return files


@pytest.mark.slow
def test_the_whole_path_holds_on_a_real_flood(chip):
    region = ingest_chip(chip)
    references = attach_hand_label(region, chip["Label"])
    campaign = ask_panel(references)
    run = find_consensus(campaign, references)
    version = release(run)
    pack = read_back(version, chip, references)
    report = train(version)
    print(f"\n{describe(pack, report)}")


def test_the_chip_carries_no_offset(chip):
    """Cirrus (B10) reflects next to nothing under a clear sky: with 1000 added no pixel would lie below 1000."""
    cirrus, _valid = geotiff.read_window(RasterFile(path=chip["S2"], bands=tuple(CHIP_BANDS.split(","))), ["B10"])
    assert 0 < cirrus.min() <= cirrus.max() < 100


def test_a_scene_in_band_files_is_taken_with_the_offset_of_its_baseline(real_data):
    """N0400 stores reflectance * 10000 + 1000; its pixels lie beside the grid, so they are resampled."""
    folder = real_data / MAJOR_TOM
    if not folder.is_dir():
        pytest.skip("the Sentinel-2 scene in band files is not on this machine")
    said = ingest(folder, "--modality", "sentinel2", "--project", "flood", "--region", "0U 199R", "--json")
    [scene] = said["scenes"]
    assert {file["offset"] for file in scene["files"]} == {-1000.0}
    assert {file["epsg"] for file in scene["files"]} == {32633}
    taken = Scene.objects.get(region__name="0U 199R")
    assert taken.captured_from == datetime(2022, 7, 6, 8, 56, 11, tzinfo=UTC)
    samples = list(taken.region.samples.order_by("pk"))
    assert len(samples) == said["patches"]["0U 199R"] > 900
    check_scene_values(folder, samples[::100])
    image = Image.open(io.BytesIO(pictures.picture(samples[0], "sentinel2", "true_colour")))
    assert (image.size, image.mode) == ((32, 32), "RGBA")
    assert np.asarray(image)[..., 3].min() == 255


def check_scene_values(folder: Path, samples: list[Sample]) -> None:
    """Ten bands, none missing; red lies between the file's own numbers around, less 1000."""
    read = pixels.read_samples(samples, "sentinel2")
    assert (read.offset, read.values.shape[1:], str(read.values.dtype)) == (0.0, (10, 32, 32), "uint16")
    assert read.valid.all()
    for place, sample in enumerate(samples):
        west, south, east, north = grid.parse_cell(sample.cell).bounds
        stored, _valid = geotiff.read_window(folder / "B04.tif", bounds=(west - 10, south - 10, east + 10, north + 10))
        red = read.values[place, read.bands.index("B4")]
        assert stored.min() - 1000 <= red.min() <= red.max() <= stored.max() - 1000
        assert abs(red.mean() / (stored.mean() - 1000) - 1) < 0.02


def ingest_chip(chip: dict[str, Path]) -> Region:
    """Both sensors into one region, by the command that people use.

    Dates are those of Sen1Floods11_Metadata.geojson. The offset is 0: data of 2019 are older than baseline 04.00, and
    `test_the_chip_carries_no_offset` reads it off the cirrus band.
    """
    region = "Vega Baja"
    common = ["--project", "flood", "--region", region, "--cell-m", str(CELL_M), "--pixels", str(PIXELS), "--json"]
    ingest(chip["S1"], *common, "--modality", "sentinel1_grd", "--bands", "VV,VH", "--date", "2019-09-17")
    said = ingest(
        chip["S2"], *common, "--modality", "sentinel2", "--bands", CHIP_BANDS, "--date", "2019-09-18", "--offset", "0"
    )
    assert said["patches"] == {region: 746}
    [file] = said["scenes"][0]["files"]
    assert (file["epsg"], file["offset"], file["invalid_share"]) == (4326, 0.0, 0.0)
    taken = Region.objects.get(project__slug="flood", name=region)
    assert taken.epsg == 32630
    assert {scene.modality: pixels.list_bands(scene) for scene in taken.scenes.all()} == {
        "sentinel1_grd": ["VV", "VH"],
        "sentinel2": ["B2", "B3", "B4", "B5", "B6", "B7", "B8", "B8A", "B11", "B12"],
    }
    assert set(taken.scenes.values_list("season", flat=True)) == {"autumn"}
    return taken


def ingest(*words: object) -> dict:
    """What `manage.py ingest` answers with --json."""
    out = io.StringIO()
    call_command("ingest", *map(str, words), stdout=out)
    return json.loads(out.getvalue())


def attach_hand_label(region: Region, label: Path) -> list[Reference]:
    """Shares of water and dry per cell; 1 is water, 0 dry, -1 was not labelled and counts for nothing."""
    samples = list(region.samples.order_by("pk"))
    found = catalog.attach_references(
        samples=samples,
        path=label,
        band=label.stem,
        scheme=SCHEME,
        values={1: "water", 0: "dry"},
        source="hand label",
        least_known=LEAST_KNOWN,
    )
    cells = [grid.parse_cell(sample.cell) for sample in samples]
    codes, _valid = geotiff.read_cells(label, [label.stem], cells, PIXELS, "nearest")
    is_kept = (codes >= 0).mean(axis=(1, 2, 3)) >= LEAST_KNOWN
    assert 0 < len(samples) - is_kept.sum() < 10
    assert {row.sample_id for row in found} == {
        sample.pk for sample, kept in zip(samples, is_kept, strict=True) if kept
    }
    kept = codes[is_kept]
    water = (kept == 1).sum(axis=(1, 2, 3)) / (kept >= 0).sum(axis=(1, 2, 3))
    np.testing.assert_allclose([row.distribution[SCHEME.index("water")] for row in found], water, atol=1e-9)
    assert Counter(row.code for row in found)["water"] > 100
    return found


def ask_panel(references: list[Reference]):
    """A closed campaign: ten simulated experts, each vote from a look at a part of the cell."""
    samples = Sample.objects.filter(references__in=references).order_by("pk")
    campaign = campaigns.create_campaign(
        project=samples[0].project, name="Water or dry", question="patch_classes", scheme=SCHEME.name,
        samples=samples, quota=EXPERTS, by=None, seed=SEED,
    )  # fmt: skip
    campaigns.open_campaign(campaign=campaign, by=None)
    said = make_panel(SEED, EXPERTS, SCHEME.name).vote(
        [SCHEME.index(row.code) for row in references],
        SEED,
        shares=[row.distribution for row in references],
        sample_ids=tuple(row.sample_id for row in references),
    )
    taken = campaigns.import_votes(
        round=campaigns.current_round(campaign=campaign),
        table=campaigns.tabulate_panel(said, SCHEME.codes),
        by=None,
        source="simulated panel",
    )
    assert taken == len(references) * EXPERTS == Vote.objects.filter(campaign=campaign).count()
    campaigns.close_campaign(campaign=campaign, by=None)
    return campaign


def find_consensus(campaign, references: list[Reference]) -> ConsensusRun:
    """Every method comes near the hand label, and agrees with it where a cell is of one kind; majority goes on.

    Each vote saw a part of its cell, so the votes' shares estimate the area of water, which is what the question asks.
    Dawid-Skene takes a cell to be of one class throughout and makes 0 or 1 of shares that are truly between.
    """
    truth = {row.sample_id: row.code for row in references}
    is_pure = {row.sample_id: max(row.distribution) >= 0.9 for row in references}
    for run in campaign.consensus_runs.all():
        given.work(run.job, campaigns.refit)
        run.refresh_from_db()
        assert (run.state, run.samples_count) == ("ready", len(references)), run.method
        same = {row.sample_id: row.code == truth[row.sample_id] for row in run.rows.all()}
        assert np.mean(list(same.values())) > 0.85, run.method
        assert np.mean([same[key] for key in same if is_pure[key]]) > 0.97, run.method
    assert set(campaign.consensus_runs.values_list("method", flat=True)) == set(campaigns.METHODS)
    return campaign.consensus_runs.get(method="majority")


def release(run: ConsensusRun):
    """A version of both sensors, split by blocks with a buffer."""
    version = releases.start_release(
        run=run,
        name="flood",
        modalities=[{"modality": "sentinel1_grd"}, {"modality": "sentinel2"}],
        design={"kind": "block", "block_m": BLOCK_M, "buffer_m": BUFFER_M},
        seed=SEED,
        by=None,
    )
    given.work(version.job, releases.build)
    version.refresh_from_db()
    assert version.state == "ready", version.reason
    leaks = version.summary["leaks"]
    assert (leaks["overlaps"], leaks["shared"]["block"]["groups"], leaks["unplaced"]) == (0, 0, 0)
    assert leaks["nearest_gap_m"] > CELL_M * 0.95  # one free ring, measured on a sphere and north-up
    return version


def read_back(version, chip: dict[str, Path], references: list[Reference]) -> Pack:
    """The pack as a stranger would open it."""
    pack = Pack.open(Path(version.uri), sha256=version.sha256, verify=True)
    assert len(pack) == len(references)
    check_arrays(pack, chip)
    check_splits(pack)
    assert pack.scheme() == "water"
    assert set(np.unique(pack.labels())) == {0, 1}
    np.testing.assert_allclose(pack.distribution().sum(axis=1), 1, atol=1e-5)
    assert pack.manifest["provenance"]["resampling"] == "bilinear"
    assert pack.manifest["provenance"]["voters"] == {"simulated": EXPERTS}
    return pack


def check_arrays(pack: Pack, chip: dict[str, Path]) -> None:
    """Every pixel is there, nothing is NaN, and values are those of the files."""
    dtypes = {"sentinel1_grd": "float32", "sentinel2": "int16"}
    assert {name: str(pack.array(name).dtype) for name in pack.array_names} == dtypes
    for name, file, bands in (("sentinel1_grd", chip["S1"], 2), ("sentinel2", chip["S2"], 10)):
        array = pack.array(name)
        values = array.gather(np.arange(len(pack)))
        assert values.shape == (len(pack), bands, PIXELS, PIXELS)
        assert np.isfinite(values).all()
        stored, _valid = geotiff.read_window(file, array.bands)
        np.testing.assert_allclose(values.mean(axis=(0, 2, 3)), stored.mean(axis=(1, 2)), rtol=0.05)
        assert (values.min(axis=(0, 2, 3)) >= stored.min(axis=(1, 2))).all()
        assert (values.max(axis=(0, 2, 3)) <= stored.max(axis=(1, 2))).all()


def check_splits(pack: Pack) -> None:
    """Three disjoint splits, apart by the buffer, each of both classes; the buffer itself is left unused."""
    cells = [grid.parse_cell(text) for text in pack.samples.column("cell").to_pylist()]
    centres = np.array([(cell.column, cell.row) for cell in cells]) * float(CELL_M)
    rows = {name: pack.indices(name) for name in splits.SPLITS}
    assert {cell.epsg for cell in cells} == {32630}
    assert sum(map(len, rows.values())) + len(pack.indices("")) == len(pack)
    assert len(pack.indices("")) > 0
    for name, own in rows.items():
        assert set(pack.labels()[own]) == {0, 1}, name
        others = np.concatenate([rows[other] for other in rows if other != name])
        apart = np.linalg.norm(centres[own][:, None] - centres[others][None], axis=2)
        assert apart.min() >= BUFFER_M, name


def train(version) -> dict:
    """The task of no modality in particular, in its own process; scored once on the held-out blocks."""
    run = training.start_run(version=version, task="patch_classes", by=None, changes=SPEC)
    given.work(run.job, training.execute_run)
    run.refresh_from_db()
    assert run.state == "done", run.reason
    report = run.report
    assert report["pack_sha256"] == version.sha256
    check_scores(report)
    check_checkpoint(run.checkpoints.get(), report)
    assert Score.objects.filter(benchmark__version=version).count() == 3
    return report


def check_checkpoint(checkpoint: Checkpoint, report: dict) -> None:
    """The weights that were scored read both sensors."""
    words = json.loads(Path(checkpoint.uri).with_suffix(".json").read_text())
    assert {part["name"]: part["shape"] for part in words["inputs"]} == {
        "sentinel1_grd": [2, PIXELS, PIXELS],
        "sentinel2": [10, PIXELS, PIXELS],
    }
    assert checkpoint.metrics["oa"] == report["test"]["oa"]


def check_scores(report: dict) -> None:
    """OA and F1 with intervals beside both baselines; both learners see more than the commonest class."""
    sides = {"network": report["test"], **report["baselines"]}
    assert set(sides) == {"network", "random_forest", "majority_class"}
    for name, scores in sides.items():
        assert scores["n"] == sides["network"]["n"] > 100, name
        assert scores["codes"] == list(SCHEME.codes), name
        oa = scores["oa"]
        assert 0 <= oa["low"] <= oa["value"] <= oa["high"] <= 1, name
        assert set(scores["f1"]) == set(SCHEME.codes), name
    for name in ("network", "random_forest"):
        assert sides[name]["oa"]["value"] > sides["majority_class"]["oa"]["value"], name
        for code in SCHEME.codes:
            f1 = sides[name]["f1"][code]
            assert 0 < f1["low"] <= f1["value"] <= f1["high"] <= 1, (name, code)
    assert set(report["difference"]) == {"cnn_minus_random_forest", "cnn_minus_majority_class"}


def describe(pack: Pack, report: dict) -> str:
    """The figures for whoever runs pytest -s."""
    counts = ", ".join(f"{len(pack.indices(name))} {name or 'unused'}" for name in (*splits.SPLITS, ""))
    lines = [f"{len(pack)} cells of {CELL_M} m: {counts}; {report['test']['blocks']} test blocks"]
    for name, scores in {"network": report["test"], **report["baselines"]}.items():
        figures = {"OA": scores["oa"]} | {f"F1 {code}": scores["f1"][code] for code in SCHEME.codes}
        lines.append(f"{name:<15}" + "  ".join(f"{what} {say(found)}" for what, found in figures.items()))
    lines.append(f"network - forest OA {say(report['difference']['cnn_minus_random_forest'])}")
    return "\n".join(lines)


def say(found: dict) -> str:
    """A value with its interval."""
    return " ".join("-" if found[key] is None else f"{found[key]:.3f}" for key in ("value", "low", "high"))
