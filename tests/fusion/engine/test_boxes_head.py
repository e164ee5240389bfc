"""The head of boxes and instances: read with the sample, nothing where nobody looked, a run that finds them."""

from pathlib import Path

import numpy as np
import pytest
import torch

from fusion.boxes import measure_iou
from fusion.engine.box_maps import PRIOR, decode_target
from fusion.engine.heads.boxes import read_form
from fusion.engine.targets import turn_boxes
from fusion.errors import SpecError
from fusion.pack import Pack
from tests.fusion.engine.shaped_runs import open_head, prepare, run, use_task
from tests.fusion.shaped_packs import NODATA, SIDE, make_samples, write_shaped_pack

CPU = torch.device("cpu")
SAMPLES = make_samples()
LOOKED_AT = np.arange(60) % 7 != 3


@pytest.fixture(scope="module")
def pack(tmp_path_factory: pytest.TempPathFactory) -> Pack:
    """Every seventh sample was not looked at; masks are unknown in the upper rows."""
    samples = {**SAMPLES, "mask": SAMPLES["mask"].copy()}
    samples["mask"][:, :4] = NODATA
    return write_shaped_pack(tmp_path_factory.mktemp("boxes") / "pack", samples, present=LOOKED_AT)


def test_boxes_are_read_as_maps_that_turn_with_the_sample(pack: Pack) -> None:
    head, target = open_head(pack, "boxes", "plates")
    reader, rows = head.open_target(pack, target, ()), np.array([0, 1, 2, 4, 5, 6, 7, 8])
    maps = reader.read(rows, {}, CPU, np.arange(8))
    found, offsets = decode_target(maps, read_form(target))
    for place, row in enumerate(rows):
        own = SAMPLES["boxes"][row]
        turned = turn_boxes(own, np.full(len(own), place), (SIDE, SIDE))
        overlap = measure_iou(found[offsets[place] : offsets[place + 1]].numpy(), turned)
        np.testing.assert_allclose(overlap.max(axis=0), 1.0, atol=1e-4)
    truth = reader.read_truth(rows)
    np.testing.assert_array_equal(truth["boxes"], np.concatenate([SAMPLES["boxes"][row] for row in rows]))


def test_a_sample_that_nobody_looked_at_costs_nothing(pack: Pack, monkeypatch: pytest.MonkeyPatch) -> None:
    head, target = open_head(pack, "boxes", "plates")
    reader = head.open_target(pack, target, ())
    maps = reader.read(np.array([2, 3]), {}, CPU)  # nobody looked at the second
    outputs = torch.randn(2, head.count_outputs(target), SIDE, SIDE).requires_grad_()
    loss = head.loss(outputs, maps)
    loss.backward()
    assert not outputs.grad[1].any()
    torch.testing.assert_close(loss, head.loss(outputs[:1], maps[:1]) / 2)
    use_task(monkeypatch, "boxes", "plates", "centre_f1")
    setup = prepare(pack)
    assert np.array_equal(setup.rows, np.flatnonzero(LOOKED_AT[:40]))


def test_sizes_are_learned_in_units_of_the_train_split(pack: Pack) -> None:
    _, target = open_head(pack, "boxes", "plates")
    sizes = np.log(np.concatenate([SAMPLES["boxes"][row] for row in np.flatnonzero(LOOKED_AT[:40])])[:, 2:4])
    np.testing.assert_allclose(target.mean, sizes.mean(axis=0), rtol=1e-5)
    np.testing.assert_allclose(target.std, np.maximum(sizes.std(axis=0), 0.1), rtol=1e-5)


def test_perfect_maps_give_perfect_scores_and_metrics(pack: Pack) -> None:
    head, target = open_head(pack, "boxes", "plates", instances=True)
    reader, rows = head.open_target(pack, target, ()), np.flatnonzero(LOOKED_AT)[:12]
    maps, k = reader.read(rows, {}, CPU), 2
    outputs = torch.cat([maps[:, :-2], maps[:, -1:] * 20 - 10], dim=1)  # without the centres; foreground as logits
    outputs[:, :k] = torch.where(maps[:, :k] == 1, 9.0, -9.0) - PRIOR
    assert outputs.shape[1] == head.count_outputs(target)
    decoded = {name: part.numpy() for name, part in head.decode(outputs, 1.0).items()}
    assert set(decoded) == {"boxes", "offsets", "instances"}
    scores = head.score([head.collect(reader.read_truth(rows), decoded)], range(12), 0, 10)
    for name in ("ap50", "ap", "f1", "centre_f1", "instance_f1"):
        assert scores[name]["value"] == pytest.approx(1.0), name
    for name, metric in head.metrics.items():
        assert float(metric(outputs, maps)) == pytest.approx(scores[name]["value"]), name


def test_instances_follow_the_pixels_of_a_mask_where_one_is_named(pack: Pack) -> None:
    head, target = open_head(pack, "boxes", "plates", instances=True, foreground="ground")
    reader, rows = head.open_target(pack, target, ()), np.array([0, 1, 2])
    maps, truth = reader.read(rows, {}, CPU), reader.read_truth(rows)
    assert torch.isnan(maps[:, -1, :4]).all()
    np.testing.assert_array_equal(maps[:, -1, 4:].numpy(), SAMPLES["mask"][rows, 4:])
    assert (truth["instances"][:, :4] == -1).all()
    assert ((truth["instances"][:, 4:] > 0) == (SAMPLES["mask"][rows, 4:] > 0)).all()
    outputs = torch.randn(3, head.count_outputs(target), SIDE, SIDE)
    other = outputs.clone()
    other[:, -1, :4] *= -9
    assert head.loss(outputs, maps) == head.loss(other, maps)


def test_upright_boxes_stand_around_turned_ones(pack: Pack) -> None:
    head, target = open_head(pack, "boxes", "plates", oriented=False)
    reader = head.open_target(pack, target, ())
    truth = reader.read_truth(np.array([0, 1]))
    assert not truth["boxes"][:, 4].any()
    assert head.count_outputs(target) == 2 + 2 + 2
    turned = np.concatenate(SAMPLES["boxes"][:2])
    assert (truth["boxes"][:, 2] > turned[:, 3]).all()


@pytest.mark.slow
def test_a_run_finds_boxes_and_instances(tmp_path: Path, pack: Pack, monkeypatch: pytest.MonkeyPatch) -> None:
    use_task(monkeypatch, "boxes", "plates", "centre_f1")
    objective = {"name": "supervised", "instances": True}
    words = {"epochs": 40, "learning_rate": 0.02, "network": {"name": "unet", "width": 16, "depth": 2}}
    report = run(tmp_path, pack, objective=objective, select_by="last", **words)
    assert report.test["ap50"]["value"] > 0.4
    assert report.test["centre_f1"]["value"] > 0.6
    assert report.test["instance_f1"]["value"] > 0.5
    assert report.test["boxes"] == sum(len(SAMPLES["boxes"][row]) for row in range(50, 60) if LOOKED_AT[row])
    assert set(report.test["classes"]) == {"water", "dry"}


def test_what_cannot_be_learned_as_boxes_is_refused(tmp_path: Path, pack: Pack) -> None:
    samples = make_samples(10)
    samples["boxes"] = [boxes.copy() for boxes in samples["boxes"]]
    samples["boxes"][4][0, 0] = SIDE + 3
    outside = write_shaped_pack(tmp_path / "outside", samples)
    with pytest.raises(SpecError, match=r"'plates', sample s04 of .* centre at x 27, .* outside the 24 x 24 pixels"):
        open_head(outside, "boxes", "plates")
    samples["boxes"] = [np.zeros((0, 6), dtype=np.float32)] * 10
    empty = write_shaped_pack(tmp_path / "empty", samples)
    with pytest.raises(SpecError, match=r"'plates' of .* has no box in the train split"):
        open_head(empty, "boxes", "plates")
    with pytest.raises(SpecError, match=r"objective.foreground: 'height' must be a mask by y, x"):
        open_head(pack, "boxes", "plates", instances=True, foreground="height")
    with pytest.raises(
        SpecError, match=r"objective.foreground: 'ground' must be a mask .* with objective.instances true"
    ):
        open_head(pack, "boxes", "plates", foreground="ground")
