"""Change-vector analysis (Malila 1980): a pixel has changed where its difference between two dates is long.

The difference of the first and the last date is measured at the central pixel in the bands' own units; the threshold
is the length that tells the two classes of the train split apart best. The target's second class is the changed one,
as in the scheme `change`: a threshold on the other side may fit better, but would say that nothing changed more.
"""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from fusion.baseline import Baseline
from fusion.central_pixel import find_arrays, read_central_pixels
from fusion.errors import PackError
from fusion.pack import Pack

FloatArray = npt.NDArray[np.float32]
Indices = npt.NDArray[np.int64]


def fit_predict(
    pack: Pack,
    modalities: Sequence[str],
    seed: int = 0,
    *,
    split: str = "test",
    target: str | None = None,
    jobs: int = 1,
    standardise: bool = False,
) -> FloatArray:
    """Probabilities [n of the split, 2], 0.5 at the threshold and not calibrated; nothing is drawn.

    `standardise` gives each band's difference a mean of 0 and a deviation of 1 over the train split first: it takes off
    what haze and season did to all pixels, but also half of the change where half of them changed. PackError unless
    the target has two classes and an array two dates.
    """
    names = [array.name for array in find_arrays(pack, modalities)]
    train, rows = (pack.indices(part, having=names) for part in ("train", split))
    labels = pack.labels(target)[train]
    if len(pack.target(target)["codes"]) != 2 or len(np.unique(labels)) != 2:
        raise PackError(f"{pack.folder}: change vectors tell two classes apart, both in the train split. Use another.")
    differences = [read_differences(pack, names, part) for part in (train, rows)]
    if standardise:
        middle, spread = np.nanmean(differences[0], axis=0), np.nanstd(differences[0], axis=0)
        differences = [(part - middle) / np.where(spread > 0, spread, 1) for part in differences]
    known, wanted = (np.sqrt(np.nansum(np.square(part), axis=1)) for part in differences)
    threshold = fit_threshold(known, labels)
    share = 1 / (1 + np.exp(-np.clip((wanted - threshold) / max(float(known.std()), 1e-12), -30, 30)))
    return np.stack([1 - share, share], axis=1).astype(np.float32)


def read_differences(pack: Pack, names: Sequence[str], rows: Indices) -> FloatArray:
    """Last date minus first [rows, bands of all arrays]; arrays without dates say nothing of change."""
    series = [read_central_pixels(pack.array(name), rows) for name in names]
    dated = [values[:, -1] - values[:, 0] for values in series if values.shape[1] > 1]
    if not dated:
        raise PackError(f"{pack.folder}: no array of {', '.join(names)} has two dates to compare. Name one that has.")
    return np.concatenate(dated, axis=1)


def fit_threshold(lengths: npt.NDArray[np.floating], labels: Indices) -> float:
    """The length above which most are 1 and below which most are 0: the fewest mistakes, the least of equals."""
    order = np.argsort(lengths, kind="stable")
    ones = np.concatenate([[0], np.cumsum(labels[order])])
    right = (np.arange(len(labels) + 1) - ones) + (ones[-1] - ones)  # zeros below and ones above each cut
    ends = np.concatenate([lengths[order][:1], lengths[order], lengths[order][-1:]])
    can_part = ends[:-1] < ends[1:]  # equal lengths cannot be parted
    can_part[[0, -1]] = True
    place = int(np.where(can_part, right, -1).argmax())
    return float((ends[place] + ends[place + 1]) / 2)


BASELINE = Baseline(
    name="change_vectors",
    title="Change vectors",
    fit_predict=fit_predict,
    source="Malila 1980, Change vector analysis: an approach for detecting forest changes with Landsat",
)
