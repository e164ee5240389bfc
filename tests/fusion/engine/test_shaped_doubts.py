"""Ensembles of maps: what masks and fields leave open is told per split, and classes' own tools keep out of the way."""

import numpy as np
import pytest

from fusion.engine.evaluate import evaluate
from fusion.engine.session import open_session
from fusion.run import EvaluateSpec
from tests.fusion.engine.shaped_runs import run, use_task
from tests.fusion.shaped_packs import make_samples, write_shaped_pack


@pytest.fixture(scope="module")
def pack(tmp_path_factory):
    return write_shaped_pack(tmp_path_factory.mktemp("shaped") / "pack", make_samples())


def judge(tmp_path, pack, **words):
    """Two seeds of one spec, scored as one; the first member's own report beside it."""
    alone = run(tmp_path / "0", pack, epochs=2, seed=0, **words)
    run(tmp_path / "1", pack, epochs=2, seed=1, **words)
    spec = EvaluateSpec(
        checkpoint=str(tmp_path / "0"), checkpoints=(str(tmp_path / "1"),), pack=str(pack.folder), resamples=10,
        calibration="temperature", conformal=0.9, out_of_domain="energy",
    )  # fmt: skip
    with open_session(tmp_path / "both") as session:
        return alone, evaluate(spec, session)


def test_the_variance_of_fields_is_noise_and_disagreement(tmp_path, pack, monkeypatch):
    use_task(monkeypatch, "field", "height", "rmse", metric_goal="min")
    alone, both = judge(tmp_path, pack, objective={"name": "supervised", "variance": True})
    found = both.uncertainty["test"]
    parts = found["aleatoric_variance"]["value"] + found["epistemic_variance"]["value"]
    assert found["variance"]["value"] == pytest.approx(parts, rel=1e-4)
    assert found["epistemic_variance"]["value"] > 0
    assert alone.uncertainty["test"]["epistemic_variance"]["value"] == 0
    assert both.calibration["method"] == "temperature"
    assert both.test["coverage_90"]["value"] is not None
    assert both.baselines == {}, "baselines answer one class per sample"
    assert "one class per sample" in both.conformal["note"] + both.out_of_domain["note"]
    with np.load(tmp_path / "both" / both.samples) as file:
        assert set(file.files) == {"id", "variance", "aleatoric_variance", "epistemic_variance"}
        assert len(file["id"]) == both.test["n"]


def test_the_entropy_of_masks_is_a_mean_over_pixels(tmp_path, pack, monkeypatch):
    use_task(monkeypatch, "mask", "ground", "mean_iou")
    alone, both = judge(tmp_path, pack)
    found = both.uncertainty["test"]
    parts = found["expected_entropy"]["value"] + found["mutual_information"]["value"]
    assert found["entropy"]["value"] == pytest.approx(parts, rel=1e-4)
    assert found["mutual_information"]["value"] > 0
    assert alone.uncertainty["test"]["mutual_information"]["value"] == 0
    assert both.calibration["method"] == "none"
    assert "temperature is for one class per sample" in both.calibration["note"]
