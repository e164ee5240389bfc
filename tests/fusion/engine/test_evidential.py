"""Evidence: the loss is the expectation under the Dirichlet that it claims to be, and other shapes are refused."""

import numpy as np
import pytest
import torch
from scipy.stats import dirichlet

from fusion.engine import head as heads
from fusion.engine.objective import Lesson
from fusion.engine.objectives.evidential import describe_target, measure_evidence, measure_flatness, spoil
from fusion.engine.setup import prepare_run
from fusion.errors import SpecError
from fusion.run import RunSpec


def test_the_loss_is_the_expected_cross_entropy_under_the_distribution():
    logits, shares = np.array([1.5, 0.2, -0.4]), np.array([0.7, 0.3, 0.0])
    drawn = dirichlet(np.exp(logits), seed=0).rvs(200_000)
    wanted = -(shares * np.log(np.maximum(drawn, 1e-300))).sum(axis=1).mean()
    found = measure_evidence(torch.tensor(logits[None]), torch.tensor(shares[None]), 0.0)
    assert float(found) == pytest.approx(wanted, abs=0.01)


def test_the_divergence_from_the_flat_distribution_is_drawn_alike_and_is_nought_where_it_is_flat():
    concentration = np.array([2.0, 0.7, 1.3])
    drawn = dirichlet(concentration, seed=0).rvs(20_000).T
    gap = dirichlet.logpdf(drawn, concentration) - dirichlet.logpdf(drawn, np.ones(3))
    assert float(measure_flatness(torch.tensor(concentration[None]))) == pytest.approx(np.mean(gap), abs=0.02)
    assert float(measure_flatness(torch.ones(1, 17))) == pytest.approx(0, abs=1e-5)


def test_evidence_for_wrong_classes_costs_and_none_is_infinite():
    one = torch.tensor([[1.0, 0.0, 0.0]])
    right, wrong = torch.tensor([[4.0, 0, 0]]), torch.tensor([[4.0, 3.0, 0]])
    assert measure_evidence(wrong, one, 0.1) > measure_evidence(right, one, 0.1)
    far = torch.full((1, 3), 500.0, requires_grad=True)
    loss = measure_evidence(far * torch.tensor([[1.0, -1.0, 1.0]]), one, 1.0)
    loss.backward()
    assert torch.isfinite(loss)
    assert torch.isfinite(far.grad).all()


def test_only_classes_are_learned_by_evidence(make_spec):
    with pytest.raises(SpecError, match="flatness"):
        prepare_run(RunSpec.from_json(make_spec(objective={"name": "evidential", "flatness": 11.0})))
    assert (
        prepare_run(RunSpec.from_json(make_spec(objective={"name": "evidential"}))).learner.options["flatness"] == 0.1
    )
    with pytest.raises(SpecError, match="objective evidential learns classes; the task's head is 'field'"):
        describe_target(
            Lesson(pack=None, name="", head=heads.find("field"), scheme=None, inputs=(), options={}, rows=None)
        )


def test_strangers_are_the_same_samples_in_impossible_colours_and_move_no_batch_statistics(make_spec):
    stored = torch.full((3, 10, 4, 4), 3000, dtype=torch.uint16)
    torch.manual_seed(0)
    changed = spoil(stored)
    assert changed.dtype == torch.uint16
    assert changed.float().std(dim=(2, 3)).max() == 0, "a band of a sample has one factor"
    assert len(changed[:, :, 0, 0].unique()) > 25
    found = []
    for weight in (0.0, 1.0):
        setup = prepare_run(RunSpec.from_json(make_spec(objective={"name": "evidential", "strangers": weight})))
        setup.learner.network.train()
        loss, _ = setup.objective.take_step(setup.learner, setup.reader.read(setup.rows[:16]))
        means = [value for name, value in setup.learner.network.state_dict().items() if name.endswith("running_mean")]
        found.append((float(loss), torch.cat(means)))
    assert found[1][0] > found[0][0]
    assert torch.equal(found[1][1], found[0][1])
    assert setup.learner.network.training
