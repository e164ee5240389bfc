"""A spec is read whole or refused with the field that is wrong; a report comes back as it was written."""

import json
import subprocess
import sys

import pytest

from fusion import run
from fusion.errors import SpecError, UnknownKindError
from fusion.run import EvaluateSpec, PredictSpec, RunSpec, check_pack, read_json, read_words, write_json


def make(**words):
    return RunSpec.from_json({"task": "lcz", "pack": "p", **words})


def test_a_spec_survives_json():
    spec = make(max_seconds=60, epochs=7, baselines=["random_forest"], network={"name": "sen2lcz", "width": 12})
    again = RunSpec.from_json(json.loads(json.dumps(spec.to_json())))
    assert again == spec
    assert (spec.max_seconds, spec.baselines, spec.network["width"]) == (60.0, ("random_forest",), 12)


def test_the_spec_goes_over_the_task_and_keeps_what_it_does_not_say():
    spec = make(network={"width": 12}, objective={"target": "label"})
    assert spec.network == {"name": "sen2lcz", "width": 12, "depth": 17, "dropout": 0.2}
    assert spec.objective == {"name": "supervised", "target": "label"}


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ({"epoch": 3}, r"'epoch' is not a field of RunSpec. Known: .*epochs"),
        ({"epochs": "3"}, "epochs must be int; it is '3'"),
        ({"epochs": True}, "epochs must be int"),
        ({"epochs": 0}, "epochs must lie from 1"),
        ({"learning_rate": float("nan")}, "learning_rate must lie"),
        ({"max_seconds": -1}, "max_seconds must lie"),
        ({"schedule": "stairs"}, "schedule must be 'constant' or 'cosine' or 'one_cycle' or 'step'; it is 'stairs'"),
        ({"baselines": [5]}, "baselines must be str; it is 5"),
        ({"network": 5}, "network must be dict; it is 5"),
        ({"modalities": "sentinel2"}, "modalities must be .*it is 'sentinel2'"),
        ({"pack": None}, "pack must be str; it is None"),
    ],
)
def test_a_wrong_field_is_named(words, message):
    with pytest.raises(SpecError, match=message):
        make(**words)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ({"task": "lzc"}, r"Unknown task 'lzc'. Known: .*lcz"),
        ({"network": {"name": "resnet0"}}, r"Unknown network 'resnet0'. Known: .*sen2lcz"),
        ({"objective": {"name": "wish"}}, r"Unknown objective 'wish'. Known: .*supervised"),
        ({"baselines": ["svm"]}, r"Unknown baseline 'svm'. Known: .*majority_class, random_forest"),
    ],
)
def test_an_unknown_kind_is_answered_with_the_known_ones(words, message):
    with pytest.raises(UnknownKindError, match=message):
        make(**words)


def test_a_missing_field_is_named():
    with pytest.raises(SpecError, match="'pack'"):
        RunSpec.from_json({"task": "lcz"})
    with pytest.raises(SpecError, match="'checkpoint'"):
        read_words(EvaluateSpec, {"pack": "p"})


def test_lists_of_json_become_tuples():
    assert read_words(PredictSpec, {"checkpoint": "c", "rows": [1, 2]}).rows == (1, 2)


def test_a_pack_of_another_hash_is_refused_with_both():
    check_pack("", "b", "p")
    check_pack("b", "b", "p")
    with pytest.raises(SpecError, match="the spec names a, but p is b"):
        check_pack("a", "b", "p")


def test_a_file_that_holds_no_object_is_named(tmp_path):
    path = tmp_path / "spec.json"
    for text, message in (("[1]", "must hold a JSON object; it holds a list"), ("{", "cannot be read as JSON")):
        path.write_text(text)
        with pytest.raises(SpecError, match=message):
            read_json(path)
    with pytest.raises(SpecError, match="absent"):
        read_json(tmp_path / "absent.json")
    write_json(path, {"a": 1})
    assert read_json(path) == {"a": 1}
    assert list(tmp_path.iterdir()) == [path]


def test_code_and_environment_are_told(monkeypatch):
    assert len(run.describe_code().removesuffix("+changes")) == 40 or run.describe_code().startswith("geoquorum ")
    assert run.describe_environment()["numpy"].count(".") >= 1
    monkeypatch.setattr(run, "_run_git", lambda *_: (_ for _ in ()).throw(FileNotFoundError("git")))
    assert run.describe_code().startswith("geoquorum ")
    monkeypatch.setattr(run, "PACKAGES", ("surely-not-there",))
    assert run.describe_environment()["surely-not-there"] == "not installed"


def test_reading_a_spec_imports_no_torch():
    code = (
        "import sys; from fusion.run import RunSpec; RunSpec.from_json({'task': 'lcz', 'pack': 'p'});"
        "import fusion.__main__; sys.exit('torch' in sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)
