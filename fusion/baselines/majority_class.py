"""The majority class: every sample gets the training split's shares of labels, so the answer is its commonest class."""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from fusion.baseline import Baseline
from fusion.errors import PackError
from fusion.pack import Pack


def fit_predict(
    pack: Pack,
    modalities: Sequence[str],
    seed: int = 0,
    *,
    split: str = "test",
    target: str | None = None,
    jobs: int = 1,
) -> npt.NDArray[np.float32]:
    """Probabilities [n of the split, k] for the samples that have all of the arrays; nothing else is looked at."""
    train = pack.labels(target)[pack.indices("train", having=modalities)]
    if not len(train):
        raise PackError(f"{pack.folder} has no train samples, so there is nothing to learn from.")
    shares = np.bincount(train, minlength=len(pack.target(target)["codes"])) / len(train)
    return np.tile(shares.astype(np.float32), (len(pack.indices(split, having=modalities)), 1))


BASELINE = Baseline(name="majority_class", title="Majority class", fit_predict=fit_predict)
