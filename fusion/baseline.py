"""What every network is measured against: something that learns from a pack without the engine."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import numpy.typing as npt

from fusion import registry
from fusion.pack import Pack


class FitPredict(Protocol):
    """Learns from the train split, and answers probabilities [n of `split`, k] of the samples that have all arrays.

    `modalities` name arrays or modalities; the same seed gives the same numbers with any number of `jobs`.
    """

    def __call__(
        self,
        pack: Pack,
        modalities: Sequence[str],
        seed: int = 0,
        *,
        split: str = "test",
        target: str | None = None,
        jobs: int = 1,
    ) -> npt.NDArray[np.float32]: ...


@dataclass(frozen=True, kw_only=True)
class Baseline:
    """A way of answering without a network. A task may name its own among its defaults."""

    name: str
    title: str
    fit_predict: FitPredict
    source: str = ""


def find(name: str) -> Baseline:
    """The baseline called `name`; only its file is imported, since scikit-learn takes seconds."""
    return registry.find_kind("fusion.baselines", name, "BASELINE", Baseline)
