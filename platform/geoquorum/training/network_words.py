"""What a run's network reads and gives, from its checkpoint's JSON and without torch."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from fusion.errors import SpecError
from fusion.run import read_json
from geoquorum.training.models import Run

OF_CLASSES = ("classes", "mask")


@dataclass(frozen=True, kw_only=True)
class InputWords:
    """One array that a network reads; `dims` and `shape` are of one sample."""

    name: str
    modality: str
    dims: tuple[str, ...]
    shape: tuple[int, ...]
    dtype: str
    bands: tuple[str, ...]
    words: Mapping[str, Any]


@dataclass(frozen=True, kw_only=True)
class NetworkWords:
    """What a network reads, what it was taught, and which shape its answer has."""

    inputs: tuple[InputWords, ...]
    target: Mapping[str, Any]
    checkpoint: Mapping[str, Any]

    @property
    def head(self) -> str:
        return str(self.target["head"])

    @property
    def target_name(self) -> str:
        return str(self.target["name"])

    @property
    def scheme(self) -> str:
        return str(self.target.get("scheme") or "")

    @property
    def codes(self) -> list[str]:
        return list(self.target.get("codes") or ())

    @property
    def unit(self) -> str:
        return str(self.target.get("unit") or "")

    @property
    def size(self) -> int:
        """Pixels along a side of what the network sees."""
        return self.inputs[0].shape[-1]

    @property
    def is_of_classes(self) -> bool:
        return self.head in OF_CLASSES

    @property
    def output(self) -> Literal["vector", "map"]:
        """One answer for what is seen, or one for each of its pixels; a head without either draws no map."""
        if self.head not in (*OF_CLASSES, "field"):
            raise SpecError(f"A run whose head is {self.head!r} draws no map: it gives no value for each place.")
        if "time" in (self.target.get("dims") or ()):
            raise SpecError("A run that answers for each date of a series draws no single map.")
        has_pixels = list(self.target.get("dims") or ())[-2:] == ["y", "x"]
        return "map" if self.head == "mask" or (self.head == "field" and has_pixels) else "vector"

    @property
    def value_names(self) -> list[str]:
        """Names of a field's bands."""
        return list(self.target.get("bands") or ()) or [self.target_name]

    def find_domain(self, report: Mapping[str, Any] | None) -> dict[str, Any]:
        """How a map flags what lies outside of what was learned, where the run's report has measured it."""
        found = (report or {}).get("out_of_domain") or {}
        if found.get("threshold") is None:
            return {}
        return {"out_of_domain": found["method"], "threshold": float(found["threshold"])}


def read_network_words(run: Run) -> NetworkWords:
    """The words of the checkpoint that the run reports; whoever restores the network checks them and its tensors."""
    path = (Path(run.folder) / str((run.report or {})["checkpoint"])).with_suffix(".json")
    words = read_json(path)
    inputs = tuple(
        InputWords(
            name=str(one["name"]),
            modality=str(one["modality"]),
            dims=tuple(one["dims"]),
            shape=tuple(one["shape"]),
            dtype=str(one["dtype"]),
            bands=tuple(one["bands"]),
            words=one,
        )
        for one in words["inputs"]
    )
    return NetworkWords(inputs=inputs, target=words["target"], checkpoint=words)
