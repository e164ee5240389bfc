"""A report says how good a checkpoint is beside the baselines on the same split, and how that was found."""

import json

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


def run(folder, words):
    with open_session(folder) as session:
        return train(RunSpec.from_json(words), session)


def score(folder, **words):
    with open_session(folder) as session:
        return evaluate(EvaluateSpec(**words), session)


@pytest.fixture(scope="module")
def trained(tmp_path_factory, toy_pack):
    folder = tmp_path_factory.mktemp("trained")
    words = {
        "task": "lcz",
        "pack": str(toy_pack.folder),
        "network": {"name": "sen2lcz", "width": 4, "depth": 5},
        "epochs": 4,
        "batch_size": 16,
        "learning_rate": 0.005,
        "resamples": 50,
    }
    return folder, run(folder, words)


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
    assert set(report.seconds) == {"train", "predict", "scores", "majority_class", "random_forest"}
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


def write_water(folder, splits):
    """Eight-pixel samples of one modality under the scheme `water`, a target of another name."""
    labels = np.arange(len(splits)) % 2
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
