"""The head of fields: values in their unit, unknown ones nowhere, a predicted variance that is the noise's."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from fusion.engine import head as heads
from fusion.engine.head import TargetInfo, find_output
from fusion.engine.symmetries import turn
from fusion.errors import SpecError
from fusion.pack import Pack, TargetSource, TargetSpec
from tests.fusion.engine.shaped_runs import open_head, prepare, read_epochs, run, use_task
from tests.fusion.shaped_packs import NO_HEIGHT, list_targets, make_samples, write_shaped_pack

CPU = torch.device("cpu")
INFO = TargetInfo(name="h", head="field", dims=("band", "y", "x"), bands=("a", "b"), mean=(10.0, -2.0), std=(4.0, 0.5))
WITH_VARIANCE = replace(INFO, options={"variance": True})


@pytest.fixture(scope="module")
def pack(tmp_path_factory: pytest.TempPathFactory) -> Pack:
    """Heights of which the upper rows are unknown, and all of the first sample."""
    samples = make_samples()
    samples["height"][:, :, :4] = NO_HEIGHT
    samples["height"][0] = NO_HEIGHT
    return write_shaped_pack(tmp_path_factory.mktemp("field") / "pack", samples)


def draw(info: TargetInfo = INFO) -> tuple[torch.Tensor, torch.Tensor]:
    torch.manual_seed(0)
    values = torch.tensor(info.mean).reshape(1, 2, 1, 1) + torch.randn(4, 2, 5, 6)
    values[:, 0, 0], values[1] = torch.nan, torch.nan
    return torch.randn(4, 4 if info.options else 2, 5, 6), values


@pytest.mark.parametrize("kind", ["l1", "l2"])
def test_the_loss_is_the_mean_error_of_known_values_in_standard_deviations(kind: str) -> None:
    outputs, values = draw()
    error = outputs - (values - torch.tensor([10.0, -2.0]).reshape(1, 2, 1, 1)) / torch.tensor([4.0, 0.5]).reshape(
        1, 2, 1, 1
    )
    costs = error.abs() if kind == "l1" else error**2
    wanted = torch.stack([costs[row].nanmean() for row in (0, 2, 3)]).sum() / 4
    torch.testing.assert_close(heads.open_head(replace(INFO, options={"loss": kind})).loss(outputs, values), wanted)


@pytest.mark.parametrize("info", [INFO, WITH_VARIANCE])
def test_unknown_values_change_neither_loss_nor_gradient_nor_metric_nor_score(info: TargetInfo) -> None:
    outputs, values = draw(info)
    head = heads.open_head(info)
    hidden = torch.isnan(values) if info is INFO else torch.isnan(values).repeat(1, 2, 1, 1)
    found = []
    for changed in (outputs, torch.where(hidden, outputs * -7, outputs)):
        changed = changed.clone().requires_grad_()
        loss = head.loss(changed, values)
        loss.backward()
        assert torch.isfinite(changed.grad).all()
        assert not changed.grad[hidden].any()
        decoded = {name: value.detach().numpy() for name, value in head.decode(changed, 1.0).items()}
        scores = head.score([head.collect({"field": values.numpy()}, decoded)], range(4), 0, 10)
        measured = [float(metric(changed.detach(), values)) for metric in head.metrics.values()]
        found.append([float(loss.detach()), *measured, scores])
    assert found[0] == found[1]


def test_metrics_are_those_of_the_scores() -> None:
    outputs, values = draw()
    one = replace(INFO, bands=("a",), mean=(10.0,), std=(4.0,))
    head = heads.open_head(one)
    decoded = {"mean": head.decode(outputs[:, :1], 1.0)["mean"].numpy()}
    scores = head.score([head.collect({"field": values[:, :1].numpy()}, decoded)], range(4), 0, 10)
    for name, metric in head.metrics.items():
        assert float(metric(outputs[:, :1], values[:, :1])) == pytest.approx(scores[name]["value"], rel=1e-4), name


def test_a_predicted_variance_is_the_noise_that_was_put_in() -> None:
    rng = np.random.default_rng(0)
    group = rng.integers(0, 2, 4000)
    truth = np.array([10.0, 14.0])[group] + np.array([0.5, 3.0])[group] * rng.normal(size=4000)
    info = replace(WITH_VARIANCE, dims=("band",), bands=("a",), mean=(12.0,), std=(3.0,))
    head = heads.open_head(info)
    layer = torch.nn.Linear(2, 2, bias=False)
    given = torch.eye(2)[torch.from_numpy(group)]
    values = torch.from_numpy(truth.astype(np.float32))[:, None]
    optimizer = torch.optim.LBFGS(layer.parameters(), max_iter=60, line_search_fn="strong_wolfe")

    def close() -> torch.Tensor:
        optimizer.zero_grad()
        loss = head.loss(layer(given), values)
        loss.backward()
        return loss

    optimizer.step(close)
    found = {name: part.detach().numpy() for name, part in head.decode(layer(torch.eye(2)), 1.0).items()}
    np.testing.assert_allclose(found["mean"][:, 0], [10.0, 14.0], atol=0.2)
    np.testing.assert_allclose(np.sqrt(found["variance"][:, 0]), [0.5, 3.0], rtol=0.05)


def test_the_temperature_is_what_makes_a_wrong_variance_right() -> None:
    rng = np.random.default_rng(0)
    head = heads.open_head(WITH_VARIANCE)
    outputs = torch.zeros(50, 4, 5, 6)
    truth = np.array(INFO.mean).reshape(2, 1, 1) + np.array(INFO.std).reshape(2, 1, 1) * 2.5 * rng.normal(
        size=(50, 2, 5, 6)
    )

    def score(temperature: float) -> tuple[list[dict[str, np.ndarray]], float]:
        decoded = {name: part.numpy() for name, part in head.decode(outputs, temperature).items()}
        evidence = [head.collect({"field": truth}, decoded)]
        return evidence, head.score(evidence, range(50), 0, 10)["coverage_90"]["value"]

    evidence, before = score(1.0)
    assert head.fit_temperature is not None
    temperature = head.fit_temperature(evidence)
    assert temperature == pytest.approx(2.5, abs=0.1)
    assert before < 0.6
    assert score(temperature)[1] == pytest.approx(0.9, abs=0.03)
    assert heads.open_head(INFO).fit_temperature is None


def test_an_ensemble_has_the_variance_of_its_mixture() -> None:
    members = [
        {"mean": np.array([[1.0]]), "variance": np.array([[0.5]])},
        {"mean": np.array([[3.0]]), "variance": np.array([[1.5]])},
    ]
    found = heads.find("field").combine(members)
    assert (found["mean"].item(), found["variance"].item()) == (2.0, 2.0)  # 1 of their own, 1 of their spread
    plain = heads.find("field").combine([{"mean": np.array([[1.0]])}, {"mean": np.array([[3.0]])}])
    assert plain["variance"].item() == 1.0


def test_fields_are_read_in_their_unit_with_unknown_values_and_turn_with_the_sample(pack: Pack) -> None:
    head, target = open_head(pack, "field", "height")
    reader, rows = head.open_target(pack, target, ()), np.array([3, 0, 7])
    found = reader.read(rows, {}, CPU, np.array([5, 1, 2]))
    stored = pack.target_array("height").gather(rows)
    stored[stored == np.float32(NO_HEIGHT)] = np.nan
    np.testing.assert_array_equal(found.numpy(), turn(stored, np.array([5, 1, 2])))
    known = pack.target_array("height").gather(pack.indices("train"))[1:, :, 4:]
    np.testing.assert_allclose([target.mean[0], target.std[0]], [known.mean(), known.std()], rtol=1e-5)
    assert (target.bands, target.unit) == (("height",), "m")


def test_a_sample_that_has_no_field_is_left_out_and_would_cost_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    samples, has_field = make_samples(), np.arange(60) % 4 != 1
    source = replace(list_targets(samples)["height"].values, present=has_field)
    targets = {"height": TargetSpec(head="field", values=source)}
    pack = write_shaped_pack(tmp_path / "pack", samples, targets=targets)
    use_task(monkeypatch, "field", "height", "rmse", metric_goal="min")
    setup = prepare(pack)
    assert np.array_equal(setup.rows, np.flatnonzero(has_field[:40]))
    assert np.array_equal(setup.validation, 40 + np.flatnonzero(has_field[40:50]))
    values = setup.reader.read(np.array([4, 5])).target
    assert torch.isnan(values[1]).all()
    outputs = torch.randn(2, 1, 24, 24)
    torch.testing.assert_close(
        setup.learner.head.loss(outputs, values), setup.learner.head.loss(outputs[:1], values[:1]) / 2
    )


def test_an_array_of_the_pack_is_learned_in_physical_units(tmp_path: Path) -> None:
    samples = make_samples(10)
    targets = {"bands": TargetSpec(head="field", array="s2")}
    pack = write_shaped_pack(tmp_path / "pack", samples, targets=targets)
    head, target = open_head(pack, "field", "bands")
    entry = pack.manifest["arrays"]["s2"]
    wanted = (samples["image"][2:4].astype(np.float32) + entry["offset"]) * entry["scale"]
    np.testing.assert_allclose(
        head.open_target(pack, target, ()).read_truth(np.array([2, 3]))["field"], wanted, rtol=1e-6
    )
    assert target.bands == ("B4", "B8")


def test_a_run_learns_heights_with_their_variance(tmp_path: Path, pack: Pack, monkeypatch: pytest.MonkeyPatch) -> None:
    use_task(monkeypatch, "field", "height", "rmse", metric_goal="min")
    report = run(tmp_path, pack, objective={"name": "supervised", "variance": True}, epochs=5)
    assert report.test["rmse"]["value"] < 0.4 * open_head(pack, "field", "height")[1].std[0]
    assert report.test["unit"] == "m"
    assert 0.5 < report.test["coverage_90"]["value"] <= 1
    assert np.isfinite(report.test["negative_log_likelihood"]["value"])
    assert report.test["values"] == 10 * 20 * 24


def test_a_value_per_sample_is_learned_by_a_network_of_vectors(
    tmp_path: Path, pack: Pack, monkeypatch: pytest.MonkeyPatch
) -> None:
    use_task(monkeypatch, "field", "level", "rmse", metric_goal="min", network="sen2lcz")
    words = {"network": {"name": "sen2lcz", "width": 4, "depth": 5, "dropout": 0.0}, "epochs": 6}
    report = run(tmp_path, pack, **words)
    losses = [epoch["validation_loss"] for epoch in read_epochs(tmp_path)]
    assert losses[-1] < 0.6  # 1 is the variance of the values
    assert set(report.test["bands"]) == {"level 0", "level 1"}
    with pytest.raises(SpecError, match=r"network 'unet' gives a map; head 'field' needs a vector"):
        prepare(pack)


def test_the_dims_decide_what_a_network_must_give() -> None:
    assert find_output(heads.find("field"), INFO) == "map"
    assert find_output(heads.find("field"), replace(INFO, dims=("band",))) == "vector"


def test_what_cannot_be_learned_as_a_field_is_refused(tmp_path: Path) -> None:
    samples = make_samples(10)
    samples["height"][:] = NO_HEIGHT
    targets = list_targets(samples)
    small = TargetSource(dims=("y", "x"), dtype="float32", shape=(6, 6), chunks=[samples["height"][:, 0, :6, :6]])
    targets["small"] = TargetSpec(head="field", values=small)
    pack = write_shaped_pack(tmp_path / "pack", samples, targets=targets)
    with pytest.raises(SpecError, match=r"none of the 10 train samples .* holds a value of 'height': all is nodata"):
        open_head(pack, "field", "height")
    with pytest.raises(SpecError, match=r"'small' of .* has 6 x 6 pixels, the inputs have 24 x 24"):
        open_head(pack, "field", "small")
    with pytest.raises(SpecError, match=r"the task learns 'field', target 'ground' of .* holds 'mask'"):
        open_head(pack, "field", "ground")
    with pytest.raises(
        SpecError, match=r"with a predicted variance the likelihood takes the loss's place; leave it l2"
    ):
        open_head(pack, "field", "level", variance=True, loss="l1")
