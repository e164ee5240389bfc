"""Learning from the inputs alone: they are the target as the network sees them, hidden patches are given back."""

from pathlib import Path

import numpy as np
import pytest
import torch

from fusion.engine.dataset import read_inputs
from fusion.engine.head import open_head
from fusion.engine.objectives import reconstruction
from fusion.errors import SpecError
from fusion.pack import Pack
from tests.fusion.engine.shaped_runs import prepare, read_epochs, run, use_task
from tests.fusion.shaped_packs import make_samples, write_shaped_pack

MASKED = {"name": "reconstruction", "masked": 0.5, "patch": 4}


@pytest.fixture(scope="module")
def pack(tmp_path_factory: pytest.TempPathFactory) -> Pack:
    """Nodata (0) in the upper rows of one band; no target at all."""
    samples = make_samples()
    samples["image"][:, 0, :3] = 0
    return write_shaped_pack(tmp_path_factory.mktemp("reconstruction") / "pack", samples, targets={}, modalities=2)


@pytest.fixture
def task(monkeypatch: pytest.MonkeyPatch) -> None:
    use_task(monkeypatch, "field", "", "rmse", metric_goal="min", objective="reconstruction")


def test_the_target_are_the_normalised_inputs_without_what_holds_no_data(pack: Pack, task: None) -> None:
    setup = prepare(pack, objective={"name": "reconstruction"})
    rows = np.array([4, 1])
    batch = setup.reader.read(rows, np.array([5, 2]))
    steps = setup.learner.network.normalise
    stored = [batch.inputs[spec.name] for spec in setup.inputs]
    wanted = torch.cat([step(values) for step, values in zip(steps, stored, strict=True)], dim=1)
    known = torch.cat([values != 0 for values in [part.float() for part in stored]], dim=1)
    assert torch.equal(torch.isfinite(batch.target), known)
    assert not known.all()
    torch.testing.assert_close(batch.target[known], wanted[known])
    assert setup.target.bands == ("infrared B8", "red B4")
    truth = setup.reader.target.read_truth(rows)["field"]
    torch.testing.assert_close(torch.from_numpy(truth), setup.reader.read(rows).target, equal_nan=True)


def test_only_hidden_patches_are_to_be_given_back(pack: Pack, task: None, monkeypatch: pytest.MonkeyPatch) -> None:
    setup = prepare(pack, objective=MASKED)
    batch, seen = setup.reader.read(np.arange(6)), {}

    def look(inputs: dict[str, torch.Tensor]) -> torch.Tensor:
        seen.update(inputs)
        return torch.zeros(6, 2, 24, 24)

    network = setup.learner.network
    monkeypatch.setattr(network, "forward", look)
    torch.manual_seed(1)
    loss, _ = reconstruction.measure(setup.learner, network, batch)
    hidden = torch.isnan(seen["infrared"][:, 0])
    assert torch.equal(hidden, torch.isnan(seen["red"][:, 0]))
    assert hidden.float().mean() == 0.5
    assert set(hidden.reshape(6, 6, 4, 6, 4).float().mean(dim=(2, 4)).unique().tolist()) == {0.0, 1.0}
    visible = batch.inputs["red"][:, 0][~hidden].float()
    assert torch.equal(seen["red"][:, 0][~hidden], visible)
    known = torch.isfinite(batch.target) & hidden[:, None]
    costs = [batch.target[row][known[row]].square().mean() for row in range(6)]
    torch.testing.assert_close(loss, torch.stack(costs).mean())


def test_validation_hides_the_same_patches_each_time_and_training_others(pack: Pack, task: None) -> None:
    setup = prepare(pack, objective=MASKED)
    batch, learner = setup.reader.read(np.arange(6)), setup.learner
    learner.network.eval()
    with torch.no_grad():
        fixed = [float(setup.objective.validate(learner, learner.network, batch)[0]) for _ in range(2)]
        drawn = [float(reconstruction.measure(learner, learner.network, batch)[0]) for _ in range(2)]
    assert fixed[0] == fixed[1]
    assert drawn[0] != drawn[1]


@pytest.mark.parametrize(
    ("objective", "epochs", "limit"),
    [({"name": "reconstruction"}, 10, 0.5), pytest.param(MASKED, 40, 0.75, marks=pytest.mark.slow)],
)
def test_a_run_learns_to_give_the_inputs_back(
    tmp_path: Path, pack: Pack, task: None, objective: dict[str, object], epochs: int, limit: float
) -> None:
    report = run(tmp_path, pack, objective=objective, epochs=epochs)
    losses = [epoch["validation_loss"] for epoch in read_epochs(tmp_path)]
    assert losses[-1] < limit  # 1 is what the mean of each band costs
    assert report.test["unit"] == "standard deviations"
    assert report.test["values"] == 10 * (24 * 24 + 21 * 24)
    assert set(report.test["bands"]) == {"infrared B8", "red B4"}


def test_inputs_are_given_back_as_a_field_alone(pack: Pack, monkeypatch: pytest.MonkeyPatch) -> None:
    use_task(monkeypatch, "mask", "", "oa", objective="reconstruction")
    with pytest.raises(SpecError, match="gives back a field; the task's head is 'mask'"):
        prepare(pack, objective={"name": "reconstruction"})
    use_task(monkeypatch, "field", "", "rmse", objective="reconstruction")
    with pytest.raises(SpecError, match="learned by squares alone"):
        prepare(pack, objective={"name": "reconstruction", "variance": True})
    with pytest.raises(SpecError, match="gives a vector; head 'field' needs a map"):
        prepare(pack, objective={"name": "reconstruction"}, network={"name": "sen2lcz", "width": 2, "depth": 5})


def test_the_head_knows_from_a_checkpoint_that_the_inputs_are_its_target(pack: Pack, task: None) -> None:
    setup = prepare(pack, objective={"name": "reconstruction"})
    reader = open_head(setup.target).open_target(pack, setup.target, setup.inputs)
    inputs = read_inputs({name: pack.array(name) for name in pack.array_names}, np.arange(3), torch.device("cpu"))
    found = reader.read(np.arange(3), inputs, torch.device("cpu"))
    torch.testing.assert_close(found, setup.reader.read(np.arange(3)).target, equal_nan=True)
