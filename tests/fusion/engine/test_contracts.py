"""What every task, network, head and objective must hold to: the folders are walked, so a new file is tested at once.

Each learns from one made-up batch: its loss falls, a gradient reaches every parameter, the same seed gives the same
weights, and a checkpoint gives back the same answers.
"""

from dataclasses import dataclass, replace

import numpy as np
import pyarrow as pa
import pytest
import torch

from fusion import modality as modalities
from fusion import registry
from fusion import scheme as schemes
from fusion import task as tasks
from fusion.engine import head as heads
from fusion.engine import network as networks
from fusion.engine import objective as objectives
from fusion.engine.averaging import Average
from fusion.engine.checkpoint import hash_weights, read_checkpoint, save_checkpoint
from fusion.engine.resume import Progress, collect, take_over
from fusion.engine.setup import prepare_run
from fusion.errors import SpecError
from fusion.pack import ArraySource, TargetSource, TargetSpec, write_pack
from fusion.run import RunSpec

N, SIDE, DATES, STEPS = 24, 16, 2, 6
SMALL = {"width": 8, "units": 8, "depth": 0, "critic_width": 8, "critic_layers": 2, "critic_steps": 1}  # at most
TARGETS = {"classes": "zone", "mask": "cover", "field": "height", "boxes": "things", "embedding": ""}
LEARNERS = {"vector": "sen2lcz", "map": "unet"}


@dataclass(frozen=True)
class Case:
    """One kind in the company of those that it needs."""

    task: str = "patch_classes"
    network: str = ""
    head: str = ""
    objective: str = ""

    def __str__(self) -> str:
        return next((part for part in (self.network, self.head, self.objective) if part), self.task)


CASES = [
    *(Case(task=name) for name in registry.list_names("fusion.tasks")),
    *(Case(network=name) for name in registry.list_names("fusion.engine.networks")),
    *(Case(head=name) for name in registry.list_names("fusion.engine.heads")),
    *(Case(objective=name) for name in registry.list_names("fusion.engine.objectives")),
]


def draw_scene(rng: np.random.Generator, level: int) -> tuple[np.ndarray, np.ndarray]:
    """A bright square on ground of a class's level [y, x], and the box around the square."""
    scene = rng.normal(1.0 + level, 0.2, (SIDE, SIDE))
    x, y, size = *rng.integers(1, SIDE - 6, 2), int(rng.integers(4, 6))
    scene[y : y + size, x : x + size] += 4.0
    return scene, np.array([[x + size / 2, y + size / 2, size, size, 0.0, level % 2]], dtype=np.float32)


def make_array(name: str, scenes: np.ndarray, rng: np.random.Generator) -> ArraySource:
    """The scenes as this sensor stores them, two dates of them where it may have several."""
    kind = modalities.find(name)
    dates = DATES if kind.times == "any" and kind.dims[0] != "time" else 1
    gains = rng.uniform(0.5, 1.5, (len(kind.bands), 1, 1))
    values = scenes[:, None, None] * gains * (1 + 0.2 * np.arange(dates))[:, None, None, None]
    stored = np.clip(values * 200, 1, 250) if np.dtype(kind.dtype).kind in "ui" else values
    dims = ("time", *kind.dims) if dates > 1 else kind.dims
    return ArraySource(
        modality=name,
        dims=dims,
        dtype=kind.dtype,
        bands=kind.band_names,
        shape=(dates, len(kind.bands), SIDE, SIDE)[-len(dims) :],
        chunks=[(stored if dates > 1 else stored[:, 0]).astype(kind.dtype)],
    )


def make_targets(scenes: np.ndarray, boxes: list[np.ndarray], scheme: str, name: str) -> dict[str, TargetSpec]:
    """One target of every shape; that of classes under the name that the task wants."""
    grid = {"dims": ("y", "x"), "shape": (SIDE, SIDE)}
    masks = TargetSource(**grid, dtype="uint8", chunks=[(scenes > 4).astype(np.uint8)], nodata=255)
    heights = TargetSource(**grid, dtype="float32", chunks=[(10 * scenes).astype(np.float32)], unit="m")
    things = TargetSource(dims=("box", "column"), dtype="float32", shape=(None, 6), chunks=[boxes])
    return {
        name: TargetSpec(head="classes", scheme=scheme),
        "cover": TargetSpec(head="mask", scheme="water", values=masks),
        "height": TargetSpec(head="field", values=heights),
        "things": TargetSpec(head="boxes", scheme="water", values=things),
    }


@pytest.fixture(scope="module")
def make_pack(tmp_path_factory):
    """Packs by the modalities and the scheme that a task asks for; each is written once."""
    written = {}

    def make(*words):
        if words not in written:
            written[words] = tmp_path_factory.mktemp("packs") / "pack"
            write_full_pack(written[words], *words)
        return written[words]

    return make


def write_full_pack(folder, names, scheme, target):
    """Samples of every class that is in use, all to learn from but a few."""
    rng, codes = np.random.default_rng(0), schemes.find(scheme).codes
    labels = np.arange(N) % min(4, len(codes))
    drawn = [draw_scene(rng, int(label)) for label in labels]
    scenes, boxes = np.stack([scene for scene, _ in drawn]), [box for _, box in drawn]
    shares = 0.9 * np.eye(len(codes))[labels] + 0.1 / len(codes)
    table = pa.table(
        {
            "id": [f"s{row}" for row in range(N)],
            "split": (["train"] * 4 + ["validation", "test"]) * (N // 6),
            "label": [codes[label] for label in labels],
            "distribution": shares.tolist(),
        }
    )
    write_pack(
        folder,
        name="full",
        number=1,
        samples=table,
        arrays={name: make_array(name, scenes, rng) for name in names},
        targets=make_targets(scenes, boxes, scheme, target),
        provenance={"simulated": True},
        seed=0,
    )


def prepare(case, make_pack, monkeypatch):
    """The case's run before its first step, with the first company that fits an objective or a head."""
    known = tasks.find(case.task)
    if str(case) == case.task:
        return _prepare_as(case, known, make_pack, monkeypatch)
    refused = []
    for head in [case.head] if case.head else list(TARGETS):
        assert head in TARGETS, f"Say here which target of the made-up pack head {head!r} learns."
        kinds = networks.find(case.network).output if case.network else heads.find(head).output
        for output in ("vector", "map") if kinds == "either" else (kinds,):
            metric = next(iter(heads.find(head).metrics))
            words = {"head": head, "target": TARGETS[head], "metric": metric, "modalities": ("sentinel2", "sentinel1")}
            words |= {"network": case.network or LEARNERS[output], "objective": case.objective or "supervised"}
            try:
                return _prepare_as(case, replace(known, **words, defaults={}), make_pack, monkeypatch)
            except SpecError as error:
                refused.append(str(error))
    raise AssertionError(f"Nothing fits {case}: {refused}")


def _prepare_as(case, task, make_pack, monkeypatch):
    monkeypatch.setattr(tasks, "find", lambda name: task)
    names = task.modalities or ("sentinel2",)
    is_named = task.head == "classes" and task.target
    pack = make_pack(tuple(names), task.scheme or "lcz17", task.target if is_named else TARGETS["classes"])
    network = task.defaults.get("network", {}) | {"name": task.network}
    network |= shrink(networks.find(task.network).options)
    objective = task.defaults.get("objective", {}) | {"name": task.objective}
    objective |= shrink(objectives.find(task.objective).options)
    words = {"network": network, "objective": objective, "target": task.target or TARGETS[task.head]}
    spec = {"task": case.task, "pack": str(pack), "modalities": list(names), "batch_size": N, "learning_rate": 0.01}
    return prepare_run(RunSpec.from_json(spec | words | {"ema": 0.5, "augment": False}))


def shrink(options):
    """Small values for what makes a step slow or rare."""
    small = {key: min(size, options[key].default) for key, size in SMALL.items() if key in options}
    return {key: max(size, int(options[key].low)) for key, size in small.items()}


def take_steps(setup, batch, first, count):
    """Losses of steps on one batch, as a run takes them."""
    losses, learner = [], setup.learner
    for module in (learner.network, *learner.parts.values()):
        module.train()
    for step in range(first, first + count):
        learner.steps_done = step
        torch.manual_seed(step)
        losses.append(float(setup.objective.take_step(learner, batch)[0]))
    return losses


def list_unreached(setup, batch):
    """Parameters to which no gradient came in several steps without an optimiser."""
    learner = setup.learner
    learner.is_last = False
    take_steps(setup, batch, 0, 5)
    learner.is_last = True
    named = {**dict(learner.network.named_parameters())}
    for name, part in learner.parts.items():
        named |= {f"{name}.{key}": value for key, value in part.named_parameters()}
    missing = [key for key, value in named.items() if value.grad is None or not bool(value.grad.abs().sum() > 0)]
    for optimizer in learner.optimizers.values():
        optimizer.zero_grad(set_to_none=True)
    held = {id(part) for name in learner.optimizers for part in learner.list_parameters(name)}
    return missing + [f"{key} has no optimiser" for key, value in named.items() if id(value) not in held]


def answer(setup, batch):
    """Outputs in evaluation."""
    setup.learner.network.eval()
    with torch.inference_mode():
        return setup.learner.head.ask(setup.learner.network, batch.inputs)


@pytest.mark.parametrize("case", CASES, ids=str)
def test_it_learns_alike_twice_and_its_checkpoint_gives_it_back(case, make_pack, monkeypatch, tmp_path):
    setup, twin = (prepare(case, make_pack, monkeypatch) for _ in range(2))
    batch = setup.reader.read(setup.rows)
    losses = take_steps(setup, batch, 0, STEPS)
    assert all(np.isfinite(losses))
    assert np.mean(losses[-2:]) < 0.97 * losses[0]
    assert take_steps(twin, twin.reader.read(twin.rows), 0, STEPS) == losses
    assert hash_weights(twin.learner.network.state_dict()) == hash_weights(setup.learner.network.state_dict())

    average = Average(setup.learner.network, 0.5)
    tensors, words = collect(setup, average, Progress(step=STEPS), "test")
    saved = read_checkpoint(save_checkpoint(tmp_path, STEPS, tensors, words))
    fresh = prepare(case, make_pack, monkeypatch)
    progress = take_over(saved, fresh, Average(fresh.learner.network, 0.5))
    assert progress.step == STEPS
    assert torch.equal(answer(fresh, batch), answer(setup, batch))
    assert take_steps(fresh, batch, STEPS, 1) == take_steps(setup, batch, STEPS, 1)
    assert list_unreached(fresh, batch) == []
