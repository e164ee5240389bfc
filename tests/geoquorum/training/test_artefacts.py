"""What is told of a run to those who have nothing but its files: model card and STAC item, from its record alone."""

import io
import json
import re
import zipfile
from pathlib import Path

import numpy as np
import pytest
import yaml
from django.core.management import CommandError, call_command

from fusion import scheme as schemes
from geoquorum.training import artefacts, map_areas, services
from geoquorum.training.mlm_item import describe_item
from geoquorum.training.model_card import write_card
from geoquorum.training.models import Run, RunState
from geoquorum.training.network_words import read_network_words
from tests import given
from tests.geoquorum.training.finished import CODES, make_run, make_scores

pytestmark = pytest.mark.django_db
LCZ = schemes.find("lcz17")


@pytest.fixture(scope="module")
def run(shared_rows, tmp_path_factory):
    return make_run(given.version(given.project()), tmp_path_factory.mktemp("run") / "run")


def split_card(run, export=None):
    """Front matter, read as others read it, and the words."""
    _, front, body = write_card(run, read_network_words(run), export).split("---\n", 2)
    return yaml.safe_load(front), body


def test_the_card_s_front_matter_is_what_the_hub_reads(run):
    front, _ = split_card(run)
    assert set(front) >= {"license", "library_name", "pipeline_tag", "tags", "datasets", "metrics", "model-index"}
    assert front["pipeline_tag"] == "image-classification"
    assert {"earth-observation", "sentinel1", "sentinel2", "simulated"} <= set(front["tags"])
    [entry] = front["model-index"]
    [result] = entry["results"]
    assert result["task"]["type"] == "image-classification"
    assert set(result["dataset"]) >= {"type", "name", "split", "revision"}
    assert result["dataset"]["revision"] == run.version.sha256
    for metric in result["metrics"]:
        assert isinstance(metric["type"], str)
        assert isinstance(metric["value"], float)


def test_every_number_of_the_card_is_the_record_s(run):
    """Each score with its interval comes from the report; change the report and the card changes."""
    front, body = split_card(run)
    [result] = front["model-index"][0]["results"]
    found = {metric["type"]: metric for metric in result["metrics"]}
    assert found["accuracy"]["value"] == 0.7
    assert (found["accuracy"]["args"]["low"], found["accuracy"]["args"]["high"]) == (0.6, 0.8)
    assert "0.7000 (0.6000 – 0.8000)" in body
    assert "340,001" in body
    assert "temperature of 1.25" in body
    changed = {**run.report, "parameters": 77, "calibration": {"method": "none"}}
    changed["test"] = {**changed["test"], "oa": {"value": 0.1234, "low": 0.1, "high": 0.2}}
    other = Run(
        **{field.attname: getattr(run, field.attname) for field in Run._meta.concrete_fields} | {"report": changed}
    )
    front, body = split_card(other)
    assert front["model-index"][0]["results"][0]["metrics"][0]["value"] == 0.1234
    assert "0.1234 (0.1000 – 0.2000)" in body
    assert "0.7000 (0.6000 – 0.8000)" in body, "the baseline's, which did not change"
    assert " 77 parameters" in body
    assert "not calibrated" in body


def test_the_card_says_what_must_not_be_believed(run):
    _, body = split_card(run)
    assert "trained and tested on simulated data" in body
    assert "Classes without a sample in the test, of which nothing is known here: G." in body
    assert "in other cities it will do worse" in body
    assert [line for line in body.splitlines() if line.startswith("- `")][:17] == [
        f"- `{label.code}` {label.name}" for label in LCZ.classes
    ]


def test_the_card_tells_of_the_onnx_file_as_it_was_measured(run):
    _, body = split_card(run, {"difference": {"random": 2e-6, "alike": 3e-6}, "samples": {"random": 16, "alike": 16}})
    assert "at most 3.0e-06 on 32 samples" in body
    assert "onnxruntime.InferenceSession" in body
    _, without = split_card(run, {"reason": "Network 'x' cannot be written."})
    assert "There is no ONNX file: Network 'x' cannot be written." in without


def test_the_card_names_no_folder_of_this_machine(run):
    text = write_card(run, read_network_words(run))
    assert run.folder not in text
    assert run.version.uri not in text


FILES = {name: (artefacts.NAMES[name], "cd" * 32, 7) for name in ("weights", "words", "onnx", "card", "report")}


@pytest.fixture(scope="module")
def item(run):
    return json.loads(json.dumps(describe_item(run, read_network_words(run), FILES)))


def test_the_item_is_a_stac_item(item, run):
    """What STAC 1.1 requires of an item."""
    assert (item["type"], item["stac_version"]) == ("Feature", "1.1.0")
    assert set(item) >= {
        "type",
        "stac_version",
        "stac_extensions",
        "id",
        "geometry",
        "bbox",
        "properties",
        "links",
        "assets",
    }
    assert item["geometry"]["type"] in ("Polygon", "MultiPolygon")
    west, south, east, north = item["bbox"]
    region = run.project.regions.get()
    assert region.west - 0.01 < west < east < region.east + 0.01
    assert region.south - 0.01 < south < north < region.north + 0.01
    properties = item["properties"]
    assert properties["datetime"] is None
    moment = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ")
    assert all(moment.fullmatch(properties[key]) for key in ("start_datetime", "end_datetime", "created", "updated"))
    assert properties["start_datetime"] <= properties["end_datetime"]
    for asset in item["assets"].values():
        assert asset["href"].startswith("./")
        assert asset["file:checksum"] == "1220" + "cd" * 32


def test_the_item_holds_what_the_mlm_extension_asks_for(item, run):
    """The schema of MLM 1.5, by hand: required fields, patterns, what may stand where, bands that are described."""
    properties = item["properties"]
    assert "https://stac-extensions.github.io/mlm/v1.5.0/schema.json" in item["stac_extensions"]
    assert re.fullmatch(r"[a-zA-Z][a-zA-Z0-9_.\-\s]+[a-zA-Z0-9]", properties["mlm:name"])
    assert properties["mlm:architecture"] == "sen2lcz"
    assert properties["mlm:tasks"] == ["scene-classification"]
    assert (properties["mlm:pretrained"], properties["mlm:pretrained_source"]) == (False, None)
    assert properties["mlm:framework_version"] == "2.13.0+cpu"
    assert properties["mlm:total_parameters"] == 340_001
    assert all(re.fullmatch(r"[0-9a-zA-Z_.-]+", key) for key in properties["mlm:hyperparameters"])
    assert not {"pack", "device"} & set(properties["mlm:hyperparameters"])
    for kind in ("mlm:artifact_type", "mlm:compile_method", "mlm:entrypoint"):
        assert kind not in properties
    for asset in item["assets"].values():
        assert ("mlm:model" in asset["roles"]) == ("mlm:artifact_type" in asset)
        assert not {"mlm:name", "mlm:input", "mlm:output", "mlm:hyperparameters"} & set(asset)
    assert "mlm:model" in item["assets"]["weights"]["roles"]
    described = {band["name"] for band in properties["bands"]}
    for one in properties["mlm:input"]:
        assert set(one["bands"]) <= described
        assert one["input"]["dim_order"] == ["batch", "bands", "height", "width"]
        assert one["input"]["shape"] == [-1, len(one["bands"]), 32, 32]
        assert one["input"]["data_type"] in ("float32", "uint16")
        assert one["value_scaling"] is None
    [output] = properties["mlm:output"]
    assert output["tasks"] == ["scene-classification"]
    assert (output["result"]["shape"], output["result"]["dim_order"]) == ([-1, 17], ["batch", "class"])
    classes = output["classification:classes"]
    assert [entry["value"] for entry in classes] == list(range(17))
    assert all(re.fullmatch(r"[0-9A-Za-z_-]+", entry["name"]) for entry in classes)
    assert all(re.fullmatch(r"[0-9A-F]{6}", entry["color_hint"]) for entry in classes)
    assert [entry["title"] for entry in classes] == [label.name for label in LCZ.classes]
    assert "simulated" in properties["description"]
    assert run.folder not in json.dumps(item)


def test_areas_are_corrected_by_what_was_confused():
    """Each class is taken for the next in three of ten cases: a map of one class holds three tenths of another."""
    shares = np.zeros(17)
    shares[4] = 1.0
    areas = map_areas.estimate_areas(make_scores(), shares, LCZ)
    assert areas[CODES[4]]["value"] == pytest.approx(0.7)
    assert areas[CODES[3]]["value"] + areas[CODES[5]]["value"] == pytest.approx(0.3)
    assert sum(area["value"] for area in areas.values()) == pytest.approx(1)
    assert areas[CODES[4]]["low"] < 0.7 < areas[CODES[4]]["high"]


def test_the_interval_of_an_area_is_that_of_the_textbook_and_wider_where_neighbours_are_alike():
    """Olofsson et al. 2014: sqrt(p (1 - p) / (n - 1)); samples that are alike within blocks count for fewer."""
    shares = np.zeros(17)
    shares[4] = 1.0
    alone = make_scores() | {"oa": {"value": 0.7, "low": None, "high": None}}
    half = 1.959964 * np.sqrt(0.7 * 0.3 / 9)
    area = map_areas.estimate_areas(alone, shares, LCZ)[CODES[4]]
    assert area["high"] - area["value"] == pytest.approx(half, rel=1e-6) or area["high"] == 1.0
    assert area["value"] - area["low"] == pytest.approx(half, rel=1e-6)
    effect = map_areas.find_design_effect(make_scores())
    assert effect == pytest.approx((0.2 / (2 * 1.959964)) ** 2 / (0.7 * 0.3 / 170))
    assert effect > 1


def test_areas_have_no_interval_where_the_test_does_not_know_a_class():
    scores = make_scores()
    for row in scores["confusion"]:
        row[9] = 0
    shares = np.full(17, 1 / 17)
    assert map_areas.estimate_areas(scores, shares, LCZ) is None
    shares[9] = 0
    assert map_areas.estimate_areas(scores, shares / shares.sum(), LCZ) is not None
    assert map_areas.estimate_areas(None, shares, LCZ) is None


def test_areas_are_unbiased_where_classes_are_confused_as_in_the_test():
    """400 tests of a region with known shares: the interval holds the true share 95 times in 100, give or take 4."""
    rng, truth = np.random.default_rng(0), np.array([0.7, 0.3])
    chances = np.array([[0.8, 0.2], [0.3, 0.7]])  # of each answer, by the true class
    scheme = schemes.find("water")
    held = 0
    for _ in range(400):
        labels = rng.choice(2, 300, p=truth)
        answers = (rng.random(300) < chances[labels, 1]).astype(int)
        confusion = np.zeros((2, 2))
        np.add.at(confusion, (labels, answers), 1)
        test = {"codes": list(scheme.codes), "confusion": confusion.tolist(), "n": 300,
                "oa": {"value": 0.77, "low": None, "high": None}}  # fmt: skip
        area = map_areas.estimate_areas(test, truth @ chances, scheme)[scheme.codes[0]]
        held += area["low"] <= truth[0] <= area["high"]
    assert 0.91 <= held / 400 <= 0.98


@pytest.mark.slow
def test_all_files_of_a_trained_run_are_made_and_agree(shared_rows, tiny, tmp_path):
    """A run that was trained for real, exported in a child process: the zip is the same each time, to the byte."""
    import onnx

    version = given.version(given.project())
    run = services.start_run(version=version, task="lcz", by=None, changes=tiny)
    given.work(run.job, services.execute_run)
    run.refresh_from_db()
    assert run.state == RunState.DONE, run.reason
    job = given.work(artefacts.start(run=run, by=None), artefacts.prepare)
    state = artefacts.read_state(run)
    assert max(state["export"]["difference"].values()) <= 1e-4
    assert set(state["export"]["difference"]) == {"random", "alike", "pack"}
    bundle = (Path(run.folder) / "artefacts" / "model.zip").read_bytes()
    with zipfile.ZipFile(io.BytesIO(bundle)) as archive:
        assert sorted(archive.namelist()) == sorted(artefacts.NAMES.values())
        model = onnx.load_model_from_string(archive.read("network.onnx"))
        front = yaml.safe_load(archive.read("README.md").decode().split("---\n", 2)[1])
        item = json.loads(archive.read("item.json"))
    held = {entry.key: entry.value for entry in model.metadata_props}
    assert json.loads(held["classes"]) == list(CODES)
    assert (held["dataset_version"], held["simulated"]) == (str(version), "true")
    assert held["pack_sha256"] == version.sha256
    assert front["model-index"][0]["results"][0]["metrics"][0]["value"] == run.report["test"]["oa"]["value"]
    assert item["assets"]["onnx"]["file:size"] > 0
    target = tmp_path / "model.zip"
    call_command("export_run", str(run.pk), "--to", str(target))
    assert target.read_bytes() == bundle
    assert job.result["sha256"] == state["bundle_sha256"]


def test_the_command_says_that_there_is_no_such_run():
    with pytest.raises(CommandError, match="There is no run 999999"):
        call_command("export_run", "999999")
