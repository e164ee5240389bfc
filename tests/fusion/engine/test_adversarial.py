"""A critic beside the network: its penalty in closed form, whose turn a step is, a run that goes on the same."""

from pathlib import Path

import numpy as np
import pytest
import torch

from fusion.engine.checkpoint import list_steps, read_checkpoint
from fusion.engine.critic import PatchCritic, measure_penalty
from fusion.engine.session import RunCancelledError
from fusion.engine.setup import Setup
from fusion.engine.train import Training
from fusion.errors import SpecError
from fusion.pack import Pack
from tests.fusion.engine.shaped_runs import prepare, read_epochs, run, use_task
from tests.fusion.shaped_packs import make_samples, write_shaped_pack

OBJECTIVE = {"name": "adversarial", "critic_steps": 2, "critic_width": 4, "critic_layers": 2}


@pytest.fixture(scope="module")
def pack(tmp_path_factory: pytest.TempPathFactory) -> Pack:
    return write_shaped_pack(tmp_path_factory.mktemp("adversarial") / "pack", make_samples())


@pytest.fixture
def task(monkeypatch: pytest.MonkeyPatch) -> None:
    use_task(monkeypatch, "field", "height", "rmse", metric_goal="min", objective="adversarial")


def test_the_penalty_of_a_linear_critic_is_that_of_its_weights_length() -> None:
    torch.manual_seed(0)
    weights = torch.randn(2, 5, 6).requires_grad_()
    true, false = torch.randn(7, 2, 5, 6), torch.randn(7, 2, 5, 6)
    found = measure_penalty(lambda maps: (maps * weights).sum(dim=(1, 2, 3)), true, false)
    torch.testing.assert_close(found, (weights.norm() - 1) ** 2)
    found.backward()
    torch.testing.assert_close(weights.grad, (2 * (weights.norm() - 1) * weights / weights.norm()).detach())


def test_the_penalty_is_taken_between_true_and_made_maps() -> None:
    torch.manual_seed(0)
    seen = []

    def judge(maps: torch.Tensor) -> torch.Tensor:
        seen.append(maps.detach())
        return maps.square().sum(dim=(1, 2, 3)) / 2

    true, false = torch.zeros(50, 1, 2, 2), torch.ones(50, 1, 2, 2)
    found = measure_penalty(judge, true, false)
    places = seen[0][:, 0, 0, 0]
    assert 0 < places.min() < 0.2 < 0.8 < places.max() < 1
    torch.testing.assert_close(found, ((2 * places - 1) ** 2).mean())  # the slope is the map's own length


def test_the_critic_judges_each_sample_by_itself() -> None:
    torch.manual_seed(0)
    critic = PatchCritic(3, width=4, layers=3)
    image = torch.randn(5, 3, 24, 20)
    torch.testing.assert_close(critic(image)[1:2], critic(image[1:2]))
    assert critic(image).shape == (5,)
    critic(image).sum().backward()
    assert all(part.grad is not None and part.grad.any() for part in critic.parameters())


def take_step(setup: Setup, number: int) -> dict[str, bool]:
    """Whether network and critic are others after the step of this number."""
    modules = {"network": setup.learner.network.architecture, "critic": setup.learner.parts["critic"]}
    before = {name: [part.detach().clone() for part in module.parameters()] for name, module in modules.items()}
    setup.learner.steps_done = number
    setup.learner.network.train()
    setup.objective.take_step(setup.learner, setup.reader.read(np.arange(10)))
    return {
        name: any(not torch.equal(old, new) for old, new in zip(before[name], module.parameters(), strict=True))
        for name, module in modules.items()
    }


def test_every_step_is_the_critics_and_every_second_the_networks_too(pack: Pack, task: None) -> None:
    setup = prepare(pack, objective=OBJECTIVE)
    changed = [take_step(setup, number) for number in range(4)]
    assert [step["critic"] for step in changed] == [True] * 4
    assert [step["network"] for step in changed] == [False, True, False, True]


def test_the_network_learns_from_the_critic_where_nothing_else_is_asked(pack: Pack, task: None) -> None:
    alone = prepare(pack, objective={**OBJECTIVE, "l1_weight": 0.0, "critic_steps": 1})
    assert take_step(alone, 0) == {"network": True, "critic": True}


def test_pixels_without_truth_are_seen_by_neither(pack: Pack, task: None) -> None:
    setup = prepare(pack, objective=OBJECTIVE)
    outputs, target = torch.randn(3, 1, 24, 24), torch.randn(3, 1, 24, 24)
    target[:, :, :5] = torch.nan
    made, true = setup.learner.head.paint(outputs, target)
    assert not made[:, :, :5].any()
    assert not true[:, :, :5].any()
    torch.testing.assert_close(made[:, :, 5:], outputs[:, :, 5:])
    mean, std = setup.target.mean[0], setup.target.std[0]
    torch.testing.assert_close(true[:, :, 5:], (target[:, :, 5:] - mean) / std)


def test_a_run_learns_and_goes_on_after_a_stop_bit_for_bit(
    tmp_path: Path, pack: Pack, task: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Row E5: 8 steps and 3 + stop + 5 give the same tensors, those of the critic and of both optimisers too."""
    words = {"objective": OBJECTIVE, "epochs": 2, "select_by": "last"}
    whole = run(tmp_path / "whole", pack, **words)
    original = Training._after_step

    def after_step(self: Training) -> None:
        self.session.stop.is_requested = self.progress.step == 3
        original(self)

    with monkeypatch.context() as patch:
        patch.setattr(Training, "_after_step", after_step)
        with pytest.raises(RunCancelledError):
            run(tmp_path / "parts", pack, **words)
    torch.manual_seed(99)
    assert run(tmp_path / "parts", pack, **words).weights_sha256 == whole.weights_sha256
    one, two = (read_newest(tmp_path / name) for name in ("whole", "parts"))
    assert {key.split(".")[0] for key in one.tensors} >= {"network", "part", "optimizer"}
    assert any(key.startswith("optimizer.critic.") for key in one.tensors)
    assert set(one.tensors) == set(two.tensors)
    assert [key for key in one.tensors if not torch.equal(one.tensors[key], two.tensors[key])] == []
    assert one.words.optimizers == two.words.optimizers


def read_newest(folder: Path):
    return read_checkpoint(folder / "checkpoints" / f"step-{list_steps(folder / 'checkpoints')[0]}.json")


@pytest.mark.slow
def test_a_run_against_a_critic_comes_near_the_truth(tmp_path: Path, pack: Pack, task: None) -> None:
    report = run(tmp_path, pack, objective=OBJECTIVE, epochs=20)
    losses = [epoch["validation_loss"] for epoch in read_epochs(tmp_path)]
    assert losses[-1] < 0.3 < 0.5 * losses[0] or losses[-1] < 0.15
    assert report.test["r2"]["value"] > 0.7


def test_footprints_are_learned_against_a_critic_too(pack: Pack, monkeypatch: pytest.MonkeyPatch) -> None:
    use_task(monkeypatch, "mask", "ground", "oa", objective="adversarial")
    setup = prepare(pack, objective={**OBJECTIVE, "critic_steps": 1})
    assert take_step(setup, 0) == {"network": True, "critic": True}


def test_what_has_no_maps_is_refused(pack: Pack, monkeypatch: pytest.MonkeyPatch) -> None:
    use_task(monkeypatch, "boxes", "plates", "centre_f1", objective="adversarial")
    with pytest.raises(SpecError, match="learns maps of head mask or field; 'plates' is none"):
        prepare(pack, objective=OBJECTIVE)
    use_task(monkeypatch, "field", "height", "rmse", objective="adversarial")
    with pytest.raises(SpecError, match=r"objective.critic_layers is 5: .* need 32 pixels, the inputs have 24"):
        prepare(pack, objective={**OBJECTIVE, "critic_layers": 5})
