"""A run's network as a STAC 1.1 Item with the Machine Learning Model extension 1.5, from the run's record alone."""

import re
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.compute as pc
import shapely
from shapely.geometry import box, mapping

from fusion import scheme as schemes
from fusion.pack import Pack
from geoquorum.training.models import Run
from geoquorum.training.network_words import NetworkWords

MLM = "https://stac-extensions.github.io/mlm/v1.5.0/schema.json"
FILE = "https://stac-extensions.github.io/file/v2.1.0/schema.json"
TASKS = {"classes": "scene-classification", "mask": "semantic-segmentation", "field": "regression",
         "boxes": "object-detection", "embedding": "similarity-search"}  # fmt: skip
DIMS = {"time": "time", "band": "bands", "z": "depth", "y": "height", "x": "width"}
SHA256 = "1220"  # how a multihash says that 32 bytes of SHA-256 follow


def describe_item(run: Run, words: NetworkWords, files: Mapping[str, tuple[str, str, int]]) -> dict[str, Any]:
    """The item; `files` are name, sha256 and size of what lies beside it, by the name of the asset."""
    places = find_places(run)
    geometry = None if places is None else mapping(places)
    item: dict[str, Any] = {
        "type": "Feature",
        "stac_version": "1.1.0",
        "stac_extensions": [MLM, FILE],
        "id": f"{_plain(run.name)}-{run.report['weights_sha256'][:12]}",
        "geometry": geometry,
        "properties": {**_find_times(run), **_describe_model(run, words)},
        "links": [],
        "assets": _describe_assets(files),
    }
    if places is not None:
        item["bbox"] = [round(value, 6) for value in places.bounds]
    return item


def find_places(run: Run) -> Any:
    """Bounding boxes of the training samples of each city, in degrees; None where no sample has a place."""
    table = Pack.open(Path(run.version.uri)).samples
    table = table.filter(pc.equal(table.column("split"), "train"))
    shapes = shapely.from_wkb(np.array(table.column("geometry").to_pylist(), dtype=object))
    cities = np.array([name or "" for name in table.column("city").to_pylist()])
    known = ~shapely.is_missing(shapes)
    boxes = [box(*shapely.total_bounds(shapes[known & (cities == name)])) for name in sorted(set(cities[known]))]
    if not boxes:
        return None
    rounded = [shapely.set_precision(one, 1e-6) for one in boxes]
    return rounded[0] if len(rounded) == 1 else shapely.multipolygons(rounded)


def _describe_model(run: Run, words: NetworkWords) -> dict[str, Any]:
    report = run.report
    torch = str(report["environment"].get("torch", ""))
    properties: dict[str, Any] = {
        "title": run.name,
        "description": _describe_words(run),
        "mlm:name": f"{_plain(run.task)}-{_plain(report['spec']['network']['name'])}-{report['weights_sha256'][:8]}",
        "mlm:architecture": report["spec"]["network"]["name"],
        "mlm:tasks": [TASKS.get(words.head, "regression")],
        "mlm:framework": "PyTorch",
        "mlm:total_parameters": report["parameters"],
        "mlm:pretrained": False,
        "mlm:pretrained_source": None,
        "mlm:accelerator": None,
        "mlm:accelerator_summary": report["device"],
        "mlm:input": [_describe_input(one) for one in words.inputs],
        "mlm:output": [_describe_output(words)],
        "mlm:hyperparameters": _list_hyperparameters(report["spec"]),
        "bands": _list_bands(words),
    }
    if re.fullmatch(r"\d+\.\d+\.\d+(\+[0-9A-Za-z.-]+)?", torch):
        properties["mlm:framework_version"] = torch
    return properties


def _describe_words(run: Run) -> str:
    simulated = "Trained and tested on simulated data. " if run.report["is_simulated"] else ""
    version = run.version
    return (
        f"{simulated}Learned from dataset version {version}, pack sha256 {run.report['pack_sha256']}. Its inputs are "
        "stored values: scaling and standardising are inside the network."
    )


def _describe_input(one: Any) -> dict[str, Any]:
    return {
        "name": one.name,
        "bands": list(one.bands),
        "input": {
            "shape": [-1, *one.shape],
            "dim_order": ["batch", *(DIMS.get(dim, dim) for dim in one.dims)],
            "data_type": one.dtype,
        },
        "description": f"Values of {one.modality} as stored.",
        "value_scaling": None,
        "resize_type": None,
        "pre_processing_function": None,
    }


def _describe_output(words: NetworkWords) -> dict[str, Any]:
    has_pixels = words.head == "mask" or list(words.target.get("dims") or ())[-2:] == ["y", "x"]
    of_classes = words.is_of_classes
    name = "probability" if of_classes else "mean"
    count = len(words.codes) if of_classes else len(words.value_names)
    side = [words.size, words.size] if has_pixels else []
    output: dict[str, Any] = {
        "name": name,
        "tasks": [TASKS.get(words.head, "regression")],
        "result": {
            "shape": [-1, count, *side],
            "dim_order": ["batch", "class" if of_classes else "channel", *(["height", "width"] if has_pixels else [])],
            "data_type": "float32",
        },
    }
    if of_classes:
        output["classification:classes"] = _list_classes(words)
    return output


def _list_classes(words: NetworkWords) -> list[dict[str, Any]]:
    labels = {label.code: label for label in schemes.find(words.scheme).classes}
    found = []
    for place, code in enumerate(words.codes):
        label = labels.get(code)
        title = label.name if label else code
        entry = {
            "value": place,
            "name": _plain(f"{words.scheme}_{code}"),
            "title": title,
            "description": f"{code} {title}",
        }
        found.append(entry | ({"color_hint": label.colour[1:].upper()} if label else {}))
    return found


def _list_bands(words: NetworkWords) -> list[dict[str, Any]]:
    bands: dict[str, dict[str, Any]] = {}
    for one in words.inputs:
        for name in one.bands:
            bands.setdefault(name, {"name": name, "description": f"{name} of {one.modality}", "data_type": one.dtype})
    return list(bands.values())


def _list_hyperparameters(spec: Mapping[str, Any]) -> dict[str, Any]:
    left_out = ("pack", "pack_sha256", "device", "threads")  # where it ran, not what was learned
    return {key: value for key, value in sorted(spec.items()) if key not in left_out}


def _describe_assets(files: Mapping[str, tuple[str, str, int]]) -> dict[str, Any]:
    kinds: dict[str, dict[str, Any]] = {
        "weights": {
            "title": "Weights", "type": "application/octet-stream", "roles": ["mlm:model", "mlm:weights"],
            "mlm:artifact_type": "safetensors.torch.save_file",
        },
        "words": {"title": "What the weights are", "type": "application/json", "roles": ["metadata"]},
        "domain": {
            "title": "Features of training samples, for out-of-domain scores", "type": "application/octet-stream",
            "roles": ["metadata"],
        },
        "onnx": {
            "title": "Network with its normalisation, as ONNX", "type": "application/octet-stream",
            "roles": ["mlm:model", "mlm:compiled"], "mlm:artifact_type": "torch.onnx.export",
        },
        "card": {"title": "Model card", "type": "text/markdown", "roles": ["metadata"]},
        "report": {"title": "Report of the run", "type": "application/json", "roles": ["metadata"]},
    }  # fmt: skip
    return {
        key: kinds[key] | {"href": f"./{name}", "file:size": size, "file:checksum": SHA256 + sha256}
        for key, (name, sha256, size) in files.items()
    }


def _find_times(run: Run) -> dict[str, Any]:
    """First and last moment of the training imagery; where none is known, the moment at which the run ended."""
    table = Pack.open(Path(run.version.uri)).samples
    known: Sequence[Any] = [
        moment
        for name in ("captured_from", "captured_to")
        for moment in table.column(name).drop_null().unique().to_pylist()
    ]
    created = {"created": _say_time(run.created_at), "updated": _say_time(run.finished_at or run.created_at)}
    if not known:
        return {"datetime": _say_time(run.finished_at or run.created_at), **created}
    return {
        "datetime": None,
        "start_datetime": _say_time(min(known)),
        "end_datetime": _say_time(max(known)),
        **created,
    }


def _say_time(moment: datetime) -> str:
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _plain(text: str) -> str:
    """Letters, figures and hyphens, beginning with a letter."""
    words = re.sub(r"[^0-9A-Za-z]+", "-", text).strip("-").lower()
    return words if words[:1].isalpha() else f"network-{words}"
