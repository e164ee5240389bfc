"""Process CPU time of a training step through the engine over that of a bare torch loop, batches from a pack in both.

Both arms learn with the same Sen2LCZ-Net of 0.34 M parameters (width 12, depth 13, multi-level) from the same pack of
made-up patches (Sentinel-1 8 float32, Sentinel-2 10 uint16, 32 x 32), in float32, channels last, with the same
optimiser, batch and threads, without augmentation. The bare loop gathers rows, hands them to the network and steps;
the engine does all it does in a run: order, learning rate, sums, checks, events. A turn is an epoch of two steps; a
pair are eight turns, one arm after the other, and the median of the pairs' ratios counts. With a CUDA device: images
per second in bfloat16 and the share of time spent waiting for data.
"""

import argparse
import json
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch

from fusion.engine.dataset import shuffle
from fusion.engine.network import FusionNetwork
from fusion.engine.session import Session, open_session
from fusion.engine.setup import prepare_run
from fusion.engine.train import Training
from fusion.pack import Pack
from fusion.run import RunSpec
from tests.benchmarks.loading import BLOCK, write

Row = dict[str, Any]
NETWORK = {"name": "sen2lcz", "width": 12, "depth": 13, "multi_level": True}
BATCH, STEPS, TURNS = 64, 2, 4  # steps of a turn, turns of each arm in a pair
GPU_BATCH, GPU_SAMPLES = 256, 16_384


def make_spec(pack: Pack, threads: int, **words: Any) -> RunSpec:
    """The run of the engine's arm; nothing ends it."""
    given = {
        "task": "lcz",
        "pack": str(pack.folder),
        "network": NETWORK,
        "epochs": 10_000,
        "batch_size": BATCH,
        "device": "cpu",
        "threads": threads,
        "precision": "float32",
        "augment": False,
        "checkpoint_every": 10**9,
        **words,
    }
    return RunSpec.from_json(given)


def open_engine(spec: RunSpec, session: Session) -> tuple[Training, Callable[[], None]]:
    """A run, and a turn of it: one epoch without its validation and checkpoint."""
    training = Training(prepare_run(spec), session)
    training.resume()

    def take_turn() -> None:
        training.train_epoch()
        training.progress.epoch, training.progress.position = training.progress.epoch + 1, 0

    return training, take_turn


def open_bare_loop(training: Training) -> Callable[[], None]:
    """The same network and optimiser in the loop that anybody would write; a turn is one epoch of the same order."""
    setup, spec = training.setup, training.spec
    torch.manual_seed(spec.seed)
    network = FusionNetwork(spec.network, setup.inputs, len(setup.target.codes))
    network.place(torch.device("cpu"), channels_last=spec.channels_last)
    optimizer = torch.optim.NAdam(network.parameters(), lr=spec.learning_rate)
    arrays = {part.name: setup.pack.array(part.name) for part in setup.inputs}
    shares = torch.from_numpy(np.array(setup.pack.distribution(setup.target.name), dtype=np.float32))
    measure = torch.nn.KLDivLoss(reduction="batchmean")
    epoch = 0

    def take_turn() -> None:
        nonlocal epoch
        order = shuffle(setup.rows, seed=spec.seed, epoch=epoch)
        network.train()
        for first in range(0, setup.batches * spec.batch_size, spec.batch_size):
            rows = order[first : first + spec.batch_size]
            stored = {name: torch.from_numpy(array.gather(rows)) for name, array in arrays.items()}
            loss = measure(network(stored).log_softmax(dim=1), shares[rows])
            optimizer.zero_grad(set_to_none=True)
            loss.backward()
            optimizer.step()
        epoch += 1

    return take_turn


def measure_turn(take_turn: Callable[[], None]) -> float:
    """Seconds of this process's CPU time."""
    started = time.process_time()
    take_turn()
    return time.process_time() - started


def measure_pairs(one: Callable[[], None], other: Callable[[], None], pairs: int) -> list[tuple[float, float]]:
    """Seconds of both arms in each pair; which goes first alternates too."""
    one(), other()  # a first turn of each warms up
    found = []
    for _ in range(pairs):
        spent = {id(one): 0.0, id(other): 0.0}
        for turn in range(TURNS):
            for arm in (one, other) if turn % 2 == 0 else (other, one):
                spent[id(arm)] += measure_turn(arm)
        found.append((spent[id(one)], spent[id(other)]))
    return found


def measure_gpu(folder: Path, seconds: float) -> Row:
    """The engine on the first GPU in bfloat16 for some seconds, as its events tell it."""
    pack = write(folder / "large", GPU_SAMPLES, GPU_SAMPLES)
    words = {"device": "cuda", "precision": "bfloat16", "batch_size": GPU_BATCH, "augment": True}
    with open_session(folder / "gpu") as session:
        training, take_turn = open_engine(make_spec(pack, 1, **words), session)
        take_turn()
        torch.cuda.synchronize()
        training.tally.close_window()
        started = time.perf_counter()
        while time.perf_counter() - started < seconds:
            take_turn()
        torch.cuda.synchronize()
        window = training.tally.close_window()
    return {
        "device": torch.cuda.get_device_name(),
        "images_per_second": window["images_per_second"],
        "waiting_share": window["waiting_share"],
        "batch": GPU_BATCH,
        "precision": "bfloat16",
    }


def run(arguments: argparse.Namespace, folder: Path) -> Row:
    """Everything that is measured, as one row."""
    pack = write(folder / "pack", BLOCK, BATCH * STEPS)
    with open_session(folder / "run") as session:
        training, engine = open_engine(make_spec(pack, arguments.threads), session)
        bare = open_bare_loop(training)
        pairs = measure_pairs(engine, bare, arguments.pairs)
    steps = STEPS * TURNS
    ratios = sorted(mine / theirs for mine, theirs in pairs)
    ours, theirs = (statistics.median(pair[arm] for pair in pairs) / steps * 1000 for arm in (0, 1))
    return {
        "benchmark": "training",
        "unit": "ms of process CPU time per step",
        "ours": round(ours, 2),
        "against": {"bare_loop": round(theirs, 2)},
        "ratio": {"bare_loop": round(statistics.median(ratios), 4)},
        "also": {
            "parameters": sum(part.numel() for part in training.learner.network.parameters()),
            "batch": training.spec.batch_size,
            "steps_of_a_pair": steps,
            "pairs": len(pairs),
            "ratios_low_high": [round(ratios[0], 4), round(ratios[-1], 4)],
            "threads": arguments.threads,
            "gpu": measure_gpu(folder, arguments.gpu_seconds) if torch.cuda.is_available() else None,
            "simulated": True,
        },
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--pairs", type=int, default=15)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--gpu-seconds", type=float, default=20.0)
    parser.add_argument(
        "--folder", help="where the files lie while it runs; the system's temporary folder if not given"
    )
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="training-", dir=arguments.folder) as folder:
        print(json.dumps(run(arguments, Path(folder))))


if __name__ == "__main__":
    main()
