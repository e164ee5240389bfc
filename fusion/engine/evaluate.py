"""Scores of a checkpoint beside the baselines on the same split, as a report that says how it was made."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

from fusion import task as tasks
from fusion.engine.checkpoint import Checkpoint
from fusion.engine.evaluation import Evaluation
from fusion.engine.head import describe_again
from fusion.engine.normalise import describe_inputs
from fusion.engine.predictor import Found, find_checkpoints
from fusion.engine.restore import check_inputs, check_target
from fusion.engine.session import Session
from fusion.engine.uncertainty import Ensemble, open_ensemble
from fusion.pack import Pack
from fusion.run import EvaluateSpec, RunReport, RunSpec, check_pack, describe_code, describe_environment, write_json

RUN_COVERAGE = 0.9  # of the prediction sets that every training's report tells of


def report_run(
    spec: RunSpec, pack: Pack, session: Session, checkpoint: Checkpoint, progress: Mapping[str, Any]
) -> RunReport:
    """Score a training's chosen checkpoint, and write report.json into its folder."""
    words = EvaluateSpec(
        checkpoint=str(checkpoint.path),
        pack=spec.pack,
        calibration=spec.calibration,
        conformal=RUN_COVERAGE,
        out_of_domain="neighbours",
        scored=spec.scored,
        baselines=spec.baselines,
        resamples=spec.resamples,
        seed=spec.seed,
        device=spec.device,
        threads=spec.threads,
    )
    return _report(words, pack, session, Found(checkpoints=(checkpoint,), report={}), progress)


def evaluate(spec: EvaluateSpec, session: Session) -> RunReport:
    """Score a checkpoint, or several as one, on a pack of the same inputs and classes, and write report.json."""
    session.events.write("start", checkpoint=spec.checkpoint, pack=spec.pack)
    found = find_checkpoints(Path(spec.checkpoint))
    pack = Pack.open(spec.pack)
    check_pack(spec.pack_sha256, pack.sha256, spec.pack)
    return _report(spec, pack, session, found, found.checkpoints[0].words.state)


def _report(spec: EvaluateSpec, pack: Pack, session: Session, found: Found, progress: Mapping[str, Any]) -> RunReport:
    ensemble = open_ensemble(
        found,
        spec.checkpoints,
        draws=spec.dropout_draws,
        seed=spec.seed,
        temperature=1.0,
        device=spec.device,
        threads=spec.threads,
    )
    checkpoint = ensemble.first.checkpoint
    task = tasks.find(checkpoint.spec.task)
    names = [part.name for part in ensemble.inputs]
    check_inputs(checkpoint, describe_inputs(pack, names, to_learn=False))
    check_target(checkpoint, describe_again(pack, ensemble.target, ensemble.inputs))
    evaluation = Evaluation(ensemble=ensemble, pack=pack, spec=spec, metric=task.metric, session=session)
    fields = evaluation.score_all()
    trained_s = float(progress["elapsed_s"])
    seconds = {key: round(value, 3) for key, value in evaluation.seconds.items()}
    report = RunReport(
        **fields,
        protocol=evaluation.describe_protocol(),
        task=task.name,
        metric=task.metric,
        seconds={"train": round(trained_s, 3), **seconds},
        epochs=int(progress["epoch"]),
        steps=int(progress["step"]),
        images_per_second=round(int(progress["images"]) / max(trained_s, 1e-9), 1),
        parameters=sum(part.numel() for part in ensemble.first.network.parameters()),
        checkpoint=fields["uncertainty"]["members"][0]["checkpoint"],
        weights_sha256=checkpoint.words.weights_sha256,
        pack_sha256=pack.sha256,
        is_simulated=bool(pack.manifest.get("provenance", {}).get("simulated", False)),
        code_revision=describe_code(),
        environment=describe_environment(),
        device=_name_device(ensemble),
        seed=checkpoint.spec.seed,
        spec=checkpoint.spec.to_json(),
    )
    write_json(session.folder / "report.json", report.to_json())
    best = fields["test"] or fields["validation"]
    session.events.write("done", report="report.json", metric=task.metric, value=best and best[task.metric]["value"])
    return report


def _name_device(ensemble: Ensemble) -> str:
    """The device in words, with the threads that a CPU used."""
    device = ensemble.first.device
    if device.type == "cuda":
        return torch.cuda.get_device_name(device)
    return f"CPU, {torch.get_num_threads()} threads"
