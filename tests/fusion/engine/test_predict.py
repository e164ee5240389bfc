"""A checkpoint answers the same for a pack, a file and memory, and only for data like those it was taught with."""

import json
from dataclasses import replace

import numpy as np
import pytest
from safetensors.numpy import save_file

from fusion.engine.checkpoint import read_checkpoint
from fusion.engine.evaluate import evaluate
from fusion.engine.normalise import describe_inputs
from fusion.engine.predict import find_checkpoint, open_predictor, predict, predict_arrays
from fusion.engine.restore import LEARNED, check_inputs, check_target, read_target, restore_network
from fusion.engine.session import open_session
from fusion.errors import BadInputError, CheckpointError, SpecError
from fusion.run import EvaluateSpec, PredictSpec


def run(folder, **words):
    with open_session(folder) as session:
        path = predict(PredictSpec(**words), session)
    return np.load(path), json.loads(path.with_suffix(".json").read_text())


def stored(pack, rows=slice(None)):
    rows = np.arange(len(pack))[rows]
    return {name: pack.array(name).gather(rows) for name in pack.array_names}


def test_a_pack_and_files_of_its_arrays_get_the_same_probabilities(tmp_path, run_folder, toy_pack):
    whole, words = run(tmp_path, checkpoint=str(run_folder), pack=str(toy_pack.folder))
    assert whole.shape == (156, 17)
    assert whole.dtype == np.float32
    np.testing.assert_allclose(whole.sum(axis=1), 1, atol=1e-5)
    assert words["codes"] == list(toy_pack.scheme_codes)
    assert words["samples"] == 156
    np.savez(tmp_path / "arrays.npz", **stored(toy_pack))
    save_file(stored(toy_pack), tmp_path / "arrays.safetensors")
    for name in ("arrays.npz", "arrays.safetensors"):
        found, _ = run(tmp_path / name[7:], checkpoint=str(run_folder), arrays=str(tmp_path / name))
        assert (found == whole).all()
    part, _ = run(tmp_path / "part", checkpoint=str(run_folder), pack=str(toy_pack.folder), rows=(5, 150), batch_size=1)
    np.testing.assert_allclose(part, whole[[5, 150]], atol=1e-5)
    split, _ = run(tmp_path / "split", checkpoint=str(run_folder), pack=str(toy_pack.folder), split="test")
    np.testing.assert_allclose(split, whole[toy_pack.indices("test")], atol=1e-5)


def test_a_run_folder_brings_its_best_checkpoint_and_temperature(tmp_path, run_folder, toy_pack):
    report = json.loads((run_folder / "report.json").read_text())
    checkpoint, temperature = find_checkpoint(run_folder)
    assert checkpoint.path == run_folder / report["checkpoint"]
    assert temperature == report["calibration"]["temperature"] != 1.0
    soft, words = run(tmp_path, checkpoint=str(run_folder), pack=str(toy_pack.folder))
    sharp, _ = run(tmp_path / "1", checkpoint=str(checkpoint.path), pack=str(toy_pack.folder))
    assert words["temperature"] == temperature
    assert not np.allclose(soft, sharp)
    again = predict_arrays(open_predictor(checkpoint, temperature=temperature), stored(toy_pack))
    np.testing.assert_allclose(again, soft, atol=1e-6)


def test_another_offset_must_be_stated(tmp_path, run_folder, toy_pack):
    shifted = stored(toy_pack, slice(0, 8))
    wanted = predict_arrays(open_predictor(find_checkpoint(run_folder)[0]), shifted)
    shifted["sentinel2"] = shifted["sentinel2"] + np.uint16(1000)
    np.savez(tmp_path / "arrays.npz", **shifted)
    words = {"checkpoint": str(run_folder), "arrays": str(tmp_path / "arrays.npz"), "temperature": 1.0}
    found, _ = run(tmp_path, **words, offset={"sentinel2": -1000.0})
    np.testing.assert_allclose(found, wanted, atol=1e-4)
    plain, _ = run(tmp_path, **words)
    assert not np.allclose(plain, wanted, atol=1e-4)
    with pytest.raises(SpecError, match="offset: 'sentinel5'"):
        run(tmp_path, **words, offset={"sentinel5": 1.0})


@pytest.mark.parametrize("name", ["missing", "dtype", "shape", "count"])
def test_arrays_that_do_not_fit_are_named(tmp_path, run_folder, toy_pack, name):
    arrays = stored(toy_pack, slice(0, 4))
    if name == "missing":
        del arrays["sentinel1"]
    elif name == "dtype":
        arrays["sentinel2"] = arrays["sentinel2"].astype(np.float32)
    elif name == "shape":
        arrays["sentinel2"] = arrays["sentinel2"][:, :9]
    else:
        arrays["sentinel1"] = arrays["sentinel1"][:2]
    message = {"missing": "reads sentinel1", "dtype": "dtype of sentinel2 is uint16; the array's is float32"}
    wanted = message.get(name, {"shape": "shape of sentinel2", "count": "different numbers of samples"}.get(name))
    with pytest.raises((CheckpointError, BadInputError), match=wanted):
        predict_arrays(open_predictor(find_checkpoint(run_folder)[0]), arrays)


def test_objects_in_a_file_of_arrays_are_refused(tmp_path, run_folder):
    np.savez(tmp_path / "arrays.npz", sentinel1=np.array([{"a": 1}], dtype=object))
    (tmp_path / "arrays.csv").write_text("1,2")
    for name in ("arrays.npz", "arrays.csv", "absent.npz"):
        with pytest.raises(BadInputError, match=name):
            run(tmp_path / "out", checkpoint=str(run_folder), arrays=str(tmp_path / name))


@pytest.mark.parametrize("words", [{}, {"pack": "p", "arrays": "a.npz"}])
def test_a_prediction_is_for_a_pack_or_for_arrays(tmp_path, run_folder, words):
    with pytest.raises(SpecError, match="either a pack or a file of arrays"):
        run(tmp_path, checkpoint=str(run_folder), **words)


def test_rows_beyond_the_pack_are_refused(tmp_path, run_folder, toy_pack):
    with pytest.raises(SpecError, match="rows must lie from 0 to 155"):
        run(tmp_path, checkpoint=str(run_folder), pack=str(toy_pack.folder), rows=(156,))


CHANGES = {
    "name": "sentinel9",
    "modality": "sentinel1_grd",
    "dims": ("y", "x"),
    "shape": (10, 32, 32),
    "dtype": "int16",
    "bands": ("B2",) * 10,
    "offset": -1000.0,
    "scale": 1.0,
    "nodata": 7.0,
    "stretch": ("asinh",) * 10,
    "floor": (1.0,) * 10,
    "mean": (1.0,) * 10,
    "std": (3.0,) * 10,
}


@pytest.mark.parametrize("field", sorted(CHANGES))
def test_data_that_differ_in_any_field_are_refused_and_the_field_is_named(run_folder, toy_pack, field):
    """Row E6: bands and their order, shape, dims, dtype and normalisation, each changed: refused, the field named."""
    checkpoint, _ = find_checkpoint(run_folder)
    inputs = list(describe_inputs(toy_pack, []))
    check_inputs(checkpoint, inputs, LEARNED)
    object.__setattr__(inputs[1], field, CHANGES[field])
    named = "modalities" if field == "name" else f"{field} of sentinel2"
    with pytest.raises(CheckpointError, match=named):
        check_inputs(checkpoint, inputs, LEARNED)


def test_bands_in_another_order_are_refused_and_named(run_folder, toy_pack):
    """Row E6: the same bands in another order are other data."""
    checkpoint, _ = find_checkpoint(run_folder)
    inputs = list(describe_inputs(toy_pack, []))
    inputs[1] = replace(inputs[1], bands=inputs[1].bands[::-1])
    with pytest.raises(CheckpointError, match="bands of sentinel2"):
        check_inputs(checkpoint, inputs)
    with pytest.raises(CheckpointError, match="modalities"):
        check_inputs(checkpoint, inputs[::-1])


@pytest.mark.parametrize(("field", "value"), [("head", "mask"), ("scheme", "water"), ("codes", ("1", "2"))])
def test_other_classes_are_refused_and_the_field_is_named(run_folder, field, value):
    """Row E6: the head, the scheme and its classes, each changed: refused, the field named."""
    checkpoint, _ = find_checkpoint(run_folder)
    check_target(checkpoint, read_target(checkpoint))
    with pytest.raises(CheckpointError, match=f"{field} is"):
        check_target(checkpoint, replace(read_target(checkpoint), **{field: value}))


def forge(checkpoint, **words):
    return replace(checkpoint, words=replace(checkpoint.words, **words))


def test_words_that_do_not_fit_the_tensors_are_refused_before_memory_is_taken(run_folder):
    whole, _ = find_checkpoint(run_folder)
    spec, inputs = whole.words.spec, whole.words.inputs
    wide = {**spec, "network": {**spec["network"], "width": 512, "depth": 101}}  # about 9 GB of weights
    with pytest.raises(CheckpointError, match="tensor"):
        restore_network(forge(whole, spec=wide))
    with pytest.raises(CheckpointError, match="Unknown network 'evil'"):
        restore_network(forge(whole, spec={**spec, "network": {"name": "evil"}}))
    with pytest.raises(CheckpointError, match="'surprise' is not a field of RunSpec"):
        restore_network(forge(whole, spec={**spec, "surprise": 1}))
    other = ({**inputs[0], "mean": [9.0] * 8}, inputs[1])
    with pytest.raises(CheckpointError, match=r"inputs: the JSON and tensor 'normalise\.0\.mean' disagree"):
        restore_network(forge(whole, inputs=other))
    for bad in ({**inputs[0], "bands": "B2"}, {**inputs[0], "dims": ["y"]}, {**inputs[0], "mean": [0.0]}):
        with pytest.raises(CheckpointError, match="inputs"):
            restore_network(forge(whole, inputs=(bad, inputs[1])))


def test_an_empty_folder_holds_no_checkpoint(tmp_path):
    with pytest.raises(CheckpointError, match="holds no checkpoint"):
        find_checkpoint(tmp_path)


def test_a_restored_network_is_the_one_that_was_saved(run_folder):
    checkpoint = read_checkpoint(find_checkpoint(run_folder)[0].path)
    network = restore_network(checkpoint)
    assert {key: value.tolist() for key, value in network.state_dict().items()} == {
        key: value.tolist() for key, value in checkpoint.part("network").items()
    }


def test_a_file_of_all_that_is_known_holds_doubts_sets_and_flags(tmp_path, run_folder, toy_pack):
    report = json.loads((run_folder / "report.json").read_text())
    words = {"checkpoint": str(run_folder), "pack": str(toy_pack.folder), "split": "test", "output": "all.npz"}
    with open_session(tmp_path) as session:
        path = predict(PredictSpec(**words, conformal=0.9, out_of_domain="neighbours"), session)
    told = json.loads(path.with_suffix(".json").read_text())
    with np.load(path) as file, np.load(run_folder / report["samples"]) as wanted:
        order = [list(file["id"]).index(name) for name in wanted["id"]]
        for name in ("probability", "entropy", "mutual_information", "out_of_domain"):
            np.testing.assert_allclose(file[name][order], wanted[name], atol=1e-4)
        for name in ("set", "is_outlier"):
            np.testing.assert_array_equal(file[name][order], wanted[name])
        assert told["shapes"]["set"] == list(file["set"].shape) == [30, 17]
    assert told["conformal"] == {"coverage": 0.9, "method": "lac"}
    assert told["out_of_domain"]["threshold"] == report["out_of_domain"]["threshold"]


def test_thresholds_are_only_taken_from_a_report_of_the_very_same_answers(tmp_path, run_folder, toy_pack):
    words = {"pack": str(toy_pack.folder), "rows": (0,), "output": "a.npz"}
    bare = {**words, "checkpoint": str(find_checkpoint(run_folder)[0].path)}
    with pytest.raises(SpecError, match="is of no averaged answers, and 1 are asked for"):
        run(tmp_path / "bare", **bare, conformal=0.9)
    with pytest.raises(SpecError, match="is of 1 averaged answers, and 3 are asked for"):
        run(tmp_path / "drawn", **words, checkpoint=str(run_folder), dropout_draws=3, out_of_domain="neighbours")
    with pytest.raises(SpecError, match=r"calibrated for 0\.9 coverage, not 0\.8"):
        run(tmp_path / "other", **words, checkpoint=str(run_folder), conformal=0.8)
    with pytest.raises(SpecError, match=r"temperature: the sets of .* were calibrated under .*, not 9\. Leave it out"):
        run(tmp_path / "heat", **words, checkpoint=str(run_folder), conformal=0.9, temperature=9.0)
    with pytest.raises(SpecError, match="no threshold of 'dirichlet'"):
        run(tmp_path / "score", **words, checkpoint=str(run_folder), out_of_domain="dirichlet")
    with pytest.raises(SpecError, match=r"must be a \.npy or \.npz file"):
        run(tmp_path / "name", **{**words, "output": "a.csv"}, checkpoint=str(run_folder))


def test_an_evaluation_brings_its_ensemble_temperature_and_thresholds(tmp_path, run_folder, toy_pack):
    judged = tmp_path / "judged"
    spec = EvaluateSpec(
        checkpoint=str(run_folder), checkpoints=(str(run_folder),), dropout_draws=2, pack=str(toy_pack.folder),
        baselines=(), resamples=2, calibration="temperature", conformal=0.8, out_of_domain="dirichlet",
    )  # fmt: skip
    with open_session(judged) as session:
        report = evaluate(spec, session)
    asked = {"pack": str(toy_pack.folder), "split": "test", "output": "a.npz"}
    with open_session(tmp_path / "again") as session:
        path = predict(PredictSpec(checkpoint=str(judged), **asked, conformal=0.8, out_of_domain="dirichlet"), session)
    told = json.loads(path.with_suffix(".json").read_text())
    assert (told["answers"], told["dropout_draws"]) == (4, 2)
    assert told["temperature"] == report.calibration["temperature"]
    with np.load(path) as file:
        assert (file["mutual_information"] >= 0).all()
        assert file["mutual_information"].max() > 0
