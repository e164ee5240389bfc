"""The training loop, from spec to report: it can be killed at any moment and goes on from its last checkpoint."""

import math
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from fusion.engine.checkpoint import (
    Checkpoint,
    hash_weights,
    list_steps,
    prune_checkpoints,
    read_checkpoint,
    save_checkpoint,
)
from fusion.engine.dataset import shuffle
from fusion.engine.evaluate import report_run
from fusion.engine.optimizer_state import pack_optimizers, unpack_optimizers
from fusion.engine.restore import LEARNED, check_inputs, check_target, restore_network
from fusion.engine.samples import Samples
from fusion.engine.schedule import learning_rate_at, set_learning_rate
from fusion.engine.session import Session
from fusion.engine.setup import Setup, prepare_run
from fusion.engine.symmetries import draw_symmetries
from fusion.engine.tally import DivergedError, Tally
from fusion.errors import CheckpointError, SpecError
from fusion.run import RunReport, RunSpec, describe_code, read_words

RESUMABLE = ("pack", "device", "threads", "checkpoint_every", "baselines", "resamples", "calibration")


@dataclass(kw_only=True)
class Progress:
    """How far a run is; saved with each checkpoint. `position` counts batches of the epoch.

    `best_step` is the checkpoint with the best validation so far, `earlier_best_step` the one before: the last but one
    checkpoint may still point to it.
    """

    epoch: int = 0
    position: int = 0
    step: int = 0
    images: int = 0
    elapsed_s: float = 0.0
    best_step: int = -1
    earlier_best_step: int = -1
    best_value: float | None = None
    is_finished: bool = False


def train(spec: RunSpec, session: Session) -> RunReport:
    """Train in the session's folder (or go on there), evaluate, and write report.json."""
    run = Training(prepare_run(spec), session)
    run.resume()
    run.announce()
    while not run.progress.is_finished:
        run.train_epoch()
        run.close_epoch()
    return run.report()


class Training:
    """One run: its setup, its progress, and the few verbs of the loop."""

    def __init__(self, setup: Setup, session: Session) -> None:
        self.setup, self.session, self.spec = setup, session, setup.spec
        self.learner = setup.learner
        self.progress = Progress()
        self.checkpoints = session.folder / "checkpoints"
        self.code_revision = describe_code()
        self.tally = Tally(self.learner.device)
        self.samples = Samples(setup, session.folder)
        self.started = time.monotonic()

    def announce(self) -> None:
        """The start event: what is trained on what, and from which step on."""
        setup, learner = self.setup, self.learner
        self.session.events.write(
            "start",
            **self._place(),
            task=self.spec.task,
            pack_sha256=self.spec.pack_sha256,
            samples={"train": len(setup.rows), "validation": len(setup.validation)},
            parameters=sum(part.numel() for part in learner.network.parameters()),
            device=str(learner.device),
            resumed=self.progress.step > 0,
        )

    def train_epoch(self) -> None:
        """The rest of an epoch's batches, from `progress.position` on."""
        setup, progress = self.setup, self.progress
        order = shuffle(setup.rows, seed=self.spec.seed, epoch=progress.epoch, by_blocks=setup.by_blocks)
        self.learner.network.train()
        while progress.position < setup.batches and self.share_done() < 1:
            set_learning_rate(self.learner.optimizers.values(), learning_rate_at(self.spec, self.share_done()))
            first = progress.position * self.spec.batch_size
            rows = order[first : first + self.spec.batch_size]
            batch = setup.reader.read(rows, self._draw_symmetries(len(rows)))
            loss, outputs = setup.objective.take_step(self.learner, batch)
            self.tally.add(loss, self._measure(outputs, batch.truth), len(rows))
            progress.position += 1
            progress.step += 1
            progress.images += len(rows)
            self._after_step()

    def close_epoch(self) -> None:
        """Validate, remember the best, and keep a checkpoint where this epoch is the best or the last."""
        progress = self.progress
        is_last = self.share_done() >= 1 or progress.epoch + 1 >= self.spec.epochs
        loss, value = self.validate()
        is_best = self._is_better(loss, value)
        if is_best:
            progress.earlier_best_step, progress.best_step = progress.best_step, progress.step
            progress.best_value = loss if self.spec.select_by == "loss" else value
        mean_loss, accuracy = self.tally.mean_epoch()
        self.session.events.write(
            "epoch",
            **self._place(),
            loss=mean_loss,
            accuracy=accuracy,
            validation_loss=loss,
            validation_accuracy=value,
            is_best=is_best,
        )
        self.samples.take(epoch=progress.epoch, step=progress.step, is_last=is_last)
        progress.epoch, progress.position, progress.is_finished = progress.epoch + 1, 0, is_last
        self.tally.close_epoch()
        self._note_time()
        if is_best or is_last:
            self.save()

    @torch.inference_mode()
    def validate(self) -> tuple[float, float]:
        """Loss and metric over the validation split, NaN where it is empty."""
        self.learner.network.eval()
        tally, rows = Tally(self.learner.device), self.setup.validation
        for first in range(0, len(rows), self.spec.batch_size):
            self._check_stop()
            batch = self.setup.reader.read(rows[first : first + self.spec.batch_size])
            with self.learner.autocast():
                outputs = self.learner.head.ask(self.learner.network, batch.inputs).float()
            loss = self.learner.head.loss(outputs, batch.target)
            tally.add(loss, self._measure(outputs, batch.truth), len(batch.truth))
        return tally.mean_epoch()

    def share_done(self) -> float:
        """How much of the run is behind, by steps or by time, whichever is further: 1 ends it."""
        by_steps = self.progress.step / (self.spec.epochs * self.setup.batches)
        return by_steps if self.spec.max_seconds is None else max(by_steps, self.elapsed_s / self.spec.max_seconds)

    @property
    def elapsed_s(self) -> float:
        """Seconds of training, those before an interruption included."""
        return self.progress.elapsed_s + time.monotonic() - self.started

    def save(self) -> Path:
        """Write a checkpoint of everything; DivergedError instead where it would not be worth keeping."""
        weights = self.learner.network.state_dict()
        self.tally.check(self.progress.step)
        if not all(bool(torch.isfinite(value).all()) for value in weights.values()):
            raise DivergedError(f"A weight is not finite after step {self.progress.step}. {self._advise()}")
        tensors, groups = pack_optimizers(self.learner.optimizers)
        self._note_time()
        step = self.progress.step
        path = save_checkpoint(
            self.checkpoints,
            step,
            {**{f"network.{key}": value for key, value in weights.items()}, **tensors, **_get_random_state()},
            {
                "spec": self.spec.to_json(),
                "pack_sha256": self.spec.pack_sha256,
                "inputs": [asdict(part) for part in self.setup.inputs],
                "target": asdict(self.setup.target),
                "state": asdict(self.progress),
                "optimizers": groups,
                "weights_sha256": hash_weights(weights),
                "code_revision": self.code_revision,
            },
        )
        prune_checkpoints(self.checkpoints, {self.progress.best_step, self.progress.earlier_best_step})
        is_best = step == self.progress.best_step
        self.session.events.write(
            "checkpoint", **self._place(), file=f"checkpoints/{path.stem}.safetensors", is_best=is_best
        )
        return path

    def resume(self) -> None:
        """Go on from the newest checkpoint that is whole; a damaged one is named in the events and passed over."""
        for step in list_steps(self.checkpoints):
            try:
                checkpoint = read_checkpoint(self.checkpoints / f"step-{step}.json")
            except CheckpointError as error:
                self.session.events.write("checkpoint", step=step, refused=str(error))
                continue
            return self._take_over(checkpoint)

    def report(self) -> RunReport:
        """Score the chosen checkpoint, and write report.json."""
        step = self.progress.step if self.spec.select_by == "last" else self.progress.best_step
        checkpoint = read_checkpoint(self.checkpoints / f"step-{step if step >= 0 else self.progress.step}.json")
        return report_run(self.spec, self.setup.pack, self.session, checkpoint, asdict(self.progress))

    def _take_over(self, checkpoint: Checkpoint) -> None:
        _check_same_run(checkpoint, self.spec)
        check_inputs(checkpoint, self.setup.inputs, LEARNED)
        check_target(checkpoint, self.setup.target)
        self.learner.network.load_state_dict(restore_network(checkpoint).state_dict())
        unpack_optimizers(self.learner.optimizers, checkpoint.part("optimizer"), checkpoint.words.optimizers)
        self.progress = read_words(Progress, checkpoint.words.state)
        self.samples.take_over(self.progress.step)
        _set_random_state(checkpoint)
        self.started = time.monotonic()

    def _after_step(self) -> None:
        if self.session.events.is_step_due():
            self.tally.check(self.progress.step)
            loss, accuracy, speed = self.tally.mean_window()
            rate = next(iter(self.learner.optimizers.values())).param_groups[0]["lr"]
            self.session.events.write(
                "step", **self._place(), loss=loss, accuracy=accuracy, learning_rate=rate, images_per_second=speed
            )
        self._check_stop()
        if self.progress.step % self.spec.checkpoint_every == 0:
            self.save()

    def _note_time(self) -> None:
        now = time.monotonic()
        self.progress.elapsed_s += now - self.started
        self.started = now

    def _check_stop(self) -> None:
        if self.session.stop.is_requested and self.progress.step:
            self.save()
        self.session.stop.check()

    def _draw_symmetries(self, count: int) -> Any:
        if not self.spec.augment:
            return None
        place = {"epoch": self.progress.epoch, "batch": self.progress.position}
        return draw_symmetries(count, is_square=self.setup.is_square, seed=self.spec.seed, **place)

    def _measure(self, outputs: Tensor, truth: Tensor) -> Tensor:
        return self.learner.head.metrics[self.setup.task.metric](outputs, truth)

    def _is_better(self, loss: float, value: float) -> bool:
        if self.spec.select_by == "last" or math.isnan(value):
            return False
        best, goal = self.progress.best_value, self.setup.task.metric_goal
        if best is None:
            return True
        if self.spec.select_by == "loss":
            return loss < best
        return value > best if goal == "max" else value < best

    def _place(self) -> dict[str, Any]:
        share, progress = self.share_done(), self.progress
        left_s = self.elapsed_s * (1 - share) / share if share > 0 else math.nan
        steps = self.spec.epochs * self.setup.batches
        return {
            "epoch": progress.epoch,
            "step": progress.step,
            "steps": steps,
            "share": round(min(share, 1.0), 4),
            "eta_s": left_s if math.isnan(left_s) else round(max(left_s, 0.0), 1),
        }

    def _advise(self) -> str:
        return "Lower learning_rate or raise warm_up; the last good checkpoint is kept."


def _check_same_run(checkpoint: Checkpoint, spec: RunSpec) -> None:
    before, now = checkpoint.spec.to_json(), spec.to_json()
    for field, value in now.items():
        if field not in RESUMABLE and before[field] != value:
            raise SpecError(
                f"{field} is {value!r}, but the checkpoint in this folder was made with {before[field]!r}. "
                "Use a new folder for a new run."
            )


def _get_random_state() -> dict[str, Tensor]:
    states = {"random.cpu": torch.get_rng_state()}
    if torch.cuda.is_available():
        states["random.cuda"] = torch.cuda.get_rng_state()
    return states


def _set_random_state(checkpoint: Checkpoint) -> None:
    states = checkpoint.part("random")
    torch.set_rng_state(states["cpu"])
    if "cuda" in states and torch.cuda.is_available():
        torch.cuda.set_rng_state(states["cuda"])
