"""The head of masks: every pixel a class, unknown ones nowhere, weights for rare classes, a run that learns."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from torch.nn import functional

from fusion.engine import head as heads
from fusion.engine.head import TargetInfo
from fusion.engine.symmetries import turn
from fusion.errors import SpecError
from fusion.pack import Pack, TargetSource, TargetSpec
from tests.fusion.engine.shaped_runs import make_spec, open_head, prepare, read_epochs, run, use_task
from tests.fusion.shaped_packs import NODATA, list_targets, make_samples, write_shaped_pack

CPU = torch.device("cpu")
INFO = TargetInfo(name="m", head="mask", codes=("a", "b", "c"), dims=("y", "x"))


@pytest.fixture(scope="module")
def pack(tmp_path_factory: pytest.TempPathFactory) -> Pack:
    """Masks of which the upper rows are unknown, and all of the first sample."""
    samples = make_samples()
    samples["mask"][:, :4] = NODATA
    samples["mask"][0] = NODATA
    return write_shaped_pack(tmp_path_factory.mktemp("mask") / "pack", samples)


def draw(n: int = 4, k: int = 3) -> tuple[torch.Tensor, torch.Tensor]:
    torch.manual_seed(0)
    codes = torch.randint(0, k, (n, 5, 6)).to(torch.int16)
    codes[:, 0], codes[1] = -1, -1
    return torch.randn(n, k, 5, 6), codes


def test_the_loss_is_the_mean_cross_entropy_of_known_pixels_of_each_sample() -> None:
    outputs, codes = draw()
    own = [
        functional.cross_entropy(outputs[row : row + 1], codes[row : row + 1].long(), ignore_index=-1)
        for row in (0, 2, 3)
    ]
    torch.testing.assert_close(heads.open_head(INFO).loss(outputs, codes), sum(own) / 4)


def test_a_loss_of_parts_is_that_of_the_whole() -> None:
    outputs, codes = draw()
    loss = heads.open_head(INFO).loss
    parts = [loss(outputs[part], codes[part]) for part in (slice(0, 1), slice(1, 4))]
    torch.testing.assert_close(parts[0] / 4 + parts[1] * 3 / 4, loss(outputs, codes))


def test_unknown_pixels_change_neither_loss_nor_gradient_nor_metric() -> None:
    outputs, codes = draw()
    head = heads.open_head(replace(INFO, weights=(1.0, 2.0, 5.0), options={"label_smoothing": 0.1}))
    other = torch.where((codes == -1)[:, None], outputs.flip(1) * 9, outputs)
    found = []
    for values in (outputs, other):
        values = values.clone().requires_grad_()
        loss = head.loss(values, codes)
        loss.backward()
        assert not values.grad.movedim(1, -1)[codes == -1].any()
        found.append([loss, *(metric(values, codes) for metric in head.metrics.values())])
    assert found[0] == found[1]


def test_metrics_are_those_of_the_scores() -> None:
    outputs, codes = draw()
    head = heads.open_head(INFO)
    decoded = {name: value.numpy() for name, value in head.decode(outputs, 1.0).items()}
    evidence = head.collect({"mask": codes.numpy()}, decoded)
    scores = head.score([evidence], range(4), 0, 10)
    for name, metric in head.metrics.items():
        assert float(metric(outputs, codes)) == pytest.approx(scores[name]["value"]), name
    assert float(head.metrics["oa"](outputs[1:2], codes[1:2])) != float(head.metrics["oa"](outputs[1:2], codes[1:2]))


def test_weights_count_a_class_as_often_as_they_say() -> None:
    outputs, codes = draw()
    plain, weighted = (heads.open_head(replace(INFO, weights=weights)) for weights in ((), (1.0, 1.0, 3.0)))
    only = torch.where(codes == 2, codes, -1)
    assert not torch.isclose(weighted.loss(outputs, codes), plain.loss(outputs, codes))
    torch.testing.assert_close(weighted.loss(outputs, only), 3 * plain.loss(outputs, only))


def test_masks_are_read_with_their_unknown_pixels_and_turn_with_the_sample(pack: Pack) -> None:
    head, target = open_head(pack, "mask", "ground")
    reader, rows = head.open_target(pack, target, ()), np.array([3, 0, 7])
    found = reader.read(rows, {}, CPU, np.array([5, 1, 2]))
    stored = pack.target_array("ground").gather(rows).astype(np.int16)
    stored[stored == NODATA] = -1
    assert found.dtype == torch.int16
    assert np.array_equal(found.numpy(), turn(stored, np.array([5, 1, 2])))
    assert np.array_equal(reader.read_truth(rows)["mask"], stored)


def test_weights_come_from_the_known_pixels_of_the_train_split(pack: Pack) -> None:
    _, target = open_head(pack, "mask", "ground", class_weights="median_frequency")
    masks = pack.target_array("ground").gather(pack.indices("train"))
    counts = np.array([(masks == code).sum() for code in (0, 1)])
    np.testing.assert_allclose(target.weights, np.clip(np.median(counts) / counts, 0.1, 10))
    assert open_head(pack, "mask", "ground")[1].weights == ()


def test_masks_of_several_dates_are_learned_date_by_date() -> None:
    dated = replace(INFO, dims=("time", "y", "x"), bands=("date 0", "date 1"))
    head, single = heads.open_head(dated), heads.open_head(INFO)
    outputs, codes = torch.randn(2, 6, 4, 4), torch.randint(0, 3, (2, 2, 4, 4)).to(torch.int16)
    parts = [single.loss(outputs[:, 3 * date : 3 * date + 3], codes[:, date]) for date in (0, 1)]
    assert head.count_outputs(dated) == 6
    torch.testing.assert_close(head.loss(outputs, codes), sum(parts) / 2)
    shares = head.decode(outputs, 1.0)["probability"]
    assert shares.shape == (2, 2, 3, 4, 4)
    torch.testing.assert_close(shares[:, 1], single.decode(outputs[:, 3:], 1.0)["probability"])
    evidence = head.collect({"mask": codes.numpy()}, {"probability": shares.numpy()})
    assert evidence["counts"].sum(axis=(1, 2)).tolist() == [32, 32]
    made, true = head.paint(outputs, codes)
    assert made.shape == true.shape == (2, 6, 4, 4)


def test_a_run_learns_masks_and_reports_them(tmp_path: Path, pack: Pack, monkeypatch: pytest.MonkeyPatch) -> None:
    use_task(monkeypatch, "mask", "ground", "mean_iou")
    report = run(tmp_path, pack, epochs=10)
    epochs = read_epochs(tmp_path)
    shares = (pack.target_array("ground").gather(pack.indices("train"))[1:, 4:]).mean()
    without_looking = -shares * np.log(shares) - (1 - shares) * np.log(1 - shares)
    assert epochs[-1]["validation_loss"] < 0.5 * without_looking
    assert report.test["mean_iou"]["value"] > 0.7
    assert report.test["pixels"] == 10 * 20 * 24
    assert set(report.test["f1"]) == {"water", "dry"}
    assert epochs[-1]["validation_accuracy"] == pytest.approx(report.validation["mean_iou"]["value"], abs=0.05)


def test_what_cannot_be_learned_as_a_mask_is_refused(
    tmp_path: Path, pack: Pack, monkeypatch: pytest.MonkeyPatch
) -> None:
    use_task(monkeypatch, "mask", "ground", "oa")
    with pytest.raises(SpecError, match=r"network 'sen2lcz' gives a vector; head 'mask' needs a map"):
        prepare(pack, network={"name": "sen2lcz", "width": 2, "depth": 5})
    with pytest.raises(SpecError, match=r"objective.target is not an option of 'supervised'. Known: class_weights"):
        prepare(pack, objective={"name": "supervised", "target": "label"})
    samples = make_samples(10)
    targets = list_targets(samples)
    small = TargetSource(dims=("y", "x"), dtype="uint8", shape=(6, 6), chunks=[samples["mask"][:, :6, :6]])
    nameless = replace(targets["ground"], scheme=None)
    targets |= {"small": TargetSpec(head="mask", scheme="water", values=small), "nameless": nameless}
    targets["codes"] = TargetSpec(head="mask", scheme="water", array="s2")
    other = write_shaped_pack(tmp_path / "pack", samples, targets=targets)
    with pytest.raises(
        SpecError, match=r"'small' of .* has 6 x 6 pixels, the inputs have 24 x 24. Cut them on one grid"
    ):
        open_head(other, "mask", "small")
    with pytest.raises(SpecError, match=r"'nameless' of .* names no scheme"):
        open_head(other, "mask", "nameless")
    with pytest.raises(
        SpecError, match=r"'codes' of .* has dims band, y, x of uint16; a mask has whole numbers by y, x"
    ):
        open_head(other, "mask", "codes")


def test_codes_beyond_the_scheme_are_refused_with_both(pack: Pack) -> None:
    head, target = open_head(pack, "mask", "ground")
    reader = head.open_target(pack, replace(target, codes=("only",)), ())
    with pytest.raises(SpecError, match=r"'ground' holds codes -1 to 1; its scheme has 0 to 0. Correct the masks"):
        reader.read(np.arange(5), {}, CPU)


def test_a_mixup_of_masks_is_refused(pack: Pack, monkeypatch: pytest.MonkeyPatch) -> None:
    use_task(monkeypatch, "mask", "ground", "oa")
    assert make_spec(pack, mixup=0.5).mixup == 0.5
    with pytest.raises(SpecError, match=r"mixup"):
        prepare(pack, mixup=0.5)
