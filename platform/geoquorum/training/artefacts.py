"""What may be taken away of a finished run: weights and their words, ONNX, model card, STAC item, report; one zip."""

import hashlib
import json
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from django.db import transaction

from fusion.errors import SpecError
from fusion.run import DONE, read_json
from geoquorum.accounts.models import User
from geoquorum.accounts.services import record
from geoquorum.queue.models import Job
from geoquorum.queue.services import Claim, Retry, enqueue
from geoquorum.training.files import hash_file
from geoquorum.training.launcher import launch
from geoquorum.training.mlm_item import describe_item
from geoquorum.training.model_card import write_card
from geoquorum.training.models import Run, RunState
from geoquorum.training.network_words import read_network_words

KIND = "geoquorum.training.jobs.prepare_artefacts"
# Names in the zip by the name of the part in addresses.
NAMES = {
    "weights": "network.safetensors",
    "words": "network.json",
    "domain": "domain.safetensors",
    "onnx": "network.onnx",
    "card": "README.md",
    "item": "item.json",
    "report": "report.json",
}
BUNDLE = "model.zip"
LONG_AGO = (1980, 1, 1, 0, 0, 0)  # the first date that a zip can hold: the same files give the same bytes


def start(*, run: Run, by: User | None) -> Job:
    """Queues the making of a run's files; one that waits or is at work is answered."""
    _check(run)
    with transaction.atomic():
        job = enqueue(
            KIND,
            project=run.project,
            arguments={"run": run.pk},
            queue="training",
            by=by,
            unique_key=f"artefacts {run.pk}",
        )
        record(project=run.project, actor=by, action="model files asked for", subject=f"run {run.pk}")
    return job


def prepare(job: Job, claim: Claim) -> dict[str, Any]:
    """Writes the ONNX file in a child process, then everything else and the zip of all."""
    run = Run.objects.select_related("version", "project").get(pk=job.arguments["run"])
    return make(run, check=claim.check)


def make(run: Run, *, check: Any = lambda: None) -> dict[str, Any]:
    """All files of a finished run in its folder. A network that has no ONNX form does without; the reason is kept."""
    _check(run)
    folder = find_folder(run)
    folder.mkdir(parents=True, exist_ok=True)
    export = _export(run, folder, check)
    files = _gather(run, folder, export)
    path = folder / BUNDLE
    _write_zip(path, files)
    state = {"export": export, "bundle_sha256": hash_file(path), "weights_sha256": run.report["weights_sha256"]}
    _write(folder / "artefacts.json", _encode(state))
    return {"run": run.pk, "sha256": state["bundle_sha256"]}


def find_folder(run: Run) -> Path:
    """Where a run's files for others lie."""
    return Path(run.folder) / "artefacts"


def read_state(run: Run) -> dict[str, Any] | None:
    """What was made, where it is of the weights that the run reports."""
    path = find_folder(run) / "artefacts.json"
    state = read_json(path) if path.is_file() else None
    return state if state and state["weights_sha256"] == (run.report or {}).get("weights_sha256") else None


def list_files(run: Run) -> dict[str, Path]:
    """Files that are there, by the name of their part; the zip as `bundle`."""
    state, folder = read_state(run), find_folder(run)
    if state is None:
        return {}
    weights = _find_weights(run)
    own = {"weights": weights, "words": weights.with_suffix(".json"), "domain": Path(run.folder) / NAMES["domain"]}
    made = {part: folder / name for part, name in NAMES.items() if part not in own}
    found = {**own, **made, "bundle": folder / BUNDLE}
    return {part: path for part, path in found.items() if path.is_file()}


def find_job(run: Run) -> Job | None:
    """The newest job that made, or makes, a run's files."""
    return Job.objects.filter(kind=KIND, arguments__run=run.pk).order_by("-created_at").first()


def _check(run: Run) -> None:
    if run.state != RunState.DONE or not run.report:
        raise SpecError(f"Run {run} is {run.get_state_display()}: only a finished run has files to take away.")


def _export(run: Run, folder: Path, check: Any) -> dict[str, Any]:
    """What fusion.engine.onnx_export says of the file, or why there is none."""
    (folder / NAMES["onnx"]).unlink(missing_ok=True)
    spec = folder / "export.json"
    version = run.version
    words = {
        "checkpoint": run.folder,
        "output": NAMES["onnx"],
        "pack": version.uri,
        "pack_sha256": version.sha256,
        "threads": run.spec["threads"],
        "facts": {
            "dataset_version": str(version),
            "simulated": run.report["is_simulated"],
            "git_revision": run.report["code_revision"],
            "run": run.name,
        },
    }
    spec.write_text(json.dumps(words, indent=1, sort_keys=True), encoding="utf-8")
    outcome = launch(folder, "export", spec, watch=lambda events: check())
    if outcome.code < 0:
        raise Retry(outcome.cause)
    if outcome.code != DONE:
        return {"reason": outcome.cause}
    return read_json(folder / f"{NAMES['onnx']}.json")


def _gather(run: Run, folder: Path, export: Mapping[str, Any]) -> dict[str, Path]:
    """Paths by their name in the zip; card, report and item are written here, the item last, as it names the others."""
    words, weights = read_network_words(run), _find_weights(run)
    found = {"weights": weights, "words": weights.with_suffix(".json")}
    if (domain := Path(run.folder) / NAMES["domain"]).is_file():
        found["domain"] = domain
    if "difference" in export:
        found["onnx"] = folder / NAMES["onnx"]
    found["card"], found["report"] = folder / NAMES["card"], folder / NAMES["report"]
    _write(found["card"], write_card(run, words, export).encode())
    _write(found["report"], _encode(run.report))
    known = {part: (NAMES[part], hash_file(path), path.stat().st_size) for part, path in found.items()}
    item = folder / NAMES["item"]
    _write(item, _encode(describe_item(run, words, known)))
    return {NAMES[part]: path for part, path in {**found, "item": item}.items()}


def _find_weights(run: Run) -> Path:
    return (Path(run.folder) / str(run.report["checkpoint"])).with_suffix(".safetensors")


def _write_zip(path: Path, files: Mapping[str, Path]) -> None:
    """Nothing is packed: weights hardly shrink, and libraries of different versions pack differently."""
    partial = path.with_name(f".{path.name}.part")
    with zipfile.ZipFile(partial, "w", zipfile.ZIP_STORED) as archive:
        for name in sorted(files):
            entry = zipfile.ZipInfo(name, LONG_AGO)
            entry.external_attr, entry.create_system = 0o644 << 16, 3
            entry.file_size = files[name].stat().st_size
            with files[name].open("rb") as source, archive.open(entry, "w") as target:
                while block := source.read(2**20):
                    target.write(block)
    partial.replace(path)


def _encode(values: Any) -> bytes:
    return (json.dumps(values, indent=1, sort_keys=True, ensure_ascii=False) + "\n").encode()


def _write(path: Path, data: bytes) -> None:
    partial = path.with_name(f".{path.name}.{hashlib.sha256(data).hexdigest()[:8]}.part")
    partial.write_bytes(data)
    partial.replace(path)
