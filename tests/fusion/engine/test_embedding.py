"""The head of embeddings: two views of a sample, the cost of not finding each other, a run that finds across bands."""

import math
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import nn

from fusion.engine import head as heads
from fusion.engine.head import TargetInfo
from fusion.engine.holes import cut_holes, draw_holes
from fusion.errors import SpecError
from fusion.pack import Pack
from tests.fusion.engine.shaped_runs import open_head, prepare, run, use_task
from tests.fusion.shaped_packs import make_samples, write_shaped_pack

INFO = TargetInfo(name="", head="embedding", arrays=("a", "b"), options={"views": "modalities", "temperature": 0.5})
NETWORK = {"name": "sen2lcz", "width": 8, "depth": 5, "dropout": 0.0}


class Seen(nn.Module):
    """Keeps what it is given, answers with the sums of each array."""

    def forward(self, inputs: dict[str, torch.Tensor]) -> torch.Tensor:
        self.inputs = inputs
        return torch.stack([values.nan_to_num().flatten(1).sum(dim=1) for values in inputs.values()], dim=1)


@pytest.fixture(scope="module")
def pack(tmp_path_factory: pytest.TempPathFactory) -> Pack:
    """Both bands show the plates, each in an array of its own."""
    samples = make_samples()
    samples["image"][:, 1] = samples["image"][:, 0] // 2 + samples["image"][:, 1]
    return write_shaped_pack(tmp_path_factory.mktemp("embedding") / "pack", samples, modalities=2)


def test_a_view_sees_its_own_modalities_alone() -> None:
    inputs = {"a": torch.ones(3, 1, 4, 4, dtype=torch.uint16), "b": torch.full((3, 2, 4, 4), 2.0)}
    network = Seen()
    outputs = heads.open_head(INFO).ask(network, inputs)
    assert outputs.shape == (3, 2, 2)
    assert outputs[:, 0].tolist() == [[16.0, 0.0]] * 3
    assert outputs[:, 1].tolist() == [[0.0, 64.0]] * 3
    assert torch.isnan(network.inputs["b"][:3]).all()
    assert torch.isnan(network.inputs["a"][3:]).all()


def test_a_view_of_itself_is_turned_and_both_have_holes_in_a_quarter() -> None:
    inputs = {"a": torch.arange(2 * 64.0).reshape(2, 1, 8, 8), "b": torch.ones(2, 3, 8, 8)}
    head, network = heads.open_head(replace(INFO, options={"views": "symmetries"})), Seen().eval()
    head.ask(network, inputs)
    seen, other = network.inputs["a"][:2], network.inputs["a"][2:].flip(-1)
    for view in (seen, other):
        known = ~torch.isnan(view)
        assert known.float().mean() == 0.75
        assert torch.equal(view[known], inputs["a"][known])
    assert torch.equal(torch.isnan(network.inputs["b"][:2, :1]), torch.isnan(seen)), "holes lie at one place in all"
    again = Seen().eval()
    head.ask(again, inputs)
    assert torch.equal(torch.isnan(again.inputs["a"]), torch.isnan(network.inputs["a"])), "a score is always the same"
    network.train()
    head.ask(network, inputs)
    first = torch.isnan(network.inputs["a"])
    head.ask(network, inputs)
    assert not torch.equal(torch.isnan(network.inputs["a"]), first), "training sees other holes each time"


def test_holes_are_whole_squares_of_the_wanted_share() -> None:
    torch.manual_seed(0)
    holes = draw_holes(200, (10, 12), 0.5, 4)
    squares = holes[:, :8].reshape(200, 2, 4, 3, 4).float().mean(dim=(2, 4))
    assert set(squares.unique().tolist()) == {0.0, 1.0}
    assert holes.shape == (200, 10, 12)
    assert abs(float(holes[:, :8].float().mean()) - 5 / 9) < 0.2  # 4 or 5 of 9 squares
    assert 1 <= draw_holes(3, (8, 8), 0.99, 4)[0].reshape(2, 4, 2, 4).any(dim=3).any(dim=1).sum() <= 3
    cut = cut_holes({"t": torch.ones(200, 2, 3, 10, 12, dtype=torch.int16)}, holes)["t"]
    assert torch.equal(torch.isnan(cut[:, 1, 2]), holes)


def test_the_cost_is_log_n_for_vectors_that_say_nothing_and_falls_to_nought_for_those_that_match() -> None:
    head, rows = heads.open_head(INFO), torch.ones(6, 1)
    assert float(head.loss(torch.ones(6, 2, 4), rows)) == pytest.approx(math.log(6))
    own = torch.eye(6)[:, None].expand(-1, 2, -1)
    wanted = -math.log(math.exp(2) / (math.exp(2) + 5))  # cosines 1 and 0 over the temperature 0.5
    assert float(head.loss(3 * own, rows)) == pytest.approx(wanted)
    assert float(head.metrics["recall_at_1"](own, rows)) == 1.0
    swapped = torch.stack([own[:, 0], own[[1, 0, 2, 3, 4, 5], 1]], dim=1)
    assert float(head.metrics["recall_at_1"](swapped, rows)) == pytest.approx(4 / 6)


def test_members_are_searched_together() -> None:
    import numpy as np

    rng = np.random.default_rng(0)
    members = [
        {"embedding": part / np.linalg.norm(part, axis=2, keepdims=True)} for part in rng.normal(size=(3, 5, 2, 4))
    ]
    joined = heads.find("embedding").combine(members)["embedding"]
    np.testing.assert_allclose(np.linalg.norm(joined, axis=2), 1)
    cosines = [part["embedding"][:, 0] @ part["embedding"][:, 1].T for part in members]
    np.testing.assert_allclose(joined[:, 0] @ joined[:, 1].T, np.mean(cosines, axis=0))


@pytest.mark.slow
@pytest.mark.parametrize("views", ["modalities", "symmetries"])
def test_a_run_learns_to_find_the_same_sample(
    tmp_path: Path, pack: Pack, monkeypatch: pytest.MonkeyPatch, views: str
) -> None:
    use_task(monkeypatch, "embedding", "", "recall_at_1", network="sen2lcz")
    objective = {"name": "supervised", "views": views, "size": 16}
    report = run(tmp_path, pack, network=NETWORK, objective=objective, epochs=40, batch_size=20)
    assert report.test["gallery"] == 10
    assert report.test["recall_at_5"]["value"] > 0.8  # 0.5 by chance
    assert report.test["median_rank"]["value"] <= 2


def test_one_modality_has_no_other_to_be_found_by(pack: Pack, monkeypatch: pytest.MonkeyPatch) -> None:
    use_task(monkeypatch, "embedding", "", "recall_at_1", network="sen2lcz")
    with pytest.raises(SpecError, match=r"objective.views: red alone has no other modality to be found by"):
        prepare(pack, network=NETWORK, modalities=["red"])
    assert prepare(pack, network=NETWORK, modalities=["red"], objective={"name": "supervised", "views": "symmetries"})
    assert open_head(pack, "embedding", "")[1].arrays == ("infrared", "red")
