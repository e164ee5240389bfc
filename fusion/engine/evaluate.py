"""Scores of a checkpoint beside the baselines on the same split, as a report that says how it was made."""

import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import torch

from fusion import baseline as baselines
from fusion import scores
from fusion import task as tasks
from fusion.engine.calibrate import fit_temperature
from fusion.engine.checkpoint import Checkpoint
from fusion.engine.head import FloatArray, read_target_info
from fusion.engine.normalise import describe_inputs
from fusion.engine.predict import Predictor, find_checkpoint, open_predictor
from fusion.engine.restore import check_inputs, check_target
from fusion.engine.session import Session
from fusion.engine.symmetries import Rows
from fusion.pack import Pack
from fusion.run import (
    EvaluateSpec,
    RunReport,
    RunSpec,
    check_pack,
    describe_code,
    describe_environment,
    write_json,
)


@dataclass(kw_only=True)
class Evaluation:
    """One checkpoint on one pack; `seconds` collects what each stage took."""

    predictor: Predictor
    pack: Pack
    spec: EvaluateSpec
    metric: str
    session: Session
    seconds: dict[str, float] = field(default_factory=dict)

    @property
    def target(self) -> str:
        return self.predictor.target.name

    def score_all(self) -> dict[str, Any]:
        """Fields of a RunReport that are scores."""
        logits = {split: self._predict(split) for split in ("validation", "test")}
        calibration = self._calibrate(logits["validation"])
        shares = {split: self.predictor.decode(values) for split, values in logits.items()}
        validation, test = (self._score(split, shares[split]) for split in ("validation", "test"))
        answers = self._predict_baselines() if test else {}
        return {
            "test": test,
            "validation": validation,
            "calibration": calibration,
            "baselines": {name: self._score("test", values) for name, values in answers.items()},
            "difference": {
                f"cnn_minus_{name}": self._compare(shares["test"], values) for name, values in answers.items()
            },
        }

    def _rows(self, split: str) -> Rows:
        return self.pack.indices(split, having=[part.name for part in self.predictor.inputs])

    def _predict(self, split: str) -> FloatArray:
        arrays = {part.name: self.pack.array(part.name) for part in self.predictor.inputs}
        with self._stage("predict"):
            watch = lambda done, total: self.session.stop.check()  # noqa: E731
            return self.predictor.run(arrays, self._rows(split), self.spec.batch_size, watch)

    def _calibrate(self, validation: FloatArray) -> dict[str, Any]:
        if self.spec.calibration == "none" or not len(validation):
            return {"method": "none"}
        before = self._score("validation", self.predictor.decode(validation))
        temperature = fit_temperature(validation, self.pack.labels(self.target)[self._rows("validation")])
        self.predictor = replace(self.predictor, temperature=temperature)
        return {
            "method": "temperature",
            "temperature": temperature,
            "fitted_on": "validation",
            "validation_ece_before": before["ece"] if before else None,
        }

    def _predict_baselines(self) -> dict[str, FloatArray]:
        names = [part.name for part in self.predictor.inputs]
        found: dict[str, FloatArray] = {}
        for name in self.spec.baselines:
            self.session.stop.check()
            with self._stage(name):
                found[name] = self._fit_baseline(name, names)
        return found

    def _fit_baseline(self, name: str, names: list[str]) -> FloatArray:
        known = baselines.find(name)  # imported only now, after training: scikit-learn takes seconds
        return known.fit_predict(self.pack, names, self.spec.seed, target=self.target, jobs=self.spec.threads)

    def _score(self, split: str, probabilities: FloatArray) -> dict[str, Any] | None:
        """Scores of a split with intervals by block; None where it is empty."""
        rows = self._rows(split)
        if not len(rows):
            return None
        self.session.stop.check()
        with self._stage("scores"):
            return scores.evaluate(
                self.pack.labels(self.target)[rows],
                probabilities,
                scheme=self.predictor.target.scheme,
                blocks=self._blocks(rows),
                seed=self.spec.seed,
                resamples=self.spec.resamples,
                distribution=self.pack.distribution(self.target)[rows],
            )

    def _compare(self, probabilities: FloatArray, others: FloatArray) -> dict[str, Any]:
        rows = self._rows("test")
        with self._stage("scores"):
            interval = scores.paired_difference(
                self.pack.labels(self.target)[rows],
                probabilities,
                others,
                self._blocks(rows),
                metric=self.metric,
                scheme=self.predictor.target.scheme,
                seed=self.spec.seed,
                resamples=self.spec.resamples,
            )
        return {"metric": self.metric, **interval}

    def _blocks(self, rows: Rows) -> list[str]:
        """The block of each sample; a sample without one stands for itself."""
        table = self.pack.samples
        blocks, ids = (table.column(name).take(rows).to_pylist() for name in ("block", "id"))
        return [block or f"sample {own}" for block, own in zip(blocks, ids, strict=True)]

    @contextmanager
    def _stage(self, name: str) -> Iterator[None]:
        started = time.monotonic()
        yield
        self.seconds[name] = self.seconds.get(name, 0.0) + time.monotonic() - started


def report_run(
    spec: RunSpec, pack: Pack, session: Session, checkpoint: Checkpoint, progress: Mapping[str, Any]
) -> RunReport:
    """Score a training's chosen checkpoint, and write report.json into its folder."""
    words = EvaluateSpec(
        checkpoint=str(checkpoint.path),
        pack=spec.pack,
        calibration=spec.calibration,
        baselines=spec.baselines,
        resamples=spec.resamples,
        seed=spec.seed,
        device=spec.device,
        threads=spec.threads,
    )
    return _report(words, pack, session, checkpoint, progress)


def evaluate(spec: EvaluateSpec, session: Session) -> RunReport:
    """Score a checkpoint on a pack of the same inputs and classes, and write report.json."""
    session.events.write("start", checkpoint=spec.checkpoint, pack=spec.pack)
    checkpoint, _ = find_checkpoint(Path(spec.checkpoint))
    pack = Pack.open(spec.pack)
    check_pack(spec.pack_sha256, pack.sha256, spec.pack)
    return _report(spec, pack, session, checkpoint, checkpoint.words.state)


def _report(
    spec: EvaluateSpec, pack: Pack, session: Session, checkpoint: Checkpoint, progress: Mapping[str, Any]
) -> RunReport:
    predictor = open_predictor(checkpoint, device=spec.device, threads=spec.threads)
    task = tasks.find(checkpoint.spec.task)
    names = [part.name for part in predictor.inputs]
    check_inputs(checkpoint, describe_inputs(pack, names, to_learn=False))
    check_target(checkpoint, read_target_info(pack, predictor.target.name, task.head, task.scheme))
    evaluation = Evaluation(predictor=predictor, pack=pack, spec=spec, metric=task.metric, session=session)
    found = evaluation.score_all()
    trained_s = float(progress["elapsed_s"])
    report = RunReport(
        **found,
        task=task.name,
        metric=task.metric,
        seconds={"train": round(trained_s, 3), **{key: round(value, 3) for key, value in evaluation.seconds.items()}},
        epochs=int(progress["epoch"]),
        steps=int(progress["step"]),
        images_per_second=round(int(progress["images"]) / max(trained_s, 1e-9), 1),
        parameters=sum(part.numel() for part in predictor.network.parameters()),
        checkpoint=_name_checkpoint(checkpoint, session.folder),
        weights_sha256=checkpoint.words.weights_sha256,
        pack_sha256=pack.sha256,
        is_simulated=bool(pack.manifest.get("provenance", {}).get("simulated", False)),
        code_revision=describe_code(),
        environment=describe_environment(),
        device=_name_device(predictor),
        seed=checkpoint.spec.seed,
        spec=checkpoint.spec.to_json(),
    )
    write_json(session.folder / "report.json", report.to_json())
    best = found["test"] or found["validation"]
    session.events.write("done", report="report.json", metric=task.metric, value=best and best[task.metric]["value"])
    return report


def _name_checkpoint(checkpoint: Checkpoint, folder: Path) -> str:
    path = checkpoint.path.resolve()
    return str(path.relative_to(folder.resolve()) if path.is_relative_to(folder.resolve()) else path)


def _name_device(predictor: Predictor) -> str:
    """The device in words, with the threads that a CPU used."""
    if predictor.device.type == "cuda":
        return torch.cuda.get_device_name(predictor.device)
    return f"CPU, {torch.get_num_threads()} threads"
