"""RunSpec in, RunReport out: the only words between the web and a machine that learns. Knows no torch."""

import importlib.metadata
import json
import os
import platform
import subprocess
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from types import UnionType
from typing import Any, Literal, TypeVar, cast, get_args, get_origin, get_type_hints

from fusion import registry, task
from fusion.errors import SpecError, UnknownKindError

Event = Literal["start", "step", "epoch", "checkpoint", "done", "failed", "cancelled"]
Split = Literal["validation", "test"]
OutOfDomain = Literal["none", "energy", "dirichlet", "neighbours"]
Words = TypeVar("Words")

DONE, FAILED, CANCELLED = 0, 1, 3  # exit codes of `python -m fusion`
PACKAGES = ("numpy", "torch", "safetensors", "scikit-learn", "scipy", "pyarrow")


@dataclass(frozen=True, kw_only=True)
class RunSpec:
    """One training, whole: the same spec on the same pack gives the same weights on a CPU with the same threads.

    `network` and `objective` are objects with a `name` and that kind's own options. `modalities` are arrays of the
    pack (the task's own where empty). `epochs` ends the run, and `max_seconds` of training does if it comes first:
    the schedule follows whichever is further on. `warm_up` is a share of the run. `checkpoint_every` counts steps.
    `select_by` says which checkpoint is reported: best validation metric, least validation loss, or the last. `order`
    says how an epoch is shuffled: whole, by blocks of neighbours (for packs larger than memory), or by the pack's size.

    `batch_size` counts the samples of one step, in however many micro-batches (`accumulate`) and processes they are
    read. `ema` is the decay of the averaged weights that are scored, `patience` the epochs without a better validation
    after which a run ends, `gradient_clip` the longest gradient, `mixup` the parameter of Beta(a, a) by which two
    samples are mixed, `cutout` the side in pixels of the square that is blanked; 0 leaves each of them out. `balance`
    draws each class equally often. `scored` are the splits that the report is about: a trial of a search leaves the
    test alone.
    """

    task: str
    pack: str
    pack_sha256: str = ""
    modalities: tuple[str, ...] = ()
    target: str = ""
    network: dict[str, Any] = field(default_factory=dict)
    objective: dict[str, Any] = field(default_factory=dict)
    optimizer: Literal["nadam", "adamw"] = "nadam"
    epochs: int = 40
    batch_size: int = 64
    learning_rate: float = 0.002
    weight_decay: float = 0.0
    schedule: Literal["constant", "cosine", "one_cycle", "step"] = "cosine"
    warm_up: float = 0.05
    accumulate: int = 1
    gradient_clip: float = 0.0
    ema: float = 0.0
    patience: int = 0
    balance: Literal["none", "classes"] = "none"
    augment: bool = True
    mixup: float = 0.0
    cutout: int = 0
    order: Literal["auto", "whole", "blocks"] = "auto"
    select_by: Literal["metric", "loss", "last"] = "metric"
    calibration: Literal["none", "temperature"] = "none"
    scored: tuple[Split, ...] = ("validation", "test")
    baselines: tuple[str, ...] = ("majority_class", "random_forest")
    resamples: int = 500
    seed: int = 0
    device: str = "auto"
    threads: int = 1
    precision: Literal["auto", "float32", "bfloat16"] = "auto"
    channels_last: bool = True
    compile: bool = False
    max_seconds: float | None = None
    checkpoint_every: int = 200

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> "RunSpec":
        """The spec with its task's defaults filled in; SpecError or UnknownKindError names what is wrong."""
        known = task.find(str(values.get("task", "")))
        own = {"target": known.target, "modalities": known.modalities, **known.defaults}
        merged = {**own, **values}
        merged["network"] = _merge(own.get("network", {"name": known.network}), values.get("network"))
        merged["objective"] = _merge(own.get("objective", {"name": known.objective}), values.get("objective"))
        spec = read_words(cls, merged)
        check_kind("network", spec.network.get("name"), "fusion.engine.networks")
        check_kind("objective", spec.objective.get("name"), "fusion.engine.objectives")
        for name in spec.baselines:
            check_kind("baseline", name, "fusion.baselines")
        return spec

    def to_json(self) -> dict[str, Any]:
        return to_plain(self)


@dataclass(frozen=True, kw_only=True)
class EvaluateSpec:
    """A checkpoint (a file, or a run's folder) scored on a pack's validation and test splits.

    `checkpoints` name further members of an ensemble, whose mean probability is scored; of each network `dropout_draws`
    predictions with its dropout on are members (0: one with dropout off). `conformal` is the coverage of prediction
    sets (0: none) by a method of fusion.conformal, calibrated on validation, whose samples or whole cities are taken as
    exchangeable. `out_of_domain` names a score of fusion.out_of_domain. Scores are tabled by city and by culture zone;
    `by` names the one whose mean is given with the interval from drawing such groups, `none` leaves the tables out.
    """

    checkpoint: str
    pack: str
    pack_sha256: str = ""
    checkpoints: tuple[str, ...] = ()
    dropout_draws: int = 0
    calibration: Literal["none", "temperature"] = "none"
    conformal: float = 0.0
    conformal_method: Literal["lac", "aps", "raps"] = "lac"
    conformal_by: Literal["sample", "city"] = "sample"
    out_of_domain: OutOfDomain = "none"
    by: Literal["none", "city", "culture_zone"] = "city"
    scored: tuple[Split, ...] = ("validation", "test")
    baselines: tuple[str, ...] = ("majority_class", "random_forest")
    resamples: int = 500
    seed: int = 0
    batch_size: int = 256
    device: str = "auto"
    threads: int = 1


@dataclass(frozen=True, kw_only=True)
class PredictSpec:
    """Predictions of a checkpoint (a file, or a run's folder) for a pack or for a file of arrays by modality.

    `arrays` is an .npz or .safetensors file with one stored array [n, *shape] per modality of the checkpoint.
    `split` or `rows` choose samples of a pack; all where neither is given. `offset` replaces a modality's stored
    offset (Sentinel-2 scenes differ by processing baseline). `temperature` divides the logits; a run's folder
    brings its own. `checkpoints` and `dropout_draws` make an ensemble as in EvaluateSpec; an evaluation's folder brings
    its members. `conformal` (the coverage that the folder's report was calibrated for; 0: none) and `out_of_domain`
    need that folder: they take their thresholds from its report. `output` is a .npy file of what is predicted, or an
    .npz file that also holds entropies, sets, scores and flags.
    """

    checkpoint: str
    pack: str = ""
    pack_sha256: str = ""
    arrays: str = ""
    split: str = ""
    rows: tuple[int, ...] = ()
    checkpoints: tuple[str, ...] = ()
    dropout_draws: int = 0
    conformal: float = 0.0
    out_of_domain: OutOfDomain = "none"
    offset: dict[str, Any] = field(default_factory=dict)
    temperature: float | None = None
    output: str = "probabilities.npy"
    batch_size: int = 256
    seed: int = 0
    device: str = "auto"
    threads: int = 1


@dataclass(frozen=True, kw_only=True)
class RunReport:
    """What came of a run. `test` and `validation` are scores (fusion.scores.evaluate), None where a split is empty.

    `baselines` holds the same scores on the test split, `difference` the paired differences of the metric with their
    intervals, `seconds` what each stage took, `checkpoint` the file (relative to the run's folder) that was scored.

    What follows `spec` is empty in reports of earlier versions and where it was not asked for. `protocol` says whether
    the test is of cities that were not trained in. `groups` holds, by `city` and by `culture_zone`, the metric of each
    group's test samples and the mean over groups. `uncertainty` names the members of the ensemble and gives total and
    expected entropy and mutual information, in nats; `conformal` threshold, coverage and size of prediction sets;
    `out_of_domain` threshold, share flagged, AUROC and histograms; each with a `note` where it could not be done.
    `samples` is the file (relative to the run's folder) with all of this for each test sample.
    """

    task: str
    metric: str
    test: dict[str, Any] | None
    validation: dict[str, Any] | None
    baselines: dict[str, dict[str, Any]]
    difference: dict[str, dict[str, Any]]
    calibration: dict[str, Any]
    seconds: dict[str, float]
    epochs: int
    steps: int
    images_per_second: float
    parameters: int
    checkpoint: str
    weights_sha256: str
    pack_sha256: str
    is_simulated: bool
    code_revision: str
    environment: dict[str, str]
    device: str
    seed: int
    spec: dict[str, Any]
    protocol: dict[str, Any] = field(default_factory=dict)
    groups: dict[str, Any] = field(default_factory=dict)
    uncertainty: dict[str, Any] = field(default_factory=dict)
    conformal: dict[str, Any] = field(default_factory=dict)
    out_of_domain: dict[str, Any] = field(default_factory=dict)
    samples: str = ""

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> "RunReport":
        return read_words(cls, values)

    def to_json(self) -> dict[str, Any]:
        return to_plain(self)


def to_plain(words: RunSpec | RunReport) -> dict[str, Any]:
    """As JSON gives it back: lists instead of tuples."""
    return cast(dict[str, Any], json.loads(json.dumps(asdict(words), allow_nan=False)))


def read_json(path: Path) -> dict[str, Any]:
    """The JSON object in a file; SpecError names a file that holds none."""
    try:
        values = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise SpecError(f"{path} cannot be read as JSON: {error}.") from error
    if not isinstance(values, dict):
        raise SpecError(f"{path} must hold a JSON object; it holds a {type(values).__name__}.")
    return values


def write_json(path: Path, values: Mapping[str, Any]) -> None:
    """Write an object as JSON, whole or not at all."""
    part = path.with_name(path.name + ".part")
    with open(part, "w", encoding="utf-8") as file:
        json.dump(values, file, indent=1, sort_keys=True)
        file.write("\n")
        file.flush()
        os.fsync(file.fileno())
    part.replace(path)


def read_words(words: type[Words], values: Mapping[str, Any]) -> Words:
    """A dataclass from JSON values; a field that is unknown, missing or of the wrong type is named."""
    known = get_type_hints(words)
    unknown = sorted(set(values) - set(known))
    if unknown:
        raise SpecError(f"{unknown[0]!r} is not a field of {words.__name__}. Known: {', '.join(sorted(known))}.")
    given = {key: _read_value(key, known[key], value) for key, value in values.items()}
    for key, value in given.items():
        _check_limits(key, value)
    try:
        return words(**given)
    except TypeError as error:  # a required field is missing: the message names it
        raise SpecError(f"{words.__name__}: {error}.") from error


def check_kind(noun: str, name: Any, package: str) -> None:
    """Refuse a kind that has no file; imports none, so that the web may ask about engine kinds."""
    known = registry.list_names(package)
    if name not in known:
        raise UnknownKindError(f"Unknown {noun} {name!r}. Known: {', '.join(known) or 'none'}.")


def check_pack(given: str, found: str, pack: str) -> None:
    """Refuse a pack whose hash differs from the spec's; an empty hash in the spec takes what is there."""
    if given and given != found:
        raise SpecError(
            f"pack_sha256: the spec names {given}, but {pack} is {found}. Train on the version that was meant, "
            "or queue a new run for this one."
        )


def describe_code() -> str:
    """The commit this code stands at, with `+changes` where files differ, or the installed version without git."""
    here = Path(__file__).parent
    try:
        commit = _run_git(here, "rev-parse", "HEAD")
        return commit + ("+changes" if _run_git(here, "status", "--porcelain", "--untracked-files=no", ".") else "")
    except (OSError, subprocess.SubprocessError):
        return f"geoquorum {_find_version('geoquorum')}"


def describe_environment() -> dict[str, str]:
    """Versions of what the result depends on; reads package metadata, imports nothing."""
    versions = {name: _find_version(name) for name in PACKAGES}
    return {"python": platform.python_version(), "machine": platform.machine(), **versions}


def _run_git(folder: Path, *words: str) -> str:
    done = subprocess.run(["git", *words], cwd=folder, capture_output=True, text=True, check=True, timeout=10)
    return done.stdout.strip()


def _find_version(name: str) -> str:
    try:
        return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return "not installed"


def _merge(own: Mapping[str, Any], given: Any) -> Any:
    """The spec's object over the task's, but only where both speak of the same kind: options are not shared."""
    if not isinstance(given, Mapping) or given.get("name", own["name"]) != own["name"]:
        return own if given is None else given
    return {**own, **given}


LIMITS: dict[str, tuple[float, float]] = {
    "epochs": (1, 100_000),
    "batch_size": (1, 65_536),
    "learning_rate": (1e-9, 100.0),
    "weight_decay": (0.0, 10.0),
    "warm_up": (0.0, 0.9),
    "resamples": (2, 100_000),
    "seed": (0, 2**31 - 1),
    "threads": (1, 1024),
    "max_seconds": (0.1, 1e9),
    "checkpoint_every": (1, 10**9),
    "dropout_draws": (0, 1000),
    "conformal": (0.0, 0.999),
    "accumulate": (1, 1024),
    "gradient_clip": (0.0, 1e6),
    "ema": (0.0, 0.999999),
    "patience": (0, 100_000),
    "mixup": (0.0, 100.0),
    "cutout": (0, 65_536),
    "temperature": (1e-3, 1e3),
}


def _check_limits(key: str, value: Any) -> None:
    low, high = LIMITS.get(key, (None, None))
    is_number = type(value) in (int, float)  # a report's field of the same name holds what was found
    if low is not None and high is not None and is_number and not low <= value <= high:
        raise SpecError(f"{key} must lie from {low:g} to {high:g}; it is {value!r}.")


def _read_value(key: str, wanted: Any, value: Any) -> Any:
    origin, parts = get_origin(wanted), get_args(wanted)
    if origin is UnionType:
        return None if value is None else _read_value(key, parts[0], value)
    if origin is Literal and value in parts:
        return value
    if origin is tuple and isinstance(value, list | tuple):
        return tuple(_read_value(key, parts[0], part) for part in value)
    if wanted is float and type(value) in (int, float):
        return float(value)
    if wanted is Any or type(value) is (origin or wanted):
        return value
    asked = " or ".join(map(repr, parts)) if origin is Literal else getattr(wanted, "__name__", str(wanted))
    raise SpecError(f"{key} must be {asked}; it is {value!r}.")
