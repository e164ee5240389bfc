"""What a run keeps of itself in a checkpoint, and how it goes on from there."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import torch
from torch import Tensor

from fusion.engine.averaging import Average
from fusion.engine.checkpoint import Checkpoint, hash_weights
from fusion.engine.optimizer_state import pack_optimizers, unpack_optimizers
from fusion.engine.restore import LEARNED, check_inputs, check_target, restore_network
from fusion.engine.setup import Setup
from fusion.engine.tally import ADVICE, DivergedError
from fusion.errors import CheckpointError, SpecError
from fusion.run import RunSpec, read_words

RESUMABLE = (
    "pack", "device", "threads", "compile", "checkpoint_every", "baselines", "resamples", "calibration",
)  # fmt: skip


@dataclass(kw_only=True)
class Progress:
    """How far a run is; saved with each checkpoint. `position` counts batches of the epoch.

    `best_step` is the checkpoint with the best validation so far, `earlier_best_step` the one before: the last but one
    checkpoint may still point to it. `stale_epochs` have gone by since the best.
    """

    epoch: int = 0
    position: int = 0
    step: int = 0
    images: int = 0
    elapsed_s: float = 0.0
    best_step: int = -1
    earlier_best_step: int = -1
    best_value: float | None = None
    stale_epochs: int = 0
    is_finished: bool = False


def collect(
    setup: Setup, average: Average | None, progress: Progress, code_revision: str
) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """Tensors and words of a checkpoint; DivergedError where a weight is no number.

    `network.*` are the weights that are scored: the average where the run has one, and then `trained.*` are those that
    go on learning. `part.*` are those of the objective's own modules.
    """
    learner = setup.learner
    trained = learner.network.state_dict()
    scored = trained if average is None else average.network.state_dict()
    parts = {f"{name}.{key}": value for name, part in learner.parts.items() for key, value in part.state_dict().items()}
    groups = {"network": scored, "part": parts, "trained": {} if average is None else trained}
    weights = {f"{group}.{key}": value for group, values in groups.items() for key, value in values.items()}
    if not all(bool(torch.isfinite(value).all()) for value in weights.values()):
        raise DivergedError(f"A weight is not finite after step {progress.step}. {ADVICE}")
    tensors, optimizers = pack_optimizers(learner.optimizers)
    words = {
        "spec": setup.spec.to_json(),
        "pack_sha256": setup.spec.pack_sha256,
        "inputs": [asdict(part) for part in setup.inputs],
        "target": asdict(setup.target),
        "state": asdict(progress),
        "optimizers": optimizers,
        "weights_sha256": hash_weights(scored),
        "code_revision": code_revision,
    }
    return {**weights, **tensors}, words


def take_over(checkpoint: Checkpoint, setup: Setup, average: Average | None) -> Progress:
    """Put a checkpoint's state into a fresh run; SpecError or CheckpointError where it is another run's."""
    learner = setup.learner
    check_same_run(checkpoint, setup.spec)
    check_inputs(checkpoint, setup.inputs, LEARNED)
    check_target(checkpoint, setup.target)
    scored = restore_network(checkpoint).state_dict()
    if average is not None:
        average.network.load_state_dict(scored)
    learner.network.load_state_dict(scored if average is None else _take_part(checkpoint, "trained", scored))
    parts = checkpoint.part("part")
    for name, part in learner.parts.items():
        own = {key.removeprefix(f"{name}."): value for key, value in parts.items() if key.startswith(f"{name}.")}
        part.load_state_dict(_check_alike(checkpoint, f"part.{name}", own, part.state_dict()))
    unpack_optimizers(learner.optimizers, checkpoint.part("optimizer"), checkpoint.words.optimizers)
    return read_words(Progress, checkpoint.words.state)


def check_same_run(checkpoint: Checkpoint, spec: RunSpec) -> None:
    """Refuse to go on with another spec than that of the checkpoint, but for what does not change what is learned."""
    before, now = checkpoint.spec.to_json(), spec.to_json()
    for field, value in now.items():
        if field not in RESUMABLE and before[field] != value:
            raise SpecError(
                f"{field} is {value!r}, but the checkpoint in this folder was made with {before[field]!r}. "
                "Use a new folder for a new run."
            )


def _take_part(checkpoint: Checkpoint, name: str, wanted: Mapping[str, Tensor]) -> dict[str, Tensor]:
    return _check_alike(checkpoint, name, checkpoint.part(name), wanted)


def _check_alike(
    checkpoint: Checkpoint, name: str, found: dict[str, Tensor], wanted: Mapping[str, Tensor]
) -> dict[str, Tensor]:
    """Saved tensors that have just the names and shapes of the wanted ones."""
    shapes = [{key: tuple(value.shape) for key, value in part.items()} for part in (found, wanted)]
    if shapes[0] != shapes[1]:
        raise CheckpointError(f"{checkpoint.path}: {name} does not fit this run's modules. Use a new folder.")
    return found
