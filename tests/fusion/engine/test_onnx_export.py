"""Every network leaves as an ONNX file that answers as torch does, with its normalisation and all that it is inside."""

import json

import numpy as np
import onnx
import onnxruntime
import pytest
import torch

from fusion import modality as modalities
from fusion import registry
from fusion.__main__ import main
from fusion.engine import network as networks
from fusion.engine import onnx_export
from fusion.engine.checkpoint import read_checkpoint
from fusion.engine.onnx_export import compare, encode, make_alike, make_random
from fusion.engine.predictor import open_predictor
from fusion.errors import SpecError
from fusion.modality import physical, stretch
from fusion.run import DONE, FAILED
from tests.fusion.engine.shaped_runs import use_task
from tests.fusion.mapping.scenes import TINY, save_untrained
from tests.fusion.series_packs import write_pair
from tests.fusion.shaped_packs import make_samples, write_shaped_pack

pytestmark = pytest.mark.slow  # the exporter takes three seconds to load, and as long to trace a network
SMALL = {"sen2lcz": {"width": 4, "depth": 5}}
# Networks that have no ONNX form, each with the reason; a network in neither list fails here.
IMPOSSIBLE: dict[str, str] = {}


@pytest.fixture(scope="module")
def predictor(tmp_path_factory, toy_pack):
    path = save_untrained(tmp_path_factory.mktemp("run"), toy_pack.folder)
    return open_predictor(read_checkpoint(path), device="cpu", temperature=1.5)


@pytest.fixture(scope="module")
def data(predictor):
    return encode(predictor, {"dataset_version": "toy 1", "simulated": True})


def ask(data, arrays):
    session = onnxruntime.InferenceSession(data, providers=["CPUExecutionProvider"])
    names = [one.name for one in session.get_outputs()]
    return dict(zip(names, session.run(None, arrays), strict=True))


def test_stored_values_go_in_and_probabilities_come_out(predictor, data, toy_pack):
    rows = np.arange(30)
    arrays = {name: toy_pack.array(name).gather(rows) for name in toy_pack.array_names}
    found = ask(data, arrays)["probability"]
    with torch.inference_mode():
        outputs = predictor.network({name: torch.from_numpy(values) for name, values in arrays.items()})
        wanted = (outputs / 1.5).softmax(dim=1).numpy()
    np.testing.assert_allclose(found, wanted, atol=1e-4)
    np.testing.assert_allclose(found.sum(axis=1), 1, atol=1e-5)


@pytest.mark.parametrize("count", [1, 3, 50])
def test_batches_of_any_size_are_taken(predictor, data, count):
    arrays = make_random(predictor.inputs, count, 5)
    assert ask(data, arrays)["probability"].shape == (count, 17)
    compare(predictor, data, {"random": arrays}, 1e-4)


def test_inputs_and_outputs_have_the_names_of_what_they_are(predictor, data):
    model = onnx.load_model_from_string(data)
    onnx.checker.check_model(model, full_check=True)
    assert [one.name for one in model.graph.input] == ["sentinel1", "sentinel2"]
    assert [one.name for one in model.graph.output] == ["probability"]
    kinds = [one.type.tensor_type.elem_type for one in model.graph.input]
    assert kinds == [onnx.TensorProto.FLOAT, onnx.TensorProto.UINT16]
    for one in model.graph.input:
        batch, *rest = one.type.tensor_type.shape.dim
        assert batch.dim_param
        assert [dim.dim_value for dim in rest] == list(predictor.inputs[one.name == "sentinel2"].shape)


def test_the_file_says_what_it_is(predictor, data):
    held = {entry.key: entry.value for entry in onnx.load_model_from_string(data).metadata_props}
    assert json.loads(held["classes"]) == list(predictor.target.codes)
    assert json.loads(held["bands"])["sentinel2"][0] == "B2"
    normalisation = json.loads(held["normalisation"])["sentinel2"]
    assert normalisation["mean"] == list(predictor.inputs[1].mean)
    assert (held["dataset_version"], held["simulated"], held["scheme"]) == ("toy 1", "true", "lcz17")
    assert held["pack_sha256"] == predictor.checkpoint.words.pack_sha256
    assert held["git_revision"] == predictor.checkpoint.words.code_revision
    assert held["weights_sha256"] == predictor.checkpoint.words.weights_sha256
    assert float(held["temperature"]) == 1.5


def test_no_path_of_this_machine_is_in_the_file(data):
    for word in (b"/tmp", b"site-packages", b"stack_trace", b".py"):
        assert word not in data


def test_the_same_checkpoint_gives_the_same_bytes(predictor, data):
    assert encode(predictor, {"dataset_version": "toy 1", "simulated": True}) == data


def test_a_difference_from_torch_is_refused_with_its_size(predictor, data, monkeypatch):
    samples = {"alike": make_alike(predictor.inputs, 8, 0)}
    assert compare(predictor, data, samples, 1e-4)["alike"] < 1e-4
    part = next(iter(predictor.network.architecture.heads.parameters()))
    kept = part.detach().clone()
    with torch.no_grad():
        part[0].add_(0.5)
    try:
        with pytest.raises(SpecError, match=r"differs from the network by \d.* on alike samples; 0.0001 is allowed"):
            compare(predictor, data, samples, 1e-4)
    finally:
        with torch.no_grad():
            part.copy_(kept)


def test_values_alike_are_normalised_to_mean_0_and_spread_1(predictor):
    for spec, (name, values) in zip(predictor.inputs, make_alike(predictor.inputs, 40, 0).items(), strict=True):
        kind = modalities.find(name)
        planes = stretch(kind, physical(kind, values.swapaxes(0, 1), offset=spec.offset))
        normal = (planes - np.reshape(spec.mean, (-1, 1, 1, 1))) / np.reshape(spec.std, (-1, 1, 1, 1))
        assert np.abs(np.nanmean(normal)) < 0.3
        assert 0.5 < np.nanstd(normal) < 1.5


def test_a_spec_writes_the_file_and_what_was_measured(tmp_path, toy_pack, predictor, data, monkeypatch):
    """By the command that a job starts; the tracing itself, which takes seconds, is done above."""
    monkeypatch.setattr(onnx_export, "encode", lambda *_: data)
    spec = tmp_path / "export.json"
    words = {"checkpoint": str(predictor.checkpoint.path), "pack": str(toy_pack.folder), "temperature": 1.5}
    spec.write_text(json.dumps(words))
    assert main(["export", str(spec)]) == DONE
    told = json.loads((tmp_path / "network.onnx.json").read_text())
    assert set(told["difference"]) == set(told["samples"]) == {"random", "alike", "pack"}
    assert (tmp_path / "network.onnx").read_bytes() == data
    spec.write_text(json.dumps({**words, "output": "worse.onnx", "tolerance": 1e-12}))
    assert main(["export", str(spec)]) == FAILED
    assert not (tmp_path / "worse.onnx").exists()
    assert "is allowed" in (tmp_path / "events.jsonl").read_text().splitlines()[-1]


def test_a_network_that_cannot_be_traced_is_named_with_the_reason(predictor, monkeypatch):
    def refuse(*_):
        raise RuntimeError("an operator that nobody knows\nand much more")

    monkeypatch.setattr(onnx_export, "_trace", refuse)
    with pytest.raises(SpecError, match="Network 'sen2lcz' cannot be written as ONNX: an operator that nobody knows"):
        encode(predictor)


def test_what_is_not_installed_is_asked_for(predictor, monkeypatch):
    monkeypatch.setattr(onnx_export, "NEEDED", ("onnx_of_nowhere",))
    with pytest.raises(SpecError, match=r"geoquorum\[onnx\]"):
        encode(predictor)


@pytest.mark.parametrize("name", registry.list_names("fusion.engine.networks"))
def test_every_network_has_an_onnx_file_that_answers_as_it_does(tmp_path, toy_pack, monkeypatch, name):
    kind = networks.find(name)
    folder = toy_pack.folder
    words = {"network": {"name": name, **SMALL.get(name, {})}}
    if kind.input == "series":
        folder = write_pair(tmp_path / "pack").folder
        words["task"] = "change"
    elif kind.output == "map":
        folder = write_shaped_pack(tmp_path / "pack", make_samples()).folder
        use_task(monkeypatch, "mask", "ground", "oa")
        words["task"] = "made"
    predictor = open_predictor(read_checkpoint(save_untrained(tmp_path / "run", folder, **words)), device="cpu")
    if name in IMPOSSIBLE:
        with pytest.raises(SpecError, match=IMPOSSIBLE[name]):
            encode(predictor)
        return
    data = encode(predictor)
    samples = {"random": make_random(predictor.inputs, 5, 0), "alike": make_alike(predictor.inputs, 5, 0)}
    compare(predictor, data, samples, 1e-4)


@pytest.mark.parametrize(("head", "target", "metric"), [("field", "height", "rmse"), ("boxes", "plates", "ap")])
def test_every_shape_of_target_has_an_onnx_file(tmp_path, monkeypatch, head, target, metric):
    use_task(monkeypatch, head, target, metric)
    folder = write_shaped_pack(tmp_path / "pack", make_samples()).folder
    words = {"task": "made", "network": {"name": "unet", "width": 4, "depth": 2}}
    predictor = open_predictor(read_checkpoint(save_untrained(tmp_path / "run", folder, **words)), device="cpu")
    data = encode(predictor)
    compare(predictor, data, {"alike": make_alike(predictor.inputs, 5, 0)}, 1e-4)
    outputs = [one.name for one in onnx.load_model_from_string(data).graph.output]
    assert outputs == (["outputs"] if head == "boxes" else ["mean"])
    assert TINY
