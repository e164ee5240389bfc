"""A run's scalars, spec and report as it goes, in TensorBoard and MLflow too: by setting, in the worker.

TENSORBOARD_DIR and MLFLOW_TRACKING_URI say where; both packages come with the extra `mirrors`. The platform's own pages
never read from there. A mirror that fails is told of in one line on the run's page, and left alone for the rest of the
run: whatever is wrong with it, the run goes on.
"""

import json
import logging
import os
import queue
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Protocol

from django.conf import settings

from geoquorum.training.models import Run

log = logging.getLogger(__name__)
MOST_WAITING = 1_000  # events that wait for a slow server; more are left out, curves have enough
PATIENCE_S = 10.0  # at the end of a run, for what still waits
HTTP_PATIENCE = {"MLFLOW_HTTP_REQUEST_MAX_RETRIES": "1", "MLFLOW_HTTP_REQUEST_TIMEOUT": "5"}
NOT_SCALARS = ("event", "time", "epoch", "step", "steps", "share", "is_best")
EXPERIMENT = "geoquorum"
Event = dict[str, Any]
Report = Mapping[str, Any]


class Mirror(Protocol):
    """One place where a run is told of as well. Any exception ends the mirror, and never the run."""

    def tell(self, scalars: Mapping[str, float], step: int, at: float) -> None:
        """Values by name at a step of the run, at a time in seconds since 1970."""

    def close(self, state: str, report: Report | None) -> None:
        """The run has ended; its report where there is one."""


def list_scalars(event: Event) -> dict[str, float]:
    """Numbers of a step or an epoch by name: `train/loss`, `epoch/loss`, `validation/loss` ..."""
    if event.get("event") not in ("step", "epoch"):
        return {}
    found = {}
    for key, value in event.items():
        if key in NOT_SCALARS or type(value) not in (int, float):
            continue
        kind, _, rest = key.partition("_")
        is_validation = event["event"] == "epoch" and kind == "validation" and rest
        name = f"validation/{rest}" if is_validation else f"{'train' if event['event'] == 'step' else 'epoch'}/{key}"
        found[name] = float(value)
    return found


class TensorBoardMirror:
    """Event files under TENSORBOARD_DIR/run-NUMBER, one for each attempt; needs no TensorFlow and no torch."""

    def __init__(self, run: Run, folder: Path) -> None:
        from tensorboard.summary.writer.event_file_writer import EventFileWriter

        self.writer = EventFileWriter(str(folder / f"run-{run.pk}"))
        self._write_text("spec", run.spec)

    def tell(self, scalars: Mapping[str, float], step: int, at: float) -> None:
        from tensorboard.compat.proto.event_pb2 import Event as Record
        from tensorboard.compat.proto.summary_pb2 import Summary

        values = [Summary.Value(tag=name, simple_value=value) for name, value in scalars.items()]
        self.writer.add_event(Record(wall_time=at, step=step, summary=Summary(value=values)))

    def close(self, state: str, report: Report | None) -> None:
        if report is not None:
            self.tell({f"report/{name}": value for name, value in list_figures(report)}, report["steps"], time.time())
            self._write_text("report", report)
        self.writer.close()

    def _write_text(self, tag: str, values: Mapping[str, Any]) -> None:
        from tensorboard.compat.proto.event_pb2 import Event as Record
        from tensorboard.compat.proto.summary_pb2 import Summary, SummaryMetadata
        from tensorboard.compat.proto.tensor_pb2 import TensorProto
        from tensorboard.compat.proto.tensor_shape_pb2 import TensorShapeProto
        from tensorboard.compat.proto.types_pb2 import DT_STRING

        text = "```\n" + json.dumps(values, indent=1, sort_keys=True) + "\n```"
        tensor = TensorProto(
            dtype=DT_STRING,
            string_val=[text.encode()],
            tensor_shape=TensorShapeProto(dim=[TensorShapeProto.Dim(size=1)]),
        )
        about = SummaryMetadata(plugin_data=SummaryMetadata.PluginData(plugin_name="text"))
        value = Summary.Value(tag=f"{tag}/text_summary", metadata=about, tensor=tensor)
        self.writer.add_event(Record(wall_time=time.time(), step=0, summary=Summary(value=[value])))


class MlflowMirror:
    """A run of the experiment `geoquorum` at MLFLOW_TRACKING_URI; a run that is resumed goes on in the same one."""

    def __init__(self, run: Run, uri: str) -> None:
        for name, value in HTTP_PATIENCE.items():
            os.environ.setdefault(name, value)  # its own patience with a dead server is four minutes a call
        if "://" not in uri or uri.startswith("file:"):
            os.environ.setdefault("MLFLOW_ALLOW_FILE_STORE", "true")
        from mlflow.entities import Param
        from mlflow.tracking import MlflowClient

        self.client = MlflowClient(tracking_uri=uri)
        known = Path(run.folder) / "mlflow.json"
        self.run_id = _read_run_id(known, uri)
        if self.run_id:
            return
        experiment = self.client.get_experiment_by_name(EXPERIMENT)
        where = experiment.experiment_id if experiment else self.client.create_experiment(EXPERIMENT)
        tags = {"mlflow.runName": run.name, "geoquorum.run": str(run.pk), "geoquorum.version": str(run.version)}
        self.run_id = self.client.create_run(where, tags=tags).info.run_id
        params = [Param(key, json.dumps(value)[:6000]) for key, value in sorted(run.spec.items())]
        self.client.log_batch(self.run_id, params=params)
        known.write_text(json.dumps({"uri": uri, "run_id": self.run_id}), encoding="utf-8")

    def tell(self, scalars: Mapping[str, float], step: int, at: float) -> None:
        from mlflow.entities import Metric

        metrics = [Metric(name, value, int(at * 1000), step) for name, value in scalars.items()]
        self.client.log_batch(self.run_id, metrics=metrics)

    def close(self, state: str, report: Report | None) -> None:
        if report is not None:
            self.tell({f"report/{name}": value for name, value in list_figures(report)}, report["steps"], time.time())
            self.client.log_dict(self.run_id, dict(report), "report.json")
        ends = {"done": "FINISHED", "cancelled": "KILLED", "failed": "FAILED"}
        if state in ends:
            self.client.set_terminated(self.run_id, ends[state])


def _read_run_id(path: Path, uri: str) -> str:
    """The run that an earlier attempt made there."""
    if not path.is_file():
        return ""
    known = json.loads(path.read_text(encoding="utf-8"))
    return str(known["run_id"]) if known.get("uri") == uri else ""


def list_figures(report: Report) -> Iterator[tuple[str, float]]:
    """Single figures of a report: test/oa, test/oa_low, validation/kappa ..."""
    for split in ("validation", "test"):
        for name, found in (report.get(split) or {}).items():
            if isinstance(found, Mapping) and type(found.get("value")) in (int, float):
                yield f"{split}/{name}", float(found["value"])
                for end in ("low", "high"):
                    if type(found.get(end)) in (int, float):
                        yield f"{split}/{name}_{end}", float(found[end])


class Mirrors:
    """All mirrors of a run behind a queue and a thread, so that a slow server holds nothing up.

    `warnings` has a sentence for each that failed; such a one is told nothing more.
    """

    def __init__(self, run: Run) -> None:
        self.run = run
        self.warnings: dict[str, str] = {}
        self._waiting: queue.Queue[Event | None] = queue.Queue(MOST_WAITING)
        self._is_lossy = False
        wanted = list_wanted()
        self._thread = threading.Thread(target=self._work, args=(wanted,), name="mirrors", daemon=True)
        if wanted:
            self._thread.start()

    def take(self, events: Sequence[Event]) -> None:
        """New events of the run; returns at once."""
        if not self._thread.is_alive():
            return
        for event in events:
            try:
                self._waiting.put_nowait(event)
            except queue.Full:
                self._is_lossy = True

    def close(self) -> None:
        """Tell how the run ended, with a few seconds of patience."""
        if not self._thread.is_alive():
            return
        self.run.refresh_from_db(fields=["state", "report"])
        try:
            self._waiting.put(None, timeout=PATIENCE_S)
            self._thread.join(PATIENCE_S)
        except queue.Full:
            pass
        if self._thread.is_alive():
            self.warnings["mirrors"] = f"A mirror did not take the end of this run within {PATIENCE_S:.0f} s."
        elif self._is_lossy:
            self.warnings.setdefault("mirrors", "A mirror was slower than the run: some points are not there.")

    def _work(self, wanted: Mapping[str, tuple[type, Any]]) -> None:
        mirrors: dict[str, Mirror] = {}
        for name, (kind, place) in wanted.items():
            try:
                mirrors[name] = kind(self.run, place)
            except Exception as error:  # whatever it is, the run must not feel it
                self._give_up(name, error)
        while (event := self._waiting.get()) is not None:
            if scalars := list_scalars(event):
                self._each(mirrors, "tell", scalars, int(event["step"]), float(event.get("time", time.time())))
        self._each(mirrors, "close", str(self.run.state), self.run.report)

    def _each(self, mirrors: dict[str, Mirror], verb: str, *words: Any) -> None:
        for name in list(mirrors):
            try:
                getattr(mirrors[name], verb)(*words)
            except Exception as error:
                self._give_up(name, error)
                del mirrors[name]

    def _give_up(self, name: str, error: Exception) -> None:
        log.warning("run %s: no longer mirrored to %s: %s", self.run.pk, name, error)
        if isinstance(error, ImportError):
            self.warnings[name] = f"Not mirrored to {name}: its package is not installed (extra `mirrors`)."
        else:
            words = " ".join(str(error).split())[:200]
            self.warnings[name] = f"Not mirrored to {name}: {type(error).__name__}: {words}"


def list_wanted() -> dict[str, tuple[type, Any]]:
    """The mirrors that the settings name, with where each is."""
    found: dict[str, tuple[type, Any]] = {}
    if settings.TENSORBOARD_DIR:
        found["TensorBoard"] = (TensorBoardMirror, Path(settings.TENSORBOARD_DIR))
    if settings.MLFLOW_TRACKING_URI:
        found["MLflow"] = (MlflowMirror, settings.MLFLOW_TRACKING_URI)
    return found


@contextmanager
def mirror_run(run: Run) -> Iterator[Mirrors]:
    """The mirrors of a run while it is at work; at the end they are told how it ended, and the run of their faults."""
    mirrors = Mirrors(run)
    try:
        yield mirrors
    finally:
        mirrors.close()
        if mirrors.warnings:
            run.refresh_from_db(fields=["progress"])
            Run.objects.filter(pk=run.pk).update(progress=run.progress | {"mirrors": mirrors.warnings})
