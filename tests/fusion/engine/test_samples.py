"""A few validation samples while a run learns: small, the same ones each time, kept over an interruption."""

import json

import numpy as np
import pytest

from fusion.engine import samples
from fusion.engine.samples import MOST_SAMPLES, choose_rows, is_due, tell_arrays
from fusion.engine.session import open_session
from fusion.engine.train import train
from fusion.run import RunSpec


@pytest.fixture(scope="module")
def told(tmp_path_factory, toy_pack):
    """What a run of five epochs told, with the file's size."""
    folder = tmp_path_factory.mktemp("run")
    words = {"task": "lcz", "pack": str(toy_pack.folder), "network": {"name": "sen2lcz", "width": 4, "depth": 5}}
    words |= {"epochs": 5, "batch_size": 16, "baselines": [], "resamples": 20, "threads": 1, "device": "cpu"}
    with open_session(folder) as session:
        train(RunSpec.from_json(words), session)
    path = folder / samples.FILE
    return json.loads(path.read_text()), path.stat().st_size


def test_a_run_tells_truth_and_prediction_of_a_handful_of_samples(told, toy_pack):
    values, size = told
    assert (values["head"], values["scheme"], values["stored"]) == ("classes", "lcz17", "probability")
    assert [entry["epoch"] for entry in values["entries"]] == [1, 2, 3, 4, 5]
    for entry in values["entries"]:
        assert np.sum(entry["decoded"]["probability"], axis=1) == pytest.approx(1, abs=1e-2)
    rows = np.array(values["rows"])
    assert set(rows) <= set(toy_pack.indices("validation"))
    assert values["ids"] == [f"s{row}" for row in rows]
    assert values["truth"]["label"] == toy_pack.labels()[rows].tolist()
    assert np.allclose(values["truth"]["distribution"], toy_pack.distribution()[rows], atol=1e-3)
    assert size < 30_000


def test_the_samples_are_of_as_many_classes_as_there_are(told, toy_pack):
    rows = np.array(told[0]["rows"])
    assert len(rows) == MOST_SAMPLES
    assert len(set(toy_pack.labels()[rows])) == len(set(toy_pack.labels()[toy_pack.indices("validation")])) == 5


def test_rows_without_labels_are_spread_evenly():
    assert choose_rows(np.arange(100)).tolist() == [0, 14, 28, 42, 56, 70, 84, 99]
    assert choose_rows(np.arange(3)).tolist() == [0, 1, 2]
    assert choose_rows(np.arange(0)).tolist() == []


@pytest.mark.parametrize("epochs", [1, 40, 3000, 100_000])
def test_long_runs_tell_no_more_than_short_ones(epochs):
    due = [epoch for epoch in range(1, epochs + 1) if is_due(epoch, epochs)]
    assert due[0] == 1
    assert len(due) <= 2 * samples.PARTS + 18


def test_pictures_are_thinned_and_long_lists_left_out():
    shares = np.zeros((2, 3, 100, 70))
    shares[:, 2] = 1.0
    told = tell_arrays({"mask": shares, "field": np.full((2, 1, 64, 64), np.nan), "boxes": np.zeros((2, 300))})
    assert np.shape(told["mask"]) == (2, 25, 24)
    assert set(np.ravel(told["mask"])) == {2}
    assert np.shape(told["field"]) == (2, 32, 32)
    assert told["field"][0][0][0] is None
    assert "boxes" not in told


def test_an_earlier_attempts_entries_are_kept_up_to_where_it_goes_on(tmp_path):
    path = tmp_path / samples.FILE
    path.write_text(json.dumps({"entries": [{"epoch": 1, "step": 6}, {"epoch": 2, "step": 12}]}))
    one = samples.Samples.__new__(samples.Samples)
    one.path, one.entries = path, []
    one.take_over(6)
    assert one.entries == [{"epoch": 1, "step": 6}]
