"""Logistic regression on one pixel: the central one at every date, and its differences from date to date."""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
from sklearn.linear_model import LogisticRegression

from fusion.baseline import Baseline
from fusion.central_pixel import find_arrays, read_central_pixels
from fusion.errors import PackError
from fusion.pack import Pack

FloatArray = npt.NDArray[np.float32]
Indices = npt.NDArray[np.int64]
MOST_STEPS = 2000


def fit_predict(
    pack: Pack,
    modalities: Sequence[str],
    seed: int = 0,
    *,
    split: str = "test",
    target: str | None = None,
    jobs: int = 1,
) -> FloatArray:
    """Probabilities [n of the split, k] from features standardised over the train split; nothing is drawn."""
    names = [array.name for array in find_arrays(pack, modalities)]
    train, rows = (pack.indices(part, having=names) for part in ("train", split))
    labels = pack.labels(target)[train]
    if len(np.unique(labels)) < 2:
        raise PackError(f"{pack.folder}: the train split has not two classes to tell apart. Build another version.")
    known, wanted = (collect_features(pack, names, part) for part in (train, rows))
    middle, spread = np.nanmean(known, axis=0), np.nanstd(known, axis=0)
    known, wanted = (np.nan_to_num((part - middle) / np.where(spread > 0, spread, 1)) for part in (known, wanted))
    model = LogisticRegression(max_iter=MOST_STEPS).fit(known, labels)
    shares = np.zeros((len(rows), len(pack.target(target)["codes"])), dtype=np.float32)
    if len(shares):
        shares[:, model.classes_] = model.predict_proba(wanted)
    return shares


def collect_features(pack: Pack, names: Sequence[str], rows: Indices) -> FloatArray:
    """Per array its bands at every date, then each date minus the one before: [rows, features], NaN without data."""
    parts: list[FloatArray] = []
    for name in names:
        series = read_central_pixels(pack.array(name), rows)
        parts += [series.reshape(len(series), -1), np.diff(series, axis=1).reshape(len(series), -1)]
    return np.concatenate(parts, axis=1)


BASELINE = Baseline(
    name="logistic",
    title="Logistic regression",
    fit_predict=fit_predict,
    source="Cox 1958, doi 10.1111/j.2517-6161.1958.tb00292.x; one pixel, both dates and their difference",
)
