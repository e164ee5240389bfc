"""The training loop, from spec to report: it can be killed at any moment and goes on from its last checkpoint."""

import math
import time
from contextlib import suppress
from dataclasses import asdict
from typing import Any

import torch
from torch import Tensor

from fusion.engine.averaging import Average
from fusion.engine.batches import Batches, open_batches
from fusion.engine.checkpoint import list_steps, prune_checkpoints, read_checkpoint, save_checkpoint
from fusion.engine.evaluate import report_run
from fusion.engine.mixing import Mixer
from fusion.engine.resume import Progress, collect, take_over
from fusion.engine.samples import Samples
from fusion.engine.schedule import learning_rate_at, set_learning_rate
from fusion.engine.session import Session
from fusion.engine.setup import Setup, compile_architecture, prepare_run
from fusion.engine.tally import DivergedError, Tally, measure_memory
from fusion.errors import CheckpointError, SpecError
from fusion.run import RunReport, RunSpec, describe_code


def train(spec: RunSpec, session: Session) -> RunReport | None:
    """Train in the session's folder (or go on there), evaluate, and write report.json.

    Of several processes (torchrun) the first answers the report, the others None.
    """
    run = Training(prepare_run(spec), session)
    run.resume()
    run.announce()
    while not run.progress.is_finished:
        run.train_epoch()
        run.close_epoch()
    run.processes.leave()
    return run.report() if run.processes.is_first else None


def seed_draws(seed: int, device: torch.device) -> None:
    """As torch.manual_seed for this device alone, which is ten times faster."""
    torch.default_generator.manual_seed(seed)
    if device.type == "cuda":
        torch.cuda.manual_seed(seed)


class Training:
    """One run: its setup, its progress, and the few verbs of the loop."""

    def __init__(self, setup: Setup, session: Session) -> None:
        self.setup, self.session, self.spec = setup, session, setup.spec
        self.learner, self.processes = setup.learner, setup.learner.processes
        self.average = Average(self.learner.network, self.spec.ema) if self.spec.ema else None
        self.mixer = Mixer(self.learner.network.architecture)
        if self.spec.compile:
            compile_architecture(self.learner.network)
        self.progress = Progress()
        self.checkpoints = session.folder / "checkpoints"
        self.code_revision = describe_code()
        self.tally = Tally(self.learner.device, self.processes)
        self.samples = Samples(setup, session.folder)
        self.began = time.monotonic()

    def announce(self) -> None:
        """The start event: what is trained on what, by how many, and from which step on."""
        setup, learner = self.setup, self.learner
        self.session.events.write(
            "start",
            **self._place(),
            task=self.spec.task,
            pack_sha256=self.spec.pack_sha256,
            samples={"train": len(setup.course.rows), "validation": len(setup.validation)},
            parameters=sum(part.numel() for part in learner.network.parameters()),
            device=str(learner.device),
            processes=self.processes.count,
            resumed=self.progress.step > 0,
        )

    def train_epoch(self) -> None:
        """The rest of an epoch's steps, from `progress.position` on."""
        progress, steps = self.progress, range(self.progress.position, self.setup.batches)
        for module in (self.learner.network, *self.learner.parts.values()):
            module.train()
        with open_batches(self.setup.reader, self.setup.course, progress.epoch, steps) as batches:
            while progress.position < self.setup.batches and self.share_done() < 1:
                set_learning_rate(self.learner.optimizers.values(), learning_rate_at(self.spec, self.share_done()))
                try:
                    images = self._take_step(batches)
                except DivergedError:
                    self._keep_what_is_good()
                    raise
                progress.position += 1
                progress.step += 1
                progress.images += images
                if self.average is not None:
                    self.average.update(self.learner.network, progress.step)
                self._after_step()

    def close_epoch(self) -> None:
        """Validate, remember the best, and keep a checkpoint where this epoch is the best or the last."""
        progress = self.progress
        loss, value = self.validate()
        is_best = self._is_better(loss, value)
        progress.stale_epochs = 0 if is_best else progress.stale_epochs + 1
        if is_best:
            progress.earlier_best_step, progress.best_step = progress.best_step, progress.step
            progress.best_value = loss if self.spec.select_by == "loss" else value
        self._look_up()
        is_stale = 0 < self.spec.patience <= progress.stale_epochs
        is_last = is_stale or self.share_done() >= 1 or progress.epoch + 1 >= self.spec.epochs
        mean_loss, accuracy = self.tally.mean_epoch()
        self.session.events.write(
            "epoch",
            **self._place(),
            loss=mean_loss,
            accuracy=accuracy,
            validation_loss=loss,
            validation_accuracy=value,
            is_best=is_best,
            is_stopped_early=is_stale and progress.epoch + 1 < self.spec.epochs,
        )
        if self.processes.is_first:
            network = self.learner.network if self.average is None else self.average.network
            self.samples.take(network, epoch=progress.epoch, step=progress.step, is_last=is_last)
        progress.epoch, progress.position, progress.is_finished = progress.epoch + 1, 0, is_last
        self.tally.close_epoch()
        if is_best or is_last:
            self.save()

    @torch.inference_mode()
    def validate(self) -> tuple[float, float]:
        """Loss and metric over the validation split, NaN where it is empty.

        Each process takes its part of every batch: so none waits idle for another, nor longer than one batch.
        """
        network = self.learner.network if self.average is None else self.average.network
        network.eval()
        tally, rows, size = Tally(self.learner.device, self.processes), self.setup.validation, self.spec.batch_size
        for first in range(0, len(rows), size):
            self._check_stop()
            mine = self.processes.share(rows[first : first + size])
            if len(mine):
                batch = self.setup.reader.read(mine)
                loss, outputs = self.setup.objective.validate(self.learner, network, batch)
                tally.add(loss, self._measure(outputs, batch.truth), len(mine))
        return tally.mean_epoch()

    def share_done(self) -> float:
        """How much of the run is behind, by steps or by time, whichever is further: 1 ends it."""
        done, limit = self.progress.step / (self.spec.epochs * self.setup.batches), self.spec.max_seconds
        return done if limit is None else max(done, self.progress.elapsed_s / limit)

    def save(self) -> None:
        """Write a checkpoint of everything; DivergedError instead where it would not be worth keeping."""
        self.tally.check(self.progress.step)
        self._write_checkpoint()

    def _write_checkpoint(self) -> None:
        tensors, words = collect(self.setup, self.average, self.progress, self.code_revision)
        if not self.processes.is_first:
            return
        step = self.progress.step
        path = save_checkpoint(self.checkpoints, step, tensors, words)
        prune_checkpoints(self.checkpoints, {self.progress.best_step, self.progress.earlier_best_step})
        is_best = step == self.progress.best_step
        self.session.events.write(
            "checkpoint", **self._place(), file=f"checkpoints/{path.stem}.safetensors", is_best=is_best
        )

    def resume(self) -> None:
        """Go on from the newest checkpoint that is whole; a damaged one is named in the events and passed over."""
        for step in list_steps(self.checkpoints):
            try:
                checkpoint = read_checkpoint(self.checkpoints / f"step-{step}.json")
            except CheckpointError as error:
                self.session.events.write("checkpoint", step=step, refused=str(error))
                continue
            self.progress = take_over(checkpoint, self.setup, self.average)
            self.samples.take_over(self.progress.step)
            break
        self._check_alike()
        self.began = time.monotonic() - self.progress.elapsed_s

    def report(self) -> RunReport:
        """Score the chosen checkpoint, and write report.json."""
        step = self.progress.step if self.spec.select_by == "last" else self.progress.best_step
        checkpoint = read_checkpoint(self.checkpoints / f"step-{step if step >= 0 else self.progress.step}.json")
        return report_run(self.spec, self.setup.pack, self.session, checkpoint, asdict(self.progress))

    def _take_step(self, batches: Batches) -> int:
        """One step in its micro-batches; answers its samples, those of all processes."""
        learner = self.learner
        learner.steps_done = self.progress.step
        for _ in range(self.spec.accumulate):
            with self.tally.wait():
                portion, batch = next(batches)
            seed_draws(portion.seed, learner.device)
            learner.share, learner.is_last = portion.share, portion.is_last
            batch = self.mixer.start(portion.mixing, batch)
            loss, outputs = self.setup.objective.take_step(learner, batch)
            self.tally.add(loss, self._measure(outputs, batch.truth), len(portion.rows))
        return portion.total

    def _after_step(self) -> None:
        is_due = self._look_up()
        if is_due:
            self.tally.check(self.progress.step)
            rate = next(iter(self.learner.optimizers.values())).param_groups[0]["lr"]
            memory = measure_memory(self.learner.device)
            self.session.events.write(
                "step", **self._place(), **self.tally.close_window(), learning_rate=rate, memory_mb=memory
            )
        self._stop_if_asked()
        if self.progress.step % self.spec.checkpoint_every == 0:
            self.save()

    def _look_up(self) -> bool:
        """Look at the clock and for a wish to stop, as all processes see them; answers whether a step event is due."""
        elapsed_s, events = time.monotonic() - self.began, self.session.events
        seen = self.processes.find_highest([elapsed_s, self.session.stop.is_requested, events.is_step_due()])
        self.progress.elapsed_s = seen[0]
        if seen[1]:  # and never the other way: a signal may have come in between
            self.session.stop.is_requested = True
        return bool(seen[2])

    def _check_stop(self) -> None:
        self._look_up()
        self._stop_if_asked()

    def _stop_if_asked(self) -> None:
        if self.session.stop.is_requested and self.progress.step:
            self.save()
        self.session.stop.check()

    def _keep_what_is_good(self) -> None:
        """Save the weights before a step that was not taken; the last checkpoint stays where they are no numbers."""
        if self.progress.step:
            with suppress(DivergedError):
                self._write_checkpoint()

    def _check_alike(self) -> None:
        """All processes must go on from the same step: they see the same folder."""
        step = self.progress.step
        if self.processes.find_highest([step, -step]) != [step, -step]:
            raise SpecError(
                f"The processes of this run see different checkpoints; process {self.processes.rank} sees step {step}. "
                f"Let {self.session.folder} be a folder that all machines share."
            )

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
        left_s = progress.elapsed_s * (1 - share) / share if share > 0 else math.nan
        steps = self.spec.epochs * self.setup.batches
        return {
            "epoch": progress.epoch,
            "step": progress.step,
            "steps": steps,
            "share": round(min(share, 1.0), 4),
            "eta_s": left_s if math.isnan(left_s) else round(max(left_s, 0.0), 1),
        }
