"""A random forest (Breiman 2001) on nine numbers per band: mean, deviation, minimum, maximum and five quantiles.

Takes the same stretched values as the networks, without their place in the patch.
"""

from collections.abc import Iterator, Sequence

import numpy as np
import numpy.typing as npt
from sklearn.ensemble import RandomForestClassifier

from fusion import modality as kinds
from fusion.baseline import Baseline
from fusion.central_pixel import find_arrays
from fusion.errors import PackError
from fusion.pack import Pack, PackArray

QUANTILES = (0.1, 0.25, 0.5, 0.75, 0.9)
TREES = 200
BLOCK = 256  # samples at a time: about 20 MB of float32 for 18 bands of 32 x 32

FloatArray = npt.NDArray[np.float32]
Indices = npt.NDArray[np.int64]


def fit_predict(
    pack: Pack,
    modalities: Sequence[str],
    seed: int = 0,
    *,
    split: str = "test",
    target: str | None = None,
    jobs: int = 2,
    trees: int = TREES,
) -> FloatArray:
    """Probabilities [n of the split, k] from arrays by name or modality; the same seed gives the same numbers.

    Samples that have not all of the arrays are left out, of the training as of the split.
    """
    names = [array.name for array in find_arrays(pack, modalities)]
    train, rows = (pack.indices(part, having=names) for part in ("train", split))
    if not len(train):
        raise PackError(f"{pack.folder} has no train samples, so there is nothing to learn from.")
    forest = RandomForestClassifier(n_estimators=trees, random_state=seed, n_jobs=jobs)
    forest.fit(collect_features(pack, modalities, train), pack.labels(target)[train])
    forest.n_jobs = 1  # threads would add up the trees in any order, and the last digit would change
    shares = np.zeros((len(rows), len(pack.target(target)["codes"])), dtype=np.float32)
    if len(shares):
        shares[:, forest.classes_] = forest.predict_proba(collect_features(pack, modalities, rows))
    return shares


def collect_features(pack: Pack, modalities: Sequence[str], rows: Indices) -> FloatArray:
    """Features [rows, bands * 9] of the named arrays; NaN where a band has no valid pixel (the forest takes that)."""
    arrays = find_arrays(pack, modalities)
    return np.concatenate([np.concatenate(list(_summarise_blocks(array, rows))) for array in arrays], axis=1)


def _summarise_blocks(array: PackArray, rows: Indices) -> Iterator[FloatArray]:
    for start in range(0, max(1, len(rows)), BLOCK):
        stored = np.moveaxis(array.gather(rows[start : start + BLOCK]), -3, 0)
        values = kinds.stretch(array.modality, kinds.physical(array.modality, stored))
        if array.modality.nodata is not None:
            values = np.where(stored == array.modality.nodata, np.float32(np.nan), values)
        yield summarise(values.reshape(*values.shape[:2], -1))


def summarise(values: FloatArray) -> FloatArray:
    """Nine numbers per band of [band, n, pixels], NaN taken as missing: [n, band * 9], band by band."""
    ordered = np.sort(values, axis=2)  # NaN comes last
    count = np.isfinite(ordered).sum(axis=2)
    known = np.maximum(count, 1)
    mean = np.nansum(ordered, axis=2, dtype=np.float64) / known
    spread = np.nansum(np.square(ordered - mean[..., None].astype(np.float32)), axis=2, dtype=np.float64) / known
    levels = np.array([0, 1, *QUANTILES])
    place = levels[:, None, None] * (known - 1)
    low = np.floor(place).astype(np.int64)
    high = np.ceil(place).astype(np.int64)
    below, above = (np.moveaxis(np.take_along_axis(ordered, np.moveaxis(i, 0, 2), 2), 2, 0) for i in (low, high))
    quantiles = below + (above - below) * (place - low)
    table = np.stack([mean, np.sqrt(spread), *quantiles])  # [9, band, n]
    table[:, count == 0] = np.nan
    return np.moveaxis(table, (0, 1, 2), (2, 1, 0)).reshape(values.shape[1], -1).astype(np.float32)


BASELINE = Baseline(
    name="random_forest",
    title="Random forest",
    fit_predict=fit_predict,
    source="Breiman 2001, doi 10.1023/A:1010933404324",
)
