"""Every registered head keeps the contract: read, asked, costed, decoded and scored without its shapes being known."""

import json
from typing import Any

import numpy as np
import pytest
import torch

from fusion import registry
from fusion.engine import head as heads
from fusion.engine.dataset import read_inputs
from fusion.engine.head import Head, TargetInfo, describe_again, describe_target, find_output
from fusion.engine.normalise import describe_inputs
from fusion.engine.option import read_options
from fusion.engine.restore import read_words
from fusion.pack import Pack
from tests.fusion.conftest import write_toy_pack
from tests.fusion.shaped_packs import make_samples, write_shaped_pack

CPU = torch.device("cpu")
NAMES = sorted(registry.load_kinds("fusion.engine.heads", "HEAD", Head))
TARGETS = {"classes": "lcz17", "mask": "ground", "field": "height", "boxes": "plates", "embedding": ""}
OPTIONS: dict[str, dict[str, Any]] = {
    "field": {"variance": True},
    "boxes": {"instances": True},
    "embedding": {"views": "symmetries", "size": 8},
}
ROWS = np.arange(12)


@pytest.fixture(scope="module")
def packs(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Pack]:
    folder = tmp_path_factory.mktemp("heads")
    shaped = write_shaped_pack(folder / "shaped", make_samples())
    return {name: write_toy_pack(folder / "toy") if name == "classes" else shaped for name in NAMES}


def open_all(pack: Pack, name: str) -> tuple[Head, TargetInfo, Any]:
    kind, inputs = heads.find(name), describe_inputs(pack, [])
    options = read_options("objective", kind.options, OPTIONS.get(name, {}))
    target = describe_target(pack, TARGETS[name], kind, None, inputs, options, pack.indices("train"))
    head = heads.open_head(target)
    return head, target, head.open_target(pack, target, inputs)


def make_network(head: Head, target: TargetInfo, inputs: dict[str, torch.Tensor]) -> Any:
    """One number per output and sample or pixel, whatever goes in."""
    size, count = next(iter(inputs.values())).shape[-2:], head.count_outputs(target)
    shape = (count, *size) if find_output(head, target) == "map" else (count,)
    torch.manual_seed(0)
    weights = torch.randn(50, *shape).requires_grad_()
    return lambda given: weights[: len(next(iter(given.values())))]


@pytest.mark.parametrize("name", NAMES)
def test_a_head_costs_decodes_and_scores_what_it_reads(name: str, packs: dict[str, Pack]) -> None:
    pack = packs[name]
    head, target, reader = open_all(pack, name)
    inputs = read_inputs({key: pack.array(key) for key in pack.array_names}, ROWS, CPU)
    outputs = head.ask(make_network(head, target, inputs), inputs)
    rows = reader.read(ROWS, inputs, CPU)
    assert len(rows) == len(outputs) == len(ROWS)
    loss = head.loss(outputs, rows)
    loss.backward()
    assert torch.isfinite(loss)
    assert loss.ndim == 0
    decoded = {key: value.detach().numpy() for key, value in head.decode(outputs, 1.0).items()}
    assert next(iter(decoded)) == head.stored
    truth = reader.read_truth(ROWS)
    evidence = head.collect(truth, decoded)
    scores = head.score([evidence], ROWS // 3, 0, 10)
    assert json.loads(json.dumps(scores, allow_nan=False)) == scores
    assert (scores["n"], scores["blocks"]) == (12, 4)
    for metric, measure in head.metrics.items():
        assert set(scores[metric]) >= {"value", "low", "high"}, f"{metric} is measured in training, but not scored"
        assert measure(outputs, rows).ndim == 0
        assert head.compare([evidence], [evidence], metric, ROWS // 3, 0, 10)["value"] in (0.0, None)
    if head.combine is not None:
        together = head.combine([decoded, decoded])
        np.testing.assert_allclose(head.score([head.collect(truth, together)], ROWS // 3, 0, 10)["n"], 12)
    with pytest.raises(Exception, match="Unknown metric 'luck'"):
        head.compare([evidence], [evidence], "luck", ROWS // 3, 0, 10)


@pytest.mark.parametrize("name", NAMES)
def test_scores_do_not_depend_on_how_samples_were_put_into_batches(name: str, packs: dict[str, Pack]) -> None:
    pack = packs[name]
    head, target, reader = open_all(pack, name)
    inputs = read_inputs({key: pack.array(key) for key in pack.array_names}, ROWS, CPU)
    outputs = head.ask(make_network(head, target, inputs), inputs).detach()

    def collect(first: int, last: int) -> dict[str, np.ndarray]:
        decoded = {key: value.numpy() for key, value in head.decode(outputs[first:last], 1.0).items()}
        return head.collect(reader.read_truth(ROWS[first:last]), decoded)

    whole, parts = [collect(0, 12)], [collect(0, 5), collect(5, 12)]
    assert head.score(whole, ROWS // 3, 0, 10) == head.score(parts, ROWS // 3, 0, 10)


@pytest.mark.parametrize("name", NAMES)
def test_a_checkpoint_keeps_all_that_a_head_must_know(name: str, packs: dict[str, Pack]) -> None:
    from dataclasses import asdict

    pack = packs[name]
    head, target, _ = open_all(pack, name)
    again = read_words(TargetInfo, json.loads(json.dumps(asdict(target))))
    assert again == target
    assert heads.open_head(again).count_outputs(again) == head.count_outputs(target)
    other = describe_again(pack, target, describe_inputs(pack, []))
    assert [getattr(other, key) for key in ("head", "scheme", "codes", "dims", "bands", "unit", "options")] == [
        getattr(target, key) for key in ("head", "scheme", "codes", "dims", "bands", "unit", "options")
    ]
