"""A report says how good a checkpoint is beside the baselines on the same split, and how that was found."""

import hashlib
import json
import shutil

import numpy as np
import pyarrow as pa
import pytest
from scipy.special import softmax

from fusion.engine.calibrate import fit_temperature
from fusion.engine.evaluate import evaluate
from fusion.engine.session import open_session
from fusion.engine.train import train
from fusion.errors import CheckpointError, SpecError
from fusion.pack import ArraySource, Pack, TargetSpec, write_pack
from fusion.run import EvaluateSpec, RunReport, RunSpec
from tests.fusion.conftest import TOY_RUN, write_toy_pack


def run(folder, words):
    with open_session(folder) as session:
        return train(RunSpec.from_json(words), session)


def score(folder, **words):
    with open_session(folder) as session:
        return evaluate(EvaluateSpec(**words), session)


@pytest.fixture(scope="module")
def trained(tmp_path_factory, toy_pack):
    folder = tmp_path_factory.mktemp("trained")
    return folder, run(folder, {**TOY_RUN, "pack": str(toy_pack.folder), "resamples": 50})


def test_a_report_holds_scores_baselines_and_the_paired_difference(trained, toy_pack):
    folder, report = trained
    assert report.test["n"] == report.validation["n"] == 30
    assert report.test["blocks"] == 5  # six samples a block
    assert set(report.baselines) == {"majority_class", "random_forest"}
    assert report.baselines["random_forest"]["oa"]["value"] > report.baselines["majority_class"]["oa"]["value"]
    for name, baseline in report.baselines.items():
        found = report.difference[f"cnn_minus_{name}"]
        assert found["value"] == pytest.approx(report.test["oa"]["value"] - baseline["oa"]["value"])
        assert found["low"] <= found["value"] <= found["high"]
    assert report.is_simulated
    assert report.pack_sha256 == toy_pack.sha256
    assert len(report.weights_sha256) == 64
    assert report.environment["torch"]
    assert report.spec["pack_sha256"] == toy_pack.sha256
    assert set(report.seconds) == {"train", "features", "predict", "scores", "majority_class", "random_forest"}
    assert RunReport.from_json(json.loads((folder / "report.json").read_text())).to_json() == report.to_json()
    assert RunSpec.from_json(report.spec).task == "lcz"


def test_a_checkpoint_is_scored_again_alike_from_its_file_alone(tmp_path, trained, toy_pack):
    folder, report = trained
    words = {"pack": str(toy_pack.folder), "baselines": (), "resamples": 50}
    again = score(tmp_path, checkpoint=str(folder / report.checkpoint), **words)
    assert again.test == report.test
    assert again.weights_sha256 == report.weights_sha256
    assert again.checkpoint == str((folder / report.checkpoint).resolve())


def test_a_checkpoint_is_scored_on_another_version_unless_its_hash_is_named(tmp_path, trained, toy_pack, other_pack):
    folder, report = trained
    words = {"checkpoint": str(folder), "pack": str(other_pack.folder), "baselines": (), "resamples": 20}
    found = score(tmp_path, **words)
    assert found.pack_sha256 == other_pack.sha256
    assert found.spec["pack_sha256"] == report.pack_sha256
    with pytest.raises(SpecError, match=f"{toy_pack.sha256}, but .* is {other_pack.sha256}"):
        score(tmp_path / "named", **words, pack_sha256=toy_pack.sha256)


def test_a_temperature_is_fitted_on_validation_and_said(tmp_path, trained, toy_pack):
    folder, report = trained
    words = {"checkpoint": str(folder), "pack": str(toy_pack.folder), "baselines": (), "resamples": 20}
    found = score(tmp_path, **words, calibration="temperature")
    assert found.calibration["method"] == "temperature"
    assert found.calibration["fitted_on"] == "validation"
    assert found.calibration["validation_ece_before"]["value"] == pytest.approx(report.validation["ece"]["value"])
    loss = "negative_log_likelihood"
    assert found.validation[loss]["value"] < report.validation[loss]["value"]
    assert found.validation["oa"]["value"] == report.validation["oa"]["value"]
    assert report.calibration == {"method": "none"}


def test_the_temperature_that_made_logits_too_sure_is_found_again():
    rng = np.random.default_rng(0)
    logits = rng.normal(0, 2, (4000, 5))
    truth = np.array([rng.choice(5, p=row) for row in softmax(logits, axis=1)])
    assert fit_temperature((3 * logits).astype(np.float32), truth) == pytest.approx(3, rel=0.1)


def write_water(folder, splits, hidden=False):
    """Eight-pixel samples of one modality under the scheme `water`, a target of another name.

    With `hidden` there is one class alone outside the test split.
    """
    labels = np.arange(len(splits)) % 2
    if hidden:
        labels[np.array(splits) != "test"] = 1
    values = np.random.default_rng(0).normal(-12 - 6 * labels[:, None, None, None], 1, (len(splits), 2, 8, 8))
    source = ArraySource(
        modality="sentinel1_grd",
        dims=("band", "y", "x"),
        dtype="float32",
        bands=("VV", "VH"),
        shape=(2, 8, 8),
        chunks=[values.astype(np.float32)],
    )
    write_pack(
        folder,
        name="flood",
        number=1,
        samples=pa.table(
            {
                "id": [str(row) for row in range(len(splits))],
                "split": splits,
                "label": ["water" if label else "dry" for label in labels],
                "distribution": [[float(label), float(1 - label)] for label in labels],
            }
        ),
        arrays={"grd": source},
        targets={"flooded": TargetSpec(head="classes", scheme="water")},
        provenance={},
        seed=0,
    )
    return Pack.open(folder)


def test_patch_classes_takes_scheme_target_and_modalities_from_the_pack(tmp_path):
    pack = write_water(tmp_path / "pack", ["train"] * 40 + ["test"] * 20)
    words = {"task": "patch_classes", "pack": str(pack.folder), "epochs": 6, "batch_size": 10, "resamples": 20}
    report = run(tmp_path / "run", {**words, "network": {"name": "sen2lcz", "width": 2, "depth": 5}})
    assert report.validation is None  # there is none, so the last checkpoint is taken
    assert report.test["codes"] == ["water", "dry"]
    assert report.test["oa"]["value"] > 0.9
    assert report.test["blocks"] == 20  # samples without a block stand for themselves
    assert not report.is_simulated
    assert report.calibration == {"method": "none"}


def test_a_checkpoint_is_not_scored_on_other_classes(tmp_path, trained):
    folder, _ = trained
    pack = write_water(tmp_path / "pack", ["train"] * 10 + ["test"] * 4)
    with pytest.raises(SpecError, match="modalities: 'sentinel1' is not in the pack"):
        score(tmp_path / "run", checkpoint=str(folder), pack=str(pack.folder))
    words = {"task": "patch_classes", "pack": str(pack.folder), "epochs": 1, "baselines": [], "resamples": 20}
    run(tmp_path / "own", {**words, "network": {"name": "sen2lcz", "width": 2, "depth": 5}, "batch_size": 5})
    with pytest.raises(CheckpointError, match="holds no checkpoint"):
        score(tmp_path / "none", checkpoint=str(tmp_path / "pack"), pack=str(pack.folder))


def test_a_pack_without_test_samples_gets_no_baselines(tmp_path):
    pack = write_water(tmp_path / "pack", ["train"] * 20 + ["validation"] * 10)
    words = {"task": "patch_classes", "pack": str(pack.folder), "epochs": 1, "batch_size": 10, "resamples": 20}
    report = run(tmp_path / "run", {**words, "network": {"name": "sen2lcz", "width": 2, "depth": 5}})
    assert report.test is None
    assert report.baselines == report.difference == {}
    assert report.validation["n"] == 10


CITIES = ("A",) * 48 + ("B",) * 48 + ("C",) * 15 + ("D",) * 15 + ("E",) * 18 + ("F",) * 12


@pytest.fixture(scope="module")
def city_pack(tmp_path_factory):
    """Trained in A and B, chosen by C and D, tested in E and F."""
    return write_toy_pack(tmp_path_factory.mktemp("cities") / "pack", cities=CITIES)


@pytest.fixture(scope="module")
def in_cities(tmp_path_factory, city_pack):
    folder = tmp_path_factory.mktemp("trained_in_cities")
    words = {"task": "lcz", "pack": str(city_pack.folder), "network": {"name": "sen2lcz", "width": 4, "depth": 5}}
    more = {"epochs": 3, "batch_size": 16, "learning_rate": 0.005, "resamples": 40, "baselines": ["majority_class"]}
    return folder, run(folder, {**words, **more, "calibration": "temperature"})


def test_a_report_tells_each_city_and_that_none_was_trained_in(in_cities):
    _, report = in_cities
    assert report.protocol["is_unseen"] is True
    assert report.protocol["sentence"] == "Tested in 2 cities it was not trained in, of culture zones it never saw."
    rows = {row["name"]: row for row in report.groups["city"]["rows"]}
    assert {name: (row["n"], row["blocks"], row["is_trained_in"]) for name, row in rows.items()} == {
        "E": (18, 3, False),
        "F": (12, 2, False),
    }
    whole = report.test["oa"]["value"]
    assert (18 * rows["E"]["value"] + 12 * rows["F"]["value"]) / 30 == pytest.approx(whole)
    mean = report.groups["city"]["mean"]
    assert mean["value"] == pytest.approx((rows["E"]["value"] + rows["F"]["value"]) / 2)
    assert (mean["n"], mean["low"] <= mean["value"] <= mean["high"]) == (2, True)
    assert [row["name"] for row in report.groups["culture_zone"]["rows"]] == ["zone of E", "zone of F"]
    held = report.conformal["test"]["coverage"]["value"]
    assert (18 * rows["E"]["coverage"]["value"] + 12 * rows["F"]["coverage"]["value"]) / 30 == pytest.approx(held)


def test_a_test_in_cities_that_were_trained_in_says_so(tmp_path, trained):
    pack = write_toy_pack(tmp_path / "pack", cities=["A", "B", "C"] * 52)
    report = run(tmp_path / "run", {**SMALL, "pack": str(pack.folder)})
    assert report.protocol["sentence"] == "Tested in cities it was trained in: A, B, C."
    assert report.protocol["is_unseen"] is False
    assert all(row["is_trained_in"] for row in report.groups["city"]["rows"])
    _, without = trained
    assert (without.protocol["is_unseen"], without.groups) == (None, {})


SMALL = {
    "task": "lcz",
    "network": {"name": "sen2lcz", "width": 2, "depth": 5},
    "epochs": 1,
    "batch_size": 32,
    "baselines": [],
    "resamples": 10,
}


def test_a_temperature_is_told_before_and_after_on_both_splits(in_cities):
    _, report = in_cities
    before = report.calibration["before"]
    assert set(before) == {"validation", "test"}
    assert before["test"]["reliability"] != report.test["reliability"]
    loss = "negative_log_likelihood"
    assert before["validation"][loss]["value"] >= report.validation[loss]["value"]


def test_a_training_tells_of_its_sets_and_outliers(in_cities):
    folder, report = in_cities
    assert (report.conformal["coverage"], report.conformal["samples"], report.conformal["by"]) == (0.9, 30, "sample")
    assert report.conformal["test"]["n"] == 30
    assert report.out_of_domain["method"] == "neighbours"
    kept = report.out_of_domain["features"]
    assert hashlib.sha256((folder / kept["file"]).read_bytes()).hexdigest() == kept["sha256"]
    flagged = report.out_of_domain["flagged"]["value"]
    assert len(report.out_of_domain["outliers"]) == round(flagged * 30)
    counts = report.out_of_domain["histogram"]["counts"]
    assert {name: sum(found) for name, found in counts.items()} == {"validation": 30, "test": 30}
    assert report.uncertainty["members"][0]["weights_sha256"] == report.weights_sha256
    with np.load(folder / report.samples) as file:
        assert set(file["id"]) == {f"s{row}" for row in range(126, 156)}
        assert file["set"].shape == file["probability"].shape == (30, 17)
        np.testing.assert_array_equal(file["is_outlier"], file["out_of_domain"] > report.out_of_domain["threshold"])
        held = file["set"][np.arange(30), file["label"]].mean()
    assert held == pytest.approx(report.conformal["test"]["coverage"]["value"])


def test_an_ensemble_is_scored_as_one_with_what_its_members_disagree_on(tmp_path, in_cities, city_pack):
    folder, report = in_cities
    other = tmp_path / "other"
    run(other, {**SMALL, "pack": str(city_pack.folder), "seed": 7})
    words = {"pack": str(city_pack.folder), "baselines": (), "resamples": 20, "calibration": "temperature"}
    found = score(tmp_path / "both", checkpoint=str(folder), checkpoints=(str(other),), dropout_draws=2, **words)
    assert (len(found.uncertainty["members"]), found.uncertainty["answers"]) == (2, 4)
    doubts = found.uncertainty["test"]
    assert doubts["mutual_information"]["value"] > 0
    parts = doubts["expected_entropy"]["value"] + doubts["mutual_information"]["value"]
    assert doubts["entropy"]["value"] == pytest.approx(parts)
    assert found.calibration["temperature"] != report.calibration["temperature"]
    assert found.weights_sha256 == report.weights_sha256
    assert (found.conformal, found.out_of_domain) == ({}, {})


def test_sets_by_city_need_cities_and_the_report_says_how_many(tmp_path, in_cities, city_pack):
    folder, _ = in_cities
    words = {"checkpoint": str(folder), "pack": str(city_pack.folder), "baselines": (), "resamples": 10}
    found = score(tmp_path / "1", **words, conformal=0.9, conformal_by="city")
    assert "at least 9 calibration groups (cities); there are 2" in found.conformal["note"]
    assert "test" not in found.conformal
    found = score(
        tmp_path / "2", **words, conformal=0.6, conformal_by="city", conformal_method="aps", by="culture_zone"
    )
    assert (found.conformal["groups"], found.conformal["method"]) == (2, "aps")
    assert found.groups["culture_zone"]["mean"]["n"] == 2
    assert found.groups["city"]["mean"] is None
    assert score(tmp_path / "3", **words, by="none").groups == {}


def test_logarithms_of_probabilities_have_no_energy(tmp_path, city_pack):
    network = {"name": "sen2lcz", "width": 2, "depth": 5, "multi_level": True}
    words = {"pack": str(city_pack.folder), "baselines": (), "resamples": 10}
    taught = run(tmp_path / "run", {**SMALL, "pack": str(city_pack.folder), "network": network})
    assert "threshold" in taught.out_of_domain
    report = score(tmp_path / "energy", checkpoint=str(tmp_path / "run"), out_of_domain="energy", **words)
    assert "the same for all samples" in report.out_of_domain["note"]
    assert "threshold" not in report.out_of_domain


def test_features_are_of_the_pack_that_was_learned_from_wherever_a_network_is_judged(tmp_path, in_cities, city_pack):
    """On another pack those that the run kept; without them there is no score, and the report says why."""
    folder, report = in_cities
    other = write_toy_pack(tmp_path / "pack", seed=1)
    words = {"pack": str(other.folder), "baselines": (), "resamples": 10, "out_of_domain": "neighbours"}
    found = score(tmp_path / "judged", checkpoint=str(folder), **words)
    assert found.out_of_domain["source"] == "features"
    assert found.out_of_domain["features"]["sha256"] == report.out_of_domain["features"]["sha256"]
    copied = tmp_path / "copied"
    shutil.copytree(folder, copied)
    (copied / "domain.safetensors").unlink()
    bare = score(tmp_path / "bare", checkpoint=str(copied), **words)
    assert "Evaluate it on the pack that it was trained on" in bare.out_of_domain["note"]
    assert "threshold" not in bare.out_of_domain


def test_a_class_that_training_never_showed_is_told_apart_by_its_own_figure(tmp_path):
    splits = ["train"] * 40 + ["validation"] * 20 + ["test"] * 20
    pack = write_water(tmp_path / "pack", splits, hidden=True)
    words = {**SMALL, "task": "patch_classes", "pack": str(pack.folder), "batch_size": 10, "epochs": 4}
    report = run(tmp_path / "run", words)
    unseen = report.out_of_domain["unseen_classes"]
    assert unseen["n"] == 10
    assert 0 <= unseen["auroc"]["value"] <= 1


def test_a_report_of_an_earlier_version_still_loads(in_cities):
    _, report = in_cities
    new = ("protocol", "groups", "uncertainty", "conformal", "out_of_domain", "samples")
    old = {key: value for key, value in report.to_json().items() if key not in new}
    assert RunReport.from_json(old).groups == {}
