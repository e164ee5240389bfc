"""A model card in the form of Hugging Face, YAML with a model-index and then words, all from the run's record."""

import json
from collections.abc import Iterator, Mapping
from typing import Any

from fusion import scheme as schemes
from geoquorum.training.models import Run
from geoquorum.training.network_words import NetworkWords
from geoquorum.training.reports import ACCURACIES, BASELINES

PIPELINES = {"classes": "image-classification", "mask": "image-segmentation", "field": "image-to-image"}
HUB_NAMES = {"oa": "accuracy", "macro_f1": "f1"}  # metrics that the hub knows under a name of its own
INTERVAL = 0.95
TITLES = dict(ACCURACIES)


def write_card(run: Run, words: NetworkWords, export: Mapping[str, Any] | None = None) -> str:
    """README.md of a finished run. `export` is what fusion.engine.onnx_export has written beside its ONNX file."""
    front = "\n".join(f"{key}: {json.dumps(value, ensure_ascii=False)}" for key, value in _describe(run, words).items())
    parts = [_introduce(run, words), _tell_data(run), _tell_scores(run), _tell_limits(run), _tell_use(words, export)]
    body = "\n\n".join([*parts, _tell_origin(run)])
    return f"---\n{front}\n---\n\n{body}\n"


def list_metrics(scores: Mapping[str, Any]) -> Iterator[tuple[str, str, Mapping[str, Any]]]:
    """Key, title and interval of each score that is a number with an interval."""
    known = [key for key in TITLES if key in scores]
    for key in [*known, *sorted(set(scores) - set(known))]:
        found = scores[key]
        if isinstance(found, Mapping) and isinstance(found.get("value"), int | float) and "low" in found:
            yield key, str(TITLES.get(key, key)), found


def _describe(run: Run, words: NetworkWords) -> dict[str, Any]:
    """The front matter. A JSON value is a YAML value: no writer of YAML is needed."""
    version, test = run.version, _test(run)
    tags = ["earth-observation", "remote-sensing", "geoquorum", run.task, *(one.modality for one in words.inputs)]
    metrics = [
        {
            "type": HUB_NAMES.get(key, key),
            "name": title,
            "value": found["value"],
            "args": {"interval": INTERVAL, "low": found["low"], "high": found["high"], "drawn_by": "block"},
        }
        for key, title, found in list_metrics(test)
    ]
    dataset = {"type": version.name, "name": str(version), "split": _split(run), "revision": version.sha256}
    result = {
        "task": {"type": PIPELINES.get(words.head, "other"), "name": run.task},
        "dataset": dataset,
        "metrics": metrics,
    }
    return {
        "license": "unknown",
        "library_name": "pytorch",
        "pipeline_tag": PIPELINES.get(words.head, "other"),
        "tags": [*dict.fromkeys(tags), *(["simulated"] if run.report["is_simulated"] else [])],
        "datasets": [version.name],
        "metrics": [HUB_NAMES.get(key, key) for key, _, _ in list_metrics(test)],
        "model-index": [{"name": run.name, "results": [result]}],
    }


def _introduce(run: Run, words: NetworkWords) -> str:
    report, network = run.report, dict(run.report["spec"]["network"])
    kind = network.pop("name")
    options = ", ".join(f"{key} {value}" for key, value in network.items())
    seen = "; ".join(
        f"`{one.name}`{f' ({one.modality})' if one.modality != one.name else ''}: {', '.join(one.bands)}, {one.dtype}, "
        f"{' x '.join(map(str, one.shape))} ({', '.join(one.dims)})"
        for one in words.inputs
    )
    lines = [
        f"# {run.name}\n",
        "**This network was trained and tested on simulated data. Its scores say nothing about real cities.**\n"
        if report["is_simulated"]
        else "",
        f"A network of kind `{kind}` ({options}), {report['parameters']:,} parameters, for the task `{run.task}`.\n",
        f"It reads stored values, not scaled ones: {seen}. Scaling and standardising are inside the network.\n",
        _tell_answer(words),
    ]
    return "\n".join(line for line in lines if line)


def _tell_answer(words: NetworkWords) -> str:
    if not words.is_of_classes:
        return f"It answers with {', '.join(words.value_names)}{f' in {words.unit}' if words.unit else ''}."
    labels = {label.code: label.name for label in schemes.find(words.scheme).classes}
    classes = "\n".join(f"- `{code}` {labels.get(code, '')}".rstrip() for code in words.codes)
    return f"It answers with a probability for each class of the scheme `{words.scheme}`, in this order:\n\n{classes}"


def _tell_data(run: Run) -> str:
    version, counts = run.version, (run.version.summary or {}).get("splits") or {}
    sizes = ", ".join(f"{name} {count}" for name, count in counts.items() if isinstance(count, int))
    votes = "Votes of simulated experts. " if version.is_simulated else ""
    split = version.design.get("kind", "")
    said = f"{votes}Split by {split}" + (f": {sizes} samples" if sizes else "")
    return f"## Data\n\nDataset version `{version}`, pack sha256 `{run.report['pack_sha256']}`. {said}."


def _tell_scores(run: Run) -> str:
    report, test = run.report, _test(run)
    rows = [f"| {title} | {_say(found)} |" for _, title, found in list_metrics(test)]
    head = [f"## Scores on the split `{_split(run)}`", "", f"n = {test['n']}, {test['blocks']} blocks.", ""]
    table = ["| score | value (95 % interval by block) |", "| --- | --- |", *rows]
    metric = report["metric"]
    others = [
        f"- {BASELINES.get(name, name)}: {_say(found[metric])}"
        for name, found in report["baselines"].items()
        if found and metric in found
    ]
    beside = ["", f"Baselines on the same samples, {TITLES.get(metric, metric)}:", "", *others] if others else []
    return "\n".join([*head, *table, *beside])


def _tell_limits(run: Run) -> str:
    test, calibration = _test(run), run.report["calibration"]
    lines = ["## Limits", ""]
    unseen = [code for code, found in (test.get("f1") or {}).items() if isinstance(found, Mapping) and not found["n"]]
    if unseen:
        lines.append(f"- Classes without a sample in the test, of which nothing is known here: {', '.join(unseen)}.")
    if calibration.get("method") == "temperature":
        lines.append(
            f"- Probabilities are scaled by a temperature of {calibration['temperature']:.4g}, fitted on validation."
        )
    else:
        lines.append("- Probabilities are not calibrated.")
    domain = run.report.get("out_of_domain") or {}
    if domain.get("threshold") is not None:
        lines.append(f"- Stranger than {domain['threshold']:.4g} ({domain['method']}) is out of domain.")
    if domain.get("features"):
        lines.append("- Strangeness is the distance to features of training samples in `domain.safetensors`.")
    kind = run.version.design.get("kind")
    if kind in ("random", "block"):
        lines.append("- The test lies in the cities of the training: in other cities it will do worse.")
    return "\n".join(lines)


def _tell_use(words: NetworkWords, export: Mapping[str, Any] | None) -> str:
    lines = ["## Use", "", "- `network.safetensors` with `network.json`: `python -m fusion predict spec.json`."]
    if export and "difference" in export:
        worst = max(export["difference"].values())
        lines.append(
            "- `network.onnx`: stored values in, probabilities out, any batch size; it differs from the network by at "
            f"most {worst:.1e} on {sum(export['samples'].values())} samples."
        )
        inputs = ", ".join(f'"{one.name}": {one.name}' for one in words.inputs)
        lines += ["", "```python", "import onnxruntime", 'network = onnxruntime.InferenceSession("network.onnx")']
        lines += [f"answer = network.run(None, {{{inputs}}})", "```"]
    elif export and export.get("reason"):
        lines.append(f"- There is no ONNX file: {export['reason']}")
    return "\n".join(lines)


def _tell_origin(run: Run) -> str:
    report = run.report
    facts = {
        "Run": run.pk,
        "Trained": f"{run.finished_at:%Y-%m-%d}" if run.finished_at else "",
        "Epochs, steps": f"{report['epochs']}, {report['steps']}",
        "Seed": report["seed"],
        "Device": report["device"],
        "Code": report["code_revision"],
        "Weights sha256": report["weights_sha256"],
        **{name: version for name, version in sorted(report["environment"].items())},
    }
    rows = [f"| {name} | {value} |" for name, value in facts.items() if value != ""]
    return "\n".join(["## Where it came from", "", "| | |", "| --- | --- |", *rows])


def _test(run: Run) -> Mapping[str, Any]:
    return run.report["test"] or run.report["validation"] or {"n": 0, "blocks": 0}


def _split(run: Run) -> str:
    return "test" if run.report["test"] else "validation"


def _say(found: Mapping[str, Any]) -> str:
    if found.get("value") is None:
        return "–"
    if found.get("low") is None:
        return f"{found['value']:.4f}"
    return f"{found['value']:.4f} ({found['low']:.4f} – {found['high']:.4f})"
